"""What difference-in-differences gives back: paths, summaries, and the test before the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.designs._plot import plot_path
from toolkit.effects.designs.door import effect_table
from toolkit.effects.result import EffectResult
from toolkit.errors import check_option
from toolkit.estimation.coefficients import wald_test
from toolkit.trajectories.calendar import month_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Kind = Literal["event", "group", "month", "overall", "group_time"]


@dataclass(frozen=True, kw_only=True)
class LeadTest:
    """Whether the months before the start differ from 0.

    Attributes
    ----------
    statistic, p_value : float or None
        Wald's χ² on `df`; None where the leads' variance is singular or there are none.
    largest, largest_p_value : float or None
        The largest |z|, and the chance of one as large.
    """

    statistic: float | None
    df: int
    p_value: float | None
    largest: float | None
    largest_p_value: float | None


@dataclass(frozen=True, kw_only=True)
class Summaries:
    """Summaries of the group-time effects, and what each person or cluster adds to them.

    Attributes
    ----------
    table : DataFrame
        `kind, at, n_group, n_treated, estimate`.
    influence : (K, U) array
    vcov : (K, K) array
    """

    table: pl.DataFrame = field(repr=False)
    influence: Floats = field(repr=False)
    vcov: Floats = field(repr=False)
    conf_level: float
    seed: int
    anticipation: int
    draws: Callable[..., Floats] = field(repr=False)

    def of(self, kind: str) -> tuple[pl.DataFrame, Floats]:
        """Return the rows of a kind, and their variance, (k, k)."""
        rows = (self.table["kind"] == kind).to_numpy()
        return self.table.filter(rows), self.vcov[np.ix_(rows, rows)]

    def tabled(self, kind: str) -> pl.DataFrame:
        """Return the rows of a kind with intervals and a band for all of them."""
        rows, vcov = self.of(kind)
        error = np.sqrt(np.diag(vcov))
        table = effect_table([""] * len(error), rows["estimate"].to_numpy(), error,
                             conf_level=self.conf_level)  # fmt: skip
        largest = np.quantile(self.draws(vcov, seed=self.seed), self.conf_level)
        half = pl.Series(np.where(error > 0, largest * error, np.nan)).fill_nan(None)
        return pl.concat(
            [rows.select("at", "n_group", "n_treated"), table.drop("term")], how="horizontal"
        ).with_columns(band_low=pl.col("estimate") - half, band_high=pl.col("estimate") + half)

    def total(self) -> pl.DataFrame:
        """Return the effect over all: four ways to add up, each with its error."""
        kinds, at = self.table["kind"].to_numpy(), self.table["at"].fill_null(0).to_numpy()
        takes = {
            "overall": kinds == "overall",
            "simple": kinds == "simple",
            "by_time_since_start": (kinds == "event") & (at >= 0),
            "by_month": kinds == "month",
        }
        mean = {term: rows / rows.sum() for term, rows in takes.items() if rows.any()}
        each = np.stack(list(mean.values()))
        error = np.sqrt(np.einsum("ij,jk,ik->i", each, self.vcov, each))
        estimate = each @ self.table["estimate"].to_numpy()
        return effect_table(list(mean), estimate, error, conf_level=self.conf_level)

    def leads(self) -> LeadTest:
        """Test the months before the start, those in which it may be foreseen left out."""
        rows, vcov = self.of("event")
        before = (rows["at"] < -self.anticipation).to_numpy()
        estimate, vcov = rows["estimate"].to_numpy()[before], vcov[np.ix_(before, before)]
        error = np.sqrt(np.diag(vcov))
        some = error > 0
        if (estimate[~some] != 0).any():  # a difference without any doubt
            return LeadTest(statistic=None, df=int(before.sum()), p_value=0.0, largest=None,
                            largest_p_value=0.0)  # fmt: skip
        if not some.any():
            return LeadTest(statistic=None, df=int(before.sum()), p_value=None, largest=None,
                            largest_p_value=None)  # fmt: skip
        estimate, vcov, error = estimate[some], vcov[np.ix_(some, some)], error[some]
        statistic, p_value = wald_test(estimate, vcov)
        largest = float(np.abs(estimate / error).max())
        drawn = self.draws(vcov, seed=self.seed)
        return LeadTest(
            statistic=statistic, df=len(estimate), p_value=p_value, largest=largest,
            largest_p_value=float((drawn >= largest).mean()),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DifferenceInDifferences(EffectResult):
    """Effects by group, month and time since the start; made by `difference_in_differences`.

    Attributes
    ----------
    summaries : Summaries
        With `influence`, (K, persons or clusters): the variance of row k is its sum of squares.
    lead_test : LeadTest
    group_time : DataFrame
        A row per group and month: `group, month, n_treated, n_control, estimate, …`.
    n_treated : int
    """

    summaries: Summaries = field(repr=False)
    lead_test: LeadTest
    group_time: pl.DataFrame = field(repr=False)
    n_treated: int

    def tidy(self, kind: Kind = "event") -> pl.DataFrame:
        """Return effects by time since the start, or summed up in another way.

        Parameters
        ----------
        kind : {"event", "group", "month", "overall", "group_time"}
            ``event``: `time` since the start; the month all others are compared with stands there
            with effect 0. ``group``: mean effect of each starting month. ``month``: by calendar
            month. ``overall``: mean over groups of their mean effect (``overall``), over all
            group-months (``simple``), over times since the start, over months.

        Returns
        -------
        pl.DataFrame
            With intervals per number, `band_low, band_high` for all of a kind at once, and the
            groups and treated persons behind each.
        """
        check_option("kind", kind, ("event", "group", "month", "overall", "group_time"))
        if kind == "overall":
            return self.summaries.total()
        if kind == "group_time":
            return self._dated(self.group_time, "group", "month")
        table = self.summaries.tabled(kind)
        if kind != "event":
            return self._dated(table.rename({"at": kind}), kind)
        table = table.rename({"at": "time"})
        zero = -1 - self.meta["anticipation"]
        if self.meta["base"] == "universal" and not (table["time"] == zero).any():
            own = pl.DataFrame({"time": [zero], "estimate": [0.0]})
            table = pl.concat([table, own], how="diagonal").sort("time")
        return table

    def _dated(self, table: pl.DataFrame, *names: str) -> pl.DataFrame:
        if not self.meta["dates"]:
            return table
        return table.with_columns(month_start(pl.col(name)).alias(name) for name in names)

    def glance(self) -> pl.DataFrame:
        """Return one row: the overall effect, counts, and the tests of the months before."""
        total = self.summaries.total().filter(pl.col("term") == "overall")
        test = self.lead_test
        return total.select(
            "estimate", "std_error", "conf_low", "conf_high",
            n=pl.lit(self.meta["n"]),
            n_treated=pl.lit(self.n_treated),
            n_month=pl.lit(self.meta["n_month"]),
            n_group=pl.lit(self.group_time["group"].n_unique()),
            lead_statistic=pl.lit(test.statistic, dtype=pl.Float64),
            lead_df=pl.lit(test.df),
            lead_p_value=pl.lit(test.p_value, dtype=pl.Float64),
            lead_largest=pl.lit(test.largest, dtype=pl.Float64),
            lead_largest_p_value=pl.lit(test.largest_p_value, dtype=pl.Float64),
        )  # fmt: skip

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw effects by time since the start, with intervals, band, and the start as a line."""
        ax = plot_path(self.tidy(), x="time", ax=ax, xlabel="Time since the start",
                       ylabel="Effect", **options)  # fmt: skip
        ax.axvline(-0.5, color="0.6", lw=0.8, ls="--", zorder=0)
        return ax
