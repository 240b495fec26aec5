"""The balance of two groups before and after: one table, one picture, one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Balance(Result):
    """How alike treated and controls are, as they came and in the comparison.

    Attributes
    ----------
    table : DataFrame
        What `tidy` returns: a row a covariate (levels as ``name[level]``) and sample.
    score_overlap : DataFrame or None
        ``sample, low, high, n_treated, n_control, share_treated, share_control``: both groups by
        bin of the score. Counts, fit to be released after output control.
    history : DataFrame or None
        ``month, kind, sample, mean_treated, mean_control, …``: the months before the start.
    subclasses : DataFrame or None
        ``subclass, covariate, n_treated, n_control, mean_treated, mean_control, smd``.
    thresholds : Mapping
        Largest ``smd`` and ``ks`` in absolute value, largest ``variance_ratio`` (or 1 over it).
    ess : Mapping
        Sample → effective numbers (Σw)² / Σw² of treated and controls.
    """

    table: pl.DataFrame = field(repr=False)
    score_overlap: pl.DataFrame | None = field(default=None, repr=False)
    history: pl.DataFrame | None = field(default=None, repr=False)
    subclasses: pl.DataFrame | None = field(default=None, repr=False)
    thresholds: Mapping[str, float]
    ess: Mapping[str, tuple[float, float]]
    sizes: Mapping[str, tuple[int, int]]

    @property
    def compared(self) -> str:
        """The sample that the comparison rests on: after, or before where nothing was done."""
        return "after" if "after" in self.ess else "before"

    def tidy(self) -> pl.DataFrame:
        """Return a row a covariate and sample.

        ``covariate, kind, sample, mean_treated, mean_control, difference, smd, variance_ratio,
        ks, overlap, scale, sd, n_treated, n_control, balanced``: `smd` is the difference over
        `sd` (`scale` = std), or the difference of two shares as it is (raw); `variance_ratio` is
        null for shares; `overlap` is ∫ min(f₁, f₀), 1 = alike; `n` counts rows with weight and a
        value; `balanced` says whether the row keeps to the thresholds.
        """
        return self.table

    def glance(self) -> pl.DataFrame:
        """Return one row: the largest imbalance and whose it is, shares above, sizes.

        ``max_smd``, ``share_above`` (|smd| above its threshold) and ``max_ks`` are over the
        covariates, their levels and the calendar, without the score; ``max_smd_history`` over the
        months before the start.
        """
        rows = self.table.filter(pl.col("kind") != "score")
        now = rows.filter(pl.col("sample") == self.compared)
        worst = now.select(pl.col("covariate").sort_by(pl.col("smd").abs(), descending=True,
                                                       nulls_last=True).first())  # fmt: skip
        first = rows.filter(pl.col("sample") == "before")
        n_treated, n_control = self.sizes[self.compared]
        ess_treated, ess_control = self.ess[self.compared]
        past = None
        if self.history is not None:
            past = _largest(self.history.filter(pl.col("sample") == self.compared), "smd")
        return pl.DataFrame(
            {
                "sample": [self.compared],
                "n_treated": [n_treated],
                "n_control": [n_control],
                "ess_treated": [ess_treated],
                "ess_control": [ess_control],
                "n_covariates": [now.height],
                "max_smd_before": [_largest(first, "smd")],
                "max_smd": [_largest(now, "smd")],
                "worst": [worst.item() if now.height else None],
                "share_above_before": [self._above(first)],
                "share_above": [self._above(now)],
                "max_ks": [_largest(now, "ks")],
                "max_smd_history": [past],
                "balanced": [bool(now["balanced"].all())],
            },
            schema_overrides={"max_smd_history": pl.Float64},
        )

    def _above(self, rows: pl.DataFrame) -> float | None:
        limit = self.thresholds.get("smd", 0.1)
        share: Any = (rows["smd"].abs() > limit).mean()
        return None if share is None else float(share)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw a love plot: standardised differences before (hollow) and after (filled)."""
        from toolkit.matching.balance.picture import draw_love_plot

        return draw_love_plot(self.table, self.thresholds.get("smd", 0.1), ax, **options)


def _largest(rows: pl.DataFrame, name: str) -> float | None:
    value: Any = rows[name].abs().max()
    return None if value is None else float(value)
