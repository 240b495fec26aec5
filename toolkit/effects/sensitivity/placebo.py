"""Placebo outcomes: what the programme cannot have changed, compared as the outcome is."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.contrast import contrast
from toolkit.effects.contrast_influence import positive
from toolkit.effects.contrast_sample import clustering_of, kind_of
from toolkit.effects.sensitivity.door import as_sample, describe
from toolkit.effects.sensitivity.placebo_panel import widen
from toolkit.effects.sensitivity.placebo_result import PlaceboTest
from toolkit.errors import CallError
from toolkit.estimation.clusters import cluster_sums
from toolkit.estimation.coefficients import wald_test
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.effects.contrast_result import Contrast
    from toolkit.matching.sample import Sample

    Floats = NDArray[np.float64]


def placebo(
    x: Any,
    panel: Any = None,
    *,
    outcome_before: str | Sequence[str],
    person: str | Sequence[str] | None = None,
    month: str | None = None,
    tolerance: float | None = None,
    alpha: float = 0.05,
    conf_level: float = 0.95,
    missing: Literal["error", "drop"] = "error",
    cluster: str | Sequence[str] | Literal[False] | None = None,
    treatment: str | None = None,
) -> PlaceboTest:
    """Compare treated and controls in what happened before the programme.

    Employment before the start is a negative control: the programme cannot have changed it, so
    that what differs between the groups after matching or weighting is selection (or anticipation).

    Parameters
    ----------
    x : Sample or frame
        The comparison under test.
    panel : frame, optional
        A row a person and month before the start, with `month` < 0 and the outcome; without it the
        outcomes are columns of `x`. A month that a person has no row for is missing.
    outcome_before : str or sequence of str
        Columns of `x`; or the one column of `panel`, of which each month is an outcome.
    person, month : str
        Of the panel: the columns it shares with `x`, and months relative to the start.
    tolerance : float, optional
        The largest difference that is taken for none, in units of the outcome. With it the test
        fails only where a difference is larger too, and passes only where the intervals leave no
        room for one.
    alpha : float
        Level of the joint test.
    conf_level, missing, cluster, treatment
        As in `effects.contrast`. ``missing="drop"`` leaves out who is not known, by outcome.

    Returns
    -------
    PlaceboTest

    Raises
    ------
    toolkit.errors.ToolkitError
        As `effects.contrast`; also for a panel with months from 0 on.

    Notes
    -----
    Each difference has the standard error that `contrast` gives it; the joint test is Wald's, with
    the correlation of their influences between clusters: of two ways of clustering, both less what
    they share, as the variances (Cameron, Gelbach and Miller 2011). Where there are more outcomes
    than clusters, or they make up each other, it is Bonferroni's. An outcome that was matched on
    passes for that reason and is told.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from toolkit import effects
    >>> rng = np.random.default_rng(1)
    >>> able = rng.normal(size=500)
    >>> people = pl.DataFrame(
    ...     {"treated": rng.random(500) < 1 / (1 + np.exp(-able)), "worked": able > 0}
    ... )
    >>> effects.placebo(people, outcome_before="worked", treatment="treated").passed
    False
    """
    begin = clock.perf_counter()
    check_interval(alpha, "plain")
    if tolerance is not None and not tolerance > 0:
        raise CallError(
            f"tolerance={tolerance:g} is not above 0", fix="leave it out for a test of 0"
        )
    sample = as_sample(x, treatment=treatment)
    labels = as_columns(outcome_before)
    if not labels:
        raise CallError("outcome_before names no column", fix="name what was measured before")
    months: list[int] | None = None
    if panel is not None:
        sample, labels, months = widen(
            sample, panel, outcome=labels, person=as_columns(person), month=month
        )
    elif person is not None or month is not None:
        raise CallError("person= and month= are columns of a panel", fix="hand in the panel")
    require_columns(sample.frame, *labels)
    found = [
        contrast(
            sample, outcome=label, measure="difference", missing=missing, cluster=cluster,
            conf_level=conf_level, since=0,
        )
        for label in labels
    ]  # fmt: skip
    table = pl.concat([_row(sample, label, one) for label, one in zip(labels, found, strict=True)])
    if months is not None:
        table = table.with_columns(month=pl.Series(months, dtype=pl.Int64))
    error = table["std_error"].to_numpy()
    vcov = _correlation(sample, labels, found, missing, cluster) * np.outer(error, error)
    statistic, p_value, said = _joint(table, vcov)
    matched = sorted(set(labels) & set(sample.covariates))
    if matched:
        said.append(f"matched on, and so no placebo: {', '.join(matched)}")
    dropped = {
        f"{label} not known": count
        for label, count in table.select("outcome", "n_missing").iter_rows()
        if count
    }
    mean = np.full(len(labels), 1 / len(labels))
    return PlaceboTest(
        rows=table, estimate=float(mean @ table["estimate"].to_numpy()),
        std_error=float(np.sqrt(mean @ vcov @ mean)), statistic=statistic, df=len(labels),
        p_value=p_value, alpha=alpha, tolerance=tolerance,
        meta=describe(
            sample,
            method="Placebo: outcomes before the programme",
            estimand="difference between treated and controls in what cannot be an effect",
            seconds=clock.perf_counter() - begin,
            n=int(max(one.meta["n"] for one in found)),
            dropped=dropped,
            warnings=said,
            variance=found[0].meta["variance"],
        ),
    )  # fmt: skip


def _row(sample: Sample, label: str, found: Contrast) -> pl.DataFrame:
    """Return one outcome's difference, also in standard deviations of the controls."""
    tidy = found.tidy().filter(pl.col("term") == "difference").drop("term")
    values = sample.frame[label].cast(pl.Float64).fill_nan(None)
    weight = sample.weights.to_numpy()
    known = values.is_not_null().to_numpy()
    here = known & (weight > 0) & ~sample.treated
    there = values.to_numpy()[here]
    spread = np.sqrt(np.average((there - np.average(there, weights=weight[here])) ** 2,
                                weights=weight[here]))  # fmt: skip
    return tidy.select(
        pl.lit(label).alias("outcome"),
        pl.lit(float(found.value[0])).alias("mean_treated"),
        pl.lit(float(found.value[1])).alias("mean_control"),
        "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high",
        (pl.col("estimate") / float(spread) if spread else pl.lit(None, pl.Float64))
        .alias("standardised"),
        pl.lit(int(((weight > 0) & ~known).sum())).alias("n_missing"),
    )  # fmt: skip


