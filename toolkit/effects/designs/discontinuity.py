"""A border in age, time or score: people just on either side of it, through `rdrobust`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.designs.border import Border, load
from toolkit.effects.designs.discontinuity_result import RegressionDiscontinuity
from toolkit.effects.designs.door import read_numbers, read_rows, require_variation
from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.estimation.clusters import few_clusters
from toolkit.estimation.formula import learn
from toolkit.estimation.intervals import check_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Kernel = Literal["triangular", "epanechnikov", "uniform"]
Side = Literal["above", "below"]
Selector = Literal["mserd", "msetwo", "cerrd", "certwo"]
#: Fewer different values than this on a side: the border lies between steps, not in a line.
_STEPS = 30


def regression_discontinuity(
    data: Any,
    *,
    running: str,
    cutoff: float,
    outcome: str,
    treatment: str | None = None,
    treated: Side = "above",
    on: str | None = None,
    bandwidth: float | None = None,
    selector: Selector = "mserd",
    kernel: Kernel = "triangular",
    degree: int = 1,
    donut: float = 0.0,
    cluster: str | None = None,
    weights: str | None = None,
    conf_level: float = 0.95,
) -> RegressionDiscontinuity:
    """Estimate the effect of a rule that applies from a border on, at that border.

    Parameters
    ----------
    data : frame
        A row a person.
    running : str
        What the rule goes by: age, duration, a score, the date as a number.
    cutoff : float
        The border; a person right on it stands above.
    outcome : str
        A number or true/false.
    treatment : str, optional
        Who took part. Without it the rule decides alone (sharp); with it the jump in the outcome is
        divided by the jump in taking part (fuzzy).
    treated : {"above", "below"}
        The side to which the rule applies.
    on : str, optional
        Formula of covariates, for precision only: they must not jump themselves.
    bandwidth : float, optional
        How far from the border people count; by `selector` when not given.
    selector : {"mserd", "msetwo", "cerrd", "certwo"}
        Bandwidth with the least mean squared error (or the best coverage), one or one a side.
    kernel : {"triangular", "epanechnikov", "uniform"}
    degree : int
        Of the local polynomial, 1 or 2; the bias is estimated by one degree more.
    donut : float
        People nearer to the border than this are left out, counted: those who may have moved.
    cluster, weights : str, optional
    conf_level : float

    Returns
    -------
    RegressionDiscontinuity
        With `density()`, `continuity()`, `bandwidths()`, `donuts()`, `placebo_cutoffs()`.

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family; also when `rdrobust` is not installed: it is the extra ``rd``.

    Notes
    -----
    Calonico, Cattaneo and Titiunik (2014): report the conventional estimate with the robust
    interval, which is centred at the estimate less its bias. With few different values of
    `running` (whole months) the polynomial bridges a gap, and the interval does not know by how
    much it may be wrong: said in `meta` (Kolesár and Rothe 2018).

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from toolkit import effects
    >>> rng = np.random.default_rng(1)
    >>> age = rng.uniform(20, 34, 4000)
    >>> works = rng.random(4000) < 0.3 + 0.01 * (age - 27) + 0.2 * (age < 27)
    >>> found = effects.regression_discontinuity(
    ...     pl.DataFrame({"age": age, "works": works}),
    ...     running="age", cutoff=27, outcome="works", treated="below",
    ... )
    >>> found.tidy()["term"].to_list()
    ['conventional', 'robust']
    """
    for name, value, allowed in (
        ("treated", treated, ("above", "below")),
        ("selector", selector, ("mserd", "msetwo", "cerrd", "certwo")),
        ("kernel", kernel, ("triangular", "epanechnikov", "uniform")),
    ):
        check_option(name, value, allowed)
    check_interval(conf_level, "plain")
    if degree not in {1, 2} or donut < 0 or (bandwidth is not None and not bandwidth > 0):
        raise CallError("degree is 1 or 2, donut from 0 on, bandwidth above 0")
    library = load()
    rows = read_rows(data, running, outcome, *([treatment] if treatment else []),
                     weights=weights, cluster=cluster)  # fmt: skip
    x = read_numbers(rows.frame, running)
    if donut:
        rows = rows.keep(pl.Series(np.abs(x - cutoff) >= donut), f"nearer than {donut:g} (donut)")
        x = read_numbers(rows.frame, running)
    y = read_numbers(rows.frame, outcome)
    require_variation(y, outcome)
    above = x >= cutoff
    if above.all() or not above.any():
        raise EmptyCohortError(
            f"Everybody stands on one side of {cutoff:g} in {running!r}",
            where=f"{len(x):,} rows",
            fix="check the unit of the border (years, months, days)",
        )
    taken = read_numbers(rows.frame, treatment) if treatment else None
    if taken is not None:
        require_variation(taken, str(treatment), fix="without it the rule decides alone")
    covariates = learn(on, rows.frame)[1] if on else None
    border = Border(
        library=library, x=x, y=y, taken=taken, covariates=covariates, cutoff=float(cutoff),
        weight=rows.weight if weights else None, cluster=rows.cluster, kernel=kernel,
        degree=degree, selector=selector, sign=1.0 if treated == "above" else -1.0,
        level=conf_level,
    )  # fmt: skip
    fit = border.fit(bandwidth=bandwidth)
    steps = min(len(np.unique(x[above])), len(np.unique(x[~above])))
    if steps < _STEPS or steps < len(x) / 20:
        rows.notes.append(
            f"{running} takes {steps:,} values on a side: the estimate bridges a gap at the border"
        )
    if cluster and rows.cluster is not None:
        rows.notes.extend(few_clusters(int(rows.cluster.max()) + 1, cluster))
    if taken is not None and abs(fit.first_stage[0]) < 10**0.5 * fit.first_stage[1]:
        rows.notes.append("taking part hardly jumps at the border (F below 10): weak instrument")
    kind = "fuzzy" if treatment else "sharp"
    who = "who take part because of it, " if treatment else ""
    return RegressionDiscontinuity(
        meta=rows.meta(
            design="rdd",
            method=f"Regression discontinuity ({kind}), local polynomial of degree {degree}, "
            f"{kernel} kernel",
            estimand=f"mean effect on those {who}right at {running} = {cutoff:g}",
            cutoff=cutoff, running=running, outcome=outcome, selector=selector, donut=donut,
            cluster=cluster, conf_level=conf_level, variance="CR1" if cluster else "nearest 3",
        ),
        estimates=fit.table, bandwidth=fit.bandwidth, bias_bandwidth=fit.bias_bandwidth,
        n_left=fit.n[0], n_right=fit.n[1], border=border, frame=rows.frame,
    )  # fmt: skip
