"""Curves equal R's `survfit` and `cmprsk` to 1e-8, and so do their errors, bounds and quantiles."""

import polars as pl
import pytest

from toolkit import survival

COLUMNS = (
    "time",
    "n_risk",
    "n_event",
    "n_censor",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
)
KM = {
    "km_log_log": ("lung", {"by": "sex"}),
    "km_log": ("lung", {"by": "sex", "conf_type": "log"}),
    "km_plain": ("lung", {"by": "sex", "conf_type": "plain"}),
    "km_90": ("lung", {"conf_level": 0.9}),
    "km_entry": ("late", {"by": "sex", "entry": "entry"}),
    "km_whole": ("lung", {"by": "sex", "weights": "whole", "conf_type": "log"}),
    "km_part": ("lung", {"by": "sex", "weights": "part"}),
    "km_sampling": ("lung", {"by": "sex", "weights": "part", "weight_type": "sampling"}),
    "km_sampling_entry": (
        "late",
        {"by": "sex", "entry": "entry", "weights": "part", "weight_type": "sampling"},
    ),
    "km_months": ("months", {"by": "group"}),
}
AJ = {
    "aj_log": ("lung", {"by": "sex", "conf_type": "log"}),
    "aj_log_log": ("lung", {}),
    "aj_plain": ("lung", {"by": "sex", "conf_type": "plain"}),
    "aj_entry": ("late", {"by": "sex", "entry": "entry", "conf_type": "log"}),
    "aj_sampling": (
        "lung",
        {"by": "sex", "weights": "part", "weight_type": "sampling", "conf_type": "log"},
    ),
    "aj_months": ("months", {"by": "group"}),
    "aj_months_entry": ("months", {"by": "group", "entry": "entry", "conf_type": "log"}),
}


R = "R survival 3.5-3, survfit"


@pytest.fixture
def same(agree):
    def compare(quantity, ours, theirs, source=R):
        agree("Curves", quantity, ours, theirs, tolerance=1e-8, source=source)

    return compare


@pytest.mark.parametrize("name", KM)
def test_kaplan_meier(name, frames, reference, same):
    data, options = KM[name]
    ours = survival.kaplan_meier(frames[data], time="time", event="event", **options).tidy()
    theirs = reference("survival_curves")[name]
    if "by" in options:
        assert ours[options["by"]].cast(pl.String).to_list() == theirs["group"]
    for column in COLUMNS:
        if name in {"km_sampling", "km_sampling_entry"} and column == "std_error":
            # R prints 0, not NaN, where a robust curve has come to 0; so do we
            assert ours[column].null_count() == 0
        same(f"Kaplan–Meier, {name}: {column}", ours[column], theirs[column])


@pytest.mark.parametrize("name", AJ)
def test_aalen_johansen(name, frames, reference, same):
    data, options = AJ[name]
    ours = survival.cumulative_incidence(frames[data], time="time", event="cause", **options).tidy()
    theirs = pl.DataFrame(
        {
            name: values
            for name, values in reference("survival_curves")[name].items()
            if name != "call"
        }
    ).with_columns(pl.col("cause").cast(pl.Int64))
    if "by" in options:
        theirs = theirs.rename({"group": options["by"]}).with_columns(
            pl.col(options["by"]).cast(pl.Int64)
        )
    keys = [*([options["by"]] if "by" in options else []), "cause", "time"]
    both = ours.join(theirs, on=keys, suffix="_r", validate="1:1")
    assert both.height == ours.height == theirs.height
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    if "weights" not in options:  # R reports unweighted events here, beside weighted risk sets
        columns.append("n_event")
    for column in columns:
        same(f"Aalen–Johansen, {name}: {column}", both[column], both[f"{column}_r"])


@pytest.mark.parametrize("name", ["aalen_lung", "aalen_months"])
def test_aalens_variance(name, frames, reference, same):
    theirs = reference("survival_curves")[name]
    data, by = ("lung", "sex") if name == "aalen_lung" else ("months", "group")
    curves = survival.cumulative_incidence(
        frames[data], time="time", event="cause", by=by, variance="aalen"
    ).at(theirs["times"])
    curves = curves.with_columns(curve=pl.format("{} {}", by, "cause"))
    order = {curve: i for i, curve in enumerate(theirs["curve"])}
    curves = curves.sort(pl.col("curve").replace_strict(order), "time")
    source = "R cmprsk 2.2-11, cuminc"
    same(f"Aalen–Johansen, {name}: estimate", curves["estimate"], theirs["estimate"], source)
    same(
        f"Aalen–Johansen, {name}: variance",
        curves["std_error"].pow(2), theirs["variance"], source,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("quantile_log_log", "lung", {"by": "sex"}),
        ("quantile_entry", "late", {"by": "sex", "entry": "entry", "conf_type": "plain"}),
    ],
)
def test_quantiles(name, data, options, frames, reference, same):
    curves = survival.kaplan_meier(frames[data], time="time", event="event", **options)
    ours = curves.quantile([0.25, 0.5, 0.75])
    theirs = reference("survival_curves")[name]
    for column in ("estimate", "conf_low", "conf_high"):
        same(f"Kaplan–Meier, {name}: {column}", ours[column], theirs[column])


@pytest.mark.parametrize(
    ("name", "time", "event", "probability"),
    [
        # S runs 5/6, 2/3, 1/2, 1/2, 1/4: it stands still at exactly 1 - p for three of the four
        ("quantile_exact", [1, 2, 3, 4, 6, 8], [1, 1, 1, 0, 1, 0], [1 / 6, 1 / 3, 0.5, 0.6]),
        ("quantile_lasting", [1, 2, 3, 4], [1, 1, 0, 0], [0.25, 0.5, 0.75]),
    ],
)
def test_quantiles_where_the_curve_stands_still(name, time, event, probability, reference, same):
    curve = survival.kaplan_meier(
        pl.DataFrame({"time": time, "event": event}), time="time", event="event", conf_type="plain"
    )
    ours = curve.quantile(probability)
    theirs = reference("survival_curves")[name]
    for column in ("estimate", "conf_low", "conf_high"):
        same(f"Kaplan–Meier, {name}: {column}", ours[column], theirs[column])


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("rmst_365", "lung", {}),
        ("rmst_days", "lung", {}),
        ("rmst_entry", "late", {"entry": "entry"}),
        ("rmst_whole", "lung", {"weights": "whole"}),
    ],
)
def test_restricted_mean(name, data, options, frames, reference, same):
    theirs = reference("survival_curves")[name]
    ours = survival.kaplan_meier(
        frames[data], time="time", event="event", by="sex", **options
    ).rmst(theirs["horizon"])
    same(f"restricted mean, {name}: estimate", ours["estimate"], theirs["estimate"])
    same(f"restricted mean, {name}: std_error", ours["std_error"], theirs["std_error"])


def test_restricted_mean_equals_survrm2(frames, same):
    source = "R survRM2 1.0.4, rmst2(time, status, arm = sex - 1, tau = 365)"
    area = survival.kaplan_meier(frames["lung"], time="time", event="event", by="sex").rmst(365)
    theirs = [241.495085192057, 297.465409532037], [10.3582264910969, 10.7913239788001]
    same("restricted mean, 365 days by sex: estimate", area["estimate"], theirs[0], source)
    same("restricted mean, 365 days by sex: std_error", area["std_error"], theirs[1], source)
