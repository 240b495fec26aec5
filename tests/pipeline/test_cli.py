"""The command line: exit codes and messages that say what, where and what to do."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import polars as pl
import pytest

from toolkit import registers
from toolkit.registers.schema import PERSON_TABLES


def reintegratie(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from toolkit.cli import main; main()", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def delivery(tmp_path):
    """A small canonical delivery: two persons, one benefit spell, as CSV and Parquet."""
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / "persons.csv").write_text(
        "person,sex,birth_month,origin,work_limited\n"
        "1,female,1970-05-01,native,true\n"
        "2,male,1980-01-01,western,\n"
    )
    pl.DataFrame(
        {"source": list(PERSON_TABLES), "start": date(2004, 1, 1), "end": date(2008, 1, 1)}
    ).write_parquet(folder / "coverage.parquet")
    (folder / "benefits.csv").write_text(
        "person,start,end,scheme,claim,role\n1,2005-01-01,2006-02-01,wwb,1,head\n"
    )
    return folder


def test_ingest_then_check(delivery, tmp_path):
    done = reintegratie("ingest", delivery, tmp_path / "store")
    assert done.returncode == 0, done.stderr
    assert reintegratie("check", tmp_path / "store").returncode == 0
    register = registers.open(tmp_path / "store")
    assert register.persons.collect()["work_limited"].to_list() == [True, None]
    assert register.benefits.collect()["end"].to_list() == [date(2006, 2, 1)]


REFUSED = [
    ("scheme", "1,2005-01-01,2006-02-01,wwv,1,head", "Unknown code"),
    ("reversed", "1,2006-02-01,2005-01-01,wwb,1,head", "ends on or before its start"),
    ("overlap", "1,2005-01-01,,wwb,1,head\n1,2005-06-01,,wwb,2,head", "overlap"),
    ("coverage", "1,2009-01-01,,wwb,1,head", "outside the coverage"),
    ("orphan", "77,2005-01-01,,wwb,1,head", "not in table 'persons'"),
    ("date", "1,1 mei 2005,,wwb,1,head", "first at line 2"),
]


@pytest.mark.parametrize(("rows", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_bad_delivery_is_refused_and_the_old_store_stays(delivery, tmp_path, rows, message):
    store = tmp_path / "store"
    registers.ingest(delivery, store)
    (delivery / "benefits.csv").write_text(f"person,start,end,scheme,claim,role\n{rows}\n")
    done = reintegratie("ingest", delivery, store)
    assert done.returncode == 3
    assert message in done.stderr
    assert "What to do:" in done.stderr
    assert "Traceback" not in done.stderr
    assert registers.open(store).benefits.collect().height == 1


def test_a_wrong_call_is_two(delivery, tmp_path):
    assert reintegratie("check", tmp_path / "nowhere").returncode == 2
    assert reintegratie("ingest", tmp_path / "nowhere", tmp_path / "store").returncode == 2
    done = reintegratie("ingest", delivery, tmp_path / "store", "--layout", "canonicall")
    assert done.returncode == 2
    assert "did you mean 'canonical'" in done.stderr
    assert reintegratie("nonsense").returncode == 2


def test_a_missing_column_names_it(delivery, tmp_path):
    (delivery / "benefits.csv").write_text("person,start,end,claim,role\n1,2005-01-01,,1,head\n")
    done = reintegratie("ingest", delivery, tmp_path / "store")
    assert done.returncode == 3
    assert "lacks column 'scheme'" in done.stderr


def test_no_key_in_a_message(delivery, tmp_path):
    (delivery / "benefits.csv").write_text(
        "person,start,end,scheme,claim,role\n987654321,2005-01-01,,wwb,1,head\n"
    )
    done = reintegratie("ingest", delivery, tmp_path / "store")
    assert done.returncode == 3
    assert "987654321" not in done.stderr + done.stdout
