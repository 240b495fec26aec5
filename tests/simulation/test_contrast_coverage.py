"""Do intervals of matched contrasts hold the truth as often as they say?

COVERAGE_REPLICATES sets the number of data sets.
"""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest

from toolkit import effects, matching

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "40"))


def people(rng, n=600):
    """Few controls where most treated are, so that controls are used again; the effect is 1."""
    a = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(0.3 - 1.2 * a))
    return pl.DataFrame({"a": a, "t": t, "y": 2 * np.sin(a) + t + rng.normal(size=n)})


WAYS = {
    "with replacement, Abadie–Imbens": ({"replace": True}, {}),
    "with replacement, ratio 3, bias corrected": (
        {"replace": True, "ratio": 3}, {"adjust": "a + I(a**2) + I(a**3)"}),
    "pairs, caliper": ({"caliper": 0.05}, {}),
    "strata": ({"method": "subclass", "subclasses": 20, "min_subclass": 2}, {}),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_matched_contrasts(covers, way):
    rng = np.random.default_rng(20080102)
    match, options = WAYS[way]
    low, high = [], []
    for _ in range(REPLICATES):
        found = matching.match(people(rng), treatment="t", on="a", **match)
        row = effects.contrast(found, outcome="y", **options).tidy().row(2, named=True)
        low.append(row["conf_low"])
        high.append(row["conf_high"])
    note = "what is left of a difference within pairs is bias"
    covers("Effects", f"contrast: {way}", low, high, 1.0, slack=0.02, note=note)


#: By how much the outcome without the programme, and the effect, go with a and with b.
ESTIMATED = {
    "the score's part narrows": ((4, -4), (0, 0)),
    "the score's part widens": ((2, -2), (-6, 6)),
}


@pytest.mark.parametrize("world", ESTIMATED)
def test_an_estimated_score(covers, world):
    """Where the outcome goes with what the score does not tell, that θ was estimated matters."""
    rng = np.random.default_rng(20160304)
    level, effect = (np.array(slopes) for slopes in ESTIMATED[world])
    # E[e x] / E[e], with e = 1 / (1 + exp(0.4 - 0.7 (a + b))) and a, b uniform on (-1, 1)
    x = np.stack(np.meshgrid(*[(np.arange(400) + 0.5) / 200 - 1] * 2), axis=-1).reshape(-1, 2)
    chance = 1 / (1 + np.exp(0.4 - 0.7 * x.sum(axis=1)))
    truth = float(chance @ x @ effect / chance.sum())
    rows, known = [], []
    for k in range(REPLICATES):
        x = rng.uniform(-1, 1, (1000, 2))
        t = rng.random(1000) < 1 / (1 + np.exp(0.4 - 0.7 * x.sum(axis=1)))
        y = x @ level + t * (x @ effect) + 0.7 * rng.normal(size=1000)
        frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "t": t, "y": y})
        fit = matching.propensity("t ~ a + b", frame)
        for on, found in ((fit, rows), (fit.scores, known))[: 1 if k % 4 else 2]:
            pairs = matching.match(frame, treatment="t", on=on, replace=True)
            found.append(effects.contrast(pairs, outcome="y").tidy().row(2, named=True))
    table, naive = pl.DataFrame(rows), pl.DataFrame(known)
    covers("Effects", f"contrast: {world} (Abadie–Imbens 2016)", table["conf_low"],
           table["conf_high"], truth, slack=0.02)  # fmt: skip
    spread = table["estimate"].std()
    room = 4 / np.sqrt(2 * REPLICATES) + 0.05  # of a standard deviation from so many replicates
    assert table["std_error"].mean() / spread == pytest.approx(1, abs=room)
    ratio = naive["std_error"].mean() / table["std_error"].mean()
    assert ratio > 1.25 if world.endswith("narrows") else ratio < 0.9


def test_clusters(covers):
    """Persons with several spells share what is not seen."""
    rng = np.random.default_rng(20080103)
    low, high, narrow = [], [], []
    for _ in range(REPLICATES):
        who = np.repeat(np.arange(150), 4)
        t = (rng.random(150) < 0.5)[who]
        y = rng.normal(size=150)[who] + t + rng.normal(size=600)
        frame = pl.DataFrame({"who": who, "t": t, "y": y})
        row, alone = (
            effects.contrast(frame, outcome="y", treatment="t", cluster=c).tidy().row(2, named=True)
            for c in ("who", None)
        )
        low.append(row["conf_low"])
        high.append(row["conf_high"])
        narrow.append(alone["std_error"] / row["std_error"])
    covers("Effects", "contrast: clusters of persons", low, high, 1.0)
    assert np.mean(narrow) < 0.75
