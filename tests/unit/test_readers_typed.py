"""SPSS, Stata and Parquet; archives."""

from __future__ import annotations

import gzip
import struct
import zipfile
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd
import polars as pl
import polars_readstat
import pyreadstat
import pytest

from toolkit.errors import InputError, MissingColumnError, WrongTypeError
from toolkit.registers import readers
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.layout import Layout
from toolkit.registers.readers import door, unpack

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = [
    {"name": "RINPERSOON", "type": "rin"},
    {"name": "RINPERSOONS", "type": "rin_letter"},
    {"name": "bedrag", "type": "number"},
    {"name": "datum", "type": "date"},
]


def layout(**more):
    return Layout.model_validate(
        {
            "name": "x", "title": {"nl": "", "en": ""}, "about": {"nl": "", "en": ""},
            "reference": "", "formats": ["sav", "dta", "parquet", "csv"], "files": ["X"],
            "unit": "person", "period": "none", "fields": FIELDS, **more,
        }
    )  # fmt: skip


FRAME = pl.DataFrame(
    {
        "rinpersoon": ["000000001", "000000020", "123456782"],
        "RinPersoonS": ["R", "R", "A"],
        "BEDRAG": [1.5, None, -3.0],
        "DATUM": ["20090101", "00000000", ""],
        "over": [1, 2, 3],
    }
)


def delivered(path: Path, form: str, member: str | None = None):
    return DeliveredFile(path, path.name, "x", form, member=member)


def read(*found, spec=None, **more):
    reading = readers.read(found, spec or layout(), numbers=range(len(found)), **more)
    return pl.concat(list(reading)), reading.report()


@pytest.mark.parametrize("form", ["sav", "dta", "parquet"])
def test_types_and_leading_zeros_are_kept(tmp_path: Path, form: str):
    path = tmp_path / f"X.{form}"
    if form == "parquet":
        FRAME.write_parquet(path)
    else:
        polars_readstat.write_readstat(FRAME, str(path))
    frame, report = read(delivered(path, form))
    assert frame["_row"].to_list() == [1, 2, 3]
    assert frame["_broken"].null_count() == 3
    assert frame.select(field["name"] for field in FIELDS).rows() == [
        ("000000001", "R", 1.5, "20090101"), ("000000020", "R", None, "00000000"),
        ("123456782", "A", -3.0, ""),
    ]  # fmt: skip
    assert report["extra"].to_list() == [["over"]]
    records = pl.DataFrame({"_file": [0], "_row": [3]})
    ((_, kept),) = readers.extract([delivered(path, form)], layout(), records, [0])
    assert kept.columns == ["_row", *FRAME.columns]
    assert kept.row(0)[1:3] == ("123456782", "A")


@pytest.mark.parametrize("form", ["sav", "dta", "parquet"])
def test_a_file_that_is_cut_off(tmp_path: Path, form: str):
    many = pl.concat([FRAME.with_columns(pl.lit(str(number)).alias("n")) for number in range(500)])
    path = tmp_path / f"X.{form}"
    if form == "parquet":
        many.write_parquet(path)
    else:
        polars_readstat.write_readstat(many, str(path))
    whole = path.read_bytes()
    for share in (0, 0.001, 0.01, 0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=rf"X\.{form}"):
            read(delivered(path, form))
    path.write_bytes(b"RINPERSOON;a\n1;2\n" * 100)
    with pytest.raises(InputError, match="cut off"):
        read(delivered(path, form))


def test_missing_columns_of_sav(tmp_path: Path):
    path = tmp_path / "X.sav"
    polars_readstat.write_readstat(FRAME.drop("BEDRAG"), str(path))
    with pytest.raises(MissingColumnError, match=r"'bedrag'.*X\.sav"):
        read(delivered(path, "sav"))


