"""Gross, deadweight and net at a few horizons: absolute, relative, with intervals."""

from __future__ import annotations

import time as clock
import warnings as python_warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.profile_checks import horizon_warning
from toolkit.effects.registry import method
from toolkit.effects.result import EffectResult
from toolkit.errors import CallError, ToolkitWarning
from toolkit.estimation.intervals import normal_quantile
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.effects.profile_result import Profile

    Floats = NDArray[np.float64]

#: What a gate leaves in `meta`: it holds for what is made of the result too.
_JUDGED = ("supported", "gate")


@dataclass(frozen=True, kw_only=True)
class GrossNet(EffectResult):
    """Gross, deadweight and net by outcome and horizon; made by `Profile.gross_net`.

    Attributes
    ----------
    table : DataFrame
        What `tidy()` returns.
    conf_level : float
    """

    table: pl.DataFrame = field(repr=False)
    conf_level: float

    def tidy(self) -> pl.DataFrame:
        """Return a row an outcome, horizon and measure.

        Columns: `outcome, month, measure, n` (rows observed), `estimate, std_error, conf_low,
        conf_high`. Measures: ``gross`` (mean of participants), ``deadweight`` (mean of controls:
        what would have happened anyway), ``net`` (their difference) and ``relative`` (net as a
        share of deadweight). Where the method supports no net claim the last two are called
        ``gross_difference`` and ``gross_relative``, and the second ``comparison``.
        """
        return self.table

    def wide(self, label: str | None = None) -> pl.DataFrame:
        """Return a row an outcome and horizon, with columns for each measure: what figures draw.

        Parameters
        ----------
        label : str, optional
            Name of the programme; the outcome's when not given.

        Returns
        -------
        DataFrame
            `label, outcome, horizon, n` (participants observed), then of every measure its
            estimate, ``…_low`` and ``…_high``.
        """
        first = self.table["measure"][0]
        keys = ["outcome", "month"]
        found = self.table.filter(pl.col("measure") == first).select(
            (pl.col("outcome") if label is None else pl.lit(label)).alias("label"),
            "outcome", pl.col("month").alias("horizon"), "n",
        )  # fmt: skip
        for (measure,), rows in self.table.group_by("measure", maintain_order=True):
            found = found.join(
                rows.select(
                    *keys,
                    pl.col("estimate").alias(str(measure)),
                    pl.col("conf_low").alias(f"{measure}_low"),
                    pl.col("conf_high").alias(f"{measure}_high"),
                ),
                left_on=["outcome", "horizon"], right_on=keys, how="left", maintain_order="left",
            )  # fmt: skip
        return found

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, outcomes and horizons."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_outcome": [self.table["outcome"].n_unique()],
                "n_horizon": [self.table["month"].n_unique()],
                "conf_level": [self.conf_level],
                "design": [self.design],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw gross as a bar, split in deadweight and net, a bar a horizon."""
        from toolkit.effects.profile_plot import plot_gross_net

        return plot_gross_net(self, ax=ax, **options)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Gross split in what would have happened anyway and what the programme added.

    Attributes
    ----------
    gross, deadweight, net : (H,) arrays
        Net is gross − deadweight.
    relative : (H,) array
        Net / deadweight; NaN where nobody would have had the outcome.
    """

    gross: Floats
    deadweight: Floats
    net: Floats
    relative: Floats


def split(gross: Any, deadweight: Any) -> Split:
    """Return net and relative effect of shares (or means) with and without the programme.

    Parameters
    ----------
    gross, deadweight : float or (H,) arrays
        Of participants, and of what stands for them without the programme.

    Examples
    --------
    26.5% at work without, 33.3% with: 6.8 points more, a quarter more than without.

    >>> found = split(0.333, 0.265)
    >>> round(float(found.net[0]), 3), round(float(found.relative[0]), 2)
    (0.068, 0.26)
    """
    with_, without = (np.atleast_1d(np.asarray(x, float)) for x in (gross, deadweight))
    net = with_ - without
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(without > 0, net / without, np.nan)
    return Split(gross=with_, deadweight=without, net=net, relative=relative)


