"""Measures of sequences against TraMineR, on the mvad panel that the study runs on."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analyses import school_to_work
from toolkit import trajectories
from toolkit.errors import CallError

FILE = Path(__file__).parent / "reference" / "sequences.json"
REFERENCE = json.loads(FILE.read_text(encoding="utf-8"))
SOURCE = f"{REFERENCE['source']}, mvad"


@pytest.fixture(scope="module")
def sequences():
    try:
        data = pl.read_csv(school_to_work.find_panel())
    except CallError:
        pytest.skip("the mvad panel is not installed: no wheel for this platform")
    months = data.columns[data.columns.index("Sep.93") :]
    return trajectories.from_sequences(
        data.select("id", *months), person="id", states=months,
        benefit=["joblessness"], work=["employment"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def order(sequences):
    """Where our states stand in theirs."""
    return [REFERENCE["states"].index(state) for state in sequences.states]


def test_distribution_and_its_entropy(sequences, order, agree):
    theirs = REFERENCE["seqstatd(s, weighted = FALSE)"]
    ours = sequences.distribution()["estimate"].to_numpy().reshape(70, 6).T
    agree("Sequences", "share in each state by month (seqstatd)", ours,
          np.array(theirs["freq"])[order], tolerance=1e-12, source=SOURCE)  # fmt: skip
    agree("Sequences", "entropy by month (seqstatd)", sequences.entropy()["estimate"],
          theirs["entropy"], tolerance=1e-12, source=SOURCE)  # fmt: skip


def test_transition_rates(sequences, order, agree):
    theirs = np.array(REFERENCE["seqtrate(s, weighted = FALSE)"])[np.ix_(order, order)]
    ours = sequences.transition_rates()["estimate"].to_numpy().reshape(6, 6)
    agree("Sequences", "transition rates (seqtrate)", ours, theirs, tolerance=1e-12, source=SOURCE)


def test_mean_time_in_states(sequences, order, agree):
    theirs = np.array(REFERENCE["seqmeant(s, weighted = FALSE, serr = TRUE)"]["values"])[order]
    ours = sequences.mean_time()
    for column, name in ((0, "estimate"), (2, "std_dev"), (3, "std_error")):
        agree("Sequences", f"months in each state, {name} (seqmeant)", ours[name],
              theirs[:, column], tolerance=1e-11, source=SOURCE)  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "call"),
    [
        ("entropy", "seqient(s)"),
        ("turbulence", "seqST(s)"),
        ("complexity", "seqici(s)"),
        ("transitions", "seqtransn(s)"),
    ],
)
def test_measures_of_each_person(sequences, agree, measure, call):
    agree("Sequences", f"{measure} of 712 persons ({call[:-3]})", sequences.measures()[measure],
          REFERENCE[call], tolerance=1e-11, source=SOURCE)  # fmt: skip
