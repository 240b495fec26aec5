"""Provisions and programmes: the unit of SRG before and after 1 January 2013, and the way across.

A programme (traject) is a period in which a municipality uses one or more provisions, at the same
time or one after another. Up to 2012 trajects are delivered, with spells of wage subsidy and
participation placement inside; from 2013 on provisions that were really begun.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_columns
from toolkit.registers.reconcile.latest import latest
from toolkit.registers.reconcile.programmes import covering
from toolkit.registers.reconcile.rows import FACTS, ORDER
from toolkit.registers.schema import dtypes

#: First day on which the unit is a provision.
UNIT_CHANGED = date(2013, 1, 1)
#: Deliveries from 2013 on do not say the target group; municipalities serve this one.
TARGET_GROUP = "wwb"
_NEVER = pl.date(9999, 12, 31)
_WHO = ["person", "municipality"]


def programmes_from_provisions(
    provisions: pl.DataFrame, *, max_gap_days: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Join provisions of one person and municipality that overlap or follow up into programmes.

    Parameters
    ----------
    provisions : pl.DataFrame
        person, municipality, start, end (first day it no longer holds; null: still running), and
        where there provision (its number), instrument, aim, target_group, end_reason, and the
        facts of the record. Several deliveries of a provision are one, the latest; only its
        begin is the first delivered, where it has a number.
    max_gap_days : int
        Days between two provisions that leave them one programme.

    Returns
    -------
    programmes : pl.DataFrame
        person, municipality, target_group, offer, start, end, end_reason, instrument, aim, facts.
        `offer` is the begin: offers that were not taken up are not delivered. `instrument` is the
        one whose provisions cover the whole programme, else null; `aim` the one that all have.
    changes : pl.DataFrame
        See `latest.latest`; with `kept`, which of old and new holds.

    Examples
    --------
    >>> from datetime import date
    >>> provisions = pl.DataFrame({
    ...     "person": [1, 1], "municipality": "gm0599",
    ...     "start": [date(2013, 1, 7), date(2013, 4, 1)],
    ...     "end": [date(2013, 4, 1), date(2013, 9, 1)],
    ... })
    >>> programmes_from_provisions(provisions)[0].select("start", "end").rows()
    [(datetime.date(2013, 1, 7), datetime.date(2013, 9, 1))]
    """
    if max_gap_days < 0:
        raise CallError(f"max_gap_days={max_gap_days} is below 0", fix="choose 0 or more")
    require_columns(provisions, *_WHO, "start", "end", where="the provisions")
    full = _complete(provisions)
    one, changed = latest(
        full.with_columns(
            _begin=pl.when(pl.col("provision").is_null()).then("start"),
            _kind=pl.when(pl.col("provision").is_null()).then("instrument"),
        ),
        key=[*_WHO, "provision", "_begin", "_kind"],
    )
    changed = changed.filter(~pl.col("field").str.starts_with("_")).with_columns(
        kept=pl.when(pl.col("field") == "start").then(pl.lit("old")).otherwise(pl.lit("new"))
    )
    one = _with_first_begin(one, full)
    reach = pl.col("_until").cum_max().shift().over(_WHO)
    spells = (
        one.filter(pl.col("start").is_not_null())
        .with_columns(_until=pl.col("end").fill_null(_NEVER))
        .sort(*_WHO, "start", "_until", "end_reason", "instrument", "aim", "provision")
        .with_columns(_new=(reach.is_null() | (_days(pl.col("start"), reach) > max_gap_days)))
        .with_columns(_traject=pl.col("_new").cum_sum())
    )
    last = pl.col("_until").arg_max()
    aims = pl.col("aim").drop_nulls()
    whole = spells.group_by("_traject", maintain_order=True).agg(
        pl.col(*_WHO).first(),
        target_group=pl.col("target_group").drop_nulls().first(),
        offer=pl.col("start").min(),
        start=pl.col("start").min(),
        end=pl.col("end").get(last),
        end_reason=pl.col("end_reason").get(last),
        aim=pl.when(aims.n_unique() == 1).then(aims.first()),
        **{name: pl.col(name).get(last) for name in FACTS},
    )
    parts = spells.filter(pl.col("instrument").is_not_null())
    wide = covering(
        parts.select("_traject", pl.col("instrument").cast(pl.String), "start", "end"),
        whole.select("_traject", "start", "end"),
    )
    return (
        whole.join(wide, on="_traject", how="left", maintain_order="left").drop("_traject"),
        changed,
    )


