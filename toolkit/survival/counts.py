"""From rows to cells: one group-by, and the checks at the door made on its small result."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.frames import require_columns, to_lazy
from toolkit.survival.checks import check_cells, check_event_type, check_time_type
from toolkit.survival.rows import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Weighting = Literal["frequency", "sampling"]
WEIGHTINGS = ("frequency", "sampling")

#: Result columns; a group column with such a name would stand twice.
_RESERVED = {
    "time", "cause", "n_risk", "n_event", "n_censor", "estimate", "std_error",
    "conf_low", "conf_high", "probability", "observed", "expected", "n",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Counts by group × (entry) × time × event, sorted by group and time; C cells.

    Attributes
    ----------
    by : tuple of str
        The group columns.
    groups : DataFrame
        The G groups, sorted; one nameless row when there is no `by`.
    causes : Series
        The K causes, sorted.
    group, time, entry : (C,) arrays
        `entry` is None without left truncation.
    event : (C,) array
        0 = censored, k = the k-th cause.
    rows : (C,) array
        Rows of the data in the cell, without those of weight 0.
    n : (C,) array
        Sum of the weights; the rows themselves without weights.
    n_squared : (C,) array
        Variance weight of the cell: the sum of squared weights for sampling weights,
        else `n` itself, as a frequency weight stands for that many units.
    weighted : bool
    zero_weight : int
        Rows left out because their weight is 0.
    source : Source or None
        The rows they were counted from.
    """

    by: tuple[str, ...]
    groups: pl.DataFrame
    causes: pl.Series
    group: NDArray[np.int64]
    time: NDArray[Any]
    entry: NDArray[Any] | None
    event: NDArray[np.int64]
    rows: NDArray[np.float64]
    n: NDArray[np.float64]
    n_squared: NDArray[np.float64]
    weighted: bool
    zero_weight: int
    source: Source | None = field(default=None, repr=False)

    def cell_of_row(self) -> NDArray[np.int64]:
        """Return the cell of every row of the data, (N,); -1 where the weight is 0."""
        labels = {name: self.groups[name].gather(self.group) for name in self.by}
        return self.counted_from.match_cells(
            labels, time=self.time, event=self.event, entry=self.entry, causes=self.causes
        )

    @property
    def counted_from(self) -> Source:
        """The rows that the cells were counted from."""
        if self.source is None:
            raise CallError("These cells were not counted from rows", fix="use count_cells")
        return self.source


def count_cells(
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None,
    by: Sequence[str],
    weights: str | None,
    weighting: Weighting,
    competing: bool,
    curves: bool = True,
) -> Cells:
    """Count the rows of `data` and check what was counted.

    With `competing` an event is 0 or null for censored, else its cause; without, it is 0/1.
    With `curves` every group gets a curve: its weights may not all be 0, nor its columns bear the
    name of a result.
    """
    check_option("weight_type", weighting, WEIGHTINGS)
    lazy = to_lazy(data)
    keys = _keys(
        lazy, time=time, event=event, entry=entry, by=by, weights=weights, competing=competing
    )
    if curves:
        check_by("by", by)
    sums = [pl.len().alias("rows")]
    if weights is not None:
        w = pl.col("weight")
        sums += [
            w.sum().alias("n"),
            (w * w).sum().alias("n_squared"),
            (w == 0).sum().alias("zero"),
            ((w < 0) | ~w.is_finite() | w.is_null()).fill_null(value=True).sum().alias("bad"),
        ]
    values = lazy.select(**keys)
    keys.pop("weight", None)
    eager = isinstance(data, pl.DataFrame) or not isinstance(data, pl.LazyFrame)
    counted = _group_packed(values, list(keys), sums) if eager else None
    if counted is None:
        counted = values.group_by(list(keys)).agg(sums).sort(list(keys)).collect(engine="streaming")
    check_cells(
        counted, lazy, time=time, event=event, entry=entry, by=by, weights=weights,
        competing=competing, curves=curves,
    )  # fmt: skip
    source = Source(
        data=lazy, time=time, event=event, entry=entry, weights=weights, competing=competing
    )
    cells = _to_cells(counted, by=by, weighting=weighting, competing=competing)
    return replace(cells, source=source)


