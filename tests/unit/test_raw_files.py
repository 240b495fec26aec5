import gzip
import io
import zipfile
from datetime import date

import polars as pl
import polars_readstat
import pyreadstat
import pytest

from synthetic_data.raw_files import encode, write
from toolkit.errors import CallError, UnknownCodeError, UnknownColumnError, UnknownOptionError
from toolkit.registers.layout import Layout, layout

WORDS = {"nl": "x", "en": "x"}


def small(**also):
    """Return a layout with one field of most types."""
    fields = [
        {"name": "gemeente", "type": "municipality", "width": 4},
        {"name": "soort", "type": "code", "codes": {"1": "a", "2": "b", "3": "b", "4": ""},
         "width": 2, "not_applicable": ["99"]},
        {"name": "eind", "type": "date", "width": 8, "open": ["00000000"],
         "not_applicable": ["99999999"]},
        {"name": "begin", "type": "date", "width": 8},
        {"name": "aantal", "type": "integer", "width": 3, "unknown": ["999"]},
        {"name": "naam", "type": "text", "width": 6},
    ]  # fmt: skip
    facts = {
        "name": "klein", "title": WORDS, "about": WORDS, "reference": "x",
        "formats": ["fixed_width", "csv"], "files": ["klein"], "unit": "spell", "period": "none",
        "fields": fields,
    }  # fmt: skip
    return Layout.model_validate(facts | also)


def record(**also):
    values = {
        "gemeente": "gm0599", "soort": "b", "eind": date(2009, 3, 1), "begin": date(2009, 1, 5),
        "aantal": 7, "naam": "Zoë",
    } | also  # fmt: skip
    schema = {
        "gemeente": pl.String, "soort": pl.String, "eind": pl.Date, "begin": pl.Date,
        "aantal": pl.Int64, "naam": pl.String,
    }  # fmt: skip
    schema |= {name: pl.String for name in values if name.endswith("__status")}
    return pl.DataFrame([values], schema=schema)


def delivered(**also):
    return encode(record(**also), small()).row(0, named=True)


def test_values_as_they_are_delivered():
    assert delivered() == {
        "gemeente": "0599", "soort": "02", "eind": "20090301", "begin": "20090105",
        "aantal": "007", "naam": "Zoë",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "status", "said"),
    [
        ("eind", None, "00000000"),  # open comes first
        ("eind", "open", "00000000"),
        ("eind", "not_applicable", "99999999"),
        ("eind", "unknown", ""),
        ("soort", None, "99"),
        ("soort", "valid", "04"),  # a code that says nothing
        ("begin", None, ""),
        ("aantal", "unknown", "999"),
        ("aantal", None, ""),
    ],
)
def test_a_null_says_why(field, status, said):
    also = {field: None} | ({} if status is None else {f"{field}__status": status})
    assert delivered(**also)[field] == said


def test_a_value_is_written_whatever_its_status():
    assert delivered(eind__status="valid")["eind"] == "20090301"


@pytest.mark.parametrize(
    ("field", "status"), [("begin", "open"), ("eind", "invalid"), ("begin", "valid")]
)
def test_a_null_that_no_value_stands_for_is_refused(field, status):
    with pytest.raises(CallError, match=field):
        delivered(**{field: None, f"{field}__status": status})


def test_a_name_without_a_code_is_refused():
    with pytest.raises(UnknownCodeError, match="soort"):
        delivered(soort="c")


def test_a_field_that_is_not_there_is_refused():
    with pytest.raises(UnknownColumnError, match="naam"):
        encode(record().drop("naam"), small())


def test_keys_as_text_numbers_or_as_parsing_gives_them():
    deaths = layout("cbs_gbaoverlijdentab")
    day = pl.lit(date(2009, 3, 1)).alias("GBADatumOverlijden")
    wanted = ("R", "000000017", "20090301")
    for keys in (
        {"RINPERSOONS": ["R"], "RINPERSOON": ["000000017"]},
        {"RINPERSOONS": ["R"], "RINPERSOON": [17]},
        {"_letter": ["R"], "_key": [18 * 10**9 + 17]},
    ):
        assert encode(pl.DataFrame(keys).select(pl.all(), day), deaths).row(0) == wanted


def test_fields_that_may_lack_are_left_out():
    address = pl.DataFrame(
        {
            "RINPERSOONS": ["R"], "RINPERSOON": [2], "GEMEENTECODE": ["gm0003"],
            "GBADATUMAANVANGADRESHOUDING": [date(2000, 1, 1)],
            "GBADATUMEINDEADRESHOUDING": pl.Series([None], dtype=pl.Date),
        }
    )  # fmt: skip
    found = encode(address, layout("cbs_gbaadres"))
    assert found.columns == [
        "RINPERSOONS", "RINPERSOON", "GBADATUMAANVANGADRESHOUDING", "GBADATUMEINDEADRESHOUDING",
        "GEMEENTECODE",
    ]  # fmt: skip
    assert found["GBADATUMEINDEADRESHOUDING"].item() == "88888888"


