"""Definitions are data: checked when made, derived, written and read back."""

from __future__ import annotations

import json

import pytest

from toolkit import trajectories
from toolkit.errors import CallError, UnknownOptionError
from toolkit.trajectories import definitions


@pytest.mark.parametrize("name", sorted(definitions.RECIPES))
def test_recipes_say_what_is_found_and_what_is_inferred_and_survive_json(name):
    recipe = trajectories.recipe(name)
    assert recipe.name == name
    assert recipe.source
    assert "Found:" in recipe.confidence
    assert "Inferred" in recipe.confidence
    text = json.dumps(recipe.to_dict())
    assert trajectories.Definition.from_dict(json.loads(text)) == recipe


def test_the_two_published_twelve_percents_have_different_denominators():
    assert trajectories.recipe("iwi_2008").denominator_text == "exits from wwb to work"
    assert trajectories.recipe("cbs_2009").denominator_text == "all exits from wwb/ww/nug"
    assert trajectories.recipe("reintegration_24_months").denominator_text == (
        "first starts of support"
    )


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(CallError, match="did you mean 'iwi_2008'"):
        trajectories.recipe("iwi2008")


def test_deriving_changes_one_choice_and_nothing_else():
    iwi = trajectories.recipe("iwi_2008")
    other = iwi.replace(name="iwi_2008_regular", work_kinds=["regular"])
    assert other.work_kinds == ("regular",)
    assert not other.counts_subsidised
    assert iwi.counts_subsidised
    assert other.replace(name="iwi_2008", work_kinds=iwi.work_kinds) == iwi
    assert hash(other) != hash(iwi)
    assert str(other).startswith("iwi_2008_regular: Exits from WWB to work")


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"max_gap": 31}, "did you mean 'max_gap_days'"),
        ({"schemes": ("bijstand",)}, "schemes='bijstand'"),
        ({"schemes": "wwb"}, r"write \('wwb',\)"),
        ({"schemes": ()}, "schemes is empty"),
        ({"work_kinds": ("regulr",)}, "did you mean 'regular'"),
        ({"to_work": "jobs"}, "did you mean 'job'"),
        ({"measure": "cumulative"}, "needs weeks"),
        ({"weeks": 60}, "do not fit in 12 months"),
        ({"horizons": ()}, "whole months"),
        ({"horizons": (12, 6)}, "rising order"),
        ({"return_horizons": (0,)}, "from 1 to 600"),
        ({"max_gap_days": -1}, "max_gap_days=-1"),
        ({"min_hours": 200}, "min_hours=200"),
        ({"month_after": 25}, "month_after=25"),
        ({"min_age": 30, "max_age": 20}, "above max_age"),
    ],
)
def test_a_wrong_choice_is_refused_when_the_definition_is_made(choice, says):
    with pytest.raises(CallError, match=says):
        trajectories.recipe("iwi_2008").replace(**choice)


def test_reading_refuses_what_is_no_parameter_and_asks_for_a_name():
    with pytest.raises(UnknownOptionError, match="horizons"):
        trajectories.Definition.from_dict({"name": "x", "horizon": [12]})
    with pytest.raises(CallError, match="needs a name"):
        trajectories.Definition.from_dict({"horizons": [12]})
