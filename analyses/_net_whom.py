"""For whom: the effect by group, what foretells a larger one, and which instrument suits whom."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._net_estimate import OUTCOME
from toolkit import effects
from toolkit.errors import ToolkitWarning

if TYPE_CHECKING:
    from analyses._net_panel import NetPanel

#: Fewest starters of every instrument at a level for that level to be in the tree.
FEWEST = 20
#: Columns of which the tree takes the levels that all instruments have.
SHARED = ("position", "duration_class", "education", "origin")


#: Levels in the order of reading; others follow.
ORDER = ("<12", "12-35", "36+", "<27", "27-44", "45+", "low", "middle", "high")


def by_group(
    scores: effects.DoublyRobust, config: dict[str, Any], truth: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the effect by group, with the truth where it is known, and the tests of equal effects.

    Columns: `group, level, n, estimate, conf_low, conf_high, p_value, p_adjusted`, `truth`.
    """
    found = effects.subgroups(scores, by=config["subgroups"])
    rows = found.tidy().select(
        "level", "n", "estimate", "conf_low", "conf_high", "p_value", "p_adjusted",
        group="variable",
    )  # fmt: skip
    rank = pl.col("level").replace_strict(
        {level: place for place, level in enumerate(ORDER)}, default=len(ORDER)
    )
    groups = {name: place for place, name in enumerate(config["subgroups"])}
    rows = rows.sort(pl.col("group").replace_strict(groups), rank, "level")
    if truth is not None:
        known = truth.filter(pl.col("month") == config["main_horizon"])
        rows = rows.join(
            known.select("truth", "level", group="by"),
            on=["group", "level"], how="left", maintain_order="left",
        )  # fmt: skip
    return rows, found.glance()


def sorted_by_effect(scores: effects.DoublyRobust) -> pl.DataFrame:
    """Return the effect in fifths of the effect foretold."""
    return effects.sorted_effects(scores, groups=5).tidy()


def which_instrument(panel: NetPanel, config: dict[str, Any]) -> effects.PolicyTree:
    """Return the shallow rule that says which instrument to give whom, among those who start one.

    Only instruments that an office can give to anybody: a wage subsidy needs an employer.

    Raises
    ------
    toolkit.errors.ToolkitError
        For too few starters of one of them.
    """
    tree = config["tree"]
    outcome = f"{OUTCOME}_{config['main_horizon']}"
    starters = panel.rows.filter(
        "starts", pl.col("instrument").is_in(tree["instruments"]), pl.col(outcome).is_not_null()
    )
    for name in SHARED:
        counts = starters.group_by(name, "instrument").len()
        shared = (
            counts.filter(pl.col("len") >= FEWEST)
            .group_by(name)
            .agg(pl.len())
            .filter(pl.col("len") == len(tree["instruments"]))
        )
        starters = starters.filter(pl.col(name).is_in(shared[name].implode()))
    with warnings.catch_warnings():  # what is warned of stands with the result
        warnings.simplefilter("ignore", ToolkitWarning)
        arms = effects.doubly_robust_arms(
            starters, treatment="instrument", reference=tree["instruments"][0], outcome=outcome,
            on=tree["formula"], link="linear", cluster="person", measure="difference",
            trim=tree["trim"],
        )  # fmt: skip
        return effects.policy_tree(
            arms, on=tree["on"], depth=tree["depth"], min_leaf=tree["smallest_leaf"]
        )
