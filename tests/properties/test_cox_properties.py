"""What holds for every Cox model, whatever the data."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from toolkit.errors import EstimationError
from toolkit.estimation import threads
from toolkit.survival.cox import cox
from toolkit.survival.design import cells

OPTIONS = [
    (ties, entry, strata, robust)
    for ties, entry, strata, robust in itertools.product(
        ("efron", "breslow", "exact"), (None, "entry"), (None, "layer"), (None, "site")
    )
    if not (ties == "exact" and robust)
]
few = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def spells(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(30, 60))
    time = rng.integers(1, draw(st.integers(4, 15)), n)
    return pl.DataFrame(
        {
            "time": time,
            "entry": np.minimum(time - 1, rng.integers(0, 4, n)),
            "event": rng.random(n) < 0.7,
            "x": rng.integers(-2, 3, n) / 2,
            "y": rng.integers(0, 2, n),
            "layer": rng.integers(0, 2, n),
            "count": rng.integers(1, 4, n),
            "site": rng.integers(0, 8, n),
            "shift": rng.integers(0, 3, n) / 4,
        }
    )


def fit(frame, ties, entry, strata, robust, **options):
    try:
        return cox("x + y", frame, time="time", event="event", entry=entry, strata=strata,
                   ties=ties, cluster=robust, offset="shift", **options)  # fmt: skip
    except EstimationError:
        assume(False)
        raise


def numbers(model):
    return np.concatenate(
        [model.coefficients, model.vcov.ravel(), model.vcov_model.ravel(),
         [model.loglik, model.loglik_null, model.score_test],
         model.baseline().select("estimate", "std_error").to_numpy().ravel(),
         model.proportionality().tidy()["statistic"].to_numpy(),
         model.glance().select("concordance", "concordance_std_error").to_numpy().ravel()]
    )  # fmt: skip


def same(one, two, tolerance=1e-8):
    np.testing.assert_allclose(numbers(one), numbers(two), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o)))
@few
@given(frame=spells())
def test_a_frequency_weight_is_that_many_rows(options, frame):
    weighted = fit(frame, *options, weights="count")
    assert weighted.meta["weight_type"] == "frequency"
    repeated = frame.select(pl.all().repeat_by("count")).explode(pl.all())
    same(weighted, fit(repeated, *options))
    assert weighted.meta["n_event"] == repeated["event"].sum()


@pytest.mark.parametrize("options", OPTIONS[::3], ids=lambda o: "-".join(map(str, o)))
@few
@given(frame=spells(), seed=st.integers(0, 100))
def test_the_order_of_the_rows_does_not_matter(options, frame, seed):
    shuffled = frame.with_row_index("row").sample(fraction=1, shuffle=True, seed=seed)
    one, two = fit(frame, *options), fit(shuffled, *options)
    same(one, two)
    back = np.empty(frame.height)
    back[shuffled["row"].to_numpy()] = two.residuals()
    np.testing.assert_allclose(back, one.residuals(), atol=1e-9)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o)))
@few
@given(frame=spells())
def test_counted_cells_are_their_rows(options, frame):
    counted = fit(frame, *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "repeats", lambda *_: False)
        patch.setattr(threads, "_WORTH", 7)  # and several threads are one
        listed = fit(frame, *options)
    assert listed.meta["n_cell"] == frame.height
    same(counted, listed)
    np.testing.assert_allclose(counted.residuals(), listed.residuals(), atol=1e-9)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@few
@given(frame=spells(), cut=st.integers(1, 10))
def test_cutting_a_row_in_two_changes_nothing(ties, frame, cut):
    whole = fit(frame.with_row_index("person"), ties, "entry", "layer", "person")
    crossed = (pl.col("entry") < cut) & (pl.col("time") > cut)
    rows = frame.with_row_index("person")
    split = pl.concat([
        rows.filter(~crossed),
        rows.filter(crossed).with_columns(time=pl.lit(cut, dtype=pl.Int64), event=pl.lit(False)),
        rows.filter(crossed).with_columns(entry=pl.lit(cut, dtype=pl.Int64)),
    ])  # fmt: skip
    parts = fit(split, ties, "entry", "layer", "person")
    np.testing.assert_allclose(parts.coefficients, whole.coefficients, atol=1e-9)
    np.testing.assert_allclose(parts.vcov, whole.vcov, atol=1e-9)
    assert parts.loglik == pytest.approx(whole.loglik, abs=1e-9)


@few
@given(frame=spells(), by=st.sampled_from([1e3, -2008.0, 1e6]))
def test_where_zero_lies_does_not_matter(frame, by):
    one = fit(frame, "efron", None, None, None)
    two = fit(frame.with_columns(pl.col("x") + by), "efron", None, None, None)
    np.testing.assert_allclose(two.coefficients, one.coefficients, atol=1e-7)
    np.testing.assert_allclose(two.vcov, one.vcov, atol=1e-7)
    ours = two.baseline(centered=True)["estimate"].to_numpy()
    np.testing.assert_allclose(ours, one.baseline(centered=True)["estimate"], atol=1e-7)


@few
@given(frame=spells())
def test_residuals_add_up_to_nothing(frame):
    for ties in ("efron", "breslow"):
        model = fit(frame, ties, "entry", "layer", None, weights="count")
        weight = frame["count"].to_numpy()
        assert weight @ model.residuals("martingale") == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(weight @ model.residuals("score"), 0, atol=1e-8)
        schoenfeld = np.nan_to_num(model.residuals("schoenfeld"))
        np.testing.assert_allclose(weight @ schoenfeld, 0, atol=1e-8)
