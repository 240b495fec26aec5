import tomllib
from datetime import date
from itertools import product
from pathlib import PurePath
from typing import get_args

import polars as pl
import pytest

from synthetic_data.raw_files import encode
from toolkit.errors import InputError
from toolkit.registers.delivery import STATUS
from toolkit.registers.explain import explained, listed
from toolkit.registers.layout import (
    HERE,
    Certainty,
    FieldType,
    Layout,
    Period,
    Severity,
    Unit,
    Via,
    built_in,
    code_lists,
    read_layout,
)
from toolkit.registers.readers.file_names import in_force, match_name
from toolkit.registers.reconcile import needed
from toolkit.registers.reconcile.relations import check_persons
from toolkit.registers.reconcile.rows import columns_of, roots
from toolkit.registers.rules import check_records, rules_of
from toolkit.registers.schema import TABLES, dtypes
from toolkit.registers.values import parse

LAYOUTS = built_in()
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
VALUE = {
    "date": pl.Date, "integer": pl.Int64, "number": pl.Float64, "id": pl.Int64,
}  # fmt: skip


def schema(layout):
    """Types of the columns that rules and tables read."""
    columns = {
        "person": pl.Int64, "_part": pl.UInt8, "period_start": pl.Date, "period_end": pl.Date,
        "delivered_by": pl.String,
    }  # fmt: skip
    for field in layout.fields:
        columns[field.name] = VALUE.get(field.type, pl.String)
        columns[f"{field.name}__status"] = pl.Enum(STATUS)
    return columns


# ---- all of them


def test_what_is_there():
    assert set(LAYOUTS) >= {
        "srg_2010", "srg_2013", "srg_2013_ladder", "srg_2015", "bus_2010", "bus_2013",
        "cbs_bijstanduitkeringtab", "cbs_bijstandpersoonbus", "cbs_polisbus", "cbs_spolisbus",
        "cbs_secmbus", "cbs_wwpersoonbus", "cbs_gbapersoontab", "cbs_gbaoverlijdentab",
        "cbs_gbamigratiebus", "cbs_gbahuishoudensbus", "cbs_gbaadres", "cbs_srgpersoonbus",
        "cbs_srgpersoonpwet", "cbs_srgvoorziening", "cbs_srgpositie", "gemeenten", "koppeltabel",
    }  # fmt: skip


def test_rule_ids_are_used_once_over_all_layouts():
    own = [rule.id for layout in LAYOUTS.values() for rule in layout.rules]
    assert len(own) == len(set(own))


@every_layout
def test_sentences_are_sentences(layout):
    texts = [layout.title, layout.about, *layout.rules]
    assert all(text.nl != text.en for text in texts)
    for text in texts[1:]:
        for said in (text.nl, text.en):
            assert said[0].isupper()
            assert said.endswith(".")


@every_layout
def test_rules_can_be_computed(layout):
    empty = pl.DataFrame(schema=schema(layout))
    for rule in layout.rules:
        for sql in (rule.check, rule.where):
            if sql is not None:
                assert empty.select(holds=pl.sql_expr(sql)).schema["holds"] == pl.Boolean, rule.id


@every_layout
def test_tables_get_columns_of_their_types(layout):
    """Also: every name that a code can become is one of the canonical table."""
    typed = schema(layout)
    for table in layout.tables:
        known = dtypes(table.table)
        if table.via != "wage_rows":
            columns_of(layout, table)
        required = {"person", *table.columns}
        if table.via == "rows" and table.role == "base":
            lacking = {name for name, column in _columns(table.table) if not column.nullable}
            assert lacking <= required, f"{layout.name}: {lacking - required}"
        for name, sql in table.columns.items():
            frame = _every_code(layout, roots(sql), typed)
            value = frame.select(pl.sql_expr(sql).alias(name))[name]
            if name in known:
                value.cast(known[name])


def _columns(table):
    return TABLES[table].columns().items()


def _every_code(layout, names, typed):
    """Rows with every combination of codes of the fields an expression reads."""
    choices = []
    for name in sorted(names):
        field = next((field for field in layout.fields if field.name == name), None)
        words = {word or None for word in field.code_list.values()} if field else set()
        usual = {"gemeentecode": "gm0599", "GEMEENTECODE": "gm0599"}.get(name)
        choices.append([*sorted(words - {None}), None] if words else [usual])
    rows = list(product(*choices))
    return pl.DataFrame(
        {name: [row[at] for row in rows] for at, name in enumerate(sorted(names))},
        schema={name: typed[name] for name in sorted(names)},
    )


