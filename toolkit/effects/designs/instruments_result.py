"""What instruments give back: the effect, their strength, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.effects.designs._plot import plot_points
from toolkit.effects.result import EffectResult

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.effects.designs.weak import Pieces

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class InstrumentalVariables(EffectResult):
    """An effect by instruments, and how strong they are; made by `instrumental_variables`.

    Attributes
    ----------
    estimates : DataFrame
        Rows ``local_effect``; ``anderson_rubin``: the same with the interval that also holds for
        weak instruments, null where it has no end, and the p-value of 'no effect'; and
        ``least_squares``, which takes taking part as it came.
    influence : (U,) array
        What each row (cluster) adds to the local effect.
    first_stage : DataFrame
        A row per instrument: what it does to taking part.
    effective_f, critical_f : float
        Of Montiel Olea and Pflueger; below the critical value the instruments are weak.
    not_refuted : tuple of pairs
        The pieces of the Anderson–Rubin interval.
    overid : (float or None, int, float or None)
        Statistic, degrees of freedom and p-value of 'all instruments tell the same story'.
    """

    estimates: pl.DataFrame = field(repr=False)
    influence: Floats = field(repr=False)
    first_stage: pl.DataFrame = field(repr=False)
    effective_f: float
    critical_f: float
    not_refuted: Pieces
    overid: tuple[float | None, int, float | None]

    def tidy(self) -> pl.DataFrame:
        """Return `term, estimate, std_error, statistic, p_value, conf_low, conf_high`."""
        return self.estimates

    def glance(self) -> pl.DataFrame:
        """Return one row: the effect, the strength of the instruments, and their agreement."""
        own = self.estimates.row(0, named=True)
        statistic, df, p_value = self.overid
        return pl.DataFrame(
            {
                "estimate": [own["estimate"]],
                "std_error": [own["std_error"]],
                "n": [self.meta["n"]],
                "n_instrument": [self.first_stage.height],
                "effective_f": [self.effective_f],
                "critical_f": [self.critical_f],
                "overid_statistic": [statistic],
                "overid_df": [df],
                "overid_p_value": [p_value],
            },
            schema_overrides={"overid_statistic": pl.Float64, "overid_p_value": pl.Float64},
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the estimates with their intervals."""
        return plot_points(self.estimates, ax=ax, xlabel="Effect", **options)
