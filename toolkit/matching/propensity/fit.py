"""Propensity scores: the probability of treatment, given what is known of a person."""

from __future__ import annotations

import re
import time as clock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.estimation.clusters import cluster_codes
from toolkit.estimation.formula import variables_of
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, require_columns, require_no_nulls, to_frame
from toolkit.matching.propensity.design import make_design
from toolkit.matching.propensity.learner import check_learner, make_folds
from toolkit.matching.propensity.missing import Missing, with_indicators
from toolkit.matching.propensity.model import Propensity, ScoreFit
from toolkit.matching.propensity.scores import (
    FAMILIES,
    Model,
    cross_scores,
    fit_scores,
    require_both,
    seen_scores,
)
from toolkit.matching.sample import read_sampling
from toolkit.matching.treatment import read_treatment
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Columns of the table of coefficients, beside the groups.
_TIDY = frozenset({
    "term", "estimate", "std_error", "robust_se", "statistic", "p_value", "conf_low", "conf_high",
})  # fmt: skip
_LEFT = re.compile(r"\s*(?:`([^`]+)`|([^\W\d]\w*))\s*")


def propensity(
    formula: str,
    data: Any,
    *,
    treatment: str | None = None,
    model: Model | Any = "logit",
    weights: str | None = None,
    cluster: str | None = None,
    by: str | Sequence[str] | None = None,
    cross_fit: int | None = None,
    seed: int | None = None,
    missing: Missing = "refuse",
    conf_level: float = 0.95,
) -> Propensity:
    """Estimate each row's probability of treatment, given its covariates.

    Parameters
    ----------
    formula : str
        ``age + C(region)`` with `treatment`, or ``treated ~ age + C(region)``.
    data : frame
        One row a person (or a person at the start of a month).
    treatment : str, optional
        Column of true/false or 1/0.
    model : {"logit", "probit"} or classifier
        By maximum likelihood, or any classifier of scikit-learn's kind (`fit`, `predict_proba`),
        which is handed the formula's matrix and copied, not changed.
    weights : str, optional
        Column of sampling weights ≥ 0.
    cluster : str, optional
        Column whose rows belong together: robust errors, and folds that do not cut them apart.
    by : str or sequence of str, optional
        Columns; each combination gets a model of its own.
    cross_fit : int, optional
        Number of folds: a row's score comes from a model that has not seen it (nor its cluster).
        Folds are drawn over the rows in their order.
    seed : int, optional
        Of the folds, and of a classifier that draws and has no `random_state`.
    missing : {"refuse", "indicator"}
        What to do with missing covariates: nothing (an error), or a level of their own for text and
        the mean with an indicator for numbers; counted in `meta`.
    conf_level : float

    Returns
    -------
    Propensity

    Raises
    ------
    toolkit.errors.SeparationError
        When a column tells treated and controls apart, or a score is exactly 0 or 1: such rows have
        nobody to be compared with, and clipping would hide it.
    toolkit.errors.CollinearityError, ConvergenceError
        Naming the column that the data do not determine.
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used.

    Notes
    -----
    The score of Rosenbaum and Rubin (1983). Logit and probit climb by Newton's method. Rows with
    the same covariates are counted first; where covariates do not repeat, a pass goes over blocks
    of rows on every core, and no matrix is made of a formula that only adds columns up. The
    influence of a row is its score times the inverse information (observed, for the probit).

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import matching
    >>> people = pl.DataFrame({"old": [0, 0, 0, 0, 1, 1, 1], "course": [1, 0, 0, 0, 1, 1, 0]})
    >>> score = matching.propensity("course ~ old", people)
    >>> score.scores.round(4).to_list()
    [0.25, 0.25, 0.25, 0.25, 0.6667, 0.6667, 0.6667]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "plain")
    formula, treatment = split_formula(formula, treatment)
    parametric = isinstance(model, str) and model in FAMILIES
    if not parametric:
        check_learner(model)
    frame = to_frame(data)
    treated = read_treatment(frame, treatment)
    refuse_treatment(formula, treatment, frame)
    weight = read_sampling(frame, weights)
    groups = as_columns(by)
    _check_call(groups, seed)
    require_columns(frame, *groups, *([cluster] if cluster else []))
    require_no_nulls(frame, *groups, *([cluster] if cluster else []))
    together = None if cluster is None else frame[cluster]
    whole, filled, counts = with_indicators(formula, frame, missing)
    score, fits = np.empty(frame.height), []
    variables: tuple[str, ...] = ()
    for label, rows in rows_by_group(frame, groups):
        some = slice(None) if rows is None else rows
        mine, own = treated[some], weight[some]
        require_both(mine, own, f"in {label}" if label else "in the data")
        design = make_design(whole, filled if rows is None else filled[rows])
        variables = design.covariates.variables
        if cross_fit is not None:
            code = None if together is None else cluster_codes(together[some])
            fold = make_folds(mine, code, cross_fit, seed)
            score[some] = cross_scores(design, model, mine, own, fold, seed, treatment=treatment,
                                       weighted=weights is not None)  # fmt: skip
        elif parametric:
            climbed, eta, score[some] = fit_scores(design, model, mine, own, treatment)
            fits.append(ScoreFit(label=label, rows=rows, climbed=climbed, eta=eta))
        else:
            score[some] = seen_scores(design, model, mine, own, seed, weighted=weights is not None)
    name = model if parametric else type(model).__name__
    return Propensity(
        meta={
            "estimand": f"probability of {treatment}, given {formula.strip()}",
            "method": _method(name, cross_fit, groups),
            "n": frame.height,
            "n_event": int(treated.sum()),
            "dropped": {},
            "missing": counts,
            "warnings": _warnings(cross_fit, counts, parametric=parametric),
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        scores=pl.Series("score", score), treatment=treatment, treated=treated, weights=weight,
        formula=formula.strip(), model=name, cross_fit=cross_fit, fits=tuple(fits),
        covariates=tuple(one for one in variables if one in frame.columns),
        _cluster=together, _weighted=weights is not None, _conf_level=conf_level, _groups=groups,
    )  # fmt: skip


def _check_call(groups: Sequence[str], seed: Any) -> None:
    taken = _TIDY & set(groups)
    if taken:
        raise CallError(f"by= names {min(taken)!r}, which is a column of tidy()", fix="rename it")
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and seed >= 0
    if seed is not None and not whole:
        raise CallError(f"seed={seed!r} is no whole number from 0", fix="for instance seed=1")


def split_formula(formula: str, treatment: str | None) -> tuple[str, str]:
    """Return the right-hand side and the treatment, which stands on the left or is named."""
    if not isinstance(formula, str):
        raise CallError(
            f"formula is a {type(formula).__name__}, not text", fix="for instance 'age + sex'"
        )
    left, tilde, right = formula.partition("~")
    if not tilde:
        left, right = "", formula
    found = _LEFT.fullmatch(left)
    named = (found[1] or found[2]) if found else None
    if left.strip() and named is None:
        raise CallError(
            f"Left of ~ in {formula!r} stands more than one column",
            fix="make the treatment a column of true/false first",
        )
    if named and treatment is not None and named != treatment:
        raise CallError(
            f"The formula has {named!r} on its left side, treatment= says {treatment!r}",
            fix="name it once",
        )
    chosen = treatment or named
    if chosen is None:
        raise CallError(
            f"The formula {formula!r} does not say what the treatment is",
            fix="write 'treated ~ age + sex', or treatment='treated'",
        )
    return right, chosen


def refuse_treatment(formula: str, treatment: str, frame: pl.DataFrame) -> None:
    """Raise where the treatment is to be explained, or made equal, by itself."""
    if treatment in variables_of(formula, frame.columns):
        raise CallError(
            f"The formula {formula.strip()!r} has the treatment {treatment!r} itself in it",
            fix="leave it out on the right-hand side",
        )


def rows_by_group(
    frame: pl.DataFrame, groups: Sequence[str]
) -> Iterator[tuple[dict[str, Any], Ints | None]]:
    """Return each group's values, sorted, and its rows; all rows (None) without groups."""
    if not groups:
        yield {}, None
        return
    numbered = frame.select(groups).with_row_index("\0row")
    parts = numbered.group_by(groups).agg("\0row").sort(groups)
    for k, values in enumerate(parts.select(groups).iter_rows(named=True)):
        yield values, parts["\0row"][k].cast(pl.Int64).to_numpy()


def _method(name: str, cross_fit: int | None, groups: Sequence[str]) -> str:
    how = f"Propensity score, {name}"
    if groups:
        how += f", a model for each of {', '.join(groups)}"
    return how if cross_fit is None else f"{how}, cross-fitted in {cross_fit} folds"


def _warnings(
    cross_fit: int | None, missing: dict[str, int], *, parametric: bool
) -> list[str]:  # fmt: skip
    said = [
        f"{count:,} missing values of {name} are a level of their own"
        for name, count in missing.items()
    ]
    if not parametric and cross_fit is None:
        said.append(
            "scores of the rows the classifier was fitted on: it is too sure of those; cross_fit=5"
        )
    return said
