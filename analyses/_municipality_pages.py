"""One page a municipality: what to mend in its last delivery, with counts only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._srg_words import period_in_words, period_name
from analyses._wording import read_toml
from toolkit import reporting
from toolkit.reporting import Lines, Page, Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analyses._srg_evidence import Evidence
    from toolkit.reporting.language import Language

Row = dict[str, Any]
#: Steps of a delivery that is still to come, or to be completed.
OPEN = ("due", "reminded", "reported", "addressed", "suspended")


class _Words:
    """Words of the pages, then those of the study they share; speaks like a study."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._text = (
            read_toml("srg_quality")["text"][language]
            | read_toml("municipality_pages")["text"][language]
        )

    def text(self, key: str, **values: Any) -> str:
        return str(self._text[key]).format(**values)

    def month(self, day: Any) -> str:
        return reporting.format_month(day)


def write(evidence: Evidence, folder: Path, language: Language, *, source: str) -> list[Path]:
    """Write the page of every municipality of the last period; older pages go."""
    for old in folder.glob("*.html"):
        old.unlink()
    with reporting.style(language):
        return reporting.write_pages(_pages(evidence, _Words(language), source), folder)


def _pages(evidence: Evidence, words: _Words, source: str) -> Iterator[Page]:
    table = evidence.standing.with_columns(pl.col("state", "step", "next_step").cast(pl.String))
    last = table.filter(pl.col("period_start") == pl.col("period_start").max())
    start = last["period_start"][0]
    mistakes = {
        key[0]: part.to_dicts()
        for key, part in evidence.mistakes.filter(pl.col("period_start") == start).group_by(
            "municipality", maintain_order=True
        )
    }
    history = {
        key[0]: part.sort("period_start", descending=True).to_dicts()
        for key, part in table.group_by("municipality", maintain_order=True)
    }
    others = {row["size_class"]: row for row in _together(last.group_by("size_class"))}
    everyone = _together(last.group_by(size_class=pl.lit("all")))[0]
    for row in last.iter_rows(named=True):
        yield _page(
            row, mistakes.get(row["municipality"], []), history[row["municipality"]],
            (others[row["size_class"]], everyone), evidence, words, source,
        )  # fmt: skip


def _together(groups: Any) -> list[Row]:
    """Return shares over groups of municipalities."""
    counts = groups.agg(
        pl.col("rows", "rejected", "position_required", "position_usable").sum(),
        n=pl.len(), complete=pl.col("complete").sum(), asked=pl.col("usable").is_not_null().any(),
    )  # fmt: skip
    return list(counts.to_dicts())


def _page(
    row: Row, mistakes: list[Row], history: list[Row], others: tuple[Row, Row],
    evidence: Evidence, words: _Words, source: str,
) -> Page:  # fmt: skip
    period = period_in_words(words, row)  # type: ignore[arg-type]
    day = reporting.format_date
    serious, remarks = _points(row, evidence, words, period)
    earlier = _earlier(history, words)
    if not row["delivered"]:
        key = "lead_missing" if row["due"] < evidence.on else "lead_due"
        lead = words.text(key, period=period, due=day(row["due"]))
    elif serious:
        key = "lead_mend_one" if len(serious) == 1 else "lead_mend"
        lead = words.text(key, period=period, k=len(serious))
    else:
        lead = words.text("lead_earlier" if earlier else "lead_good", period=period)
    blocks: list[Any] = []
    for head, points in (("mend_head", serious + earlier), ("know_head", remarks)):
        if points:
            items = "\n".join(f"- {point}" for point in points)
            blocks.append(Text(f"## {words.text(head)}\n\n{items}"))
    if mistakes:
        blocks.append(_rules(mistakes, words, period))
    blocks.append(_history(history, words))
    if row["delivered"]:
        blocks.append(_comparison(row, others, words, period))
    return Page(
        name=row["municipality"], title=row["name"],
        subtitle=words.text("subtitle", period=period), lead=lead, blocks=tuple(blocks),
        foot=words.text(
            "foot", source=source, on=day(evidence.on), due_days=evidence.standards.due_days
        ),
    )  # fmt: skip


