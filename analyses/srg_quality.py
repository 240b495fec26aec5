"""Quality of the SRG deliveries, and whether the re-integration position may be published.

Population: all municipalities, every half-year delivered. Definitions: `srg_quality.toml`.
Estimators: shares of municipalities, coverage of the caseload, R-indicator; escalation by dates.
Published counterparts: letters to Parliament 28719 no. 64 and 72.
Config and words: `srg_quality.toml`. One page a municipality: `_municipality_pages.py`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses import _municipality_pages as pages
from analyses import _srg_faults as faults
from analyses import _srg_figures as drawn
from analyses._srg_escalation import escalation
from analyses._srg_evidence import Evidence, Intake, gather, read_intake
from analyses._srg_words import facts, period_in_words, period_name
from analyses._study import Study
from analyses._wording import read_toml
from toolkit import reporting
from toolkit.provenance import hash_file
from toolkit.registers import quality
from toolkit.reporting import document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from toolkit.registers import Register
    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language

#: Folder with a page for each municipality.
PAGES = {"nl": "gemeenten", "en": "municipalities"}


def main(
    register: Register,
    out: Path,
    *,
    language: Language = "nl",
    on: date | None = None,
    intake: Intake | None = None,
    chapter_number: int = 6,
    progress: Callable[..., Any] | None = None,
) -> Chapter:
    """Run the study on a register made from raw deliveries and write its chapter to `out`.

    Parameters
    ----------
    register : Register
        With `intake/` beside its tables.
    out : Path
        Folder for the chapter; the pages go to `gemeenten/` in it.
    language : {"nl", "en"}
        Of words and numbers.
    on : date, optional
        Judge the deliveries as they stood on that day; without it when the last had come in.
    intake : Intake, optional
        The counts of the intake, where they are not read from beside the register.
    chapter_number : int
        What its figures and tables are numbered by.
    progress : callable, optional
        A progress bar.
    """
    words = read_toml("srg_quality")["text"].get(language, {})
    heads = {f"column_{step}": words.get(f"step_{step}", step) for step in quality.STEPS}
    study = Study("srg_quality", out, language, words=heads, chapter_number=chapter_number)
    evidence = gather(register, intake or read_intake(register), study.config, on)
    _record(study, register, evidence)
    steps = [
        _published, _how, drawn.trend, _verdict, drawn.representativity, drawn.sizes,
        drawn.coverage, drawn.heat, drawn.completeness, faults.worst, faults.rules,
        escalation, _pages,
    ]  # fmt: skip
    study.run(steps, evidence, progress=progress)
    return study.finish(title=study.text("title"), lead=_lead(study, evidence))


def _record(study: Study, register: Register, evidence: Evidence) -> None:
    """Put settings, inputs and counts in the manifest."""
    name = str(register.meta.get("source", ""))
    study.source = study.shared("source", name) or study.shared("source", "unknown")
    study.manifest.definitions |= {
        "standards": evidence.standards.to_dict(),
        "thresholds": evidence.thresholds.to_dict(),
        "protocol": evidence.protocol.to_dict(),
    }
    study.manifest.parameters |= {"language": study.language, "on": evidence.on.isoformat()}
    first, last = evidence.table["period_start"].min(), evidence.table["period_end"].max()
    if isinstance(first, date) and isinstance(last, date):
        study.watch(register, first, last, tables=("programmes", "positions"))
    study.manifest.count("SRG files", evidence.files.height)
    study.manifest.count("municipalities and periods", evidence.table.height)
    study.manifest.count("left out: no caseload, no delivery", evidence.without_caseload)
    if register.path is not None:
        index = register.path / "register.json"
        study.manifest.inputs[index.name] = hash_file(index)


def _lead(study: Study, evidence: Evidence) -> str:
    last = evidence.judged
    if last["publish"] is None:
        verdict = study.text("lead_not_asked")
    else:
        verdict = study.text(
            "lead_yes" if last["publish"] else "lead_no",
            facts=facts(study, evidence, only_short=not last["publish"]),
        )
    return study.text(
        "lead", period=period_in_words(study, last), delivered=study.count(last["n_delivered"]),
        n=study.count(last["n"]), delivered_pct=study.percent(last["n_delivered"] / last["n"]),
        on_time=study.count(last["n_on_time"]), verdict=verdict,
    )  # fmt: skip


def _published(study: Study, evidence: Evidence) -> None:
    """Put what the letters say beside the same from these deliveries."""
    last = evidence.judged
    known = {row["measure"]: row for row in study.published}
    rows = []

    def add(measure: str, words: str, ours: float | None, n: int, denominator: str) -> None:
        row = known[measure]
        rows.append(
            document.KeyFigure(
                words, ours=ours, n=n, denominator=study.text(denominator),
                published=row.get("value"), source=row["source"],
                published_denominator=row[f"denominator_{study.language}"],
            )
        )  # fmt: skip

    then = evidence.verdict.filter(pl.col("period_start") == known["on_time"]["period"])
    for row in then.iter_rows(named=True):
        words = study.text("published_on_time", period=period_in_words(study, row))
        add("on_time", words, row["n_on_time"] / row["n"], row["n"], "ours_municipalities")
    period = period_in_words(study, last)
    if last["coverage"] is not None:
        words = study.text("published_coverage", n=study.count(last["n_usable"]), period=period)
        add("coverage", words, last["coverage"], last["caseload"], "ours_caseload")
    if not rows:
        return
    study.paragraph(study.text("published_text"), heading=study.text("published_head"))
    study.blocks.append(document.KeyFigures(tuple(rows), study.text("published_title")))
    table = [
        {"indicator": row.label, "estimate": row.ours, "n": row.n, "published": row.published,
         "source": row.source}
        for row in rows
    ]  # fmt: skip
    reporting.save_table(
        pl.DataFrame(table, schema_overrides={"estimate": pl.Float64, "published": pl.Float64}),
        study.out / "tables", "published",
    )  # fmt: skip


def _how(study: Study, evidence: Evidence) -> None:
    plain = evidence.standards.to_dict()
    shares = {
        name: study.percent(plain[name])
        for name in ("most_rejected", "least_of_previous", "least_usable")
    }
    with reporting.style(study.language):
        day = reporting.format_date(evidence.on)
        due = reporting.format_date(evidence.last["due"][0])
    study.paragraph(
        study.text("how_text", **(plain | shares), on=day), heading=study.text("how_head")
    )
    if evidence.on <= evidence.last["due"][0]:
        study.note(study.text("running_note", due=due))
    if evidence.merged:
        study.note(study.text("merged_note"))
    if evidence.without_caseload:
        study.note(study.text("idle_note", k=study.count(evidence.without_caseload)))
    unknown = evidence.table.filter(pl.col("delivered") & pl.col("received").is_null()).height
    if unknown:
        study.note(study.text("unknown_note", k=study.count(unknown)))


def _verdict(study: Study, evidence: Evidence) -> None:
    reporting.save_table(evidence.verdict, study.out / "tables", "verdict_all")
    reporting.save_table(
        evidence.table.drop("layout"), study.out / "tables", "deliveries_by_municipality"
    )
    study.paragraph(study.text("verdict_text"), heading=study.text("verdict_head"))
    asked = evidence.verdict.filter(pl.col("publish").is_not_null())
    if asked.is_empty():
        study.paragraph(study.text("lead_not_asked"))
        return
    rows = []
    for row in asked.iter_rows(named=True):
        short = [study.text(f"short_{name}") for name in row["reasons"].split(",") if name]
        rows.append(
            {
                "period": period_name(row),
                "publish": study.label("word.yes" if row["publish"] else "word.no"),
                "usable_share": row["usable_share"], "coverage": row["coverage"],
                "r_indicator": row["r_indicator"], "interval": _interval(study, row),
                "short": ", ".join(short),
            }
        )  # fmt: skip
    least = evidence.thresholds
    with reporting.style(study.language):
        r = reporting.format_number(least.r_indicator, 2)
    study.table(
        "verdict",
        pl.DataFrame(
            rows,
            schema_overrides=dict.fromkeys(
                ("usable_share", "coverage", "r_indicator"), pl.Float64
            ),
        ),
        title=study.text("verdict_table"),
        formats={"usable_share": "percent1", "coverage": "percent1", "r_indicator": "number2"},
        note=study.text(
            "verdict_note", usable=study.percent(least.usable),
            coverage=study.percent(least.coverage), r=r,
        ),
    )  # fmt: skip


def _interval(study: Study, row: Mapping[str, Any]) -> str:
    """Return the interval of R in words; nothing where there is none."""
    if row["r_low"] is None:
        return ""
    with reporting.style(study.language):
        low, high = (reporting.format_number(row[name], 2) for name in ("r_low", "r_high"))
    return study.text("interval", low=low, high=high)


def _pages(study: Study, evidence: Evidence) -> None:
    folder = PAGES[study.language]
    written = pages.write(evidence, study.out / folder, study.language, source=study.source)
    study.paragraph(
        study.text("pages_text", n=study.count(len(written)), folder=f"{folder}/"),
        heading=study.text("pages_head"),
    )
