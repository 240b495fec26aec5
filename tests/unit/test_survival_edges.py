"""Edges of the models: times that were computed, shapes at infinity, keys in messages."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from toolkit import survival
from toolkit.errors import (
    CollinearityError,
    EstimationError,
    HorizonError,
    OverlappingSpellsError,
    SeparationError,
    UnknownCodeError,
)
from toolkit.survival.joined_times import join_times
from toolkit.survival.recurrent import order_events

WHO = {"person": "who", "start": "from", "stop": "to"}


def spells(middle: float) -> pl.DataFrame:
    """Return two spells of one person, the first until 0.3, the second from `middle`; another."""
    return pl.DataFrame(
        {
            "who": [1, 1, 2],
            "from": [0.0, middle, 0.0],
            "to": [0.3, 1.0, 0.8],
            "state": ["a", "b", "a"],
            "next": ["b", None, "b"],
            "event": [1, 0, 1],
        }
    )


def test_times_a_rounding_error_apart_are_one() -> None:
    joined = join_times(pl.DataFrame({"a": [0.1 + 0.2, None, 1.5], "b": [0.3, 2.0, 7.0]}), "a", "b")
    assert joined["a"].to_list() == [0.3, None, 1.5]
    assert joined["b"].to_list() == [0.3, 2.0, 7.0]


def test_whole_numbers_and_far_times_stay() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": [1.0, 1.0 + 1e-9, 2.0]})
    assert join_times(frame, "a", "b").equals(frame)
    assert join_times(frame, "a").equals(frame)


@pytest.mark.parametrize("middle", [0.1 + 0.2, 0.3 - 5e-17])
def test_spells_that_join_but_for_rounding(middle: float) -> None:
    states = {"from_state": "state", "to_state": "next"}
    found = survival.check_states(spells(middle), **WHO, **states)
    assert found.tidy()["n"].sum() == 0
    exact = survival.multi_state(spells(0.3), **WHO, **states).tidy()
    times = ["time", "n_risk", "estimate"]
    close = survival.multi_state(spells(middle), **WHO, **states).tidy()
    assert_frame_equal(close.select(times), exact.select(times), rel_tol=1e-12)
    mean = survival.mean_cumulative(spells(middle), **WHO, event="event")
    plain = survival.mean_cumulative(spells(0.3), **WHO, event="event").tidy()
    assert_frame_equal(mean.tidy(), plain, rel_tol=1e-12)
    orders = order_events(spells(middle), **WHO, event="event")
    assert orders.holes == 0


def test_spells_that_do_overlap_are_refused() -> None:
    with pytest.raises(OverlappingSpellsError):
        survival.mean_cumulative(spells(0.2999), **WHO, event="event")


@pytest.mark.parametrize("text", ["censored", "Censored ", "", "0", "NA"])
@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_text_that_means_no_cause(text: str, dtype: pl.DataType) -> None:
    exits = pl.DataFrame({"t": [1, 2, 3], "to": pl.Series(["work", text, "study"]).cast(dtype)})
    with pytest.raises(UnknownCodeError, match="no name of a cause"):
        survival.cumulative_incidence(exits, time="t", event="to")


@pytest.mark.parametrize("distribution", ["weibull", "log_logistic", "lognormal"])
def test_a_shape_at_infinity_is_named(distribution: str) -> None:
    same = pl.DataFrame({"t": [3.0, 3.0, 2.0], "e": [1, 1, 0]})
    with pytest.raises(EstimationError, match="shape runs off to infinity"):
        survival.parametric("1", same, time="t", event="e", distribution=distribution)
    later = pl.DataFrame({"t": [3.0, 3.0, 9.0], "e": [1, 1, 0]})
    model = survival.parametric("1", later, time="t", event="e", distribution=distribution)
    assert np.isfinite(model.loglik)


def test_an_exponential_with_events_at_one_time() -> None:
    same = pl.DataFrame({"t": [3.0, 3.0, 2.0], "e": [1, 1, 0]})
    model = survival.parametric("1", same, time="t", event="e", distribution="exponential")
    assert model.tidy(exponentiate=True)["estimate"][0] == pytest.approx(2 / 8)


def test_a_level_that_looks_like_a_key_is_masked() -> None:
    rows = pl.DataFrame(
        {"t": [1, 2, 3, 4, 5, 6], "e": [1, 1, 1, 0, 0, 0], "g": ["123456782"] * 3 + ["x"] * 3}
    )
    for fit in (
        lambda: survival.cox("g", rows, time="t", event="e"),
        lambda: survival.discrete_hazard("g", rows, time="t", event="e", baseline="spline", df=2),
        lambda: survival.parametric("g", rows, time="t", event="e"),
    ):
        with pytest.raises((SeparationError, CollinearityError)) as caught:
            fit()
        assert "123456782" not in str(caught.value)


def test_huge_linear_predictors_warn_of_nothing() -> None:
    rng = np.random.default_rng(3)
    rows = pl.DataFrame({"t": rng.exponential(size=60), "e": [1] * 60, "x": rng.normal(size=60)})
    model = survival.cox("x", rows, time="t", event="e")
    far = pl.DataFrame({"x": [1e9, -1e9]})
    assert set(model.predict(far, "risk")["estimate"]) == {0.0, np.inf}
    curve = model.predict_survival(far, times=[0.0, 1.0]).tidy()
    assert curve.filter(pl.col("time") == 0)["estimate"].to_list() == [1.0, 1.0]
    assert sorted(curve.filter(pl.col("time") == 1)["estimate"]) == [0.0, 1.0]


def test_chances_from_after_the_last_spell() -> None:
    model = survival.multi_state(spells(0.3), **WHO, from_state="state", to_state="next")
    with pytest.raises(HorizonError, match="Nobody is seen after 1"):
        model.probabilities(1.0)


def test_prevalence_after_the_last_look() -> None:
    rng = np.random.default_rng(1)
    looks = pl.DataFrame(
        {
            "who": np.repeat(np.arange(40), 4),
            "t": np.tile([0, 3, 6, 9], 40),
            "s": rng.integers(1, 3, 160),
        }
    )
    chain = survival.markov(looks, person="who", time="t", state="s", allowed=[(1, 2), (2, 1)])
    assert chain.prevalence(9).height == 2
    with pytest.raises(HorizonError, match="after the last observation"):
        chain.prevalence(10)
