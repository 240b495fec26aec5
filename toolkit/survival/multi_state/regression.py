"""Cox models for the moves between states, one baseline a kind of move, and what they foretell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, unknown_option
from toolkit.frames import as_columns, require_columns, require_rows, to_frame, to_lazy
from toolkit.result import Result
from toolkit.survival.cox import cox
from toolkit.survival.curves import check_times, time_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.cox import CoxModel
    from toolkit.survival.multi_state.source import Source

    Floats = NDArray[np.float64]

#: Columns made for the models; `transition` may be used in a formula where moves share it.
TRANSITION, _EVENT = "transition", "moved to the state"


@dataclass(frozen=True, kw_only=True)
class TransitionModels(Result):
    """Cox models of the moves between states; made by `MultiState.cox`.

    Attributes
    ----------
    states : Series
        The S states.
    moves : tuple of (int, int)
        Kinds of move modelled: numbers of the states from and to.
    models : tuple of CoxModel
        One a kind of move; one for all when they share coefficients.
    shared : bool
    """

    states: pl.Series
    moves: tuple[tuple[int, int], ...]
    models: tuple[CoxModel, ...] = field(repr=False)
    shared: bool

    def tidy(self, *, exponentiate: bool = False) -> pl.DataFrame:
        """Return a row per move and term (per term where moves share coefficients).

        Columns: `from, to`, then those of the Cox model.
        """
        tables = [model.tidy(exponentiate=exponentiate) for model in self.models]
        return tables[0] if self.shared else self._labelled(tables)

    def glance(self) -> pl.DataFrame:
        """Return a row per model: counts, likelihoods, tests, concordance."""
        tables = [model.glance() for model in self.models]
        return tables[0] if self.shared else self._labelled(tables)

    def model(self, origin: Any, target: Any) -> CoxModel:
        """Return the Cox model of one kind of move."""
        known = {self._name(move): k for k, move in enumerate(self.moves)}
        name = f"{origin} → {target}"
        if name not in known:
            raise unknown_option("move", name, list(known))
        return self.models[0 if self.shared else known[name]]

    def occupation(
        self,
        new: Any,
        times: float | Sequence[float],
        *,
        p0: dict[Any, float],
        start: float = 0,
    ) -> pl.DataFrame:
        """Return where a unit with given covariates is expected to be, without standard errors.

        Parameters
        ----------
        new : frame
            A row a unit: the variables of the formula (and the group columns).
        times : number or sequence of numbers
        p0 : dict
            From a state to its probability at `start`.
        start : float
            From where on; moves after it count.

        Returns
        -------
        DataFrame
            Columns `row, state, time, estimate`; null past the last time observed.

        Notes
        -----
        p(t) = p(s) ∏ exp(dA(u | x)) with dA_hj(u | x) = dA_hj(u) exp(x'b): the matrix
        exponential, as S(t | x) = exp(-Λ) in a Cox model with one move. R's `survfit.coxphms` does
        the same after a fit with Breslow's ties; after one with Efron's it keeps Breslow's steps
        of the baseline, where this one takes those of the fit.
        Covariates are taken to stay as they are, and the process to be Markov.
        """
        asked = check_times(times)
        frame = to_frame(new)
        require_rows(frame, "the new data")
        begin = self._begin(p0)
        steps = [self._hazards(k, frame) for k in range(len(self.moves))]
        until = max(float(model.design.time.max()) for model in self.models)
        values = np.empty((frame.height, len(asked), len(self.states)))
        for i in range(frame.height):
            values[i] = _follow(begin, self.moves, [rows[i] for rows in steps], start, asked)
        values[:, asked > until] = np.nan
        values[:, asked < start] = np.nan
        shape = values.transpose(0, 2, 1)
        row, state, at = (x.ravel() for x in np.indices(shape.shape))
        return pl.DataFrame(
            {
                "row": row,
                "state": self.states.gather(state),
                "time": time_series(asked[at]),
                "estimate": pl.Series(shape.ravel()).fill_nan(None),
            }
        )

    def _hazards(self, k: int, new: pl.DataFrame) -> list[tuple[Floats, Floats]]:
        """Return times and steps of the hazard of one kind of move, for each row."""
        model = self.models[0 if self.shared else k]
        if self.shared:
            new = new.with_columns(pl.lit(self._name(self.moves[k])).alias(TRANSITION))
        risk = model.predict(new, "risk", centered=True)["estimate"].to_numpy()
        base = model.baseline(centered=True).filter(pl.col("hazard") > 0)
        layers = [name for name in model.design.strata.columns if name]
        if not layers:
            time, hazard = (base[name].to_numpy().astype(float) for name in ("time", "hazard"))
            return [(time, hazard * one) for one in risk]
        parts = base.partition_by(layers, as_dict=True)
        keys = new.select(pl.col(name).cast(base.schema[name]) for name in layers).rows()
        empty = base.clear()
        out = []
        for key, one in zip(keys, risk, strict=True):
            mine = parts.get(key, empty)
            out.append((mine["time"].to_numpy().astype(float), mine["hazard"].to_numpy() * one))
        return out

    def _labelled(self, tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
        rows = [
            table.select(
                pl.lit(self.states[h], dtype=self.states.dtype).alias("from"),
                pl.lit(self.states[j], dtype=self.states.dtype).alias("to"),
                pl.all(),
            )
            for (h, j), table in zip(self.moves, tables, strict=True)
        ]
        return pl.concat(rows)

    def _name(self, move: tuple[int, int]) -> str:
        return f"{self.states[move[0]]} → {self.states[move[1]]}"

    def _begin(self, p0: dict[Any, float]) -> Floats:
        known = self.states.to_list()
        begin = np.zeros(len(known))
        for state, share in p0.items():
            if state not in known:
                raise unknown_option("state", state, [str(name) for name in known])
            begin[known.index(state)] = share
        if not ((begin >= 0).all() and np.isclose(begin.sum(), 1, atol=1e-9)):
            raise CallError(
                f"p0 adds up to {begin.sum():g}", fix="give probabilities that add up to one"
            )
        return begin


def fit_transitions(
    formula: str,
    source: Source,
    states: pl.Series,
    moves: Sequence[tuple[int, int]],
    *,
    shared: bool,
    by: Sequence[str],
    meta: dict[str, Any],
    **options: Any,
) -> TransitionModels:
    """Fit a Cox model to each kind of move, or one to all with a baseline each.

    Every spell in a state is at risk of each move out of it; a move to another state is a
    censoring of this one (Putter, Fiocco and Geskus 2007). Group columns are strata.
    """
    data = to_lazy(source.data)
    extra = as_columns(options.pop("strata", None))
    require_columns(data, *extra)
    taken = set(data.collect_schema().names()) & {TRANSITION, _EVENT}
    if taken:
        raise CallError(
            f"Column {min(taken)!r} has a name that the models need", fix="rename it first"
        )
    labels = {move: f"{states[move[0]]} → {states[move[1]]}" for move in moves}
    parts = [
        data.filter(pl.col(source.from_state) == pl.lit(states[h])).with_columns(
            pl.lit(labels[h, j]).alias(TRANSITION),
            (pl.col(source.to_state) == pl.lit(states[j])).fill_null(value=False).alias(_EVENT),
        )
        for h, j in moves
    ]
    frames = [pl.concat(parts).collect()] if shared else [part.collect() for part in parts]
    names = [*by, *extra]
    robust, sampling = options.get("robust"), options.get("weight_type") == "sampling"
    if robust or (robust is None and sampling):
        options["cluster"] = options.get("cluster") or source.person
    models = tuple(
        cox(
            formula, frame, time=source.stop, event=_EVENT, entry=source.start,
            strata=[TRANSITION, *names] if shared else names or None, **options,
        )
        for frame in frames
    )  # fmt: skip
    return TransitionModels(
        meta={
            **meta,
            "estimand": "log hazard ratios of moves between states",
            "method": f"{models[0].meta['method']}, a baseline for each kind of move",
            "variance": models[0].meta["variance"],
            "n_event": sum(model.meta["n_event"] for model in models),
        },
        states=states,
        moves=tuple(moves),
        models=models,
        shared=shared,
    )


def _follow(
    begin: Floats,
    moves: Sequence[tuple[int, int]],
    steps: Sequence[tuple[Floats, Floats]],
    start: float,
    asked: Floats,
) -> Floats:
    """Return p at the times asked for, (K, S), from the steps of the moves' hazards."""
    from scipy.linalg import expm

    n_states = len(begin)
    time = np.unique(np.concatenate([t for t, _ in steps]))
    hazard = np.zeros((len(time), n_states, n_states))
    for (h, j), (t, step) in zip(moves, steps, strict=True):
        hazard[np.searchsorted(time, t), h, j] += step
    hazard[:, np.arange(n_states), np.arange(n_states)] = -hazard.sum(axis=2)
    time, hazard = time[time > start], hazard[time > start]
    value = np.empty((len(time) + 1, n_states))
    value[0] = p = begin
    for i, step in enumerate(expm(hazard) if len(time) else hazard):
        value[i + 1] = p = p @ step
    out: Floats = value[np.searchsorted(time, asked, side="right")]
    return out
