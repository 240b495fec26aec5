"""Multi-state models on histories small enough for exact fractions."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from toolkit.errors import CallError
from toolkit.survival import check_states, multi_state
from toolkit.survival.multi_state import variance
from toolkit.survival.multi_state.chain import follow

NAMES = {
    "person": "person", "start": "start", "stop": "stop", "from_state": "state", "to_state": "next",
}  # fmt: skip


def spells(*rows, **more):
    frame = pl.DataFrame(
        rows, schema=["person", "start", "stop", "state", "next"], orient="row", strict=False
    ).with_columns(pl.col("next").cast(pl.String))
    return frame.with_columns(**{name: pl.Series(values) for name, values in more.items()})


def values(frame, column="estimate"):
    return frame[column].to_list()


#: Illness and death with ties: two fall ill at 2, one of them with a death of another; at 4 an ill
#: one dies together with a healthy one, and another is censored then.
ILL = spells(
    (1, 0, 2, "well", "ill"), (1, 2, 4, "ill", "dead"),
    (2, 0, 2, "well", "ill"), (2, 2, 5, "ill", "well"), (2, 5, 6, "well", None),
    (3, 0, 2, "well", "dead"),
    (4, 0, 4, "well", "dead"),
    (5, 0, 4, "well", None),
    (6, 0, 6, "well", "ill"),
)  # fmt: skip
STATES = ["dead", "ill", "well"]


def test_occupation_of_an_illness_and_death_with_ties():
    # at 2: of 6 well, 2 fall ill and 1 dies; at 4: of 3 well 1 dies, of 2 ill 1 dies;
    # at 5: the one ill recovers; at 6: of 2 well 1 falls ill
    well2, ill2, dead2 = Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)
    well4, ill4 = well2 * Fraction(2, 3), ill2 * Fraction(1, 2)
    dead4 = dead2 + well2 * Fraction(1, 3) + ill2 * Fraction(1, 2)
    well5, ill5 = well4 + ill4, Fraction(0)
    well6, ill6 = well5 / 2, well5 / 2
    curves = multi_state(ILL, **NAMES).occupation()
    assert curves.states.to_list() == STATES
    found = curves.at([1, 2, 4, 5, 6])
    expected = [
        0,
        dead2,
        dead4,
        dead4,
        dead4,
        0,
        ill2,
        ill4,
        ill5,
        ill6,
        1,
        well2,
        well4,
        well5,
        well6,
    ]
    assert values(found) == pytest.approx([float(x) for x in expected], abs=1e-15)
    assert sum([well6, ill6, dead4]) == 1


def test_expected_time_is_the_area_under_occupation():
    found = multi_state(ILL, **NAMES).expected_time(6)
    well = 2 * 1 + 2 * Fraction(1, 2) + 1 * Fraction(1, 3) + 1 * (Fraction(1, 3) + Fraction(1, 6))
    ill = 2 * Fraction(1, 3) + 1 * Fraction(1, 6)
    dead = 2 * Fraction(1, 6) + 2 * (Fraction(1, 6) + Fraction(1, 6) + Fraction(1, 6))
    assert values(found) == pytest.approx([float(dead), float(ill), float(well)], abs=1e-14)
    assert well + ill + dead == 6


def test_transition_probabilities_count_the_moves_after_the_start():
    found = multi_state(ILL, **NAMES).probabilities(2).at(4)
    of = {(row["from"], row["to"]): row["estimate"] for row in found.iter_rows(named=True)}
    assert of["well", "dead"] == pytest.approx(1 / 3)
    assert of["ill", "dead"] == 0.5
    assert of["ill", "well"] == 0.0
    assert of["dead", "dead"] == 1.0
    assert values(found.filter(pl.col("from") == "dead"), "std_error") == [0.0] * 3


def test_the_landmark_follows_only_who_is_in_the_state_then():
    # ill at 3: persons 1 and 2; of them one dies at 4, one recovers at 5 and is lost at 6
    found = multi_state(ILL, **NAMES).landmark(3, states=["ill"]).at([4, 5])
    assert values(found) == [0.5, 0.5, 0.5, 0.0, 0.0, 0.5]
    # P(3, t) of all ill would mix in later moves of who was well at 3: here 6 falls ill at 6
    later = multi_state(ILL, **NAMES).landmark(3).at(6)
    of = {(row["from"], row["to"]): row["estimate"] for row in later.iter_rows(named=True)}
    assert of["ill", "well"] == 0.5  # person 2 is at risk alone at 6, and does not move
    assert of["well", "ill"] == pytest.approx(2 / 3)  # only person 6 is at risk at 6


def test_hazards_add_up_what_happens_among_those_at_risk():
    found = multi_state(ILL, **NAMES, variance="aalen").hazards().at(6)
    of = {(row["from"], row["to"]): row for row in found.iter_rows(named=True)}
    well_ill = Fraction(2, 6) + Fraction(1, 2)
    assert of["well", "ill"]["estimate"] == pytest.approx(float(well_ill))
    assert of["well", "dead"]["estimate"] == pytest.approx(float(Fraction(1, 6) + Fraction(1, 3)))
    assert of["ill", "well"]["estimate"] == 1.0
    assert of["well", "ill"]["std_error"] ** 2 == pytest.approx(
        float(Fraction(2, 36) + Fraction(1, 4))
    )
    greenwood = multi_state(ILL, **NAMES, variance="greenwood").hazards().at(6)
    of = {(row["from"], row["to"]): row for row in greenwood.iter_rows(named=True)}
    assert of["well", "ill"]["std_error"] ** 2 == pytest.approx(
        float(Fraction(2 * 4, 6**3) + Fraction(1 * 1, 2**3))
    )


def test_jackknife_of_one_move_is_the_binomial_variance():
    curves = multi_state(ILL, **NAMES).occupation()
    # at 2 all six began well: the shares are multinomial
    squared = [x**2 for x in values(curves.at(2), "std_error")]
    assert squared == pytest.approx(
        [float(p * (1 - p) / 6) for p in (Fraction(1, 6), Fraction(1, 3), Fraction(1, 2))]
    )
    by_moves = multi_state(ILL, **NAMES, variance="greenwood").occupation()
    assert values(by_moves.at(2), "std_error") == pytest.approx(values(curves.at(2), "std_error"))


def test_aalens_variance_of_the_first_moves():
    found = multi_state(ILL, **NAMES, variance="aalen").occupation().at(2)
    squared = [x**2 for x in values(found, "std_error")]
    assert squared == pytest.approx([float(Fraction(x, 36)) for x in (1, 2, 3)])


def test_who_is_censored_at_a_time_is_at_risk_at_it():
    d = spells((1, 0, 3, "a", None), (2, 0, 3, "a", "b"), (3, 0, 5, "a", "b"))
    assert values(multi_state(d, **NAMES).occupation().at([3, 5])) == pytest.approx(
        [2 / 3, 0, 1 / 3, 1]
    )


def test_start_is_shared_as_those_at_risk_at_the_first_move():
    # person 3 comes too late to count, person 4 has left
    d = spells((1, 0, 4, "a", "b"), (2, 0, 6, "b", None), (3, 5, 7, "a", "b"), (4, 0, 2, "a", None))
    curves = multi_state(d, **NAMES).occupation()
    first = curves.tidy().group_by("state", maintain_order=True).first()
    assert values(first) == [0.5, 0.5]
    assert values(first, "std_error") == pytest.approx([float(Fraction(1, 8)) ** 0.5] * 2)
    assert values(first, "n_risk") == [1, 1]
    known = multi_state(d, **NAMES).occupation({"a": 0.25, "b": 0.75})
    assert values(known.at(4)) == [0.0, 1.0]
    assert values(known.at(4), "std_error") == [0.0, 0.0]
    later = multi_state(d, **NAMES).occupation(start=0)
    assert values(later.at(3)) == pytest.approx([2 / 3, 1 / 3]), "all three who are there at 0"


def test_an_empty_risk_set_carries_the_curve_and_is_said():
    # the only one in b leaves observation at 3; another comes to b at 5, who moves on at 6
    d = spells(
        (1, 0, 2, "a", "b"), (1, 2, 3, "b", None), (2, 0, 5, "a", "b"), (2, 5, 6, "b", "c"),
        (3, 0, 4, "b", None), (4, 4, 5, "a", None),
    )  # fmt: skip
    d = d.filter(pl.col("person") != 3)
    curves = multi_state(d, **NAMES).occupation()
    # at 2: a 1/2; between 3 and 5 nobody is at risk in b, whose 1/2 stays; at 5: 1/2 of a moves
    assert values(curves.at([4, 5])) == pytest.approx([0.5, 0.25, 0.5, 0.75, 0, 0])
    assert values(curves.at(6)) == [0.25, 0.0, 0.75]
    gap = spells(
        (1, 0, 2, "a", "b"), (1, 2, 3, "b", None), (2, 0, 9, "a", None), (3, 5, 7, "b", "c")
    )
    first = multi_state(gap, **NAMES).occupation().meta["warnings"]
    assert first == [], "nobody moves while nobody is at risk"
    more = pl.concat([gap, spells((4, 0, 4, "a", "c"))])
    said = multi_state(more, **NAMES).occupation().meta["warnings"]
    assert any("nobody is at risk in state 'b'" in one for one in said)


def test_one_move_among_many_censored():
    d = spells(*[(i, 0, 5, "a", None) for i in range(1, 10)], (10, 0, 5, "a", "b"))
    curves = multi_state(d, **NAMES).occupation()
    assert values(curves.at(5)) == pytest.approx([0.9, 0.1])
    assert values(curves.at(5), "std_error") == pytest.approx([0.03**0.5 * 0.3**0.5] * 2)
    assert values(curves.expected_time(5)) == [5.0, 0.0]


def test_rows_cut_without_a_move_change_nothing():
    whole = spells((1, 0, 6, "a", "b"), (2, 0, 4, "a", None), (3, 0, 8, "a", "b"))
    parts = spells(
        (1, 0, 2, "a", None), (1, 2, 6, "a", "b"), (2, 0, 4, "a", None),
        (3, 0, 3, "a", "a"), (3, 3, 8, "a", "b"),
    )  # fmt: skip
    one, other = (multi_state(d, **NAMES) for d in (whole, parts))
    assert other.meta["same_state"] == 1
    one, other = one.occupation().tidy(), other.occupation().tidy()
    assert one.equals(other), "the same rows too: nobody leaves where a row is cut"


def test_expected_time_past_the_end_is_known_when_all_are_settled():
    d = spells((1, 0, 2, "a", "b"), (2, 0, 4, "a", "b"))
    assert values(multi_state(d, **NAMES).expected_time(10)) == [3.0, 7.0]


def test_influence_sums_to_the_variance_and_to_zero():
    model = multi_state(ILL, **NAMES)
    moved = model.influence([2, 4, 6])
    assert moved.shape == (9, 3, 3)
    person = ILL["person"].to_numpy()
    sums = np.stack([moved[person == i].sum(axis=0) for i in range(1, 7)])
    errors = np.array(values(model.occupation().at([2, 4, 6]), "std_error")).reshape(3, 3)
    assert np.sqrt((sums**2).sum(axis=0)) == pytest.approx(errors, abs=1e-15)
    assert np.abs(sums.sum(axis=0)).max() < 1e-15
    area = model.occupation().influence(horizon=5)
    sums = np.stack([area[person == i].sum(axis=0) for i in range(1, 7)])
    assert np.sqrt((sums**2).sum(axis=0)) == pytest.approx(
        values(model.expected_time(5), "std_error"), abs=1e-15
    )


def test_pseudo_values_are_what_happened_when_nobody_is_censored():
    d = spells((1, 0, 2, "a", "b"), (2, 0, 3, "a", "b"), (2, 3, 5, "b", "a"), (3, 0, 5, "a", "b"))
    values_at = multi_state(d, **NAMES).occupation().pseudo_values([4])
    assert values_at[:, 1, 0] == pytest.approx([1, 1, 1, 0]), "in b at 4: persons 1 and 2"


def test_stacked_intervals_follow_from_the_covariance():
    curves = multi_state(ILL, **NAMES, conf_type="plain", conf_level=0.9).occupation()
    stack = curves.stacked(["well", "ill", "dead"]).filter(pl.col("time") == 4)
    of = {row["state"]: row for row in stack.iter_rows(named=True)}
    assert of["well"]["top"] == pytest.approx(of["well"]["estimate"])
    assert of["well"]["top_low"] == pytest.approx(of["well"]["conf_low"])
    # well or ill is not dead
    assert 1 - of["ill"]["top_low"] == pytest.approx(of["dead"]["conf_high"])
    assert of["dead"]["top"] == pytest.approx(1)


def test_flows_come_out_of_one_period_and_go_into_the_next():
    found = multi_state(ILL, **NAMES).flows([0, 3, 6])
    sums = found.group_by("time").agg(pl.col("estimate").sum())
    assert sums["estimate"].to_list() == pytest.approx([1, 1])
    into = found.filter(time_to=3).group_by("to").agg(pl.col("estimate").sum()).sort("to")
    out = found.filter(time=3).group_by("from").agg(pl.col("estimate").sum()).sort("from")
    assert values(into) == pytest.approx(values(out))
    well_ill = found.filter(pl.col("from") == "well", pl.col("to") == "ill")
    assert values(well_ill) == pytest.approx([1 / 3, 1 / 2 * 2 / 3 * 1 / 2])


def test_findings_of_a_history_one_by_one():
    d = spells(
        (1, 0, 3, "a", "b"), (1, 5, 6, "b", None),  # gap
        (2, 0, 3, "a", "b"), (2, 5, 6, "a", None),  # jump
        (3, 0, 3, "a", "b"), (3, 3, 6, "a", None),  # teleport
        (4, 0, 9, "a", None), (4, 1, 2, "a", None), (4, 3, 4, "b", None), (4, 5, 6, "a", None),
        (5, 0, 3, "a", None), (5, 0, 3, "a", None),  # duplicate
        (6, 0, 3, "a", "a"), (6, 3, 4, "a", "b"),
    )  # fmt: skip
    space = check_states(d.sample(fraction=1, shuffle=True, seed=3), **NAMES)
    found = dict(zip(*(space.tidy()[name].to_list() for name in ("finding", "n")), strict=True))
    assert found == {
        "gap": 1, "jump": 1, "teleport": 1, "overlap": 4, "two_states": 1, "duplicate": 1,
        "same_state": 1,
    }  # fmt: skip
    rows = check_states(d, **NAMES).tidy().filter(finding="overlap")["first_rows"][0].to_list()
    assert rows == [7, 8, 9, 11]
    assert "(censored)" in space.summary()


def test_ranges_of_times_give_what_single_steps_give():
    """The kernel's table of ranges against U(t) = U(t-) B + c, unit by unit and time by time."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(60):
        t, state = int(rng.integers(0, 4)), int(rng.integers(0, 3))
        for _ in range(6):
            stop = t + int(rng.integers(1, 12))
            to = int(rng.integers(0, 4))
            rows.append((i, t, stop, state, None if to == state else to))
            if to in {3, state}:
                break
            t, state = stop, to
    d = pl.DataFrame(rows, schema=["person", "start", "stop", "state", "next"], orient="row")
    model = multi_state(d, **NAMES)
    history, moves = model.groups.histories[0], model.moves[0]
    chain = follow(history, moves, start=None, begin=None, variance="jackknife")
    eye = np.eye(4)
    n_units = len(history.times)
    u = np.zeros((n_units, 4))
    for i in np.flatnonzero(chain.begin_rows):
        u[history.unit[i]] += chain.begin_rows[i] * (eye[history.origin[i]] - chain.begin)
    p = chain.begin
    for t in range(len(moves.time)):
        new = u @ moves.steps[t]
        for i in np.flatnonzero((moves.first <= t) & (t <= moves.last)):
            h = history.origin[i]
            n = moves.n_risk[t, h]
            step = -(moves.steps[t][h] - eye[h])
            if history.target[i] >= 0 and moves.last[i] == t:
                step = step + eye[history.target[i]] - eye[h]
            new[history.unit[i]] += p[h] / n * step
        p, u = p @ moves.steps[t], new
        assert chain.vcov[t] == pytest.approx(u.T @ u, abs=1e-15)


def test_too_many_times_for_the_jackknife_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(variance, "_MOST", 10)
    with pytest.raises(CallError, match="variance='greenwood'"):
        multi_state(ILL, **NAMES).occupation()
    assert multi_state(ILL, **NAMES, variance="greenwood").occupation().tidy().height > 0
