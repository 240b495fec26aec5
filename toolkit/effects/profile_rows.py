"""Rows by month since start, out of a panel by calendar month: looked up, never expanded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    WrongTypeError,
)
from toolkit.frames import require_columns, require_no_nulls, require_rows, to_lazy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: No month of a register comes after this one.
_NEVER = np.iinfo(np.int64).max // 2
#: Null among values kept in one byte.
_NULL = np.uint8(255)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """N rows of people with the month of their start, and where the panel holds their months.

    Attributes
    ----------
    begin, end : (N,) arrays
        The rows of the panel that are this person's; equal where it has none.
    zero : (N,) array
        Number of the month of the start.
    until : (N,) array
        Number of the first month that is not looked at any more.
    month : (R,) array
        Number of the month of each row of the panel, rising within a person.
    values : mapping
        By outcome, (R,) array: one byte with 255 for null, or a float with NaN.
    """

    begin: Ints = field(repr=False)
    end: Ints = field(repr=False)
    zero: Ints = field(repr=False)
    until: Ints = field(repr=False)
    month: NDArray[np.int32] = field(repr=False)
    values: Mapping[str, NDArray[Any]] = field(repr=False)

    def seen(self, outcome: str, rows: slice | Ints, first: int, length: int) -> Floats:
        """Return the outcome of some rows in months first … first + length − 1, NaN = not seen."""
        from toolkit.effects.profile_kernels import fill

        value = self.values[outcome]
        missing = _NULL if value.dtype == np.uint8 else np.float64(np.nan)
        begin = self.begin[rows]
        out = np.empty((len(begin), length))
        fill(
            begin, self.end[rows], self.month, value, missing,
            self.zero[rows], first, self.until[rows], out,
        )  # fmt: skip
        return out


def month_numbers(column: pl.Series) -> pl.Series:
    """Return months as whole numbers: 12 × year + month − 1 of a date, a whole number as it is.

    Raises
    ------
    toolkit.errors.WrongTypeError
        For another type.
    """
    return column.to_frame().select(_numbered(column.name, column.dtype, pl.Int64)).to_series()


def _numbered(name: str, dtype: pl.DataType, to: type[pl.DataType]) -> pl.Expr:
    """Return the expression that numbers the months of a column."""
    if isinstance(dtype, (pl.Date, pl.Datetime)):
        day = pl.col(name).dt
        return (day.year().cast(to) * 12 + day.month().cast(to) - 1).alias(name)
    if dtype.is_integer():
        return pl.col(name).cast(to)
    raise WrongTypeError(
        f"Month {name!r} is {dtype}, not a date or a whole number",
        fix="parse it as a date, or number the months",
    )


def read_rows(
    frame: pl.DataFrame,
    used: Bools,
    panel: Any,
    *,
    person: str,
    start: str,
    month: str,
    outcomes: Sequence[str],
    until: str | None,
    first: int,
    last: int,
) -> Rows:
    """Find each row's months in the panel.

    Parameters
    ----------
    frame : DataFrame
        The rows.
    used : (N,) array
        Which of them count; the others get no months.
    panel : frame
        A row a person and calendar month.
    person, start, month : str
        `person` stands in both, `start` in the rows, `month` in the panel.
    outcomes : sequence of str
    until : str, optional
        Column of the rows: month from which nothing is looked at, null = never.
    first, last : int
        Months since start.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types, missing values, or a person-month that stands twice.
    """
    require_columns(frame, person, start, *([until] if until else []), where="the rows")
    chosen = frame.select(person, start, *([until] if until else [])).filter(pl.Series(used))
    require_no_nulls(chosen, person)
    _require_start(chosen, start, frame, used)
    zero = month_numbers(chosen[start]).to_numpy()
    limit = np.full(len(zero), _NEVER)
    if until:
        limit = month_numbers(chosen[until]).fill_null(_NEVER).to_numpy()
    low, high = int(zero.min()) + first, int(zero.max()) + last
    table = _read_panel(
        panel, chosen, person, month, outcomes, low, high, chosen.schema[start].is_integer()
    )
    begin, end, table = _find(table, chosen[person], person, month)
    size = len(used)
    full = {"begin": np.zeros(size, np.int64), "end": np.zeros(size, np.int64)}
    full |= {"zero": np.zeros(size, np.int64), "until": np.full(size, _NEVER)}
    for name, found in (("begin", begin), ("end", end), ("zero", zero), ("until", limit)):
        full[name][used] = found
    return Rows(
        month=table[month].to_numpy(),
        values={name: table[name].to_numpy() for name in outcomes},
        **full,
    )


def _require_start(chosen: pl.DataFrame, start: str, frame: pl.DataFrame, used: Bools) -> None:
    """Raise where a row that counts has no month of start."""
    none = int(chosen[start].null_count())
    if none:
        raise EmptyCohortError(
            f"{none:,} rows that count have no {start!r}, so no month since start",
            where=f"{int(used.sum()):,} rows that count, of {frame.height:,}",
            fix="give controls the month in which they could have started: match_risk_sets does, "
            "or draw one from the starts at the same elapsed duration",
        )


def _read_panel(
    panel: Any,
    chosen: pl.DataFrame,
    person: str,
    month: str,
    outcomes: Sequence[str],
    low: int,
    high: int,
    numbered: bool,
) -> pl.DataFrame:
    """Return the panel of the persons and months that matter: person, month (number), outcomes."""
    lazy = to_lazy(panel)
    schema = lazy.collect_schema()
    require_columns(lazy, person, month, *outcomes, where="the panel")
    if schema[person] != chosen.schema[person] and not (
        schema[person].is_integer() and chosen.schema[person].is_integer()
    ):
        raise WrongTypeError(
            f"{person!r} is {chosen.schema[person]} in the rows and {schema[person]} in the panel",
            fix="cast one of them",
        )
    if schema[month].is_integer() != numbered:
        raise WrongTypeError(
            f"{month!r} of the panel is {schema[month]}, but the start is "
            + ("a whole number" if numbered else "a date"),
            fix="give both as dates, or both as numbers of months",
        )
    for name in outcomes:
        if not (schema[name] == pl.Boolean or schema[name].is_numeric()):
            raise WrongTypeError(
                f"Outcome {name!r} is {schema[name]}, not true/false or a number",
                fix=f"say what counts: (pl.col({name!r}) == '…').alias(…)",
            )
    keys = chosen[person].unique().cast(schema[person]).implode()
    found = (
        lazy.select(
            person,
            _numbered(month, schema[month], pl.Int32),
            *(_bytes(name) if schema[name] == pl.Boolean else _floats(name) for name in outcomes),
        )
        .filter(
            pl.col(person).is_in(keys),
            pl.col(month).is_between(low, high) | pl.col(month).is_null(),
        )
        .collect()
    )
    require_rows(found, "the panel for these persons and months since start")
    require_no_nulls(found, month)
    for name in outcomes:
        if found.schema[name].is_float() and found[name].is_infinite().any():
            raise InputError(
                f"Outcome {name!r} is infinite somewhere",
                where=f"{int(found[name].is_infinite().sum()):,} of {found.height:,} person-months",
                fix="look how that came; what was not observed is null",
            )
    return found.rechunk()


def _bytes(name: str) -> pl.Expr:
    """Return true/false in a byte, null as 255."""
    return pl.col(name).cast(pl.UInt8).fill_null(int(_NULL))


def _floats(name: str) -> pl.Expr:
    """Return a number as a float, null as NaN."""
    return pl.col(name).cast(pl.Float64).fill_null(float("nan"))


def _find(
    table: pl.DataFrame, wanted: pl.Series, person: str, month: str
) -> tuple[Ints, Ints, pl.DataFrame]:
    """Return where each wanted person's rows begin and end, in a table sorted by person, month."""
    cuts = _cuts(table[person])
    heads = table[person].gather(cuts)
    if heads.n_unique() < len(heads) or _not_rising(table[month], cuts):
        table = table.sort(person, month)
        cuts = _cuts(table[person])
        heads = table[person].gather(cuts)
        twice = _not_rising(table[month], cuts)
        if twice:
            raise DuplicateKeyError(
                f"{twice:,} person-months stand twice in the panel",
                where=f"columns {person!r} and {month!r}, {table.height:,} rows that matter",
                fix="make the panel one row a person and month",
            )
    ends = np.append(cuts[1:], table.height)
    places = pl.DataFrame({"key": heads, "begin": cuts, "end": ends})
    found = wanted.cast(heads.dtype).alias("key").to_frame().join(
        places, on="key", how="left", maintain_order="left"
    )  # fmt: skip
    begin, end = (found[name].fill_null(0).to_numpy() for name in ("begin", "end"))
    return begin, end, table


def _cuts(person: pl.Series) -> Ints:
    """Return the rows at which another person begins."""
    changed = person.ne_missing(person.shift(1)).to_numpy().copy()
    changed[0] = True
    return np.flatnonzero(changed)


def _not_rising(month: pl.Series, cuts: Ints) -> int:
    """Return how many months do not come after the one before them of the same person."""
    number = month.to_numpy()
    late = number[1:] <= number[:-1]
    late[cuts[1:] - 1] = False
    return int(late.sum())


def read_months(months: Any) -> Ints:
    """Return the months since start as rising whole numbers.

    Raises
    ------
    toolkit.errors.CallError
        When there is none, or one that is no whole number.
    """
    try:
        found = [int(m) for m in months]
        fine = bool(found) and all(m == n for m, n in zip(found, months, strict=True))
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise CallError(
            f"months={months!r} are no whole months since start",
            fix="for instance months=range(-24, 61)",
        )
    return np.unique(np.array(found, np.int64))