def relative_interval(
    gross: Floats, deadweight: Floats, vcov: Floats, z: float
) -> tuple[Floats, Floats, Floats]:
    """Return standard error and bounds of gross / deadweight − 1, on the scale of the log ratio.

    Parameters
    ----------
    gross, deadweight : (H,) arrays
    vcov : (3, H) array
        Variance of gross, variance of deadweight, their covariance.
    z : float

    Notes
    -----
    Var log(a/b) = V_a/a² + V_b/b² − 2 C/(ab); bounds are exp(log(a/b) ± z s) − 1 and the standard
    error is that of a/b, s a/b (delta method). NaN where either is not above 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((gross > 0) & (deadweight > 0), gross / deadweight, np.nan)
        spread = vcov[0] / gross**2 + vcov[1] / deadweight**2 - 2 * vcov[2] / (gross * deadweight)
        error = np.sqrt(np.maximum(spread, 0.0))
        return ratio * error, ratio * np.exp(-z * error) - 1, ratio * np.exp(z * error) - 1


def gross_net_of(profile: Profile, horizons: Sequence[int]) -> GrossNet:
    """Return the table of a profile at some months; see `Profile.gross_net`."""
    begin = clock.perf_counter()
    if not horizons:
        raise CallError("No horizon is named", fix="for instance horizons=(12, 24)")
    is_net = method(profile.design).net
    names = (
        ("gross", "deadweight", "net", "relative")
        if is_net
        else ("gross", "comparison", "gross_difference", "gross_relative")
    )
    z = normal_quantile(profile.conf_level)
    at = np.searchsorted(profile.month, list(horizons))
    parts = []
    for name, found in profile.by_outcome.items():
        parted = split(found.mean[1, at], found.mean[0, at])
        variance = np.stack([found.variance[1, at], found.variance[0, at], found.covariance[at]])
        relative = relative_interval(parted.gross, parted.deadweight, variance, z)
        counts = found.count[:, at]
        for measure, estimate, error, n in (
            (names[0], parted.gross, np.sqrt(variance[0]), counts[1]),
            (names[1], parted.deadweight, np.sqrt(variance[1]), counts[0]),
            (names[2], parted.net, np.sqrt(np.diag(found.vcov)[at]), counts.sum(axis=0)),
            (names[3], parted.relative, relative[0], counts.sum(axis=0)),
        ):
            low, high = estimate - z * error, estimate + z * error
            if measure == names[3]:
                low, high = relative[1:]
            parts.append(_rows(name, list(horizons), measure, n, estimate, error, low, high))
    table = pl.concat(parts)
    order = pl.Enum(names)
    table = table.sort(
        pl.col("outcome").cast(pl.Enum(list(profile.by_outcome))),
        "month",
        pl.col("measure").cast(order),
    )
    said = horizon_warning(horizons)
    for sentence in said:
        python_warnings.warn(sentence, ToolkitWarning, stacklevel=3)
    kept = ("n", "n_treated", "n_control", "design", "dropped", "variance", "cluster", *_JUDGED)
    return GrossNet(
        meta={key: profile.meta[key] for key in kept if key in profile.meta}
        | {
            "estimand": profile.meta["estimand"],
            "method": "Gross, deadweight and net. " + str(profile.meta["method"]),
            "warnings": [*profile.meta["warnings"], *said],
            "seed": None,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        table=table,
        conf_level=profile.conf_level,
    )


def _rows(
    outcome: str, month: list[int], measure: str, n: Any, estimate: Floats, error: Floats,
    low: Floats, high: Floats,
) -> pl.DataFrame:  # fmt: skip
    """Return the tidy rows of one measure."""
    numbers = {"estimate": estimate, "std_error": error, "conf_low": low, "conf_high": high}
    return pl.DataFrame(
        {
            "outcome": [outcome] * len(month),
            "month": pl.Series(month, dtype=pl.Int64),
            "measure": [measure] * len(month),
            "n": n,
            **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
        }
    )
