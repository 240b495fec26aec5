"""Which layout fits a file, and why the others do not."""

from __future__ import annotations

import gzip
import zipfile
from typing import TYPE_CHECKING

import polars as pl
import pytest

from toolkit.errors import CallError, InputError
from toolkit.registers.layout import Layout, built_in
from toolkit.registers.readers.matching import fits

if TYPE_CHECKING:
    from pathlib import Path


def layout(name, **more):
    return Layout.model_validate(
        {
            "name": name, "title": {"nl": "", "en": ""}, "about": {"nl": "", "en": ""},
            "reference": "", "formats": ["fixed_width", "csv"], "files": ["S_{year}"],
            "unit": "person", "period": "year",
            "fields": [
                {"name": "jaar", "type": "integer", "width": 4, "minimum": 2000, "maximum": 2012},
                {"name": "soort", "type": "code", "width": 2, "codes": {"01": "a", "02": "b"},
                 "not_applicable": ["99"]},
                {"name": "dag", "type": "date", "width": 8, "open": ["00000000"]},
            ],
            **more,
        }
    )  # fmt: skip


OLD = layout("old", until="2013-01")
LONGER = layout(
    "longer", fields=[*OLD.model_dump()["fields"], {"name": "x", "type": "text", "width": 1}]
)
TYPED = layout("typed", formats=["sav"])
OTHER = layout("other", files=["T_{year}"], fields=[
    OLD.model_dump()["fields"][0],
    {"name": "soort", "type": "code", "width": 2, "codes": {"11": "a"}},
    OLD.model_dump()["fields"][2],
])  # fmt: skip
KNOWN = {one.name: one for one in (TYPED, OTHER, LONGER, OLD)}
RECORDS = "".join(
    f"2009{soort}{dag}\n" for soort in ("01", "02", "99") for dag in ("20090101", "00000000")
)


def test_the_best_comes_first_and_each_says_why(tmp_path: Path):
    path = tmp_path / "S_2009.txt"
    path.write_text(RECORDS)
    found = fits(path, KNOWN)
    assert [(fit.layout, fit.ok, fit.named) for fit in found] == [
        ("old", True, True), ("longer", False, True), ("typed", False, True),
        ("other", False, False),
    ]  # fmt: skip
    why = {fit.layout: " / ".join(fit.reasons) for fit in found}
    assert "the name fits" in why["old"]
    assert "6 of the first 6 records are not 15 characters wide" in why["longer"]
    assert "it is delivered as sav" in why["typed"]
    assert "the name does not fit 'T_{year}'" in why["other"]
    assert "100% of the values of 'soort' are outside" in why["other"]
    assert found[0].odd == 0.0


def test_a_name_from_another_period(tmp_path: Path):
    path = tmp_path / "S_2014.txt"
    path.write_text(RECORDS.replace("2009", "2014"))
    (fit,) = fits(path, {"old": OLD})
    assert not fit.named
    assert not fit.ok
    assert "in force from the start until 2013-01" in fit.reasons[0]
    assert any("'jaar'" in reason for reason in fit.reasons)


def test_missing_columns_with_the_nearest(tmp_path: Path):
    path = tmp_path / "S_2009.csv"
    path.write_text("jaar;sort;dag\n2009;01;20090101\n")
    (fit,) = fits(path, {"old": OLD})
    assert not fit.ok
    assert "'soort'" in fit.reasons[1]
    assert "is 'sort' the same" in fit.reasons[1]


@pytest.mark.parametrize("packed", ["gz", "zip"])
def test_archives_and_large_text(tmp_path: Path, packed: str):
    text = "jaar;soort;dag\n" + "2009;01;20090101\n" * 100_000
    if packed == "gz":
        path = tmp_path / "S_2009.csv.gz"
        with gzip.open(path, "wt") as out:
            out.write(text)
    else:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("map/S_2009.csv", text)
    (fit,) = fits(path, {"old": OLD})
    assert fit.ok
    assert fit.named
    assert "1,000 records" in fit.reasons[1]


def test_parquet_with_types(tmp_path: Path):
    path = tmp_path / "S_2009.parquet"
    frame = pl.DataFrame(
        {"JAAR": [2009.0, 2010.0], "SOORT": [1, 2], "DAG": ["20090101", "2009-1-1"]}
    )
    frame.with_columns(DAG=pl.lit("20090101").str.to_date("%Y%m%d")).write_parquet(path)
    typed = layout("typed", formats=["parquet"])
    assert fits(path, {"typed": typed})[0].ok
    frame.with_columns(DAG=pl.lit("1-1-2009")).write_parquet(path)
    (fit,) = fits(path, {"typed": typed})
    assert not fit.ok
    assert "100% of the values of 'dag'" in " ".join(fit.reasons)


def test_no_file_and_an_empty_zip(tmp_path: Path):
    with pytest.raises(CallError, match="no file"):
        fits(tmp_path / "nergens.csv", KNOWN)
    with zipfile.ZipFile(tmp_path / "leeg.zip", "w"):
        pass
    with pytest.raises(InputError, match="empty"):
        fits(tmp_path / "leeg.zip", KNOWN)


def test_a_file_without_records_fits_by_its_columns(tmp_path):
    names = [field.name for field in built_in()["gemeenten"].fields]
    file = tmp_path / "gemeenten.csv"
    file.write_text(";".join(names) + "\n")
    found = fits(file, built_in())[0]
    assert (found.layout, found.ok) == ("gemeenten", True)
    assert any("no records" in reason for reason in found.reasons)
