# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The net effect of a programme
#
# Of those who start a training, some find work. Some of these would have found it anyway. The net effect is the rest.
# Nobody sees a person both with and without a training, so somebody else must stand for "without". Most of the work is
# to choose that somebody well, and to say how sure we are. We walk the whole way for one instrument, on a made-up
# country in which the true effect is known. On a register of your own only the first cell changes.

# %%
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

from synthetic_data import simulate
from toolkit import effects, matching, registers, reporting, trajectories
from toolkit.errors import ToolkitWarning
from toolkit.reporting import figures

room = tempfile.TemporaryDirectory()
world = simulate(Path(room.name) / "world", persons=50_000, seed=1)
register = registers.open(world / "register")
# with your own:  register = registers.open("data/register")

# %% [markdown]
# ## 1. First write down the question
#
# The protocol goes from the question of those who decide to one that data can answer, names the comparison, and says
# what the diagnostics must meet. Write it before you look at any outcome. Thresholds chosen afterwards are worth nothing.
# The fingerprint at the foot tells later whether anything was changed.

# %%
plan = effects.protocol(
    {
        "title": "Net effect of training for people on social assistance",
        "written": "2026-11-22",
        "policy": {
            "question": "Does training help people on social assistance to work, and for how long?",
            "aim": "Lasting regular work.",
            "instrument": "Training, as the first programme of a benefit spell.",
            "target_group": "People on WWB, 18 to 64 years.",
        },
        "research": {
            "question": "How many more of those who start a training are in regular work 6 to 36 months later "
            "than if they had not started then?",
            "comparison": "People as long on benefit, in the same quarter, with the same chance to start, "
            "who do not start in that month. They may start later.",
            "subgroups": ["time on benefit", "age", "education", "sex"],
        },
        "design": {
            "method": "risk_sets",
            "why": "Trainings start in any month of a spell; caseworkers decide on what the register knows.",
            "covariates": ["sex", "age", "origin", "education", "household", "position", "limitation",
                           "size of municipality", "24 months of work and benefit"],
            "beside": ["matching", "weighting", "doubly_robust"],
            "displacement": "Not measured.",
        },
        "data": {
            "sources": ["benefits and programmes of municipalities", "jobs", "population register"],
            "population": "Everybody on WWB without a programme in the year before.",
            "period": "2005-01/2007-12",
            "history_months": 48,
            "follow_up_months": 48,
            "unit": "benefit spell and month",
            "not_observed": "Motivation; health as far as it is not recorded; self-employment.",
        },
        "indicators": [
            {
                "name": "regular work",
                "definition": "A regular job on some day of the month; subsidised work does not count.",
                "horizons": [6, 12, 24, 36],
            }
        ],
        "thresholds": {
            "max_smd": 0.1, "min_support": 0.8, "min_ess": 200, "min_placebo_p": 0.05,
        },
    }
)  # fmt: skip
print(plan.text("en"))

# %% [markdown]
# ## 2. The months in which a training might start
#
# A training can start in any month on benefit. So a row is a benefit spell and a month: the spell runs on the first day,
# no programme has started in it yet, and everything on the row was known that day, except whether a programme starts.

# %%
definition = trajectories.recipe("iwi_2008").replace(name="regular work", work_kinds=("regular",))
support = trajectories.support_panel(register, definition, window="2005-01/2007-12")
support.tidy()

# %% [markdown]
# Starts are rare: of all months at risk, very few see one. The outcomes stand in a table of their own, a row a person
# and month. We take four years before the first start and four after the last.

# %%
persons = support.frame["person"].unique()
outcomes = trajectories.monthly_panel(
    register, window="2001-01/2011-12", persons=persons, definition=definition
).select("person", "month", "in_work")


def work_later(rows: pl.DataFrame, months: int) -> pl.DataFrame:
    """Add whether people are in regular work so many months after the month of the row."""
    then = outcomes.select("person", then="month", **{f"in_work_{months}": "in_work"})
    return rows.with_columns(then=pl.col("month").dt.offset_by(f"{months}mo")).join(
        then, on=["person", "then"], how="left", maintain_order="left"
    )


# %% [markdown]
# Somebody who starts another programme leaves the months at risk of a training in that month. What the register does
# not know becomes a level of its own: those for whom it is missing differ. Levels without a start are left out, for
# there is nothing to compare there.

# %%
codes = [
    "sex", "age_class", "origin", "education", "household", "position", "work_limited", "size_class",
]  # fmt: skip
history = [
    "worked_1_6", "worked_7_12", "worked_13_24", "benefit_1_6", "benefit_7_12", "benefit_13_24",
    "spells_24",
]  # fmt: skip
formula = " + ".join([*(f"C({name})" for name in codes), *history])


