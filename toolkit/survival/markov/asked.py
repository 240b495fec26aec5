"""What is asked of a chain, covariates and times, and the tidy frame of the answers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.frames import to_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.estimation.formula import Covariates

    Floats = NDArray[np.float64]

#: One row that nothing tells apart: its column is in no answer.
NAMELESS = pl.DataFrame({"": [0]})


def read_rows(
    covariates: Covariates, centre: Floats, breaks: Floats, new: Any
) -> tuple[Floats, pl.DataFrame]:
    """Return covariates per row of `new` and period, (R, B + 1, J), and the rows' labels.

    Parameters
    ----------
    centre : array
        What stands for the covariates where `new` is None; their means come first.
    breaks : (B,) array
        Times at which the intensities change: periods are covariates of 0 and 1, the last B.
    """
    n_cov = len(covariates.terms)
    if new is None:
        rows, labels = centre[None, :n_cov], NAMELESS
    else:
        frame = pl.DataFrame(new) if isinstance(new, dict) else to_frame(new)
        if not covariates.terms:
            raise CallError(
                "The chain has no covariates", fix="leave new= out, or fit with a formula"
            )
        rows = covariates.matrix(frame, where="new")
        labels = frame.select(covariates.variables)
    periods = np.concatenate([np.zeros((1, len(breaks))), np.eye(len(breaks))])
    x = np.empty((len(rows), len(periods), n_cov + len(breaks)))
    x[..., :n_cov] = rows[:, None, :]
    x[..., n_cov:] = periods
    return x, labels


def read_times(time: float | Sequence[float], start: float) -> list[float]:
    """Return the times asked for; they are finite and not before `start`."""
    times = np.atleast_1d(np.asarray(time, dtype=np.float64))
    if not len(times) or not np.isfinite([*times, start]).all() or (times < start).any():
        raise CallError(
            f"A time asked for is not finite or before start={start!r}",
            fix="ask for times at or after the start",
        )
    found: list[float] = times.tolist()
    return found


def answers(
    labels: pl.DataFrame, parts: Sequence[pl.DataFrame],
    value: Floats, error: Floats, low: Floats, high: Floats,
) -> pl.DataFrame:  # fmt: skip
    """Return numbers, (rows of `labels`, rows of each part), as a tidy frame."""
    frame = labels.rename({"": "\0"}, strict=False)
    for part in parts:
        named = part.rename({"": f"\0{len(frame.columns)}"}, strict=False)
        frame = frame.join(named, how="cross", maintain_order="left_right")
    numbers = {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high}
    named_columns = [name for name in frame.columns if not name.startswith("\0")]
    return frame.select(named_columns).with_columns(
        pl.Series(name, x.ravel()).fill_nan(None) for name, x in numbers.items()
    )


def period_names(breaks: Floats) -> list[str]:
    """Return the periods between breaks as text, ``[6, 12)``."""
    edges = ["-inf", *(f"{at:g}" for at in breaks), "inf"]
    return [f"{'(' if a == '-inf' else '['}{a}, {b})" for a, b in pairwise(edges)]
