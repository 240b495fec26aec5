"""Models that foretell rows they were not fitted on: logit, linear, or any of scikit-learn's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.effects.doubly_robust.kernels import linear_sums, logit_sums, predictors
from toolkit.errors import CallError, CollinearityError, EstimationError
from toolkit.estimation.collinearity import check_collinearity, first_made_up
from toolkit.estimation.newton import inverse, maximise
from toolkit.estimation.threads import learning_threads

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: With more rows than twice this a climb starts where one on about as many ended.
_FEW = 50_000


@dataclass(frozen=True, kw_only=True)
class Table:
    """Covariates of N rows: as they are, and with an intercept and standardised.

    Attributes
    ----------
    x : (N, p) array
    z : (N, 1 + p) array
        1, (x - mean) / standard deviation.
    terms : tuple of str
        Names of the p columns.
    """

    x: Floats = field(repr=False)
    z: Floats = field(repr=False)
    terms: tuple[str, ...]


def make_table(x: Floats, terms: Sequence[str], weight: Floats) -> Table:
    """Return covariates, checked for columns that others make up."""
    some = x[:: max(len(x) // 200_000, 1)] if len(x) > 400_000 else x
    few = weight[:: max(len(x) // 200_000, 1)] if len(x) > 400_000 else weight
    check_collinearity(some, terms, few)
    total = weight.sum()
    centre = (weight @ x) / total
    scale = np.sqrt(weight @ (x - centre) ** 2 / total)
    z = np.empty((len(x), 1 + x.shape[1]))
    z[:, 0] = 1.0
    np.subtract(x, centre, out=z[:, 1:])
    z[:, 1:] /= np.where(scale > 0, scale, 1.0)
    return Table(x=x, z=z, terms=tuple(terms))


def foretell_logit(
    table: Table, y: Floats, weight: Floats, fold: Ints, n_fold: int, what: str,
    skip: Container[int] = (), rows: str = "",
) -> Floats:  # fmt: skip
    """Return the chance of y = 1 of each row, by a logit fitted outside its fold, (N,).

    Rows of weight 0 are foretold and not learned from. With one fold all learn from all. Folds in
    `skip` are not fitted: what is foretold there is of no use. `rows` says of whom it is learned.
    """
    gram, _ = linear_sums(table.z, y[:, None], weight, fold, n_fold)
    for f, left in _left(gram, n_fold):
        if f not in skip:
            _check_determined(left, table.terms, rows, f)
    spread = np.ones(table.z.shape[1])
    names = ["intercept", *(f"{term} ({what})" for term in table.terms)]
    start = np.zeros(table.z.shape[1])
    share = float(weight @ y / weight.sum())
    start[0] = np.log(share / (1 - share))

    def climb(rows: slice, out: int, at: Floats) -> Floats:
        best = maximise(
            lambda beta: logit_sums(table.z[rows], y[rows], weight[rows], fold[rows], out, beta),
            at, names=names, spread=spread, tolerance=1e-7,
        )  # fmt: skip
        return best.point + best.inverse @ best.score  # one step more squares what is left

    step = len(y) // _FEW
    if step > 1:  # near the top of all, for a fraction of the work
        with suppress(EstimationError):
            start = climb(slice(None, None, step), -1, start)
    every = slice(None)
    whole = climb(every, -1, start)
    outside = range(n_fold) if n_fold > 1 else ()
    each = [whole if out in skip else climb(every, out, whole) for out in outside]
    beta = np.stack(each or [whole])
    from scipy.special import expit

    return np.asarray(expit(predictors(table.z, fold, beta[:, :, None])[:, 0]))


def foretell_linear(
    table: Table, y: Floats, weight: Floats, arm: Ints, n_arm: int, fold: Ints, n_fold: int,
    *, spare: int | None = None, labels: Sequence[str] = ("",),
) -> Floats:  # fmt: skip
    """Return the mean of each outcome in each arm, foretold outside the fold, (A, N, K).

    Parameters
    ----------
    y : (N, K) array
    weight : (N,) array
        0 = not learned from.
    arm : (N,) array of int
    spare : int, optional
        The arm whose model plays no part in the estimate: what it does not determine is taken by
        the shortest coefficients.
    labels : sequence of str
        Who is in each arm, for the messages: ``of the treated``.
    """
    cell = arm * n_fold + fold
    gram, cross = linear_sums(table.z, y, weight, cell, n_arm * n_fold)
    q, width = table.z.shape[1], y.shape[1]
    gram = gram.reshape(n_arm, n_fold, q, q)
    cross = cross.reshape(n_arm, n_fold, q, width)
    out = np.empty((n_arm, len(y), width))
    for one in range(n_arm):
        beta = np.empty((n_fold, q, width))
        products = [left for _, left in _left(cross[one], n_fold)]
        for f, left in _left(gram[one], n_fold):
            if one != spare:
                _check_determined(left, table.terms, labels[one], f)
            if f is None and n_fold > 1:
                continue
            of = left, products[0 if f is None else f + 1]
            beta[f or 0] = _shortest(*of) if one == spare else inverse(of[0]) @ of[1]
        out[one] = predictors(table.z, fold, beta)
    return out


def _left(parts: Floats, n_fold: int) -> list[tuple[int | None, Floats]]:
    """Return the sum over folds, (None, ·), and what is left outside each of several, (f, ·)."""
    whole = parts.sum(axis=0)
    outside = range(n_fold) if n_fold > 1 else ()
    return [(None, whole), *((f, whole - parts[f]) for f in outside)]


def _shortest(gram: Floats, cross: Floats) -> Floats:
    """Return the least-squares coefficients of smallest length."""
    return np.asarray(np.linalg.pinv(gram, hermitian=True) @ cross)


def _check_determined(gram: Floats, terms: Sequence[str], rows: str, fold: int | None) -> None:
    """Raise where some rows lack what all have: a column that is constant, or that others make up.

    Parameters
    ----------
    gram : (1 + p, 1 + p) array
        Products of the intercept and the columns.
    rows : str
        Which rows: ``of the treated``.
    fold : int or None
        Outside which fold; None = all.
    """
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    unit = gram / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(unit)
    if values[0] >= 1e-10 * values[-1] and (np.diag(gram) > 0).all():
        return
    about = gram[1:, 1:] - np.outer(gram[0, 1:], gram[0, 1:]) / max(gram[0, 0], 1e-300)
    found = first_made_up(about, 1e-12 * np.diag(gram)[1:])
    if found is None:  # nearly made up: by what weighs most in it
        share = np.abs(vectors[1:, 0])
        order = np.argsort(-share)
        found = int(order[0]), [int(k) for k in order[1:] if share[k] > 0.1 * share[order[0]]]
    j, others = found
    where = f" {rows}" if rows else ""
    where += " outside one of the folds" if fold is not None else ""
    said = f"has the same value in every row{where}"
    if others:
        said = f"is made up of {', '.join(repr(terms[k]) for k in others[:6])} in the rows{where}"
    raise CollinearityError(
        f"Column {terms[j]!r} {said}",
        fix="merge rare levels, leave it out of that model, or use one that can do without (ridge "
        "of scikit-learn)",
    )


def foretell(
    estimator: Any, x: Floats, y: Floats, weight: Floats | None, learn: Bools, fold: Ints,
    n_fold: int, seed: int,
) -> Floats:  # fmt: skip
    """Return what an estimator of scikit-learn foretells, fitted outside each fold.

    Parameters
    ----------
    y : (N,) array
        Numbers, or 0 and 1 (or arms 0 … A-1) for a classifier.
    weight : (N,) array or None
        None = all the same.
    learn : (N,) array of bool
        Rows that may be learned from.

    Returns
    -------
    (N,) array of means, or (N, A) of chances for a classifier.
    """
    from sklearn.base import clone, is_classifier

    classes = np.unique(y[learn])
    chances = is_classifier(estimator)
    out = np.empty((len(y), len(classes))) if chances else np.empty(len(y))
    for f in range(n_fold):
        rows = learn & (fold != f) if n_fold > 1 else learn
        model = clone(estimator)
        parameters = model.get_params()
        free = {
            name: seed for name, value in parameters.items()
            if (name == "random_state" or name.endswith("__random_state")) and value is None
        }  # fmt: skip
        model.set_params(**free)
        options = {} if weight is None else {"sample_weight": weight[rows]}
        target = y[rows].astype(np.int64) if chances else y[rows]
        try:
            with learning_threads(int(rows.sum())):  # what is foretold is quick
                model.fit(x[rows], target, **options)
        except TypeError as error:
            if not options:
                raise
            raise CallError(
                f"{type(estimator).__name__} does not take weights",
                fix="use an estimator whose fit has sample_weight, or no weights",
            ) from error
        at = fold == f if n_fold > 1 else np.ones(len(y), bool)
        if chances and len(model.classes_) != len(classes):
            raise CallError("Outside a fold one of the values does not occur", fix="fewer folds")
        out[at] = model.predict_proba(x[at]) if chances else model.predict(x[at])
    if not np.isfinite(out).all():
        raise CallError(f"{type(estimator).__name__} foretells values that are not finite")
    return out


def check_estimator(estimator: Any, what: str, *, classifier: bool = False) -> None:
    """Raise unless `estimator` is one of scikit-learn's kind."""
    from sklearn.base import is_classifier

    usable = all(hasattr(estimator, name) for name in ("fit", "get_params", "predict"))
    if not usable or (classifier and not hasattr(estimator, "predict_proba")):
        raise CallError(
            f"{what} is a {type(estimator).__name__}, not a formula or an estimator of "
            f"scikit-learn{' with predict_proba' if classifier else ''}",
            fix="for instance 'age + C(region)' or HistGradientBoostingClassifier()",
        )
    if classifier and not is_classifier(estimator):
        raise CallError(f"{what} is no classifier", fix="it must tell the chance of treatment")
