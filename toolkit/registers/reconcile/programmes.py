"""Records of SRG 2010 to programmes: which records are about the same traject.

A municipality delivers a traject in every half-year in which it runs, and once more for every new
wage subsidy and participation placement. A traject is known by its begin date (CBS: deduplicate on
person, municipality and begin), and before it begins by the date of the offer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.registers.codes import INSTRUMENT
from toolkit.registers.reconcile.latest import changes
from toolkit.registers.reconcile.rows import ORDER
from toolkit.registers.schema import dtypes

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The fields of a traject that deliveries may restate.
_FIELDS = ("offer", "start", "target_group", "end", "end_reason", "instrument", "aim")
#: Spells of one provision inside a traject, and the instrument they are.
_INSIDE = {
    "wage_subsidy": ("subsidy_start", "subsidy_end"),
    "participation_placement": ("placement_start", "placement_end"),
}
_NEVER = pl.date(9999, 12, 31)


def identify(records: pl.DataFrame, *, key: Sequence[str] | None = None) -> pl.DataFrame:
    """Add `_traject`, a number: records with the same one are about the same traject.

    A record without a begin date belongs to the traject of the same offer that begins first, where
    there is one: the offer was taken up later.

    Parameters
    ----------
    records : pl.DataFrame
        person, municipality, offer, start and `_order`.
    key : sequence of str, optional
        Columns that identify a traject instead.

    Examples
    --------
    >>> from datetime import date
    >>> records = pl.DataFrame({
    ...     "person": [1, 1], "municipality": "gm0599", "offer": [date(2006, 6, 1)] * 2,
    ...     "start": [None, date(2006, 8, 1)], "_order": [1, 2],
    ... })
    >>> identify(records)["_traject"].n_unique()
    1
    """
    if key is not None:
        return _numbered(records, list(dict.fromkeys(("person", *key))))
    same = ["person", "municipality", "offer"]
    later = (
        records.filter(pl.col("start").is_not_null(), pl.col("offer").is_not_null())
        .group_by(same)
        .agg(_begin=pl.col("start").min())
    )
    found = records.join(later, on=same, how="left", nulls_equal=True, maintain_order="left")
    found = found.with_columns(_begin=pl.coalesce("start", "_begin"))
    found = found.with_columns(_offer=pl.when(pl.col("_begin").is_null()).then("offer"))
    names = ["person", "municipality", "_begin", "_offer"]
    return _numbered(found, names).drop("_begin", "_offer")


def _numbered(records: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Sort by what identifies a traject, then by delivery and content, and number the trajects."""
    content = [name for name in records.columns if not name.startswith("_") and name not in names]
    ordered = records.sort(*names, ORDER, *content)
    new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in names)
    return ordered.with_columns(_traject=(new | (pl.int_range(pl.len()) == 0)).cum_sum())


