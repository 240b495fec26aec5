"""What holds for any deliveries: person-local, order-free, once is twice, nothing lost."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.registers import reconcile
from toolkit.registers.delivery import COUNTS
from toolkit.registers.layout import Layout
from toolkit.registers.reconcile.packing import arrange, pack, repeats
from toolkit.registers.reconcile.relations import relate

HALVES = [date(2009, 1, 1), date(2009, 7, 1), date(2010, 1, 1), date(2010, 7, 1)]


def make(name, tables, fields, rules=(), **more):
    return Layout.model_validate(
        {
            "name": name, "title": {"nl": "t", "en": "t"}, "about": {"nl": "t", "en": "t"},
            "reference": "t", "formats": ["csv"], "files": [name + "{year}{half}"],
            "unit": "programme", "period": "half_year",
            "fields": [{"name": field, "type": "text"} for field in fields],
            "tables": tables, "rules": list(rules), **more,
        }
    )  # fmt: skip


FIELDS = {
    "gem": pl.String, "aanbod": pl.Date, "begin": pl.Date, "einde": pl.Date, "lks": pl.Date,
    "p": pl.Int64,
}  # fmt: skip
#: Rules that judge within a delivery, and one over deliveries.
RULES = [
    {"id": "T-1", "kind": "no_overlap", "within": ["gem"], "start": "begin", "end": "einde"},
    {"id": "T-2", "kind": "one_place", "within": ["person"], "field": "gem", "start": "begin",
     "end": "einde", "severity": "warning"},
    {"id": "T-3", "kind": "constant", "within": ["gem", "aanbod"], "field": "begin"},
]  # fmt: skip
UNIQUE = {"id": "T-0", "kind": "unique", "within": ["period_start", "gem", "aanbod", "begin"]}
WORDS = {"nl": "n", "en": "e"}
COLUMNS = {
    "municipality": "gem", "offer": "aanbod", "start": "begin", "target_group": "'wwb'",
    "end": "einde + INTERVAL '1 day'", "subsidy_start": "lks",
}  # fmt: skip
TABLES = [
    {"table": "programmes", "via": "programmes", "columns": COLUMNS},
    {"table": "positions", "via": "positions",
     "columns": {"start": "begin", "end": "einde", "position_start": "p", "position_end": "p"}},
]  # fmt: skip
SRG = make(
    "srg", TABLES, FIELDS, [UNIQUE | WORDS, *(rule | WORDS for rule in RULES)],
    position_scheme="reint2009",
)  # fmt: skip
LATER = make(
    "later",
    [{"table": "programmes", "via": "provisions",
      "columns": {"municipality": "gem", "start": "begin", "end": "einde + INTERVAL '1 day'"}}],
    FIELDS,
)  # fmt: skip
SPELLS = make(
    "spells",
    [{"table": "registrations", "merge": True, "columns": {"start": "begin", "end": "einde"}}],
    FIELDS,
)  # fmt: skip
LAYOUTS = {"srg": SRG, "later": LATER, "spells": SPELLS}

days = st.integers(0, 700).map(lambda n: date(2009, 1, 1) + timedelta(days=n))
record = st.tuples(
    st.integers(0, 3), st.integers(0, 4), st.sampled_from(["gm1", "gm2"]),
    st.integers(0, 3).map(lambda n: date(2009, 2, 1) + timedelta(days=90 * n)),
    st.integers(0, 60), st.none() | st.integers(0, 500), st.booleans(),
    st.none() | st.integers(1, 5),
)  # fmt: skip


def staged(rows):
    """One file a half-year; records in the order given."""
    frame = pl.DataFrame(
        [
            (half, person, gem, offer, offer + timedelta(days=wait),
             None if lasts is None else offer + timedelta(days=wait + lasts),
             offer + timedelta(days=wait) if lks else None, p, HALVES[half])
            for half, person, gem, offer, wait, lasts, lks, p in rows
        ],
        orient="row",
        schema={"_file": pl.UInt32, "person": pl.Int64, **FIELDS, "period_start": pl.Date},
    )  # fmt: skip
    return frame.with_columns(
        _row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("_file"),
        _part=pl.lit(0, pl.UInt8), period_end=pl.col("period_start").dt.offset_by("6mo"),
        delivered_by=pl.col("gem"),
    )  # fmt: skip


deliveries = st.lists(record, min_size=1, max_size=40).map(staged)


def assemble(frame, names=tuple(LAYOUTS)):
    return reconcile.assemble(dict.fromkeys(names, frame), LAYOUTS)


def same(one, other):
    assert one.tables.keys() == other.tables.keys()
    for table, rows in one.tables.items():
        assert_frame_equal(rows, other.tables[table], check_row_order=False)


@settings(max_examples=8, deadline=None)
@given(deliveries)
def test_persons_do_not_see_each_other(frame):
    whole = assemble(frame)
    parts = [assemble(part) for part in frame.partition_by("person", maintain_order=True)]
    for table, rows in whole.tables.items():
        union = pl.concat([part.tables[table] for part in parts if table in part.tables])
        assert_frame_equal(rows, union, check_row_order=False)
    counts = pl.concat([part.counts for part in parts]).group_by("_file", "rule").agg(
        pl.col("n").sum()
    )  # fmt: skip
    assert_frame_equal(whole.counts, counts.cast(COUNTS), check_row_order=False)
    for name in ("broken", "revisions"):
        union = pl.concat([getattr(part, name) for part in parts])
        assert_frame_equal(getattr(whole, name), union, check_row_order=False)

    def per_file(measures):
        return measures.group_by("_file").agg(pl.all().cast(pl.Int64).sum())

    sums = per_file(pl.concat([part.measures for part in parts]))
    assert_frame_equal(per_file(whole.measures), sums, check_row_order=False)


@settings(max_examples=8, deadline=None)
@given(deliveries, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_files_does_not_matter(frame, random):
    # which of two records with one key comes first is a matter of order: no such records here
    key = ["person", "_file", "gem", "aanbod"]
    frame = frame.unique(key, keep="first", maintain_order=True)
    order = list(range(frame.height))
    random.shuffle(order)
    numbers = random.sample(range(10), 4)
    other = frame[order].with_columns(
        pl.col("_file").replace_strict(dict(enumerate(numbers)), return_dtype=pl.UInt32)
    )
    names = ("later", "spells")
    same(assemble(frame, names), assemble(other, names))
    # overlaps within a delivery are about the order of spells, so without ties of them
    alone = frame.unique(["person", "_file"], keep="first", maintain_order=True)
    mixed = other.join(alone.select("person", "gem", "aanbod", "period_start"),
                       on=["person", "gem", "aanbod", "period_start"], how="semi")  # fmt: skip
    same(assemble(alone), assemble(mixed))


@settings(max_examples=8, deadline=None)
@given(deliveries, st.integers(0, 3))
def test_a_half_year_delivered_twice_changes_nothing(frame, half):
    again = frame.filter(pl.col("_file") == half).with_columns(_file=pl.lit(9, pl.UInt32))
    same(assemble(frame), assemble(pl.concat([frame, again])))


@settings(max_examples=8, deadline=None)
@given(deliveries)
def test_every_record_is_kept_or_broken(frame):
    found = relate(frame, SRG)
    place = ["_file", "_row"]
    kept, broken = found.kept.select(place), found.broken.select(place)
    assert not broken.is_duplicated().any()
    assert_frame_equal(pl.concat([kept, broken]), frame.select(place), check_row_order=False)
    assert found.kept.columns == frame.columns
    errors = found.counts.filter(pl.col("rule") != "T-2")  # a warning breaks nothing
    assert errors["n"].sum() == broken.height


@settings(max_examples=8, deadline=None)
@given(deliveries)
def test_one_row_a_key_and_every_programme_was_delivered(frame):
    found = assemble(frame, ("srg",)).tables
    offers = frame.select("person", municipality="gem", offer="aanbod").unique()
    rows = found["programmes"]
    assert rows.join(offers, on=offers.columns, how="anti").is_empty()
    assert rows["programme"].n_unique() == rows.height
    assert set(rows["person"]) <= set(frame["person"])
    positions = found["positions"]
    assert not positions.select("person", "date", "scheme").is_duplicated().any()


columns = st.lists(
    st.tuples(
        st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from(["a", "b", "c"]),
        st.none() | st.dates(date(1990, 1, 1), date(1990, 1, 4)),
        st.none() | st.booleans(),
        st.none() | st.integers(-(2**62), 2**62),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(columns, st.permutations(range(5)), st.integers(1, 5))
def test_packing_orders_and_equals_as_the_columns_do(rows, order, many):
    frame = pl.DataFrame(
        rows, orient="row",
        schema={"i": pl.Int64, "s": pl.String, "d": pl.Date, "b": pl.Boolean, "w": pl.Int64},
    )  # fmt: skip
    names = [frame.columns[at] for at in order[:many]]
    assert repeats(frame, names).to_list() == frame.select(names).is_duplicated().to_list()
    at, same_key, tied = arrange(frame, names[:1], names[1:])
    assert_frame_equal(frame.select(names)[at], frame.select(names).sort(names))
    in_order = frame[at]
    assert same_key.sum() == frame.height - frame.select(names[:1]).n_unique()
    assert tied.sum() == frame.height - in_order.select(names).n_unique()
    packed = pack(frame, names)
    if packed is not None:
        assert packed[1] <= 62
        assert packed[0].min() >= 0
