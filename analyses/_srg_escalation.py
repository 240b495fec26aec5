"""Who is addressed: where open deliveries stand, what follows, and a list of municipalities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from analyses._municipality_pages import OPEN
from analyses._srg_words import period_name
from toolkit import reporting
from toolkit.registers import quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyses._srg_evidence import Evidence
    from analyses._study import Study


def escalation(study: Study, evidence: Evidence) -> None:
    """Say by which rules, count the steps by period, and list who is furthest."""
    plain = evidence.protocol.to_dict()
    with reporting.style(study.language):
        for name in ("suspend_from", "report_from"):
            plain[name] = reporting.format_date(getattr(evidence.protocol, name))
        day = reporting.format_date(evidence.on)
    text = study.text("escalation_text", on=day, **plain)
    if evidence.protocol.incomplete:
        text += " " + study.text("escalation_incomplete")
    study.paragraph(text, heading=study.text("escalation_head"))
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
    waiting = standing.filter(pl.col("step").is_in(OPEN)).sort("period_start", "municipality")
    if waiting.is_empty():
        study.paragraph(study.text("escalation_none", on=day))
        return
    periods = pl.Series("period", [period_name(row) for row in waiting.iter_rows(named=True)])
    lines = waiting.with_columns(periods).select(
        "name", "municipality", "period",
        pl.when("delivered").then(pl.lit(study.text("state_incomplete")))
        .otherwise(pl.lit(study.text("state_missing"))).alias("state"),
        pl.col("step", "next_step").cast(pl.String).replace(named),
        "since", "days_over", "next_on",
    )  # fmt: skip
    reporting.save_table(lines, study.out / "tables", "escalation_all")
    _following(study, waiting, named)
    each = _furthest(waiting).with_columns(pl.col("step").replace(named))
    shown = min(study.config["listed"], each.height)
    study.table(
        "escalation_list", each.head(shown), title=study.text("escalation_list"),
        note=study.text("escalation_more", shown=study.count(shown), n=study.count(each.height)),
    )  # fmt: skip


def _following(study: Study, waiting: pl.DataFrame, named: Mapping[str, str]) -> None:
    """Say which steps are still ahead: on which day, for how many deliveries."""
    ahead = (
        waiting.filter(pl.col("next_on").is_not_null())
        .group_by("next_on", pl.col("next_step").cast(pl.String))
        .agg(n=pl.len())
        .sort("next_on", "next_step")
    )
    if ahead.is_empty():
        return
    with reporting.style(study.language):
        points = [
            study.text("following", day=reporting.format_date(day), step=named[step],
                       n=study.count(n))
            for day, step, n in ahead.iter_rows()
        ]  # fmt: skip
    study.paragraph("\n".join([study.text("following_head"), "", *(f"- {p}" for p in points)]))


def _furthest(waiting: pl.DataFrame) -> pl.DataFrame:
    """Return one row a municipality: how many are open, and the first in the furthest step."""
    each = waiting.select(
        "municipality", "name", "period_start", "caseload", "since", "days_over",
        pl.col("step").cast(pl.Enum(quality.STEPS)),
    )  # fmt: skip
    counts = each.group_by("municipality").agg(
        open=pl.len().cast(pl.Int64), caseload=pl.col("caseload").last()
    )
    return (
        each.drop("caseload")
        .sort("step", "period_start", descending=[True, False])
        .unique("municipality", keep="first", maintain_order=True)
        .join(counts, on="municipality", how="inner")
        .sort("step", "open", "caseload", "municipality",
              descending=[True, True, True, False], nulls_last=True)
        .select("name", "open", pl.col("step").cast(pl.String), "since", "days_over")
    )  # fmt: skip
