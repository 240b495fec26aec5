"""Stock, inflow and outflow by month, on a register small enough to count by hand."""

from __future__ import annotations

from datetime import date

import polars as pl

from toolkit import registers
from toolkit.trajectories import recipe
from toolkit.trajectories.flows import flows

D = date
FIRST = D(2004, 1, 1)

#: One person a row: WWB from, to (first day off).
SPELLS = [
    (1, D(2003, 6, 1), None),  # on benefit before the data, and on
    (2, D(2004, 3, 10), D(2004, 5, 1)),  # first day off is 1 May: outflow of May
    (3, D(2004, 3, 31), D(2004, 4, 10)),
    (3, D(2004, 4, 20), D(2004, 6, 15)),  # ten days off: an interruption, neither out nor in
    (4, D(2004, 4, 1), D(2004, 4, 30)),  # not there on the last day of April
]


def register(start: date = FIRST) -> registers.Register:
    keys = sorted({row[0] for row in SPELLS})
    return registers.from_frames(
        persons=pl.DataFrame(
            {
                "person": keys,
                "sex": "male",
                "birth_month": D(1970, 1, 1),
                "origin": "native",
            }
        ),
        benefits=pl.DataFrame(
            SPELLS, schema={"person": pl.Int64, "start": pl.Date, "end": pl.Date}, orient="row"
        ).with_columns(scheme=pl.lit("wwb"), claim=pl.lit(1), role=pl.lit("head")),
        coverage=pl.DataFrame({"source": ["benefits"], "start": start, "end": D(2004, 8, 1)}),
    )


def test_flows_by_hand():
    table = flows(register(), recipe("iwi_2008"), window="2004-01/2004-07")
    by_month = {row["date"].month: row for row in table.iter_rows(named=True)}
    assert {m: by_month[m]["inflow"] for m in range(1, 8)} == {
        1: None,  # a start in January may end an interruption that began in December
        2: None,  # so may one on 1 February, 31 days after a last day on 31 December
        3: 2, 4: 1, 5: 0, 6: 0, 7: 0,
    }  # fmt: skip
    assert {m: by_month[m]["outflow"] for m in range(1, 8)} == {
        1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1,
        7: None,  # the data end before 31 days have passed
    }  # fmt: skip
    assert {m: by_month[m]["stock"] for m in range(1, 8)} == {
        1: 1, 2: 1, 3: 3, 4: 3, 5: 2, 6: 1, 7: None,
    }  # fmt: skip


def test_stock_moves_by_inflow_less_outflow():
    table = flows(register(), recipe("iwi_2008"), window="2004-02/2004-06")
    assert (table["stock"].diff()[1:] == (table["inflow"] - table["outflow"])[1:]).all()


def test_a_window_inside_the_data_starts_at_the_right_stock():
    late = flows(register(), recipe("iwi_2008"), window="2004-05/2004-06")
    whole = flows(register(), recipe("iwi_2008"), window="2004-01/2004-06")
    assert late.equals(whole.tail(2))


def test_months_before_the_data_are_missing_and_never_nought():
    table = flows(register(), recipe("iwi_2008"), window="2003-11/2004-01")
    assert table.select("inflow", "outflow", "stock").rows() == [
        (None, None, None), (None, None, None), (None, 0, 1),
    ]  # fmt: skip


def test_data_that_begin_later_change_no_stock():
    whole = flows(register(), recipe("iwi_2008"), window="2004-06")
    late = flows(register(D(2004, 5, 10)), recipe("iwi_2008"), window="2004-06")
    assert late["stock"].to_list() == whole["stock"].to_list() == [1]
    assert late["inflow"].to_list() == [None]
