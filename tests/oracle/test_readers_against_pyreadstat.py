"""SPSS and Stata files hold for our reader what they hold for pyreadstat (ReadStat in C)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pyreadstat
import pytest

from toolkit.registers import readers
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = list("abz019 ;,\"'éëüß€ñ–")


def made(seed: int, rows: int) -> pd.DataFrame:
    """A frame as deliveries have them: codes with zeros, long and foreign text, dates, gaps."""
    rng = np.random.default_rng(seed)

    def text(most: int) -> list[str]:
        lengths = rng.integers(0, most + 1, rows)
        return ["".join(rng.choice(LETTERS, length)).rstrip() for length in lengths]

    gaps = rng.random(rows) < 0.2
    days = pd.Timestamp("1960-01-01") + pd.to_timedelta(rng.integers(-20_000, 30_000, rows), "D")
    return pd.DataFrame(
        {
            "RINPERSOON": [f"{number:09d}" for number in rng.integers(0, 10**9, rows)],
            "code": [f"{number:02d}" for number in rng.integers(0, 99, rows)],
            "kort": text(8),
            "lang": text(600),
            "geheel": rng.integers(-(10**6), 10**6, rows).astype(float),
            "getal": np.where(gaps, np.nan, rng.normal(0, 10.0 ** rng.integers(-8, 9), rows)),
            "antwoord": rng.choice([1.0, 2, 3, 97, 98, 99], rows),
            "dag": [None if gap else day.date() for gap, day in zip(gaps, days, strict=True)],
        }
    )


def ours(path: Path, columns: list[str]) -> pl.DataFrame:
    layout = Layout.model_validate(
        {
            "name": "x", "title": {"nl": "", "en": ""}, "about": {"nl": "", "en": ""},
            "reference": "", "formats": ["sav", "dta"], "files": ["X"], "unit": "person",
            "period": "none",
            "fields": [{"name": name.lower(), "type": "text"} for name in columns],
        }
    )  # fmt: skip
    file = DeliveredFile(path, path.name, "x", path.suffix[1:].replace("zsav", "sav"))
    return pl.concat(list(readers.read([file], layout, numbers=[0], batch_rows=300)))


def same(mine: pl.DataFrame, theirs: pd.DataFrame) -> None:
    assert mine.height == len(theirs)
    for name in theirs.columns:
        for a, b in zip(mine[name.lower()], theirs[name], strict=True):
            if b is None or (isinstance(b, float) and math.isnan(b)) or b is pd.NaT:
                assert a is None, name
            elif isinstance(b, str):
                assert a == b.strip(), name
            else:
                assert a == b, name


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("how", [{}, {"row_compress": True}, {"compress": True}])
def test_spss(tmp_path: Path, seed: int, how: dict[str, bool]):
    path = tmp_path / ("X.zsav" if "compress" in how else "X.sav")
    frame = made(seed, 1_000)
    labels = {"antwoord": {1.0: "ja", 2.0: "nee – één", 98.0: "weet niet", 99.0: "n.v.t."}}
    pyreadstat.write_sav(
        frame, str(path),
        missing_ranges={"antwoord": [{"lo": 97, "hi": 99}], "geheel": [-1, 0], "code": ["98"]},
        variable_value_labels=labels, **how,
    )  # fmt: skip
    theirs, meta = pyreadstat.read_sav(str(path), user_missing=True)
    same(ours(path, list(frame.columns)), theirs)
    file = DeliveredFile(path, path.name, "x", "sav")
    assert readers.labels(file) == {
        name: {f"{code:g}": label for code, label in found.items()}
        for name, found in meta.variable_value_labels.items()
    }


@pytest.mark.parametrize("version", [12, 13, 14, 15])
def test_stata(tmp_path: Path, version: int):
    path = tmp_path / "X.dta"
    frame = made(version, 800)
    if version < 14:  # these keep text in the code page of the machine that wrote them
        foreign = str.maketrans("éëüß€ñ–", "eeusen-")
        for name in ("kort", "lang"):
            frame[name] = frame[name].str.translate(foreign).str.slice(0, 200)
    labels = {"antwoord": {1: "ja", 2: "nee"}}
    frame["antwoord"] = frame["antwoord"].astype(int)
    pyreadstat.write_dta(frame, str(path), version=version, variable_value_labels=labels)
    theirs, _ = pyreadstat.read_dta(str(path))
    same(ours(path, list(frame.columns)), theirs)
    file = DeliveredFile(path, path.name, "x", "dta")
    assert readers.labels(file) == {"antwoord": {"1": "ja", "2": "nee"}}
