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
# # Durable outflow, in ten minutes
#
# Of those who leave social assistance (WWB) for work: who still works a year later, and who is back on
# benefit within six months? We walk the whole way, from a register to a figure for a report, on a
# made-up country, so that everything here runs anywhere. On a real register only the first cell changes.

# %%
import polars as pl

from synthetic_data import make_register
from toolkit import registers, reporting, survival, trajectories
from toolkit.reporting import figures

register = make_register(persons=40_000, seed=1)
# with your own:  register = registers.open("data/register")

# %% [markdown]
# ## The register
#
# A handful of tables, sorted by person; lazy until asked. A spell is `[start, end)`: `end` is the first day
# it no longer holds, and null while it runs.

# %%
register.benefits.head(3).collect()

# %% [markdown]
# Each source says over which period it was delivered. Outside it, nothing is known: an outcome there is
# missing, never "no".

# %%
register.coverage.collect()

# %%
registers.validate(register)  # codes, dates, overlap, coverage, persons: silent when all is well

# %% [markdown]
# ## What counts: a definition is data
#
# What is an exit, what is work, what is a return? A definition says it, has a name, and travels with every
# number. This one follows the Inspectorate's study of 2008; `confidence` says what of it was published
# and what we inferred.

# %%
definition = trajectories.recipe("iwi_2008")
print(definition.description)
print(definition.confidence)

# %% [markdown]
# A variation is one word away:

# %%
strict = definition.replace(name="12 hours, regular work", min_hours=12.0, work_kinds=("regular",))
strict.max_gap_days

# %% [markdown]
# ## Exits
#
# Benefit spells with gaps of at most 31 days are one; what ends in the window is an exit, on the first day
# off benefit. Every step is counted.

# %%
exits = trajectories.exits(register, definition, window="2005/2006")
exits.steps

# %%
exits.tidy()  # where people went

# %% [markdown]
# ## What became of them
#
# One row an exit: in work in the month 12 months after the exit month, back on benefit on or before the
# exit date plus six months. Who cannot be followed that long has null.

# %%
outcomes = trajectories.durability(trajectories.describe(exits, register), register)
outcomes.indicators().select(
    "measure", "horizon", "n", "n_observed", "estimate", "conf_low", "conf_high", "denominator"
)

# %% [markdown]
# The same with a stricter idea of work. Here the definition alone moves the figure:

# %%
trajectories.durability(
    trajectories.exits(register, strict, window="2005/2006"), register
).indicators().filter(pl.col("measure") == "in_work").select("horizon", "n", "estimate")

# %% [markdown]
# ## Curves
#
# Return takes time, and death and emigration may come first: competing events. The estimators know nothing
# of registers; they take any frame and the names of its columns.

# %%
returns = survival.cumulative_incidence(
    outcomes.frame, time="return_time", event="return_event", by="sex"
)
returns.at([6, 12]).filter(pl.col("cause") == trajectories.HAPPENED)

# %%
survival.gray(
    outcomes.frame, time="return_time", event="return_event", cause=trajectories.HAPPENED, by="sex"
).tidy()

# %% [markdown]
# Work without interruption, as a survival curve:

# %%
stay = survival.kaplan_meier(
    outcomes.frame.with_columns(out=pl.col("work_event") == trajectories.HAPPENED),
    time="work_time",
    event="out",
)
print(stay.rmst(12).select("estimate", "std_error"))
stay.at([6, 12, 24])

# %% [markdown]
# ## A figure for the report
#
# House style, Dutch by default; source, n and numbers at risk are part of the figure.

# %%
curve = returns.tidy().filter(pl.col("cause") == trajectories.HAPPENED)
at_six = (
    outcomes.indicators()
    .filter((pl.col("measure") == "returned") & (pl.col("horizon") == 6))["estimate"]
    .item()
)

with reporting.style("en"):
    axes = figures.survival(
        curve,
        kind="incidence",
        group="sex",
        mark=6,
        horizon=24,
        number="1",
        title=f"{reporting.format_percent(at_six)} is back on benefit within half a year",
        subtitle="Share returned to WWB after leaving for work, 95% confidence band",
        note=f"Source: synthetic register, exits 2005–2006; n = {outcomes.frame.height}.",
    )
axes.figure

# %% [markdown]
# ## Month by month
#
# Where people are after their exit; who is not observed in a month counts in no state.

# %%
states = trajectories.states_since(
    register, outcomes.frame.select("person", month="exit_month"), months=range(25)
)
states.filter(pl.col("month").is_in([0, 12, 24]), pl.col("share") > 0.02)

# %% [markdown]
# ## Any panel of states
#
# No register at hand? A table with one column a month is enough.

# %%
panel = pl.DataFrame(
    {
        "id": [1, 2, 3],
        "2006-01": ["jobless", "jobless", "work"],
        "2006-02": ["work", "jobless", "work"],
        "2006-03": ["work", "work", "jobless"],
        "2006-04": ["jobless", "work", "jobless"],
    }
)
sequences = trajectories.from_sequences(
    panel, person="id", states=panel.columns[1:], benefit=["jobless"], work=["work"]
)
trajectories.runs(sequences, ["jobless"])

# %% [markdown]
# The studies in `analyses/` put these steps together; `make reproduce` runs them and binds the report.
