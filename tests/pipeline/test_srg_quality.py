"""The study of SRG deliveries on made-up counts: chapter, pages, both languages, any day."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from analyses import report, srg_quality
from analyses._srg_evidence import Intake
from toolkit import registers
from toolkit.errors import EmptyCohortError, MissingTableError
from toolkit.registers.reconcile import breaks

HALVES = [date(year, month, 1) for year in (2008, 2009, 2010, 2011) for month in (1, 7)]
RULES = {
    "SRG10-01": ("error", "Het traject eindigt vóór het begint.", "The programme ends first."),
    "SRG10-30": ("error", "Hetzelfde record staat er twee keer.", "A record stands twice."),
    "SRG10-W1": ("warning", "Het traject duurt langer dan tien jaar.", "Longer than ten years."),
}
POPULATION = {"g4": 500_000, "large": 100_000, "middle": 50_000, "small": 15_000}


def after(start: date) -> date:
    return date(start.year + (start.month == 7), 7 if start.month == 1 else 1, 1)


def make_country(n: int = 90, seed: int = 5) -> tuple[registers.Register, Intake]:
    """Make municipalities and the counts of their deliveries; small ones deliver worse."""
    rng = np.random.default_rng(seed)
    size = ["g4"] * 4 + ["large"] * 6 + ["middle"] * 12 + ["small"] * (n - 22)
    codes = [f"gm{number:04d}" for number in range(3, 3 + 4 * n, 4)]
    reference = pl.DataFrame({
        "municipality": codes, "name": [f"Gemeente {code[2:]}" for code in codes],
        "region": [number % 9 + 1 for number in range(n)], "size_class": size,
        "population": [POPULATION[kind] for kind in size],
    })  # fmt: skip
    clients = [max(population // 800, 3) for population in reference["population"]]
    people = pl.DataFrame({
        "municipality": [c for c, k in zip(codes, clients, strict=True) for _ in range(k)]
    }).with_row_index("person")  # fmt: skip
    benefits = people.select(
        pl.col("person").cast(pl.Int64), start=pl.lit(date(2007, 1, 1)),
        end=pl.lit(None, dtype=pl.Date), scheme=pl.lit("wwb"), municipality="municipality",
        claim=pl.col("person").cast(pl.Int64), role=pl.lit("head"),
    )  # fmt: skip
    persons = people.select(
        pl.col("person").cast(pl.Int64), sex=pl.lit("female"), birth_month=pl.lit(date(1970, 1, 1))
    )
    coverage = pl.DataFrame(
        {"source": ["benefits"], "start": [date(2007, 1, 1)], "end": [date(2012, 1, 1)]}
    )
    register = registers.from_frames(
        {"source": "synthetic"}, persons=persons, benefits=benefits, coverage=coverage,
        municipalities=reference,
    )  # fmt: skip
    files, rules, measures = [], [], []
    for code, kind, many in zip(codes, size, clients, strict=True):
        good = {"g4": 0.98, "large": 0.95, "middle": 0.9, "small": 0.8}[kind]
        for at, start in enumerate(HALVES):
            if rng.random() > good + 0.02 * at:
                continue
            number, end = len(files), after(start)
            days = int(rng.integers(5, 28)) if rng.random() < 0.9 else int(rng.integers(29, 120))
            rows = int(many * 3 * rng.uniform(0.9, 1.1))
            bad = int(rows * (0.01 if rng.random() < 0.9 else 0.12))
            required = rows // 2 if start.year > 2008 else 0
            usable = int(required * (0.97 if rng.random() < good - 0.15 + 0.05 * at else 0.6))
            files.append((number, "srg_2010", code, start, end, 1, end + timedelta(days=days - 1),
                          rows, rows - bad, bad, 0))  # fmt: skip
            measures.append(
                (number, rows, rows // 2, usable, required, rows // 2, rows // 2 - 1, 9)
            )
            for rule, times in (
                ("SRG10-01", bad),
                ("SRG10-30", bad // 3),
                ("SRG10-W1", rows // 50),
            ):
                severity, nl, en = RULES[rule]
                rules.append((number, rule, "srg_2010", "einddatum", 1, severity, times, nl, en))
    # another source in the same delivery is no business of this study
    files.append((len(files), "cbs_jobs", None, HALVES[0], HALVES[2], 1, None, 10, 10, 0, 0))
    return register, Intake(
        files=pl.DataFrame(
            files, orient="row",
            schema=["file", "layout", "municipality", "period_start", "period_end", "version",
                    "received", "rows", "accepted", "rejected", "set_aside"],
        ),
        rules=pl.DataFrame(
            rules, orient="row",
            schema=["file", "rule", "layout", "field", "stage", "severity", "n", "nl", "en"],
        ),
        measures=pl.DataFrame(
            measures, orient="row",
            schema=["file", "programmes", "started", "position_usable", "position_required",
                    "compared", "agreed", "new"],
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def country():
    return make_country()


@pytest.fixture(scope="module")
def out(country, tmp_path_factory):
    """The study in Dutch as it ended, and in English as it stood when the letter was sent."""
    folder = tmp_path_factory.mktemp("output")
    register, intake = country
    srg_quality.main(register, folder / "nl" / "srg_quality", language="nl", intake=intake)
    srg_quality.main(
        register, folder / "en" / "srg_quality", language="en", intake=intake, on=date(2010, 4, 29)
    )
    return folder


def chapter_of(out, language: str) -> dict:
    return json.loads((out / language / "srg_quality" / "chapter.json").read_text("utf-8"))


def table_of(out, language: str, name: str) -> pl.DataFrame:
    return pl.read_parquet(out / language / "srg_quality" / "tables" / f"{name}.parquet")


def test_the_verdict_counts_what_was_delivered(out, country):
    """Recounted from the files by plain polars."""
    _, intake = country
    last = table_of(out, "nl", "verdict_all").row(-1, named=True)
    sent = intake.files.filter(pl.col("layout") == "srg_2010", pl.col("period_start") == HALVES[-1])
    assert (last["n"], last["n_delivered"]) == (90, sent.height)
    late = sent.filter(pl.col("received") > date(2012, 1, 28)).height
    assert last["n_on_time"] == sent.height - late
    measured = intake.measures.join(sent, on="file", how="semi")
    share = measured["position_usable"].sum() / measured["position_required"].sum()
    assert last["usable_share"] == pytest.approx(share)
    assert last["r_low"] <= last["r_indicator"] <= last["r_high"]


def test_as_it_stood_on_the_day_of_the_letter(out):
    """Only what had come in by then; positions had been asked in two deliveries."""
    verdict = table_of(out, "en", "verdict_all")
    assert verdict["period_start"].max() == date(2009, 7, 1)
    assert verdict["publish"].to_list() == [None, None, False, False]
    lead = chapter_of(out, "en")["lead"]
    assert "cannot be published" in lead
    assert "the second half of 2009" in lead
    waiting = table_of(out, "en", "escalation_all")
    # the protocol was made then: for what was due before there were reminders only
    assert waiting["step"].unique().to_list() == ["reminded"]


def test_advance_payments_are_suspended_for_periods_of_2011_only(out):
    waiting = table_of(out, "nl", "escalation_all")
    suspended = waiting.filter(pl.col("step") == "bevoorschotting opgeschort")
    assert suspended.height
    assert set(suspended["period"]) <= {"2011-1", "2011-2"}
    for year, step in ((2009, "rappel"), (2010, "aangesproken")):
        others = waiting.filter(pl.col("period").str.starts_with(str(year)))
        assert others["step"].unique().to_list() == [step]


@pytest.mark.usefixtures("unpainted")
def test_what_follows_is_said_while_something_is_ahead(country, tmp_path):
    """15 August 2011: reported on the 11th, addressed on the 25th; the term of 2011-2 runs on."""
    register, intake = country
    chapter = srg_quality.main(register, tmp_path, intake=intake, on=date(2011, 8, 15))
    waiting = pl.read_parquet(tmp_path / "tables" / "escalation_all.parquet")
    n = waiting.filter(pl.col("period") == "2011-1").height
    bodies = [getattr(block, "body", "") for block in chapter.blocks]
    assert any(f"- 25 augustus 2011: aangesproken, {n} leveringen" in body for body in bodies)


@pytest.mark.usefixtures("unpainted")
def test_a_running_term_is_said(country, tmp_path):
    register, intake = country
    chapter = srg_quality.main(register, tmp_path, intake=intake, on=date(2012, 1, 20))
    bodies = [getattr(block, "body", "") for block in chapter.blocks]
    assert any("loopt nog tot en met 28 januari 2012" in body for body in bodies)


def test_rare_rules_stand_together(out):
    shown = pl.read_parquet(out / "nl" / "srg_quality" / "figures" / "rules.parquet")
    assert shown.filter(pl.col("rule").is_not_null())["n"].min() >= 10


def test_who_delivered_incompletely_is_followed_too(out, country):
    """Counted from the files: not there, or more than 5% rejected."""
    _, intake = country
    waiting = table_of(out, "nl", "escalation_all").filter(pl.col("period") == "2011-2")
    sent = intake.files.filter(pl.col("layout") == "srg_2010", pl.col("period_start") == HALVES[-1])
    bad = sent.filter(pl.col("rejected") > 0.05 * pl.col("rows"))
    table = table_of(out, "nl", "deliveries_by_municipality")
    few = table.filter(pl.col("period_start") == HALVES[-1], "too_few_records")
    incomplete = waiting.filter(pl.col("state") == "onvolledig")["municipality"]
    assert set(incomplete) == {*bad["municipality"], *few["municipality"]}
    assert waiting.height == 90 - sent.height + incomplete.len()
    shown = table_of(out, "nl", "escalation_list")
    # since and days belong together: those of the first delivery in the furthest step
    for row in shown.filter(pl.col("step") == "bevoorschotting opgeschort").iter_rows(named=True):
        assert row["since"] in {date(2011, 9, 1), date(2012, 3, 1)}
        assert row["days_over"] < 400


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_figure_says_what_it_is_of_and_has_its_table(out, language):
    figures = [b["files"] for b in chapter_of(out, language)["blocks"] if b["kind"] == "figure"]
    assert {f["name"] for f in figures} == {
        "deliveries", "representativity", "usable_by_size", "coverage", "heat_map", "completeness",
        "worst", "rules",
    }  # fmt: skip
    folder = out / language / "srg_quality"
    for files in figures:
        assert len(files["alt"]) > 20
        assert "n = 90" in files["note"]
        assert files["title"]
        assert files["subtitle"]
        assert (folder / files["narrow"]).is_file()
        assert pl.read_parquet(folder / files["parquet"]).height


def test_published_statements_stand_beside_ours(out):
    rows = table_of(out, "nl", "published")
    assert rows["published"].to_list() == [None, 0.8]
    assert rows["estimate"].null_count() == 0


def test_every_municipality_has_a_page_that_needs_nothing_else(out, country):
    register, _ = country
    pages = sorted((out / "nl" / "srg_quality" / "gemeenten").glob("*.html"))
    assert [page.stem for page in pages] == register.municipalities.collect()[
        "municipality"
    ].to_list()
    for page in pages:
        html = page.read_text("utf-8")
        assert len(html) < 40_000
        assert not re.findall(r'(?:src|href)="(?!data:,)', html)
        assert "<script" not in html


def test_a_page_says_what_to_mend(out, country):
    _, intake = country
    folder = out / "nl" / "srg_quality" / "gemeenten"
    sent = intake.files.filter(pl.col("period_start") == HALVES[-1])
    bad = sent.filter(pl.col("rejected") > 0.05 * pl.col("rows")).row(0, named=True)
    html = (folder / f"{bad['municipality']}.html").read_text("utf-8")
    number = f"{bad['rejected']:,}".replace(",", ".")
    assert f"<strong>Afgekeurd: {number} van de" in html
    assert "bevoorschotting opgeschort" in html
    assert "Het traject eindigt vóór het begint." in html
    everyone = {page.stem for page in folder.glob("*.html")}
    missing = min(everyone - set(sent["municipality"]))
    html = (folder / f"{missing}.html").read_text("utf-8")
    assert "Lever het bestand over de tweede helft van 2011" in html
    assert "bevoorschotting opgeschort" in html


def test_no_person_and_no_key_is_in_the_output(out):
    for path in out.rglob("*.parquet"):
        assert "person" not in pl.read_parquet_schema(path)
    for path in [*out.rglob("*.html"), *out.rglob("*.csv"), *out.rglob("chapter.json")]:
        assert not re.search(r"(?<![\d.#,])\d{9}(?!\d)", path.read_text("utf-8")), path.name


def test_same_input_same_bytes(out, country, tmp_path):
    register, intake = country
    again = tmp_path / "srg_quality"
    srg_quality.main(register, again, language="en", intake=intake, on=date(2010, 4, 29))
    first = json.loads((out / "en" / "srg_quality" / "manifest.json").read_text())
    second = json.loads((again / "manifest.json").read_text())
    assert first["outputs"] == second["outputs"]
    assert first["definitions"]["thresholds"]["coverage"] == 0.8


def test_the_report_takes_the_chapter(out):
    page = report.main(out / "nl", language="nl").read_text("utf-8")
    assert "Kwaliteit van de SRG-leveringen" in page


def test_a_register_that_was_not_made_from_files_says_so(country, tmp_path):
    register, _ = country
    with pytest.raises(MissingTableError, match="ingest"):
        srg_quality.main(register, tmp_path)


def test_a_day_before_the_first_delivery(country, tmp_path):
    register, intake = country
    with pytest.raises(EmptyCohortError, match="1999"):
        srg_quality.main(register, tmp_path, intake=intake, on=date(1999, 1, 1))


def test_who_has_no_clients_and_sends_nothing_is_left_out_and_counted(country, tmp_path):
    register, intake = country
    sent = set(intake.files.filter(pl.col("period_start") == HALVES[0])["municipality"])
    absent = min(set(register.municipalities.collect()["municipality"]) - sent)
    emptied = registers.Register(
        tables=dict(register.tables)
        | {"benefits": register.benefits.filter(pl.col("municipality") != absent)},
        partitions=register.partitions, meta=register.meta,
    )  # fmt: skip
    chapter = srg_quality.main(emptied, tmp_path, intake=intake, on=date(2008, 8, 1))
    verdict = pl.read_parquet(tmp_path / "tables" / "verdict_all.parquet")
    assert verdict["n"].to_list() == [89]
    assert "nog niet gevraagd" in chapter.lead
    assert any("niets te leveren (1 keer)" in getattr(b, "body", "") for b in chapter.blocks)


def test_nobody_delivers_usably_and_nothing_is_known_of_the_caseload(country, tmp_path):
    register, intake = country
    bare = registers.from_frames(
        persons=register.persons.collect(), coverage=register.coverage.collect(),
        municipalities=register.municipalities.collect(),
    )  # fmt: skip
    none = Intake(
        files=intake.files, rules=intake.rules.clear(),
        measures=intake.measures.with_columns(
            position_usable=pl.lit(0), position_required=pl.lit(10)
        ),
    )  # fmt: skip
    chapter = srg_quality.main(bare, tmp_path, intake=none, language="en")
    assert "cannot be published" in chapter.lead
    assert "no municipality delivered usably" in chapter.lead
    verdict = pl.read_parquet(tmp_path / "tables" / "verdict_all.parquet")
    assert verdict["coverage"].null_count() == verdict.height


@pytest.mark.usefixtures("unpainted")
def test_a_break_of_the_series_stands_under_the_figures(country, tmp_path, monkeypatch):
    register, intake = country
    covered = pl.DataFrame(
        {
            "source": ["benefits", "programmes"],
            "start": [date(2007, 1, 1)] * 2,
            "end": [date(2012, 1, 1)] * 2,
        }
    )
    tables = dict(register.tables) | {"coverage": covered.lazy()}
    file = tmp_path / "breaks.toml"
    file.write_text(
        '[form]\ndate = 2010-01-01\ntables = ["programmes"]\ncertainty = "found"\n'
        'nl = "Het formulier is anders."\nen = "The form is another."\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(breaks, "_FILE", file)
    breaks._breaks.cache_clear()
    try:
        chapter = srg_quality.main(
            replace(register, tables=tables), tmp_path / "out", language="en", intake=intake
        )
    finally:
        breaks._breaks.cache_clear()
    notes = [block.body for block in chapter.blocks if hasattr(block, "body")]
    assert any("The form is another." in note for note in notes)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["parameters"]["series_breaks"] == ["form"]
