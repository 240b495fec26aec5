"""Durable outflow from WWB, after IWI, *Perspectief op duurzame uitstroom* (2008).

Population: exits from WWB in the first quarter of 2006, large municipalities.
Definitions: `iwi_2008`, and the same exits under others. Estimators: shares with Wilson intervals,
Aalen–Johansen for return and for exits by destination, Kaplan–Meier for uninterrupted work.
Published counterpart: 84% still in work after a year, 12% back within six months
(Kamerstuk 28719, no. 64). Config and words: `durable_outflow.toml`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._groups import add_groups, by_group
from analyses._study import Study, steps_frame
from toolkit import survival, trajectories
from toolkit.errors import FollowUpWarning
from toolkit.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from toolkit.registers import Register
    from toolkit.reporting.document import Chapter
    from toolkit.trajectories import Definition, Durability, Exits

BREAKDOWNS = (
    "by_size", "by_programme", "by_duration", "by_sex", "by_age", "by_education", "by_origin",
)  # fmt: skip


@dataclass(frozen=True)
class Cohort:
    """The exits of the study with their outcomes and groups."""

    exits: Exits
    outcomes: Durability
    frame: pl.DataFrame
    national: pl.DataFrame


def main(
    register: Register,
    out: Path,
    *,
    language: str = "nl",
    progress: Callable[..., Any] | None = None,
) -> Chapter:
    """Run the study on a register and write its chapter to `out`."""
    study = Study("durable_outflow", out, language)
    steps = [
        _selection, _published, _return, _states, _stay, _groups, _definitions, _destinations,
        _flows,
    ]  # fmt: skip
    cohort = _cohort(register, study)
    for step in progress(steps, title="durable_outflow") if progress else steps:
        step(study, register, cohort)
    work, back = _headline(cohort)
    return study.finish(
        title=study.text("title"),
        lead=study.text("lead", work=study.percent(work), back=study.percent(back)),
    )


def _cohort(register: Register, study: Study) -> Cohort:
    config = study.config
    definition = trajectories.recipe(config["definition"]).replace(
        horizons=(config["horizon_work"], config["follow_up"]),
        return_horizons=(config["horizon_return"], config["follow_up"]),
    )
    everywhere = trajectories.exits(register, definition, window=config["window"])
    everywhere = trajectories.describe(everywhere, register)
    national = trajectories.durability(everywhere, register)
    large = everywhere.keep(
        pl.col("size_class").cast(pl.String).is_in(config["size_classes"]),
        step="in the municipalities of the study",
    )
    outcomes = trajectories.durability(large, register)
    study.manifest.definitions[definition.name] = definition.to_dict()
    study.manifest.parameters.update(config)
    study.manifest.inputs["register"] = str(register.meta.get("source", register.path))
    for step, n in outcomes.steps:
        study.manifest.count(step, n)
    study.manifest.warnings.extend(outcomes.meta["warnings"])
    return Cohort(
        exits=large,
        outcomes=outcomes,
        frame=add_groups(outcomes.frame, study),
        national=add_groups(national.frame, study),
    )


def _share(outcomes: Durability, measure: str, horizon: int) -> dict[str, Any]:
    """Return the indicator row of one measure at one horizon, over all."""
    return outcomes.indicators().row(
        by_predicate=(pl.col("measure") == measure) & (pl.col("horizon") == horizon), named=True
    )


def _headline(cohort: Cohort) -> tuple[float, float]:
    config = Study.config_of("durable_outflow")
    work = _share(cohort.outcomes, "in_work", config["horizon_work"])
    back = _share(cohort.outcomes, "returned", config["horizon_return"])
    return work["estimate"], back["estimate"]


def _selection(study: Study, _: Register, cohort: Cohort) -> None:
    steps = steps_frame(study, cohort.outcomes.steps)
    study.paragraph(study.text("selection_text"), heading=study.text("selection_head"))
    study.figure(
        "selection", figures.selection, steps,
        table=steps,
        title=study.text("selection_title"),
        subtitle=study.text("selection_subtitle"),
        note=study.footer(n=cohort.frame.height, definition=cohort.outcomes.definition.name),
        alt=study.text(
            "selection_alt", first=study.count(steps["n"][0]), last=study.count(steps["n"][-1])
        ),
    )  # fmt: skip


def _published(study: Study, _: Register, cohort: Cohort) -> None:
    """Each published figure beside ours, with its own denominator."""
    study.published_table(
        {
            (row["measure"], row["horizon"]): row
            for row in cohort.outcomes.indicators().iter_rows(named=True)
        }
    )


def _return(study: Study, _: Register, cohort: Cohort) -> None:
    horizon, last = study.config["horizon_return"], study.config["follow_up"]
    curves = survival.cumulative_incidence(
        cohort.frame, time="return_time", event="return_event", by="by_programme"
    )
    returned = curves.tidy().filter(pl.col("cause") == trajectories.RETURNED)
    at_end = dict(
        curves.at(last).filter(pl.col("cause") == trajectories.RETURNED)
        .select(pl.col("by_programme").cast(pl.String), "estimate").iter_rows()
    )  # fmt: skip
    overall = survival.cumulative_incidence(
        cohort.frame, time="return_time", event="return_event"
    ).at(horizon).filter(pl.col("cause") == trajectories.RETURNED)  # fmt: skip
    gap = cohort.outcomes.definition.max_gap_days
    study.paragraph(study.text("return_text", gap=gap), heading=study.text("return_head"))
    study.figure(
        "return", figures.survival, returned,
        kind="incidence", group="by_programme", mark=horizon, horizon=last,
        table=returned.filter(pl.col("time") <= last),
        title=study.text("return_title", pct=study.percent(overall["estimate"][0])),
        subtitle=study.text("return_subtitle"),
        note=study.footer(
            n=cohort.frame.height, definition=cohort.outcomes.definition.name,
            extra=[study.label("note.at_risk")],
        ),
        alt=study.text(
            "return_alt",
            with_=study.percent(at_end.get(study.text("with_programme"))),
            without=study.percent(at_end.get(study.text("without_programme"))),
        ),
    )  # fmt: skip


def _states(study: Study, register: Register, cohort: Cohort) -> None:
    last = study.config["follow_up"]
    shares = trajectories.states_since(
        register, cohort.outcomes.frame, months=range(last + 1), definition=cohort.outcomes.definition
    )
    work = (
        shares.filter(pl.col("month") == last, pl.col("state").is_in(IN_WORK))["share"].sum()
    )
    study.paragraph("", heading=study.text("states_head"))
    study.figure(
        "states", figures.state_distribution, shares,
        table=shares,
        title=study.text("states_title", pct=study.percent(work)),
        subtitle=study.text("states_subtitle"),
        note=study.footer(
            n=cohort.frame.height, definition=cohort.outcomes.definition.name,
            extra=[study.label("note.not_observed")],
        ),
        alt=study.text("states_alt", pct=study.percent(work)),
    )  # fmt: skip


def _stay(study: Study, _: Register, cohort: Cohort) -> None:
    horizon, last = study.config["horizon_work"], study.config["follow_up"]
    data = cohort.national.with_columns(out_of_work=pl.col("work_event") == trajectories.HAPPENED)
    by_size = survival.kaplan_meier(data, time="work_time", event="out_of_work", by="by_size")
    overall = survival.kaplan_meier(data, time="work_time", event="out_of_work").at(horizon)
    pct = study.percent(overall["estimate"][0])
    study.paragraph(study.text("stay_text"), heading=study.text("stay_head"))
    study.figure(
        "uninterrupted", figures.survival, by_size.tidy(),
        kind="survival", group="by_size", mark=horizon, horizon=last,
        table=by_size.tidy().filter(pl.col("time") <= last),
        title=study.text("stay_title", pct=pct),
        subtitle=study.text("stay_subtitle"),
        note=study.footer(
            n=data.height, definition=cohort.outcomes.definition.name,
            extra=[study.label("note.at_risk"), study.text("stay_note")],
        ),
        alt=study.text("stay_alt", pct=pct),
    )  # fmt: skip


def _groups(study: Study, _: Register, cohort: Cohort) -> None:
    definition = cohort.outcomes.definition
    study.paragraph(study.text("groups_text"), heading=study.text("groups_head"))
    for name, measure, horizon in (
        ("work", "in_work", study.config["horizon_work"]),
        ("back", "returned", study.config["horizon_return"]),
    ):
        rows = _rows_by_group(study, cohort, definition, measure, horizon)
        study.bars(
            f"{name}_by_group", rows,
            title=f"{name}_groups_title", subtitle=f"{name}_groups_subtitle",
            alt=f"{name}_groups_alt",
            note=study.footer(
                n=cohort.frame.height, definition=definition.name,
                extra=[study.text("groups_note")],
            ),
        )  # fmt: skip


def _rows_by_group(
    study: Study, cohort: Cohort, definition: Definition, measure: str, horizon: int
) -> pl.DataFrame:
    """Rows for large municipalities; only the split by size is over all municipalities."""

    def indicators(frame: pl.DataFrame, by: str | None) -> pl.DataFrame:
        return trajectories.indicators(frame, definition, by=by)

    chosen = {"measure": measure, "horizon": horizon}
    within = by_group(cohort.frame, study, indicators, BREAKDOWNS[1:], **chosen)
    by_size = by_group(cohort.national, study, indicators, BREAKDOWNS[:1], **chosen)
    return pl.concat([within.head(1), by_size[1:], within[1:]]).pipe(study.add_published)


def _definitions(study: Study, register: Register, cohort: Cohort) -> None:
    """The same outflow under other definitions: how much the definition alone moves the figure."""
    rows = []
    for definition in _alternatives(study):
        with warnings.catch_warnings():  # what is not observed stands in the table, as n_observed
            warnings.simplefilter("ignore", FollowUpWarning)
            found = trajectories.describe(
                trajectories.exits(register, definition, window=study.config["window"]), register
            ).keep(
                pl.col("size_class").cast(pl.String).is_in(study.config["size_classes"]),
                step="in the municipalities of the study",
            )
            outcome = trajectories.durability(found, register).indicators()
        main = outcome.filter("main", pl.col("measure") != "returned").sort("horizon")
        # the horizon nearest to a year, so that rows can be compared
        row = main.sort((pl.col("horizon") - study.config["horizon_work"]).abs()).head(1)
        rows.append(
            row.with_columns(
                definition=pl.lit(definition.name),
                group=pl.lit(study.shared("definition", definition.name)),
                denominator_words=pl.lit(
                    study.shared("denominator", definition.denominator)
                ),
            )
        )
        study.manifest.definitions[definition.name] = definition.to_dict()
    table = pl.concat(rows)
    low, high = (study.percent(x) for x in (table["estimate"].min(), table["estimate"].max()))
    study.paragraph(study.text("definitions_text"), heading=study.text("definitions_head"))
    study.figure(
        "definitions", figures.bars, table,
        mark="dot", total=table["group"][0], n="n_observed",
        table=table,
        title=study.text("definitions_title", low=low, high=high),
        subtitle=study.text("definitions_subtitle"),
        note=study.footer(n=cohort.frame.height),
        alt=study.text("definitions_alt", n=table.height, low=low, high=high),
    )  # fmt: skip
    study.table(
        "definitions", table.select(
            "group", "measure", "horizon", "denominator_words", "n", "n_observed", "n_yes", "estimate"
        ),
        title=study.text("definitions_table"),
    )  # fmt: skip


def _alternatives(study: Study) -> list[Definition]:
    """The named definitions, and the study's own with one choice changed at a time."""
    own = trajectories.recipe(study.config["definition"])
    changed = [
        own.replace(name="iwi_2008_all", denominator="all_exits"),
        own.replace(name="iwi_2008_uninterrupted", measure="uninterrupted"),
        own.replace(name="iwi_2008_regular", work_kinds=("regular",)),
        own.replace(name="iwi_2008_12_hours", min_hours=12.0),
    ]
    return [*(trajectories.recipe(name) for name in study.config["alternatives"]), *changed]


