"""The door of every sensitivity analysis: a sample or a frame, and an outcome that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, MissingValueError, WrongTypeError
from toolkit.frames import require_columns
from toolkit.matching.sample import Sample, plain_sample
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def as_sample(x: Any, *, treatment: str | None, covariates: Sequence[str] = ()) -> Sample:
    """Return `x` when it is a sample, else the plain one of a frame whose `treatment` is named."""
    if isinstance(x, Sample):
        if treatment is not None and treatment != x.treatment:
            raise CallError(
                f"The sample was made for treatment {x.treatment!r}, not {treatment!r}",
                fix="leave out treatment=",
            )
        return x
    if treatment is None:
        raise CallError(
            "A plain frame does not say who was treated",
            fix="name the column: treatment=, or pass what matching returned",
        )
    return plain_sample(x, treatment=treatment, covariates=covariates)


def read_outcome(frame: pl.DataFrame, outcome: str, used: Bools) -> Floats:
    """Return the outcome as numbers, (N,); NaN only in rows that are not used.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a column that is not there, is no number, or is missing or infinite where it counts.
    """
    require_columns(frame, outcome)
    column = frame[outcome]
    if not (column.dtype == pl.Boolean or column.dtype.is_numeric()):
        raise WrongTypeError(
            f"Outcome {outcome!r} is {column.dtype}, not a number or true/false",
            fix=f"say what counts: pl.col({outcome!r}) == '…'",
        )
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    gone = np.flatnonzero(used & ~np.isfinite(values))
    if len(gone):
        named = ", ".join(map(str, gone[:5])) + (", …" if len(gone) > 5 else "")
        raise MissingValueError(
            f"Outcome {outcome!r} is missing or infinite in rows of the comparison",
            where=f"{len(gone):,} of {int(used.sum()):,} rows; first rows {named}",
            fix="an outcome that was not observed is no 'no': leave these rows out before matching",
        )
    return values


def is_binary(values: Floats) -> bool:
    """Return whether all values are 0 or 1."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def design_of(x: Sample) -> str:
    """Return the key of the method that made the comparison."""
    return str(x.meta.get("design", "naive"))


def describe(
    x: Sample, *, method: str, estimand: str, seconds: float, **more: Any
) -> dict[str, Any]:
    """Return `meta` of a sensitivity analysis: the design is that of the sample."""
    return {
        "design": design_of(x),
        "method": method,
        "estimand": estimand,
        "versions": versions(),
        "wall_time": seconds,
        **more,
    }
