"""The compiled loop of Efron's sums over tied deaths; what it sums stands in `ties`."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

#: Terms closer to z than this, and all of them where there are few, are added one by one.
_CLOSE, _FEW = 24, 48


@nb.njit(cache=True, nogil=True)
def _beyond(y: float) -> float:
    """Return y - log(1 + y), also for small y, where the two cancel."""
    if abs(y) > 0.05:
        return float(y - np.log1p(y))
    # y²/2 - y³/3 + …
    term, total = y * y, 0.0
    for k in range(2, 16):
        total += term / k
        term *= -y
    return float(total)


@nb.njit(cache=True, nogil=True)
def add_efron(risk: Any, dying: Any, deaths: Any, out: Any) -> None:
    """Write the five sums of `TieSums` for each time, (5, T)."""
    for t in range(len(risk)):
        d, unit = deaths[t], dying[t] / deaths[t]
        z = risk[t] / unit if unit > 0 else np.inf
        many = 0.0  # how many terms are summed by the integral
        if d > _FEW and z < np.inf:
            many = max(0.0, min(d, np.floor(z - _CLOSE)))
        log, first, second, own, own_second = 0.0, 0.0, 0.0, 0.0, 0.0
        if many > 0:
            high, low = z + 0.5, z + 0.5 - many  # of u = z - j
            ratio = many / low
            grow = np.log1p(ratio)
            # powers of 1/u at the two ends, as j rises u falls
            a, b = 1 / low, 1 / high
            a2, b2 = a * a, b * b
            d1, d2, d3 = a2 - b2, a2 * a - b2 * b, a2 * a2 - b2 * b2
            d5 = a2 * a2 * a2 - b2 * b2 * b2
            d4 = a2 * a2 * a - b2 * b2 * b
            d6 = a2 * a2 * a2 * a - b2 * b2 * b2 * b
            log = (
                many * (np.log(high) - 1) + low * grow
                + (a - b) / 24 - 7 * 2 * d2 / 5760 + 31 * 24 * d4 / 967680
            )  # fmt: skip
            # g = 1/u: g' = u⁻², g''' = 6 u⁻⁴, g⁽⁵⁾ = 120 u⁻⁶, all with respect to j
            first = grow - d1 / 24 + 7 * 6 * d3 / 5760 - 31 * 120 * d5 / 967680
            # g = u⁻²: g' = 2 u⁻³, g''' = 24 u⁻⁵, g⁽⁵⁾ = 720 u⁻⁷
            second = many / (low * high) - 2 * d2 / 24 + 7 * 24 * d4 / 5760 - 31 * 720 * d6 / 967680
            # (d - j)/u = 1 - (z - d)/u, and (d - j)/u² = 1/u - (z - d)/u²
            rest = z - d  # low = rest + 1/2 + (d - many)
            shift = low - rest
            own = low * _beyond(ratio) + shift * grow - rest * (first - grow)
            own_second = (
                _beyond(-many / high) + shift * many / (low * high)
                + (first - grow) - rest * (second - many / (low * high))
            )  # fmt: skip
            log += many * np.log(unit)
        for j in range(int(many), int(d)):
            u = (z - j) * unit if unit > 0 else risk[t]
            log += np.log(u)
            first += unit / u if many > 0 else 1 / u
            second += (unit / u) ** 2 if many > 0 else 1 / u**2
            own += (d - j) * unit / u if many > 0 else (1 - j / d) / u
            own_second += (d - j) * (unit / u) ** 2 if many > 0 else (1 - j / d) / u**2
        if many > 0:
            first /= unit
            second /= unit * unit
            own /= d * unit
            own_second /= d * unit * unit
        out[0, t], out[1, t], out[2, t] = log, first, second
        out[3, t], out[4, t] = own, own_second
