"""Moves between states, followed month by month: transition and occupation probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    HorizonError,
    NegativeTimeError,
    check_option,
)
from toolkit.result import Result
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.multi_state.chain import Chain, empty_risk_sets, follow
from toolkit.survival.multi_state.curves import StateProbabilities
from toolkit.survival.multi_state.flows import flow_shares
from toolkit.survival.multi_state.hazards import TransitionHazards, transition_hazards
from toolkit.survival.multi_state.landmark import landmark_chains
from toolkit.survival.multi_state.markov_test import (
    MarkovTest,
    check_landmarks,
    make_test,
    refuse_weights,
)
from toolkit.survival.multi_state.regression import TransitionModels, fit_transitions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.estimation.intervals import ConfType
    from toolkit.survival.cox.likelihood import Ties
    from toolkit.survival.multi_state.groups import Groups
    from toolkit.survival.multi_state.history import Moves
    from toolkit.survival.multi_state.source import Source
    from toolkit.survival.multi_state.variance import VarianceType

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MultiState(Result):
    """Counts of moves between S states in G groups; made by `multi_state`.

    Attributes
    ----------
    states : Series
        The S states.
    groups : Groups
        Spells by group.
    moves : tuple of Moves
        The count tables, one a group.
    variance : {"jackknife", "greenwood", "aalen"}
    conf_level, conf_type
        Of the intervals.
    source : Source
        The data.
    """

    states: pl.Series
    groups: Groups = field(repr=False)
    moves: tuple[Moves, ...] = field(repr=False)
    variance: VarianceType
    conf_level: float
    conf_type: ConfType
    source: Source = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return the occupation probabilities: a row per group, state and time."""
        return self._occupied.tidy()

    def occupation(
        self, p0: Mapping[Any, float] | None = None, *, start: float | None = None
    ) -> StateProbabilities:
        """Return the probability of being in each state at each time.

        Parameters
        ----------
        p0 : mapping, optional
            From a state to its probability at the start, taken as known. Without it the weighted
            shares of those observed at the start, with their sampling error.
        start : float, optional
            Follow from this time on. Without it from where the first is observed, with the shares
            of those at risk at the first move, as R's `survfit` takes them.

        Notes
        -----
        p(t) = p(0) ∏ (I + dA). Unlike transition probabilities this needs no Markov assumption
        when nobody enters late and censoring has nothing to do with the states (Datta and Satten
        2001).
        """
        begin = None if p0 is None else self._begin(p0)
        chains = [
            follow(history, moves, start=start, begin=begin, variance=self.variance)
            for history, moves in zip(self.groups.histories, self.moves, strict=True)
        ]
        return self._curves(
            chains, self.groups.labels, column="state",
            estimand="P(state at t)", method="Aalen-Johansen",
        )  # fmt: skip

    def probabilities(self, start: float = 0) -> StateProbabilities:
        """Return the transition probabilities P(s, t) for s = `start` and every later time.

        A chain for every state of origin: the probability of each state at t of those in it at s.

        Notes
        -----
        P(s, t) = ∏ (I + dA(u)) over s < u ≤ t (Aalen and Johansen 1978). For s after everyone has
        begun this assumes that the process is Markov: see `markov_test` and `landmark`.
        """
        _check_start(start)
        ends = [float(history.stop.max()) for history in self.groups.histories]
        if start >= min(ends):
            raise HorizonError(
                f"Nobody is seen after {start:g}, so no chance of moving can be estimated",
                where=f"observation ends at {min(ends):g}"
                + (" in one group" if len(ends) > 1 else ""),
                fix="ask from an earlier time",
            )
        chains = [
            follow(history, moves, start=start, begin=unit, variance=self.variance)
            for history, moves in zip(self.groups.histories, self.moves, strict=True)
            for unit in np.eye(len(self.states))
        ]
        return self._curves(
            chains, self._with_origin(range(len(self.states))), column="to",
            estimand=f"P(state at t | state at {start:g})", method="Aalen-Johansen",
        )  # fmt: skip

    def landmark(self, at: float, *, states: Sequence[Any] | None = None) -> StateProbabilities:
        """Return transition probabilities from those who are seen in a state at a landmark.

        Parameters
        ----------
        at : float
            The landmark s.
        states : sequence, optional
            States of origin; without it all in which somebody is seen at s in every group.

        Notes
        -----
        Only the persons observed in the state at s are followed, in an occupation estimate of
        their own: right also where the process is not Markov, at the price of precision (Putter
        and Spitoni 2018). Persons who enter observation after s do not count.
        """
        _check_start(at)
        wanted = None if states is None else [self._number(state) for state in states]
        origins, chains = landmark_chains(self.groups.histories, at, wanted, variance=self.variance)
        return self._curves(
            chains, self._with_origin(origins), column="to",
            estimand=f"P(state at t | state at {at:g})", method="Landmark Aalen-Johansen",
        )  # fmt: skip

    def expected_time(
        self, horizon: float, *, p0: Mapping[Any, float] | None = None, start: float | None = None
    ) -> pl.DataFrame:
        """Return the expected time in each state up to a horizon; see `occupation`."""
        curves = (
            self._occupied if p0 is None and start is None else self.occupation(p0, start=start)
        )
        return curves.expected_time(horizon)

    def influence(self, times: float | Sequence[float]) -> Floats:
        """Return how each row moves the occupation of its group, (N, S, times)."""
        return self._occupied.influence(times)

    def hazards(self) -> TransitionHazards:
        """Return the cumulative hazard of every kind of move that happens (Nelson and Aalen)."""
        return transition_hazards(
            self.groups, self.moves, self.states, self.variance, {**self.meta},
            conf_level=self.conf_level, conf_type=self.conf_type,
        )  # fmt: skip

    def markov_test(self, landmarks: Sequence[float] | None = None, *, seed: int = 1) -> MarkovTest:
        """Test whether moves after a landmark depend on the state at the landmark.

        Parameters
        ----------
        landmarks : sequence of float, optional
            Without them five quantiles of the times of moves.
        seed : int
            Of the draws from which p-values of the largest statistic come.

        Notes
        -----
        For every kind of move, landmark and state then, a log-rank statistic compares those who
        were in that state with the others at risk, at all times after the landmark; under the
        Markov property it is standard normal. The test takes the largest of them, judged by the
        normal distribution with their covariance (Titman and Putter 2022 let the wild bootstrap
        give it). Groups are strata. Comparisons that too few moves can tell are left out.
        """
        refuse_weights(self.meta["weight_type"], self.meta["variance"])
        return make_test(
            self.groups.histories, self.moves, self.states, check_landmarks(landmarks),
            {**self.meta}, seed,
        )  # fmt: skip

    def cox(
        self,
        formula: str,
        *,
        transitions: Sequence[tuple[Any, Any]] | None = None,
        shared: bool = False,
        ties: Ties = "efron",
        strata: str | Sequence[str] | None = None,
        robust: bool | None = None,
    ) -> TransitionModels:
        """Fit Cox models to the moves, each with a baseline of its own (per group as well).

        Parameters
        ----------
        formula : str
            Right-hand side, of columns of the data: ``age + sex``. With `shared` the column
            ``transition`` ("benefit → work") may stand in it.
        transitions : sequence of (from, to), optional
            Kinds of move; without it all that happen.
        shared : bool
            One set of coefficients for all moves; without it a model each.
        ties, strata, robust
            As in `cox`; a robust variance adds up the rows of a person, or of a cluster.

        Returns
        -------
        TransitionModels
            Its `occupation(new, times, p0=…)` is where a unit with given covariates is expected
            to be.

        Notes
        -----
        Time runs from the start of the study, not from the entry into a state ("clock forward").
        """
        happens = sum(moves.n_move.sum(axis=0) for moves in self.moves) > 0
        if transitions is None:
            wanted = [(int(h), int(j)) for h, j in zip(*np.nonzero(happens), strict=True)]
        else:
            wanted = [(self._number(h), self._number(j)) for h, j in transitions]
        for h, j in wanted:
            if not happens[h, j]:
                raise EmptyCohortError(
                    f"Nobody moves from {self.states[h]!r} to {self.states[j]!r}",
                    fix="leave this move out of transitions",
                )
        kind = self.meta["weight_type"]
        return fit_transitions(
            formula, self.source, self.states, wanted, shared=shared, by=self.groups.by,
            meta={**self.meta}, ties=ties, strata=strata, robust=robust,
            weights=self.source.weights, weight_type=kind, cluster=self.source.cluster,
            conf_level=self.conf_level,
        )  # fmt: skip

    def transitions(self) -> pl.DataFrame:
        """Return the moves counted: the `by` columns, `from, to, n_event`."""
        total = np.stack([moves.n_move.sum(axis=0) for moves in self.moves])
        group, origin, target = np.nonzero(total)
        return pl.DataFrame(
            {
                **self._group_columns(group),
                "from": self.states.gather(origin),
                "to": self.states.gather(target),
                "n_event": self._counts(total[group, origin, target]),
            }
        )

    def flows(self, times: Sequence[float]) -> pl.DataFrame:
        """Return who was where at one time and is where at the next: shares of all at the start.

        Columns: the `by` columns, `time, time_to, from, to, estimate`; for each two times next to
        one another the estimates add up to one.

        Notes
        -----
        p_h(s) P_hj(s, t) with P by Aalen and Johansen, so that what comes out of one period goes
        into the next.
        """
        asked = check_times(times)
        if len(asked) < 2:
            raise CallError(
                "Flows are between two times or more", fix="for instance flows([0, 12])"
            )
        group, period, origin, target, flow = flow_shares(
            self._occupied.chains, asked, len(self.states)
        )
        return pl.DataFrame(
            {
                **self._group_columns(group),
                "time": time_series(asked[period]),
                "time_to": time_series(asked[period + 1]),
                "from": self.states.gather(origin),
                "to": self.states.gather(target),
                "estimate": pl.Series(flow).fill_nan(None),
            }
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: numbers of spells, persons, moves, states and groups."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_person": [self.meta["n_person"]],
                "n_event": [self.meta["n_event"]],
                "n_state": [len(self.states)],
                "n_group": [len(self.moves)],
                "time_max": [max(float(h.stop.max()) for h in self.groups.histories)],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the occupation probabilities with their bands."""
        return self._occupied.plot(ax, **options)

    @cached_property
    def _occupied(self) -> StateProbabilities:
        return self.occupation()

    def _curves(
        self, chains: Sequence[Chain], labels: pl.DataFrame, *, column: str, estimand: str,
        method: str,
    ) -> StateProbabilities:  # fmt: skip
        warnings = [*self.meta["warnings"], *empty_risk_sets(chains, self.states)]
        return StateProbabilities(
            meta={**self.meta, "estimand": estimand, "method": method, "warnings": warnings},
            states=self.states, labels=labels, chains=tuple(chains), state_column=column,
            conf_level=self.conf_level, conf_type=self.conf_type,
            groups=self.groups, source=self.source,
        )  # fmt: skip

    def _with_origin(self, origins: Sequence[int] | NDArray[np.int64] | range) -> pl.DataFrame:
        labels = self.groups.labels
        number = np.repeat(np.arange(labels.height), len(origins))
        origin = np.tile(np.asarray(origins), labels.height)
        return pl.DataFrame({**self._group_columns(number), "from": self.states.gather(origin)})

    def _group_columns(self, number: NDArray[np.int64]) -> dict[str, pl.Series]:
        return {name: self.groups.labels[name].gather(number) for name in self.groups.by}

    def _counts(self, values: Floats) -> pl.Series:
        whole = self.meta["weight_type"] is None
        return pl.Series(np.rint(values).astype(np.int64) if whole else values)

    def _number(self, state: Any) -> int:
        known = self.states.to_list()
        if state not in known:
            check_option("state", str(state), [str(name) for name in known])
            raise CallError(f"{state!r} is not a state", fix=f"it may be one of {known}")
        return known.index(state)

    def _begin(self, p0: Mapping[Any, float]) -> Floats:
        begin = np.zeros(len(self.states))
        try:
            given = {state: float(share) for state, share in p0.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise CallError(
                f"p0={p0!r} does not say how likely each state is",
                fix=f"for instance p0={{{self.states[0]!r}: 1.0}}",
            ) from error
        for state, share in given.items():
            begin[self._number(state)] = share
        if not ((begin >= 0).all() and np.isclose(begin.sum(), 1, atol=1e-9)):
            what = "holds a negative share" if (begin < 0).any() else f"adds up to {begin.sum():g}"
            raise CallError(f"p0 {what}", fix="give probabilities that add up to one")
        return begin


def _check_start(start: Any) -> None:
    try:
        usable = bool(np.isfinite(start)) and start >= 0
    except TypeError:
        usable = False
    if not usable:
        raise NegativeTimeError(f"{start!r} is not a time from 0 on", fix="give a finite time ≥ 0")
