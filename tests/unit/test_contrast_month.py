"""A contrast of risk sets at a month since the start: by hand, and equal to the profile's."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from toolkit import effects, errors, matching

# Months at risk: A 1-2 (starts in 2), B 1-4 (starts in 4), C 1-2 (leaves), D 1-9.
FEW = pl.DataFrame(
    {"person": list("ABCD"), "s": [1.0, 1.2, 1.1, 3.0], "entry": 1, "until": [10, 6, 3, 10],
     "treated_at": [2, 4, None, None]}
)  # fmt: skip
FORM = {"person": "person", "entry": "entry", "until": "until", "treated_at": "treated_at"}


def months_of(people, last):
    months = pl.DataFrame({"time": np.arange(1, last)})
    value = (
        (people["person"].rank("dense").cast(pl.Int64) * 7)
        .to_frame("k")
        .with_columns(people["person"])
    )
    return value.join(months, how="cross").select(
        "person", "time", y=((pl.col("k") + pl.col("time") * 3) % 11) * 1.0
    )


def many(control="not_yet", n=400, **options):
    random = np.random.default_rng(4)
    until, start = random.geometric(0.06, n) + 1, random.geometric(0.04, n)
    people = pl.DataFrame(
        {"person": np.arange(n), "x": random.normal(size=n), "entry": 1, "until": until,
         "treated_at": pl.Series(np.where(start < until, start, -1)).replace(-1, None)}
    )  # fmt: skip
    found = matching.match_risk_sets(people, **FORM, on="x + 1", control=control, **options)
    return found, months_of(people, 90)


def difference(found):
    return found.tidy().row(by_predicate=pl.col("term") == "difference", named=True)


def test_who_is_censored_is_stood_in_for():
    """In month 4 one of the two at risk starts, B: D stands for B too, with 1/3 / (1 - 1/2).

    C left in month 3, before anybody started again: a third as before.
    """
    sample = matching.match_risk_sets(
        FEW, **FORM, on="s", ratio=3, control="censor", censor_on="1", window=(2, 2)
    )
    panel = pl.DataFrame({"person": list("ABCD"), "time": 4, "y": [4, 999, 24, 34]})
    options = {"outcome": "y", "cluster": False, "correction": "HC0"}
    found = effects.contrast(sample, panel, since=2, **options)
    c, d = Fraction(1, 3), Fraction(2, 3)
    mean = (24 * c + 34 * d) / (c + d)
    assert difference(found)["estimate"] == pytest.approx(float(4 - mean))
    variance = ((c * (24 - mean)) ** 2 + (d * (34 - mean)) ** 2) / (c + d) ** 2
    # there is one treated: only the mean of the controls has a standard error
    control = found.tidy().row(by_predicate=pl.col("term") == "mean_control", named=True)
    assert control["std_error"] ** 2 == pytest.approx(float(variance))
    assert difference(found)["std_error"] is None
    assert found.meta["dropped"]["controls who started themselves by month 2"] == 1
    assert found.glance()["n_control"].item() == 2
    # in the month of the start all three count alike
    now = effects.contrast(sample, panel.with_columns(time=2), since=0, **options)
    assert difference(now)["estimate"] == pytest.approx(4 - (999 + 24 + 34) / 3)


@pytest.mark.filterwarnings("ignore:month .* is the last looked at")
@pytest.mark.parametrize("control", ["not_yet", "censor"])
@pytest.mark.parametrize("options", [{}, {"ratio": 2}, {"replace": True}])
def test_it_is_what_the_profile_says_of_that_month(control, options):
    sample, panel = many(control, **options)
    for since in (-3, 0, 12):
        profile = effects.profile(
            sample, panel.with_columns(pl.col("time") - (10 if since < 0 else 0)), outcome="y",
            month="time", months=[since],
        ).tidy()  # fmt: skip
        found = effects.contrast(
            sample, panel.with_columns(pl.col("time") - (10 if since < 0 else 0)), outcome="y",
            since=since, correction="HC0",
        )  # fmt: skip
        for name in ("estimate", "std_error"):
            assert difference(found)[name] == pytest.approx(profile[name][0], rel=1e-10)
        assert "person" in found.meta["variance"]
        assert ("subclass" in found.meta["variance"]) == ("replace" not in options)
        assert found.meta["since"] == since


def test_a_column_of_the_rows_serves_as_well():
    sample, panel = many("censor")
    wide = replace(
        sample,
        frame=sample.frame.join(
            panel.select("person", time=pl.col("time") - 12, later="y"), on=["person", "time"],
            how="left", maintain_order="left",
        ),
    )  # fmt: skip
    one = effects.contrast(wide, outcome="later", since=12)
    other = effects.contrast(sample, panel, outcome="y", since=12)
    assert one.tidy().equals(other.tidy())
    # where nobody is censored a month changes nothing but what is told
    kept, _ = many()
    kept = replace(kept, frame=kept.frame.with_columns(y=pl.col("x") * 2))
    assert (
        effects.contrast(kept, outcome="y", since=3)
        .tidy()
        .equals(effects.contrast(kept, outcome="y").tidy())
    )


def test_the_e_value_of_a_month_is_of_its_rows_and_weights():
    """The standard deviation that effects are measured in is that of who is left, as weighted."""
    sample, panel = many("censor")
    found = effects.e_value_of(sample, panel=panel, outcome="y", since=12)
    weight = sample.weights_at(12).to_numpy()
    later = sample.frame.select("person", "time").join(
        panel.select("person", "y", time=pl.col("time") - 12), on=["person", "time"], how="left",
        maintain_order="left",
    )["y"].to_numpy()  # fmt: skip
    square = 0.0
    for who in (sample.treated, ~sample.treated):
        w, y = weight[who & (weight > 0)], later[who & (weight > 0)]
        square += w @ (y - w @ y / w.sum()) ** 2
    sd = np.sqrt(square / weight.sum())
    row = difference(effects.contrast(sample, panel, outcome="y", since=12))
    assert found.ratio == pytest.approx(np.exp(0.91 * row["estimate"] / sd))
    named = replace(sample, frame=sample.frame.with_columns(later=pl.Series(later)))
    assert effects.e_value_of(named, outcome="later", since=12).ratio == pytest.approx(found.ratio)


def test_the_placebo_of_censored_controls_is_before_any_is():
    sample, _ = many("censor")
    sample = replace(sample, frame=sample.frame.with_columns(before=pl.col("x").sin()))
    found = effects.placebo(sample, outcome_before="before").tidy()
    at = difference(effects.contrast(sample, outcome="before", since=0))
    assert found["estimate"].item() == at["estimate"]
    assert found["std_error"].item() == at["std_error"]


def test_what_is_refused():
    sample, panel = many("censor")
    named = replace(sample, frame=sample.frame.with_columns(y=pl.lit(1.0)))
    with pytest.raises(errors.CallError, match="censored at their own start"):
        effects.contrast(named, outcome="y")
    with pytest.raises(errors.CallError, match="many months"):
        effects.contrast(many()[0], panel, outcome="y")
    with pytest.raises(errors.CallError, match="whole number of months"):
        effects.contrast(named, outcome="y", since=1.5)
    with pytest.raises(errors.CallError, match="column of a panel"):
        effects.contrast(named, outcome="y", since=1, month="time")
    with pytest.raises(errors.CallError, match="for risk sets"):
        effects.contrast(pl.DataFrame({"t": [1, 0]}), panel, outcome="y", since=1, treatment="t")
    again, months = many("censor", replace=True)
    with pytest.raises(errors.CallError, match="stand for the censored"):
        effects.contrast(
            again, months, outcome="y", since=6, cluster=False, variance="abadie_imbens"
        )
    alone = effects.contrast(again, months, outcome="y", since=6, cluster=False)
    assert alone.meta["variance"].startswith("influence")
