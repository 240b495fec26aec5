"""Every rule has a name and a sentence, finds its records, and no record is lost."""

from __future__ import annotations

import re

import polars as pl
import pytest

from toolkit.errors import CallError, InputError
from toolkit.registers.delivery import BROKEN, COUNTS
from toolkit.registers.layout import Layout, layouts
from toolkit.registers.rules import Rule, check_records, rules_of
from toolkit.registers.values import parse

RIN = [
    {"name": "RINPERSOONS", "type": "rin_letter", "width": 1},
    {"name": "RINPERSOON", "type": "rin", "width": 9},
]
WORDS = {"nl": "x", "en": "x"}


def a_layout(*fields, **more):
    return Layout.model_validate(
        {
            "name": "odd_one", "title": WORDS, "about": WORDS, "reference": "none",
            "formats": ["csv"], "files": ["ODD{year}"], "unit": "spell", "period": "year",
            "fields": fields,
        } | more
    )  # fmt: skip


def rule(name, check, **more):
    return {"id": name, "check": check, **WORDS, **more}


def checked(delivered, layout, **options):
    n = len(next(iter(delivered.values())))
    raw = pl.DataFrame(delivered)
    for name, value in (("_file", pl.lit(0, pl.UInt32)),
                        ("_row", pl.int_range(1, n + 1, dtype=pl.UInt32))):  # fmt: skip
        if name not in raw.columns:
            raw = raw.with_columns(value.alias(name))
    raw = raw.cast({name: kind for name, kind in BROKEN.items() if name in raw.columns})
    found = check_records(parse(raw, layout), layout, **options)
    assert dict(found.broken.schema) == BROKEN
    assert dict(found.counts.schema) == COUNTS
    return found


def broken(delivered, layout, **options):
    """Row → rules."""
    rows = checked(delivered, layout, **options).broken
    return {
        row: set(found["rule"]) for (row,), found in rows.group_by("_row")
    }  # fmt: skip


ONE_OF_EACH = a_layout(
    {"name": "begin", "label": "BEGINDATUM", "type": "date", "required": True},
    {"name": "soort", "type": "code", "codes": {"1": "a"}},
    {"name": "uren", "type": "integer", "minimum": 1, "maximum": 40},
    {"name": "loon", "type": "number", "minimum": 0, "on_invalid": "warning"},
    {"name": "baan_nr", "type": "id"},
    {"name": "gemeente", "type": "municipality"},
    {"name": "naam", "type": "text", "width": 3},
)
FINE = {
    "begin": "20090101", "soort": "1", "uren": "40", "loon": "0", "baan_nr": "12",
    "gemeente": "0363", "naam": "abc",
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("begin", "", "ODD-ONE-BEGIN-REQUIRED"),
        ("begin", "20090230", "ODD-ONE-BEGIN-DATE"),
        ("soort", "2", "ODD-ONE-SOORT-CODE"),
        ("uren", "x", "ODD-ONE-UREN-NUMBER"),
        ("uren", "41", "ODD-ONE-UREN-RANGE"),
        ("uren", "0", "ODD-ONE-UREN-RANGE"),
        ("baan_nr", "12a", "ODD-ONE-BAAN-NR-NUMBER"),
        ("gemeente", "99999", "ODD-ONE-GEMEENTE-MUNICIPALITY"),
        ("naam", "abcd", "ODD-ONE-NAAM-TEXT"),
    ],
)
def test_each_kind_of_field_has_its_rule(field, value, name):
    columns = {key: [fine, value if key == field else fine] for key, fine in FINE.items()}
    found = checked(columns, ONE_OF_EACH)
    assert found.broken.rows() == [(0, 2, name)]
    assert found.counts.rows() == [(0, name, 1)]
    assert found.accepted["_row"].to_list() == [1]
    assert name in {known.id for known in rules_of(ONE_OF_EACH)}


def test_a_warning_only_counts():
    columns = {key: [fine] * 3 for key, fine in FINE.items()} | {"loon": ["-1", "x", "5"]}
    found = checked(columns, ONE_OF_EACH)
    assert found.broken.is_empty()
    assert found.accepted["loon"].to_list() == [None, None, 5.0]
    assert found.accepted["loon__status"].to_list() == ["invalid", "invalid", "valid"]
    assert found.counts.rows() == [(0, "ODD-ONE-LOON-NUMBER", 1), (0, "ODD-ONE-LOON-RANGE", 1)]


def test_a_required_value_that_is_invalid_breaks_one_rule():
    field = {"name": "begin", "type": "date", "required": True, "on_invalid": "warning"}
    assert broken({"begin": ["20090230"]}, a_layout(field)) == {1: {"ODD-ONE-BEGIN-DATE"}}
    open_end = field | {"open": ("00000000",)}
    assert broken({"begin": ["00000000"]}, a_layout(open_end)) == {1: {"ODD-ONE-BEGIN-REQUIRED"}}