def trajects(
    records: pl.DataFrame, *, key: Sequence[str] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reduce records to trajects: the latest delivery wins, field by field.

    A field that a later record leaves unknown keeps what was known; one that it says is open (a
    traject that runs again) is taken over. The instrument is wage subsidy or participation
    placement where spells of it cover the whole traject, else what is delivered, else null.

    Parameters
    ----------
    records : pl.DataFrame
        As `rows.take` gives them for a table via programmes.
    key : sequence of str, optional
        See `identify`.

    Returns
    -------
    rows : pl.DataFrame
        One row a traject: canonical columns without `programme`, and the facts of its last record.
    changes : pl.DataFrame
        See `latest.latest`.
    """
    found = identify(records, key=key)
    names = [name for name in _FIELDS if name in found.columns]
    found = _carry_known(found, names)
    found = found.with_columns(_same=pl.col("_traject") == pl.col("_traject").shift())
    found = found.with_columns(pl.col("_same").fill_null(value=False))
    changed = changes(found, names)
    last = found.select(pl.col("_same").shift(-1, fill_value=False).not_()).to_series()
    rows = found.filter(last)
    if "start" in names:  # an earlier record may know the begin
        begins = found.group_by("_traject").agg(_first=pl.col("start").drop_nulls().last())
        rows = rows.join(begins, on="_traject", how="left", maintain_order="left").with_columns(
            start=pl.coalesce("start", "_first")
        )
    rows = _with_instrument(rows, found)
    keep = ["person", "municipality", *names, "instrument"]
    keep = [*dict.fromkeys(keep), "_file", ORDER, "period_start", "period_end"]
    return rows.select(keep), changed


def _carry_known(found: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Let a field that a record does not say keep what the record before it said."""
    for name in names:
        said = f"_said_{name}"
        if said not in found.columns or found[said].all():
            continue
        row = pl.int_range(pl.len())
        source = pl.when(said).then(row).forward_fill().over("_traject").fill_null(row)
        found = found.with_columns(pl.col(name).gather(source))
    return found


def _with_instrument(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    if "instrument" not in rows.columns:
        rows = rows.with_columns(
            pl.lit(None, dtype=dtypes("programmes")["instrument"]).alias("instrument")
        )
    spells = inside(found)
    if spells.is_empty():
        return rows
    wide = covering(spells, rows.select("_traject", "start", "end"))
    return (
        rows.join(wide, on="_traject", how="left", suffix="_covers", maintain_order="left")
        .with_columns(instrument=pl.coalesce("instrument_covers", "instrument"))
        .drop("instrument_covers")
    )


def inside(found: pl.DataFrame) -> pl.DataFrame:
    """Return the spells of wage subsidy and participation placement: `_traject` and instrument."""
    spells = [
        found.filter(pl.col(start).is_not_null())
        .select(
            "_traject", instrument=pl.lit(instrument), start=pl.col(start),
            end=pl.col(end) if end in found.columns else pl.lit(None, pl.Date),
        )
        .unique(["_traject", "start"], keep="last", maintain_order=True)
        for instrument, (start, end) in _INSIDE.items()
        if start in found.columns
    ]  # fmt: skip
    none: dict[str, Any] = {
        "_traject": found.schema["_traject"], "instrument": pl.String, "start": pl.Date,
        "end": pl.Date,
    }  # fmt: skip
    return pl.concat([pl.DataFrame(schema=none), *spells])


def covering(spells: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """Return the instrument whose spells together cover a traject from begin to end.

    Parameters
    ----------
    spells : pl.DataFrame
        `_traject`, instrument, start, end (first day it no longer holds; null: still running).
    whole : pl.DataFrame
        `_traject`, start, end.

    Returns
    -------
    pl.DataFrame
        `_traject`, instrument: at most one each, wage subsidy first, then participation placement,
        then in the order of the code list.

    Examples
    --------
    >>> from datetime import date
    >>> spells = pl.DataFrame({
    ...     "_traject": [1, 1], "instrument": "wage_subsidy",
    ...     "start": [date(2006, 1, 1), date(2006, 7, 1)],
    ...     "end": [date(2006, 7, 1), date(2007, 1, 1)],
    ... })
    >>> traject = pl.DataFrame(
    ...     {"_traject": [1], "start": [date(2006, 1, 1)], "end": [date(2007, 1, 1)]})
    >>> covering(spells, traject)["instrument"].to_list()
    ['wage_subsidy']
    """
    group = ["_traject", "instrument"]
    first = ("wage_subsidy", "participation_placement")
    order = [*first, *(name for name in INSTRUMENT if name not in first)]
    return (
        spells.lazy()
        .with_columns(
            pl.col("end").fill_null(_NEVER), pl.col("instrument").cast(pl.Enum(INSTRUMENT))
        )
        .sort(*group, "start", "end")
        .with_columns(_reach=pl.col("end").cum_max().over(group))
        .with_columns(
            _hole=(pl.col("start") > pl.col("_reach").shift().over(group)).fill_null(value=False)
        )
        .group_by(group)
        .agg(pl.col("start").min(), pl.col("end").max(), pl.col("_hole").any())
        .join(whole.lazy(), on="_traject", suffix="_whole")
        .filter(
            ~pl.col("_hole"),
            pl.col("start") <= pl.col("start_whole"),
            pl.col("end") >= pl.col("end_whole").fill_null(_NEVER),
        )
        .sort(pl.col("instrument").cast(pl.String).replace_strict(
            {name: at for at, name in enumerate(order)}, return_dtype=pl.Int8))
        .unique("_traject", keep="first", maintain_order=True)
        .select("_traject", "instrument")
        .collect()
    )  # fmt: skip


def number(programmes: pl.DataFrame) -> pl.DataFrame:
    """Give programmes without a delivered number one: below zero, so that it meets no other.

    It is made of the person and the place among the person's programmes: minus person × 1000 +
    place.
    """
    if "programme" not in programmes.columns:
        programmes = programmes.with_columns(pl.lit(None, dtype=pl.Int64).alias("programme"))
    if not programmes["programme"].null_count():
        return programmes
    ordered = programmes.sort("person", "offer", "start", "municipality", nulls_last=True)
    place = pl.int_range(1, pl.len() + 1).over("person")
    given = -(pl.col("person") * 1000 + place)
    return ordered.with_columns(pl.col("programme").fill_null(given))
