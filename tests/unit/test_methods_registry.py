"""The registry of methods: whole in two languages, honest about net and gross, true to the code."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from toolkit import effects
from toolkit.effects.registry import TEXTS, find, registry
from toolkit.errors import UnknownOptionError
from toolkit.matching import plain_sample

KEYS = [
    "before_after", "naive", "regression", "matching", "weighting", "doubly_robust", "risk_sets",
    "experiment", "natural_experiment", "did", "rdd", "iv", "selection_model", "duration_model",
    "timing_of_events",
]  # fmt: skip
#: Named in the registry and still to be built; nothing else may be missing.
TO_BUILD = {"effects.selection_model", "survival.timing_of_events"}


@dataclass(frozen=True, kw_only=True)
class Shown(effects.EffectResult):
    def tidy(self):
        return pl.DataFrame({"estimate": [0.1]})

    def glance(self):
        return pl.DataFrame({"n": [1]})


def test_every_method_is_there_and_whole():
    frame = effects.methods()
    assert frame["method"].to_list() == KEYS
    assert frame.null_count().sum_horizontal().item() == 0
    for one in registry().values():
        for what in TEXTS:
            nl, en = one.text(what, "nl"), one.text(what, "en")
            assert len(nl) > 2
            assert len(en) > 2
            assert nl != en or what == "name", (one.key, what)
            assert nl[0].isupper() == (what != "reason")
            assert nl.endswith((".", "?")) == (what not in {"name", "reason"}), (one.key, what)
        assert one.source, f"{one.key} names no paper"
        assert one.functions


def test_the_language_changes_the_texts_and_not_the_facts():
    nl, en = effects.methods("nl"), effects.methods("en")
    same = ["method", "name_nl", "name_en", "claim", "functions", "planned", "checks", "source"]
    assert nl.select(same).equals(en.select(same))
    assert (nl["assumption"] != en["assumption"]).all()
    with pytest.raises(UnknownOptionError, match="language"):
        effects.methods("fr")


def test_only_two_methods_are_gross():
    gross = effects.methods().filter(pl.col("claim") == "gross")
    assert gross["method"].to_list() == ["before_after", "naive"]


@pytest.mark.parametrize("key", KEYS)
def test_what_it_names_can_be_imported(key):
    one = registry()[key]
    for name in one.functions:
        assert callable(find(name)) != (name in TO_BUILD), f"{key} names {name}"
    for name in one.checks:
        assert callable(find(name)), f"{key} names {name}, which is not there"
    assert len({*one.functions, *one.checks}) == len(one.functions) + len(one.checks)


def test_every_function_that_estimates_an_effect_is_named():
    named = {name for one in registry().values() for name in (*one.functions, *one.checks)}
    for name in effects.__all__:
        call = getattr(effects, name)
        if not inspect.isfunction(call):
            continue
        made = getattr(effects, str(call.__annotations__["return"]), None)
        if inspect.isclass(made) and issubclass(made, effects.EffectResult):
            assert f"effects.{name}" in named, f"{name} is under no method"


def test_what_is_planned_is_said_plainly():
    frame = effects.methods()
    planned = frame.filter(pl.col("status") == "planned")["method"].to_list()
    assert planned == ["selection_model", "timing_of_events"]
    assert set(frame["status"]) == {"here", "planned"}
    assert set(effects.methods("nl")["status"]) == {"aanwezig", "gepland"}
    for key in KEYS:
        last = effects.claim(key).splitlines()[-1]
        assert last.startswith("PLANNED: not in the toolkit") == (key in planned)
    assert effects.claim("selection_model", "nl").endswith("GEPLAND: nog niet in de toolkit.")


def test_what_is_there_and_what_is_planned_are_told_apart():
    rows = effects.methods().select("method", "functions", "planned").rows()
    for key, there, planned in rows:
        assert {*there, *planned} == set(registry()[key].functions)
        assert set(planned) <= TO_BUILD
    assert dict(zip(KEYS, (row[1] for row in rows), strict=True))["doubly_robust"]


def test_a_name_that_is_not_there_is_none():
    assert find("effects.no_such_thing") is None


def test_the_claim_says_net_or_gross_and_why():
    assert "NET: if nothing but the covariates matched on" in effects.claim("matching")
    gross = effects.claim("naive")
    assert "GROSS (bruto), no net effect: participants were selected" in gross
    assert "NET" not in gross
    assert "BRUTO, geen netto-effect: deelnemers zijn gekozen" in effects.claim("naive", "nl")
    for key in KEYS:
        lines = effects.claim(key).splitlines()
        assert [line.split(":")[0] for line in lines[:4]] == [
            "Method", "Question", "Assumes", "Report",
        ]  # fmt: skip


def test_a_typo_is_met_with_the_nearest_key():
    with pytest.raises(UnknownOptionError, match="did you mean 'matching'"):
        effects.claim("matchin")


def test_every_result_prints_its_claim():
    shown = Shown(meta={"design": "naive"}).summary()
    assert shown.endswith(effects.claim("naive"))


def test_samples_name_a_method_of_the_registry():
    frame = pl.DataFrame({"d": [True, False]})
    assert plain_sample(frame, treatment="d").meta["design"] in registry()


def test_the_how_to_lists_every_method():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "which-method.md"
    text = page.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    listed = [row.split("`")[1] for row in rows]
    assert listed == KEYS
    for row, key in zip(rows, KEYS, strict=True):
        one = registry()[key]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1:] == [
            one.text("name", "en"), one.text("question", "en"), one.text("assumption", "en"),
            one.text("data", "en"), one.text("diagnostics", "en"),
            "net" if one.net else "**gross**",
        ]  # fmt: skip


def test_the_how_to_says_what_is_planned():
    """Who is sent to a method that is not here yet must read so in the same step."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "which-method.md"
    steps = page.read_text(encoding="utf-8").split("## 2.")[1].split("## 3.")[0]
    listed = re.split(r"\n(?=\d\. )", steps)
    for key in (key for key, one in registry().items() if one.planned):
        (step,) = [step for step in listed if f"`{key}`" in step]
        assert "planned" in step