@every_layout
def test_records_of_two_persons_are_staged_without_the_second_key(layout):
    second = {name for person in layout.persons for name in person.values()}
    keys = {name for name in second if "service" in name.lower() or "RIN" in name}
    assert not keys & needed(layout)


@every_layout
def test_sentinels_are_no_codes(layout):
    for field in layout.fields:
        listed_values = {*field.open, *field.not_applicable, *field.unknown}
        assert not listed_values & set(field.code_list), field.name


def test_code_lists_say_what_they_are():
    found = tomllib.loads((HERE / "_codes.toml").read_text(encoding="utf-8"))
    assert all(codes.get("about", "").endswith(".") for codes in found.values())
    named = {
        field.codes
        for one in LAYOUTS.values()
        for field in one.fields
        if isinstance(field.codes, str)
    }
    assert named == set(code_lists())


# ---- the forms of the regulation


@pytest.mark.parametrize(
    ("name", "width", "places"),
    [
        # Bijlage 6, version of 8 January 2010: 19 fields, widths as printed
        ("srg_2010", 89, {"gemeentecode": (6, 9), "burgerservicenummer": (10, 18),
                          "begindatum_traject": (37, 44), "reden_einde_traject": (70, 70),
                          "positie_begin": (88, 88), "positie_einde": (89, 89)}),
        # version of 1 January 2013: 16 fields
        ("srg_2013", 86, {"statistiekcode": (6, 7), "burgerservicenummer": (27, 35),
                          "positie": (45, 45), "registratienummer": (54, 68),
                          "reden_einde_voorziening": (86, 86)}),
        ("srg_2013_ladder", 86, {"positie": (45, 45)}),
    ],
)  # fmt: skip
def test_places_in_a_fixed_width_record(name, width, places):
    layout, at, found = LAYOUTS[name], 1, {}
    for field in layout.fields:
        found[field.name] = (at, at + field.width - 1)
        at += field.width
    assert layout.width == width
    assert {field: found[field] for field in places} == places


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("SRG_0599_20101_V2.txt", "srg_2010"),
        ("SRG_0599_20122.txt", "srg_2010"),
        ("SRG_0599_20131_V1.txt", "srg_2013"),
        ("srg_0599_20132_v1.csv", "srg_2013_ladder"),
        ("SRG_0599_20142.txt", "srg_2013_ladder"),
        ("SRG_0599_201507_V1.txt", "srg_2015"),
        ("BUS_0599_201212_V1.txt", "bus_2010"),
        ("BUS_0599_201301_V1.txt", "bus_2013"),
        ("BIJSTANDUITKERING201103TABV1.sav", "cbs_bijstanduitkeringtab"),
        ("BIJSTANDPERSOON2009BUSV2.sav", "cbs_bijstandpersoonbus"),
        ("SPOLIS2010BUSV12.sav", "cbs_spolisbus"),
        ("polis2007busv1.csv", "cbs_polisbus"),
        ("SRGREINTEGRATIEPOSITIE201302BUSV1.sav", "cbs_srgpositie"),
        ("SRGPERSOON201301BUSV1.sav", "cbs_srgpersoonbus"),
        ("SRGPERSOONPWET2016BUSV3.sav", "cbs_srgpersoonpwet"),
        ("SECMBUSV20191.sav", "cbs_secmbus"),
    ],
)
def test_a_file_name_has_one_layout(file, wanted):
    path = PurePath(file)
    fitting = []
    for name, layout in LAYOUTS.items():
        facts = match_name(layout, path)
        if facts is not None and in_force(layout, facts):
            fitting.append(name)
    assert fitting == [wanted]


def test_digits_of_positions_do_not_say_the_scheme():
    assert LAYOUTS["srg_2013"].position_scheme == "reint2009"
    assert LAYOUTS["srg_2013_ladder"].position_scheme == "pladder2013"


# ---- rules within a record: each case breaks the rules it names, and no other

