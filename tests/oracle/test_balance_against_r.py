"""Balance against base R (weighted moments, KS, densities) and against MatchIt and cobalt."""

import os

import numpy as np
import polars as pl
import pytest

from toolkit import matching

SOURCE = "R 4.2.2: cov.wt, density, and distribution functions by hand"
COBALT = "MatchIt 4.7.1 and WeightIt 1.3.2 with cobalt 4.5.5 on MatchIt's lalonde"


@pytest.fixture(scope="module")
def people():
    """The same rows as in make_balance_reference.R."""
    i = np.arange(400)
    treated = (i * 37) % 100 < 30
    return pl.DataFrame(
        {
            "treated": treated,
            "wage": ((i * 7919) % 1009) / 10 + treated * 9,
            "months": (i * 31) % 13 + treated * 2,
            "woman": ((i * 17) % 10 < 4 + treated).astype(int),
            "one": np.ones(400),
            "sampled": 1 + (i * 13) % 3,
            "made": np.where(treated, 1.0, ((i * 29) % 8) / 4),
        }
    )


@pytest.mark.parametrize("sampling", ["one", "sampled"])
def test_weighted_moments_ks_and_overlap(sampling, people, reference, agree):
    names = ["wage", "months", "woman"]
    for standard in ("treated", "control", "pooled", "all"):
        tidy = matching.balance(
            people, names, treatment="treated", weights=sampling, balancing="made",
            standardise=standard,
        ).tidy()  # fmt: skip
        for row in tidy.iter_rows(named=True):
            name, sample = row["covariate"], row["sample"]
            theirs, first = (
                reference("balance")[f"{sampling}|{name}|{which}"] for which in (sample, "before")
            )
            case = f"[{name}, {sample}, weights {sampling}]"
            binary = name == "woman"
            one, other = (m * (1 - m) for m in first["mean"]) if binary else first["variance"]
            whole = first["all"]
            if binary:
                weight = people[sampling].to_numpy() / people[sampling].sum()
                share = float(weight @ people[name].to_numpy())
                whole = share * (1 - share)
            variance = {"treated": one, "control": other, "pooled": (one + other) / 2, "all": whole}
            gap = theirs["mean"][0] - theirs["mean"][1]
            agree(
                "Balance", f"standardised difference {case} [by {standard}]", [row["smd"]],
                [gap / variance[standard] ** 0.5], tolerance=1e-11, source=SOURCE,
            )  # fmt: skip
            if standard != "treated":
                continue
            agree("Balance", f"means {case}", [row["mean_treated"], row["mean_control"]],
                  theirs["mean"], tolerance=1e-11, source=SOURCE)  # fmt: skip
            agree("Balance", f"KS {case}", [row["ks"]], [theirs["ks"]], tolerance=1e-12,
                  source=SOURCE)  # fmt: skip
            smooth = name == "wage"
            agree(
                "Balance", f"overlap {case}", [row["overlap"]], [theirs["overlap"]],
                tolerance=2e-4 if smooth else 1e-12, source=SOURCE,
                reason="densities on grids of 1,024 and 8,192 points" if smooth else "",
            )  # fmt: skip
            if not binary:
                agree("Balance", f"variance ratio {case}", [row["variance_ratio"]],
                      [theirs["variance"][0] / theirs["variance"][1]], tolerance=1e-11,
                      source=SOURCE)  # fmt: skip


@pytest.mark.skipif("LALONDE_CSV" not in os.environ, reason="the file is GPL data of MatchIt")
def test_lalonde_against_matchit_and_cobalt(agree):
    """LALONDE_CSV names MatchIt's `lalonde` written by write.csv(lalonde, row.names = FALSE)."""
    data = pl.read_csv(os.environ["LALONDE_CSV"], infer_schema_length=None)
    names = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
    x = data.select(
        pl.lit(1.0).alias("one"), "age", "educ", *(pl.col("race") == r for r in ("hispan",)),
        w=pl.col("race") == "white", m="married", n="nodegree", a="re74", b="re75",
    ).cast(pl.Float64).to_numpy()  # fmt: skip
    x[:, -2:] /= 1000
    treated, beta = data["treat"].to_numpy() == 1, np.zeros(x.shape[1])
    for _ in range(12):  # logit of MatchIt's vignette, by Newton's method
        p = 1 / (1 + np.exp(-x @ beta))
        beta += np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]), x.T @ (treated - p))
    data = data.with_columns(score=pl.Series(p), w=pl.Series(np.where(treated, 1.0, p / (1 - p))))
    found = matching.balance(data, names, treatment="treat", balancing="w", score="score")
    tidy = found.tidy()
    before, after = (tidy.filter(pl.col("sample") == sample) for sample in ("before", "after"))
    # distance, age, educ, black, hispan, white, married, nodegree, re74, re75
    agree("Balance", "lalonde: smd before", before["smd"], [
        1.79408604967622, -0.309445261997982, 0.0549646613888354, 1.76154188981543,
        -0.349842541598422, -1.88186760097513, -0.826309272340716, 0.244970232272019,
        -0.721083809071869, -0.290262911185457], tolerance=1e-7, source=COBALT)  # fmt: skip
    agree("Balance", "lalonde: KS before", before["ks"], [
        0.644364644364644, 0.157726957726958, 0.111371511371511, 0.64044604044604,
        0.0827316827316827, 0.557714357714358, 0.323631323631324, 0.111371511371511,
        0.447035847035847, 0.287645687645688], tolerance=1e-12, source=COBALT)  # fmt: skip
    agree("Balance", "lalonde: smd after weighting", after["smd"], [
        -0.0205046449702204, 0.11884960610836, -0.0284158526592477, -0.00615093565220287,
        0.00070693439879298, 0.00698174763220674, 0.0475133383582993, 0.0405182976622875,
        -0.00214281877215629, 0.0110317839577636], tolerance=1e-7, source=COBALT)  # fmt: skip
    agree("Balance", "lalonde: variance ratio after weighting",
          after["variance_ratio"].drop_nulls(), [
        1.03237926132534, 0.457753608674737, 0.663648280710403, 1.32062727396814,
        1.39382492858], tolerance=1e-7, source=COBALT)  # fmt: skip
    agree("Balance", "lalonde: effective number of controls",
          [found.glance()["ess_control"].item()], [99.8153863006343], tolerance=1e-5,
          source=COBALT, reason="a logit that R stops early")  # fmt: skip
