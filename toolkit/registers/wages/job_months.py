"""Wage rows to job months and person months.

A wage row is what an employer paid in one income relation over some days: the overlap of a calendar
month and a tax period, so that a four-weekly filer gives two or three rows a month. Rows of later
months may correct it below zero. Here they become one row a job and month.

Rates come from sums: hours a week `7 Σ hours / days`, wage a month `Σ wage · days in month / days`,
where `days` counts the days that some row covers, each once. A month of 31 days is a bit mask in
one integer, so the union of days is an `or`, and the whole runs in polars' streaming engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl

from toolkit.errors import CallError, WrongTypeError, check_option
from toolkit.frames import require_columns
from toolkit.registers import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

#: More hours than this in one job and month are no hours: CBS files hold them up to 400.
HOURS_CAP = 400.0
#: Amounts that stand for "not known": all nines, with or without decimals.
WAGE_UNKNOWN = tuple(10.0**n - tail for n in range(5, 13) for tail in (1.0, 0.01))
HOURS_UNKNOWN = tuple(10.0**n - tail for n in range(3, 10) for tail in (1.0, 0.01))
#: Grid of the rates: a tenth of an hour a week, a euro a month. It is finer than what cents and
#: hundredths of hours over one day can tell apart, so equal terms come out as equal numbers.
HOURS_STEP = 0.1
WAGE_STEP = 1.0

#: The name of a four-weekly tax period in the `period` column.
FOUR_WEEKLY = "four_weekly"
#: What a job month says about itself.
FLAGS = (
    "correction_below_zero", "capped_hours", "unknown_wage", "unknown_hours", "four_weekly",
)  # fmt: skip

JOB = ("person", "job", "employer")
_KINDS = pl.Enum(codes.JOB_KIND)
_CONTRACTS = pl.Enum(codes.CONTRACT)
#: Sums are of cents, or of cents spread by days: less than this below zero is rounding.
_HALF_A_CENT = 0.005


def job_months(
    rows: pl.LazyFrame,
    *,
    person: str = "person",
    job: str = "job",
    employer: str = "employer",
    start: str = "start",
    end: str = "end",
    last_day: Literal["excluded", "included"] = "excluded",
    wage: str = "wage",
    hours: str = "hours",
    kind: str = "kind",
    contract: str | None = "contract",
    period: str | None = "period",
    hours_cap: float = HOURS_CAP,
    wage_unknown: Sequence[float] = WAGE_UNKNOWN,
    hours_unknown: Sequence[float] = HOURS_UNKNOWN,
) -> pl.LazyFrame:
    """Sum wage rows to one row a person, job, employer and month.

    Parameters
    ----------
    rows : LazyFrame
        Wage rows, in any order. A row that spans months (a four-weekly row that was not cut at the
        month's end, a half-year row) is spread over them by days.
    person, job, employer, start, end, wage, hours, kind, contract, period : str
        Its columns. `wage` and `hours` are amounts of the row in euro and hours, `kind` and
        `contract` names of `toolkit.registers.codes`, `period` the kind of tax period
        (`"four_weekly"` is flagged). `contract` and `period` may be None.
    last_day : {"excluded", "included"}
        Whether `end` is the first day after the row, or its last day (as in SPOLISBUS).
    hours_cap : float
        A job's month with more hours than this has no hours.
    wage_unknown, hours_unknown : sequence of float
        Amounts that stand for "not known".

    Returns
    -------
    LazyFrame
        `person, job, employer, month` (first day), `start, end` (first covered day, day after the
        last), `days` covered (by corrections only where there is no other row), `hours` a week and
        `wage` a month as rates over those days, `hours_paid` and `wage_paid` as summed, `kind` and
        `contract` of the row with the most days (corrections last; the later one on a tie),
        `n_rows`, and the flags:

        correction_below_zero
            Wage or hours stay below zero after corrections: that one is null, not zero.
        capped_hours
            More than `hours_cap` hours: null.
        unknown_wage, unknown_hours
            An amount of some row is missing or all nines, or its dates are unusable: null.
        four_weekly
            Some row is from a four-weekly tax period.

        Nothing is dropped: rows without usable dates are counted in `n_rows`, with no days.

    Raises
    ------
    UnknownColumnError
        When a column is not there.
    WrongTypeError
        When dates are not dates, or amounts not numbers.

    Examples
    --------
    >>> from datetime import date
    >>> import polars as pl
    >>> rows = pl.LazyFrame({
    ...     "person": [1, 1], "job": [7, 7], "employer": [3, 3],
    ...     "start": [date(2010, 1, 1), date(2010, 1, 4)],
    ...     "end": [date(2010, 1, 4), date(2010, 2, 1)],
    ...     "wage": [150.0, 1400.0], "hours": [15.43, 144.0], "kind": "regular",
    ... })
    >>> months = job_months(rows, contract=None, period=None).collect()
    >>> months.select("month", "days", "hours", "wage", "n_rows").row(0)
    (datetime.date(2010, 1, 1), 31, 36.0, 1550.0, 2)
    """
    if not hours_cap > 0:
        raise CallError(f"hours_cap={hours_cap!r} is not above zero", fix="for instance 400")
    named = standard(
        rows, person=person, job=job, employer=employer, start=start, end=end, last_day=last_day,
        wage=wage, hours=hours, kind=kind, contract=contract, period=period,
        wage_unknown=wage_unknown, hours_unknown=hours_unknown,
    )  # fmt: skip
    return rates(sums(cut_by_month(named), by=JOB), hours_cap=hours_cap)


def standard(
    rows: pl.LazyFrame,
    *,
    person: str = "person",
    job: str = "job",
    employer: str = "employer",
    start: str = "start",
    end: str = "end",
    last_day: Literal["excluded", "included"] = "excluded",
    wage: str = "wage",
    hours: str = "hours",
    kind: str = "kind",
    contract: str | None = "contract",
    period: str | None = "period",
    wage_unknown: Sequence[float] = WAGE_UNKNOWN,
    hours_unknown: Sequence[float] = HOURS_UNKNOWN,
) -> pl.LazyFrame:
    """Return wage rows under the names and types used here; the arguments of `job_months`."""
    check_option("last_day", last_day, ("excluded", "included"))
    optional = [name for name in (contract, period) if name is not None]
    require_columns(
        rows, person, job, employer, start, end, wage, hours, kind, *optional, where="the wage rows"
    )
    schema = rows.collect_schema()
    for name, wanted in ((start, pl.Date), (end, pl.Date)):
        if schema[name] != wanted:
            raise WrongTypeError(f"Column {name!r} is {schema[name]}, not a date", fix="cast it")
    for name in (wage, hours):
        if not schema[name].is_numeric():
            raise WrongTypeError(f"Column {name!r} is {schema[name]}, not a number", fix="cast it")
    return rows.select(
        pl.col(person).alias("person"),
        pl.col(job).alias("job"),
        pl.col(employer).alias("employer"),
        pl.col(start).alias("start"),
        (pl.col(end).dt.offset_by("1d") if last_day == "included" else pl.col(end)).alias("end"),
        known(pl.col(wage), wage_unknown).alias("wage"),
        known(pl.col(hours), hours_unknown).alias("hours"),
        pl.col(kind).cast(_KINDS).alias("kind"),
        (pl.lit(None) if contract is None else pl.col(contract)).cast(_CONTRACTS).alias("contract"),
        (pl.lit(value=False) if period is None else pl.col(period) == FOUR_WEEKLY)
        .fill_null(value=False)
        .alias("four_weekly"),
    )


def known(amount: pl.Expr, unknown: Sequence[float]) -> pl.Expr:
    """Return an amount with what stands for "not known" as null."""
    value = amount.cast(pl.Float64)
    odd = value.is_in(pl.Series(unknown, dtype=pl.Float64).implode()) | ~value.is_finite()
    return pl.when(~odd).then(value)


def cut_by_month(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Cut rows at the ends of months, amounts by days; add `month` and `mask` (bit = day - 1).

    Rows without usable dates stay whole, in the month of their start, with an empty mask and
    amounts not known.
    """
    start, end = pl.col("start"), pl.col("end")
    usable = (end > start).fill_null(value=False)
    whole = ~usable | (_last_bit() <= start.dt.days_in_month())
    rows = rows.with_columns(
        month=start.dt.month_start(),
        wage=pl.when(usable).then("wage"),
        hours=pl.when(usable).then("hours"),
    )
    share = _days(pl.col("_until") - pl.col("_from")) / _days(end - start)
    spread = (
        rows.filter(~whole)
        .with_columns(
            month=pl.date_ranges("month", end.dt.offset_by("-1d").dt.month_start(), "1mo")
        )
        .explode("month", empty_as_null=False, keep_nulls=False)
        .with_columns(
            _from=pl.max_horizontal("start", "month"),
            _until=pl.min_horizontal("end", pl.col("month").dt.offset_by("1mo")),
        )
        .with_columns(pl.col("wage", "hours") * share, start="_from", end="_until")
        .drop("_from", "_until")
    )
    two = pl.lit(2, pl.UInt32)
    mask = two.pow(_last_bit()) - two.pow(start.dt.day().cast(pl.Int64) - 1)
    return pl.concat([rows.filter(whole), spread]).with_columns(
        mask=pl.when(usable).then(mask).otherwise(0).cast(pl.UInt32)
    )


def _days(span: pl.Expr) -> pl.Expr:
    return span.dt.total_days()


def _last_bit() -> pl.Expr:
    """Return the number of the last day of a row, counted on from the first of its month."""
    return pl.col("start").dt.day().cast(pl.Int64) - 1 + _days(pl.col("end") - pl.col("start"))


def is_correction() -> pl.Expr:
    """Return whether a row takes back what an earlier one gave."""
    return (pl.col("wage") < 0).fill_null(value=False) | (pl.col("hours") < 0).fill_null(
        value=False
    )


def sums(parts: pl.LazyFrame, *, by: Sequence[str]) -> pl.LazyFrame:
    """Sum rows cut by month over `by` and month. The row that names the kind: see `main_terms`."""
    worked = pl.when(~is_correction()).then("mask").otherwise(pl.lit(0, pl.UInt32))
    return parts.group_by(*by, "month").agg(
        # a correction covers no days beside rows that it corrects
        pl.when(worked.max() > 0)
        .then(worked.bitwise_or())
        .otherwise(pl.col("mask").bitwise_or())
        .alias("mask"),
        *(steady(pl.col(name).sum()).alias(f"{name}_paid") for name in ("hours", "wage")),
        pl.col("hours").null_count().gt(0).alias("unknown_hours"),
        pl.col("wage").null_count().gt(0).alias("unknown_wage"),
        _rank().max().alias("_rank"),
        pl.len().alias("n_rows"),
        pl.col("four_weekly").any(),
    )


def _rank() -> pl.Expr:
    """Return one integer that orders rows: no correction, days, day of start, then the codes."""
    days = pl.col("mask").bitwise_count_ones().cast(pl.UInt32)
    day = pl.col("start").dt.day().fill_null(0).cast(pl.UInt32)
    kind = pl.col("kind").to_physical().cast(pl.UInt32).fill_null(15)
    contract = pl.col("contract").to_physical().cast(pl.UInt32).fill_null(15)
    plain = (~is_correction()).cast(pl.UInt32)
    return (((plain * 32 + days) * 32 + day) * 16 + kind) * 16 + contract


def main_terms() -> list[pl.Expr]:
    """Return kind and contract of the row that `_rank` put first."""
    rank = pl.col("_rank")
    kind, contract = rank // 16 % 16, rank % 16
    return [
        pl.when(kind < 15).then(kind).cast(pl.UInt8).cat.to(_KINDS).alias("kind"),
        pl.when(contract < 15).then(contract).cast(pl.UInt8).cat.to(_CONTRACTS).alias("contract"),
    ]


def rates(
    summed: pl.LazyFrame,
    *,
    hours_cap: float = HOURS_CAP,
    hours_step: float = HOURS_STEP,
    wage_step: float = WAGE_STEP,
    by: Sequence[str] = JOB,
) -> pl.LazyFrame:
    """Turn sums into rates and flags; see `job_months` for the rules."""
    hours, wage = pl.col("hours_paid"), pl.col("wage_paid")
    hours_known, wage_known = ~pl.col("unknown_hours"), ~pl.col("unknown_wage")
    hours_below = hours_known & (hours < -_HALF_A_CENT)
    wage_below = wage_known & (wage < -_HALF_A_CENT)
    capped = hours_known & (hours > hours_cap)
    terms = [pl.col("kind"), pl.col("contract")] if "kind" in by else main_terms()
    days, covered = pl.col("days"), pl.col("mask")
    return (
        summed.with_columns(
            pl.when(hours_known & ~hours_below & ~capped).then(hours.clip(lower_bound=0)),
            pl.when(wage_known & ~wage_below).then(wage.clip(lower_bound=0)),
            start=pl.when(covered > 0).then(_plus("month", covered.bitwise_trailing_zeros())),
            end=pl.when(covered > 0).then(_plus("month", 32 - covered.bitwise_leading_zeros())),
            correction_below_zero=hours_below | wage_below,
            capped_hours=capped,
            days=covered.bitwise_count_ones().cast(pl.UInt8),
        )
        .with_columns(
            pl.when(days > 0).then(hours * 7 / days).pipe(_on_grid, hours_step).alias("hours"),
            pl.when(days > 0)
            .then(wage * pl.col("month").dt.days_in_month() / days)
            .pipe(_on_grid, wage_step)
            .alias("wage"),
            *terms,
        )
        .select(
            *(name for name in by if name not in {"kind", "contract"}),
            *("month", "start", "end", "days", "hours", "wage", "hours_paid", "wage_paid"),
            *("kind", "contract", "n_rows"),
            *FLAGS,
        )
    )


def _plus(date: str, days: pl.Expr) -> pl.Expr:
    return (pl.col(date).to_physical() + days.cast(pl.Int32)).cast(pl.Date)


def steady(value: pl.Expr) -> pl.Expr:
    """Return a value in steps of 2^-20, about a millionth, shown to six decimals.

    The last bits of a sum depend on the order in which it was added, and those of a quotient on how
    many rows are divided at once; near a half they would decide on a euro. Cents spread over days
    are never half-way between two steps of a power of two, and six decimals give the cents back.
    """
    return ((value * 2.0**20).round() / 2.0**20).round(6)


def _on_grid(rate: pl.Expr, step: float) -> pl.Expr:
    return steady(steady(steady(rate) / step).round() * step)
