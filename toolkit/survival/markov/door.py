"""The columns of the data at the door: checked, numbered and put in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from toolkit.frames import require_at_least, require_no_nulls, require_rows, rows_where
from toolkit.survival.checks import check_time_type
from toolkit.survival.counts import WEIGHTINGS

if TYPE_CHECKING:
    from toolkit.survival.counts import Weighting
    from toolkit.survival.markov.structure import Structure

#: How an observation was made: in passing; at the moment of the move, with nothing in between; at
#: the moment of arrival, from a state that is not known; (inner) no move up to here.
SNAPSHOT, EXACT, ARRIVAL, STAY = 0, 1, 2, 3
SCHEMES = ("snapshot", "exact", "arrival")


def require_finite(frame: pl.DataFrame, time: str) -> None:
    """Raise where a time is not finite."""
    if frame.schema[time].is_float() and not frame[time].is_finite().all():
        _, where = rows_where(frame, ~pl.col(time).is_finite())
        raise InputError(
            f"Column {time!r} is not finite", where=where, fix="look at how it was computed"
        )


def check_weights(
    frame: pl.DataFrame, weights: str | None, weight_type: Weighting | None
) -> Weighting | None:
    """Return what the weights mean; raise for those that mean nothing."""
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


def read_labels(frame: pl.DataFrame, name: str, *, missing: bool) -> pl.Series:
    """Return the states as whole numbers or text; raise for what is neither."""
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


def enum_labels(labels: pl.Series) -> pl.Series:
    """Return the states of an Enum in its order."""
    return labels.drop_nulls().unique().sort().cast(pl.String)


def number_states(labels: pl.Series, structure: Structure, name: str) -> pl.Series:
    """Return the number of each observation, a row of `structure.possible`."""
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


def read_schemes(frame: pl.DataFrame, scheme: str | None, *, observed_exactly: bool) -> pl.Series:
    """Return how each row was observed."""
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


def put_in_order(
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
