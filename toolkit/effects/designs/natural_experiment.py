"""A rule that changes for some: cohorts before and after it, touched by it or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.designs._plot import plot_path
from toolkit.effects.designs.door import (
    effect_table,
    read_numbers,
    read_rows,
    renumbered,
    require_variation,
)
from toolkit.effects.designs.linear import Contrasts, linear_contrasts
from toolkit.effects.designs.months import month_of, read_months
from toolkit.effects.result import EffectResult
from toolkit.errors import CallError, EmptyCohortError, EstimationError
from toolkit.estimation.formula import learn
from toolkit.estimation.intervals import check_interval
from toolkit.frames import require_no_nulls
from toolkit.matching.treatment import read_treatment
from toolkit.trajectories.calendar import month_start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Cohorts:
    """Rows of people by the month they came in, and whether the rule touches them."""

    y: Floats
    month: Ints
    exposed: Bools
    covariates: Floats
    names: tuple[str, ...]
    weight: Floats
    cluster: Ints | None

    def contrast(self, since: int, rows: Bools, *, trend: bool = False) -> Contrasts:
        """Return the effect of a change in `since`; with `trend`, the difference in slopes."""
        month, exposed = self.month[rows], self.exposed[rows].astype(np.float64)
        late = (month >= since).astype(np.float64)
        if trend:
            late = (month - month.mean()) / 12  # per year
        x = np.column_stack(
            [np.ones(len(late)), exposed * late, exposed, late, self.covariates[rows]]
        )
        contrast = np.zeros((x.shape[1], 1))
        contrast[1] = 1
        clusters = None if self.cluster is None else renumbered(self.cluster[rows])
        return linear_contrasts(
            x, self.y[rows][:, None], contrast, weight=self.weight[rows], cluster=clusters,
            names=["Intercept", "exposed:after", "exposed", "after", *self.names],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NaturalExperiment(EffectResult):
    """The effect of a change of a rule on those it touches; made by `natural_experiment`.

    Attributes
    ----------
    estimates : DataFrame
        Rows ``effect``, and ``pre_trend``: by how much a year the difference between those touched
        and the others already grew before the change.
    influence : (U,) array
        What each row (cluster) adds to the effect.
    cells : DataFrame
        `exposed, after, n, mean`: the four means behind the effect.
    """

    estimates: pl.DataFrame = field(repr=False)
    influence: Floats = field(repr=False)
    cells: pl.DataFrame = field(repr=False)
    cohorts: Cohorts = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return `term, estimate, std_error, statistic, p_value, conf_low, conf_high`."""
        return self.estimates

    def glance(self) -> pl.DataFrame:
        """Return one row: the effect, the trend before, and counts."""
        effect = self.estimates.row(0, named=True)
        before = self.estimates.filter(pl.col("term") == "pre_trend")
        return pl.DataFrame(
            {
                "estimate": [effect["estimate"]],
                "std_error": [effect["std_error"]],
                "pre_trend_p_value": [before["p_value"][0] if before.height else None],
                "n": [self.meta["n"]],
                "df": [self.meta["df"]],
            },
            schema_overrides={"pre_trend_p_value": pl.Float64},
        )

    def placebo_dates(self, dates: Sequence[date | float]) -> pl.DataFrame:
        """Return effects of changes that never were, among cohorts before the real one."""
        cohorts, since = self.cohorts, self.meta["since_month"]
        found = []
        for value in dates:
            at = month_of(value, dates=self.meta["dates"], name="dates")
            early = cohorts.month < since
            if at >= since or at <= cohorts.month.min():
                raise CallError(
                    f"{value} does not lie between the first cohort and the change",
                    fix="name months before the change",
                )
            fit = cohorts.contrast(at, early)
            found.append(_row("placebo", fit, self.meta["conf_level"]).with_columns(
                since=pl.lit(value)))  # fmt: skip
        return pl.concat(found).drop("term").select("since", pl.exclude("since"))

    def path(self, every: int = 3) -> pl.DataFrame:
        """Return the difference between those touched and the others, by months of coming in.

        Parameters
        ----------
        every : int
            Months taken together; blocks are counted from the change.

        Returns
        -------
        pl.DataFrame
            `time` (first month of the block since the change), `n_exposed`, `n_other`, estimate, …
            Blocks with fewer than two of either are left out.
        """
        from toolkit.effects.designs.linear import cell_contrasts

        cohorts = self.cohorts
        block = (cohorts.month - self.meta["since_month"]) // every
        found = []
        for value in np.unique(block):
            rows = block == value
            exposed = cohorts.exposed[rows]
            counts = int(exposed.sum()), int((~exposed).sum())
            if min(counts) < 2:
                continue
            pair = np.array([[-1.0], [1.0]])
            y, weight = cohorts.y[rows][:, None], cohorts.weight[rows]
            fit = cell_contrasts(exposed.astype(np.int64), y, pair, weight=weight)
            found.append(_row("", fit, self.meta["conf_level"]).with_columns(
                time=pl.lit(int(value) * every), n_exposed=pl.lit(counts[0]),
                n_other=pl.lit(counts[1])))  # fmt: skip
        if not found:
            raise EmptyCohortError("No block of months holds two of both groups", fix="every=12")
        shown = ["time", "n_exposed", "n_other"]
        return pl.concat(found).drop("term").select(*shown, pl.exclude(shown))

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the difference by months of coming in, and the change as a line."""
        ax = plot_path(self.path(), x="time", ax=ax, xlabel="Months since the change",
                       ylabel="Difference", **options)  # fmt: skip
        ax.axvline(-0.5, color="0.6", lw=0.8, ls="--", zorder=0)
        return ax


def natural_experiment(
    data: Any,
    *,
    outcome: str,
    exposed: str,
    month: str,
    since: date | float,
    on: str | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    conf_level: float = 0.95,
) -> NaturalExperiment:
    """Estimate what a change of a rule did, from cohorts before and after it.

    People who come in after the change and whom it touches are compared with those before it, less
    the same difference among people whom it does not touch (another age group, region, scheme).

    Parameters
    ----------
    data : frame
        A row a person (or spell), each in one cohort.
    outcome : str
        A number or true/false.
    exposed : str
        Whom the rule touches: true/false or 1/0.
    month : str
        When the person came in: a date or a whole number.
    since : date or number
        First month of the new rule. See `find_cutoffs` for dates.
    on : str, optional
        Formula of covariates (`C(region)`, age).
    cluster, weights : str, optional
        What the rule was decided by (municipality); sampling weights.
    conf_level : float

    Returns
    -------
    NaturalExperiment
        With `path()`, `placebo_dates()`.

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family; also when one of the four groups is empty.

    Notes
    -----
    y = a + b exposed + c after + δ exposed × after + covariates, by least squares; errors HC2, or
    CR2 by cluster, with Bell and McCaffrey's degrees of freedom. With one region that changes and
    one that does not, no error can tell a change from a coincidence (Donald and Lang 2007).

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame(
    ...     {"young": [1, 1, 1, 1, 0, 0, 0, 0], "month": [1, 1, 5, 5] * 2,
    ...      "works": [0, 1, 1, 1, 0, 1, 1, 0]}
    ... )
    >>> found = effects.natural_experiment(
    ...     people, outcome="works", exposed="young", month="month", since=4
    ... )
    >>> round(found.tidy()["estimate"][0], 6)
    0.5
    """
    check_interval(conf_level, "plain")
    rows = read_rows(data, outcome, exposed, month, weights=weights, cluster=cluster)
    require_no_nulls(rows.frame, month)
    touched = read_treatment(rows.frame, exposed)
    y = read_numbers(rows.frame, outcome)
    require_variation(y, outcome)
    clock, dates = read_months(rows.frame, month)
    start = month_of(since, dates=dates, name="since")
    months = clock.to_numpy()
    late = months >= start
    for who, whom in ((touched, "exposed"), (~touched, "not exposed")):
        for when, said in ((late, "after"), (~late, "before")):
            count = int((who & when).sum())
            if count < 2:
                raise EmptyCohortError(
                    f"{'One person' if count else 'Nobody'} {whom} came in {said} the change",
                    where=f"column {month!r}",
                    fix="a longer window, or another group to compare with",
                )
    names: tuple[str, ...] = ()
    values = np.zeros((len(y), 0))
    if on is not None:
        covariates, values = learn(on, rows.frame)
        names = covariates.terms
    cohorts = Cohorts(y=y, month=months, exposed=touched, covariates=values, names=names,
                      weight=rows.weight, cluster=rows.cluster)  # fmt: skip
    fit = cohorts.contrast(start, np.ones(len(y), dtype=bool))
    tables = [_row("effect", fit, conf_level)]
    if len(np.unique(months[~late])) > 1:
        try:
            trend = cohorts.contrast(start, ~late, trend=True)
            tables.append(_row("pre_trend", trend, conf_level))
        except EstimationError:
            rows.notes.append("no trend before the change can be seen: too few rows for it")
        p_value = tables[-1]["p_value"][0] if len(tables) > 1 else None
        if p_value is not None and p_value < 0.05:
            rows.notes.append("the two groups already grew apart before the change (pre-trend)")
    else:
        rows.notes.append("one month before the change: no trend before it can be seen")
    df = float(fit.df[0])
    if df < 10:
        rows.notes.append(f"{df:.1f} degrees of freedom: few clusters tell of the effect")
    cells = (
        pl.DataFrame({"exposed": touched, "after": late, "y": y, "w": rows.weight})
        .group_by("exposed", "after")
        .agg(n=pl.len(), mean=(pl.col("y") * pl.col("w")).sum() / pl.col("w").sum())
        .sort("exposed", "after")
    )
    return NaturalExperiment(
        meta=rows.meta(
            design="natural_experiment",
            method="Natural experiment: exposed × after" + (f", on {on}" if on else ""),
            estimand="mean effect of the change on those it touches",
            since=str(month_start(start)) if dates else start, since_month=start, dates=dates,
            variance="CR2" if cluster else "HC2", cluster=cluster, conf_level=conf_level, df=df,
        ),
        estimates=pl.concat(tables), influence=fit.influence[:, 0, 0], cells=cells,
        cohorts=cohorts,
    )  # fmt: skip


def _row(term: str, fit: Contrasts, conf_level: float) -> pl.DataFrame:
    error = np.sqrt((fit.influence[:, 0] ** 2).sum(axis=0))
    return effect_table([term], fit.estimate[0], error, df=fit.df[0], conf_level=conf_level)
