"""Recurrent events in cases small enough to work out as fractions; and what the door refuses."""

from fractions import Fraction
from math import exp, log, sqrt

import numpy as np
import polars as pl
import pytest

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    NegativeTimeError,
    OverlappingSpellsError,
    ReversedSpellError,
    UnknownCodeError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)
from toolkit.survival.recurrent import (
    mean_cumulative,
    order_events,
    recurrent,
    revolving_door,
)

NAMES = {"person": "who", "start": "from", "stop": "to", "event": "back"}
Z = 1.959963984540054


def rows(*given, **more):
    """Rows of (who, from, to, back)."""
    frame = pl.DataFrame(given, orient="row", schema=["who", "from", "to", "back"])
    return frame.with_columns(**{name: pl.Series(values) for name, values in more.items()})


def exactly(values, fractions):
    assert values.to_list() == pytest.approx([float(f) for f in fractions], abs=1e-15)


def test_mean_by_hand():
    # 1 has events at 2 and 4, is out of sight from 4 to 5; 2 comes in at 1; both stop at 6
    data = rows((1, 0, 2, 1), (1, 2, 4, 1), (1, 5, 6, 0), (2, 1, 6, 0), (3, 0, 3, 1))
    curve = mean_cumulative(data, **NAMES)
    tidy = curve.tidy()
    assert tidy["time"].to_list() == [2, 3, 4, 6]
    assert tidy["n_risk"].to_list() == [3, 3, 2, 2]
    assert tidy["n_event"].to_list() == [1, 1, 1, 0]
    third, half = Fraction(1, 3), Fraction(1, 2)
    exactly(tidy["estimate"], [third, 2 * third, 2 * third + half, 2 * third + half])
    # what 1, 2, 3 move at each time: (dN - dμ) / Y while at risk
    steps = [
        (third * (1 - third), -third * third, -third * third),
        (-third * third, -third * third, third * (1 - third)),
        (half * (1 - half), -half * half, 0),
    ]
    sums = [[sum(step[i] for step in steps[: t + 1]) for i in range(3)] for t in range(3)]
    variance = [sum(u**2 for u in one) for one in sums]
    errors = [sqrt(v) for v in [*variance, variance[-1]]]
    assert tidy["std_error"].to_list() == pytest.approx(errors, abs=1e-15)
    assert tidy["conf_high"][0] == pytest.approx(1 / 3 * exp(Z * errors[0] * 3))
    plain = mean_cumulative(data, **NAMES, conf_type="plain").tidy()
    assert plain["conf_low"][0] == pytest.approx(max(1 / 3 - Z * errors[0], 0))
    assert curve.meta["n_person"] == 3
    assert curve.meta["n_hole"] == 1
    by_row = curve.influence([3, 6])
    assert by_row[[0, 1, 2]].sum(axis=0) == pytest.approx([float(sums[1][0]), float(sums[2][0])])
    # the area: an event at 2 counts 4 months by 6, and so on
    area = Fraction(4, 3) + Fraction(3, 3) + Fraction(2, 2)
    assert curve.area(6)["estimate"].item() == pytest.approx(float(area))


def test_mean_with_death_by_hand():
    data = rows(
        (1, 0, 1, 1), (1, 1, 4, 1), (2, 0, 2, 0), (3, 0, 3, 1), (4, 0, 5, 0),
        dead=[False, False, True, True, False],
    )  # fmt: skip
    tidy = mean_cumulative(data, **NAMES, death="dead").tidy()
    assert tidy["time"].to_list() == [1, 2, 3, 4, 5]
    assert tidy["n_death"].to_list() == [0, 1, 1, 0, 0]
    # S(1-) 1/4 + S(3-) 1/3 + S(4-) 1/2, with S(3-) = 3/4 and S(4-) = 3/4 · 2/3
    jumps = [Fraction(1, 4), 0, Fraction(3, 4) / 3, Fraction(1, 2) / 2, 0]
    exactly(tidy["estimate"], np.cumsum(jumps))
    without = mean_cumulative(data, **NAMES).tidy()
    exactly(without["estimate"], np.cumsum([Fraction(1, 4), 0, Fraction(1, 3), Fraction(1, 2), 0]))


