"""Cox models of all causes, fitted on one design."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import CallError, EmptyCohortError, EstimationError, check_option, masked
from toolkit.estimation.clusters import few_clusters
from toolkit.estimation.coefficients import narrow_errors
from toolkit.estimation.intervals import check_interval
from toolkit.survival.cause_specific.model import CauseSpecific
from toolkit.survival.cause_specific.predict import coefficient_influence
from toolkit.survival.cox.fit import fit_design
from toolkit.survival.design import make_design

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.cox import CoxModel

    Floats = NDArray[np.float64]

TiesType = Literal["efron", "breslow"]
TIES = ("efron", "breslow")


def cause_specific(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    offset: str | None = None,
    robust: bool | None = None,
    ties: TiesType = "efron",
    conf_level: float = 0.95,
) -> CauseSpecific:
    """Fit a Cox model to the hazard of every cause, the others being censored.

    Parameters
    ----------
    formula, data, time, entry, weights, weight_type, strata, cluster, offset
        As in `cox`; every cause has the same terms and baselines of its own.
    event : str
        0/null = censored, else the cause: a positive integer or a string.
    robust : bool, optional
        Sandwich variance, joint over the causes; by default with `cluster` or sampling weights.
    ties : {"efron", "breslow"}
        Events of one cause at one time. Events of different causes at one time are all at risk.
    conf_level : float

    Returns
    -------
    CauseSpecific

    Raises
    ------
    toolkit.errors.ToolkitError
        As `cox`; it names the cause.

    Notes
    -----
    The partial likelihood of all causes is a product over the causes (Prentice et al. 1978), so
    the coefficients are those of separate fits; without `robust` they are uncorrelated between
    causes. The data are counted once.

    References
    ----------
    Prentice, R. L. et al. (1978). The analysis of failure times in the presence of competing
    risks. Biometrics 34, 541-554.

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
    >>> model = survival.cause_specific("age", exits, time="months", event="to")
    >>> model.tidy().select("cause", "term", pl.col("estimate").round(3)).rows()
    [('study', 'age', -0.314), ('work', 'age', 0.037)]
    """
    begin = clock.perf_counter()
    check_option("ties", ties, TIES)
    check_interval(conf_level, "log-log")
    design = make_design(
        formula, data, time=time, event=event, entry=entry, weights=weights,
        weight_type=weight_type, strata=strata, offset=offset, competing=True, cluster=cluster,
    )  # fmt: skip
    if robust is None:
        robust = cluster is not None or design.sampling
    if cluster is not None and not robust:
        raise CallError(
            "robust=False leaves the clusters out of the variance",
            fix="leave out cluster=, or robust=",
        )
    if not len(design.causes):
        raise EmptyCohortError(
            f"Nobody in {event!r} had an event, so nothing can be estimated",
            where=f"{design.n_rows:,} rows, all censored",
            fix="check its coding: 0 or null is censored, anything else is a cause",
        )
    models: list[CoxModel] = []
    for k, cause in enumerate(design.causes.to_list(), start=1):
        try:
            model = fit_design(
                design.subset_event(k), ties=ties, conf_level=conf_level,
                names={"time": time, "event": f"{event} = {cause}"},
            )  # fmt: skip
        except EstimationError as error:
            raise type(error)(
                error.what, where=f"{event} = {masked(repr(cause))}", fix=error.fix
            ) from error
        models.append(model)
    p = len(design.terms)
    vcov = np.zeros((len(models) * p, len(models) * p))
    units = None
    if robust:
        vcov, units = design.meat(coefficient_influence(models), cluster)
    for k, model in enumerate(models):
        own = slice(k * p, (k + 1) * p)
        if robust:
            models[k] = replace(model, vcov=vcov[own, own], robust=True, cluster=cluster)
        else:
            vcov[own, own] = model.vcov
    said = [
        f"{event} = {masked(str(cause))}: {what}"
        for cause, model in zip(design.causes.to_list(), models, strict=True)
        for what in narrow_errors(model.vcov, model.vcov_model, design.terms)
    ]
    how = "robust" if robust else "inverse information"
    return CauseSpecific(
        meta=design.describe()
        | {
            "estimand": f"log hazard ratios of every cause in {event} by {time}",
            "method": "Cox regression of all causes",
            "definition": f"{formula}; ties: {ties}",
            "ties": ties,
            "variance": f"{how}, clusters of {cluster}" if cluster else how,
            "n_cluster": units if cluster else None,
            "warnings": [
                *(few_clusters(units, cluster) if cluster and units is not None else []),
                *(said if robust and not design.sampling else []),
            ],
            "versions": models[0].meta["versions"],
            "wall_time": clock.perf_counter() - begin,
        },
        causes=design.causes,
        models=tuple(models),
        vcov=vcov,
        robust=robust,
        cluster=cluster,
        conf_level=conf_level,
    )
