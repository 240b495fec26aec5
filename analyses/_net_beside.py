"""Beside the main analysis: other methods, for whom, and what would undo it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._net_estimate import net_footer
from analyses._net_methods import AROUND, compare
from analyses._net_panel import ALL
from analyses._net_sensitivity import calibrate, doubt
from analyses._net_whom import by_group, sorted_by_effect, which_instrument
from toolkit.errors import InputError
from toolkit.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyses._net_sensitivity import Doubts
    from analyses._study import Study
    from analyses.net_effect import Found
    from toolkit import effects


@dataclass(frozen=True)
class _Beside:
    """Rows by method of every instrument, and the doubly robust scores of any programme."""

    rows: pl.DataFrame
    scores: effects.DoublyRobust | None


def add_methods(study: Study, found: Found) -> None:
    """Put the effect by every method on the page, beside the truth where it is known."""
    made = _compare(study, found)
    found.scores = made.scores
    rows = made.rows.with_columns(
        group=_named(study, "instrument"), level=_named(study, "method"),
        claim=pl.when("net").then(pl.lit(study.text("net"))).otherwise(pl.lit(study.text("gross"))),
    ).sort(pl.col("instrument") != ALL, maintain_order=True)  # fmt: skip
    drawn = rows.filter(pl.col("instrument") == ALL).drop("group")
    words: dict[str, Any] = {"horizon": study.config["main_horizon"]}
    for method in ("naive", "risk_sets"):
        value = drawn.filter(pl.col("method") == method)["estimate"].item()
        words[method] = study.text("not_known") if value is None else study.points(value)
    study.paragraph(study.text("methods_text", **words), heading=study.text("methods_head"))
    wanted = ["level", "n", "estimate", "conf_low", "conf_high"]
    wanted += ["truth"] if "truth" in rows.columns else []
    study.figure(
        "methods", figures.forest, drawn.select(wanted),
        overall=study.called("method", "risk_sets"),
        table=rows,
        title=study.text("methods_title", **words),
        subtitle=study.text("methods_subtitle", **words),
        note=net_footer(
            study, found.panel, found.everybody, study.text("methods_note", around=AROUND)
        ),
        alt=study.text("methods_alt", **words),
    )  # fmt: skip
    # before and after is of other months: it stands in the figure alone
    at_horizon = rows.filter(pl.col("method") != "before_after")
    wide = at_horizon.pivot("method", index="group", values="estimate", maintain_order=True)
    if "truth" in rows.columns:
        wide = wide.join(
            rows.select("group", "truth").unique(maintain_order=True), on="group",
            maintain_order="left",
        )  # fmt: skip
    study.table(
        "methods",
        wide.rename({"group": "instrument"}),
        title=study.text("methods_table", **words),
        formats=dict.fromkeys(wide.columns[1:], "points"),
        note=study.text("methods_table_note"),
    )
    refused = rows.filter(pl.col("reason").is_not_null())
    for row in refused.iter_rows(named=True):
        study.note(f"{row['group']}, {row['level']}: {row['reason']}")


def _compare(study: Study, found: Found) -> _Beside:
    tables, scores = [], None
    for name, effect in found.by_instrument.items():
        table, robust = compare(found.panel, effect, study.config)
        tables.append(table)
        scores = robust if name == ALL else scores
    rows = pl.concat(tables, how="vertical_relaxed")
    if found.truth is not None:
        known = found.truth.filter(
            pl.col("by").is_in(["all", "instrument"]),
            pl.col("month") == study.config["main_horizon"],
        )
        rows = rows.join(
            known.select("truth", instrument="level"), on="instrument", how="left",
            maintain_order="left",
        )  # fmt: skip
    return _Beside(rows, scores)


def _named(study: Study, column: str) -> pl.Expr:
    return pl.col(column).map_elements(
        lambda value: study.called(column, value), return_dtype=pl.String
    )


# --- for whom ------------------------------------------------------------------------------------


def add_whom(study: Study, found: Found) -> None:
    """Put the effect by group on the page, and the rule that says which instrument suits whom."""
    study.paragraph(study.text("whom_text"), heading=study.text("whom_head"))
    if found.scores is None:
        study.note(study.text("whom_refused"))
    else:
        _groups(study, found, found.scores)
        _fifths(study, found.scores)
    _tree(study, found)


def _groups(study: Study, found: Found, scores: effects.DoublyRobust) -> None:
    rows, tests = by_group(scores, study.config, found.truth)
    named = pl.DataFrame(
        [
            row
            | {
                "group": study.word(f"column_{row['group']}", study.called("word", row["group"])),
                "level": study.called(row["group"], row["level"]),
            }
            for row in rows.iter_rows(named=True)
        ],
        schema=rows.schema,
    )
    everybody = study.called("instrument", ALL)
    overall = (
        scores.tidy()
        .filter(pl.col("term") == "difference")
        .select(
            pl.lit(None, pl.String).alias("group"),
            pl.lit(everybody).alias("level"),
            pl.lit(int(scores.meta["n"])).cast(pl.Int64).alias("n"),
            "estimate",
            "conf_low",
            "conf_high",
        )
    )
    wanted = [*overall.columns, *(["truth"] if "truth" in rows.columns else [])]
    drawn = pl.concat([overall, named.select(wanted)], how="diagonal_relaxed")
    differ = tests.filter(pl.col("p_value") < study.config["differ_p"])
    names = ", ".join(
        study.word(f"column_{name}", study.called("word", name)) for name in differ["variable"]
    )
    words = {
        "low": study.points(rows["estimate"].min()), "high": study.points(rows["estimate"].max()),
        "horizon": study.config["main_horizon"],
        "names": names or study.text("none"),
    }  # fmt: skip
    study.paragraph(study.text("groups_text", **words))
    study.figure(
        "groups", figures.forest, drawn,
        overall=everybody,
        table=rows,
        title=study.text("groups_title", **words), subtitle=study.text("groups_subtitle", **words),
        note=net_footer(study, found.panel, found.everybody, study.text("groups_note")),
        alt=study.text("groups_alt", **words),
    )  # fmt: skip


def _fifths(study: Study, scores: effects.DoublyRobust) -> None:
    rows = sorted_by_effect(scores)
    study.table(
        "sorted",
        rows.select("level", "n", "predicted", "estimate", "conf_low", "conf_high"),
        title=study.text("sorted_title", horizon=study.config["main_horizon"]),
        formats=dict.fromkeys(("predicted", "estimate", "conf_low", "conf_high"), "points"),
        note=study.text("sorted_note"),
    )


def _tree(study: Study, found: Found) -> None:
    """Which instrument for whom, and what choosing is worth on people it was not chosen on."""
    try:
        tree = which_instrument(found.panel, study.config)
    except InputError as error:
        study.note(study.text("tree_refused", why=error.what))
        return
    values = tree.tidy()
    gain = values.filter(pl.col("term") == "policy less random").row(0, named=True)
    best = (
        values.filter(pl.col("term").str.starts_with("all ")).sort("estimate").row(-1, named=True)
    )
    study.paragraph(
        study.text(
            "tree_text", gain=study.points(gain["estimate"]), low=study.points(gain["conf_low"]),
            high=study.points(gain["conf_high"]), n=study.count(int(tree.meta["n"])),
            best=study.called("instrument", best["term"].removeprefix("all ")),
            best_value=study.percent(best["estimate"], 1),
            value=study.percent(values.filter(pl.col("term") == "policy")["estimate"].item(), 1),
            horizon=study.config["main_horizon"],
        ),
        heading=study.text("tree_head"),
    )  # fmt: skip
    leaves = tree.glance().with_columns(
        rule=pl.col("rule").map_elements(lambda rule: _rule(study, rule), return_dtype=pl.String),
        action=pl.col("action").map_elements(
            lambda name: study.called("instrument", name), return_dtype=pl.String
        ),
    )
    study.table(
        "tree", leaves.drop("leaf"), title=study.text("tree_title"), formats={"share": "percent"},
        note=study.text("tree_note"),
    )  # fmt: skip


_SIGNS = {"<=": "≤", ">": ">"}


def _rule(study: Study, rule: str) -> str:
    """Return the conditions of a leaf in the study's words."""
    parts = []
    for condition in rule.split(" and "):
        name, sign, value = condition.split(" ", 2)
        word = study.word(f"column_{name}", study.called("word", name))
        if sign == "in":
            levels = [study.called(name, level) for level in value.strip("{}").split(", ")]
            parts.append(f"{word}: " + f" {study.text('or')} ".join(levels))
        else:
            parts.append(f"{word} {_SIGNS[sign]} {value}")
    return f" {study.text('and')} ".join(parts)


