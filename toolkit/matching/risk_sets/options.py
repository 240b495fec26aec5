"""The options of `match_risk_sets`, checked at the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError, check_option
from toolkit.frames import as_columns, require_columns, require_no_nulls, require_numeric
from toolkit.matching.risk_sets.months import ORDERS
from toolkit.matching.risk_sets.result import CONTROLS
from toolkit.matching.risk_sets.starts import SCORE_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from toolkit.matching.risk_sets.runs import Runs

CalendarUnit = Literal["month", "quarter", "year", "none"]
#: Calendar months that count as one.
CALENDAR_UNITS = {"month": 1, "quarter": 3, "year": 12, "none": 0}
CaliperUnit = Literal["sd", "raw"]
CALIPER_UNITS = ("sd", "raw")


def read_on(on: str | Sequence[str], frame: pl.DataFrame) -> tuple[str | None, tuple[str, ...]]:
    """Return the formula, if `on` is one, or the columns it names."""
    if isinstance(on, str) and on not in frame.columns:
        return on, ()
    columns = as_columns(on)
    if not columns:
        raise CallError("on= names nothing to match on", fix="a formula, or a column with a score")
    require_columns(frame, *columns)
    require_numeric(frame, *columns)
    require_no_nulls(frame, *columns)
    return None, tuple(dict.fromkeys(columns))


def check_options(
    *,
    control: str,
    score: str,
    order: str,
    caliper: float | None,
    caliper_unit: str,
    calendar_unit: str,
    ratio: int,
    replace: bool,
    reuse: bool,
    background: int,
    seed: int,
) -> None:
    """Raise for options outside their set, and for those that contradict each other."""
    check_option("control", control, CONTROLS)
    check_option("score", score, SCORE_KINDS)
    check_option("order", order, ORDERS)
    check_option("caliper_unit", caliper_unit, CALIPER_UNITS)
    check_option("calendar_unit", calendar_unit, tuple(CALENDAR_UNITS))
    if caliper is not None and not (np.isfinite(caliper) and caliper >= 0):
        raise CallError(f"caliper={caliper!r} is no distance", fix="a number from 0, or None")
    for name, value, low in (("ratio", ratio, 1), ("background", background, 0), ("seed", seed, 0)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < low:
            raise CallError(f"{name}={value!r} is no count", fix=f"a whole number from {low}")
    if replace and not reuse:
        raise CallError(
            "replace=True lets one serve twice in a month, reuse=False at most once in all",
            fix="choose one of them",
        )


def read_window(window: tuple[int, int] | None, runs: Runs) -> list[int]:
    """Return the elapsed months with starts, within the window if one is given."""
    months = [int(m) for m in np.flatnonzero(runs.starters()) + runs.low]
    if window is None:
        return months
    try:
        low, high = (int(end) for end in window)
    except (TypeError, ValueError):
        low, high = 1, 0
    if low > high:
        raise CallError(
            f"window={window!r} is no first and last month", fix="for instance window=(1, 24)"
        )
    return [m for m in months if low <= m <= high]
