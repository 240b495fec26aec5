"""What holds for merging and subtracting any spells: days, order, persons."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import trajectories
from toolkit.trajectories.spells import merge_spells, subtract_spells

ZERO = date(2005, 12, 1)
FAR = 400
QUICK = settings(max_examples=100, deadline=None)

rows = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 200),
        st.one_of(st.none(), st.integers(1, 60)),
        st.sampled_from(["a", "b", None]),
    ),
    max_size=9,
)


def frame(found):
    return pl.DataFrame(
        [
            (person, ZERO + timedelta(start), length and ZERO + timedelta(start + length), tag, tag)
            for person, start, length, tag in found
        ],
        schema={
            "person": pl.Int64,
            "start": pl.Date,
            "end": pl.Date,
            "start_tag": pl.String,
            "tag": pl.String,
        },
        orient="row",
    )


def days(spells):
    """Every (person, day) held, a running spell up to a far day."""
    return {
        (person, (start - ZERO).days + step)
        for person, start, end in spells.select("person", "start", "end").iter_rows()
        for step in range(((end or ZERO + timedelta(FAR)) - start).days)
    }


def filled(found, gap):
    """The same days with gaps of at most `gap` days filled, by walking over them."""
    out = set()
    for person in {person for person, _ in found}:
        last = None
        for day in sorted(day for who, day in found if who == person):
            if last is not None and day - last - 1 <= gap:
                out |= {(person, between) for between in range(last + 1, day)}
            out.add((person, day))
            last = day
    return out


@QUICK
@given(rows, st.integers(0, 40))
def test_merging_conserves_days_and_fills_short_gaps_only(found, gap):
    spells = frame(found)
    merged = merge_spells(spells, by="person", max_gap_days=gap).collect()
    assert days(merged) == filled(days(spells), gap)
    assert merged.schema == spells.schema


@QUICK
@given(rows, st.integers(0, 40))
def test_merged_spells_lie_further_apart_than_the_gap(found, gap):
    merged = merge_spells(frame(found), by="person", max_gap_days=gap).collect()
    for before, after in zip(merged.to_dicts(), merged.to_dicts()[1:], strict=False):
        assert before["person"] <= after["person"]
        if before["person"] == after["person"]:
            assert before["end"] is not None
            assert (after["start"] - before["end"]).days > gap


@QUICK
@given(rows, st.integers(0, 40), st.randoms())
def test_merging_is_idempotent_and_does_not_see_the_order_of_rows(found, gap, random):
    merged = merge_spells(frame(found), by="person", max_gap_days=gap).collect()
    assert merge_spells(merged, by="person", max_gap_days=gap).collect().equals(merged)
    mixed = list(found)
    random.shuffle(mixed)
    assert merge_spells(frame(mixed), by="person", max_gap_days=gap).collect().equals(merged)


@QUICK
@given(rows, rows, st.integers(0, 40))
def test_merging_a_union_of_persons_is_the_union_of_merges(one, other, gap):
    moved = [(person + 3, *rest) for person, *rest in other]
    whole = merge_spells(frame([*one, *moved]), by="person", max_gap_days=gap).collect()
    parts = [merge_spells(frame(x), by="person", max_gap_days=gap) for x in (one, moved)]
    assert whole.equals(pl.concat(parts).collect())


@QUICK
@given(rows, st.integers(0, 40))
def test_groups_of_any_type_merge_alike(found, gap):
    spells = frame(found).with_columns(
        scheme=pl.col("tag").fill_null("c").cast(pl.Enum(["a", "b", "c"])),
        text=pl.col("tag").fill_null("c"),
    )
    packed = merge_spells(spells, by=["person", "scheme"], max_gap_days=gap).collect()
    ranked = merge_spells(spells, by=["person", "text"], max_gap_days=gap).collect()
    assert packed.equals(ranked)


@QUICK
@given(rows, rows)
def test_subtraction_leaves_exactly_the_days_not_subtracted(found, minus):
    spells, holes = frame(found), frame(minus)
    left = subtract_spells(spells, holes, by="person").collect()
    assert days(left) == days(spells) - days(holes)


@QUICK
@given(rows)
def test_a_check_finds_merged_spells_clean_and_counts_their_gaps(found):
    merged = merge_spells(frame(found), by="person", max_gap_days=0).collect()
    check = trajectories.check_spells(merged, by="person")
    assert check.clean
    assert check.counts["gaps"] == max(merged.height - merged["person"].n_unique(), 0)