def bands(name: str, *edges: int) -> pl.Expr:
    """Return in which band a number lies, called by its lower edge."""
    lower = pl.max_horizontal(pl.when(pl.col(name) >= edge).then(edge) for edge in edges)
    return pl.format("from {}", lower)


training = (pl.col("instrument") == "training").fill_null(value=False)
panel = (
    work_later(support.frame, 24)
    .filter(~pl.col("starts") | training)
    .with_columns(
        treated_at=pl.when(training).then("treated_at"),
        age_class=bands("age", 18, 27, 35, 45, 55),
        age_group=bands("age", 18, 27, 45),
        duration_class=bands("duration", 0, 3, 6, 12, 24, 36, 60),
        time_on_benefit=bands("duration", 0, 12, 36),
    )
    .with_columns(pl.col(codes).cast(pl.String).fill_null("unknown"))
)
for name in codes:
    panel = panel.filter(pl.col(name).is_in(panel.filter("starts")[name].unique().implode()))
panel.select(months=pl.len(), spells=pl.col("spell").n_unique(), starts=pl.col("starts").sum())

# %% [markdown]
# ## 3. Comparisons that mislead
#
# **Before and after.** People start a programme when things go badly: work was falling already (`pre_trend`), and part of
# it would have come back without a training. The change over the start can be too small or too large; it hangs on which
# months are compared.

# %%
starters = panel.filter("starts").select("person", started_at="month")
starters = starters.unique("person", keep="first", maintain_order=True)
around = outcomes.join(starters, on="person").filter(
    pl.col("month").is_between(
        pl.col("started_at").dt.offset_by("-24mo"), pl.col("started_at").dt.offset_by("24mo")
    ),
    pl.col("in_work").is_not_null(),
)
before_after = effects.before_after(
    around, person="person", month="month", outcome="in_work", started_at="started_at",
    before=24, after=25, incomplete="drop",
)  # fmt: skip
before_after

# %% [markdown]
# **Starters against all others.** Caseworkers send those to a training from whom they expect something. The toolkit
# knows what this comparison may claim, and prints it under the numbers.

# %%
seen = panel.filter(pl.col("in_work_24").is_not_null())
naive = effects.contrast(
    seen, treatment="starts", outcome="in_work_24", cluster="person", measure="difference"
)
print(naive.summary())

# %% [markdown]
# **Ever treated against never treated.** To look back from the end of a spell is worse. Who started in month 9 was for
# certain still on benefit in month 9. Nothing of the kind holds for those who never started: many of them never started
# *because* they found work. Those first months, in which the treated could not leave, are called immortal time.
#
# How large is that error? Take a programme that does not exist. Everybody who comes in during 2005 and 2006 draws a month
# from 0 to 11 by lot, and "starts" in it, if still there. Nothing happens to anybody.

# %%
inflow = panel.filter(
    (pl.col("duration").min() == 0).over("spell"),
    (pl.col("month").min().dt.year() < 2007).over("spell"),
).with_columns(lot=(pl.col("spell").hash(seed=1) % 12).cast(pl.Int16))
spells = work_later(
    inflow.group_by("person", "spell", "lot").agg(pl.col("month").min(), pl.col("duration").max()),
    12,
).with_columns(ever=pl.col("duration") >= pl.col("lot"))
spells.group_by("ever").agg(
    spells=pl.len(),
    in_work_after_a_year=pl.col("in_work_12").mean(),
).sort("ever")

# %%
by_hindsight = effects.contrast(
    spells.filter(pl.col("in_work_12").is_not_null()),
    treatment="ever", outcome="in_work_12", cluster="person", measure="difference",
)  # fmt: skip
by_hindsight.tidy().filter(pl.col("term") == "difference").select(
    "estimate", "conf_low", "conf_high"
)

# %% [markdown]
# A programme that does not exist seems to do great harm. A covariate does not mend that: the fault is in the question.
# It must be asked in each month, of those still there in that month.

# %% [markdown]
# ## 4. Risk sets: who could have started too?
#
# In each month of elapsed benefit duration, each starter stands beside people who were on benefit as long, had not
# started either, and do not start in that month. What happens to them afterwards, a later training included, decides
# nothing. First the programme that does not exist:

