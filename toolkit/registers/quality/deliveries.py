"""One row a municipality and period: did it deliver, on time, complete, with usable positions."""

from __future__ import annotations

from typing import Any

import polars as pl

from toolkit.errors import InputError, UnknownCodeError
from toolkit.frames import require_columns, require_rows, to_frame
from toolkit.registers.quality.mergers import bodies
from toolkit.registers.quality.standards import Standards
from toolkit.registers.reconcile.mergers import codes_as_of

#: Counts of a file, and counts of its programmes and positions.
RECORDS = ("rows", "accepted", "rejected", "set_aside")
MEASURES = (
    "programmes", "started", "position_usable", "position_required", "compared", "agreed", "new",
)  # fmt: skip
#: What a delivery comes down to, the worst first.
STATES = ("missing", "incomplete", "no_position", "late", "good")


def periods_of(files: pl.DataFrame) -> pl.DataFrame:
    """Return the periods of a delivery, also those in between for which nobody delivered.

    Parameters
    ----------
    files : frame
        `period_start`, `period_end`.

    Returns
    -------
    pl.DataFrame
        `period_start`, `period_end`, in order. Periods of different lengths are given as found.
    """
    found = files.select("period_start", "period_end").drop_nulls().unique().sort("period_start")
    start, end = pl.col("period_start").dt, pl.col("period_end").dt
    length = 12 * (end.year() - start.year()) + end.month() - start.month()
    months = found.select(length.unique()).to_series()
    if months.len() != 1 or months[0] < 1:
        return found
    step = f"{months[0]}mo"
    whole = pl.date_range(found["period_start"][0], found["period_start"][-1], step, eager=True)
    filled = pl.DataFrame({"period_start": whole}).with_columns(
        period_end=pl.col("period_start").dt.offset_by(step)
    )
    # Periods that do not follow on each other by whole steps are given as found.
    return filled if found.join(filled, on="period_start", how="anti").height == 0 else found