def _destinations(study: Study, register: Register, cohort: Cohort) -> None:
    horizon = study.config["inflow_horizon"]
    inflow = trajectories.inflow(
        register, cohort.outcomes.definition, window=study.config["inflow_window"]
    )
    curves = survival.cumulative_incidence(inflow.frame, time="time", event="destination")
    tidy = curves.tidy().filter(pl.col("time") <= horizon)
    work = curves.at(horizon).filter(pl.col("cause") == "work")["estimate"][0]
    text = {"months": horizon, "pct": study.percent(work)}
    study.paragraph("", heading=study.text("destination_head"))
    study.figure(
        "destinations", figures.cumulative_incidence, tidy,
        horizon=horizon, rest=study.label("destination.still_on_benefit"),
        table=tidy,
        title=study.text("destination_title", **text),
        subtitle=study.text("destination_subtitle"),
        note=study.footer(n=inflow.frame.height, extra=[study.label("note.at_risk")]),
        alt=study.text("destination_alt", **text),
    )  # fmt: skip


def _flows(study: Study, register: Register, cohort: Cohort) -> None:
    months = trajectories.flows(
        register, cohort.outcomes.definition, window=study.config["flows_window"]
    )
    study.paragraph("", heading=study.text("flows_head"))
    for name, columns in (("flows", ["inflow", "outflow"]), ("stock", ["stock"])):
        study.figure(
            name, figures.flows, months,
            columns=columns, smooth=12 if name == "flows" else None,
            table=months,
            title=study.text(f"{name}_title"),
            subtitle=study.text(f"{name}_subtitle"),
            note=study.footer(n=months["inflow"].sum()),
            alt=study.text(f"{name}_alt"),
        )  # fmt: skip
