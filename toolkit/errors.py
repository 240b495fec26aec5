"""One family of errors. Each message says what is wrong, where, and what to do.

Messages name columns, tables, row numbers and counts, never a person's key.

The exit codes are those of the command line: 2 wrong call, 3 input refused, 4 checks failed,
5 the disk does not take what is written, or somebody else is writing there.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class ToolkitError(Exception):
    """Base of all errors this toolkit raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong, in one clause.
    where : str, optional
        Table, column, file and rows concerned. Never a person's key.
    fix : str, optional
        What the user can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        parts = [what.rstrip(".")]
        if where:
            parts.append(f"Where: {where.rstrip('.')}")
        if fix:
            parts.append(f"What to do: {fix.rstrip('.')}")
        text = ". ".join(parts)
        super().__init__(text if text.endswith("?") else f"{text}.")


class CallError(ToolkitError, ValueError):
    """The call itself is wrong: an unknown option, column or file."""

    exit_code = 2


class UnknownColumnError(CallError):
    """A column that is not in the frame."""


class UnknownOptionError(CallError):
    """An option outside its set."""


class InputError(ToolkitError, ValueError):
    """The input is refused: nothing was computed from it."""

    exit_code = 3


class MissingTableError(InputError):
    """A table of the register is not there."""


class MissingColumnError(InputError):
    """A table lacks a column that its schema names."""


class WrongTypeError(InputError):
    """A column has a type its schema or the estimator cannot use."""


class UnknownCodeError(InputError):
    """A code outside the code list of its column."""


class MissingValueError(InputError):
    """A missing value where none is allowed; rows are never dropped in silence."""


class ReversedSpellError(InputError):
    """A spell that ends on or before its start."""


class OverlappingSpellsError(InputError):
    """Spells of one person that overlap where they may not."""


class OutsideCoverageError(InputError):
    """A date or a window outside the period its source covers."""


class OrphanPersonError(InputError):
    """A person in one table who is not in `persons`."""


class DuplicateKeyError(InputError):
    """A key that stands twice where it must be unique."""


class MixedSchemesError(InputError):
    """Positions of schemes that share digits but not meaning, about to be mixed."""


class EmptyCohortError(InputError):
    """No unit is left to estimate anything from."""


class NegativeTimeError(InputError):
    """A duration below zero, or an entry at or after its exit."""


class HorizonError(InputError):
    """A definition that asks for a horizon past the data of the whole cohort."""


class EstimationError(InputError):
    """The data do not determine what is asked: no numbers are better than wrong ones.

    A column of a model is named with its level, which comes out of the data: it is masked.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(masked(what), where=masked(where) if where else None, fix=fix)


class CollinearityError(EstimationError):
    """A column of a model that the others make up."""


class SeparationError(EstimationError):
    """A coefficient that runs off to infinity, because a column foretells every event."""


class ConvergenceError(EstimationError):
    """An optimum that was not found in the steps allowed."""


class CheckError(ToolkitError):
    """A check of results against their targets failed."""

    exit_code = 4


class StorageError(ToolkitError):
    """What was to be written cannot be: no room, no rights, or another process at work."""

    exit_code = 5


class ToolkitWarning(UserWarning):
    """Something the reader of a number must know; also counted in `meta`."""


class FollowUpWarning(ToolkitWarning):
    """Part of a cohort is not observed up to the horizon: those outcomes are null, not 'no'."""


#: What may be a key in a text that should hold none: many digits, or a long hash.
_KEY = re.compile(r"\d{5,}|(?=\w*\d)\w{16,}")


def masked(text: str) -> str:
    """Return `text` with everything that looks like a key replaced by as many `#`.

    For values and names that come out of a file: its columns may have been shifted, or its header
    may be its first row.
    """
    return _KEY.sub(lambda found: "#" * len(found.group()), text)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, or None."""
    by_lower = {k.lower(): k for k in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def unknown_column(
    name: str, known: Sequence[str], *, where: str = "the data"
) -> UnknownColumnError:
    """Build the error for a column that is not there, with the nearest name."""
    hint = nearest(str(name), known)
    listed = masked(", ".join(known[:12])) + (", …" if len(known) > 12 else "")
    fix = f"did you mean {hint!r}?" if hint else "name one of the columns there"
    return UnknownColumnError(
        f"Column {name!r} does not exist", where=f"{where} (columns: {listed})", fix=fix
    )


def unknown_option(argument: str, value: object, allowed: Sequence[str]) -> UnknownOptionError:
    """Build the error for an option outside its set, with the nearest name.

    Values of the data may be options (causes, groups): what looks like a key is masked.
    """
    hint = nearest(str(value), allowed)
    choices = masked(", ".join(repr(a) for a in allowed[:30]))
    choices += f", … ({len(allowed):,} in all)" if len(allowed) > 30 else ""
    return UnknownOptionError(
        f"{argument}={value!r} is not an option",
        fix=f"choose one of {choices}" + (f"; did you mean {masked(repr(hint))}?" if hint else ""),
    )


def check_option(argument: str, value: str, allowed: Sequence[str]) -> None:
    """Raise `UnknownOptionError` unless `value` is one of `allowed`."""
    if value not in allowed:
        raise unknown_option(argument, value, allowed)
