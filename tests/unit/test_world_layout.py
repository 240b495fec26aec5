"""The kernel's numbers are positions in the code lists; its random numbers are as promised."""

import numba as nb
import numpy as np
import pytest

from synthetic_data import World, layout
from synthetic_data.municipalities import build_country
from synthetic_data.random import person_key, uniform
from synthetic_data.tables import month_starts
from synthetic_data.world import to_record
from toolkit.registers import codes

NAMED = {
    codes.SCHEME: {"SCHEME_WWB": "wwb", "SCHEME_WW": "ww", "SCHEME_DISABILITY": "disability"},
    codes.BENEFIT_END: {
        "END_WORK": "work", "END_SELF": "self_employment", "END_STUDIES": "studies",
        "END_RELATION": "relationship", "END_AGE": "age", "END_DEATH": "death",
        "END_DISABILITY": "disability", "END_ASSETS": "assets", "END_INCOME": "other_income",
        "END_NO_INFORMATION": "no_information", "END_MOVED": "moved", "END_ABROAD": "abroad",
        "END_EXHAUSTED": "exhausted", "END_PARTNER": "partner", "END_RECOVERED": "recovered",
        "END_CONDUCT": "conduct", "END_OTHER": "other",
    },
    codes.BENEFIT_START: {
        "BEGAN_STUDIES": "studies_ended", "BEGAN_RELATION": "relationship_ended",
        "BEGAN_JOB": "job_lost", "BEGAN_UI": "ui_ended", "BEGAN_DISABILITY": "disability_ended",
        "BEGAN_INCOME": "other_income_ended", "BEGAN_PARTNER": "partner", "BEGAN_OTHER": "other",
    },
    codes.JOB_KIND: {
        "KIND_REGULAR": "regular", "KIND_SUBSIDISED": "subsidised",
        "KIND_LEGACY": "legacy_subsidised",
    },
    codes.CONTRACT: {
        "PERMANENT": "permanent", "TEMPORARY": "temporary", "AGENCY": "agency",
        "ON_CALL": "on_call",
    },
    codes.INSTRUMENT: {
        "WORK_FIRST": "work_first", "MEDIATION": "mediation", "TRAINING": "training",
        "SUBSIDY": "wage_subsidy", "ACTIVATION": "social_activation",
        "PLACEMENT": "participation_placement",
    },
    codes.PROGRAMME_END: {
        "STOP_WORK": "regular_work", "STOP_WITHDREW": "withdrew",
        "STOP_USELESS": "no_longer_useful", "STOP_OTHER": "other", "STOP_SELF": "self_employment",
    },
    codes.AIM: {"AIM_WORK": "work", "AIM_PRE_WORK": "pre_work"},
    codes.RESIDENCE_END: {"MOVED": "moved", "GONE_ABROAD": "emigrated", "DIED": "died"},
}  # fmt: skip


@pytest.mark.parametrize("known", NAMED, ids=lambda known: known[0])
def test_numbers_are_positions_in_the_code_lists(known):
    for name, code in NAMED[known].items():
        assert known[getattr(layout, name)] == code, name


def test_states_have_numbers_in_order():
    assert [getattr(layout, name.upper()) for name in layout.STATES] == list(range(12))
    assert max(range(12)) < layout.STATE_BITS < layout.WORKED


def test_months_begin_where_the_calendar_says():
    days = month_starts(0, layout.N_MONTHS + 1)
    assert days[0] == np.datetime64("1999-01-01").astype(int)
    assert days[62] == np.datetime64("2004-03-01").astype(int)
    assert days[-1] == np.datetime64("2012-01-01").astype(int)


@nb.njit
def _draw(seed, persons, months):
    out = np.empty((persons, months))
    for person in range(persons):
        key = person_key(seed, person)
        for month in range(months):
            out[person, month] = uniform(key, month, 3)
    return out


def test_random_numbers_look_uniform_and_unrelated():
    drawn = _draw(7, 2_000, 50)
    n = drawn.size
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    # five standard errors of a mean, a variance and a correlation of independent uniforms
    assert abs(drawn.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / n)
    assert abs(drawn.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    for one, two in (
        (drawn[:, 1:], drawn[:, :-1]),  # a month and the next
        (drawn[1:], drawn[:-1]),  # a person and the next
        (drawn, _draw(8, 2_000, 50)),  # a seed and the next
    ):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 5 / np.sqrt(one.size)
    counts = np.histogram(drawn, 100, (0, 1))[0]
    assert ((counts - n / 100) ** 2).sum() / (n / 100) < 99 + 5 * np.sqrt(2 * 99)


def test_random_numbers_do_not_depend_on_how_many_are_drawn():
    assert (_draw(7, 10, 5) == _draw(7, 20, 9)[:10, :5]).all()


def test_record_holds_every_parameter():
    record = to_record(World(), {"market": np.ones((2, 3))})
    assert record["land_market"].shape == (2, 3)
    assert record["wwb_work"] == World().wwb.work
    assert tuple(record["find_type"]) == World().find.type
    assert record["support_mix"].shape == (5, 6)
    for weights in (World().population.types, World().support.wait, World().work.first):
        assert sum(weights) == pytest.approx(1.0)


def test_another_seed_is_another_country_of_the_same_size():
    one, two = build_country(World(), 1), build_country(World(), 2)
    assert one.table.equals(two.table)
    assert not np.allclose(one.find, two.find)
    assert one.cumulative[-1] == pytest.approx(1.0)
