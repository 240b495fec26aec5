"""From one scheme of positions to another: never without saying so, and always indicative."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError, InputError, MissingValueError, MixedSchemesError, nearest
from toolkit.frames import require_columns
from toolkit.registers.codes import POSITION_SCHEME
from toolkit.registers.layout import Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FILE = Path(__file__).with_name("crosswalk.toml")
_LABEL = Words(nl="indicatief", en="indicative")
#: Schemes side by side, each row under its own: no row is translated.
APART = "apart"


@dataclass(frozen=True)
class Crosswalk:
    """How positions of one scheme are carried in another.

    Attributes
    ----------
    name : str
        Its name.
    source, target : str
        The schemes.
    steps : mapping
        Position → (the one it is carried as, lowest, highest it may be).
    words : Words
        What it is.
    label : Words
        Stands by every figure that rests on it.
    """

    name: str
    source: str
    target: str
    steps: Mapping[int, tuple[int, int, int]]
    words: Words
    label: Words = _LABEL

    def apply(self, positions: pl.DataFrame) -> pl.DataFrame:
        """Return positions in the target scheme, with `indicative`, `lowest` and `highest`.

        Rows of the target scheme stay as they are; their range is themselves.

        Raises
        ------
        MixedSchemesError
            When a row has a third scheme.
        MissingValueError
            When a position has no step.
        """
        require_columns(positions, "position", "scheme", where="the positions")
        scheme = pl.col("scheme").cast(pl.String)
        other = positions.filter(~scheme.is_in([self.source, self.target])).height
        if other:
            raise MixedSchemesError(
                f"Crosswalk {self.name!r} does not know the scheme of some positions",
                where=f"{other:,} of {positions.height:,} rows",
                fix=f"it goes from {self.source!r} to {self.target!r}",
            )
        mine = scheme == self.source
        lacking = positions.filter(mine, ~pl.col("position").is_in(list(self.steps))).height
        if lacking:
            raise MissingValueError(
                f"Crosswalk {self.name!r} has no step for some positions",
                where=f"{lacking:,} of {positions.height:,} rows",
                fix="add the step",
            )
        return positions.with_columns(
            *(
                pl.when(mine)
                .then(
                    pl.col("position").replace_strict(
                        {step: to[at] for step, to in self.steps.items()},
                        default=None,
                        return_dtype=pl.Int8,
                    )
                )
                .otherwise(pl.col("position").cast(pl.Int8))
                .alias(name)
                for at, name in enumerate(("position", "lowest", "highest"))
            ),
            scheme=pl.lit(self.target, dtype=pl.Enum(POSITION_SCHEME)),
            indicative=mine,
        )


def crosswalks(path: str | Path | None = None) -> dict[str, Crosswalk]:
    """Return the crosswalks that come with the toolkit, or those of a file of one's own."""
    file = _FILE if path is None else Path(path)
    if not file.is_file():
        raise CallError(f"There is no crosswalk file {file.as_posix()!r}", fix="check the path")
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        return {name: _read(name, one) for name, one in found.items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"A crosswalk is not valid TOML: {error}", where=file.name, fix="correct that line"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "A crosswalk is not complete",
            where=file.name,
            fix="each has from, to, nl, en and steps = { 1 = [step, lowest, highest], … }",
        ) from error


def _read(name: str, one: Mapping[str, Any]) -> Crosswalk:
    source, target = one["from"], one["to"]
    if {source, target} - set(POSITION_SCHEME) or source == target:
        raise ValueError(name)
    steps = {}
    for step, to in one["steps"].items():
        likely, lowest, highest = (int(value) for value in to)
        if not 1 <= lowest <= likely <= highest <= 6:
            raise ValueError(name)
        steps[int(step)] = (likely, lowest, highest)
    return Crosswalk(name, source, target, steps, Words(nl=one["nl"], en=one["en"]))


def crosswalk(name: str, path: str | Path | None = None) -> Crosswalk:
    """Return one crosswalk by name.

    Examples
    --------
    >>> crosswalk("reint2009_to_pladder2013").label.nl
    'indicatief'
    """
    known = crosswalks(path)
    if name not in known:
        hint = nearest(name, known)
        raise CallError(
            f"There is no crosswalk {name!r}",
            fix=f"did you mean {hint!r}?" if hint else f"choose one of {', '.join(known)}",
        )
    return known[name]


def check_schemes(schemes: Iterable[str], chosen: Crosswalk | str | None) -> None:
    """Raise `MixedSchemesError` when positions of two schemes would meet without a choice."""
    there = sorted(set(schemes))
    if len(there) < 2 or chosen == APART:
        return
    if chosen is None:
        raise MixedSchemesError(
            f"Positions of schemes {' and '.join(there)} would be mixed",
            where="their digits are the same, their meaning is not",
            fix=f"name a crosswalk (`reintegratie` calls them {', '.join(crosswalks())}), "
            f"or {APART!r} to keep them side by side",
        )


def one_scheme(positions: pl.DataFrame, *, crosswalk: Crosswalk | None = None) -> pl.DataFrame:
    """Return positions that may be compared: of one scheme, or made so by a crosswalk.

    Raises
    ------
    MixedSchemesError
        When there are two schemes and no crosswalk.

    Examples
    --------
    >>> positions = pl.DataFrame({"position": [2, 2], "scheme": ["reint2009", "pladder2013"]})
    >>> one_scheme(positions)
    Traceback (most recent call last):
    toolkit.errors.MixedSchemesError: Positions of schemes pladder2013 and ...
    """
    require_columns(positions, "position", "scheme", where="the positions")
    there = positions["scheme"].cast(pl.String).drop_nulls().unique().to_list()
    check_schemes(there, crosswalk)
    return positions if crosswalk is None else crosswalk.apply(positions)
