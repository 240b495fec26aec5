"""Information whose baseline part is blocks on a diagonal: an arrow, solved by Schur complement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.newton import inverse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arrow:
    """A symmetric positive definite matrix [[core, tipᵀ], [tip, diag(blocks)]].

    Attributes
    ----------
    core : (q, q) array
        Of the covariates.
    tip : (G, b, q) array
        Between the parameters of each block and the covariates.
    blocks : (G, b, b) array
    """

    core: Floats
    tip: Floats
    blocks: Floats

    @cached_property
    def block_inverse(self) -> Floats:
        """Inverse of every block, (G, b, b), scaled for accuracy."""
        scale = np.sqrt(np.einsum("gaa->ga", self.blocks))
        unit = np.linalg.inv(self.blocks / (scale[:, :, None] * scale[:, None, :]))
        out: Floats = unit / (scale[:, :, None] * scale[:, None, :])
        return out

    @cached_property
    def ratio(self) -> Floats:
        """blocks⁻¹ tip, (G, b, q): the covariates' weighted means under the baseline's weights."""
        out: Floats = self.block_inverse @ self.tip
        return out

    @cached_property
    def schur(self) -> Floats:
        """What the covariates know once the baseline is estimated too, (q, q)."""
        shape = self.tip.shape[0] * self.tip.shape[1], len(self.core)
        flat: Floats = self.core - self.tip.reshape(shape).T @ self.ratio.reshape(shape)
        return (flat + flat.T) / 2

    @cached_property
    def vcov(self) -> Floats:
        """Covariates' part of the inverse, (q, q)."""
        return inverse(self.schur)

    def solve(self, score: Floats, block_score: Floats) -> tuple[Floats, Floats]:
        """Return the Newton direction for scores (q,) and (G, b)."""
        own = np.einsum("gab,gb->ga", self.block_inverse, block_score)
        if not len(score):
            return score.copy(), own
        rest = score - np.einsum("gaq,ga->q", self.tip, own)
        step = solve_scaled(self.schur, rest)
        return step, own - self.ratio @ step

    def covariance(
        self, by_term: Floats, by_block: Floats, at: NDArray[np.int64] | None = None
    ) -> Floats:
        """Return the covariance (Q, Q) of linear functions (Q, q) and (Q, g, b) of all.

        `at` (g,) names the blocks that `by_block` is about; all of them without it.
        """
        own, rest = self.split(by_term, by_block, at)
        alone = np.einsum("tga,uga->tu", own, by_block)
        out: Floats = alone + rest @ self.vcov @ rest.T
        return out

    def split(
        self, by_term: Floats, by_block: Floats, at: NDArray[np.int64] | None = None
    ) -> tuple[Floats, Floats]:
        """Return linear functions as (Q, g, b) of the block scores and (Q, q) of the covariates."""
        which = slice(None) if at is None else at
        own = np.einsum("gab,tgb->tga", self.block_inverse[which], by_block)
        rest: Floats = by_term - np.einsum("gaq,tga->tq", self.tip[which], own)
        return own, rest


def solve_scaled(matrix: Floats, vector: Floats) -> Floats:
    """Solve with a ridge as small as a Cholesky factor needs."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    unit = matrix / np.outer(scale, scale)
    for ridge in (0.0, 1e-12, 1e-9, 1e-6, 1e-3):
        try:
            factor = np.linalg.cholesky(unit + ridge * np.eye(len(unit)))
        except np.linalg.LinAlgError:
            continue
        half = np.linalg.solve(factor, vector / scale)
        out: Floats = np.linalg.solve(factor.T, half) / scale
        return out
    return np.asarray(vector / scale**2)
