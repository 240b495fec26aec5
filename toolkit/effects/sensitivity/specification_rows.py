"""What a specification returned, as one row: estimate, interval, n."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from toolkit.errors import CallError
from toolkit.estimation.intervals import normal_quantile

_NUMBERS = ("estimate", "std_error", "p_value", "conf_low", "conf_high")


def read_result(found: Any, term: str | None) -> dict[str, Any]:
    """Return the columns of a row from a result, a frame, a mapping or a number.

    An interval that is not there is the normal one of the standard error, at 95%.

    Raises
    ------
    toolkit.errors.CallError
        Where it cannot be told which number is meant.
    """
    more: dict[str, Any] = {}
    if hasattr(found, "tidy"):
        meta = dict(getattr(found, "meta", {}))
        more = {"n": meta.get("n"), "design": meta.get("design")}
        more["supported"] = meta.get("supported")
        found = found.tidy()
    if isinstance(found, pl.DataFrame):
        found = _one_row(found, term)
    elif isinstance(found, (int, float)) and not isinstance(found, bool):
        found = {"estimate": float(found)}
    if not hasattr(found, "get"):
        raise CallError(
            f"A specification returned a {type(found).__name__}, which is no estimate",
            fix="return a result, a frame of one row, a mapping or a number",
        )
    if found.get("estimate") is None:
        raise CallError(
            "A specification returned no `estimate`",
            fix="raise an error of this toolkit where nothing can be estimated",
        )
    row = {name: _number(found.get(name)) for name in _NUMBERS}
    row |= {"n": found.get("n", more.get("n")), "design": found.get("design", more.get("design")),
            "supported": found.get("supported", more.get("supported"))}  # fmt: skip
    return _filled(row)


def _one_row(frame: pl.DataFrame, term: str | None) -> dict[str, Any]:
    if "term" in frame.columns:
        wanted = term if term is not None else "difference" if frame.height > 1 else None
        if wanted is not None:
            frame = frame.filter(pl.col("term") == wanted)
    if frame.height != 1:
        raise CallError(
            f"A specification returned {frame.height:,} rows where one estimate is asked for",
            fix="name it with term=, or return one row: found.tidy().filter(…)",
        )
    return frame.row(0, named=True)


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with a normal interval and p-value where only the standard error is known."""
    from scipy.special import ndtr

    estimate, error = row["estimate"], row["std_error"]
    if estimate is None or not error:
        return row
    half = normal_quantile(0.95) * error
    if row["conf_low"] is None and row["conf_high"] is None:
        row |= {"conf_low": estimate - half, "conf_high": estimate + half}
    if row["p_value"] is None:
        row["p_value"] = float(2 * ndtr(-abs(estimate / error)))
    return row
