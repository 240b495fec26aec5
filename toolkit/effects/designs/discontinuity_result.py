"""What a border gives back: the jump, and all that should not jump."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.designs._plot import axes_of
from toolkit.effects.designs.density import DensityTest, density_test
from toolkit.effects.designs.door import read_numbers
from toolkit.effects.result import EffectResult
from toolkit.errors import CallError, EmptyCohortError
from toolkit.frames import require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.effects.designs.border import Border, Jump

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RegressionDiscontinuity(EffectResult):
    """The jump at a border, and its checks; made by `regression_discontinuity`.

    Attributes
    ----------
    estimates : DataFrame
        Rows ``conventional``, ``robust`` (less its bias) and, when fuzzy, ``take_up``. Report the
        conventional estimate with the robust interval.
    bandwidth, bias_bandwidth : (float, float)
        Left and right.
    n_left, n_right : int
        People within the bandwidth.
    """

    estimates: pl.DataFrame = field(repr=False)
    bandwidth: tuple[float, float]
    bias_bandwidth: tuple[float, float]
    n_left: int
    n_right: int
    border: Border = field(repr=False)
    frame: pl.DataFrame = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return `term, estimate, std_error, statistic, p_value, conf_low, conf_high`."""
        return self.estimates

    def glance(self) -> pl.DataFrame:
        """Return one row: the estimate with its robust interval, bandwidths, and people."""
        plain, robust = self.estimates.rows(named=True)[:2]
        return pl.DataFrame(
            {
                "estimate": [plain["estimate"]],
                "conf_low": [robust["conf_low"]],
                "conf_high": [robust["conf_high"]],
                "p_value": [robust["p_value"]],
                "bandwidth_left": [self.bandwidth[0]],
                "bandwidth_right": [self.bandwidth[1]],
                "n": [self.meta["n"]],
                "n_left": [self.n_left],
                "n_right": [self.n_right],
            }
        )

    def density(
        self, *, bin_width: float | None = None, bandwidth: float | None = None
    ) -> DensityTest:
        """Test whether people crowd on one side of the border (McCrary 2008); see `density_test`.

        People are counted, not their weights.
        """
        return density_test(
            self.border.x, self.border.cutoff, bin_width=bin_width, bandwidth=bandwidth
        )

    def continuity(self, covariates: Sequence[str]) -> pl.DataFrame:
        """Return the jumps in what was fixed before the rule applied: each should be 0."""
        require_columns(self.frame, *covariates)
        rows = []
        for name in covariates:
            values = read_numbers(self.frame, name)
            jump = self.border.fit(y=values, sharp=True, covariates=False)
            rows.append(_one(jump, {"covariate": name}))
        return pl.concat(rows)

    def bandwidths(self, multiples: Sequence[float] = (0.5, 0.75, 1, 1.25, 1.5, 2)) -> pl.DataFrame:
        """Return the jump by bandwidth, as multiples of the one chosen."""
        rows = []
        for multiple in multiples:
            wide = (self.bandwidth[0] * multiple, self.bandwidth[1] * multiple)
            bias = (self.bias_bandwidth[0] * multiple, self.bias_bandwidth[1] * multiple)
            jump = self.border.fit(bandwidth=wide, bias_bandwidth=bias)
            rows.append(_one(jump, {"multiple": float(multiple), "bandwidth": jump.bandwidth[0]}))
        return pl.concat(rows)

    def donuts(self, sizes: Sequence[float]) -> pl.DataFrame:
        """Return the jump without the people nearest to the border."""
        rows = []
        for size in sizes:
            far = np.abs(self.border.x - self.border.cutoff) >= size
            jump = self.border.fit(
                rows=far, bandwidth=self.bandwidth, bias_bandwidth=self.bias_bandwidth
            )
            rows.append(_one(jump, {"donut": float(size)}))
        return pl.concat(rows)

    def placebo_cutoffs(self, cutoffs: Sequence[float]) -> pl.DataFrame:
        """Return jumps of the outcome where there is no border: each should be 0.

        Only people on the same side of the real border are used.
        """
        rows = []
        for cutoff in cutoffs:
            if cutoff == self.border.cutoff:
                raise CallError(f"{cutoff:g} is the border itself", fix="name other values")
            side = (self.border.x >= self.border.cutoff) == (cutoff > self.border.cutoff)
            there = self.border.x[side]
            if not (there < cutoff).any() or not (there >= cutoff).any():
                raise EmptyCohortError(
                    f"Nobody stands on both sides of {cutoff:g}", fix="name values within the data"
                )
            jump = self.border.fit(rows=side, cutoff=float(cutoff), sharp=True)
            rows.append(_one(jump, {"cutoff": float(cutoff)}))
        return pl.concat(rows)

    def binned(self, bins: int = 20) -> pl.DataFrame:
        """Return means of the outcome in bins of equal width on each side: `middle, mean, n`.

        What a picture of a border shows: no point is one person.
        """
        x, y, cutoff = self.border.x, self.border.y, self.border.cutoff
        frame = pl.DataFrame({"x": x, "y": y, "w": self.border.weight
                              if self.border.weight is not None else np.ones(len(x))})  # fmt: skip
        parts = []
        for side, low, high in ((x < cutoff, x.min(), cutoff), (x >= cutoff, cutoff, x.max())):
            width = (high - low) / bins
            place = np.clip(np.floor((x[side] - low) / width), 0, bins - 1)
            parts.append(
                frame.filter(side).group_by(middle=pl.Series(low + (place + 0.5) * width))
                .agg(mean=(pl.col("y") * pl.col("w")).sum() / pl.col("w").sum(), n=pl.len())
            )  # fmt: skip
        return pl.concat(parts).sort("middle")

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw binned means, and the two lines within the bandwidth that the jump is between."""
        ax = axes_of(ax)
        means = self.binned()
        (dots,) = ax.plot(means["middle"], means["mean"], "o", ms=4, alpha=0.6, **options)
        cutoff = self.border.cutoff
        for sign, wide in ((-1, self.bandwidth[0]), (1, self.bandwidth[1])):
            at = np.linspace(0, sign * wide, 50)
            ax.plot(cutoff + at, self._line(sign, wide)(at), color=dots.get_color())
        ax.axvline(cutoff, color="0.6", lw=0.8, ls="--", zorder=0)
        ax.set(xlabel=str(self.meta["running"]), ylabel=str(self.meta["outcome"]))
        return ax

    def _line(self, sign: int, wide: float) -> np.polynomial.Polynomial:
        """Return the local polynomial on a side, in distance from the border."""
        away = self.border.x - self.border.cutoff
        side = (away >= 0) if sign > 0 else (away < 0)
        near = side & (np.abs(away) < wide)
        u = np.abs(away[near]) / wide
        kernel = {"triangular": 1 - u, "epanechnikov": 1 - u**2, "uniform": np.ones_like(u)}
        w = kernel[self.border.kernel]
        if self.border.weight is not None:
            w = w * self.border.weight[near]
        coefficients = np.polynomial.polynomial.polyfit(
            away[near], self.border.y[near], self.border.degree, w=np.sqrt(w)
        )
        return np.polynomial.Polynomial(coefficients)


def _one(jump: Jump, first: dict[str, Any]) -> pl.DataFrame:
    """Return a row: the conventional estimate, with the robust p-value and interval."""
    plain, robust = jump.table.rows(named=True)[:2]
    return pl.DataFrame(
        {name: [value] for name, value in first.items()}
        | {
            "estimate": [plain["estimate"]],
            "std_error": [robust["std_error"]],
            "p_value": [robust["p_value"]],
            "conf_low": [robust["conf_low"]],
            "conf_high": [robust["conf_high"]],
            "n_left": [jump.n[0]],
            "n_right": [jump.n[1]],
        }
    )
