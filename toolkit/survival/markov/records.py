"""From rows of the data to intervals between two observations of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    UnknownCodeError,
    WrongTypeError,
    check_option,
    masked,
)
from toolkit.frames import (
    require_at_least,
    require_columns,
    require_no_nulls,
    require_rows,
    rows_where,
    to_lazy,
)
from toolkit.survival.checks import check_time_type
from toolkit.survival.counts import WEIGHTINGS
from toolkit.survival.design import learn
from toolkit.survival.design.formula import variables_of
from toolkit.survival.markov.structure import Structure, read_structure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.design import Covariates

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: How an observation was made: in passing; at the moment of the move, with nothing in between; at
#: the moment of arrival, from a state that is not known; (inner) no move up to here.
SNAPSHOT, EXACT, ARRIVAL, STAY = 0, 1, 2, 3
SCHEMES = ("snapshot", "exact", "arrival")


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
    warnings: tuple[str, ...] = ()
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
    _require_finite(frame, time)
    weighting = _check_weights(frame, weights, weight_type)
    labels = _labels(frame, state, missing=None in (censored or {}))
    structure = read_structure(
        labels.drop_nulls().unique().sort() if labels.dtype != pl.Enum else _enum(labels),
        allowed=allowed, exact=exact, censored=censored, misclassification=misclassification,
    )  # fmt: skip
    table = pl.DataFrame(
        {
            "person": frame[person],
            "time": frame[time].cast(pl.Float64),
            "observed": _numbers(labels, structure, state),
            "scheme": _schemes(frame, scheme, observed_exactly=observed_exactly),
            "weight": frame[weights].cast(pl.Float64) if weights else pl.Series(
                [1.0]).new_from_index(0, frame.height),
        }
    ).with_row_index("row")  # fmt: skip
    table, dropped, order = _in_order(table, person, time, weights)
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
        warnings=("rows were put in order of person and time",) if order else (),
    )  # fmt: skip


def _settled(structure: Structure) -> NDArray[np.bool_]:
    """Tell which states nobody leaves and nobody is mistaken about, (S,)."""
    settled = structure.absorbing.copy()
    if structure.true is not None and structure.seen is not None:
        settled[structure.true] = settled[structure.seen] = False
    return settled


def _require_finite(frame: pl.DataFrame, time: str) -> None:
    if frame.schema[time].is_float() and not frame[time].is_finite().all():
        _, where = rows_where(frame, ~pl.col(time).is_finite())
        raise InputError(
            f"Column {time!r} is not finite", where=where, fix="look at how it was computed"
        )


def _check_weights(
    frame: pl.DataFrame, weights: str | None, weight_type: Weighting | None
) -> Weighting | None:
    if weight_type is not None:
        check_option("weight_type", weight_type, WEIGHTINGS)
    if weights is None:
        return None
    check_time_type(weights, frame.schema[weights])
    require_no_nulls(frame, weights)
    require_at_least(frame, weights)
    column = frame[weights]
    whole = column.dtype.is_integer() or bool((column == column.floor()).all())
    if weight_type == "frequency" and not whole:
        raise CallError(
            f"Weights {weights!r} are not whole numbers, so they do not count persons",
            fix="weight_type='sampling' for weights that say how many persons one stands for",
        )
    return weight_type or ("frequency" if whole else "sampling")


def _labels(frame: pl.DataFrame, name: str, *, missing: bool) -> pl.Series:
    column = frame[name]
    if column.dtype.is_float():
        odd = (pl.col(name) != pl.col(name).floor()) & pl.col(name).is_finite()
        count, where = rows_where(frame, odd)
        if count:
            raise WrongTypeError(
                f"Column {name!r} holds fractions, which are no states", where=where,
                fix="code states as whole numbers or text",
            )  # fmt: skip
        column = column.fill_nan(None).cast(pl.Int64)
    elif column.dtype == pl.Boolean:
        column = column.cast(pl.Int64)
    elif column.dtype == pl.Categorical:
        column = column.cast(pl.String)
    elif not column.dtype.is_integer() and not isinstance(column.dtype, (pl.String, pl.Enum)):
        raise WrongTypeError(
            f"Column {name!r} is {column.dtype}, not a state",
            fix="code states as whole numbers or text",
        )
    if column.null_count() and not missing:
        _, where = rows_where(frame, pl.col(name).is_null())
        raise MissingValueError(
            f"State {name!r} is missing", where=where,
            fix="drop these rows yourself, or say what a missing state may be: "
            "censored={None: (1, 2, 3)}",
        )  # fmt: skip
    return column


def _enum(labels: pl.Series) -> pl.Series:
    return labels.drop_nulls().unique().sort().cast(pl.String)


def _numbers(labels: pl.Series, structure: Structure, name: str) -> pl.Series:
    plain = labels.cast(pl.String) if labels.dtype == pl.Enum else labels
    codes = [*structure.states, *(code for code in structure.codes if code is not None)]
    place = [*range(structure.n_state)]
    place += [structure.n_state + i for i, code in enumerate(structure.codes) if code is not None]
    try:
        old = pl.Series(codes, dtype=plain.dtype)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise CallError(
            f"The states of allowed=, exact= or censored= are not of the type of {name!r} "
            f"({plain.dtype})",
            fix="name states as they stand in the data: 1 is not '1'",
        ) from error
    numbers = plain.replace_strict(old, pl.Series(place), default=None, return_dtype=pl.Int64)
    if None in structure.codes:
        return numbers.fill_null(structure.n_state + structure.codes.index(None))
    if numbers.null_count():
        _, where = rows_where(numbers.to_frame("n"), pl.col("n").is_null())
        raise UnknownCodeError(
            f"State {name!r} holds a value that is no state of the chain: "
            f"{masked(str(plain.filter(numbers.is_null())[0]))!r}",
            where=where,
            fix="name its moves in allowed=, or say what it may stand for in censored=",
        )
    return numbers


def _schemes(frame: pl.DataFrame, scheme: str | None, *, observed_exactly: bool) -> pl.Series:
    if scheme is None:
        value = EXACT if observed_exactly else SNAPSHOT
        return pl.Series([value]).new_from_index(0, frame.height)
    if observed_exactly:
        raise CallError(
            "scheme and observed_exactly both say how rows were observed", fix="give one of them"
        )
    column = frame[scheme].cast(pl.String)
    odd = ~column.is_in(list(SCHEMES)).fill_null(value=False)
    if odd.any():
        _, where = rows_where(odd.to_frame("odd"), pl.col("odd"))
        raise UnknownCodeError(
            f"Column {scheme!r} holds something else than {', '.join(map(repr, SCHEMES))}",
            where=where,
            fix="say of each row whether it is a snapshot, an exact move or an exact arrival",
        )
    return column.replace_strict(list(SCHEMES), [SNAPSHOT, EXACT, ARRIVAL], return_dtype=pl.Int64)


def _in_order(
    table: pl.DataFrame, person: str, time: str, weights: str | None
) -> tuple[pl.DataFrame, dict[str, int], bool]:
    """Sort by person and time, number the persons, leave out those who tell nothing."""
    dropped: dict[str, int] = {}
    if weights is not None:
        zero = table.filter(pl.col("weight") == 0).height
        if zero:
            dropped["weight is zero"] = zero
            table = table.filter(pl.col("weight") > 0)
            require_rows(table, "the data after rows of weight 0 were left out")
    ahead = (pl.col("person") > pl.col("person").shift()) | (
        (pl.col("person") == pl.col("person").shift()) & (pl.col("time") >= pl.col("time").shift())
    )
    try:
        ordered = bool(table.select(ahead.fill_null(value=True).all()).item())
    except pl.exceptions.PolarsError:
        ordered = False
    if not ordered:
        table = table.sort("person", "time", maintain_order=True)
    same = pl.col("person") == pl.col("person").shift()
    twice = table.filter((same & (pl.col("time") == pl.col("time").shift())).fill_null(value=False))
    if twice.height:
        rows = ", ".join(str(row) for row in twice["row"].sort().head(5))
        raise DuplicateKeyError(
            f"The same {person!r} is observed twice at the same {time!r}",
            where=f"{twice.height:,} of {table.height:,} rows; first rows {rows}",
            fix="keep one observation a moment",
        )
    if weights is not None:
        other = table.filter((same & (pl.col("weight") != pl.col("weight").shift())).fill_null(
            value=False))  # fmt: skip
        if other.height:
            rows = ", ".join(str(row) for row in other["row"].sort().head(5))
            raise InputError(
                f"Weights {weights!r} change within a {person!r}",
                where=f"{other.height:,} of {table.height:,} rows; first rows {rows}",
                fix="a person has one weight, the same in all rows",
            )
    alone = same.fill_null(value=False) | (pl.col("person") == pl.col("person").shift(-1)
                                           ).fill_null(value=False)  # fmt: skip
    kept = table.filter(alone)
    if kept.height < table.height:
        dropped["person observed only once"] = table.height - kept.height
    if not kept.height:
        raise EmptyCohortError(
            "Nobody is seen twice", fix="a chain is learned from intervals between observations"
        )
    number = (~(pl.col("person") == pl.col("person").shift()).fill_null(value=False)).cum_sum() - 1
    return kept.with_columns(number=number.cast(pl.Int64)).drop("person"), dropped, not ordered


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
    patterns = rows.unique(maintain_order=True).sort(variables)
    pattern = (
        rows.join(patterns.with_row_index("\0pattern"), on=list(variables), how="left",
                  maintain_order="left", nulls_equal=True)["\0pattern"]
        .cast(pl.Int64)
        .to_numpy()
    )  # fmt: skip
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
    from toolkit.survival.design.formula import Covariates as Empty

    empty = Empty(formula="", variables=(), terms=(), levels={}, _spec=None)
    return empty, np.zeros((patterns.height, 0))
