"""Files by their names: patterns, periods, versions, archives, and what is refused."""

from __future__ import annotations

import gzip
import zipfile
from datetime import date
from pathlib import Path, PurePath

import pytest

from toolkit.errors import CallError, InputError
from toolkit.registers.layout import Layout
from toolkit.registers.readers.discovery import discover, newest
from toolkit.registers.readers.file_names import match_name


def layout(name="x", **more):
    return Layout.model_validate(
        {
            "name": name, "title": {"nl": "", "en": ""}, "about": {"nl": "", "en": ""},
            "reference": "", "formats": ["fixed_width", "csv", "sav"], "files": ["X_{year}"],
            "unit": "person", "period": "year",
            "fields": [{"name": "a", "type": "text", "width": 2}],
            **more,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "period", "name", "start", "end"),
    [
        ("A{year}BUSV{version}", "year", "a2009busv2.sav", date(2009, 1, 1), date(2010, 1, 1)),
        ("S_{year}{half}", "half_year", "S_20091", date(2009, 1, 1), date(2009, 7, 1)),
        ("S_{year}{half}", "half_year", "S_20092.txt", date(2009, 7, 1), date(2010, 1, 1)),
        ("S{year}{half}BUS", "half_year", "S200902BUS.sav", date(2009, 7, 1), date(2010, 1, 1)),
        ("B_{year}{month}", "month", "B_200912.txt.gz", date(2009, 12, 1), date(2010, 1, 1)),
        ("B_{year}{month}", "month", "B_200906.csv", date(2009, 6, 1), date(2009, 7, 1)),
        ("C{year}{month}{day}T", "day", "C20081231T.dta", date(2008, 12, 31), date(2009, 1, 1)),
        ("K*", "none", "koppel_2.csv", None, None),
    ],
)
def test_a_name_says_its_period(pattern, period, name, start, end):
    facts = match_name(layout(files=[pattern], period=period), PurePath(name))
    assert facts is not None
    assert (facts.period_start, facts.period_end) == (start, end)


@pytest.mark.parametrize(
    ("pattern", "period", "name"),
    [
        ("C{year}{month}{day}T", "day", "C20080631T.sav"),  # no such day
        ("B_{year}{month}", "month", "B_200913.txt"),
        ("S_{year}{half}", "half_year", "S_20093.txt"),
        ("S_{year}{half}", "half_year", "XS_20091.txt"),
        ("A{year}*", "half_year", "A2009.txt"),  # the pattern does not say the half
    ],
)
def test_a_name_that_says_no_period_fits_not(pattern, period, name):
    assert match_name(layout(files=[pattern], period=period), PurePath(name)) is None


def test_municipality_and_version():
    srg = layout(files=["SRG_{municipality}_{year}_V{version}", "SRG_{municipality}_{year}"])
    first = match_name(srg, PurePath("srg_GM0363_2009_v011.TXT"))
    assert (first.municipality, first.version) == ("gm0363", 11)
    plain = match_name(srg, PurePath("SRG_518_2009.txt"))
    assert (plain.municipality, plain.version) == ("gm0518", 1)


def test_an_unknown_placeholder_names_the_nearest():
    with pytest.raises(InputError, match=r"did you mean \{municipality\}"):
        match_name(layout(files=["X_{municipalty}"]), PurePath("X_0363"))


def test_the_newest_version_is_read_and_the_others_are_recorded(tmp_path: Path):
    known = {"x": layout(files=["X_{year}V{version}"])}
    for name in ("X_2009V1.csv", "X_2009V2.csv", "X_2009V011.csv", "x_2010V1.csv"):
        (tmp_path / name).write_text("a\n01\n")
    found = discover(tmp_path, known)
    assert [file.name for file in found.files] == ["X_2009V011.csv", "x_2010V1.csv"]
    assert [file.version for file in found.superseded] == [1, 2]


def test_of_two_forms_of_one_file_the_one_that_says_most_is_read(tmp_path: Path):
    (tmp_path / "X_2009.csv").write_text("a\n01\n")
    (tmp_path / "X_2009.sav").write_bytes(b"$FL2")
    found = discover(tmp_path, {"x": layout()})
    assert [file.format for file in found.files] == ["sav"]
    assert [file.format for file in found.superseded] == ["csv"]


def test_the_same_file_in_two_folders_is_refused(tmp_path: Path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "X_2009.csv").write_text("a\n01\n")
    with pytest.raises(InputError, match=r"a/X_2009.csv and b/X_2009.csv"):
        discover(tmp_path, {"x": layout()})
    assert newest([]) == ([], [])


