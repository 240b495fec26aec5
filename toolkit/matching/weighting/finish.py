"""The last steps of weighing: rows left out, weights cut, and both told."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.matching.sample import attrition_of, first_step
from toolkit.matching.treatment import ESTIMANDS, Estimand
from toolkit.matching.weighting.trim import (
    Support,
    require_left,
    support_range,
    upper_quantile,
)
from toolkit.matching.weighting.weighted import Weighted
from toolkit.provenance import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.propensity.model import Propensity
    from toolkit.matching.weighting.estimated import Estimated

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: A row that carries more than this of its group's weight is told.
_HEAVY = 0.05


def finish(
    made: Estimated, frame: pl.DataFrame, treatment: str, treated: Bools, sampling: Floats, *,
    method: str, estimand: Estimand, cluster: str | None,
    support: Support | tuple[float, float] | None, trim: float | None, cap: float | None,
    found: Propensity | None, said: list[str], how: str, seed: int | None, begin: float,
) -> Weighted:  # fmt: skip
    """Leave rows out, cut weights, and tell of both."""
    steps = [first_step(treated)]
    inside = sampling > 0
    dropped: dict[str, int] = {}
    if not inside.all():
        dropped["weight is zero"] = int((~inside).sum())
        steps.append(first_step(treated[inside], "weight above 0"))
    if support is not None:
        if made.score is None:
            raise CallError(
                f"support= needs a propensity score, which method={method!r} has none of",
                fix="drop the rows first, by propensity(…).common_support()",
            )
        low, high = support_range(support, made.score, treated, sampling)
        out = inside & ~((made.score >= low) & (made.score <= high))
        inside &= ~out
        require_left(inside, treated, f"with scores from {low:.3g} to {high:.3g}")
        why = f"score outside {low:.3g} to {high:.3g}"
        if out.any():
            dropped[why] = int(out.sum())
            said.append(f"{why}: the effect is that on the others only")
        steps.append(first_step(treated[inside], f"score from {low:.3g} to {high:.3g}"))
    weight = np.where(inside, made.weight, 0.0)
    free = made.estimated & inside
    cut = np.zeros(len(weight), dtype=bool)
    if trim is not None:
        cap = upper_quantile(weight[free], sampling[free], trim)
    if cap is not None:
        cut = free & (weight > cap)
        weight = np.where(cut, cap, weight)
        if cut.any():
            said.append(
                f"{int((cut & treated).sum()):,} treated and {int((cut & ~treated).sum()):,} "
                f"controls had a weight above {cap:.4g}, which is cut to that: biased, less "
                "variable; errors take the cut as given"
            )
    nuisance = made.nuisance(np.where(cut | ~inside, 0.0, sampling))
    if nuisance is None:
        said.append("standard errors take the weights as known: scores without coefficients")
    weight *= sampling
    said += _heavy(weight, treated)
    return Weighted(
        meta={
            "estimand": ESTIMANDS[estimand],
            "method": how,
            "design": "weighting",
            "n": frame.height,
            "dropped": dropped,
            "warnings": said,
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        frame=frame, treatment=treatment, treated=treated, weights=pl.Series("weight", weight),
        sampling=sampling, estimand=estimand, cluster=cluster, attrition=attrition_of(steps),
        covariates=tuple(name for name in made.variables if name in frame.columns),
        score=None if made.score is None else pl.Series("score", made.score),
        nuisance=nuisance, method=method, propensity=found, trimmed=int(cut.sum()), largest=cap,
    )  # fmt: skip


def _heavy(weight: Floats, treated: Bools) -> list[str]:
    said = []
    for name, who in (("treated", treated), ("controls", ~treated)):
        some = weight[who & (weight > 0)]
        share = float(some.max() / some.sum())
        if share > max(_HEAVY, 2 / len(some)):
            said.append(f"one row carries {share:.0%} of the weight of the {name}")
    return said
