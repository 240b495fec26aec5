"""The main job on a small synthetic register: chapters, files, report, both languages."""

from __future__ import annotations

import json
import shutil
import tomllib
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from analyses import durable_outflow, repeat_unemployment, report
from analyses._study import Study
from synthetic_data import calibration, make_register
from toolkit import registers, trajectories
from toolkit.errors import EmptyCohortError, MissingTableError
from toolkit.registers.reconcile import breaks
from toolkit.registers.schema import PERSON_TABLES

ANALYSES = Path(durable_outflow.__file__).parent
STUDIES = {"durable_outflow": durable_outflow, "repeat_unemployment": repeat_unemployment}

pytestmark = pytest.mark.filterwarnings("ignore::toolkit.errors.FollowUpWarning")


@pytest.fixture(scope="module")
def register(tmp_path_factory) -> registers.Register:
    """20,000 persons on disk, in three partitions: what a study sees."""
    made = make_register(persons=20_000, seed=3)
    folder = tmp_path_factory.mktemp("register") / "register"
    with registers.StoreWriter(
        folder,
        municipalities=made.municipalities.collect(),
        coverage=made.coverage.collect(),
        meta={"source": "synthetic", "seed": 3},
    ) as writer:
        for low, high in ((0, 8_000), (8_000, 15_000), (15_000, 20_000)):
            inside = pl.col("person").is_between(low, high, closed="left")
            tables = {t: made.table(t).filter(inside).collect() for t in PERSON_TABLES}
            writer.write(low, high, tables)
    return registers.open(folder)


@pytest.fixture(scope="module")
def out(register, tmp_path_factory) -> Path:
    """The output of both studies, one in each language, and the report."""
    folder = tmp_path_factory.mktemp("output")
    durable_outflow.main(register, folder / "durable_outflow", language="nl")
    repeat_unemployment.main(register, folder / "repeat_unemployment", language="en")
    report.main(folder, register.path, language="nl")
    return folder


def test_report_is_one_page_with_every_figure(out):
    page = (out / "report.html").read_text(encoding="utf-8")
    pictures = list(out.glob("*/figures/*[!w].png"))
    assert page.count("<figure") >= len([p for p in pictures if "_narrow" not in p.stem])
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert 'lang="nl"' in page


def test_behind_every_figure_lies_its_table(out):
    pictures = [p for p in out.glob("*/figures/*.png") if "_narrow" not in p.stem]
    assert len(pictures) >= 12
    for picture in pictures:
        for ending in (".csv", ".parquet"):
            assert picture.with_suffix(ending).is_file(), picture.name
        assert picture.with_name(f"{picture.stem}_narrow.png").is_file()


def test_every_figure_carries_source_n_and_alternative_text(out):
    for study in STUDIES:
        chapter = json.loads((out / study / "chapter.json").read_text(encoding="utf-8"))
        shown = [block["files"] for block in chapter["blocks"] if block["kind"] == "figure"]
        for files in shown:
            assert len(files["alt"]) > 20
            assert "n = " in files["note"]
            assert files["title"]
            assert "synthetisch register" in files["note"] or "synthetic" in files["note"]


def test_no_person_is_in_the_output(out):
    """No table has a person column; no study lists persons."""
    for path in out.rglob("*.parquet"):
        assert "person" not in pl.read_parquet_schema(path)
    for path in [*out.rglob("*.json"), *out.rglob("*.csv")]:
        assert '"person":' not in path.read_text(encoding="utf-8")


def test_manifest_replays_the_choices(out):
    manifest = json.loads((out / "durable_outflow" / "manifest.json").read_text())
    definition = manifest["definitions"]["iwi_2008"]
    assert definition["max_gap_days"] == 31
    assert definition["return_horizons"] == [6, 24]
    steps = {row["step"]: row["n"] for row in manifest["steps"]}
    assert steps["to work"] <= steps["ended in the window"]
    assert "register.json" in manifest["inputs"]
    assert len(manifest["definitions"]) == 8


def test_same_input_same_bytes(register, out, tmp_path):
    durable_outflow.main(register, tmp_path / "again", language="nl")
    first = json.loads((out / "durable_outflow" / "manifest.json").read_text())["outputs"]
    second = json.loads((tmp_path / "again" / "manifest.json").read_text())["outputs"]
    assert first == second


def test_indicators_agree_with_the_figures_and_the_curve(out):
    """The share of the published table, the bar for all and the curve's cohort are one count."""
    folder = out / "durable_outflow"
    published = pl.read_parquet(folder / "tables" / "published.parquet")
    bars = pl.read_parquet(folder / "figures" / "work_groups.parquet")
    assert published["estimate"][0] == bars["estimate"][0]
    groups = bars.filter(pl.col("heading") == "geslacht")
    assert groups["n_yes"].sum() == bars["n_yes"][0]


def test_definitions_are_all_about_exits_from_wwb_in_large_municipalities(register, out):
    """Each row recounted from its own definition; the row after CBS leaves WW and nug out."""
    rows = pl.read_parquet(out / "durable_outflow" / "figures" / "definitions.parquet")
    found = trajectories.exits(register, trajectories.recipe("cbs_2009"), window="2006Q1")
    large = register.municipalities.filter(
        pl.col("size_class").cast(pl.String).is_in(["large", "g4"])
    ).collect()["municipality"]
    of_wwb = found.frame.filter(pl.col("scheme") == "wwb", pl.col("municipality").is_in(large))
    assert rows["n"][1] == of_wwb.height
    assert "behalve naar WW of nug" in rows["group"][1]


