"""What the Cox model says to data and options it cannot use."""

import numpy as np
import polars as pl
import pytest

from toolkit.errors import (
    CallError,
    CollinearityError,
    EmptyCohortError,
    EstimationError,
    MissingValueError,
    NegativeTimeError,
    SeparationError,
    UnknownCodeError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)
from toolkit.survival.cox import cox
from toolkit.survival.cox import exact as exact_module

N = 60
NUMBER = np.arange(N)
DATA = pl.DataFrame(
    {
        "time": 1 + (NUMBER * 7) % 12,
        "event": (NUMBER % 5 > 1).astype(int),
        "x": ((NUMBER * 37) % 101) / 25,
        "y": ((NUMBER * 53) % 17) / 4,
        "z": np.array(["a", "b", "c"])[NUMBER % 3],
        "layer": NUMBER % 2,
        "w": 0.5 + (NUMBER % 4) / 3,
        "site": NUMBER % 6,
    }
)


def fit(formula="x", data=DATA, **options):
    return cox(formula, data, **({"time": "time", "event": "event"} | options))


@pytest.mark.parametrize("name", ["time", "event", "strata", "cluster", "weights", "offset"])
def test_a_column_that_is_not_there_gets_its_nearest_name(name):
    with pytest.raises(UnknownColumnError, match="did you mean 'layer'"):
        fit(**{name: "laier"})


def test_a_variable_of_the_formula_that_is_not_there():
    with pytest.raises(UnknownColumnError, match="'xx'"):
        fit("xx")


@pytest.mark.parametrize(
    ("option", "value"), [("ties", "efrn"), ("weight_type", "frequncy"), ("conf_level", 95)]
)
def test_an_option_outside_its_set(option, value):
    with pytest.raises(CallError):
        fit(**{option: value})


def test_missing_values_are_never_dropped():
    with pytest.raises(MissingValueError, match="'x'"):
        fit(data=DATA.with_columns(x=pl.when(pl.col("x") > 1).then("x")))
    with pytest.raises(MissingValueError, match="'site'"):
        fit(data=DATA.with_columns(site=pl.when(pl.col("site") > 1).then("site")), cluster="site")


def test_times_that_cannot_be():
    with pytest.raises(NegativeTimeError):
        fit(data=DATA.with_columns(time=-pl.col("time")))
    with pytest.raises(NegativeTimeError, match="Entry"):
        fit(data=DATA.with_columns(entry=pl.col("time")), entry="entry")


def test_nobody_has_the_event():
    with pytest.raises(EmptyCohortError, match="no event"):
        fit(data=DATA.with_columns(event=0))


def test_a_column_made_up_of_others_is_named_with_them():
    data = DATA.with_columns(sum=2 * pl.col("x") - pl.col("y"))
    with pytest.raises(CollinearityError, match=r"'sum' is made up of 'x', 'y'"):
        fit("x + y + sum", data)


def test_a_constant_column_is_named():
    with pytest.raises(CollinearityError, match="'one' has the same value"):
        fit("x + one", DATA.with_columns(one=7.5))


def test_a_column_that_is_constant_within_strata_is_named():
    with pytest.raises(CollinearityError, match="'layer' does not vary"):
        fit("x + layer", strata="layer")


def test_a_column_that_foretells_every_event_is_named():
    data = DATA.with_columns(never=(pl.col("event") == 0).cast(int) * (pl.col("site") < 3))
    with pytest.raises(SeparationError, match="'never'"):
        fit("x + never", data)
    with pytest.raises(SeparationError, match="'never'"):
        fit("x + never", data, ties="exact")


def test_a_level_without_events_is_named():
    data = DATA.with_columns(event=pl.when(pl.col("z") == "c").then(0).otherwise("event"))
    with pytest.raises(SeparationError, match=r"T\.c"):
        fit("z", data)


def test_separation_is_found_in_columns_of_any_scale():
    data = DATA.with_columns(never=1e6 * (pl.col("event") == 0) * (pl.col("site") < 3))
    with pytest.raises(SeparationError, match="'never'"):
        fit("x + never", data)


def test_exact_ties_go_without_fractions_and_without_residuals():
    with pytest.raises(CallError, match="sampling weights"):
        fit(ties="exact", weights="w", robust=False)
    with pytest.raises(CallError, match="robust"):
        fit(ties="exact", cluster="site")
    model = fit(ties="exact")
    with pytest.raises(CallError, match="score residuals"):
        model.residuals("score")
    assert model.residuals("martingale").sum() == pytest.approx(0, abs=1e-10)


def test_exact_ties_that_would_take_a_day_are_refused(monkeypatch):
    monkeypatch.setattr(exact_module, "MOST_STEPS", 1e2)
    with pytest.raises(EstimationError, match="events among"):
        fit(ties="exact")


def test_clusters_that_would_be_left_out_of_the_variance():
    with pytest.raises(CallError, match="robust=False"):
        fit(cluster="site", robust=False)