def test_numbers_have_the_decimals_they_have(tmp_path):
    facts = {
        "formats": ["csv", "parquet"],
        "decimal_comma": True,
        "fields": [{"name": "loon", "type": "number"}],
    }
    comma = small(**facts)
    found = encode(pl.DataFrame({"loon": [1392.0, 7.25, -0.1, None]}), comma)
    assert found["loon"].to_list() == ["1392", "7,25", "-0,1", ""]
    path = write(found, comma, tmp_path / "loon.parquet")
    assert pl.read_parquet(path)["loon"].to_list() == [1392.0, 7.25, -0.1, None]


def test_a_fixed_width_record(tmp_path):
    two = pl.concat([record(), record(naam="", begin=None, aantal=12, soort="a")])
    path = write(encode(two, small()), small(), tmp_path / "klein.txt")
    assert path.read_text(encoding="utf-8").splitlines() == [
        "0599022009030120090105007Zoë   ",
        "05990120090301        012      ",
    ]


def test_what_does_not_fit_its_width_is_refused(tmp_path):
    with pytest.raises(CallError, match="naam"):
        write(encode(record(naam="te lang"), small()), small(), tmp_path / "klein.txt")


def test_delimited_text(tmp_path):
    plain = small(separator="|", encoding="latin-1")
    found = encode(pl.concat([record(naam="a|b"), record(naam="", begin=None)]), plain)
    path = write(found, plain, tmp_path / "sub" / "klein.csv")
    assert path.read_bytes().decode("latin-1").splitlines() == [
        "gemeente|soort|eind|begin|aantal|naam",
        '0599|02|20090301|20090105|007|"a|b"',
        "0599|02|20090301||007|",
    ]
    bare = small(header=False)
    path = write(encode(record(), bare), bare, tmp_path / "bare.csv")
    assert path.read_text(encoding="utf-8") == "0599;02;20090301;20090105;007;Zoë\n"


@pytest.mark.parametrize("form", ["sav", "dta", "parquet"])
def test_numbers_are_numbers_while_all_of_them_are(form, tmp_path):
    two = encode(pl.concat([record(), record(aantal=None, naam="")]), small())
    path = write(two, small(), tmp_path / f"klein.{form}")
    dirty = write(two.with_columns(aantal=pl.lit("7a")), small(), tmp_path / f"dirty.{form}")

    def read(file):
        if form == "parquet":
            return pl.read_parquet(file)
        return polars_readstat.scan_readstat(str(file)).collect()

    assert read(path)["aantal"].to_list() == [7, None]
    assert read(path)["soort"].to_list() == ["02", "02"]
    assert read(path)["naam"].to_list() == ["Zoë", ""]
    assert read(dirty)["aantal"].to_list() == ["7a", "7a"]


def test_spss_text_is_as_wide_as_the_layout_says(tmp_path):
    path = write(encode(record(naam="a"), small()), small(), tmp_path / "klein.sav")
    types = pyreadstat.read_sav(path, metadataonly=True)[1].original_variable_types
    assert types["naam"] == "A6"
    assert types["aantal"].startswith("F")


def test_packed_files_are_the_same_each_time(tmp_path):
    found = encode(record(), small())
    plain = write(found, small(), tmp_path / "klein.csv").read_bytes()
    packed = write(found, small(), tmp_path / "klein.csv.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert write(found, small(), tmp_path / "again.csv.gz").read_bytes() == packed
    zipped = write(found, small(), tmp_path / "klein.csv.zip").read_bytes()
    assert write(found, small(), tmp_path / "other" / "klein.csv.zip").read_bytes() == zipped
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.namelist() == ["klein.csv"]
        assert archive.read("klein.csv") == plain


def test_the_extension_says_the_form(tmp_path):
    found, csv_only = encode(record(), small()), small(formats=["csv"])
    assert ";" in write(found, csv_only, tmp_path / "a.txt").read_text(encoding="utf-8")
    assert ";" not in write(found, small(), tmp_path / "b.txt").read_text(encoding="utf-8")
    assert ";" in write(found, small(), tmp_path / "c.txt", "csv").read_text(encoding="utf-8")
    with pytest.raises(CallError, match="says no form"):
        write(found, small(), tmp_path / "d.xlsx")
    with pytest.raises(UnknownOptionError, match="form"):
        write(found, small(), tmp_path / "e.csv", "xlsx")


def test_stata_takes_names_of_32_characters(tmp_path):
    long = small(formats=["dta"], fields=[{"name": "a" * 33, "type": "text", "width": 3}])
    with pytest.raises(CallError, match="32 characters"):
        write(pl.DataFrame({"a" * 33: ["x"]}), long, tmp_path / "a.dta")
