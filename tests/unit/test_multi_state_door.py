"""What multi-state models refuse, and in which words."""

import numpy as np
import polars as pl
import pytest

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    EstimationError,
    HorizonError,
    InputError,
    MissingValueError,
    NegativeTimeError,
    OverlappingSpellsError,
    UnknownCodeError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)
from toolkit.survival import check_states, multi_state

NAMES = {
    "person": "person", "start": "start", "stop": "stop", "from_state": "state", "to_state": "next",
}  # fmt: skip
GOOD = pl.DataFrame(
    {
        "person": [900001, 900001, 900002, 900003],
        "start": [0, 3, 0, 0],
        "stop": [3, 6, 4, 5],
        "state": ["a", "b", "a", "a"],
        "next": ["b", None, "b", None],
        "w": [2, 2, 1, 3],
        "sex": ["m", "m", "f", "f"],
        "home": [1, 1, 2, 1],
        "age": [1.0, 1.0, 2.0, 3.0],
    }
)


def with_(**columns):
    return GOOD.with_columns(**{name: pl.Series(x, strict=False) for name, x in columns.items()})


REFUSED = {
    "unknown column": (GOOD.rename({"stop": "stopp"}), {}, UnknownColumnError, "'stopp'"),
    "one column twice": (GOOD, {"to_state": "state"}, CallError, "two things"),
    "no rows": (GOOD.clear(), {}, EmptyCohortError, "No rows"),
    "missing person": (with_(person=[None, 1, 2, 3]), {}, MissingValueError, "'person'"),
    "missing state": (with_(state=[None, "b", "a", "a"]), {}, MissingValueError, "'state'"),
    "missing time": (with_(stop=[None, 6.0, 4.0, 5.0]), {}, MissingValueError, "'stop'"),
    "not a number": (with_(stop=["3", "6", "4", "5"]), {}, WrongTypeError, "not a number"),
    "negative": (with_(start=[-1, 3, 0, 0]), {}, NegativeTimeError, "below 0"),
    "reversed": (with_(start=[4, 3, 0, 0]), {}, NegativeTimeError, "at or after 'stop'"),
    "no time at all": (with_(start=[0, 6, 0, 0]), {}, NegativeTimeError, "first rows 1"),
    "empty text": (with_(next=["b", "", "b", None]), {}, UnknownCodeError, "empty text"),
    "float states": (with_(state=[1.0, 2.0, 1.0, 1.0]), {}, WrongTypeError, "not a state"),
    "two kinds of states": (with_(next=[2, None, 2, None]), {}, WrongTypeError, "the same states"),
    "float persons": (with_(person=[1.5, 1.5, 2.5, 3.5]), {}, WrongTypeError, "names nobody"),
    "overlap": (with_(start=[0, 2, 0, 0]), {}, OverlappingSpellsError, "1 × overlap"),
    "teleport": (with_(state=["a", "a", "a", "a"]), {}, InputError, "1 × teleport"),
    "jump": (with_(start=[0, 4, 0, 0], state=["a"] * 4), {}, InputError, "jumps='allow'"),
    "nobody moves": (
        with_(next=[None] * 4, state=["a"] * 4), {}, EmptyCohortError, "Nobody moves",
    ),
    "unknown variance": (GOOD, {"variance": "jacknife"}, UnknownOptionError, "'jackknife'"),
    "unknown weights": (GOOD, {"weights": "v"}, UnknownColumnError, "'v'"),
    "negative weights": (with_(w=[-1, -1, 1, 1]), {"weights": "w"}, NegativeTimeError, "'w'"),
    "weights of zero": (with_(w=[0, 0, 0, 0]), {"weights": "w"}, InputError, "sum to zero"),
    "frequencies that vary": (
        with_(w=[1, 2, 1, 1]), {"weights": "w", "weight_type": "frequency"}, InputError, "vary",
    ),
    "a type without weights": (GOOD, {"weight_type": "sampling"}, CallError, "no weights"),
    "clusters that vary": (with_(home=[1, 2, 2, 1]), {"cluster": "home"}, InputError, "differs"),
    "Greenwood of samples": (
        with_(w=[0.5, 0.5, 1, 1]), {"weights": "w", "variance": "greenwood"},
        CallError, "sampling",
    ),
    "Aalen of clusters": (GOOD, {"cluster": "home", "variance": "aalen"}, CallError, "clusters"),
    "a group named as a result": (
        GOOD.rename({"sex": "time"}), {"by": "time"}, CallError, "result column",
    ),
    "level": (GOOD, {"conf_level": 95}, CallError, "0.95"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_the_door(case):
    frame, options, error, words = REFUSED[case]
    with pytest.raises(error, match=words.replace("(", r"\(")) as caught:
        multi_state(frame, **{**NAMES, **options})
    assert "90000" not in str(caught.value), "no key in a message"


ASKED = {
    "start below zero": (lambda m: m.probabilities(-1), NegativeTimeError, "time from 0 on"),
    "p0 too large": (lambda m: m.occupation({"a": 0.7, "b": 0.7}), CallError, "adds up to 1.4"),
    "p0 below zero": (lambda m: m.occupation({"a": 1.5, "b": -0.5}), CallError, "negative share"),
    "p0 a list": (lambda m: m.occupation([1, 0]), CallError, "how likely each state is"),
    "p0 of no state": (lambda m: m.occupation({"aa": 1}), CallError, "'a'"),
    "nobody there": (lambda m: m.occupation(start=50), CallError, "Nobody is observed at 50"),
    "landmark without people": (lambda m: m.landmark(5.5, states=["a"]), CallError, "earlier"),
    "horizon past the end": (lambda m: m.expected_time(60), HorizonError, "past the last"),
    "flows of one time": (lambda m: m.flows([3]), CallError, "two times or more"),
    "stack without all states": (lambda m: m.occupation().stacked(["a"]), CallError, "all states"),
    "a move that is not": (
        lambda m: m.cox("age", transitions=[("b", "a")]), EmptyCohortError, "from 'b' to 'a'",
    ),
    "nothing to compare": (lambda m: m.markov_test([1]), EstimationError, "choose landmarks"),
    "exact pseudo-values": (
        lambda m: m.occupation().pseudo_values([3], method="leave-one-out"),
        UnknownOptionError, "infinitesimal",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_refused_when_asked(case):
    ask, error, words = ASKED[case]
    with pytest.raises(error, match=words):
        ask(multi_state(GOOD, **NAMES))


def test_jumps_can_be_taken_for_a_return():
    model = multi_state(with_(start=[0, 4, 0, 0], state=list("aaaa")), **NAMES, jumps="allow")
    assert model.meta["jumps"] == 1
    assert model.meta["gaps"] == 0


def test_what_was_left_out_is_counted():
    model = multi_state(with_(w=[0, 0, 1, 3]), **NAMES, weights="w")
    assert model.meta["dropped"] == {"weight is zero": 2}
    assert model.meta["n"] == 2
    assert model.meta["n_person"] == 2
    assert np.isnan(model.occupation().pseudo_values([4])[0]).all()
    assert (model.influence([4])[:2] == 0).all()


def test_persons_in_several_groups_are_said():
    model = multi_state(with_(sex=["m", "f", "f", "f"]), **NAMES, by="sex")
    assert "1 persons are in more than one group" in model.meta["warnings"][0]
    assert model.meta["n_person"] == 3


def to_pandas():
    import pandas as pd

    return pd.DataFrame(GOOD.to_dict(as_series=False))


@pytest.mark.parametrize("kind", ["pandas", "lazy", "categorical", "enum", "integers", "names"])
def test_frames_and_types_of_all_kinds_give_the_same(kind):
    frame = {
        "pandas": to_pandas,
        "lazy": GOOD.lazy,
        "categorical": lambda: GOOD.cast({"state": pl.Categorical, "next": pl.Categorical}),
        "enum": lambda: GOOD.cast({"state": pl.Enum(list("bxa")), "next": pl.Enum(list("bxa"))}),
        "integers": lambda: GOOD.with_columns(
            pl.col("state", "next").replace_strict({"a": 0, "b": 7}, return_dtype=pl.Int16)
        ),
        "names": lambda: GOOD.with_columns(pl.col("person").cast(pl.String)),
    }[kind]()
    model = multi_state(frame, **NAMES)
    states = {"enum": ["b", "a"], "integers": [0, 7]}.get(kind, ["a", "b"])
    assert model.states.to_list() == states, "an Enum keeps its order, without states not used"
    found = model.occupation().at(4)
    of = dict(zip(found["state"].to_list(), found["estimate"].to_list(), strict=True))
    b = 7 if kind == "integers" else "b"
    assert of[b] == pytest.approx(2 / 3)
    assert check_states(frame, **NAMES).transitions()["n"].sum() == 4


def test_results_describe_themselves():
    model = multi_state(GOOD, **NAMES, by="sex")
    for result in (
        model, model.occupation(), model.probabilities(), model.hazards(), model.landmark(0),
        check_states(GOOD, **NAMES),
    ):  # fmt: skip
        assert result.tidy().height > 0
        assert result.glance().height == 1
        assert "n = 4" in result.summary()
        assert result._repr_html_().startswith("<p>")
    assert model.transitions()["n_event"].to_list() == [1, 1]
    for result in (model, model.hazards()):
        assert result.plot().get_ylim()[0] == 0
    assert model.probabilities().matrix(4).columns == ["sex", "from", "a", "b"]
