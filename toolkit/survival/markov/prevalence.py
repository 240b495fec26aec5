"""How many are in each state over time: seen, and expected by the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import HorizonError
from toolkit.estimation.intervals import normal_quantile
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.markov.viterbi import trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.markov.chain import MarkovChain

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Matrix exponentials that standard errors of the expected numbers may cost.
_MOST_WORK = 2_000_000


def count_prevalence(chain: MarkovChain, times: float | Sequence[float]) -> pl.DataFrame:
    """Return numbers seen and expected in each state (Gentleman and others 1994).

    A person is counted at a time from the first observation to the last, or from then on once in a
    state that nobody leaves; the state is the one last seen. Expected are the chances of each of
    those persons, from the first state on, with the covariates as they were at the first
    observation. Where states are seen with error, both are about states as seen, and the chances
    start from the estimated first states. A censored state counts as the likeliest one.

    Returns
    -------
    DataFrame
        `time, state, n_risk, observed, expected, std_error, conf_low, conf_high`: numbers of
        persons (weighted); the error is that of `expected` for what is not known of the
        intensities, null where it would take too long. R's `prevalence.msm` multiplies the number
        at risk by one forecast for all; the two agree where all start alike.
    """
    asked = check_times(times)
    records, layout = chain.records, chain.problem.layout
    structure = layout.structure
    size = structure.n_state
    if asked.max() > records.time.max():
        raise HorizonError(
            f"Time {asked.max():g} lies after the last observation of all, {records.time.max():g}",
            fix="ask for times up to then: later only those in a state nobody leaves would count",
        )
    first = np.flatnonzero(np.append(True, records.person[1:] != records.person[:-1]))
    last = np.append(first[1:], len(records.person)) - 1
    state = records.observed.copy()
    unsure = state >= size
    if unsure.any():
        state[unsure] = trace(chain)[0][unsure]
    ever = structure.absorbing[state[last]]
    weight = records.weight[first]
    begin = records.time[first]
    interval = np.searchsorted(records.end, first + 1)  # of a person's first interval
    pattern = records.pattern[np.minimum(interval, len(records.end) - 1)]
    origin = np.zeros(len(first), np.int64) if structure.hidden else state[first]
    groups, group = np.unique(np.stack([pattern, begin, origin], axis=1), axis=0,
                              return_inverse=True)  # fmt: skip
    group = group.ravel()
    at_risk = np.empty((len(asked), len(groups)))
    observed = np.empty((len(asked), size))
    # sorted by person and time: the last observation at or before t is a search in one long line
    span = float(np.ptp(records.time)) + 1.0
    line = records.person * span + (records.time - records.time.min())
    for row, t in enumerate(asked):
        there = (begin <= t) & (ever | (records.time[last] >= t))
        which = np.flatnonzero(there)
        goal = which * span + min(t - records.time.min(), span - 0.5)
        seen = np.searchsorted(line, goal, side="right") - 1
        observed[row] = np.bincount(state[seen], weight[which], minlength=size)
        at_risk[row] = np.bincount(group[which], weight[which], minlength=len(groups))
    places, place = np.unique(groups[:, :2], axis=0, return_inverse=True)

    def expected(theta: Floats) -> Floats:
        chances = _forecast(chain, theta, places, asked)  # (times, places, S, S)
        if structure.hidden:
            chances = layout.first_states(theta) @ chances @ layout.mistakes(theta)
            return np.asarray(np.einsum("tg,tgs->ts", at_risk, chances[:, place.ravel()]))
        own = chances[:, place.ravel(), groups[:, 2].astype(np.int64)]
        return np.asarray(np.einsum("tg,tgs->ts", at_risk, own))

    work = len(places) * len(asked) * (len(chain.breaks) + 1) * 2 * layout.size
    if work <= _MOST_WORK:
        value, error = chain._delta(expected)  # noqa: SLF001 - the chain's own page
    else:
        value, error = expected(chain.theta), np.full((len(asked), size), np.nan)
    half = normal_quantile(chain.conf_level) * error
    total = at_risk.sum(axis=1, keepdims=True)
    numbers = {
        "n_risk": np.broadcast_to(total, observed.shape),
        "observed": observed,
        "expected": value,
        "std_error": error,
        "conf_low": np.maximum(value - half, 0.0),
        "conf_high": np.minimum(value + half, total),
    }
    return pl.DataFrame(
        {
            "time": time_series(np.repeat(asked, size)),
            "state": structure.series("state", np.tile(np.arange(size), len(asked))),
            **{name: pl.Series(x.ravel()).fill_nan(None) for name, x in numbers.items()},
        }
    )


def _forecast(chain: MarkovChain, theta: Floats, places: Floats, times: Floats) -> Floats:
    """Return P(begin, t), (times, G, S, S), of G pairs of a pattern and a time of beginning."""
    from toolkit.survival.markov import kernels

    breaks = chain.breaks
    edges = np.concatenate([[-np.inf], breaks, [np.inf]])
    pattern, begin = places[:, 0].astype(np.int64), places[:, 1]
    q = chain._generators(theta, _per_period(chain, pattern))  # noqa: SLF001
    size = q.shape[-1]
    out = np.empty((len(times), len(places), size, size))
    everyone = np.arange(len(places))
    for row, t in enumerate(times):
        so_far = np.broadcast_to(np.eye(size), (len(places), size, size))
        for period in range(len(edges) - 1):
            length = np.minimum(t, edges[period + 1]) - np.maximum(begin, edges[period])
            length = np.maximum(length, 0.0)
            if not length.any():
                continue
            p = np.empty((len(places), size, size))
            kernels.exponentials(everyone, np.ascontiguousarray(q[:, period]), everyone, length, p)
            so_far = so_far @ p
        out[row] = so_far
    return out


def _per_period(chain: MarkovChain, pattern: Ints) -> Floats:
    """Return covariates of patterns in every period, (G, B + 1, J)."""
    rows = chain.records.x[pattern]
    n_break = len(chain.breaks)
    periods = np.concatenate([np.zeros((1, n_break)), np.eye(n_break)])
    x = np.empty((len(rows), n_break + 1, rows.shape[1] + n_break))
    x[..., : rows.shape[1]] = rows[:, None, :]
    x[..., rows.shape[1] :] = periods
    return x