@pytest.mark.parametrize("death", [None, "dead"])
@pytest.mark.parametrize("by", [None, "sex"])
def test_influence_is_the_derivative_to_a_weight(death, by):
    data = rows(
        (1, 0, 2, 1), (1, 2, 4, 1), (1, 5, 6, 0), (2, 1, 6, 0), (3, 0, 3, 1), (4, 2, 4, 0),
        (5, 0, 4, 1), (5, 4, 7, 0), (6, 0, 7, 1),
        dead=[0, 0, 0, 1, 0, 1, 0, 0, 1], sex=list("mmmfmffff"),
    )  # fmt: skip
    times = [2, 3, 4, 6]

    def at(weights):
        found = mean_cumulative(
            data.with_columns(w=pl.Series(weights)), **NAMES, death=death, by=by, weights="w",
            weight_type="sampling",
        )  # fmt: skip
        return found, found.at(times)["estimate"].to_numpy().reshape(-1, len(times))

    weights = np.array([1, 1, 1, 1.5, 0.5, 2, 1.25, 1.25, 0.75])
    curve, _ = at(weights)
    moved = curve.influence(times)
    group = np.zeros(9, int) if by is None else (data["sex"] == "m").cast(int).to_numpy()
    step = 1e-6
    for i in range(9):
        more, less = weights.copy(), weights.copy()
        more[i] += step
        less[i] -= step
        slope = (at(more)[1] - at(less)[1])[group[i]] / (2 * step)
        np.testing.assert_allclose(moved[i], slope * weights[i], atol=1e-8)
    person = data["who"].to_numpy()
    for g, error in enumerate(curve.at(times)["std_error"].to_numpy().reshape(-1, len(times))):
        sums = [moved[(person == p) & (group == g)].sum(axis=0) for p in range(1, 7)]
        np.testing.assert_allclose(error, np.sqrt(np.sum(np.square(sums), axis=0)), atol=1e-14)


def test_the_same_when_a_person_changes_group():
    data = rows((1, 0, 2, 1), (1, 2, 4, 1), (1, 4, 9, 1), (2, 0, 9, 1), (3, 0, 7, 1),
                (4, 0, 8, 0), g=list("aba") + list("bba"))  # fmt: skip
    curve = mean_cumulative(data, **NAMES, by="g")
    moved = curve.influence([7])[:, 0]
    tidy = curve.at(7)
    of_a = np.array([moved[0] + moved[2], 0, 0, moved[5]])
    of_b = np.array([moved[1], moved[3], moved[4], 0])
    errors = [sqrt((of_a**2).sum()), sqrt((of_b**2).sum())]
    assert tidy["std_error"].to_list() == pytest.approx(errors)
    difference = curve.difference(at=7).tidy()
    assert difference["std_error"].item() == pytest.approx(sqrt(((of_b - of_a) ** 2).sum()))


def test_differences_and_ratios():
    data = rows((1, 0, 2, 1), (1, 2, 6, 1), (2, 0, 6, 0), (3, 0, 3, 1), (3, 3, 6, 0), (4, 0, 5, 1),
                (4, 5, 6, 1), g=list("aaabbbb"))  # fmt: skip
    curve = mean_cumulative(data, **NAMES, by="g")
    at = curve.at([3, 6])
    low, high = at["estimate"].to_numpy().reshape(2, 2)
    error = at["std_error"].to_numpy().reshape(2, 2)
    both = np.sqrt((error**2).sum(axis=0))
    apart = curve.difference(at=[3, 6]).tidy()
    assert apart["contrast"].to_list() == ["b - a", "b - a"]
    assert apart["estimate"].to_list() == pytest.approx(list(high - low))
    assert apart["std_error"].to_list() == pytest.approx(list(both))
    ratio = curve.difference(at=[3, 6], measure="ratio", reference="b").tidy()
    assert ratio["contrast"].to_list() == ["a / b", "a / b"]
    assert ratio["estimate"].to_list() == pytest.approx(list(low / high))
    spread = np.sqrt((error[0] / low) ** 2 + (error[1] / high) ** 2)
    assert ratio["std_error"].to_list() == pytest.approx(list(spread))
    assert ratio["conf_high"][0] == pytest.approx(exp(log(low[0] / high[0]) + Z * spread[0]))
    assert curve.difference(at=7).tidy()["estimate"].to_list() == [None]
    assert curve.difference(at=1, measure="ratio").tidy()["estimate"].to_list() == [None]
    area = curve.area(6)
    areas = curve.difference(horizon=6, measure="area").tidy()
    assert areas["estimate"].item() == pytest.approx(area["estimate"][1] - area["estimate"][0])
    assert areas["std_error"].item() == pytest.approx(sqrt((area["std_error"] ** 2).sum()))
    banded = curve.difference(simultaneous=True, between=(3, 6))
    assert banded.tidy()["band_high"].null_count() < banded.tidy().height


