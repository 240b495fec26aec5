"""Competing risks on a handful of rows: exact fractions, limits, and derivatives by differences."""

from dataclasses import replace
from fractions import Fraction
from math import exp, log

import numpy as np
import polars as pl
import pytest

from toolkit import survival
from toolkit.errors import CallError, HorizonError
from toolkit.survival.cox.fit import fit_design as cox_design
from toolkit.survival.design import make_design
from toolkit.survival.fine_gray.fit import fit_design as refit
from toolkit.survival.fine_gray.jumps import find_jumps
from toolkit.survival.fine_gray.likelihood import Likelihood

TIED = pl.DataFrame(
    {
        "time": [1, 2, 2, 2, 3, 3, 4, 4],
        "cause": [2, 1, 0, 2, 1, 0, 1, 2],
        "z": [0, 1, 0, 1, 0, 1, 1, 0],
    }
)


def weights_at(times, frame, censoring, entry=None):
    design = make_design("1", frame, time="time", event="cause", entry=entry, competing=True)
    jumps = find_jumps(design, np.zeros(len(design.time), dtype=np.int64), censoring)
    level, _, _ = jumps.before(np.zeros(len(times), dtype=np.int64), np.array(times))
    return np.exp(level)


def fine_gray(formula, frame, **options):
    return survival.fine_gray(
        formula, frame, **{"time": "time", "event": "cause", "cause": 1} | options
    )


# --- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("censoring", "expected"),
    [
        # at 2 one of 7 is censored, 2 have events; at 3 one of 4, 1 has an event
        ("after-events", [1, Fraction(4, 5), Fraction(4, 5) * Fraction(2, 3)]),
        ("with-events", [1, Fraction(6, 7), Fraction(6, 7) * Fraction(3, 4)]),
    ],
)
def test_both_definitions_at_ties(censoring, expected):
    assert weights_at([2, 3, 4], TIED, censoring) == pytest.approx([float(x) for x in expected])


def test_only_after_events_does_survival_times_censoring_count_rows():
    """S(t) G(t) is the share of rows beyond t, which is why it is the default."""
    curve = survival.kaplan_meier(
        TIED.with_columns(event=pl.col("cause") > 0), time="time", event="event"
    )
    free = curve.tidy()["estimate"].to_numpy()
    beyond = [Fraction(7, 8), Fraction(4, 8), Fraction(2, 8)]
    assert free[:3] * weights_at([2, 3, 4], TIED, "after-events") == pytest.approx(
        [float(x) for x in beyond]
    )
    off = np.abs(free[:3] * weights_at([2, 3, 4], TIED, "with-events") - np.array(beyond, float))
    assert off.max() > 0.01


def test_late_entry_raises_weights():
    """Of who enters at e, the share among those there after e: 1 of 3 at 1, 2 of 4 at 2."""
    late = pl.DataFrame(
        {
            "entry": [0, 0, 0, 1, 2, 2],
            "time": [1, 4, 5, 2, 3, 4],
            "cause": [2, 1, 0, 2, 1, 2],
        }
    )
    # before 2: / (1 - 1/3); before 3: / (1 - 2/4) more; at 5 everyone left is censored, alone
    expected = [1, Fraction(3, 2), Fraction(3, 2) * 2]
    ratio = weights_at([1, 2, 3], late, "after-events", "entry")
    assert ratio / ratio[0] == pytest.approx([float(x) for x in expected])


@pytest.mark.parametrize(
    ("censoring", "a", "b"),
    [
        ("after-events", Fraction(4, 5), Fraction(2, 3)),
        ("with-events", Fraction(6, 7), Fraction(3, 4)),
    ],
)
def test_likelihood_and_score_at_0_are_fractions(censoring, a, b):
    """Who left by 2 at 1 or at 2 counts 1, a at 3 and ab at 4."""
    model = fine_gray("z", TIED, ties="breslow", censoring=censoring)
    risk_sets = [Fraction(7) + 1, Fraction(4) + 2 * a, Fraction(2) + 2 * a * b]
    of_z = [
        Fraction(4),
        Fraction(2) + a,
        Fraction(1) + a * b,
    ]  # of them with z = 1: one of the two who left
    assert model.loglik_null == pytest.approx(-sum(log(n) for n in risk_sets), abs=1e-12)
    score = sum(z - with_z / n for z, with_z, n in zip((1, 0, 1), of_z, risk_sets, strict=True))
    at = Likelihood(model.design, model.parts.sets, "breslow").evaluate(np.zeros(1))
    assert at.score[0] == pytest.approx(float(score), abs=1e-12)
    information = sum(w / n * (1 - w / n) for w, n in zip(of_z, risk_sets, strict=True))
    assert at.information[0, 0] == pytest.approx(float(information))


