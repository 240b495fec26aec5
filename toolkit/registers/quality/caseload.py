"""The caseload of social assistance by municipality, and what share of it some of them cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.frames import require_columns, require_no_nulls, require_rows, to_frame, to_lazy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date


def caseload(
    benefits: Any,
    periods: pl.DataFrame,
    *,
    schemes: Sequence[str] = ("wwb",),
    covered: tuple[date, date] | None = None,
) -> pl.DataFrame:
    """Count the persons on benefit by municipality on the last day of each period.

    Parameters
    ----------
    benefits : frame
        The canonical table: `person`, `start`, `end`, `scheme`, `municipality`.
    periods : frame
        `period_start` and `period_end` (first day not in it).
    schemes : sequence of str
        Schemes that make the caseload.
    covered : (date, date), optional
        Coverage `[start, end)` of the benefits; periods that end outside it are left out: not
        observed is not nobody.

    Returns
    -------
    pl.DataFrame
        `period_start`, `municipality`, `caseload`: persons, each counted once.

    Examples
    --------
    >>> from datetime import date
    >>> benefits = pl.DataFrame({
    ...     "person": [1, 2], "start": [date(2009, 1, 5)] * 2, "end": [date(2009, 6, 30), None],
    ...     "scheme": ["wwb", "wwb"], "municipality": ["gm0003", "gm0003"],
    ... })
    >>> half = pl.DataFrame({"period_start": [date(2009, 1, 1)], "period_end": [date(2009, 7, 1)]})
    >>> caseload(benefits, half)["caseload"].item()
    1
    """
    frame = to_lazy(benefits)
    require_columns(frame, "person", "start", "end", "scheme", "municipality", where="benefits")
    on = frame.filter(
        pl.col("scheme").cast(pl.String).is_in(list(schemes)), pl.col("municipality").is_not_null()
    ).select("person", "start", "end", "municipality")
    counts = []
    for first, after in periods.select("period_start", "period_end").unique().sort(
        "period_start", "period_end"
    ).iter_rows():  # fmt: skip
        last = pl.lit(after).cast(pl.Date).dt.offset_by("-1d")
        if covered is not None and not covered[0] < after <= covered[1]:
            continue
        counts.append(
            on.filter(pl.col("start") <= last, pl.col("end").is_null() | (pl.col("end") > last))
            .group_by("municipality")
            .agg(caseload=pl.col("person").n_unique().cast(pl.Int64))
            .select(period_start=pl.lit(first).cast(pl.Date), municipality="municipality",
                    caseload="caseload")
        )  # fmt: skip
    shape = {"period_start": pl.Date, "municipality": pl.String, "caseload": pl.Int64}
    if not counts:
        return pl.DataFrame(schema=shape)
    return pl.concat(pl.collect_all(counts)).sort("period_start", "municipality")


def coverage(frame: Any, *, among: str | None = None) -> pl.DataFrame:
    """Order municipalities by caseload and add up what share of the whole they cover.

    Parameters
    ----------
    frame : frame
        One period: `municipality`, `caseload`.
    among : str, optional
        Boolean column: only municipalities where it holds are counted, out of the whole all
        the same.

    Returns
    -------
    pl.DataFrame
        `rank` (1 is the largest), `municipality`, `caseload`, `estimate` (share covered by it and
        those before).

    Examples
    --------
    >>> frame = pl.DataFrame({"municipality": ["a", "b", "c"], "caseload": [1, 3, 4]})
    >>> coverage(frame)["estimate"].to_list()
    [0.5, 0.875, 1.0]
    """
    data = to_frame(frame)
    require_columns(data, "municipality", "caseload", where="coverage")
    require_rows(data, "coverage")
    require_no_nulls(data, "caseload")
    whole = data["caseload"].sum()
    chosen = data if among is None else data.filter(pl.col(among).fill_null(value=False))
    return chosen.sort("caseload", "municipality", descending=[True, False]).select(
        rank=pl.int_range(1, pl.len() + 1),
        municipality="municipality",
        caseload="caseload",
        estimate=pl.col("caseload").cum_sum() / whole,
    )
