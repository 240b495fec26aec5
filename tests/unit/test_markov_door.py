"""What `markov` refuses, and what it says then."""

import pandas as pd
import polars as pl
import pytest

from toolkit import errors, survival


@pytest.fixture
def frame():
    states = [[1, 2, 2, 3], [1, 1, 2, 1], [2, 3, 3, 2], [1, 1, 1, 2], [3, 2, 1, 1]]
    return pl.DataFrame(
        [
            (100_000_000 + i, j * 2.0, s, 30 + i, "mf"[i % 2], float(1 + i % 2))
            for i, row in enumerate(states * 3)
            for j, s in enumerate(row)
        ],
        schema=["person", "month", "step", "age", "sex", "weight"],
        orient="row",
    )


def fit(frame, allowed="ladder", **options):
    given = {"person": "person", "time": "month", "state": "step"} | options
    return survival.markov(frame, allowed=allowed, **given)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"person": "persn"}, errors.UnknownColumnError, "did you mean 'person'"),
        ({"allowed": "ladr"}, errors.UnknownOptionError, "did you mean 'ladder'"),
        ({"allowed": [(1, 2), (2, 1)]}, errors.UnknownCodeError, "no move goes to or from it"),
        ({"allowed": [(1, 2, 3)]}, errors.CallError, "no pair of states"),
        ({"allowed": [(1, 1), (1, 2), (2, 3)]}, errors.CallError, "does not move to itself"),
        ({"allowed": [("1", "2"), ("2", "3")]}, errors.ToolkitError, "1"),
        ({"censored": {9: (4,)}}, errors.CallError, "names state 4, which does not occur"),
        ({"censored": {9: ()}}, errors.CallError, "stands for no state"),
        ({"censored": [9]}, errors.CallError, "no dictionary"),
        ({"misclassification": [(1, 7)]}, errors.CallError, "state 7"),
        ({"misclassification": "all"}, errors.UnknownOptionError, "'ladder'"),
        ({"misclassification": "ladder", "initial": {1: 0.4}}, errors.CallError, "add up to 1"),
        ({"misclassification": "ladder", "initial": 8}, errors.CallError, "state 8"),
        ({"formula": "agee"}, errors.UnknownColumnError, "did you mean 'age'"),
        ({"formula": "age", "constraint": {"aeg": "equal"}}, errors.CallError, "mean 'age'"),
        ({"formula": "age", "constraint": {"age": "same"}}, errors.CallError, "not an option"),
        ({"formula": "age", "constraint": {"age": [1, 2]}}, errors.CallError, "2 labels for 4"),
        ({"formula": "age", "constraint": {"age": {(1, 3): 1}}}, errors.CallError, "no allowed"),
        ({"formula": "age + I(2 * age)"}, errors.CollinearityError, "made up of 'age'"),
        ({"breaks": [4, 2]}, errors.CallError, "do not rise"),
        ({"scheme": "sex"}, errors.UnknownCodeError, "'snapshot', 'exact', 'arrival'"),
        ({"weights": "sex"}, errors.WrongTypeError, "not a number"),
        ({"weights": "month"}, errors.InputError, "change within a"),
        ({"weight_type": "probability"}, errors.UnknownOptionError, "weight_type"),
        ({"conf_level": 95}, errors.CallError, "0.95"),
        ({"start": {(1, 3): 0.1}}, errors.CallError, "no allowed move"),
        ({"start": {(1, 2): -0.1}}, errors.CallError, "above 0"),
        ({"time": "sex"}, errors.WrongTypeError, "not a number"),
    ],
)
def test_calls_that_cannot_be_answered(frame, options, error, says):
    with pytest.raises(error, match=r"(?s)") as raised:
        fit(frame, **options)
    assert says in str(raised.value)
    assert "10000000" not in str(raised.value)


def test_rows_that_cannot_be_used(frame):
    with pytest.raises(errors.DuplicateKeyError, match="1 of 61 rows; first rows 60"):
        fit(pl.concat([frame, frame.head(1)]))
    hole = frame.with_columns(step=pl.when(pl.int_range(pl.len()) != 5).then("step"))
    with pytest.raises(errors.MissingValueError, match=r"first rows 5.*censored=\{None"):
        fit(hole)
    assert fit(hole, censored={None: (1, 2)}).meta["n_censored"] == 1
    with pytest.raises(errors.MissingValueError, match="'person'"):
        fit(frame.with_columns(person=pl.when(pl.col("month") > 0).then("person")))
    with pytest.raises(errors.InputError, match="not finite"):
        fit(frame.with_columns(month=pl.when(pl.col("age") == 30).then(float("inf"))
                               .otherwise("month")))  # fmt: skip
    with pytest.raises(errors.WrongTypeError, match="fractions"):
        fit(frame.with_columns(pl.col("step") + 0.5))
    with pytest.raises(errors.EmptyCohortError, match="seen twice"):
        fit(frame.group_by("person", maintain_order=True).first())
    with pytest.raises(errors.EmptyCohortError):
        fit(frame.clear())


def test_moves_that_are_not_allowed_are_counted(frame):
    with pytest.raises(errors.InputError) as raised:
        fit(frame, [(1, 2), (2, 3)])
    said = str(raised.value)
    assert "2 to 1 6 times" in said
    assert "3 to 2 6 times" in said
    assert "12 of 60 rows; first rows 7, 11, 17, 18, 27, …" in said
    assert "10000000" not in said
    with pytest.raises(errors.InputError, match="1 to 3"):
        fit(frame.with_columns(step=pl.when(pl.int_range(pl.len()) == 3).then(1).otherwise("step"))
            .with_columns(step=pl.when(pl.int_range(pl.len()) == 1).then(3).otherwise("step")),
            observed_exactly=True)  # fmt: skip


