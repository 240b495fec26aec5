"""What holds for any delivered values: one state each, nothing lost, and back as they went in."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.registers.delivery import STATUS
from toolkit.registers.keys import KeyRing
from toolkit.registers.layout import FieldSpec, Layout
from toolkit.registers.rules import check_records
from toolkit.registers.values import parse

QUICK = settings(max_examples=40, deadline=None)
WIDE = settings(max_examples=150, deadline=None)
WORDS = {"nl": "x", "en": "x"}
CODES = {"1": "a", "02": "", "17": "b"}
NONE = {"open": "00000000", "not_applicable": "99999999"}


def a_layout(*fields, **more):
    return Layout.model_validate(
        {
            "name": "odd_one", "title": WORDS, "about": WORDS, "reference": "none",
            "formats": ["csv"], "files": ["ODD{year}"], "unit": "spell", "period": "year",
            "fields": fields,
        } | more
    )  # fmt: skip


def delivered(columns):
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        _file=pl.lit(0, pl.UInt32), _row=pl.int_range(1, frame.height + 1, dtype=pl.UInt32)
    )


def listed(field):
    return [
        (status, word)
        for status in ("open", "not_applicable", "unknown")
        for word in getattr(field, status)
    ]


def is_number(text):
    return text.isascii() and text.removeprefix("-").removeprefix("+").isdigit()


def by_hand(field, text):
    """State and value of a delivered text, said once more in plain Python."""
    if not text:
        return next((state for state, word in listed(field) if word == ""), "unknown"), None
    for state, word in listed(field):
        as_number = is_number(word) and is_number(text) and field.type != "text"
        if as_number and field.type == "code":
            as_number = text.isdigit() and len(text) <= 2
        if text == word or (as_number and int(text) == int(word)):
            return state, None
    found = VALUE[field.type](field, text)
    return ("invalid", None) if found is None else ("valid", found or None)


def code_by_hand(_field, text):
    """Name of a code, which may say nothing; None where there is no such code."""
    if not (text.isascii() and text.isdigit() and len(text) <= 2):
        return None
    return {int(code): name for code, name in CODES.items()}.get(int(text))


def place_by_hand(_field, text):
    digits = text.removeprefix("gm") if len(text) == 6 else text
    fits = digits.isascii() and digits.isdigit() and len(digits) <= 4 and int(digits)
    return f"gm{int(digits):04d}" if fits else None


def date_by_hand(field, text):
    if not (text.isascii() and text.isdigit() and len(text) == 8):
        return None
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:])
    if field.partial != "reject":
        if month == 0:
            month, day = (1, 1) if field.partial == "first" else (7, 1)
        elif day == 0:
            day = 1 if field.partial == "first" else 15
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found if 1880 <= year <= 2100 else None


VALUE = {
    "date": date_by_hand,
    "code": code_by_hand,
    "municipality": place_by_hand,
    "integer": lambda _, text: int(text) if is_number(text) and 1 <= int(text) <= 40 else None,
    "text": lambda _, text: text if len(text) <= 8 else None,
}


nearly_dates = st.builds(
    "{:04d}{:02d}{:02d}".format,
    st.one_of(st.integers(1878, 2102), st.sampled_from([0, 9999])),
    st.integers(0, 13),
    st.integers(0, 32),
)
texts = st.one_of(
    st.none(),
    st.sampled_from(["", "0", "9", "99", "1", "01", "2", "02", "17", "001", "00000000",
                     "99999999", "gm0363", "-5", "x", "1.0", "gm", "9999"]),
    nearly_dates,
    st.integers(-10, 10**8).map(str),
    st.text(alphabet="0123456789gm-,. éA", max_size=9).map(str.strip),
)  # fmt: skip
fields = st.builds(
    lambda kind, partial, states: FieldSpec(
        name="x",
        type=kind,
        partial=partial if kind == "date" else "reject",
        **({"codes": CODES, "width": 2} if kind == "code" else {}),
        **({"minimum": 1, "maximum": 40} if kind == "integer" else {}),
        **({"width": 8} if kind in {"date", "text"} else {}),
        **states,
    ),
    st.sampled_from(["date", "code", "integer", "municipality", "text"]),
    st.sampled_from(["reject", "first", "middle"]),
    st.sampled_from([
        {}, {"open": ("00000000",), "not_applicable": ("99999999", "")}, {"unknown": ("9", "99")},
        {"open": ("0",), "unknown": ("x",)},
    ]),
)  # fmt: skip


@WIDE
@given(fields, st.lists(texts, min_size=1, max_size=40))
def test_every_value_is_decoded_as_by_hand_and_has_one_state(field, values):
    spec = a_layout(field.model_dump())
    found = parse(delivered({"x": pl.Series(values, dtype=pl.String)}), spec).collect()
    states, read = found["x__status"].to_list(), found["x"].to_list()
    assert set(states) <= set(STATUS)
    assert list(zip(states, read, strict=True)) == [by_hand(field, value) for value in values]


@WIDE
@given(
    st.lists(
        st.one_of(
            st.sampled_from([None, 0.0, 1.0, 2.0, 9.0, 17.0, 99999999.0, 20090131.5, -3.0]),
            nearly_dates.map(float),
            st.integers(-5, 10**8).map(float),
        ),
        min_size=1,
        max_size=40,
    ),
    fields.filter(lambda field: field.type != "text"),
)
def test_a_number_is_decoded_as_its_digits(values, field):
    spec = a_layout(field.model_dump())
    width = {"date": 8, "code": 2, "municipality": 4, "integer": 1}[field.type]
    written = [
        None if value is None else f"{int(value):0{width}d}" if value == int(value) else "x.5"
        for value in values
    ]
    as_number = parse(delivered({"x": pl.Series(values, dtype=pl.Float64)}), spec).collect()
    as_text = parse(delivered({"x": pl.Series(written, dtype=pl.String)}), spec).collect()
    assert as_number.equals(as_text)


valid = st.fixed_dictionaries({
    "day": st.one_of(st.dates(date(1880, 1, 1), date(2100, 12, 31)), st.sampled_from([*NONE])),
    "code": st.sampled_from(["a", "b"]),
    "place": st.integers(1, 9999).map(lambda number: f"gm{number:04d}"),
    "number": st.integers(-(10**12), 10**12),
    "wage": st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    "employer": st.integers(0, 10**12 - 1),
    "word": st.text(alphabet="abcdëf 1", min_size=1, max_size=6).map(str.strip).filter(bool),
    "rin": st.integers(2, 10**9 - 1),
    "letter": st.sampled_from("RSAF"),
})  # fmt: skip
LAYOUT = a_layout(
    {"name": "day", "type": "date", "width": 8} | {state: (word,) for state, word in NONE.items()},
    {"name": "code", "type": "code", "codes": CODES, "width": 2},
    {"name": "place", "type": "municipality", "width": 4},
    {"name": "number", "type": "integer"},
    {"name": "wage", "type": "number"},
    {"name": "employer", "type": "id", "width": 12},
    {"name": "word", "type": "text", "width": 6},
    {"name": "letter", "type": "rin_letter", "width": 1},
    {"name": "rin", "type": "rin", "width": 9},
    decimal_comma=True,
)


def encode(row):
    """A record as an office delivers it."""
    return (
        row
        | {
            "day": row["day"] if isinstance(row["day"], str) else f"{row['day']:%Y%m%d}",
            "code": {"a": "01", "b": "17"}[row["code"]],
            "place": row["place"].removeprefix("gm"),
            "number": str(row["number"]),
            "wage": f"{row['wage']:.2f}".replace(".", ","),
            "employer": f"{row['employer']:012d}",
            "rin": f"{row['rin']:09d}",
        }
        | ({"day": NONE[row["day"]]} if row["day"] in NONE else {})
    )


@QUICK
@given(st.lists(valid, min_size=1, max_size=20))
def test_what_is_encoded_is_decoded_again(rows):
    found = parse(delivered([encode(row) for row in rows]), LAYOUT).collect()
    for row, read in zip(rows, found.iter_rows(named=True), strict=True):
        for name in ("code", "place", "number", "wage", "employer", "word", "letter"):
            assert (read[name], read[f"{name}__status"]) == (row[name], "valid")
        state = row["day"] if row["day"] in NONE else "valid"
        assert read["day__status"] == state
        assert read["day"] == (None if row["day"] in NONE else row["day"])
        assert read["_key"] == ord(row["letter"]) * 10**9 + row["rin"]


records = st.lists(
    st.tuples(
        st.integers(1, 8),  # record
        st.sampled_from(["R", "S", ""]),
        st.sampled_from(["000000012", "000000013", "1", "x"]),
        st.sampled_from(["20090101", "20090230", "", "20100101"]),
        st.sampled_from([None, None, None, "width"]),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


@QUICK
@given(records)
def test_a_record_is_accepted_or_broken_and_none_is_lost(rows):
    rows = sorted(rows, key=lambda row: row[0])
    spec = a_layout(
        {"name": "letter", "type": "rin_letter"},
        {"name": "rin", "type": "rin"},
        {"name": "begin", "type": "date", "required": True},
        rules=[{"id": "ODD-01", "check": "begin < DATE '2010-01-01'", **WORDS}],
    )
    raw = pl.DataFrame(
        rows, schema=["_row", "letter", "rin", "begin", "_broken"], orient="row",
        schema_overrides={"_row": pl.UInt32, "_broken": pl.String},
    ).with_columns(
        _file=pl.lit(0, pl.UInt32), _part=pl.int_range(pl.len(), dtype=pl.UInt8).over("_row"),
    )  # fmt: skip
    found = check_records(parse(raw, spec), spec)
    came, stayed = set(raw["_row"]), set(found.accepted["_row"])
    went = set(found.broken["_row"])
    assert stayed | went == came
    assert not stayed & went
    assert found.accepted.select("_row", "_part").is_unique().all()
    # what stays is fine, and its values are what came in
    for row in found.accepted.iter_rows(named=True):
        assert (row["_letter"], row["begin__status"]) == ("R", "valid")
        assert row["begin"] == date(2009, 1, 1)
    # and the same once more, where surrogates take the place of keys
    ring = KeyRing.build(seed=1, keys=pl.Series([ord("R") * 10**9 + 12], dtype=pl.UInt64))
    linked = ring.link(found.accepted)
    assert set(linked.accepted["_row"]) | set(linked.broken["_row"]) == stayed
    assert not set(linked.accepted["_row"]) & set(linked.broken["_row"])


numbers = st.lists(st.integers(0, 30), max_size=15)


@QUICK
@given(numbers, numbers, st.integers(0, 3))
def test_a_ring_numbers_everyone_once_and_never_anew(first, second, seed):
    def ring(keys, earlier=None):
        return KeyRing.build(seed=seed, keys=pl.Series(keys, dtype=pl.UInt64), earlier=earlier)

    def persons(of, keys):
        wanted = pl.Series(sorted(set(keys)), dtype=pl.UInt64)
        frame = delivered({"_key": wanted})
        return dict(zip(wanted, of.attach(frame)[0]["person"], strict=True))

    one = ring(first)
    two = ring(second, one)
    was, now = persons(one, first), persons(two, second)
    assert sorted(was.values()) == list(range(len(set(first))))
    assert all(now[key] == was[key] for key in now.keys() & was.keys())
    everyone = was | now
    assert sorted(everyone.values()) == list(range(len({*first, *second})))
    # the order of delivery says nothing
    assert persons(ring(first[::-1]), first) == was
