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
# # Duration models for re-integration, each with a figure
#
# Who stays at work, who returns, how many months does it take, and where is everybody after two years? Each
# question has its model. Here each gets a paragraph, a figure, what it assumes and what to report. The estimators
# know nothing of registers: they take any frame and the names of its columns. All numbers come from a made-up
# country; with a register of your own only the first cell changes.

# %%
import matplotlib.pyplot as plt
import polars as pl

from synthetic_data import make_register
from toolkit import reporting, survival, trajectories
from toolkit.reporting import figures

register = make_register(persons=40_000, seed=1)
# with your own:  register = registers.open("data/register")

definition = trajectories.recipe("iwi_2008").replace(horizons=(12, 24))
exits = trajectories.describe(
    trajectories.exits(register, definition, window="2005/2007"), register
)
outcomes = trajectories.durability(exits, register)
months = pl.col("work_time").clip(upper_bound=36)
cohort = outcomes.frame.filter(scheme="wwb").with_columns(
    programme=pl.when("with_programme").then(pl.lit("programme")).otherwise(pl.lit("none")),
    education=pl.col("education").cast(pl.String).fill_null("unknown"),
    months=months,
    lost=(pl.col("work_event") == trajectories.HAPPENED) & (pl.col("work_time") <= 36),
)
cohort.select(
    "person", "municipality", "programme", "age_at_exit", "education", "months", "lost"
).head(3)

# %% [markdown]
# ## Curves and the difference between them
#
# The Kaplan–Meier curve is the share still at work, censoring allowed for. **Assumes** that who is no longer
# observed is like who is. **Report** n, events, the curve with its band, and the numbers at risk. A difference at a
# month, and over all months by a band that holds for all of them at once, says more than a log-rank p-value.

# %%
curves = survival.kaplan_meier(cohort, time="months", event="lost", by="programme")
gap = curves.difference(by="programme", reference="none", simultaneous=True)
gap.plot()
# %%
curves.difference(by="programme", reference="none", at=[12, 24]).tidy()

# %%
curves.difference(by="programme", reference="none", measure="rmst", horizon=24).tidy()

# %% [markdown]
# Exits of one municipality resemble each other. `cluster=` counts that in, here and in every model below.

# %% [markdown]
# ## Cox: how much more often per month
#
# The Cox model compares people alike in the columns of the formula. A ratio of 1.2 means that work is lost a fifth
# more often per month. **Assumes** that the ratio is the same in all months. **Report** the ratios with intervals,
# the number of events, how ties and clusters were treated, and the test of that assumption.

# %%
model = survival.cox(
    "programme + age_at_exit + sex + education",
    cohort,
    time="months",
    event="lost",
    cluster="municipality",
)
model.tidy(exponentiate=True)

# %%
test = model.proportionality()
test.tidy()

# %%
test.plot()
# %% [markdown]
# Where a ratio changes over time, one number hides it. Give that column a baseline of its own (`strata=`) and show the
# curves the whole cohort would have at each value (the g-formula). **Assumes** that the other columns hold everything in
# which the groups differ; what the register does not know may still differ, so the comparison stays gross.
# **Report** the curves, the difference in months up to a horizon, and what was standardised over.

# %%
apart = survival.cox(
    "age_at_exit + sex + education",
    cohort,
    time="months",
    event="lost",
    strata="programme",
    cluster="municipality",
)
alike = apart.standardise(at={"programme": ["none", "programme"]})
alike.plot()
alike.difference(measure="rmst", horizon=24, reference="none").tidy()

# %% [markdown]
# ## Competing exits: return, death, emigration
#
# Who dies does not return; to treat that as censoring overstates return. The Aalen–Johansen curve gives the share
# that returned. Two models go with it: cause-specific ratios (how often, among those still off benefit) and Fine and
# Gray's (whether the share that returns is higher or lower). **Report** both: they answer different questions.

# %%
returns = survival.cumulative_incidence(
    cohort, time="return_time", event="return_event", by="programme"
)
returns.rmtl(24)  # months lost to each cause, out of 24

# %%
share = survival.fine_gray(
    "programme + age_at_exit + sex",
    cohort,
    time="return_time",
    event="return_event",
    cause=trajectories.HAPPENED,
    cluster="municipality",
)
share.tidy(exponentiate=True)

# %%
new = pl.DataFrame(
    {"programme": ["none", "programme"], "age_at_exit": [35, 35], "sex": ["female", "female"]}
)
share.predict_incidence(new, times=range(1, 37)).plot()
# %% [markdown]
# ## Months as they are: discrete time
#
# Registers count months, and many exits share one. The complementary log-log model takes months as they are: its
# coefficients are those of a Cox model for the time underneath. Person-months are counted, never written out.
# **Assumes** the chosen shape of the hazard over months (here a spline) and the same ratio in all of them, unless the
# formula says otherwise (`programme:months`). **Report** the baseline, and whether heterogeneity between persons matters.

# %%
monthly = survival.discrete_hazard(
    "programme * np.log(months) + age_at_exit + sex",
    cohort,
    time="months",
    event="lost",
    baseline="spline",
    df=4,
    cluster="municipality",
)
monthly.tidy()

