"""Weights that make treated and controls comparable."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import CallError, check_option
from toolkit.frames import as_columns, require_columns, require_no_nulls, to_frame
from toolkit.matching.propensity.fit import propensity, refuse_treatment, split_formula
from toolkit.matching.propensity.missing import Missing, with_indicators
from toolkit.matching.propensity.model import Propensity
from toolkit.matching.sample import read_sampling
from toolkit.matching.treatment import ESTIMANDS, Estimand, read_treatment
from toolkit.matching.weighting.estimated import from_balance, from_scores
from toolkit.matching.weighting.finish import finish
from toolkit.matching.weighting.trim import check_trim

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from toolkit.matching.propensity.scores import Model
    from toolkit.matching.weighting.trim import Support
    from toolkit.matching.weighting.weighted import Weighted

    Floats = NDArray[np.float64]

Method = Literal["ipw", "overlap", "entropy", "cbps", "ipt"]
METHODS = {
    "ipw": "Inverse probability weighting",
    "overlap": "Overlap weighting",
    "entropy": "Entropy balancing",
    "cbps": "Covariate balancing propensity score, just-identified",
    "ipt": "Inverse probability tilting",
}


def weigh(
    data: Any,
    *,
    treatment: str | None = None,
    on: str | Sequence[str] | Propensity,
    method: Method = "ipw",
    estimand: Estimand | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    by: str | Sequence[str] | None = None,
    model: Model | Any = "logit",
    cross_fit: int | None = None,
    seed: int | None = None,
    moments: int = 1,
    base_weights: str | None = None,
    stabilise: bool = False,
    support: Support | tuple[float, float] | None = None,
    trim: float | None = None,
    cap: float | None = None,
    missing: Missing = "refuse",
) -> Weighted:
    """Weigh treated and controls so that they have the same covariates.

    Parameters
    ----------
    data : frame
        One row a person.
    treatment : str, optional
        Column of true/false or 1/0; may stand on the left of `on`, or be that of a `Propensity`.
    on : str, sequence of str, or Propensity
        Formula, columns, or scores of the same rows.
    method : {"ipw", "overlap", "entropy", "cbps", "ipt"}
        ``ipw``: a function of the propensity score. ``overlap``: those most alike count most; means
        are then equal exactly where the score is a logit. ``entropy``, ``cbps``, ``ipt``: means are
        made equal exactly; see Notes.
    estimand : {"ATT", "ATC", "ATE", "ATO"}, optional
        By default ATT; of ``overlap`` ATO, the only one it has.
    weights : str, optional
        Column of sampling weights ≥ 0: they count in the fit, and multiply the result. Without it
        those of a `Propensity`.
    cluster : str, optional
        Column whose rows belong together, for whoever computes standard errors.
    by : str or sequence of str, optional
        Columns; each combination is weighed by itself, and counts in both groups as it does among
        those the effect is for.
    model, cross_fit, seed
        Of the score, as in `propensity`.
    moments : {1, 2, 3}
        Of ``entropy``, ``cbps`` and ``ipt``: balance means, variances too, or skewness too.
    base_weights : str, optional
        Column > 0 that ``entropy`` stays as near to as balance allows.
    stabilise : bool
        Of ``ipw`` for the ATE: times the share of the row's own group.
    support : {"min-max", "crump 0.1", "crump"} or (low, high), optional
        Rows with scores outside get weight 0 (see `Propensity.common_support`); the scores are not
        fitted again. The effect is then that on those inside.
    trim, cap : float, optional
        Cut weights to their `trim` quantile (0.99), or to `cap`. Before sampling weights, of rows
        whose weight was estimated. It buys variance with bias.
    missing : {"refuse", "indicator"}
        As in `propensity`.

    Returns
    -------
    Weighted
        With the influence of the parameters behind the weights, so that standard errors of effects
        account for these having been estimated.

    Raises
    ------
    toolkit.errors.ConvergenceError
        When no weights give the groups equal means; it names the column.
    toolkit.errors.SeparationError, CollinearityError
        Naming the column that the data do not determine.
    toolkit.errors.ToolkitError
        One of the family, for columns, values or combinations that cannot be used.

    Notes
    -----
    Scaled as in R's WeightIt: ``ipw``, ``cbps`` and ``ipt`` give 1 to the treated and e / (1 - e)
    to the controls (ATT), the reverse (ATC), or 1 / e and 1 / (1 - e) (ATE); ``overlap`` 1 - e and
    e; ``entropy`` has mean 1 in each group. An effect that is a difference of weighted means does
    not depend on the scale.

    ``entropy`` (Hainmueller 2012): the weights nearest to `base_weights`, exp(η) times them, that
    give each group the target's means. ``cbps`` (Imai and Ratkovic 2014, just-identified): a logit
    whose coefficients solve balance instead of likelihood. ``ipt`` (Graham, Pinto and Egel 2012):
    a logit for each group. For ATT and ATC these are one estimator; for the ATE three. All solve
    Σ g(θ) = 0, and a row moves θ by -(Σ ∂g/∂θ)⁻¹ g (Stefanski and Boos 2002).

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import matching
    >>> people = pl.DataFrame({"old": [0, 0, 0, 0, 1, 1, 1], "course": [1, 0, 0, 0, 1, 1, 0]})
    >>> matching.weigh(people, on="course ~ old").weights.round(4).to_list()
    [1.0, 0.3333, 0.3333, 0.3333, 1.0, 1.0, 2.0]
    """
    begin = clock.perf_counter()
    check_option("method", method, tuple(METHODS))
    chosen = _estimand(method, estimand)
    check_trim(trim, cap)
    _check_combination(
        method, chosen, on,
        moments=moments != 1, base_weights=base_weights is not None,
        cross_fit=cross_fit is not None, seed=seed is not None, stabilise=stabilise,
        model=not (isinstance(model, str) and model == "logit"), by=bool(as_columns(by)),
        missing=missing != "refuse",
    )  # fmt: skip
    frame = to_frame(data)
    named, found = _read_on(on, treatment)
    treatment = found.treatment if found is not None else named[1]
    treated = read_treatment(frame, treatment)
    sampling = read_sampling(frame, weights)
    if found is not None and weights is None and len(found.weights) == frame.height:
        sampling = found.weights
    groups = as_columns(by)
    require_columns(frame, *groups, *([cluster] if cluster else []))
    require_no_nulls(frame, *groups, *([cluster] if cluster else []))
    said: list[str] = []
    if method in {"ipw", "overlap"}:
        if found is None:
            found = propensity(
                named[0], frame, treatment=treatment, model=model, weights=weights,
                cluster=cluster, by=groups or None, cross_fit=cross_fit, seed=seed,
                missing=missing,
            )  # fmt: skip
        elif not np.array_equal(found.treated, treated):
            raise CallError(
                "The propensity scores are of other rows than the data",
                where=f"{len(found.treated):,} scores, {frame.height:,} rows",
                fix="fit them on this frame, in this order",
            )
        said += found.meta["warnings"]
        made = from_scores(found, chosen, sampling, stabilise=stabilise)
    else:
        refuse_treatment(named[0], treatment, frame)
        whole, filled, counts = with_indicators(named[0], frame, missing)
        said += [f"{n:,} missing values of {name} are a level of their own"
                 for name, n in counts.items()]  # fmt: skip
        made = from_balance(
            whole, filled, method, chosen, treated, sampling, _base(frame, base_weights),
            groups=groups, moments=moments,
        )  # fmt: skip
    return finish(
        made, frame, treatment, treated, sampling, method=method, estimand=chosen,
        cluster=cluster, support=support, trim=trim, cap=cap, found=found, said=said,
        how=_method(method, found, groups, moments, base_weights, stabilise),
        seed=seed, begin=begin,
    )  # fmt: skip


def _estimand(method: str, estimand: Estimand | None) -> Estimand:
    if estimand is None:
        return "ATO" if method == "overlap" else "ATT"
    check_option("estimand", estimand, tuple(ESTIMANDS))
    if method == "overlap" and estimand != "ATO":
        raise CallError(
            f"Overlap weights are for the ATO, not the {estimand}",
            fix="leave out estimand=, or choose another method",
        )
    if method in {"entropy", "cbps", "ipt"} and estimand == "ATO":
        raise CallError(
            f"method={method!r} has no ATO",
            fix="method='overlap': with a logit its weights balance means exactly",
        )
    return estimand


def _check_combination(
    method: str, estimand: str, on: Any, **given: bool
) -> None:  # fmt: skip
    """Raise for options that the method does not have; none is passed over in silence."""
    scored, there = method in {"ipw", "overlap"}, isinstance(on, Propensity)
    wrong = {
        "moments": scored,
        "base_weights": method != "entropy",
        "cross_fit": not scored or there,
        "seed": not scored or there,
        "model": not scored or there,
        "stabilise": method != "ipw" or estimand != "ATE",
        "by": there,
        "missing": there,
    }
    wrong = {name: is_wrong and given[name] for name, is_wrong in wrong.items()}
    for name, is_wrong in (wrong | {"on": not scored and there}).items():
        if is_wrong:
            raise CallError(
                f"{name}= says nothing to method={method!r} for the {estimand}"
                + (" on scores that are there already" if isinstance(on, Propensity) else ""),
                fix=_FIX.get(name, "leave it out"),
            )


_FIX = {
    "moments": "put squares into the formula, age + I(age**2); or method='entropy'",
    "base_weights": "method='entropy'; weights= for sampling weights",
    "stabilise": "leave it out: it changes nothing but the scale of a group",
    "on": "a formula or columns; balancing weights are not made of a score",
}


def _read_on(on: Any, treatment: str | None) -> tuple[tuple[str, str], Propensity | None]:
    """Return the formula and the treatment, or the scores that are there already."""
    if isinstance(on, Propensity):
        if treatment is not None and treatment != on.treatment:
            raise CallError(
                f"The scores are those of {on.treatment!r}, treatment= says {treatment!r}",
                fix="name it once",
            )
        return (on.formula, on.treatment), on
    if isinstance(on, str):
        return split_formula(on, treatment), None
    names = as_columns(on)
    if not names:
        raise CallError("on= names no columns", fix="for instance on=['age', 'sex']")
    return split_formula(" + ".join(f"`{name}`" for name in names), treatment), None


def _base(frame: pl.DataFrame, base: str | None) -> Floats:
    if base is None:
        return np.ones(frame.height)
    values = read_sampling(frame, base)
    if (values <= 0).any():
        raise CallError(
            f"Base weights {base!r} are not all above 0",
            where=f"{int((values <= 0).sum()):,} of {frame.height:,} rows",
            fix="drop the rows that are to have no weight",
        )
    return values


def _method(
    method: str, found: Propensity | None, groups: Sequence[str], moments: int,
    base: str | None, stabilise: bool,
) -> str:  # fmt: skip
    how = METHODS[method]
    if found is not None:
        how += f", {found.model} score" + (
            f" cross-fitted in {found.cross_fit} folds" if found.cross_fit else ""
        )
    if moments > 1:
        how += f", {moments} moments"
    if base is not None:
        how += f", near {base}"
    if stabilise:
        how += ", stabilised"
    return how + (f", each of {', '.join(groups)} by itself" if groups else "")
