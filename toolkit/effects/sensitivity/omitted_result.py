"""What omitted-variable bounds give back: robustness values, benchmarks, contours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.result import EffectResult
from toolkit.effects.sensitivity.omitted_numbers import (
    adjusted_error,
    adjusted_estimate,
    partial_r2,
    robustness_value,
)
from toolkit.errors import CallError, check_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class OmittedVariable(EffectResult):
    """What an omitted variable could do to a coefficient.

    Attributes
    ----------
    treatment : str
    estimate, std_error, df : float
        The coefficient without it, and the residual degrees of freedom.
    q : float
        Share of the estimate that is to be taken away.
    alpha : float
    bounds : DataFrame
        A row for each benchmark and number of times: see `tidy`.
    """

    treatment: str
    estimate: float
    std_error: float
    df: float
    q: float
    alpha: float
    bounds: pl.DataFrame = field(repr=False)

    @property
    def statistic(self) -> float:
        """Student's t of the estimate."""
        return self.estimate / self.std_error

    @property
    def robustness_value(self) -> float:
        """Both partial R² of the weakest variable that takes a share `q` away."""
        return robustness_value(self.statistic, self.df, q=self.q)

    @property
    def robustness_value_alpha(self) -> float:
        """The same for what is left to lose its significance at `alpha`."""
        return robustness_value(self.statistic, self.df, q=self.q, alpha=self.alpha)

    def tidy(self) -> pl.DataFrame:
        """Return what is left of the estimate beside omitted variables of known strength.

        Columns: `benchmark` (null = the estimate as it is), `times, times_outcome, r2_treatment,
        r2_outcome`, `estimate, std_error, statistic, conf_low, conf_high`. Null where no variable
        can be that strong.
        """
        from toolkit.effects.sensitivity.omitted_numbers import critical_t

        half = critical_t(self.df, self.alpha) * self.std_error
        first = pl.DataFrame(
            {
                "estimate": [self.estimate],
                "std_error": [self.std_error],
                "statistic": [self.statistic],
                "conf_low": [self.estimate - half],
                "conf_high": [self.estimate + half],
            }
        )
        return pl.concat([first, self.bounds], how="diagonal").select(self.bounds.columns)

    def glance(self) -> pl.DataFrame:
        """Return one row: the estimate, its partial R² and the robustness values."""
        return pl.DataFrame(
            {
                "term": [self.treatment],
                "estimate": [self.estimate],
                "std_error": [self.std_error],
                "statistic": [self.statistic],
                "df": [self.df],
                "partial_r2": [partial_r2(self.statistic, self.df)],
                "robustness_value": [self.robustness_value],
                "robustness_value_alpha": [self.robustness_value_alpha],
                "q": [self.q],
                "alpha": [self.alpha],
            }
        )

    def at(self, r2_treatment: float, r2_outcome: float) -> tuple[float, float]:
        """Return estimate and standard error with a variable of this strength in the regression."""
        if not (0 <= r2_treatment < 1 and 0 <= r2_outcome <= 1):
            raise CallError("A partial R² lies between 0 and 1", fix="below 1 with treatment")
        strength = (r2_treatment, r2_outcome)
        return (
            float(adjusted_estimate(self.estimate, self.std_error, self.df, *strength)),
            float(adjusted_error(self.std_error, self.df, *strength)),
        )

    def contours(
        self, *, most_treatment: float = 0.4, most_outcome: float = 0.4, points: int = 41
    ) -> pl.DataFrame:
        """Return what is left of the estimate over a grid of strengths.

        Returns
        -------
        DataFrame
            `r2_treatment, r2_outcome, estimate, statistic`, points² rows.
        """
        if not (0 < most_treatment < 1 and 0 < most_outcome < 1 and points > 1):
            raise CallError("The grid does not lie between 0 and 1", fix="for instance 0.4")
        treatment, outcome = np.meshgrid(
            np.linspace(0, most_treatment, points), np.linspace(0, most_outcome, points),
            indexing="ij",
        )  # fmt: skip
        strength = (treatment.ravel(), outcome.ravel())
        left = adjusted_estimate(self.estimate, self.std_error, self.df, *strength)
        error = adjusted_error(self.std_error, self.df, *strength)
        return pl.DataFrame(
            {"r2_treatment": strength[0], "r2_outcome": strength[1], "estimate": left,
             "statistic": left / error}
        )  # fmt: skip

    def plot(self, ax: Axes | None = None, *, of: str = "estimate", **options: Any) -> Axes:
        """Draw contours of what is left (`of` estimate or statistic), with the benchmarks."""
        import matplotlib.pyplot as plt

        check_option("of", of, ("estimate", "statistic"))
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        marks = self.bounds.drop_nulls("estimate")
        reach = [
            min(max(0.4, 1.1 * float(marks[name].max() or 0)), 0.99)  # type: ignore[arg-type]
            for name in ("r2_treatment", "r2_outcome")
        ]
        grid = self.contours(most_treatment=reach[0], most_outcome=reach[1])
        side = round(grid.height**0.5)
        x, y, z = (
            grid[name].to_numpy().reshape(side, side) for name in ("r2_treatment", "r2_outcome", of)
        )
        lines = ax.contour(x, y, z, colors="0.6", linewidths=0.8, **options)
        ax.clabel(lines, fontsize=7)
        if z.min() < 0 < z.max():
            ax.contour(x, y, z, levels=[0.0], colors="C3", linestyles="--")
        for row in marks.iter_rows(named=True):
            at = (row["r2_treatment"], row["r2_outcome"])
            ax.plot(*at, "D", color="0.2", ms=4)
            ax.annotate(f"{row['times']:g} × {row['benchmark']}", at, xytext=(4, 3),
                        textcoords="offset points", fontsize=7)  # fmt: skip
        ax.set(xlabel="Partial R² of the omitted variable with treatment",
               ylabel="Partial R² with the outcome")  # fmt: skip
        return ax
