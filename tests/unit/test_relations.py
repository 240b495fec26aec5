"""Rules between the records of one person, on records written by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from toolkit.errors import MissingColumnError
from toolkit.registers.layout import Layout, built_in
from toolkit.registers.reconcile.relations import check_persons, relate

H1, H2, H3 = date(2006, 1, 1), date(2006, 7, 1), date(2007, 1, 1)


def layout(**rule):
    return Layout.model_validate(
        {
            "name": "toy", "title": {"nl": "t", "en": "t"}, "about": {"nl": "t", "en": "t"},
            "reference": "t", "formats": ["csv"], "files": ["TOY{year}{half}"],
            "unit": "programme", "period": "half_year",
            "fields": [
                {"name": "gem", "type": "text"}, {"name": "nr", "type": "id"},
                {"name": "begin", "type": "date"}, {"name": "einde", "type": "date"},
            ],
            "rules": [{"id": "TOY-1", "nl": "n", "en": "e", **rule}],
        }
    )  # fmt: skip


def records(*rows):
    """Write file, row, person, half-year, gem, nr, begin, einde."""
    names = ["_file", "_row", "person", "period_start", "gem", "nr", "begin", "einde"]
    return pl.DataFrame(
        list(rows), orient="row",
        schema={
            "_file": pl.UInt32, "_row": pl.UInt32, "person": pl.Int64, "period_start": pl.Date,
            "gem": pl.String, "nr": pl.Int64, "begin": pl.Date, "einde": pl.Date,
        },
    ).select(
        *names, _part=pl.lit(0, pl.UInt8), period_end=pl.col("period_start").dt.offset_by("6mo"),
        delivered_by=pl.col("gem"),
    )  # fmt: skip


def broken(frame, **rule):
    kept, lost, counts = check_persons(frame, layout(**rule))
    assert kept.height + lost.height == frame.height
    assert counts["n"].sum() >= lost.height
    return sorted(lost.select("_file", "_row").rows())


def day(month, number=1, year=2006):
    return date(year, month, number)


def test_of_two_records_with_one_key_the_first_stays():
    frame = records(
        (1, 2, 7, H1, "a", 1, None, None),
        (1, 1, 7, H1, "a", 1, day(1), None),
        (1, 3, 7, H1, "a", 2, None, None),
        (1, 4, 8, H1, "a", 1, None, None),  # another person
        (2, 1, 7, H2, "a", 1, None, None),  # another delivery
    )
    assert broken(frame, kind="unique", within=["person", "period_start", "nr"]) == [(1, 2)]
    assert broken(frame, kind="unique", within=["nr"]) == [(1, 2), (2, 1)]


def test_missing_values_are_equal_in_a_key():
    frame = records((1, 1, 7, H1, "a", None, None, None), (1, 2, 7, H1, "a", None, None, None))
    assert broken(frame, kind="unique", within=["person", "nr"]) == [(1, 2)]


def test_the_first_delivered_value_of_an_immutable_field_holds():
    frame = records(
        (3, 1, 7, H3, "a", 1, day(3), None),
        (1, 1, 7, H1, "a", 1, day(2), None),
        (2, 1, 7, H2, "a", 1, None, None),  # not said: no other value
        (3, 2, 7, H3, "a", 1, day(2), None),
    )
    rule = {"kind": "constant", "within": ["person", "nr"], "field": "begin"}
    assert broken(frame, **rule) == [(3, 1)]
    found = relate(frame, layout(**rule)).revisions
    assert found.select("field", "old", "new", "file_old", "file_new", "kept").rows() == [
        ("begin", "2006-02-01", "2006-03-01", 1, 3, "old")
    ]


def test_an_immutable_field_that_only_warns_gets_its_first_value_back():
    frame = records((1, 1, 7, H1, "a", 1, day(2), None), (2, 1, 7, H2, "a", 1, day(3), None))
    rule = layout(kind="constant", within=["person", "nr"], field="begin", severity="warning")
    kept, lost, counts = check_persons(frame, rule)
    assert lost.is_empty()
    assert kept["begin"].to_list() == [day(2), day(2)]
    assert counts.rows() == [(2, "TOY-1", 1)]


@pytest.mark.parametrize(
    ("second", "overlaps"),
    [
        ((day(3, 31), day(5)), True),  # both ends are days of the spell
        ((day(4, 1), day(5)), False),
        ((day(2), None), True),
        ((day(1), day(3, 31)), False),  # the same spell once more
        ((day(1), day(2)), True),  # one more that begins that day
        ((None, day(5)), False),
    ],
)
def test_overlap_counts_both_days(second, overlaps):
    frame = records((1, 1, 7, H1, "a", 1, day(1), day(3, 31)), (1, 2, 7, H1, "a", 1, *second))
    rule = {"kind": "no_overlap", "within": ["person", "nr"], "start": "begin", "end": "einde"}
    assert broken(frame, **rule) == ([(1, 2)] if overlaps else [])


def test_a_spell_overlaps_one_long_before_it():
    frame = records(
        (1, 1, 7, H1, "a", 1, day(1), None),
        (1, 2, 7, H1, "a", 2, day(2), day(2, 5)),
        (1, 3, 8, H1, "a", 2, day(3), None),
        (2, 1, 7, H2, "a", 3, day(8), day(9)),  # judged in its own delivery
    )
    rule = {"kind": "no_overlap", "within": ["person"], "start": "begin", "end": "einde"}
    assert broken(frame, **rule) == [(1, 2)]


def test_nobody_is_in_two_municipalities_on_one_day():
    frame = records(
        (1, 1, 7, H1, "a", 1, day(1), day(4)),
        (1, 2, 7, H1, "a", 2, day(2), day(3)),  # the same municipality
        (2, 1, 7, H1, "b", 1, day(4), None),
        (2, 2, 8, H1, "b", 1, day(1), None),
        (3, 1, 7, H2, "c", 1, day(8), None),
    )
    rule = {
        "kind": "one_place", "within": ["person"], "field": "gem", "start": "begin", "end": "einde",
    }  # fmt: skip
    assert broken(frame, **rule) == [(2, 1)]


def test_where_says_which_records_take_part():
    frame = records((1, 1, 7, H1, "a", 1, None, None), (1, 2, 7, H1, "a", 1, day(1), None))
    rule = {"kind": "unique", "within": ["person", "nr"], "where": "begin IS NOT NULL"}
    assert broken(frame, **rule) == []


def test_periods_may_come_from_the_list_of_files():
    frame = records((5, 1, 7, H1, "a", 1, day(3), None), (4, 1, 7, H1, "a", 1, day(2), None))
    files = pl.DataFrame({"_file": [4, 5], "period_start": [H2, H1], "period_end": [H3, H2]})
    rule = layout(kind="constant", within=["person", "nr"], field="begin")
    kept, lost, _ = check_persons(
        frame.drop("period_start", "period_end", "delivered_by"), rule, files
    )
    assert lost["_file"].to_list() == [4]  # file 4 is about the later half-year
    assert "period_start" not in kept.columns


def test_a_column_that_was_not_staged_is_named():
    frame = records((1, 1, 7, H1, "a", 1, None, None)).drop("nr")
    with pytest.raises(MissingColumnError, match="nr"):
        check_persons(frame, layout(kind="unique", within=["person", "nr"]))


def test_no_key_of_a_person_stands_in_what_is_reported():
    frame = records(
        (1, 1, 123456789, H1, "a", 1, None, None), (1, 2, 123456789, H1, "a", 1, None, None)
    )
    _, lost, counts = check_persons(frame, layout(kind="unique", within=["person", "nr"]))
    assert "person" not in lost.columns + counts.columns


def test_the_begin_of_a_traject_does_not_change_over_srg_deliveries():
    rules = [rule.id for rule in built_in()["srg_2010"].rules if rule.kind == "constant"]
    assert rules
