"""Shares with their denominators: in work, without interruption, returned."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError
from toolkit.frames import as_columns, require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.trajectories.definition import Definition

_MEASURES = {
    "in_work": ("in_work_at_{h}", "in work in the month {h} months after the exit month"),
    "uninterrupted": ("uninterrupted_{h}", "in work in every month 1 to {h} after the exit month"),
    "cumulative": ("cumulative_{h}", "at least {weeks} weeks in work within {h} months"),
    "work_within": ("work_within_{h}", "begins to work within {h} months"),
    "returned": ("returned_within_{h}", "new benefit spell within {h} months"),
}


def indicators(
    frame: pl.DataFrame,
    definition: Definition,
    *,
    by: str | Sequence[str] | None = None,
    conf_level: float = 0.95,
) -> pl.DataFrame:
    """Turn outcomes by exit into shares, each with its denominator in words.

    Parameters
    ----------
    frame : pl.DataFrame
        Outcomes as `durability` makes them; may carry more columns to group by.
    definition : Definition
    by : str or sequence of str, optional
        Columns to group by.
    conf_level : float
        Level of the Wilson intervals (Wilson 1927): exits are taken as independent.

    Returns
    -------
    pl.DataFrame
        One row a group, measure and horizon: the group columns, measure, horizon, main (the measure
        the definition is about), n (the denominator), n_observed, n_yes, estimate =
        n_yes / n_observed (null when nothing is observed), conf_low, conf_high, outcome and
        denominator (text).
    """
    groups = as_columns(by)
    require_columns(frame, *groups, where="the outcomes")
    if not 0 < conf_level < 1:
        raise CallError(f"conf_level={conf_level}", fix="choose a level between 0 and 1")
    wanted = [
        (measure, h, column)
        for measure, (pattern, _) in _MEASURES.items()
        for h in (definition.return_horizons if measure == "returned" else definition.horizons)
        if (column := pattern.format(h=h)) in frame.columns
    ]
    main = {"point_in_time": "in_work"}.get(definition.measure, definition.measure)
    mains = {main, "work_within", "returned"}
    parts = [
        (frame.group_by(groups) if groups else frame.group_by(pl.lit(0).alias("_all")))
        .agg(
            n=pl.len().cast(pl.Int64),
            n_observed=pl.col(column).is_not_null().sum().cast(pl.Int64),
            n_yes=pl.col(column).sum().cast(pl.Int64),
        )
        .with_columns(
            pl.lit(measure).alias("measure"),
            pl.lit(h, pl.Int64).alias("horizon"),
            pl.lit(measure in mains).alias("main"),
            pl.lit(_MEASURES[measure][1].format(h=h, weeks=definition.weeks)).alias("outcome"),
        )
        .sort(groups or "_all")
        for measure, h, column in wanted
    ]
    table = pl.concat(parts)
    return table.with_columns(
        estimate=pl.when(pl.col("n_observed") > 0).then(pl.col("n_yes") / pl.col("n_observed")),
        denominator=pl.lit(definition.denominator_text + ", observed for the whole horizon"),
    ).with_columns(*_wilson(conf_level)).select(
        *groups, "measure", "horizon", "main", "n", "n_observed", "n_yes", "estimate",
        "conf_low", "conf_high", "outcome", "denominator",
    )  # fmt: skip


def _wilson(conf_level: float) -> tuple[pl.Expr, pl.Expr]:
    """Wilson's score interval: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)."""
    z = NormalDist().inv_cdf(0.5 + conf_level / 2)
    p, n = pl.col("estimate"), pl.col("n_observed")
    centre = p + z * z / (2 * n)
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)).sqrt()
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    # At 0 and 1 the bound is exact; rounding may step over it.
    return (
        pl.when(pl.col("n_yes") == 0).then(p * 0.0).otherwise(low).alias("conf_low"),
        pl.when(pl.col("n_yes") == n).then(p * 0.0 + 1.0).otherwise(high).alias("conf_high"),
    )
