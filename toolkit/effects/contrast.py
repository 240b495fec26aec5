"""Treated against controls: differences and ratios of means, with the right variance."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.contrast_fit import (
    fit_bootstrap,
    fit_means,
    fit_reused,
)
from toolkit.effects.contrast_month import at_month
from toolkit.effects.contrast_plan import VARIANCES, Correction, Variance, make_plan
from toolkit.effects.contrast_result import Contrast, of_one_row
from toolkit.effects.contrast_sample import (
    groups_of,
    kind_of,
    observed,
    read_outcome,
    read_sample,
)
from toolkit.effects.contrast_table import Measure, read_measures
from toolkit.errors import check_option
from toolkit.estimation.intervals import check_interval
from toolkit.matching.treatment import ESTIMANDS
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.effects.contrast_fit import Found
    from toolkit.effects.contrast_means import Link
    from toolkit.effects.contrast_sample import Missing
    from toolkit.matching.treatment import Estimand


def contrast(
    x: Any,
    panel: Any = None,
    *,
    outcome: str,
    since: int | None = None,
    month: str | None = None,
    treatment: str | None = None,
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    cluster: str | Sequence[str] | Literal[False] | None = None,
    estimand: Estimand | None = None,
    measure: Measure | Sequence[Measure] = ("difference", "ratio"),
    adjust: str | None = None,
    link: Link = "linear",
    interacted: bool = True,
    variance: Variance | None = None,
    correction: Correction | None = None,
    weight_type: Literal["frequency", "sampling"] | None = None,
    neighbours: int = 2,
    missing: Missing = "error",
    replicates: int = 999,
    seed: int = 0,
    conf_level: float = 0.95,
) -> Contrast:
    """Compare the treated with their controls: means, differences, ratios.

    Parameters
    ----------
    x : Sample or frame
        What `match`, `weigh`, `match_risk_sets`, … gave; or a plain frame, nothing done to make
        its groups comparable: the result is then gross.
    panel : frame, optional
        Of risk sets: a row a person and month with the outcome, of which that of `since` is taken.
        Without it the outcome is a column of `x`.
    outcome : str
        Column of numbers or true/false.
    since : int, optional
        How many months after the start the outcome is. Needed where controls are censored at their
        own start (``control="censor"``): who is left, and the weights that make up for the others,
        are those of that month. `profile` does all months.
    month : str, optional
        Of `panel`: its column of months, as in `RiskSetMatched.follow`.
    treatment, weights, estimand
        Of a plain frame only: column of true/false or 1/0; column of weights; for whom the
        effect is (with `adjust` it matters over whom is averaged).
    by : str or sequence of str, optional
        Columns whose groups are told apart. In pairs, a match stands in the group of the one it is
        matched to.
    cluster : str, sequence of str, or False, optional
        Columns whose rows belong together; two or more cross each other. By default the sample's
        own (persons of risk sets) and the pairs, named ``"subclass"``; False = none.
    measure : {"difference", "ratio", "relative"} or several
        Of means; of a yes/no outcome these are the risk difference and risk ratio. ``relative`` is
        the ratio less 1.
    adjust : str, optional
        Formula of covariates for a regression after matching or weighting (g-computation; with
        replacement the bias correction of Abadie and Imbens 2011). Of a plain frame this makes the
        design "regression".
    link : {"linear", "logit"}
        Of the regression; logit for yes/no outcomes.
    interacted : bool
        Whether treated and controls have slopes of their own.
    variance : {"influence", "strata", "abadie_imbens", "bootstrap"}, optional
        By default what is right for the sample: see Notes.
    correction : {"HC0", "HC1", "HC2", "HC3"}, optional
        For small samples. HC1: n / (n - k), with C clusters C / (C - 1) × (n - 1) / (n - k); HC2,
        HC3: by leverage, without clusters. By default HC1, and HC2 in strata.
    weight_type : {"frequency", "sampling"}, optional
        Whether the weights that rows came with count equal rows, or say how many others a row
        stands for; by default frequency when all are whole.
    neighbours : int
        Of ``abadie_imbens``: how many nearest of the same arm tell the conditional variance.
    missing : {"error", "drop"}
        What to do with rows whose outcome is not known; counted in `meta`. A pair goes whole.
    replicates, seed : int
        Of the bootstrap.
    conf_level : float

    Returns
    -------
    Contrast

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns, values and combinations that cannot be used; a bootstrap
        is refused where it is not valid.

    Notes
    -----
    Means are Σ w y / Σ w in each arm. What is right for the sample:

    - rows and weights: ``influence``; weights that were estimated bring the influence of their
      parameters θ (M-estimation; Stefanski and Boos 2002): with ψ a row's influence at known
      weights, u = ψ + ∂(μ₁ - μ₀)/∂θ × influence on θ;
    - pairs without replacement: ``influence`` summed over pairs (Abadie and Spiess 2022);
    - with replacement: ``abadie_imbens`` (2006), as matches that are used again tie pairs together,
      and the bootstrap is not valid (Abadie and Imbens 2008); where nothing but a fit of
      `propensity` was matched on, with the part that its being estimated has (2016, theorem 2);
    - strata: ``strata``, means by stratum and the strata's shares; where a stratum has only one
      treated or one control, ``influence`` summed over strata.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame({"treated": [1, 1, 1, 0, 0, 0], "works": [1, 1, 0, 1, 0, 0]})
    >>> found = effects.contrast(people, outcome="works", treatment="treated")
    >>> found.tidy().select("term", "estimate").rows()[2]
    ('difference', 0.3333333333333333)
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "log")
    measures = read_measures(measure)
    check_option("link", link, ("linear", "logit"))
    if variance is not None:
        check_option("variance", variance, VARIANCES)
    whole = read_sample(x, treatment=treatment, weights=weights, estimand=estimand)
    sample = at_month(whole, panel, outcome=outcome, since=since, month=month)
    kind = kind_of(sample)
    y, known = read_outcome(sample, outcome, missing)
    keep = observed(sample, kind, known)
    groups, group, names, said = groups_of(sample, kind, by)
    plan = make_plan(
        sample, kind, y=y, known=known, keep=keep, groups=groups, group=np.where(keep, group, -1),
        cluster=cluster, variance=variance, correction=correction, weight_type=weight_type,
        adjust=adjust, link=link, interacted=interacted, neighbours=neighbours,
        replicates=replicates, seed=seed,
    )  # fmt: skip
    fit = {"abadie_imbens": fit_reused, "bootstrap": fit_bootstrap}.get(plan.variance, fit_means)
    found = fit(plan)
    used = sample.weights.to_numpy() > 0
    gone = int((used & ~keep).sum())
    dropped = dict(sample.meta.get("dropped", {}))
    censored = int((whole.weights.to_numpy() > 0).sum() - used.sum())
    if censored:
        dropped[f"controls who started themselves by month {since}"] = censored
    if gone:
        dropped[f"{outcome} not known, and those paired with them"] = gone
        said.append(f"rows whose {outcome} is not known are left out: as if missing at random")
    said += _without_spread(found)
    counts = [
        pl.Series(f"n_{arm}", number)
        for arm, number in zip(("treated", "control"), found.counts, strict=True)
    ]
    design = str(sample.meta.get("design", "naive"))
    return Contrast(
        meta={
            "estimand": ESTIMANDS[sample.estimand],
            "method": _method(sample.meta, adjust, design),
            "definition": f"{outcome} by {sample.treatment}"
            + ("" if since is None else f", {since} months after the start"),
            "since": since,
            "design": "regression" if design == "naive" and adjust else design,
            "n": int(found.n.sum()),
            "n_treated": int(found.counts[0].sum()),
            "n_control": int(found.counts[1].sum()),
            "n_cluster": found.n_cluster,
            "variance": plan.described + found.how,
            "dropped": dropped,
            "warnings": [*sample.meta.get("warnings", ()), *said, *plan.said, *found.said],
            "seed": seed if plan.variance == "bootstrap" else sample.meta.get("seed"),
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        groups=groups.with_columns(counts) if names else pl.DataFrame(counts),
        by=names,
        value=found.value,
        vcov=found.vcov,
        moved=found.moved,
        draws=found.draws,
        measures=measures,
        conf_level=conf_level,
    )


def _without_spread(found: Found) -> list[str]:
    """Return what to warn of where a mean has no variance: one row, or all the same."""
    number = np.stack(found.counts, axis=1).ravel()
    alone = of_one_row(number, found.vcov, reused=found.moved is None)
    least = 1e-20 * found.value**2  # rounding
    same = int((~alone & ~(np.diag(found.vcov) > least)).sum())
    said = []
    if alone.any():
        said.append(f"{int(alone.sum()):,} means are of one row: they have no standard error")
    if same:
        said.append(
            f"{same:,} means are of outcomes that do not vary: they count as known, and intervals "
            "of effects are too narrow"
        )
    return said


def _method(meta: Any, adjust: str | None, design: str) -> str:
    """Return in words what the numbers are."""
    if design == "naive":
        how = "nothing made comparable" if adjust is None else f"regression on {adjust}"
    else:
        how = str(meta.get("method", design))
        how += f"; then regression on {adjust}" if adjust else ""
    return f"Treated against controls: {how}"
