"""New data beside a design: which stratum a row is in, and the names a prediction needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import CallError, UnknownCodeError, WrongTypeError, masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.design.cells import Design

#: Columns of a prediction; a covariate with such a name would be overwritten.
_RESULT = {"row", "cause", "time", "estimate", "std_error", "conf_low", "conf_high"}
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def check_labels(names: Sequence[str]) -> None:
    """Raise where a covariate or stratum has the name of a column of the prediction."""
    for name in names:
        if name in _RESULT:
            raise CallError(
                f"Column {name!r} has the name of a column of the prediction",
                fix=f"rename it before the fit, for instance to {name + '_group'!r}",
            )


def strata_of(design: Design, new: pl.DataFrame, *, where: str) -> NDArray[np.int64]:
    """Return the stratum of each row of new data, (M,): by value, whatever the types.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a stratum the model does not know, or a column of another kind.
    """
    layers = [name for name in design.strata.columns if name]
    if not layers:
        return np.zeros(new.height, dtype=np.int64)
    own, asked = [], []
    for name in layers:
        kind = _common(design.strata.schema[name], new.schema[name])
        if kind is None:
            raise WrongTypeError(
                f"Stratum {name!r} is {new.schema[name]}, and was {design.strata.schema[name]}",
                where=where,
                fix="give it the type it had in the data of the model",
            )
        own.append(pl.col(name).cast(kind))
        asked.append(pl.col(name).cast(kind))
    known = design.strata.select(own).with_row_index("\0number")
    number = new.select(asked).join(known, on=layers, how="left", maintain_order="left")["\0number"]
    if number.null_count():
        values = new.select(layers).filter(number.is_null()).row(0)
        named = ", ".join(f"{k} = {masked(repr(v))}" for k, v in zip(layers, values, strict=True))
        raise UnknownCodeError(
            f"The model has no stratum {named}",
            where=f"{where}: {number.null_count():,} of {new.height:,} rows",
            fix="a stratum that was not in the data has no baseline; predict for one that was",
        )
    return number.to_numpy().astype(np.int64)


def _common(one: pl.DataType, two: pl.DataType) -> pl.DataType | type[pl.DataType] | None:
    """Return a type in which values of both can be compared without a loss, None without one."""
    if isinstance(one, _TEXT) and isinstance(two, _TEXT):
        return pl.String
    if (one.is_integer() or one == pl.Boolean) and (two.is_integer() or two == pl.Boolean):
        return pl.Int64
    if all(dtype.is_numeric() or dtype == pl.Boolean for dtype in (one, two)):
        return pl.Float64
    return one if one == two else None
