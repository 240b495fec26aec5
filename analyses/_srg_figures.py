"""The figures of the SRG study: each with its finding as title and the table behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from analyses._srg_words import period_in_words, period_name, period_parts
from toolkit import reporting
from toolkit.registers import quality
from toolkit.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyses._srg_evidence import Evidence
    from analyses._study import Study

SIZES = ("small", "middle", "large", "g4")


def terms(study: Study, evidence: Evidence, *names: str) -> list[str]:
    """Return what the words in a figure mean, so that it can be read without the chapter."""
    plain = evidence.standards.to_dict()
    shares = {
        name: study.percent(plain[name])
        for name in ("most_rejected", "least_of_previous", "least_usable")
    }
    return [study.text(f"term_{name}", **(plain | shares)) for name in names]


def footer(study: Study, n: int, extra: Iterable[str] = ()) -> str:
    """Return source and number of municipalities, and what else stands under a figure."""
    parts = [
        study.label("note.source", source=study.source),
        study.text("municipalities_n", n=study.count(n)),
        *study.breaks(),
        *extra,
    ]
    return " ".join(parts)


def named(frame: pl.DataFrame) -> pl.DataFrame:
    """Give periods their names: `period`, and its `year` and `part`."""
    rows = frame.select("period_start", "period_end").to_dicts()
    parts = [period_parts(row) for row in rows]
    return frame.with_columns(
        period=pl.Series([period_name(row) for row in rows], dtype=pl.String),
        year=pl.Series([year for year, _ in parts], dtype=pl.String),
        part=pl.Series([part for _, part in parts], dtype=pl.String),
    )


def trend(study: Study, evidence: Evidence) -> None:
    """Draw the shares of municipalities that delivered, on time, completely, usably."""
    names = ("delivered", "on_time", "complete", "usable")
    rows = named(evidence.verdict).select(
        "period", "n",
        *(pl.col(f"n_{name}").truediv("n").alias(name) for name in names[:3]),
        usable=pl.when(pl.col("publish").is_not_null()).then(pl.col("n_usable") / pl.col("n")),
    )  # fmt: skip
    last = rows.row(-1, named=True)
    asked = rows["usable"].is_not_null().any()
    then = next(row for row in study.published if row["measure"] == "on_time")["period"]
    remarked = named(evidence.verdict.filter(pl.col("period_start") == then))["period"]
    study.paragraph(heading=study.text("trend_head"))
    study.figure(
        "deliveries", figures.trend, rows,
        columns=names if asked else names[:3],
        labels={name: study.text(f"line_{name}") for name in names},
        remarks=[(period, study.text("remark")) for period in remarked],
        table=rows,
        title=study.text(
            "trend_title" if last["usable"] is None else "trend_title_usable",
            period=period_in_words(study, evidence.judged),
            **{name: study.percent(last[name]) for name in names},
        ),
        subtitle=study.text("trend_subtitle"),
        note=footer(
            study, last["n"],
            terms(study, evidence, "on_time", "complete", *(["usable"] if asked else [])),
        ),
        alt=study.text("trend_alt", **{name: study.percent(last[name]) for name in names}),
    )  # fmt: skip
    known = evidence.judged
    if known["agreement"] is not None:
        study.paragraph(
            study.text(
                "agreement_text", period=period_in_words(study, known),
                n=study.count(known["compared"]), pct=study.percent(known["agreement"], 1),
            )
        )  # fmt: skip


def representativity(study: Study, evidence: Evidence) -> None:
    """Draw the R-indicator by period, its interval and the threshold."""
    asked = evidence.verdict.filter(pl.col("r_indicator").is_not_null())
    if asked.is_empty():
        return
    rows = named(asked).select(
        "period", "n", "n_usable", "r_std_error", "r_low", "r_high", "r_unadjusted",
        estimate="r_indicator",
    )  # fmt: skip
    last, least = asked.row(-1, named=True), evidence.thresholds.r_indicator
    with reporting.style(study.language):
        r = reporting.format_number(last["r_indicator"], 2)
        shown = reporting.format_number(least, 2)
        plain = reporting.format_number(last["r_unadjusted"], 2)
    sure = "no" if last["r_high"] < least else "yes" if last["r_low"] >= least else "unsure"
    extra = [study.text("r_note", plain=plain)]
    if last["r_separated"]:
        extra.append(study.text("r_separated", k=study.count(last["r_separated"])))
    study.figure(
        "representativity", figures.trend, rows,
        low="r_low", high="r_high", threshold=least, unit="number",
        labels={"estimate": study.text("r_line")},
        table=rows,
        title=study.text(f"r_title_{sure}", r=r),
        subtitle=study.text("r_subtitle"),
        note=footer(study, last["n"], [*extra, *terms(study, evidence, "usable")]),
        alt=study.text("r_alt", r=r, least=shown),
    )  # fmt: skip


def sizes(study: Study, evidence: Evidence) -> None:
    """Draw the share with a usable delivery by size class, beside that of all."""
    last = evidence.last
    if evidence.judged["publish"] is None or not evidence.judged["n_usable"]:
        return
    known = last.with_columns(pl.col("usable").fill_null(value=False))
    found = quality.r_indicator(known, response="usable", by=study.config["by"]).tidy()
    levels = found.filter(pl.col("term") == "size_class", pl.col("level").is_not_null())
    whole = pl.DataFrame(
        {"group": [study.text("all")], "n": [last.height], "n_yes": [int(known["usable"].sum())]}
    )
    rows = pl.concat([
        whole,
        levels.with_columns(pl.col("level").cast(pl.Enum(SIZES))).sort("level").select(
            group=pl.col("level").cast(pl.String).replace_strict(
                {size: study.label(f"size_class.{size}") for size in SIZES}
            ),
            n="n", n_yes="n_response",
        ),
    ]).with_columns(estimate=pl.col("n_yes") / pl.col("n"))  # fmt: skip
    first = levels.sort(pl.col("estimate").abs(), descending=True).row(0, named=True)
    most = study.label("size_class." + first["level"])
    way = "same" if abs(first["estimate"]) < 1e-9 else "more" if first["estimate"] > 0 else "less"
    partial = {
        row["term"]: row["estimate"]
        for row in found.filter(pl.col("level").is_null()).iter_rows(named=True)
    }
    with reporting.style(study.language):
        note = study.text(
            "partial_note",
            size=reporting.format_number(partial.get("size_class"), 2),
            region=reporting.format_number(partial.get("region"), 2),
        )
    period = period_in_words(study, evidence.judged)
    study.figure(
        "usable_by_size", figures.bars, rows,
        total=study.text("all"), table=rows, labels={"estimate": study.label("word.share")},
        title=study.text(f"partial_title_{way}", most=most[:1].upper() + most[1:]),
        subtitle=study.text("partial_subtitle", period=period),
        note=footer(study, last.height, [note, *terms(study, evidence, "usable")]),
        alt=study.text("partial_alt", most=most),
    )  # fmt: skip
    reporting.save_table(found, study.out / "tables", "partial_indicators")


def coverage(study: Study, evidence: Evidence) -> None:
    """Draw how much of the caseload is covered, from the largest municipality on."""
    study.paragraph(heading=study.text("coverage_head"))
    last = evidence.last
    whole = last["caseload"].is_not_null().all() and last["caseload"].sum() > 0
    if not whole or not evidence.judged["n_usable"]:
        study.paragraph(study.text("coverage_none"))
        return
    curves = {"usable": quality.coverage(last, among="usable"), "all": quality.coverage(last)}
    rows = pl.concat(
        part.with_columns(group=pl.lit(study.text(f"coverage_{name}")))
        for name, part in curves.items()
    )
    ladder = next(row for row in study.published if row["measure"] == "coverage")
    many = min(ladder["n"], last.height)
    pct = study.percent(curves["usable"]["estimate"][-1])
    study.figure(
        "coverage", figures.coverage, rows,
        group="group", threshold=evidence.thresholds.coverage,
        x_label=study.text("coverage_axis"),
        published=(ladder["n"], ladder["value"], study.text("coverage_published")),
        table=rows,
        title=study.text("coverage_title", n=study.count(curves["usable"].height), pct=pct),
        subtitle=study.text("coverage_subtitle", period=period_in_words(study, evidence.judged)),
        note=footer(
            study, last.height, [study.text("coverage_note"), *terms(study, evidence, "usable")]
        ),
        alt=study.text(
            "coverage_alt", pct=pct, k=study.count(many),
            largest=study.percent(curves["all"]["estimate"][many - 1]),
        ),
    )  # fmt: skip


def heat(study: Study, evidence: Evidence) -> None:
    """Draw the share complete and on time, by size class and region and by period."""
    fine = evidence.table.with_columns(
        fine=pl.col("complete") & pl.col("on_time").fill_null(value=True),
        region=pl.format(study.text("region", region="{}"), "region"),
    )
    parts = []
    for by, order in (("size_class", list(SIZES[::-1])), ("region", _by_number(fine["region"]))):
        part = (
            fine.group_by(by, "period_start", "period_end")
            .agg(n=pl.len().cast(pl.Int64), n_yes=pl.col("fine").sum().cast(pl.Int64))
            .sort(pl.col(by).cast(pl.Enum(order)), "period_start")
        )
        parts.append(part.select(pl.lit(by).alias("heading"), pl.col(by).alias("group"),
                                 "period_start", "period_end", "n", "n_yes"))  # fmt: skip
    rows = named(pl.concat(parts)).with_columns(estimate=pl.col("n_yes") / pl.col("n"))
    regions = rows.filter(
        pl.col("heading") == "region", pl.col("period_start") == pl.col("period_start").max()
    )
    low, high = (study.percent(x) for x in (regions["estimate"].min(), regions["estimate"].max()))
    study.paragraph(heading=study.text("heat_head"))
    study.figure(
        "heat_map", figures.heat_map, rows,
        column="part", over="year", heading="heading", n="n",
        table=rows,
        title=study.text(
            "heat_title_one" if low == high else "heat_title", low=low, high=high,
            period=period_in_words(study, evidence.judged),
        ),
        subtitle=study.text("heat_subtitle"),
        note=footer(study, evidence.last.height, terms(study, evidence, "on_time", "complete")),
        alt=study.text("heat_alt"),
    )  # fmt: skip


def _by_number(names: pl.Series) -> list[str]:
    """Return names in the order of the number in them."""
    return sorted(
        names.unique(), key=lambda name: (int("".join(c for c in name if c.isdigit()) or 0), name)
    )


def completeness(study: Study, evidence: Evidence) -> None:
    """Draw how many municipalities delivered completely, by region and size class."""
    last = evidence.last
    names = {size: study.text(f"size_{size}") for size in SIZES}
    known = last.with_columns(
        region=pl.format(study.text("region", region="{}"), "region"),
        size=pl.col("size_class").replace_strict(names),
    )
    counts = known.group_by("region", "size").agg(
        n=pl.len().cast(pl.Int64), n_yes=pl.col("complete").sum().cast(pl.Int64)
    )
    order = _by_number(known["region"])
    # Every combination has a cell, so that columns stand in order; without municipalities, empty.
    cells = pl.DataFrame({"region": order}).join(
        pl.DataFrame({"size": list(names.values())}), how="cross"
    )
    rows = cells.join(
        counts, on=["region", "size"], how="left", maintain_order="left"
    ).with_columns(
        estimate=pl.col("n_yes") / pl.col("n"),
        words=pl.when(pl.col("n") > 0).then(pl.format("{}/{}", "n_yes", "n")),
    )
    period = period_in_words(study, evidence.judged)
    pct = study.percent(evidence.judged["n_complete"] / evidence.judged["n"])
    study.figure(
        "completeness", figures.heat_map, rows,
        row="region", column="size", words="words",
        table=rows,
        title=study.text("map_title", period=period, pct=pct),
        subtitle=study.text("map_subtitle"),
        note=footer(study, last.height, terms(study, evidence, "complete")),
        alt=study.text("map_alt", period=period),
    )  # fmt: skip
