"""Confidence intervals for a probability, on three scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError, check_option

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ConfType = Literal["log-log", "log", "plain"]
CONF_TYPES = ("log-log", "log", "plain")


def check_interval(conf_level: float, conf_type: str) -> None:
    """Raise unless the level lies between 0 and 1 and the scale is known."""
    check_option("conf_type", conf_type, CONF_TYPES)
    is_number = isinstance(conf_level, (int, float)) and not isinstance(conf_level, bool)
    if not is_number or not 0 < conf_level < 1:
        raise CallError(
            f"conf_level={conf_level!r} is not between 0 and 1", fix="write 95% as conf_level=0.95"
        )


def normal_quantile(conf_level: float) -> float:
    """Return z so that a standard normal lies within ±z with probability `conf_level`."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + conf_level / 2))


def interval(
    p: Floats, std_error: Floats, *, conf_level: float, conf_type: ConfType, z: float | None = None
) -> tuple[Floats, Floats]:
    """Return the lower and upper bound for probabilities `p`, as R's `survfit` computes them.

    Parameters
    ----------
    p, std_error : (R,) arrays
        Estimates and their standard errors on the scale of `p`.
    z : float, optional
        Critical value instead of the normal quantile of `conf_level`: that of a band.

    Notes
    -----
    With z the normal quantile and s the standard error of p:

    - ``plain``: p ± z s, cut at 0 and 1;
    - ``log``: exp(log p ± z s / p), cut at 1;
    - ``log-log``: exp(-exp(log(-log p) ± z s / (p log p))), which stays within (0, 1)
      (Kalbfleisch and Prentice 2002, eq. 1.14).

    A bound that its scale cannot give is NaN: ``log-log`` at p = 0 and p = 1, ``log`` at p = 0.
    """
    if z is None:
        z = normal_quantile(conf_level)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if conf_type == "plain":
            return np.clip(p - z * std_error, 0, 1), np.clip(p + z * std_error, 0, 1)
        if conf_type == "log":
            half = z * std_error / p
            bounds = p * np.exp(-half), np.minimum(p * np.exp(half), 1.0)
            nowhere = p <= 0
        else:
            log_p = np.log(p)
            half = z * std_error / (p * log_p)  # negative, as log p is
            bounds = np.exp(log_p * np.exp(-half)), np.exp(log_p * np.exp(half))
            nowhere = (p <= 0) | (p >= 1)
    low, high = (np.where(nowhere, np.nan, bound) for bound in bounds)
    return low, high