def test_several_events_at_once_are_counted():
    one = rows((1, 0, 2, 3), (2, 0, 4, 1), (2, 4, 5, 0))
    assert mean_cumulative(one, **NAMES).tidy()["estimate"].to_list() == [1.5, 2.5, 2.5]


def test_orders_and_clocks():
    data = rows((1, 2, 4, 0), (1, 4, 6, 1), (1, 8, 9, 1), (1, 9, 12, 0), (2, 1, 3, 0), (1, 0, 2, 0))
    orders = order_events(data, person="who", start="from", stop="to", event="back")
    assert orders.order.tolist() == [1, 1, 2, 3, 1, 1]
    assert orders.clock.tolist() == [0, 0, 8, 9, 1, 0]
    assert (orders.holes, orders.interruptions) == (1, 0)
    pooled = order_events(data, person="who", start="from", stop="to", event="back", max_order=2)
    assert pooled.order.tolist() == [1, 1, 2, 2, 1, 1]
    assert pooled.clock.tolist() == [0, 0, 8, 9, 1, 0]


@pytest.mark.parametrize(
    ("model", "ratio"),
    [
        # events at 2 (x 0), 3 (x 1), 3.5 (x 0), 5 (x 0), 7 (x 1); who is at risk with each:
        # 123, 123, 123, 12, 12: 2 = 3 e / (e + 2) + 2 e / (e + 1)
        ("andersen_gill", 1.0),
        # 123, 12, 13, 2, 12: 2 = e / (e + 2) + 3 e / (e + 1)
        ("pwp_total", (-1 + sqrt(33)) / 4),
        # gaps: 2 in 123, 3 in 12, 5 in 2; 1.5 in 123, 4 in 12: 1 = e / (e + 2) + e / (e + 1)
        ("pwp_gap", sqrt(2)),
    ],
)
def test_models_by_hand(model, ratio):
    data = rows((1, 0, 3, 1), (1, 3, 7, 1), (2, 0, 5, 1), (2, 5, 12, 0), (3, 0, 2, 1),
                (3, 2, 3.5, 1), x=[1, 1, 0, 0, 0, 0])  # fmt: skip
    fit = recurrent("x", data, **NAMES, model=model)
    assert fit.tidy(exponentiate=True)["estimate"].item() == pytest.approx(ratio, abs=1e-9)
    assert fit.meta["n_person"] == 3
    if model != "andersen_gill":
        assert fit.meta["events_by_order"] == {1: 3, 2: 2}
        assert "max_order" in fit.meta["warnings"][-1]


def test_a_clock_that_began_before_the_first_row():
    data = rows((1, 2, 3, 1), (1, 3, 7, 1), (2, 0, 5, 1), (2, 5, 12, 0), (3, 1, 4, 1),
                (3, 4, 5.5, 1), x=[1, 1, 0, 0, 0, 0], since=[0, 3, 0, 5, 0, 4])  # fmt: skip
    fit = recurrent("x", data, **NAMES, model="pwp_gap", clock="since")
    # first: 3 in 123, 4 in 23, 5 in 2; then 1.5 in 123, 4 in 12: 2 = 2 e / (e + 2) + e / (e + 1)
    assert fit.tidy(exponentiate=True)["estimate"].item() == pytest.approx(1 + sqrt(5), abs=1e-9)
    with pytest.raises(NegativeTimeError):
        recurrent("x", data.with_columns(since=4), **NAMES, model="pwp_gap", clock="since")