def _correlation(
    sample: Sample,
    labels: Sequence[str],
    found: Sequence[Contrast],
    missing: Literal["error", "drop"],
    cluster: Any,
) -> Floats:
    """Return how the estimates go together, (k, k), from what rows or clusters do to them."""
    moved = [
        one
        if one.moved is not None
        else contrast(
            sample, outcome=label, measure="difference", missing=missing, cluster=cluster,
            variance="influence", since=0,
        )
        for label, one in zip(labels, found, strict=True)
    ]  # fmt: skip
    influence = np.hstack([one.influence for one in moved])
    clustering = clustering_of(sample, kind_of(sample), cluster)
    counts = None if moved[0].moved is None else moved[0].moved.counts
    products = np.zeros((len(labels),) * 2)
    for sign, _, code in clustering.ways():  # as the variances: persons + pairs - both
        sums = cluster_sums(influence, code)
        products += sign * (sums.T @ sums)
    if not clustering:  # a row with count c is c equal rows
        sums = influence if counts is None else influence / np.sqrt(np.maximum(counts, 1))[:, None]
        products = sums.T @ sums
    products, _ = positive(products)
    size = np.sqrt(np.diag(products))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = products / np.outer(size, size)
    correlation = np.where(np.isfinite(correlation), correlation, 0.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)


def _joint(table: pl.DataFrame, vcov: Floats) -> tuple[float | None, float, list[str]]:
    """Return χ², the p-value of no difference in any outcome, and what is to be said of it."""
    varies = np.diag(vcov) > 0
    estimate = table["estimate"].to_numpy()
    if not varies.all() and (estimate[~varies] != 0).any():
        return None, 0.0, ["an outcome differs without any spread in it"]
    if not varies.any():
        return 0.0, 1.0, ["no outcome differs for anybody: the placebo has nothing to find"]
    statistic, p_value = wald_test(estimate[varies], vcov[np.ix_(varies, varies)])
    if p_value is not None:
        return statistic, p_value, []
    least = float(table["p_value"].to_numpy()[varies].min())
    said = "the outcomes make up each other, or are more than the clusters: p by Bonferroni"
    return None, min(1.0, int(varies.sum()) * least), [said]
