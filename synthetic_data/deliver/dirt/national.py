"""Errors in national files: keys that are nobody's, spells and codes that are wrong, odd wages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from synthetic_data.deliver import keys
from synthetic_data.deliver.dirt.change import Change, changed, unmarked
from synthetic_data.deliver.dirt.plan import kinds_of
from toolkit.registers.rules import rule_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from synthetic_data.deliver.periods import Period
    from synthetic_data.deliver.sheet import Sheet

KEYS = ("other_letter", "zero_key", "unknown_key")
#: What goes wrong where, besides keys.
BY_LAYOUT: dict[str, tuple[str, ...]] = {
    "cbs_bijstandpersoonbus": ("reversed_spell", "unknown_scheme", "overlapping_spell"),
    "cbs_cwi": ("repeated_spell",),
    "cbs_spolisbus": ("split_rows", "netted_correction", "unknown_amount", "too_many_hours"),
}
#: A person must be in the population for his other records to stand.
_POPULATION = "cbs_gbapersoontab"
UNKNOWN_WAGE, TOO_MANY_HOURS = "9999999", "412"


def kinds_for(layout: str, shares: Mapping[str, float]) -> dict[str, float]:
    """Return kind → share for a layout."""
    names = [kind for kind in KEYS if (layout, kind) != (_POPULATION, "unknown_key")]
    return {kind: shares[kind] for kind in (*names, *BY_LAYOUT.get(layout, ())) if shares[kind] > 0}


def spoiled(
    sheet: Sheet, period: Period, shares: Mapping[str, float], *, seed: int, number: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put errors into the records of one national file, one a person at most.

    Records that are nobody's are copies with another key, so that the world's own stay.

    Parameters
    ----------
    sheet : Sheet
        With `_person`.
    period : Period
        Of the file.
    shares : mapping
        Kind → share of persons in the file.
    seed, number : int
        Of the draw; `number` tells files apart.

    Returns
    -------
    records, wrong : pl.DataFrame
        All records; and those with errors, with their marks and `_row`.
    """
    wanted = kinds_for(sheet.layout.name, shares)
    frame = sheet.frame
    if not wanted or frame.height == 0:
        return frame, frame.clear()
    planned = kinds_of(frame["_person"], wanted, seed * 100_000 + 1_000 + number)
    numbered = frame.with_row_index("_n")
    # all records of the few persons that are struck; the others are not looked at
    few = numbered.filter(planned.is_not_null()).with_columns(
        _planned=planned.drop_nulls(), _extra=pl.lit(value=False)
    )
    few = unmarked(few).with_columns(_nobody=_nobody(few["_person"], seed))
    few = _spoil(_chosen(few, period, wanted), _changes(sheet), wanted)
    few = few.with_columns(_row=pl.col("_n") + 1 + pl.col("_extra").cum_sum())
    rest = numbered.filter(planned.is_null())
    whole = rest.merge_sorted(few.select(numbered.columns), key="_n")
    return whole.drop("_n"), few.filter(pl.col("_kind").is_not_null())


def _chosen(few: pl.DataFrame, period: Period, wanted: Mapping[str, float]) -> pl.DataFrame:
    """Leave the plan at the first record of a person that can go wrong in that way."""
    may = pl.lit(value=True)
    for kind, test in _MAY.items():
        if kind in wanted:
            may = pl.when(pl.col("_planned") == kind).then(test(period)).otherwise(may)
    first = pl.col("_may") & pl.struct("_person", "_may").is_first_distinct()
    return few.with_columns(_may=may.fill_null(value=False)).with_columns(
        _planned=pl.when(first).then("_planned")
    )