def test_gaps_that_differ_by_a_rounding_error_are_ties():
    whole = rows((1, 11, 43, 1), (2, 0, 32, 1), (3, 7, 39, 1), (4, 0, 12, 1), (5, 3, 50, 1),
                 x=[1, 0, 1, 0, 1])  # fmt: skip
    tenths = whole.with_columns(pl.col("from", "to") / 10)
    assert (tenths["to"] - tenths["from"]).n_unique() > 3  # 4.3 - 1.1 is not 3.2
    ours, theirs = (recurrent("x", data, **NAMES, model="pwp_gap") for data in (tenths, whole))
    assert ours.tidy()["estimate"].item() == theirs.tidy()["estimate"].item()
    assert ours.loglik == theirs.loglik


def test_events_that_nobody_had_tell_nothing():
    data = rows(*[(p, 0, 1 + p % 4, 1) for p in range(20)], x=[p * 7 % 5 for p in range(20)])
    rest = data.with_columns(to=pl.lit(9), back=pl.lit(0), **{"from": pl.col("to")})
    data = pl.concat([data, rest.cast(data.schema)])
    fit = recurrent("x", data, **NAMES, model="pwp_total", effects="by_order")
    assert fit.orders == (1,)
    assert any("nobody had" in said for said in fit.meta["warnings"])
    assert fit.equal_effects()["df"].to_list() == [0, 0]


DOOR = rows((1, 2, 6, 0), (1, 2, 3, 1), (2, 0, 3, 1))
HOLE = rows((1, 0, 2, 0), (1, 4, 6, 1), (2, 0, 3, 1), x=[1, 1, 0])
FINE = rows((1, 0, 2, 1), (1, 2, 6, 1), (2, 0, 3, 1), (3, 0, 9, 0), x=[1, 1, 0, 0],
            w=[1, 2, 1, 1], half=[0.5, 0.5, 1, 1], hole=[1, None, 1, 1],
            text=list("abcd"))  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda: mean_cumulative(DOOR, **NAMES), OverlappingSpellsError, "1 of 3 rows"),
        (lambda: mean_cumulative(DOOR, **NAMES | {"person": "wh"}), UnknownColumnError, "'who'"),
        (lambda: mean_cumulative(FINE, **NAMES, weights="text"), WrongTypeError, "text"),
        (lambda: mean_cumulative(FINE, **NAMES, weights="hole"), MissingValueError, "hole"),
        (lambda: mean_cumulative(FINE, **NAMES, conf_type="logs"), UnknownOptionError, "'log'"),
        (lambda: mean_cumulative(FINE, **NAMES, variance="lin"), UnknownOptionError, "ghosh_lin"),
        (lambda: mean_cumulative(FINE, **NAMES, weights="w", weight_type="frequency"), CallError,
         "change within a person"),
        (lambda: mean_cumulative(FINE, **NAMES, weights="half", weight_type="frequency"), CallError,
         "whole"),
        (lambda: mean_cumulative(FINE.with_columns(back=-1), **NAMES), UnknownCodeError, "4 of 4"),
        (lambda: mean_cumulative(FINE.with_columns(back=0.5), **NAMES), UnknownCodeError, "4 of 4"),
        (lambda: mean_cumulative(FINE.with_columns(back=0), **NAMES), EmptyCohortError, "back"),
        (lambda: mean_cumulative(FINE.head(0), **NAMES), EmptyCohortError, "No rows"),
        (lambda: mean_cumulative(FINE.with_columns(to=pl.col("from")), **NAMES), NegativeTimeError,
         "at or after"),
        (lambda: mean_cumulative(FINE, **NAMES, death="back"), InputError, "rows after 'back'"),
        (lambda: mean_cumulative(FINE, **NAMES).difference(at=3), CallError, "one curve"),
        (lambda: mean_cumulative(FINE, **NAMES).test(), CallError, "one group"),
        (lambda: mean_cumulative(FINE, **NAMES, by="x").difference(at=3, measure="odds ratio"),
         UnknownOptionError, "area"),
        (lambda: mean_cumulative(FINE, **NAMES, by="x").test("both"), UnknownOptionError, "pooled"),
        (lambda: mean_cumulative(FINE.with_columns(d=False), **NAMES, by="x", death="d")
         .test("pooled"), CallError, "separate"),
        (lambda: recurrent("x", HOLE, **NAMES, model="pwp_total"), InputError, "1 of 3 rows"),
        (lambda: recurrent("x", FINE, **NAMES, model="pwp"), UnknownOptionError, "pwp_gap"),
        (lambda: recurrent("x", FINE, **NAMES, max_order=2), CallError, "Andersen"),
        (lambda: recurrent("x", FINE, **NAMES, ties="exact"), UnknownOptionError, "efron"),
        (lambda: recurrent("x", FINE, **NAMES, clock="from"), CallError, "pwp_gap"),
        (lambda: recurrent("x", FINE, **NAMES, model="pwp_gap", max_order=0), CallError, "max_ord"),
        (lambda: recurrent("x", FINE.with_columns(back=2), **NAMES), CallError, "row of its own"),
        (lambda: recurrent("x", FINE.with_columns(event_order=1), **NAMES, model="pwp_gap"),
         CallError, "event_order"),
        (lambda: recurrent("x", DOOR, **NAMES), OverlappingSpellsError, "first rows"),
    ],
)  # fmt: skip
def test_the_door(ask, error, said):
    with pytest.raises(error, match=said):
        ask()


