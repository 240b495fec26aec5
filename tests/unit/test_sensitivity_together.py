"""One call for all: which parts, and how they read."""

import numpy as np
import polars as pl
import pytest

from toolkit.effects import contrast, sensitivity
from toolkit.effects.sensitivity import (
    e_value_of,
    omitted_variable_bounds,
    rosenbaum_bounds,
)
from toolkit.errors import InputError, MissingValueError, UnknownColumnError, UnknownOptionError
from toolkit.matching import match, plain_sample


def people(n=900, effect=0.25, seed=2):
    rng = np.random.default_rng(seed)
    age, score = rng.normal(size=n), rng.normal(size=n)
    treated = rng.random(n) < 1 / (1 + np.exp(1 + age))
    works = rng.random(n) < np.clip(0.35 - 0.1 * age + effect * treated, 0.02, 0.98)
    return pl.DataFrame(
        {"treated": treated, "age": age, "score": age + 0.2 * score, "works": works,
         "hours": np.where(works, 20 + 5 * rng.normal(size=n), 0)}
    )  # fmt: skip


@pytest.fixture(scope="module")
def matched():
    return match(people(), treatment="treated", on="score", caliper=0.2)


def test_every_part_says_what_it_says_alone(matched):
    found = sensitivity(matched, outcome="works", covariates=["age"])
    row = found.glance().row(0, named=True)
    assert row["critical_gamma"] == rosenbaum_bounds(matched, outcome="works").critical_gamma
    assert row["e_value_limit"] == e_value_of(matched, outcome="works").e_value_limit
    alone = omitted_variable_bounds(matched, outcome="works", covariates=["age"])
    assert row["robustness_value"] == alone.robustness_value
    assert found.design == "matching"
    left = found.tidy().filter(pl.col("term") == "left")
    assert left["estimate"].to_list() == alone.bounds["estimate"].to_list()


def test_the_paragraph_names_the_confounder(matched):
    said = sensitivity(matched, outcome="works", covariates=["age"]).paragraph()
    for words in ("Of the observed covariates age does most", "E-value", "odds of treatment",
                  "matched sets", "is not in the data"):  # fmt: skip
        assert words in said
    nothing = match(people(effect=0.0), treatment="treated", on="score")
    said = sensitivity(nothing, outcome="works", covariates=["age"]).paragraph()
    assert "even without hidden bias" in said
    assert "it is not significant at the 0.05 level as it is" in said
    assert "its interval holds no effect as it is" in said


def test_a_plain_frame_has_no_sets():
    found = sensitivity(people(), outcome="works", treatment="treated", covariates=["age"])
    assert found.rosenbaum is None
    assert any("no rosenbaum" in said for said in found.meta["warnings"])
    assert "GROSS" in found.summary()


def test_numbers_too(matched):
    found = sensitivity(matched, outcome="hours", covariates=["age"])
    assert found.rosenbaum is not None
    assert found.rosenbaum.test == "signed rank"
    assert found.e_value is not None
    assert found.e_value.measure == "mean_difference"


def test_a_part_that_cannot_be_made_is_named():
    frame = people().with_columns(works=pl.col("treated") & pl.col("works"))
    found = sensitivity(frame, outcome="works", treatment="treated", covariates=["age"])
    assert found.e_value is None
    assert any(said.startswith("no e value: Nobody") for said in found.meta["warnings"])
    with pytest.raises(InputError, match="Nobody"):
        sensitivity(frame, outcome="works", treatment="treated", parts=["e_value"])


def test_the_strength_of_a_benchmark_is_that_before_matching(matched):
    """In the matched rows age no longer goes with treatment, whatever it did before."""
    before = omitted_variable_bounds(matched, outcome="works", covariates=["age"], times=1)
    within = omitted_variable_bounds(
        matched, outcome="works", covariates=["age"], times=1, strength_from="comparison"
    )
    assert before.bounds["r2_treatment"][0] > 10 * within.bounds["r2_treatment"][0]
    frame = people()
    correlation = np.corrcoef(frame["age"], frame["treated"].cast(float))[0, 1]
    p = frame["treated"].mean()  # ours is a comparison of as many treated as controls
    f2 = correlation**2 / (1 - correlation**2) * 0.25 / (p * (1 - p))
    assert before.bounds["r2_treatment"][0] == pytest.approx(f2)
    assert before.robustness_value == within.robustness_value
    plain = plain_sample(frame, treatment="treated", covariates=["age"])
    one, other = (
        omitted_variable_bounds(plain, outcome="works", strength_from=where).bounds
        for where in ("before", "comparison")
    )
    assert one.equals(other)


def test_outcomes_of_who_is_not_compared_need_not_be_known(matched):
    from dataclasses import replace

    hidden = matched.frame.with_columns(works=pl.when(pl.lit(matched.weights > 0)).then("works"))
    half = replace(matched, frame=hidden)
    for whole, part in zip(
        *(sensitivity(x, outcome="works", covariates=["age"]).glance().row(0)
          for x in (matched, half)), strict=True,
    ):  # fmt: skip
        assert whole == pytest.approx(part)


def test_sensitivity_agrees_with_the_contrast_on_what_it_bounds(matched):
    ratio = contrast(matched, outcome="works", measure="ratio").tidy()
    found = e_value_of(matched, outcome="works")
    assert found.ratio == pytest.approx(ratio.filter(pl.col("term") == "ratio")["estimate"][0])


def test_the_picture_and_the_door(matched):
    import matplotlib.pyplot as plt

    for parts in (["omitted_variable"], ["e_value"], ["rosenbaum"]):
        axes = sensitivity(matched, outcome="works", parts=parts, covariates=["age"]).plot()
        assert axes.get_xlabel()
        plt.close(axes.figure)
    with pytest.raises(UnknownOptionError):
        sensitivity(matched, outcome="works", parts=["everything"])
    with pytest.raises(UnknownColumnError):
        sensitivity(matched, outcome="work")
    with pytest.raises(MissingValueError):
        sensitivity(people().with_columns(works=pl.lit(None, pl.Boolean)), outcome="works",
                    treatment="treated")  # fmt: skip
