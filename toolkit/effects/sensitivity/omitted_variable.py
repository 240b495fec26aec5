"""How strong an omitted variable must be to take an effect away, beside the observed ones."""

from __future__ import annotations

import math
import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.sensitivity.door import as_sample, describe, read_outcome
from toolkit.effects.sensitivity.omitted_fit import Regression, columns_of, cross_products, regress
from toolkit.effects.sensitivity.omitted_numbers import (
    adjusted_error,
    adjusted_estimate,
    at_other_share,
    bound_by_benchmark,
    critical_t,
)
from toolkit.effects.sensitivity.omitted_result import OmittedVariable
from toolkit.errors import CallError, check_option, unknown_option
from toolkit.estimation.formula import learn, variables_of
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from toolkit.matching.sample import Sample

    Floats = NDArray[np.float64]

StrengthFrom = Literal["before", "comparison"]


def omitted_variable_bounds(
    x: Any,
    *,
    outcome: str,
    covariates: str | Sequence[str] | None = None,
    benchmarks: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    times: float | Sequence[float] = (1, 2, 3),
    times_outcome: float | Sequence[float] | None = None,
    q: float = 1.0,
    alpha: float = 0.05,
    strength_from: StrengthFrom = "before",
    treatment: str | None = None,
) -> OmittedVariable:
    """Bound what an omitted variable could do to a regression of the outcome on treatment.

    Parameters
    ----------
    x : Sample or frame
        Rows with weight 0 play no part; the others count with their weight.
    outcome : str
    covariates : str or sequence of str, optional
        A formula, or columns; by default those the sample was made comparable on.
    benchmarks : sequence of str, or mapping of str to columns, optional
        Observed covariates that omitted ones are held against, alone or together under a name; by
        default each covariate.
    times : float or sequence of float
        How many times as strong as a benchmark the omitted variable is with treatment (k_D).
    times_outcome : float or sequence of float, optional
        The same with the outcome (k_Y); by default as `times`.
    q : float
        Share of the estimate to be taken away for the robustness value; 1 = all.
    alpha : float
        Level of the intervals, and of the robustness value of significance.
    strength_from : {"before", "comparison"}
        Where the strength of benchmarks with treatment is taken: from all rows as they came, or
        from the comparison. Matching and weighting take the strength of what they balance away, so
        that beside it anything looks strong; an omitted variable was not balanced.
    treatment : str, optional
        Of a plain frame.

    Returns
    -------
    OmittedVariable

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be used, covariates that make up each other or treatment.

    Notes
    -----
    Cinelli and Hazlett (2020). The bounds hold for any omitted variable, of any distribution and
    however many it is made of.

    A variable that differs by so much between the arms has f² = R² / (1 - R²) with treatment in
    proportion to q (1 - q), with q the share of treated. Where a comparison was made, the weights
    are therefore scaled to the same sum in both arms, q = 1/2: strength then does not hang on how a
    method scales its weights (1 for each treated, or mean 1 in each arm). The f² that a benchmark
    had before, among a share p of treated, is multiplied by q (1 - q) / p (1 - p).

    Standard errors are those of least squares, of as many rows as give the variance
    σ² (1 / n₁ + 1 / n₀) with effective sizes n₁ and n₀ of the arms: with clusters, or weights that
    were estimated, take the robustness value of the estimate and not that of significance as the
    guide.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from toolkit import effects
    >>> rng = np.random.default_rng(1)
    >>> age = rng.normal(size=400)
    >>> treated = rng.random(400) < 1 / (1 + np.exp(-age))
    >>> people = pl.DataFrame(
    ...     {"treated": treated, "age": age, "months": 2 * treated - age + rng.normal(size=400)}
    ... )
    >>> found = effects.omitted_variable_bounds(
    ...     people, outcome="months", treatment="treated", covariates=["age"]
    ... )
    >>> found.glance()["robustness_value"].round(2)[0]
    0.53
    """
    begin = clock.perf_counter()
    check_interval(alpha, "plain")
    check_option("strength_from", strength_from, ("before", "comparison"))
    if not q > 0:
        raise CallError(f"q={q:g} is not above 0", fix="q=1 takes all of the estimate away")
    steps = _pairs_of_times(times, times_outcome)
    sample = as_sample(x, treatment=treatment)
    formula = _formula(sample, covariates)
    used = sample.weights.to_numpy() > 0
    values = read_outcome(sample.frame, outcome, used)[used]
    design, everyone = learn(formula, sample.frame) if formula else (None, np.zeros((len(used), 0)))
    matrix = everyone[used]
    weight = sample.weights.to_numpy()[used].astype(np.float64)
    treated = sample.treated[used]
    made = not np.array_equal(sample.weights.to_numpy(), sample.sampling)
    if made:
        weight = _arms_alike(weight, treated)
        n = _effective(weight, treated, sample.sampling[used])
        said: list[str] = []
    else:
        n, said = _count(weight)
    fitted = regress(
        values, treated.astype(np.float64), matrix, weight,
        terms=design.terms if design else (), n=n,
    )  # fmt: skip
    terms = {
        term: (variables_of(term, design.variables), at)
        for term, at in design.term_columns().items()
    } if design else {}  # fmt: skip
    groups = _benchmarks(benchmarks, design.variables if design else (), terms)
    before = fitted
    ratio = 1.0
    if strength_from == "before" and groups and made:
        before, ratio = _treatment_before(sample, everyone)
        said.append(
            "the strength of benchmarks with treatment is that before the comparison, for as many "
            "treated as controls"
        )
    observed = {
        label: (at_other_share(before.with_treatment(columns), ratio), fitted.with_outcome(columns))
        for label, columns in groups.items()
    }
    rows, beyond = _bounds(fitted, observed, steps, alpha)
    if not groups:
        said.append("no covariates are named, so that there is nothing to hold an omitted one to")
    if sample.cluster is not None or sample.nuisance is not None:
        said.append(
            "the standard errors here take rows as independent and weights as given: go by the "
            "robustness value of the estimate"
        )
    said += beyond
    return OmittedVariable(
        estimate=fitted.estimate, std_error=fitted.std_error, df=fitted.df, q=q, alpha=alpha,
        bounds=rows, treatment=sample.treatment,
        meta=describe(
            sample,
            method="Omitted-variable bounds of a least-squares regression",
            estimand=f"coefficient of {sample.treatment} on {outcome}, given {formula or 'none'}",
            seconds=clock.perf_counter() - begin,
            n=int(used.sum()),
            definition=f"{outcome} ~ {sample.treatment}{f' + {formula}' if formula else ''}",
            warnings=said,
        ),
    )  # fmt: skip


