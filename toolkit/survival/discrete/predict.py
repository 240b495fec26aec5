"""From coefficients to hazards, survival and incidence, and their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_columns, require_no_nulls, to_frame
from toolkit.survival.design.newcomers import check_labels, strata_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Covariates, Design
    from toolkit.survival.discrete.fit import Fit

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Newcomers:
    """Rows to predict for: x (Q, q), z (Q, M, d), offset (Q,), stratum (Q,), and their labels."""

    x: Floats
    z: Floats
    offset: Floats
    stratum: Ints
    labels: pl.DataFrame


@dataclass(frozen=True)
class Course:
    """The hazards of one newcomer, months 1 … M.

    Attributes
    ----------
    hazard : (M, K) array
        NaN from the first month in which nobody of the stratum was at risk.
    eta : (M, K) array
        Linear predictors.
    push : (M, K) array
        What a month of stay takes from log S per unit of η: μ (cloglog) or h.
    slot : (M,) array
    columns : (M, q + d) array
        Values of the terms, in the order of `Point.beta`.
    """

    hazard: Floats
    eta: Floats
    push: Floats
    slot: Ints
    columns: Floats


def read_new(
    fit: Fit, covariates: Covariates, design: Design, new: Any, month: tuple[str, ...],
    offset: str | None,
) -> Newcomers:  # fmt: skip
    """Read the rows of `new`: the formula's variables, strata and offset, as the data had them."""
    frame = to_frame(new)
    if frame.height == 0:
        raise CallError("There are no rows to predict for", fix="pass at least one row")
    where = "the new data"
    own = [name for name in covariates.variables if name not in month]
    strata = [name for name in design.strata.columns if name]
    known = ([offset] if offset is not None else []) + strata
    require_columns(frame, *own, *known, where=where)
    require_no_nulls(frame, *known)
    n_month, order = fit.months.n_month, fit.months.order
    q = fit.months.x.shape[1]
    if month:
        long = frame.select(own) if own else pl.DataFrame({"": [0] * frame.height})
        rows = np.repeat(np.arange(frame.height), n_month)
        months = pl.Series(month[0], np.tile(np.arange(1, n_month + 1), frame.height))
        every = covariates.matrix(long[rows].with_columns(months), where=where)
        every = every[:, order].reshape(frame.height, n_month, -1)
        x, z = every[:, 0, :q], every[:, :, q:]
    else:
        x = covariates.matrix(frame, where=where)[:, order]
        z = np.zeros((frame.height, n_month, 0))
    names = list(dict.fromkeys([*strata, *own, *known]))
    check_labels(names)
    labels = frame.select(names)
    return Newcomers(
        x=x, z=z, labels=labels, stratum=strata_of(design, frame, where=where),
        offset=frame[offset].cast(pl.Float64).to_numpy() if offset is not None
        else np.zeros(frame.height),
    )  # fmt: skip


def course(fit: Fit, new: Newcomers, row: int) -> Course:
    """Return the hazards of one row of the newcomers."""
    months, baseline, beta = fit.months, fit.baseline, fit.point.beta
    slot = new.stratum[row] * months.n_month + np.arange(months.n_month)
    columns = np.column_stack([np.tile(new.x[row], (months.n_month, 1)), new.z[row]])
    eta = columns @ beta.T + new.offset[row] + baseline.levels(fit.point.alpha)[slot]
    e = np.exp(eta)
    hazard = -np.expm1(-e) if fit.link == "cloglog" else e / (1 + e.sum(1, keepdims=True))
    push = e if fit.link == "cloglog" else hazard
    out = ~baseline.used[slot]
    fixed = baseline.fixed[slot]
    hazard[out] = fixed[out, None]
    push[out] = 0.0
    if months.n_cause > 1:
        hazard[out & (fixed == 1)] = np.nan  # who left with everyone else went which way
    unknown = np.isnan(hazard).any(1)
    hazard[np.cumsum(unknown) > 0] = np.nan
    return Course(hazard, eta, push, slot, columns)


def survival_of(way: Course) -> tuple[Floats, Floats]:
    """Return S after each month, (M,), and ∂S(t)/∂η of each month and cause, (M, M, K)."""
    curve = np.cumprod(1 - way.hazard.sum(1))
    before = np.tri(len(curve))  # months up to t
    gradient = -curve[:, None, None] * before[:, :, None] * way.push[None]
    return curve, gradient


def hazard_of(way: Course, *, cloglog: bool) -> tuple[Floats, Floats]:
    """Return the hazards (M K,), causes within months, and ∂h/∂η, (M K, M, K)."""
    h = way.hazard
    n_month, n_cause = h.shape
    here = (
        ((1 - h) * way.push)[:, :, None] if cloglog
        else h[:, :, None] * (np.eye(n_cause)[None] - h[:, None, :])
    )  # fmt: skip
    here[way.push == 0] = 0.0
    gradient = np.zeros((n_month, n_cause, n_month, n_cause))
    at = np.arange(n_month)
    gradient[at, :, at] = here
    return h.ravel(), gradient.reshape(-1, n_month, n_cause)


def incidence_of(way: Course) -> tuple[Floats, Floats]:
    """Return F_k(t), (M K,), causes within months, and its gradient, (M K, M, K).

    F_k(t) = Σ_{m ≤ t} S(m - 1) h_k(m). A month's η_l changes h_k there, by h_k (1{k = l} - h_l),
    and what is left for later months, by -h_l.
    """
    h = way.hazard
    n_month, n_cause = h.shape
    curve = np.cumprod(1 - h.sum(1))
    start = np.concatenate([[1.0], curve[:-1]])
    steps = start[:, None] * h
    total = np.cumsum(steps, axis=0)
    now = steps[:, :, None] * (np.eye(n_cause)[None] - h[:, None, :])  # (m, k, l)
    later = total[:, None, :] - total[None, :, :]  # (t, m, k)
    mask = np.tri(n_month)
    gradient = mask[:, :, None, None] * (
        now[None] - later[:, :, :, None] * h[None, :, None, :]
    )  # (t, m, k, l)
    return total.ravel(), gradient.transpose(0, 2, 1, 3).reshape(-1, n_month, n_cause)


def to_parameters(fit: Fit, way: Course, gradient: Floats) -> tuple[Floats, Floats, Ints]:
    """Turn gradients for η, (T, M, K), into those for terms, (T, K p), and blocks, (T, g, K b)."""
    baseline = fit.baseline
    block = baseline.block[way.slot]
    at = np.unique(block[block >= 0])
    place = np.searchsorted(at, block)
    used = block >= 0
    spread = np.zeros((len(block), len(at), baseline.basis.shape[1]))
    spread[np.flatnonzero(used), place[used]] = baseline.basis[way.slot[used]]
    clean = np.where(np.isnan(gradient), 0.0, gradient)
    clean[:, ~used] = 0.0
    by_term = np.einsum("tmk,mj->tkj", clean, way.columns).reshape(len(clean), -1)
    by_block = np.einsum("tmk,mgb->tgkb", clean, spread)
    # hazards that are 0 because no such exit happened do not vary
    by_block *= baseline.known[at][None, :, :, None]
    return by_term, by_block.reshape(len(clean), len(at), -1), at
