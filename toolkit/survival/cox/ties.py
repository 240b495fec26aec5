"""Sums over the deaths of one time, in closed form: tied months have thousands of them.

With d deaths at a time, Efron (1977) lets the risk set of the j-th, j = 0 … d-1, be
S - (j/d) E, where S is the risk of all at risk and E that of the d who die. Everything the Cox
model needs of a time are sums over j of 1/S_j, 1/S_j² and log S_j, with or without a factor
(1 - j/d): what a death keeps of its own risk. Breslow's likelihood has S for every j.

With z = S d / E, S_j = (E/d)(z - j). For many deaths Σ g(j) is the integral of g from -1/2 to
d - 1/2 with the corrections of Euler and Maclaurin,

    Σ g(j) ≈ ∫ g - [g'] / 24 + 7 [g'''] / 5760 - 31 [g⁽⁵⁾] / 967680,

for the terms with z - j > 24 (where it is right to the last digit), and term by term for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TieSums:
    """Sums over the deaths j of each time, (T,) each.

    Attributes
    ----------
    log : Σ log S_j
    first, second : Σ 1/S_j and Σ 1/S_j²
    own_first, own_second : Σ (1 - j/d)/S_j and Σ (1 - j/d)/S_j²
    """

    log: Floats
    first: Floats
    second: Floats
    own_first: Floats
    own_second: Floats


def breslow_sums(risk: Floats, deaths: Floats) -> TieSums:
    """Return the sums where all deaths of a time see the whole risk set.

    Parameters
    ----------
    risk, deaths : (T,) arrays
        S and d.
    """
    first = deaths / risk
    second = first / risk
    return TieSums(
        log=deaths * np.log(risk), first=first, second=second, own_first=first, own_second=second
    )


def efron_sums(risk: Floats, dying: Floats, deaths: Floats) -> TieSums:
    """Return the sums of Efron's approximation.

    Parameters
    ----------
    risk, dying, deaths : (T,) arrays
        S, E and d.
    """
    from toolkit.survival.cox.ties_kernel import add_efron

    out = np.empty((5, len(risk)))
    add_efron(risk, dying, deaths, out)
    return TieSums(log=out[0], first=out[1], second=out[2], own_first=out[3], own_second=out[4])
