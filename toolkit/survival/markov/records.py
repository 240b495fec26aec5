"""From rows of the data to intervals between two observations of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    MissingValueError,
)
from toolkit.estimation.formula import variables_of
from toolkit.estimation.patterns import find_patterns
from toolkit.frames import (
    require_columns,
    require_no_nulls,
    require_rows,
    to_lazy,
)
from toolkit.survival.checks import check_time_type
from toolkit.survival.design import learn
from toolkit.survival.markov.door import (
    ARRIVAL,
    check_weights,
    enum_labels,
    number_states,
    put_in_order,
    read_labels,
    read_schemes,
    require_finite,
)
from toolkit.survival.markov.structure import Structure, read_structure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.design import Covariates

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Records:
    """N observations of persons seen twice or more, sorted; M intervals between them.

    Attributes
    ----------
    row : (N,) array
        Row of the data of each observation.
    person : (N,) array
        Number of the person, from 0 on in order.
    time, weight : (N,) arrays
    observed : (N,) array
        Number of the observation, a row of `structure.possible`.
    scheme : (N,) array
        How it was made; of a person's first observation it means nothing.
    end : (M,) array
        Observation that ends each interval; it starts at the one before.
    pattern : (M,) array
        Covariate pattern in force during the interval: that of its start.
    covariates, x, patterns, pattern_weight
        The formula, the (P, p) matrix and the (P,) sums of weights of the P patterns.
    n_rows : int
        Rows of the data.
    dropped : dict
    """

    structure: Structure
    row: Ints
    person: Ints
    time: Floats
    weight: Floats
    observed: Ints
    scheme: Ints
    end: Ints
    pattern: Ints
    covariates: Covariates
    x: Floats
    patterns: pl.DataFrame
    pattern_weight: Floats
    weight_type: Weighting | None
    n_rows: int
    dropped: dict[str, int]
    in_order: bool
    frame: pl.DataFrame = field(repr=False)

    @property
    def n_person(self) -> int:
        """Persons seen twice or more."""
        return int(self.person[-1]) + 1


def read_records(
    data: Any,
    *,
    person: str,
    time: str,
    state: str,
    allowed: Any,
    formula: str | None,
    exact: Any,
    observed_exactly: bool,
    scheme: str | None,
    censored: Mapping[Any, Any] | None,
    misclassification: Any,
    weights: str | None,
    weight_type: Weighting | None,
    cluster: str | None,
) -> Records:
    """Check the data at the door and put it in order."""
    if censored is not None and not isinstance(censored, Mapping):
        raise CallError("censored is no dictionary", fix="write censored={99: (1, 2)}")
    lazy = to_lazy(data)
    known = lazy.collect_schema().names()
    extra = [name for name in (scheme, weights, cluster) if name is not None]
    require_columns(lazy, person, time, state, *extra)
    variables = variables_of(formula, known) if formula is not None else ()
    names = list(dict.fromkeys([person, time, state, *extra, *variables]))
    frame = lazy.select(names).collect()
    require_rows(frame)
    require_no_nulls(frame, person, time, *([cluster] if cluster is not None else []))
    check_time_type(time, frame.schema[time])
    require_finite(frame, time)
    weighting = check_weights(frame, weights, weight_type)
    labels = read_labels(frame, state, missing=None in (censored or {}))
    structure = read_structure(
        labels.drop_nulls().unique().sort() if labels.dtype != pl.Enum else enum_labels(labels),
        allowed=allowed, exact=exact, censored=censored, misclassification=misclassification,
    )  # fmt: skip
    table = pl.DataFrame(
        {
            "person": frame[person],
            "time": frame[time].cast(pl.Float64),
            "observed": number_states(labels, structure, state),
            "scheme": read_schemes(frame, scheme, observed_exactly=observed_exactly),
            "weight": frame[weights].cast(pl.Float64) if weights else pl.Series(
                [1.0]).new_from_index(0, frame.height),
        }
    ).with_row_index("row")  # fmt: skip
    table, dropped, order = put_in_order(table, person, time, weights)
    observed = table["observed"].to_numpy().astype(np.int64)
    made = table["scheme"].to_numpy().astype(np.int64).copy()
    if scheme is None and not observed_exactly:
        exact_codes = np.append(structure.exact, np.zeros(len(structure.codes) + 1, bool))
        made[exact_codes[observed]] = ARRIVAL
    row = table["row"].to_numpy().astype(np.int64)
    number = table["number"].to_numpy().astype(np.int64)
    ends = np.flatnonzero(number[1:] == number[:-1]) + 1
    # once absorbed nothing more can happen: later rows say the same again, and tell nothing
    settled = np.append(_settled(structure), np.zeros(len(structure.codes) + 1, bool))
    again = settled[observed[ends - 1]] & (observed[ends] == observed[ends - 1])
    if again.any():
        reason = "seen again in a state that nobody leaves (the row tells nothing more)"
        dropped[reason] = int(again.sum())
    ends = ends[~again]
    if not len(ends):
        raise EmptyCohortError(
            "Nobody is seen twice", fix="a chain is learned from intervals between observations"
        )
    pattern, patterns, counts, weight = _patterns(frame, variables, row[ends - 1], table, ends)
    covariates, x = _none(patterns)
    if formula is not None:  # with the names of all columns, for the message about one that is not
        others = [pl.lit(0).alias(name) for name in known if name not in patterns.columns]
        covariates, x = learn(formula, patterns.with_columns(others), counts)
    return Records(
        structure=structure, row=row, person=number, time=table["time"].to_numpy(),
        weight=table["weight"].to_numpy(), observed=observed, scheme=made, end=ends,
        pattern=pattern, covariates=covariates, x=x, patterns=patterns, pattern_weight=weight,
        weight_type=weighting, n_rows=frame.height, dropped=dropped, frame=frame,
        in_order=not order,
    )  # fmt: skip


def _settled(structure: Structure) -> NDArray[np.bool_]:
    """Tell which states nobody leaves and nobody is mistaken about, (S,)."""
    settled = structure.absorbing.copy()
    if structure.true is not None and structure.seen is not None:
        settled[structure.true] = settled[structure.seen] = False
    return settled


def _patterns(
    frame: pl.DataFrame, variables: tuple[str, ...], start: Ints, table: pl.DataFrame, ends: Ints
) -> tuple[Ints, pl.DataFrame, Ints, Floats]:
    """Return each interval's pattern, the patterns, how many intervals have them, and weights."""
    weight = table["weight"].to_numpy()[ends]
    if not variables:
        one = np.zeros(len(ends), dtype=np.int64)
        return one, pl.DataFrame({"": [0]}), np.array([len(ends)]), np.array([weight.sum()])
    rows = frame.select(variables)[start]
    _require_covariates(rows, variables, start)
    patterns, pattern = find_patterns(rows, variables)
    counts = np.bincount(pattern, minlength=patterns.height).astype(np.int64)
    total = np.asarray(np.bincount(pattern, weight, minlength=patterns.height), dtype=np.float64)
    return pattern, patterns, counts, total


def _require_covariates(rows: pl.DataFrame, variables: tuple[str, ...], start: Ints) -> None:
    """Raise for a missing covariate at the start of an interval; last rows need none."""
    for name in variables:
        column = rows[name]
        bad = column.is_null() | (column.is_nan() if column.dtype.is_float() else column.is_null())
        if bad.any():
            at = start[bad.to_numpy()]
            raise MissingValueError(
                f"Column {name!r} has missing values at the start of an interval",
                where=f"{len(at):,} rows; first rows {', '.join(map(str, np.sort(at)[:5]))}",
                fix="drop or fill these rows yourself, so that the choice is on record",
            )


def _none(patterns: pl.DataFrame) -> tuple[Covariates, Floats]:
    from toolkit.estimation.formula import Covariates as Empty

    empty = Empty(formula="", variables=(), terms=(), levels={}, _spec=None)
    return empty, np.zeros((patterns.height, 0))
