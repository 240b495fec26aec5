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

from analyses._groups import Cohort, add_groups, by_group
from analyses._outflow_models import add_models
from analyses._study import Study
from toolkit import survival, trajectories
from toolkit.errors import FollowUpWarning
from toolkit.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from toolkit.registers import Register
    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language
    from toolkit.trajectories import Definition, Durability, Exits

BREAKDOWNS = (
    "by_programme",
    "by_duration",
    "by_sex",
    "by_age",
    "by_household",
    "by_education",
    "by_origin",
)
IN_WORK = ("work", "work_and_benefit", "subsidised_work")
#: States that are drawn as one, under the words of the study.
JOINED = {
    "ww": "other_benefit", "disability": "other_benefit",
    "nug": "elsewhere", "student": "elsewhere", "other": "elsewhere",
    "emigrated": "gone", "dead": "gone", "pension": "gone",
}  # fmt: skip


@dataclass(frozen=True)
class StudyCohort(Cohort):
    """The exits in the municipalities of the study, and those of all municipalities."""

    national: pl.DataFrame


def main(
    register: Register,
    out: Path,
    *,
    language: Language = "nl",
    progress: Callable[..., Any] | None = None,
) -> Chapter:
    """Run the study on a register and write its chapter to `out`."""
    study = Study("durable_outflow", out, language, chapter_number=1)
    cohort = _cohort(register, study)
    steps = [
        _published, _selection, _return, _states, _stay, _groups, _models, _definitions,
        _destinations, _flows,
    ]  # fmt: skip
    study.run(steps, register, cohort, progress=progress)
    work = _share(cohort.outcomes, "in_work", study.config["horizon_work"])
    back = _share(cohort.outcomes, "returned", study.config["horizon_return"])
    return study.finish(
        title=study.text("title"),
        lead=study.text("lead", work=study.percent(work), back=study.percent(back)),
    )


def _cohort(register: Register, study: Study) -> StudyCohort:
    config = study.config
    definition = trajectories.recipe(config["definition"]).replace(
        horizons=(config["horizon_work"], config["follow_up"]),
        return_horizons=(config["horizon_return"], config["follow_up"]),
    )
    everywhere, large = _exits(register, study, definition)
    outcomes = trajectories.durability(large, register)
    study.record(outcomes, register)
    return StudyCohort(
        outcomes=outcomes,
        frame=add_groups(outcomes.frame, study, BREAKDOWNS),
        national=add_groups(
            trajectories.durability(everywhere, register).frame, study, ("by_size",)
        ),
    )


def _exits(register: Register, study: Study, definition: Definition) -> tuple[Exits, Exits]:
    """Find the exits of the study's window: everywhere, and in its municipalities."""
    everywhere = trajectories.describe(
        trajectories.exits(register, definition, window=study.config["window"]), register
    )
    # Also under a definition with more schemes this chapter is about who leaves WWB.
    inside = pl.col("size_class").cast(pl.String).is_in(study.config["size_classes"]) & (
        pl.col("scheme") == "wwb"
    )
    return everywhere, everywhere.keep(inside, step="in the municipalities of the study")


def _share(outcomes: Durability, measure: str, horizon: int) -> float | None:
    chosen = (pl.col("measure") == measure) & (pl.col("horizon") == horizon)
    share: float | None = outcomes.indicators().filter(chosen)["estimate"].item()
    return share


def _published(study: Study, _: Register, cohort: StudyCohort) -> None:
    study.compare_published(cohort.outcomes.indicators())


def _selection(study: Study, _: Register, cohort: StudyCohort) -> None:
    study.selection(cohort.outcomes, cohort.frame["by_programme"])


def _return(study: Study, _: Register, cohort: StudyCohort) -> None:
    """Who is back, with and without a programme; death and emigration compete."""
    horizon, last = study.config["horizon_return"], study.config["follow_up"]
    curves = survival.cumulative_incidence(
        cohort.frame, time="return_time", event="return_event", by="by_programme"
    )
    back = pl.col("cause") == trajectories.HAPPENED
    returned = curves.tidy().filter(back)
    at_end = dict(
        curves.at(last).filter(back)
        .select(pl.col("by_programme").cast(pl.String), "estimate").iter_rows()
    )  # fmt: skip
    share = _share(cohort.outcomes, "returned", horizon)
    study.paragraph(
        study.text("return_text", gap=cohort.definition.max_gap_days),
        heading=study.text("return_head"),
    )
    study.figure(
        "return", figures.survival, returned,
        kind="incidence", group="by_programme", mark=horizon, horizon=last,
        table=returned.filter(pl.col("time") <= last),
        title=study.text("return_title", pct=study.percent(share)),
        subtitle=study.text("return_subtitle"),
        note=study.footer(
            n=cohort.frame.height, definition=cohort.definition.name,
        ),
        alt=study.text(
            "return_alt",
            with_=study.percent(at_end.get(study.text("with_programme"))),
            without=study.percent(at_end.get(study.text("without_programme"))),
        ),
    )  # fmt: skip