def _pairs_of_times(
    times: float | Sequence[float], times_outcome: float | Sequence[float] | None
) -> list[tuple[float, float]]:
    first = [float(k) for k in ([times] if isinstance(times, (int, float)) else times)]
    if times_outcome is None:
        second = first
    elif isinstance(times_outcome, (int, float)):
        second = [float(times_outcome)] * len(first)
    else:
        second = [float(k) for k in times_outcome]
    if len(first) != len(second) or not all(0 < k < math.inf for k in (*first, *second)):
        raise CallError(
            "times and times_outcome are not as many numbers above 0",
            fix="for instance times=[1, 2, 3]",
        )
    return list(zip(first, second, strict=True))


def _formula(sample: Sample, covariates: str | Sequence[str] | None) -> str:
    if isinstance(covariates, str) and covariates not in sample.frame.columns:
        return covariates
    names = list(sample.covariates) if covariates is None else as_columns(covariates)
    require_columns(sample.frame, *names)
    require_no_nulls(sample.frame, *names)
    return " + ".join(f"`{name}`" for name in names)


def _count(weight: Floats) -> tuple[float, list[str]]:
    """Return how many rows given weights count for: frequencies where they are whole."""
    if (weight == np.rint(weight)).all():
        return float(weight.sum()), []
    said = [] if np.ptp(weight) == 0 else ["rows count with their weight, not as so many rows"]
    return float(len(weight)), said


