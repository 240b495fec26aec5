"""Months, windows, and the calendar as tables against the standard library."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from toolkit import trajectories
from toolkit.errors import CallError
from toolkit.trajectories import days
from toolkit.trajectories.calendar import Window, add_months, months_since, months_until

SOME = [date(2003, 12, 15) + timedelta(step) for step in range(0, 900, 7)]
ENDS = [
    date(2004, 1, 31),
    date(2004, 2, 29),
    date(2005, 2, 28),
    date(2005, 8, 31),
    date(2006, 3, 1),
]


def test_the_last_day_of_a_month_is_clamped_and_not_carried_over():
    assert add_months(date(2006, 8, 31), 6) == date(2007, 2, 28)
    assert add_months(date(2007, 8, 31), 6) == date(2008, 2, 29)
    assert add_months(date(2006, 2, 28), 1) == date(2006, 3, 28)
    assert add_months(date(2006, 3, 31), -1) == date(2006, 2, 28)


def test_expressions_give_the_same_as_dates():
    pairs = [
        (one, other) for one in [*SOME[:20], *ENDS] for other in [*SOME, *ENDS] if one <= other
    ]
    frame = pl.DataFrame(pairs, schema={"a": pl.Date, "b": pl.Date}, orient="row").select(
        until=months_until(pl.col("a"), pl.col("b")),
        since=months_since(pl.col("a"), pl.col("b")),
        plus=add_months(pl.col("a"), 7),
        index=trajectories.month_index(pl.col("b")),
        first=trajectories.month_start(trajectories.month_index(pl.col("b"))),
    )
    assert frame["until"].to_list() == [months_until(a, b) for a, b in pairs]
    assert frame["since"].to_list() == [months_since(a, b) for a, b in pairs]
    assert frame["plus"].to_list() == [add_months(a, 7) for a, _ in pairs]
    assert frame["index"].to_list() == [b.year * 12 + b.month - 1 for _, b in pairs]
    assert frame["first"].to_list() == [b.replace(day=1) for _, b in pairs]


def test_months_until_is_the_smallest_and_months_since_the_largest():
    for start in [*SOME[:12], *ENDS]:
        for day in [*SOME[12:60], *ENDS]:
            if day >= start:
                assert months_until(start, day) == next(
                    h for h in range(99) if day <= add_months(start, h)
                )
                assert months_since(start, day) == max(
                    k for k in range(99) if add_months(start, k) <= day
                )


def test_the_tables_agree_with_the_standard_library():
    some = [date(1881, 1, 1), date(1999, 12, 31), date(2147, 12, 31), *SOME, *ENDS]
    number = days.numbers(pl.Series(some))
    assert days.months(number).tolist() == [day.year * 12 + day.month - 1 for day in some]
    assert days.month_days(number).tolist() == [day.day for day in some]
    assert days.to_dates(number).to_list() == some
    for count in (0, 1, 6, 13):
        assert days.to_dates(days.plus_months(number[3:], count)).to_list() == [
            add_months(day, count) for day in some[3:]
        ]
    start = np.full(len(SOME), days.day_number(date(2003, 10, 31)))
    later = days.numbers(pl.Series(SOME))
    assert days.months_to(start, later).tolist() == [
        months_until(date(2003, 10, 31), day) for day in SOME
    ]
    assert days.months_gone(start, later).tolist() == [
        months_since(date(2003, 10, 31), day) for day in SOME
    ]


def test_running_ends_are_null_dates_and_past_every_month():
    assert days.to_dates(np.array([days.OPEN])).to_list() == [None]
    assert days.months(np.array([days.OPEN, days.day_number(date(2006, 1, 1))])).tolist() == [
        days.OPEN, 2006 * 12,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2006", date(2006, 1, 1), date(2007, 1, 1)),
        ("2006Q1", date(2006, 1, 1), date(2006, 4, 1)),
        ("2006Q4", date(2006, 10, 1), date(2007, 1, 1)),
        ("2006-12", date(2006, 12, 1), date(2007, 1, 1)),
        ("2004-01/2006-06", date(2004, 1, 1), date(2006, 7, 1)),
        ("2004 / 2006Q2", date(2004, 1, 1), date(2006, 7, 1)),
        (("2006-01-15", date(2006, 4, 1)), date(2006, 1, 15), date(2006, 4, 1)),
    ],
)
def test_windows_are_read_from_text_and_dates(text, start, end):
    assert Window.of(text) == Window(start, end)
    assert Window.of(Window(start, end)) == Window(start, end)


def test_a_window_counts_the_months_it_touches_and_holds_its_first_day_only():
    window = Window.of(("2006-01-15", "2006-04-01"))
    assert window.months == 3
    assert date(2006, 1, 15) in window
    assert date(2006, 4, 1) not in window
    assert Window.of(("2006-01-15", "2006-04-02")).months == 4
    assert str(Window.of("2006")) == "2006-01-01 to 2007-01-01 (exclusive)"


@pytest.mark.parametrize(
    "value", ["06", "2006-13", "2006Q5", "soon", 2006, ("2006-01-01",), ("x", "y")]
)
def test_what_is_no_window_is_refused_with_examples(value):
    with pytest.raises(CallError, match="2006Q1"):
        Window.of(value)


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(CallError, match="not after its start"):
        Window.of("2006/2005")


def test_mixed_dates_and_expressions_are_refused():
    with pytest.raises(CallError):
        months_until(date(2006, 1, 1), pl.col("day"))
    with pytest.raises(CallError):
        months_since(pl.col("day"), date(2006, 1, 1))


def test_month_lengths():
    month = np.arange(2003 * 12, 2009 * 12)
    lengths = days.first_days(month + 1) - days.first_days(month)
    assert lengths.tolist() == [calendar.monthrange(m // 12, m % 12 + 1)[1] for m in month.tolist()]
