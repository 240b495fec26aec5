"""The E-value of a comparison of treated and controls."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.contrast import contrast
from toolkit.effects.contrast_month import at_month
from toolkit.effects.sensitivity.door import as_sample, is_binary
from toolkit.effects.sensitivity.e_value import EValue
from toolkit.effects.sensitivity.e_value_ratios import fieller_limits, limit_towards, to_risk_ratio
from toolkit.errors import InputError
from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def e_value_of(
    x: Any,
    *,
    outcome: str,
    treatment: str | None = None,
    conf_level: float = 0.95,
    **options: Any,
) -> EValue:
    """Return the least confounding that explains a sample's effect on an outcome away.

    Parameters
    ----------
    x, outcome, treatment, **options
        As in `effects.contrast`, without `by`; with `since` all is of the rows and weights of that
        month.
    conf_level : float

    Returns
    -------
    EValue
        Of yes/no outcomes on the scale of risk ratios, of others on that of mean differences.

    Raises
    ------
    toolkit.errors.ToolkitError
        As `effects.contrast`; also when nobody of a group has the outcome.

    Notes
    -----
    The limits of a risk ratio are Fieller's: those B at which p₁ - B p₀ is just significant. B is
    then also the bias that moves the limit of the risk *difference* to 0 (Ding and VanderWeele
    2016), so that ratio and difference have one E-value. A difference of means is divided by the
    standard deviation within the groups.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame(
    ...     {"treated": [1] * 40 + [0] * 40, "works": [1] * 30 + [0] * 10 + [1] * 10 + [0] * 30}
    ... )
    >>> found = effects.e_value_of(people, outcome="works", treatment="treated")
    >>> found.tidy()["e_value"].round(2).to_list()
    [5.45, 3.11]
    """
    begin = clock.perf_counter()
    sample = as_sample(x, treatment=treatment)
    found = contrast(
        sample, outcome=outcome, measure="difference", conf_level=conf_level, **options
    )
    asked = {name: options.get(name) for name in ("since", "month")}
    sample = at_month(sample, options.get("panel"), outcome=outcome, **asked)  # who is left then
    known = sample.frame[outcome].cast(pl.Float64).fill_nan(None).is_not_null().to_numpy()
    used = known & (sample.weights.to_numpy() > 0)
    values = sample.frame[outcome].cast(pl.Float64).to_numpy()[used]
    meta = {
        **found.meta,
        "method": f"E-value. {found.meta['method']}",
        "estimand": f"confounding that explains the effect on {outcome} away",
    }
    if is_binary(values):
        treated, control = (float(mean) for mean in found.value)
        if min(treated, control) <= 0:
            raise InputError(
                f"Nobody of the {'treated' if treated <= 0 else 'controls'} has {outcome!r}: "
                "there is no risk ratio",
                fix="look at a longer horizon, or at the omitted-variable bounds",
            )
        low, high = fieller_limits(treated, control, found.vcov, normal_quantile(conf_level))
        ratio = estimate = treated / control
        limits = low, high
        meta["definition"] = f"risk ratio of {outcome}, Fieller limits"
    else:
        weight = sample.weights.to_numpy()[used]
        sd = spread_within(values, weight, sample.treated[used])
        row = found.tidy().filter(pl.col("term") == "difference").row(0, named=True)
        estimate, low, high = (row[name] for name in ("estimate", "conf_low", "conf_high"))
        ratio, *limits = (  # type: ignore[assignment]
            to_risk_ratio(value, "mean_difference", sd=sd) for value in (estimate, low, high)
        )
        meta["definition"] = f"exp(0.91 d), d in standard deviations of {sd:.4g}"
    meta["wall_time"] = clock.perf_counter() - begin
    return EValue(
        measure="risk_ratio" if is_binary(values) else "mean_difference",
        estimate=estimate, conf_low=low, conf_high=high,
        ratio=ratio, ratio_limit=limit_towards(ratio, list(limits)), meta=meta,
    )  # fmt: skip


def spread_within(values: Floats, weight: Floats, treated: Bools) -> float:
    """Return the standard deviation within treated and controls, pooled."""
    square = 0.0
    for who in (treated, ~treated):
        mean = np.average(values[who], weights=weight[who])
        square += float(weight[who] @ (values[who] - mean) ** 2)
    if not square:
        raise InputError(
            "The outcome is the same for all in each group", fix="there is nothing to bound"
        )
    return float(np.sqrt(square / weight.sum()))
