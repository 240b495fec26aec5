"""State probabilities over time, as users see them: by group and, where it applies, by origin."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.estimation.intervals import interval, normal_quantile
from toolkit.survival.curve_result import CurveResult
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.multi_state.family import ChainCurves, chain_curves, unit_weights
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.multi_state.chain import Chain
    from toolkit.survival.multi_state.groups import Groups
    from toolkit.survival.multi_state.source import Source
    from toolkit.survival.pseudo import PseudoMethod

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StateProbabilities(CurveResult):
    """Probabilities of S states over time; one chain a group (and state of origin).

    Made by the methods of `MultiState`.

    Attributes
    ----------
    states : Series
        The S states.
    labels : DataFrame
        What tells the chains apart, one row each: the `by` columns, and `from`.
    chains : tuple of Chain
    state_column : str
        ``state`` for occupation, ``to`` for transitions.
    groups : Groups
        Spells by group.
    source : Source
        The data.
    """

    states: pl.Series
    labels: pl.DataFrame
    chains: tuple[Chain, ...] = field(repr=False)
    state_column: str
    groups: Groups = field(repr=False)
    source: Source = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row per chain, state and time at which somebody moves or leaves.

        Columns: the `by` columns, `from` (transitions only), `state` or `to`, `time, n_risk`
        (in that state just before), `estimate, std_error, conf_low, conf_high`. The first row of
        each is the start.
        """
        parts = []
        for c, chain in enumerate(self.chains):
            later = chain.time > chain.start
            time = np.concatenate([[chain.start], chain.time[later]])
            n_risk = np.vstack([chain.begin_risk, chain.moves.n_risk[later]])
            value = np.vstack([chain.begin, chain.value[later]])
            error = np.vstack([chain.begin_error, chain.std_error[later]])
            parts.append((np.full(len(time), c), time, n_risk, value, error))
        return self._frame(*(np.concatenate(x) for x in zip(*parts, strict=True)))

    def at(self, times: float | Sequence[float]) -> pl.DataFrame:
        """Return the probabilities at given times, as step functions.

        Before a chain's start and past its last observed time nothing is known: the row is there,
        its estimate null.
        """
        asked = check_times(times)
        parts = []
        for c, chain in enumerate(self.chains):
            value, error = chain.at(asked)
            next_row = np.searchsorted(chain.time, asked, side="left")
            none = np.zeros((1, len(self.states)))
            n_risk = np.vstack([chain.moves.n_risk, none])[next_row]
            n_risk[asked <= chain.start] = chain.begin_risk
            parts.append((np.full(len(asked), c), asked, n_risk, value, error))
        return self._frame(*(np.concatenate(x) for x in zip(*parts, strict=True)))

    def stacked(self, order: Sequence[Any] | None = None) -> pl.DataFrame:
        """Return the probabilities as layers of a stack, with intervals of where each layer ends.

        Parameters
        ----------
        order : sequence, optional
            States from the bottom up; without it in their own order.

        Returns
        -------
        DataFrame
            As `tidy()`, with `top, top_low, top_high`: the probability of this state or one below
            it, and its interval (from the covariance of the states).
        """
        known = self.states.to_list()
        places = list(range(len(known))) if order is None else [
            known.index(state) if state in known else -1 for state in order
        ]  # fmt: skip
        if sorted(places) != list(range(len(known))):
            raise CallError(f"order={order!r} is not all states once", fix=f"order {known}")
        below = np.array([[places.index(b) <= places.index(a) for b in range(len(known))]
                          for a in range(len(known))], dtype=np.float64)  # fmt: skip
        value, error = [], []
        for chain in self.chains:
            later = chain.time > chain.start
            value.append(np.vstack([chain.begin, chain.value[later]]) @ below.T)
            spread = np.concatenate([chain.begin_vcov[None], chain.vcov[later]])
            squared = np.einsum("as,tsr,ar->ta", below, spread, below)
            error.append(np.sqrt(np.maximum(squared, 0.0)))
        tops = np.concatenate([x.T.ravel() for x in value])
        tops[tops > 1 - 1e-12] = 1.0
        low, high = interval(
            tops, np.concatenate([x.T.ravel() for x in error]),
            conf_level=self.conf_level, conf_type=self.conf_type,
        )  # fmt: skip
        numbers = {"top": tops, "top_low": low, "top_high": high}
        return self.tidy().with_columns(
            pl.Series(name, x).fill_nan(None) for name, x in numbers.items()
        )

    def matrix(self, time: float) -> pl.DataFrame:
        """Return the probabilities at one time as a table: a row a chain, a column a state."""
        found = self.at(time)
        keys = [name for name in self.labels.columns if name]
        wide = found.with_columns(pl.col(self.state_column).cast(pl.String))
        return wide.pivot(self.state_column, index=keys or "time", values="estimate")

    def vcov(self, time: float) -> Floats:
        """Return the covariance of the states' probabilities at a time, (chains, S, S)."""
        asked = check_times(time)
        out = []
        for chain in self.chains:
            row = int(np.searchsorted(chain.time, asked[0], side="right"))
            out.append(chain.begin_vcov if row == 0 else chain.vcov[row - 1])
        return np.stack(out)

    def expected_time(self, horizon: float) -> pl.DataFrame:
        """Return the expected time in each state from the start to a horizon, with its error.

        Columns: the `by` columns, `from`, `state` or `to`, `time` (the horizon), `estimate`,
        `std_error, conf_low, conf_high`; the interval is estimate ± z standard errors, not below
        0. Null for a chain that is not observed up to the horizon. The error is the infinitesimal
        jackknife's.

        Raises
        ------
        toolkit.errors.HorizonError
            When no chain is observed that long.
        """
        asked = check_times(horizon)
        if len(asked) != 1:
            raise CallError(f"horizon={horizon!r} is not one time", fix="ask for one at a time")
        starts = min(chain.start for chain in self.chains)
        if asked[0] <= starts:
            raise CallError(f"horizon={horizon:g} is not after the start", fix="ask for later")
        value, error = (x.reshape(len(self.chains), -1) for x in self._curves().areas(asked[0]))
        number = np.arange(len(self.chains))
        frame = self._frame(number, np.full(len(number), asked[0]), None, value, error)
        half = normal_quantile(self.conf_level) * pl.col("std_error")
        return frame.with_columns(
            conf_low=(pl.col("estimate") - half).clip(lower_bound=0.0),
            conf_high=pl.col("estimate") + half,
        )

    def pseudo_values(
        self,
        times: float | Sequence[float] | None = None,
        *,
        horizon: float | None = None,
        method: PseudoMethod = "infinitesimal",
    ) -> Floats:
        """Return a value for every person whose mean is the estimate, also where it is censored.

        As `influence`, (N, K, T) or (N, K), but the person's value stands in each of their rows:
        take one row a person. θ + W U, with U what all rows of the person move (one unit of weight)
        and W the group's persons (their weights). NaN at weight 0.
        """
        check_option("method", method, ("infinitesimal",))
        curves = self._curves()
        moved = self.influence(times, horizon=horizon)
        out = np.full_like(moved, np.nan)
        where = check_times(times) if times is not None else None
        for g, history in enumerate(self.groups.histories):
            weight = unit_weights(history)
            theta = curves.areas(float(horizon or 0))[0][g] if where is None else (
                curves.at(g, where)[0])  # fmt: skip
            flat = moved[history.row].reshape(len(history.row), -1)
            sums = add_up(flat, history.unit, len(weight)) / weight[:, None]
            values = theta.ravel() + weight.sum() * sums
            out[history.row] = values[history.unit].reshape(-1, *theta.shape)
        return out

    def glance(self) -> pl.DataFrame:
        """Return one row: numbers of spells, persons, moves, states and chains."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_person": [self.meta["n_person"]],
                "n_event": [self.meta["n_event"]],
                "n_state": [len(self.states)],
                "n_curve": [len(self.chains)],
                "start": [min(chain.start for chain in self.chains)],
                "time_max": [max(chain.end for chain in self.chains)],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw a curve with its band for every chain and state."""
        from toolkit.survival._plot import plot_curves

        keys = [name for name in self.labels.columns if name]
        ax = plot_curves(
            self.tidy(), by=[*keys, self.state_column], ax=ax, start=np.nan, at_risk=None,
            ylabel="Probability", **options,
        )  # fmt: skip
        ax.set_ylim(0, 1)
        return ax

    def _curves(self) -> ChainCurves:
        return self._family

    @cached_property
    def _family(self) -> ChainCurves:
        return chain_curves(
            self.chains, self.labels, self.states, self.state_column, self.groups, self.source
        )

    def _frame(
        self,
        chain: NDArray[np.int64],
        time: Floats,
        n_risk: Floats | None,
        value: Floats,
        error: Floats,
    ) -> pl.DataFrame:
        """Return rows of chains and times, (K,), with a row for each of the S states."""
        n_states = len(self.states)
        # sorted by chain, state, time
        order = np.lexsort(
            (np.tile(np.arange(len(chain)), n_states), np.repeat(np.arange(n_states), len(chain)),
             np.tile(chain, n_states))
        )  # fmt: skip
        flat = {name: x.T.ravel()[order] for name, x in (("estimate", value), ("std_error", error))}
        low, high = interval(
            flat["estimate"], flat["std_error"],
            conf_level=self.conf_level, conf_type=self.conf_type,
        )  # fmt: skip
        flat |= {"conf_low": low, "conf_high": high}
        state = np.repeat(np.arange(n_states), len(chain))[order]
        number = np.tile(chain, n_states)[order]
        keys = {name: self.labels[name].gather(number) for name in self.labels.columns if name}
        columns: dict[str, Any] = {
            **keys,
            self.state_column: self.states.gather(state),
            "time": time_series(np.tile(time, n_states)[order]),
        }
        if n_risk is not None:
            columns["n_risk"] = self._counts(n_risk.T.ravel()[order])
        columns |= {name: pl.Series(x).fill_nan(None) for name, x in flat.items()}
        return pl.DataFrame(columns)

    def _counts(self, values: Floats) -> pl.Series:
        whole = self.meta["weight_type"] is None
        return pl.Series(np.rint(values).astype(np.int64) if whole else values)
