"""Treated against controls by month since start: lock-in, break-even, months gained."""

from __future__ import annotations

import time as clock
import warnings as python_warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects import profile_path as paths
from toolkit.effects.profile_checks import composition, horizon_warning, moved_at_all
from toolkit.effects.profile_door import panel_of, read_groups
from toolkit.effects.profile_moments import moments, months_seen
from toolkit.effects.profile_path import Path
from toolkit.effects.profile_rows import read_months, read_rows
from toolkit.effects.result import EffectResult
from toolkit.errors import CallError, EmptyCohortError, ToolkitWarning, unknown_option
from toolkit.estimation.intervals import check_interval, normal_quantile
from toolkit.frames import as_columns
from toolkit.matching.treatment import ESTIMANDS
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.effects.gross_net import GrossNet
    from toolkit.effects.profile_moments import Moments
    from toolkit.trajectories import Definition

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

        Columns: `outcome`; `month, depth, std_error, conf_low, conf_high` of the lowest month from
        the start on (interval: the simultaneous band, for the lowest month is found in the data);
        `from, to, length` in months of the run of negative months around it, `length_low,
        length_high` by the band, `ended` (false when it is still negative in the last month);
        `area` (outcome × months lost, negative) and `area_std_error`. Without a negative month the
        depth is 0 and its month null. Behind is less of the outcome: of one that is better low
        (a benefit) make the opposite first.
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
        return _path(self.month, self.by_outcome[outcome])

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