def _with_first_begin(one: pl.DataFrame, every: pl.DataFrame) -> pl.DataFrame:
    """Keep the begin of a numbered provision as it was first delivered: it may not change.

    Within a layout a rule rejects the record that changes it; this is between layouts.
    """
    key = [*_WHO, "provision"]
    first = (
        every.filter(pl.col("provision").is_not_null(), pl.col("start").is_not_null())
        .sort(*key, ORDER, "start")
        .unique(key, keep="first", maintain_order=True)
        .select(*key, _first="start")
    )
    sooner = pl.coalesce("_first", "start")
    # one that would then end before it begins keeps what it says itself
    fits = pl.col("end").is_null() | (pl.col("end") > sooner)
    return (
        one.join(first, on=key, how="left", maintain_order="left")
        .with_columns(start=pl.when(fits).then(sooner).otherwise("start"))
        .drop("_first")
    )


def _days(later: pl.Expr, earlier: pl.Expr) -> pl.Expr:
    return (later - earlier).dt.total_days()


def _complete(provisions: pl.DataFrame) -> pl.DataFrame:
    """Add the columns that were not delivered."""
    known = dtypes("programmes")
    blank = {
        "provision": pl.String(), "_file": pl.UInt32(), ORDER: pl.Int64(),
        "period_start": pl.Date(), "period_end": pl.Date(),
        **{name: known[name] for name in ("instrument", "aim", "end_reason", "target_group")},
    }  # fmt: skip
    return provisions.drop(
        name for name in provisions.columns if name.startswith("_said_")
    ).with_columns(
        (pl.col(name) if name in provisions.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in blank.items()
    ).with_columns(pl.col("target_group").fill_null(TARGET_GROUP))  # fmt: skip


def provisions_from_programmes(records: pl.DataFrame) -> pl.DataFrame:
    """Return the provisions inside trajects as SRG 2010 knows them.

    Each spell of wage subsidy or participation placement is a provision; the days of the traject
    that neither covers are provisions of no known kind (instrument null). Trajects that were not
    begun have none, as from 2013 on.

    Parameters
    ----------
    records : pl.DataFrame
        Records via programmes: person, municipality, offer, start, end and where there
        subsidy_start, subsidy_end, placement_start, placement_end, with the facts of the record.

    Returns
    -------
    pl.DataFrame
        person, municipality, offer, instrument, start, end; one row a provision.

    Examples
    --------
    >>> from datetime import date
    >>> record = pl.DataFrame({
    ...     "person": [1], "municipality": "gm0599", "offer": date(2009, 1, 1),
    ...     "start": date(2009, 2, 1), "end": date(2009, 8, 1),
    ...     "subsidy_start": date(2009, 5, 1), "subsidy_end": date(2009, 8, 1),
    ... })
    >>> provisions_from_programmes(record).select("instrument", "start").rows()
    [(None, datetime.date(2009, 2, 1)), ('wage_subsidy', datetime.date(2009, 5, 1))]
    """
    from toolkit.registers.reconcile.programmes import identify, inside, trajects

    full = records.with_columns(
        pl.lit(None).cast(dtype).alias(name)
        for name, dtype in (
            ("_file", pl.UInt32), (ORDER, pl.Int64), ("period_start", pl.Date),
            ("period_end", pl.Date),
        )
        if name not in records.columns
    )  # fmt: skip
    whole = trajects(full)[0].filter(pl.col("start").is_not_null())
    numbered = identify(full)
    begins = numbered.group_by("_traject").agg(
        pl.col(*_WHO).first(), start=pl.col("start").drop_nulls().last()
    )
    whole = whole.select(*_WHO, "offer", "start", "end").join(
        begins, on=[*_WHO, "start"], how="inner"
    )
    never = pl.col("end").fill_null(_NEVER)
    spells = (
        inside(numbered)
        .join(whole.select("_traject", _first="start", _last=never), on="_traject")
        .with_columns(
            start=pl.max_horizontal("start", "_first"), _until=pl.min_horizontal(never, "_last")
        )
        .filter(pl.col("_until") > pl.col("start"))
    )
    # what lies between the spells, before the first and after the last, belongs to no known kind
    bounds = pl.concat([
        spells.select("_traject", "start", "_until"),
        whole.select("_traject", start=never, _until=never),
    ]).sort("_traject", "start", "_until")  # fmt: skip
    reach = pl.col("_until").cum_max().shift().over("_traject")
    rest = (
        bounds.join(whole.select("_traject", _first="start"), on="_traject", maintain_order="left")
        .with_columns(_from=pl.coalesce(reach, "_first"))
        .filter(pl.col("start") > pl.col("_from"))
        .select("_traject", instrument=pl.lit(None, pl.String), start="_from", _until="start")
    )
    every = pl.concat([spells.select(rest.columns), rest])
    return (
        every.join(whole.select("_traject", *_WHO, "offer"), on="_traject")
        .select(
            *_WHO, "offer", pl.col("instrument").cast(dtypes("programmes")["instrument"]), "start",
            end=pl.when(pl.col("_until") < _NEVER).then("_until"),
        )
        .sort(*_WHO, "start", "instrument", nulls_last=False)
    )  # fmt: skip


def bridge(
    trajects: pl.DataFrame, later: pl.DataFrame, *, changed: date = UNIT_CHANGED
) -> pl.DataFrame:
    """Join programmes delivered as trajects to those made of provisions, across the change of unit.

    A traject that still ran in the last delivery before the change, and a programme made of
    provisions of the same person and municipality that began on or before the first day of the new
    unit, are one: it begins as the traject, and ends as the provisions say. With several trajects
    running, it is the one that began last, of those that began no later; else the first. Other
    rows stay as they are; a traject without provisions stays without an end.

    Parameters
    ----------
    trajects, later : pl.DataFrame
        Programmes, each with person, municipality, offer, start, end, end_reason, instrument, aim.
    changed : date
        First day of the new unit.

    Examples
    --------
    >>> from datetime import date
    >>> traject = pl.DataFrame({
    ...     "person": [1], "municipality": "gm0599", "offer": date(2012, 3, 1),
    ...     "start": date(2012, 4, 1), "end": pl.Series([None], dtype=pl.Date)})
    >>> later = pl.DataFrame({
    ...     "person": [1], "municipality": "gm0599", "offer": date(2012, 6, 1),
    ...     "start": date(2012, 6, 1), "end": date(2013, 5, 1)})
    >>> bridge(traject, later).select("offer", "end").row(0)
    (datetime.date(2012, 3, 1), datetime.date(2013, 5, 1))
    """
    old, new = trajects.with_row_index("_old"), later.with_row_index("_new")
    running = old.filter(
        pl.col("start").is_not_null(), pl.col("end").is_null(), pl.col("start") < changed
    )
    pairs = (
        running.select("_old", *_WHO, "start")
        .join(
            new.filter(pl.col("start") <= changed).select(
                "_new", *_WHO, _begin="start", _until=pl.col("end").fill_null(_NEVER)
            ),
            on=_WHO,
        )
        .filter(pl.col("_until") > pl.col("start"), pl.col("_until") > changed)
        .with_columns(_before=pl.col("start") <= pl.col("_begin"))
        .with_columns(_far=_days(pl.col("_begin"), pl.col("start")).abs())
        .sort("_new", "_before", "_far", "_old", descending=[False, True, False, False])
        .unique("_new", keep="first", maintain_order=True)
        .sort("_old", "_until", "_new", descending=[False, True, False])
        .unique("_old", keep="first", maintain_order=True)
    )
    names = [name for name in ("end", "end_reason", "instrument", "aim") if name in new.columns]
    told = pairs.select("_old", "_new").join(
        new.select("_new", pl.col(names).name.suffix("_later")), on="_new"
    )
    joined = old.join(told, on="_old", how="left", maintain_order="left").with_columns(
        (
            pl.coalesce(name, f"{name}_later") if name in old.columns else pl.col(f"{name}_later")
        ).alias(name)
        for name in names
    )
    rest = new.join(pairs, on="_new", how="anti", maintain_order="left")
    return pl.concat(
        [
            joined.drop("_old", "_new", *(f"{name}_later" for name in names)),
            rest.drop("_new"),
        ],
        how="diagonal_relaxed",
    )
