"""Fine and Gray's model, fitted."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, check_option, unknown_option
from toolkit.estimation.clusters import few_clusters
from toolkit.estimation.coefficients import narrow_errors
from toolkit.estimation.intervals import check_interval
from toolkit.estimation.newton import inverse, maximise
from toolkit.estimation.patterns import find_patterns
from toolkit.frames import as_columns
from toolkit.provenance import versions
from toolkit.survival.counts import check_by
from toolkit.survival.cox.checks import check_information, check_separation
from toolkit.survival.design import make_design
from toolkit.survival.fine_gray.influence import Parts, coefficient_influence
from toolkit.survival.fine_gray.jumps import CENSORINGS, CensoringType, find_jumps
from toolkit.survival.fine_gray.likelihood import TIES, Likelihood, TiesType
from toolkit.survival.fine_gray.model import FineGrayModel
from toolkit.survival.fine_gray.risk_sets import lay_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

VarianceType = Literal["jackknife", "fine-gray", "known-weights"]
#: Form of the censoring distribution's part in the variance; see `influence.coefficient_influence`.
VARIANCES: dict[str, bool | None] = {"jackknife": True, "fine-gray": False, "known-weights": None}


def fine_gray(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str,
    cause: Any,
    entry: str | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    offset: str | None = None,
    robust: bool = True,
    variance: VarianceType = "jackknife",
    ties: TiesType = "efron",
    censoring: CensoringType = "after-events",
    censoring_by: str | Sequence[str] | None = None,
    conf_level: float = 0.95,
) -> FineGrayModel:
    """Fit proportional hazards of the subdistribution of a cause (Fine and Gray 1999).

    Parameters
    ----------
    formula : str
        Right-hand side: ``"age + C(region) + age:sex"``.
    data, time, event, entry
        As in `cumulative_incidence`.
    cause
        The cause whose incidence is modelled; the others compete with it.
    weights, weight_type
        ``frequency`` (default for whole numbers): a row with weight w is w equal rows.
        ``sampling``: a row is one unit that stands for w; ties as R's `coxph` takes them. Both
        count in the censoring distribution too (R's `finegray` leaves them out there).
    strata : str or sequence of str, optional
        A baseline each.
    cluster : str, optional
        Column whose rows belong together, for the variance.
    offset : str, optional
        Column with a known part of the linear predictor.
    robust : bool
        False: the inverse information, which is too small or too large, as it takes the weighted
        rows for independent ones.
    variance : {"jackknife", "fine-gray", "known-weights"}
        How the estimated censoring distribution counts. ``jackknife``: the exact derivative of the
        estimate to every row's weight. ``fine-gray``: the formula of the paper, as `crr` of R's
        cmprsk computes it; the same in large samples, and for few ties. ``known-weights``: not at
        all, as `coxph` on the data of R's `finegray`, with `cluster`.
    ties : {"efron", "breslow"}
        Events of the cause at one time. R's `coxph` takes ``efron``, `crr` ``breslow``.
    censoring : {"after-events", "with-events"}
        Ties of events and censorings in the Kaplan-Meier curve G of the censoring:
        ``after-events``: who has an event at t is no longer at risk to be censored at t, as in
        R's `finegray`. ``with-events``: is still at risk, as in `crr`. The default is the rule of
        the whole toolkit (events come before censorings): only then is S(t) G(t) the share of rows
        that last beyond t, and the model without covariates the Aalen-Johansen curve.
    censoring_by : str or sequence of str, optional
        Columns by whose groups the censoring (and entry) distribution is estimated; None: one for
        all. Name what censoring depends on, such as the year of inflow.
    conf_level : float

    Returns
    -------
    FineGrayModel

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns, values or options that cannot be used, collinear terms,
        separation, and an optimum that is not found.

    Notes
    -----
    At an event time t of the cause those at risk are who is still there and who left by another
    cause at T < t, these with weight G(t-)/G(T-); with left truncation also H(t-)/H(T-), H the
    distribution of entry (Geskus 2011). Running sums over times make the cost that of the cells of
    the design; no data set is expanded.

    References
    ----------
    Fine, J. P. and Gray, R. J. (1999). A proportional hazards model for the subdistribution of a
    competing risk. JASA 94, 496-509. Geskus, R. B. (2011). Cause-specific cumulative incidence
    estimation and the Fine and Gray model under both left truncation and right censoring.
    Biometrics 67, 39-49.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import survival
    >>> exits = pl.DataFrame(
    ...     {
    ...         "months": [1, 2, 3, 4, 5, 6, 7, 8],
    ...         "to": ["work", "study", "work", None, "work", "study", None, "work"],
    ...         "age": [30, 25, 50, 41, 62, 35, 44, 33],
    ...     }
    ... )
    >>> model = survival.fine_gray("age", exits, time="months", event="to", cause="work")
    >>> model.tidy()["estimate"].round(3).to_list()
    [0.046]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "log-log")
    check_option("ties", ties, TIES)
    check_option("censoring", censoring, CENSORINGS)
    check_option("variance", variance, tuple(VARIANCES))
    if cluster is not None and not robust:
        raise CallError(
            "robust=False leaves the clusters out of the variance",
            fix="leave out cluster=, or robust=",
        )
    layers, groups = as_columns(strata), as_columns(censoring_by)
    check_by("strata", layers)
    check_by("censoring_by", groups)
    design = make_design(
        formula, data, time=time, event=event, entry=entry, weights=weights,
        weight_type=weight_type, strata=[*dict.fromkeys([*layers, *groups])], offset=offset,
        competing=True, cluster=cluster,
    )  # fmt: skip
    stratum, known = _number(design.patterns, layers)
    of_censoring, _ = _number(design.patterns, groups)
    design = replace(design, stratum=stratum, strata=known)
    number = _cause_number(design, cause, event)
    model = fit_design(
        design, number, of_censoring, ties=ties, censoring=censoring, robust=robust,
        variance=variance, cluster=cluster, conf_level=conf_level,
    )  # fmt: skip
    facts = {
        "estimand": f"subdistribution hazard ratios of {event} = {cause}",
        "definition": f"{formula}; ties: {ties}; censoring: {censoring}",
        "censoring_by": groups,
        "wall_time": clock.perf_counter() - begin,
    }
    return replace(model, meta=dict(model.meta) | facts)


