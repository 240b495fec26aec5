"""Rows with weights that make treated and controls comparable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.matching.sample import Sample, kish

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.matching.propensity.model import Propensity


@dataclass(frozen=True, kw_only=True)
class Weighted(Sample):
    """N rows with weights.

    Attributes
    ----------
    method : {"ipw", "overlap", "entropy", "cbps", "ipt"}
    propensity : Propensity or None
        The scores the weights are made of; None for methods that balance without one.
    trimmed : int
        Rows whose weight was cut to `largest`.
    largest : float or None
        Where weights were cut, before sampling weights.
    """

    method: str
    propensity: Propensity | None = field(default=None, repr=False)
    trimmed: int = 0
    largest: float | None = None

    def tidy(self) -> pl.DataFrame:
        """Return how the weights lie: a row a group.

        Columns: `group, n` (of weight above 0), `total, mean, cv` (standard deviation over mean),
        `smallest, largest, top_share` (of the total, by the largest), `ess` (Kish's).
        """
        weight = self.weights.to_numpy()
        rows = []
        for group, who in (("treated", self.treated), ("control", ~self.treated)):
            some = weight[who & (weight > 0)]
            total = float(some.sum())
            rows.append(
                {
                    "group": group, "n": len(some), "total": total, "mean": total / len(some),
                    "cv": float(some.std() / some.mean()), "smallest": float(some.min()),
                    "largest": float(some.max()), "top_share": float(some.max() / total),
                    "ess": kish(some),
                }
            )  # fmt: skip
        return pl.DataFrame(rows)

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, effective sizes, and how many weights were cut."""
        cut = pl.Series("largest", [self.largest], dtype=pl.Float64)
        return super().glance().with_columns(pl.Series("trimmed", [self.trimmed]), cut)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw how many rows of each group have which weight."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        weight = self.weights.to_numpy()
        used = weight > 0
        edges = np.linspace(0, weight.max(), options.pop("bins", 40) + 1).tolist()
        for who, label in ((self.treated, "treated"), (~self.treated, "controls")):
            ax.hist(weight[who & used], edges, label=label, **{"alpha": 0.6, **options})
        ax.set(xlabel="weight", ylabel="rows")
        ax.legend(frameon=False)
        return ax