SRG_2010 = {
    "statistiekjaar": 2010, "statistiekperiode": 1, "gemeentecode": "gm0599",
    "burgerservicenummer": "111222333", "geboortedatum": date(1975, 6, 3), "geslacht": "female",
    "doelgroep": "wwb", "datum_aanbod": date(2009, 11, 2),
    "begindatum_traject": date(2010, 1, 4), "loonkostensubsidie": "no", "begindatum_lks": None,
    "einddatum_lks": None, "einddatum_lks__status": "not_applicable",
    "einddatum_traject": date(2010, 5, 31), "reden_einde_traject": "regular_work",
    "participatieplaats": "no", "begindatum_participatieplaats": None,
    "einddatum_participatieplaats": None,
    "einddatum_participatieplaats__status": "not_applicable", "positie_begin": 4,
    "positie_einde": 6,
}  # fmt: skip
SUBSIDY = {
    "loonkostensubsidie": "yes", "begindatum_lks": date(2010, 2, 1),
    "einddatum_lks": date(2010, 4, 30), "einddatum_lks__status": "valid",
}  # fmt: skip
PLACEMENT = {
    "participatieplaats": "yes", "begindatum_participatieplaats": date(2010, 2, 1),
    "einddatum_participatieplaats": date(2010, 4, 30),
    "einddatum_participatieplaats__status": "valid",
}  # fmt: skip
RUNNING = {"einddatum_traject": None, "reden_einde_traject": None}
NOT_BEGUN = RUNNING | {"begindatum_traject": None, "positie_begin": None, "positie_einde": None}
SRG_2010_CASES = [
    ({}, []),
    (RUNNING, []),
    (NOT_BEGUN, []),
    (SUBSIDY, []),
    (PLACEMENT, []),
    (RUNNING | SUBSIDY | {"einddatum_lks": None, "einddatum_lks__status": "open"}, []),
    ({"begindatum_traject": date(2010, 6, 1)}, ["01"]),
    ({"begindatum_traject": date(2010, 5, 31)}, []),  # one day is a programme
    ({"datum_aanbod": date(2010, 1, 5)}, ["02"]),
    (NOT_BEGUN | {"einddatum_traject": date(2010, 5, 31), "reden_einde_traject": "other"}, ["03"]),
    ({"einddatum_traject": None}, ["04"]),
    ({"reden_einde_traject": None}, ["05"]),
    ({"loonkostensubsidie": "yes"}, ["10"]),
    (SUBSIDY | {"loonkostensubsidie": "no"}, ["11"]),
    (SUBSIDY | {"begindatum_lks": date(2010, 5, 1)}, ["12"]),
    (SUBSIDY | {"begindatum_lks": date(2010, 1, 3)}, ["13"]),
    (NOT_BEGUN | SUBSIDY, ["13"]),
    (SUBSIDY | {"einddatum_lks": date(2010, 6, 1)}, ["14"]),
    (SUBSIDY | {"einddatum_lks": None, "einddatum_lks__status": "open"}, ["14"]),
    (
        RUNNING | SUBSIDY | {"begindatum_lks": date(2010, 7, 1), "einddatum_lks": None,
                             "einddatum_lks__status": "open"},
        ["15"],
    ),
    ({"participatieplaats": "yes"}, ["20"]),
    (PLACEMENT | {"participatieplaats": "no"}, ["21"]),
    (PLACEMENT | {"begindatum_participatieplaats": date(2010, 5, 1)}, ["22"]),
    (PLACEMENT | {"begindatum_participatieplaats": date(2010, 1, 3)}, ["23"]),
    (PLACEMENT | {"einddatum_participatieplaats": date(2010, 6, 1)}, ["24"]),
    (
        PLACEMENT | {"datum_aanbod": date(2005, 1, 3), "begindatum_traject": date(2005, 1, 3),
                     "begindatum_participatieplaats": date(2006, 4, 30)},
        ["26"],
    ),
    (PLACEMENT | {"doelgroep": "nug_anw"}, ["27"]),
    ({"statistiekjaar": 2009}, ["40"]),
    ({"statistiekperiode": 2}, ["41"]),
    ({"gemeentecode": "gm0363"}, ["42"]),
    (NOT_BEGUN | {"datum_aanbod": date(2010, 7, 1)}, ["43"]),
    (RUNNING | {"begindatum_traject": date(2010, 7, 1)}, ["44"]),
    ({"einddatum_traject": date(2010, 7, 1)}, ["45"]),
    (
        {"begindatum_traject": date(2009, 12, 1), "einddatum_traject": date(2009, 12, 31)},
        ["46"],
    ),
    (RUNNING | {"einddatum_traject__status": "unknown"}, ["47"]),
    ({"positie_begin": None}, ["50"]),
    ({"positie_einde": None}, ["51"]),
    (NOT_BEGUN | {"positie_begin": 3}, ["52"]),
    ({"geboortedatum": date(2009, 11, 2)}, ["60", "61"]),
    ({"geboortedatum": date(1995, 1, 1)}, ["61"]),
    ({"geboortedatum": date(1943, 11, 2)}, ["61"]),
]  # fmt: skip

