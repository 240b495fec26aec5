"""Cumulative hazards of the moves between states by Nelson and Aalen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.estimation.intervals import ConfType, normal_quantile
from toolkit.result import Result
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.multi_state.variance import VarianceType, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.multi_state.groups import Groups
    from toolkit.survival.multi_state.history import History, Moves

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TransitionHazards(Result):
    """Cumulative hazards A_hj(t), one curve a group and kind of move; made by `MultiState`.

    Attributes
    ----------
    labels : DataFrame
        A row a curve: the `by` columns, `from` and `to`.
    time : tuple of (T,) arrays
    n_risk, n_move : tuple of (T,) arrays
        At risk in `from` just before, and moves.
    value, std_error : tuple of (T,) arrays
    end : tuple of float
        Until when somebody is observed.
    conf_level, conf_type
        Of the intervals.
    """

    labels: pl.DataFrame
    time: tuple[NDArray[Any], ...] = field(repr=False)
    n_risk: tuple[Floats, ...] = field(repr=False)
    n_move: tuple[Floats, ...] = field(repr=False)
    value: tuple[Floats, ...] = field(repr=False)
    std_error: tuple[Floats, ...] = field(repr=False)
    end: tuple[float, ...] = field(repr=False)
    conf_level: float
    conf_type: ConfType

    def tidy(self) -> pl.DataFrame:
        """Return a row per curve and time at which somebody is at risk.

        Columns: the `by` columns, `from, to, time, n_risk, n_event, estimate, std_error,
        conf_low, conf_high`. The interval is A exp(±z s / A), or A ± z s cut at 0 where
        `conf_type` is ``plain``.
        """
        rows = [
            self._rows(c, time[risk > 0], value[risk > 0], error[risk > 0]).with_columns(
                n_risk=self._counts(risk[risk > 0]), n_event=self._counts(moves[risk > 0])
            )
            for c, (time, risk, moves, value, error) in enumerate(
                zip(self.time, self.n_risk, self.n_move, self.value, self.std_error, strict=True)
            )
        ]
        table = pl.concat(rows)
        first = [*self.labels.columns, "time", "n_risk", "n_event"]
        return table.select(*first, pl.exclude(first))

    def at(self, times: float | Sequence[float]) -> pl.DataFrame:
        """Return the cumulative hazards at given times; null past the last observed time."""
        asked = check_times(times)
        rows = []
        for c, time in enumerate(self.time):
            row = np.searchsorted(time, asked, side="right")
            value = np.where(asked > self.end[c], np.nan, np.append(0.0, self.value[c])[row])
            error = np.where(asked > self.end[c], np.nan, np.append(0.0, self.std_error[c])[row])
            rows.append(self._rows(c, asked, value, error))
        return pl.concat(rows)

    def glance(self) -> pl.DataFrame:
        """Return one row: numbers of spells, moves and curves."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": [self.meta["n_event"]],
                "n_curve": [self.labels.height],
                "time_max": [max(self.end)],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the curves with their bands."""
        from toolkit.survival._plot import plot_curves

        ax = plot_curves(
            self.tidy(), by=self.labels.columns, ax=ax, start=0.0, at_risk=None,
            ylabel="Cumulative hazard", **options,
        )  # fmt: skip
        ax.set_ylim(0, None)
        return ax

    def _rows(self, curve: int, time: NDArray[Any], value: Floats, error: Floats) -> pl.DataFrame:
        z = normal_quantile(self.conf_level)
        if self.conf_type == "plain":
            low, high = np.maximum(value - z * error, 0.0), value + z * error
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                half = np.exp(z * error / value)
            low, high = value / half, value * half
        numbers = {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high}
        label = self.labels[np.full(len(time), curve)]
        return label.with_columns(
            time_series(time), *(pl.Series(name, x).fill_nan(None) for name, x in numbers.items())
        )

    def _counts(self, values: Floats) -> pl.Series:
        whole = self.meta["weight_type"] is None
        return pl.Series(np.rint(values).astype(np.int64) if whole else values)


def transition_hazards(
    groups: Groups,
    tables: Sequence[Moves],
    states: pl.Series,
    variance: VarianceType,
    meta: dict[str, Any],
    *,
    conf_level: float,
    conf_type: ConfType,
) -> TransitionHazards:
    """Return a curve for every group and kind of move that happens in it."""
    group, origin, target = [], [], []
    curves: list[tuple[NDArray[Any], Floats, Floats, Floats, Floats, float]] = []
    for g, (history, moves) in enumerate(zip(groups.histories, tables, strict=True)):
        happens = moves.n_move.sum(axis=0) > 0
        for h in np.flatnonzero(happens.any(axis=1)):
            value, squared = nelson_aalen(history, moves, int(h), variance)
            error, end = np.sqrt(np.maximum(squared, 0.0)), float(history.stop.max())
            for j in np.flatnonzero(happens[h]):
                group.append(g)
                origin.append(int(h))
                target.append(int(j))
                curves.append(
                    (moves.time, moves.n_risk[:, h], moves.n_move[:, h, j], value[:, j],
                     error[:, j], end)
                )  # fmt: skip
    labels = {name: groups.labels[name].gather(group) for name in groups.by}
    labels |= {"from": states.gather(origin), "to": states.gather(target)}
    return TransitionHazards(
        meta={**meta, "estimand": "cumulative hazard of a move", "method": "Nelson-Aalen"},
        labels=pl.DataFrame(labels),
        time=tuple(curve[0] for curve in curves),
        n_risk=tuple(curve[1] for curve in curves),
        n_move=tuple(curve[2] for curve in curves),
        value=tuple(curve[3] for curve in curves),
        std_error=tuple(curve[4] for curve in curves),
        end=tuple(curve[5] for curve in curves),
        conf_level=conf_level,
        conf_type=conf_type,
    )


def nelson_aalen(
    history: History, moves: Moves, origin: int, variance: VarianceType
) -> tuple[Floats, Floats]:
    """Return A_hj(t) for all j and its variance, both (T, S), for one state of origin h.

    Notes
    -----
    Variance: Σ dN / n² (``aalen``), Σ dN (n - dN) / n³ (``greenwood``; Andersen, Borgan, Gill
    and Keiding 1993, eq. 4.1.6 and 4.1.7), or the sum of squares of the units' influences
    Σ (dN_i - dA) / n over the times they are at risk.
    """
    risk = moves.n_risk[:, origin]
    hazards = moves.hazards[:, origin]
    value = np.cumsum(hazards, axis=0)
    inverse = np.divide(1.0, risk, out=np.zeros_like(risk), where=risk > 0)[:, None]
    if variance == "aalen":
        return value, np.cumsum(hazards * inverse, axis=0)
    if variance == "greenwood":
        return value, np.cumsum(hazards * (1 - hazards) * inverse, axis=0)
    n_states = history.n_states
    kept = history.origin == origin
    if not kept.any():
        return value, np.zeros_like(value)
    own = replace(moves, first=moves.first[kept], last=moves.last[kept])
    scale = np.zeros_like(moves.n_risk)
    scale[:, origin] = inverse[:, 0]
    drift = np.zeros((len(risk), n_states, n_states))
    drift[:, origin] = -hazards * inverse
    same = np.broadcast_to(np.eye(n_states), drift.shape).copy()
    vcov = spread(
        history.take(kept), own, same, drift, scale, 0.0,
        np.zeros((0, n_states)), np.zeros((n_states, n_states)),
    )  # fmt: skip
    return value, np.diagonal(vcov, axis1=1, axis2=2).copy()
