"""The same effect by other methods: what each says, what it may claim, and the truth."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._net_estimate import OUTCOME, match_panel
from toolkit import effects, matching
from toolkit.effects import registry
from toolkit.errors import EmptyCohortError, EstimationError, ToolkitWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from analyses._net_estimate import NetEffect
    from analyses._net_panel import NetPanel

#: Months on either side of the start that before and after are compared over.
AROUND = 24


def compare(
    panel: NetPanel, found: NetEffect, config: dict[str, Any]
) -> tuple[pl.DataFrame, effects.DoublyRobust | None]:
    """Return a row a method for one instrument, and its doubly robust scores.

    Columns: `instrument, method, design, net` (whether the method supports a net claim), `n,
    estimate, std_error, conf_low, conf_high, reason` (why there is none). Work at the main horizon.
    """
    horizon, instrument = config["main_horizon"], found.instrument
    outcome = f"{OUTCOME}_{horizon}"
    rows = panel.drawn(instrument, outcome, config["drawn"])
    formula = f"{config['formula']} + C(duration_class) + C(quarter)"
    robust: list[effects.DoublyRobust] = []

    def doubly_robust() -> Any:
        robust.append(
            effects.doubly_robust(
                rows, treatment="starts", outcome=outcome, on=formula, estimand="ATT",
                link="linear", weights="weight", weight_type="sampling", cluster="person",
                measure="difference",
            )
        )  # fmt: skip
        return robust[0]

    methods: dict[str, Callable[[], Any]] = {
        "before_after": lambda: _before_after(panel, rows),
        "naive": lambda: effects.contrast(
            rows, treatment="starts", outcome=outcome, weights="weight", weight_type="sampling",
            cluster="person", measure="difference",
        ),
        "matching": lambda: _matched(rows, config, outcome),
        "weighting": lambda: effects.contrast(
            matching.weigh(
                rows, treatment="starts", on=formula, estimand="ATT", weights="weight",
                cluster="person",
            ),
            outcome=outcome, measure="difference",
        ),
        "doubly_robust": doubly_robust,
        "risk_sets": lambda: found.profile,
        "risk_sets_censor": lambda: effects.profile(
            match_panel(panel.of(instrument), config, control="censor"), panel.outcomes,
            outcome=OUTCOME, start="month", months=[horizon], band=False,
        ),
    }  # fmt: skip
    table = pl.DataFrame(
        [_row(instrument, name, run, horizon) for name, run in methods.items()],
        infer_schema_length=None,
    )
    return table, robust[0] if robust else None


def _row(instrument: str, method: str, run: Callable[[], Any], horizon: int) -> dict[str, Any]:
    """Return one row; what cannot be estimated says why."""
    head: dict[str, Any] = {"instrument": instrument, "method": method}
    try:
        with warnings.catch_warnings():  # what is warned of stands with the result
            warnings.simplefilter("ignore", ToolkitWarning)
            result = run()
    except (EstimationError, EmptyCohortError) as error:
        return head | dict.fromkeys(_KEPT) | {"n": None, "reason": error.what}
    tidy = result.tidy()
    if "term" in tidy.columns:
        tidy = tidy.filter(pl.col("term") == "difference") if "difference" in tidy["term"] else tidy
    elif "month" in tidy.columns:
        tidy = tidy.filter(pl.col("month") == horizon)
    numbers = tidy.row(0, named=True)
    return head | {
        "design": result.design,
        "net": registry.method(result.design).net,
        **{name: numbers[name] for name in ("estimate", "std_error", "conf_low", "conf_high")},
        "n": int(result.meta["n"]),
        "reason": None,
    }


_KEPT = ("design", "net", "estimate", "std_error", "conf_low", "conf_high")


def _matched(rows: pl.DataFrame, config: dict[str, Any], outcome: str) -> effects.Contrast:
    """Match each starter to the month of somebody else, in the same quarter and class of duration.

    Static matching takes all months as one pile: its score is one for all quarters.
    """
    score = matching.propensity(f"starts ~ {config['formula']} + C(duration_class)", rows)
    sample = matching.match(
        rows, treatment="starts", on=score, exact=["duration_class", "quarter"],
        caliper=config["caliper"], link="logit", cluster="person",
    )  # fmt: skip
    return effects.contrast(sample, outcome=outcome, measure="difference")


def _before_after(panel: NetPanel, rows: pl.DataFrame) -> effects.BeforeAfter:
    starts = rows.filter("starts").select("person", started_at="month").unique("person")
    months = panel.outcomes.join(starts, on="person").filter(
        pl.col("month") >= pl.col("started_at").dt.offset_by(f"-{AROUND}mo"),
        pl.col("month") <= pl.col("started_at").dt.offset_by(f"{AROUND}mo"),
        pl.col(OUTCOME).is_not_null(),
    )
    return effects.before_after(
        months, person="person", month="month", outcome=OUTCOME, started_at="started_at",
        before=AROUND, after=AROUND + 1, incomplete="drop",
    )  # fmt: skip