def list_cells(
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None,
    by: Sequence[str],
    weights: str | None,
    weighting: Weighting,
    competing: bool,
) -> Cells:
    """Take every row as a cell and a group of its own, in the order of the data.

    For covariates that do not repeat, where a group-by costs time and saves nothing.
    """
    check_option("weight_type", weighting, WEIGHTINGS)
    lazy = to_lazy(data)
    keys = _keys(
        lazy, time=time, event=event, entry=entry, by=by, weights=weights, competing=competing
    )
    sums = [pl.lit(1, dtype=pl.UInt32).alias("rows")]
    if weights is not None:
        w = keys.pop("weight")
        bad = (w < 0) | ~w.is_finite() | w.is_null()
        sums += [
            w.alias("n"),
            (w * w).alias("n_squared"),
            (w == 0).alias("zero"),
            bad.fill_null(value=True).alias("bad"),
        ]
    listed = lazy.select(*(expr.alias(key) for key, expr in keys.items()), *sums).collect()
    check_cells(
        listed, lazy, time=time, event=event, entry=entry, by=by, weights=weights,
        competing=competing, curves=False,
    )  # fmt: skip
    one = _to_cells(listed, by=(), weighting=weighting, competing=competing)
    kept = listed.filter(pl.col("n") > 0) if weights is not None else listed
    groups = kept.select(pl.col(f"by_{i}").alias(name) for i, name in enumerate(by))
    return replace(one, by=tuple(by), groups=groups, group=np.arange(kept.height))


def _keys(
    lazy: pl.LazyFrame,
    *,
    time: str,
    event: str,
    entry: str | None,
    by: Sequence[str],
    weights: str | None,
    competing: bool,
) -> dict[str, pl.Expr]:
    """Return the columns a cell is made of, after a look at their types."""
    named = [*by, time, event, *(name for name in (entry, weights) if name is not None)]
    require_columns(lazy, *named)
    schema = lazy.collect_schema()
    for name in (time, entry, weights):
        if name is not None:
            check_time_type(name, schema[name])
    check_event_type(event, schema[event], competing=competing)
    keys = {f"by_{i}": pl.col(name) for i, name in enumerate(by)}
    keys["time"] = _as_time(time, schema[time])
    keys["event"] = _as_event(event, schema[event], competing=competing)
    if entry is not None:
        keys["entry"] = _as_time(entry, schema[entry])
    if weights is not None:
        keys["weight"] = pl.col(weights).cast(pl.Float64)
    return keys


def check_by(argument: str, by: Sequence[str]) -> None:
    """Raise when columns of groups are named twice, or as those of a result."""
    for name in by:
        if name in _RESERVED:
            raise CallError(
                f"Group column {name!r} has the name of a result column",
                fix=f"rename it, for instance to {name + '_group'!r}",
            )
    if len(set(by)) < len(by):
        raise CallError(
            f"{argument}={list(by)!r} names a column twice", fix="name each column once"
        )


def _as_time(name: str, dtype: pl.DataType) -> pl.Expr:
    return pl.col(name).cast(pl.Int64 if dtype.is_integer() else pl.Float64)


def _as_event(name: str, dtype: pl.DataType, *, competing: bool) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return column.cast(pl.String)
    if competing and dtype.is_numeric():
        return column.fill_null(0)
    if competing and dtype == pl.Boolean:
        return column.fill_null(value=False)
    return column