# %%
unreal = inflow.filter(pl.col("duration") <= pl.col("lot")).with_columns(
    treated_at=pl.when((pl.col("duration").max() == pl.col("lot")).over("spell")).then("lot")
)
pairs = matching.match_risk_sets(
    unreal, person="person", spell="spell", time="duration", treated_at="treated_at",
    calendar="month", on="age", ratio=3,
)  # fmt: skip
effects.profile(
    pairs, outcomes, outcome="in_work", start="month", months=[6, 12, 24]
).tidy().select(
    "month", "n_treated", "mean_treated", "mean_control", "estimate", "conf_low", "conf_high"
)

# %% [markdown]
# The harm is gone. What is left is chance: of such intervals one in twenty misses zero.
#
# Now the training. Each starter gets three controls from the same quarter and class of duration, with the nearest chance
# to start. That chance is fitted from what was known on the first of the month.

# %%
risk_sets = {
    "person": "person", "spell": "spell", "time": "duration", "treated_at": "treated_at",
    "calendar": "month", "on": formula, "exact": "duration_class", "caliper": 0.2, "ratio": 3,
}  # fmt: skip
sample = matching.match_risk_sets(panel, **risk_sets)
sample.glance()

# %%
sample.attrition

# %% [markdown]
# Are the groups alike? Look at the differences, in standard deviations, not at p-values: these only say how large the
# sample is.

# %%
balance = matching.balance(sample, [*codes, *history, "duration"])
worst = balance.tidy().group_by("sample").agg(pl.col("smd").abs().max()).sort("sample")["smd"]
number = reporting.format_number
called = {
    "age_class": "age", "age_group": "age", "time_on_benefit": "months on benefit",
    "duration": "months on benefit", "spells_24": "benefit spells, 24 months",
    "position": "re-integration position", "work_limited": "work limitation",
} | {
    f"{what}_{first}_{last}": f"{word}, months −{last} to −{first}"
    for what, word in (("worked", "worked"), ("benefit", "on benefit"))
    for first, last in ((1, 6), (7, 12), (13, 24))
}  # fmt: skip
with reporting.style("en"):
    axes = figures.love_plot(
        balance.tidy(),
        threshold=plan.thresholds.max_smd,
        most=20,
        labels=called,
        title=f"Matching brings the largest difference from {number(worst[1], 2)} to {number(worst[0], 2)}",
        subtitle="Standardised difference by covariate, starters of a training and controls",
        note="Source: synthetic register, starts 2005–2007.",
    )
axes.figure

# %% [markdown]
# And is there somebody to compare with at every chance to start? Where there is not, the effect is not about those
# starters, and `attrition` above counts them.

# %%
with reporting.style("en"):
    axes = figures.overlap(
        balance.score_overlap,
        title="Controls are there at almost every chance to start",
        subtitle="Distribution of the score; bars after matching, line before",
        x_label="score: logit of the chance to start, apart from the month",
        note="Source: synthetic register, starts 2005–2007.",
    )
axes.figure

# %% [markdown]
# ## 5. The effect, after the verdict
#
# The profile compares both groups in each month since the start, and before it. The months −24 to −1 were matched on, so
# that they are balance. The months −48 to −25 were not: a difference there cannot be of the training. That is the placebo,
# and the last of the thresholds. The gate goes first.

# %%
profile = effects.profile(sample, outcomes, outcome="in_work", start="month", months=range(-48, 49))
verdict = effects.gate(
    plan.thresholds, balance=balance, sample=sample, profile=profile,
    placebo_months=range(-48, -24),
)  # fmt: skip
profile = verdict.apply(profile)
verdict

# %% [markdown]
# Where a threshold fails, the result says NOT SUPPORTED before anything else, in each table and summary made of it. An
# override needs a reason, which is printed with it. Leaving out a diagnostic counts as failing.

# %%
at = {row["month"]: row for row in profile.tidy().iter_rows(named=True)}
even = profile.break_even()["month"].item()
points = reporting.format_points
with reporting.style("en"):
    axes = figures.profile(
        profile.tidy().filter(pl.col("month") >= -36),
        break_even=even,
        title=f"First a dip, after two years {points(at[24]['estimate'])}",
        subtitle="Share in regular work by month since the start, 95% interval and simultaneous band",
        note=f"Risk sets. Source: synthetic register, n = {profile.meta['n_treated']:,} starters.",
    )
axes.figure

# %% [markdown]
# Below zero first: in training people search less. That is lock-in. A study that stops after half a year finds harm. The
# months lost must be earned back before participants are ahead in all.

# %%
profile.lock_in().select("month", "depth", "conf_low", "conf_high", "from", "to", "area")

# %%
profile.break_even().select("month", "conf_low", "conf_high", "lowest", "last")

# %%
profile.cumulated(48)  # months of regular work gained by a participant