# --- how sure ------------------------------------------------------------------------------------


def add_sensitivity(study: Study, found: Found) -> None:
    """Put on the page what speaks for and against the effect of any programme."""
    doubts = doubt(found.panel, study.config)
    study.paragraph(study.text("doubt_text"), heading=study.text("doubt_head"))
    _unseen(study, doubts)
    _curve(study, found, doubts)
    made = calibrate(found.by_instrument, study.config)
    if made is not None:
        made = made.drop("std_error", "conf_low", "conf_high")
        study.table(
            "calibrated",
            made.with_columns(instrument=_named(study, "instrument")),
            title=study.text("calibrated_title", horizon=study.config["main_horizon"]),
            formats=dict.fromkeys(made.columns[1:], "points"),
            note=study.text(
                "calibrated_note",
                first=-study.config["placebo"][0], last=-study.config["placebo"][1],
            ),
        )  # fmt: skip


def _unseen(study: Study, doubts: Doubts) -> None:
    """What an unobserved confounder must be like, and the placebo of pretended starts."""
    rows: list[dict[str, Any]] = []
    if doubts.pretended is not None:
        made = doubts.pretended
        rows.append(
            {
                "what": study.text("pretended", lead=made["lead"]),
                "value": study.points(made["estimate"]),
                "means": study.text(
                    "pretended_means", low=study.points(made["conf_low"]),
                    high=study.points(made["conf_high"]), n=study.count(made["n"]),
                ),
            }
        )  # fmt: skip
    if doubts.unseen is not None:
        numbers: Mapping[str, Any] = doubts.unseen.glance().row(0, named=True)
        for name, value in numbers.items():
            if value is not None:
                rows.append(
                    {
                        "what": study.text(name),
                        "value": study.percent(value, 1)
                        if name.startswith("robustness")
                        else study.number(value, 2),
                        "means": study.text(f"{name}_means"),
                    }
                )
    for name, why in doubts.refused.items():
        study.note(study.text(f"{name}_refused", why=why))
    if rows:
        study.table(
            "unseen", pl.DataFrame(rows),
            title=study.text("unseen_title", horizon=study.config["main_horizon"]),
            note=study.text("unseen_note"),
        )  # fmt: skip


