"""What holds for any data: repetition, order, splitting at an entry, units of time, slopes."""

import numpy as np
import polars as pl
import pytest

from toolkit.survival.parametric import parametric
from toolkit.survival.parametric.baselines import Power, Spline, Steps
from toolkit.survival.parametric.likelihood import Likelihood, Observed
from toolkit.survival.parametric.predict import Fitted, Subjects, area, log_hazards, survival

MODELS = {
    "exponential": {"distribution": "exponential"},
    "weibull": {"distribution": "weibull"},
    "weibull, time": {"distribution": "weibull", "metric": "time", "ancillary": "sex"},
    "log-logistic": {"distribution": "log_logistic"},
    "lognormal": {"distribution": "lognormal", "ancillary": "sex"},
    "steps": {"distribution": "piecewise", "cuts": [4, 9]},
    "spline": {"distribution": "spline", "df": 2},
    "gamma": {"distribution": "weibull", "heterogeneity": "gamma"},
    "gamma steps": {"distribution": "piecewise", "cuts": [6], "heterogeneity": "gamma"},
}
OUTCOMES = {
    "exact": {"time": "time", "event": "event"},
    "entry": {"time": "time", "event": "event", "entry": "entry"},
    "between": {"time": "low", "upper": "high", "entry": "entry"},
}


def spells(seed=3, n=160):
    """Heterogeneous spells, so that the models with a variance have one."""
    rng = np.random.default_rng(seed)
    sex, age = rng.integers(0, 2, n), rng.integers(0, 4, n)
    v = rng.choice([0.2, 1.8], n)
    time = np.ceil(10 * (rng.exponential(size=n) / v * np.exp(0.5 * sex - 0.4 * age)) ** 0.8)
    event = time <= 20
    time = np.minimum(time, 20).astype(int)
    low = np.where(event, np.maximum(time - rng.integers(1, 4, n), 0), time)
    return pl.DataFrame(
        {
            "sex": np.where(sex == 1, "m", "f"),
            "age": age,
            "time": time,
            "event": event,
            "low": low,
            "high": np.where(event, time, -1),
            "entry": np.minimum(rng.integers(0, 3, n), np.minimum(low, time - 1)),
            "weight": rng.integers(1, 4, n),
            "office": rng.integers(0, 12, n),
        }
    ).with_columns(high=pl.when(pl.col("high") > 0).then("high"), part=pl.col("weight") / 2 + 0.25)


def fit(frame, model, outcome, **options):
    return parametric("age + sex", frame, **OUTCOMES[outcome], **MODELS[model], **options)


def same(one, two, tolerance=1e-8):
    assert one.terms == two.terms
    assert one.coefficients == pytest.approx(two.coefficients, abs=tolerance)
    assert one.vcov == pytest.approx(two.vcov, abs=tolerance)
    assert one.loglik == pytest.approx(two.loglik, abs=tolerance)
    assert one.loglik_null == pytest.approx(two.loglik_null, abs=tolerance)


every_model = pytest.mark.parametrize("model", MODELS)


@pytest.mark.parametrize(
    ("model", "outcome"),
    [(m, [*OUTCOMES][(i + j) % 3]) for i, m in enumerate(MODELS) for j in (0, 1)],
)
def test_weights_are_repeated_rows_in_any_order(model, outcome):
    frame = spells()
    rows = np.repeat(np.arange(frame.height), frame["weight"].to_numpy())
    rows = np.random.default_rng(1).permutation(rows)
    weighted = fit(frame, model, outcome, weights="weight")
    repeated = fit(frame[rows], model, outcome)
    same(weighted, repeated)
    assert weighted.meta["n_event"] == repeated.meta["n_event"]


@pytest.mark.parametrize(
    ("model", "outcome"), [(m, [*OUTCOMES][i % 3]) for i, m in enumerate(MODELS)]
)
def test_cells_and_rows_are_one(monkeypatch, model, outcome):
    frame = spells()
    options = {"weights": "part", "cluster": "office"}
    cells = fit(frame, model, outcome, **options)
    monkeypatch.setattr("toolkit.survival.design.cells.repeats", lambda *_: False)
    rows = fit(frame, model, outcome, **options)
    assert rows.meta["n_cell"] == frame.height > cells.meta["n_cell"]
    same(cells, rows)
    assert cells.influence() == pytest.approx(rows.influence(), abs=1e-9)


