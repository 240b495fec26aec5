"""Raw files in, the world's tables out: exactly, without a key, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import polars as pl
import pytest

from analyses import check_delivery
from synthetic_data import Dirt, deliver, make_register
from synthetic_data.deliver import keys
from toolkit import registers
from toolkit.errors import (
    CallError,
    EmptyCohortError,
    InputError,
    MissingTableError,
    OutsideCoverageError,
    StorageError,
    ToolkitWarning,
)
from toolkit.registers import intake_facts
from toolkit.registers.intake import books, staging
from toolkit.registers.intake import run as intake
from toolkit.registers.schema import PERSON_TABLES

if TYPE_CHECKING:
    from pathlib import Path

PERSONS = 600


@pytest.fixture(scope="module")
def world():
    return make_register(persons=PERSONS)


@pytest.fixture(scope="module")
def clean(world, tmp_path_factory):
    return deliver(world, tmp_path_factory.mktemp("clean") / "delivery")


@pytest.fixture(scope="module")
def store(clean, tmp_path_factory):
    target = tmp_path_factory.mktemp("store") / "register"
    return registers.ingest(clean.raw, target, secret=clean.secret, partition_size=250)


@pytest.fixture(scope="module")
def dirty(world, tmp_path_factory):
    """A dirty delivery of benefits and programmes, taken in."""
    folder = tmp_path_factory.mktemp("dirty")
    made = deliver(
        world, folder / "delivery", dirt=Dirt.everything(), sources=("benefits", "programmes")
    )
    return made, registers.ingest(made.raw, folder / "register", secret=made.secret)


@pytest.fixture
def few(world, tmp_path):
    """A delivery of the benefits only: quick to take in."""
    return deliver(world, tmp_path / "delivery", sources=("benefits",))


def link(world) -> pl.DataFrame:
    return keys.keys_of(world.persons.collect()["person"], seed=1)


def as_the_world_knows_them(register, world) -> pl.DataFrame:
    """Surrogate → person of the world, through the key file."""
    ring = pl.read_parquet(register.path.with_name("register.closed") / "keys.parquet")
    known = link(world).select(
        world="person",
        _key=pl.lit(ord("R") * 10**9, pl.UInt64) + pl.col("RINPERSOON").cast(pl.UInt64),
    )
    return ring.select("person", "_key").unique().join(known, on="_key").drop("_key")


@pytest.mark.parametrize("table", PERSON_TABLES)
def test_clean_files_give_back_the_world_exactly(store, world, table):
    who = as_the_world_knows_them(store, world)
    ours = store.table(table).collect().join(who, on="person").with_columns(person="world")
    theirs = world.table(table).collect()
    if table == "programmes":  # numbered anew: each number is one number
        both = theirs.join(ours, on=["person", "municipality", "offer"])
        assert both.select("programme", "programme_right").n_unique() == theirs.height
        ours, theirs = ours.drop("programme"), theirs.drop("programme")
    columns = theirs.columns
    assert ours.select(columns).sort(columns).equals(theirs.sort(columns))


def test_municipalities_and_coverage_come_back(store, world):
    for table in ("municipalities", "coverage"):
        assert store.table(table).collect().equals(world.table(table).collect())


def test_nothing_clean_is_rejected_or_counted(store):
    files = registers.facts(store, "files")
    assert files["rows"].sum() == files["accepted"].sum() > 10_000
    assert files["rejected"].sum() == files["set_aside"].sum() == 0
    assert registers.facts(store, "rules").filter(pl.col("n") > 0).is_empty()
    assert registers.facts(store, "unusable").is_empty()
    assert not list((store.path.with_name("register.closed") / "rejected").rglob("*.*"))


def test_every_record_went_one_way_or_the_other(dirty):
    made, register = dirty
    files = registers.facts(register, "files")
    total = files["accepted"] + files["rejected"] + files["set_aside"]
    assert (total == files["rows"]).all()
    assert files["rejected"].sum() > 0
    assert files["set_aside"].sum() > 0
    written = sum(
        (
            pl.read_csv(f, separator=";", infer_schema=False)
            if f.suffix == ".csv"
            else pl.read_parquet(f)
        ).height
        for f in (register.path.with_name("register.closed") / "rejected").rglob("*.*")
        if f.is_file() and "_tables" not in f.parts
    )
    assert written == files["rejected"].sum() + files["set_aside"].sum()
    registers.validate(register)
    assert made.ledger.height > 0


def test_rejected_records_are_unchanged(dirty):
    made, register = dirty
    checked = 0
    for file in (register.path.with_name("register.closed") / "rejected").rglob("SRG_*.txt.csv"):
        rows = pl.read_csv(file, separator=";", infer_schema=False)
        if "record" not in rows.columns:
            continue
        lines = (made.raw / rows["file"][0]).read_text(encoding="latin-1").splitlines()
        for row in rows.iter_rows(named=True):
            assert lines[int(row["row"]) - 1] == row["record"]
            assert row["rules"]
            checked += 1
    assert checked > 5


def _texts(folder: Path):
    """Everything a file says: text as it is, Parquet column by column."""
    for file in folder.rglob("*"):
        if not file.is_file() or ".closed" in "/".join(file.parts):
            continue
        if file.suffix == ".parquet":
            frame = pl.read_parquet(file)
            for name in frame.columns:
                if isinstance(frame[name].dtype, pl.List):
                    continue
                yield file, set(frame[name].cast(pl.String, strict=False).drop_nulls().to_list())
        else:
            yield file, {file.read_bytes().decode("latin-1")}


def test_no_key_is_written_anywhere_but_in_the_closed_folder(dirty, world, caplog, capfd):
    made, register = dirty
    out = register.path.parent / "check"
    from toolkit.cli import app

    with pytest.raises(SystemExit):
        app(["check", str(made.raw), "--out", str(out), "--secret", str(made.secret)])
    said = capfd.readouterr()
    table = link(world)
    numbers = set(table["RINPERSOON"]) | set(table["bsn"])
    in_text = [n for n in numbers if n in said.out + said.err + caplog.text]
    assert not in_text
    seen = 0
    for root in (register.path, out):
        for file, values in _texts(root):
            seen += 1
            hit = values & numbers
            if not hit and len(values) == 1:
                text = next(iter(values))
                hit = {n for n in numbers if n in text} if len(text) > 20 else set()
            assert not hit, file.name
    assert seen > 20
    page = (out / "report.html").read_text(encoding="utf-8")
    assert ">Een levering getoetst<" in page
    assert not list(out.rglob("*.closed"))


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")
def test_the_closed_folder_is_for_its_owner_only(dirty):
    _, register = dirty
    closed = register.path.with_name("register.closed")
    for path in (closed, *closed.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_known_persons_keep_their_number(few, world, tmp_path):
    first = registers.ingest(few.raw, tmp_path / "register", secret=few.secret)
    before = as_the_world_knows_them(first, world)
    again = registers.ingest(few.raw, tmp_path / "register", secret=few.secret)
    assert as_the_world_knows_them(again, world).sort("world").equals(before.sort("world"))


def test_an_interrupted_run_goes_on_where_it_stopped(few, tmp_path, monkeypatch):
    target = tmp_path / "register"

    class KilledError(BaseException):
        pass

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(intake.Settler, "group", killed)
        with pytest.raises(KilledError):
            registers.ingest(few.raw, target, secret=few.secret)
    assert not registers.is_store(target)
    read = []
    original = staging.read

    def counting(files, layout, **options):
        read.append(layout.name)
        return original(files, layout, **options)

    monkeypatch.setattr(staging, "read", counting)
    register = registers.ingest(few.raw, target, secret=few.secret)
    assert read == []
    assert register.benefits.collect().height > 100
    assert not list(target.with_name("register.closed").glob("staging-*"))


def test_a_killed_process_leaves_the_old_register_and_no_lock(few, tmp_path):
    target = tmp_path / "register"
    old = registers.ingest(few.raw, target, secret=few.secret).meta["tables"]
    process = subprocess.Popen(
        [
            sys.executable, "-c", "from toolkit.cli import main; main()",
            "ingest", few.raw, target, "--secret", few.secret,
        ]
    )  # fmt: skip
    while not list(target.with_name("register.closed").glob("staging-*/*")):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert registers.open(target).meta["tables"] == old
    registers.validate(registers.open(target))
    again = registers.ingest(few.raw, target, secret=few.secret)
    assert again.meta["tables"] != old
    assert [f.name for f in target.glob("tables-*")] == [again.meta["tables"]]


def test_a_full_disk_half_way_leaves_the_old_register(few, tmp_path, monkeypatch):
    target = tmp_path / "register"
    old = registers.ingest(few.raw, target, secret=few.secret).meta["tables"]

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    with pytest.raises(StorageError, match="disk is full") as caught:
        registers.ingest(few.raw, target, secret=few.secret)
    assert caught.value.exit_code == 5
    assert registers.open(target).meta["tables"] == old
    assert not list(target.with_name("register.closed").glob("staging-*"))


def test_two_intakes_at_once_are_kept_apart(few, tmp_path):
    target = tmp_path / "register"
    with registers.store.writing(target), pytest.raises(StorageError, match="Another process"):
        registers.ingest(few.raw, target, secret=few.secret)


def test_without_a_secret_no_citizen_number_is_read(clean, tmp_path, monkeypatch):
    monkeypatch.delenv("REINTEGRATIE_KEY", raising=False)
    with pytest.raises(CallError, match="no key for hashing"):
        registers.ingest(clean.raw, tmp_path / "register")


def test_a_year_that_was_not_delivered_is_a_hole_not_a_none(few, tmp_path):
    next(few.raw.rglob("BIJSTANDPERSOON2005*")).unlink()
    with pytest.raises(OutsideCoverageError, match="2005-01-01 to 2006-01-01"):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret)


def test_a_history_needs_its_period_in_words(few, tmp_path):
    settings = few.raw / "delivery.toml"
    settings.write_text("[coverage]\nbenefit = [1999-01-01, 2012-01-01]\n")
    with pytest.raises(InputError, match="did you mean 'benefits'"):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret)


def test_a_delivery_without_a_population_is_refused(few, tmp_path):
    for file in few.raw.rglob("GBAPERSOON*"):
        file.unlink()
    with pytest.raises(MissingTableError, match="population"):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret)


def test_the_newest_version_is_read_and_the_older_recorded(few, tmp_path):
    file = next(few.raw.rglob("BIJSTANDPERSOON2005*V1*"))
    shutil.copy(file, file.with_name(file.name.replace("V1", "V2")))
    register = registers.ingest(few.raw, tmp_path / "register", secret=few.secret)
    files = registers.facts(register, "files").filter(pl.col("name").str.contains("2005"))
    files = files.filter(pl.col("layout") == "cbs_bijstandpersoonbus").sort("version")
    assert files["superseded"].to_list() == [True, False]
    assert files["rows"].to_list()[0] == 0 < files["rows"].to_list()[1]
    manifest = (intake_facts.facts_folder(register) / "manifest.json").read_text()
    assert f'"{file.relative_to(few.raw).as_posix()}"' in manifest.split('"superseded"')[1]


def test_value_labels_of_spss_files_are_kept(few, tmp_path):
    import polars_readstat

    file = next(few.raw.rglob("GBAPERSOON*.sav"))
    frame = polars_readstat.read_readstat(str(file), preserve_order=True)
    named = {"GBAGEBOORTEMAAND": {1: "januari"}}
    numbers = frame.with_columns(pl.col("GBAGEBOORTEMAAND").cast(pl.Float64))
    polars_readstat.write_readstat(numbers, str(file), value_labels=named)
    register = registers.ingest(few.raw, tmp_path / "register", secret=few.secret)
    kept = registers.facts(register, "labels").filter(layout="cbs_gbapersoontab")
    assert kept.select("column", "label").rows() == [("GBAGEBOORTEMAAND", "januari")]


def test_the_account_speaks_both_languages(dirty):
    _, register = dirty
    assert registers.account(register, "en").startswith("layout ")
    assert "geweigerd" in registers.account(register, "nl")
    with pytest.raises(CallError, match="'nl'"):
        registers.account(register, "fr")


def test_mergers_without_a_day_are_told(few, tmp_path):
    (few.raw / "herindelingen.csv").write_text("OUD;NIEUW;DATUM\n0003;0007;20050101\n")
    with pytest.warns(ToolkitWarning, match="none was merged"):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret)


def test_when_nobody_can_stay_nothing_is_written(few, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "toolkit.registers.intake.settle.set_aside",
        lambda frame, *_: (frame.clear(), frame.with_columns(rule=pl.lit("TABLE-PERSONS-SCHEMA"))),
    )
    with pytest.raises(EmptyCohortError, match="No record of a person"):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret)
    assert not registers.is_store(tmp_path / "register")


def test_every_rule_that_a_row_can_break_has_its_sentences(dirty):
    _, register = dirty
    known = books._sentences()
    assert set(known) == {
        "missing", "reversed", "duplicate", "schema", "orphan", "overlap", "coverage", "clipped",
    }  # fmt: skip
    odd = registers.facts(register, "unusable")
    assert odd["rule"].str.ends_with("OVERLAP").any()
    assert odd.select("severity", "nl", "en").null_count().row(0) == (0, 0, 0)
    counted = registers.facts(register, "rules").filter(pl.col("n") > 0)
    assert counted.select("severity", "nl", "en").null_count().row(0) == (0, 0, 0)
    assert "begint vóór de vorige is geëindigd" in registers.account(register, "nl")


@pytest.mark.usefixtures("unpainted")
def test_the_page_of_a_check_says_what_it_is(dirty, tmp_path):
    """In English here; in Dutch where its keys are looked for."""
    made, _ = dirty
    found = check_delivery.main(made.raw, tmp_path, secret=made.secret, language="en")
    assert found.rejected > 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ">A delivery checked<" in page
    assert not list(tmp_path.rglob("*.closed"))
