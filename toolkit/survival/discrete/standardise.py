"""Standardised curves: everyone's survival if all had the same level of one column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_columns
from toolkit.survival.discrete.predict import Newcomers, read_new
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.discrete.fit import Fit
    from toolkit.survival.discrete.model import MonthlyModel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_BLOCK = 1 << 14


def standardise(
    model: MonthlyModel, by: str, levels: Sequence[Any] | None, month: Ints
) -> tuple[pl.Series, Floats, Floats]:
    """Return the levels, the mean survival of each (L, T), and the covariance of all (L T, L T).

    The mean is over the rows of the data with their weights. The variance has two parts: of the
    coefficients (delta method), and of whose covariates happened to be drawn.
    """
    design, fit = model.design, model.fit
    if model.month:
        raise CallError(
            "Standardised curves of effects that change by month are not there",
            fix="average predict_survival() over the rows yourself",
        )
    require_columns(design.patterns, by, where="the variables of the model")
    known = design.patterns[by]
    asked = (
        known.unique().sort() if levels is None else pl.Series(by, list(levels), strict=False)
    ).cast(known.dtype)
    weight = add_up(design.n, design.pattern, len(design.x))
    total = float(weight.sum())
    curves, terms, blocks, owns = [], [], [], []
    for level in asked:
        frame = design.patterns.with_columns(pl.lit(level, dtype=known.dtype).alias(by))
        new = read_new(fit, model.covariates, design, frame, (), model.offset)
        curve, by_term, by_block, each = _mean_curve(fit, new, weight / total, month)
        curves.append(curve)
        terms.append(by_term)
        blocks.append(by_block)
        owns.append((each - curve) / total)
    drawn = np.concatenate(owns, axis=1)[design.pattern]
    at = np.arange(fit.baseline.n_block)
    gradient = np.concatenate(terms), np.concatenate(blocks)
    if model.robust:
        vcov = fit.covariance(*gradient, at, design=design, cluster=model.cluster, own=drawn)
    else:
        vcov = fit.covariance(*gradient, at) + design.meat(drawn)[0]
    return asked.alias(by), np.array(curves), vcov


def _mean_curve(
    fit: Fit, new: Newcomers, share: Floats, month: Ints
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return S(t) averaged, (T,), its gradients (T, p) and (T, G, b), and every S, (P, T)."""
    months, baseline = fit.months, fit.baseline
    beta = fit.point.beta[0]
    level = baseline.levels(fit.point.alpha)[:, 0].reshape(-1, months.n_month)
    fixed = np.where(baseline.used, 0.0, baseline.fixed).reshape(-1, months.n_month)
    n_time, n_slot = len(month), len(baseline.block)
    last = month - 1
    before = np.arange(months.n_month) <= last[:, None]
    mean, by_term = np.zeros(n_time), np.zeros((n_time, len(beta)))
    by_slot = np.zeros((n_time, n_slot))
    each = np.zeros((len(share), n_time))
    for low in range(0, len(share), _BLOCK):
        rows = slice(low, low + _BLOCK)
        stratum, w = new.stratum[rows], share[rows]
        e = np.exp((new.x[rows] @ beta + new.offset[rows])[:, None] + level[stratum])
        push = e if fit.link == "cloglog" else e / (1 + e)
        lasted = np.cumsum(e if fit.link == "cloglog" else np.log1p(e), axis=1)
        curve = np.exp(-lasted[:, last]) * np.cumprod(1 - fixed[stratum], axis=1)[:, last]
        each[rows] = curve
        weighted = w[:, None] * curve
        mean += weighted.sum(0)
        by_term -= (weighted * np.cumsum(push, axis=1)[:, last]).T @ new.x[rows]
        for s in np.unique(stratum):
            here = stratum == s
            part = slice(s * months.n_month, (s + 1) * months.n_month)
            by_slot[:, part] -= before * (weighted[here].T @ push[here])
    by_block = baseline.gather(by_slot.T).transpose(2, 0, 1)
    return mean, by_term, by_block, each
