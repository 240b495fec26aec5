"""Each delivered value becomes what it says, and every way of saying nothing stays apart."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from pydantic import ValidationError

from toolkit.errors import InputError, MissingColumnError, WrongTypeError
from toolkit.registers.layout import FieldSpec, Layout
from toolkit.registers.values import parse

NIL = ("00000000",)
NOT = ("99999999",)
RIN = [
    {"name": "RINPERSOONS", "type": "rin_letter", "width": 1},
    {"name": "RINPERSOON", "type": "rin", "width": 9},
]


def a_layout(*fields, **more):
    return Layout.model_validate(
        {
            "name": "odd_one", "title": {"nl": "x", "en": "x"}, "about": {"nl": "x", "en": "x"},
            "reference": "none", "formats": ["csv"], "files": ["ODD{year}"], "unit": "spell",
            "period": "year", "fields": fields,
        } | more
    )  # fmt: skip


def decoded(values, dtype=None, *, layout=None, **field):
    """Status and value of each delivered value of one field `x`."""
    raw = pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).with_columns(
        _file=pl.lit(0, pl.UInt32), _row=pl.int_range(1, len(values) + 1, dtype=pl.UInt32)
    )
    spec = a_layout({"name": "x", **field}, **(layout or {}))
    found = parse(raw, spec).collect()
    return list(zip(found["x__status"].to_list(), found["x"].to_list(), strict=True))


DATE = {"type": "date", "width": 8, "open": NIL, "not_applicable": NOT}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20090131", ("valid", date(2009, 1, 31))),
        ("20080229", ("valid", date(2008, 2, 29))),
        ("20090230", ("invalid", None)),
        ("19000229", ("invalid", None)),  # 1900 was no leap year
        ("20091301", ("invalid", None)),
        ("20090100", ("invalid", None)),
        ("18791231", ("invalid", None)),
        ("18800101", ("valid", date(1880, 1, 1))),
        ("21001231", ("valid", date(2100, 12, 31))),
        ("21010101", ("invalid", None)),
        ("00000000", ("open", None)),
        ("0", ("open", None)),  # a spreadsheet ate the zeros
        ("99999999", ("not_applicable", None)),
        ("", ("unknown", None)),
        (None, ("unknown", None)),
        ("2009013", ("invalid", None)),
        ("0020090131", ("invalid", None)),
        ("2009-01-31", ("invalid", None)),
        ("31012009", ("invalid", None)),
        ("+2009013", ("invalid", None)),
        ("eejjmmdd", ("invalid", None)),
    ],
)
def test_a_date_is_a_day_or_one_of_four_ways_of_having_none(value, expected):
    assert decoded([value], pl.String, **DATE) == [expected]


@pytest.mark.parametrize(
    ("value", "first", "middle"),
    [
        ("20090500", date(2009, 5, 1), date(2009, 5, 15)),
        ("20090000", date(2009, 1, 1), date(2009, 7, 1)),
        ("20090015", date(2009, 1, 1), date(2009, 7, 1)),
        ("20091300", None, None),
        ("20090531", date(2009, 5, 31), date(2009, 5, 31)),
        ("00000500", None, None),
    ],
)
def test_partial_dates_follow_the_rule_of_the_field(value, first, middle):
    for rule, day in (("first", first), ("middle", middle)):
        expected = ("valid", day) if day else ("invalid", None)
        assert decoded([value], partial=rule, **DATE) == [expected]


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Int64, pl.Int32, pl.Float32])
def test_dates_delivered_as_numbers(dtype):
    values = [20081231, 0, 99999999, 20090230, None]
    if dtype == pl.Float32:  # it holds no number of eight digits exactly
        values, expected = [0.0, None], ["open", "unknown"]
        assert [status for status, _ in decoded(values, dtype, **DATE)] == expected
        return
    assert decoded(values, dtype, **DATE) == [
        ("valid", date(2008, 12, 31)), ("open", None), ("not_applicable", None),
        ("invalid", None), ("unknown", None),
    ]  # fmt: skip


def test_a_number_with_a_fraction_is_no_date_and_no_code():
    assert decoded([20090131.5, float("nan")], **DATE) == [("invalid", None), ("unknown", None)]
    code = {"type": "code", "codes": {"1": "a"}}
    assert decoded([1.0, 1.5], **code) == [("valid", "a"), ("invalid", None)]


def test_dates_delivered_as_dates():
    days = [date(2009, 1, 31), date(1875, 1, 1), date(9999, 12, 31), None]
    expected = [
        ("valid", date(2009, 1, 31)), ("invalid", None), ("open", None), ("unknown", None),
    ]  # fmt: skip
    field = {"type": "date", "open": ("99991231",)}
    assert decoded(days, pl.Date, **field) == expected
    moments = [day and datetime(day.year, day.month, day.day, 13) for day in days]  # noqa: DTZ001
    assert decoded(moments, pl.Datetime("us"), **field) == expected


@pytest.mark.parametrize(
    ("written", "value"),
    [("dd-mm-yyyy", "31-01-2009"), ("yyyy-mm-dd", "2009-01-31"), ("mm/dd/yyyy", "01/31/2009")],
)
def test_dates_written_in_another_way(written, value):
    field = {"type": "date", "written": written, "open": ("00000000",), "unknown": ("onbekend",)}
    values = [value, "20090131", "00000000", "onbekend", "", value.replace("31", "32")]
    assert decoded([*values, value.replace("2009", "1879")], **field) == [
        ("valid", date(2009, 1, 31)), ("invalid", None), ("open", None), ("unknown", None),
        ("unknown", None), ("invalid", None), ("invalid", None),
    ]  # fmt: skip
    assert decoded([20090131.0, 0.0], **field) == [("valid", date(2009, 1, 31)), ("open", None)]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("date", {"written": "dd-mm-jjjj"}),
        ("date", {"written": "ddmmyyyy"}),
        ("date", {"written": "dd-mm-yyyy", "partial": "first"}),
        ("text", {"written": "dd-mm-yyyy"}),
    ],
)
def test_a_way_of_writing_that_is_none_is_refused(kind, more):
    with pytest.raises(ValidationError, match="written"):
        FieldSpec(name="x", type=kind, **more)


def test_a_listed_day_is_no_date_though_it_exists():
    assert decoded(["19000101", "19000102"], type="date", unknown=("19000101",)) == [
        ("unknown", None), ("valid", date(1900, 1, 2)),
    ]  # fmt: skip


def test_an_empty_field_is_unknown_unless_it_is_listed():
    for kind in ("date", "integer", "text", "municipality", "id", "number"):
        assert decoded(["", None], pl.String, type=kind) == [("unknown", None)] * 2
        assert decoded(["", None], pl.String, type=kind, open=("",)) == [("open", None)] * 2
    code = {"type": "code", "codes": {"1": "a"}, "not_applicable": ("",)}
    assert decoded(["", None], pl.String, **code) == [("not_applicable", None)] * 2


CODES = {"01": "work", "02": "studies", "11": "", "98": "other"}


def test_codes_have_names_and_unknown_ones_are_never_silently_null():
    field = {"type": "code", "codes": CODES, "width": 2, "not_applicable": ("99",)}
    assert decoded(["01", "2", "11", "99", "03", "001", "x", "+1", ""], **field) == [
        ("valid", "work"), ("valid", "studies"), ("valid", None), ("not_applicable", None),
        ("invalid", None), ("invalid", None), ("invalid", None), ("invalid", None),
        ("unknown", None),
    ]  # fmt: skip


@pytest.mark.parametrize("listed", ["1", "01"])
@pytest.mark.parametrize("delivered", [["1"], ["01"], [1.0], [1]])
def test_a_code_is_found_with_and_without_its_zeros(listed, delivered):
    field = {"type": "code", "codes": {listed: "work"}, "width": 2, "not_applicable": ("99",)}
    assert decoded(delivered, **field) == [("valid", "work")]
    assert decoded([99.0, 3.0, None], **field) == [
        ("not_applicable", None), ("invalid", None), ("unknown", None),
    ]  # fmt: skip


def test_codes_that_are_letters_or_differ_by_a_zero_only():
    letters = {"type": "code", "codes": {"B": "temporary", "O": "permanent"}, "unknown": ("-",)}
    assert decoded(["B", "b", "O", "-", "BO"], **letters) == [
        ("valid", "temporary"), ("invalid", None), ("valid", "permanent"), ("unknown", None),
        ("invalid", None),
    ]  # fmt: skip
    assert decoded([1.0], **letters) == [("invalid", None)]
    zeros = {"type": "code", "codes": {"1": "a", "01": "b", "2": "c"}}
    assert decoded(["1", "01", "02"], **zeros) == [
        ("valid", "a"),
        ("valid", "b"),
        ("invalid", None),
    ]
    assert decoded([1, 2], **zeros) == [("valid", "a"), ("valid", "c")]
    mixed = {"type": "code", "width": 2, "codes": {"1": "a", "A": "b"}}
    assert decoded(["1", "01", "A"], **mixed) == [("valid", "a"), ("valid", "a"), ("valid", "b")]


def test_codes_out_of_a_factor():
    kind = pl.Enum(["1", "2", "9"])
    assert decoded(["1", "9"], kind, type="code", codes={"1": "a"}, unknown=("9",)) == [
        ("valid", "a"), ("unknown", None),
    ]  # fmt: skip


def test_municipalities():
    field = {"type": "municipality", "width": 4, "unknown": ("9999",)}
    assert decoded(["0363", "363", "GM0363", "gm0014", "0000", "9999", "03631", "A"], **field) == [
        ("valid", "gm0363"), ("valid", "gm0363"), ("valid", "gm0363"), ("valid", "gm0014"),
        ("invalid", None), ("unknown", None), ("invalid", None), ("invalid", None),
    ]  # fmt: skip
    assert decoded([363.0, 0.0, 9999.0], **field) == [
        ("valid", "gm0363"), ("invalid", None), ("unknown", None),
    ]  # fmt: skip


def test_whole_numbers_their_range_and_their_nines():
    field = {"type": "integer", "minimum": 1, "maximum": 6, "not_applicable": ("9",)}
    expected = [
        ("valid", 1), ("valid", 6), ("invalid", None), ("not_applicable", None), ("invalid", None),
    ]  # fmt: skip
    assert decoded(["1", "06", "7", "9", "0"], **field) == expected
    assert decoded([1.0, 6.0, 7.0, 9.0, 0.0], **field) == expected
    assert decoded(["x", "1.0", "-3"], **field) == [("invalid", None)] * 3
    assert decoded(["-3"], type="integer") == [("valid", -3)]


def test_numbers_with_a_comma_or_a_point():
    field = {"type": "number", "unknown": ("999999,99",)}
    comma = {"decimal_comma": True}
    assert decoded(["12,5", "-3", "1.234", "1.234,5", "999999,99"], layout=comma, **field) == [
        ("valid", 12.5), ("valid", -3.0), ("invalid", None), ("valid", 1234.5), ("unknown", None),
    ]  # fmt: skip
    # a point marks thousands only where the comma that follows says so
    thousands = ["-1.234.567,89", "1.23,4", "12.34.567,0", "1.234,567,8", "999.999,99", ".123,4"]
    assert decoded(thousands, layout=comma, **field) == [
        ("valid", -1234567.89), ("invalid", None), ("invalid", None), ("invalid", None),
        ("unknown", None), ("invalid", None),
    ]  # fmt: skip
    assert decoded(["12.5", "12,5", "inf", "nan", "999999.99", "1e3"], **field) == [
        ("valid", 12.5), ("invalid", None), ("invalid", None), ("invalid", None),
        ("unknown", None), ("valid", 1000.0),
    ]  # fmt: skip
    assert decoded([1.5, float("inf"), float("nan"), 999999.99], **field) == [
        ("valid", 1.5), ("invalid", None), ("unknown", None), ("unknown", None),
    ]  # fmt: skip


@pytest.mark.parametrize("listed", ["31-12-9999", "99991231"])
def test_a_listed_date_is_found_however_dates_are_written(listed):
    field = {"type": "date", "written": "dd-mm-yyyy", "open": (listed,)}
    asked = ["31-12-9999", "1-3-2009", "01-03-2009", "00-00-0000", ""]
    assert decoded(asked, **field) == [
        ("open", None), ("valid", date(2009, 3, 1)), ("valid", date(2009, 3, 1)),
        ("invalid", None), ("unknown", None),
    ]  # fmt: skip
    assert decoded([date(9999, 12, 31), date(2009, 3, 1)], **field) == [
        ("open", None), ("valid", date(2009, 3, 1)),
    ]  # fmt: skip
    assert decoded([99991231, 20090301], **field) == [("open", None), ("valid", date(2009, 3, 1))]


def test_numbers_of_jobs_and_employers():
    field = {"type": "id", "width": 12, "unknown": ("999999999999",)}
    assert decoded(["000000000012", "123456789012", "999999999999", "-1", "12A"], **field) == [
        ("valid", 12), ("valid", 123456789012), ("unknown", None), ("invalid", None),
        ("invalid", None),
    ]  # fmt: skip
    assert decoded([123456789012.0], **field) == [("valid", 123456789012)]


def test_text_is_kept_as_it_is_and_not_longer_than_its_field():
    assert decoded(["gws ", "012345", "ë" * 4], type="text", width=5) == [
        ("valid", "gws "), ("invalid", None), ("valid", "ë" * 4),
    ]  # fmt: skip
    assert decoded([5.0, 2.5], type="text") == [("valid", "5"), ("valid", "2.5")]


def keyed(letter, number, dtype=pl.String):
    raw = pl.DataFrame(
        {"RINPERSOONS": [letter], "RINPERSOON": [number], "_file": [0], "_row": [1]},
        schema_overrides={"RINPERSOON": dtype, "RINPERSOONS": pl.String},
    )
    found = parse(raw, a_layout(*RIN)).collect()
    assert "RINPERSOON" not in found.columns
    return found.select("_key", "_letter", "RINPERSOON__status").row(0)


@pytest.mark.parametrize(
    ("letter", "number", "expected"),
    [
        ("R", "012345678", (ord("R") * 10**9 + 12345678, "R", "valid")),
        ("s", "999999999", (ord("S") * 10**9 + 999999999, "S", "valid")),
        ("R", "12345678", (ord("R") * 10**9 + 12345678, "R", "valid")),
        ("R", "1234567890", (None, "R", "invalid")),
        ("R", "", (None, "R", "unknown")),
        ("R", "12345678A", (None, "R", "invalid")),
        ("", "012345678", (None, None, "valid")),
        ("RR", "012345678", (None, None, "valid")),
        ("1", "012345678", (None, None, "valid")),
        ("", "0", (0, None, "unknown")),
        (None, "1", (1, None, "unknown")),
        ("R", "1", (ord("R") * 10**9 + 1, "R", "unknown")),
    ],
)
def test_a_rin_is_a_pair(letter, number, expected):
    assert keyed(letter, number) == expected


def test_a_rin_delivered_as_a_number():
    assert keyed("R", 12345678.0, pl.Float64)[0] == ord("R") * 10**9 + 12345678
    assert keyed("R", -5.0, pl.Float64) == (None, "R", "invalid")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("111222333", ("valid", "111222333")),
        ("123456782", ("valid", "123456782")),
        ("123456789", ("invalid", None)),
        ("10000008", ("valid", "010000008")),
        ("010000008", ("valid", "010000008")),
        ("10000009", ("invalid", None)),
        ("000000000", ("invalid", None)),
        ("00000000", ("invalid", None)),
        ("1112223330", ("invalid", None)),
        ("999999999", ("not_applicable", None)),
        ("", ("unknown", None)),
        ("11122233x", ("invalid", None)),
    ],
)
def test_a_bsn_passes_the_eleven_test(value, expected):
    raw = pl.DataFrame({"nummer": [value], "_file": [0], "_row": [1]})
    found = parse(raw, a_layout({"name": "nummer", "type": "bsn", "width": 9})).collect()
    assert found.select("nummer__status", "_bsn").row(0) == expected
    assert "nummer" not in found.columns


def test_what_stands_beside_the_fields_is_kept():
    raw = pl.DataFrame(
        {"x": ["1"], "y": ["?"], "_file": [3], "_row": [7], "_part": [1], "_broken": ["width"]}
    ).with_columns(delivered_by=pl.lit("gm0001"))
    found = parse(raw, a_layout({"name": "x", "type": "integer"})).collect()
    assert found.columns == [
        "_file", "_row", "delivered_by", "_part", "_broken", "x", "x__status",
    ]  # fmt: skip
    assert found.row(0) == (3, 7, "gm0001", 1, "width", 1, "valid")


def test_only_what_is_asked_for_is_read():
    raw = pl.LazyFrame({"x": ["1"], "y": ["2"], "_file": [0], "_row": [1]})
    spec = a_layout({"name": "x", "type": "integer"}, {"name": "y", "type": "date"})
    plan = parse(raw, spec).select("x").explain()
    assert 'PROJECT["x"]' in plan.replace(" ", "")


def test_a_column_that_is_not_there():
    raw = pl.DataFrame({"begindatum": ["20090101"], "_file": [0], "_row": [1]})
    with pytest.raises(MissingColumnError, match="begindatum"):
        parse(raw, a_layout({"name": "begin_datum", "type": "date"}))
    lacking = a_layout({"name": "einde", "type": "date", "may_lack": True})
    assert parse(raw, lacking).collect()["einde__status"].to_list() == ["unknown"]


def test_a_column_no_field_can_be_read_from():
    with pytest.raises(WrongTypeError, match="'x'"):
        decoded([[1], [2]], type="integer")
    with pytest.raises(WrongTypeError, match="Date"):
        decoded([date(2009, 1, 1)], type="integer")


def test_one_person_a_record():
    twice = ({"name": "bsn1", "type": "bsn"}, {"name": "bsn2", "type": "bsn"})
    raw = pl.DataFrame({"bsn1": ["1"], "bsn2": ["2"], "_file": [0], "_row": [1]})
    with pytest.raises(InputError, match="persons"):
        parse(raw, a_layout(*twice))


def test_every_kind_of_field_is_decoded():
    kinds = FieldSpec.model_fields["type"].annotation.__args__
    for kind in set(kinds) - {"rin", "rin_letter", "bsn", "client", "code"}:
        assert decoded(["?"], type=kind)[0][0] == ("valid" if kind == "text" else "invalid")
