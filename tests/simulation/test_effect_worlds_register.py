"""Methods on the synthetic register, whose truth is that of the very persons who start.

A fortieth of COVERAGE_REPLICATES is the number of countries; one small one without.
"""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from toolkit import matching


def _load(name):
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


register, methods = _load("effect_worlds_register"), _load("effect_worlds_methods")

REPLICATES = max(1, int(os.environ.get("COVERAGE_REPLICATES", "0")) // 40)
PERSONS = 12_000 if REPLICATES == 1 else 40_000
SECTION = "Effects in known worlds"
RIGHT = {"risk sets, censored"}
#: They compare with not starting now; what is known is the effect against no programme at all.
OTHER_ESTIMAND = {"risk sets, not yet", "inverse probability", "doubly robust"}
WORLDS = {"register: on observables": False, "register: on the type": True}


def of_starters(rows):
    """Return the findings on person-months: starting now, or not."""
    sets = {
        control: matching.match_risk_sets(
            rows, person="person", spell="spell", time="duration", treated_at="treated_at",
            on=register.TRAITS, exact="duration_class", calendar="month", caliper=0.2,
            control=control,
        )
        for control in ("not_yet", "censor")
    }  # fmt: skip
    weighed = matching.weigh(
        rows, treatment="starts", on=register.FORMULA, method="ipw", cluster="person"
    )
    plain = matching.plain_sample(rows, treatment="starts", cluster="person")
    options = {"seen": register.SEEN, "before": ["early"]}
    return {
        "naive difference": methods.of_sample(plain, "person", **options),
        "risk sets, not yet": methods.of_sample(sets["not_yet"], methods.BOTH, **options),
        "risk sets, censored": methods.of_sample(
            sets["censor"], "person", since=register.HORIZON, **options
        ),
        "inverse probability": methods.of_sample(weighed, "person", **options),
        "doubly robust": methods.of_scores(
            rows, "starts", on=register.FORMULA, before=["early"]
        ),
    }  # fmt: skip


def of_ever(people):
    """Return the findings on spells: a programme within two years, or none."""
    before, on = ["early", "soon"], register.AT_INTAKE
    weighed = matching.weigh(people, treatment="ever", on=on)
    return {
        "ever started: inverse probability": methods.of_sample(
            weighed, seen=register.SEEN_AT_INTAKE, before=before
        ),
        "ever started: doubly robust": methods.of_scores(people, "ever", on=on, before=before),
    }


@pytest.mark.parametrize("name", WORLDS)
def test_the_register_as_a_world(calibrates, name):
    found = {}
    for seed in range(REPLICATES):
        country = register.Country(register.world(hidden=WORLDS[name]), PERSONS, 100 + seed)
        rows = country.months()
        truth = country.truth(rows, "starts")
        made = {method: (truth, one) for method, one in of_starters(rows).items()}
        if not WORLDS[name]:
            spells = country.inflow(rows)
            truth = country.truth(spells, "ever")
            made |= {method: (truth, one) for method, one in of_ever(spells).items()}
        for method, one in made.items():
            found.setdefault(method, []).append(one)
    for method, pairs in found.items():
        truths, made = zip(*pairs, strict=True)
        right = None if method in OTHER_ESTIMAND else not WORLDS[name] and method in RIGHT
        calibrates(SECTION, name, method, truths, made, right=right,
                   seen=None if WORLDS[name] and method in RIGHT else True)  # fmt: skip
