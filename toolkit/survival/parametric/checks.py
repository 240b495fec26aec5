"""What a parametric model refuses before it is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError, EstimationError, InputError
from toolkit.estimation.collinearity import check_collinearity
from toolkit.survival.parametric.baselines import Baseline, Power
from toolkit.survival.parametric.separation import check_separation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.survival.parametric.likelihood import Observed
    from toolkit.survival.parametric.observations import Seen


def check_arguments(
    distribution: str,
    *,
    cuts: Sequence[float] | None,
    df: int | None,
    knots: Sequence[float] | None,
    ancillary: str | None,
) -> None:
    """Raise for an argument that another distribution takes."""
    given = {
        "cuts": (cuts, {"piecewise"}),
        "df": (df, {"spline"}),
        "knots": (knots, {"spline"}),
        "ancillary": (ancillary, {"weibull", "log_logistic", "lognormal"}),
    }
    for name, (value, takers) in given.items():
        if value is not None and distribution not in takers:
            raise CallError(
                f"distribution={distribution!r} has no use for {name}=",
                fix=f"leave it out, or choose {' or '.join(map(repr, sorted(takers)))}",
            )


def check_identified(
    observed: Observed, baseline: Baseline, distribution: str, *, heterogeneity: bool
) -> None:
    """Raise where heterogeneity and the shape of the hazard cannot be told apart."""
    if (
        heterogeneity
        and not isinstance(baseline, Power)
        and observed.x.shape[1] <= int(baseline.intercept)
    ):
        raise EstimationError(
            f"Without covariates a {distribution} hazard cannot be told from heterogeneity",
            fix="add covariates, or choose a distribution with a shape of its own (weibull)",
        )


def check_zero(seen: Seen, observed: Observed, distribution: str, *, time: str) -> None:
    """Raise for events at time 0 where their log has no place."""
    zero = observed.event & np.isnan(observed.lower) & (observed.end == 0)
    if not zero.any() or distribution in {"exponential", "piecewise"}:
        return
    count = int(seen.design.rows[zero].sum())
    raise InputError(
        f"Column {time!r} is 0 for {count:,} events, which a {distribution} model cannot have",
        where=f"{count:,} of {seen.design.n_rows:,} rows",
        fix="say by when they had come with upper=, count time from an earlier moment, or choose "
        "'exponential' or 'piecewise'",
    )


def check_shape(observed: Observed, baseline: Baseline, *, time: str) -> None:
    """Raise where all events are at one time after which nobody is left: the shape is infinite."""
    if not isinstance(baseline, Power) or baseline.fixed:
        return
    timed = observed.event & np.isnan(observed.lower)
    times = np.unique(observed.end[timed])
    if (timed == observed.event).all() and len(times) == 1 and observed.end.max() <= times[0]:
        raise EstimationError(
            f"All events in {time!r} are at one time, so that the shape runs off to infinity",
            where=f"{observed.n[timed].sum():,.6g} events at {times[0]:g}",
            fix="say with upper= in which interval they lie, or choose distribution='exponential'",
        )


def check_columns(seen: Seen, observed: Observed) -> None:
    """Raise for columns that others make up, or that foretell the events."""
    design = seen.design
    weight = observed.pattern_weight
    check_collinearity(design.x, design.terms, weight)
    if seen.shape is not None:
        check_collinearity(seen.ancillary[:, 1:], seen.shape.terms, weight)
    if not design.terms:
        return
    timed = observed.event & ~(observed.lower == 0)
    both, low = np.zeros(len(design.x), bool), np.zeros(len(design.x), bool)
    both[observed.pattern[timed]] = True
    low[observed.pattern[~observed.event & (observed.end > 0)]] = True
    early = np.zeros(len(design.x), bool)
    early[observed.pattern[observed.event & ~timed]] = True
    both |= low & early
    check_separation(
        np.column_stack([design.x, np.ones(len(design.x))]), (*design.terms, "Intercept"),
        both=both, low=low,
    )  # fmt: skip
