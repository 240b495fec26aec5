"""Relations between the records of one person, over all deliveries of a layout.

What holds within a record is the business of `rules`; here a record is held against the person's
other records of the same layout: rules of kind unique, constant, no_overlap and one_place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import MissingColumnError
from toolkit.registers.delivery import BROKEN, COUNTS, REVISIONS
from toolkit.registers.reconcile.packing import arrange, repeats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.registers.layout import Layout, RuleSpec

#: Deliveries are in the order of the period they are about, then as they stand in the files.
PERIOD = ("period_end", "period_start")
PLACE = ("_file", "_row", "_part")
#: A spell that still runs ends after every day.
_NEVER = pl.date(9999, 12, 31)


@dataclass(frozen=True)
class Related:
    """Records of one layout after the rules between records.

    Attributes
    ----------
    kept : pl.DataFrame
        The records that stay, as they came in but for values a constant rule put back.
    broken : pl.DataFrame
        `BROKEN`: records that break a rule of severity error or set_aside.
    counts : pl.DataFrame
        `COUNTS`: every rule broken, warnings too; a record counts once a rule.
    revisions : pl.DataFrame
        `REVISIONS`: values of immutable fields that were not taken over (`kept` is "old").
    """

    kept: pl.DataFrame
    broken: pl.DataFrame
    counts: pl.DataFrame
    revisions: pl.DataFrame


def check_persons(
    staged: pl.DataFrame, layout: Layout, files: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Check the records of one layout, of some persons, against each other.

    Parameters
    ----------
    staged : pl.DataFrame
        Accepted records: person, `_file`, `_row`, `_part`, the fields that the rules name, and
        period_start, period_end, delivered_by.
    layout : Layout
        Whose rules of kind unique, constant, no_overlap and one_place are applied, in their order,
        each to the records that the rules before it left.
    files : pl.DataFrame, optional
        `_file` with period_start, period_end and delivered_by, for records that lack these.

    Returns
    -------
    kept, broken, counts : pl.DataFrame
        Every record is in `kept` or in `broken`; see `Related`.

    Raises
    ------
    MissingColumnError
        When a rule names a column that was not staged.

    Examples
    --------
    >>> from toolkit.registers.layout import built_in
    >>> records = pl.DataFrame({
    ...     "person": [7, 7], "_file": [1, 1], "_row": [1, 2], "_part": [0, 0],
    ...     "gemeentecode": "gm0599", "period_start": None, "period_end": None,
    ...     "datum_aanbod": None, "begindatum_traject": None, "begindatum_lks": None,
    ...     "begindatum_participatieplaats": None,
    ... })
    >>> _, broken, _ = check_persons(records, _only_unique(built_in()["srg_2010"]))
    >>> broken["_row"].to_list()
    [2]
    """
    found = relate(staged, layout, files)
    return found.kept, found.broken, found.counts


def _only_unique(layout: Layout) -> Layout:
    """Return a layout with its rules of kind unique only."""
    rules = tuple(rule for rule in layout.rules if rule.kind == "unique")
    return layout.model_copy(update={"rules": rules})