def fit_design(
    design: Design,
    number: int,
    of_censoring: Ints,
    *,
    ties: TiesType = "efron",
    censoring: CensoringType = "after-events",
    robust: bool = True,
    variance: VarianceType = "jackknife",
    cluster: str | None = None,
    conf_level: float = 0.95,
) -> FineGrayModel:
    """Fit the model to a design of competing causes; the options are those of `fine_gray`.

    Parameters
    ----------
    number : int
        Of the cause, 1 … K.
    of_censoring : (P,) array
        Censoring group of each pattern.
    """
    group = of_censoring[design.pattern]
    jumps = find_jumps(design, group, censoring)
    sets = lay_out(design, number, jumps, group)
    objective = Likelihood(design, sets, ties)
    spread = objective.spread
    beta = np.zeros(len(design.terms))
    null = objective.evaluate(beta)
    check_information(null.information, spread, sets.n_event.sum(), design, objective.centre)
    if len(beta):
        top = maximise(objective, beta, names=design.terms, spread=spread)
        check_separation(
            null.information, top.information, spread, float(sets.units.sum()), design.terms
        )
        # one step more squares what is left of the error
        beta = top.point + top.inverse @ top.score
    at = objective.evaluate(beta)
    bread = inverse(at.information)
    parts = Parts(
        design=design, sets=sets, jumps=jumps, group=group, censoring=censoring, at=at,
        centre=objective.centre,
    )  # fmt: skip
    exact = VARIANCES[variance]
    influence = coefficient_influence(parts, bread, exact=exact)
    vcov, n_cluster = design.meat(influence, cluster) if robust else (bread, 0)
    meta = _describe(design, number) | {
        "method": "Fine and Gray",
        "ties": ties,
        "censoring": censoring,
        "variance": f"{variance}, robust" if robust else "inverse information",
        "n_cluster": n_cluster if cluster is not None else None,
        "warnings": [
            *(few_clusters(n_cluster, cluster) if robust and cluster is not None else []),
            *(narrow_errors(vcov, bread, design.terms) if robust and not design.sampling else []),
        ],
        "versions": versions(),
    }
    return FineGrayModel(
        meta=meta,
        terms=design.terms,
        coefficients=beta,
        vcov=vcov,
        vcov_model=bread,
        robust=robust,
        loglik=at.loglik,
        loglik_null=null.loglik,
        conf_level=conf_level,
        design=design,
        cause=design.causes[number - 1],
        exact=exact,
        cluster=cluster,
        cell_influence=influence,
        parts=parts,
    )


def _number(patterns: pl.DataFrame, names: list[str]) -> tuple[Ints, pl.DataFrame]:
    """Return the group of every pattern and the groups, sorted; one nameless without names."""
    if not names:
        return np.zeros(patterns.height, dtype=np.int64), pl.DataFrame({"": [0]})
    known, number = find_patterns(patterns, names)
    return number, known


def _cause_number(design: Design, cause: Any, event: str) -> int:
    known = design.causes.to_list()
    if not known:
        raise EmptyCohortError(
            f"Nobody in {event!r} had an event, so nothing can be estimated",
            where=f"{design.n_rows:,} rows, all censored",
            fix="check its coding: 0 or null is censored, anything else is a cause",
        )
    if cause not in known or isinstance(cause, bool) != (design.causes.dtype == pl.Boolean):
        raise unknown_option("cause", cause, [str(one) for one in known])
    return known.index(cause) + 1


def _describe(design: Design, number: int) -> dict[str, Any]:
    def count(which: NDArray[np.bool_]) -> float | int:
        total = float(design.n[which].sum())
        return total if design.sampling else round(total)

    own = design.event == number
    return design.describe() | {
        "n_event": count(own),
        "n_competing": count((design.event > 0) & ~own),
        "n_censor": count(design.event == 0),
    }