SRG_2013 = {
    "statistiekjaar": 2013, "statistiekperiode": 1, "statistiekcode": "srg", "software": "gws",
    "release": "1.0", "gemeentecode": "gm0599", "burgerservicenummer": "111222333",
    "geboortedatum": date(1975, 6, 3), "geslacht": "male", "positie": 3,
    "begindatum_positie": date(2013, 2, 1), "registratienummer": "A-17",
    "type_voorziening": "other", "begindatum_voorziening": date(2013, 2, 1),
    "einddatum_voorziening": date(2013, 5, 31), "reden_einde_voorziening": "completed",
}  # fmt: skip
SRG_2013_CASES = [
    ({}, []),
    ({"einddatum_voorziening": None, "reden_einde_voorziening": None}, []),
    ({"begindatum_voorziening": date(2013, 6, 1)}, ["01"]),
    ({"einddatum_voorziening": None}, ["04"]),
    ({"reden_einde_voorziening": None}, ["05"]),
    (
        {"type_voorziening": "participation_placement", "begindatum_voorziening": date(2009, 1, 1)},
        ["26"],
    ),
    ({"statistiekjaar": 2014}, ["40"]),
    ({"statistiekperiode": 2}, ["41"]),
    ({"gemeentecode": "gm0363"}, ["42"]),
    (
        {"begindatum_voorziening": date(2013, 7, 1), "einddatum_voorziening": None,
         "reden_einde_voorziening": None},
        ["44"],
    ),
    ({"einddatum_voorziening": date(2013, 7, 1)}, ["45"]),
    (
        {"begindatum_voorziening": date(2012, 12, 1), "einddatum_voorziening": date(2012, 12, 31)},
        ["46"],
    ),
    (
        {"einddatum_voorziening": None, "einddatum_voorziening__status": "unknown",
         "reden_einde_voorziening": None},
        ["47"],
    ),
    ({"positie": None, "begindatum_positie": None}, ["50"]),
    ({"positie": None}, ["50", "51"]),
    ({"begindatum_positie": None}, ["51"]),
    ({"begindatum_positie": date(2013, 7, 1)}, ["52"]),
    ({"geboortedatum": date(2013, 2, 1)}, ["60", "61"]),
    ({"geboortedatum": date(1999, 2, 2)}, ["61"]),
]  # fmt: skip

BUS_2010 = {
    "statistiekjaar": 2010, "statistiekmaand": 3, "statistiekcode": "wwb",
    "gemeentecode": "gm0599", "uitkeringsnummer": 12345, "burgerservicenummer": "111222333",
    "geboortedatum": date(1975, 6, 3), "geslacht": "female",
    "begindatum_uitkering": date(2008, 2, 1), "einddatum_uitkering": None, "ontheffing": "no",
    "burgerservicenummer_persoon2": None, "geboortedatum_persoon2": None,
    "geslacht_persoon2": None, "begindatum_uitkering_persoon2": None,
    "einddatum_uitkering_persoon2": None, "ontheffing_persoon2": None, "leefvorm": "single",
    "huisvesting": "tenant", "bbz": None, "oorzaak": "job_lost", "reden_beeindiging": None,
    "reden_vermindering": None,
}  # fmt: skip
ENDED = {"einddatum_uitkering": date(2010, 3, 14), "reden_beeindiging": "work"}
BUS_2010_CASES = [
    ({}, []),
    (ENDED, []),
    (ENDED | {"begindatum_uitkering": date(2010, 3, 15)}, ["01"]),
    ({"reden_beeindiging": "work"}, ["04"]),
    (ENDED | {"reden_beeindiging": None}, ["05"]),
    ({"leefvorm": "couple"}, ["06"]),
    ({"bbz": "starting"}, ["07"]),
    ({"statistiekjaar": 2011}, ["40"]),
    ({"statistiekmaand": 4}, ["41"]),
    ({"gemeentecode": "gm0363"}, ["42"]),
    ({"begindatum_uitkering": date(2010, 4, 1)}, ["44"]),
    (ENDED | {"einddatum_uitkering": date(2010, 4, 1)}, ["45"]),
    ({"einddatum_uitkering__status": "unknown"}, ["47"]),
    ({"geboortedatum": date(2008, 2, 1)}, ["60"]),
]  # fmt: skip
RECORDS = {
    "srg_2010": (SRG_2010, SRG_2010_CASES, "SRG10", (date(2010, 1, 1), date(2010, 7, 1))),
    "srg_2013": (SRG_2013, SRG_2013_CASES, "SRG13", (date(2013, 1, 1), date(2013, 7, 1))),
    "bus_2010": (BUS_2010, BUS_2010_CASES, "BUS10", (date(2010, 3, 1), date(2010, 4, 1))),
}


