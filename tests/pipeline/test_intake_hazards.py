"""What can go wrong around an intake: folders, links, rights, keys, copies that stay behind."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import zipfile
from typing import TYPE_CHECKING

import polars as pl
import pytest

from synthetic_data import deliver, make_register
from toolkit import registers
from toolkit.errors import CallError, InputError, StorageError
from toolkit.registers.intake import run as intake
from toolkit.registers.intake import staging
from toolkit.registers.intake.closed import closed_folder
from toolkit.registers.layout import Layout
from toolkit.registers.readers import lines, unpack
from toolkit.registers.readers.discovery import discover
from toolkit.registers.readers.matching import fits
from toolkit.registers.store import no_room

if TYPE_CHECKING:
    from pathlib import Path

WORDS = {"nl": "x", "en": "x"}


@pytest.fixture(scope="module")
def world():
    return make_register(persons=120)


@pytest.fixture
def few(world, tmp_path):
    return deliver(world, tmp_path / "delivery", sources=("benefits",))


def clients(folder: Path, *numbers: str) -> Path:
    """Write a delivery of persons who are known by a client number only; return its layouts."""
    folder.mkdir(exist_ok=True)
    lines_ = ["NUMMER;GESLACHT;SOORT;BEGIN;EIND"]
    lines_ += [f"{number};1;1;20050101;20060101" for number in numbers]
    (folder / "CLIENTEN.csv").write_text("\n".join(lines_) + "\n")
    (folder / "delivery.toml").write_text(
        "[coverage]\npersons = [2004-01-01, 2008-01-01]\nbenefits = [2004-01-01, 2008-01-01]\n"
    )
    own = folder.with_name("layouts")
    own.mkdir(exist_ok=True)
    (own / "clienten.toml").write_text(
        """