def test_user_missing_codes_of_spss_stay(tmp_path: Path):
    path = tmp_path / "X.sav"
    data = pd.DataFrame(
        {
            "RINPERSOON": ["1", "2", "3", "4"], "RINPERSOONS": ["R", "X", "R", ""],
            "bedrag": [1.0, 98.0, 99999.0, None],
            "datum": pd.to_datetime(["2009-01-01", None, "2009-12-31", "2010-01-01"]).date,
            "stil": [9.0, 1, 1, 1],
        }
    )  # fmt: skip
    pyreadstat.write_sav(
        data,
        str(path),
        missing_ranges={
            "bedrag": [98, {"lo": 90_000, "hi": 99_999}],
            "RINPERSOONS": ["X"],
            "stil": [9],
        },
        variable_value_labels={"bedrag": {98.0: "onbekend", 99999.0: "n.v.t. – één"}},
    )
    for only in (None, ["bedrag"], ["RINPERSOONS", "datum"]):
        frame, _ = read(delivered(path, "sav"), columns=only)
        if only is None or "bedrag" in only:
            assert frame["bedrag"].to_list() == [1.0, 98.0, 99999.0, None]
        if only is None or "RINPERSOONS" in only:
            assert frame["RINPERSOONS"].to_list() == ["R", "X", "R", ""]
            assert frame["datum"].to_list()[::2] == [date(2009, 1, 1), date(2009, 12, 31)]
    assert readers.labels(delivered(path, "sav")) == {
        "bedrag": {"98": "onbekend", "99999": "n.v.t. – één"}
    }
    ((_, kept),) = readers.extract(
        [delivered(path, "sav")], layout(), pl.DataFrame({"_file": [0], "_row": [2]}), [0]
    )
    assert kept["bedrag"].to_list() == [98.0]
    assert kept["stil"].to_list() == [1.0]


def test_a_missing_code_of_stata_is_text_where_the_layout_names_it(tmp_path: Path):
    path = tmp_path / "X.dta"
    pd.DataFrame(
        {"RINPERSOON": ["1", "2", "3"], "RINPERSOONS": ["R"] * 3, "bedrag": [7.0, 123.456, 2.5],
         "datum": ["20090101"] * 3}
    ).to_stata(path, write_index=False, version=118)  # fmt: skip
    dot_a = struct.pack("<Q", 0x7FE0_0100_0000_0000)  # Stata's .a among doubles
    path.write_bytes(path.read_bytes().replace(struct.pack("<d", 123.456), dot_a))
    frame, _ = read(delivered(path, "dta"))
    assert frame["bedrag"].to_list() == [7.0, None, 2.5]
    named = [
        {**field, "unknown": [".a"]} if field["name"] == "bedrag" else field for field in FIELDS
    ]
    frame, _ = read(delivered(path, "dta"), spec=layout(fields=named))
    assert frame["bedrag"].to_list() == ["7", ".a", "2.5"]
    ((_, kept),) = readers.extract(
        [delivered(path, "dta")], layout(), pl.DataFrame({"_file": [0], "_row": [2]}), [0]
    )
    assert kept["bedrag"].to_list() == [".a"]


def test_types_of_parquet(tmp_path: Path):
    path = tmp_path / "X.parquet"
    typed = pl.DataFrame(
        {
            "RINPERSOON": pl.Series([1, 20], dtype=pl.Int32),
            "RINPERSOONS": pl.Series([" R", "A "], dtype=pl.Categorical),
            "bedrag": pl.Series(["1.50", "2.25"]).cast(pl.Decimal(10, 2)),
            "datum": [date(2009, 1, 1), None],
        }
    )
    typed.write_parquet(path)
    frame, _ = read(delivered(path, "parquet"))
    assert frame.select(field["name"] for field in FIELDS).rows() == [
        (1, "R", 1.5, date(2009, 1, 1)), (20, "A", 2.25, None),
    ]  # fmt: skip
    typed.with_columns(bedrag=pl.concat_list(pl.lit(1.0))).write_parquet(path)
    with pytest.raises(WrongTypeError, match="'bedrag' is of type List"):
        read(delivered(path, "parquet"))


@pytest.mark.parametrize("form", ["sav", "parquet"])
def test_batches_are_no_larger_than_asked_and_complete(tmp_path: Path, form: str):
    many = pl.concat([FRAME] * 700).with_columns(
        pl.int_range(2100).cast(pl.String).str.zfill(9).alias("rinpersoon")
    )
    path = tmp_path / f"X.{form}"
    if form == "sav":
        polars_readstat.write_readstat(many, str(path))
    else:
        many.write_parquet(path, row_group_size=300)
    batches = list(readers.read([delivered(path, form)], layout(), numbers=[4], batch_rows=500))
    assert max(batch.height for batch in batches) <= 500
    together = pl.concat(batches)
    assert together["_row"].to_list() == list(range(1, 2101))
    assert together["RINPERSOON"].to_list() == many["rinpersoon"].to_list()
    assert together["_file"].unique().to_list() == [4]


def test_forms_may_differ_within_one_layout(tmp_path: Path):
    polars_readstat.write_readstat(FRAME, str(tmp_path / "a.sav"))
    FRAME.write_parquet(tmp_path / "b.parquet")
    FRAME.write_csv(tmp_path / "c.csv", separator=";")
    found = [
        delivered(tmp_path / name, name.split(".")[1]) for name in ("a.sav", "b.parquet", "c.csv")
    ]
    reading = readers.read(found, layout(), numbers=[1, 2, 3])
    rows = {
        (number, key)
        for batch in reading
        for number, key in batch.select("_file", "RINPERSOON").rows()
    }
    assert rows == {(number, key) for number in (1, 2, 3) for key in FRAME["rinpersoon"]}
    assert reading.report()["rows"].to_list() == [3, 3, 3]


