"""From deliveries to one history: what happens to records, on tables small enough to read."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from toolkit.errors import CallError, MixedSchemesError, UnknownCodeError
from toolkit.registers import reconcile
from toolkit.registers.layout import Layout

Y5, Y6, Y7, Y8 = (date(year, 1, 1) for year in (2005, 2006, 2007, 2008))


def layout(name, tables, fields, *, priority=10, scheme=None):
    return Layout.model_validate(
        {
            "name": name, "title": {"nl": "t", "en": "t"}, "about": {"nl": "t", "en": "t"},
            "reference": "t", "formats": ["csv"], "files": [name + "{year}"], "unit": "spell",
            "period": "year", "priority": priority, "position_scheme": scheme,
            "fields": [{"name": field, "type": "text"} for field in fields], "tables": tables,
        }
    )  # fmt: skip


def staged(fields, *rows, months=12):
    """Write file, first day of its period (or None), person, and the fields."""
    frame = pl.DataFrame([row[3:] for row in rows], orient="row", schema=fields)
    head = pl.DataFrame(
        [row[:3] for row in rows], orient="row",
        schema={"_file": pl.UInt32, "period_start": pl.Date, "person": pl.Int64},
    )  # fmt: skip
    end = pl.col("period_start").dt.offset_by(f"{months}mo")
    return pl.concat([head, frame], how="horizontal").with_columns(
        _row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32), _part=pl.lit(0, pl.UInt8),
        period_end=end, delivered_by=pl.lit(None, pl.String),
    )  # fmt: skip


BENEFITS = layout(
    "bijstand",
    [{
        "table": "benefits",
        "columns": {
            "start": "van", "end": "tot + INTERVAL '1 day'", "scheme": "'wwb'", "claim": "nr",
            "role": "'head'", "end_reason": "reden",
        },
    }],
    ["van", "tot", "nr", "reden"],
)  # fmt: skip
JOBS = layout(
    "banen",
    [{
        "table": "jobs", "merge": True,
        "columns": {
            "start": "van", "end": "tot + INTERVAL '1 day'", "job": "baan", "employer": "1",
            "kind": "'regular'", "wage": "loon",
        },
    }],
    ["van", "tot", "baan", "loon"],
)  # fmt: skip
VAN = {"van": pl.Date, "tot": pl.Date}


def benefits(*rows, **choices):
    frame = staged({**VAN, "nr": pl.Int64, "reden": pl.String}, *rows)
    return reconcile.assemble({"bijstand": frame}, {"bijstand": BENEFITS}, **choices)


def spells(assembled, table, *more):
    return assembled.tables[table].select("person", "start", "end", *more).rows()


# --- the latest delivery wins ------------------------------------------------------------------


def test_a_spell_in_every_year_it_touches_is_one_and_the_later_end_wins():
    found = benefits(
        (2, Y6, 1, date(2005, 3, 1), date(2006, 5, 31), 10, "work"),
        (1, Y5, 1, date(2005, 3, 1), None, 10, None),
    )
    assert spells(found, "benefits") == [(1, date(2005, 3, 1), date(2006, 6, 1))]
    assert found.revisions.is_empty()  # that an end became known is no correction


def test_a_correction_is_taken_over_and_logged():
    found = benefits(
        (1, Y5, 1, date(2005, 3, 1), date(2005, 9, 30), 10, "work"),
        (2, Y6, 1, date(2005, 3, 1), None, 10, None),
    )
    assert spells(found, "benefits") == [(1, date(2005, 3, 1), None)]
    assert found.revisions.select("layout", "field", "old", "new", "file_new", "kept").rows() == [
        ("bijstand", "tot", "2005-09-30", None, 2, "new"),  # as delivered
        ("bijstand", "reden", "work", None, 2, "new"),
    ]


def test_the_order_of_files_is_that_of_their_periods_not_of_their_numbers():
    found = benefits(
        (1, Y6, 1, date(2005, 3, 1), date(2006, 5, 31), 10, None),
        (2, Y5, 1, date(2005, 3, 1), date(2005, 5, 31), 10, None),
    )
    assert spells(found, "benefits") == [(1, date(2005, 3, 1), date(2006, 6, 1))]


def test_another_claim_on_the_same_day_is_another_spell():
    day = date(2005, 3, 1)
    found = benefits((1, Y5, 1, day, None, 10, None), (1, Y5, 1, day, None, 11, None))
    assert found.tables["benefits"].height == 2


def test_a_name_outside_the_code_list_is_refused_without_showing_it():
    with pytest.raises(UnknownCodeError, match="end_reason") as refused:
        benefits((1, Y5, 1, Y5, None, 10, "123456789"))
    assert "123456789" not in str(refused.value)


# --- pieces ------------------------------------------------------------------------------------


def jobs(*rows, **choices):
    frame = staged({**VAN, "baan": pl.Int64, "loon": pl.Float64}, *rows)
    return spells(reconcile.assemble({"banen": frame}, {"banen": JOBS}, **choices), "jobs", "wage")


LAST5, LAST6 = date(2005, 12, 31), date(2006, 12, 31)


def test_pieces_cut_at_the_end_of_the_year_are_one_spell():
    assert jobs(
        (1, Y5, 1, date(2005, 3, 1), LAST5, 7, 900.0),
        (2, Y6, 1, Y6, LAST6, 7, 900.0),
        (3, Y7, 1, Y7, date(2007, 4, 30), 7, 900.0),
    ) == [(1, date(2005, 3, 1), date(2007, 5, 1), 900.0)]


@pytest.mark.parametrize(
    "second",
    [
        (2, Y6, 1, Y6, LAST6, 7, 950.0),  # other terms
        (2, Y6, 1, Y6, LAST6, 8, 900.0),  # another job
        (2, Y6, 1, date(2006, 1, 2), LAST6, 7, 900.0),  # a day between
        (2, Y6, 2, Y6, LAST6, 7, 900.0),  # another person
    ],
)
def test_what_differs_stays_apart(second):
    assert len(jobs((1, Y5, 1, date(2005, 3, 1), LAST5, 7, 900.0), second)) == 2


def test_spells_that_meet_inside_a_period_were_not_cut():
    assert len(jobs(
        (1, Y5, 1, date(2005, 3, 1), date(2005, 5, 31), 7, 900.0),
        (1, Y5, 1, date(2005, 6, 1), LAST5, 7, 900.0),
    )) == 2  # fmt: skip


def test_a_piece_cut_where_coverage_ends_runs_on():
    piece = (1, Y5, 1, date(2005, 3, 1), LAST5, 7, 900.0)
    assert jobs(piece, until={"jobs": Y6}) == [(1, date(2005, 3, 1), None, 900.0)]
    assert jobs(piece) == [(1, date(2005, 3, 1), Y6, 900.0)]


# --- several sources ---------------------------------------------------------------------------

PERSONS = layout(
    "persoon",
    [{"table": "persons", "columns": {"sex": "g", "birth_month": "m", "origin": "h"}}],
    ["g", "m", "h"],
)
DEATHS = layout(
    "overlijden",
    [{"table": "persons", "role": "adds", "columns": {"death_date": "d", "origin": "h"}}],
    ["d", "h"], priority=20,
)  # fmt: skip
PERSON = {"g": pl.String, "m": pl.Date, "h": pl.String}
DEATH = {"d": pl.Date, "h": pl.String}


def people(adds, *, priority=20):
    one = staged(PERSON, (1, Y5, 1, "male", date(1950, 1, 1), "native"))
    two = staged(PERSON, (1, Y5, 2, "female", date(1960, 1, 1), None))
    deaths = DEATHS.model_copy(update={"priority": priority})
    return reconcile.assemble(
        {"persoon": pl.concat([one, two]), "overlijden": adds},
        {"persoon": PERSONS, "overlijden": deaths},
    )


def test_what_only_adds_fills_holes_and_brings_no_rows():
    found = people(staged(
        DEATH, (2, Y6, 1, date(2006, 5, 4), "western"), (2, Y6, 2, None, "western"),
        (2, Y6, 3, date(2006, 5, 4), None),
    ))  # fmt: skip
    assert found.tables["persons"].select("person", "origin", "death_date").rows() == [
        (1, "native", date(2006, 5, 4)), (2, "western", None),
    ]  # fmt: skip
    assert found.counts.rows() == [
        (2, "OVERLIJDEN-DIFFERS", 1),  # of the origin of 1
        (2, "OVERLIJDEN-UNMATCHED", 1),  # of 3, whom nobody delivers
    ]


def test_the_lower_priority_number_wins():
    found = people(staged(DEATH, (2, Y6, 1, None, "western")), priority=5)
    assert found.tables["persons"]["origin"].to_list() == ["western", None]


def test_rows_of_two_layouts_about_the_same_thing_become_one():
    other = PERSONS.model_copy(update={"name": "tweede", "priority": 20})
    found = reconcile.assemble(
        {
            "persoon": staged(PERSON, (1, Y5, 1, "male", date(1950, 1, 1), None)),
            "tweede": staged(
                PERSON, (2, Y5, 1, "female", date(1950, 1, 1), "western"),
                (2, Y5, 2, "female", date(1960, 1, 1), None),
            ),
        },
        {"persoon": PERSONS, "tweede": other},
    )  # fmt: skip
    assert found.tables["persons"].select("person", "sex", "origin").rows() == [
        (1, "male", "western"), (2, "female", None),
    ]  # fmt: skip
    assert found.counts.select("rule", "n").rows() == [("PERSOON-DIFFERS", 1)]


def test_use_says_which_layout_fills_a_table():
    other = PERSONS.model_copy(update={"name": "tweede"})
    frames = {
        "persoon": staged(PERSON, (1, Y5, 1, "male", date(1950, 1, 1), None)),
        "tweede": staged(PERSON, (2, Y5, 2, "female", date(1960, 1, 1), None)),
    }
    both = {"persoon": PERSONS, "tweede": other}
    found = reconcile.assemble(frames, both, use={"persons": "tweede"})
    assert found.tables["persons"]["person"].to_list() == [2]
    with pytest.raises(CallError, match="did you mean 'tweede'"):
        reconcile.assemble(frames, both, use={"persons": "twede"})


# --- why a residence ended ---------------------------------------------------------------------

HOMES = layout(
    "adres",
    [{"table": "residences",
      "columns": {"start": "van", "end": "tot + INTERVAL '1 day'", "municipality": "gem"}}],
    ["van", "tot", "gem"],
)  # fmt: skip
LEFT = layout(
    "migratie",
    [{"table": "residences", "role": "adds", "key": ["person", "end"],
      "columns": {"end": "weg", "end_reason": "'emigrated'"}}],
    ["weg"],
)  # fmt: skip
HOME = {**VAN, "gem": pl.String}


def test_why_a_residence_ended():
    day, day_after = date(2006, 6, 30), date(2006, 7, 1)
    found = reconcile.assemble(
        {
            "adres": staged(HOME, *((1, None, who, Y5, day, "gm0599") for who in (1, 2, 3)),
                            (1, None, 4, Y5, None, "gm0599")),
            "migratie": staged({"weg": pl.Date}, (2, None, 1, day_after), (2, None, 2, day)),
            "persoon": staged(PERSON, *(
                (3, Y5, who, "male", date(1950, 1, 1), None) for who in (1, 2, 3, 4))),
            "overlijden": staged(DEATH, (4, Y6, 3, day_after, None)),
        },
        {"adres": HOMES, "migratie": LEFT, "persoon": PERSONS, "overlijden": DEATHS},
    )  # fmt: skip
    assert found.tables["residences"]["end_reason"].to_list() == [
        "emigrated", "moved", "died", None,
    ]  # fmt: skip


# --- SRG 2010: records to trajects -------------------------------------------------------------

SRG = layout(
    "srg",
    [
        {"table": "programmes", "via": "programmes",
         "columns": {
             "municipality": "gem", "target_group": "'wwb'", "offer": "aanbod", "start": "begin",
             "end": "einde + INTERVAL '1 day'", "end_reason": "reden", "subsidy_start": "lks",
             "subsidy_end": "lks_einde + INTERVAL '1 day'",
         }},
        {"table": "positions", "via": "positions",
         "columns": {
             "start": "begin", "end": "einde + INTERVAL '1 day'", "position_start": "p1",
             "position_end": "p2",
         }},
    ],
    ["gem", "aanbod", "begin", "einde", "reden", "lks", "lks_einde", "p1", "p2"],
    scheme="reint2009",
)  # fmt: skip
H1, H2, H3 = date(2010, 1, 1), date(2010, 7, 1), date(2011, 1, 1)
OFFER, BEGIN = date(2010, 5, 20), date(2010, 8, 2)


def srg(*rows, **choices):
    """Write file, period, person, gem, offer, begin, end, reason, LKS, its end, positions."""
    fields = {
        "gem": pl.String, "aanbod": pl.Date, "begin": pl.Date, "einde": pl.Date,
        "reden": pl.String, "lks": pl.Date, "lks_einde": pl.Date, "p1": pl.Int64, "p2": pl.Int64,
    }  # fmt: skip
    full = [(*row, *([None] * (12 - len(row)))) for row in rows]
    return reconcile.assemble({"srg": staged(fields, *full, months=6)}, {"srg": SRG}, **choices)


def programmes(assembled, *names):
    return assembled.tables["programmes"].select(names or ("offer", "start", "end")).rows()


def test_an_offer_that_is_taken_up_later_is_one_programme():
    found = srg((1, H1, 1, "gm1", OFFER), (2, H2, 1, "gm1", OFFER, BEGIN))
    assert programmes(found) == [(OFFER, BEGIN, None)]


def test_extra_records_for_a_wage_subsidy_are_not_extra_programmes():
    found = srg(
        (1, H2, 1, "gm1", OFFER, BEGIN, None, None, BEGIN, date(2010, 9, 30)),
        (1, H2, 1, "gm1", OFFER, BEGIN, None, None, date(2010, 11, 1), None),
    )
    assert programmes(found, "start", "instrument") == [(BEGIN, None)]  # October is not covered


def test_a_wage_subsidy_over_the_whole_programme_is_its_instrument():
    ended = date(2010, 12, 31)
    found = srg(
        (1, H2, 1, "gm1", OFFER, BEGIN, ended, "other", BEGIN, date(2010, 9, 30)),
        (1, H2, 1, "gm1", OFFER, BEGIN, ended, "other", date(2010, 10, 1), ended),
    )
    assert programmes(found, "instrument", "end") == [("wage_subsidy", H3)]


def test_the_same_offer_in_another_municipality_is_another_programme():
    found = srg((1, H1, 1, "gm1", OFFER), (2, H1, 1, "gm2", OFFER))
    assert len(programmes(found)) == 2
    assert found.tables["programmes"]["programme"].n_unique() == 2


def test_a_programme_that_runs_again_has_no_end():
    found = srg(
        (1, H2, 1, "gm1", OFFER, BEGIN, date(2010, 10, 1), "other"),
        (2, H3, 1, "gm1", OFFER, BEGIN),
    )
    assert programmes(found) == [(OFFER, BEGIN, None)]
    assert set(found.revisions["field"]) == {"einde", "reden"}


def test_what_a_later_record_leaves_unknown_stays_known():
    frame = staged(
        {"gem": pl.String, "aanbod": pl.Date, "begin": pl.Date, "einde": pl.Date,
         "reden": pl.String, "reden__status": pl.String},
        (1, H2, 1, "gm1", OFFER, BEGIN, date(2010, 10, 1), "other", "valid"),
        (2, H3, 1, "gm1", OFFER, BEGIN, date(2010, 10, 1), None, "unknown"), months=6,
    ).with_columns(
        *(pl.lit(None, pl.Date).alias(name) for name in ("lks", "lks_einde")),
        *(pl.lit(None, pl.Int64).alias(name) for name in ("p1", "p2")),
    )  # fmt: skip
    found = reconcile.assemble({"srg": frame}, {"srg": SRG})
    assert programmes(found, "end_reason") == [("other",)]


def test_measures_of_a_delivery():
    found = srg(
        (1, H1, 1, "gm1", OFFER),
        (1, H1, 2, "gm1", OFFER, date(2010, 6, 1), None, None, None, None, 2, 3),
        (1, H1, 2, "gm1", OFFER, date(2010, 6, 1), None, None, date(2010, 6, 1), None, 2, 3),
        (1, H1, 3, "gm1", OFFER, date(2010, 6, 1), None, None, None, None, 2, None),
        (2, H2, 1, "gm1", OFFER, BEGIN),
        (2, H2, 2, "gm1", OFFER, date(2010, 6, 2)),
        (2, H2, 3, "gm1", date(2010, 5, 21), date(2010, 6, 1)),
        (2, H2, 4, "gm1", OFFER, BEGIN),
    )
    assert found.measures.select(pl.exclude("_file")).rows(named=True) == [
        {"programmes": 3, "started": 2, "position_required": 2, "position_usable": 1,
         "compared": 0, "agreed": 0, "new": 3},
        # of 1 a begin became known; of 2 it was changed, of 3 the offer was
        {"programmes": 4, "started": 4, "position_required": 4, "position_usable": 0,
         "compared": 3, "agreed": 1, "new": 1},
    ]  # fmt: skip


# --- positions ---------------------------------------------------------------------------------


def test_begin_and_end_positions_become_dated_ones_without_restating():
    begin, end = date(2010, 3, 1), date(2010, 11, 15)
    found = srg(
        (1, H1, 1, "gm1", begin, begin, None, None, None, None, 2, 3),
        (2, H2, 1, "gm1", begin, begin, end, "other", None, None, 3, 5),
    )
    assert found.tables["positions"].select("date", "position").rows() == [
        (begin, 2),
        (date(2010, 6, 30), 3),  # the last day of the period; the next begins with the same
        (end, 5),
    ]


def test_the_position_at_an_end_goes_with_the_end():
    begin, end, later = date(2010, 3, 1), date(2010, 5, 31), date(2010, 6, 15)
    ended = (1, H1, 1, "gm1", begin, begin, end, "other", None, None, 2, 5)
    # the end is moved by a delivery about the next half-year, in which the traject had ended
    moved = srg(ended, (2, H2, 1, "gm1", begin, begin, later, "other", None, None, 2, 5))
    assert moved.tables["positions"].select("date", "position").rows() == [(begin, 2), (later, 5)]
    # it is taken back: the traject runs on
    back = srg(ended, (2, H2, 1, "gm1", begin, begin, None, None, None, None, 3, 4))
    assert back.tables["positions"].select("date", "position").rows() == [
        (begin, 2), (H2, 3), (date(2010, 12, 31), 4),
    ]  # fmt: skip
    # it is moved, and nothing is said of the position there: what was said stays
    silent = srg(ended, (2, H2, 1, "gm1", begin, begin, later, "other", None, None, 2, None))
    assert silent.tables["positions"].select("date", "position").rows() == [(begin, 2), (end, 5)]


DATED = layout(
    "posities",
    [{"table": "positions", "via": "positions", "columns": {"date": "dag", "position": "p"}}],
    ["dag", "p"], scheme="reint2009",
)  # fmt: skip
LADDER = DATED.model_copy(update={"name": "ladder", "position_scheme": "pladder2013"})


def dated(file, *rows):
    return staged({"dag": pl.Date, "p": pl.Int64}, *((file, H1, 1, *row) for row in rows))


def test_a_position_measured_again_is_a_row_though_it_is_the_same():
    found = reconcile.assemble({"posities": dated(1, (H1, 2), (H2, 2))}, {"posities": DATED})
    assert found.tables["positions"].height == 2


def test_two_schemes_do_not_meet_without_a_crosswalk():
    frames = {"posities": dated(1, (H1, 3)), "ladder": dated(2, (H3, 3))}
    both = {"posities": DATED, "ladder": LADDER}
    with pytest.raises(MixedSchemesError, match="reint2009_to_pladder2013"):
        reconcile.assemble(frames, both)
    apart = reconcile.assemble(frames, both, crosswalk="apart").tables["positions"]
    assert apart["scheme"].to_list() == ["reint2009", "pladder2013"]
    walked = reconcile.assemble(frames, both, crosswalk="pladder2013_to_reint2009")
    assert walked.tables["positions"]["scheme"].unique().to_list() == ["reint2009"]
    assert walked.counts.select("rule", "n").rows() == [("LADDER-CROSSWALK", 1)]
    assert "indicat" in reconcile.sentences()["CROSSWALK"].nl
    # the choice of one source is a choice
    one = reconcile.assemble(frames, both, use={"positions": "ladder"})
    assert one.tables["positions"].height == 1


# --- municipalities merge ----------------------------------------------------------------------

MERGERS = pl.DataFrame({"old": ["gm1"], "new": ["gm9"], "date": [H2]})


def test_a_programme_goes_on_in_the_merged_municipality_when_that_is_chosen():
    rows = ((1, H1, 1, "gm1", OFFER, date(2010, 6, 1)), (2, H2, 1, "gm9", OFFER, date(2010, 6, 1)))
    assert len(programmes(srg(*rows))) == 2
    assert len(programmes(srg(*rows, mergers=MERGERS))) == 2  # known, not chosen
    assert len(programmes(srg(*rows, mergers=MERGERS, as_of=H1))) == 2
    assert programmes(srg(*rows, mergers=MERGERS, as_of=H2), "municipality") == [("gm9",)]


def test_residences_that_a_merger_cut_are_joined():
    frame = staged(
        HOME, (1, None, 1, Y5, date(2010, 6, 30), "gm1"), (1, None, 1, H2, None, "gm9"),
        (1, None, 2, Y5, date(2010, 5, 31), "gm1"), (1, None, 2, date(2010, 6, 1), None, "gm9"),
    )  # fmt: skip
    found = reconcile.assemble({"adres": frame}, {"adres": HOMES}, mergers=MERGERS, as_of=H3)
    assert spells(found, "residences", "municipality") == [
        (1, Y5, None, "gm9"),
        (2, Y5, date(2010, 6, 1), "gm9"),  # moved on another day
        (2, date(2010, 6, 1), None, "gm9"),
    ]


# --- names -------------------------------------------------------------------------------------


def test_a_column_that_a_procedure_does_not_know_is_named():
    wrong = layout(
        "srg", [{"table": "programmes", "via": "programmes", "columns": {"ofer": "a"}}], ["a"]
    )
    with pytest.raises(CallError, match="did you mean 'offer'"):
        reconcile.assemble({"srg": staged({"a": pl.Date}, (1, H1, 1, H1))}, {"srg": wrong})


def test_what_is_needed_is_what_tables_and_rules_read():
    assert reconcile.needed(BENEFITS) == {"van", "tot", "nr", "reden"}
    assert "reden__status" in reconcile.needed(SRG)