def test_keys_of_the_population_register():
    columns = {
        "RINPERSOONS": ["R", "S", "R", "", "R", "", "R", "Z", "A"],
        "RINPERSOON": ["000000012", "000000012", "1", "0", "x", "000000012", "", "000000013", "1"],
    }
    found = checked(columns, a_layout(*RIN))
    assert found.broken.rows() == [
        (0, 2, "KEY-LETTER"), (0, 3, "KEY-ZERO"), (0, 4, "KEY-ZERO"), (0, 5, "KEY-RIN"),
        (0, 6, "KEY-RIN"), (0, 7, "KEY-RIN"), (0, 8, "KEY-LETTER"), (0, 9, "KEY-ZERO"),
    ]  # fmt: skip
    assert dict(found.counts.select("rule", "n").rows()) == {
        "KEY-LETTER": 2, "KEY-LETTER-S": 1, "KEY-LETTER-OTHER": 1, "KEY-ZERO": 3, "KEY-RIN": 3,
    }  # fmt: skip
    wider = checked(columns, a_layout(*RIN), letters=("S", "Z"))
    assert wider.accepted["_letter"].to_list() == ["S", "Z"]
    assert dict(wider.counts.select("rule", "n").rows())["KEY-LETTER-R"] == 1


def test_keys_of_municipalities():
    spec = a_layout({"name": "nummer", "type": "bsn", "required": True})
    columns = {"nummer": ["111222333", "111222334", "", "999999999"]}
    assert broken(columns, spec) == {row: {"KEY-BSN"} for row in (2, 3, 4)}
    assert checked(columns, spec).accepted["_bsn"].to_list() == ["111222333"]


def test_a_record_that_was_not_cut_into_fields_breaks_only_that_rule():
    columns = {key: [fine, "?", "?", "?"] for key, fine in FINE.items()}
    columns |= {"_broken": [None, "width", "fields", "encoding"]}
    both = ONE_OF_EACH.model_copy(update={"formats": ("fixed_width", "csv")})
    assert broken(columns, both) == {
        2: {"ODD-ONE-WIDTH"}, 3: {"ODD-ONE-FIELDS"}, 4: {"ODD-ONE-ENCODING"},
    }  # fmt: skip


def test_only_what_can_happen_to_a_form_is_a_rule():
    forms = {("parquet",): set(), ("csv",): {"FIELDS", "ENCODING"}, ("fixed_width",): {"WIDTH",
             "ENCODING"}}  # fmt: skip
    for form, kinds in forms.items():
        ids = {one.id for one in rules_of(ONE_OF_EACH.model_copy(update={"formats": form}))}
        assert {
            name for name in ("WIDTH", "FIELDS", "ENCODING") if f"ODD-ONE-{name}" in ids
        } == kinds


def test_a_date_is_asked_for_as_it_is_written():
    spec = a_layout({"name": "begin", "type": "date", "written": "dd-mm-yyyy"})
    said = next(one for one in rules_of(spec) if one.id == "ODD-ONE-BEGIN-DATE")
    assert "(dd-mm-jjjj)" in said.nl
    assert "(dd-mm-yyyy)" in said.en


SPELL = (
    {"name": "begin", "type": "date"},
    {"name": "einde", "type": "date", "open": ("00000000",)},
    {"name": "gemeente", "type": "municipality"},
)
DAYS = {
    "begin": ["20090101", "20090201", "20090101", ""],
    "einde": ["20090101", "20090101", "00000000", "20090101"],
    "gemeente": ["0363", "0363", "0014", "0363"],
}


def test_rules_of_the_layout_pass_where_nothing_is_known():
    spec = a_layout(*SPELL, rules=[rule("ODD-01", "begin <= einde")])
    assert broken(DAYS, spec) == {2: {"ODD-01"}}


def test_rules_of_the_layout_read_the_state_of_a_field():
    check = "einde__status IN ('open', 'valid') AND begin__status = 'valid'"
    assert broken(DAYS, a_layout(*SPELL, rules=[rule("ODD-02", check)])) == {4: {"ODD-02"}}


def test_a_rule_holds_only_where_it_says():
    check = rule("ODD-03", "einde IS NOT NULL", where="gemeente = 'gm0014'")
    assert broken(DAYS, a_layout(*SPELL, rules=[check])) == {3: {"ODD-03"}}


