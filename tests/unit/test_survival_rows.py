"""Rows find the cell they were counted in, whatever the columns are made of."""

import numpy as np
import polars as pl
import pytest

from toolkit.survival import rows as module
from toolkit.survival.counts import count_cells

RNG = np.random.default_rng(7)
N = 400
COLUMNS = {
    "negative": RNG.integers(-3, 3, N),
    "flag": RNG.random(N) < 0.5,
    "text": RNG.choice(["a", "bb", "c"], N),
    "fraction": RNG.integers(0, 4, N) / 3,
    "enum": pl.Series(RNG.choice(["x", "y"], N)).cast(pl.Enum(["y", "x"])),
    "small": pl.Series(RNG.integers(0, 3, N), dtype=pl.UInt8),
    "category": pl.Series(RNG.choice(["p", "q"], N)).cast(pl.Categorical),
    "wide": RNG.integers(0, 3, N) * 10**15,
}
FRAME = pl.DataFrame(
    {"time": RNG.integers(1, 9, N), "cause": RNG.integers(0, 3, N) * 5,
     "w": RNG.integers(0, 3, N), **COLUMNS}
)  # fmt: skip


def cells_of(by, **options):
    asked = {"entry": None, "weights": None, "weighting": "frequency", "competing": True}
    return count_cells(FRAME, time="time", event="cause", by=by, curves=False, **asked | options)


@pytest.mark.parametrize("table", [8, 0])
@pytest.mark.parametrize("by", [[], *([name] for name in COLUMNS), list(COLUMNS)])
def test_the_cell_of_a_row_has_its_values(by, table, monkeypatch):
    monkeypatch.setattr(module, "_TABLE", table)
    cells = cells_of(by, weights="w")
    cell = cells.cell_of_row()
    assert ((cell < 0) == (FRAME["w"].to_numpy() == 0)).all()
    used = cell >= 0
    rows, cell = FRAME.filter(used), cell[used]
    assert (cells.time[cell] == rows["time"].to_numpy()).all()
    assert (np.array([0, 5, 10])[cells.event[cell]] == rows["cause"].to_numpy()).all()
    for name in by:
        assert cells.groups[name].gather(cells.group[cell]).to_list() == rows[name].to_list()
    counts = np.bincount(cell, minlength=len(cells.n))
    assert (counts == cells.rows).all()


@pytest.mark.parametrize("column", ["negative", "small", "text", "enum", "wide"])
def test_clusters_are_numbered_in_their_order(column):
    values = FRAME[column]
    known = values.unique().sort().to_list()
    codes = cells_of([]).counted_from.cluster_codes(column)
    assert codes.tolist() == [known.index(value) for value in values]
