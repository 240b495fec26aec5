"""Raw files of a few persons, line by line; keys; the ledger points at records that are wrong."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date

import numpy as np
import polars as pl
import polars_readstat
import pytest

from synthetic_data import Dirt, deliver, make_register
from synthetic_data.deliver import keys
from synthetic_data.deliver.dirt.deliverers import draw_deliverers
from synthetic_data.deliver.jobs import wage_rows
from synthetic_data.deliver.ledger import LEDGER
from synthetic_data.deliver.periods import Period
from toolkit import registers
from toolkit.errors import CallError, UnknownOptionError
from toolkit.registers import codes

D = date


def by_hand(**changed):
    """Two persons in Tiel: one on benefit and in programmes, one at work."""
    tables = {
        "persons": pl.DataFrame({
            "person": [0, 1], "sex": ["female", "male"],
            "birth_month": [D(1970, 5, 1), D(1965, 12, 1)], "origin": ["native", "western"],
            "education": ["low", None], "work_limited": [True, None],
            "death_date": [None, D(2010, 3, 4)],
        }),
        "residences": pl.DataFrame({
            "person": [0, 1], "start": [D(1999, 1, 1), D(1999, 1, 1)],
            "end": [D(2003, 2, 1), D(2010, 3, 4)], "municipality": ["gm0281", "gm0281"],
            "end_reason": ["emigrated", "died"],
        }),
        "benefits": pl.DataFrame({
            "person": [0, 0], "start": [D(1998, 6, 1), D(2005, 3, 10)],
            "end": [D(2001, 1, 1), None], "scheme": ["wwb", "wwb"],
            "municipality": ["gm0281", "gm0281"], "claim": [7, 8], "role": ["head", "partner"],
            "start_reason": [None, "job_lost"], "end_reason": ["work", None],
        }),
        "jobs": pl.DataFrame({
            "person": [1, 1], "start": [D(1997, 4, 1), D(2009, 12, 1)],
            "end": [D(2009, 12, 1), D(2010, 2, 11)], "job": [5, 5], "employer": [9, 9],
            "kind": ["regular", "regular"], "contract": ["agency", "permanent"],
            "hours": [36.0, 36.0], "wage": [1550.0, 1550.0],
        }),
        "programmes": pl.DataFrame({
            "person": [0, 0, 0], "programme": [1, 2, 3], "municipality": ["gm0281"] * 3,
            "instrument": ["training", "wage_subsidy", "mediation"],
            "aim": ["work", "work", "work"], "target_group": ["wwb", "wwb", "nug_anw"],
            "offer": [D(2003, 1, 5), D(2005, 6, 20), D(2011, 12, 1)],
            "start": [D(2003, 2, 1), D(2005, 7, 4), None],
            "end": [D(2004, 2, 1), D(2006, 1, 1), None],
            "end_reason": ["withdrew", "regular_work", "other"],
        }),
        "positions": pl.DataFrame({
            "person": [0, 0], "date": [D(2005, 3, 10), D(2005, 10, 1)], "position": [3, 4],
            "scheme": ["reint2009", "reint2009"],
        }),
        "municipalities": pl.DataFrame({
            "municipality": ["gm0281"], "name": ["Tiel"], "region": [9], "population": [41_000],
            "size_class": ["small"],
        }),
        "coverage": pl.DataFrame({
            "source": list(codes.SOURCE), "start": [D(1999, 1, 1)] * 9, "end": [D(2012, 1, 1)] * 9,
        }),
    }  # fmt: skip
    return registers.from_frames(**(tables | changed))


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    return deliver(by_hand(), tmp_path_factory.mktemp("few") / "delivery")


@pytest.fixture(scope="module")
def world():
    return make_register(persons=3_000, seed=5)


@pytest.fixture(scope="module")
def dirty(world, tmp_path_factory):
    return deliver(world, tmp_path_factory.mktemp("dirty") / "delivery", dirt=Dirt.everything())


def key_of(person):
    one = np.array([person])
    return f"{keys.rin(one, seed=1)[0]:09d}", f"{keys.bsn(one, seed=1)[0]:09d}"


def records(raw, name):
    """Records of any delivered file, as text, `_row` from 1."""
    path, _, member = name.partition("!")
    data = (raw / path).read_bytes()
    if member:
        data = zipfile.ZipFile(io.BytesIO(data)).read(member)
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    stem = member or path.removesuffix(".gz")
    if stem.endswith((".sav", ".dta")):
        frame = polars_readstat.read_readstat(str(raw / path))
    elif stem.endswith(".parquet"):
        frame = pl.read_parquet(data)
    else:
        text = data.decode("latin-1")
        if stem.endswith(".txt"):
            return text.splitlines()
        frame = pl.read_csv(text.encode(), separator=";", infer_schema=False)
    return frame


# ── by hand ──────────────────────────────────────────────────────────────────


def srg(delivered, half):
    file = next((delivered.raw / "srg" / half).iterdir())
    _, bsn = key_of(0)
    return [line.replace(bsn, "<bsn>") for line in file.read_text("latin-1").splitlines()]


def test_a_programme_offered_before_it_starts(delivered):
    (line,) = srg(delivered, "2005-1")
    assert line[:14] == "200510281<bsn>"
    # born (the day is drawn), woman, WWB, offered; not yet begun: no subsidy, end, reason, position
    assert line[14:20] == "197005"
    assert line[22:] == (
        "22" "20050620" "00000000" "29999999999999999" "99999999" "9" "29999999999999999" "99"
    )  # fmt: skip


def test_a_programme_that_ran_and_ended(delivered):
    (line,) = srg(delivered, "2005-2")
    # subsidy from begin to end; last day 31 December; regular work; position 3, then 4
    assert line[22:] == (
        "22" "20050620" "20050704" "1" "20050704" "20051231" "20051231" "1" "29999999999999999" "34"
    )  # fmt: skip


def test_a_programme_never_taken_up(delivered):
    (line,) = srg(delivered, "2011-2")
    assert line[22:] == (
        "21" "20111201" "99999999" "29999999999999999" "99999999" "9" "29999999999999999" "99"
    )  # fmt: skip


def test_half_years_without_a_programme_are_a_header_only(delivered):
    (file,) = (delivered.raw / "srg" / "2008-1").iterdir()
    assert file.name == "SRG_0281_20081_V1.csv"
    assert file.read_text("latin-1").count("\n") == 1


def test_what_the_form_does_not_ask_is_in_the_national_files(delivered):
    before = records(delivered.raw, "cbs/srg/VRLSRGTRAJECTTABV1.sav")
    asked = before.select("DATUMAANBOD", "EINDDATUMTRAJECT", "REDENEINDE", "TYPEVOORZIENING")
    assert asked.rows() == [("20030105", "20040131", "2", "03")]
    added = records(delivered.raw, "cbs/srg/SRGVOORZIENING2011TABV1.csv")
    assert added.select("TYPEVOORZIENING", "REDENNIETGESTART").rows() == [("02", "4")]


def test_a_year_knows_no_more_than_its_last_day(delivered):
    def spells(year):
        frame = records(delivered.raw, f"cbs/bijstand/BIJSTANDPERSOON{year}BUSV1.sav")
        return frame.select("DATUMAANVANG", "DATUMEINDE", "REDENEINDE", "ROL").rows()

    assert spells(1999) == [("19980601", "00000000", "99", "1")]
    assert spells(2000) == [("19980601", "20001231", "11", "1")]
    assert spells(2001) == []
    assert spells(2005) == [("20050310", "00000000", "99", "2")]


def test_jobs_are_cut_by_year_and_begin_before_the_first_file(delivered):
    first = records(delivered.raw, "cbs/banen/BAANKENMERKEN1999BUSV1.sav").row(0, named=True)
    assert first["AANVANGBAANID"] == "88888888"
    assert first["DATUMAANVANGBAANID"] == "19970401"
    assert first["EINDEBAANID"] == "19991231"
    assert (first["SOORTBAANID"], first["CONTRACTSOORT"]) == ("4", "N")
    polis = records(delivered.raw, "cbs/banen/POLIS2009BUSV2.sav")
    assert polis.select("AANVBUS", "EINDBUS", "SOORTBAAN", "CONTRACTSOORT").rows() == [
        ("20090101", "20091130", "4", "N"), ("20091201", "20091231", "9", "O"),
    ]  # fmt: skip
    # 1,550 euro a month over 31 days of a mean month of 30.4375 days; 36 hours a week
    assert polis["BASISLOON"].to_list()[1] == round(1550 * 31 / 30.4375, 2)
    assert polis["BASISUREN"].to_list()[1] == round(36 * 31 / 7, 2)


def test_wage_rows_of_a_job_that_ends_in_a_month(delivered):
    rows = records(delivered.raw, "cbs/banen/SPOLIS2010BUSV1.parquet")
    if rows["STIJDVAKTYPE"][0] == "1":  # a four-weekly filer: rows are cut at 29 January as well
        rows = rows.group_by(pl.col("SDATUMAANVANGIKO").str.slice(0, 6), maintain_order=True).agg(
            pl.col("SDATUMEINDEIKO").last(), pl.col("SBASISLOON").sum(), pl.col("SBASISUREN").sum()
        )
    # January whole; ten of 28 days of February
    assert rows["SDATUMEINDEIKO"].to_list() == ["20100131", "20100210"]
    assert rows["SBASISLOON"].to_list() == pytest.approx([1550, 1550 * 10 / 28], abs=0.011)
    assert rows["SBASISUREN"].to_list() == pytest.approx([36 * 31 / 7, 36 * 10 / 7], abs=0.011)


def test_departures_and_deaths(delivered):
    left = records(delivered.raw, "cbs/bevolking/VRLGBAMIGRATIEBUSV1.csv")
    assert left.select("DATUMVERTREK", "DATUMVESTIGING").rows() == [("20030201", "88888888")]
    died = records(delivered.raw, "cbs/bevolking/GBAOVERLIJDEN2011TABV1.dta")
    assert died["GBADatumOverlijden"].to_list() == ["20100304"]
    assert died["RINPERSOON"].to_list() == [key_of(1)[0]]


def test_four_weekly_rows_cover_each_day_once():
    job = pl.DataFrame({
        "person": [1] * 400, "job": range(400), "employer": range(400),
        "start": [D(2010, 1, 20)] * 400, "end": [D(2010, 4, 3)] * 400, "hours": [40.0] * 400,
        "wage": [2000.0] * 400, "job_start": [D(2010, 1, 20)] * 400, "job_end": [None] * 400,
    })  # fmt: skip
    rows = wage_rows(job, Period(2010))
    days = (pl.col("end") - pl.col("start")).dt.total_days()
    total = rows.group_by("job").agg(days.sum())["end"].unique().to_list()
    assert total == [(D(2010, 4, 3) - D(2010, 1, 20)).days]
    four = rows.filter("four_weekly")["job"].n_unique()
    assert 400 * 0.15 * 0.5 < four < 400 * 0.15 * 1.6
    assert rows.filter("four_weekly").height > 6 * four  # months and tax periods overlap
    same_month = pl.col("start").dt.truncate("1mo") == (
        pl.col("end").dt.offset_by("-1d")
    ).dt.truncate("1mo")
    assert rows.select(same_month.all()).item()


# ── keys ─────────────────────────────────────────────────────────────────────


def test_every_bsn_passes_the_eleven_test_and_is_one_person():
    numbers = keys.bsn(np.arange(50_000), seed=3)
    digits = numbers[:, None] // 10 ** np.arange(8, -1, -1) % 10
    assert ((digits * [9, 8, 7, 6, 5, 4, 3, 2, -1]).sum(axis=1) % 11 == 0).all()
    assert len(np.unique(numbers)) == len(numbers)
    assert numbers.min() > 9_999_999


def test_keys_say_nothing_of_each_other_or_of_the_order():
    persons = np.arange(20_000)
    rin, bsn = keys.rin(persons, seed=1), keys.bsn(persons, seed=1)
    for one, other in (
        (rin, bsn),
        (rin, persons),
        (bsn, persons),
        (rin, keys.rin(persons, seed=2)),
    ):
        # of independent series the correlation has standard deviation 1/sqrt(20,000) = 0.007
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert rin.min() >= 2
    assert len(np.unique(rin)) == len(rin)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000, 1025])
def test_a_permutation_is_one(size):
    assert sorted(keys.permuted(np.arange(size), size, 7)) == list(range(size))


def test_keys_of_nobody_are_nobodys():
    some, nobody = np.arange(30_000), keys.MOST_PERSONS + np.arange(30_000)
    for make in (keys.rin, keys.bsn):
        assert not set(make(some, seed=1)) & set(make(nobody, seed=1))


def test_more_persons_than_keys_are_refused():
    with pytest.raises(CallError, match="more persons than keys"):
        keys.bsn(np.array([90_000_000]), seed=1)


# ── the call ─────────────────────────────────────────────────────────────────


def test_the_same_call_gives_the_same_files(delivered, tmp_path):
    again = deliver(by_hand(), tmp_path / "again")
    for folder in (delivered.raw.parent, again.raw.parent):
        assert (folder / "secret.key").stat().st_mode & 0o077 == 0
    files = sorted(path.relative_to(again.raw.parent) for path in again.raw.parent.rglob("*.*"))
    assert len(files) > 100

    def content(root, file):
        if file.suffix in {".sav", ".dta"}:  # their headers hold the time of writing
            return polars_readstat.read_readstat(str(root / file)).rows()
        return (root / file).read_bytes()

    roots = (again.raw.parent, delivered.raw.parent)
    other = [file for file in files if content(roots[0], file) != content(roots[1], file)]
    assert not other
    other = deliver(by_hand(), tmp_path / "other", seed=2, sources=("persons",))
    name = "koppeltabel.parquet"
    assert (other.raw / name).read_bytes() != (delivered.raw / name).read_bytes()


def test_clean_is_on_time_and_has_no_ledger(delivered):
    assert delivered.ledger.schema == pl.Schema(LEDGER)
    assert delivered.ledger.is_empty()
    assert not (delivered.raw / "herindelingen.csv").exists()
    lines = (delivered.raw / "ontvangst.csv").read_text().splitlines()
    assert lines[0] == "bestand;ontvangen"
    assert len(lines) == 15
    for line in lines[1:]:
        file, day = line.split(";")
        assert (delivered.raw / file).is_file()
        year, half = int(file[4:8]), int(file[9])
        end = D(year, 7, 1) if half == 1 else D(year + 1, 1, 1)
        assert 0 < (D.fromisoformat(day) - end).days <= 28


def test_only_the_sources_asked_for(tmp_path):
    done = deliver(by_hand(), tmp_path / "d", sources=("benefits",))
    folders = {
        path.relative_to(done.raw).as_posix() for path in done.raw.rglob("*") if path.is_dir()
    }
    themes = ("bevolking", "onderwijs", "gezondheid", "bijstand", "ww", "ao")
    assert folders == {"cbs", *(f"cbs/{theme}" for theme in themes)}
    with pytest.raises(UnknownOptionError, match="did you mean 'benefits'"):
        deliver(by_hand(), tmp_path / "d", sources=("benefit",))


def test_an_earlier_delivery_gives_way_and_nothing_else(tmp_path):
    deliver(by_hand(), tmp_path / "d", sources=("persons",))
    (tmp_path / "d" / "raw" / "stray.csv").touch()
    deliver(by_hand(), tmp_path / "d", sources=("persons",))
    assert not (tmp_path / "d" / "raw" / "stray.csv").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(CallError, match="not an earlier delivery"):
        deliver(by_hand(), tmp_path / "mine")
    (tmp_path / "d" / "thesis.txt").touch()
    with pytest.raises(CallError, match="not an earlier delivery"):
        deliver(by_hand(), tmp_path / "d")


def test_what_the_files_cannot_carry_is_refused(tmp_path):
    table = (
        by_hand()
        .programmes.collect()
        .with_columns(target_group=pl.lit("ww").cast(pl.Enum(codes.TARGET_GROUP)))
    )
    with pytest.raises(CallError, match="no place for 3 programmes of UWV"):
        deliver(by_hand(programmes=table), tmp_path / "d")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share):
    with pytest.raises(CallError, match="late="):
        Dirt(late=share)


# ── dirt ─────────────────────────────────────────────────────────────────────


def test_every_kind_of_error_is_made(dirty):
    made = set(dirty.ledger["kind"])
    assert made == set(Dirt.__dataclass_fields__) - {"delimited"}


def test_no_record_is_hit_twice(dirty):
    rows = dirty.ledger.filter(pl.col("row").is_not_null())
    assert not rows.select("file", "row").is_duplicated().any()


def test_the_ledger_points_at_what_it_says(dirty):
    """Every record named holds the wrong value, in the field named."""
    from toolkit.registers.layout import layout

    fields = layout("srg_2010").fields
    starts = np.cumsum([0, *(field.width for field in fields)])
    place = {
        field.name: (int(a), int(b))
        for field, a, b in zip(fields, starts, starts[1:], strict=False)
    }
    seen = set()
    told = dirty.ledger.filter(pl.col("became").is_not_null() & pl.col("row").is_not_null())
    for (name,), rows in told.filter(pl.col("kind") != "merged").group_by("file"):
        found = records(dirty.raw, name)
        for kind, row, field, became in rows.select("kind", "row", "field", "became").iter_rows():
            if kind == "cut_off":
                assert len(found[row - 1]) == 86
            elif isinstance(found, list):
                assert found[row - 1][slice(*place[field])] == became, kind
            else:
                value = found[field][row - 1]
                same = (
                    float(value) == float(became) if isinstance(value, float) else value == became
                )
                assert same, kind
            seen.add(kind)
    assert len(seen) >= 20


def test_the_ledger_holds_no_key(dirty, world):
    link = keys.keys_of(world.persons.collect()["person"], seed=1)
    numbers = set(link["RINPERSOON"]) | set(link["bsn"])
    for column in ("was", "became", "field", "expected"):
        assert not set(dirty.ledger[column].drop_nulls()) & numbers


def test_missing_files_are_missing_and_late_ones_late(dirty):
    missing = dirty.ledger.filter(pl.col("outcome") == "missing")["file"]
    assert len(missing)
    for file in missing:
        assert not list((dirty.raw / file).parent.glob((dirty.raw / file).stem + ".*"))
    received = dict(
        line.split(";") for line in (dirty.raw / "ontvangst.csv").read_text().splitlines()[1:]
    )
    late = dirty.ledger.filter(pl.col("outcome") == "late")
    assert all(received[file] == day for file, day in late.select("file", "became").iter_rows())


def test_failing_is_not_at_random(world):
    """Small municipalities fail more often; the shares are those asked for, over all."""
    table = world.municipalities.collect()
    who = draw_deliverers(table, Dirt(missing=0.2, late=0.2), seed=1)
    size = table.sort("municipality")["size_class"].cast(pl.String)
    missing = np.array([who.is_missing(number).to_numpy() for number in range(4010, 4024)])
    late = np.array([who.days_after(number).to_numpy() > 28 for number in range(4010, 4024)])
    for fails in (missing, late):
        share = {name: fails[:, (size == name).to_numpy()].mean() for name in size.unique()}
        assert share["small"] > share["middle"] > share["g4"]
        # 6,160 draws: standard deviation 0.005
        assert abs(fails.mean() - 0.2) < 0.02


def test_weak_positions_lack_more_often(world, tmp_path):
    done = deliver(
        world, tmp_path / "d", dirt=Dirt(no_position=0.3), sources=("programmes", "positions")
    )
    lost = done.ledger.filter(pl.col("field") == "positie_begin").group_by("was").len()
    there = {str(position): 0 for position in range(1, 6)}
    for file in (done.raw / "srg").rglob("*.txt"):
        if file.parent.name >= "2009-1":
            for line in file.read_text("latin-1").splitlines():
                there[line[87]] = there.get(line[87], 0) + 1
    counts = dict(lost.iter_rows())
    weak = sum(counts.get(p, 0) for p in "12") / sum(counts.get(p, 0) + there[p] for p in "12")
    near = sum(counts.get(p, 0) for p in "45") / sum(counts.get(p, 0) + there[p] for p in "45")
    assert weak > 1.5 * near


def test_merged_municipalities_deliver_under_the_new_code(world, tmp_path):
    done = deliver(world, tmp_path / "d", dirt=Dirt(merged=0.2), sources=("programmes",))
    mergers = pl.read_csv(done.raw / "herindelingen.csv", separator=";", infer_schema=False)
    assert mergers.height == (done.ledger["kind"] == "merged").sum() > 5
    for old, new, day in mergers.iter_rows():
        assert old != new
        files = sorted((done.raw / "srg").rglob(f"SRG_{old}_*"))
        assert all(f"{file.parent.name[:4]}" < day[:4] for file in files)
    assert "municipalities_as_of = 2012-01-01" in (done.raw / "delivery.toml").read_text()