def raw(layout, records, period):
    """Deliver typed records of one file."""
    types = schema(layout)
    names = dict.fromkeys(name for record in records for name in record)
    frame = pl.DataFrame(
        {name: [record.get(name) for record in records] for name in names},
        schema={name: pl.String if "__" in name else types[name] for name in names},
    )
    return encode(frame, layout).with_columns(
        _file=pl.lit(0, pl.UInt32),
        _row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32),
        period_start=pl.lit(period[0]),
        period_end=pl.lit(period[1]),
        delivered_by=pl.lit("gm0599"),
    )


@pytest.mark.parametrize("name", RECORDS)
def test_rules_of_one_record(name):
    base, cases, prefix, period = RECORDS[name]
    layout = LAYOUTS[name]
    for changes, wanted in cases:
        delivered = raw(layout, [base | changes], period)
        counts = check_records(parse(delivered, layout), layout).counts
        found = sorted(rule for rule in counts["rule"])
        assert found == [f"{prefix}-{number}" for number in wanted], changes


@pytest.mark.parametrize(("part", "wanted"), [(0, ["BUS10-05"]), (1, [])])
def test_the_benefit_runs_on_when_the_second_person_leaves(part, wanted):
    layout = LAYOUTS["bus_2010"]
    left = BUS_2010 | {"einddatum_uitkering": date(2010, 3, 14)}
    delivered = raw(layout, [left], RECORDS["bus_2010"][-1])
    delivered = delivered.with_columns(_part=pl.lit(part, pl.UInt8))
    assert check_records(parse(delivered, layout), layout).counts["rule"].to_list() == wanted


@pytest.mark.parametrize("name", RECORDS)
def test_every_rule_of_one_record_has_a_case(name):
    _, cases, prefix, _ = RECORDS[name]
    tried = {f"{prefix}-{number}" for _, wanted in cases for number in wanted}
    own = {rule.id for rule in LAYOUTS[name].rules if rule.kind == "record"}
    # the placement's begin after the period has the same words as the subsidy's
    assert own - tried <= {"SRG10-25"}


def test_the_other_forms_have_the_same_rules():
    def ids(name):
        return {rule.id.split("-", 1)[1] for rule in LAYOUTS[name].rules}

    assert ids("srg_2013_ladder") == ids("srg_2013") == ids("srg_2015")
    assert ids("bus_2013") == ids("bus_2010")


@pytest.mark.parametrize(
    ("field", "delivered", "rule"),
    [
        ("positie_begin", "6", "SRG-2010-POSITIE-BEGIN-RANGE"),  # 6 is for the end only
        ("positie_einde", "7", "SRG-2010-POSITIE-EINDE-RANGE"),
        ("reden_einde_traject", "6", "SRG-2010-REDEN-EINDE-TRAJECT-CODE"),
        ("doelgroep", "3", "SRG-2010-DOELGROEP-CODE"),
        ("begindatum_traject", "20100230", "SRG-2010-BEGINDATUM-TRAJECT-DATE"),
        ("burgerservicenummer", "111222334", "KEY-BSN"),
    ],
)
def test_values_out_of_range(field, delivered, rule):
    base, _, _, period = RECORDS["srg_2010"]
    layout = LAYOUTS["srg_2010"]
    frame = raw(layout, [base], period).with_columns(pl.lit(delivered).alias(field))
    broken = check_records(parse(frame, layout), layout).broken
    assert rule in broken["rule"].to_list()


# ---- rules between records


