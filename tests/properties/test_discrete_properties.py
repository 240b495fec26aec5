"""What holds for any data: repetition, order, writing spells out, and two ways to one number."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import errors
from toolkit.survival.design import cells
from toolkit.survival.discrete import discrete_competing, discrete_hazard, likelihood
from toolkit.survival.discrete.likelihood import evaluate

some = settings(max_examples=4, deadline=None)
CALLS = {
    "cloglog": (discrete_hazard, {"event": "left"}),
    "logit": (discrete_hazard, {"event": "left", "link": "logit", "cluster": "site"}),
    "pieces": (discrete_hazard, {"event": "left", "baseline": "piecewise", "cuts": [3]}),
    "competing": (discrete_competing, {"event": "cause", "baseline": "piecewise", "cuts": [3]}),
    "gamma": (
        discrete_hazard,
        {"event": "left", "baseline": "piecewise", "cuts": [3], "heterogeneity": "gamma",
         "person": "row"},
    ),
}  # fmt: skip


@st.composite
def spells(draw):
    n = draw(st.integers(20, 60))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 3, n)
    return pl.DataFrame(
        {
            "entry": entry,
            "months": entry + rng.integers(1, 5, n),
            "cause": rng.integers(0, 3, n),
            "x": rng.integers(0, 3, n),
            "y": rng.normal(size=n).round(1),
            "site": rng.integers(0, 4, n),
            "w": rng.integers(1, 4, n),
            "row": np.arange(n),
        }
    ).with_columns(left=pl.col("cause") > 0)


def numbers(name, data, formula="x + y", **options):
    """Coefficients, variance and log-likelihood, or the error."""
    call, asked = CALLS[name]
    try:
        model = call(formula, data, **({"time": "months", "entry": "entry"} | asked | options))
    except errors.ToolkitError as error:
        return type(error)
    return np.concatenate([model.coefficients, model.vcov.ravel(), [model.loglik]])


def same(one, other, tolerance=1e-7):
    if isinstance(one, type) or isinstance(other, type):
        assert one is other
    else:
        assert one == pytest.approx(other, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("name", CALLS)
@some
@given(data=spells())
def test_a_weight_is_a_repetition(name, data):
    repeated = data.select(pl.all().repeat_by("w").explode()).with_row_index("again")
    unit = {"person": "again"} if name == "gamma" else {}
    same(numbers(name, data, weights="w"), numbers(name, repeated, **unit))


@pytest.mark.parametrize("name", CALLS)
@some
@given(data=spells(), seed=st.integers(0, 99))
def test_order_does_not_matter(name, data, seed):
    same(numbers(name, data), numbers(name, data.sample(fraction=1, shuffle=True, seed=seed)))


@pytest.mark.parametrize("name", ["cloglog", "logit", "competing"])
@some
@given(data=spells())
def test_rows_as_cells(name, data):
    counted = numbers(name, data, weights="w")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "repeats", lambda *_: False)
        same(counted, numbers(name, data, weights="w"))


@pytest.mark.parametrize("name", CALLS)
@some
@given(data=spells())
def test_a_spell_in_months_is_the_spell(name, data):
    """A row a month, with `entry`, is the same as a row a spell; robust by person in both."""
    long = (
        data.with_columns(m=pl.int_ranges(pl.col("entry"), "months"))
        .explode("m")
        .with_columns(
            last=pl.col("m") + 1 == pl.col("months"), entry=pl.col("m"), months=pl.col("m") + 1
        )
        .with_columns(
            left=pl.col("left") & pl.col("last"),
            cause=pl.when("last").then("cause").otherwise(0),
        )
    )
    asked = {} if name == "gamma" else {"cluster": "row"}
    same(numbers(name, data, **asked), numbers(name, long, **asked))


@some
@given(data=spells(), expected=st.booleans())
def test_running_sums_equal_the_months(data, expected):
    """The cloglog likelihood from running sums, and month by month."""
    model = discrete_hazard(
        "x + y", data, time="months", event="left", entry="entry", baseline="piecewise", cuts=[2]
    )
    fit = model.fit
    rng = np.random.default_rng(0)
    point = likelihood.Point(
        fit.point.beta + rng.normal(0, 0.2, fit.point.beta.shape), fit.point.alpha + 0.3
    )
    fast = evaluate(fit.months, fit.baseline, "cloglog", point, expected=expected)

    def months(months, eta, level, score, weight):
        value, by_slot, _ = likelihood._sweep(
            months, fit.baseline, "cloglog", eta, np.zeros((1, 0)), level, score, weight,
            expected=expected,
        )  # fmt: skip
        return value, by_slot

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likelihood, "_tally", months)
        slow = evaluate(fit.months, fit.baseline, "cloglog", point, expected=expected)
    assert fast.value == pytest.approx(slow.value, rel=1e-12)
    for name in ("score", "block_score"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), abs=1e-9)
    for name in ("core", "tip", "blocks"):
        ours, theirs = getattr(fast.information, name), getattr(slow.information, name)
        assert ours == pytest.approx(theirs, abs=1e-9)


@some
@given(data=spells())
def test_one_cause_is_a_logit(data):
    one = discrete_competing(
        "x + y", data.with_columns(cause=pl.col("left").cast(int)), time="months", event="cause"
    )
    logit = discrete_hazard("x + y", data, time="months", event="left", link="logit")
    assert one.coefficients == pytest.approx(logit.coefficients, abs=1e-9)
    assert one.vcov == pytest.approx(logit.vcov, abs=1e-9)
    new = pl.DataFrame({"x": [1], "y": [0.3]})
    incidence = one.predict_incidence(new).tidy()
    curve = logit.predict_survival(new).tidy()
    assert (1 - incidence["estimate"]).to_list() == pytest.approx(curve["estimate"].to_list())
    assert incidence["std_error"].to_list() == pytest.approx(curve["std_error"].to_list())


@some
@given(data=spells(), link=st.sampled_from(["cloglog", "logit"]))
def test_influence_is_the_way_the_estimate_moves(data, link):
    """A row's influence is the derivative of the estimate in that row's weight."""
    asked = {"time": "months", "event": "left", "link": link, "baseline": "piecewise"}
    asked |= {"cuts": [3], "weights": "w", "weight_type": "sampling"}
    data = data.with_columns(w=pl.col("w").cast(float))
    model = discrete_hazard("x + y", data, **asked)
    influence = model.influence()
    assert influence.sum(0) == pytest.approx(0, abs=1e-8)
    assert influence.T @ influence == pytest.approx(model.vcov, rel=1e-8)
    if link == "logit":  # where Fisher's information is the second derivative
        step = 1e-4
        moved = [
            discrete_hazard(
                "x + y",
                data.with_columns(
                    w=pl.when(pl.int_range(pl.len()) == 3).then(pl.col("w") + d).otherwise("w")
                ),
                **asked,
            ).coefficients
            for d in (step, -step)
        ]
        slope = (moved[0] - moved[1]) / (2 * step) * data["w"][3]
        assert influence[3] == pytest.approx(slope, abs=1e-6)


@some
@given(data=spells())
def test_standardised_curves_are_means(data):
    model = discrete_hazard("x + y", data, time="months", event="left", link="logit")
    curves = model.standardise("x", [1, 2])
    for level in curves["x"].unique():
        each = model.predict_survival(data.with_columns(x=pl.lit(level)), [1, 2]).tidy()
        mean = each.group_by("time").agg(pl.col("estimate").mean()).sort("time")
        ours = curves.filter(pl.col("x") == level)
        assert ours["estimate"].to_list() == pytest.approx(mean["estimate"].to_list(), abs=1e-10)