# %%
monthly.predict_hazard(new).plot()
# %% [markdown]
# ## A shape over time: parametric models
#
# A Weibull model says in two numbers how the hazard runs; with gamma heterogeneity (as the published Dutch studies
# have it) it tells "the longer at work, the safer" from "the weak leave first". **Assumes** the shape, and that
# heterogeneity is independent of the columns. **Report** shape, variance of the heterogeneity with its test at the
# boundary, and whether the curve follows Kaplan and Meier's. Here it does not quite: the hazard above has two peaks, which
# no Weibull has, and the variance of the heterogeneity, far above 1, takes up what the shape cannot.

# %%
weibull = survival.parametric(
    "programme + age_at_exit + sex",
    cohort.filter(pl.col("months") > 0),
    time="months",
    event="lost",
    distribution="weibull",
    heterogeneity="gamma",
)
weibull.tidy()

# %%
weibull.predict_survival(new, times=range(1, 37)).plot()
# %% [markdown]
# ## Where everybody is: multi-state
#
# People move between work, benefit and neither, and back. From the moves of each month the Aalen–Johansen matrix gives
# the share in each state and the months spent there. **Assumes** for shares since the start nothing on memory; for
# probabilities from a later state that the past does not matter (there is a test, and the landmark estimate that does
# without). **Report** states, moves, and people at risk.

# %%
panel = trajectories.monthly_panel(
    register, window="2004-01/2008-12", persons=cohort["person"].unique().to_list()[:2000]
)
where = (
    panel.filter("observed").with_columns(
        month=trajectories.months_since(pl.lit("2004-01-01").str.to_date(), pl.col("month")),
        where=pl.when("in_work").then(pl.lit("work"))
        .when("on_benefit").then(pl.lit("benefit")).otherwise(pl.lit("neither")),
    )
    .with_columns(run=pl.struct("person", "where").rle_id())
    .group_by("person", "run", "where").agg(start=pl.col("month").min(), stop=pl.col("month").max() + 1)
    .sort("person", "start")
    .with_columns(to=pl.when(pl.col("start").shift(-1).over("person") == pl.col("stop"))
                  .then(pl.col("where").shift(-1).over("person")))
)  # fmt: skip
states = survival.multi_state(
    where,
    person="person",
    start="start",
    stop="stop",
    from_state="where",
    to_state="to",
    jumps="allow",  # who was abroad for a while comes back as a late entry
)
states.transitions()

# %%
with reporting.style("en"):
    figures.occupation(
        states.occupation().stacked(),
        horizon=60,
        title="At work, on benefit, or neither",
        subtitle="Estimated share in each state by month since January 2004",
        note=f"Source: synthetic register. n = {where['person'].n_unique():,}.",
        x_label="months since January 2004",
    )

# %%
states.expected_time(60)

# %%
states.markov_test().tidy()

# %% [markdown]
# ## Seen now and then: steps of the ladder
#
# Twice a year a municipality reports the step of each client on the re-integration ladder; what happened in between is
# not known (who left the ladder keeps the last step here). A continuous-time Markov chain takes the dates as they come. **Assumes** that the next step depends on the
# present one only, and that people are not looked at because of their step. **Report** the moves allowed, the mean time
# on each step, and observed against expected shares.

# %%
reports = pl.DataFrame(
    {"date": pl.date_range(pl.date(2005, 6, 30), pl.date(2010, 6, 30), "6mo", eager=True)}
)
steps = register.positions.collect().select("person", "date", step=(pl.col("position") + 1) // 2)
positions = (
    steps.select(pl.col("person").unique()).join(reports, how="cross").sort("date")
    .join_asof(steps.sort("date"), on="date", by="person", check_sortedness=False)
    .filter(pl.col("step").is_not_null())  # not on the ladder yet
    .with_columns(time=(pl.col("date") - pl.date(2005, 6, 30)).dt.total_days() / 30.4375)
    .filter(pl.len().over("person") > 1)
    .sort("person", "time")
)  # fmt: skip
chain = survival.markov(
    positions,
    person="person",
    time="time",
    state="step",
    allowed=[(1, 2), (2, 1), (2, 3), (3, 2)],
)
chain.sojourn()

# %%
chain.probabilities(12)

# %%
chain.plot()
# %% [markdown]
# ## Coming back again: recurrent spells
#
# Some leave benefit and return several times. The mean cumulative function is the average number of returns by a
# month; death ends it. **Assumes** nothing on how one return bears on the next. **Report** the curve, and the
# revolving-door share with its definition.

# %%
spells = trajectories.merge_spells(
    register.benefits.filter(pl.col("scheme") == "wwb"), by=["person"], max_gap_days=31
).collect()
begin = pl.date(2003, 1, 1)
since = (pl.col("start") - begin).dt.total_days() / 30.4375
until = (pl.col("end").fill_null(pl.date(2012, 1, 1)) - begin).dt.total_days() / 30.4375
recent = spells.filter(pl.col("start") >= begin).select("person", start=since, stop=until)
survival.revolving_door(recent, person="person", start="start", stop="stop", window=(0, 108)).tidy()

# %% [markdown]
# ## Weights, influence, pseudo-values
#
# Every estimator takes weights and gives back by how much each row moves it. So any contrast of any of these numbers, with
# weights or clusters, has a standard error: add up the influences per cluster, and square.

# %%
influence = curves.influence([24])
influence.shape, float((influence**2).sum() ** 0.5)

# %%
plt.close("all")
