"""What a contrast gives back: means, differences and ratios, and differences between groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.contrast_table import Measure, measure_table
from toolkit.effects.result import EffectResult
from toolkit.errors import CallError, unknown_option
from toolkit.estimation.coefficients import coefficient_table, wald_test

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.effects.contrast_influence import MeansInfluence

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Contrast(EffectResult):
    """Means of treated and controls in G groups, and how they differ.

    Attributes
    ----------
    groups : DataFrame
        G rows: the columns of `by`, `n_treated`, `n_control`.
    by : tuple of str
    value : (2G,) array
        Mean of treated and of controls, of group 0, of group 1, …
    vcov : (2G, 2G) array
        Their variance.
    moved : MeansInfluence or None
        By how much each row moves the means; None where the variance is not one of influences
        (matching with replacement).
    draws : (R, 2G) array or None
        Replicates of the bootstrap.
    """

    groups: pl.DataFrame = field(repr=False)
    by: tuple[str, ...] = ()
    value: Floats
    vcov: Floats = field(repr=False)
    moved: MeansInfluence | None = field(default=None, repr=False)
    draws: Floats | None = field(default=None, repr=False)
    measures: tuple[Measure, ...] = ("difference", "ratio")
    conf_level: float = 0.95

    @property
    def estimate(self) -> Floats:
        """Differences between the means, (G,)."""
        return self.value[0::2] - self.value[1::2]

    @property
    def influence(self) -> Floats:
        """By how much each of the N rows moves each difference, (N, G)."""
        if self.moved is None:
            raise CallError(
                "Matching with replacement gives no influence of single rows",
                fix="use its standard errors, or variance='influence', which takes the weights "
                "as given",
            )
        means = self.moved.dense()
        return np.asarray(means[:, 0::2] - means[:, 1::2])

    def tidy(self) -> pl.DataFrame:
        """Return by…, term, estimate, std_error, statistic, p_value, conf_low, conf_high.

        Terms are `mean_treated`, `mean_control` and the measures asked for; the test is of no
        effect, and there is none of a mean. Of one row nobody knows how much it varies: no standard
        error.
        """
        labels = self.groups.select(pl.exclude("n_treated", "n_control"))
        number = self.groups.select("n_treated", "n_control").to_numpy().ravel()
        alone = of_one_row(number, self.vcov, reused=self.moved is None)
        vcov = np.where(alone[:, None] | alone, np.nan, self.vcov)
        return measure_table(
            self.value, vcov, labels,
            measures=self.measures, conf_level=self.conf_level, draws=self.draws,
        )  # fmt: skip

    def glance(self) -> pl.DataFrame:
        """Return one row: n, groups, clusters, estimand, design, variance."""
        meta = self.meta
        return pl.DataFrame(
            {
                "n": [meta["n"]],
                "n_treated": [meta["n_treated"]],
                "n_control": [meta["n_control"]],
                "n_group": [self.groups.height],
                "n_cluster": [meta.get("n_cluster")],
                "estimand": [meta["estimand"]],
                "design": [self.design],
                "variance": [meta["variance"]],
            },
            schema_overrides={"n_cluster": pl.Int64},
        )

    def difference(self, reference: Any = None) -> pl.DataFrame:
        """Return how the effect (difference of means) of each group differs from a reference's.

        Parameters
        ----------
        reference : value of `by`, or tuple of values, optional
            Without it the first group.

        Returns
        -------
        DataFrame
            by…, `reference`, term, estimate, …; one row a group other than the reference.
        """
        labels, names = self._labels()
        change = np.kron(np.eye(self.groups.height), np.array([1.0, -1.0]))
        effect, vcov = change @ self.value, change @ self.vcov @ change.T
        wanted = names[0] if reference is None else _label(reference)
        if wanted not in names:
            raise unknown_option("reference", wanted, sorted(set(names)))
        base = names.index(wanted)
        rows = [i for i in range(len(names)) if i != base]
        step = np.eye(len(names))[rows]
        step[:, base] = -1
        table = coefficient_table(
            ["difference"] * len(rows), step @ effect, step @ vcov @ step.T,
            conf_level=self.conf_level,
        )  # fmt: skip
        left = labels[rows].with_columns(reference=pl.lit(wanted))
        return pl.concat([left, table], how="horizontal")

    def equal(self) -> tuple[float | None, int, float | None]:
        """Return χ² that all groups have the same effect (difference), its df and p-value."""
        self._labels()
        count = self.groups.height
        effect, own = self.estimate, np.kron(np.eye(count), np.array([1.0, -1.0]))
        step = np.hstack([-np.ones((count - 1, 1)), np.eye(count - 1)])
        statistic, p_value = wald_test(step @ effect, step @ own @ self.vcov @ own.T @ step.T)
        return statistic, count - 1, p_value

    def _labels(self) -> tuple[pl.DataFrame, list[str]]:
        if not self.by or self.groups.height < 2:
            raise CallError(
                "There is one group, so nothing to compare it with", fix="name columns in by="
            )
        labels = self.groups.select(pl.exclude("n_treated", "n_control"))
        return labels, [_label(row) for row in labels.select(self.by).iter_rows()]


def of_one_row(number: NDArray[np.int64], vcov: Floats, *, reused: bool) -> NDArray[np.bool_]:
    """Tell which means are of one row, so that nobody knows how much they vary, (2G,).

    Of a match used again it is known from its neighbours (`reused`), who are in no pair.
    """
    alone = number < 2
    return alone & ~(np.diag(vcov) > 0) if reused else alone


def _label(value: Any) -> str:
    """Return the values of a group as text."""
    parts = value if isinstance(value, (tuple, list)) else (value,)
    return ", ".join(str(part) for part in parts)
