"""What match_risk_sets refuses, and how it says so."""

import numpy as np
import polars as pl
import pytest

from toolkit import errors
from toolkit.matching import match_risk_sets

PANEL = pl.DataFrame(
    {
        "person": [910001, 910001, 910002, 910002, 910002, 910003, 910003],
        "time": [1, 2, 1, 2, 3, 1, 2],
        "x": [1.0, 1.0, 2.0, 3.0, 2.0, 0.0, 1.0],
        "treated_at": [2, 2, None, None, None, None, None],
    }
)
SPELLS = pl.DataFrame(
    {"person": [1, 2, 3], "entry": [1, 1, 2], "until": [4, 5, 6], "treated_at": [2, None, None],
     "x": [1.0, 2.0, 3.0]}
)  # fmt: skip
BY_MONTH = {"person": "person", "time": "time", "treated_at": "treated_at", "on": "x"}
BY_SPELL = {
    "person": "person", "entry": "entry", "until": "until", "treated_at": "treated_at", "on": "x",
}  # fmt: skip


def refused(kind, frame, match, **options):
    form = BY_MONTH if "time" in frame.columns else BY_SPELL
    with pytest.raises(kind, match=match) as caught:
        match_risk_sets(frame, **form | options)
    assert "9100" not in str(caught.value)  # no person's key


def test_no_row_after_the_start():
    # as panels made of all months of everybody have them: the treated go on being 'at risk'
    on = PANEL.with_columns(treated_at=pl.when(person=910001).then(1).otherwise("treated_at"))
    refused(errors.InputError, on, "Rows after the start")
    never_at_risk = PANEL.with_columns(treated_at=pl.when(person=910003).then(0))
    refused(errors.InputError, never_at_risk, "Rows after the start")


def test_no_start_before_the_entry_nor_an_end():
    refused(errors.InputError, SPELLS.with_columns(treated_at=pl.Series([0, None, None])),
            "before the entry")  # fmt: skip
    refused(
        errors.NegativeTimeError, SPELLS.with_columns(until=pl.Series([4, 1, 6])), "on or before"
    )
    refused(errors.MissingValueError, SPELLS.with_columns(until=pl.Series([4, None, 6])), "'until'")


def test_a_start_that_moves_and_months_that_stand_twice():
    moves = PANEL.with_columns(treated_at=pl.Series([None, 2, None, None, None, None, None]))
    refused(errors.InputError, moves, "changes within a spell")
    refused(errors.DuplicateKeyError, pl.concat([PANEL, PANEL[3:4]]), "two rows")
    refused(errors.DuplicateKeyError, pl.concat([SPELLS, SPELLS[1:2]]), "Two rows")


def test_the_future_is_no_covariate():
    refused(errors.CallError, SPELLS, "lies in the future", on="until")
    refused(errors.CallError, SPELLS, "lies in the future", on="x + until")
    refused(errors.CallError, SPELLS, "lies in the future", exact="treated_at")


def spells(seed=1, n=400):
    rng = np.random.default_rng(seed)
    stay = rng.geometric(0.1, n)
    wait = rng.geometric(0.05, n)
    return pl.DataFrame(
        {
            "person": np.arange(n), "entry": 1, "until": stay + 1, "x": rng.normal(size=n),
            "treated_at": pl.Series(np.where(wait <= stay, wait, -1)).replace(-1, None),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (pl.col("treated_at").is_not_null(), "who starts later"),
        (pl.min_horizontal("until", pl.col("treated_at") + 1) * 3 - 7, "how long the spell lasts"),
        (-pl.min_horizontal("until", pl.col("treated_at") + 1).log(), "how long the spell lasts"),
    ],
)
def test_what_is_made_from_the_future_is_seen(made, what):
    frame = spells().with_columns(future=made)
    refused(errors.InputError, frame, what, on="x + future")
    refused(errors.InputError, frame, what, exact="future")
    match_risk_sets(frame, **BY_SPELL | {"on": "x"})


def test_what_is_known_in_time_may_foretell_well():
    frame = spells().with_columns(
        good=pl.col("treated_at").is_not_null() ^ (pl.int_range(pl.len()) % 10 == 0)
    )
    match_risk_sets(frame, **BY_SPELL | {"on": "x + good"})


