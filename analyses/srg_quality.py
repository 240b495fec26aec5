"""Quality of the SRG deliveries, and whether the re-integration position may be published.

Population: all municipalities, every half-year delivered. Definitions: `srg_quality.toml`.
Estimators: shares of municipalities, coverage of the caseload, R-indicator; escalation by dates.
Published counterparts: letters to Parliament 28719 no. 64 and 72, response to the SRG survey 2025.
Config and words: `srg_quality.toml`. One page a municipality: `_municipality_pages.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from analyses import _municipality_pages as pages
from analyses import _srg_figures as drawn
from analyses._srg_evidence import Evidence, Intake, gather, read_intake
from analyses._srg_words import facts, period_in_words, period_name
from analyses._study import Study, read_toml
from toolkit import reporting
from toolkit.provenance import hash_file
from toolkit.registers import quality
from toolkit.reporting import document

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from toolkit.registers import Register
    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language

#: Folder with a page for each municipality.
PAGES = {"nl": "gemeenten", "en": "municipalities"}
_OPEN = ("due", "reminded", "reported", "addressed", "suspended")


def main(
    register: Register,
    out: Path,
    *,
    language: Language = "nl",
    on: date | None = None,
    intake: Intake | None = None,
    chapter_number: int = 5,
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
        drawn.coverage, drawn.heat, drawn.completeness, drawn.worst, drawn.rules,
        _escalation, _pages,
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
    if last["caseload"]:
        curve = quality.coverage(evidence.last)
        many = min(known["coverage"]["n"], curve.height)
        words = study.text("published_largest", n=study.count(many), period=period)
        add("coverage", words, curve["estimate"][many - 1], last["caseload"], "ours_caseload")
    words = study.text("published_delivered", period=period)
    add("delivered", words, last["n_delivered"] / last["n"], last["n"], "ours_municipalities")
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
    study.paragraph(
        study.text("how_text", **(plain | shares), on=day), heading=study.text("how_head")
    )
    if evidence.merged:
        study.note(study.text("merged_note"))
    if evidence.without_caseload:
        study.note(study.text("idle_note", k=study.count(evidence.without_caseload)))
    unknown = evidence.table.filter(pl.col("delivered") & pl.col("received").is_null()).height
    if unknown:
        study.note(study.text("unknown_note", k=study.count(unknown)))


def _verdict(study: Study, evidence: Evidence) -> None:
    study.paragraph(study.text("verdict_text"), heading=study.text("verdict_head"))
    words = {True: "publish_yes", False: "publish_no", None: "publish_not_asked"}
    rows = []
    for row in evidence.verdict.iter_rows(named=True):
        short = [study.text(f"short_{name}") for name in (row["reasons"] or "").split(",") if name]
        rows.append(
            {
                "period": period_name(row), "n": row["n"],
                "delivered_share": row["n_delivered"] / row["n"],
                "on_time_share": row["n_on_time"] / row["n"],
                "usable_municipalities": None if row["publish"] is None else row["n_usable"],
                "usable_share": row["usable_share"], "coverage": row["coverage"],
                "r_indicator": row["r_indicator"], "publish": study.text(words[row["publish"]]),
                "short": ", ".join(short),
            }
        )  # fmt: skip
    floats = dict.fromkeys(("usable_share", "coverage", "r_indicator"), pl.Float64)
    study.table(
        "verdict",
        pl.DataFrame(rows, schema_overrides=floats | {"usable_municipalities": pl.Int64}),
        title=study.text("verdict_table"),
        formats={
            "delivered_share": "percent", "on_time_share": "percent", "usable_share": "percent",
            "coverage": "percent", "r_indicator": "number2",
        },
        note=study.text("verdict_note"),
    )  # fmt: skip
    reporting.save_table(evidence.verdict, study.out / "tables", "verdict_all")


def _escalation(study: Study, evidence: Evidence) -> None:
    plain = evidence.protocol.to_dict()
    with reporting.style(study.language):
        plain["suspend_from"] = reporting.format_date(evidence.protocol.suspend_from)
        day = reporting.format_date(evidence.on)
    study.paragraph(
        study.text("escalation_text", on=day, **plain), heading=study.text("escalation_head")
    )
    standing = evidence.standing.with_columns(step=pl.col("step").cast(pl.String))
    steps = [step for step in quality.STEPS if step in standing["step"].to_list()]
    named = {step: study.text(f"step_{step}") for step in quality.STEPS}
    counts = [
        {"period": period_name({"period_start": start, "period_end": end})}
        | {step: part.filter(pl.col("step") == step).height for step in steps}
        for (start, end), part in standing.sort("period_start").group_by(
            "period_start", "period_end", maintain_order=True
        )
    ]
    study.table("escalation", pl.DataFrame(counts), title=study.text("escalation_counts"))
    waiting = standing.filter(pl.col("step").is_in(_OPEN)).sort("period_start", "municipality")
    if waiting.is_empty():
        study.paragraph(study.text("escalation_none", on=day))
        return
    periods = pl.Series("period", [period_name(row) for row in waiting.iter_rows(named=True)])
    lines = waiting.with_columns(periods).select(
        "name", "municipality", "period",
        pl.col("step", "next_step").cast(pl.String).replace(named),
        "since", "days_over", "next_on",
    )  # fmt: skip
    reporting.save_table(lines, study.out / "tables", "escalation_all")
    each = _furthest(waiting).with_columns(pl.col("step").replace(named))
    shown = min(study.config["listed"], each.height)
    study.table(
        "escalation_list", each.head(shown), title=study.text("escalation_list"),
        note=study.text("escalation_more", shown=study.count(shown), n=study.count(each.height)),
    )  # fmt: skip


def _furthest(waiting: pl.DataFrame) -> pl.DataFrame:
    """Return one row a municipality: open deliveries, furthest step, since when, days overdue."""
    step = pl.col("step").cast(pl.Enum(quality.STEPS))
    furthest = step == step.max()
    return (
        waiting.group_by("municipality", "name")
        .agg(
            open=pl.len().cast(pl.Int64),
            step=step.max(),
            since=pl.col("since").filter(furthest).min(),
            days_over=pl.col("days_over").max(),
            caseload=pl.col("caseload").last(),
        )
        .sort("step", "open", "caseload", "municipality",
              descending=[True, True, True, False], nulls_last=True)
        .select("name", "open", pl.col("step").cast(pl.String), "since", "days_over")
    )  # fmt: skip


def _pages(study: Study, evidence: Evidence) -> None:
    folder = PAGES[study.language]
    written = pages.write(evidence, study.out / folder, study.language, source=study.source)
    study.paragraph(
        study.text("pages_text", n=study.count(len(written)), folder=f"{folder}/"),
        heading=study.text("pages_head"),
    )
