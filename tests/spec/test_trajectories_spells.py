"""The rules of spells: what a gap is, whose attributes stay, what is refused."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from toolkit import trajectories
from toolkit.errors import (
    CallError,
    MissingValueError,
    ReversedSpellError,
    UnknownColumnError,
    WrongTypeError,
)


def spells(*rows, **columns):
    frame = pl.DataFrame(
        rows, schema={"person": pl.Int64, "start": pl.Date, "end": pl.Date}, orient="row"
    )
    return frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def merged(frame, **options):
    return trajectories.merge_spells(frame, by="person", **options).collect()


@pytest.mark.parametrize(
    ("start", "count"),
    [(date(2006, 2, 1), 1), (date(2006, 2, 2), 2)],
    ids=["31 days apart is one spell", "32 days apart is two"],
)
def test_a_gap_is_next_start_minus_end(start, count):
    frame = spells((1, date(2005, 6, 1), date(2006, 1, 1)), (1, start, date(2006, 5, 1)))
    assert merged(frame).height == count


def test_without_a_gap_allowed_adjoining_spells_are_one_and_a_day_between_makes_two():
    frame = spells(
        (1, date(2006, 1, 1), date(2006, 2, 1)),
        (1, date(2006, 2, 1), date(2006, 3, 1)),
        (1, date(2006, 3, 2), date(2006, 4, 1)),
    )
    assert merged(frame, max_gap_days=0)["end"].to_list() == [date(2006, 3, 1), date(2006, 4, 1)]


def test_a_running_spell_stays_running_whatever_lies_inside_it():
    frame = spells(
        (1, date(2006, 1, 1), None),
        (1, date(2006, 2, 1), date(2006, 3, 1)),
        (2, date(2006, 1, 1), date(2006, 2, 1)),
    )
    assert merged(frame).rows() == [
        (1, date(2006, 1, 1), None),
        (2, date(2006, 1, 1), date(2006, 2, 1)),
    ]


def test_start_columns_come_from_the_first_row_and_others_from_the_row_that_ends_last():
    frame = spells(
        (1, date(2006, 1, 1), date(2006, 6, 1)),
        (1, date(2006, 2, 1), date(2006, 3, 1)),
        (1, date(2006, 6, 1), date(2006, 7, 1)),
        start_reason=["job_lost", "other", "other"],
        municipality=["gm0001", "gm0002", "gm0003"],
        end_reason=["moved", "other", "work"],
    )
    assert merged(frame).rows(named=True) == [
        {
            "person": 1,
            "start": date(2006, 1, 1),
            "end": date(2006, 7, 1),
            "start_reason": "job_lost",
            "municipality": "gm0003",
            "end_reason": "work",
        }
    ]


def test_a_nested_spell_does_not_lend_its_attributes():
    frame = spells(
        (1, date(2006, 1, 1), date(2006, 6, 1)),
        (1, date(2006, 2, 1), date(2006, 3, 1)),
        end_reason=["work", "moved"],
    )
    assert merged(frame)["end_reason"].to_list() == ["work"]


def test_of_rows_that_end_together_the_one_that_starts_last_speaks():
    frame = spells(
        (1, date(2006, 1, 1), date(2006, 6, 1)),
        (1, date(2006, 2, 1), date(2006, 6, 1)),
        end_reason=["work", "moved"],
    )
    assert merged(frame)["end_reason"].to_list() == ["moved"]


def test_lazy_frames_stay_lazy_and_pandas_comes_in():
    frame = spells((1, date(2006, 1, 1), date(2006, 2, 1)))
    assert isinstance(trajectories.merge_spells(frame.lazy(), by="person"), pl.LazyFrame)


def test_subtracting_cuts_holes_and_drops_what_is_covered():
    whole = spells(
        (1, date(2006, 1, 1), None), (1, date(2005, 1, 1), date(2005, 2, 1)), kind=["new", "old"]
    )
    minus = spells(
        (1, date(2004, 12, 1), date(2005, 3, 1)),
        (1, date(2006, 2, 1), date(2006, 3, 1)),
        (1, date(2006, 2, 15), date(2006, 4, 1)),
        (2, date(2006, 5, 1), date(2006, 6, 1)),
    )
    left = trajectories.subtract_spells(whole, minus, by="person").collect()
    assert left.rows() == [
        (1, date(2006, 1, 1), date(2006, 2, 1), "new"),
        (1, date(2006, 4, 1), None, "new"),
    ]


def test_clipping_ends_a_running_spell_at_the_window():
    frame = spells((1, date(2005, 1, 1), None), (1, date(2007, 1, 1), None))
    clipped = trajectories.clip_spells(frame, "2006").collect()
    assert clipped.rows() == [(1, date(2006, 1, 1), date(2007, 1, 1))]


def test_a_check_counts_what_is_odd():
    frame = spells(
        (1, date(2006, 1, 1), date(2006, 2, 1)),
        (1, date(2006, 1, 1), date(2006, 2, 1)),
        (1, date(2006, 1, 20), date(2006, 3, 1)),
        (1, date(2006, 3, 11), None),
        (2, date(2006, 5, 1), date(2006, 4, 1)),
    )
    check = trajectories.check_spells(frame, by="person")
    assert check.counts == {
        "spells": 5, "groups": 2, "running": 1, "reversed": 1, "duplicated": 1,
        "overlaps": 1, "gaps": 1, "gap_days": 10,
    }  # fmt: skip
    assert not check.clean
    assert check.glance().height == 1
    assert check.tidy().columns == ["term", "estimate"]


def test_bad_spells_are_refused_with_rows_and_never_with_a_key():
    frame = spells(
        (987654, date(2006, 1, 1), date(2006, 2, 1)), (987654, date(2006, 3, 1), date(2006, 3, 1))
    )
    with pytest.raises(ReversedSpellError, match="1 of 2 rows; first rows 1") as raised:
        merged(frame)
    assert "987654" not in str(raised.value)


def test_other_bad_calls_say_what_to_do():
    frame = spells((1, date(2006, 1, 1), date(2006, 2, 1)))
    with pytest.raises(UnknownColumnError, match="did you mean 'person'"):
        trajectories.merge_spells(frame, by="persn")
    with pytest.raises(CallError, match="max_gap_days=-1"):
        trajectories.merge_spells(frame, by="person", max_gap_days=-1)
    with pytest.raises(MissingValueError, match="'start'"):
        merged(frame.with_columns(start=pl.lit(None, pl.Date)))
    with pytest.raises(MissingValueError, match="'person'"):
        merged(frame.with_columns(person=pl.lit(None, pl.Int64)))
    with pytest.raises(WrongTypeError, match="not a date"):
        merged(frame.with_columns(start=pl.lit(5)))
    with pytest.raises(WrongTypeError, match="null, not a far date"):
        merged(frame.with_columns(end=pl.lit(date(9999, 12, 31))))