def _points(
    row: Row, evidence: Evidence, words: _Words, period: str
) -> tuple[list[str], list[str]]:
    """Return what must be mended, and what is good to know."""
    day, count, percent = reporting.format_date, reporting.format_count, reporting.format_percent
    rules = evidence.standards
    must: list[str] = []
    know: list[str] = []
    if not row["delivered"]:
        if row["bodies"] > 1 and row["bodies_delivered"]:
            must.append(
                words.text("mend_bodies", k=row["bodies"] - row["bodies_delivered"],
                           n=row["bodies"], name=row["name"])
            )  # fmt: skip
        must.append(words.text("mend_deliver", period=period))
        return must, _standing(row, evidence, words)
    if row["step"] in OPEN:
        know += _standing(row, evidence, words)
    if row["days_late"]:
        key = "mend_late_one" if row["days_late"] == 1 else "mend_late"
        know.append(
            words.text(key, received=day(row["received"]), days=row["days_late"],
                       due=day(row["due"]))
        )  # fmt: skip
    if row["rejected"]:
        bad = row["too_many_rejected"]
        (must if bad else know).append(
            words.text(
                "mend_rejected" if bad else "mend_rejected_few", k=count(row["rejected"]),
                n=count(row["rows"]), pct=percent(row["rejected_share"], 1),
                least=percent(rules.most_rejected),
            )
        )  # fmt: skip
    if row["too_few_records"]:
        must.append(
            words.text("mend_few", k=count(row["accepted"]), n=count(row["previous"]),
                       pct=percent(row["of_previous"]), least=percent(rules.least_of_previous))
        )  # fmt: skip
    lacking = row["position_required"] - row["position_usable"]
    if row["usable_share"] is not None and lacking:
        bad = row["usable_share"] < rules.least_usable
        (must if bad else know).append(
            words.text(
                "mend_position" if bad else "mend_position_few", k=count(lacking),
                n=count(row["position_required"]), pct=percent(row["usable_share"]),
                least=percent(rules.least_usable),
            )
        )  # fmt: skip
    if row["compared"] > row["agreed"]:
        know.append(
            words.text("mend_agreement", k=count(row["compared"] - row["agreed"]),
                       n=count(row["compared"]))
        )  # fmt: skip
    return must, know


def _standing(row: Row, evidence: Evidence, words: _Words) -> list[str]:
    """Return the step a delivery still open has come to, and the next."""
    day = reporting.format_date
    step = words.text(f"step_{row['step']}")
    said = [words.text("mend_step", on=day(evidence.on), step=step, since=day(row["since"]))]
    if row["next_step"] is not None:
        following = words.text(f"step_{row['next_step']}")
        said.append(words.text("mend_next", step=following, next_on=day(row["next_on"])))
    return said


def _earlier(history: list[Row], words: _Words) -> list[str]:
    """Return what earlier deliveries are still open, in one sentence."""
    waiting = [
        words.text(
            "earlier_incomplete" if row["delivered"] else "earlier_missing",
            period=period_name(row), step=words.text(f"step_{row['step']}"),
        )
        for row in history[1:]
        if row["step"] in OPEN
    ]  # fmt: skip
    return [words.text("mend_earlier", list="; ".join(waiting))] if waiting else []


def _rules(mistakes: list[Row], words: _Words, period: str) -> Lines:
    rows = tuple(
        (row["rule"], row[words.language], row["field"] or "", words.text(row["severity"]),
         reporting.format_count(row["n"]))
        for row in mistakes
    )  # fmt: skip
    names = ("rules_rule", "rules_words", "rules_field", "rules_effect", "rules_n")
    return Lines(
        words.text("rules_title", period=period), tuple(words.text(name) for name in names), rows,
        right=(4,), note=words.text("rules_note"),
    )  # fmt: skip


def _history(history: list[Row], words: _Words) -> Lines:
    rows = []
    for row in history:
        received = words.text("not_received")
        if row["delivered"]:
            day = row["received"]
            received = words.text("day_unknown") if day is None else reporting.format_date(day)
        came = row["delivered"]
        rows.append((
            period_name(row), received,
            reporting.format_count(row["rows"]) if came else "",
            reporting.format_percent(row["rejected_share"], 1) if came else "",
            "" if row["usable_share"] is None else reporting.format_percent(row["usable_share"]),
            words.text(f"state_{row['state']}"),
        ))  # fmt: skip
    names = ("period", "received", "records", "rejected", "usable", "state")
    return Lines(
        words.text("history_title"), tuple(words.text(f"history_{name}") for name in names),
        tuple(rows), right=(2, 3, 4),
    )  # fmt: skip


def _comparison(row: Row, others: tuple[Row, Row], words: _Words, period: str) -> Lines:
    def share(part: Any, whole: Any, digits: int = 0) -> str:
        return reporting.format_percent(part / whole if whole else None, digits)

    size, everyone = others
    three = (row, size, everyone)
    lines: list[tuple[str, ...]] = [
        (words.text("compare_rejected"), *(share(x["rejected"], x["rows"], 1) for x in three))
    ]
    if row["usable_share"] is not None:
        lines.append((
            words.text("compare_usable"),
            *(share(x["position_usable"], x["position_required"]) for x in three),
        ))  # fmt: skip
    lines.append((
        words.text("compare_complete"), "",
        share(size["complete"], size["n"]), share(everyone["complete"], everyone["n"]),
    ))  # fmt: skip
    head = (
        words.text("compare_measure"), words.text("compare_own", name=row["name"]),
        words.text("compare_size", size=reporting.label(f"size_class.{row['size_class']}")),
        words.text("compare_all"),
    )  # fmt: skip
    return Lines(words.text("compare_title", period=period), head, tuple(lines), right=(1, 2, 3))
