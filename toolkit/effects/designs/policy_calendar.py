"""When rules changed and for whom: the dates and borders that designs can use, as data."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from toolkit.errors import check_option
from toolkit.registers.codes import SCHEME
from toolkit.trajectories.calendar import Window

if TYPE_CHECKING:
    from datetime import date

Field = Literal["date", "age", "duration", "region"]
Confidence = Literal["found", "memory"]

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "key": pl.String, "date": pl.Date, "until": pl.Date, "what": pl.String, "field": pl.String,
    "running": pl.String, "cutoff": pl.Float64, "schemes": pl.List(pl.String),
    "designs": pl.List(pl.String), "series_break": pl.Boolean, "confidence": pl.String,
    "source": pl.String, "note": pl.String,
}  # fmt: skip


def policy_calendar() -> pl.DataFrame:
    """Return the changes of rules that are known, by date.

    Returns
    -------
    pl.DataFrame
        `key, date, until, what, field` (date, age, duration or region), `running` and `cutoff` (the
        number people stand along, and the border on it), `schemes, designs` (keys of
        `effects.methods`), `series_break` (how things are counted changed: no effect can be read
        there), `confidence`, `source, note, citable`. Rows with confidence ``memory`` are not
        citable: look them up in the law first.

    Examples
    --------
    >>> from toolkit import effects
    >>> effects.policy_calendar().filter(key="iro_stop")["citable"].item()
    True
    """
    return _read()


@cache
def _read() -> pl.DataFrame:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    rows = [{"series_break": False} | change for change in tomllib.loads(text)["change"]]
    frame = pl.DataFrame(rows, schema=_SCHEMA)
    return frame.with_columns(citable=pl.col("confidence") == "found").sort("date", "key")


def find_cutoffs(
    *,
    window: Window | str | tuple[date | str, date | str],
    scheme: str | None = None,
    field: Field | None = None,
    confidence: Confidence | None = None,
) -> pl.DataFrame:
    """Return changes within a window that a design can use, and breaks that stand in its way.

    Parameters
    ----------
    window : Window, text or pair of dates
        Of the data. A change counts when it begins within the window, with months on both sides;
        a border that does not move with the date (an age) also when its rule is in force in it.
    scheme : str, optional
        Benefit, as in `registers.codes.SCHEME`.
    field : {"date", "age", "duration", "region"}, optional
    confidence : {"found", "memory"}, optional

    Returns
    -------
    pl.DataFrame
        The rows of `policy_calendar`, with `months_before` and `months_after` in the window, and
        `in_the_way`: keys of other changes and breaks for the same benefit within a year of it.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a window that cannot be read, or an option outside its set.

    Examples
    --------
    >>> from toolkit import effects
    >>> effects.find_cutoffs(window="2009/2011", scheme="ww", field="date")["key"].to_list()
    ['iro_stop']
    """
    period = Window.of(window)
    for name, value, allowed in (
        ("scheme", scheme, SCHEME),
        ("field", field, ("date", "age", "duration", "region")),
        ("confidence", confidence, ("found", "memory")),
    ):
        if value is not None:
            check_option(name, value, allowed)
    calendar = _read()
    lasting = pl.col("cutoff").is_not_null() & (pl.col("date") <= period.start)
    lasting &= pl.col("until").is_null() | (pl.col("until") >= period.start)
    inside = pl.col("date").is_between(period.start, period.end, closed="none")
    usable = calendar.filter((inside | lasting) & (pl.col("designs").list.len() > 0))
    for name, value in (("field", field), ("confidence", confidence)):
        if value is not None:
            usable = usable.filter(pl.col(name) == value)
    if scheme is not None:
        usable = usable.filter(pl.col("schemes").list.contains(scheme))
    months = 365.25 / 12
    days = pl.col("date") - pl.lit(period.start), pl.lit(period.end) - pl.col("date")
    whole = [(gap.dt.total_days() / months).round(0).cast(pl.Int64).clip(0) for gap in days]
    found = usable.with_columns(months_before=whole[0], months_after=whole[1])
    near = [_near(calendar, row) for row in found.iter_rows(named=True)]
    return found.with_columns(in_the_way=pl.Series(near, dtype=pl.List(pl.String)))


def _near(calendar: pl.DataFrame, row: dict[str, Any]) -> list[str]:
    other = calendar.filter(
        (pl.col("key") != row["key"])
        & ((pl.col("date") - row["date"]).dt.total_days().abs() <= 365)
        & (pl.col("schemes").list.set_intersection(row["schemes"]).list.len() > 0)
    )
    return other["key"].to_list()
