"""Pretended starts: the same comparison, some months before anything happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, EmptyCohortError, WrongTypeError
from toolkit.frames import require_columns, require_no_nulls, to_frame
from toolkit.provenance import versions
from toolkit.result import Result


@dataclass(frozen=True, kw_only=True)
class PlaceboStarts(Result):
    """A panel in which programmes start `lead` months before they did.

    Attributes
    ----------
    panel : DataFrame
        Rows of the panel that was handed in, of months in which nobody was treated yet, with
        `treated_at` moved and `placebo_treated`: whether the pretended start is in this month.
    lead : int
    """

    panel: pl.DataFrame = field(repr=False)
    time: str
    lead: int

    def tidy(self) -> pl.DataFrame:
        """Return pretended starts, and people at risk, by month: `time, n_start, n_at_risk`."""
        return (
            self.panel.group_by(time=self.time)
            .agg(n_start=pl.col("placebo_treated").sum(), n_at_risk=pl.len())
            .sort("time")
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: rows and starts."""
        starts = int(self.panel["placebo_treated"].sum())
        return pl.DataFrame({"n": [self.panel.height], "n_start": [starts], "lead": [self.lead]})


def placebo_starts(
    panel: Any, *, person: str, time: str, treated_at: str, lead: int = 6
) -> PlaceboStarts:
    """Pretend that every programme started `lead` months before it did.

    The pretended treated are compared with others in months in which none of them was treated yet:
    matched and estimated like the real ones, they should show no effect until the real start. What
    they show is selection on what was not observed, or anticipation.

    Parameters
    ----------
    panel : frame
        As for `matching.match_risk_sets`: a row a person and elapsed month at risk, the month of
        the start the last one.
    person, time, treated_at : str
        Columns of the person, the elapsed month, and the month of the (first) start; null = none.
    lead : int
        Months, above 0. Outcomes are to be read within them: fewer than `lead` months from the
        pretended start.

    Returns
    -------
    PlaceboStarts
        `.panel` goes where the real panel went.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be used, two rows of a person and month, and panels in
        which nobody starts late enough.

    Notes
    -----
    Somebody who will start was certainly still at risk `lead` months later. So that the controls
    have no other future, both must have a row then: the placebo is of people still there, and its
    outcome must be one that can differ among these (hours or earnings beside benefit, applications,
    sickness), not the exit itself.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> panel = pl.DataFrame(
    ...     {"person": [1] * 4 + [2] * 5, "month": [1, 2, 3, 4, 1, 2, 3, 4, 5],
    ...      "start": [4] * 4 + [None] * 5}
    ... )
    >>> made = effects.placebo_starts(
    ...     panel, person="person", time="month", treated_at="start", lead=2
    ... )
    >>> made.tidy().rows()
    [(1, 0, 2), (2, 1, 2), (3, 0, 1)]
    """
    frame = to_frame(panel)
    require_columns(frame, person, time, treated_at)
    require_no_nulls(frame, person, time)
    if not isinstance(lead, int) or isinstance(lead, bool) or lead < 1:
        raise CallError(f"lead={lead!r} is no whole number of months above 0", fix="lead=6")
    for name in (time, treated_at):
        dtype = frame.schema[name]
        if not (dtype.is_integer() or dtype == pl.Null):
            raise WrongTypeError(
                f"Column {name!r} is {dtype}, not a whole number of months",
                fix="count elapsed months, from the start of the spell",
            )
    twice = frame.select(person, time).is_duplicated()
    if twice.any():
        raise DuplicateKeyError(
            "A person has two rows in one elapsed month", where=f"{int(twice.sum()):,} rows",
            fix="keep one row a person and month",
        )  # fmt: skip
    if "placebo_treated" in frame.columns:
        raise CallError("The panel has a column 'placebo_treated'", fix="rename it")
    frame = frame.with_columns(pl.col(treated_at).cast(pl.Int64))
    later = frame.select(person, pl.col(time) - lead)
    at_risk = frame.filter(
        pl.col(treated_at).is_null() | (pl.col(time) + lead <= pl.col(treated_at))
    )
    kept = at_risk.join(later, on=[person, time], how="semi", maintain_order="left").with_columns(
        pl.col(treated_at) - lead,
        placebo_treated=pl.col(time).eq_missing(pl.col(treated_at) - lead),
    )
    real = frame.filter(pl.col(time) == pl.col(treated_at)).height
    starts = int(kept["placebo_treated"].sum())
    if not starts:
        raise EmptyCohortError(
            f"Nobody was at risk {lead:,} months before their start", fix="choose a shorter lead"
        )
    return PlaceboStarts(
        panel=kept, time=time, lead=lead,
        meta={
            "method": f"Starts pretended {lead} months before they were",
            "n": kept.height,
            "dropped": {
                "rows less than the lead before a start": frame.height - at_risk.height,
                "rows of who was no longer at risk after the lead": at_risk.height - kept.height,
                "starts before which there is no such month": real - starts,
            },
            "versions": versions(),
        },
    )  # fmt: skip
