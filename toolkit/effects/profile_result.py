"""What a profile gives back: months, lock-in, break-even, months gained, the placebo before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects import profile_path as paths
from toolkit.effects.profile_path import Path
from toolkit.effects.profile_rows import read_months
from toolkit.effects.result import EffectResult
from toolkit.errors import CallError
from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.effects.gross_net import GrossNet
    from toolkit.effects.profile_moments import Moments

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Profile(EffectResult):
    """Outcomes of treated and controls by month since start.

    Attributes
    ----------
    month : (K,) array of int
    by_outcome : mapping
        Means, differences and covariance over all K months, by outcome.
    critical : mapping or None
        By outcome, what takes the place of 1.96 in its band; None without bands.
    conf_level : float
    seed : int
        Of the bands.
    """

    month: Ints = field(repr=False)
    by_outcome: Mapping[str, Moments] = field(repr=False)
    critical: Mapping[str, float] | None
    conf_level: float
    seed: int

    def tidy(self) -> pl.DataFrame:
        """Return a row an outcome and month since start.

        Columns: `month, outcome, n_treated, n_control` (rows observed), `mean_treated,
        mean_control, estimate` (treated − control), `std_error, conf_low, conf_high` of each month,
        `band_low, band_high` of all months of an outcome at once. Null where nobody is observed.
        """
        return pl.concat(
            [
                _table(name, found, self.path(name), self.critical, self.conf_level)
                for name, found in self.by_outcome.items()
            ]
        )

    def observed(self) -> pl.DataFrame:
        """Return who is still seen: `month, outcome, share_treated, share_control` (weighted).

        Shares are of those who count in the month: a control censored at its own start counts no
        more.
        """
        return pl.concat(
            [
                pl.DataFrame(
                    {
                        "month": self.month,
                        "outcome": pl.Series([name] * len(self.month), dtype=pl.String),
                        "share_treated": found.share[1],
                        "share_control": found.share[0],
                    }
                )
                for name, found in self.by_outcome.items()
            ]
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, months, outcomes, what the errors are clustered by."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_treated": [self.meta["n_treated"]],
                "n_control": [self.meta["n_control"]],
                "first_month": [int(self.month[0])],
                "last_month": [int(self.month[-1])],
                "n_outcome": [len(self.by_outcome)],
                "cluster": pl.Series([self.meta["cluster"]], dtype=pl.String),
                "conf_level": [self.conf_level],
                "design": [self.design],
            }
        )

    def lock_in(self) -> pl.DataFrame:
        """Return how deep and how long participants stay behind: a row an outcome.

        Columns: `outcome`; `month, depth, std_error, conf_low, conf_high` of the lowest month of
        the runs of negative months that begin within a year of the start (interval: the
        simultaneous band, for the lowest month is found in the data); `from, to, length` in months
        of the run around it, `length_low, length_high` by the band, `ended` (false when it is still
        negative in the last month); `area` (outcome × months lost, negative) and `area_std_error`.
        Without such a month the depth is 0 and its month null. Behind is less of the outcome: of
        one that is better low (a benefit) make the opposite first.
        """
        return self._rows(
            lambda name: paths.lock_in(
                self._after(name), conf_level=self.conf_level, seed=self.seed
            )
        )

    def break_even(self) -> pl.DataFrame:
        """Return the month from which the effect cumulated since month 0 stays above zero.

        Columns: `outcome, month` (null when not reached), `conf_low, conf_high` (by inverting the
        simultaneous band of the cumulated effect; null = after the last month), `lowest` and `last`
        cumulated effect, `last_month`.
        """
        return self._rows(
            lambda name: paths.break_even(
                self._after(name), conf_level=self.conf_level, seed=self.seed
            )
        )

    def cumulated(self, horizon: int | None = None) -> pl.DataFrame:
        """Return the effect added up over months 0 to `horizon`: months worked gained.

        Parameters
        ----------
        horizon : int, optional
            The last month when not given.

        Returns
        -------
        DataFrame
            `outcome, horizon, estimate, std_error, conf_low, conf_high`.

        Raises
        ------
        toolkit.errors.CallError
            For a horizon outside the months, or months from 0 on that are not all there.
        """
        last = int(self.month[-1]) if horizon is None else self._check(horizon)
        z = normal_quantile(self.conf_level)

        def one(name: str) -> dict[str, Any]:
            estimate, error = paths.cumulated(self._after(name, last))
            return {
                "horizon": last, "estimate": estimate, "std_error": error,
                "conf_low": estimate - z * error, "conf_high": estimate + z * error,
            }  # fmt: skip

        return self._rows(one)

    def pre_period(self, months: Iterable[int] | None = None) -> pl.DataFrame:
        """Test that treated and controls did not differ before the start: the placebo.

        Parameters
        ----------
        months : iterable of int, optional
            Months before the start; all of them when not given. Leave out those between the offer
            and the start, where the threat of a programme may work already.

        Returns
        -------
        DataFrame
            A row an outcome: `outcome, n_month, from, to`; `largest` difference and its
            `largest_month`; `mean, mean_std_error`; `statistic, df, p_value` of the joint test;
            `sup_statistic, sup_p_value` of the largest standardised difference.

        Raises
        ------
        toolkit.errors.CallError
            When no month before the start was asked for or observed.

        Notes
        -----
        Months that groups were matched on are balance, not placebo: they were made equal.
        """
        asked = self.month[self.month < 0] if months is None else read_months(months)
        if (asked >= 0).any() or not np.isin(asked, self.month).all() or not len(asked):
            raise CallError(
                "These are not months before the start that the profile has",
                where=f"months {self.month[0]} to {self.month[-1]}",
                fix="ask for them: months=range(-24, 61)",
            )

        def one(name: str) -> dict[str, Any]:
            path = self.path(name)
            known = path.between(int(asked[0]), int(asked[-1]))
            keep = np.isin(known.month, asked)
            if not keep.any():
                raise CallError(f"{name!r} is not observed in any month before the start")
            chosen = Path(
                month=known.month[keep],
                estimate=known.estimate[keep],
                vcov=known.vcov[np.ix_(keep, keep)],
            )
            return paths.joint_test(chosen, seed=self.seed)

        return self._rows(one)

    def gross_net(self, horizons: Sequence[int] = (6, 12, 24, 36)) -> GrossNet:
        """Return gross, deadweight and net at some months since start, absolute and relative.

        Parameters
        ----------
        horizons : sequence of int
            A single one under 12 months warns: it shows the lock-in and little else.

        Raises
        ------
        toolkit.errors.CallError
            For a horizon that the profile does not have.
        """
        from toolkit.effects.gross_net import gross_net_of

        return gross_net_of(self, [self._check(h) for h in horizons])

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the difference with interval and band; `means=True` draws the two groups instead."""
        from toolkit.effects.profile_plot import plot_profile

        return plot_profile(self, ax=ax, **options)

    def path(self, outcome: str) -> Path:
        """Return the differences of an outcome and their covariance, for sums of one's own."""
        return path_of(self.month, self.by_outcome[outcome])

    def _after(self, outcome: str, last: int | None = None) -> Path:
        """Return the months from the start on; raise where one of them is not there."""
        end = int(self.month[-1]) if last is None else last
        path = self.path(outcome).between(0, end)
        if len(path.month) != end + 1:
            gone = sorted(set(range(end + 1)) - set(path.month.tolist()))
            raise CallError(
                f"{outcome!r} has no difference in {len(gone):,} of the months 0 to {end}",
                where=f"first of them: {gone[0]}",
                fix="ask for all months from 0 on, up to the last in which both groups are seen",
            )
        return path

    def _check(self, horizon: int) -> int:
        if horizon not in set(self.month.tolist()):
            raise CallError(
                f"Month {horizon!r} since start is not in the profile",
                where=f"months {self.month[0]} to {self.month[-1]}",
                fix="ask for it: months=",
            )
        return int(horizon)

    def _rows(self, work: Any) -> pl.DataFrame:
        return pl.DataFrame(
            [{"outcome": name} | work(name) for name in self.by_outcome], infer_schema_length=None
        )


def path_of(month: Ints, found: Moments) -> Path:
    """Return the differences of one outcome and their covariance."""
    return Path(month=month, estimate=found.difference, vcov=found.vcov)


def _table(
    name: str,
    found: Moments,
    path: Path,
    critical: Mapping[str, float] | None,
    conf_level: float,
) -> pl.DataFrame:
    """Return the tidy rows of one outcome."""
    half = normal_quantile(conf_level) * path.std_error
    low = high = np.full(len(path.month), np.nan)
    if critical is not None:
        low, high = path.within(critical[name])
    numbers = {
        "mean_treated": found.mean[1], "mean_control": found.mean[0], "estimate": path.estimate,
        "std_error": path.std_error, "conf_low": path.estimate - half,
        "conf_high": path.estimate + half, "band_low": low, "band_high": high,
    }  # fmt: skip
    return pl.DataFrame(
        {
            "month": path.month,
            "outcome": pl.Series([name] * len(path.month), dtype=pl.String),
            "n_treated": found.count[1],
            "n_control": found.count[0],
            **{key: pl.Series(x).fill_nan(None) for key, x in numbers.items()},
        }
    )
