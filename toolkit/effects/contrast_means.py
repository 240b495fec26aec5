"""Means of treated and controls, as they are or adjusted by a regression, with their influence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.effects.doubly_robust.kernels import linear_sums, logit_sums
from toolkit.errors import CollinearityError
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.newton import inverse, maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Link = Literal["linear", "logit"]


@dataclass(frozen=True, kw_only=True)
class Means:
    """The means of one group: treated, control.

    Attributes
    ----------
    value : (2,) array
    residual : (n, 2) array
        By how much each row moves them by its distance to its own fitted value.
    averaging : (n, 2) array or None
        By how much each row moves them by being averaged over; None = not at all.
    slopes : (q, 2) array or None
        Derivatives to parameters of the weights.
    leverage : (n,) array
        Share of its own fitted value that each row decides on.
    n_parameter : int
    """

    value: Floats
    residual: Floats = field(repr=False)
    averaging: Floats | None = field(default=None, repr=False)
    slopes: Floats | None = field(default=None, repr=False)
    leverage: Floats = field(repr=False)
    n_parameter: int = 2

    def influence(self, power: float = 0.0) -> Floats:
        """Return by how much each row moves the means, (n, 2).

        `power` makes up for residuals that are too small where a row decides on its own fitted
        value, r / (1 - h)^power: 1/2 is HC2, 1 is HC3 (MacKinnon and White 1985).
        """
        moved = self.residual
        if power:
            moved = moved / (np.maximum(1 - self.leverage, 1e-12) ** power)[:, None]
        return moved if self.averaging is None else moved + self.averaging


def weighted_means(
    y: Floats, treated: Bools, weight: Floats, gradient: Floats | None = None
) -> Means:
    """Return weighted means: μ = Σ w y / Σ w; a row moves it by w (y - μ) / Σ w.

    Parameters
    ----------
    y, treated, weight : (n,) arrays
    gradient : (n, q) array, optional
        ∂ w / ∂ θ: ∂ μ / ∂ θ = Σ ∂w/∂θ (y - μ) / Σ w.
    """
    value, residual = np.empty(2), np.empty((len(y), 2))
    leverage = np.zeros(len(y))
    slopes = None if gradient is None else np.empty((gradient.shape[1], 2))
    for arm, who in enumerate((treated, ~treated)):
        own = np.where(who, weight, 0.0)
        total = own.sum()
        value[arm] = own @ y / total
        residual[:, arm] = own * (y - value[arm]) / total
        leverage += own / total
        if slopes is not None and gradient is not None:
            slopes[:, arm] = gradient.T @ np.where(who, (y - value[arm]) / total, 0.0)
    return Means(value=value, residual=residual, slopes=slopes, leverage=leverage)


def stratum_means(y: Floats, treated: Bools, target: Floats, count: Floats, stratum: Ints) -> Means:
    """Return means over strata: Σ over strata of target share × mean of the arm in the stratum.

    Parameters
    ----------
    y, treated : (n,) arrays
    target : (n,) array
        Weights of the rows for whom the effect is: the treated for ATT.
    count : (n,) array
        How many each row stands for.
    stratum : (n,) array of int
        0 … S-1; every stratum has both arms.

    Notes
    -----
    With q_s = Σ_s t / Σ t and m_s the mean of the arm in s, μ = Σ q_s m_s, and a row moves it by
    t (m_s - μ) / Σ t + q_s c (y - m_s) / Σ_(s, arm) c: the shares of strata are estimated as well.
    """
    total = target.sum()
    share = np.bincount(stratum, target) / total
    value = np.empty(2)
    residual, averaging = np.empty((len(y), 2)), np.empty((len(y), 2))
    leverage = np.zeros(len(y))
    for arm, who in enumerate((treated, ~treated)):
        own = np.where(who, count, 0.0)
        size = np.bincount(stratum, own)
        mean = np.bincount(stratum, own * y) / size
        value[arm] = share @ mean
        at = mean[stratum]
        part = own / size[stratum]
        residual[:, arm] = share[stratum] * part * (y - at)
        averaging[:, arm] = target * (at - value[arm]) / total
        leverage += part
    return Means(
        value=value, residual=residual, averaging=averaging, leverage=leverage,
        n_parameter=2 * len(share),
    )  # fmt: skip


def adjusted_means(
    y: Floats,
    treated: Bools,
    weight: Floats,
    x: Floats,
    target: Floats,
    *,
    terms: Sequence[str],
    link: Link = "linear",
    interacted: bool = True,
    gradient: Floats | None = None,
    target_gradient: Floats | None = None,
    leverage: bool = True,
) -> Means:
    """Return means that a regression foretells for the target rows, had all been (un)treated.

    Parameters
    ----------
    y, treated, weight : (n,) arrays
    x : (n, p) array
        Covariates, without intercept.
    target : (n,) array
        Weights of the rows to average over: the treated for ATT.
    terms : sequence of str
        Names of the p covariates, for the messages.
    link : {"linear", "logit"}
    interacted : bool
        Slopes of their own for treated and controls; else the same.
    gradient, target_gradient : (n, q) arrays, optional
        Derivatives of the two weights to parameters θ.
    leverage : bool
        Whether it is wanted; else it is 0.

    Notes
    -----
    β solves Σ w d (y - m(d'β)) = 0, and μ_a = Σ t m(d_a'β) / Σ t ("g-computation"). A row moves
    μ_a by t (m_a - μ_a) / Σ t + J_a' A⁻¹ w d (y - m), with A = Σ w m' d d' and
    J_a = Σ t m_a' d_a / Σ t. With both links the residuals of an arm sum to 0 (there is an
    intercept), so that with right weights the mean is right whatever the slopes.
    """
    centre = (target @ x) / target.sum()
    middle = x - centre
    on = treated.astype(np.float64)[:, None]
    _check_terms(middle, on, weight, terms, interacted=interacted)
    parts = [np.ones((len(y), 1)), on, middle]
    design = np.hstack([*parts, on * middle] if interacted else parts)
    names = ["intercept", "treatment", *terms]
    names += [f"treatment:{term}" for term in terms] if interacted else []
    beta = _fit(design, y, weight, names, link)
    fitted, slope = _inverse_link(design @ beta, link)
    bread = inverse(_gram(design, y, weight * slope)[0])
    off = y - fitted
    total = target.sum()
    value = np.empty(2)
    residual, averaging = np.empty((len(y), 2)), np.empty((len(y), 2))
    slopes = None if gradient is None else np.empty((gradient.shape[1], 2))
    p = len(terms)
    for arm, state in enumerate((1.0, 0.0)):  # had all been treated, had nobody
        own = beta[2 : 2 + p] + (state * beta[2 + p :] if interacted else 0.0)
        mean, steep = _inverse_link(beta[0] + state * beta[1] + middle @ own, link)
        value[arm] = target @ mean / total
        steep = target * steep / total
        slopes_x = middle.T @ steep
        each = [[steep.sum(), state * steep.sum()], slopes_x]
        to_beta = np.concatenate([*each, state * slopes_x] if interacted else each)
        along = design @ (bread @ to_beta)
        residual[:, arm] = weight * off * along
        averaging[:, arm] = target * (mean - value[arm]) / total
        if slopes is not None and gradient is not None:
            slopes[:, arm] = gradient.T @ (off * along)
            if target_gradient is not None:
                slopes[:, arm] += target_gradient.T @ (mean - value[arm]) / total
    decides = np.zeros(len(y))
    if leverage:
        decides = weight * slope * ((design @ bread) * design).sum(axis=1)
    return Means(
        value=value, residual=residual, averaging=averaging, slopes=slopes, leverage=decides,
        n_parameter=design.shape[1],
    )  # fmt: skip


def _check_terms(
    middle: Floats, on: Floats, weight: Floats, terms: Sequence[str], *, interacted: bool
) -> None:
    """Raise where the rows do not determine the slopes: with slopes of its own, in each arm."""
    used = weight > 0
    if not interacted:
        whole = np.hstack([on, middle])[used]
        check_collinearity(whole, ["treatment", *terms], weight[used])
        return
    for arm, name in ((on[:, 0] > 0, "treated"), (on[:, 0] == 0, "controls")):
        rows = used & arm
        try:
            check_collinearity(middle[rows], terms, weight[rows])
        except CollinearityError as error:
            raise CollinearityError(
                f"Among the {name}: {error.what}",
                fix=f"{error.fix}; or give both arms the same slopes, interacted=False",
            ) from error


def _fit(design: Floats, y: Floats, weight: Floats, names: Sequence[str], link: Link) -> Floats:
    """Return the coefficients of a weighted regression."""
    if link == "linear":
        gram, cross = _gram(design, y, weight)
        return inverse(gram) @ cross
    everybody = np.zeros(len(y), np.int64)
    spread = design[weight > 0].std(axis=0)
    best = maximise(
        lambda beta: logit_sums(design, y, weight, everybody, -1, beta),
        np.zeros(design.shape[1]), names=names, spread=np.where(spread > 0, spread, 1.0),
    )  # fmt: skip
    return best.point + best.inverse @ best.score


def _gram(design: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return Σ w d d' and Σ w d y."""
    gram, cross = linear_sums(design, y[:, None], weight, np.zeros(len(y), np.int64), 1)
    return gram[0], cross[0, :, 0]


def _inverse_link(linear: Floats, link: Link) -> tuple[Floats, Floats]:
    """Return the mean and its derivative to the linear predictor."""
    if link == "linear":
        return linear, np.ones(len(linear))
    from scipy.special import expit

    mean = expit(linear)
    return mean, mean * (1 - mean)