def test_values_that_cannot_be_used():
    refused(errors.UnknownColumnError, PANEL, "agee", on="agee + x")
    refused(errors.UnknownColumnError, PANEL, "'y'", exact="y")
    refused(errors.MissingValueError, PANEL.with_columns(x=pl.when(time=1).then("x")), "'x'")
    refused(errors.MissingValueError, PANEL.with_columns(
        person=pl.when(time=1).then("person")), "'person'")  # fmt: skip
    refused(errors.WrongTypeError, PANEL.with_columns(time=pl.col("time") + 0.5), "whole months")
    refused(errors.WrongTypeError, PANEL.with_columns(time=pl.date(2005, pl.col("time"), 1)),
            "elapsed months")  # fmt: skip
    refused(errors.WrongTypeError, PANEL.with_columns(when=pl.lit("2005")), "not a date",
            calendar="when")  # fmt: skip
    refused(errors.EmptyCohortError, PANEL.with_columns(treated_at=None), "Nobody starts")
    refused(errors.EmptyCohortError, PANEL[:0], "No rows")
    refused(errors.EmptyCohortError, PANEL[:5], "No starter has a control", exact="x")
    refused(errors.EmptyCohortError, PANEL, "Nobody starts in a month", window=(5, 9))
    refused(errors.CallError, PANEL.with_columns(treated=1), "'treated'")


