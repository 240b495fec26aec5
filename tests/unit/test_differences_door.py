"""What influences, contrasts, bands and standardised curves refuse, and with which words."""

import matplotlib as mpl
import polars as pl
import pytest

from toolkit import errors, survival
from toolkit.survival.cox import cox

FRAME = pl.DataFrame(
    {
        "arm": ["a"] * 5 + ["b"] * 5,
        "x": [0, 1, 2, 1, 0, 1, 0, 2, 0, 1],
        "z": ["p", "q", "p", "q", "p", "p", "q", "p", "q", "q"],
        "time": [1, 2, 3, 3, 1, 1, 2, 3, 3, 2],
        "late": [0, 1, 0, 0, 0, 0, 1, 0, 2, 0],
        "event": [1, 1, 0, 1, 0, 1, 0, 1, 0, 1],
        "cause": [1, 2, 0, 1, 0, 1, 0, 2, 0, 1],
        "site": [1, None, 2, 3, 2, 1, 2, 2, 1, 1],
        "part": [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    }
)


def km(**options):
    return survival.kaplan_meier(FRAME, time="time", event="event", **{"by": "arm"} | options)


def cif(**options):
    return survival.cumulative_incidence(
        FRAME, time="time", event="cause", **{"by": "arm"} | options
    )


def model(formula="x", **options):
    return cox(formula, FRAME, time="time", event="event", **options)


REFUSED = [
    (lambda: km(cluster="sit"), errors.UnknownColumnError, "'site'"),
    (lambda: km(cluster="site"), errors.MissingValueError, "rows 1"),
    (lambda: cif(cluster="x", variance="aalen"), errors.CallError, "knows no clusters"),
    (lambda: km().influence(), errors.CallError, "times or a horizon"),
    (lambda: km().influence([1], horizon=2), errors.CallError, "times or a horizon"),
    (lambda: km().influence(-1), errors.NegativeTimeError, "below zero"),
    (lambda: km().influence(horizon=0), errors.CallError, "above 0"),
    (lambda: km().influence(horizon=99), errors.HorizonError, "past the last"),
    (lambda: km().pseudo_values(1, method="jacknife"), errors.UnknownOptionError, "leave-one-out"),
    (
        lambda: km(weights="part").pseudo_values(1, method="leave-one-out"),
        errors.CallError,
        "count whole rows",
    ),
    (lambda: km(by=None).difference(), errors.CallError, "nothing to compare"),
    (lambda: km().difference(by="arms"), errors.UnknownColumnError, "'arm'"),
    (lambda: km().difference(reference="c"), errors.UnknownOptionError, "'a', 'b'"),
    (lambda: km().difference(measure="risk"), errors.UnknownOptionError, "'ratio'"),
    (lambda: km().difference(measure="rmtl", horizon=2), errors.UnknownOptionError, "'rmst'"),
    (lambda: km().difference(measure="rmst"), errors.CallError, "needs a horizon"),
    (lambda: km().difference(horizon=2), errors.CallError, "measure='rmst'"),
    (
        lambda: km().difference(measure="rmst", horizon=2, simultaneous=True),
        errors.CallError,
        "without times or bands",
    ),
    (lambda: km().difference(measure="rmst", horizon=9), errors.HorizonError, "past the last"),
    (lambda: km().difference(conf_level=95), errors.CallError, "0.95"),
    (lambda: km().difference(between=(3, 1)), errors.CallError, "no range"),
    (lambda: km().difference(seed=-1), errors.CallError, "whole number"),
    (lambda: km().difference(cluster="sit"), errors.UnknownColumnError, "'site'"),
    (lambda: km().difference().sup_test(), errors.CallError, "simultaneous=True"),
    (lambda: km().band(), errors.EmptyCohortError, "between="),
    (lambda: cif().band(kind="hall-wellner"), errors.CallError, "equal precision"),
    (lambda: km().band(kind="hall"), errors.UnknownOptionError, "hall-wellner"),
    (lambda: model().standardise(), errors.CallError, "at= or by="),
    (lambda: model().standardise({"x": 1}, by="x"), errors.CallError, "at= or by="),
    (lambda: model().standardise({"y": 1}), errors.UnknownColumnError, "variables and strata"),
    (lambda: model().standardise({"x": "one"}), errors.WrongTypeError, "cannot be set"),
    (lambda: model().standardise({"x": []}), errors.CallError, "names no value"),
    (lambda: model().standardise({"x": [1, 1]}), errors.CallError, "named twice"),
    (lambda: model().standardise({"x": 1}, weights="part"), errors.CallError, "weights of the fit"),
    (lambda: model("x + z").standardise({"z": "r"}), errors.UnknownCodeError, "'r'"),
    (lambda: model(entry="late").standardise({"x": 1}), errors.CallError, "no population"),
    (lambda: model(ties="exact").standardise({"x": 1}), errors.CallError, "exact"),
    (lambda: model().standardise({"x": 1}).pseudo_values(1), errors.CallError, "influence()"),
    (lambda: model().standardise({"x": 1}).difference(), errors.CallError, "nothing to compare"),
    (lambda: model().standardise({"x": [0, 1]}).rmst(99), errors.HorizonError, "past the last"),
    (
        lambda: model().standardise({"x": 1}, data=FRAME.drop("x")),
        errors.UnknownColumnError,
        "population",
    ),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED)
def test_refused(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_contrasts_without_a_band_say_so():
    found = km().difference(simultaneous=True)
    assert any("no band" in said for said in found.meta["warnings"])
    assert found.sup_test()["critical"].to_list() == [None]
    assert "no band" in found.summary()


def test_a_seed_makes_a_band_the_same_again():
    curves = km()
    first, again, other = (
        curves.difference(simultaneous=True, between=(1, 3), seed=seed).sup_test()["critical"][0]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_late_rows_are_fine_with_a_population_of_ones_own():
    found = model(entry="late").standardise({"x": [0, 1]}, data=FRAME, weights="part")
    assert found.glance()["n_population"][0] == 10
    assert "sampling" not in found.meta["variance"]
    assert found.tidy()["std_error"].null_count() == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: km().difference(),
        lambda: cif().difference(at=[1, 2], measure="ratio"),
        lambda: km().difference(simultaneous=True, between=(1, 3)),
        lambda: km().difference(measure="rmst", horizon=2),
        lambda: km().band(between=(1, 3)),
        lambda: model().standardise({"x": [0, 1]}),
    ],
)
def test_pictures_and_summaries(make):
    mpl.use("agg")
    from matplotlib import pyplot as plt

    result = make()
    axes = result.plot()
    assert axes.get_xlabel()
    plt.close("all")
    assert result.glance().height == 1
    assert result.meta["method"] in result.summary()
