"""Weights before they are cut: from a propensity score, or from equations of balance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.matching.propensity.climb import rows_times
from toolkit.matching.propensity.design import make_design
from toolkit.matching.propensity.fit import rows_by_group
from toolkit.matching.propensity.scores import require_both
from toolkit.matching.sample import Nuisance
from toolkit.matching.weighting.balancing import balance_moves
from toolkit.matching.weighting.moments import with_moments
from toolkit.matching.weighting.scoring import score_weights, stabilised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from toolkit.matching.propensity.model import Propensity
    from toolkit.matching.treatment import Estimand
    from toolkit.matching.weighting.balancing import Move

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """Weights of N rows, without their sampling weights.

    Attributes
    ----------
    weight : (N,) array
    estimated : (N,) array of bool
        Rows whose weight depends on parameters; the others keep 1.
    score : (N,) array or None
    variables : tuple of str
        Columns in the formula, and those that make groups.
    nuisance : callable
        From what each row's gradient is multiplied by (its sampling weight; 0 where the weight was
        cut or the row left out) to the parameters behind the weights; None where there are none
        that can be accounted for.
    """

    weight: Floats
    estimated: Bools
    score: Floats | None
    variables: tuple[str, ...]
    nuisance: Callable[[Floats], Nuisance | None] = field(repr=False)


def from_scores(
    found: Propensity, estimand: Estimand, sampling: Floats, *, stabilise: bool
) -> Estimated:
    """Return weights that are a function of propensity scores."""
    score, treated = found.scores.to_numpy(), found.treated
    weight, slope = score_weights(score, treated, estimand)
    estimated = slope != 0.0
    share = None
    if stabilise:
        weight, slope, *share = stabilised(weight, slope, treated, sampling)

    def nuisance(factor: Floats) -> Nuisance | None:
        if not found.parametric:
            return None
        influence, gradient = found.influence(), found.gradient(slope * factor)
        if share is not None:
            influence = np.column_stack([influence, share[0]])
            gradient = np.column_stack([gradient, share[1] * factor])
        return Nuisance(influence=influence, gradient=gradient)

    return Estimated(
        weight=weight, estimated=estimated, score=score, nuisance=nuisance,
        variables=tuple(dict.fromkeys([*found.covariates, *found.groups])),
    )  # fmt: skip


def from_balance(
    formula: str,
    frame: pl.DataFrame,
    method: str,
    estimand: Estimand,
    treated: Bools,
    sampling: Floats,
    base: Floats,
    *,
    groups: Sequence[str],
    moments: int,
) -> Estimated:
    """Return weights that make means equal, in each group of rows by itself.

    Within a group of rows each arm's weights sum to those of whom they stand for, so that the
    groups count as they do among these. Those of entropy balancing are scaled to a mean of 1
    afterwards, over all groups: group by group it would give every arm its own mix of groups.
    """
    n = frame.height
    weight, score = np.zeros(n), np.full(n, np.nan)
    moves: list[tuple[Any, Move]] = []
    variables: tuple[str, ...] = ()
    for label, rows in rows_by_group(frame, groups):
        some: Any = slice(None) if rows is None else rows
        require_both(treated[some], sampling[some], f"in {label}" if label else "in the data")
        design = make_design(formula, frame if rows is None else frame[rows])
        variables = design.covariates.variables
        for move in balance_moves(
            with_moments(design, moments), method, estimand,
            treated[some], sampling[some], base[some],
        ):  # fmt: skip
            moves.append((some, move))
            weight[some] += move.weight
            if move.score is not None:
                score[some] = move.score
    keeps = {"ATT": treated, "ATC": ~treated}.get(estimand, np.zeros(n, dtype=bool))
    weight[keeps] = 1.0
    if method == "entropy":
        scale = np.ones(n)
        for arm in (treated & ~keeps, ~treated & ~keeps):
            if arm.any():  # θ does not move it: the sums are those of the target
                scale[arm] = sampling[arm].sum() / (sampling * weight)[arm].sum()
        weight *= scale
        moves = [(some, replace(move, slope=move.slope * scale[some])) for some, move in moves]

    def nuisance(factor: Floats) -> Nuisance:
        influence, gradient = _side_by_side(moves, factor)
        return Nuisance(influence=influence, gradient=gradient)

    return Estimated(
        weight=weight, estimated=~keeps, score=None if np.isnan(score).any() else score,
        variables=tuple(dict.fromkeys([*variables, *groups])), nuisance=nuisance,
    )  # fmt: skip


def _side_by_side(moves: list[tuple[Any, Move]], factor: Floats) -> tuple[Floats, Floats]:
    """Return influence and gradient of the parameters of all moves, (N, Σ q) each."""
    made = [
        (some, move.influence(), rows_times(move.climbed.design, move.slope * factor[some]))
        for some, move in moves
    ]
    if len(made) == 1 and isinstance(made[0][0], slice):
        return made[0][1], made[0][2]
    width = sum(moved.shape[1] for _, moved, _ in made)
    influence, gradient = np.zeros((len(factor), width)), np.zeros((len(factor), width))
    start = 0
    for some, moved, by in made:
        stop = start + moved.shape[1]
        influence[some, start:stop], gradient[some, start:stop] = moved, by
        start = stop
    return influence, gradient
