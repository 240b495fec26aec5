"""The study of net effects on a small synthetic register: verdict first, gross apart, the truth."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import polars as pl
import pytest

from analyses import _study, net_effect
from analyses._net_panel import ALL, make_net_panel
from analyses._net_sensitivity import coarsen
from analyses._net_truth import read_truth
from analyses._study import Study
from analyses._wording import read_toml
from synthetic_data import simulate
from toolkit import registers
from toolkit.errors import EmptyCohortError

#: Fewer instruments and choices than the study has: every step, in a fifth of the time.
SMALLER = {
    "instruments": ["training", "wage_subsidy"], "drawn": 6_000, "time_units": [1, 6],
    "specification_persons": 3_000, "fewer_covariates": {}, "smallest": 150,
}  # fmt: skip


@pytest.fixture(scope="module")
def register(tmp_path_factory) -> registers.Register:
    """A made-up country with its truth beside it."""
    folder = tmp_path_factory.mktemp("world")
    simulate(folder, persons=20_000, seed=3)
    return registers.open(folder / "register")


def smaller(patch, **more):
    """Give the study a smaller config."""
    config = copy.deepcopy(read_toml("net_effect"))
    config["study"] |= SMALLER | more.pop("study", {})
    config["thresholds"] |= more.pop("thresholds", {})
    real = _study.read_toml

    def read(name):
        return config if name == "net_effect" else real(name)

    patch.setattr(_study, "read_toml", read)
    patch.setattr(net_effect, "read_toml", read)


@pytest.fixture(scope="module")
def out(register, tmp_path_factory):
    """The chapter of the study."""
    folder = tmp_path_factory.mktemp("net") / "net_effect"
    with pytest.MonkeyPatch.context() as patch:
        smaller(patch)
        net_effect.main(register, folder, language="nl")
    return folder


def table(out, name):
    return pl.read_parquet(out / "tables" / f"{name}.parquet")


def test_the_verdict_comes_before_any_effect(out):
    chapter = json.loads((out / "chapter.json").read_text(encoding="utf-8"))
    kinds = [block["kind"] for block in chapter["blocks"]]
    first = next(i for i, kind in enumerate(kinds) if kind in {"table", "figure"})
    assert "verdict" in json.dumps(chapter["blocks"][first])
    rows = table(out, "verdict")
    assert set(rows["verdict"][:2]) <= {"onderbouwd", "niet onderbouwd"}
    # too few of one instrument: it stands in the table with the reason, and nowhere else
    few = rows.filter(pl.col("starts").is_null())
    assert few["instrument"].to_list() == ["loonkostensubsidie"]
    assert few["verdict"].str.starts_with("niet geschat").all()
    assert "loonkostensubsidie" not in table(out, "timing")["instrument"].to_list()


def test_gross_is_deadweight_plus_net_at_every_horizon(out):
    rows = pl.read_parquet(out / "figures" / "gross_net.parquet")
    assert rows["horizon"].unique().sort().to_list() == [6, 12, 24, 36]
    off = (rows["gross"] - rows["deadweight"] - rows["net"]).abs().max()
    assert off < 1e-12
    assert rows["truth"].null_count() == 0


def test_the_effect_of_any_programme_is_near_the_truth(out):
    """Loose: 20,000 persons. What holds more closely is on the validation page."""
    rows = pl.read_parquet(out / "figures" / "gross_net.parquet").filter(
        pl.col("label") == ALL, pl.col("horizon").is_in([6, 24])
    )
    assert ((rows["net"] - rows["truth"]).abs() < 0.04).all()
    assert rows["net"][0] < 0 < rows["net"][1]


def test_naive_methods_are_called_gross(out):
    rows = pl.read_parquet(out / "figures" / "methods.parquet").filter(pl.col("instrument") == ALL)
    claims = dict(rows.select("method", "claim").iter_rows())
    assert claims["naive"] == claims["before_after"] == "bruto"
    others = set(claims) - {"naive", "before_after"}
    assert len(others) == 5
    assert {claims[name] for name in others} == {"netto"}
    # selection: the raw difference is far from all that compare like with like
    found = dict(rows.select("method", "estimate").iter_rows())
    assert found["naive"] > max(found[name] for name in others) + 0.02


def test_every_figure_and_the_protocol_are_there(out):
    pictures = {path.stem for path in (out / "figures").glob("*.png")}
    names = {
        "profile", "gross_net", "love_plot", "overlap", "methods", "groups", "specifications",
    }  # fmt: skip
    assert pictures == names | {f"{name}_narrow" for name in names}
    plan = json.loads((out / "protocol.json").read_text(encoding="utf-8"))
    assert plan["fingerprint"]
    assert (out / "protocol.html").is_file()
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["definitions"]["iwi_2008_regular"]["work_kinds"] == ["regular"]
    assert not any("person" in pl.read_parquet_schema(path) for path in out.rglob("*.parquet"))


def test_what_fails_its_thresholds_is_said_first(register, tmp_path, monkeypatch):
    smaller(monkeypatch, study={"instruments": []}, thresholds={"max_smd": 1e-6})
    for step in ("add_methods", "add_whom", "add_sensitivity"):
        monkeypatch.setattr(net_effect, step, lambda *_: None)
    chapter = net_effect.main(register, tmp_path / "net_effect", language="en")
    assert chapter.lead.startswith("NOT SUPPORTED")
    notes = [block.body for block in chapter.blocks if type(block).__name__ == "Note"]
    assert any("largest standardised difference" in note for note in notes)
    figures = [block for block in chapter.blocks if type(block).__name__ == "Figure"]
    assert all("NOT SUPPORTED" in block.files.note for block in figures)


def test_too_few_starts_are_refused(register, tmp_path, monkeypatch):
    smaller(monkeypatch, study={"smallest": 10**6})
    with pytest.raises(EmptyCohortError, match="programmes start"):
        net_effect.main(register, tmp_path / "net_effect")


def test_a_register_without_truth_has_none(register):
    assert read_truth(register, [2006]) is not None
    assert read_truth(replace(register, path=None), [2006]) is None


def test_coarser_time_keeps_who_is_there_at_the_start_of_a_step(register, tmp_path):
    rows = make_net_panel(register, Study("net_effect", tmp_path, "en")).of(ALL)
    half = coarsen(rows, 6)
    assert coarsen(rows, 1) is rows
    assert half.height < rows.height / 4
    seen = half.filter("starts")
    # a start in the first month of a step is one still; the step of a start is its last
    assert (seen["treated_at"] == seen["duration"]).all()
    late = half.filter(pl.col("treated_at") < pl.col("duration"))
    assert late.is_empty()
