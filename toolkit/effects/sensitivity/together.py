"""All ways in which an effect may be undone by what was not observed, in one call and in words."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any

from toolkit.effects.contrast_sample import kind_of
from toolkit.effects.sensitivity.door import as_sample, describe
from toolkit.effects.sensitivity.e_value_sample import e_value_of
from toolkit.effects.sensitivity.omitted_variable import omitted_variable_bounds
from toolkit.effects.sensitivity.rosenbaum import GAMMAS, rosenbaum_bounds
from toolkit.effects.sensitivity.together_result import PARTS, Sensitivity
from toolkit.errors import (
    CallError,
    InputError,
    MissingValueError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
    check_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.effects.result import EffectResult

#: What is wrong with a column is wrong for all parts.
_GENERAL = (MissingValueError, UnknownColumnError, UnknownOptionError, WrongTypeError)


def sensitivity(
    x: Any,
    *,
    outcome: str,
    covariates: str | Sequence[str] | None = None,
    benchmarks: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    times: float | Sequence[float] = (1, 2, 3),
    gammas: Sequence[float] = GAMMAS,
    alpha: float = 0.05,
    parts: Sequence[str] | None = None,
    treatment: str | None = None,
    subclass: str | None = None,
) -> Sensitivity:
    """Say what an unobserved confounder would have to be like to undo an effect.

    Parameters
    ----------
    x : Sample or frame
        The comparison.
    outcome : str
    covariates, benchmarks, times
        As in `omitted_variable_bounds`; by default the sample's own covariates.
    gammas, subclass
        As in `rosenbaum_bounds`.
    alpha : float
        Level of all tests; intervals are of level 1 - alpha.
    parts : sequence of {"rosenbaum", "e_value", "omitted_variable"}, optional
        By default all that the sample allows; what it does not allow is named in `meta`.
    treatment : str, optional
        Of a plain frame.

    Returns
    -------
    Sensitivity
        `.paragraph()` says it in words; `.rosenbaum`, `.e_value` and `.omitted_variable` are the
        parts.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be used, and parts asked for that the sample refuses.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from toolkit import effects
    >>> rng = np.random.default_rng(1)
    >>> age = rng.normal(size=800)
    >>> treated = rng.random(800) < 1 / (1 + np.exp(-age))
    >>> works = rng.random(800) < 0.3 + 0.2 * treated
    >>> people = pl.DataFrame({"treated": treated, "age": age, "works": works})
    >>> found = effects.sensitivity(
    ...     people, outcome="works", treatment="treated", covariates=["age"]
    ... )
    >>> found.glance()["e_value"].round(2)[0]
    2.86
    """
    begin = clock.perf_counter()
    sample = as_sample(x, treatment=treatment)
    asked = PARTS if parts is None else tuple(parts)
    for part in asked:
        check_option("parts", part, PARTS)
    calls: dict[str, Callable[[], EffectResult]] = {
        "rosenbaum": lambda: rosenbaum_bounds(
            sample, outcome=outcome, gammas=gammas, alpha=alpha, conf_level=1 - alpha,
            subclass=subclass,
        ),
        "e_value": lambda: e_value_of(sample, outcome=outcome, conf_level=1 - alpha),
        "omitted_variable": lambda: omitted_variable_bounds(
            sample, outcome=outcome, covariates=covariates, benchmarks=benchmarks, times=times,
            alpha=alpha,
        ),
    }  # fmt: skip
    found: dict[str, Any] = {}
    without: dict[str, str] = {}
    if parts is None and subclass is None and kind_of(sample) in {"rows", "reused"}:
        without["rosenbaum"] = "the sample has no matched sets in which everybody stands once"
    for part in asked:
        if part in without:
            continue
        try:
            found[part] = calls[part]()
        except (CallError, InputError) as error:
            if parts is not None or isinstance(error, _GENERAL):
                raise
            without[part] = error.what
    if not found:
        raise InputError(
            "No part of the sensitivity analysis can be made of this sample",
            where="; ".join(f"{part}: {why}" for part, why in without.items()),
            fix="look at the outcome",
        )
    said = [f"no {part.replace('_', ' ')}: {why}" for part, why in without.items()]
    said += [sentence for one in found.values() for sentence in one.meta.get("warnings", ())]
    return Sensitivity(
        outcome=outcome, alpha=alpha,
        rosenbaum=found.get("rosenbaum"), e_value=found.get("e_value"),
        omitted_variable=found.get("omitted_variable"),
        meta=describe(
            sample,
            method=f"Sensitivity to what was not observed. {sample.meta.get('method', '')}",
            estimand=f"confounding that undoes the effect on {outcome}",
            seconds=clock.perf_counter() - begin,
            n=int((sample.weights > 0).sum()),
            warnings=list(dict.fromkeys(said)),
        ),
    )  # fmt: skip