def _group_packed(
    values: pl.LazyFrame, keys: list[str], sums: list[pl.Expr]
) -> pl.DataFrame | None:
    """Group and sort by one integer made of all keys; None where they are no small integers.

    Hashing one 32-bit number instead of several columns is about three times as fast.
    """
    schema = values.collect_schema()
    if not all(_is_number(schema[key]) for key in keys):
        return None
    numbers = {
        key: (pl.col(key).to_physical() if isinstance(schema[key], pl.Enum) else pl.col(key)).cast(
            pl.Int64
        )
        for key in keys
    }
    low_high = values.select(
        expr
        for key, number in numbers.items()
        for expr in (
            number.min().alias(f"{key} low"),
            number.max().alias(f"{key} high"),
            pl.col(key).null_count().alias(f"{key} null"),
        )
    ).collect()
    span: dict[str, tuple[int, int]] = {}
    for key in keys:
        low, high, null = (low_high[f"{key} {what}"].item() for what in ("low", "high", "null"))
        if low is None or null:
            return None
        span[key] = int(low), int(high) - int(low) + 1
    total = math.prod(width for _, width in span.values())
    if total >= 2**62:
        return None
    packed: pl.Expr = pl.lit(0, dtype=pl.Int64)
    for key, (low, width) in span.items():
        packed = packed * width + (numbers[key] - low)
    kind = pl.Int32 if total < 2**31 else pl.Int64
    others = [name for name in schema.names() if name not in keys]
    counted = (
        values.select(packed.cast(kind).alias("packed"), *others)
        .group_by("packed")
        .agg(sums)
        .sort("packed")
        .collect(engine="streaming")
    )
    left = pl.col("packed").cast(pl.Int64)
    unpacked = []
    for key, (low, width) in reversed(span.items()):
        number = left % width + low
        kind_of = schema[key]
        if isinstance(kind_of, pl.Enum):
            unpacked.append(pl.lit(kind_of.categories.cast(kind_of)).gather(number).alias(key))
        else:
            unpacked.append(number.cast(kind_of).alias(key))
        left //= width
    return counted.select(*reversed(unpacked), pl.exclude("packed"))


def _is_number(dtype: pl.DataType) -> bool:
    """Tell whether values of a type are small whole numbers, or stand for them."""
    if dtype.is_integer():
        return dtype != pl.UInt64
    return dtype == pl.Boolean or isinstance(dtype, pl.Enum)


def _to_cells(
    counted: pl.DataFrame, *, by: Sequence[str], weighting: Weighting, competing: bool
) -> Cells:
    weighted = "n" in counted.columns
    zero_weight = 0
    if weighted:
        zero_weight = int(counted["zero"].sum())
        counted = counted.with_columns(rows=pl.col("rows") - pl.col("zero"))
        counted = counted.filter(pl.col("n") > 0)
    else:
        counted = counted.with_columns(n=pl.col("rows").cast(pl.Float64))
    # the cells are sorted by all keys, so that groups lie together, and float sums come out the
    # same whatever the order of the rows
    keys = [f"by_{i}" for i in range(len(by))]
    if keys:
        changed = pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift()) for key in keys)
        new = counted.select(changed.alias("new"))["new"].to_numpy().copy()
        new[0] = True
        group = np.cumsum(new) - 1
        groups = counted.select(keys).filter(pl.Series(new))
        groups = groups.rename(dict(zip(keys, by, strict=True)))
    else:
        group = np.zeros(counted.height, dtype=np.int64)
        groups = pl.DataFrame({"": [0]})  # one nameless group, so that G is 1
    causes, event = _number_causes(counted["event"], competing=competing)
    n = counted["n"].to_numpy()
    squared = counted["n_squared"].to_numpy() if weighted and weighting == "sampling" else n
    return Cells(
        by=tuple(by),
        groups=groups,
        causes=causes,
        group=group,
        time=counted["time"].to_numpy(),
        entry=counted["entry"].to_numpy() if "entry" in counted.columns else None,
        event=event,
        rows=counted["rows"].cast(pl.Float64).to_numpy(),
        n=n,
        n_squared=squared,
        weighted=weighted,
        zero_weight=zero_weight,
    )


def _number_causes(event: pl.Series, *, competing: bool) -> tuple[pl.Series, NDArray[np.int64]]:
    if not competing:
        return pl.Series("cause", [1]), event.cast(pl.Int64).to_numpy()
    if event.dtype.is_float():
        event = event.cast(pl.Int64)
    happened = event.drop_nulls()
    if event.dtype == pl.Boolean:
        happened = happened.filter(happened)
    elif event.dtype != pl.String:
        happened = happened.filter(happened != 0)
    causes = happened.unique().sort().alias("cause")
    number = pl.Series(range(1, len(causes) + 1), dtype=pl.Int64)
    coded = event.replace_strict(causes, number, default=0, return_dtype=pl.Int64)
    return causes, coded.fill_null(0).to_numpy()