def related(name, records, periods):
    layout = LAYOUTS[name]
    base = RECORDS[name][0]
    parts = [
        raw(layout, [base | changes], period).with_columns(_file=pl.lit(at, pl.UInt32))
        for at, (changes, period) in enumerate(zip(records, periods, strict=True))
    ]
    parsed = parse(pl.concat(parts), layout).collect().with_columns(person=pl.lit(1, pl.Int64))
    return check_persons(parsed, layout)


FIRST, SECOND = (date(2010, 1, 1), date(2010, 7, 1)), (date(2010, 7, 1), date(2011, 1, 1))
MOVED = {
    "gemeentecode": "gm0363", "datum_aanbod": date(2010, 3, 1),
    "begindatum_traject": date(2010, 3, 1),
}  # fmt: skip


@pytest.mark.parametrize(
    ("second", "period", "broken", "counted"),
    [
        ({}, FIRST, ["SRG10-30"], ["SRG10-30"]),
        ({}, SECOND, [], []),  # delivered again half a year later
        (SUBSIDY, FIRST, [], []),  # an extra record for a subsidy
        ({"begindatum_traject": date(2010, 2, 1)}, SECOND, ["SRG10-31"], ["SRG10-31"]),
        (NOT_BEGUN, SECOND, [], []),  # missing is no other value
        ({"geslacht": "male"}, SECOND, [], ["SRG10-32"]),
        ({"geboortedatum": date(1975, 3, 6)}, SECOND, [], ["SRG10-33"]),
        (
            {"datum_aanbod": date(2010, 3, 1), "begindatum_traject": date(2010, 3, 1)},
            FIRST,
            [],
            ["SRG10-34"],
        ),
        (MOVED, FIRST, [], ["SRG10-35"]),
        (MOVED, SECOND, [], []),
    ],
)
def test_rules_between_records(second, period, broken, counted):
    _, found, counts = related("srg_2010", [{}, second], [FIRST, period])
    assert found["rule"].to_list() == broken
    assert sorted(counts["rule"]) == counted


# ---- what the tables are given


def filled(name, table, records, period, part=0):
    """Columns of a table by its own SQL."""
    layout = LAYOUTS[name]
    spec = next(one for one in layout.tables if one.table == table)
    parsed = parse(raw(layout, records, period), layout).collect()
    parsed = parsed.with_columns(_part=pl.lit(part, pl.UInt8))
    return parsed.select(pl.sql_expr(sql).alias(column) for column, sql in spec.columns.items())


def test_the_last_day_becomes_the_first_day_after():
    base, _, _, period = RECORDS["srg_2010"]
    row = filled("srg_2010", "programmes", [base | SUBSIDY], period).row(0, named=True)
    assert row["end"] == date(2010, 6, 1)
    assert row["subsidy_start"] == date(2010, 2, 1)
    assert row["subsidy_end"] == date(2010, 5, 1)
    assert row["placement_end"] is None


def test_persons_of_a_municipal_delivery():
    base, _, _, period = RECORDS["srg_2010"]
    row = filled("srg_2010", "persons", [base], period).row(0, named=True)
    assert row == {"sex": "female", "birth_month": date(1975, 6, 1)}


@pytest.mark.parametrize(("part", "role"), [(0, "head"), (1, "partner")])
def test_claims_of_two_municipalities_are_two(part, role):
    base, _, _, period = RECORDS["bus_2010"]
    two = [base, base | {"gemeentecode": "gm0363"}]
    found = filled("bus_2010", "benefits", two, period, part)
    assert found["role"].to_list() == [role, role]
    assert found["claim"].to_list() == [599 * 10**12 + 12345, 363 * 10**12 + 12345]


@pytest.mark.parametrize(
    ("first", "last"),
    [(date(2008, 1, 1), date(2008, 12, 31)), (date(2007, 3, 5), date(2007, 3, 5)),
     (date(2009, 2, 1), date(2009, 2, 28))],
)  # fmt: skip
@pytest.mark.parametrize(("hours", "wage"), [(38, 1392), (4, 86), (40, 4695)])
def test_polis_totals_become_rates(first, last, hours, wage):
    """Whole hours a week and euros a month come back from totals with two decimals."""
    days = (last - first).days + 1
    values = {
        "RINPERSOONS": "R", "RINPERSOON": 17, "BAANRUGID": 1, "BEID": 2, "AANVBUS": first,
        "EINDBUS": last, "SOORTBAAN": "regular", "CONTRACTSOORT": "permanent",
        "BASISUREN": round(hours * days / 7, 2), "BASISLOON": round(wage * days / 30.4375, 2),
    }  # fmt: skip
    layout = LAYOUTS["cbs_polisbus"]
    frame = encode(pl.DataFrame([values]), layout).with_columns(
        _file=pl.lit(0, pl.UInt32), _row=pl.lit(1, pl.UInt32)
    )
    table = layout.tables[0]
    found = (
        parse(frame, layout)
        .select(pl.sql_expr(table.columns[name]).alias(name) for name in ("hours", "wage"))
        .collect()
    )
    assert found.row(0) == (hours, wage)


