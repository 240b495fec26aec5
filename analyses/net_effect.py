"""Net effect of programmes on work: how many people work thanks to them, by instrument.

Population: people on WWB who start a first programme in 2005–2007, with at least `smallest` starts
of the instrument. Design: dynamic assignment (risk sets), the effect of starting now against not
now on regular work; beside it static matching, weighting, a doubly robust estimate and the gross
comparisons, and, on the synthetic register, the truth. Thresholds were written first and decide
whether an effect is supported; the chapter says so before it shows one. Config, protocol and words:
`net_effect.toml`. No published counterpart: the registers of these years were never analysed so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._net_beside import add_methods, add_sensitivity, add_whom
from analyses._net_estimate import NetEffect, estimate, net_footer
from analyses._net_panel import ALL, NetPanel, make_net_panel
from analyses._net_truth import read_truth
from analyses._study import Study
from analyses._wording import read_toml
from toolkit import effects
from toolkit.errors import EmptyCohortError, EstimationError
from toolkit.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from toolkit.registers import Register
    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language


@dataclass
class Found:
    """What the steps of the study hand on.

    Attributes
    ----------
    panel : NetPanel
    truth : DataFrame or None
        Of a synthetic register.
    by_instrument : dict
        By instrument, ``all`` first.
    refused : dict
        By instrument, why there is no effect.
    scores : DoublyRobust or None
        Of any programme; what effects by group are made of.
    """

    panel: NetPanel
    truth: pl.DataFrame | None
    by_instrument: dict[str, NetEffect] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    scores: effects.DoublyRobust | None = None

    @property
    def everybody(self) -> NetEffect:
        """The effect of any programme."""
        return self.by_instrument[ALL]


def main(
    register: Register,
    out: Path,
    *,
    language: Language = "nl",
    progress: Callable[..., Any] | None = None,
) -> Chapter:
    """Run the study on a register and write its chapter to `out`.

    Raises
    ------
    EmptyCohortError
        When too few programmes start in the window.
    """
    study = Study("net_effect", out, language, chapter_number=3)
    panel = make_net_panel(register, study)
    years = range(panel.support.window.start.year, panel.support.window.end.year + 1)
    found = Found(panel=panel, truth=read_truth(register, years))
    study.record_panel(panel.support, panel.definition, register)
    steps = [
        _estimate, _verdicts, _profile, _gross_net, _alike, add_methods, add_whom, add_sensitivity,
        _protocol,
    ]  # fmt: skip
    study.run(steps, found, progress=progress)
    horizon = study.config["main_horizon"]
    row = found.everybody.split([horizon]).row(0, named=True)
    return study.finish(
        title=study.text("title"),
        lead=study.text(
            "lead" if found.everybody.verdict.supported else "lead_unsupported",
            horizon=horizon, gross=study.percent(row["gross"]),
            deadweight=study.percent(row["deadweight"]), net=study.points(row["net"]),
            low=study.points(row["net_low"]), high=study.points(row["net_high"]),
        ),
    )  # fmt: skip


def _estimate(study: Study, found: Found) -> None:
    """Estimate the effect of any programme, and of each instrument with enough starts."""
    config, starts = study.config, found.panel.starts()
    if starts[ALL] < config["smallest"]:
        raise EmptyCohortError(
            f"Only {starts[ALL]:,} programmes start in {config['window']}",
            fix=f"widen the window; the study asks {config['smallest']:,}",
        )
    for instrument in (ALL, *config["instruments"]):
        if (n := starts.get(instrument, 0)) < config["smallest"]:
            found.refused[instrument] = study.text("too_few", n=study.count(n))
            continue
        try:
            found.by_instrument[instrument] = estimate(
                found.panel, instrument, config, thresholds(study)
            )
        except EstimationError as error:
            if instrument == ALL:
                raise
            found.refused[instrument] = error.what


def thresholds(study: Study) -> Mapping[str, Any]:
    """Return the thresholds that were written before any effect was seen."""
    return dict(read_toml(study.name)["thresholds"])


def _verdicts(study: Study, found: Found) -> None:
    """What may be believed, before anything is shown."""
    study.paragraph(
        study.text(
            "verdict_text", n=study.count(found.everybody.starts),
            months=study.count(found.panel.rows.height),
        ),
        heading=study.text("verdict_head"),
    )  # fmt: skip
    rows = [_verdict_row(study, name, effect) for name, effect in found.by_instrument.items()]
    rows += [
        {"instrument": study.called("instrument", name), "verdict": why}
        for name, why in found.refused.items()
    ]
    study.table(
        "verdict",
        pl.DataFrame(rows, infer_schema_length=None),
        title=study.text("verdict_title"),
        formats={"smd": "number3", "support": "percent1", "placebo_p": "p_value"},
        note=_asked(study),
    )
    for name, effect in found.by_instrument.items():
        if not effect.verdict.supported:
            why = "; ".join(_failures(study, effect))
            why = why[:1].upper() + why[1:]
            study.note(
                study.text("unsupported_note", name=study.called("instrument", name), why=why)
            )


def _verdict_row(study: Study, name: str, effect: NetEffect) -> dict[str, Any]:
    judged = {one.criterion: one.value for one in effect.verdict.judged}
    word = study.text("supported" if effect.verdict.supported else "unsupported")
    return {
        "instrument": study.called("instrument", name), "verdict": word, "starts": effect.starts,
        "smd": judged.get("smd"), "support": judged.get("support"),
        "ess": None if judged.get("ess") is None else round(judged["ess"] or 0),
        "placebo_p": judged.get("placebo_p"),
    }  # fmt: skip


def _failures(study: Study, effect: NetEffect) -> list[str]:
    """Return in words which thresholds were not met."""
    out = []
    for one in effect.verdict.judged:
        if one.verdict != "met":
            value = study.text("not_known") if one.value is None else study.number(one.value, 3)
            limit = one.at_least if one.at_least is not None else one.at_most
            key = "at_least" if one.at_least is not None else "at_most"
            out.append(
                study.text(
                    key, what=study.text(f"criterion_{one.criterion}"), value=value,
                    limit=study.number(limit or 0, 2),
                )
            )  # fmt: skip
    return out


def _asked(study: Study) -> str:
    asked = thresholds(study)
    return study.text(
        "thresholds_note",
        smd=study.number(asked["max_smd"], 2), support=study.percent(asked["min_support"]),
        ess=study.count(asked["min_ess"]), p=study.number(asked["min_placebo_p"], 2),
        first=-study.config["placebo"][0], last=-study.config["placebo"][1],
    )  # fmt: skip


def _profile(study: Study, found: Found) -> None:
    """Work by month since start: lock-in, break-even, and the placebo before."""
    effect, config = found.everybody, study.config
    tidy = effect.profile.tidy().drop("outcome")
    lock_in = effect.profile.lock_in().row(0, named=True)
    even = effect.profile.break_even().row(0, named=True)
    gained = effect.profile.cumulated(config["follow_up"]).row(0, named=True)
    shown = tidy.filter(pl.col("month") >= -config["shown_before"])
    words = {
        "depth": study.points(lock_in["depth"]), "month": lock_in["month"],
        "even": study.text("never") if even["month"] is None else even["month"],
        "gained": study.number(gained["estimate"], 2, sign=True),
        "low": study.number(gained["conf_low"], 2, sign=True),
        "high": study.number(gained["conf_high"], 2, sign=True),
        "follow_up": config["follow_up"],
        "net": study.points(_at(tidy, config["main_horizon"])["estimate"]),
        "horizon": config["main_horizon"],
    }  # fmt: skip
    study.paragraph(study.text("profile_text", **words), heading=study.text("profile_head"))
    study.figure(
        "profile", figures.profile, shown,
        break_even=even["month"],
        table=tidy,
        title=study.text("profile_title", **words), subtitle=study.text("profile_subtitle"),
        note=net_footer(study, found.panel, effect),
        alt=study.text("profile_alt", **words),
    )  # fmt: skip


def _at(rows: pl.DataFrame, month: int) -> dict[str, Any]:
    return rows.row(by_predicate=pl.col("month") == month, named=True)


def _gross_net(study: Study, found: Found) -> None:
    """Gross, deadweight and net by instrument, and when the effect comes."""
    config, horizon = study.config, study.config["main_horizon"]
    rows = pl.concat([effect.split(config["horizons"]) for effect in found.by_instrument.values()])
    rows = _with_truth(rows, found.truth).with_columns(
        supported=pl.col("label").replace_strict(
            {name: effect.verdict.supported for name, effect in found.by_instrument.items()}
        )
    )
    drawn = rows.filter(pl.col("horizon") == horizon).with_columns(label=_marked(study))
    best = drawn.sort("net").row(-1, named=True)
    words = {
        "horizon": horizon, "best": best["label"], "net": study.points(best["net"]),
        "gross": study.percent(best["gross"]),
    }  # fmt: skip
    study.paragraph(study.text("gross_net_text", **words), heading=study.text("gross_net_head"))
    unsupported = not drawn["supported"].all()
    study.figure(
        "gross_net", figures.gross_net,
        drawn.select(
            "label", "horizon", "n", "gross", "deadweight", "net", "net_low", "net_high"
        ),
        table=rows,
        title=study.text("gross_net_title", **words),
        subtitle=study.text("gross_net_subtitle", **words),
        note=net_footer(
            study, found.panel, found.everybody,
            *([study.text("star_note")] if unsupported else []), study.text("overlap_note"),
        ),
        alt=study.text("gross_net_alt", **words),
    )  # fmt: skip
    kept = ["label", "horizon", "n", "gross", "deadweight", "net", "net_low", "net_high"]
    kept += ["truth"] if found.truth is not None else []
    study.table(
        "gross_net",
        rows.with_columns(label=_marked(study)).select(kept).rename({"label": "instrument"}),
        title=study.text("gross_net_table"),
        formats={
            "gross": "percent1", "deadweight": "percent1", "net": "points", "net_low": "points",
            "net_high": "points", "truth": "points",
        },
    )  # fmt: skip
    _timing(study, found)


def _marked(study: Study) -> pl.Expr:
    """Return the name of the instrument, with a star where the effect is not supported."""
    name = pl.col("label").map_elements(
        lambda value: study.called("instrument", value), return_dtype=pl.String
    )
    return pl.when("supported").then(name).otherwise(name + " *")


def _with_truth(rows: pl.DataFrame, truth: pl.DataFrame | None) -> pl.DataFrame:
    if truth is None:
        return rows
    known = truth.filter(pl.col("by").is_in(["all", "instrument"]))
    return rows.join(
        known.select(pl.col("level").alias("label"), pl.col("month").alias("horizon"), "truth"),
        on=["label", "horizon"], how="left", maintain_order="left",
    )  # fmt: skip


def _timing(study: Study, found: Found) -> None:
    """Lock-in, break-even and months gained, an instrument a row."""
    last, rows = study.config["follow_up"], []
    for name, effect in found.by_instrument.items():
        lock_in = effect.profile.lock_in().row(0, named=True)
        gained = effect.profile.cumulated(last).row(0, named=True)
        rows.append(
            {
                "label": name, "supported": effect.verdict.supported,
                "depth": lock_in["depth"], "depth_month": lock_in["month"],
                "break_even": effect.profile.break_even()["month"].item(),
                "gained": gained["estimate"], "gained_low": gained["conf_low"],
                "gained_high": gained["conf_high"],
            }
        )  # fmt: skip
    table = pl.DataFrame(rows, infer_schema_length=None)
    study.table(
        "timing",
        table.with_columns(label=_marked(study)).drop("supported").rename({"label": "instrument"}),
        title=study.text("timing_title", last=last),
        formats={
            "depth": "points", "gained": "number2", "gained_low": "number2",
            "gained_high": "number2",
        },
        note=study.text("timing_note", last=last),
    )  # fmt: skip


def _alike(study: Study, found: Found) -> None:
    """How alike starters and controls are, before and after."""
    effect = found.everybody
    tidy = effect.balance.tidy()
    worst = tidy.group_by("sample").agg(pl.col("smd").abs().max())
    words = {
        row["sample"]: study.number(row["smd"], 2) for row in worst.iter_rows(named=True)
    }  # fmt: skip
    study.paragraph(study.text("alike_text"), heading=study.text("alike_head"))
    study.figure(
        "love_plot", figures.love_plot, tidy,
        labels={name: _covariate(study, name) for name in tidy["covariate"].unique()},
        threshold=thresholds(study)["max_smd"], most=24,
        table=tidy,
        title=study.text("love_title", **words), subtitle=study.text("love_subtitle"),
        note=net_footer(study, found.panel, effect),
        alt=study.text("love_alt", **words),
    )  # fmt: skip
    if effect.balance.score_overlap is not None:
        study.figure(
            "overlap", figures.overlap, effect.balance.score_overlap,
            x_label=study.text("overlap_axis"),
            table=effect.balance.score_overlap,
            title=study.text("overlap_title"), subtitle=study.text("overlap_subtitle"),
            note=net_footer(study, found.panel, effect),
            alt=study.text("overlap_alt"),
        )  # fmt: skip


def _covariate(study: Study, name: str) -> str:
    """Return how a covariate, or a level ``name[level]`` of one, is called."""
    variable, bracket, rest = name.partition("[")
    word = study.word(f"column_{variable}", study.called("word", variable))
    return f"{word}: {study.called(variable, rest.removesuffix(']'))}" if bracket else word


def _protocol(study: Study, _: Found) -> None:
    """The protocol that was written first, saved beside the results."""
    words = read_toml(study.name)["protocol"]
    both, own = words["both"], words[study.language]
    keys = {**both, **own}
    merged = {
        key: {**both.get(key, {}), **own.get(key, {})} if isinstance(keys[key], dict) else keys[key]
        for key in keys
    }
    protocol = effects.protocol({**merged, "thresholds": thresholds(study)})
    protocol.save(study.out, language=study.language)
    study.paragraph(
        study.text("protocol_text", fingerprint=protocol.fingerprint[:12]),
        heading=study.text("protocol_head"),
    )
    study.paragraph(study.text("limits_text"))
