"""The same pairs, subclasses and weights as MatchIt 4.7.1, row by row, on its lalonde.

reference/matchit.json has its scores and what it made of them, so that matching on the score runs
anywhere. The 614 rows themselves are not copied here (their licence is the GPL): what needs the
covariates or the earnings runs where the variable LALONDE_CSV names that file (columns treat, age,
educ, race, married, nodegree, re74, re75, re78; treated first, as MatchIt has it).
"""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from toolkit.matching import match

LALONDE = os.environ.get("LALONDE_CSV", "")
SECTION, SOURCE = "Matching", "MatchIt 4.7.1, lalonde"
NAMES = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
ON_SCORE = {
    "default": {},
    "replace": {"replace": True},
    "ratio=2": {"ratio": 2},
    "caliper 0.2 sd": {"caliper": 0.2},
    "caliper 0.05": {"caliper": 0.05, "caliper_unit": "raw"},
}
ON_ROWS = {
    "exact race and married": {"on": "score", "exact": ["race", "married"]},
    "mahalanobis": {"on": NAMES},
    "coarsened": {"on": NAMES, "method": "coarsened"},
}
rows_needed = pytest.mark.skipif(not Path(LALONDE).is_file(), reason="LALONDE_CSV names no file")


@pytest.fixture(scope="module")
def matchit(reference):
    return reference("matchit")


@pytest.fixture(scope="module")
def scores(matchit):
    treated = np.arange(614) < 185
    return pl.DataFrame({"treat": treated, "score": matchit["scores"]})


def controls_of(matched):
    """Return the controls of each treated row in the order they were found; rows from 1."""
    found = [[] for _ in range(185)]
    for one, two in matched.pairs.select("treated_row", "control_row").iter_rows():
        found[one].append(two + 1)
    return [row for one in found for row in [len(one), *one]]


def in_one_row(controls):
    return [row for one in controls for row in [len(one), *one]]


def same(case, matched, theirs, agree, kind):
    if "controls" in theirs:
        agree(SECTION, f"{kind}: pairs [{case}]", controls_of(matched),
              in_one_row(theirs["controls"]), tolerance=0, source=SOURCE)  # fmt: skip
    agree(SECTION, f"{kind}: weights [{case}]", matched.weights, theirs["weights"],
          tolerance=1e-10, source=SOURCE)  # fmt: skip


@pytest.mark.parametrize("case", ON_SCORE)
def test_nearest_on_the_score(case, scores, matchit, agree, check_matching):
    matched = match(scores, treatment="treat", on="score", **ON_SCORE[case])
    theirs = matchit[case]
    same(case, matched, theirs, agree, "nearest")
    widths = {}
    if "caliper" in theirs:
        agree(SECTION, f"nearest: width of the caliper [{case}]", matched.caliper["distance"],
              theirs["caliper"], tolerance=1e-14, source=SOURCE)  # fmt: skip
        widths = {"distance": theirs["caliper"]}
    check_matching(matched, widths=widths, replace="replace" in case)


def test_subclasses_of_the_score(scores, matchit, agree, check_matching):
    matched = match(scores, treatment="treat", on="score", method="subclass", subclasses=6)
    theirs = matchit["subclass"]
    agree(SECTION, "subclass: of each row", matched.subclass + 1, theirs["subclass"],
          tolerance=0, source=SOURCE)  # fmt: skip
    same("6", matched, theirs, agree, "subclass")
    check_matching(matched)


@rows_needed
@pytest.mark.parametrize("case", ON_ROWS)
def test_what_needs_the_covariates(case, matchit, agree, check_matching):
    options = ON_ROWS[case]
    matched = match(lalonde(matchit), treatment="treat", **options)
    same(case, matched, matchit[case], agree, options.get("method", "nearest"))
    check_matching(matched, exact=options.get("exact", ()))


@rows_needed
@pytest.mark.parametrize("case", [*ON_SCORE, *ON_ROWS, "subclass"])
def test_mean_effect_on_the_treated(case, matchit, agree):
    data = lalonde(matchit)
    options = {"on": "score", **ON_SCORE.get(case, {}), **ON_ROWS.get(case, {})}
    options |= {"method": "subclass"} if case == "subclass" else {}
    matched = match(data, treatment="treat", **options)
    weight, wage = matched.weights.to_numpy(), data["re78"].to_numpy()
    one, two = (np.average(wage[who], weights=weight[who]) for who in
                (matched.treated, ~matched.treated))  # fmt: skip
    agree(SECTION, f"difference of earnings [{case}]", one - two, matchit[case]["att"],
          tolerance=1e-9, source=SOURCE, relative=True)  # fmt: skip


def lalonde(matchit):
    data = pl.read_csv(LALONDE, infer_schema_length=None)
    return data.with_columns(score=pl.Series(matchit["scores"]))
