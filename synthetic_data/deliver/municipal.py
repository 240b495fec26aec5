"""SRG as municipalities deliver it: each half-year, one record a programme offered or running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data.deliver.keys import chance
from synthetic_data.deliver.periods import last_day

if TYPE_CHECKING:
    from synthetic_data.deliver.periods import Period

#: Instruments that the form of 2010 knows apart, and the fields that say so.
APART = {
    "wage_subsidy": ("loonkostensubsidie", "lks"),
    "participation_placement": ("participatieplaats",) * 2,
}
_BIRTHDAY = 17  # stream of random numbers


def srg_persons(persons: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Return what a municipality knows of a person: BSN, day of birth (drawn), sex."""
    day = (chance(persons["person"].to_numpy(), _BIRTHDAY) * 28).astype(np.int64)
    return persons.select(
        "person",
        "sex",
        born=pl.col("birth_month") + pl.Series(day * 86_400_000).cast(pl.Duration("ms")),
    ).join(keys.select("person", "bsn"), on="person", how="left", maintain_order="left")


def srg_records(
    programmes: pl.DataFrame,
    positions: pl.DataFrame,
    people: pl.DataFrame,
    period: Period,
) -> pl.DataFrame:
    """Return the records of a half-year, typed, as the form of 2010 names its fields.

    A record tells what was known at the end of the half-year: a programme that ended later still
    runs, one that started later has not begun. Who never came is delivered once.

    Parameters
    ----------
    programmes, positions : pl.DataFrame
        Canonical; positions sorted by date.
    people : pl.DataFrame
        From `srg_persons`.
    period : Period
        The half-year.

    Returns
    -------
    pl.DataFrame
        Fields of layout `srg_2010` (with `<field>__status` where null may mean more than one
        thing), and person, programme.
    """
    last = (
        pl.when(pl.col("start").is_not_null())
        .then(last_day().fill_null(period.end))
        .when(pl.col("end_reason").is_null())
        .then(period.end)
        .otherwise("offer")
    )
    begun = pl.col("start").is_not_null() & (pl.col("start") < period.end)
    over = begun & (pl.col("end") <= period.end)
    found = (
        programmes.filter((pl.col("offer") < period.end) & (last >= period.start))
        .with_columns(begun=begun.fill_null(value=False), over=over.fill_null(value=False))
        .with_columns(
            first=pl.when("begun").then(pl.max_horizontal("start", pl.lit(period.start))),
            last=pl.when("begun").then(
                pl.when("over").then(last_day()).otherwise(last_day(pl.lit(period.end)))
            ),
        )
    )
    found = found.join(people, on="person", how="left", maintain_order="left")
    for name, day in (("positie_begin", "first"), ("positie_einde", "last")):
        found = _position_on(found, positions, day=day, name=name)
    stopped = pl.when("over").then(last_day())
    records = found.select(
        "person",
        "programme",
        statistiekjaar=pl.lit(period.year),
        statistiekperiode=pl.lit(period.half),
        gemeentecode="municipality",
        burgerservicenummer="bsn",
        geboortedatum="born",
        geslacht=pl.col("sex").cast(pl.String),
        doelgroep=pl.col("target_group").cast(pl.String),
        datum_aanbod="offer",
        begindatum_traject=pl.when("begun").then("start"),
        begindatum_traject__status=pl.when("begun")
        .then(pl.lit("valid"))
        # offered: it may still begin; never taken up: it does not apply
        .when(pl.col("start").is_null() & pl.col("end_reason").is_not_null())
        .then(pl.lit("not_applicable"))
        .otherwise(pl.lit("open")),
        einddatum_traject=stopped,
        einddatum_traject__status=_end_status("begun"),
        reden_einde_traject=pl.when("over").then(pl.col("end_reason").cast(pl.String)),
        reden_einde_traject__status=pl.when("over")
        .then(pl.lit("valid"))
        .otherwise(pl.lit("not_applicable")),
        # the form has no 6 at the begin: regular work without support needs no programme
        positie_begin=pl.when(pl.col("positie_begin") < 6).then("positie_begin"),
        positie_einde="positie_einde",
        **{
            name: value
            for instrument, (flag, stem) in APART.items()
            for name, value in _apart(instrument, flag, stem, stopped).items()
        },
    )
    return records.with_columns(
        pl.when(pl.col(name).is_null())
        .then(pl.lit("not_applicable"))
        .otherwise(pl.lit("valid"))
        .alias(f"{name}__status")
        for name in ("positie_begin", "positie_einde")
    )


def _apart(instrument: str, flag: str, stem: str, stopped: pl.Expr) -> dict[str, pl.Expr]:
    """Return flag, begin and end of an instrument that has fields of its own."""
    used = pl.col("begun") & (pl.col("instrument") == instrument).fill_null(value=False)
    begin, end = f"begindatum_{stem}", f"einddatum_{stem}"
    return {
        flag: pl.when(used).then(pl.lit("yes")).otherwise(pl.lit("no")),
        begin: pl.when(used).then("start"),
        f"{begin}__status": pl.when(used).then(pl.lit("valid")).otherwise(pl.lit("not_applicable")),
        end: pl.when(used).then(stopped),
        f"{end}__status": _end_status(used),
    }


def _end_status(used: str | pl.Expr) -> pl.Expr:
    """Valid when it ended, open while it runs, not applicable where nothing began."""
    inside = pl.col(used) if isinstance(used, str) else used
    return (
        pl.when(inside & pl.col("over"))
        .then(pl.lit("valid"))
        .when(inside)
        .then(pl.lit("open"))
        .otherwise(pl.lit("not_applicable"))
    )


def _position_on(
    frame: pl.DataFrame, positions: pl.DataFrame, *, day: str, name: str
) -> pl.DataFrame:
    """Add the position that held on a day: the latest one dated on or before it."""
    return (
        frame.with_row_index("_order")
        .sort(day, nulls_last=True)
        .join_asof(
            positions.select(
                "person", pl.col("date").alias("_since"), pl.col("position").alias(name)
            ),
            left_on=day,
            right_on="_since",
            by="person",
            strategy="backward",
            check_sortedness=False,
        )
        .sort("_order")
        .drop("_order", "_since", strict=False)
    )
