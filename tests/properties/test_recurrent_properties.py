"""What holds for any history of events: order of the rows, cuts, repetition, death of nobody."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.errors import ToolkitError
from toolkit.survival.recurrent import mean_cumulative, recurrent, revolving_door

few = settings(max_examples=10, deadline=None)
NAMES = {"person": "who", "start": "from", "stop": "to", "event": "back"}
ESTIMATES = ["estimate", "std_error", "conf_low", "conf_high"]


def one_history(who, draw):
    """Return rows of a person; `draw(low, high)` gives a whole number."""
    at, weight, g = draw(0, 3), draw(1, 3), draw(0, 1)
    rows = []
    for _ in range(draw(1, 4)):
        to, back = at + draw(1, 4), bool(draw(0, 1))
        rows.append([who, at, to, back, weight, g, draw(0, 2), False])
        at = to + (2 * back if draw(0, 2) == 0 else 0)  # out of sight after an event only
    rows[-1][-1] = draw(0, 2) == 0
    return rows


def framed(rows):
    columns = ["who", "from", "to", "back", "w", "g", "x", "dead"]
    return pl.DataFrame(rows, orient="row", schema=columns)


@st.composite
def histories(draw):
    def number(low, high):
        return draw(st.integers(low, high))

    persons = range(number(2, 8))
    return framed([row for who in persons for row in one_history(who, number)])


def many(seed):
    """Return enough histories for a model: no covariate foretells every event."""
    rng = np.random.default_rng(seed)

    def number(low, high):
        return int(rng.integers(low, high + 1))

    return framed([row for who in range(40) for row in one_history(who, number)])


def tidy(ask, frame, **options):
    """Return the numbers, or the error that is given."""
    try:
        return ask(frame, **options).tidy()
    except ToolkitError as error:
        return type(error)


def mean(frame, **options):
    return mean_cumulative(frame, **NAMES, **options)


def gap(frame, **options):
    return recurrent("x", frame, **NAMES, model="pwp_gap", **options)


def total(frame, **options):
    return recurrent("x", frame, **NAMES, model="andersen_gill", **options)


def same(ours, theirs, tolerance=1e-9):
    if isinstance(ours, type) or isinstance(theirs, type):
        assert ours is theirs
    else:
        assert_frame_equal(ours, theirs, rel_tol=tolerance, abs_tol=tolerance, check_dtypes=False)


def repeated(frame):
    """Return every person as often as its weight says, under names of their own."""
    rows = np.repeat(np.arange(frame.height), frame["w"].to_numpy())
    copy = np.concatenate([np.arange(w) for w in frame["w"]])
    return frame[rows].with_columns(who=pl.col("who") * 10 + pl.Series(copy))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ask", [mean, gap, total])
def test_the_order_of_the_rows_is_nothing(ask, seed):
    frame = many(seed)
    same(tidy(ask, frame), tidy(ask, frame.sample(fraction=1, shuffle=True, seed=seed)))


@few
@given(histories())
@pytest.mark.parametrize("death", [None, "dead"])
def test_a_weight_repeats_a_person(death, frame):
    for options in ({}, {"by": "g"}):
        ours = tidy(mean, frame, weights="w", death=death, **options)
        same(ours, tidy(mean, repeated(frame), death=death, **options))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ask", [gap, total])
def test_a_weight_repeats_a_person_in_models(ask, seed):
    frame = many(seed)
    same(tidy(ask, frame, weights="w"), tidy(ask, repeated(frame)))


@pytest.mark.parametrize("seed", range(3))
def test_a_weight_repeats_a_person_by_order(seed):
    frame = many(seed)
    asked = {"effects": "by_order", "max_order": 2}
    ours, theirs = gap(frame, weights="w", **asked), gap(repeated(frame), **asked)
    same(ours.tidy(), theirs.tidy())
    same(ours.equal_effects(), theirs.equal_effects())


def cut(frame):
    """Cut rows in two after their first month."""
    long = frame.filter(pl.col("to") - pl.col("from") > 1)
    first = long.with_columns(to=pl.col("from") + 1, back=False, dead=False)
    rest = long.with_columns(**{"from": pl.col("from") + 1})
    return pl.concat([frame.filter(pl.col("to") - pl.col("from") == 1), first, rest])


@pytest.mark.parametrize("seed", range(3))
def test_a_row_cut_in_two_is_the_same_to_a_model(seed):
    same(tidy(gap, many(seed)), tidy(gap, cut(many(seed))))


@few
@given(histories())
@pytest.mark.parametrize("death", [None, "dead"])
def test_a_row_cut_in_two_is_the_same_to_a_mean(death, frame):
    if frame["back"].any():
        times = frame["to"].unique().sort().to_list()
        same(mean(frame, death=death).at(times), mean(cut(frame), death=death).at(times))


@few
@given(histories())
def test_nobody_died(frame):
    same(tidy(mean, frame), drop_deaths(tidy(mean, frame.with_columns(dead=False), death="dead")))


def drop_deaths(found):
    return found if isinstance(found, type) else found.drop("n_death")


@few
@given(histories())
def test_groups_are_the_frames_apart(frame):
    if not all(part["back"].any() for part in frame.partition_by("g")):
        return
    both = mean(frame, by="g", death="dead").tidy()
    parts = [
        mean(part, death="dead").tidy().select(pl.lit(part["g"][0]).alias("g"), pl.all())
        for part in frame.sort("g").partition_by("g", maintain_order=True)
    ]
    same(both, pl.concat(parts, how="vertical_relaxed"))


@few
@given(histories())
def test_the_revolving_door_repeats_persons_too(frame):
    asked = {"person": "who", "start": "from", "stop": "to", "window": (1, 12), "times": 1}
    ours = tidy(revolving_door, frame, **asked, weights="w", by="g")
    theirs = tidy(revolving_door, repeated(frame), **asked, by="g")
    if isinstance(ours, type):
        assert ours is theirs
    else:
        same(ours.select("g", *ESTIMATES), theirs.select("g", *ESTIMATES))
