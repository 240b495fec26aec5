"""The page of comparisons: what a smaller run may not overwrite, and how worlds are shown."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def made():
    path = Path(__file__).parent.parent / "validation_page.py"
    spec = spec_from_file_location("validation_page", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_a_world(method, replicates=2, **values):
    usual = {
        "section": "Effects in known worlds", "quantity": f"a. one: {method}", "world": "a. one",
        "method": method, "right": True, "seen": True, "unit": "pp", "truth": 0.15, "bias": -0.004,
        "rmse": 0.021, "covered": 0.95, "flagged": 0.5, "why": ["placebo_p", "smd"],
        "robustness": 0.063, "takes": 0.38, "replicates": replicates,
    }  # fmt: skip
    return ["calibration", usual | values]


def test_more_replicates_stay(made):
    many, few = in_a_world("doubly robust", 300, bias=0.001), in_a_world("doubly robust")
    assert made.merge([few], [many]) == [many]
    assert made.merge([many], [few]) == [many]
    assert made.merge([few], []) == [few]
    # a method that no test makes any more goes
    assert made.merge([few], [in_a_world("regression", 300)]) == [few]


def test_comparisons_are_those_of_the_last_run(made):
    row = {"section": "Cox", "quantity": "one", "difference": 1e-9}
    assert made.merge([["validation", row]], [["validation", row | {"difference": 1.0}]]) == [
        ["validation", row]
    ]


def test_worlds_are_tables(made):
    rows = [
        in_a_world("doubly robust"),
        in_a_world("naive difference", right=False, truth=3.0, bias=2.11, unit="hours", why=[]),
    ]
    lines = made.worlds(rows).splitlines()
    assert lines[0] == "### A. one"
    assert lines[4] == "| naive difference | no | 3.0 hours | +2.1 | 0.0 | 95% | 50% |  |"
    assert (
        lines[5] == "| doubly robust | yes | 15.0 pp | -0.4 | 2.1 | 95% | 50% | placebo, balance |"
    )
    assert lines[-1].startswith("2 replicates. Sensitivity of the regression (median): ")
    assert "6.3%" in lines[-1]
    assert lines[-1].endswith("takes 38% of it.")


def test_what_is_far_off_is_not_spelled_out(made):
    rows = [
        ["recovery", {"section": "LaLonde", "quantity": "wild", "estimate": 4e5, "std_error": 4e5,
                      "benchmark": 1.794, "supported": False, "why": "size 1"}],
        ["recovery", {"section": "LaLonde", "quantity": "near", "estimate": 2.253,
                      "std_error": 0.761, "benchmark": 1.794, "supported": False, "why": ""}],
    ]  # fmt: skip
    near, wild = made.lalonde(rows).splitlines()[2:]
    assert near == "| near | 2,253 | 761 | +459 | no |  |"
    assert wild == "| wild | beyond 100,000 | beyond 100,000 | far off | no | size 1 |"