@pytest.mark.parametrize(
    ("soort", "contract", "subsidy", "wanted"),
    [
        ("regular", "permanent", "no", ("regular", "permanent")),
        ("regular", "temporary", None, ("regular", "temporary")),
        ("agency", "temporary", "no", ("regular", "agency")),
        ("on_call", "permanent", None, ("regular", "on_call")),
        ("regular", "temporary", "subsidised", ("subsidised", "temporary")),
        ("regular", None, "legacy_subsidised", ("legacy_subsidised", None)),
        ("sheltered", "permanent", "no", ("sheltered", "permanent")),
        ("director", None, "no", ("director", None)),
    ],
)
def test_kind_and_contract_of_a_job(soort, contract, subsidy, wanted):
    for name, fields in (
        ("cbs_baankenmerkenbus", ("SOORTBAANID", "CONTRACTSOORT")),
        ("cbs_polisbus", ("SOORTBAAN", "CONTRACTSOORT")),
        ("cbs_spolisbus", ("SSOORTBAAN", "SCONTRACTSOORT")),
    ):
        columns = LAYOUTS[name].tables[0].columns
        frame = pl.DataFrame(
            {fields[0]: [soort], fields[1]: [contract], "GESUBSIDIEERD": [subsidy]},
            schema_overrides={fields[1]: pl.String, "GESUBSIDIEERD": pl.String},
        )
        found = frame.select(pl.sql_expr(columns[one]).alias(one) for one in ("kind", "contract"))
        assert found.row(0) == wanted


@pytest.mark.parametrize(
    ("category", "flag", "fills"),
    [("13", "", True), ("22", "1", True), ("22", "", False), ("11", "0", False)],
)
def test_who_is_self_employed_beside_a_benefit_is_known_by_the_flag(category, flag, fills):
    layout = LAYOUTS["cbs_secmbus"]
    delivered = pl.DataFrame(
        {
            "_file": [0], "_row": [1], "RINPERSOONS": ["R"], "RINPERSOON": ["000000123"],
            "AANVSECM": ["20090101"], "EINDSECM": ["88888888"], "SECM": [category],
            "XKOPPELZELFSTSECM": [flag],
        },
        schema_overrides={"_file": pl.UInt32, "_row": pl.UInt32},
    )  # fmt: skip
    found = parse(delivered, layout).filter(pl.sql_expr(layout.tables[0].where)).collect()
    assert (found.height == 1) is fills


# ---- what is wrong with a layout is said when it is read

OWN = """
name = "own"
title = { nl = "x", en = "x" }
about = { nl = "x", en = "x" }
reference = "none"
formats = ["csv"]
files = ["own"]
unit = "spell"
period = "year"
separator = ";"

[[fields]]
name = "klant"
type = "client"
[[fields]]
name = "begin"
type = "date"
[[fields]]
name = "soort"
type = "code"
codes = { 1 = "wwb", 2 = "ww", 3 = "" }
[[rules]]
id = "OWN-1"
check = "begin > DATE '1990-01-01'"
nl = "x"
en = "x"
[[tables]]
table = "benefits"
[tables.columns]
scheme = "soort"
role = "'head'"
claim = "1"
start = "begin"
end = "begin + INTERVAL '1 day'"
"""


