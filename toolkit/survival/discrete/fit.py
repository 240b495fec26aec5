"""A fitted model of person-months, and the variance of anything computed from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.discrete.climb import climb
from toolkit.survival.discrete.likelihood import Link, Point, evaluate, unit_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.discrete.arrow import Arrow
    from toolkit.survival.discrete.baseline import Baseline
    from toolkit.survival.discrete.months import PersonMonths

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """Where the likelihood of person-months is highest.

    Attributes
    ----------
    months : PersonMonths
    baseline : Baseline
    link : {"cloglog", "logit"}
    point : Point
        Coefficients; covariates in the order of `months.x`, then `months.z`.
    information : Arrow
        Fisher's.
    value, null : float
        Log-likelihood there, and with no covariates.
    steps : int
    """

    months: PersonMonths
    baseline: Baseline
    link: Link
    point: Point
    information: Arrow
    value: float
    null: float
    steps: int

    @property
    def column(self) -> Ints:
        """For each of the K p terms as the formula orders them, its place in `point.beta`."""
        back = np.argsort(self.months.order)
        n_cause, p = self.point.beta.shape
        return np.asarray((np.arange(n_cause)[:, None] * p + back).ravel())

    @property
    def coefficients(self) -> Floats:
        """Coefficients of the K p terms, cause by cause."""
        return self.point.beta.ravel()[self.column]

    @property
    def vcov(self) -> Floats:
        """Inverse of Fisher's information for the K p terms."""
        return self.information.vcov[np.ix_(self.column, self.column)]

    @cached_property
    def cell_influence(self) -> Floats:
        """How far the coefficients move when one unit is added to each cell, (C, K p).

        V Σ_months u (x - x̄), with x̄ the mean of the month under the baseline's weights.
        """
        score, about = unit_sums(
            self.months, self.baseline, self.link, self.point, self._by_slot(self.information.ratio)
        )
        efficient = score.reshape(len(score), -1) - about
        out: Floats = efficient @ self.information.vcov
        return out

    def covariance(
        self,
        by_term: Floats,
        by_block: Floats,
        at: Ints,
        *,
        design: Design | None = None,
        cluster: str | None = None,
        own: Floats | None = None,
    ) -> Floats:
        """Return the covariance (Q, Q) of functions with gradients (Q, K p) and (Q, g, K b).

        Parameters
        ----------
        by_term : array
            In the order of `point.beta`.
        at : (g,) array
            The blocks that `by_block` is about.
        design, cluster
            With a design the covariance is robust.
        own : (C, Q) array, optional
            Influence beside that through the coefficients (of the covariates' own draw).
        """
        if design is None:
            return self.information.covariance(by_term, by_block, at)
        influence = self.influence_of(by_term, by_block, at)
        if own is not None:
            influence += own
        return design.meat(influence, cluster)[0]

    def influence_of(self, by_term: Floats, by_block: Floats, at: Ints) -> Floats:
        """Return the influence (C, Q) of a unit of each cell on functions of the parameters."""
        own, rest = self.information.split(by_term, by_block, at)
        table = np.zeros((self.baseline.n_block, own.shape[2], len(own)))
        table[at] = own.transpose(1, 2, 0)
        _, through = unit_sums(
            self.months, self.baseline, self.link, self.point, self._by_slot(table)
        )
        out: Floats = through + self.cell_influence @ rest.T
        return out

    def _by_slot(self, by_block: Floats) -> Floats:
        """Turn (G, K b, Q) into what each slot and cause has of it, (S M, K, Q)."""
        basis = self.baseline.basis
        width = basis.shape[1]
        shaped = by_block.reshape(len(by_block), self.months.n_cause, width, by_block.shape[2])
        out = np.einsum("sb,skbq->skq", basis, shaped[self.baseline.block])
        out[~self.baseline.used] = 0.0
        return np.ascontiguousarray(out)


def fit_months(months: PersonMonths, baseline: Baseline, link: Link, names: list[str]) -> Fit:
    """Fit a model, and the one without covariates beside it.

    `names` of the K p coefficients in the order of `Point.beta`, for messages.
    """
    point, state, steps = climb(months, baseline, link, names)
    if names:
        bare = _without_terms(months)
        null = climb(bare, baseline, link, [])[1].value
    else:
        null = state.value
    top = evaluate(months, baseline, link, point, expected=True)
    return Fit(months, baseline, link, point, top.information, top.value, null, steps)


def _without_terms(months: PersonMonths) -> PersonMonths:
    """Return the same counts without covariates: few cells, unless there is an offset."""
    none = np.zeros(0, np.int64)
    empty = np.zeros((0, 0))
    if months.offset.any():
        x = np.zeros((len(months.x), 0))
        return replace(months, x=x, z=empty, order=none, terms=())
    # a pattern is a stratum; each month has a cell of leavers by cause, and one of stayers
    n_stratum, n_month, n_cause = months.n_stratum, months.n_month, months.n_cause
    stay = months.at_risk - months.events.sum(1)
    n = np.column_stack([stay, months.events]).ravel()
    time = np.tile(np.repeat(np.arange(1, n_month + 1), n_cause + 1), n_stratum)
    event = np.tile(np.arange(n_cause + 1), n_stratum * n_month)
    return replace(
        months, first_cell=np.arange(n_stratum + 1) * n_month * (n_cause + 1),
        stratum=np.arange(n_stratum), entry=time - 1, time=time, event=event, n=n,
        offset=np.zeros(n_stratum), x=np.zeros((n_stratum, 0)), z=empty,
        first_row=np.zeros(n_stratum, np.int64), order=none, terms=(),
    )  # fmt: skip
