"""How sure: placebos, what was not observed, and the choices that could have been others."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._net_estimate import OUTCOME, match_panel
from analyses._net_panel import ALL
from toolkit import effects
from toolkit.errors import InputError, ToolkitWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyses._net_estimate import NetEffect
    from analyses._net_panel import NetPanel
    from toolkit import matching


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """What speaks for and against the effect of any programme.

    Attributes
    ----------
    unseen : Sensitivity or None
        What an unobserved confounder would have to be like; None where it cannot be told.
    specifications : Specifications
    pretended : dict or None
        Effect on work beside benefit of starts that never were: `estimate, conf_low, conf_high, n,
        lead`; None where there are too few.
    refused : dict
        By part, why there is none.
    """

    unseen: effects.Sensitivity | None
    specifications: effects.Specifications
    pretended: dict[str, Any] | None
    refused: dict[str, str] = field(default_factory=dict)


def doubt(panel: NetPanel, config: dict[str, Any]) -> Doubts:
    """Ask what would undo the effect of any programme."""
    found: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for name, ask in (("unseen", _unseen), ("pretended", _pretended)):
        try:
            with warnings.catch_warnings():  # what is warned of stands with the result
                warnings.simplefilter("ignore", ToolkitWarning)
                found[name] = ask(panel, config)
        except InputError as error:
            found[name], refused[name] = None, error.what
    return Doubts(specifications=_specifications(panel, config), refused=refused, **found)


def calibrate(
    by_instrument: Mapping[str, NetEffect], config: dict[str, Any]
) -> pl.DataFrame | None:
    """Return net effects with the systematic error taken out that the placebo months show.

    The difference in work between starters and their controls in the months before the start that
    nothing was matched on, an instrument each, is what selection leaves. Columns: `instrument,
    estimate, conf_low, conf_high, calibrated, calibrated_low, calibrated_high`. None for fewer than
    three instruments.
    """
    first, last = config["placebo"]
    single = {name: found for name, found in by_instrument.items() if name != ALL}
    if len(single) < 3:
        return None
    before, after = [], []
    for name, found in single.items():
        placebo = found.profile.pre_period(range(first, last + 1)).row(0, named=True)
        before.append({"estimate": placebo["mean"], "std_error": placebo["mean_std_error"]})
        row = found.profile.tidy().row(
            by_predicate=pl.col("month") == config["main_horizon"], named=True
        )
        kept = ("estimate", "std_error", "conf_low", "conf_high")
        after.append({"instrument": name} | {key: row[key] for key in kept})
    error = effects.negative_controls(pl.DataFrame(before), design="risk_sets")
    made = error.calibrate(pl.DataFrame(after).select("instrument", "estimate", "std_error"))
    return pl.DataFrame(after).join(
        made.select(
            "instrument", calibrated="estimate", calibrated_low="conf_low",
            calibrated_high="conf_high",
        ),
        on="instrument", maintain_order="left",
    )  # fmt: skip


def _unseen(panel: NetPanel, config: dict[str, Any]) -> effects.Sensitivity:
    """Bound what was not observed, by pairs in which nobody is used twice."""
    outcome = f"{OUTCOME}_{config['main_horizon']}"
    rows = panel.of(ALL).filter(pl.col(outcome).is_not_null())
    pairs = match_panel(rows, config, ratio=1, reuse=False)
    return effects.sensitivity(pairs, outcome=outcome, covariates=config["balanced"])


def _pretended(panel: NetPanel, config: dict[str, Any]) -> dict[str, Any]:
    """Pretend that programmes started some months earlier: work beside benefit in these months."""
    lead = config["placebo_lead"]
    made = effects.placebo_starts(
        panel.of(ALL), person="spell", time="duration", treated_at="treated_at", lead=lead
    )
    sample = match_panel(made.panel, config)
    return _at(sample, panel, lead - 1) | {"lead": lead}


def _specifications(panel: NetPanel, config: dict[str, Any]) -> effects.Specifications:
    """Run the study under other controls, units of time, covariates and calipers."""
    rows = _some_persons(panel.of(ALL), config["specification_persons"])
    by_unit = {unit: coarsen(rows, unit) for unit in config["time_units"]}
    formulas = {"all": config["formula"], **config["fewer_covariates"]}

    def run(controls: str, unit: int, covariates: str) -> dict[str, Any]:
        sample = match_panel(
            by_unit[unit], config, control=controls, on=formulas[covariates], background=0
        )
        return _at(sample, panel, config["main_horizon"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ToolkitWarning)
        return effects.specifications(
            run,
            {
                "controls": ["not_yet", "censor"],
                "unit": config["time_units"],
                "covariates": list(formulas),
            },
            reference={"controls": "not_yet", "unit": config["time_units"][0], "covariates": "all"},
            design="risk_sets",
        )


def _at(sample: matching.Sample, panel: NetPanel, month: int) -> dict[str, Any]:
    """Return the effect on work in one month since start."""
    rows = effects.profile(
        sample, panel.outcomes, outcome=OUTCOME, start="month", months=[month], band=False
    ).tidy()
    return rows.select("estimate", "std_error", "conf_low", "conf_high", n="n_treated").row(
        0, named=True
    )


def _some_persons(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the rows of at most `most` persons, drawn by lot."""
    persons = rows["person"].unique().sort()
    if len(persons) <= most:
        return rows
    return rows.filter(pl.col("person").is_in(persons.sample(most, seed=1).implode()))


def coarsen(rows: pl.DataFrame, unit: int) -> pl.DataFrame:
    """Return the panel in steps of `unit` months: who is there at the start of a step is at risk.

    A start anywhere in a step counts as one at its start, as where time was recorded by quarter.
    Who comes in during a step joins at the next; who also starts in it is left out.
    """
    if unit == 1:
        return rows
    return rows.filter(pl.col("duration") % unit == 0).with_columns(
        pl.col("duration") // unit, pl.col("treated_at") // unit
    )