def _arms_alike(weight: Floats, treated: NDArray[np.bool_]) -> Floats:
    """Return the weights with a sum of 1 in each arm; an arm without any is told by the fit."""
    out = weight.copy()
    for who in (treated, ~treated):
        out[who] /= max(out[who].sum(), 1e-300)
    return out


def _effective(weight: Floats, treated: NDArray[np.bool_], sampling: Floats) -> float:
    """Return of how many rows, half of them treated, the means are as certain as of these.

    With n₁ and n₀ the effective sizes, 4 / (1 / n₁ + 1 / n₀); c equal rows count as c.
    """
    counts = sampling if (sampling == np.rint(sampling)).all() else np.ones(len(weight))
    square = weight**2 / counts  # 1 / n₁ and 1 / n₀, as weights sum to 1 in each arm
    return float(4 / (square[treated].sum() + square[~treated].sum()))


def _treatment_before(sample: Sample, everyone: Floats) -> tuple[Regression, float]:
    """Return the cross products of covariates and treatment in the rows as they came.

    Also by what a comparison of equal arms multiplies f² with treatment: ¼ / p (1 - p).
    """
    there = sample.sampling > 0
    treated = sample.treated[there].astype(np.float64)
    share = float(np.average(treated, weights=sample.sampling[there]))
    # the outcome of who is not in the comparison need not be known: its place is empty
    parts = [everyone[there], treated[:, None], np.zeros((len(treated), 1))]
    gram = cross_products(parts, sample.sampling[there])[0]
    return Regression(gram=gram, df=1.0), 0.25 / (share * (1 - share))


def _benchmarks(
    asked: Sequence[str] | Mapping[str, Sequence[str]] | None,
    variables: Sequence[str],
    terms: Mapping[str, tuple[Sequence[str], Sequence[int]]],
) -> dict[str, list[int]]:
    if asked is None:
        wanted = {name: [name] for name in variables}
    elif isinstance(asked, str):
        wanted = {asked: [asked]}
    elif hasattr(asked, "items"):
        wanted = {label: as_columns(names) for label, names in asked.items()}
    else:
        wanted = {name: [name] for name in asked}
    found = {}
    for label, names in wanted.items():
        for name in names:
            if name not in variables:
                raise unknown_option("benchmarks", name, list(variables))
        found[label] = sorted({j for name in names for j in columns_of(name, terms)})
    return found


def _bounds(
    fitted: Regression,
    observed: Mapping[str, tuple[float, float]],
    steps: Sequence[tuple[float, float]],
    alpha: float,
) -> tuple[pl.DataFrame, list[str]]:
    """Return a row for each benchmark and strength, and what is to be said of them."""
    rows, said = [], []
    b, se, df = fitted.estimate, fitted.std_error, fitted.df
    half = critical_t(df - 1, alpha)
    for label, known in observed.items():
        for times, times_outcome in steps:
            strength = bound_by_benchmark(
                *known, times_treatment=times, times_outcome=times_outcome
            )
            row: dict[str, Any] = {
                "benchmark": label, "times": times, "times_outcome": times_outcome,
                "r2_treatment": strength[0], "r2_outcome": strength[1],
            }  # fmt: skip
            if math.isnan(strength[0]):
                said.append(f"nothing is {times:g} times as strong with treatment as {label!r}")
            else:
                left = float(adjusted_estimate(b, se, df, *strength))
                error = float(adjusted_error(se, df, *strength))
                row |= {
                    "estimate": left, "std_error": error,
                    "statistic": left / error if error else None,
                    "conf_low": left - half * error, "conf_high": left + half * error,
                }  # fmt: skip
            rows.append(row)
            if strength[1] == 1:
                said.append(
                    f"{times_outcome:g} times {label!r} would explain all that is left of the "
                    "outcome: an extreme case"
                )
    names = ("times", "times_outcome", "r2_treatment", "r2_outcome", "estimate", "std_error",
             "statistic", "conf_low", "conf_high")  # fmt: skip
    schema = {"benchmark": pl.String, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.selectors.float().fill_nan(None)), said