def _states(study: Study, register: Register, cohort: StudyCohort) -> None:
    last = study.config["follow_up"]
    shares = trajectories.states_since(
        register, cohort.frame.select("person", month="exit_month"), months=range(last + 1)
    )
    shares = _few_states(study, shares)
    at_end = shares.filter(pl.col("month") == last)
    work = study.percent(at_end.filter(pl.col("in_work"))["share"].sum())
    study.paragraph(heading=study.text("states_head"))
    study.figure(
        "states", figures.state_distribution, shares,
        table=shares,
        title=study.text("states_title", pct=work),
        subtitle=study.text("states_subtitle"),
        note=study.footer(
            n=cohort.frame.height, definition=cohort.definition.name,
            extra=[study.label("note.not_observed")],
        ),
        alt=study.text("states_alt", pct=work),
    )  # fmt: skip


def _few_states(study: Study, shares: pl.DataFrame) -> pl.DataFrame:
    """Join states too thin to tell apart in a figure; those in work stay as they are."""
    order = [*IN_WORK, "wwb", *dict.fromkeys(JOINED.values())]
    return (
        shares.with_columns(
            state=pl.col("state").cast(pl.String).replace(JOINED),
            in_work=pl.col("state").cast(pl.String).is_in(IN_WORK),
        )
        .group_by("month", "state", "in_work", "n_observed")
        .agg(pl.col("n", "share").sum())
        .sort("month", pl.col("state").cast(pl.Enum(order)))
        .with_columns(pl.col("state").replace({key: study.word(key, key) for key in order[-2:]}))
    )


def _stay(study: Study, _: Register, cohort: StudyCohort) -> None:
    """Time to the first month without work, by size of municipality (all municipalities)."""
    horizon, last = study.config["horizon_work"], study.config["follow_up"]
    data = cohort.national.with_columns(out=pl.col("work_event") == trajectories.HAPPENED)
    by_size = survival.kaplan_meier(data, time="work_time", event="out", by="by_size").tidy()
    overall = survival.kaplan_meier(data, time="work_time", event="out").at(horizon)
    pct = study.percent(overall["estimate"].item())
    study.paragraph(study.text("stay_text"), heading=study.text("stay_head"))
    study.figure(
        "uninterrupted", figures.survival, by_size,
        kind="survival", group="by_size", mark=horizon, horizon=last,
        table=by_size.filter(pl.col("time") <= last),
        title=study.text("stay_title", pct=pct),
        subtitle=study.text("stay_subtitle"),
        note=study.footer(
            n=data.height, definition=cohort.definition.name,
        ),
        alt=study.text("stay_alt", pct=pct),
    )  # fmt: skip


def _groups(study: Study, _: Register, cohort: StudyCohort) -> None:
    """Both headline figures by group; only the split by size is over all municipalities."""
    study.paragraph(study.text("groups_text"), heading=study.text("groups_head"))
    for words, measure, horizon in (
        ("work_groups", "in_work", study.config["horizon_work"]),
        ("back_groups", "returned", study.config["horizon_return"]),
    ):
        chosen: dict[str, Any] = {"measure": measure, "horizon": horizon}
        rows = by_group(cohort.frame, study, cohort.definition, BREAKDOWNS, **chosen)
        by_size = by_group(cohort.national, study, cohort.definition, ("by_size",), **chosen)
        study.bars(
            words, study.add_published(pl.concat([rows[:1], by_size[1:], rows[1:]])),
            words=words,
            note=study.footer(
                n=cohort.frame.height, definition=cohort.definition.name,
                extra=[study.text("size_note", n=study.count(cohort.national.height))],
            ),
        )  # fmt: skip


