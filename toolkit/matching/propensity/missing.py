"""Missing covariates: refused, or a level of their own where the caller says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.estimation.formula import variables_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Missing = Literal["refuse", "indicator"]
_MISSING = ("refuse", "indicator")
_LEVEL = "(missing)"


def with_indicators(
    formula: str, frame: pl.DataFrame, missing: Missing
) -> tuple[str, pl.DataFrame, dict[str, int]]:
    """Return formula and frame without missing values, and how many each column had.

    With ``indicator`` missing text is a level ``(missing)``; a missing number gets the mean of
    those known, and a column ``<name>_missing`` in the formula that says so. People are then
    compared as if what is missing, and that it is missing, were what was known of them (Rosenbaum
    and Rubin 1984), which is all that whoever assigned them may have known too.
    """
    check_option("missing", missing, _MISSING)
    if missing == "refuse":
        return formula, frame, {}
    counts: dict[str, int] = {}
    flags: list[str] = []
    columns: list[pl.Expr] = []
    for name in variables_of(formula, frame.columns):
        dtype = frame.schema[name]
        gone = pl.col(name).is_null()
        if dtype.is_float():
            gone |= pl.col(name).is_nan()
        count = int(frame.select(gone.sum()).item())
        if not count:
            continue
        counts[name] = count
        if not dtype.is_numeric():
            columns.append(pl.col(name).cast(pl.String).fill_null(_LEVEL))
            continue
        flag = f"{name}_missing"
        _check_free(flag, frame.columns)
        flags.append(flag)
        known = pl.col(name).cast(pl.Float64).fill_nan(None)
        columns += [known.fill_null(known.mean()), gone.cast(pl.Float64).alias(flag)]
    more = "".join(f" + `{flag}`" for flag in flags)
    return formula + more, frame.with_columns(columns), counts


def _check_free(name: str, columns: Sequence[str]) -> None:
    if name in columns:
        raise CallError(
            f"The data have a column {name!r}, which missing='indicator' makes",
            fix="rename it, or fill the missing values yourself",
        )
