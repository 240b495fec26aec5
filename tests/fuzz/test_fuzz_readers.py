"""Any bytes at all: the readers give records that add up, or one clear error that shows no key.

A few examples run with the tests; `FUZZ_EXAMPLES=5000 pytest tests/fuzz` looks further.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import tempfile
import zipfile
from pathlib import Path

import polars as pl
import polars_readstat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import ToolkitError
from toolkit.registers import readers
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.layout import Layout
from toolkit.registers.readers.matching import fits
from toolkit.registers.readers.unpack import members

pytestmark = pytest.mark.fuzz

#: How many examples each test tries.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: A key that must never show in an error.
KEY = "123456782"

NAMES = ("sleutel", "naam", "bedrag")
LAYOUT = Layout.model_validate(
    {
        "name": "x", "title": {"nl": "", "en": ""}, "about": {"nl": "", "en": ""},
        "reference": "", "formats": ["fixed_width", "csv", "sav", "dta", "parquet"],
        "files": ["X"], "unit": "person", "period": "none",
        "fields": [
            {"name": "sleutel", "type": "bsn", "width": 9},
            {"name": "naam", "type": "text", "width": 3},
            {"name": "bedrag", "type": "number", "width": 4},
        ],
    }
)  # fmt: skip


def attempt(content: bytes, form: str, extension: str, member: str | None = None):
    """Read bytes as a file; the records, or None where they were refused in a decent way."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"X{extension}"
        path.write_bytes(content)
        file = DeliveredFile(path, path.name, "x", form, member=member)
        found, said = records(file)
        assert KEY not in said
        assert found is not None or path.name in said
        assert KEY not in matched(path)
        return found


def records(file: DeliveredFile) -> tuple[list[dict[str, object]] | None, str]:
    try:
        if file.member is not None:
            members(file.path, name=file.name)
        reading = readers.read([file], LAYOUT, numbers=[3], batch_rows=7)
        batches = list(reading)
    except ToolkitError as error:
        return None, str(error)
    if not batches:
        assert reading.report()["rows"].to_list() == [0]
        return [], ""
    rows = pl.concat(batches, how="vertical_relaxed")
    expected = list(range(1, rows.height + 1))
    assert reading.report()["rows"].to_list() == [rows.height]
    assert rows["_row"].to_list() == expected
    ((_, again),) = readers.extract([file], LAYOUT, rows, [3])
    assert again["_row"].to_list() == expected
    return rows.to_dicts(), ""


def matched(path: Path) -> str:
    try:
        return " ".join(reason for fit in fits(path, {"x": LAYOUT}) for reason in fit.reasons)
    except ToolkitError as error:
        return str(error)


SNIPPETS = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b";", b'"', b'""', b"\x1a", b"\0", b" ", b"\xe9", b"\xc3\xa9",
     b"\xef\xbb\xbf", b",", b"sleutel;naam;bedrag\n", KEY.encode(), b"abc", b"12,5",
     KEY.encode() + b"abc12,5\n", KEY.encode() + b";abc;12,5\n", b"\x1e", b"\x1f", b"sep=;\n"]
)  # fmt: skip
TEXT = st.lists(SNIPPETS | st.binary(max_size=4), max_size=40).map(b"".join)


@fuzz
@given(TEXT, st.sampled_from(["csv", "fixed_width"]), st.booleans())
def test_any_text(content: bytes, form: str, headed: bool):
    attempt(b"sleutel;naam;bedrag\n" * headed + content, form, ".txt")


CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\x1a\x1e\x1f\r\0", exclude_categories=["Cs"]),
    max_size=12,
)


@fuzz
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12), st.booleans(), st.booleans())
def test_what_python_writes_as_csv_comes_back(
    rows: list[tuple[str, str, str]],
    always: bool,
    windows: bool,
):
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL
    writer = csv.writer(
        out, delimiter=";", quoting=quoting, lineterminator="\r\n" if windows else "\n"
    )
    writer.writerow(NAMES)
    writer.writerows(rows)
    found = attempt(out.getvalue().encode(), "csv", ".csv")
    blanks = pl.Series([cell for row in rows for cell in row], dtype=pl.String).str.strip_chars()
    expected = [tuple(blanks[3 * i : 3 * i + 3]) for i in range(len(rows))]
    while expected and not any(expected[-1]) and found is not None and len(found) < len(expected):
        expected.pop()
    assert found is not None
    assert [tuple(row[name] for name in NAMES) for row in found] == expected


FRAME = pl.DataFrame({"sleutel": [KEY] * 40, "naam": ["abc", "é"] * 20, "bedrag": [1.5, None] * 20})


def whole(form: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"X.{form}"
        if form == "parquet":
            FRAME.write_parquet(path)
        else:
            polars_readstat.write_readstat(FRAME, str(path))
        return path.read_bytes()


WHOLE = {form: whole(form) for form in ("sav", "dta", "parquet")}


@fuzz
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_damaged_files_with_types(form: str, data: st.DataObject):
    content = bytearray(WHOLE[form])
    # Parquet is only cut: on some damaged pages polars ends the process, which nobody can catch
    for _ in range(data.draw(st.integers(0, 3)) if form != "parquet" else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    attempt(bytes(content), form, f".{form}")


@fuzz
@given(TEXT, st.sampled_from([".gz", ".zip"]), st.data())
def test_damaged_archives(content: bytes, extension: str, data: st.DataObject):
    out = io.BytesIO()
    if extension == ".gz":
        out.write(gzip.compress(content))
    else:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("X.csv", content)
    packed = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(1, len(packed)) | st.just(len(packed)))]
    attempt(bytes(packed), "csv", extension, "X.csv" if extension == ".zip" else None)
