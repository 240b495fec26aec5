"""What a model expects of units with given covariates: curves, as a result of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Predicted(Result):
    """Predicted survival, hazard or incidence of M units; made by the models' `predict_…`.

    Attributes
    ----------
    table : DataFrame
        What `tidy()` gives: a row per unit (and cause) and time.
    labels : tuple of str
        Columns of the table that tell the units apart: strata and covariates.
    quantity : str
        What is predicted, in words.
    start : float or None
        Value of a curve at time 0, from which steps are drawn; None for hazards.
    smooth : bool
        Draw lines, not steps: the model knows of every moment, not only of those observed.
    conf_level : float
    """

    table: pl.DataFrame = field(repr=False)
    labels: tuple[str, ...]
    quantity: str
    start: float | None
    smooth: bool = False
    conf_level: float

    def tidy(self) -> pl.DataFrame:
        """Return a row per unit (and cause) and time.

        Columns: `row` of the new data, its strata and covariates, (`cause`,) `time, estimate,
        std_error, conf_low, conf_high`; null where nothing is known any more.
        """
        return self.table

    def glance(self) -> pl.DataFrame:
        """Return one row: counts of the fit, and how many curves."""
        curves = [name for name in ("row", "cause") if name in self.table.columns]
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": [self.meta["n_event"]],
                "n_curve": [self.table.select(curves).n_unique()],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the curves with their bands, each with what tells it from the others."""
        from toolkit.survival._plot import plot_curves

        each = self.table.unique("row", maintain_order=True)
        names = [name for name in self.labels if each[name].n_unique() > 1]
        if (each.select(names).n_unique() if names else 1) < each.height:
            names = ["row", *names]
        if "cause" in self.table.columns and self.table["cause"].n_unique() > 1:
            names = [*names, "cause"]
        return plot_curves(
            self.table.filter(pl.col("estimate").is_not_null()), by=names, ax=ax,
            start=self.start, smooth=self.smooth, at_risk=None,
            ylabel=f"Predicted {self.quantity}", **options,
        )  # fmt: skip


def describe_prediction(
    meta: Mapping[str, Any], *, estimand: str, method: str, variance: str
) -> dict[str, Any]:
    """Return the `meta` of a prediction: that of its model, with what is predicted and how."""
    return {**meta, "estimand": estimand, "method": method, "variance": variance}