def test_a_rule_reads_the_period_and_the_sender_of_the_file():
    own = a_layout(*SPELL, rules=[
        rule("ODD-04", "gemeente = delivered_by"),
        rule("ODD-05", "begin < period_end", severity="warning"),
    ])  # fmt: skip
    files = pl.DataFrame(
        {"_file": [0], "delivered_by": ["gm0363"], "period_start": [None], "period_end": [None]},
    ).with_columns(period_end=pl.date(2009, 2, 1))
    found = checked(DAYS, own, files=files)
    assert found.broken.rows() == [(0, 3, "ODD-04")]
    assert found.counts.rows() == [(0, "ODD-04", 1), (0, "ODD-05", 1)]
    assert "delivered_by" not in found.accepted.columns
    with pytest.raises(CallError, match="delivered_by"):
        checked(DAYS, own)


@pytest.mark.parametrize("check", ["begin < gemeente", "gemeente + 1", "nummer = '111222333'"])
def test_a_rule_that_makes_no_sense_is_named(check):
    spec = a_layout(*SPELL, {"name": "nummer", "type": "bsn"}, rules=[rule("ODD-06", check)])
    with pytest.raises(InputError, match="ODD-06"):
        checked(DAYS | {"nummer": ["111222333"] * 4}, spec)


def test_a_rule_may_not_take_a_name_that_is_taken():
    spec = a_layout(*SPELL, rules=[rule("ODD-ONE-BEGIN-DATE", "begin <= einde")])
    with pytest.raises(InputError, match="ODD-ONE-BEGIN-DATE"):
        rules_of(spec)


def test_an_error_takes_the_whole_record_and_a_letter_only_the_person():
    columns = {
        "RINPERSOONS": ["R", "S", "R", "R", "S", "S", "S", "R"],
        "RINPERSOON": [f"00000001{n}" for n in range(8)],
        "begin": ["20090101"] * 3 + ["20090230"] + ["20090101"] * 3 + ["x"],
        "_row": [1, 1, 2, 2, 3, 3, 4, 4],
        "_part": pl.Series([0, 1] * 4, dtype=pl.UInt8),
    }
    spec = a_layout(*RIN, {"name": "begin", "type": "date"})
    found = checked(columns, spec)
    assert found.accepted.select("_row", "_part").rows() == [(1, 0)]
    assert found.broken.rows() == [
        (0, 2, "ODD-ONE-BEGIN-DATE"), (0, 3, "KEY-LETTER"), (0, 4, "KEY-LETTER"),
        (0, 4, "ODD-ONE-BEGIN-DATE"),
    ]  # fmt: skip
    assert dict(found.counts.select("rule", "n").rows()) == {
        "KEY-LETTER": 3, "KEY-LETTER-S": 3, "ODD-ONE-BEGIN-DATE": 2,
    }  # fmt: skip


def test_counts_are_kept_by_file():
    columns = {"begin": ["x", "x", "20090101", "x"], "_file": [0, 0, 1, 1], "_row": [1, 2, 1, 2]}
    found = checked(columns, a_layout({"name": "begin", "type": "date"}))
    assert found.counts.rows() == [(0, "ODD-ONE-BEGIN-DATE", 2), (1, "ODD-ONE-BEGIN-DATE", 1)]


def test_only_the_columns_asked_for_are_kept():
    columns = {key: [fine] for key, fine in FINE.items()}
    found = checked(columns, ONE_OF_EACH, columns=["begin", "uren__status"])
    assert found.accepted.columns == ["_file", "_row", "_part", "begin", "uren__status"]


@pytest.mark.parametrize("name", sorted(layouts()))
def test_every_rule_of_every_layout_is_named_and_said_in_two_languages(name):
    layout = layouts()[name]
    found = rules_of(layout)
    assert len({one.id for one in found}) == len(found)
    for one in found:
        assert isinstance(one, Rule)
        assert re.fullmatch(r"[A-Z0-9][A-Z0-9-]+", one.id)
        assert one.nl != one.en or one.stage == 2
        assert not re.search(r"[{}]|None", one.nl + one.en)
        assert one.nl.endswith(".")
        assert one.en.endswith(".")
        assert one.severity in {"error", "set_aside", "warning"}
        assert one.layout == name


@pytest.mark.parametrize("name", sorted(layouts()))
def test_every_rule_of_every_layout_can_be_evaluated(name):
    layout = layouts()[name]
    files = pl.DataFrame(schema={
        "_file": pl.UInt32, "period_start": pl.Date, "period_end": pl.Date,
        "delivered_by": pl.String,
    })  # fmt: skip
    found = checked({field.name: [""] for field in layout.fields}, layout, files=files)
    assert found.accepted.height + found.broken["_row"].n_unique() == 1
    assert set(found.counts["rule"]) <= {one.id for one in rules_of(layout)}