# --- limits -------------------------------------------------------------------------------------


def made(n=200, seed=3, *, censored=0.3):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 13, n)
    return pl.DataFrame(
        {
            "time": time,
            "cause": np.where(rng.random(n) < censored, 0, rng.integers(1, 4, n)),
            "x": rng.integers(-3, 4, n) / 2,
            "z": rng.integers(0, 2, n),
            "s": rng.integers(0, 2, n),
            "g": rng.integers(0, 2, n),
            "entry": np.minimum(time - 1, rng.integers(0, 4, n)),
            "w": rng.uniform(0.5, 2, n),
        }
    )


@pytest.mark.parametrize("entry", [None, "entry"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_without_covariates_it_is_aalen_johansen(entry, weights):
    """1 - ∏ (1 - h) of the weighted risk sets is F₁ to the last digit (Geskus 2011)."""
    frame = made()
    model = fine_gray("1", frame, ties="breslow", entry=entry, weights=weights)
    curve = survival.cumulative_incidence(
        frame, time="time", event="cause", entry=entry, weights=weights
    )
    ours = 1 - (1 - model.baseline()["hazard"]).cum_prod()
    theirs = curve.at(model.baseline()["time"].to_list()).filter(pl.col("cause") == 1)["estimate"]
    assert np.allclose(ours, theirs, rtol=1e-12)
    other = fine_gray("1", frame, ties="breslow", entry=entry, weights=weights,
                      censoring="with-events")  # fmt: skip
    assert not np.allclose(1 - (1 - other.baseline()["hazard"]).cum_prod(), theirs, rtol=1e-4)


def test_one_cause_is_cox():
    frame = made().with_columns(cause=pl.col("cause").clip(0, 1))
    cox = survival.cox("x + z", frame, time="time", event="cause", entry="entry", robust=True)
    model = fine_gray("x + z", frame, entry="entry")
    assert np.allclose(model.coefficients, cox.coefficients, rtol=1e-9)
    assert np.allclose(model.vcov, cox.vcov, rtol=1e-8)
    assert np.allclose(model.influence(), cox.influence(), atol=1e-12)
    assert np.allclose(model.baseline()["estimate"], cox.baseline()["estimate"], rtol=1e-9)
    assert np.allclose(model.residuals("martingale"), cox.residuals("martingale"), atol=1e-10)
    assert np.allclose(model.residuals("score"), cox.residuals("score"), atol=1e-10)
    both = survival.cause_specific("x + z", frame, time="time", event="cause", entry="entry")
    new = pl.DataFrame({"x": [1.0, -2.0], "z": [0, 1]})
    one = both.predict_incidence(new, [3, 8, 12]).tidy()
    other = cox.predict_survival(new, [3, 8, 12]).tidy()
    assert np.allclose(one["estimate"], 1 - other["estimate"])
    assert np.allclose(one["std_error"], other["std_error"])
    last = model.predict_incidence(new, [3, 8, 12]).tidy()
    assert np.allclose(last.drop("row", "x", "z"), one.drop("row", "x", "z"))


def test_without_censoring_who_left_stays_for_good():
    frame = made(censored=0.0)
    forever = frame.with_columns(
        event=pl.col("cause") == 1,
        time=pl.when(pl.col("cause") == 1).then("time").otherwise(pl.lit(99)),
    )
    cox = survival.cox("x + z", forever, time="time", event="event", robust=True)
    model = fine_gray("x + z", frame)
    assert np.allclose(model.coefficients, cox.coefficients, rtol=1e-9)
    assert np.allclose(model.vcov, cox.vcov, rtol=1e-8)


def test_residuals_add_up_to_0():
    frame = made()
    model = fine_gray("x + z", frame, strata="s", censoring_by="g", entry="entry")
    assert model.residuals("martingale").sum() == pytest.approx(0, abs=1e-9)
    assert np.allclose(model.residuals("score").sum(axis=0), 0, atol=1e-9)
    assert np.allclose(model.residuals("schoenfeld").sum(axis=0), 0, atol=1e-9)
    assert np.allclose(model.influence().sum(axis=0), 0, atol=1e-9)
    assert np.allclose(model.influence().T @ model.influence(), model.vcov, rtol=1e-9)


EVERYTHING = {"strata": "s", "censoring_by": "g", "entry": "entry"}


@pytest.mark.parametrize("censoring", ["after-events", "with-events"])
@pytest.mark.parametrize("options", [{}, {"strata": "s"}, {"censoring_by": "g"}, EVERYTHING])
def test_influence_is_the_derivative(censoring, options):
    """Weights moved in a direction move the coefficients by the sum of the influences along it.

    Through the censoring and entry distributions too.
    """
    model, fit = refitted(made(60, 5), censoring, options, lambda again: again.coefficients)
    for seed in (1, 2):
        direction = np.random.default_rng(seed).normal(size=len(model.design.n))
        moved = difference(fit, model.design, direction)
        assert np.allclose(direction @ model.cell_influence, moved, atol=1e-6)


def test_error_of_predictions_is_the_derivative():
    new = pl.DataFrame({"x": [0.5], "z": [1], "s": [1]})
    model, fit = refitted(
        made(24, 5), "after-events", EVERYTHING,
        lambda again: again.predict_incidence(new, [4, 9]).tidy()["estimate"].to_numpy(),
    )  # fmt: skip
    cells = np.eye(len(model.design.n))
    moved = np.array([difference(fit, model.design, cell) for cell in cells])
    error = model.predict_incidence(new, [4, 9]).tidy()["std_error"].to_numpy()
    square = (model.design.n_squared[:, None] * moved**2).sum(axis=0)
    assert np.allclose(error, np.sqrt(square), rtol=1e-5)


def refitted(frame, censoring, options, ask):
    """Return a model, and a function from its design with other weights to some numbers."""
    model = fine_gray("x + z", frame, ties="breslow", weights="w", censoring=censoring, **options)
    patterns = model.design.patterns
    by = patterns["g"].to_numpy() if "g" in patterns.columns else np.zeros(patterns.height, int)

    def fit(design):
        return ask(refit(design, 1, by, ties="breslow", censoring=censoring))

    return model, fit


def difference(fit, design, direction, step=1e-4):
    up, down = (fit(replace(design, n=design.n + h * direction)) for h in (step, -step))
    return (up - down) / (2 * step)


def test_error_of_all_causes_is_the_derivative():
    new = pl.DataFrame({"x": [0.5], "z": [1], "s": [1]})
    frame = made(30, 5).with_columns(pl.col("cause").clip(0, 2))
    options = {"strata": "s", "entry": "entry"}
    model = survival.cause_specific(
        "x + z", frame, time="time", event="cause", ties="breslow", weights="w", **options
    )
    design = make_design("x + z", frame, time="time", event="cause", weights="w", competing=True,
                         **options)  # fmt: skip

    def fit(design):
        models = tuple(cox_design(design.subset_event(k), ties="breslow") for k in (1, 2))
        return (
            replace(model, models=models)
            .predict_incidence(new, [4, 9])
            .tidy()["estimate"]
            .to_numpy()
        )

    moved = np.array([difference(fit, design, cell) for cell in np.eye(len(design.n))])
    error = model.predict_incidence(new, [4, 9]).tidy()["std_error"].to_numpy()
    square = (design.n_squared[:, None] * moved**2).sum(axis=0)
    assert np.allclose(error, np.sqrt(square), rtol=1e-5)


# --- all causes ---------------------------------------------------------------------------------


def test_incidences_by_hand():
    """Two of five leave at once, one by either cause: each takes half of 1 - exp(-2/5)."""
    frame = pl.DataFrame(
        {"time": [1, 1, 2, 3, 3], "cause": ["a", "b", None, "a", "b"], "x": [1, 0, 1, 0, 1]}
    )
    model = survival.cause_specific("1", frame, time="time", event="cause")
    curves = model.predict_incidence(pl.DataFrame({"x": [0]}), [0, 1, 2, 3]).tidy()
    first, left = (1 - exp(-2 / 5)) / 2, exp(-2 / 5)
    expected = [0, first, first, first + left * (1 - exp(-1)) / 2]
    assert curves.filter(pl.col("cause") == "a")["estimate"].to_list() == pytest.approx(expected)
    assert curves.filter(pl.col("cause") == "b")["estimate"].to_list() == pytest.approx(expected)


def test_equal_effects_by_hand():
    frame = made()
    model = survival.cause_specific("x + C(z)", frame, time="time", event="cause")
    table = model.equal_effects()
    assert table["term"].to_list() == ["x", "C(z)", "all terms"]
    assert table["df"].to_list() == [2, 2, 4]
    two = survival.cause_specific(
        "x", frame.with_columns(pl.col("cause").clip(0, 2)), time="time", event="cause"
    )
    (a, b), v = two.coefficients, two.vcov
    assert v[0, 1] == 0
    wald = (a - b) ** 2 / (v[0, 0] + v[1, 1])
    assert two.equal_effects()["statistic"].to_list() == pytest.approx([wald, wald])
    robust = survival.cause_specific(
        "x", frame.with_columns(pl.col("cause").clip(0, 2)), time="time", event="cause", robust=True
    )
    v = robust.vcov
    assert v[0, 1] != 0
    assert robust.equal_effects()["statistic"][0] == pytest.approx(
        (a - b) ** 2 / (v[0, 0] + v[1, 1] - 2 * v[0, 1])
    )
    assert np.allclose(robust.influence().T @ robust.influence(), v)


def test_tables_of_all_causes():
    model = survival.cause_specific("x + z", made(), time="time", event="cause", strata="s")
    assert model.tidy().columns[:3] == ["cause", "term", "estimate"]
    assert model.tidy().height == 6
    assert model.baseline()["cause"].unique().sort().to_list() == [1, 2, 3]
    alone = survival.cox(
        "x + z", made().with_columns(event=pl.col("cause") == 2), time="time", event="event",
        strata="s",
    )  # fmt: skip
    assert np.allclose(model.model(2).coefficients, alone.coefficients, rtol=1e-10)
    assert np.allclose(model.model(2).residuals(), alone.residuals(), atol=1e-10)
    assert model.glance()["df"].item() == 6
    assert "causes" in model.summary()


# --- time lost ----------------------------------------------------------------------------------


def test_time_lost_by_fractions():
    """F₁ is 0, 1/4 from 1, 1/4 + 1/2 · 1/2 from 3; F₂ 1/4 from 2."""
    frame = pl.DataFrame({"time": [1, 2, 3, 5], "cause": [1, 2, 1, 0]})
    curves = survival.cumulative_incidence(frame, time="time", event="cause")
    table = curves.rmtl(4)
    lost_1, lost_2 = Fraction(1, 4) * 2 + Fraction(1, 2), Fraction(1, 4) * 2
    assert table["estimate"].to_list() == pytest.approx([float(lost_1), float(lost_2)])
    # without censoring before 4 a row's influence is (its own time lost - the mean) / 4
    own = np.array([[3, 0], [0, 2], [1, 0], [0, 0]])
    spread = ((own - own.mean(axis=0)) ** 2).sum(axis=0) / 16
    assert np.allclose(table["std_error"], np.sqrt(spread))
    assert np.allclose(curves.influence(horizon=4), (own - own.mean(axis=0)) / 4)
    free = survival.kaplan_meier(
        frame.with_columns(event=pl.col("cause") > 0), time="time", event="event"
    ).rmst(4)
    assert table["estimate"].sum() + free["estimate"].item() == pytest.approx(4)


def test_time_lost_past_the_data():
    frame = made().with_columns(group=pl.col("s"))
    short = frame.filter((pl.col("group") == 0) | (pl.col("time") < 6))
    curves = survival.cumulative_incidence(short, time="time", event="cause", by="group")
    table = curves.rmtl(9)
    assert table.filter(pl.col("group") == 1)["estimate"].is_null().sum() in {0, 3}
    assert table.columns[:3] == ["group", "cause", "time"]
    with pytest.raises(HorizonError):
        curves.rmtl(500)
    with pytest.raises(CallError, match="horizon"):
        curves.rmtl(0)


def test_a_single_event():
    frame = pl.DataFrame({"time": [1, 2, 3, 4], "cause": [2, 1, 0, 0], "x": [0.0, 0.5, 0.2, 1.0]})
    model = fine_gray("x", frame)
    r = np.exp(frame["x"].to_numpy() * model.coefficients[0])
    mean = (frame["x"].to_numpy() * r).sum() / r.sum()  # everyone is in its risk set
    assert mean == pytest.approx(0.5, abs=1e-9)
    everyone = frame.with_columns(cause=pl.Series([2, 1, 1, 1]))
    assert fine_gray("x", everyone).meta["n_censor"] == 0
