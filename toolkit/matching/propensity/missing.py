"""Missing covariates: refused, or a level of their own where the caller says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl

from toolkit.errors import CallError, WrongTypeError, check_option
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
    and Rubin 1984), which is all that whoever assigned them may have known too. Where a column
    misses the same rows as one before it, that one says so for both: text gets its commonest level.
    """
    check_option("missing", missing, _MISSING)
    if missing == "refuse":
        return formula, frame, {}
    counts: dict[str, int] = {}
    flags: list[str] = []
    columns: list[pl.Expr] = []
    told: list[pl.Series] = []
    for name in variables_of(formula, frame.columns):
        dtype = frame.schema[name]
        gone = pl.col(name).is_null()
        if dtype.is_float():
            gone |= pl.col(name).is_nan()
        where = frame.select(gone).to_series()
        count = int(where.sum())
        if not count:
            continue
        counts[name] = count
        same = any((where == other).all() for other in told)
        told.append(where)
        if not dtype.is_numeric():
            columns.append(_text(name, dtype, same=same))
            continue
        known = pl.col(name).cast(pl.Float64).fill_nan(None)
        columns.append(known.fill_null(known.mean()))
        if same:
            continue
        flag = f"{name}_missing"
        _check_free(flag, frame.columns)
        flags.append(flag)
        columns.append(gone.cast(pl.Float64).alias(flag))
    more = "".join(f" + `{flag}`" for flag in flags)
    return formula + more, frame.with_columns(columns), counts


def _text(name: str, dtype: pl.DataType, *, same: bool) -> pl.Expr:
    """Return a column of levels without missing values."""
    if not isinstance(dtype, (pl.Boolean, pl.String, pl.Categorical, pl.Enum)):
        raise WrongTypeError(
            f"Column {name!r} is {dtype}, not a number, a truth value or text",
            fix="turn dates into numbers (age in years, months since) before the model",
        )
    text = pl.col(name).cast(pl.String)
    return text.fill_null(text.drop_nulls().mode().min() if same else pl.lit(_LEVEL))


def _check_free(name: str, columns: Sequence[str]) -> None:
    if name in columns:
        raise CallError(
            f"The data have a column {name!r}, which missing='indicator' makes",
            fix="rename it, or fill the missing values yourself",
        )
