"""Errors in the SRG records of municipalities: planned by programme, made by half-year."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from synthetic_data.deliver.dirt.change import Change
from synthetic_data.deliver.dirt.plan import kinds_of
from toolkit.registers.rules import rule_id

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from synthetic_data.deliver.periods import Period
    from toolkit.registers.layout import Layout

#: Kinds that change one record, or add one.
KINDS = (
    "wrong_code", "swapped_dates", "impossible_date", "duplicate", "begin_changed",
    "reason_without_end", "end_without_reason", "subsidy_outside", "placement_outside",
    "position_out_of_range", "wrong_bsn", "unlinked_bsn", "wrong_municipality",
    "two_municipalities", "cut_off", "correction",
)  # fmt: skip
_APART = ("wage_subsidy", "participation_placement")


def plan(
    programmes: pl.DataFrame,
    shares: Mapping[str, float],
    *,
    key: int,
    first: int,
    last: int,
    steady: Collection[str],
    delimited: Collection[str],
) -> pl.DataFrame:
    """Choose for each struck person the programme, and the half-year in which it goes wrong.

    Parameters
    ----------
    programmes : pl.DataFrame
        Canonical.
    shares : mapping
        Kind → share of persons.
    key : int
        Of the draw.
    first, last : int
        Numbers (`2·year + half − 1`) of the first and last half-year delivered.
    steady : collection of str
        Municipalities that deliver every half-year under their own code: errors that show only
        against an earlier delivery happen there.
    delimited : collection of str
        Municipalities that send delimited text, where a line cut off breaks another rule.

    Returns
    -------
    pl.DataFrame
        `_programme, _kind_planned, _at`.
    """
    wanted = {kind: shares[kind] for kind in KINDS if shares[kind] > 0}
    persons = programmes["person"].unique().sort()
    struck = pl.DataFrame({"person": persons, "_kind_planned": kinds_of(persons, wanted, key)})
    begun, over = pl.col("start").is_not_null(), pl.col("end").is_not_null()
    ended = pl.col("end").dt.offset_by("-1d")
    offer = half_of("offer").clip(lower_bound=first)
    begin = half_of("start").clip(lower_bound=first)
    end = half_of(ended)
    apart = pl.col("instrument").cast(pl.String).is_in(_APART).fill_null(value=False)
    # running on at the end of the half-year in which it began
    running = begun & (begin < pl.coalesce(end, last)) & (pl.col("end").is_null() | (end > begin))
    still = pl.col("municipality").is_in(list(steady))
    instrument = pl.col("instrument").cast(pl.String)
    cases: dict[str, tuple[pl.Expr, pl.Expr]] = {
        "wrong_code": (pl.lit(value=True), offer),
        "impossible_date": (pl.lit(value=True), offer),
        "duplicate": (pl.lit(value=True), offer),
        "wrong_bsn": (pl.lit(value=True), offer),
        "unlinked_bsn": (pl.lit(value=True), offer),
        "cut_off": (~pl.col("municipality").is_in(list(delimited)), offer),
        "wrong_municipality": (pl.lit(value=True), offer),
        "swapped_dates": (begun & over & (ended > pl.col("start")) & ~apart, end),
        "begin_changed": (running & ~apart & still, begin + 1),
        "correction": (running & ~apart & still, begin),
        "reason_without_end": (running, begin),
        "end_without_reason": (begun & over, end),
        "subsidy_outside": (begun & (instrument == "wage_subsidy"), begin),
        "placement_outside": (begun & (instrument == "participation_placement"), begin),
        "position_out_of_range": (begun, begin),
        # the record added begins a day later, still within the half-year
        "two_municipalities": (
            running & ~apart & (half_of(pl.col("start").dt.offset_by("1d")) <= begin),
            begin,
        ),
    }
    may, at = pl.lit(value=False), pl.lit(None, pl.Int32)
    for kind in wanted:
        found, when = cases[kind]
        mine = (pl.col("_kind_planned") == kind) & found & when.is_between(first, last)
        may |= mine.fill_null(value=False)
        at = pl.when(mine.fill_null(value=False)).then(when).otherwise(at)
    seen = pl.when(begun).then(end.fill_null(last)).otherwise(offer) >= first
    offered = (half_of("offer") >= first) | begun
    return (
        programmes.filter(seen & offered)
        .join(struck.filter(pl.col("_kind_planned").is_not_null()), on="person")
        .filter(may)
        .with_columns(_at=at)
        .sort("person", "offer")
        .unique("person", keep="first", maintain_order=True)
        .select(_programme="programme", _kind_planned="_kind_planned", _at="_at")
    )


def half_of(day: str | pl.Expr) -> pl.Expr:
    """Return the number of the half-year of a day: `2·year + half − 1`."""
    date = pl.col(day) if isinstance(day, str) else day
    return (date.dt.year() * 2 + (date.dt.month() > 6).cast(pl.Int32)).cast(pl.Int32)


def number_of(period: Period) -> int:
    """Return the number of a half-year."""
    return period.year * 2 + (period.half or 1) - 1


def changes(layout: Layout, period: Period) -> dict[str, Change]:
    """Return what each kind does to a record; kinds that add a record change the added one."""
    begin, end = pl.col("begindatum_traject"), pl.col("einddatum_traject")
    closing = pl.lit(f"{period.end - timedelta(days=1):%Y%m%d}")
    return {
        "wrong_code": Change(
            "geslacht", {"geslacht": pl.lit("3")}, rule_id(layout, "CODE", "geslacht")
        ),
        "impossible_date": Change(
            "datum_aanbod",
            {"datum_aanbod": pl.col("datum_aanbod").str.slice(0, 4) + "0231"},
            rule_id(layout, "DATE", "datum_aanbod"),
        ),
        "swapped_dates": Change(
            "begindatum_traject",
            {"begindatum_traject": end, "einddatum_traject": begin},
            "SRG10-01",
        ),
        "position_out_of_range": Change(
            "positie_begin",
            {"positie_begin": pl.lit("6")},
            rule_id(layout, "RANGE", "positie_begin"),
        ),
        "wrong_bsn": Change(
            "burgerservicenummer", {"burgerservicenummer": _wrong_bsn()}, "KEY-BSN", secret=True
        ),
        "reason_without_end": Change(
            "reden_einde_traject", {"reden_einde_traject": pl.lit("3")}, "SRG10-04"
        ),
        "end_without_reason": Change(
            "reden_einde_traject", {"reden_einde_traject": pl.lit("9")}, "SRG10-05"
        ),
        "subsidy_outside": Change(
            "begindatum_lks", {"begindatum_lks": _days_later("begindatum_lks", -10)}, "SRG10-13"
        ),
        "placement_outside": Change(
            "begindatum_participatieplaats",
            {"begindatum_participatieplaats": _days_later("begindatum_participatieplaats", -10)},
            "SRG10-23",
        ),
        "begin_changed": Change(
            "begindatum_traject",
            {"begindatum_traject": _days_later("begindatum_traject", 1)},
            "SRG10-31",
        ),
        "correction": Change(
            "einddatum_traject",
            {"einddatum_traject": closing, "reden_einde_traject": pl.lit("4")},
            None,
            "revision",
        ),
        "unlinked_bsn": Change(
            "burgerservicenummer",
            {"burgerservicenummer": pl.col("_nobody")},
            "KEY-UNLINKED",
            "set_aside",
            secret=True,
        ),
        "cut_off": Change(
            "positie_einde",
            {"_line": _cut_off(layout), "positie_einde": pl.lit("")},
            rule_id(layout, "WIDTH"),
        ),
        "duplicate": Change("datum_aanbod", {"datum_aanbod": pl.col("datum_aanbod")}, "SRG10-30"),
        "two_municipalities": Change(
            "gemeentecode",
            # of two spells the one that begins later is counted
            {"gemeentecode": _other(), "begindatum_traject": _days_later("begindatum_traject", 1)},
            "SRG10-35",
            "warning",
        ),
        "wrong_municipality": Change("gemeentecode", {"gemeentecode": _other()}, "SRG10-42"),
    }


def without(field: str) -> Change:
    """Return the error of a position that is not delivered."""
    rule = {"positie_begin": "SRG10-50", "positie_einde": "SRG10-51"}[field]
    return Change(field, {field: pl.lit("9")}, rule, "warning")


def _days_later(field: str, days: int) -> pl.Expr:
    return (
        pl.col(field)
        .str.to_date("%Y%m%d", strict=False)
        .dt.offset_by(f"{days}d")
        .dt.strftime("%Y%m%d")
    )


def _other() -> pl.Expr:
    """Return the code of another municipality, put beside the record beforehand."""
    return pl.col("_other")


def _cut_off(layout: Layout) -> pl.Expr:
    """Return the line without its last characters, as a broken transfer leaves it."""
    return pl.concat_str(field.name for field in layout.fields).str.slice(0, layout.width - 3)


def _wrong_bsn() -> pl.Expr:
    """Return a BSN with its last digit one higher: the sum changes by 1 or 9, never by 11."""
    bsn = pl.col("burgerservicenummer")
    digit = (bsn.str.slice(8).cast(pl.Int8) + 1) % 10
    return bsn.str.slice(0, 8) + digit.cast(pl.String)