def _spoil(
    few: pl.DataFrame, changes: Mapping[str, Change], wanted: Mapping[str, float]
) -> pl.DataFrame:
    """Make the errors; records that are added follow the one they were made from."""
    extra = []
    for kind in wanted:
        chosen = (few["_planned"] == kind).fill_null(value=False)
        if not chosen.any():
            continue
        if kind not in _ADDED:
            few = changed(few, kind, changes[kind], chosen)
            continue
        extra += _ADDED[kind](few.filter(chosen), changes[kind], kind)
        if kind in _CUT:
            few = few.with_columns(
                pl.when(chosen).then(value).otherwise(pl.col(name)).alias(name)
                for name, value in _CUT[kind].items()
            )
    added = [part.select(few.columns).with_columns(_extra=pl.lit(value=True)) for part in extra]
    return pl.concat([few, *added]).sort("_n", maintain_order=True)


def _nobody(person: pl.Series, seed: int) -> pl.Series:
    """Return keys that no person has."""
    numbers = keys.MOST_PERSONS + person.to_numpy() % 9_000_000
    return keys.as_text(keys.rin(numbers, seed=seed), 9)


def _changes(sheet: Sheet) -> dict[str, Change]:
    """Return what each kind does."""
    layout = sheet.layout
    aside = {"outcome": "set_aside", "secret": True}
    found = {
        "other_letter": Change(
            "RINPERSOONS", {"RINPERSOONS": pl.lit("F")}, "KEY-LETTER", "set_aside"
        ),
        "zero_key": Change(
            "RINPERSOON",
            {"RINPERSOON": pl.lit("000000001")},
            "KEY-ZERO",
            **aside,  # type: ignore[arg-type]
        ),
        "unknown_key": Change(
            "RINPERSOON",
            {"RINPERSOON": pl.col("_nobody")},
            "KEY-POPULATION",
            **aside,  # type: ignore[arg-type]
        ),
    }
    if layout.name == "cbs_bijstandpersoonbus":
        first, last = pl.col("DATUMAANVANG"), pl.col("DATUMEINDE")
        found |= {
            "reversed_spell": Change(
                "DATUMEINDE", {"DATUMAANVANG": last, "DATUMEINDE": first}, "BIJSTAND-01"
            ),
            "unknown_scheme": Change(
                "STATISTIEKCODE",
                {"STATISTIEKCODE": pl.lit("77")},
                rule_id(layout, "CODE", "STATISTIEKCODE"),
            ),
            "overlapping_spell": Change(
                "UITKERINGNR",
                {
                    "UITKERINGNR": "9" + pl.col("UITKERINGNR").str.slice(1),
                    "DATUMAANVANG": _next_day(first),
                },
                "BIJSTAND-05",
                "warning",
                secret=True,
            ),
        }
    elif layout.name == "cbs_cwi":
        found["repeated_spell"] = Change(
            "DATUMINSCHRIJVING", {"DATUMINSCHRIJVING": pl.col("DATUMINSCHRIJVING")}, "CWI-03"
        )
    elif layout.name == "cbs_spolisbus":
        found |= {
            "unknown_amount": Change(
                "SBASISLOON", {"SBASISLOON": pl.lit(UNKNOWN_WAGE)}, None, "absorbed"
            ),
            "too_many_hours": Change(
                "SBASISUREN", {"SBASISUREN": pl.lit(TOO_MANY_HOURS)}, "SPOLIS-04", "warning"
            ),
            "split_rows": Change(
                "SDATUMAANVANGIKO",
                {"SDATUMAANVANGIKO": _next_day(pl.col("SDATUMAANVANGIKO")), **_rest()},
                None,
                "absorbed",
            ),
            "netted_correction": Change(
                "SBASISLOON",
                {name: "-" + pl.col(name) for name in ("SBASISLOON", "SBASISUREN")},
                None,
                "absorbed",
            ),
        }
    return found


def _next_day(day: pl.Expr) -> pl.Expr:
    return day.str.to_date("%Y%m%d", strict=False).dt.offset_by("1d").dt.strftime("%Y%m%d")


def _day_share() -> pl.Expr:
    """Return the share of a wage row that its first day has."""
    first, last = (
        pl.col(name).str.to_date("%Y%m%d", strict=False)
        for name in ("SDATUMAANVANGIKO", "SDATUMEINDEIKO")
    )
    return 1 / ((last - first).dt.total_days() + 1)


def _amount(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False)


