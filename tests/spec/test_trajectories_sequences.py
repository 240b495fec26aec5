"""Panels of monthly states from elsewhere: reading, spells, exits, distribution, refusals."""

from __future__ import annotations

import importlib.metadata
import random
import warnings
from datetime import date

import polars as pl
import pytest

from toolkit import trajectories
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    FollowUpWarning,
    InputError,
    MissingValueError,
    UnknownCodeError,
    UnknownColumnError,
    WrongTypeError,
)

MONTHS = ["Nov.05", "Dec.05", "Jan.06", "Feb.06", "Mar.06"]
ROLES = {"benefit": ["J"], "work": ["W"], "studies": ["S"]}


def panel(*rows, months=MONTHS, **columns):
    return pl.DataFrame(
        {
            "id": range(len(rows)),
            **dict(zip(months, zip(*rows, strict=True), strict=True)),
            **columns,
        }
    )


def read(frame, **options):
    choices = {"states": MONTHS, "alphabet": "JWS", **ROLES, **options}
    return trajectories.from_sequences(frame, person="id", **choices)


def test_runs_of_a_state_are_spells_and_the_last_one_runs_on():
    found = read(panel("JJWWW", "WJJJJ"))
    assert found.spells.rows() == [
        (0, date(2005, 11, 1), date(2006, 1, 1), "J"),
        (0, date(2006, 1, 1), None, "W"),
        (1, date(2005, 11, 1), date(2005, 12, 1), "W"),
        (1, date(2005, 12, 1), None, "J"),
    ]
    assert str(found.window) == "2005-11-01 to 2006-04-01 (exclusive)"
    assert found.register.covers("jobs") == (date(2005, 11, 1), date(2006, 4, 1))
    assert found.states == ("J", "S", "W")


def test_long_and_wide_and_named_and_numbered_months_are_the_same():
    wide = panel("JJWWS", "WJJJJ", sex=["f", "m"])
    found = read(wide)
    plain = wide.rename(dict(zip(MONTHS, "abcde", strict=True)))
    given = trajectories.from_sequences(
        plain, person="id", states=list("abcde"), start="2005-11", **ROLES
    )
    long = wide.unpivot(index=["id", "sex"], variable_name="month", value_name="state")
    by_row = trajectories.from_sequences(long, person="id", states="state", month="month", **ROLES)
    for other in (given, by_row):
        assert other.spells.equals(found.spells)
        assert other.covariates.equals(found.covariates)
    assert found.covariates.rows() == [(0, "f"), (1, "m")]
    dates = long.with_columns(
        month=pl.col("month").replace_strict(
            dict(zip(MONTHS, found.months["month"].unique().sort(), strict=True))
        )
    )
    again = trajectories.from_sequences(dates, person="id", states="state", month="month", **ROLES)
    assert again.spells.equals(found.spells)


def test_exits_and_durability_run_on_it():
    found = read(panel("JJWWW", "WJSSJ", "JSWWJ"))
    definition = found.definition(
        horizons=(1, 2), return_horizons=(1, 2), month_after=0, denominator="all_exits"
    )
    made = trajectories.exits(found.register, definition, window=("2005-11-01", "2006-04-01"))
    assert made.frame.select("person", "exit_date", "destination").rows() == [
        (0, date(2006, 1, 1), "work"),
        (1, date(2006, 1, 1), "studies"),
        (2, date(2005, 12, 1), "studies"),
    ]
    after = trajectories.durability(made, found.register).frame
    assert after["in_work_at_2"].to_list() == [True, False, True]
    assert after["returned_within_2"].to_list() == [False, True, False]
    assert after["months_to_return"].to_list() == [None, 2, 3]


def test_a_state_not_observed_is_no_exit_and_no_no():
    found = read(panel(["J", "J", None, None, None], ["J", "W", None, "J", "J"]))
    assert found.spells["end"].to_list() == [
        date(2006, 1, 1), date(2005, 12, 1), date(2006, 1, 1), None,
    ]  # fmt: skip
    definition = found.definition(
        horizons=(1,), return_horizons=(1,), month_after=0, denominator="all_exits"
    )
    made = trajectories.exits(found.register, definition, window=("2005-11-01", "2006-04-01"))
    # Person 0 was on benefit when last seen; person 1 left, and was not seen in January.
    assert made.frame["person"].to_list() == [1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FollowUpWarning)
        row = trajectories.durability(made, found.register).frame.row(0, named=True)
    assert row["in_work_at_1"] is None
    assert row["returned_within_1"] is None


def test_distribution_has_every_state_weights_and_groups():
    found = read(
        panel("JJWWW", "WJWWW", ["S", "W", "W", None, "W"], w=[1.0, 2.0, 1.0], g=list("aab"))
    )
    plain = found.distribution()
    assert plain.height == 5 * 3
    assert plain.filter(month=date(2005, 11, 1))["n"].to_list() == [1, 1, 1]
    january = plain.filter(month=date(2006, 2, 1), state="W").row(0, named=True)
    assert (january["n"], january["n_observed"], january["estimate"]) == (2, 2, 1.0)
    weighted = found.distribution(weights="w").filter(month=date(2005, 11, 1))
    assert weighted["estimate"].to_list() == [0.25, 0.25, 0.5]
    grouped = found.distribution("g").filter(month=date(2005, 11, 1), g="b")
    assert grouped["estimate"].to_list() == [0.0, 1.0, 0.0]
    with pytest.raises(UnknownColumnError):
        found.distribution("sex")


