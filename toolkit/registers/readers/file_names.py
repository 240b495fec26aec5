"""What a file name says: which layout, which period, who delivered, which version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from toolkit.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePath

    from toolkit.registers.layout import Layout

_PIECES: Final = {
    "year": r"(?P<year>(?:19|20)\d\d)",
    "half": r"(?:HJ?)?(?P<half>0?[12])",
    "month": r"(?P<month>0[1-9]|1[0-2])",
    "day": r"(?P<day>0[1-9]|[12]\d|3[01])",
    "municipality": r"(?:GM)?(?P<municipality>\d{3,4})",
    "version": r"(?P<version>\d{1,6})",
}


@dataclass(frozen=True)
class NameFacts:
    """What a file name says, by the pattern it fits.

    Attributes
    ----------
    period_start, period_end : date or None
        The period `[start, end)`.
    municipality : str or None
        `gm0000`.
    version : int
        The `V` number; 1 without one.
    pattern : str
        The pattern it fits.
    """

    period_start: date | None
    period_end: date | None
    municipality: str | None
    version: int
    pattern: str

    @property
    def literal(self) -> int:
        """Letters of the pattern that are no placeholder: the more, the surer."""
        return len(bare(self.pattern))


def match_name(layout: Layout, path: PurePath) -> NameFacts | None:
    """Read a file name by the patterns of a layout; None where none fits.

    The extension does not count, nor that of an archive around it; case is ignored.

    Examples
    --------
    >>> from pathlib import PurePath
    >>> from toolkit.registers.layout import layout
    >>> match_name(layout("srg_2010"), PurePath("SRG_0363_20101_V2.txt")).municipality
    'gm0363'
    """
    stem = stem_of(path)
    for pattern in layout.files:
        found = _expression(pattern).fullmatch(stem)
        if found is None:
            continue
        said = found.groupdict()
        period = _period(layout, said)
        if period is None:
            continue
        number = said.get("municipality")
        return NameFacts(
            *period,
            municipality=f"gm{int(number):04d}" if number else None,
            version=int(said.get("version") or 1),
            pattern=pattern,
        )
    return None


def in_force(layout: Layout, facts: NameFacts) -> bool:
    """Tell whether a layout was in force in the period that a file name says."""
    if facts.period_start is None:
        return True
    month = f"{facts.period_start:%Y-%m}"
    return not (
        (layout.from_ is not None and month < layout.from_)
        or (layout.until is not None and month >= layout.until)
    )


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Regular expression of a file-name pattern."""
    parts = re.split(r"(\{\w+\}|\*)", pattern)
    made = []
    for part in parts:
        if part == "*":
            made.append(".*")
        elif part.startswith("{"):
            word = part[1:-1]
            if word not in _PIECES:
                hint = nearest(word, _PIECES)
                raise InputError(
                    f"A pattern of file names has no {part}",
                    where=pattern,
                    fix=f"did you mean {{{hint}}}?" if hint else f"it has {', '.join(_PIECES)}",
                )
            made.append(_PIECES[word])
        else:
            made.append(re.escape(part))
    return re.compile("".join(made), re.IGNORECASE)


def _period(
    layout: Layout, said: Mapping[str, str | None]
) -> tuple[date | None, date | None] | None:
    """Period of a file, `[start, end)`; None where the name does not say it."""
    if layout.period == "none":
        return None, None
    needed = {
        "year": ("year",), "half_year": ("year", "half"), "month": ("year", "month"),
        "day": ("year", "month", "day"),
    }[layout.period]  # fmt: skip
    parts = {word: int(said.get(word) or 0) for word in needed}
    if not all(parts.values()):
        return None
    months = {"year": 12, "half_year": 6, "month": 1, "day": 0}[layout.period]
    first = parts.get("month", 6 * parts.get("half", 1) - 5)
    try:
        start = date(parts["year"], first, parts.get("day", 1))
    except ValueError:  # 31 June
        return None
    after = parts["year"] * 12 + first - 1 + months
    end = date(after // 12, after % 12 + 1, 1) if months else start + timedelta(days=1)
    return start, end


def bare(pattern: str) -> str:
    """Return a pattern without its placeholders."""
    return re.sub(r"\{\w+\}", "", pattern).replace("*", "")


def listed(layout: Layout) -> str:
    """Return the patterns of a layout in words."""
    return " or ".join(repr(pattern) for pattern in layout.files)


def _unzipped(path: PurePath) -> PurePath:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def extension_of(path: PurePath) -> str:
    """Extension without that of an archive. `V1.2` in a name is no extension of data."""
    return _unzipped(path).suffix.lower()


def stem_of(path: PurePath) -> str:
    """Return a name without its extension and that of an archive."""
    return _unzipped(path).stem