def _curve(study: Study, found: Found, doubts: Doubts) -> None:
    """The same study under other choices."""
    rows = doubts.specifications.estimated
    named = rows.with_columns(
        _named(study, "controls"), _named(study, "covariates"), _named(study, "unit")
    )
    columns = {key: study.text(f"column_{key}") for key in ("controls", "unit", "covariates")}
    planned = named.filter("reference").row(0, named=True)
    words = {
        "low": study.points(rows["estimate"].min()), "high": study.points(rows["estimate"].max()),
        "horizon": study.config["main_horizon"], "k": rows.height,
        "main": study.points(planned["estimate"]),
    }  # fmt: skip
    study.paragraph(study.text("curve_text", **words))
    study.figure(
        "specifications", figures.specification_curve, named,
        choices=list(columns), main={key: planned[key] for key in columns}, labels=columns,
        table=doubts.specifications.tidy().drop("seconds"),
        title=study.text("curve_title", **words), subtitle=study.text("curve_subtitle", **words),
        note=net_footer(study, found.panel, found.everybody, *_some(study, found)),
        alt=study.text("curve_alt", **words),
    )  # fmt: skip


def _some(study: Study, found: Found) -> list[str]:
    most = study.config["specification_persons"]
    if found.panel.rows["person"].n_unique() <= most:
        return []
    return [study.text("some_persons", n=study.count(most))]
