"""The door of every figure: the frame is there, has its columns, and its numbers are numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError
from toolkit.frames import (
    require_columns,
    require_no_nulls,
    require_numeric,
    require_rows,
    to_frame,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def open_door(
    data: Any, *, where: str, need: Sequence[str], numbers: Sequence[str]
) -> pl.DataFrame:
    """Return the frame a figure draws, checked: columns, rows, numeric types."""
    if hasattr(data, "tidy"):
        raise CallError(
            f"A {type(data).__name__} is not a frame", where=where, fix="pass its tidy()"
        )
    frame = to_frame(data)
    require_columns(frame, *need, where=where)
    require_rows(frame, where)
    require_numeric(frame, *numbers)
    return frame


def require_shares(frame: pl.DataFrame, *names: str, where: str) -> None:
    """Raise unless the columns, where filled, are shares between 0 and 1."""
    for name in names:
        outside = frame.filter((pl.col(name) < -1e-9) | (pl.col(name) > 1 + 1e-9)).height
        if outside:
            raise CallError(
                f"Column {name!r} has {outside} values outside 0 to 1",
                where=where,
                fix="pass shares, not percentages",
            )


def groups_of(frame: pl.DataFrame, group: str | None) -> list[tuple[Any, pl.DataFrame]]:
    """Return the frame in parts, one a group, in order of first appearance."""
    if group is None:
        return [(None, frame)]
    require_columns(frame, group, where="the figure's frame")
    require_no_nulls(frame, group)
    return [(key[0], part) for key, part in frame.group_by(group, maintain_order=True)]