def relate(staged: pl.DataFrame, layout: Layout, files: pl.DataFrame | None = None) -> Related:
    """Check records against each other, and say what immutable fields were changed.

    The rules:

    unique
        The first record stays; later ones with the same `within` are broken.
    constant
        The first delivered value holds. A later record with another value is broken (error), or
        kept with the old value put back (warning). A missing value is no other value.
    no_overlap
        In one delivery period, spells with the same `within` have no day in common; both days
        count. The spell that begins first stays. The same spell twice is no overlap.
    one_place
        In one delivery period, no day belongs to spells with two values of `field`. The spell that
        begins first stays.

    All are judged within a person, whether or not `within` names it.
    """
    rules = [rule for rule in layout.rules if rule.kind != "record"]
    broken: list[pl.DataFrame] = [pl.DataFrame(schema=BROKEN)]
    counts: list[pl.DataFrame] = [pl.DataFrame(schema=COUNTS)]
    revisions: list[pl.DataFrame] = [pl.DataFrame(schema=REVISIONS)]
    if not rules or staged.is_empty():
        return Related(staged, broken[0], counts[0], revisions[0])
    rest = _with_periods(staged, files)
    added = [name for name in rest.columns if name not in staged.columns]
    _require(rest, layout, rules)
    rest = rest.with_row_index("_n")
    for rule in rules:
        who = rest if rule.where is None else rest.filter(pl.sql_expr(rule.where))
        if rule.kind == "unique":
            wrong = _repeated(who, rule)
        elif rule.kind == "constant":
            changed = _changed(who, rule)
            revisions.append(_revised(changed, rule, layout))
            wrong = changed["_n"]
            if rule.severity == "warning" and len(wrong):
                rest = _put_back(rest, changed, rule)
        elif rule.kind == "no_overlap":
            wrong = _overlapping(who, rule, other=None)
        else:
            wrong = _overlapping(who, rule, other=rule.field)
        if not len(wrong):
            continue
        named = (
            rest.filter(pl.col("_n").is_in(wrong.implode()))
            .select(pl.col("_file", "_row").cast(pl.UInt32), rule=pl.lit(rule.id))
            .unique(maintain_order=True)
        )
        counts.append(named.group_by("_file", "rule").agg(n=pl.len()).cast(COUNTS))  # type: ignore[arg-type]
        if rule.severity != "warning":
            broken.append(named)
            rest = rest.filter(~pl.col("_n").is_in(wrong.implode()))
    return Related(
        rest.drop("_n", *added),
        pl.concat(broken),
        pl.concat(counts).sort("_file", "rule"),
        pl.concat(revisions),
    )


def _with_periods(staged: pl.DataFrame, files: pl.DataFrame | None) -> pl.DataFrame:
    lacking = [name for name in (*PERIOD[::-1], "delivered_by") if name not in staged.columns]
    if files is not None and lacking:
        there = [name for name in lacking if name in files.columns]
        facts = files.select(pl.col("_file").cast(staged.schema["_file"]), *there)
        staged = staged.join(facts, on="_file", how="left", maintain_order="left")
        lacking = [name for name in lacking if name not in there]
    blank = {"period_start": pl.Date, "period_end": pl.Date, "delivered_by": pl.String}
    return staged.with_columns(pl.lit(None, dtype=blank[name]).alias(name) for name in lacking)


def _require(staged: pl.DataFrame, layout: Layout, rules: Sequence[RuleSpec]) -> None:
    for rule in rules:
        named = {*rule.within, rule.field, rule.start, rule.end} - {None}
        if rule.where is not None:
            named |= set(pl.sql_expr(rule.where).meta.root_names())
        for name in sorted(str(name) for name in named):
            if name not in staged.columns:
                raise MissingColumnError(
                    f"Rule {rule.id!r} needs column {name!r}, which was not staged",
                    where=f"layout {layout.name!r}",
                    fix="stage what `reconcile.needed(layout)` lists",
                )


def _in_order(staged: pl.DataFrame) -> pl.DataFrame:
    """Sort by delivery; most often the records came in that order."""
    place = [name for name in PLACE if name in staged.columns]
    at, _, _ = arrange(staged, (*PERIOD, *place))
    return staged if at.is_sorted() else staged[at]


def _groups(rule: RuleSpec, *also: str) -> list[str]:
    return list(dict.fromkeys(("person", *rule.within, *also)))


def _repeated(records: pl.DataFrame, rule: RuleSpec) -> pl.Series:
    """Return the numbers of records that stand there a second time."""
    keys = _groups(rule)
    twice = records.filter(repeats(records, keys))
    if twice.is_empty():
        return twice["_n"]
    twice = _in_order(twice)
    first = twice.unique(keys, keep="first", maintain_order=True)["_n"]
    return twice.filter(~pl.col("_n").is_in(first.implode()))["_n"]