def deliveries(
    files: Any,
    measures: Any,
    municipalities: Any,
    *,
    caseload: pl.DataFrame | None = None,
    standards: Standards | None = None,
    mergers: pl.DataFrame | None = None,
    periods: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Judge the delivery of every municipality in every period.

    A municipality that has since taken others in is judged as it is now: it has delivered when all
    that were there in the period have, and came in with the last of them. Of several versions of
    a file the first says when the municipality delivered, the newest what. Comparison with the
    period before is only made within one layout: another layout counts other things.

    Parameters
    ----------
    files : frame
        One row a file: `file`, `layout`, `municipality`, `period_start`, `period_end`, `version`,
        `received`, and the counts `rows, accepted, rejected, set_aside`.
    measures : frame
        One row a file: `file`, `programmes`, `started`, `position_usable`, `position_required`,
        `compared`, `agreed`, `new`.
    municipalities : frame
        `municipality`, `name`, `region`, `size_class`: everybody who has to deliver.
    caseload : frame, optional
        `period_start`, `municipality`, `caseload`.
    standards : Standards, optional
        What counts as on time, complete and usable.
    mergers : frame, optional
        `old`, `new`, `date`.
    periods : frame, optional
        `period_start`, `period_end`; without it those of the files.

    Returns
    -------
    pl.DataFrame
        Per `municipality` and `period_start`: `due`, `bodies`, `bodies_delivered`, `received`, the
        counts, `delivered`, `on_time` (null: delivered on an unknown day), `days_late`,
        `rejected_share`, `of_previous`, `too_many_rejected`, `too_few_records`, `complete`,
        `usable_share`, `usable` (null where no position is asked yet), `agreement`, `state`.

    Raises
    ------
    UnknownCodeError
        When a file comes from a municipality that is not known.
    """
    rules = standards or Standards()
    reference = to_frame(municipalities)
    require_columns(
        reference, "municipality", "name", "region", "size_class", where="municipalities"
    )
    require_rows(reference, "municipalities")
    found = to_frame(measures)
    if found.is_empty():  # a delivery without programmes has nothing to measure
        found = pl.DataFrame(schema=dict.fromkeys(("file", *MEASURES), pl.Int64))
    sent = _files(to_frame(files), found)
    spans = periods_of(sent) if periods is None else periods.sort("period_start")
    require_rows(spans, "the periods of the delivery")
    _known(sent, reference, mergers)
    seen = sent.group_by("body").agg(first=pl.col("period_start").min())
    duty = _duty(bodies(reference, mergers, seen), spans)
    judged = _together(duty, _newest(sent), mergers)
    # A municipality that is there now but had no body then (nothing before its merger) is no row.
    out = (
        reference.select("municipality", "name", "region", "size_class")
        .join(judged, on="municipality", how="inner")
        .sort("municipality", "period_start")
    )
    if caseload is None:
        out = out.with_columns(caseload=pl.lit(None, dtype=pl.Int64))
    else:
        known = caseload["period_start"].unique()
        out = out.join(caseload, on=["period_start", "municipality"], how="left").with_columns(
            caseload=pl.when(pl.col("period_start").is_in(known.implode())).then(
                pl.col("caseload").fill_null(0)
            )
        )
    return _judge(out, rules)


def _files(files: pl.DataFrame, measures: pl.DataFrame) -> pl.DataFrame:
    """Return the files of municipalities about a period, with their measures."""
    require_columns(
        files, "file", "layout", "municipality", "period_start", "period_end", "version",
        "received", *RECORDS, where="files",
    )  # fmt: skip
    require_columns(measures, "file", *MEASURES, where="measures")
    if measures["file"].is_duplicated().any():
        raise InputError("A file stands twice in the measures", fix="give one row a file")
    of_municipality = pl.col("municipality").is_not_null() & pl.col("period_start").is_not_null()
    return (
        files.filter(of_municipality)
        .rename({"municipality": "body"})
        .join(
            measures.select(pl.col("file").cast(files.schema["file"]), *MEASURES),
            on="file", how="left", validate="1:1",
        )
    )  # fmt: skip


def _known(sent: pl.DataFrame, reference: pl.DataFrame, mergers: pl.DataFrame | None) -> None:
    last = codes_as_of(mergers)
    known = {*reference["municipality"], *last}
    strange = sorted(set(sent["body"]) - known)
    gone = sorted(set(last.values()) - set(reference["municipality"]))
    if strange or gone:
        shown = ", ".join((strange or gone)[:5])
        what = "files come from" if strange else "mergers lead to"
        raise UnknownCodeError(
            f"{len(strange or gone):,} municipalities that {what} are not known: {shown}",
            where="municipalities",
            fix="add them to the reference table, or to the concordance of mergers",
        )


def _newest(sent: pl.DataFrame) -> pl.DataFrame:
    """Return one row a body and period: counts of the newest version, receipt of the first."""
    by_version = sent.sort("version")
    return by_version.group_by("body", "period_start", maintain_order=True).agg(
        pl.col("received").first(),
        pl.col("layout", "version", *RECORDS, *MEASURES).last(),
    )


def _duty(everyone: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Return who had to deliver for which period: who was there on its last day."""
    last = pl.col("period_end").dt.offset_by("-1d")
    return (
        everyone.join(spans, how="cross")
        .filter(
            pl.col("since").is_null() | (pl.col("since") <= last),
            pl.col("until").is_null() | (pl.col("until") > last),
        )
        .drop("since", "until")
    )


def _together(
    duty: pl.DataFrame, newest: pl.DataFrame, mergers: pl.DataFrame | None
) -> pl.DataFrame:
    """Return one row a municipality of now and period."""
    last = codes_as_of(mergers)
    on = ["body", "period_start"]
    had = duty.join(newest.with_columns(came=pl.lit(value=True)), on=on, how="left")
    # Who delivered without a duty (under its old code, after a merger) brings its records only.
    spans = duty.select("period_start", "period_end").unique()
    extra = (
        newest.join(duty, on=on, how="anti")
        .join(spans, on="period_start", how="inner")
        .with_columns(municipality=pl.col("body").replace(last), duty=pl.lit(value=False))
    )
    both = pl.concat([had.with_columns(duty=pl.lit(value=True)), extra], how="diagonal")
    asked, came = pl.col("duty"), pl.col("came").fill_null(value=False)
    return (
        both.group_by("municipality", "period_start", "period_end")
        .agg(
            bodies=asked.sum().cast(pl.Int64),
            bodies_delivered=(asked & came).sum().cast(pl.Int64),
            received=pl.when((asked & came & pl.col("received").is_null()).any())
            .then(None)
            .otherwise(pl.col("received").filter(asked).max()),
            layout=pl.when(pl.col("layout").drop_nulls().n_unique() == 1).then(
                pl.col("layout").drop_nulls().first()
            ),
            version=pl.col("version").max(),
            **{name: pl.col(name).sum().cast(pl.Int64) for name in (*RECORDS, *MEASURES)},
        )
        .filter(pl.col("bodies") > 0)
    )


def _judge(frame: pl.DataFrame, rules: Standards) -> pl.DataFrame:
    delivered = pl.col("delivered")
    asked = pl.col("period_start") >= pl.lit(rules.position_from)
    before = pl.col("accepted").shift(1).over("municipality", order_by="period_start")
    same = (
        pl.col("layout") == pl.col("layout").shift(1).over("municipality", order_by="period_start")
    ) & delivered.shift(1).over("municipality", order_by="period_start")
    next_to = pl.col("period_end").shift(1).over("municipality", order_by="period_start") == (
        pl.col("period_start")
    )
    compared = delivered & (same & next_to).fill_null(value=False)
    day = pl.col("due")
    return (
        frame.with_columns(
            delivered=pl.col("bodies_delivered") == pl.col("bodies"),
            due=pl.col("period_end").dt.offset_by(f"{rules.due_days - 1}d"),
        )
        .with_columns(received=pl.when(delivered).then(pl.col("received")))
        .with_columns(
            on_time=pl.when(delivered).then(pl.col("received") <= day).otherwise(statement=False),
            days_late=pl.when(delivered & (pl.col("received") > day))
            .then((pl.col("received") - day).dt.total_days()),
            rejected_share=_share("rejected", "rows"),
            previous=pl.when(compared).then(before),
            usable_share=pl.when(asked).then(_share("position_usable", "position_required")),
            agreement=_share("agreed", "compared"),
        )
        .with_columns(
            of_previous=_share("accepted", "previous"),
            too_many_rejected=delivered
            & (pl.col("rejected_share") > rules.most_rejected).fill_null(value=False),
        )
        .with_columns(
            too_few_records=delivered
            & (pl.col("previous") >= rules.compare_from).fill_null(value=False)
            & (pl.col("of_previous") < rules.least_of_previous).fill_null(value=False)
        )
        .with_columns(
            complete=delivered & ~pl.col("too_many_rejected") & ~pl.col("too_few_records")
        )
        .with_columns(
            usable=pl.when(asked).then(
                pl.col("complete")
                & (pl.col("usable_share") >= rules.least_usable).fill_null(value=True)
            )
        )
        .with_columns(
            state=pl.when(~delivered).then(pl.lit("missing"))
            .when(~pl.col("complete")).then(pl.lit("incomplete"))
            .when(~pl.col("usable").fill_null(value=True)).then(pl.lit("no_position"))
            .when(~pl.col("on_time").fill_null(value=True)).then(pl.lit("late"))
            .otherwise(pl.lit("good"))
            .cast(pl.Enum(STATES))
        )
    )  # fmt: skip


def _share(part: str, whole: str) -> pl.Expr:
    """Return a share; null where there is nothing to be a share of."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))
