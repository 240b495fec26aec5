"""What Rosenbaum bounds give back: p-values and estimates by how strong a hidden bias may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from toolkit.effects.result import EffectResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Alternative = Literal["two-sided", "greater", "less"]
ALTERNATIVES = ("two-sided", "greater", "less")


@dataclass(frozen=True, kw_only=True)
class RosenbaumBounds(EffectResult):
    """Bounds under hidden bias of a matched comparison.

    Attributes
    ----------
    bounds : DataFrame
        `gamma, p_low, p_high`: the smallest and largest p-value a bias of at most Γ can give; of
        numbers also `estimate_low, estimate_high` (Hodges–Lehmann) and `conf_low, conf_high`.
    critical_gamma : float or None
        The bias at which the largest p-value reaches `alpha`; None when it is above without bias.
    statistic : float
        Treated with the outcome, or the sum of ranks of positive differences.
    n_sets, n_used : int
        Matched sets, and those of them with a say in the test.
    """

    bounds: pl.DataFrame = field(repr=False)
    test: str
    statistic: float
    n_sets: int
    n_used: int
    critical_gamma: float | None
    alternative: Alternative
    alpha: float

    def tidy(self) -> pl.DataFrame:
        """Return a row a Γ."""
        return self.bounds

    def glance(self) -> pl.DataFrame:
        """Return one row: test, sets, the p-value without bias, the bias that undoes it."""
        return pl.DataFrame(
            {
                "test": [self.test],
                "n_sets": [self.n_sets],
                "n_used": [self.n_used],
                "statistic": [self.statistic],
                "p_value": [self.meta["p_value"]],
                "critical_gamma": [self.critical_gamma],
                "alpha": [self.alpha],
                "alternative": [self.alternative],
            },
            schema_overrides={"critical_gamma": pl.Float64},
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the range of the p-value over Γ, with the level it is held to."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        gamma, low, high = (self.bounds[name].to_numpy() for name in ("gamma", "p_low", "p_high"))
        (line,) = ax.plot(gamma, high, **options)
        ax.fill_between(gamma, low, high, alpha=0.15, color=line.get_color(), lw=0)
        ax.axhline(self.alpha, color="0.4", lw=0.8, ls="--")
        ax.set(xlabel="Γ: odds of treatment between people who look alike", ylabel="p-value",
               ylim=(0, 1))  # fmt: skip
        return ax
