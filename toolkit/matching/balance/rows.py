"""The rows of the table: each covariate read, described in every sample, and written down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.estimation.threads import cores
from toolkit.matching.balance.columns import (
    Compared,
    Levels,
    check_pairs,
    missing_share,
    products,
    read_column,
    read_quarters,
    square,
)
from toolkit.matching.balance.statistics import (
    Numbers,
    denominator,
    describe,
    describe_shares,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.matching.balance.columns import Kind, Missing
    from toolkit.matching.balance.groups import Groups
    from toolkit.matching.balance.statistics import Standard

#: More threads than this gain nothing: they wait for memory.
_MOST_THREADS = 4

SCHEMA: dict[str, Any] = {
    "covariate": pl.String, "kind": pl.String, "sample": pl.String,
    "mean_treated": pl.Float64, "mean_control": pl.Float64, "difference": pl.Float64,
    "smd": pl.Float64, "variance_ratio": pl.Float64, "ks": pl.Float64, "overlap": pl.Float64,
    "scale": pl.String, "sd": pl.Float64, "n_treated": pl.Int64, "n_control": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A covariate and its numbers in each sample."""

    name: str
    kind: Kind
    binary: bool
    numbers: list[Numbers]


def covariate_rows(
    frame: pl.DataFrame,
    groups: Groups,
    covariates: Sequence[str],
    *,
    score: pl.Series | None = None,
    squares: bool = False,
    interactions: bool | Sequence[tuple[str, str]] = False,
    calendar: str | None = None,
    missing: Missing = "refuse",
) -> list[Row]:
    """Describe the covariates, each read when its turn comes, a few side by side.

    Memory is that of as many columns as there are threads, however many covariates there are.
    """
    tasks: list[Callable[[], list[Row]]] = []
    if score is not None:
        tasks.append(lambda: [_score_row(score, groups)])

    def whole(name: str) -> list[Row]:
        column = read_column(frame, name, missing)
        rows = rows_of(column, groups)
        share = missing_share(column)
        if share is not None:
            rows.extend(rows_of(share, groups))
        if squares and isinstance(column, Compared) and not column.binary:
            rows.extend(rows_of(square(column), groups))
        return rows

    def pair(one: str, other: str) -> list[Row]:
        read = (read_column(frame, name, missing) for name in (one, other))
        return [row for column in products(*read) for row in rows_of(column, groups)]

    def quarters(name: str) -> list[Row]:
        column = read_quarters(frame, name, missing)
        share = missing_share(column)
        return rows_of(column, groups) + ([] if share is None else rows_of(share, groups))

    tasks.extend(lambda name=name: whole(name) for name in covariates)  # type: ignore[misc]
    tasks.extend(
        lambda names=names: pair(*names)  # type: ignore[misc]
        for names in check_pairs(covariates, interactions)
    )
    if calendar is not None:
        tasks.append(lambda: quarters(calendar))
    threads = min(_MOST_THREADS, cores(), len(tasks))
    if threads < 2 or len(groups.treated) < 10_000:
        return [row for task in tasks for row in task()]
    with ThreadPoolExecutor(threads) as pool:
        return [row for rows in pool.map(lambda task: task(), tasks) for row in rows]


def _score_row(score: pl.Series, groups: Groups) -> Row:
    values = score.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = ~np.isnan(values)
    column = Compared(name=score.name or "score", kind="score", values=values,
                      known=None if known.all() else known)  # fmt: skip
    return rows_of(column, groups)[0]


def rows_of(column: Compared | Levels, groups: Groups) -> list[Row]:
    """Describe one covariate: a row, or one a level."""
    if isinstance(column, Levels):
        return _level_rows(column, groups)
    values, some = column.values, groups
    if column.known is not None and not column.known.all():
        values, some = values[column.known], groups.only(column.known)
    numbers = describe(values, some, binary=column.binary)
    return [Row(column.name, column.kind, column.binary, numbers)]


def _level_rows(column: Levels, groups: Groups) -> list[Row]:
    """Describe all levels of a column in one count."""
    known = column.codes >= 0
    codes, some = column.codes, groups
    if not known.all():
        codes, some = codes[known], groups.only(known)
    from toolkit.matching.balance.kernels import add_up

    at, _ = add_up(codes, some.shares, len(column.names))
    at = np.clip(at, 0.0, 1.0)  # sums of shares are 1 to a rounding
    return [
        Row(name, column.kind, True, describe_shares(at[code], some))
        for code, name in enumerate(column.names)
    ]


def write_rows(
    rows: Sequence[Row], samples: Sequence[str], standard: Standard, *, raw: bool
) -> tuple[pl.DataFrame, list[str]]:
    """Return the table, and the names of the rows whose own standard deviation is 0.

    Parameters
    ----------
    rows : sequence of Row
    samples : sequence of str
        Names of the samples.
    standard : Standard
        By whose standard deviation differences are divided.
    raw : bool
        Whether the `smd` of binary covariates is their difference as it is.
    """
    records: list[dict[str, Any]] = []
    flat: list[str] = []
    for row in rows:
        sd, own = denominator(row.numbers, standard)
        as_it_is = raw and row.binary
        if not own and not as_it_is:
            flat.append(row.name)
        for sample, numbers in zip(samples, row.numbers, strict=True):
            gap = numbers.mean_treated - numbers.mean_control
            ratio = None
            if not row.binary and numbers.var_control > 0:
                ratio = numbers.var_treated / numbers.var_control
            records.append({
                "covariate": row.name, "kind": row.kind, "sample": sample,
                "mean_treated": numbers.mean_treated, "mean_control": numbers.mean_control,
                "difference": gap, "smd": gap if as_it_is else gap / sd if sd else 0.0,
                "variance_ratio": ratio, "ks": numbers.ks, "overlap": numbers.overlap,
                "scale": "raw" if as_it_is else "std", "sd": sd,
                "n_treated": numbers.n_treated, "n_control": numbers.n_control,
            })  # fmt: skip
    frame = pl.DataFrame(records, schema=SCHEMA)
    return frame.with_columns(pl.selectors.float().fill_nan(None)), flat