# %% [markdown]
# Gross is what participants attain, deadweight what would have come anyway, net what is left; relative is net as a share
# of deadweight. The interval of net stands in the figure.

# %%
split = profile.gross_net(plan.horizons)
split.judged().pivot("measure", index=["verdict", "month"], values="estimate")

# %%
with reporting.style("en"):
    axes = figures.gross_net(
        split.wide("training"),
        title="Much of what participants attain would have come anyway",
        subtitle="Share in regular work by months since the start, and what the training adds",
        note=f"Source: synthetic register, n = {profile.meta['n_treated']:,} starters.",
    )
axes.figure

# %% [markdown]
# ## 6. Other methods, and the truth
#
# Matching on one moment, weighting and doubly robust estimation rest on the same assumption: given what the register
# knows, starting is as good as drawn by lot. If they differ, it is the model that matters. They take all starters and one
# in ten of the other months, weighted by ten.

# %%
tenth = pl.struct("person", "spell", "month").hash(seed=1) % 10 == 0
drawn = seen.filter(pl.col("starts") | tenth).with_columns(
    quarter=pl.col("quarter").dt.to_string("%Y-%m"),
    weight=pl.when("starts").then(1.0).otherwise(10.0),
)
moment = f"{formula} + C(duration_class) + C(quarter)"

score = matching.propensity(f"starts ~ {formula} + C(duration_class)", drawn)
matched = matching.match(
    drawn, treatment="starts", on=score, exact=["duration_class", "quarter"],
    caliper=0.2, link="logit", cluster="person",
)  # fmt: skip
weighted = matching.weigh(
    drawn, treatment="starts", on=moment, estimand="ATT", weights="weight", cluster="person"
)
robust = effects.doubly_robust(
    drawn, treatment="starts", outcome="in_work_24", on=moment, estimand="ATT", link="linear",
    weights="weight", weight_type="sampling", cluster="person", measure="difference",
)  # fmt: skip

# %% [markdown]
# One more: controls who start a training later make the effect that of *now* against *not now*. Censored at their own
# start, with those who have not started standing for them, it is that against no training at all.

# %%
censored = effects.profile(
    matching.match_risk_sets(panel, control="censor", **risk_sets),
    outcomes, outcome="in_work", start="month", months=plan.horizons, band=False,
)  # fmt: skip

# %% [markdown]
# Only a made-up country knows the truth: the same lives, with the same luck, without any programme.

# %%
levels = [f"training {year}" for year in (2005, 2006, 2007)]
truth = (
    pl.read_parquet(world / "truth" / "net_effect.parquet")
    .filter(pl.col("group") == "instrument_year", pl.col("level").is_in(levels), outcome="in_work")
    .group_by("month")
    .agg(truth=(pl.col("effect") * pl.col("n")).sum() / pl.col("n").sum())
    .select(pl.col("month").cast(pl.Int64), "truth")
)
numbers = ["estimate", "conf_low", "conf_high"]
truth.join(profile.tidy().select("month", *numbers), on="month").join(
    censored.tidy().select("month", censored="estimate"), on="month"
).sort("month")

# %% [markdown]
# Two things keep an estimate from the truth beside chance. Controls who start something later are helped too. And
# in this country, as in ours, caseworkers see something that the register does not.

# %%
found = {
    "starters and others (gross)": naive,
    "matching": effects.contrast(matched, outcome="in_work_24", measure="difference"),
    "weighting": effects.contrast(weighted, outcome="in_work_24", measure="difference"),
    "doubly robust": robust,
    "risk sets": profile,
    "risk sets, censored": censored,
}
rows = []
for method, result in found.items():
    tidy = result.tidy()
    wanted = pl.col("term") == "difference" if "term" in tidy.columns else pl.col("month") == 24
    rows.append(tidy.filter(wanted).select(pl.lit(method).alias("level"), *numbers))
methods = pl.concat(rows).with_columns(
    truth=pl.lit(truth.filter(pl.col("month") == 24)["truth"].item())
)
with reporting.style("en"):
    axes = figures.forest(
        methods,
        overall="risk sets",
        title="Comparable controls take away a good part of the raw difference",
        subtitle="Difference in the share in regular work after 24 months, percentage points, 95% interval",
        note="Source: synthetic register, starts 2005–2007.",
    )
axes.figure

# %% [markdown]
# What each method asks, and whether it may be called net, stands in the registry.

# %%
effects.methods().filter(
    pl.col("method").is_in([plan.method.key, *plan.config.design.beside])
).select("method", "claim", "assumption", "report")

