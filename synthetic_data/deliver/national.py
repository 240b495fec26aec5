"""The national files: each canonical table as CBS delivers it, typed, under the layout's names.

Where null may mean more than one thing, a column `<field>__status` says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from synthetic_data.deliver.jobs import pieces, wage_rows
from synthetic_data.deliver.periods import as_known, last_day, overlaps

if TYPE_CHECKING:
    from datetime import date

    from synthetic_data.deliver.periods import Period

#: Days of a mean month: POLIS holds totals over a piece, not over calendar months.
MONTH_DAYS = 30.4375


def status(field: str, expr: pl.Expr, when_null: str) -> dict[str, pl.Expr]:
    """Return a field and its status: `valid`, or `when_null` where it is null."""
    state = pl.when(expr.is_null()).then(pl.lit(when_null)).otherwise(pl.lit("valid"))
    return {field: expr, f"{field}__status": state}


def name_of(column: str) -> pl.Expr:
    """Return a code as its name."""
    return pl.col(column).cast(pl.String)


def persons(table: pl.DataFrame, period: Period) -> pl.DataFrame:  # noqa: ARG001 (as all books)
    """GBAPERSOON: everyone, what does not change."""
    return table.select(
        "person",
        GBAGESLACHT=name_of("sex"),
        GBAGEBOORTEJAAR=pl.col("birth_month").dt.year(),
        GBAGEBOORTEMAAND=pl.col("birth_month").dt.strftime("%m"),
        HERKOMSTDRIEDELING=name_of("origin"),
    )


def education(table: pl.DataFrame, period: Period) -> pl.DataFrame:  # noqa: ARG001
    """HOOGSTEOPL: those whose education is known."""
    known = table.filter(pl.col("education").is_not_null())
    return known.select("person", OPLNIVSOI2016AGG4HBMETNIRWO=name_of("education"))


def work_limited(table: pl.DataFrame, period: Period) -> pl.DataFrame:  # noqa: ARG001
    """ARBEIDSBEPERKT: those of whom it is known."""
    known = table.filter(pl.col("work_limited").is_not_null())
    flag = pl.when("work_limited").then(pl.lit("yes")).otherwise(pl.lit("no"))
    return known.select("person", ARBEIDSBEPERKT=flag)


def deaths(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """GBAOVERLIJDEN: everyone who died before the end of the year."""
    return table.filter(pl.col("death_date") < period.end).select(
        "person", GBADatumOverlijden="death_date"
    )


def residences(table: pl.DataFrame, period: Period) -> pl.DataFrame:  # noqa: ARG001
    """VRLGBAADRESBUS: the whole history."""
    return table.select(
        "person",
        GBADATUMAANVANGADRESHOUDING="start",
        **status("GBADATUMEINDEADRESHOUDING", last_day(), "open"),
        GEMEENTECODE="municipality",
    )


def migrations(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """VRLGBAMIGRATIEBUS: departures with the return that followed, and first arrivals."""
    ordered = table.sort("person", "start").with_columns(
        back=pl.col("start").shift(-1).over("person"),
        first=pl.int_range(pl.len()).over("person") == 0,
    )
    departed = ordered.filter(pl.col("end_reason") == "emigrated").select(
        "person", left="end", back="back"
    )
    # who is there on the first day of the window came before anybody looked
    arrived = ordered.filter(pl.col("first") & (pl.col("start") > period.start)).select(
        "person", left=pl.lit(None, pl.Date), back="start"
    )
    return (
        pl.concat([departed, arrived])
        .sort("person", "back", nulls_last=True)
        .select(
            "person",
            **status("DATUMVERTREK", pl.col("left"), "not_applicable"),
            **status("DATUMVESTIGING", pl.col("back"), "open"),
        )
    )


def households(table: pl.DataFrame, period: Period) -> pl.DataFrame:  # noqa: ARG001
    """VRLGBAHUISHOUDENSBUS: the whole history."""
    return table.select(
        "person",
        DATUMAANVANGHH="start",
        **status("DATUMEINDEHH", last_day(), "open"),
        HUISHOUDNR="household",
        TYPHH=name_of("kind"),
        AANTALKINDHH="children",
    )


def assistance(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """BIJSTANDPERSOON: every spell that touches the year, as known at its end."""
    spells = _seen(table.filter(pl.col("scheme").is_in(["wwb", "ioaw", "ioaz", "bbz"])), period)
    return spells.select(
        "person",
        DATUMAANVANG="start",
        **status("DATUMEINDE", last_day(), "open"),
        STATISTIEKCODE=name_of("scheme"),
        GEMEENTECODE="municipality",
        UITKERINGNR="claim",
        ROL=name_of("role"),
        **status("OORZAAK", name_of("start_reason"), "not_applicable"),
        **status("REDENEINDE", name_of("end_reason"), "not_applicable"),
    )


def unemployment(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """WWPERSOON: every spell that touches the year, as known at its end."""
    return _seen(table.filter(pl.col("scheme") == "ww"), period).select(
        "person",
        AANVWW="start",
        **status("EINDWW", last_day(), "open"),
        UITKERINGNR="claim",
        OORZAAKWW=name_of("start_reason"),
        **status("REDENEINDEWW", name_of("end_reason"), "not_applicable"),
    )


def disability(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """AOTOTPERSOON: every spell that touches the year, as known at its end."""
    return _seen(table.filter(pl.col("scheme") == "disability"), period).select(
        "person",
        AOTotDatumAanvangV2="start",
        **status("AOTotDatumEindeV2", last_day(), "open"),
        UITKERINGNR="claim",
        OORZAAKAO=name_of("start_reason"),
        **status("REDENEINDEAO", name_of("end_reason"), "not_applicable"),
    )


def _seen(spells: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Return spells that touch the period, their end and its reason as known when it closed."""
    known = as_known(period)
    return spells.filter(overlaps(period)).with_columns(
        end=known, end_reason=pl.when(known.is_not_null()).then("end_reason")
    )


