"""The figures of what was wrong: by municipality, and by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._srg_figures import footer, named, terms
from analyses._srg_words import period_in_words
from toolkit import reporting
from toolkit.registers import quality
from toolkit.reporting import figures, palette

if TYPE_CHECKING:
    from analyses._srg_evidence import Evidence
    from analyses._study import Study

_BAD = ("missing", "incomplete", "no_position", "late")
#: Colour and sign of each state of a delivery.
_LOOKS = {
    "missing": (palette.NAVY, "×"), "incomplete": (palette.ORANGE, "–"),
    "no_position": (palette.SAND, "?"), "late": (palette.SKY, "›"), "good": (palette.WASH, ""),
}  # fmt: skip


def worst(study: Study, evidence: Evidence) -> None:
    """Draw what was wrong in each period at the municipalities that fell short most often."""
    state = pl.col("state").cast(pl.String)
    faults = (
        evidence.table.group_by("municipality", "name")
        .agg(k=state.is_in(_BAD).sum(), serious=state.is_in(_BAD[:2]).sum(),
             size=pl.col("caseload").mean(), of=pl.len())
        .filter(pl.col("k") > 0)
        .sort("k", "serious", "size", "municipality", descending=[True, True, True, False],
              nulls_last=True)
    )  # fmt: skip
    if faults.is_empty():
        return
    most = faults.filter(pl.col("k") == faults["k"][0]).height
    faults = faults.head(study.config["worst"])
    rows = named(
        faults.select("municipality", "name", order=pl.int_range(pl.len()))
        .join(evidence.table.select("municipality", "period_start", "period_end", state),
              on="municipality")
        .sort("order", "period_start")
    ).select("municipality", "name", "year", "part", "period", "state")  # fmt: skip
    first, n = faults.row(0, named=True), study.count(faults.height)
    study.paragraph(heading=study.text("worst_head"))
    study.figure(
        "worst", figures.state_map, rows,
        states={name: (study.text(f"state_{name}"), *look) for name, look in _LOOKS.items()},
        row="name", column="part", over="year",
        table=rows,
        title=study.text(
            "worst_title" if most == 1 else "worst_title_several", name=first["name"],
            many=study.count(most), k=study.count(first["k"]), n=study.count(first["of"]),
        ),
        subtitle=study.text("worst_subtitle", n=n),
        note=footer(
            study, evidence.last.height,
            [study.text("worst_note", day=_since(study, evidence)),
             *terms(study, evidence, "on_time", "complete", "usable")],
        ),
        alt=study.text("worst_alt", n=n),
    )  # fmt: skip


def _since(study: Study, evidence: Evidence) -> str:
    """Return since when positions are asked, in words."""
    with reporting.style(study.language):
        return reporting.format_date(evidence.standards.position_from)


def rules(study: Study, evidence: Evidence) -> None:
    """Draw which rules records of the last period break most; the rare ones together."""
    start = evidence.judged["period_start"]
    period = period_in_words(study, evidence.judged)
    counts = quality.errors_by_rule(evidence.rules, evidence.newest, by=("period_start",))
    reporting.save_table(counts, study.out / "tables", "rules")
    reporting.save_table(evidence.mistakes, study.out / "tables", "rules_by_municipality")
    broken = counts.filter(pl.col("period_start") == start)
    study.paragraph(heading=study.text("rules_head"))
    if broken.is_empty():
        study.paragraph(study.text("rules_none"))
        return
    sent = evidence.newest.filter(pl.col("period_start") == start)
    records, rejected = (int(sent[name].sum()) for name in ("rows", "rejected"))
    often = pl.col("n") >= study.config["rules_least"]
    shown = broken.filter(often).head(study.config["rules_shown"])
    rare = broken.join(shown, on=["layout", "rule"], how="anti")
    rows = shown.with_columns(
        group=pl.Series([_rule(study, row) for row in shown.iter_rows(named=True)], dtype=pl.String)
    ).select("group", "rule", "severity", "n", "records", estimate="share")
    if rare.height:
        words, n = study.text("rules_rest", k=study.count(rare.height)), int(rare["n"].sum())
        rest = {"group": words, "n": n, "records": records, "estimate": n / records}
        rows = pl.concat([rows, pl.DataFrame([rest])], how="diagonal_relaxed")
    study.figure(
        "rules", figures.bars, rows.with_columns(pl.col("estimate").clip(0, 1)),
        digits=1, table=rows,
        labels={"estimate": study.label("word.share"), "n": study.text("rules_n")},
        title=study.text(
            "rules_title" if shown.height else "rules_title_rare",
            rejected=study.percent(rejected / records, 1),
            pct=study.percent(rows["estimate"][0], 1),
        ),
        subtitle=study.text("rules_subtitle", period=period),
        note=footer(
            study, evidence.last.height,
            [study.text("rules_note", records=study.count(records))],
        ),
        alt=study.text("rules_alt", rule=rows["group"][0]),
    )  # fmt: skip


def _rule(study: Study, row: dict[str, Any]) -> str:
    """Return a rule in words, with what it leads to and its id."""
    mark = "" if row["severity"] == "error" else f" ({study.text(row['severity'])})"
    return f"{row[study.language].removesuffix('.')}{mark} [{row['rule']}]"
