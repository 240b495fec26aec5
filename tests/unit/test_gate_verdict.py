"""The gate: thresholds written before, evidence as handed in, what fails said first."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl
import pytest

from toolkit import effects
from toolkit.effects.thresholds import Thresholds
from toolkit.effects.verdict import Verdict
from toolkit.errors import CallError, InputError
from toolkit.matching import plain_sample

NOTHING = {"max_smd": None, "min_support": None, "min_ess": None, "min_placebo_p": None}
BALANCE = pl.DataFrame(
    {
        "covariate": ["age", "sex", "score", "age", "sex", "score"],
        "kind": ["numeric", "share", "score"] * 2,
        "sample": ["before"] * 3 + ["after"] * 3,
        "smd": [0.8, -0.5, 2.0, 0.04, -0.12, 0.3],
    }
)


@dataclass(frozen=True, kw_only=True)
class Shown(effects.EffectResult):
    def tidy(self):
        return pl.DataFrame({"estimate": [0.068]})

    def glance(self):
        return pl.DataFrame({"n_event": [7]})


def result(design="matching"):
    return Shown(meta={"design": design, "method": "Nearest neighbour"})


def one(verdict, criterion):
    return verdict.tidy().row(by_predicate=pl.col("criterion") == criterion, named=True)


def test_the_largest_difference_after_counts_and_is_named():
    verdict = effects.gate(NOTHING | {"max_smd": 0.1}, balance=BALANCE)
    found = one(verdict, "smd")
    assert (found["value"], found["about"], found["verdict"]) == (0.12, "sex", "failed")
    assert not verdict.supported
    assert effects.gate(NOTHING | {"max_smd": 0.12}, balance=BALANCE).supported
    before = BALANCE.filter(pl.col("sample") == "before")
    assert one(effects.gate(NOTHING | {"max_smd": 0.1}, balance=before), "smd")["value"] == 0.8


def test_a_difference_that_is_not_known_is_not_met():
    odd = BALANCE.with_columns(smd=pl.when(pl.col("covariate") != "age").then("smd"))
    verdict = effects.gate(NOTHING | {"max_smd": 0.5}, balance=odd)
    assert one(verdict, "smd")["verdict"] == "not evaluated"
    assert "cannot be standardised for age" in verdict.sentence()


def test_support_and_effective_size_come_from_the_sample():
    frame = pl.DataFrame({"d": [True] * 4 + [False] * 5, "w": [1.0, 1, 1, 0, 3, 1, 0, 0, 0]})
    sample = plain_sample(frame, treatment="d", weights="w")
    verdict = effects.gate(NOTHING | {"min_support": 0.8, "min_ess": 2}, sample=sample)
    assert one(verdict, "support")["value"] == 0.75  # 3 of the 4 treated
    assert one(verdict, "ess")["value"] == pytest.approx(16 / 10)  # (3 + 1)² / (9 + 1)
    assert one(verdict, "ess")["about"] == "controls"
    both = plain_sample(frame, treatment="d", weights="w", estimand="ATE")
    verdict = effects.gate(NOTHING | {"min_support": 0.8}, sample=both)
    assert one(verdict, "support")["value"] == 0.4


def test_events_and_numbers_of_ones_own():
    asked = NOTHING | {"min_events": 10, "more": {"first_stage_f": {"at_least": 10}}}
    verdict = effects.gate(asked, events=(12, 9), values={"first_stage_f": 25.0})
    assert one(verdict, "events")["verdict"] == "failed"
    assert one(verdict, "first_stage_f")["verdict"] == "met"
    assert effects.gate(NOTHING | {"min_events": 7}, events=result()).supported
    between = {"more": {"dropout": {"at_least": 0, "at_most": 0.1}}}
    assert not effects.gate(NOTHING | between, values={"dropout": 0.2}).supported
    assert not effects.gate(NOTHING | between, values={"dropout": -0.2}).supported
    with pytest.raises(CallError, match="No threshold asks for 'f'"):
        effects.gate(asked, events=12, values={"f": 1.0})


def test_the_worst_of_several_placebos_counts():
    placebo = pl.DataFrame(
        {"outcome": ["a", "b"], "estimate": [0.01, -0.03], "p_value": [0.2, 0.6]}
    )
    asked = NOTHING | {"min_placebo_p": 0.05, "max_placebo": 0.02}
    verdict = effects.gate(asked, placebo=placebo)
    assert one(verdict, "placebo")["value"] == 0.03
    assert one(verdict, "placebo")["about"] == "b"
    assert (one(verdict, "placebo_p")["value"], one(verdict, "placebo_p")["about"]) == (0.2, "a")
    nobody = pl.DataFrame({"estimate": [0.0], "p_value": [None]})
    assert effects.gate(asked, placebo=nobody).supported
    unknown = pl.DataFrame({"estimate": [0.01], "p_value": [None]})
    assert not effects.gate(asked, placebo=unknown).supported


def test_a_profile_brings_placebo_and_follow_up():
    person = list(range(40))
    rows = pl.DataFrame({"person": person, "start": 100, "d": [p < 20 for p in person]})
    panel = pl.concat(
        pl.DataFrame({"person": person, "month": 100 + m, "work": [p % k == 0 for p in person]})
        for m, k in ((-2, 2), (-1, 2), (0, 2), (12, 3))
    ).filter((pl.col("month") < 112) | (pl.col("person") % 4 > 0))
    profile = effects.profile(
        rows, panel, outcome="work", months=[-2, -1, 0, 12], treatment="d", design="matching"
    )
    asked = NOTHING | {"min_placebo_p": 0.05, "max_placebo": 0.01, "min_observed": 0.8}
    verdict = effects.gate(asked, profile=profile)
    assert one(verdict, "placebo")["value"] == 0
    assert one(verdict, "placebo_p")["verdict"] == "met"
    assert one(verdict, "observed")["value"] == 0.75
    assert [row["verdict"] for row in verdict.tidy().rows(named=True)] == ["failed", "met", "met"]
    some = effects.gate(asked, profile=profile, placebo_months=[-2])
    assert one(some, "placebo_p")["value"] == one(verdict, "placebo_p")["value"]
    marked = verdict.apply(profile)
    with pytest.warns(UserWarning, match="lock-in"):
        table = marked.gross_net((0,))
    assert table.summary().startswith("NOT SUPPORTED: share observed in the last month 0.75")


def test_what_is_asked_and_not_handed_in_is_not_met():
    verdict = effects.gate(Thresholds(), balance=BALANCE)
    assert verdict.glance().row(0) == (False, 0, 1, 3, None)
    assert "effective sample size was not handed in (at least 100 asked)" in verdict.sentence()


def test_a_gate_without_thresholds_supports_nothing():
    verdict = effects.gate(NOTHING, balance=BALANCE)
    assert not verdict.supported
    assert verdict.apply(result()).summary().startswith("NOT SUPPORTED: no threshold was written.")


def test_a_number_takes_the_place_of_no_diagnostic():
    with pytest.raises(CallError, match="'smd' is handed in as a number, and a diagnostic"):
        effects.gate(NOTHING | {"max_smd": 0.1}, balance=BALANCE, values={"smd": 0.01})
    # without a diagnostic it may: an estimate without a sample has an effective size too
    assert effects.gate(NOTHING | {"min_ess": 100}, values={"ess": 250.0}).supported
    with pytest.raises(InputError, match="should not name 'smd'"):
        effects.gate(NOTHING | {"max_smd": 0.1, "more": {"smd": {"at_most": 10}}}, balance=BALANCE)
    for odd, said in ((float("inf"), "no finite number"), (None, "no finite number")):
        verdict = effects.gate(NOTHING | {"more": {"f": {"at_least": 1}}}, values={"f": odd})
        assert said in verdict.sentence()
        assert not verdict.supported


@pytest.mark.parametrize("events", [(50, float("nan")), (float("nan"), 50)])
def test_a_count_that_is_no_number_is_not_met(events):
    assert not effects.gate(NOTHING | {"min_events": 10}, events=events).supported


def test_a_placebo_without_a_p_value_is_not_met():
    placebo = pl.DataFrame({"estimate": [0.5, 0.1], "p_value": [float("nan"), 0.5]})
    assert not effects.gate(NOTHING | {"min_placebo_p": 0.05}, placebo=placebo).supported


def test_an_unknown_effective_size_is_the_worst_whichever_group_has_it():
    row = {"n_treated": 9, "n_control": 9, "used_treated": 9, "used_control": 9, "estimand": "ATT"}
    for one, other in ((200.0, float("nan")), (float("nan"), 200.0)):

        class Sample:
            glance = staticmethod(
                lambda one=one, other=other: pl.DataFrame(
                    [row | {"ess_treated": one, "ess_control": other}]
                )
            )

        assert not effects.gate(NOTHING | {"min_ess": 100}, sample=Sample()).supported


def test_what_fails_is_said_first_and_stands_in_the_table():
    verdict = effects.gate(NOTHING | {"max_smd": 0.1}, balance=BALANCE)
    marked = verdict.apply(result())
    assert marked.meta["supported"] is False
    said = "NOT SUPPORTED: largest standardised difference 0.12 (sex), at most 0.1 asked."
    assert marked.summary().splitlines()[0] == said
    assert marked.judged().columns == ["verdict", "estimate"]
    assert marked.judged()["verdict"].to_list() == ["not supported"]
    assert "NOT SUPPORTED" in marked._repr_html_()
    assert "not supported" in marked._repr_html_()
    # as it was: nothing else changes
    assert marked.tidy().equals(result().tidy())
    assert "supported" not in result().meta
    assert result().judged().columns == ["estimate"]
    met = effects.gate(NOTHING | {"max_smd": 0.2}, balance=BALANCE).apply(result())
    assert met.summary().startswith("SUPPORTED: every threshold")
    assert met.meta["supported"] is True


def test_the_verdict_stands_before_a_results_own_words():
    works = [1, 0, 1, 1, 0, 1] * 8
    people = pl.DataFrame(
        {"d": [1, 0] * 24, "work": works, "early": works[::-1], "x": list(range(48))}
    )
    verdict = effects.gate(NOTHING | {"max_smd": 0.1}, balance=BALANCE)
    made = {
        "specifications:": effects.specifications(
            lambda k: verdict.apply(result()) if k else {"estimate": 0.1}, {"k": [0, 1]}
        ),
        "joint p =": effects.placebo(people, outcome_before=["early"], treatment="d"),
        "could undo the effect": effects.sensitivity(
            people, outcome="work", treatment="d", covariates=["x"]
        ),
    }
    for words, one in made.items():
        lines = verdict.apply(one).summary().splitlines()
        assert lines[0].startswith("NOT SUPPORTED: ")
        assert words in lines[1]
        assert words in one.summary().splitlines()[0]
    # and a curve of estimates says how many of them a gate refused
    assert "1 NOT SUPPORTED by their gate" in made["specifications:"].summary()


def test_an_override_needs_a_reason_and_prints_it():
    asked = NOTHING | {"max_smd": 0.1}
    for empty in ("", "  ", True, 1):
        with pytest.raises(CallError, match="without a reason"):
            effects.gate(asked, balance=BALANCE, override=empty)
    verdict = effects.gate(asked, balance=BALANCE, override="sex is also adjusted for.")
    marked = verdict.apply(result())
    assert (
        marked.summary()
        .splitlines()[0]
        .endswith("Shown all the same, because: sex is also adjusted for.")
    )
    assert marked.meta["supported"] is False
    assert marked.judged()["verdict"].to_list() == ["not supported"]


def test_a_gross_method_is_never_supported():
    verdict = effects.gate(NOTHING | {"max_smd": 0.2}, balance=BALANCE)
    assert verdict.supported
    marked = verdict.apply(result("naive"))
    assert marked.meta["supported"] is False
    assert marked.summary().startswith("NOT SUPPORTED: the method is gross: participants were")
    with pytest.raises(CallError, match="no result of an effect"):
        verdict.apply(verdict)


def test_the_verdict_goes_through_json():
    asked = NOTHING | {"max_smd": 0.1, "min_events": 5, "more": {"f": {"at_least": 10}}}
    verdict = effects.gate(asked, balance=BALANCE, values={"f": float("nan")}, override="because")
    back = Verdict.from_json(verdict.to_json())
    assert back.judged == verdict.judged
    assert back.thresholds == verdict.thresholds
    assert back.sentence() == verdict.sentence()
    assert back.tidy().equals(verdict.tidy())
    found = json.loads(verdict.to_json())
    assert (found["supported"], found["override"]) == (False, "because")
    assert json.dumps(verdict.apply(result()).meta["gate"])  # fit for a manifest
    with pytest.raises(InputError, match="no verdict"):
        Verdict.from_json("{}")
    assert "largest standardised" in verdict.summary().splitlines()[0]
    for change in (
        {"criteria": found["criteria"][1:]},
        {"criteria": []},
        {"criteria": [found["criteria"][0] | {"at_most": 10}, *found["criteria"][1:]]},
        {"criteria": [found["criteria"][0] | {"value": "0.01"}, *found["criteria"][1:]]},
        {"override": " "},
    ):
        with pytest.raises(InputError, match="verdict"):
            Verdict.from_json(json.dumps(found | change))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"max_smdd": 0.1}, "'max_smdd' is not a word.*did you mean 'max_smd'"),
        ({"max_smd": "small"}, "'max_smd' is a number"),
        ({"min_support": 2}, "'min_support' should be less than or equal to 1"),
        ({"more": {"f": {}}}, "'f' should say at_least, at_most or both"),
        ({"more": {"f": {"at_least": 2, "at_most": 1}}}, "'f' should have at_least below"),
        ({"min_ess": float("nan")}, "'min_ess' should be"),
        ({"more": {"f": {"atleast": 10}}}, "'atleast' is not a word.*more.f.*'at_least'"),
    ],
)
def test_a_typo_is_named_with_the_nearest_word(asked, said):
    with pytest.raises(InputError, match=said):
        effects.gate(asked)


def test_diagnostics_without_their_columns_are_refused():
    with pytest.raises(CallError, match="balance has no column 'smd'"):
        effects.gate(NOTHING, balance=BALANCE.drop("smd"))
    empty = effects.gate(NOTHING | {"max_smd": 0.1}, balance=BALANCE.clear())
    assert "no covariate was looked at" in empty.sentence()
    for odd in ("fifty", ["fifty"], [50, None], []):
        with pytest.raises(CallError, match="number of events"):
            effects.gate(NOTHING | {"min_events": 1}, events=odd)
    with pytest.raises(CallError, match="placebo has no column 'p_value'"):
        effects.gate(NOTHING, placebo=pl.DataFrame({"estimate": [1]}))
