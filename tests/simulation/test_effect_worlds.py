"""Every method in worlds whose truth is known: right where it may be, else flagged.

A fifth of COVERAGE_REPLICATES is the number of data sets of each world.
"""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest


def _load(name):
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


worlds, methods = _load("effect_worlds"), _load("effect_worlds_methods")

REPLICATES = max(1, int(os.environ.get("COVERAGE_REPLICATES", "5")) // 5)
PEOPLE = 4000
#: Lives behind the truth: its own error is to be small beside that of the mean of all replicates.
LIVES = 40_000 if REPLICATES < 20 else 500_000
SECTION = "Effects in known worlds"

ADJUSTED = (
    "regression", "nearest neighbours", "risk sets, not yet", "risk sets, censored",
    "inverse probability", "overlap weights", "entropy balancing", "doubly robust",
)  # fmt: skip
#: Which of the truths a method is after; most: of starting now against not now.
TARGETS = {
    "before and after": "year", "risk sets, censored": "never", "overlap weights": "overlap",
    "differences in work": "never", "differences in hours": "hours",
}  # fmt: skip
#: Methods whose assumptions hold, by world; DiD of hours bears a hidden type but no announcement.
RIGHT = {
    "a. on observables": {*ADJUSTED, "differences in hours"},
    "b. on the type": {"differences in hours"},
    "b. on a type of today": {"differences in hours"},
    "c. anticipation": set(),
    "d. immortal time": {*ADJUSTED, "differences in hours"},
}
#: What nothing observed can show: only the sensitivity says how little it takes.
UNSEEN = {"b. on a type of today": set(ADJUSTED)}


def findings(name):
    """Return by method its findings in all replicates, and how weak a regression is."""
    world, found, weak = worlds.WORLDS[name], {}, []
    for replicate in range(REPLICATES):
        lives = worlds.live(world, worlds.draw(world, PEOPLE, [11, replicate]))
        rows = worlds.person_months(lives)
        panels = {key: worlds.person_quarters(lives, key) for key in ("work", "hours")}
        panels["participants"] = worlds.participants(lives)
        made = methods.of_all(rows, panels)
        if name.startswith("d"):
            made |= methods.of_ever(worlds.ever_and_never(lives))
        for method, one in made.items():
            found.setdefault(method, []).append(one)
        weak.append(methods.weakness(rows))
    return found, np.median(weak, axis=0)


@pytest.mark.parametrize("name", worlds.WORLDS)
def test_right_or_flagged(calibrates, name):
    truth = worlds.truth(worlds.WORLDS[name], LIVES, 5)
    found, (robustness, takes) = findings(name)
    for method, made in found.items():
        target = "ever" if method.startswith("ever") else TARGETS.get(method, "now")
        calibrates(
            SECTION, name, method, truth[target], made, right=method in RIGHT[name],
            seen=method not in UNSEEN.get(name, ()), truth_error=truth["error"],
            unit="hours" if target == "hours" else "pp", robustness=robustness, takes=takes,
        )  # fmt: skip
    # who starts and who does not differ in what decides work: no comparison as it comes will do
    naive = np.mean([one.estimate for one in found["naive difference"]])
    assert naive - truth["now"] > 0.05