@pytest.mark.parametrize(
    ("model", "outcome"),
    [("weibull, time", "between"), ("steps", "between"), ("spline", "exact"), ("gamma", "exact")],
)
def test_influence_is_what_a_weight_moves(model, outcome):
    frame = spells()
    base = fit(frame, model, outcome, weights="part", weight_type="sampling")
    knots = {} if model != "spline" else {"df": None, "knots": base.meta["knots"][1:-1]}
    influence, step = base.influence(), 1e-4
    for row in (0, 31):
        moved = []
        for sign in (1, -1):
            part = frame["part"].to_numpy().copy()
            part[row] += sign * step
            options = OUTCOMES[outcome] | MODELS[model] | knots
            again = parametric(
                "age + sex", frame.with_columns(part=part), weights="part",
                weight_type="sampling", **options,
            )  # fmt: skip
            moved.append(again.coefficients)
        slope = (moved[0] - moved[1]) / (2 * step) * frame["part"][row]
        assert influence[row] == pytest.approx(slope, rel=1e-4, abs=1e-7)


@every_model
def test_a_spell_may_be_split_at_an_entry(model):
    """Not left by 3, and then at risk from 3: the same as the whole spell (Λ(3) - Λ(3) = 0)."""
    frame = spells().with_columns(entry=pl.lit(0, pl.Int64))
    long = pl.col("time") > 3
    first = frame.filter(long).with_columns(time=pl.lit(3, pl.Int64), event=pl.lit(value=False))
    later = frame.filter(long).with_columns(entry=pl.lit(3, pl.Int64))
    split = pl.concat([frame.filter(~long), first, later])
    whole = fit(frame, model, "entry")
    same(fit(split, model, "entry"), whole)


@every_model
def test_time_in_other_units(model):
    """Days for months: the curve stretches, covariates stay, the density is 30 times as thin."""
    frame = spells()
    days = frame.with_columns(pl.col("time", "entry") * 30)
    months_model = fit(frame, model, "entry")
    options = MODELS[model] | ({"cuts": [30 * c for c in MODELS[model].get("cuts", [])]}
                               if "cuts" in MODELS[model] else {})  # fmt: skip
    days_model = parametric("age + sex", days, **OUTCOMES["entry"], **options)
    events = frame["event"].sum()
    wanted = months_model.loglik - events * np.log(30)
    assert days_model.loglik == pytest.approx(wanted, abs=1e-7)
    covariates = [months_model.terms.index(name) for name in ("age", "sex[T.m]")]
    assert days_model.coefficients[covariates] == pytest.approx(
        months_model.coefficients[covariates], abs=1e-7
    )
    new = frame.head(3)
    one = months_model.predict_survival(new, [2, 9]).tidy()["estimate"]
    two = days_model.predict_survival(new, [60, 270]).tidy()["estimate"]
    assert one.to_list() == pytest.approx(two.to_list(), abs=1e-8)


def test_finer_looks_come_to_the_density():
    """An interval of width w around t has the likelihood w times the density, as w goes to 0."""
    frame = spells().with_columns(pl.col("time").cast(pl.Float64))
    exact = fit(frame, "weibull", "exact")
    width = 1e-4
    looks = frame.with_columns(
        low=pl.when("event").then(pl.col("time") - width / 2).otherwise("time"),
        high=pl.when("event").then(pl.col("time") + width / 2),
    )
    seen = parametric("age + sex", looks, time="low", upper="high")
    assert seen.coefficients == pytest.approx(exact.coefficients, abs=1e-6)
    events = frame["event"].sum()
    assert seen.loglik - events * np.log(width) == pytest.approx(exact.loglik, abs=1e-5)