def _changed(records: pl.DataFrame, rule: RuleSpec) -> pl.DataFrame:
    """Return the records with another value than the first delivered one, and that `_first`."""
    field, keys = str(rule.field), _groups(rule)
    known = _in_order(records.filter(pl.col(field).is_not_null()))
    first = known.unique(keys, keep="first", maintain_order=False).select(
        *keys, _first=pl.col(field), _file_first=pl.col("_file")
    )
    return (
        known.select("_n", "_file", *keys, _value=pl.col(field))
        .join(first, on=keys, how="left", nulls_equal=True, maintain_order="left")
        .filter(pl.col("_value") != pl.col("_first"))
        .select("_n", "person", "_file", "_file_first", "_value", "_first")
    )


def _revised(changed: pl.DataFrame, rule: RuleSpec, layout: Layout) -> pl.DataFrame:
    return changed.select(
        pl.col("person").cast(pl.Int64),
        layout=pl.lit(layout.name),
        field=pl.lit(rule.field),
        old=pl.col("_first").cast(pl.String),
        new=pl.col("_value").cast(pl.String),
        file_old=pl.col("_file_first").cast(pl.UInt32),
        file_new=pl.col("_file").cast(pl.UInt32),
        kept=pl.lit("old"),
    )


def _put_back(records: pl.DataFrame, changed: pl.DataFrame, rule: RuleSpec) -> pl.DataFrame:
    old = changed.select("_n", "_first")
    return (
        records.join(old, on="_n", how="left", maintain_order="left")
        .with_columns(pl.coalesce("_first", str(rule.field)).alias(str(rule.field)))
        .drop("_first")
    )


def _overlapping(records: pl.DataFrame, rule: RuleSpec, *, other: str | None) -> pl.Series:
    """Return the records whose spell has a day in common with one that began before it.

    With `other`, only spells with another value of that column count.
    """
    keys = list(dict.fromkeys((*_groups(rule), "period_start", "period_end")))
    keys = [name for name in keys if name != other]
    start, end = str(rule.start), str(rule.end)
    spells = records.filter(pl.col(start).is_not_null()).select(
        "_n", *keys, _start=pl.col(start), _end=pl.col(end).fill_null(_NEVER),
        _other=pl.lit(0) if other is None else pl.col(other),
    )  # fmt: skip
    several = _touched(spells, keys)
    if several.is_empty():
        return several["_n"]
    those = records.filter(pl.col("_n").is_in(several["_n"].implode()))
    places = _in_order(those).select("_n").with_row_index("_place")
    several = several.join(places, on="_n")
    # A spell delivered in several records is one: the number of its first record orders it.
    same = [*keys, "_start", "_end", "_other"]
    one = several.group_by(same).agg(_at=pl.col("_place").min())
    pairs = one.join(one, on=keys, how="inner", nulls_equal=True, suffix="_before").filter(
        (pl.col("_start_before") < pl.col("_start"))
        | ((pl.col("_start_before") == pl.col("_start")) & (pl.col("_at_before") < pl.col("_at"))),
        pl.col("_end_before") >= pl.col("_start"),
        True if other is None else pl.col("_other_before") != pl.col("_other"),
    )
    late = pairs.select(same).unique()
    return several.join(late, on=same, how="semi", nulls_equal=True)["_n"]


def _touched(spells: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return the groups of spells in which any two overlap, by one pass over sorted spells."""
    at, same, _ = arrange(spells, keys, ["_start"])
    group = (~same).cum_sum().cast(pl.Int64) * (1 << 23)
    days = spells.select(pl.col("_start", "_end").to_physical().cast(pl.Int64) + (1 << 21))[at]
    reach = (group + days["_end"]).cum_max().shift()
    hit = (same & (reach >= group + days["_start"])).fill_null(value=False)
    if not hit.any():
        return spells.clear()
    return spells[at].filter(group.is_in(group.filter(hit).unique().implode()))
