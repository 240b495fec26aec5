"""Repeat unemployment, after CBS, *Meerdere keren zonder werk* (2009).

Population: all exits from WWB, WW and as nug, January 2004 to June 2006, all municipalities.
Definition: `cbs_2009`; return is a new spell in any of the three. Estimators: Aalen–Johansen by
scheme, shares at 6, 12 and 24 months, persons by number of exits (the revolving door).
Published counterpart: 12% within six months (Kamerstuk 28719, no. 64).
Config and words: `repeat_unemployment.toml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._groups import Cohort, add_groups, by_group
from analyses._study import Study
from toolkit import survival, trajectories
from toolkit.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from toolkit.registers import Register
    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language

BREAKDOWNS = ("by_scheme", "by_duration", "by_sex", "by_age", "by_origin")


def main(
    register: Register,
    out: Path,
    *,
    language: Language = "nl",
    progress: Callable[..., Any] | None = None,
) -> Chapter:
    """Run the study on a register and write its chapter to `out`."""
    study = Study("repeat_unemployment", out, language, chapter_number=2)
    cohort = _cohort(register, study)
    steps = [_published, _selection, _curves, _horizons, _groups, _revolving_door]
    study.run(steps, register, cohort, progress=progress)
    shares = {
        row["horizon"]: study.percent(row["estimate"])
        for row in cohort.outcomes.indicators().iter_rows(named=True)
        if row["measure"] == "returned"
    }
    return study.finish(
        title=study.text("title"),
        lead=study.text("lead", six=shares[6], twelve=shares[12], twentyfour=shares[24]),
    )


def _cohort(register: Register, study: Study) -> Cohort:
    config = study.config
    definition = trajectories.recipe(config["definition"])
    exits = trajectories.describe(
        trajectories.exits(register, definition, window=config["window"]), register
    )
    outcomes = trajectories.durability(exits, register)
    study.record(outcomes, register)
    return Cohort(outcomes=outcomes, frame=add_groups(outcomes.frame, study, BREAKDOWNS))


def _published(study: Study, _: Register, cohort: Cohort) -> None:
    study.compare_published(cohort.outcomes.indicators())


def _selection(study: Study, _: Register, cohort: Cohort) -> None:
    study.selection(cohort.outcomes, cohort.frame["by_scheme"])


def _curves(study: Study, _: Register, cohort: Cohort) -> None:
    last = study.config["follow_up"]
    curves = survival.cumulative_incidence(
        cohort.frame, time="return_time", event="return_event", by="by_scheme"
    )
    returned = curves.tidy().filter(pl.col("cause") == trajectories.HAPPENED)
    at_six = curves.at(6).filter(pl.col("cause") == trajectories.HAPPENED)["estimate"]
    study.paragraph(
        study.text("curve_text", gap=cohort.definition.max_gap_days),
        heading=study.text("curve_head"),
    )
    study.figure(
        "return", figures.survival, returned,
        kind="incidence", group="by_scheme", mark=6, horizon=last,
        table=returned.filter(pl.col("time") <= last),
        title=study.text(
            "curve_title", low=study.percent(at_six.min()), high=study.percent(at_six.max())
        ),
        subtitle=study.text("curve_subtitle"),
        note=study.footer(
            n=cohort.frame.height, definition=cohort.definition.name,
        ),
        alt=study.text("curve_alt"),
    )  # fmt: skip


def _horizons(study: Study, _: Register, cohort: Cohort) -> None:
    """Return within each horizon by scheme, the published figure beside that over all."""
    parts = []
    for horizon in study.config["horizons"]:
        rows = by_group(
            cohort.frame, study, cohort.outcomes.definition, ("by_scheme",),
            measure="returned", horizon=horizon,
        )  # fmt: skip
        parts.append(rows.with_columns(heading=pl.lit(study.text("months", h=horizon))))
    rows = study.add_published(pl.concat(parts))
    study.figure(
        "return_by_horizon", figures.bars, rows,
        heading="heading", published="published", n="n_observed",
        table=rows,
        title=study.text("bars_title"), subtitle=study.text("bars_subtitle"),
        note=study.footer(n=cohort.frame.height, definition=cohort.definition.name),
        alt=study.text("bars_alt"),
    )  # fmt: skip


def _groups(study: Study, _: Register, cohort: Cohort) -> None:
    rows = by_group(
        cohort.frame, study, cohort.definition, BREAKDOWNS, measure="returned", horizon=6
    )
    study.paragraph(heading=study.text("groups_head"))
    study.bars(
        "return_by_group", study.add_published(rows), words="groups",
        note=study.footer(n=cohort.frame.height, definition=cohort.definition.name),
    )  # fmt: skip


def _revolving_door(study: Study, register: Register, cohort: Cohort) -> None:
    """Persons by number of exits in the window: how many go in and out again and again."""
    found = trajectories.exits(
        register, cohort.definition, window=study.config["repeat_window"]
    ).frame
    times = found.group_by("person").len("times").select(pl.col("times").clip(upper_bound=4))
    counts = (
        times.group_by("times").len("n").sort("times")
        .with_columns(
            estimate=pl.col("n") / pl.col("n").sum(),
            group=pl.col("times").replace_strict(
                {k: study.text(f"times_{k}") for k in range(1, 5)}, return_dtype=pl.String
            ),
        )
    )  # fmt: skip
    twice = counts.filter(pl.col("times") >= 2)["estimate"].sum()
    pct = study.percent(twice)
    study.paragraph(study.text("repeat_text"), heading=study.text("repeat_head"))
    study.figure(
        "revolving_door", figures.bars, counts,
        table=counts,
        title=study.text("repeat_title", pct=pct), subtitle=study.text("repeat_subtitle"),
        note=study.footer(n=int(counts["n"].sum()), definition=cohort.definition.name),
        alt=study.text("repeat_alt", pct=pct),
    )  # fmt: skip
