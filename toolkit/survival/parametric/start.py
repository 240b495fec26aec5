"""Where to start: the model without covariates, from counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.newton import maximise
from toolkit.survival.parametric.baselines import Power, Spline, Steps
from toolkit.survival.parametric.likelihood import Likelihood, Observed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.estimation.newton import Objective
    from toolkit.survival.parametric.baselines import Baseline

    Floats = NDArray[np.float64]


def null_of(observed: Observed, *, intercept: bool) -> Observed:
    """Return what was seen without covariates: the same times counted together."""
    width = 1 if intercept else 0
    if observed.offset.any():
        ones = np.ones((len(observed.x), 1))
        return replace(observed, x=ones[:, :width], ancillary=ones)
    keys = ["end", "event", "lower", "entry"]
    cells = pl.DataFrame({key: getattr(observed, key) for key in keys} | {"n": observed.n})
    found = cells.group_by(keys).agg(pl.col("n").sum()).sort(keys)
    return Observed(
        x=np.ones((1, width)), offset=np.zeros(1), ancillary=np.ones((1, 1)),
        pattern=np.zeros(found.height, dtype=np.int64),
        **{key: found[key].to_numpy() for key in (*keys, "n")},
    )  # fmt: skip


def start_of(observed: Observed, baseline: Baseline) -> Floats:
    """Return where to start without covariates: (intercept, shape)."""
    event = observed.event
    low = np.where(np.isnan(observed.lower), observed.end, observed.lower)
    time = np.where(event, (low + observed.end) / 2, observed.end)
    n = observed.n
    offset = observed.offset[observed.pattern]
    if isinstance(baseline, Steps):
        spent = _spent(baseline, time, observed.entry)
        at = np.bincount(baseline.interval(time[event]), n[event], minlength=len(baseline.cuts) + 1)
        exposure = (n * np.exp(offset)) @ spent
        return np.asarray(np.log((at + 0.5) / np.maximum(exposure, 1e-9 * exposure.max())))
    if isinstance(baseline, Spline):
        power = Power(link=baseline.link, stretch=False)
        found = maximise(
            objective_of(Likelihood(observed, power), frailty=False), start_of(observed, power),
            names=("intercept", "log(shape)"), most_steps=100,
        )  # fmt: skip
        extra = np.zeros(len(baseline.knots) - 2)
        return np.concatenate([[found.point[0], np.exp(found.point[1])], extra])
    if baseline.link == "hazard":
        spent = np.maximum(time - observed.entry, 1e-12 * time.max())
        eta = float(np.log(n[event].sum() / ((n * np.exp(offset if not baseline.stretch else
                                                         -offset)) @ spent)))  # fmt: skip
        shape = 1.0
    else:
        log_time = np.log(np.maximum(time[event], 1e-12 * time.max()))
        middle = np.average(log_time, weights=n[event])
        spread = np.sqrt(np.average((log_time - middle) ** 2, weights=n[event]))
        shape = 1.5 / max(float(spread), 0.1)
        eta = -shape * float(middle)
        if not baseline.stretch:
            eta -= float(np.average(offset, weights=n))
    if baseline.fixed:
        return np.array([-eta if baseline.stretch else eta])
    if baseline.stretch:
        shift = float(np.average(offset, weights=n)) if baseline.link != "hazard" else 0.0
        return np.array([-eta / shape - shift, -np.log(shape)])
    return np.array([eta, np.log(shape)])


def _spent(baseline: Steps, time: Floats, entry: Floats) -> Floats:
    late = np.where(entry[:, None] > 0, baseline.basis(entry)[:, 1:], 0.0)
    spent: Floats = baseline.basis(time)[:, 1:] - late
    return spent


def objective_of(likelihood: Likelihood, *, frailty: bool) -> Objective:
    """Return the log-likelihood as `maximise` asks for it."""

    def value(point: Floats) -> tuple[float, Floats, Floats]:
        total = likelihood(point, frailty=frailty)
        return total.value, total.score, total.information

    return value
