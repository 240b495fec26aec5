"""The grid of choices: every estimate stands, refused ones with their reason."""

import threading

import numpy as np
import polars as pl
import pytest

from toolkit import effects
from toolkit.effects.sensitivity import specifications
from toolkit.errors import CallError, EmptyCohortError, InputError


def effect(controls, month):
    if controls == "other towns" and month == 24:
        raise EmptyCohortError("No controls", fix="look")
    base = {"not yet": 0.02, "never": -0.04, "other towns": 0.01}[controls]
    return {"estimate": base + month / 1000, "std_error": 0.01, "n": 100 * month}


CHOICES = {"controls": ["not yet", "never", "other towns"], "month": [12, 24]}


def test_all_are_run_in_order_and_refusals_stay():
    table = specifications(effect, CHOICES).tidy()
    assert table["specification"].to_list() == [1, 2, 3, 4, 5, 6]
    assert table.select("controls", "month").rows()[:3] == [
        ("not yet", "12"), ("not yet", "24"), ("never", "12"),
    ]  # fmt: skip
    assert table["estimate"].to_list()[:5] == pytest.approx([0.032, 0.044, -0.028, -0.016, 0.022])
    last = table.row(5, named=True)
    assert last["status"] == "not estimated"
    assert last["reason"] == "No controls. What to do: look."
    assert last["estimate"] is None
    row = table.row(0, named=True)
    assert row["conf_low"] == pytest.approx(0.032 - 0.01959964, abs=1e-8)
    assert row["p_value"] == pytest.approx(0.001374, abs=1e-6)
    assert row["n"] == 1200


def test_what_they_say_together():
    found = specifications(effect, CHOICES, reference={"controls": "not yet", "month": 12})
    row = found.glance().row(0, named=True)
    assert (row["n_specification"], row["n_estimated"]) == (6, 5)
    assert row["median"] == pytest.approx(0.022)
    assert (row["lowest"], row["highest"]) == pytest.approx((-0.028, 0.044))
    assert row["share_same_sign"] == pytest.approx(3 / 5)
    # |z| of 3.2, 4.4, -2.8, -1.6, 2.2
    assert row["share_significant"] == pytest.approx(4 / 5)
    assert row["reference_estimate"] == pytest.approx(0.032)
    assert found.tidy().filter("reference")["specification"].to_list() == [1]
    assert found.meta["dropped"] == {"not estimated": 1}
    assert "5 of 6 specifications: median 0.022" in found.summary()


def test_how_much_a_choice_moves():
    by = specifications(effect, CHOICES).by_choice()
    assert by.filter(pl.col("choice") == "controls")["option"].to_list() == CHOICES["controls"]
    values = np.array([0.032, 0.044, -0.028, -0.016, 0.022])
    groups = [values[:2], values[2:4], values[4:]]
    between = sum(len(g) * (g.mean() - values.mean()) ** 2 for g in groups) / 5
    share = by.filter(pl.col("choice") == "controls")["share"][0]
    assert share == pytest.approx(between / values.var())
    never = by.filter(pl.col("option") == "never").row(0, named=True)
    assert (never["median"], never["n_estimated"]) == (pytest.approx(-0.022), 2)


def test_labels_and_lists():
    seen = []

    def run(**case):
        seen.append(case)
        return 1.0

    options = {"short": ["age"], "long": ["age", "sex"]}
    table = specifications(run, {"covariates": options, "trim": [None, 0.05]}).tidy()
    assert table["covariates"].to_list() == ["short", "short", "long", "long"]
    assert table["trim"].to_list() == ["none", "0.05", "none", "0.05"]
    assert seen[2] == {"covariates": ["age", "sex"], "trim": None}
    listed = specifications(run, [{"covariates": ["age", "sex"], "trim": 1}]).tidy()
    assert listed["covariates"].to_list() == ["age + sex"]


def test_threads_say_the_same_and_run_together():
    barrier = threading.Barrier(2, timeout=10)

    def run(month):
        barrier.wait()
        return month / 10

    table = specifications(run, {"month": [1, 2, 3, 4]}, threads=2).tidy()
    assert table["estimate"].to_list() == [0.1, 0.2, 0.3, 0.4]


