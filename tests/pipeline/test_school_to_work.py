"""The real panel: the study's numbers against a count in plain Python, month by month."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import polars as pl
import pytest

from analyses import school_to_work, sequences
from toolkit.errors import CallError, InputError

pytestmark = pytest.mark.filterwarnings("ignore::toolkit.errors.FollowUpWarning")


def panel_rows() -> list[dict[str, str]]:
    try:
        path = school_to_work.find_panel()
    except CallError:
        pytest.skip("the mvad panel is not installed: no wheel for this platform")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def count_by_hand(rows: list[dict[str, str]]) -> dict[str, dict[str, int]]:
    """Exits from joblessness to employment, by group: still in work at 12, back within 6.

    A month is an exit when the month before is joblessness and it is not. Nothing of the toolkit.
    """
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        months = [row[name] for name in list(row)[list(row).index("Jul.93") :]]
        assert len(months) == 72
        for at in range(1, 72):
            if not (months[at - 1] == "joblessness" and months[at] != "joblessness"):
                continue
            for group in ("all", f"male={row['male']}", f"Grammar={row['Grammar']}"):
                found = counts.setdefault(
                    group, dict.fromkeys(("ended", "to_work", "n12", "y12", "n6", "y6"), 0)
                )
                found["ended"] += 1
                if months[at] != "employment":
                    continue
                found["to_work"] += 1
                if at + 12 < 72:
                    found["n12"] += 1
                    found["y12"] += months[at + 12] == "employment"
                if at + 6 < 72:  # a new spell starts on or before exit + 6 months
                    found["n6"] += 1
                    found["y6"] += "joblessness" in months[at + 1 : at + 7]
    return counts


@pytest.fixture(scope="module")
def hand() -> dict[str, dict[str, int]]:
    return count_by_hand(panel_rows())


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    panel_rows()  # skips where there is none
    out = tmp_path_factory.mktemp("school_to_work")
    school_to_work.main(None, out, language="en")
    return out


@pytest.mark.parametrize(
    ("figure", "n", "yes"), [("work_by_group", "n12", "y12"), ("back_by_group", "n6", "y6")]
)
def test_shares_agree_with_the_count_by_hand(chapter, hand, figure, n, yes):
    table = pl.read_parquet(chapter / "figures" / f"{figure}.parquet")
    ours = {row["group"]: (row["n_observed"], row["n_yes"]) for row in table.iter_rows(named=True)}
    names = {
        "all exits to work": "all",
        "men": "male=yes",
        "women": "male=no",
        "grammar school": "Grammar=yes",
        "other school": "Grammar=no",
    }
    assert ours == {name: (hand[key][n], hand[key][yes]) for name, key in names.items()}


def test_selection_agrees_with_the_count_by_hand(chapter, hand):
    steps = pl.read_parquet(chapter / "figures" / "selection.parquet")
    assert steps["n"][0] == hand["all"]["ended"]
    assert steps["n"][-1] == hand["all"]["to_work"]


def test_destinations_agree_with_the_count_by_hand(chapter):
    """Without censoring before 12 months the incidence is a plain share."""
    spells = []
    for row in panel_rows():
        months = [row[name] for name in list(row)[list(row).index("Jul.93") :]]
        at = 1
        while at < 72:
            if months[at] == "joblessness" and months[at - 1] != "joblessness":
                end = at
                while end < 72 and months[end] == "joblessness":
                    end += 1
                # Whether a run that fills the last month ended with it is not seen.
                spells.append((end - at, months[end]) if end < 72 else (end - at - 1, None))
                at = end
            at += 1
    table = pl.read_parquet(chapter / "figures" / "destinations.parquet")
    for month in (1, 2, 5):
        at_risk = sum(time >= month for time, _ in spells)
        row = table.filter(pl.col("time") == month)
        assert row["n_risk"].unique().to_list() == [at_risk]
        for cause in ("employment", "training", "FE"):
            events = sum(time == month and after == cause for time, after in spells)
            assert row.filter(pl.col("cause") == cause)["n_event"].sum() == events


def test_states_by_month_agree_with_the_count_by_hand(chapter):
    rows = panel_rows()
    table = pl.read_parquet(chapter / "figures" / "states.parquet")
    for at, name in ((0, "Jul.93"), (30, "Jan.96"), (71, "Jun.99")):
        for state in ("employment", "joblessness", "HE"):
            share = sum(row[name] == state for row in rows) / len(rows)
            found = table.filter((pl.col("at") == at) & (pl.col("state") == state))
            assert found["share"].item() == pytest.approx(share, abs=1e-15)


def test_manifest_carries_definition_and_hashes(chapter):
    manifest = json.loads((chapter / "manifest.json").read_text())
    assert manifest["definitions"]["school_to_work"]["max_gap_days"] == 0
    assert "figures/states.png" in manifest["outputs"]
    assert any("missing, not 'no'" in warning for warning in manifest["warnings"])


def test_any_panel_from_the_shell(tmp_path):
    states = [
        ["jobless", "work", "work"] + ["work"] * 12,
        ["work", "jobless", "work"] + ["jobless"] * 12,
        ["jobless", "jobless", "school"] + ["work"] * 12,
    ] * 12
    columns = [f"m{k}" for k in range(15)]
    file = tmp_path / "panel.csv"
    panel = pl.DataFrame(states, schema=columns, orient="row")
    panel.with_columns(region=pl.Series(["north", "south", "south"] * 12)).write_csv(file)
    done = subprocess.run(
        [
            sys.executable, "-c", "from toolkit.cli import main; main()",
            "run", "sequences", str(file), "--columns", "m0:m14", "--start", "2006-01",
            "--benefit", "jobless", "--work", "work", "--by", "region",
            "--out", str(tmp_path / "out"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(tmp_path / "out" / "figures" / "back_by_group.parquet")
    assert table.select("heading", "group", "n_observed", "n_yes").rows() == [
        ("", "alle uitstroom naar werk", 24, 12),
        ("region", "north", 12, 0),
        ("region", "south", 12, 12),
    ]


BAD = [
    ({"columns": "m0:m9"}, CallError, "'m9' does not exist"),
    ({"columns": "m2:m0"}, CallError, "stands before"),
    ({"benefit": ["joblesness"]}, CallError, "did you mean 'jobless'"),
    ({"by": ["sex"]}, CallError, "'sex' does not exist"),
    ({"work": ["jobless"]}, CallError, "counts as"),
]


@pytest.mark.parametrize(("change", "error", "text"), BAD)
def test_a_wrong_call_says_what_to_do(tmp_path, change, error, text):
    file = tmp_path / "panel.csv"
    file.write_text("m0,m1,m2\njobless,work,work\nwork,work,jobless\n")
    options = {"columns": "m0:m2", "start": "2006-01", "benefit": ["jobless"], "work": ["work"]}
    with pytest.raises(error, match=text) as caught:
        sequences.run(file, tmp_path / "out", **(options | change))
    assert "What to do" in str(caught.value)


def test_a_file_that_is_no_table(tmp_path):
    file = tmp_path / "panel.parquet"
    file.write_bytes(b"not a table")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        sequences.run(file, tmp_path, columns="a:b", benefit=["x"], work=["y"])
    with pytest.raises(CallError, match="no file"):
        sequences.run(tmp_path / "none.csv", tmp_path, columns="a:b", benefit=["x"], work=["y"])