def test_new_data_must_fit_the_model():
    model = fit("x + z", strata="layer")
    new = DATA.select("x", "z", "layer")[:2]
    with pytest.raises(UnknownColumnError, match="'layer'"):
        model.predict_survival(new.drop("layer"))
    with pytest.raises(UnknownCodeError, match="no stratum layer = 9"):
        model.predict_survival(new.with_columns(layer=pl.lit(9)))
    with pytest.raises(UnknownCodeError, match="'q'"):
        model.predict(new.with_columns(z=pl.lit("q")))
    with pytest.raises(MissingValueError, match="'x'"):
        model.predict(new.with_columns(x=pl.lit(None, dtype=pl.Float64)))
    with pytest.raises(EmptyCohortError):
        model.predict(new[:0])
    with pytest.raises(NegativeTimeError):
        model.predict_survival(new, [-1])


@pytest.mark.parametrize(
    ("ask", "value"), [("residuals", "schonfeld"), ("predict", "log"), ("proportionality", "kmm")]
)
def test_what_a_model_is_asked_is_checked(ask, value):
    model = fit()
    with pytest.raises(UnknownOptionError):
        model.predict(DATA, value) if ask == "predict" else getattr(model, ask)(value)


def test_rows_of_weight_zero_are_counted_and_get_residual_zero():
    data = DATA.with_columns(w=pl.when(pl.col("site") == 2).then(0).otherwise(1))
    model = fit(data=data, weights="w")
    assert model.meta["dropped"] == {"weight is zero": 10}
    residual = model.residuals("martingale")
    assert residual.shape == (N,)
    assert (residual[DATA["site"].to_numpy() == 2] == 0).all()


def test_extreme_offsets_do_not_overflow():
    data = DATA.with_columns(far=500.0 + 40 * (pl.col("site") == 1))
    model = fit(data=data, offset="far")
    assert np.isfinite(model.loglik)
    assert np.isfinite(model.coefficients).all()


def test_what_the_result_shows():
    model = fit("x + z", strata="layer", cluster="site")
    text = model.summary()
    assert "ties by Efron" in text
    assert "robust (Lin and Wei), clusters of site" in model.meta["variance"]
    assert {"robust_se", "conf_low"} <= set(model.tidy().columns)
    assert model.meta["n_cluster"] == 6
    assert model.glance().height == 1
    ratios = model.tidy(exponentiate=True)
    assert ratios["estimate"].to_numpy() == pytest.approx(np.exp(model.coefficients))
    curves = model.predict_survival(DATA.select("x", "z", "layer")[:3])
    assert curves.glance()["n_curve"].item() == 3
    assert "predicted survival" in curves.summary()
    assert model.proportionality().tidy()["df"].to_list() == [1, 2, 3]


def test_what_makes_numbers_less_sure_is_said():
    model = fit("x + y", cluster="site")
    assert "only 6 clusters of site" in model.meta["warnings"][0]
    assert fit("x").meta["warnings"] == []
    late = pl.DataFrame({"in": [0, 0, 4, 4, 5], "time": [2, 3, 7, 8, 8], "event": [1, 1, 1, 1, 0],
                         "x": [0.0, 1.0, 1.0, 0.0, 0.0]})  # fmt: skip
    (said,) = fit(data=late, entry="in").meta["warnings"]
    assert "at 1 of 4 times of events all at risk have the event" in said


def test_fewer_clusters_than_coefficients_have_no_wald_test():
    model = fit("x + y + z", DATA.with_columns(site=pl.col("site") % 2), cluster="site")
    assert model.glance()["wald"].item() is None
    assert model.glance()["likelihood_ratio"].item() > 0


def test_pictures_are_drawn_on_the_axes_given():
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    model = fit("x + z", strata="layer")
    _, (left, right) = plt.subplots(1, 2)
    assert model.predict_survival(DATA.select("x", "z", "layer")[:3]).plot(left) is left
    assert model.proportionality().plot(right, column="x") is right
    assert right.get_ylabel() == "b(t) of x"
    with pytest.raises(UnknownOptionError, match="did you mean 'x'"):
        model.proportionality().plot(right, column="X")
    plt.close("all")


def test_a_stratum_is_found_by_its_value_not_by_a_cast():
    """1.5 is no stratum 1, and 2 is not "true"."""
    frame = pl.DataFrame(
        {"t": [1, 2, 3, 4, 5, 6, 7, 8], "e": [1] * 8, "x": [0, 1, 1, 0, 1, 0, 0, 1],
         "s": [1, 1, 1, 1, 2, 2, 2, 2]}
    )  # fmt: skip
    model = cox("x", frame, time="t", event="e", strata="s")
    whole = model.predict_survival(pl.DataFrame({"x": [0], "s": [2]}), 5).tidy()
    same = model.predict_survival(pl.DataFrame({"x": [0], "s": [2.0]}), 5).tidy()
    assert whole["estimate"].to_list() == same["estimate"].to_list()
    with pytest.raises(UnknownCodeError, match="no stratum"):
        model.predict_survival(pl.DataFrame({"x": [0], "s": [1.5]}), 5)
    with pytest.raises(WrongTypeError, match="Stratum 's' is String"):
        model.predict_survival(pl.DataFrame({"x": [0], "s": ["1"]}), 5)


def test_a_covariate_named_as_a_result_is_refused_in_a_prediction():
    frame = pl.DataFrame({"t": [1, 2, 3, 4], "e": [1] * 4, "row": [0, 1, 1, 0]})
    model = cox("row", frame, time="t", event="e")
    with pytest.raises(CallError, match="name of a column of the prediction"):
        model.predict_survival(frame, 2)
