"""Mean covariates of the risk sets, and what they add up to over the deaths of a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.ties import TieSums

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Means:
    """Mean covariates x̄_j of the risk sets of T event times, less the centre; p columns.

    With m the mean of the dying and c = Σ_risk r (x - m), the j-th mean is m + c / S_j. Breslow's
    is the mean of all at risk for every j, so c = 0.

    Attributes
    ----------
    sums : TieSums
    deaths, mean_weight : (T,) arrays, d and w̄
    at_risk, dying : (T,) arrays, Σ r
    at_risk_x, dying_x : (T, p) arrays, Σ r (x - centre)
    efron : bool
    """

    sums: TieSums = field(repr=False)
    deaths: Floats = field(repr=False)
    mean_weight: Floats = field(repr=False)
    at_risk: Floats = field(repr=False)
    at_risk_x: Floats = field(repr=False)
    dying: Floats = field(repr=False)
    dying_x: Floats = field(repr=False)
    efron: bool

    @cached_property
    def mean(self) -> Floats:
        """Return m, (T, p)."""
        if self.efron:
            return self.dying_x / np.where(self.dying > 0, self.dying, 1.0)[:, None]
        return self.at_risk_x / self.at_risk[:, None]

    @cached_property
    def drift(self) -> Floats:
        """Return c, (T, p)."""
        if self.efron:
            return self.at_risk_x - self.mean * self.at_risk[:, None]
        return np.zeros_like(self.at_risk_x)

    @cached_property
    def own(self) -> Floats:
        """Return Σ_j x̄_j / d, (T, p): what the covariates of an event are compared with."""
        return self.mean + self.drift * (self.sums.first / self.deaths)[:, None]

    @cached_property
    def pull(self) -> Floats:
        """Return w̄ Σ_j x̄_j / S_j, (T, p): ∫ x̄ dΛ of the time."""
        return self._pulled(self.sums.first, self.sums.second)

    @cached_property
    def own_pull(self) -> Floats:
        """Return w̄ Σ_j (1 - j/d) x̄_j / S_j, (T, p), for who has the event at that time."""
        return self._pulled(self.sums.own_first, self.sums.own_second)

    def square(self, factor: Floats | None = None) -> Floats:
        """Return Σ_t factor w̄ Σ_j x̄_j x̄_j', (p, p); factor 1 unless given."""
        from toolkit.survival.cox.kernels import add_means

        w = self.mean_weight if factor is None else self.mean_weight * factor
        p = self.at_risk_x.shape[1]
        lower = np.zeros((p, p))
        add_means(
            w, self.deaths, self.sums.first, self.sums.second, self.at_risk, self.at_risk_x,
            self.dying, self.dying_x, self.efron, lower,
        )  # fmt: skip
        return lower + np.tril(lower, -1).T

    def _pulled(self, first: Floats, second: Floats) -> Floats:
        w = self.mean_weight
        return self.mean * (w * first)[:, None] + self.drift * (w * second)[:, None]


def means_of(
    sums: TieSums, deaths: Floats, mean_weight: Floats, at_risk: Floats, at_risk_x: Floats,
    dying: Floats, dying_x: Floats, *, efron: bool,
) -> Means:  # fmt: skip
    """Return the means of the risk sets; each of them is computed when it is first asked for."""
    return Means(
        sums=sums, deaths=deaths, mean_weight=mean_weight, at_risk=at_risk, at_risk_x=at_risk_x,
        dying=dying, dying_x=dying_x, efron=efron,
    )  # fmt: skip