# --- slopes: exact derivatives against differences of the values --------------------------------
SHAPES = [
    *(
        (Power(link=link, stretch=stretch, fixed=fixed), [0.2, 0.1])
        for link in ("hazard", "odds", "probit")
        for stretch in (False, True)
        for fixed in (False, True)
    ),
    *((Spline(knots=(0.5, 1.5, 2.5, 3.3), link=link), [1.0, 0.02, -0.01])
      for link in ("hazard", "odds", "probit")),
    (Steps(cuts=(5.0, 12.0)), [-3.0, -2.5, -2.0]),
]  # fmt: skip


def seen_in_every_way(baseline):
    rng = np.random.default_rng(0)
    n = 60
    ones = np.ones(n)
    columns = [rng.normal(size=n)] if not baseline.intercept else [ones, rng.normal(size=n)]
    end, kind = rng.integers(2, 30, n).astype(float), rng.integers(0, 4, n)
    lower = np.where(kind == 2, end - 1.2, np.where(kind == 3, 0.0, np.nan))
    return Observed(
        x=np.column_stack(columns), offset=rng.normal(size=n) / 10,
        ancillary=np.column_stack([ones, rng.normal(size=n)]), pattern=np.arange(n), end=end,
        event=kind > 0, lower=lower, entry=np.where(kind == 3, 0, rng.integers(0, 2, n) * 0.7),
        n=rng.random(n) + 0.5,
    )  # fmt: skip


@pytest.mark.parametrize("frailty", [False, True])
@pytest.mark.parametrize(("baseline", "shape"), SHAPES)
def test_score_and_information_are_derivatives(baseline, shape, frailty):
    observed = seen_in_every_way(baseline)
    likelihood = Likelihood(observed, baseline)
    level = 2.0 if getattr(baseline, "stretch", False) else -2.0
    point = np.array([*([level] if baseline.intercept else []), 0.3,
                      *([] if getattr(baseline, "fixed", False) else shape)])  # fmt: skip
    if not frailty:
        small = (
            likelihood(np.append(point, np.log(1e-6)), frailty=True).value - likelihood(point).value
        )
        assert likelihood.score_of_frailty(point) == pytest.approx(small / 1e-6, rel=1e-3)
    if frailty:
        point = np.append(point, -0.7)
    total = likelihood(point, frailty=frailty, rows=True)
    step = 1e-5 * np.eye(len(point))
    up = [likelihood(point + s, frailty=frailty) for s in step]
    down = [likelihood(point - s, frailty=frailty) for s in step]
    score = [(a.value - b.value) / 2e-5 for a, b in zip(up, down, strict=True)]
    bend = np.array([(a.score - b.score) / 2e-5 for a, b in zip(up, down, strict=True)])
    assert total.score == pytest.approx(score, rel=1e-5, abs=1e-5)
    assert total.information == pytest.approx(-bend, rel=1e-5, abs=1e-4)
    assert observed.n @ total.rows == pytest.approx(total.score, abs=1e-10)