def profile(
    x: Any,
    panel: Any,
    *,
    outcome: str | Sequence[str],
    months: Iterable[int] = range(-24, 61),
    person: str | None = None,
    start: str | None = None,
    month: str = "month",
    until: str | None = None,
    treatment: str | None = None,
    weights: str | None = None,
    design: str | None = None,
    cluster: str | Sequence[str] | Literal[False] | None = None,
    balanced: bool = False,
    definition: Definition | None = None,
    band: bool = True,
    conf_level: float = 0.95,
    seed: int = 1,
) -> Profile:
    """Compare treated and controls month by month since the start.

    Parameters
    ----------
    x : Sample or frame
        What matching or weighting returned, with a row a use of a person; or a plain frame with
        `treatment` (then the comparison is naive unless `design` says otherwise).
    panel : frame or Register
        A row a person and calendar month with the outcomes. A month that is null *or absent* was
        not observed: it is never a zero. A register is turned into its monthly panel.
    outcome : str or sequence of str
        Columns of true/false or numbers.
    months : iterable of int
        Months since start; 0 is the calendar month of the start.
    person, start : str, optional
        Columns of the rows, ``person`` also of the panel; `start` is a date or the number of a
        month. Risk sets know theirs; of other rows they are ``"person"`` and ``"start"`` unless
        said. Controls need a start too: the month in which they could have started.
    month : str
        Column of the panel, of the same kind as the start.
    until : str, optional
        Column of the rows: month from which a row is not looked at any more (the control that
        starts himself), null = never.
    treatment, weights : str, optional
        For plain frames.
    design : str, optional
        Key of the registry, where the rows come from elsewhere: an experiment, for instance.
    cluster : str, sequence of str, or False, optional
        Rows that belong together; two or more cross each other. By default the sample's own, or its
        pairs (``"subclass"``), and the person where one stands in several rows; False = none.
    balanced : bool
        Keep only rows observed in all months, so that every month is about the same people.
    definition : Definition, optional
        What counts as work, for a register.
    band : bool
        Also bands that hold for all months of an outcome at once.
    conf_level : float
    seed : int
        Of the draws behind the bands.

    Returns
    -------
    Profile

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types, missing values or starts that cannot be used, a person-month that
        stands twice, or nobody observed.

    Notes
    -----
    Means are weighted over those observed in that month. Standard errors come from influence
    functions, summed by cluster, and count that weights were estimated where the sample says how
    (`Sample.nuisance`); otherwise weights are taken as given, which is on the safe side for strata
    and for matching with replacement. Bands: quantile of the largest
    standardised deviation of the Gaussian limit (Montiel Olea and Plagborg-Møller 2019). Cost is
    one walk along each row's months; nothing of the size of rows × months is kept.

    Examples
    --------
    >>> rows = pl.DataFrame({"person": [1, 2, 3, 4], "start": [12, 12, 13, 13],
    ...                      "treated": [1, 0, 1, 0]})
    >>> panel = pl.DataFrame({"person": [1, 1, 2, 2, 3, 3, 4, 4],
    ...                       "month": [12, 24, 12, 24, 13, 25, 13, 25],
    ...                       "work": [0, 1, 0, 1, 0, 1, 0, 0]})
    >>> found = profile(rows, panel, outcome="work", months=(0, 12), treatment="treated")
    >>> found.tidy()["estimate"].to_list()
    [0.0, 0.5]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "plain")
    outcomes = list(dict.fromkeys(as_columns(outcome)))
    if not outcomes:
        raise CallError("No outcome is named", fix="for instance outcome='in_work'")
    wanted = read_months(months)
    first, last = int(wanted[0]), int(wanted[-1])
    groups = read_groups(
        x, treatment=treatment, weights=weights, design=design, cluster=cluster, person=person,
        start=start,
    )  # fmt: skip
    sample, person, start = groups.sample, groups.person, groups.start
    weight, dropped = groups.weights(np.arange(first, last + 1)), {}
    used = groups.weight > 0
    from toolkit.registers import Register

    if isinstance(panel, Register):
        panel = panel_of(
            panel, sample.frame.filter(pl.Series(used)), person=person, start=start,
            outcomes=outcomes, first=first, last=last, definition=definition,
        )  # fmt: skip
        if person != "person" or month != "month":
            panel = panel.rename({"person": person, "month": month})
    elif definition is not None:
        raise CallError("definition= is for registers: this panel has its outcomes already")
    for name in outcomes:
        if name in {person, month}:
            raise unknown_option("outcome", name, [])
    rows = read_rows(
        sample.frame, used, panel, person=person, start=start, month=month, outcomes=outcomes,
        until=until, first=first, last=last,
    )  # fmt: skip
    dropped["rows without weight in the comparison"] = int((~used).sum())
    unseen = used & (rows.begin == rows.end)
    if balanced:
        at = np.flatnonzero(used)
        whole = months_seen(rows, outcomes, at, first, wanted - first)
        weight = weight.copy()
        weight[at[~whole]] = 0.0
        dropped["not observed in all months (balanced)"] = int((~whole).sum())
        used = used.copy()
        used[at[~whole]] = False
        _require_both(used, sample.treated)
    elif unseen.any():
        groups.warnings.append(
            f"{int(unseen.sum()):,} rows have no month in the panel: they count in no mean"
        )
    found = {
        name: _only(
            moments(
                rows, name, treated=sample.treated, weight=weight, clusters=groups.ways(),
                nuisance=sample.nuisance, first=first, length=last - first + 1,
            ),
            wanted - first,
        )
        for name in outcomes
    }  # fmt: skip
    label = groups.clustering.label or None
    critical = None
    if band:
        critical = {
            name: _path(wanted, one).between(first, last).critical(conf_level, seed)
            for name, one in found.items()
        }
    result = Profile(
        meta={
            "estimand": f"difference in {', '.join(outcomes)} by month since start: "
            + str(sample.meta.get("estimand", ESTIMANDS[sample.estimand])),
            "method": "Profile by month since start, "
            + str(sample.meta.get("method", "groups as they are")),
            "design": groups.design,
            "n": int(used.sum()),
            "n_treated": int((used & sample.treated).sum()),
            "n_control": int((used & ~sample.treated).sum()),
            "dropped": dict(sample.meta.get("dropped", {}))
            | {why: count for why, count in dropped.items() if count},
            "warnings": [
                *sample.meta.get("warnings", ()),
                *groups.warnings,
                *moved_at_all(found),
                *composition(found, wanted),
                *horizon_warning([last]),
            ],
            "cluster": label,
            "balanced": balanced,
            "variance": _variance(sample.nuisance is not None, label),
            "band": "largest standardised deviation over all months" if band else None,
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        month=wanted, by_outcome=found, critical=critical, conf_level=conf_level, seed=seed,
    )  # fmt: skip
    for sentence in horizon_warning([last]):
        python_warnings.warn(sentence, ToolkitWarning, stacklevel=2)
    return result


def _require_both(used: NDArray[np.bool_], treated: NDArray[np.bool_]) -> None:
    if not (used & treated).any() or not (used & ~treated).any():
        raise EmptyCohortError(
            "Nobody of one group is observed in all months",
            fix="ask for fewer months, or leave out balanced=True",
        )


def _path(month: Ints, found: Moments) -> Path:
    return Path(month=month, estimate=found.difference, vcov=found.vcov)


def _only(found: Moments, keep: Ints) -> Moments:
    """Return the moments of some months."""
    from dataclasses import replace

    return replace(
        found,
        mean=found.mean[:, keep],
        variance=found.variance[:, keep],
        count=found.count[:, keep],
        size=found.size[:, keep],
        whole=found.whole[:, keep],
        vcov=found.vcov[np.ix_(keep, keep)],
    )


def _variance(estimated: bool, cluster: str | None) -> str:
    said = "influence functions, " + (
        "estimated weights counted" if estimated else "weights taken as given"
    )
    return said + (f", clusters of {cluster}" if cluster else "")


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
