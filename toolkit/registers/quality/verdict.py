"""The verdict: whether the positions of a period may be published for the whole country."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.frames import require_columns, require_rows, to_frame
from toolkit.registers.quality.representativity import r_indicator
from toolkit.registers.quality.standards import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a verdict rests on, in order.
CRITERIA = ("usable", "coverage", "r_indicator")


def verdict(
    table: Any,
    *,
    thresholds: Thresholds | None = None,
    by: Sequence[str] = ("size_class", "region"),
) -> pl.DataFrame:
    """Judge each period: enough usable positions, of enough of the caseload, from everywhere.

    Parameters
    ----------
    table : frame
        What `deliveries` gave, with caseload.
    thresholds : Thresholds, optional
        The least a period must reach on each criterion.
    by : sequence of str
        Columns by which the municipalities with a usable delivery must look like all.

    Returns
    -------
    pl.DataFrame
        Per `period_start`: `n` municipalities, `n_delivered`, `n_on_time`, `n_complete`,
        `n_usable`; `caseload`, `coverage`; `position_required`, `usable_share`; `r_indicator` with
        `r_std_error`, `r_low`, `r_high`, `r_unadjusted`, `r_separated`; `compared` programmes that
        an earlier delivery held too, and of them the share in `agreement`; `publish` (null: no
        position was asked yet) and `reasons`: the criteria not met, joined by commas.
        A criterion that cannot be computed is not met.
    """
    frame = to_frame(table)
    require_columns(
        frame, "period_start", "period_end", "delivered", "on_time", "complete", "usable",
        "caseload", "position_usable", "position_required", "compared", "agreed", *by,
        where="the table of deliveries",
    )  # fmt: skip
    require_rows(frame, "the table of deliveries")
    least = (thresholds or Thresholds()).to_dict()
    counts = _counts(frame)
    asked = counts.filter("asked")["period_start"]
    measured = [_measure(frame, period, by) for period in asked]
    shape = dict.fromkeys(
        ("r_indicator", "r_std_error", "r_low", "r_high", "r_unadjusted"), pl.Float64
    )
    r = pl.DataFrame(
        measured, schema={"period_start": pl.Date, **shape, "r_separated": pl.Int64}, orient="row"
    )
    short = {
        name: (pl.col("usable_share" if name == "usable" else name) < least[name]).fill_null(
            value=True
        )
        for name in CRITERIA
    }
    return (
        counts.join(r, on="period_start", how="left")
        .with_columns(
            publish=pl.when("asked").then(~pl.any_horizontal(short.values())),
            reasons=pl.when("asked").then(
                pl.concat_str(
                    [pl.when(bad).then(pl.lit(name)) for name, bad in short.items()],
                    separator=",", ignore_nulls=True,
                )
            ),
        )
        .drop("asked")
        .sort("period_start")
    )  # fmt: skip


def _counts(frame: pl.DataFrame) -> pl.DataFrame:
    """Add up municipalities, caseload and positions by period."""
    yes = {
        f"n_{name}": pl.col(name).fill_null(value=False).sum().cast(pl.Int64)
        for name in ("delivered", "on_time", "complete", "usable")
    }
    covered = pl.col("caseload").filter(pl.col("usable").fill_null(value=False)).sum()
    known = pl.col("caseload").is_not_null().all() & (pl.col("caseload").sum() > 0)
    asked = pl.col("usable").is_not_null().any()
    required, usable = pl.col("position_required").sum(), pl.col("position_usable").sum()
    return frame.group_by("period_start", "period_end").agg(
        n=pl.len().cast(pl.Int64),
        **yes,
        caseload=pl.when(known).then(pl.col("caseload").sum()),
        coverage=pl.when(known & asked).then(covered / pl.col("caseload").sum()),
        position_required=required,
        usable_share=pl.when(asked & (required > 0)).then(usable / required),
        compared=pl.col("compared").sum().cast(pl.Int64),
        agreement=pl.when(pl.col("compared").sum() > 0).then(
            pl.col("agreed").sum() / pl.col("compared").sum()
        ),
        asked=asked,
    )


def _measure(frame: pl.DataFrame, period: Any, by: Sequence[str]) -> tuple[Any, ...]:
    """Return the R-indicator of one period."""
    of_period = frame.filter(pl.col("period_start") == period).with_columns(
        pl.col("usable").fill_null(value=False)
    )
    found = r_indicator(of_period, response="usable", by=by)
    fit = found.glance().row(0, named=True)
    return (
        period, fit["estimate"], fit["std_error"], fit["conf_low"], fit["conf_high"],
        fit["unadjusted"], found.meta["separated"],
    )  # fmt: skip
