"""Residuals of a Cox model, of one unit in each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.cox.score import score_of_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted

    Floats = NDArray[np.float64]

Residual = Literal[
    "martingale", "deviance", "score", "dfbeta", "dfbetas", "schoenfeld", "scaled_schoenfeld"
]
RESIDUALS = (
    "martingale", "deviance", "score", "dfbeta", "dfbetas", "schoenfeld", "scaled_schoenfeld",
)  # fmt: skip


def martingale(fitted: Fitted) -> Floats:
    """Return event - r A, (C,): the event less what was expected (Barlow and Prentice 1988)."""
    out: Floats = fitted.risk_sets.event - fitted.risk[fitted.design.pattern] * fitted.exposure
    return out


def deviance(fitted: Fitted) -> Floats:
    """Return the martingale residuals made symmetric, (C,) (Therneau and others 1990)."""
    m = martingale(fitted)
    event = fitted.risk_sets.event
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(event, np.log(np.where(event, 1 - m, 1.0)), 0.0)
    return np.sign(m) * np.sqrt(np.maximum(-2 * (m + log), 0.0))


def schoenfeld(fitted: Fitted) -> Floats:
    """Return x - x̄(t) of cells with the event, (C, p), NaN for the others (Schoenfeld 1982)."""
    design, sets = fitted.design, fitted.risk_sets
    out = np.full((len(sets.last), design.x.shape[1]), np.nan)
    cells = np.flatnonzero(sets.event)
    x = design.x[design.pattern[cells]] - fitted.centre
    out[cells] = x - fitted.means().own[sets.last[cells]]
    return out


def scaled_schoenfeld(fitted: Fitted, vcov: Floats) -> Floats:
    """Return b + d V (x - x̄), (C, p): b as it would be at that time (Grambsch, Therneau 1994).

    `vcov` is the model-based variance, d the number of events.
    """
    total = fitted.risk_sets.deaths.sum()
    out: Floats = schoenfeld(fitted) @ vcov * total + fitted.coefficients
    return out


def residuals_of(fitted: Fitted, kind: Residual, bread: Floats, std_error: Floats) -> Floats:
    """Return residuals of a kind, (C,) or (C, p)."""
    if kind == "martingale":
        return martingale(fitted)
    if kind == "deviance":
        return deviance(fitted)
    if kind == "schoenfeld":
        return schoenfeld(fitted)
    if kind == "scaled_schoenfeld":
        return scaled_schoenfeld(fitted, bread)
    score = score_of_cells(fitted)
    if kind == "score":
        return score
    return score @ bread if kind == "dfbeta" else score @ bread / std_error


def refuse_exact(kind: str) -> None:
    """Raise: the exact likelihood does not fall apart into rows."""
    raise CallError(
        f"ties='exact' has no {kind} residuals: its likelihood does not fall apart into rows",
        fix="fit with ties='efron', or ask for martingale or deviance residuals",
    )
