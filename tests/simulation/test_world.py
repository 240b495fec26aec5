"""The made-up country: same seed same bytes, valid tables, known truth, on target."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthetic_data import World, layout, make_register, simulate
from synthetic_data.calibration import calibrate, check, targets
from synthetic_data.engine import Engine, Lives
from synthetic_data.tables import coverage, to_tables
from synthetic_data.truth import read_truth, true_parameters
from synthetic_data.world import Find, Support
from toolkit import registers
from toolkit.errors import CallError, CheckError
from toolkit.registers import codes
from toolkit.registers.schema import PERSON_TABLES

PERSONS = 60_000
SEED = 11


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.build(World(), SEED)


@pytest.fixture(scope="module")
def lives(engine):
    return engine.run(0, PERSONS)


@pytest.fixture(scope="module")
def tables(engine, lives):
    return to_tables(lives.rows, engine.country.table["municipality"])


@pytest.fixture(scope="module")
def truth(lives):
    return read_truth(lives)


@pytest.fixture(scope="module")
def effects(truth):
    return truth.tally.table()


@pytest.fixture(scope="module")
def register(engine, tables):
    return registers.from_frames(**tables, municipalities=engine.country.table, coverage=coverage())


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


def test_same_seed_gives_same_bytes(tmp_path):
    first = simulate(tmp_path / "a", persons=1_500, seed=5, partition_size=500, threads=1)
    again = simulate(tmp_path / "b", persons=1_500, seed=5, partition_size=500, threads=3)
    other = simulate(tmp_path / "c", persons=1_500, seed=6, partition_size=500, threads=1)
    assert _hashes(first) == _hashes(again)
    assert len(_hashes(first)) == 2 + 3 * len(PERSON_TABLES) + 4 + 1
    different = {name for name, value in _hashes(first).items() if _hashes(other)[name] != value}
    assert "register/tables-1/benefits/part-00000.parquet" in different
    assert "truth/net_effect.parquet" in different


def test_rows_do_not_depend_on_partition_size_or_number_of_persons(tmp_path):
    # an odd partition size cuts couples in two: their lives must not notice
    whole = registers.open(simulate(tmp_path / "a", persons=900, seed=3) / "register")
    cut = registers.open(
        simulate(tmp_path / "b", persons=1_201, seed=3, partition_size=333, threads=2) / "register"
    )
    assert len(cut.partitions) == 4
    for name in PERSON_TABLES:
        expected = whole.table(name).collect()
        got = cut.table(name).filter(pl.col("person") < 900).collect()
        assert expected.equals(got), name
    a = pl.read_parquet(tmp_path / "a/truth/participants.parquet")
    b = pl.read_parquet(tmp_path / "b/truth/participants.parquet")
    assert a.equals(b.filter(pl.col("person") < 900))


def test_make_register_equals_the_store(tmp_path):
    stored = registers.open(simulate(tmp_path / "a", persons=400, seed=9) / "register")
    held = make_register(persons=400, seed=9)
    for name in PERSON_TABLES:
        assert stored.table(name).collect().equals(held.table(name).collect()), name


def test_register_is_valid(register):
    registers.validate(register)


def test_every_table_has_rows_and_every_code_in_use_is_a_code(tables):
    for name, frame in tables.items():
        assert frame.height > 0, name
    assert set(tables["programmes"]["instrument"].unique()) == set(codes.INSTRUMENT)
    assert set(tables["jobs"]["contract"].drop_nulls().unique()) == set(codes.CONTRACT)
    assert tables["programmes"]["aim"].n_unique() == 2
    assert set(tables["benefits"]["scheme"].unique()) == {"wwb", "ww", "disability"}


def test_a_month_has_one_state_and_it_agrees_with_the_tables(lives, tables):
    """The state on the last day of a month, from the kernel, against the canonical tables."""
    month = 86  # March 2006
    last = pl.date(2006, 3, 31)
    running = (pl.col("start") <= last) & (pl.col("end").is_null() | (pl.col("end") > last))
    state = pl.DataFrame(
        {
            "person": lives.who,
            "state": lives.history[:, 0, month] & layout.STATE_BITS,
        }
    )

    def among(frame: pl.DataFrame) -> pl.Series:
        return state["person"].is_in(frame.filter(running)["person"].implode())

    benefits, jobs = tables["benefits"], tables["jobs"]
    code = state["state"]
    wwb = among(benefits.filter(pl.col("scheme") == "wwb"))
    broken = (code.is_in([layout.WWB, layout.WWB_WORK]) & ~wwb).sum()
    assert broken <= 0.01 * wwb.sum()  # administrative breaks that hold on that very day
    assert not (wwb & ~code.is_in([layout.WWB, layout.WWB_WORK])).any()
    assert (among(benefits.filter(pl.col("scheme") == "ww")) == (code == layout.WW)).all()
    assert (
        among(benefits.filter(pl.col("scheme") == "disability")) == (code == layout.DISABILITY)
    ).all()
    working = code.is_in([layout.WORK, layout.SUBSIDISED, layout.WWB_WORK])
    assert (among(jobs) == working).all()
    assert (among(tables["enrolments"]) == (code == layout.STUDENT)).all()
    away = code.is_in([layout.EMIGRATED, layout.DEAD])
    assert (among(tables["residences"]) == ~away).all()
    assert (among(tables["households"]) == ~away).all()


def test_state_spells_tile_the_window(truth):
    months = truth.states.group_by("person", "world").agg(
        days=(pl.col("end") - pl.col("start")).dt.total_days().sum(),
        first=pl.col("start").min(),
        joined=(pl.col("start").shift(-1) == pl.col("end")).drop_nulls().all(),
    )
    assert (months["days"] == 4748).all()  # 13 years, of which 2000, 2004 and 2008 are leap years
    assert months["joined"].all()
    assert months.height == 2 * truth.participants.height


def test_worlds_are_equal_before_the_first_offer(lives, tables, truth):
    first = (
        tables["programmes"].group_by("person").agg(pl.col("offer").min())
        .filter(pl.col("person").is_in(truth.participants["person"].implode()))
        .sort("person")
    )  # fmt: skip
    assert first["person"].to_list() == lives.who.tolist()
    month = ((first["offer"].dt.year() - 1999) * 12 + first["offer"].dt.month() - 1).to_numpy()
    before = np.arange(layout.N_MONTHS)[None, :] < month[:, None]
    factual, counter = lives.history[:, 0], lives.history[:, 1]
    assert (factual[before] == counter[before]).all()
    assert before.sum() > 1000
    assert (factual[~before] != counter[~before]).mean() > 0.02  # and not after it


def test_no_programme_anywhere_means_no_participant_and_no_effect():
    from dataclasses import replace

    world = World()
    silent = replace(world, support=replace(world.support, offer=0.0, offer_nug=0.0))
    quiet = Engine.build(silent, SEED).run(0, 2_000)
    assert len(quiet.who) == 0
    assert read_truth(quiet).tally.table().height == 0


def test_no_true_effect_when_programmes_do_nothing():
    from dataclasses import replace

    nothing, same = (0.0,) * 6, (1.0,) * 6
    world = World()
    idle = replace(
        world.support, threat=0.0, lock_in=nothing, after_near=nothing, after_far=nothing,
        keep=nothing, up_during=same, mix=tuple((1.0, 1.0, 1.0, 0.0, 1.0, 1.0) for _ in range(5)),
    )  # fmt: skip # no subsidised jobs: they are an effect by themselves
    found = Engine.build(replace(world, support=idle), SEED).run(0, 4_000)
    assert len(found.who) > 300
    assert (found.history[:, 0] == found.history[:, 1]).all()


def _at(
    effects: pl.DataFrame, group: str, level: str, month: int, outcome: str = "in_work"
) -> float:
    row = effects.filter(
        (pl.col("group") == group) & (pl.col("level") == level)
        & (pl.col("month") == month) & (pl.col("outcome") == outcome)
    )  # fmt: skip
    return float(row["effect"].item())


def test_effects_have_the_sign_of_their_hazard_ratios(effects):
    for instrument in ("work_first", "mediation", "training", "wage_subsidy"):
        assert _at(effects, "instrument", instrument, 3) < 0  # locked in
        assert _at(effects, "instrument", instrument, 24) > 0.02
        assert _at(effects, "instrument", instrument, 24, "on_benefit") < 0
    assert _at(effects, "instrument", "training", 9) < _at(effects, "instrument", "work_first", 9)
    assert _at(effects, "aim", "pre_work", 24) < _at(effects, "aim", "work", 24)
    assert _at(effects, "all", "all", 4) < 0 < _at(effects, "all", "all", 18)


def test_effect_equals_a_count_by_hand(lives, truth, effects):
    """Month 12 of those whose programme aims at the phase before work, person by person."""
    place = {person: number for number, person in enumerate(lives.who.tolist())}
    chosen = truth.participants.filter(pl.col("aim") == "pre_work")
    n = factual = counter = 0
    for person, start in chosen.select("person", "start_month").iter_rows():
        month = start + 12
        if month >= layout.N_MONTHS:
            continue
        one, two = lives.history[place[person], :, month].tolist()
        if one & 64 and two & 64:  # alive, resident and below 65 in both worlds
            n += 1
            factual += bool(one & 16)  # a regular job on some day
            counter += bool(two & 16)
    row = effects.filter(
        (pl.col("group") == "aim")
        & (pl.col("level") == "pre_work")
        & (pl.col("month") == 12)
        & (pl.col("outcome") == "in_work")
    )
    assert row["n"].item() == n > 500
    assert row["effect"].item() == pytest.approx((factual - counter) / n, abs=1e-15)


def test_history_agrees_with_jobs_and_benefits(lives, tables):
    """The flags behind the truth are those a reader of the tables would count himself."""
    month_start, month_end = pl.date(2007, 5, 1), pl.date(2007, 6, 1)
    month = 100
    touches = (pl.col("start") < month_end) & (
        pl.col("end").is_null() | (pl.col("end") > month_start)
    )
    who = pl.Series(lives.who)
    flags = pl.Series(lives.history[:, 0, month])
    for flag, frame in (
        (layout.WORKED, tables["jobs"].filter(pl.col("kind") == "regular")),
        (layout.ASSISTED, tables["benefits"].filter(pl.col("scheme") == "wwb")),
    ):
        counted = who.is_in(frame.filter(touches)["person"].implode())
        assert (counted == ((flags & int(flag)) > 0)).all()


def test_partners_on_one_claim_leave_together(tables):
    last = (
        tables["benefits"]
        .filter(pl.col("scheme") == "wwb")
        .group_by("claim", "person")
        .agg(pl.col("role").first(), pl.col("end").fill_null(pl.date(2012, 1, 1)).max())
    )
    claims = last.group_by("claim").agg(
        people=pl.len(), roles=pl.col("role").n_unique(), ends=pl.col("end").n_unique()
    )
    assert claims["people"].max() == 2
    joint = claims.filter(pl.col("people") == 2)
    assert joint.height > 500
    assert (joint["roles"] == 2).all()
    assert (joint["ends"] == 1).mean() > 0.97  # else one came of age, retired or died


def test_administrative_breaks_are_short_and_merge_away(tables):
    wwb = tables["benefits"].filter(pl.col("scheme") == "wwb").sort("person", "start")
    same = pl.col("claim").shift(-1).over("person") == pl.col("claim")
    gap = (pl.col("start").shift(-1).over("person") - pl.col("end")).dt.total_days()
    breaks = wwb.filter(same & (pl.col("end_reason") == "no_information")).select(gap).to_series()
    found = wwb.select(gap.filter(same & (gap > 0))).to_series()
    assert len(found) > 1000
    assert found.min() >= 3
    assert found.max() <= 28
    assert len(breaks) >= len(found)


def test_programmes_start_after_their_offer_and_some_never(tables):
    programmes = tables["programmes"]
    wait = (
        (pl.col("start").dt.year() - pl.col("offer").dt.year()) * 12
        + pl.col("start").dt.month().cast(pl.Int32) - pl.col("offer").dt.month()
    )  # fmt: skip
    months = programmes.filter(pl.col("start").is_not_null()).select(wait).to_series()
    assert months.min() == 0
    assert months.max() == 3
    assert 0.10 < programmes["start"].is_null().mean() < 0.25
    assert (programmes["target_group"] == "nug_anw").any()


def test_selection_runs_over_what_the_register_does_not_see(truth, tables):
    """Of those on WWB on 1 January 2005, the strong start a programme that year more often."""
    day = pl.date(2005, 1, 1)
    on = tables["benefits"].filter(
        (pl.col("scheme") == "wwb")
        & (pl.col("start") <= day)
        & (pl.col("end").is_null() | (pl.col("end") > day))
    )
    started = tables["programmes"].filter(pl.col("start").dt.year() == 2005)
    share = {
        level: frame["person"].is_in(started["person"].implode()).mean()
        for (level,), frame in on.join(truth.persons, on="person").group_by("latent_type")
    }
    assert share[2] > share[1] > share[0]
    assert share[2] > 1.5 * share[0]


def test_education_is_missing_more_often_where_it_is_low(tables, truth):
    both = tables["persons"].join(truth.persons.select("person", true="education"), on="person")
    missing = {
        level: both.filter(pl.col("true") == level)["education"].is_null().mean()
        for level in ("low", "middle", "high")
    }
    assert missing["low"] > 1.5 * missing["high"]
    known = both.filter(pl.col("education").is_not_null())
    assert (known["education"] == known["true"]).all()
    assert (known["true"] == "low").mean() < (both["true"] == "low").mean() - 0.02


def test_positions_reach_everyone_on_wwb(tables):
    on = tables["benefits"].filter(
        (pl.col("scheme") == "wwb") & (pl.col("start") <= pl.date(2005, 1, 1))
        & (pl.col("end").is_null() | (pl.col("end") > pl.date(2005, 1, 1)))
    )  # fmt: skip
    known = tables["positions"].filter(pl.col("date") <= pl.date(2005, 1, 1))
    assert on["person"].is_in(known["person"].implode()).all()
    assert tables["positions"]["date"].min().year == 2004
    never = on.join(tables["programmes"], on="person", how="anti")
    assert never.height > 500  # also people without a programme


def test_municipalities_look_like_a_country(engine):
    table = engine.country.table
    assert table.height == 440
    assert table["region"].n_unique() == 30
    assert set(table.filter(pl.col("size_class") == "g4")["municipality"]) == {
        "gm0363", "gm0599", "gm0518", "gm0344",
    }  # fmt: skip
    assert 15_500_000 < table["population"].sum() < 17_500_000
    assert table["municipality"].is_unique().all()
    market = engine.country.market.mean(axis=0)
    assert market[12 * 11] < 0.75 * market[12 * 9]  # January 2010 against January 2008


def test_calibration_is_within_its_tolerances(register, effects):
    table = calibrate(register, effects)
    assert table["moment"].to_list() == list(targets())
    assert table["simulated"].is_not_null().all()
    check(table)


def test_calibration_check_names_what_is_outside(register, effects):
    table = calibrate(register, effects).with_columns(
        within=pl.col("moment") != "recipients_who_work"
    )
    with pytest.raises(CheckError, match=r"1 of 10.*recipients_who_work"):
        check(table)


def test_simulate_writes_everything(tmp_path):
    seen = []
    folder = simulate(
        tmp_path / "x", persons=600, seed=2, partition_size=250,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(250, 600), (500, 600), (600, 600)]
    for name in (
        "register/register.json", "truth/net_effect.parquet", "truth/participants.parquet",
        "truth/persons.parquet", "truth/states.parquet", "truth/parameters.json",
        "calibration.parquet", "calibration.csv", "manifest.json",
    ):  # fmt: skip
        assert (folder / name).is_file(), name
    opened = registers.open(folder / "register")
    assert opened.persons.collect().height == 600
    registers.validate(opened)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"persons": 0}, "persons=0"),
        ({"seed": -1}, "seed=-1"),
        ({"threads": 0}, "threads=0"),
        ({"partition_size": 0}, "partition_size=0"),
        ({"persons": 3_000_000_000}, "too many"),
        ({"persons": 1.5}, "persons=1.5 is not a whole number"),
        ({"persons": "10"}, "not a whole number"),
        ({"threads": True}, "not a whole number"),
        ({"seed": 2**63}, "too large"),
        ({"world": {}}, "not a World"),
        ({"world": World(support=Support(year=(1.0,)))}, r"support.year has shape \(1,\), not"),
        ({"world": World(find=Find(sex=1.0))}, r"find.sex has shape \(\)"),
        ({"world": World(support=Support(offer=float("nan")))}, "support.offer is not finite"),
        ({"world": World(support=Support(offer="much"))}, "support.offer is not made of numbers"),
    ],
)
def test_numbers_that_make_no_country_are_refused(tmp_path, arguments, said):
    with pytest.raises(CallError, match=said):
        simulate(tmp_path / "x", **arguments)
    assert not (tmp_path / "x").exists()


def test_a_file_is_no_folder_to_write_in(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(CallError, match="'x' is a file"):
        simulate(tmp_path / "x", persons=10)


def test_the_smallest_countries_can_be_counted(tmp_path):
    """Seed 1: with ten persons nobody is on WWB in December 2006, in other months somebody is."""
    for persons in (1, 2, 3, 10):
        folder = simulate(tmp_path / str(persons), persons=persons, seed=1)
        table = pl.read_parquet(folder / "calibration.parquet")
        assert table.height == len(targets())
        registers.validate(registers.open(folder / "register"))


def test_programmes_belong_to_the_municipality_of_the_offer(tables):
    """A subsidised worker may move; the programme stays with who offered it."""
    home = tables["residences"].select("person", "municipality", since="start", until="end")
    at_offer = (
        tables["programmes"].join(home, on="person", suffix="_home")
        .filter(
            (pl.col("since") <= pl.col("offer"))
            & (pl.col("until").is_null() | (pl.col("until") > pl.col("offer")))
        )
    )  # fmt: skip
    assert at_offer.height == tables["programmes"].height
    assert (at_offer["municipality"] == at_offer["municipality_home"]).all()


def test_nobody_is_on_wwb_before_18(tables):
    wwb = tables["benefits"].filter(pl.col("scheme") == "wwb")
    born = wwb.join(tables["persons"].select("person", "birth_month"), on="person")
    assert (born["start"] >= born["birth_month"].dt.offset_by("18y")).all()


def test_wages_are_not_below_the_minimum_of_the_day_a_job_is_agreed(tables):
    jobs = tables["jobs"].filter(pl.col("start") >= pl.date(1999, 1, 1))
    known = jobs.join(tables["persons"].select("person", "birth_month"), on="person")
    year = known["start"].dt.year().to_numpy() - 1999
    least = np.asarray(World().market.minimum_wage)[year] / 38.0 * known["hours"].to_numpy()
    grown = known["start"] >= known["birth_month"].dt.offset_by("23y")
    least *= np.where(grown.to_numpy(), 1.0, 0.75)
    assert (known["wage"].to_numpy() >= np.floor(least)).all()


def test_true_parameters_are_hazard_ratios():
    facts = true_parameters(World())
    assert (
        facts["instrument"]["training"]["lock_in"]
        < 1
        < facts["instrument"]["training"]["after_near"]
    )
    assert (
        facts["latent_type"]["programme_offer"][0] < 1 < facts["latent_type"]["programme_offer"][2]
    )
    assert isinstance(Lives, type)