# %% [markdown]
# ## 7. For whom
#
# The doubly robust scores give each group its effect without a new model. Groups were named in the protocol. Look first at
# whether they differ at all: this is one test a variable. One interval that holds zero beside one that does not is no
# difference. P-values by group are corrected for the number of groups looked at.

# %%
groups = effects.subgroups(robust, by=["time_on_benefit", "age_group", "education", "sex"])
groups.glance()

# %%
with reporting.style("en"):
    axes = figures.forest(
        groups.tidy().select("level", "n", *numbers, group="variable"),
        labels=called,
        title=f"Do groups differ? Smallest p-value, corrected: {number(groups.glance()['p_adjusted'].min(), 2)}",
        subtitle="Net effect on regular work after 24 months, doubly robust, percentage points, 95% interval",
        note="Source: synthetic register; n: person-months in the estimate.",
    )
axes.figure

# %% [markdown]
# ## 8. How sure
#
# Three questions. **Does it find an effect where there can be none?** The months −48 to −25, and trainings that are
# pretended to start half a year early: work beside benefit, just before the real start.

# %%
profile.pre_period(range(-48, -24)).select("n_month", "largest", "largest_month", "mean", "p_value")

# %%
pretended = effects.placebo_starts(
    panel, person="spell", time="duration", treated_at="treated_at", lead=6
)
with warnings.catch_warnings():  # it warns that half a year is too short for an effect
    warnings.simplefilter("ignore", ToolkitWarning)
    early = effects.profile(
        matching.match_risk_sets(pretended.panel, **risk_sets),
        outcomes, outcome="in_work", start="month", months=range(6), band=False,
    )  # fmt: skip
early.tidy().select("month", "n_treated", *numbers)

# %% [markdown]
# **What would undo it?** Matching makes people alike in what was observed. What was not observed cannot be measured, but
# it can be said how strong it would have to be. For this everybody stands in one pair only.

# %%
once = matching.match_risk_sets(seen, **risk_sets | {"ratio": 1, "reuse": False})
doubt = effects.sensitivity(once, outcome="in_work_24", covariates=[*codes, *history])
print(doubt.paragraph())

# %% [markdown]
# **Would another choice have said otherwise?** Who may be a control, and in what steps time is measured. With quarters or
# half-years a start anywhere in the step counts as one at its beginning, so that people who left before they could have
# started become controls, and look good. Kastoryano and van der Klaauw (2022) showed that such choices
# alone can turn an answer.


# %%
def in_steps(months: int) -> pl.DataFrame:
    """Return the panel as if time were recorded in steps of so many months."""
    if months == 1:
        return panel
    return panel.filter(pl.col("duration") % months == 0).with_columns(
        pl.col("duration") // months, pl.col("treated_at") // months
    )


def run(controls: str, step: int) -> pl.DataFrame:
    """Estimate the effect after 24 months under these choices."""
    again = matching.match_risk_sets(in_steps(step), control=controls, background=0, **risk_sets)
    return effects.profile(
        again, outcomes, outcome="in_work", start="month", months=[24], band=False
    ).tidy()


choices = {
    "controls": {"not yet started": "not_yet", "censored at start": "censor"},
    "step": {"month": 1, "quarter": 3, "half-year": 6},
}
planned = {"controls": "not yet started", "step": "month"}
curve = effects.specifications(run, choices, reference=planned, design="risk_sets")
low, high = curve.estimated["estimate"].min(), curve.estimated["estimate"].max()
with reporting.style("en"):
    axes = figures.specification_curve(
        curve.estimated,
        choices=list(choices),
        main=planned,
        title=f"Under {curve.estimated.height} choices from {points(low)} to {points(high)}",
        subtitle="Net effect on regular work after 24 months by choice, percentage points, 95% interval",
        note="Source: synthetic register, starts 2005–2007.",
    )
axes.figure

# %% [markdown]
# ## 9. What to report
#
# 1. The verdict, with thresholds, before any number.
# 2. Gross, deadweight and net at the horizons of the protocol, with intervals; the profile with lock-in and break-even.
# 3. For whom it holds: how many starters were compared, and who was not.
# 4. The other methods beside it; groups only with the test that they differ.
# 5. What an unobserved confounder would have to be, the placebos, and the choices that could have been others.
# 6. What is not measured: displacement of others, costs, quality of the work.
#
# The summary of a result says most of this by itself. (Starts in no month at risk are those after 2007, of people who were
# on benefit before without one.)

# %%
print(profile.gross_net([24]).summary())

# %%
page = plan.save(Path(room.name) / "study", language="en")
page.name, plan.fingerprint[:12]

# %%
plt.close("all")
room.cleanup()