def test_persons_that_are_no_numbers_are_numbered_and_keep_their_column():
    frame = panel("JJWWW", "WJJJJ").with_columns(id=pl.Series(["b", "a"]))
    assert read(frame).covariates.rows() == [(0, "b"), (1, "a")]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"states": ["Nov.05", "Jan.06"]}, InputError, "'Jan.06' follows a missing month"),
        ({"states": ["Dec.05", "Nov.05"]}, InputError, "out of order"),
        ({"states": ["Nov.05", "Nov.05"]}, CallError, "a column twice"),
        ({"states": []}, CallError, "names no column"),
        ({"states": ["Nov.2005"]}, UnknownColumnError, "did you mean 'Nov.05'"),
        ({"start": "2005-12"}, CallError, "first column is 'Nov.05'"),
        ({"start": "soon"}, CallError, "is not a month"),
        ({"benefit": ["jobless"]}, CallError, "does not occur"),
        ({"work": ["J"]}, CallError, "counts as benefit and as work"),
        ({"alphabet": ["J", "S", "X"]}, UnknownCodeError, "Unknown state 'W'"),
        ({"states": "Nov.05"}, CallError, "needs its month column"),
    ],
)
def test_bad_calls_say_what_is_wrong(change, error, says):
    with pytest.raises(error, match=says):
        read(panel("JJWSW", "WJJJJ"), **change)


def test_bad_panels_are_refused():
    wide = panel("JJWSW", "WJJJJ")
    with pytest.raises(DuplicateKeyError, match="2 of 2 rows"):
        read(wide.with_columns(id=pl.lit(7)))
    with pytest.raises(MissingValueError, match="'id'"):
        read(wide.with_columns(id=pl.Series([1, None])))
    with pytest.raises(CallError, match="give start"):
        trajectories.from_sequences(
            wide.rename({"Nov.05": "first"}), person="id", states=["first"], **ROLES
        )
    long = wide.unpivot(index="id", variable_name="month", value_name="state")

    def by_row(frame):
        return trajectories.from_sequences(
            frame, person="id", states="state", month="month", **ROLES
        )

    with pytest.raises(InputError, match="1 holes"):
        by_row(long.filter(~((pl.col("id") == 0) & (pl.col("month") == "Jan.06"))))
    with pytest.raises(DuplicateKeyError, match="stands twice"):
        by_row(pl.concat([long, long.head(1)]))
    with pytest.raises(WrongTypeError, match="'spring' in column 'month'"):
        by_row(long.with_columns(month=pl.col("month").replace("Jan.06", "spring")))
    with pytest.raises(WrongTypeError, match="make it a date"):
        by_row(long.with_columns(month=pl.lit(5)))
    with pytest.raises(MissingValueError, match="'month'"):
        by_row(long.with_columns(month=pl.lit(None, pl.Date)))


def test_ages_cannot_be_asked_of_a_panel_without_birth_months():
    found = read(panel("JJWWS"))
    definition = found.definition(min_age=18)
    with pytest.raises(MissingValueError, match="no birth month"):
        trajectories.exits(found.register, definition, window=("2005-11-01", "2006-04-01"))


def by_hand(rows, horizon):
    """Exits from J, walking over the letters: (person, month of exit, to work, at h, back by h)."""
    for person, states in enumerate(rows):
        for at in range(1, len(states)):
            if states[at - 1] == "J" and states[at] != "J":
                seen = at + horizon < len(states)
                later = states[at : at + horizon + 1]
                yield (
                    person,
                    at,
                    states[at] == "W",
                    states[at + horizon] == "W" if seen else None,
                    "J" in later if seen else None,
                )


def test_a_random_panel_agrees_with_a_count_over_its_letters():
    draw = random.Random(5)  # noqa: S311 (letters, no secrets)
    months = [f"{2001 + m // 12}-{m % 12 + 1:02d}" for m in range(40)]
    rows = ["".join(draw.choices("JWST", k=40)) for _ in range(60)]
    frame = panel(*rows, months=months)
    found = trajectories.from_sequences(frame, person="id", states=months, **ROLES)
    definition = found.definition(
        month_after=0, horizons=(5,), return_horizons=(5,), denominator="all_exits"
    )
    made = trajectories.exits(found.register, definition, window=("2001-01-01", "2004-05-01"))
    with pytest.warns(FollowUpWarning):
        after = trajectories.durability(made, found.register).frame
    first = 2001 * 12
    got = after.select(
        "person",
        trajectories.month_index(pl.col("exit_date")) - first,
        "to_work",
        "in_work_at_5",
        "returned_within_5",
    ).rows()
    assert got == list(by_hand(rows, 5))


def test_mvad_has_the_distribution_that_traminer_finds():
    try:
        files = importlib.metadata.files("sequenzo") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the data set ships with sequenzo")
    data = pl.read_csv(next(f for f in files if f.name == "mvad.csv").locate())
    found = trajectories.from_sequences(
        data, person="id", states=data.columns[14:], benefit=["joblessness"], work=["employment"]
    )
    assert found.covariates.height == 712
    # TraMineR 2.2-12, seqstatd(s, weighted = FALSE) on 712 rows: counts in June 1995.
    june = found.distribution().filter(month=date(1995, 6, 1))
    assert dict(june.select("state", "n").iter_rows()) == {
        "FE": 189, "HE": 0, "employment": 215, "joblessness": 57, "school": 139, "training": 112,
    }  # fmt: skip
