"""The effect on one group in one month: four ways to compare changes, with influences.

All return the effect and what each treated and each control adds to it, so that the variance is
the sum of squares. Sant'Anna and Zhao (2020); the numbers are those of their panel estimators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import EstimationError
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.newton import inverse, maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Parts = tuple[float, Floats, Floats]

#: Smallest eigenvalue, of a matrix with ones on its diagonal, below which columns are looked at.
_NEAR_SINGULAR = 1e-7


@dataclass(frozen=True)
class Score:
    """The chance to be in the group rather than among its controls.

    Attributes
    ----------
    odds : (C,) array
        p / (1 - p) of the controls.
    first, second : (n, p), (C, p) arrays
        By how much each treated and control moves the coefficients of the logit.
    top : float
        The largest p among the controls.
    point : (p,) array
        Coefficients of the logit.
    """

    odds: Floats
    first: Floats
    second: Floats
    top: float
    point: Floats


def plain(d1: Floats, d0: Floats, w1: Floats, w0: Floats) -> Parts:
    """Compare mean changes: no covariates."""
    one, other = float(w1 @ d1 / w1.sum()), float(w0 @ d0 / w0.sum())
    return one - other, w1 * (d1 - one) / w1.sum(), -w0 * (d0 - other) / w0.sum()


def regression(
    d1: Floats, d0: Floats, w1: Floats, w0: Floats, x1: Floats, x0: Floats, names: Sequence[str]
) -> Parts:
    """Compare changes with those that the controls' regression foretells (their eq. 2.2).

    d, w : (n,) changes and weights; x : (n, p) with intercept.
    """
    miss = _outcome(d1, d0, w0, x1, x0, names)
    effect = float(w1 @ miss.treated / w1.sum())
    mean = w1 @ x1 / w1.sum()
    lean = x0 @ (miss.inner @ mean)
    return effect, w1 * (miss.treated - effect) / w1.sum(), -lean * w0 * miss.controls


def weighting(d1: Floats, d0: Floats, w1: Floats, w0: Floats, x0: Floats, score: Score) -> Parts:
    """Compare changes with the controls', weighted by their odds (their eq. 2.5, normalised)."""
    one = float(w1 @ d1 / w1.sum())
    w = w0 * score.odds
    other = float(w @ d0 / w.sum())
    gap = w * (d0 - other) / w.sum()
    slope = gap @ x0
    return (
        one - other,
        w1 * (d1 - one) / w1.sum() - score.first @ slope,
        -gap - score.second @ slope,
    )


def doubly_robust(
    d1: Floats, d0: Floats, w1: Floats, w0: Floats, x1: Floats, x0: Floats, score: Score,
    names: Sequence[str],
) -> Parts:  # fmt: skip
    """Compare what the regression misses, weighted by the odds (their eq. 2.6, normalised)."""
    miss = _outcome(d1, d0, w0, x1, x0, names)
    one = float(w1 @ miss.treated / w1.sum())
    w = w0 * score.odds
    other = float(w @ miss.controls / w.sum())
    gap = w * (miss.controls - other) / w.sum()
    slope = gap @ x0
    apart = w1 @ x1 / w1.sum() - w @ x0 / w.sum()
    return (
        one - other,
        w1 * (miss.treated - one) / w1.sum() - score.first @ slope,
        -gap - score.second @ slope - (x0 @ (miss.inner @ apart)) * w0 * miss.controls,
    )


@dataclass(frozen=True)
class Outcome:
    """What the controls' regression misses.

    Attributes
    ----------
    treated, controls : (n,), (C,) arrays
        Changes less what is foretold.
    inner : (p, p) array
        (X'WX)⁻¹ of the controls.
    """

    treated: Floats
    controls: Floats
    inner: Floats


def _outcome(
    d1: Floats, d0: Floats, w0: Floats, x1: Floats, x0: Floats, names: Sequence[str]
) -> Outcome:
    wx = w0[:, None] * x0
    gram = wx.T @ x0
    _check(gram, x0, w0, names)
    inner = inverse(gram)
    b = inner @ (d0 @ wx)
    return Outcome(d1 - x1 @ b, d0 - x0 @ b, inner)


def _check(gram: Floats, x: Floats, w: Floats, names: Sequence[str]) -> None:
    """Look for columns made up of others where the matrix says that there may be some."""
    size = np.sqrt(np.diag(gram))
    singular = not size.all()
    if singular or np.linalg.eigvalsh(gram / np.outer(size, size))[0] < _NEAR_SINGULAR:
        check_collinearity(x, names, w, centred=False)


def fit_score(
    w1: Floats, w0: Floats, x1: Floats, x0: Floats, names: Sequence[str], near: Floats | None
) -> Score:
    """Fit the logit of being in the group, by maximum likelihood; nothing is trimmed.

    Parameters
    ----------
    near : (p,) array or None
        Coefficients to begin with: those of nearly the same persons.

    Raises
    ------
    toolkit.errors.EstimationError
        When covariates tell the group and its controls apart.
    """
    x = np.vstack([x1, x0])
    w = np.concatenate([w1, w0])
    treated = np.arange(len(x)) < len(x1)
    gram = (x * w[:, None]).T @ x
    _check(gram, x, w, names)
    spread = np.sqrt(np.maximum(np.diag(gram) / w.sum() - (w @ x / w.sum()) ** 2, 1e-300))

    def objective(b: Floats) -> tuple[float, Floats, Floats]:
        line = x @ b
        tail = np.exp(-np.abs(line))
        p = np.where(line > 0, 1.0, tail) / (1 + tail)
        value = float(w @ (np.where(treated, line, 0) - np.maximum(line, 0) - np.log1p(tail)))
        return value, (w * (treated - p)) @ x, (x * (w * p * (1 - p))[:, None]).T @ x

    share = w1.sum() / w.sum()
    start = np.zeros(x.shape[1])
    start[0] = np.log(share / (1 - share))
    if near is not None:
        start = near
    top = maximise(objective, start, names=names, spread=spread)
    p = 1 / (1 + np.exp(-(x @ top.point)))
    highest = float(p[~treated].max())
    if highest >= 1 - 1e-6:
        raise EstimationError("Some controls are certain to be treated, by their covariates")
    move = (x * (w * (treated - p))[:, None]) @ top.inverse
    return Score(
        odds=p[~treated] / (1 - p[~treated]), first=move[treated], second=move[~treated],
        top=highest, point=top.point,
    )  # fmt: skip