DOORS = {"person": "who", "start": "from", "stop": "to", "window": (0, 24)}


def spells(*given, **more):
    frame = pl.DataFrame(given, orient="row", schema=["who", "from", "to"])
    return frame.with_columns(**{name: pl.Series(values) for name, values in more.items()})


def test_revolving_door_by_hand():
    data = spells(
        (1, 2, 5), (1, 8, 11),  # twice in, twice out
        (2, -3, 4), (2, 6, 9), (2, 12, None),  # out, in, out, in
        (3, 1, 30),  # in; out after the window
        (4, 20, 22), (4, 23, 24),  # the second stop is the end of the window: not seen
        (5, -9, -2),  # not in the window
        (6, 3, 5), (6, 5, 8), (6, 9, 10),  # two that touch are one
    )  # fmt: skip
    door = revolving_door(data, **DOORS)
    persons = door.persons.select("person", "n_in", "n_out", "revolving").rows()
    assert persons == [(1, 2, 2, True), (2, 2, 2, True), (3, 1, 0, False), (4, 2, 1, False),
                       (6, 2, 2, True)]  # fmt: skip
    row = door.tidy().row(0, named=True)
    assert (row["n"], row["n_revolving"], row["estimate"]) == (5, 3, 0.6)
    assert row["std_error"] == pytest.approx(sqrt(0.6 * 0.4 / 5))
    assert door.meta["n_merged"] == 1
    assert door.glance()["n_in"].item() == 9
    left = revolving_door(data, **DOORS, among="left")
    assert left.tidy()["estimate"].item() == 0.75
    wide = revolving_door(data, **DOORS, max_gap=1)
    assert wide.tidy()["n_revolving"].item() == 2
    thrice = revolving_door(data, **DOORS, times=3)
    assert thrice.tidy()["conf_low"].item() == 0.0
    assert thrice.tidy()["conf_high"].item() == pytest.approx(Z**2 / (5 + Z**2))


def test_rounds_since_the_first_inflow():
    data = spells((1, 2, 5), (1, 8, 11), (2, -3, 4), (2, 6, 9), (2, 12, 20), (3, 20, 22))
    curve = revolving_door(data, **DOORS).since_inflow()
    # 1 after 11 - 2 months, 2 after 20 - 6; 3 is censored after 4
    assert curve.tidy().select("time", "n_risk", "n_event").rows() == [
        (4, 3, 0), (9, 2, 1), (14, 1, 1),
    ]  # fmt: skip


