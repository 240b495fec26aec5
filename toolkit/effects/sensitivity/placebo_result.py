"""What a placebo gives back: differences where there can be no effect, and whether it passed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from toolkit.effects.result import EffectResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class PlaceboTest(EffectResult):
    """Differences between treated and controls in what the programme cannot have changed.

    Attributes
    ----------
    rows : DataFrame
        A row an outcome: see `tidy`.
    estimate, std_error : float
        Mean of the differences over outcomes.
    statistic : float or None
        χ² of the joint test, on `df` degrees of freedom.
    p_value : float
        Of no difference in any outcome.
    tolerance : float or None
    """

    rows: pl.DataFrame = field(repr=False)
    estimate: float
    std_error: float
    statistic: float | None
    df: int
    p_value: float
    alpha: float
    tolerance: float | None

    @property
    def largest(self) -> float:
        """Largest absolute difference."""
        return float(self.rows["estimate"].abs().max() or 0.0)  # type: ignore[arg-type]

    @property
    def verdict(self) -> Literal["passed", "failed", "undecided"]:
        """Whether the comparison passes.

        Without a tolerance: failed where the joint test finds a difference. With one: failed where
        it does and the largest is beyond the tolerance, passed where the intervals of all outcomes
        lie within it, else undecided (too few people to tell).
        """
        found = self.p_value < self.alpha
        if self.tolerance is None:
            return "failed" if found else "passed"
        if found and self.largest > self.tolerance:
            return "failed"
        reach = max(
            float(self.rows[name].fill_null(float("inf")).abs().max() or 0.0)  # type: ignore[arg-type]
            for name in ("conf_low", "conf_high")
        )
        return "passed" if reach <= self.tolerance else "undecided"

    @property
    def passed(self) -> bool:
        """Whether the verdict is "passed"."""
        return self.verdict == "passed"

    def tidy(self) -> pl.DataFrame:
        """Return a row an outcome.

        Columns: `outcome` (`month`), `mean_treated, mean_control, estimate, std_error, statistic,
        p_value, conf_low, conf_high`, `standardised` (in standard deviations of the controls),
        `n_missing`.
        """
        if "month" not in self.rows.columns:
            return self.rows
        return self.rows.select("outcome", "month", pl.exclude("outcome", "month"))

    def glance(self) -> pl.DataFrame:
        """Return one row: what a gate asks of a placebo, and the verdict."""
        return pl.DataFrame(
            {
                "placebo_estimate": [self.estimate],
                "placebo_std_error": [self.std_error],
                "placebo_p_value": [self.p_value],
                "placebo_max_abs": [self.largest],
                "placebo_max_sd": [self.rows["standardised"].abs().max()],
                "statistic": [self.statistic],
                "df": [self.df],
                "tolerance": [self.tolerance],
                "outcome_verdict": [self.verdict],
            },
            schema_overrides={
                "statistic": pl.Float64, "tolerance": pl.Float64, "placebo_max_sd": pl.Float64
            },
        )  # fmt: skip

    def joint(self) -> pl.DataFrame:
        """Return the joint test as one row that `effects.gate` takes: `p_value, largest`."""
        return pl.DataFrame(
            {
                "outcome": [f"{self.df} outcomes before the start"],
                "p_value": [self.p_value],
                "largest": [self.largest],
            }
        )

    def headline(self) -> str:
        """Return whether the placebo passed."""
        words = {
            "passed": "The placebo passes",
            "failed": "THE PLACEBO FAILS: the groups differed before the programme",
            "undecided": "The placebo decides nothing: too few people to tell",
        }
        return (
            f"{words[self.verdict]} (largest difference {self.largest:.4g}, mean "
            f"{self.estimate:.4g}; joint p = {self.p_value:.3g})."
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the differences with their intervals, by month where there are months."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        rows = self.rows
        at = rows["month"].to_numpy() if "month" in rows.columns else range(rows.height)
        low, middle, high = (
            rows[name].fill_null(float("nan")).to_numpy()
            for name in ("conf_low", "estimate", "conf_high")
        )
        ax.errorbar(at, middle, yerr=[middle - low, high - middle], fmt="o", **options)
        ax.axhline(0, color="0.4", lw=0.8)
        if "month" not in rows.columns:
            ax.set_xticks(range(rows.height), rows["outcome"].to_list())
        ax.set(xlabel="Months since the start" if "month" in rows.columns else "",
               ylabel="Difference, treated less controls")  # fmt: skip
        return ax
