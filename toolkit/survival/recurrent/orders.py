"""Which event a row waits for: the first, the second … and since when its clock runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, InputError, NegativeTimeError, check_option
from toolkit.frames import rows_where
from toolkit.survival.joined_times import join_times
from toolkit.survival.recurrent.histories import read_histories

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.recurrent.histories import Histories

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Holes = Literal["refuse", "ignore"]
HOLES = ("refuse", "ignore")
#: Column that `order_events` adds.
ORDER = "event_order"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Rows with the event they wait for, in the order of the data; N rows.

    Attributes
    ----------
    histories : Histories
    order : (N,) array
        1 + events of the person before the row, at most `max_order`.
    clock : (N,) array
        When the row's gap began: the start of the person's first row of that event.
    holes, interruptions : int
        Rows that start later than the one before stopped: after an event, and without one.
    """

    histories: Histories
    order: Ints
    clock: NDArray[np.generic]
    holes: int
    interruptions: int

    def counts(self, event: NDArray[np.bool_]) -> pl.DataFrame:
        """Return rows and events by order."""
        return (
            pl.DataFrame({"order": self.order, "event": event})
            .group_by("order")
            .agg(n=pl.len(), n_event=pl.col("event").sum())
            .sort("order")
        )


def order_events(
    data: pl.DataFrame,
    *,
    person: str,
    start: str,
    stop: str,
    event: str,
    max_order: int | None = None,
    holes: Holes = "refuse",
    clock: str | None = None,
) -> Orders:
    """Number the event each row of a person waits for.

    Parameters
    ----------
    data : DataFrame
        Rows (start, stop], of which no two of a person overlap.
    person, start, stop, event : str
        Columns, as in `recurrent`.
    max_order : int, optional
        Events from this one on are taken together.
    holes : {"refuse", "ignore"}
        What to do where a person is out of sight after a row that did not end in an event: an
        event may have been missed, so that the order of the next one is not known.
    clock : str, optional
        Column that says when the row's gap began, where it began before the person's first row.

    Raises
    ------
    toolkit.errors.ToolkitError
        For rows that overlap, interruptions that are not ignored, or a clock that starts too late.
    """
    check_option("holes", holes, HOLES)
    whole = isinstance(max_order, int) and not isinstance(max_order, bool)
    if max_order is not None and not (whole and max_order > 0):
        raise CallError(
            f"max_order={max_order!r} is no number of events",
            fix="3 takes the 3rd and later as one",
        )
    data = join_times(data, start, stop)
    histories = read_histories(data, person, start, stop)
    place, first = histories.order, histories.first
    happened = data[event].cast(pl.Boolean).to_numpy()[place]
    past = np.append(False, happened[:-1]) & ~first
    interrupted = histories.hole & ~past
    if interrupted.any() and holes == "refuse":
        rows = np.sort(place[interrupted])
        named = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
        raise InputError(
            "A person is out of sight for a while without an event before it: the order of the "
            "next event is not known",
            where=f"{len(rows):,} of {data.height:,} rows; first rows {named}",
            fix="add the time that is missing, or holes='ignore' if no event can have been missed",
        )
    # events since the person's first row: a running count less what it was there
    running = np.cumsum(past)
    order = 1 + running - running[np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))]
    begins = first | past
    opening = np.maximum.accumulate(np.where(begins, np.arange(len(first)), 0))
    since = data[start].to_numpy()[place][opening]
    if max_order is not None:
        order = np.minimum(order, max_order)
    if clock is not None:
        since = data[clock].to_numpy()[place]
        count, where = rows_where(data, pl.col(clock) > pl.col(start))
        if count:
            raise NegativeTimeError(
                f"Clock {clock!r} starts after {start!r}", where=where,
                fix="it is the time at which the wait for the next event began",
            )  # fmt: skip
    return Orders(
        histories=histories,
        order=histories.to_rows(order.astype(np.int64)),
        clock=histories.to_rows(since),
        holes=int((histories.hole & past).sum()),
        interruptions=int(interrupted.sum()),
    )
