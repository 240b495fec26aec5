"""What the files that carry types share: Parquet, SPSS and Stata."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import InputError, WrongTypeError, masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from toolkit.registers.readers.columns import Columns


def as_delivered(name: str, dtype: pl.DataType | type[pl.DataType], *, where: str) -> pl.Expr:
    """Return a column as intake takes it: text without outer blanks, numbers, dates.

    Raises
    ------
    WrongTypeError
        For lists, structs, binary and other types that no field has.
    """
    column = pl.col(name)
    if dtype == pl.String:
        return column.str.strip_chars()
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return column.cast(pl.String).str.strip_chars()
    if dtype == pl.Boolean:
        return column.cast(pl.Int8)
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.Float64)
    if dtype.is_numeric() or dtype in {pl.Date, pl.Null} or isinstance(dtype, pl.Datetime):
        return column
    raise WrongTypeError(
        f"Column {masked(name)!r} is of type {dtype}, which no field has",
        where=where,
        fix="deliver it as text, a number or a date",
    )


def collect(
    lazy: pl.LazyFrame, columns: Columns, values: Mapping[str, pl.Expr], *, batch_rows: int
) -> Iterator[pl.DataFrame]:
    """Collect `_row`, `_broken` (null: types leave no broken records) and the columns used."""
    # numbered last: the file may have a column of that name, which is not used
    chosen = (
        lazy.select(values[name].alias(name) for name in columns.used)
        .with_row_index("_row", offset=1)
        .with_columns(_broken=pl.lit(None, dtype=pl.String))
    )
    yield from chosen.collect_batches(chunk_size=batch_rows)


@contextmanager
def guarded(where: str, kind: str) -> Iterator[None]:
    """Turn what readers of binary files throw, panics in Rust among it, into one error."""
    try:
        yield
    except (RuntimeError, ValueError, ArithmeticError, OSError, pl.exceptions.PolarsError) as error:
        if isinstance(error, InputError):
            raise
        raise cut_off(where, kind, error) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # each Rust library has one of its own
            raise cut_off(where, kind) from error
        raise


def cut_off(where: str, kind: str, error: Exception | None = None) -> InputError:
    """Build the error for a file that ends too soon, or is not what its name says."""
    said = str(error).lower()
    short = any(word in said for word in ("buffer", "eof", "out of bounds", "too s"))
    what = "is cut off before its end" if short else "is damaged, cut off, or none at all"
    return InputError(
        f"A file that should be {kind} {what}",
        where=where,
        fix="fetch it again, and check that the copy is whole",
    )