def registrations(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """CWI: every registration that touches the year, as known at its end."""
    spells = table.filter(overlaps(period)).with_columns(end=as_known(period))
    return spells.select(
        "person", DATUMINSCHRIJVING="start", **status("DATUMUITSCHRIJVING", last_day(), "open")
    )


def enrolments(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """INSCHRIJVING: every enrolment that touches the year, as known at its end."""
    spells = table.filter(overlaps(period)).with_columns(end=as_known(period))
    return spells.select(
        "person",
        AANVINSCHR="start",
        **status("EINDINSCHR", last_day(), "open"),
        ONDERWIJSSOORT=name_of("level"),
    )


def _job_codes(sort: str, contract: str) -> dict[str, pl.Expr]:
    """Return kind and contract as wage files have them: agency and on-call are kinds there."""
    flexible = pl.col("contract").is_in(["agency", "on_call"]).fill_null(value=False)
    subsidised = pl.col("kind").is_in(["subsidised", "legacy_subsidised"])
    return {
        sort: pl.when(flexible)
        .then(name_of("contract"))
        .when(subsidised)
        .then(pl.lit("regular"))
        .otherwise(name_of("kind")),
        contract: pl.when(~flexible).then(name_of("contract")).otherwise(pl.lit("")),
        "GESUBSIDIEERD": pl.when(subsidised).then(name_of("kind")).otherwise(pl.lit("no")),
    }


def job_features(table: pl.DataFrame, period: Period, *, first: date) -> pl.DataFrame:
    """BAANKENMERKEN: the pieces of jobs within the year.

    `first` is the first day that any file covers: only there a piece can have begun before its year
    without another file that says so; its start is then that of the job.
    """
    before = (pl.col("start") < first) & pl.lit(value=period.start <= first)
    begun = table.filter(overlaps(period)).select(begun=before, job_day="start")
    found = pl.concat([pieces(table, period), begun], how="horizontal")
    return found.select(
        "person",
        BAANID="job",
        BEIDBAANID="employer",
        **status("AANVANGBAANID", pl.when(~pl.col("begun")).then("start"), "not_applicable"),
        EINDEBAANID=last_day(),
        DATUMAANVANGBAANID=pl.when("begun").then("job_day").otherwise("job_start"),
        **_job_codes("SOORTBAANID", "CONTRACTSOORT"),
        WEEKUREN=pl.col("hours").cast(pl.Float64),
        MAANDLOON=pl.col("wage").cast(pl.Float64),
    )


def polis(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """POLIS: the pieces of jobs within the year, with hours and wage as totals over the piece."""
    days = (pl.col("end") - pl.col("start")).dt.total_days()
    return pieces(table, period).select(
        "person",
        BAANRUGID="job",
        BEID="employer",
        AANVBUS="start",
        EINDBUS=last_day(),
        DATUMAANVANGIKV="job_start",
        **status("DATUMEINDEIKV", last_day(as_known(period, end="job_end")), "open"),
        **_job_codes("SOORTBAAN", "CONTRACTSOORT"),
        BASISUREN=(pl.col("hours").cast(pl.Float64) * days / 7).round(2),
        BASISLOON=(pl.col("wage").cast(pl.Float64) * days / MONTH_DAYS).round(2),
    )


def spolis(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """SPOLIS: the wage rows of the year."""
    tax_period = pl.when("four_weekly").then(pl.lit("four_weekly")).otherwise(pl.lit("month"))
    return (
        wage_rows(table, period)
        .sort("person", "job", "start")
        .select(
            "person",
            IKVID="job",
            SBEID="employer",
            SDATUMAANVANGIKO="start",
            SDATUMEINDEIKO=last_day(),
            **status("SDATUMAANVANGIKV", pl.col("job_start"), "not_applicable"),
            **status("SDATUMEINDEIKV", last_day(as_known(period, end="job_end")), "open"),
            **_job_codes("SSOORTBAAN", "SCONTRACTSOORT"),
            SBASISUREN="hours",
            SBASISLOON="wage",
            SBAANDAGEN=(pl.col("end") - pl.col("start")).dt.total_days(),
            STIJDVAKTYPE=tax_period,
        )
    )


def positions(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """SRGREINTEGRATIEPOSITIE: the positions that took effect in the half-year."""
    inside = (pl.col("date") >= period.start) & (pl.col("date") < period.end)
    return table.filter(inside).select(
        "person", DATUMAANVANGPOSITIE="date", REINTEGRATIEPOSITIE="position"
    )


def before_srg(table: pl.DataFrame, period: Period) -> pl.DataFrame:
    """VRLSRGTRAJECTTAB: programmes over, or refused, before the SRG began (`period.start`)."""
    over = pl.when(pl.col("start").is_not_null()).then(
        (pl.col("end") <= period.start).fill_null(value=False)
    ).otherwise((pl.col("offer") < period.start) & pl.col("end_reason").is_not_null())  # fmt: skip
    return table.filter(over).select(
        "person",
        TRAJECTNR="programme",
        GEMEENTECODE="municipality",
        DOELGROEP=name_of("target_group"),
        DATUMAANBOD="offer",
        **status("BEGINDATUMTRAJECT", pl.col("start"), "not_applicable"),
        **status("EINDDATUMTRAJECT", last_day(), "not_applicable"),
        **status("REDENEINDE", name_of("end_reason"), "not_applicable"),
        TYPEVOORZIENING=name_of("instrument"),
        DOELVOORZIENING=name_of("aim"),
    )


def provisions(table: pl.DataFrame, period: Period, *, first: Period) -> pl.DataFrame:
    """SRGVOORZIENING: of each SRG programme offered in the year, what the form does not ask.

    The first year's file has also what was offered earlier and ran on.
    """
    offered = pl.col("offer") < period.end
    if period.start > first.start:
        offered &= pl.col("offer") >= period.start
    in_srg = table.join(
        before_srg(table, first).select(programme="TRAJECTNR"), on="programme", how="anti",
        maintain_order="left",
    )  # fmt: skip
    never = pl.when(pl.col("start").is_null()).then(name_of("end_reason"))
    return in_srg.filter(offered).select(
        "person",
        TRAJECTNR="programme",
        GEMEENTECODE="municipality",
        DATUMAANBOD="offer",
        TYPEVOORZIENING=name_of("instrument"),
        DOELVOORZIENING=name_of("aim"),
        **status("REDENNIETGESTART", never, "not_applicable"),
    )


def municipalities(table: pl.DataFrame) -> pl.DataFrame:
    """Return the reference table of municipalities, with a remark in a column no layout names."""
    return table.select(
        GEMEENTECODE="municipality",
        GEMEENTENAAM="name",
        ARBEIDSMARKTREGIO="region",
        INWONERS="population",
        GROOTTEKLASSE=name_of("size_class"),
    )
