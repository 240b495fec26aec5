"""What an experiment gives back: effects, balance, attrition, and bounds for those lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.designs._plot import plot_points
from toolkit.effects.result import EffectResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Experiment(EffectResult):
    """Effects of being assigned, and of taking part; made by `experiment`.

    Attributes
    ----------
    estimates : DataFrame
        Rows ``intention_to_treat``; ``relative_effect`` (as a share of the controls' mean, where
        that is positive); with take-up also ``take_up`` and ``local_effect``, whose interval is
        Fieller's and not symmetric; null where it has no end.
    influence : (U, rows of the estimates) array
        What each person (each cluster) adds; variances are sums of squares.
    df : float
        Degrees of freedom of Student's t.
    local_set : tuple of pairs
        The pieces of the local effect's interval, with infinite ends.
    n_assigned, n_control : int
    mean_assigned, mean_control : float
    take_up_assigned, take_up_control : float or None
    """

    estimates: pl.DataFrame = field(repr=False)
    influence: Floats = field(repr=False)
    df: float
    local_set: tuple[tuple[float, float], ...]
    n_assigned: int
    n_control: int
    mean_assigned: float
    mean_control: float
    take_up_assigned: float | None
    take_up_control: float | None
    balance_table: pl.DataFrame = field(repr=False)
    balance_test: tuple[float | None, int, float | None]
    attrition_table: pl.DataFrame = field(repr=False)
    outcomes: tuple[Floats, Bools, Floats] = field(repr=False)
    lost: tuple[int, int]
    observed: tuple[float, float]

    def tidy(self) -> pl.DataFrame:
        """Return `term, estimate, std_error, statistic, p_value, conf_low, conf_high`."""
        return self.estimates

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, means, take-up by arm, degrees of freedom, tests of the draw."""
        statistic, df, p_value = self.balance_test
        return pl.DataFrame(
            {
                "n": [self.n_assigned + self.n_control],
                "n_assigned": [self.n_assigned],
                "n_control": [self.n_control],
                "mean_assigned": [self.mean_assigned],
                "mean_control": [self.mean_control],
                "take_up_assigned": [self.take_up_assigned],
                "take_up_control": [self.take_up_control],
                "df": [self.df],
                "balance_statistic": [statistic],
                "balance_df": [df],
                "balance_p_value": [p_value],
                "lost_assigned": [self.lost[0]],
                "lost_control": [self.lost[1]],
                "attrition_p_value": [self.attrition_table["p_value"][0]],
            },
            schema_overrides=dict.fromkeys(
                ("take_up_assigned", "take_up_control", "balance_statistic", "balance_p_value",
                 "attrition_p_value"), pl.Float64,
            ),
        )  # fmt: skip

    def balance(self) -> pl.DataFrame:
        """Return a row per column of `balance=`: means per arm, smd, difference, p-value."""
        return self.balance_table

    def attrition(self) -> pl.DataFrame:
        """Return one row: the share observed per arm, their difference, and its p-value."""
        return self.attrition_table

    def bounds(self) -> pl.DataFrame:
        """Return Lee's (2009) bounds: `bound` (lower, upper), `estimate`, `trimmed` (share).

        The arm that keeps more of its people loses the share p that it kept too many, from the top
        or the bottom of its outcomes. Between the two lies the effect on those who would have been
        observed in either arm, as long as assignment moves nobody out of sight in one direction
        and others in the other. Without strata.
        """
        y, treated, weight = self.outcomes
        first, second = self.observed
        more = first >= second
        share = 1 - (second / first if more else first / second)
        full, other = (treated, ~treated) if more else (~treated, treated)
        rest = float(np.average(y[other], weights=weight[other]))
        ends = [_trimmed(y[full], weight[full], share, top=top) - rest for top in (True, False)]
        low, high = ends if more else [-end for end in reversed(ends)]
        return pl.DataFrame(
            {"bound": ["lower", "upper"], "estimate": [low, high], "trimmed": [share, share]}
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the effects with their intervals."""
        shown = self.estimates.filter(pl.col("term") != "relative_effect")
        return plot_points(shown, ax=ax, xlabel="Effect", **options)


def _trimmed(y: Floats, weight: Floats, share: float, *, top: bool) -> float:
    """Return the mean without a share of the weight from the top (or the bottom)."""
    order = np.argsort(y if top else -y, kind="stable")
    kept = weight[order].copy()
    room = (1 - share) * kept.sum()
    kept = np.clip(room - (np.cumsum(kept) - kept), 0, kept)
    return float(np.average(y[order], weights=kept))