name = "clienten"
title = {nl = "Cliënten", en = "Clients"}
about = {nl = "Cliënten.", en = "Clients."}
reference = "own"
formats = ["csv"]
files = ["CLIENTEN"]
unit = "spell"
period = "none"
[[fields]]
name = "NUMMER"
type = "client"
[[fields]]
name = "GESLACHT"
type = "code"
codes = {"1" = "male", "2" = "female"}
[[fields]]
name = "SOORT"
type = "code"
codes = {"1" = "wwb"}
[[fields]]
name = "BEGIN"
type = "date"
[[fields]]
name = "EIND"
type = "date"
open = ["00000000"]
[[tables]]
table = "persons"
role = "base"
columns = {sex = "GESLACHT", origin = "'native'", birth_month = "DATE('1970-01-01')"}
[[tables]]
table = "benefits"
role = "base"
columns = {scheme = "SOORT", role = "'head'", claim = "1", start = "BEGIN", end = "EIND"}
"""
    )
    return own


def test_another_key_for_hashing_makes_nobody_somebody_else(tmp_path):
    own = clients(tmp_path / "in", "A-1", "A-2", "A-3")
    options = {"layouts": own, "partition_size": 2}
    first = registers.ingest(tmp_path / "in", tmp_path / "out", secret=b"a" * 16, **options)
    persons = first.persons.collect()
    assert persons.height == 3
    with pytest.raises(CallError, match="another one than at the intake before, and 3 persons"):
        registers.ingest(tmp_path / "in", tmp_path / "out", secret=b"b" * 16, **options)
    assert registers.open(tmp_path / "out").meta["tables"] == first.meta["tables"]
    again = registers.ingest(tmp_path / "in", tmp_path / "out", secret=b"a" * 16, **options)
    assert again.persons.collect().equals(persons)
    assert (tmp_path / "out.closed" / "secret.mark").stat().st_mode & 0o077 == 0


def test_what_was_staged_under_another_key_is_not_used(tmp_path, monkeypatch):
    numbers = [f"A-{number}" for number in range(40)]
    own = clients(tmp_path / "in", *numbers)

    class KilledError(BaseException):
        pass

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(intake.Settler, "group", killed)
        with pytest.raises(KilledError):
            registers.ingest(tmp_path / "in", tmp_path / "out", secret=b"a" * 16, layouts=own)
    read = []
    original = staging.read

    def counting(files, layout, **also):
        read.append(layout.name)
        return original(files, layout, **also)

    monkeypatch.setattr(staging, "read", counting)
    registers.ingest(tmp_path / "in", tmp_path / "out", secret=b"b" * 16, layouts=own)
    assert read == ["clienten"]


def test_copies_lie_in_the_closed_folder_and_go(few, tmp_path, monkeypatch):
    """They hold whole delivered files: what a killed process leaves must not lie just anywhere."""
    target = tmp_path / "register"
    left = closed_folder(target) / "work" / "reintegratie-of-a-killed-one"
    left.mkdir(parents=True)
    places = []
    original = tempfile.TemporaryDirectory

    def watched(*, prefix, dir):  # noqa: A002 (its name)
        places.append(dir)
        return original(prefix=prefix, dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", watched)
    registers.ingest(few.raw, target, secret=few.secret)
    about_persons = [place for place in places if place is not None]
    assert set(about_persons) == {closed_folder(target) / "work"}
    assert len(places) - len(about_persons) == 1  # the table of municipalities
    assert not (closed_folder(target) / "work").exists()


def test_a_refused_delivery_leaves_no_folder_behind(few, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "find_population", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret)
    assert {path.name for path in tmp_path.iterdir()} == {"delivery"}


def test_a_register_within_the_delivery_is_refused(few):
    with pytest.raises(CallError, match="inside the delivery"):
        registers.ingest(few.raw, few.raw / "register", secret=few.secret)


@pytest.mark.parametrize("letters", [(), ("r",), ("RA",), ("R;A",), ("1",)])
def test_letters_that_are_none(few, tmp_path, letters):
    with pytest.raises(CallError, match="capital letters"):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret, letters=letters)


def test_the_folder_here_has_a_closed_one_beside_it(few, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    registers.ingest(few.raw, ".", secret=few.secret)
    assert (tmp_path / "here.closed" / "keys.parquet").is_file()


def test_a_register_that_was_killed_at_its_first_index_is_begun_again(few, tmp_path):
    target = tmp_path / "register"
    (target / "tables-1").mkdir(parents=True)
    (target / ".lock").touch()
    (target / "register.json.part").write_text("{")
    assert registers.ingest(few.raw, target, secret=few.secret).meta["tables"] == "tables-2"


def test_a_reference_file_with_its_header_alone(few, tmp_path):
    file = few.raw / "gemeenten.csv"
    file.write_bytes(file.read_bytes().splitlines()[0] + b"\n")
    with pytest.raises(InputError, match=r"hold no records.*gemeenten\.csv"):
        registers.ingest(few.raw, tmp_path / "register", secret=few.secret)


def test_what_was_left_aside_is_told(few, tmp_path):
    (few.raw / "SGR_0363_20051_V1.txt").write_text("a slip of the pen\n")
    register = registers.ingest(few.raw, tmp_path / "register", secret=few.secret)
    assert "SGR_0363_20051_V1.txt" in registers.account(register)
    manifest = register.path / register.meta["tables"] / "intake" / "manifest.json"
    assert "SGR_0363_20051_V1.txt" in json.loads(manifest.read_text())["parameters"]["ignored"]


def test_polars_has_no_number_for_a_full_disk(tmp_path):
    error = no_room(OSError("No space left on device (os error 28)"), tmp_path)
    assert "disk is full" in str(error)


# --- the folder of a delivery -----------------------------------------------------------------


def layout(**also):
    return Layout.model_validate(
        {
            "name": "x", "title": WORDS, "about": WORDS, "reference": "x", "files": ["X{year}"],
            "formats": ["csv", "sav", "parquet"], "unit": "spell", "period": "year",
            "fields": [{"name": "a", "type": "text"}], **also,
        }
    )  # fmt: skip


def test_links_are_refused_and_not_passed_over(tmp_path):
    (tmp_path / "away").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "X2005.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match=r"link to nothing.*X2005\.csv"):
        discover(tmp_path / "in", {"x": layout()})
    (tmp_path / "in" / "X2005.csv").unlink()
    (tmp_path / "in" / "more").symlink_to(tmp_path / "away")
    with pytest.raises(InputError, match=r"is a link.*more"):
        discover(tmp_path / "in", {"x": layout()})


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may enter every folder")
@pytest.mark.parametrize("what", ["map", "map/X2005.csv"])
def test_what_may_not_be_opened_is_refused(tmp_path, what):
    (tmp_path / "map").mkdir()
    (tmp_path / "map" / "X2005.csv").write_text("a\n1\n")
    (tmp_path / what).chmod(0)
    try:
        with pytest.raises(InputError, match="cannot be opened: Permission denied"):
            discover(tmp_path, {"x": layout()})
    finally:
        (tmp_path / what).chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    (tmp_path / "map").mkdir()
    original = os.scandir

    def closed(path):
        if str(path).endswith("map"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match="folder of the delivery cannot be opened"):
        discover(tmp_path, {"x": layout()})


def test_a_packed_file_within_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "X.zip", "w") as archive:
        archive.writestr("X2005.sav.gz", b"\x1f\x8b")
    with pytest.raises(InputError, match=r"packed itself.*X\.zip!X2005\.sav\.gz"):
        discover(tmp_path, {"x": layout()})


@pytest.mark.parametrize("much", [b"x" * 200_000, b"bestand;ontvangen\n" * (1 << 20)])
def test_days_of_receipt_that_are_none(tmp_path, much):
    (tmp_path / "ontvangst.csv").write_bytes(much)
    with pytest.raises(InputError, match=r"days of receipt cannot be read.*ontvangst\.csv"):
        discover(tmp_path, {"x": layout()})


def test_no_room_for_copies_is_said(tmp_path, monkeypatch):
    (tmp_path / "X2005.csv").write_bytes("a\né\n".encode("latin-1"))
    found = discover(tmp_path, {"x": layout()})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lines, "to_utf8", full)
    with pytest.raises(StorageError, match=r"no room for the copies.*TMPDIR") as caught:
        list(registers.readers.read(found.files, layout(), numbers=[0]))
    assert caught.value.exit_code == 5


def test_a_column_with_a_name_of_ours(tmp_path):
    frame = pl.DataFrame({"a": ["1", "2"], "_row": [9, 9], "_broken": ["x", "y"], "rules": [1, 2]})
    frame.write_parquet(tmp_path / "X2005.parquet")
    files = discover(tmp_path, {"x": layout()}).files
    (batch,) = registers.readers.read(files, layout(), numbers=[0])
    assert batch.select("_row", "_broken", "a").rows() == [(1, None, "1"), (2, None, "2")]
    rows = pl.DataFrame({"_file": [0], "_row": [2]})
    ((_, kept),) = registers.readers.extract(files, layout(), rows, [0])
    assert kept.to_dicts() == [{"_row": 2, "a": "2", "_row_2": 9, "_broken": "y", "rules_2": 2}]


def test_a_bomb_is_stopped_when_its_layout_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MOST_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "X.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X2005.sav", b"0" * (8 << 20))
    with pytest.raises(InputError, match="200 times its size"):
        fits(tmp_path / "X.zip", {"x": layout()})