def read(text, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    return read_layout(file)


def test_a_layout_of_ones_own_is_read(tmp_path):
    assert read(OWN, tmp_path).name == "own"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('unit = "spell"', "", "'unit' is missing"),
        ('period = "year"', 'period = "yearly"', "did you mean 'year'?"),
        ('separator = ";"', 'separator = "tab"', r'a tab is written "\t"'),
        ('formats = ["csv"]', 'formats = "csv"', "'formats' is a list"),
        ('title = { nl = "x", en = "x" }', 'title = "x"', "'title' is written as {"),
        ('name = "klant"', 'name = "klant nr"', "fields.1.name (klant nr)"),
        ('type = "date"', 'type = "datum"', "did you mean 'date'?"),
        ('type = "date"', 'type = "client"', "one client, not by 2"),
        ('"soort"\nrole', '"soorten"\nrole', "did you mean 'soort'?"),
        ('"soort"\nrole', '"wwb"\nrole', "a plain word is written as"),
        ('"soort"\nrole', "\"'bijstand'\"\nrole", "is no name of its code list"),
        ('1 = "wwb"', '1 = "wwbb"', "did you mean 'wwb'?"),
        ('start = "begin"', "", "does not fill 'start'"),
        ('start = "begin"', 'start = "soort = 1"', "cannot be computed"),
        ('start = "begin"', 'start = "begin IS NULL"', "gives true or false, and must give a date"),
        ('start = "begin"', 'start = "20090101"', "gives a number, and must give a date"),
        ("INTERVAL '1 day'", "1", "cannot be computed"),
        ("check = \"begin > DATE '1990-01-01'\"", 'check = "begin"', "must give true or false"),
        ("check = \"begin > DATE '1990-01-01'\"", 'check = "klant = 1"', "`person` stands for it"),
        ('separator = ";"', 'persons = [{ klantt = "K" }]', "did you mean 'klant'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(right, wrong, said, tmp_path):
    assert right in OWN
    with pytest.raises(InputError) as error:
        read(OWN.replace(right, wrong, 1), tmp_path)
    assert said in str(error.value)
    assert "own.toml" in str(error.value)


# ---- in words


@pytest.mark.parametrize("language", ["nl", "en"])
@every_layout
def test_an_explanation_tells_everything(layout, language):
    text = explained(layout, language)
    said = " ".join(text.split())
    assert " ".join(getattr(layout.about, language).split()) in said
    for field in layout.fields:
        assert field.name in said
        for code in (*field.open, *field.not_applicable, *field.unknown):
            assert code in said
    for rule in rules_of(layout):
        assert f"[{rule.id}]" in said
        assert getattr(rule, language) in said
    for table in layout.tables:
        assert table.table in said
        for sql in table.columns.values():
            assert " ".join(sql.split()) in said
    uncertain = said.split("Niet zeker" if language == "nl" else "Not certain")[-1]
    for one in (*layout.fields, *layout.rules):
        if one.certainty != "found":
            assert getattr(one, "name", getattr(one, "id", "")) in uncertain
    assert max(len(line) for line in text.splitlines()) <= 130


@pytest.mark.parametrize("language", ["nl", "en"])
def test_everything_a_layout_may_say_has_words(language):
    words = tomllib.loads((HERE.parent / "explain.toml").read_text(encoding="utf-8"))[language]
    groups = {
        "types": get_args(FieldType), "certainties": get_args(Certainty),
        "severities": get_args(Severity), "units": get_args(Unit), "periods": get_args(Period),
        "vias": get_args(Via), "keys": ("rin", "bsn", "client", "both", "none"),
    }  # fmt: skip
    for group, names in groups.items():
        assert set(words[group]) == set(names), group


@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_layout_of_ones_own_is_explained(language):
    own = Layout.model_validate(
        {
            "name": "own", "title": {"nl": "x", "en": "x"}, "about": {"nl": "x", "en": "x"},
            "reference": "none", "formats": ["csv"], "files": ["own"], "unit": "spell",
            "period": "none", "separator": "\t",
            "fields": [
                {"name": "klant", "type": "client"},
                {"name": "begin", "type": "date", "written": "yyyy/mm/dd"},
            ],
        }
    )  # fmt: skip
    said = explained(own, language)
    assert ("jjjj/mm/dd" if language == "nl" else "yyyy/mm/dd") in said
    assert "OWN-WIDTH" not in said
    assert "\t" not in said


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_list_names_every_layout(language):
    own = LAYOUTS["cbs_cwi"].model_copy(update={"name": "mine"})
    text = listed(LAYOUTS | {"mine": own}, language)
    lines = text.splitlines()
    assert all(any(line.startswith(name) for line in lines) for name in LAYOUTS)
    marked = [line.split()[0] for line in lines if "(eigen)" in line or "(own)" in line]
    assert marked == ["mine"]