def _models(study: Study, register: Register, cohort: StudyCohort) -> None:
    add_models(study, register, cohort.definition)


def _definitions(study: Study, register: Register, cohort: StudyCohort) -> None:
    """The same outflow under other definitions: how much the definition alone moves the figure."""
    rows = []
    for definition in _alternatives(study, cohort.definition):
        with warnings.catch_warnings():  # what is not observed stands in the table, as n_observed
            warnings.simplefilter("ignore", FollowUpWarning)
            _, large = _exits(register, study, definition)
            outcome = trajectories.durability(large, register).indicators()
        main = outcome.filter("main", pl.col("measure") != "returned")
        # the horizon nearest to a year, so that rows can be compared
        distance = (pl.col("horizon") - study.config["horizon_work"]).abs()
        rows.append(
            main.sort(distance).head(1).with_columns(
                group=pl.lit(
                    study.word(
                        f"definition_{definition.name}",
                        study.shared("definition", definition.name),
                    )
                ),
                of=pl.lit(study.shared("denominator", definition.denominator)),
            )
        )  # fmt: skip
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
        note=study.footer(n=max(table["n"].to_list()), extra=[study.text("definitions_note")]),
        alt=study.text("definitions_alt", n=table.height, low=low, high=high),
    )  # fmt: skip
    study.table(
        "definitions",
        table.select("group", "of", "horizon", "n", "n_observed", "n_yes", "estimate"),
        title=study.text("definitions_table"),
        formats={"estimate": "percent1"},
    )


def _alternatives(study: Study, own: Definition) -> list[Definition]:
    """Return the named definitions, and the study's own with one choice changed at a time."""
    return [
        own,
        *(trajectories.recipe(name) for name in study.config["alternatives"]),
        own.replace(name="iwi_2008_all", denominator="all_exits"),
        own.replace(name="iwi_2008_uninterrupted", measure="uninterrupted"),
        own.replace(name="iwi_2008_regular", work_kinds=("regular",)),
        own.replace(name="iwi_2008_12_hours", min_hours=12.0),
    ]


def _destinations(study: Study, register: Register, cohort: StudyCohort) -> None:
    """How WWB spells end: cumulative incidence by destination since inflow."""
    horizon = study.config["inflow_horizon"]
    inflow = trajectories.inflow(register, cohort.definition, window=study.config["inflow_window"])
    curves = survival.cumulative_incidence(inflow.frame, time="time", event="cause")
    tidy = curves.tidy().filter(pl.col("time") <= horizon)
    work = curves.at(horizon).filter(pl.col("cause") == "work")["estimate"].item()
    text = {"months": horizon, "pct": study.percent(work)}
    study.paragraph(heading=study.text("destination_head"))
    study.figure(
        "destinations", figures.cumulative_incidence, tidy,
        horizon=horizon, rest=study.label("destination.still_on_benefit"),
        table=tidy,
        title=study.text("destination_title", **text),
        subtitle=study.text("destination_subtitle"),
        note=study.footer(n=inflow.frame.height, window=_days(study, "inflow_window")),
        alt=study.text("destination_alt", **text),
    )  # fmt: skip


def _flows(study: Study, register: Register, cohort: StudyCohort) -> None:
    """In- and outflow by month, and the stock they leave."""
    months = trajectories.flows(register, cohort.definition, window=study.config["flows_window"])
    study.paragraph(heading=study.text("flows_head"))
    counted = {
        "flows": months.select(pl.col("inflow").sum()).item(),
        "stock": months.select(pl.col("stock").drop_nulls().tail(1).sum()).item(),
    }
    options: dict[str, dict[str, Any]] = {
        "flows": {"columns": ["inflow", "outflow"]},
        "stock": {
            "columns": ["stock"],
            "smooth": None,
            "y_label": study.label("axis.persons"),
        },
    }
    for name, option in options.items():
        study.figure(
            name, figures.flows, months, **option,
            table=months,
            title=study.text(f"{name}_title"),
            subtitle=study.text(f"{name}_subtitle"),
            note=study.footer(
                n=counted[name], extra=[study.text(f"{name}_note")],
                window=_days(study, "flows_window"),
            ),
            alt=study.text(f"{name}_alt"),
        )  # fmt: skip


def _days(study: Study, name: str) -> tuple[date, date]:
    """Return the days of a window of the config."""
    window = trajectories.Window.of(study.config[name])
    return window.start, window.end
