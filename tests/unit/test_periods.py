"""Which period a delivery covers: holes are said, half of a source is not the source."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from toolkit.errors import OutsideCoverageError
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.intake.periods import coverage_of
from toolkit.registers.intake.settings import Settings
from toolkit.registers.layout import built_in


def years(layout: str, *found: int) -> list[DeliveredFile]:
    return [
        DeliveredFile(
            Path("x"), f"{layout}{year}", layout, "csv", date(year, 1, 1), date(year + 1, 1, 1)
        )
        for year in found
    ]


def history(layout: str) -> list[DeliveredFile]:
    return [DeliveredFile(Path("x"), layout, layout, "csv")]


def of(files, **coverage):
    return coverage_of(files, built_in(), Settings(coverage=coverage))


WWB, WW = "cbs_bijstandpersoonbus", "cbs_wwpersoonbus"
POLIS, SPOLIS = "cbs_polisbus", "cbs_spolisbus"


def test_years_that_meet_are_one_period():
    assert of(years(WWB, 2005, 2006, 2007)) == {"benefits": (date(2005, 1, 1), date(2008, 1, 1))}


def test_layouts_that_follow_each_other_are_one_period():
    found = of([*years(POLIS, 2008, 2009), *years(SPOLIS, 2010)])
    assert found["jobs"] == (date(2008, 1, 1), date(2011, 1, 1))


def test_layouts_side_by_side_cover_what_both_do():
    found = of([*years(WWB, 2005, 2006, 2007), *years(WW, 2006, 2007, 2008)])
    assert found["benefits"] == (date(2006, 1, 1), date(2008, 1, 1))


@pytest.mark.parametrize(
    "files",
    [
        years(WWB, 2005, 2007),
        [*years(WWB, 2005, 2007), *years(WW, 2005, 2006, 2007)],
        [*years(POLIS, 2008), *years(SPOLIS, 2010)],
    ],
)
def test_a_hole_is_refused(files):
    with pytest.raises(OutsideCoverageError, match="nothing was delivered from 200"):
        of(files)


def test_what_is_said_must_have_been_delivered():
    files = years(WWB, 2005, 2006, 2007)
    narrower = (date(2006, 1, 1), date(2007, 1, 1))
    assert of(files, benefits=narrower)["benefits"] == narrower
    with pytest.raises(OutsideCoverageError, match="2008-01-01 to 2009-01-01"):
        of(files, benefits=(date(2006, 1, 1), date(2009, 1, 1)))


def test_a_history_needs_to_be_told():
    with pytest.raises(OutsideCoverageError, match="residences"):
        of(history("cbs_gbaadres"))
    told = (date(1999, 1, 1), date(2012, 1, 1))
    assert of(history("cbs_gbaadres"), residences=told) == {"residences": told}


def test_persons_are_known_as_long_as_anything_is():
    found = of([*years("cbs_gbapersoontab", 2007), *years(WWB, 2005, 2006)])
    assert found["persons"] == (date(2005, 1, 1), date(2007, 1, 1))


def test_what_stands_side_by_side_must_have_a_period_in_common():
    with pytest.raises(OutsideCoverageError, match="no period in common"):
        of([*years(WWB, 2005), *years(WW, 2007)])