@pytest.mark.parametrize(
    "options",
    [
        {"control": "never"}, {"order": "data"}, {"caliper": -1}, {"caliper": True}, {"ratio": 0},
        {"ratio": 1.5}, {"replace": True, "reuse": False}, {"window": (3, 1)}, {"on": []},
        {"caliper": 1, "caliper_unit": "iqr"}, {"calendar_unit": "week"}, {"score": "monthly"},
        {"control": "censor"}, {"entry": "time"}, {"time": None}, {"seed": -1},
        {"on": ["x", "time"], "order": "largest"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant(options):
    refused(errors.CallError, PANEL, None, **options)


def test_months_fitted_one_by_one_must_determine_the_slopes():
    frame = spells(2, 150).with_columns(text=pl.lit("a"))
    late = int(frame["treated_at"].max())
    refused(errors.EstimationError, frame, r"elapsed month \d+", on="x + I(x**2) + I(x**3)",
            score="by_month", window=(late, late))  # fmt: skip
    refused(errors.CollinearityError, frame, "same value", on="x + text")


def test_what_the_risk_set_makes_equal_is_no_covariate():
    stop = pl.min_horizontal("until", pl.col("treated_at") + 1)
    months = (
        spells(3).with_columns(time=pl.int_ranges("entry", stop))
        .explode("time").drop("entry", "until")
        .with_columns(
            phase=pl.when(pl.col("time") < 4).then(pl.lit("a")).otherwise(pl.lit("b")),
            since=pl.col("time") * 7.5, other=pl.col("person") % 5,
        ).with_columns(both=pl.col("other") - pl.col("since"))
    )  # fmt: skip
    same = "same for all who are at risk in an elapsed month"
    refused(
        errors.CollinearityError, months, rf"'C\(phase\)\[T.b\]' is the {same}", on="x + C(phase)"
    )
    refused(errors.CollinearityError, months, f"'phase.*{same}", on="x * phase")
    refused(errors.CollinearityError, months, f"'since' is the {same}", on="x + since + other")
    refused(errors.CollinearityError, months, "'both' is made up of 'other' among those at risk",
            on="x + other + both")  # fmt: skip
    refused(errors.CollinearityError, months, "left out", on="x + since", score="by_month")
    found = match_risk_sets(months, **BY_MONTH | {"on": "x + x:phase"})
    assert found.score_model["term"].to_list() == ["x", "x:phase[T.b]"]
    assert found.score_model["std_error"].null_count() == 0


def test_a_start_after_the_exit_is_counted_not_matched():
    late = SPELLS.with_columns(treated_at=pl.Series([2, 9, None]))
    found = match_risk_sets(late, **BY_SPELL)
    (why,) = found.meta["dropped"]
    assert why.startswith("starts in no month at risk")
    assert found.meta["dropped"][why] == 1
    assert found.sets()["n_start"].to_list() == [1]
    censored = match_risk_sets(late, **BY_SPELL | {"control": "censor", "censor_on": "1"})
    (said,) = [text for text in censored.meta["warnings"] if "nobody is weighted up" in text]
    assert said.startswith("1 of 1 controls (100.0%) start after their last month at risk")
    assert "window=" in said


def test_outcomes_that_cannot_be_followed():
    found = match_risk_sets(PANEL, **BY_MONTH)
    twice = pl.DataFrame({"person": [910001, 910001], "time": [2, 2], "y": [0, 1]})
    with pytest.raises(errors.DuplicateKeyError):
        found.follow(twice, outcome="y")
    with pytest.raises(errors.UnknownColumnError):
        found.follow(twice, outcome="z")
    with pytest.raises(errors.CallError):
        found.follow(twice[:1].rename({"y": "weight"}), outcome="weight")
    with pytest.raises(errors.CallError):
        found.follow(twice[:1], outcome="y", months=[])


def test_other_frames_and_codings_are_the_same():
    ours = match_risk_sets(PANEL, **BY_MONTH)
    assert ours.pairs.equals(match_risk_sets(PANEL.lazy(), **BY_MONTH).pairs)
    floats = PANEL.with_columns(pl.col("time", "treated_at").cast(pl.Float64).fill_null(np.nan))
    assert ours.pairs.equals(match_risk_sets(floats, **BY_MONTH).pairs)
    names = PANEL.with_columns(pl.format("p{}", "person").alias("person"))
    assert ours.pairs.equals(match_risk_sets(names, **BY_MONTH).pairs)


def test_rows_of_weight_zero_are_no_rows():
    rng = np.random.default_rng(2)
    n = 60
    spells = pl.DataFrame(
        {
            "person": np.arange(n), "entry": 0, "until": rng.integers(3, 9, n),
            "x": rng.normal(size=n),
            "treated_at": pl.Series(np.where(np.arange(n) % 4 == 0, 2, -1)).replace(-1, None),
            "w": (np.arange(n) % 3 > 0).astype(float),
        }
    )  # fmt: skip
    for on in ("x", "x + I(x**2)"):
        form = BY_SPELL | {"on": on}
        with_them = match_risk_sets(spells, **form, weights="w")
        without = match_risk_sets(spells.filter(pl.col("w") > 0), **form)
        for found in (with_them, without):
            assert found.n_treated == 10
        assert with_them.sets().equals(without.sets())
        assert with_them.pairs["distance"].to_list() == pytest.approx(
            without.pairs["distance"].to_list()
        )
        assert with_them.meta["dropped"]["rows of weight 0"] == 20
    refused(errors.EmptyCohortError, spells.with_columns(w=0), "No row has a weight", weights="w")


def test_infinite_values_and_names_that_are_taken():
    endless = SPELLS.with_columns(z=pl.Series([1.0, np.inf, 2.0]))
    refused(errors.InputError, endless, "'z' is not finite", on="z")
    refused(errors.InputError, endless, "'z' is not finite", caliper={"z": 1})
    for name in ("n", "reason", "from_month"):
        refused(errors.CallError, SPELLS.with_columns(pl.lit(1).alias(name)), name, exact=name)
    far = SPELLS.with_columns(month=pl.lit(2**40))
    refused(errors.WrongTypeError, far, "holds no calendar months", calendar="month")
    refused(errors.CallError, SPELLS, "no first and last month", window=(1.5, 3))
    taken = match_risk_sets(PANEL.rename({"person": "row"}), **BY_MONTH | {"person": "row"})
    outcomes = pl.DataFrame({"row": [910001], "time": [2], "y": [0]})
    with pytest.raises(errors.CallError, match="'row' has the name"):
        taken.follow(outcomes, outcome="y")
    with pytest.raises(errors.CallError, match="whole month"):
        taken.weights_at(1.5)


def test_truth_values_count_in_a_distance():
    frame = SPELLS.with_columns(z=pl.col("x") > 1.5)
    ours = match_risk_sets(frame, **BY_SPELL | {"on": ["x", "z"]})
    number = match_risk_sets(
        frame.with_columns(pl.col("z").cast(int)), **BY_SPELL | {"on": ["x", "z"]}
    )
    assert ours.pairs.equals(number.pairs)