def test_what_a_figure_counts_stands_under_it(out):
    """Rows over all municipalities, and an n that is no number of persons, are said to be so."""
    blocks = json.loads((out / "durable_outflow" / "chapter.json").read_text("utf-8"))["blocks"]
    notes = {b["files"]["name"]: b["files"]["note"] for b in blocks if b["kind"] == "figure"}
    assert "alle gemeenten (n = " in notes["work_groups"]
    assert "instroom" in notes["flows"]
    assert "laatste maand" in notes["stock"]
    stock = pl.read_parquet(out / "durable_outflow" / "figures" / "stock.parquet")["stock"]
    assert f"n = {stock.drop_nulls()[-1]:,}".replace(",", ".") in notes["stock"]


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_step_of_a_selection_has_a_reason_in_words(language):
    with (ANALYSES / "words.toml").open("rb") as file:
        words = tomllib.load(file)[language]
    assert set(words["step"]) - {"benefit spells", "spells after merging"} <= set(words["reason"])


def test_dutch_figures_have_no_english_steps(out):
    selection = pl.read_parquet(out / "durable_outflow" / "figures" / "selection.parquet")
    with (ANALYSES / "words.toml").open("rb") as file:
        english = tomllib.load(file)["en"]["step"]
    assert not set(selection["step"]) & set(english)


@pytest.mark.parametrize("name", [p.stem for p in sorted(ANALYSES.glob("*.toml"))])
def test_both_languages_have_the_same_words(name):
    with (ANALYSES / f"{name}.toml").open("rb") as file:
        config = tomllib.load(file)

    def keys(node: dict, path: str = "") -> set[str]:
        return {
            found
            for key, value in node.items()
            for found in (
                keys(value, f"{path}.{key}") if isinstance(value, dict) else {f"{path}.{key}"}
            )
        }

    texts = config.get("text", config)
    assert keys(texts["nl"]) == keys(texts["en"])


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_a_register_without_exits_says_so(register, study, tmp_path):
    empty = {
        name: frame.clear() if name == "benefits" else frame
        for name, frame in register.tables.items()
    }
    empty |= {"registrations": register.registrations.filter(pl.lit(value=False))}
    bare = registers.Register(tables=empty, partitions=register.partitions, meta={})
    with pytest.raises(EmptyCohortError, match="No exit"):
        study.main(bare, tmp_path)


def test_the_calibration_of_another_register_does_not_stay_behind(register, out, tmp_path):
    shutil.copytree(out, tmp_path / "out")
    stale = tmp_path / "out" / "calibration"
    shutil.copytree(out / "repeat_unemployment", stale)
    report.main(tmp_path / "out", register.path)
    assert not stale.exists()


def test_report_without_chapters(tmp_path):
    with pytest.raises(MissingTableError, match="no chapter"):
        report.main(tmp_path)


def test_headline_counts_equal_the_count_of_the_calibration(register, out):
    """Two ways that share no code: the toolkit's, and plain joins on the canonical tables."""
    moments = calibration._moments(register)
    rows = pl.concat(
        pl.read_parquet(out / study / "tables" / "published.parquet").select(
            "n_observed", "estimate"
        )
        for study in STUDIES
    ).rows()
    names = ("work_after_12_months", "back_on_wwb_6_months", "return_all_exits")
    for (n_observed, estimate), name in zip(rows, names, strict=True):
        share, n, _ = moments[name]
        assert (n_observed, estimate) == (n, pytest.approx(share, abs=1e-12))


BREAK = """
[tables_2007]
date = 2007-01-01
tables = ["{table}"]
certainty = "found"
nl = "De telling is anders."
en = "It is counted otherwise."
"""


@pytest.mark.parametrize(("table", "crossed"), [("benefits", True), ("enrolments", False)])
def test_a_break_of_the_series_stands_under_every_figure_over_it(
    register, tmp_path, monkeypatch, table, crossed
):
    file = tmp_path / "breaks.toml"
    file.write_text(BREAK.format(table=table), encoding="utf-8")
    monkeypatch.setattr(breaks, "_FILE", file)
    breaks._breaks.cache_clear()
    try:
        study = Study("durable_outflow", tmp_path / "out", "en")
        outcomes = trajectories.durability(
            trajectories.exits(register, trajectories.recipe("iwi_2008"), window="2006Q1"),
            register,
        )
        study.record(outcomes, register)
        assert ("Break in the series on 1 January 2007." in study.footer(n=1)) is crossed
        before = (date(2004, 1, 1), date(2006, 1, 1))
        assert "Break in the series" not in study.footer(n=1, window=before)
        notes = [block.body for block in study.blocks]
        assert any("It is counted otherwise." in note for note in notes) is crossed
        assert study.manifest.parameters["series_breaks"] == (["tables_2007"] if crossed else [])
    finally:
        breaks._breaks.cache_clear()
