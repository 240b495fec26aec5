"""Covariates as a frame holds them → covariates as they are compared: numbers, levels, missing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    WrongTypeError,
    masked,
)
from toolkit.frames import require_columns, rows_where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: What a row of the table is about.
Kind = Literal[
    "score", "continuous", "binary", "level", "missing", "square", "interaction", "calendar"
]
#: What is done with missing values: refused, or their share compared as a covariate of its own.
Missing = Literal["refuse", "indicator"]

#: Text with more levels than this is no covariate but a key.
MOST_LEVELS = 1000
#: Numbers above this have squares, and products of squares, that are none.
_LARGEST = 1e75


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Something of which the two groups are compared.

    Attributes
    ----------
    name : str
    kind : Kind
    values : (N,) array
    known : (N,) array of bool or None
        Where there is a value; None = everywhere.
    binary : bool
        Whether the values are 0 and 1: means are shares of persons.
    """

    name: str
    kind: Kind
    values: Floats
    known: Bools | None = None
    binary: bool = False


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The levels of one text column: codes (N,) into names, −1 where missing."""

    name: str
    kind: Kind
    codes: NDArray[np.int32]
    names: tuple[str, ...]

    def columns(self) -> Iterator[Compared]:
        """Return a column of 0 and 1 for each level."""
        known = self.codes >= 0
        whole = bool(known.all())
        for code, name in enumerate(self.names):
            yield Compared(
                name=name, kind=self.kind, values=(self.codes == code).astype(np.float64),
                known=None if whole else known, binary=True,
            )  # fmt: skip


def read_column(
    frame: pl.DataFrame, name: str, missing: Missing = "refuse", *, kind: Kind | None = None
) -> Compared | Levels:
    """Return a covariate of a frame: numbers as they are, text as levels.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a column that is not there, missing or infinite values, a type that is no covariate,
        text of more than `MOST_LEVELS` levels, and a column without any value.
    """
    require_columns(frame, name)
    series = frame[name]
    if isinstance(series.dtype, (pl.String, pl.Categorical, pl.Enum)):
        _check_missing(frame, name, missing)
        return _levels(series, name, kind or "level")
    if not (series.dtype == pl.Boolean or series.dtype.is_numeric()):
        raise WrongTypeError(
            f"Column {name!r} is {series.dtype}, not a number, a truth value or text",
            fix="make a number of it (months since, age in years), or name dates in calendar=",
        )
    gone = _check_missing(frame, name, missing)
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = ~np.isnan(values) if gone else None
    seen = values if known is None else values[known]
    if np.isinf(seen).any():
        raise InputError(
            f"Column {name!r} has infinite values",
            where=f"{int(np.isinf(seen).sum()):,} of {len(values):,} rows",
            fix="look at how it was computed: a logarithm of 0, a division by 0",
        )
    if np.abs(seen).max(initial=0.0) > _LARGEST:
        raise InputError(
            f"Column {name!r} has values too large to be squared",
            fix="divide it by its usual size first",
        )
    binary = series.dtype == pl.Boolean or bool(((seen == 0) | (seen == 1)).all())
    return Compared(
        name=name, kind=kind or ("binary" if binary else "continuous"),
        values=values, known=known, binary=binary,
    )  # fmt: skip


def _check_missing(frame: pl.DataFrame, name: str, missing: Missing) -> int:
    """Return how many values are missing; raise where none may be, or where all are."""
    gone = pl.col(name).is_null()
    if frame.schema[name].is_float():
        gone |= pl.col(name).is_nan()
    count, where = rows_where(frame, gone)
    if count == frame.height:
        raise EmptyCohortError(
            f"Covariate {name!r} has no value in any row", fix="leave it out of covariates="
        )
    if count and missing == "refuse":
        raise MissingValueError(
            f"Covariate {name!r} has missing values",
            where=where,
            fix="missing='indicator' compares those known, and the share missing beside it",
        )
    return count


def _levels(series: pl.Series, name: str, kind: Kind) -> Levels:
    there = series.drop_nulls().unique()
    if isinstance(series.dtype, pl.Enum):  # in its own order
        names = there.sort().cast(pl.String).to_list()
    else:
        names = there.cast(pl.String).sort().to_list()
    if len(names) > MOST_LEVELS:
        raise CallError(
            f"Covariate {name!r} has {len(names):,} levels",
            fix="it looks like a key; join its levels in groups that mean something",
        )
    codes = series.cast(pl.String).cast(pl.Enum(names)).to_physical().cast(pl.Int32)
    return Levels(
        name=name, kind=kind, codes=codes.fill_null(-1).to_numpy(),
        names=tuple(f"{name}[{masked(level)}]" for level in names),
    )  # fmt: skip


def read_quarters(frame: pl.DataFrame, name: str, missing: Missing) -> Compared | Levels:
    """Return the quarter of a date as levels, `name[2006Q1]`; text is taken as it is."""
    require_columns(frame, name)
    series = frame[name]
    if series.dtype in {pl.Date, pl.Datetime}:
        quarters = series.dt.year().cast(pl.String) + "Q" + series.dt.quarter().cast(pl.String)
        frame = frame.select(quarters.alias(name))
    elif not isinstance(series.dtype, (pl.String, pl.Categorical, pl.Enum)):
        raise WrongTypeError(
            f"Column {name!r} is {series.dtype}, not a date",
            fix="calendar= names the date of the start, or text such as '2006Q1'",
        )
    return read_column(frame, name, missing, kind="calendar")


def missing_share(column: Compared | Levels) -> Compared | None:
    """Return the share missing as a covariate of its own; None where nothing is."""
    known = column.codes >= 0 if isinstance(column, Levels) else column.known
    if known is None or known.all():
        return None
    return Compared(
        name=f"{column.name}[missing]", kind="missing",
        values=(~known).astype(np.float64), binary=True,
    )  # fmt: skip


def square(column: Compared) -> Compared:
    """Return the square of a continuous covariate."""
    return Compared(name=f"{column.name}^2", kind="square", values=column.values**2,
                    known=column.known)  # fmt: skip


def products(one: Compared | Levels, other: Compared | Levels) -> Iterator[Compared]:
    """Return the products of two covariates, level by level, known where both are."""
    for left in _as_columns(one):
        for right in _as_columns(other):
            known = left.known if right.known is None else right.known
            if left.known is not None and right.known is not None:
                known = left.known & right.known
            yield Compared(
                name=f"{left.name}:{right.name}", kind="interaction", known=known,
                values=left.values * right.values, binary=left.binary and right.binary,
            )  # fmt: skip


def _as_columns(column: Compared | Levels) -> Iterator[Compared]:
    if isinstance(column, Levels):
        yield from column.columns()
    else:
        yield column


def check_pairs(
    covariates: Sequence[str], pairs: bool | Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return the pairs whose products are compared: all, none, or those named.

    Raises
    ------
    toolkit.errors.CallError
        For a pair that names what is no covariate, or the same one twice.
    """
    if isinstance(pairs, bool):
        return list(combinations(covariates, 2)) if pairs else []
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(covariates):
            raise CallError(
                f"interactions: {pair!r} is not a pair of covariates",
                fix=f"name two of {masked(', '.join(covariates[:12]))}",
            )
    return list(pairs)
