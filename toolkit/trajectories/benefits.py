"""Benefit spells under a definition, with `nug` derived from registrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import OutsideCoverageError
from toolkit.registers import codes
from toolkit.trajectories.definition import SCHEMES
from toolkit.trajectories.spells import merge_frame, subtract_frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from toolkit.registers import Register

SCHEME_TYPE = pl.Enum(SCHEMES)
_REASON_TYPE = pl.Enum(codes.BENEFIT_END)


def one_of(column: str, values: Sequence[str]) -> pl.Expr:
    """Return where an Enum column is one of some codes (equality compares codes, not text)."""
    tests = [pl.col(column) == value for value in values]
    return pl.any_horizontal(tests) if tests else pl.lit(value=False)


def coverage_of(register: Register, source: str) -> tuple[date, date] | None:
    """Return the period a source covers, or None when the register does not have it."""
    try:
        return register.covers(source)
    except OutsideCoverageError:
        return None


def benefit_coverage(register: Register, schemes: Sequence[str]) -> tuple[date, date]:
    """Return the period over which spells of these schemes are known: `[start, end)`."""
    start, end = register.covers("benefits")
    if "nug" in schemes:
        other_start, other_end = register.covers("registrations")
        start, end = max(start, other_start), min(end, other_end)
    return start, end


def scheme_spells(register: Register, schemes: Sequence[str]) -> pl.DataFrame:
    """Return raw spells: person, start, end, scheme, municipality, end_reason.

    A `nug` spell is a spell of registration less every day on any benefit: a registered jobseeker
    who receives nothing.
    """
    wanted = [name for name in schemes if name != "nug"]
    columns = ["person", "start", "end", "scheme", "municipality", "end_reason"]
    benefits = (
        register.benefits.filter(one_of("scheme", wanted))
        .select(columns)
        .with_columns(pl.col("scheme").cast(SCHEME_TYPE))
        .collect()
    )
    if "nug" not in schemes:
        return benefits
    registered = register.registrations.select("person", "start", "end").collect()
    received = register.benefits.select("person", "start", "end").collect()
    nug = subtract_frame(
        merge_frame(registered, by=["person"], max_gap_days=0), received, by=["person"]
    ).with_columns(
        scheme=pl.lit("nug", SCHEME_TYPE),
        municipality=pl.lit(None, pl.String),
        end_reason=pl.lit(None, _REASON_TYPE),
    )
    return pl.concat([benefits, nug.select(columns)])


def merged_spells(
    register: Register, schemes: Sequence[str], *, max_gap_days: int, by_scheme: bool
) -> tuple[pl.DataFrame, int]:
    """Merge the spells of `schemes` per person, or per person and scheme; also the raw row count.

    Columns: person, start, end, scheme (of the last row), start_scheme (of the first), municipality
    and end_reason (of the last).
    """
    raw = scheme_spells(register, schemes).with_columns(start_scheme="scheme")
    by = ["person", "scheme"] if by_scheme else ["person"]
    return merge_frame(raw, by=by, max_gap_days=max_gap_days), raw.height
