"""The months before the start: whether both groups were on the same path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    WrongTypeError,
)
from toolkit.frames import require_columns, require_no_nulls, require_numeric, to_frame
from toolkit.matching.balance.columns import Compared
from toolkit.matching.balance.rows import rows_of, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.matching.balance.groups import Groups
    from toolkit.matching.balance.rows import Row
    from toolkit.matching.balance.statistics import Standard

#: Columns of a long history that are no keys.
_NO_KEYS = ("month", "value")


def history_table(
    frame: pl.DataFrame, groups: Groups, history: Any, standard: Standard, *, raw: bool
) -> tuple[pl.DataFrame, list[str]]:
    """Return `month, sample, mean_treated, …` by month before the start, with notes.

    A month that is not observed for somebody leaves him out of that month, and only there:
    not observed is not 'no'. `n_treated` and `n_control` count who is left.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a history that is neither columns nor a frame (person, month, value), and for keys
        that stand twice.
    """
    rows: list[Row] = []
    months: list[int] = []
    gaps = 0
    for month, series in sorted(_months(frame, history), key=lambda pair: pair[0]):
        if series.dtype != pl.Boolean:
            require_numeric(series.to_frame(), series.name)
        values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = np.isfinite(values)
        if np.isinf(values).any():
            raise InputError(
                f"History holds infinite values in month {month}",
                where=f"{int(np.isinf(values).sum()):,} of {len(values):,} rows",
                fix="look at how it was computed",
            )
        gaps += int((~known).any())
        seen = values[known]
        binary = series.dtype == pl.Boolean or bool(((seen == 0) | (seen == 1)).all())
        column = Compared(name=str(month), kind="binary" if binary else "continuous",
                          values=values, known=known, binary=binary)  # fmt: skip
        if not known.any():
            continue
        months.append(month)
        rows.extend(rows_of(column, groups))
    if not rows:
        raise EmptyCohortError(
            "The history has no value for any of the rows",
            fix="check that its keys and months are those of the comparison",
        )
    table, _ = write_rows(rows, groups.samples, standard, raw=raw)
    named = np.repeat(np.array(months, dtype=np.int64), len(groups.samples))
    table = table.select(pl.Series("month", named), pl.all().exclude("covariate"))
    notes = []
    if gaps:
        notes.append(
            f"{gaps} months of the history are not observed for everybody: "
            "each compares those observed in it"
        )
    return table, notes


def _months(frame: pl.DataFrame, history: Any) -> Iterator[tuple[int, pl.Series]]:
    """Yield each month and its values in the order of the frame's rows; null = not observed."""
    if isinstance(history, Mapping):
        require_columns(frame, *history.values())
        for month, name in history.items():
            yield int(month), frame[name]
    elif isinstance(history, Sequence) and not isinstance(history, str):
        require_columns(frame, *history)
        for place, name in enumerate(history):
            yield place - len(history), frame[name]
    else:
        yield from _long_months(frame, to_frame(history))


def _long_months(frame: pl.DataFrame, long: pl.DataFrame) -> Iterator[tuple[int, pl.Series]]:
    """Look the rows up month by month: never more than one month wide in memory."""
    require_columns(long, *_NO_KEYS, where="the history")
    keys = [name for name in long.columns if name not in _NO_KEYS and name in frame.columns]
    if not keys:
        raise CallError(
            "The history shares no key with the rows that are compared",
            where=f"history columns: {', '.join(long.columns[:8])}",
            fix="name the person (and, where he stands in several rows, his start) as there",
        )
    require_no_nulls(long, "month")
    require_numeric(long, "month")
    if not (long["month"] == long["month"].cast(pl.Int64, strict=False)).all():
        raise CallError("The history's months are not whole", fix="count whole months: -24 … -1")
    for name in keys:
        ours, theirs = frame.schema[name], long.schema[name]
        if ours != theirs and not (ours.is_numeric() and theirs.is_numeric()):
            raise WrongTypeError(
                f"Key {name!r} is {theirs} in the history and {ours} in the data", fix="cast one"
            )
    left = frame.select(keys)
    for month in long["month"].unique().sort():
        part = long.filter(pl.col("month") == month).select(*keys, "value")
        twice = part.height - part.select(keys).n_unique()
        if twice:
            raise DuplicateKeyError(
                "A month stands twice in the history of one unit",
                where=f"{twice:,} of {part.height:,} rows of month {month}; keys {', '.join(keys)}",
                fix="sum or pick one value a month; add the start where a person has several",
            )
        found = left.join(part, on=keys, how="left", maintain_order="left")
        yield int(month), found["value"]