# --- archives -----------------------------------------------------------------------------------


def test_packed_files_are_read_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path / "tijdelijk"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    polars_readstat.write_readstat(FRAME, str(tmp_path / "X.sav"))
    plain = (tmp_path / "X.sav").read_bytes()
    with gzip.open(tmp_path / "X.sav.gz", "wb") as out:
        out.write(plain)
    with zipfile.ZipFile(tmp_path / "X.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("map/één.SAV", plain)
        archive.writestr("map/twee.csv", FRAME.write_csv(separator=";"))
    found = [
        delivered(tmp_path / "X.sav.gz", "sav"),
        delivered(tmp_path / "X.zip", "sav", "map/één.SAV"),
        delivered(tmp_path / "X.zip", "csv", "map/twee.csv"),
    ]
    for packed in (found, found[:1]):
        reading = readers.read(packed, layout(), numbers=range(len(packed)))
        seen = [key for batch in reading for key in batch["RINPERSOON"]]
        assert sorted(seen) == sorted(FRAME["rinpersoon"].to_list() * len(packed))
        assert list(place.iterdir()) == []
    monkeypatch.setattr(door, "_PORTION", 1)  # one archive at a time
    reading = readers.read(found, layout(), numbers=range(3))
    assert sum(batch.height for batch in reading) == 9
    assert list(place.iterdir()) == []


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpack, "MOST_BYTES", 4 << 20)
    with gzip.open(tmp_path / "X.csv.gz", "wb") as out:
        out.write(b"0" * (8 << 20))
    with zipfile.ZipFile(tmp_path / "X.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.csv", b"0" * (8 << 20))
    for found in (
        delivered(tmp_path / "X.csv.gz", "csv"),
        delivered(tmp_path / "X.zip", "csv", "X.csv"),
    ):
        with pytest.raises(InputError, match="200 times its size"):
            read(found)


@pytest.mark.parametrize("harm", ["cut", "flip", "none"])
def test_a_damaged_archive(tmp_path: Path, harm: str):
    for name in ("X.csv.gz", "X.zip"):
        path = tmp_path / name
        if name.endswith("gz"):
            with gzip.open(path, "wb") as out:
                out.write(FRAME.write_csv(separator=";").encode() * 50)
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("X.csv", FRAME.write_csv(separator=";") * 50)
        data = bytearray(path.read_bytes())
        if harm == "cut":
            data = data[: len(data) // 2]
        elif harm == "flip":
            data[len(data) // 4] ^= 0xFF
        else:
            data = bytearray(b"gewone tekst")
        path.write_bytes(data)
        found = delivered(path, "csv", None if name.endswith("gz") else "X.csv")
        with pytest.raises(InputError, match="cannot be unpacked"):
            read(found)


def test_a_damaged_dictionary_of_spss_does_not_end_the_process(tmp_path: Path):
    # each of these bytes, so changed, makes polars-readstat 0.25 abort or panic
    path = tmp_path / "X.sav"
    polars_readstat.write_readstat(FRAME, str(path))
    sound = path.read_bytes()
    lengths = [place for place in range(64, 84) if place % 4 == 3]
    extensions = [
        place + 15
        for place in range(0, len(sound) - 16, 4)
        if sound[place : place + 4] == b"\x07\x00\x00\x00" and place > 176
    ]
    assert extensions
    for place in (*lengths, *extensions):
        for value in (0x7F, 0x80, 0xFF):
            path.write_bytes(sound[:place] + bytes([value]) + sound[place + 1 :])
            try:
                frame, _ = read(delivered(path, "sav"))
            except InputError as error:
                assert "X.sav" in str(error)  # noqa: PT017 (either is good, an abort is not)
            else:
                assert frame.height == 3


@pytest.mark.parametrize("how", [{}, {"row_compress": True}, {"compress": True}])
def test_spss_that_does_not_say_how_many_records_it_has(tmp_path: Path, how: dict[str, bool]):
    # the format allows -1; polars-readstat 0.25 then gives no record and no error
    path = tmp_path / "X.sav"
    pyreadstat.write_sav(pd.DataFrame(FRAME.to_dict(as_series=False)), str(path), **how)
    content = bytearray(path.read_bytes())
    struct.pack_into("<i", content, 80, -1)
    path.write_bytes(content)
    with pytest.raises(InputError, match="does not say how many records"):
        read(delivered(path, "sav"))
