"""Logistic regression for a handful of categories: iteratively reweighted least squares.

Only what response propensities need: fitted probabilities and their covariance. Where a group
answers as one (separation), the likelihood has its maximum at infinity; its limit is well known
though: those units get 0 or 1 exactly and the others are fitted among themselves (Geyer 2009,
Electronic Journal of Statistics 3, 259–289).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from toolkit.errors import CheckError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

_MOST_STEPS = 100
#: A fitted probability nearer to 0 or 1 than this is there by separation.
_EDGE = 1e-6
_RANK = 1e-9


@dataclass(frozen=True)
class Fit:
    """Fitted probabilities and what they are uncertain by.

    Attributes
    ----------
    fitted : (n,) floats
        Probability of each unit.
    gradient : (n, k) floats
        Derivative of each probability to the k free coefficients; zeros for separated units.
    covariance : (k, k) floats
        Covariance of those coefficients, from the information matrix.
    separated : (n,) booleans
        Units whose probability is 0 or 1 by separation.
    """

    fitted: Floats
    gradient: Floats
    covariance: Floats
    separated: NDArray[np.bool_]


def fit_logit(design: Floats, response: Floats, weights: Floats) -> Fit:
    """Fit P(response) = 1 / (1 + exp(−xβ)) by maximum (weighted) likelihood.

    Parameters
    ----------
    design : (n, p) floats
        Columns may depend on each other: only their span counts.
    response : (n,) floats
        0 or 1.
    weights : (n,) floats
        Positive. The covariance takes them as known: I⁻¹ (Σ w² p q x xᵀ) I⁻¹, with
        I = Σ w p q x xᵀ; with weights of 1 it is I⁻¹.
    """
    n = len(response)
    inside = np.ones(n, dtype=bool)
    fitted = np.empty(n)
    basis = np.empty((0, 0))
    while inside.any():
        basis = _span(design[inside])
        fitted[inside] = _maximise(basis, response[inside], weights[inside])
        edge = inside & ((fitted < _EDGE) | (fitted > 1 - _EDGE))
        if not edge.any():
            break
        fitted[edge] = np.round(fitted[edge])
        inside &= ~edge
    if not inside.any():
        return Fit(fitted, np.zeros((n, 0)), np.zeros((0, 0)), ~inside)
    p, w = fitted[inside], weights[inside]
    spread = (p * (1 - p))[:, None] * basis
    bread = np.linalg.inv(basis.T @ (w[:, None] * spread))
    gradient = np.zeros((n, basis.shape[1]))
    gradient[inside] = spread
    covariance = bread @ (basis.T @ ((w**2)[:, None] * spread)) @ bread
    return Fit(fitted, gradient, covariance, ~inside)


def _span(design: Floats) -> Floats:
    """Return orthogonal columns, of length √n, that span those of the design."""
    left, size, _ = np.linalg.svd(design, full_matrices=False)
    rank = int((size > _RANK * size[0]).sum())
    return np.asarray(left[:, :rank] * np.sqrt(len(design)))


def _maximise(x: Floats, response: Floats, weights: Floats) -> Floats:
    """Return fitted probabilities: Newton steps, halved where the likelihood would fall."""
    beta = np.zeros(x.shape[1])
    here = _loglik(x @ beta, response, weights)
    for _ in range(_MOST_STEPS):
        p = _logistic(x @ beta)
        score = x.T @ (weights * (response - p))
        if np.abs(score).max() < 1e-10 * weights.sum():
            return p
        information = x.T @ ((weights * p * (1 - p))[:, None] * x)
        step = np.linalg.lstsq(information, score, rcond=1e-13)[0]
        after = _loglik(x @ (beta + step), response, weights)
        halved = 0
        while after < here - 1e-12 * abs(here) and halved < 30:
            step, halved = step / 2, halved + 1
            after = _loglik(x @ (beta + step), response, weights)
        beta, here = beta + step, after
    raise CheckError(
        "The logit of delivering did not converge",
        where=f"{len(response):,} units, {x.shape[1]} free coefficients",
        fix="use fewer or coarser categories",
    )


def _logistic(eta: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(eta, -40, 40))))


def _loglik(eta: Floats, response: Floats, weights: Floats) -> float:
    # log p = −log(1 + e^−η); log(1 − p) = −log(1 + e^η)
    return float(-(weights * np.logaddexp(0, np.where(response > 0, -eta, eta))).sum())
