"""What a grid of choices gives back: every estimate, and what the choices do to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.effects.result import EffectResult
from toolkit.errors import EmptyCohortError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Columns after those of the choices.
COLUMNS = {
    "estimate": pl.Float64,
    "std_error": pl.Float64,
    "p_value": pl.Float64,
    "conf_low": pl.Float64,
    "conf_high": pl.Float64,
    "n": pl.Int64,
    "design": pl.String,
    "supported": pl.Boolean,
    "status": pl.String,
    "reason": pl.String,
    "seconds": pl.Float64,
}


@dataclass(frozen=True, kw_only=True)
class Specifications(EffectResult):
    """One question under S combinations of choices.

    Attributes
    ----------
    rows : DataFrame
        S rows: see `tidy`.
    choices : list of str
    reference : int or None
        Number of the specification planned beforehand.
    alpha : float
    """

    rows: pl.DataFrame = field(repr=False)
    choices: list[str]
    reference: int | None
    alpha: float

    def tidy(self) -> pl.DataFrame:
        """Return a row a specification.

        Columns: `specification` (from 1), one a choice, `estimate, std_error, p_value, conf_low,
        conf_high, n`, `design`, `supported` (by a gate), `status` (estimated, not estimated),
        `reason`, `seconds`; with a planned one also `reference`.
        """
        return self.rows

    @property
    def estimated(self) -> pl.DataFrame:
        """The rows with an estimate, from the lowest on."""
        return self.rows.filter(pl.col("estimate").is_not_null()).sort("estimate")

    def curve(self) -> pl.DataFrame:
        """Return what the figure of a specification curve draws: the choices and the estimates.

        Specifications without an estimate or an interval are left out: the note under the figure
        should say how many (`meta["dropped"]`).
        """
        wanted = ("estimate", "conf_low", "conf_high")
        return self.rows.select(*self.choices, *wanted).drop_nulls(list(wanted))

    @property
    def main(self) -> dict[str, str] | None:
        """The specification planned beforehand, by choice."""
        if self.reference is None:
            return None
        row = self.rows.row(self.reference - 1, named=True)
        return {name: str(row[name]) for name in self.choices}

    def glance(self) -> pl.DataFrame:
        """Return one row: how many, the median and range, and how many agree.

        `share_significant` is of estimates with a p-value; `share_same_sign` is the share with the
        sign of the median.
        """
        found = self._some()
        estimate = found["estimate"]
        middle = float(estimate.median())  # type: ignore[arg-type]
        known = found["p_value"].drop_nulls()
        planned = self.rows.filter(pl.col("specification") == (self.reference or 0))["estimate"]
        return pl.DataFrame(
            {
                "n_specification": [self.rows.height],
                "n_estimated": [found.height],
                "median": [middle],
                "lowest": [estimate.min()],
                "highest": [estimate.max()],
                "share_significant": [(known < self.alpha).mean() if len(known) else None],
                "share_same_sign": [(estimate.sign() == (middle > 0) - (middle < 0)).mean()],
                "reference_estimate": [planned[0] if len(planned) else None],
            },
            schema_overrides={"share_significant": pl.Float64, "reference_estimate": pl.Float64},
        )

    def by_choice(self) -> pl.DataFrame:
        """Return what the estimates are under each option, and how much a choice moves them.

        Returns
        -------
        DataFrame
            `choice, option, n_estimated, median, lowest, highest`, and `share`: how much of the
            variance between specifications lies between the options of the choice.
        """
        found = self._some()
        total = float(found["estimate"].var(ddof=0))  # type: ignore[arg-type]
        parts = []
        for choice in self.choices:
            by = found.group_by(option=choice, maintain_order=True).agg(
                n_estimated=pl.len(), median=pl.col("estimate").median(),
                lowest=pl.col("estimate").min(), highest=pl.col("estimate").max(),
                mean=pl.col("estimate").mean(),
            )  # fmt: skip
            order = self.rows[choice].unique(maintain_order=True)
            by = by.sort(pl.col("option").cast(pl.Enum(order)))
            middle = float(found["estimate"].mean())  # type: ignore[arg-type]
            between = float(((by["mean"] - middle) ** 2 * by["n_estimated"]).sum()) / found.height
            parts.append(
                by.drop("mean").select(
                    pl.lit(choice).alias("choice"), pl.all(),
                    pl.lit(between / total if total else 0.0).alias("share"),
                )
            )  # fmt: skip
        return pl.concat(parts)

    def headline(self) -> str:
        """Return in words what the choices do to the estimate."""
        row = self.glance().row(0, named=True)
        said = (
            f"{row['n_estimated']:,} of {row['n_specification']:,} specifications: median "
            f"{row['median']:.4g}, from {row['lowest']:.4g} to {row['highest']:.4g}; "
            f"{row['share_same_sign']:.0%} have the sign of the median"
        )
        if row["share_significant"] is not None:
            said += f", {row['share_significant']:.0%} differ from 0 at the {self.alpha:g} level"
        failed = int((self._some()["supported"] == False).sum())  # noqa: E712 - null is not judged
        if failed:
            said += f"; {failed:,} NOT SUPPORTED by their gate"
        return f"{said}."

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the estimates from low to high with their intervals; the planned one apart."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        found = self._some()
        low, middle, high = (
            found[name].fill_null(float("nan")).to_numpy()
            for name in ("conf_low", "estimate", "conf_high")
        )
        at = range(1, found.height + 1)
        ax.errorbar(at, middle, yerr=[middle - low, high - middle], fmt="o", ms=3, **options)
        for place, number in zip(at, found["specification"], strict=True):
            if number == self.reference:
                ax.plot([place], [middle[place - 1]], "D", color="C1")
        ax.axhline(0, color="0.4", lw=0.8)
        ax.set(xlabel="Specifications, from the lowest estimate on", ylabel="Estimate")
        return ax

    def _some(self) -> pl.DataFrame:
        found = self.estimated
        if not found.height:
            raise EmptyCohortError(
                "No specification could be estimated", fix="look at the reasons in tidy()"
            )
        return found