@every_model
def test_errors_of_curves_are_by_the_delta_method(model):
    fitted = fit(spells(), model, "entry").fitted
    x = np.array([[1.0, 2.0, 1.0], [1.0, 0.0, 0.0]])
    subjects = Subjects(
        x=x if fitted.baseline.intercept else x[:, 1:], offset=np.array([0.1, 0.0]),
        ancillary=np.array([[1.0, 1.0], [1.0, 0.0]]) if "ancillary" in MODELS[model]
        else np.ones((2, 1)),
    )  # fmt: skip
    times = np.array([1.0, 7.0, 30.0])

    def moved(method):
        slopes = []
        for i in range(len(fitted.parameters)):
            ends = []
            for sign in (1e-5, -1e-5):
                parameters = fitted.parameters.copy()
                parameters[i] += sign
                other = Fitted(baseline=fitted.baseline, parameters=parameters,
                               vcov=fitted.vcov, frailty=fitted.frailty)  # fmt: skip
                ends.append(method(other)[0].ravel())
            slopes.append((ends[0] - ends[1]) / 2e-5)
        slopes = np.column_stack(slopes)
        return np.sqrt(np.einsum("ij,jk,ik->i", slopes, fitted.vcov, slopes))

    for method in (survival, log_hazards):
        error = method(fitted, subjects, times)[1].ravel()
        assert error == pytest.approx(moved(lambda f, m=method: m(f, subjects, times)), rel=1e-5)
    error = fitted.error(area(fitted, subjects, 18.0)[1])
    assert error == pytest.approx(moved(lambda f: area(f, subjects, 18.0)), rel=1e-5)
    # the area under the curve, and the hazard as its slope
    grid = np.linspace(0, 18, 20_001)
    curve = survival(fitted, subjects, grid)[0]
    assert area(fitted, subjects, 18.0)[0] == pytest.approx(
        np.trapezoid(curve, grid, axis=1), abs=1e-3
    )
    ends = survival(fitted, subjects, np.array([7 - 1e-4, 7 + 1e-4]))[0]
    slope = -(np.log(ends[:, 1]) - np.log(ends[:, 0])) / 2e-4
    hazard = np.exp(log_hazards(fitted, subjects, times)[0][:, 1])
    assert hazard == pytest.approx(slope, rel=1e-6)


@every_model
def test_quantiles_are_where_the_curve_gets(model):
    found = fit(spells(), model, "exact")
    new = spells().head(4)
    for p in (0.1, 0.5, 0.95):
        times = found.predict_quantile(new, p)["estimate"]
        for i, t in enumerate(times):
            at = found.predict_survival(new[i], t).tidy()["estimate"][0]
            assert at == pytest.approx(1 - p, abs=1e-9)


def test_standardised_curves_are_means_and_their_errors_count_everything():
    frame = spells(n=12)
    options = {"time": "time", "event": "event", "entry": "entry", "weights": "part"}
    age = pl.col("age")

    def numbers(part):
        model = parametric("age + sex", frame.with_columns(part=part), **options,
                           weight_type="sampling", distribution="exponential")  # fmt: skip
        curves = model.standardise("sex", [2, 9], difference=True)
        area = model.standardise("sex", horizon=9)
        return model, curves, area, np.array([*curves["estimate"], *area["estimate"]])

    part = frame["part"].to_numpy()
    model, curves, area, found = numbers(part)
    everyone = [frame.with_columns(sex=pl.lit(sex)) for sex in "fm"]
    survival = [
        np.average(model.predict_survival(data, 9).tidy()["estimate"], weights=part)
        for data in everyone
    ]
    assert curves["estimate"][1] == pytest.approx(survival[1] - survival[0], abs=1e-12)
    means = [np.average(model.rmst(data, 9)["estimate"], weights=part) for data in everyone]
    assert area["estimate"].to_list() == pytest.approx(means, abs=1e-12)
    assert area["sex"].to_list() == ["f", "m"]
    moved = []
    for row in range(frame.height):
        ends = []
        for sign in (1e-4, -1e-4):
            other = part.copy()
            other[row] += sign
            ends.append(numbers(other)[3])
        moved.append((ends[0] - ends[1]) / 2e-4 * part[row])
    error = np.sqrt((np.array(moved) ** 2).sum(axis=0))
    assert [*curves["std_error"], *area["std_error"]] == pytest.approx(error, rel=1e-5)
    # without weights: the drawn covariates beside the coefficients
    plain = fit(frame, "exponential", "exact")
    found = plain.standardise("sex", [9], levels=["m"])
    each = plain.predict_survival(everyone[1], 9).tidy()["estimate"].to_numpy()
    drawn = ((each - each.mean()) ** 2).sum() / frame.height**2
    slope = np.mean([-np.log(s) * s * np.array([1.0, a, 1.0])
                     for s, a in zip(each, frame.select(age).to_series(), strict=True)],
                    axis=0)  # fmt: skip
    wanted = np.sqrt(drawn + slope @ plain.vcov @ slope)
    assert found["std_error"].item() == pytest.approx(wanted, rel=1e-9)