def test_sequences_that_cannot_be(frame):
    up = frame.filter(pl.col("age") == 32)
    coded = pl.DataFrame({"person": [7, 7, 7], "month": [0.0, 2, 4], "step": [2, 9, 1]})
    rows = pl.concat([up.select(coded.columns), coded])
    with pytest.raises(errors.InputError, match="1 sequences of observations are impossible"):
        fit(rows, [(1, 2), (2, 3), (3, 2)], censored={9: (2, 3)})


def test_a_covariate_is_asked_for_where_an_interval_starts(frame):
    last = frame.with_columns(age=pl.when(pl.col("month") < 6).then("age"))
    chain = fit(last, formula="age", constraint="equal")
    assert chain.loglik == fit(frame, formula="age", constraint="equal").loglik
    with pytest.raises(errors.MissingValueError, match="at the start of an interval"):
        fit(frame.with_columns(age=pl.when(pl.col("month") > 0).then("age")), formula="age")


def test_what_is_left_out_is_counted(frame):
    alone = pl.concat([frame, frame.head(1).with_columns(person=pl.lit(1, pl.Int64))])
    assert fit(alone).meta["dropped"] == {"person observed only once": 1}
    none = frame.with_columns(weight=pl.when(pl.col("age") == 30).then(0.0).otherwise("weight"))
    assert fit(none, weights="weight").meta["dropped"] == {"weight is zero": 4}
    gone = pl.DataFrame({"person": [1, 1, 1, 1], "month": [0.0, 2, 4, 6], "step": [1, 2, 9, 9]})
    both = pl.concat([frame.select(gone.columns), gone])
    chain = fit(both, exact=9, constraint={"intensity": [1, 2, 3, 2, 4, 5, 2]})
    assert list(chain.meta["dropped"].values()) == [1]
    chain = fit(frame, breaks=[3, 50], constraint={"period": "equal"})
    assert "left out" in chain.meta["warnings"][0]


def test_an_effect_without_an_end_is_named():
    # no man ever moves down
    rows = [[1, 2, 1, 1], [1, 2, 2, 1], [2, 1, 1, 2]] * 3 + [[1, 2, 2, 2], [1, 1, 2, 2]] * 4
    frame = pl.DataFrame(
        [(i, j, s, int(i >= 9)) for i, row in enumerate(rows) for j, s in enumerate(row)],
        schema=["person", "month", "step", "man"], orient="row",
    )  # fmt: skip
    with pytest.raises(errors.SeparationError, match="'man 2→1' runs off to infinity"):
        fit(frame, formula="man")


def test_what_the_data_do_not_tell_is_named(frame):
    # whoever was in 3 had age 0: its effect on leaving 3 is not told from leaving 3 as such
    aged = frame.with_columns(age=pl.when(pl.col("step") == 3).then(0).otherwise(pl.col("age") % 2))
    with pytest.raises(errors.EstimationError, match="'intensity 3→2', 'age 3→2' apart"):
        fit(aged, formula="age", observed_exactly=True)
    flip = pl.DataFrame({"person": [1] * 20, "month": range(20), "step": [1, 2] * 10})
    with pytest.raises(errors.EstimationError, match="run off to infinity"):
        fit(flip)


def test_questions_that_the_chain_cannot_answer(frame):
    chain = fit(frame)
    with pytest.raises(errors.CallError, match="no covariates"):
        chain.intensities({"age": [30]})
    with pytest.raises(errors.CallError, match="before start"):
        chain.probabilities(3, start=6)
    with pytest.raises(errors.CallError, match="misclassification="):
        chain.misclassification()
    with pytest.raises(errors.CallError):
        chain.initial()
    aged = fit(frame, formula="sex", constraint="equal")
    with pytest.raises(errors.UnknownCodeError, match="not fitted on"):
        aged.intensities({"sex": ["x"]})


def test_structures_written_in_other_ways_are_the_same(frame):
    pairs = fit(frame, [(1, 2), (2, 1), (2, 3), (3, 2)])
    table = pl.DataFrame({"from": [1, 2, 3], "1": [0, 1, 0], "2": [1, 0, 1], "3": [0, 1, 0]})
    for written in (
        "ladder",
        {1: 2, 2: [1, 3], 3: 2},
        table,
        pd.DataFrame(table.to_dict(as_series=False)),
    ):
        assert fit(frame, written).tidy().equals(pairs.tidy())
    named = frame.with_columns(
        step=pl.col("step").replace_strict({1: "low", 2: "middle", 3: "high"})
        .cast(pl.Enum(["low", "middle", "high"]))
    )  # fmt: skip
    chain = fit(named)
    assert chain.states == ("low", "middle", "high")
    assert chain.loglik == pairs.loglik
    assert fit(pd.DataFrame(frame.to_dict(as_series=False))).loglik == pairs.loglik
    assert fit(frame.lazy()).loglik == pairs.loglik


def test_a_page_and_a_picture(frame):
    import matplotlib as mpl

    mpl.use("Agg")
    chain = fit(frame, formula="sex", constraint="equal")
    assert "Markov chain in continuous time" in chain.summary()
    assert chain.glance().height == 1
    assert chain.hazard_ratios().height == 4
    ax = chain.plot()
    assert len(ax.lines) == 6
    mpl.pyplot.close(ax.figure)