def test_archives_days_of_receipt_and_what_lies_beside(tmp_path: Path):
    with gzip.open(tmp_path / "X_2009.csv.gz", "wb") as out:
        out.write(b"a\n01\n")
    with zipfile.ZipFile(tmp_path / "levering.zip", "w") as archive:
        archive.writestr("map/X_2010.txt", "01\n")
        archive.writestr("map/X_2011.txt", "a;\n01;\n")
        archive.writestr("__MACOSX/X_2011.txt", "")
    with zipfile.ZipFile(tmp_path / "X_2012.zip", "w") as archive:
        archive.writestr("uitvoer.csv", "a\n01\n")
    (tmp_path / "ontvangst.csv").write_text(
        "bestand;ontvangen\nX_2009.csv.gz;20100115\nlevering.zip;20110116\n"
    )
    for name in ("leesmij.txt", "delivery.toml", "brief.pdf", ".DS_Store", "~$X_2009.csv"):
        (tmp_path / name).write_text("x")
    found = discover(tmp_path, {"x": layout()})
    assert [(file.name, file.format, file.received) for file in found.files] == [
        ("X_2009.csv.gz", "csv", date(2010, 1, 15)),
        ("X_2012.zip!uitvoer.csv", "csv", None),
        ("levering.zip!map/X_2010.txt", "fixed_width", date(2011, 1, 16)),
        ("levering.zip!map/X_2011.txt", "csv", date(2011, 1, 16)),
    ]
    assert len(found.ignored) == 7


def test_a_receipt_that_is_no_day_is_refused(tmp_path: Path):
    (tmp_path / "ontvangst.csv").write_text("bestand;ontvangen\nX_2009.csv;15-01-2010\n")
    with pytest.raises(InputError, match=r"ontvangst.csv, line 2"):
        discover(tmp_path, {"x": layout()})


@pytest.mark.parametrize("name", ["Y_2009.csv", "Y_2009.xlsx", "SRG_209.txt", "cijfers.parquet"])
def test_data_that_fits_no_layout_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_text("x")
    with pytest.raises(InputError, match="fits no layout") as found:
        discover(tmp_path, {"x": layout(files=["SRG_{year}"])})
    assert name.split(".", maxsplit=1)[0] in str(found.value)


def test_the_nearest_pattern_is_named_and_keys_are_not(tmp_path: Path):
    (tmp_path / "BIJSTANDPERSON_123456782.sav").write_text("x")
    known = {"b": layout("b", files=["BIJSTANDPERSOON{year}"])}
    with pytest.raises(InputError, match=r"BIJSTANDPERSOON\{year\}") as found:
        discover(tmp_path, known)
    assert "123456782" not in str(found.value)


def test_two_layouts_are_told_apart_by_their_time(tmp_path: Path):
    (tmp_path / "X_2012.csv").write_text("a\n01\n")
    (tmp_path / "X_2013.csv").write_text("a\n01\n")
    old, new = layout("old", until="2013-01"), layout("new", **{"from": "2013-01"})
    found = discover(tmp_path, {"old": old, "new": new})
    assert [file.layout for file in found.files] == ["old", "new"]
    with pytest.raises(InputError, match="more than one layout: old, new"):
        discover(tmp_path, {"old": layout("old"), "new": new})


def test_the_pattern_that_says_most_wins(tmp_path: Path):
    (tmp_path / "X_2012.csv").write_text("a\n01\n")
    wide = layout("wide", files=["*{year}"])
    assert discover(tmp_path, {"wide": wide, "x": layout()}).files[0].layout == "x"


def test_one_layout_for_everything(tmp_path: Path):
    (tmp_path / "mijn.csv").write_text("a\n01\n")
    own = layout("own", period="none", files=["niets"])
    found = discover(tmp_path, {"own": own, "x": layout()}, only="own")
    assert [file.layout for file in found.files] == ["own"]
    with pytest.raises(InputError, match="does not say its period"):
        discover(tmp_path, {"x": layout()}, only="x")
    with pytest.raises(CallError, match="did you mean 'own'"):
        discover(tmp_path, {"own": own}, only="ownn")


def test_a_form_the_layout_does_not_have(tmp_path: Path):
    (tmp_path / "X_2012.parquet").write_text("PAR1")
    with pytest.raises(InputError, match="in a form it does not have"):
        discover(tmp_path, {"x": layout()})
    (tmp_path / "X_2012.parquet").rename(tmp_path / "X_2012.xlsx")
    with pytest.raises(InputError, match="in a form that is not read"):
        discover(tmp_path, {"x": layout()})


@pytest.mark.parametrize("member", ["../X_2009.csv", "/etc/X_2009.csv", "C:\\X_2009.csv"])
def test_a_zip_that_reaches_outside_is_refused(tmp_path: Path, member: str):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "a\n01\n")
    with pytest.raises(InputError, match="outside its own folder"):
        discover(tmp_path, {"x": layout()})


def test_a_zip_with_too_many_files_and_one_that_is_none(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(1_001):
            archive.writestr(f"{number}.csv", "")
    with pytest.raises(InputError, match="1,001 files"):
        discover(tmp_path, {"x": layout()})
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match="cannot be unpacked"):
        discover(tmp_path, {"x": layout()})
    with pytest.raises(CallError, match="no folder"):
        discover(tmp_path / "nowhere", {"x": layout()})
