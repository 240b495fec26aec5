"""A fitted Markov chain in continuous time, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.estimation.intervals import normal_quantile
from toolkit.result import Result
from toolkit.survival.markov.asked import (
    NAMELESS,
    answers,
    period_names,
    read_rows,
    read_times,
)
from toolkit.survival.markov.constraints import BASELINE
from toolkit.survival.markov.parameters import MISTAKE, OPENING
from toolkit.survival.markov.quantities import (
    delta,
    next_states,
    positive_interval,
    share_interval,
    time_in_states,
    transition_matrix,
    without_dust,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.markov.likelihood import Problem
    from toolkit.survival.markov.records import Records
    from toolkit.survival.markov.structure import Structure

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MarkovChain(Result):
    """A fitted chain; made by `markov`.

    S states, T allowed moves, p parameters θ: log intensities at the covariates' means, effects on
    them, and for states seen with error the log odds of each error and of the first states.

    Attributes
    ----------
    theta : (p,) array
    vcov, vcov_model : (p, p) arrays
        Variance of θ, robust where `robust`, and minus the inverse of the second derivatives;
        nan for parameters held on the boundary.
    robust : bool
    loglik, loglik_start : float
        At the optimum and at the starting values.
    conf_level : float
    breaks : (B,) array
        Times at which the intensities change.
    """

    theta: Floats = field(repr=False)
    vcov: Floats = field(repr=False)
    vcov_model: Floats = field(repr=False)
    robust: bool
    loglik: float
    loglik_start: float
    conf_level: float
    breaks: Floats
    spread: Floats = field(repr=False)
    problem: Problem = field(repr=False)
    records: Records = field(repr=False)
    names: dict[str, str] = field(repr=False)

    @property
    def states(self) -> tuple[int | str, ...]:
        """The S states, in order."""
        return self._structure.states

    @property
    def _structure(self) -> Structure:
        return self.problem.layout.structure

    def tidy(self) -> pl.DataFrame:
        """Return a row per parameter.

        Columns: `term, from, to, estimate, std_error, statistic, p_value, conf_low, conf_high`.
        `term` is ``intensity`` (log, at the covariates' means and in the first period), a
        covariate or period (log ratio of intensities), ``misclassification`` (log odds of seeing
        `to` instead of `from`) or ``initial`` (log odds of starting in `to` instead of the
        commonest first state). `from` and `to` are null where moves share a parameter.
        """
        from scipy.special import ndtr

        layout = self.problem.layout
        error = np.sqrt(np.diag(self.vcov))
        half = normal_quantile(self.conf_level) * error
        at_edge = ~np.isfinite(error)
        statistic = self.theta / error
        effect = np.array([kind not in {BASELINE, MISTAKE, OPENING} for kind in layout.kind])
        statistic[~effect] = np.nan  # a log intensity of 0 is no hypothesis
        numbers = {
            "estimate": np.where(at_edge & ~effect, -np.inf, np.where(at_edge, np.nan, self.theta)),
            "std_error": error,
            "statistic": statistic,
            "p_value": 2 * ndtr(-np.abs(statistic)),
            "conf_low": self.theta - half,
            "conf_high": self.theta + half,
        }
        return pl.DataFrame(
            {
                "term": list(layout.kind),
                "from": self._label("from", layout.origin),
                "to": self._label("to", layout.target),
                **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
            }
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, log-likelihood, and information criteria."""
        estimated = int(np.isfinite(np.diag(self.vcov)).sum())
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_person": [self.meta["n_person"]],
                "n_interval": [self.meta["n_interval"]],
                "n_event": [self.meta["n_event"]],
                "n_state": [len(self.states)],
                "df": [estimated],
                "loglik": [self.loglik],
                "aic": [2 * estimated - 2 * self.loglik],
                "bic": [estimated * float(np.log(self.meta["n_person"])) - 2 * self.loglik],
                "conf_level": [self.conf_level],
            }
        )

    def intensities(self, new: Any = None) -> pl.DataFrame:
        """Return the intensity of each allowed move, with intervals on the log scale.

        Parameters
        ----------
        new : frame or dict, optional
            Rows of covariates. None: the covariates' means over the intervals.

        Returns
        -------
        DataFrame
            The columns of `new`, `period` where intensities change over time, `from, to, estimate,
            std_error, conf_low, conf_high`; a row per row of `new`, period and move.
        """
        x, labels = self._asked(new)
        structure = self._structure

        def moves(theta: Floats) -> Floats:
            q = self._generators(theta, x)
            return np.asarray(q[..., structure.origin, structure.target])

        value, error = self._delta(moves)
        low, high = positive_interval(value, error, self.conf_level)
        return answers(labels, [self._periods(), self._move_labels()], value, error, low, high)

    def hazard_ratios(self) -> pl.DataFrame:
        """Return the ratio of intensities per unit of each covariate (and period), per move.

        Columns: `term, from, to, estimate, std_error, statistic, p_value, conf_low, conf_high`;
        the error and the statistic are those of the log ratio.
        """
        layout, structure = self.problem.layout, self._structure
        places = [
            (term, t, place)
            for term, row in zip(layout.terms, layout.effect, strict=True)
            for t, place in enumerate(row)
            if place >= 0
        ]
        rows = np.array([place for _, _, place in places], dtype=np.int64)
        moves = np.array([t for _, t, _ in places], dtype=np.int64)
        found = self.tidy()[rows] if len(rows) else self.tidy().clear()
        return found.with_columns(
            structure.series("from", structure.origin[moves]),
            structure.series("to", structure.target[moves]),
            pl.col("estimate", "conf_low", "conf_high").exp(),
        )

    def probabilities(
        self, time: float | Sequence[float], *, start: float = 0.0, new: Any = None
    ) -> pl.DataFrame:
        """Return the chance of each state at `time`, by state at `start`.

        Parameters
        ----------
        time : float or sequence of float
            End of the interval, after `start`. Without breaks only the difference matters.
        start : float
        new : frame or dict, optional
            As in `intensities`.

        Returns
        -------
        DataFrame
            The columns of `new`, `time, from, to, estimate, std_error, conf_low, conf_high`.
            Intervals are on the logit scale; null where a chance is 0 or 1 by structure.
        """
        x, labels = self._asked(new)
        times = read_times(time, start)

        def chances(theta: Floats) -> Floats:
            q = self._generators(theta, x)
            found = [transition_matrix(q, self.breaks, start, t) for t in times]
            return np.stack(found, axis=1)

        value, error = self._delta(chances)
        value = np.clip(value, 0.0, 1.0)
        low, high = share_interval(value, error, self.conf_level)
        parts = [pl.DataFrame({"time": times}), *self._pairs()]
        return answers(labels, parts, value, error, low, high)

    def expected_time(self, horizon: float, *, start: float = 0.0, new: Any = None) -> pl.DataFrame:
        """Return the expected time in each state between `start` and `horizon`, by first state.

        Columns: those of `new`, `from, to, estimate, std_error, conf_low, conf_high`; the rows of
        one `from` add up to `horizon` - `start`. Intervals are on the logit scale of the share of
        that time.
        """
        x, labels = self._asked(new)
        read_times(horizon, start)

        def times(theta: Floats) -> Floats:
            return time_in_states(self._generators(theta, x), self.breaks, start, horizon)

        value, error = self._delta(times)
        low, high = share_interval(value, error, self.conf_level, horizon - start)
        return answers(labels, [*self._pairs()], value, error, low, high)

    def sojourn(self, new: Any = None) -> pl.DataFrame:
        """Return the mean time that a stay in each state lasts, with intervals on the log scale.

        Columns: those of `new`, `period`, `state, estimate, std_error, conf_low, conf_high`; states
        that nobody leaves are not there.
        """
        x, labels = self._asked(new)
        left = np.flatnonzero(~self._structure.absorbing)

        def means(theta: Floats) -> Floats:
            q = self._generators(theta, x)
            with np.errstate(divide="ignore"):
                return np.asarray(-1 / q[..., left, left])

        value, error = self._delta(means)
        low, high = positive_interval(value, error, self.conf_level)
        states = self._structure.series("state", left).to_frame()
        return answers(labels, [self._periods(), states], value, error, low, high)

    def next_state(self, new: Any = None) -> pl.DataFrame:
        """Return the chance that a move out of `from` goes to `to`, with intervals (logit scale).

        Columns: those of `new`, `period`, `from, to, estimate, std_error, conf_low, conf_high`.
        """
        x, labels = self._asked(new)
        structure = self._structure

        def shares(theta: Floats) -> Floats:
            found = next_states(self._generators(theta, x), structure.mask)
            return np.asarray(found[..., structure.origin, structure.target])

        value, error = self._delta(shares)
        low, high = share_interval(value, error, self.conf_level)
        return answers(labels, [self._periods(), self._move_labels()], value, error, low, high)

    def misclassification(self) -> pl.DataFrame:
        """Return the chance of seeing each state by true state, with intervals (logit scale).

        Columns: `true, seen, estimate, std_error, conf_low, conf_high`; a row per pair that can be.
        """
        layout, structure = self.problem.layout, self._structure
        if not structure.hidden:
            raise CallError(
                "States are taken as seen", fix="fit with misclassification= to estimate errors"
            )
        true, seen = np.nonzero(layout.mistakes(np.zeros(layout.size)) > 0)
        value, error = self._delta(lambda theta: layout.mistakes(theta)[true, seen])
        low, high = share_interval(value, error, self.conf_level)
        names = [structure.series("true", true).to_frame().with_columns(
            structure.series("seen", seen))]  # fmt: skip
        return answers(NAMELESS, names, value, error, low,
                           high)  # fmt: skip

    def initial(self) -> pl.DataFrame:
        """Return the chance of each true state at the first observation, with intervals.

        Columns: `state, estimate, std_error, conf_low, conf_high`.
        """
        layout, structure = self.problem.layout, self._structure
        if not structure.hidden:
            raise CallError("First states are taken as seen", fix="count them in the data")
        value, error = self._delta(layout.first_states)
        low, high = share_interval(value, error, self.conf_level)
        names = [structure.series("state", np.arange(structure.n_state)).to_frame()]
        return answers(NAMELESS, names, value, error, low,
                           high)  # fmt: skip

    def prevalence(self, times: float | Sequence[float]) -> pl.DataFrame:
        """Return how many are seen in each state at `times`, and how many the chain expects.

        See `toolkit.survival.markov.prevalence.count_prevalence`.
        """
        from toolkit.survival.markov.prevalence import count_prevalence

        return count_prevalence(self, times)

    def viterbi(self) -> pl.DataFrame:
        """Return the likeliest true state at every observation, given all of the person's.

        See `toolkit.survival.markov.viterbi.likeliest_states`.
        """
        from toolkit.survival.markov.viterbi import likeliest_states

        return likeliest_states(self)

    def influence(self) -> Floats:
        """Return each row's influence on θ, (N, p): what adding the row would change.

        An interval counts at the row that ends it, a chain of uncertain observations at its last
        row; other rows have 0. Weights are included. Sums over persons give the robust variance.
        """
        from toolkit.survival.markov.influence import row_influence

        return row_influence(self)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw seen and expected shares of each state over time."""
        from toolkit.survival.markov._plot import plot_prevalence

        return plot_prevalence(self, ax=ax, **options)

    def _generators(self, theta: Floats, x: Floats) -> Floats:
        return self.problem.layout.generators(theta, x)

    def _delta(self, function: Any) -> tuple[Floats, Floats]:
        return without_dust(*delta(function, self.theta, self.vcov, self.spread))

    def _asked(self, new: Any) -> tuple[Floats, pl.DataFrame]:
        """Return covariates per row of `new` and period, (R, B + 1, J), and the rows' labels."""
        return read_rows(self.records.covariates, self.problem.layout.centre, self.breaks, new)

    def _label(self, name: str, numbers: NDArray[np.int64]) -> pl.Series:
        labels = [self.states[i] if i >= 0 else None for i in numbers]
        return pl.Series(name, labels, dtype=pl.Series(list(self.states)).dtype)

    def _move_labels(self) -> pl.DataFrame:
        structure = self._structure
        return pl.DataFrame([structure.series("from", structure.origin),
                             structure.series("to", structure.target)])  # fmt: skip

    def _pairs(self) -> list[pl.DataFrame]:
        everyone = np.arange(len(self.states))
        return [self._structure.series(name, everyone).to_frame() for name in ("from", "to")]

    def _periods(self) -> pl.DataFrame:
        """Return the periods, a row each; one nameless where intensities do not change."""
        if not len(self.breaks):
            return NAMELESS
        return pl.DataFrame({"period": period_names(self.breaks)})
