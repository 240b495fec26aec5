"""The command line: exit codes and messages that say what, where and what to do."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
from datetime import date

import polars as pl
import pytest

from toolkit import registers
from toolkit.errors import (
    CallError,
    EmptyCohortError,
    InputError,
    MissingTableError,
    MissingValueError,
)


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
        {"source": ["persons", "benefits"], "start": date(2004, 1, 1), "end": date(2008, 1, 1)}
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
    ("date", "1,1 mei 2005,,wwb,1,head", "first at record 1"),
]


@pytest.mark.parametrize(("rows", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_bad_delivery_is_refused_and_the_old_store_stays(here, delivery, tmp_path, rows, message):
    store = tmp_path / "store"
    registers.ingest(delivery, store)
    (delivery / "benefits.csv").write_text(f"person,start,end,scheme,claim,role\n{rows}\n")
    done = here("ingest", delivery, store)
    assert done.returncode == 3
    assert message in done.stderr
    assert "What to do:" in done.stderr
    assert "Traceback" not in done.stderr
    assert registers.open(store).benefits.collect().height == 1


HEADER = b"person,start,end,scheme,claim,role\n"
ROW = b"987654321,2005-01-01,,wwb,1,head\n"
UNREADABLE = [
    ("empty", b"", "file is empty"),
    ("latin1", HEADER + "987654321,2005-01-01,,wwb,1,hé\n".encode("latin-1"), "not in UTF-8"),
    ("utf16", (HEADER + ROW).decode().encode("utf-16"), "not in UTF-8"),
    ("semicolon", (HEADER + ROW).replace(b",", b";"), "is the separator a comma"),
    ("no header", ROW, "the first line a header"),
    ("too many fields", HEADER + ROW[:-1] + b",987654321\n", "as many fields as the header"),
    ("a column twice", HEADER.replace(b"end", b"start") + ROW, "'start' stands twice"),
    ("end misspelt", HEADER.replace(b"end", b"einde") + ROW, "'einde'? Rename it"),
    ("no end", b"person,start,scheme,claim,role\n987654321,2005-01-01,wwb,1,head\n", "'end'"),
    ("no person", HEADER + ROW.replace(b"987654321", b"") + ROW, "'person' has missing values"),
    ("a key for a code", HEADER + ROW.replace(b"wwb", b"987654321"), "'#########' (1×)"),
]


@pytest.mark.parametrize(
    ("content", "message"), [r[1:] for r in UNREADABLE], ids=[r[0] for r in UNREADABLE]
)
def test_a_file_that_cannot_be_read_is_refused_without_its_keys(
    delivery, tmp_path, content, message
):
    (delivery / "benefits.csv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        registers.ingest(delivery, tmp_path / "store")
    assert caught.value.exit_code == 3
    assert caught.value.fix
    assert "benefits" in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert "987654321" not in shown


def test_what_spreadsheets_do_to_a_csv_is_fine(delivery, tmp_path):
    text = (HEADER + b'"1","2005-01-01","","wwb","1","head"\n\n').replace(b"\n", b"\r\n")
    (delivery / "benefits.csv").write_bytes(b"\xef\xbb\xbf" + text)
    registers.ingest(delivery, tmp_path / "store")
    assert registers.open(tmp_path / "store").benefits.collect().height == 1


def test_not_delivered_is_not_nobody(delivery, tmp_path):
    (delivery / "benefits.csv").rename(delivery / "benefit.csv")
    with pytest.raises(MissingTableError, match=r"is it 'benefits\.csv'"):
        registers.ingest(delivery, tmp_path / "store")
    (delivery / "benefit.csv").unlink()
    with pytest.raises(MissingTableError, match="'coverage' says that it was delivered"):
        registers.ingest(delivery, tmp_path / "store")


def test_a_person_without_a_key_does_not_empty_the_register(delivery, tmp_path):
    with (delivery / "persons.csv").open("a") as file:
        file.write(",female,1970-05-01,native,\n")
    with pytest.raises(MissingValueError, match="'person'"):
        registers.ingest(delivery, tmp_path / "store")
    (delivery / "persons.csv").write_text("person,sex,birth_month,origin,work_limited\n")
    (delivery / "benefits.csv").write_bytes(HEADER)
    with pytest.raises(EmptyCohortError, match="'persons' has no rows"):
        registers.ingest(delivery, tmp_path / "store")


def test_a_target_or_partition_size_that_cannot_be(delivery, tmp_path):
    (tmp_path / "file").write_text("years of work")
    with pytest.raises(CallError, match="not a register"):
        registers.ingest(delivery, tmp_path / "file")
    with pytest.raises(CallError, match="partition_size"):
        registers.ingest(delivery, tmp_path / "store", partition_size=0)


def test_a_wrong_call_is_two(here, delivery, tmp_path):
    assert here("check", tmp_path / "nowhere").returncode == 2
    assert here("ingest", tmp_path / "nowhere", tmp_path / "store").returncode == 2
    done = here("ingest", delivery, tmp_path / "store", "--layout", "canonicall")
    assert done.returncode == 2
    assert "did you mean 'canonical'" in done.stderr
    assert here("nonsense").returncode == 2


def test_a_missing_column_names_it(here, delivery, tmp_path):
    (delivery / "benefits.csv").write_text("person,start,end,claim,role\n1,2005-01-01,,1,head\n")
    done = here("ingest", delivery, tmp_path / "store")
    assert done.returncode == 3
    assert "lacks column 'scheme'" in done.stderr


def test_no_key_in_a_message(here, delivery, tmp_path):
    (delivery / "benefits.csv").write_text(
        "person,start,end,scheme,claim,role\n987654321,2005-01-01,,wwb,1,head\n"
    )
    done = here("ingest", delivery, tmp_path / "store")
    assert done.returncode == 3
    assert "987654321" not in done.stderr + done.stdout


def test_simulate_is_quiet_off_a_terminal_and_its_register_is_valid(here, tmp_path):
    done = reintegratie("simulate", tmp_path / "world", "--persons", 3_000)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"3,000 persons in {(tmp_path / 'world').as_posix()}\n"
    assert "%|" not in done.stderr  # no progress bar
    assert here("check", tmp_path / "world" / "register").returncode == 0
    assert here("simulate", tmp_path / "none", "--persons", 0).returncode == 2


def test_a_cohort_too_far_in_time_is_refused_with_three(here, tmp_path):
    """The register of `delivery` has no jobs and ends too early for the study's window."""
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / "persons.csv").write_text(
        "person,sex,birth_month,origin\n1,female,1970-05-01,native\n"
    )
    (folder / "coverage.csv").write_text(
        "source,start,end\nbenefits,2004-01-01,2006-02-01\npersons,2004-01-01,2006-02-01\n"
    )
    (folder / "benefits.csv").write_text(
        "person,start,end,scheme,claim,role\n1,2005-01-01,2005-12-01,wwb,1,head\n"
    )
    assert here("ingest", folder, tmp_path / "store").returncode == 0
    done = reintegratie("run", "durable_outflow", tmp_path / "store", "--out", tmp_path / "out")
    assert done.returncode == 3
    assert "lies outside what the benefits cover" in done.stderr
    assert "Traceback" not in done.stderr
