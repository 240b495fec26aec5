"""The Cox model on published examples: numbers of R survival 3.5-3 (and of the books)."""

import numpy as np
import polars as pl
import pytest
from lifelines.datasets import load_lung, load_rossi

from toolkit.survival.cox import cox

SOURCE = "R survival 3.5-3 (default eps 1e-9)"
ROSSI = "fin + age + race + wexp + mar + paro + prio"
# coefficients, variances' roots, log-likelihood at the optimum, C and its error
EFRON = {
    "coef": [-0.379422166485886, -0.0574377426840626, 0.313899787842507, -0.149795697666533,
             -0.433703877937307, -0.0848710825003938, 0.0914970809852962],
    "se": [0.191379480713543, 0.02199947060068, 0.30799277655742, 0.212224296248623,
           0.381868057668791, 0.195756671906624, 0.0286485499599737],
    "loglik": [-675.380632346871, -658.747659446086],
    "score": 33.5286888997077,
    "concordance": [0.640329247099714, 0.0266581227726475],
}  # fmt: skip
BRESLOW = {
    "coef": [-0.379021887430797, -0.0572459250446637, 0.31412976690737, -0.151114600055969,
             -0.432782573762873, -0.0849828352673013, 0.0911115420915652],
    "loglik": [-675.683389417497, -659.120605677328],
}  # fmt: skip


@pytest.fixture(scope="module")
def rossi():
    return pl.DataFrame(load_rossi().to_dict("list"))


@pytest.fixture(scope="module")
def lung():
    frame = pl.DataFrame(load_lung().to_dict("list"), strict=False)
    return frame.filter(~pl.col("ph.ecog").is_nan())


def test_recidivism_of_allison(rossi, agree):
    model = cox(ROSSI, rossi, time="week", event="arrest")
    glance = model.glance().row(0, named=True)
    mine = {
        "coef": model.coefficients,
        "se": model.std_error,
        "loglik": [model.loglik_null, model.loglik],
        "score": glance["score"],
        "concordance": [glance["concordance"], glance["concordance_std_error"]],
    }
    for name, value in mine.items():
        agree("Cox", f"rossi, Efron: {name}", value, EFRON[name], tolerance=1e-8, source=SOURCE)


def test_recidivism_with_breslows_ties(rossi, agree):
    model = cox(ROSSI, rossi, time="week", event="arrest", ties="breslow")
    mine = {"coef": model.coefficients, "loglik": [model.loglik_null, model.loglik]}
    for name, value in mine.items():
        agree("Cox", f"rossi, Breslow: {name}", value, BRESLOW[name], tolerance=1e-8,
              source=SOURCE)  # fmt: skip


@pytest.mark.parametrize(
    ("transform", "theirs"),
    [
        ("km", [0.0638415474656532, 6.32546446007293, 0.518710572849912, 7.13673939429343]),
        ("identity", [0.00935319158478678, 6.9977839715048, 0.423592523105568, 7.70906816671958]),
    ],
)
def test_proportionality_of_recidivism(rossi, agree, transform, theirs):
    model = cox("fin + age + prio", rossi, time="week", event="arrest")
    test = model.proportionality(transform).tidy()
    agree("Cox", f"rossi, cox.zph, {transform}", test["statistic"], theirs, tolerance=1e-7,
          source=SOURCE)  # fmt: skip


def test_proportionality_of_all_covariates(rossi, agree):
    test = cox(ROSSI, rossi, time="week", event="arrest").proportionality().glance()
    agree("Cox", "rossi, cox.zph, global on 7 df", test["statistic"], 17.69, tolerance=5e-3,
          source="R, printed", reason="two decimals are printed")  # fmt: skip


def test_lung_cancer(lung, agree):
    model = cox("age + sex + `ph.ecog`", lung,
                time="time", event="status")  # fmt: skip
    agree("Cox", "lung: coef", model.coefficients, [0.0110668, -0.5526124, 0.4637285],
          tolerance=6e-8, source="R, printed to 7 digits")  # fmt: skip
    agree("Cox", "lung: se", model.std_error, [0.0092674, 0.1677391, 0.1135773],
          tolerance=6e-8, source="R, printed to 7 digits")  # fmt: skip
    agree("Cox", "lung: loglik", [model.loglik_null, model.loglik], [-744.480456, -729.230121],
          tolerance=6e-7, source="R, printed to 6 decimals")  # fmt: skip


def test_counted_rows_are_the_same_model(rossi):
    whole = cox(ROSSI, rossi, time="week", event="arrest")
    counted = rossi.group_by(rossi.columns).len("count")
    again = cox(ROSSI, counted, time="week", event="arrest", weights="count")
    np.testing.assert_allclose(again.coefficients, whole.coefficients, rtol=0, atol=1e-10)
