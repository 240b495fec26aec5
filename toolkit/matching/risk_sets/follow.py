"""Outcomes month by month since the reference month, beside the weights of that month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, DuplicateKeyError
from toolkit.frames import as_columns, require_columns, require_no_nulls, to_lazy
from toolkit.matching.risk_sets.columns import month_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.matching.risk_sets.result import RiskSetMatched

#: Columns beside the person and the outcomes.
_ADDED = {"row", "treated", "subclass", "month", "weight"}


def follow(
    x: RiskSetMatched,
    outcomes: Any,
    *,
    outcome: str | Sequence[str],
    month: str | None,
    months: Iterable[int],
) -> pl.DataFrame:
    """Join outcomes to uses; see `RiskSetMatched.follow`."""
    wanted = as_columns(outcome)
    taken = _ADDED & {*wanted, x.person, *([x.spell] if x.spell else [])}
    if taken:
        raise CallError(
            f"Column {min(taken)!r} has the name of a column that is added",
            fix="rename it: an outcome in the outcomes, the person or spell before matching",
        )
    clock = x.calendar or x.time
    own = month or clock
    keys = [x.person, *([x.spell] if x.spell and x.calendar is None else [])]
    lazy = to_lazy(outcomes)
    require_columns(lazy, *keys, own, *wanted, where="the outcomes")
    since = sorted(set(months))
    if not since or not all(isinstance(k, (int, np.integer)) for k in since):
        raise CallError("months= names no whole months", fix="for instance months=range(0, 37)")
    uses = _uses(x, keys, clock, since)
    known = (
        lazy.select(*keys, month_number(own, lazy.collect_schema()[own]).alias("__at"), *wanted)
        .join(uses.lazy().select(keys).unique(), on=keys, how="semi")
        .collect()
    )
    require_no_nulls(known, *keys, "__at")
    if known.select(pl.struct(*keys, "__at").is_duplicated().any()).item():
        raise DuplicateKeyError(
            "A person has two outcomes in one month", where="the outcomes",
            fix="keep one row a person and month"
            + ("" if x.calendar else "; with spells, name them in the matching by spell="),
        )  # fmt: skip
    found = uses.join(known, on=[*keys, "__at"], how="left", maintain_order="left")
    named = dict.fromkeys(["row", x.person, "treated", "subclass", "month", "weight", *wanted])
    return found.select(name for name in named if name in found.columns)


def _uses(x: RiskSetMatched, keys: list[str], clock: str, since: list[int]) -> pl.DataFrame:
    """Return a row a use and month since, with its weight then; only those with weight."""
    base = x.frame.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"), *keys, "treated",
        month_number(clock, x.frame.schema[clock]).alias("__own"),
    )  # fmt: skip
    if x.subclass is not None:
        base = base.with_columns(pl.Series("subclass", x.subclass).replace(-1, None))
    parts = []
    for k in since:
        weight = x.weights_at(k)
        parts.append(
            base.with_columns(
                pl.lit(k, dtype=pl.Int32).alias("month"), weight.alias("weight"),
                (pl.col("__own") + k).alias("__at"),
            ).filter(pl.col("weight") > 0)
        )  # fmt: skip
    return pl.concat(parts).sort("row", "month")
