"""Job months to person months: what somebody worked and earned in a month, over all jobs."""

from __future__ import annotations

from typing import Literal

import polars as pl

from toolkit.errors import WrongTypeError, check_option
from toolkit.frames import require_columns
from toolkit.registers.wages.job_months import FLAGS, steady

#: Room in one integer for the wage in cents, and for the number of the job.
_WAGE_ROOM, _JOB_ROOM = 2**36, 2**63


def person_months(
    job_months: pl.LazyFrame, *, unknown: Literal["null", "leave_out"] = "null"
) -> pl.LazyFrame:
    """Add up the job months of each person and month.

    Hours are an average over the whole month, so two jobs that follow each other within it are not
    counted beside each other, and a job of half a month counts half.

    Parameters
    ----------
    job_months : LazyFrame
        From `job_months`.
    unknown : {"null", "leave_out"}
        When hours (wage) of one job are unknown: the total is null, or the sum of the known ones
        and so a lower bound. The flag stands in both.

    Returns
    -------
    LazyFrame
        `person, month, hours` a week (7 Σ hours paid / days in the month), `wage` paid in the
        month, `n_jobs`, the `job, employer, kind, contract` of the main job (most hours paid in the
        month, then most wage, then the lowest job number; unknown counts as none), and the flags of
        `job_months`, true where they are for some job.

    Raises
    ------
    UnknownColumnError
        When it is no frame of job months.
    WrongTypeError
        When job numbers are not integers.

    Examples
    --------
    >>> from datetime import date
    >>> import polars as pl
    >>> from toolkit.registers.wages.job_months import job_months
    >>> rows = pl.LazyFrame({
    ...     "person": [1, 1], "job": [7, 8], "employer": [3, 4],
    ...     "start": [date(2010, 6, 1), date(2010, 6, 16)],
    ...     "end": [date(2010, 6, 16), date(2010, 7, 1)],
    ...     "wage": [900.0, 800.0], "hours": [75.0, 60.0], "kind": ["regular", "trainee"],
    ... })
    >>> months = person_months(job_months(rows, contract=None, period=None)).collect()
    >>> months.select("hours", "wage", "n_jobs", "kind").row(0)
    (31.5, 1700.0, 2, 'regular')
    """
    check_option("unknown", unknown, ("null", "leave_out"))
    require_columns(
        job_months, "person", "job", "employer", "month", "hours_paid", "wage_paid", "kind",
        "contract", *FLAGS, where="the job months",
    )  # fmt: skip
    if not job_months.collect_schema()["job"].is_integer():
        raise WrongTypeError("Column 'job' is not an integer", fix="number the jobs")
    hours, wage = pl.col("hours_paid"), pl.col("wage_paid")
    rank = (
        _hundredths(hours) * _WAGE_ROOM + _hundredths(wage).clip(upper_bound=_WAGE_ROOM - 1)
    ) * _JOB_ROOM - pl.col("job").cast(pl.Int128)
    summed = job_months.group_by("person", "month").agg(
        steady(hours.sum()),
        steady(wage.sum()),
        pl.len().alias("n_jobs"),
        *(pl.col(name).max_by(rank) for name in ("job", "employer", "kind", "contract")),
        *(pl.col(name).any() for name in FLAGS),
        hours.null_count().alias("_hours"),
        wage.null_count().alias("_wage"),
    )
    some = pl.col("n_jobs") if unknown == "leave_out" else pl.lit(1)
    return summed.select(
        "person",
        "month",
        pl.when(pl.col("_hours") < some)
        .then(steady(hours * 7 / pl.col("month").dt.days_in_month()))
        .alias("hours"),
        pl.when(pl.col("_wage") < some).then(wage).alias("wage"),
        *("n_jobs", "job", "employer", "kind", "contract", *FLAGS),
    )


def _hundredths(amount: pl.Expr) -> pl.Expr:
    return (amount.fill_null(0) * 100).round().cast(pl.Int128)
