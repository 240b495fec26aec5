"""Scores by any scikit-learn classifier, and folds for scores of rows a model has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError
from toolkit.estimation.threads import learning_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


def check_learner(model: Any) -> None:
    """Raise unless `model` can be fitted and foretells probabilities."""
    if isinstance(model, type) or not all(
        callable(getattr(model, name, None)) for name in ("fit", "predict_proba")
    ):
        raise CallError(
            f"model={model!r} is neither 'logit', 'probit' nor a classifier with fit and "
            "predict_proba",
            fix="for instance model=HistGradientBoostingClassifier()",
        )


def learn_scores(
    model: Any,
    x: Floats,
    treated: Bools,
    weight: Floats | None,
    to_score: Floats,
    seed: int | None,
) -> Floats:
    """Return the scores, (M,), of rows `to_score` by a copy of `model` fitted on `x`, (N, p)."""
    from sklearn.base import clone

    learner = clone(model)
    if seed is not None and learner.get_params().get("random_state", 0) is None:
        learner.set_params(random_state=seed)
    with learning_threads(len(x)):
        if weight is None:
            learner.fit(x, treated)
        else:
            try:
                learner.fit(x, treated, sample_weight=weight)
            except (TypeError, ValueError) as error:
                raise CallError(
                    f"{type(model).__name__} takes no weights: {str(error).splitlines()[0]}",
                    fix="a classifier whose fit has sample_weight, or no weights=",
                ) from error
        at = int(np.flatnonzero(learner.classes_)[0])
        return np.asarray(learner.predict_proba(to_score)[:, at], dtype=np.float64)


def make_folds(treated: Bools, cluster: Ints | None, count: int, seed: int | None) -> Ints:
    """Return the fold 0 … count-1 of each row, (N,): of its cluster, where there are clusters.

    Without clusters each fold has the same share of treated.
    """
    usable = isinstance(count, int) and not isinstance(count, bool)
    units = len(treated) if cluster is None else int(cluster.max()) + 1
    if not usable or not 2 <= count <= units:
        raise CallError(
            f"cross_fit={count!r} is not a number of folds from 2 on",
            where=f"{units:,} {'rows' if cluster is None else 'clusters'}",
            fix="5 or 10 is usual",
        )
    rng = np.random.default_rng(seed)
    if cluster is not None:
        return np.asarray((rng.permutation(units) % count)[cluster])
    fold = np.empty(len(treated), dtype=np.int64)
    for who in (treated, ~treated):
        fold[who] = rng.permutation(int(who.sum())) % count
    return fold