def _of_first_day(name: str) -> pl.Expr:
    return (_amount(name) * _day_share()).round(2)


def _rest() -> dict[str, pl.Expr]:
    """Return the amounts of a row without its first day."""
    return {
        name: (_amount(name) - _of_first_day(name)).round(2).cast(pl.String)
        for name in ("SBASISLOON", "SBASISUREN")
    } | {"SBAANDAGEN": (_amount("SBAANDAGEN") - 1).cast(pl.Int64).cast(pl.String)}


#: Kinds that cut the record itself, besides adding one.
_CUT: dict[str, dict[str, pl.Expr]] = {
    "split_rows": {
        "SDATUMEINDEIKO": pl.col("SDATUMAANVANGIKO"),
        "SBASISLOON": _of_first_day("SBASISLOON").cast(pl.String),
        "SBASISUREN": _of_first_day("SBASISUREN").cast(pl.String),
        "SBAANDAGEN": pl.lit("1"),
    }
}


def _copy(mine: pl.DataFrame, change: Change, kind: str) -> list[pl.DataFrame]:
    """Return copies that are wrong."""
    return [changed(mine, kind, change, pl.repeat(value=True, n=mine.height, eager=True))]


def _with_correction(mine: pl.DataFrame, change: Change, kind: str) -> list[pl.DataFrame]:
    """Return a row paid twice, and the row that takes it back."""
    everything = pl.repeat(value=True, n=mine.height, eager=True)
    twice = Change(change.field, {change.field: pl.col(change.field)}, None, "absorbed")
    return [changed(mine, kind, twice, everything), changed(mine, kind, change, everything)]


_ADDED: dict[str, Callable[[pl.DataFrame, Change, str], list[pl.DataFrame]]] = {
    "other_letter": _copy,
    "zero_key": _copy,
    "unknown_key": _copy,
    "overlapping_spell": _copy,
    "repeated_spell": _copy,
    "split_rows": _copy,
    "netted_correction": _with_correction,
}


def _begun_and_ended_here(period: Period) -> pl.Expr:
    """A spell of some days within the year of the file."""
    first, last = pl.col("DATUMAANVANG"), pl.col("DATUMEINDE")
    return (last != "00000000") & (first >= f"{period.start:%Y%m%d}") & (last > _next_day(first))


def _begun_here(period: Period) -> pl.Expr:
    return pl.col("DATUMAANVANG") >= f"{period.start:%Y%m%d}"


#: What says under which contract of a job a wage row falls.
_TERMS = ("SSOORTBAAN", "SCONTRACTSOORT", "GESUBSIDIEERD")
#: A tax period and a change of contract cut a month into four rows at most.
_NEAR = (-3, -2, -1, 1, 2, 3)


def _month() -> pl.Expr:
    return pl.col("SDATUMAANVANGIKO").str.slice(0, 6)


def _same(names: tuple[str, ...], far: int) -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == pl.col(name).shift(far) for name in names)


def _later_month(_: Period) -> pl.Expr:
    """A row whose job had a row on the same terms in an earlier month of the file."""
    return _same(("IKVID", *_TERMS), 1) & (_month() > _month().shift())


def _one_contract(_: Period) -> pl.Expr:
    """A row in whose month the job had one contract: there is one to take the pay back from."""
    other = [
        _same(("IKVID",), far) & (_month() == _month().shift(far)) & ~_same(_TERMS, far)
        for far in _NEAR
    ]
    return ~pl.any_horizontal(found.fill_null(value=False) for found in other)


def _several_days(_: Period) -> pl.Expr:
    return pl.col("SDATUMEINDEIKO") > pl.col("SDATUMAANVANGIKO")


#: Kind → which records can go wrong in that way.
_MAY: dict[str, Callable[[Period], pl.Expr]] = {
    "reversed_spell": _begun_and_ended_here,
    "unknown_scheme": _begun_here,
    "overlapping_spell": _begun_and_ended_here,
    "split_rows": _several_days,
    "netted_correction": _one_contract,
    "unknown_amount": _later_month,
    "too_many_hours": _later_month,
}
