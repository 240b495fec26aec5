"""The options of `match_risk_sets`, checked at the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.frames import as_columns, require_columns, require_no_nulls, require_numeric
from toolkit.matching.risk_sets.months import ORDERS
from toolkit.matching.risk_sets.result import CONTROLS
from toolkit.matching.risk_sets.starts import SCORE_KINDS
from toolkit.matching.sample import require_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.risk_sets.runs import Runs

CalendarUnit = Literal["month", "quarter", "year", "none"]
#: Calendar months that count as one.
CALENDAR_UNITS = {"month": 1, "quarter": 3, "year": 12, "none": 0}
Caliper = float | Mapping[str, float] | None
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
    require_numeric(frame, *(name for name in columns if frame.schema[name] != pl.Boolean))
    require_no_nulls(frame, *columns)
    require_finite(frame, *columns)
    return None, tuple(dict.fromkeys(columns))


def check_options(
    *,
    control: str,
    score: str,
    order: str | None,
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
    if order is not None:
        check_option("order", order, ORDERS)
    check_option("caliper_unit", caliper_unit, CALIPER_UNITS)
    check_option("calendar_unit", calendar_unit, tuple(CALENDAR_UNITS))
    for name, value, low in (("ratio", ratio, 1), ("background", background, 0), ("seed", seed, 0)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < low:
            raise CallError(f"{name}={value!r} is no count", fix=f"a whole number from {low}")
    if replace and not reuse:
        raise CallError(
            "replace=True lets one serve twice in a month, reuse=False at most once in all",
            fix="choose one of them",
        )


def read_calipers(
    caliper: Caliper, frame: pl.DataFrame, on: Any
) -> tuple[float | None, dict[str, float]]:
    """Return the width on the score or distance, and those on columns of the data.

    Raises
    ------
    toolkit.errors.ToolkitError
        For widths that are no numbers from 0, and columns that cannot be used.
    """
    named: dict[Any, Any] = dict(caliper) if isinstance(caliper, Mapping) else {None: caliper}
    own, columns = None, {}
    for name, width in named.items():
        if width is None:
            continue
        number = isinstance(width, (int, float, np.number)) and not isinstance(width, bool)
        if not (number and np.isfinite(width) and width >= 0):
            raise CallError(f"A caliper of {width!r} is no width", fix="a finite number from 0")
        if name is None or (isinstance(on, str) and name == on):
            own = float(width)
            continue
        require_columns(frame, name)
        require_numeric(frame, name)
        require_no_nulls(frame, name)
        require_finite(frame, name)
        columns[str(name)] = float(width)
    return own, columns


def read_window(window: tuple[int, int] | None, runs: Runs) -> list[int]:
    """Return the elapsed months with starts, within the window if one is given."""
    months = [int(m) for m in np.flatnonzero(runs.starters) + runs.low]
    if window is None:
        return months
    try:
        low, high = (int(end) for end in window)
        usable = (low, high) == tuple(window) and low <= high
    except (OverflowError, TypeError, ValueError):
        usable = False
    if not usable:
        raise CallError(
            f"window={window!r} is no first and last month", fix="for instance window=(1, 24)"
        )
    return [m for m in months if low <= m <= high]


def check_form(time: str | None, entry: str | None, until: str | None) -> None:
    """Raise unless there is either a month a row, or an entry and an end."""
    if (time is None) == (entry is None) or (entry is None) != (until is None):
        raise CallError(
            "The months at risk are given by time= (a row a month), or by entry= and until= (a row "
            "a spell)",
            fix="name either time=, or both entry= and until=",
        )


def refuse_names(exact: Sequence[str]) -> None:
    """Raise for exact columns named as what stands beside them in `RiskSetMatched.unmatched`."""
    taken = {"time", "from_month", "reason", "n"} & set(exact)
    if taken:
        raise CallError(
            f"exact= names {min(taken)!r}, which is a column of .unmatched()",
            fix="rename it before matching; elapsed months are equal by themselves",
        )


def refuse_times(treated_at: str, until: str | None, columns: Sequence[str]) -> None:
    """Raise where people would be matched on what is still to come."""
    for name in (treated_at, until):
        if name in columns:
            raise CallError(
                f"Column {name!r} lies in the future of those at risk: nobody can be matched on it",
                fix="match on what is known at the start of each month",
            )
