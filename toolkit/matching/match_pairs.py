"""Methods that pair rows: nearest, optimal and full matching."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.matching.match_result import pairs_frame
from toolkit.matching.match_weights import pair_weights, subclass_weights
from toolkit.matching.nearest import match_in_tree, match_on_line, reached_on_line, sort_line
from toolkit.matching.optimal import full_matching, optimal_pairs, sets_of

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from toolkit.matching.match_request import Request

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """What a method made of a request.

    Attributes
    ----------
    weights : (N,) array
    subclass : (N,) array or None
        -1 = in none; None where partners stand in several.
    pairs : DataFrame or None
    steps : list of dict
        Attrition, after those that all methods share.
    method, warnings : str, list of str
    extra : dict
        For `meta`.
    """

    weights: Floats = field(repr=False)
    subclass: Ints | None = field(repr=False)
    pairs: pl.DataFrame | None = field(default=None, repr=False)
    steps: list[dict[str, Any]] = field(default_factory=list)
    method: str
    warnings: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


def step(name: str, treated: Bools, left: Bools) -> dict[str, Any]:
    """Return a row of the attrition."""
    return {
        "step": name,
        "n_treated": int((treated & left).sum()),
        "n_control": int((~treated & left).sum()),
    }


def match_nearest(request: Request) -> Grouped:
    """Pair each focal row with its nearest partners, one after the other."""
    asked = request.options
    order = asked["order"]
    if order is None:  # MatchIt's: those with the fewest like them first
        scored = request.score is not None
        order = ("largest" if request.estimand == "ATT" else "smallest") if scored else "data"
    again = bool(asked["replace"])
    task = request.task(order=order, again=again)
    line = sort_line(task) if task.points.shape[1] == 1 else None
    focal, partner, gap = match_in_tree(task) if line is None else match_on_line(task, line)
    fixed = asked["min_ratio"] is None and asked["max_ratio"] is None
    ratio = f"1:{asked['ratio']:g}" if fixed else (
        f"1:{asked['min_ratio'] or 1} to 1:{asked['max_ratio']}, {asked['ratio']:g} on average"
    )  # fmt: skip
    how = "with replacement" if again else f"without replacement, order {order!r}"
    steps = []
    if line is not None and task.caliper < np.inf and not len(task.width) and not task.other.size:
        reach = reached_on_line(task, line)  # one pass; with other limits it would cost a search
        steps.append(step("with somebody within the caliper", request.treated, reach))
    warnings = []
    if fixed and int(asked["ratio"]) > 1:
        have = np.bincount(focal, minlength=len(task.focal))
        short = int(((have > 0) & (have < asked["ratio"])).sum())
        if short:
            warnings.append(f"{short:,} rows have fewer than {asked['ratio']:g} partners")
    return _paired(
        request, focal, partner, gap, f"nearest neighbour, {ratio} {how}", again=again,
        steps=steps, warnings=warnings, extra={"order": None if again else order},
    )  # fmt: skip


def match_optimal(request: Request) -> Grouped:
    """Pair rows so that all distances together are least."""
    focal, partner, gap = optimal_pairs(request.task())
    return _paired(
        request, focal, partner, gap, f"optimal pairs, 1:{request.options['ratio']:g}", again=False
    )


def match_full(request: Request) -> Grouped:
    """Group all rows in sets of one with many, so that all distances together are least."""
    focal, partner, gap = full_matching(request.task())
    code = sets_of(focal, partner, len(request.treated))
    weights = subclass_weights(code, request.treated, request.sampling, request.estimand)
    return Grouped(
        weights=weights, subclass=code, pairs=_table(request, focal, partner, gap, code[focal]),
        method="optimal full matching",
    )  # fmt: skip


def _table(request: Request, focal: Ints, partner: Ints, gap: Floats, code: Ints) -> pl.DataFrame:
    both = (focal, partner) if request.estimand != "ATC" else (partner, focal)
    return pairs_frame(*both, gap, code)


def _paired(
    request: Request, focal: Ints, partner: Ints, gap: Floats, method: str, *, again: bool,
    **more: Any,
) -> Grouped:  # fmt: skip
    n = len(request.treated)
    there = np.zeros(n, np.int64)
    there[focal] = 1
    number = np.cumsum(there) - 1  # sets are numbered by their focal row
    code = number[focal]
    subclass = None
    if not again:
        subclass = np.full(n, -1, np.int64)
        subclass[focal] = subclass[partner] = code
    return Grouped(
        weights=pair_weights(focal, partner, request.sampling), subclass=subclass,
        pairs=_table(request, focal, partner, gap, code), method=method, **more,
    )  # fmt: skip
