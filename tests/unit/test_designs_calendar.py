"""The policy calendar: what stands in it, and which borders lie in a window."""

from datetime import date

import polars as pl
import pytest

from toolkit import effects
from toolkit.errors import ToolkitError
from toolkit.registers.codes import SCHEME


def test_every_row_is_whole():
    calendar = effects.policy_calendar()
    assert calendar["key"].is_unique().all()
    assert set(calendar["field"]) <= {"date", "age", "duration", "region"}
    assert set(calendar["confidence"]) == {"found", "memory"}
    assert set(calendar["schemes"].explode()) <= set(SCHEME)
    known = set(effects.methods().select("method").to_series())
    assert set(calendar["designs"].explode().drop_nulls()) <= known
    found = calendar.filter(pl.col("confidence") == "found")
    assert found["source"].is_not_null().all()
    assert calendar.filter(pl.col("field") == "age")["cutoff"].is_not_null().all()


def test_memory_is_not_citable():
    calendar = effects.policy_calendar()
    assert (calendar["citable"] == (calendar["confidence"] == "found")).all()
    assert not calendar.filter(key="wij")["citable"].item()


def test_a_window_finds_changes_with_months_on_both_sides():
    found = effects.find_cutoffs(window="2009-01/2011-12", scheme="ww", field="date")
    assert found["key"].to_list() == ["iro_stop"]
    assert found.select("months_before", "months_after").row(0) == (14, 22)


def test_an_age_border_counts_while_its_rule_holds():
    inside = effects.find_cutoffs(window="2010/2010", scheme="wij")
    assert inside["key"].to_list() == ["wij"]
    assert inside["cutoff"].item() == 27
    assert effects.find_cutoffs(window="2013/2013", scheme="wij").height == 0


def test_breaks_in_the_way_are_named():
    found = effects.find_cutoffs(window="2012-06/2014-06", scheme="wwb", field="age")
    row = found.filter(key="aow_65").row(0, named=True)
    assert row["date"] == date(2013, 1, 1)
    assert "srg_unit" in row["in_the_way"]
    assert "srg_unit" not in found["key"].to_list()


def test_options_are_checked():
    for options in ({"scheme": "abw"}, {"field": "sex"}, {"confidence": "sure"}):
        with pytest.raises(ToolkitError):
            effects.find_cutoffs(window="2010", **options)
