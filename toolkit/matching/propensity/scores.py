"""Scores of one group of rows: by maximum likelihood, by a classifier, of rows not seen or seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import EmptyCohortError, SeparationError
from toolkit.estimation.blocks import by_block
from toolkit.matching.propensity.climb import INTERCEPT, Climbed, climb
from toolkit.matching.propensity.families import Logit, Probit
from toolkit.matching.propensity.learner import learn_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.matching.propensity.design import Design

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

Model = Literal["logit", "probit"]
FAMILIES: dict[str, Logit | Probit] = {"logit": Logit(), "probit": Probit()}


def fit_scores(
    design: Design, model: str, treated: Bools, weight: Floats, treatment: str
) -> tuple[Climbed, Floats, Floats]:
    """Return the fit, and η and the score of each row, (N,).

    Rows of weight 0 have a score, and no say in the fit.

    Raises
    ------
    toolkit.errors.SeparationError
        When a column tells the groups apart, or a score is exactly 0 or 1.
    """
    family = FAMILIES[model]
    u, v = design.by_pattern(weight * treated), design.by_pattern(weight * ~treated)
    climbed = climb(design, family, u, v, runaway=_tells_apart(treatment))
    by_pattern = climbed.eta()
    score = by_block(family.score, by_pattern)
    certain = np.flatnonzero((score <= 0.0) | (score >= 1.0))
    if len(certain):
        raise _certain(climbed, design, certain)
    return climbed, design.to_rows(by_pattern), design.to_rows(score)


def cross_scores(
    design: Design, model: Any, treated: Bools, weight: Floats, fold: Ints, seed: int | None,
    *, treatment: str, weighted: bool,
) -> Floats:  # fmt: skip
    """Return the score of each row, (N,), by models that have not seen its fold."""
    score = np.empty(design.n_rows)
    x = np.empty((0, 0)) if isinstance(model, str) else design.matrix()
    for k in range(int(fold.max()) + 1):
        out = fold == k
        require_both(treated[~out], weight[~out], f"outside fold {k + 1}")
        if isinstance(model, str):
            # the rest has no weight: its rows are foretold, not fitted
            score[out] = fit_scores(design, model, treated, np.where(out, 0.0, weight), treatment)[
                2
            ][out]
        else:
            used = weight[~out] if weighted else None
            score[out] = learn_scores(model, x[~out], treated[~out], used, x[out], seed)
    if not isinstance(model, str):
        check_certain(score, model)
    return score


def seen_scores(
    design: Design, model: Any, treated: Bools, weight: Floats, seed: int | None, *, weighted: bool
) -> Floats:
    """Return the score of each row, (N,), by a classifier fitted on these rows."""
    x = design.matrix()
    score = learn_scores(model, x, treated, weight if weighted else None, x, seed)
    check_certain(score, model)
    return score


def check_certain(score: Floats, model: Any) -> None:
    """Raise `SeparationError` for scores of exactly 0 or 1 (or none at all)."""
    certain = ~((score > 0.0) & (score < 1.0))
    if certain.any():
        raise SeparationError(
            f"{type(model).__name__} gives scores of exactly 0 or 1, and such rows have nobody to "
            "be compared with",
            where=f"{int(certain.sum()):,} of {len(score):,} rows",
            fix="larger leaves, a calibrated classifier or cross_fit=5; or drop what is certain "
            "before the comparison",
        )


def require_both(treated: Bools, weight: Floats, where: str) -> None:
    """Raise unless there are treated and controls, of weight above 0."""
    counts = [int((weight[who] > 0).sum()) for who in (treated, ~treated)]
    if min(counts) == 0:
        raise EmptyCohortError(
            f"Nobody is {'untreated' if counts[0] else 'treated'} {where}",
            where=f"{counts[0]:,} treated and {counts[1]:,} controls of weight above 0",
            fix="take groups together, fewer folds, or leave that group out of the comparison",
        )


def _tells_apart(treatment: str) -> Callable[[str], SeparationError]:
    def error(name: str) -> SeparationError:
        return SeparationError(
            f"Column {name!r} (with the others) tells those with {treatment!r} from those without: "
            "its coefficient runs off to infinity, and some have nobody to be compared with",
            fix="merge the level with another, leave the column out, or leave those people out of "
            f"the comparison; look at a table of {treatment!r} by its values",
        )

    return error


def _certain(climbed: Climbed, design: Design, certain: Ints) -> SeparationError:
    """Name the term that moves the rows with a certain score most, from the mean of all rows."""
    names = [INTERCEPT, *design.terms]
    moved = [0.0]
    for j, factor in enumerate(climbed.theta[1:]):
        x = design.column(j)
        moved.append(float(abs(factor) * np.abs(x[certain] - x.mean()).max()))
    marked = np.zeros(design.n_patterns)
    marked[certain] = 1.0
    rows = int(design.to_rows(marked).sum())
    return SeparationError(
        f"Scores are exactly 0 or 1, by the values of {names[int(np.argmax(moved))]!r}",
        where=f"{rows:,} of {design.n_rows:,} rows",
        fix="look at its extreme values: take a logarithm or classes, or leave those rows out of "
        "the comparison",
    )