def test_results_of_the_toolkit_bring_their_design_and_n():
    people = pl.DataFrame(
        {"t": [1, 1, 1, 0, 0, 0], "work": [1, 1, 0, 1, 0, 0], "hours": [3, 4, 5, 1, 2, 2]}
    )
    found = specifications(
        lambda outcome: effects.contrast(people, outcome=outcome, treatment="t"),
        {"outcome": ["work", "hours"]},
    )
    assert found.tidy()["estimate"].to_list() == pytest.approx([1 / 3, 7 / 3])
    assert found.tidy()["n"].to_list() == [6, 6]
    assert found.design == "naive"
    ratio = specifications(
        lambda outcome: effects.contrast(people, outcome=outcome, treatment="t"),
        {"outcome": ["work"]}, term="ratio",
    )  # fmt: skip
    assert ratio.tidy()["estimate"][0] == pytest.approx(2.0)


def test_designs_that_differ_claim_nothing():
    def run(kind):
        return {"estimate": 1.0, "design": kind}

    found = specifications(run, {"kind": ["matching", "iv"]})
    assert found.design == "naive"
    assert found.meta["warnings"] == ["methods differ: iv, matching"]
    assert specifications(run, {"kind": ["iv"]}).design == "iv"


def test_errors_that_are_not_ours_are_not_swallowed():
    def broken(month):
        return 1 / (month - 1)

    with pytest.raises(ZeroDivisionError):
        specifications(broken, {"month": [1]})


def test_the_picture():
    import matplotlib.pyplot as plt

    found = specifications(effect, CHOICES, reference={"controls": "never", "month": 24})
    axes = found.plot()
    assert axes.get_ylabel() == "Estimate"
    plt.close(axes.figure)


def test_the_curve_is_what_the_figure_takes():
    import matplotlib.pyplot as plt

    from toolkit.reporting import figures

    found = specifications(effect, CHOICES, reference={"controls": "never", "month": 24})
    curve = found.curve()
    assert curve.columns == ["controls", "month", "estimate", "conf_low", "conf_high"]
    assert curve.height == 5
    assert found.main == {"controls": "never", "month": "24"}
    axes = figures.specification_curve(curve, main=found.main, title="Een curve")
    plt.close(axes.figure)
    assert specifications(effect, CHOICES).main is None


def test_the_door():
    def one(**_):
        return 1.0

    with pytest.raises(CallError, match="no choice"):
        specifications(one, {})
    with pytest.raises(CallError, match="no list"):
        specifications(one, {"month": "abc"})
    with pytest.raises(CallError, match="no list"):
        specifications(one, {"month": 12})
    with pytest.raises(CallError, match="column of the result"):
        specifications(one, {"estimate": [1]})
    with pytest.raises(InputError, match="same labels"):
        specifications(one, {"month": [1, "1"]})
    with pytest.raises(CallError, match="same choices"):
        specifications(one, [{"a": 1}, {"b": 1}])
    with pytest.raises(CallError, match="threads"):
        specifications(one, {"a": [1]}, threads=0)
    with pytest.raises(CallError, match="none of the"):
        specifications(one, {"a": [1]}, reference={"a": 2})
    with pytest.raises(CallError, match="every choice"):
        specifications(one, {"a": [1], "b": [1]}, reference={"a": 1})
    with pytest.raises(CallError, match="no estimate"):
        specifications(lambda **_: "x", {"a": [1]})
    with pytest.raises(CallError, match="`estimate`"):
        specifications(lambda **_: {"std_error": 1}, {"a": [1]})
    with pytest.raises(CallError, match="2 rows"):
        specifications(lambda **_: pl.DataFrame({"estimate": [1, 2]}), {"a": [1]})

    def refused(**_):
        raise InputError("no")

    with pytest.raises(EmptyCohortError, match="reasons"):
        specifications(refused, {"a": [1]}).glance()
