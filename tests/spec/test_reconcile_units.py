"""Provisions and programmes, mergers, crosswalks, series breaks: tables that document them."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from toolkit import registers
from toolkit.errors import CallError, InputError, MissingValueError, MixedSchemesError
from toolkit.registers import reconcile

D = date
WHO = {"person": 1, "municipality": "gm1"}


def provisions(*rows):
    """Write start, end, instrument, end_reason, aim; each gets its own number."""
    return pl.DataFrame(
        [
            {**WHO, "provision": str(at), "start": row[0], "end": row[1], "instrument": row[2],
             "end_reason": row[3] if len(row) > 3 else None,
             "aim": row[4] if len(row) > 4 else None}
            for at, row in enumerate(rows)
        ],
        schema={
            "person": pl.Int64, "municipality": pl.String, "provision": pl.String,
            "start": pl.Date, "end": pl.Date, "instrument": pl.String, "end_reason": pl.String,
            "aim": pl.String,
        },
    )  # fmt: skip


def made(*rows, **choices):
    found, _ = reconcile.programmes_from_provisions(provisions(*rows), **choices)
    return found.select("start", "end", "instrument", "end_reason").rows()


# --- provisions to programmes ------------------------------------------------------------------


def test_provisions_at_the_same_time_or_one_after_another_are_one_programme():
    assert made(
        (D(2013, 1, 7), D(2013, 4, 1), "training", "other"),
        (D(2013, 2, 1), D(2013, 3, 1), "mediation", "withdrew"),
        (D(2013, 4, 1), D(2013, 6, 1), "mediation", "no_longer_useful"),
        (D(2013, 6, 2), D(2013, 9, 1), "training", "other"),  # a day later: another programme
    ) == [
        (D(2013, 1, 7), D(2013, 6, 1), None, "no_longer_useful"),
        (D(2013, 6, 2), D(2013, 9, 1), "training", "other"),
    ]


@pytest.mark.parametrize(("gap", "programmes"), [(0, 2), (1, 1), (30, 1)])
def test_how_many_days_may_lie_between_is_a_choice(gap, programmes):
    rows = ((D(2013, 1, 1), D(2013, 2, 1), None), (D(2013, 2, 2), None, None))
    assert len(made(*rows, max_gap_days=gap)) == programmes


def test_a_provision_that_runs_keeps_the_programme_running():
    assert made(
        (D(2013, 1, 1), None, "wage_subsidy"),
        (D(2013, 2, 1), D(2013, 3, 1), None, "other"),
    ) == [(D(2013, 1, 1), None, "wage_subsidy", None)]


def test_a_programme_made_of_provisions_was_offered_when_it_began():
    found, _ = reconcile.programmes_from_provisions(
        provisions(
            (D(2013, 1, 1), D(2013, 5, 1), None, None, "work"),
            (D(2013, 2, 1), D(2013, 5, 1), None, None, "work"),
        )
    )
    assert found.select("offer", "target_group", "aim").rows() == [(D(2013, 1, 1), "wwb", "work")]


def test_a_provision_delivered_twice_is_the_later_one():
    twice = provisions((D(2013, 1, 1), None, None), (D(2013, 1, 1), D(2013, 8, 1), None))
    found, changes = reconcile.programmes_from_provisions(
        twice.with_columns(provision=pl.lit("a"), _order=pl.Series([1, 2]), _file=pl.Series([1, 2]))
    )
    assert found["end"].to_list() == [D(2013, 8, 1)]
    assert changes.is_empty()


def test_the_begin_of_a_provision_stays_as_first_delivered():
    moved = provisions((D(2013, 1, 1), None, None), (D(2013, 2, 1), D(2013, 8, 1), None))
    found, changes = reconcile.programmes_from_provisions(
        moved.with_columns(provision=pl.lit("a"), _order=pl.Series([1, 2]), _file=pl.Series([1, 2]))
    )
    assert found.select("start", "end").rows() == [(D(2013, 1, 1), D(2013, 8, 1))]
    assert changes.select("field", "old", "new", "kept").rows() == [
        ("start", "2013-01-01", "2013-02-01", "old")
    ]


# --- programmes to provisions ------------------------------------------------------------------


def traject(start, end, *inside):
    rows = [
        {**WHO, "offer": D(2009, 1, 1), "start": start, "end": end,
         "subsidy_start": lks[0], "subsidy_end": lks[1],
         "placement_start": pp[0], "placement_end": pp[1]}
        for lks, pp in inside
    ]  # fmt: skip
    days = ("offer", "start", "end", "subsidy_start", "subsidy_end", "placement_start",
            "placement_end")  # fmt: skip
    found = reconcile.provisions_from_programmes(
        pl.DataFrame(rows, schema_overrides=dict.fromkeys(days, pl.Date))
    )
    return found.select("instrument", "start", "end").rows()


NONE = (None, None)


def test_a_traject_is_its_subsidies_its_placements_and_the_rest():
    assert traject(
        D(2009, 2, 1), D(2010, 2, 1),
        ((D(2009, 4, 1), D(2009, 6, 1)), NONE),
        (NONE, (D(2009, 5, 1), D(2009, 8, 1))),
        ((D(2009, 10, 1), D(2010, 2, 1)), NONE),
    ) == [
        (None, D(2009, 2, 1), D(2009, 4, 1)),
        ("wage_subsidy", D(2009, 4, 1), D(2009, 6, 1)),
        ("participation_placement", D(2009, 5, 1), D(2009, 8, 1)),
        (None, D(2009, 8, 1), D(2009, 10, 1)),
        ("wage_subsidy", D(2009, 10, 1), D(2010, 2, 1)),
    ]  # fmt: skip


def test_a_traject_without_them_is_one_provision_of_no_known_kind():
    assert traject(D(2009, 2, 1), None, (NONE, NONE)) == [(None, D(2009, 2, 1), None)]
    assert traject(None, None, (NONE, NONE)) == []


def test_there_and_back_again_keeps_the_programme():
    start, end = D(2009, 2, 1), D(2010, 2, 1)
    parts = traject(start, end, ((D(2009, 4, 1), D(2009, 6, 1)), NONE))
    back = made(*((begin, until, kind) for kind, begin, until in parts))
    assert back == [(start, end, None, None)]


# --- across the change of unit -----------------------------------------------------------------


def programme(start, end, **more):
    return {**WHO, "offer": start, "start": start, "end": end, "end_reason": None,
            "instrument": None, "aim": None, **more}  # fmt: skip


def bridged(old, new):
    days = dict.fromkeys(("offer", "start", "end"), pl.Date)
    words = dict.fromkeys(("end_reason", "instrument", "aim"), pl.String)
    frames = [pl.DataFrame(rows, schema_overrides=days | words) for rows in (old, new)]
    return reconcile.bridge(*frames).select("start", "end", "end_reason").sort("start").rows()


def test_a_traject_that_ran_on_ends_as_its_provisions_do():
    old = [programme(D(2012, 4, 1), None)]
    new = [programme(D(2012, 6, 1), D(2013, 5, 1), end_reason="other")]
    assert bridged(old, new) == [(D(2012, 4, 1), D(2013, 5, 1), "other")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (programme(D(2012, 4, 1), D(2012, 9, 1)), programme(D(2012, 12, 1), None)),  # had ended
        (programme(D(2012, 4, 1), None), programme(D(2013, 1, 2), None)),  # began after
        (programme(D(2012, 4, 1), None), programme(D(2012, 6, 1), None, person=2)),
        (programme(D(2012, 4, 1), None), programme(D(2012, 6, 1), None, municipality="gm2")),
    ],
)
def test_what_is_not_the_same_stays_two(old, new):
    assert len(bridged([old], [new])) == 2


def test_of_several_trajects_running_the_one_that_began_last_before_it():
    old = [programme(D(2011, 1, 1), None), programme(D(2012, 4, 1), None)]
    new = [programme(D(2012, 6, 1), D(2013, 5, 1))]
    assert bridged(old, new) == [
        (D(2011, 1, 1), None, None), (D(2012, 4, 1), D(2013, 5, 1), None),
    ]  # fmt: skip


# --- municipalities ----------------------------------------------------------------------------


def mergers(*rows):
    return pl.DataFrame(list(rows), schema=["old", "new", "date"], orient="row")


def test_a_municipality_is_followed_through_its_mergers_up_to_a_day():
    table = mergers(("b", "c", D(2009, 1, 1)), ("a", "b", D(2005, 1, 1)))
    assert reconcile.codes_as_of(table, D(2004, 12, 31)) == {}
    assert reconcile.codes_as_of(table, D(2005, 1, 1)) == {"a": "b"}
    assert reconcile.codes_as_of(table) == {"a": "c", "b": "c"}


@pytest.mark.parametrize(
    "rows",
    [
        (("a", "b", D(2005, 1, 1)), ("a", "c", D(2005, 1, 1))),
        (("a", "b", D(2005, 1, 1)), ("b", "c", D(2005, 1, 1))),
    ],
)
def test_a_concordance_that_says_two_things_is_refused(rows):
    with pytest.raises(InputError, match=r"on one day|same day"):
        reconcile.codes_as_of(mergers(*rows))


# --- crosswalks --------------------------------------------------------------------------------


def test_a_crosswalk_says_how_wide_it_is_and_that_it_is_indicative():
    walk = reconcile.crosswalk("reint2009_to_pladder2013")
    positions = pl.DataFrame({"position": [2, 2], "scheme": ["reint2009", "pladder2013"]})
    assert walk.label.nl == "indicatief"
    assert walk.apply(positions).select(
        "position", "lowest", "highest", pl.col("scheme").cast(pl.String), "indicative"
    ).rows() == [(2, 2, 3, "pladder2013", True), (2, 2, 2, "pladder2013", False)]


def test_every_step_of_every_crosswalk_is_inside_its_range():
    for walk in reconcile.crosswalks().values():
        assert sorted(walk.steps) == [1, 2, 3, 4, 5, 6]
        assert "indicat" in walk.words.nl
        assert all(low <= likely <= high for likely, low, high in walk.steps.values())


def test_schemes_are_not_compared_without_one():
    positions = pl.DataFrame({"position": [2, 2], "scheme": ["reint2009", "pladder2013"]})
    with pytest.raises(MixedSchemesError):
        reconcile.one_scheme(positions)
    assert reconcile.one_scheme(positions.head(1)).height == 1


def test_a_crosswalk_of_ones_own(tmp_path):
    file = tmp_path / "own.toml"
    text = 'from = "reint2009"\nto = "pladder2013"\nnl = "x"\nen = "x"\nsteps = { 1 = [1, 1, 2] }\n'
    file.write_text("[own]\n" + text, encoding="utf-8")
    walk = reconcile.crosswalk("own", file)
    with pytest.raises(MissingValueError, match="no step"):
        walk.apply(pl.DataFrame({"position": [2], "scheme": ["reint2009"]}))
    file.write_text("[own]\n" + text.replace("[1, 1, 2]", "[3, 1, 2]"), encoding="utf-8")
    with pytest.raises(InputError, match="not complete"):
        reconcile.crosswalk("own", file)
    with pytest.raises(CallError, match="did you mean"):
        reconcile.crosswalk("reint2009_to_pladder")


# --- the position on a day ---------------------------------------------------------------------


def test_the_position_on_a_day_is_the_last_one_dated_before():
    positions = pl.DataFrame(
        {"person": [1, 1, 2], "date": [D(2013, 1, 1), D(2013, 5, 1), D(2013, 1, 1)],
         "position": [2, 3, 6], "scheme": "reint2009"}
    )  # fmt: skip
    days = pl.DataFrame(
        {"person": [1, 2, 1, 1, 3, 1],
         "start": [D(2013, 5, 1), D(2013, 2, 1), D(2013, 4, 30), D(2012, 1, 1), D(2013, 2, 1),
                   None]}
    )  # fmt: skip
    found = reconcile.positions_on(days, positions, on="start")
    assert found["position"].to_list() == [3, 6, 2, None, None, None]
    assert found.select("person", "start").equals(days)


# --- series breaks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        ("2005-01-01", "2013-01-01", []),
        ("2013-01-01", "2013-09-01", []),
        ("2012-12-31", "2013-01-02", [2013]),
        ("2009-01-01", "2024-01-01", [2013, 2013, 2015, 2023]),
    ],
)
def test_a_figure_names_the_breaks_inside_its_period(start, end, years):
    found = reconcile.series_breaks(start, end)
    assert [one.date.year for one in found] == years
    assert all(one.words.nl and one.words.en for one in found)


def test_a_register_has_the_breaks_that_its_coverage_crosses():
    days = {"benefits": (2010, 2018), "programmes": (2013, 2014), "jobs": (2000, 2024)}
    register = registers.from_frames(
        persons=pl.DataFrame({"person": [1], "sex": ["male"], "birth_month": [date(1970, 1, 1)]}),
        coverage=pl.DataFrame(
            {
                "source": list(days),
                "start": [date(first, 1, 1) for first, _ in days.values()],
                "end": [date(last, 1, 1) for _, last in days.values()],
            }
        ),
    )
    # programmes are covered from the day of the break on, jobs know of none
    assert [one.name for one in reconcile.breaks_of(register)] == ["participation_act_2015"]
    assert reconcile.breaks_of(register, end=date(2015, 1, 1)) == []
    assert reconcile.breaks_of(register, tables=["programmes", "jobs"]) == []


def test_breaks_of_one_table_and_days_that_are_none():
    assert [
        one.name for one in reconcile.series_breaks("2012-01-01", "2016-01-01", table="benefits")
    ] == ["participation_act_2015"]
    with pytest.raises(CallError, match="no day"):
        reconcile.series_breaks("2012", "2016-13-01")