def test_revolving_door_with_weights_and_groups():
    data = spells((1, 2, 5), (1, 8, 11), (2, 3, 4), (3, 1, None), (4, 2, 3), (4, 5, 6),
                  w=[2, 2, 1, 3, 1, 1], g=list("aaabbb"))  # fmt: skip
    counted = revolving_door(data, **DOORS, weights="w", by="g").tidy()
    assert counted["estimate"].to_list() == pytest.approx([2 / 3, 1 / 4])
    assert counted["std_error"].to_list() == pytest.approx([sqrt(2 / 9 / 3), sqrt(3 / 16 / 4)])
    stands = revolving_door(data, **DOORS, weights="w", weight_type="sampling", by="g").tidy()
    assert stands["std_error"][0] == pytest.approx(sqrt(4 / 9 + 4 * 1 / 9) / 3)
    moved = revolving_door(data.with_columns(g=pl.Series(list("ababab"))), **DOORS, by="g")
    assert moved.meta["warnings"] == ["2 persons change g: they count where they began"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"window": (5, 5)}, CallError),
        ({"window": 5}, CallError),
        ({"window": (50, 60)}, EmptyCohortError),
        ({"times": 0}, CallError),
        ({"max_gap": -1}, CallError),
        ({"among": "some"}, UnknownOptionError),
        ({"weights": "w"}, InputError),
        ({"by": "revolving"}, CallError),
        ({"stop": "from"}, ReversedSpellError),
        ({"person": "hole"}, MissingValueError),
    ],
)
def test_the_door_of_the_revolving_door(options, error):
    data = spells((1, 2, 5), (1, 8, 11), w=[1, 2], hole=[1, None], revolving=[1, 1])
    with pytest.raises(error):
        revolving_door(data, **{**DOORS, **options})


def test_results_can_be_drawn_and_read():
    import matplotlib.pyplot as plt

    data = rows((1, 0, 2, 1), (1, 2, 4, 1), (2, 1, 6, 0), (3, 0, 3, 1), (4, 0, 5, 1),
                g=list("aabba"), d=[0, 0, 1, 0, 0])  # fmt: skip
    curve = mean_cumulative(data, **NAMES, by="g", death="d")
    axes = curve.plot()
    assert axes.get_ylabel() == "Mean number of events"
    assert len(axes.get_lines()) == 2
    plt.close(axes.figure)
    assert "Ghosh and Lin" in curve.summary()
    assert curve.glance()["n_death"].item() == 1
    door = revolving_door(spells((1, 2, 5), (1, 8, 11), (2, 3, 4)), **DOORS)
    assert "at least 2 times in and 2 times out" in door.summary()


def test_a_death_is_a_yes_or_a_no():
    data = rows((1, 0, 3, 1), (1, 3, 8, 0), (2, 0, 9, 1), d=[0, 2, 0])
    with pytest.raises(UnknownCodeError, match="other values than 0 and 1"):
        mean_cumulative(data, **NAMES, death="d")


def test_spells_that_run_may_be_null_or_nan():
    running = spells((1, 0, None), (2, 5, None))
    door = revolving_door(running.with_columns(to=pl.lit(None)), **DOORS)
    assert door.persons.select("n_in", "n_out").rows() == [(1, 0), (1, 0)]
    # the second spell of 1 runs: it came in twice, and left once
    nan = spells((1, 0.0, 2.0), (1, 5.0, float("nan")))
    assert revolving_door(nan, **DOORS).persons.select("n_in", "n_out").row(0) == (2, 1)


def test_a_rounding_error_is_no_time_off_benefit():
    data = spells((1, 0.0, 0.3), (1, 0.1 + 0.2, 1.0), (1, 5.0, 6.0))
    assert revolving_door(data, **DOORS).persons.select("n_in", "n_out").row(0) == (2, 2)
