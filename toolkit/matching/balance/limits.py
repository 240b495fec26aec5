"""Up to where groups count as alike."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from toolkit.errors import CallError, check_option


def read_limits(thresholds: Mapping[str, float] | None) -> dict[str, float]:
    """Return the largest difference, gap and ratio allowed: `smd` 0.1, unless said otherwise."""
    if not isinstance(thresholds, (Mapping, type(None))):
        raise CallError(f"thresholds={thresholds!r} names no statistic", fix="{'smd': 0.1}")
    limits = {"smd": 0.1} if thresholds is None else dict(thresholds)
    for name, limit in limits.items():
        check_option("thresholds", name, ("smd", "ks", "variance_ratio"))
        low = 1.0 if name == "variance_ratio" else 0.0
        if not isinstance(limit, (int, float)) or not limit >= low:
            raise CallError(
                f"The threshold of {name} is {limit!r}", fix=f"give a number of at least {low:g}"
            )
    return limits


def keeps_to(limits: Mapping[str, float]) -> pl.Expr:
    """Return whether a row keeps to the thresholds; what it does not have cannot break them."""
    kept = [pl.lit(value=True)]
    for name, limit in limits.items():
        value = pl.col(name)
        if name == "variance_ratio":
            kept.append(value.is_between(1 / limit, limit).fill_null(value=True))
        else:
            kept.append((value.abs() <= limit).fill_null(value=False))
    return pl.all_horizontal(kept)
