"""The door for treatment: who was treated, as true and false, and nobody unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl

from toolkit.errors import EmptyCohortError, UnknownCodeError, WrongTypeError, masked
from toolkit.frames import require_columns, require_no_nulls, require_rows, rows_where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

#: For whom an effect is: the treated, those not treated, all, those with overlap.
Estimand = Literal["ATT", "ATC", "ATE", "ATO"]
#: What each is the mean effect of, in words for `meta`.
ESTIMANDS = {
    "ATT": "mean effect on the treated",
    "ATC": "mean effect on those not treated, had they been",
    "ATE": "mean effect on all",
    "ATO": "mean effect on those for whom treatment was open (overlap)",
}


def read_treatment(frame: pl.DataFrame, treatment: str) -> Bools:
    """Return who was treated, (N,); the column holds true/false or 1/0.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a column that is not there, missing values, other values, or only one of the two.
    """
    require_columns(frame, treatment)
    require_rows(frame)
    column = frame[treatment]
    if not (column.dtype == pl.Boolean or column.dtype.is_numeric()):
        raise WrongTypeError(
            f"Treatment {treatment!r} is {column.dtype}, not true/false or 1/0",
            fix=f"say who was treated: pl.col({treatment!r}) == '…'",
        )
    require_no_nulls(frame, treatment)
    if column.dtype != pl.Boolean:
        odd = column.filter((column != 0) & (column != 1))
        if len(odd):
            _, where = rows_where(frame, (pl.col(treatment) != 0) & (pl.col(treatment) != 1))
            raise UnknownCodeError(
                f"Treatment {treatment!r} holds other values than 0 and 1: {masked(str(odd[0]))}",
                where=where,
                fix="compare two groups at a time",
            )
    treated = column.cast(pl.Boolean).to_numpy()
    count = int(treated.sum())
    if count in {0, len(treated)}:
        raise EmptyCohortError(
            f"Nobody is {'treated' if count == 0 else 'untreated'} in {treatment!r}",
            where=f"{len(treated):,} rows",
            fix="check its coding, and the filters that made this frame",
        )
    return treated
