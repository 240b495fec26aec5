"""Two arms of an experiment, compared within the strata in which was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.effects.designs.linear import Contrasts, cell_contrasts, linear_contrasts
from toolkit.errors import CallError, EmptyCohortError
from toolkit.estimation.formula import learn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.effects.designs.door import Rows

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Numbers in the matrix of the regression, at most: 4 GB.
_MOST = 500_000_000


@dataclass(frozen=True)
class Arms:
    """Two arms, compared within strata.

    Attributes
    ----------
    rows : Rows
    treated : (N,) array of bool
    assigned : str
        Name of their column.
    layers : list of str
        Columns of the strata.
    within : {"blocked", "fixed_effects"}
        Whether strata count by their size, or by what they tell.
    """

    rows: Rows
    treated: Bools
    assigned: str
    layers: list[str]
    within: str

    def fit(self, y: Floats, adjust: str | None = None) -> Contrasts:
        """Return two contrasts of each outcome: the effect, and the mean of the controls.

        Parameters
        ----------
        y : (N, m) array
        adjust : str, optional
            Formula of covariates; each arm has its own slopes.
        """
        blocked = not self.layers or self.within == "blocked"
        codes, levels = self._strata()
        weight = self.rows.weight
        if adjust is None and blocked and self.rows.cluster is None:
            share = np.bincount(codes, weight, minlength=levels) / weight.sum()
            contrast = np.zeros((2 * levels, 2))
            contrast[1::2, 0], contrast[::2, 0], contrast[::2, 1] = share, -share, share
            return cell_contrasts(codes * 2 + self.treated, y, contrast, weight=weight)
        x, names = self._matrix(codes, levels, adjust, blocked=blocked)
        contrast = np.zeros((x.shape[1], 2))
        contrast[1, 0] = contrast[0, 1] = 1
        return linear_contrasts(
            x, y, contrast, names=names, weight=weight, cluster=self.rows.cluster
        )

    def _strata(self) -> tuple[Ints, int]:
        frame = self.rows.frame
        if not self.layers:
            return np.zeros(frame.height, dtype=np.int64), 1
        code = frame.select(pl.struct(self.layers).rank("dense") - 1).to_series()
        codes = code.cast(pl.Int64).to_numpy()
        if self.within == "blocked":
            _check_strata(codes, self.treated)
        return codes, int(codes.max()) + 1

    def _matrix(
        self, codes: Ints, levels: int, adjust: str | None, *, blocked: bool
    ) -> tuple[Floats, list[str]]:
        """Return [1, D, Z - Z̄, D (Z - Z̄)] and its names, Z the strata's dummies and covariates.

        With fixed effects the strata have no columns times D.
        """
        d, weight = self.treated.astype(np.float64), self.rows.weight
        if len(codes) * 2 * levels > _MOST:
            raise CallError(
                f"{levels:,} strata of {len(codes):,} rows do not fit in memory",
                fix="merge strata, or estimate part by part of the country",
            )
        names, parts = ["Intercept", self.assigned], [np.ones(len(d)), d]
        crossed, crossed_names = [], []
        if levels > 1:
            z = _centre((codes[:, None] == np.arange(1, levels)).astype(np.float64), weight)
            label = "×".join(self.layers)
            parts.append(z)
            names += [f"{label} {j}" for j in range(1, levels)]
            if blocked:
                crossed.append(d[:, None] * z)
                crossed_names += [f"{self.assigned}:{label} {j}" for j in range(1, levels)]
        if adjust is not None:
            covariates, values = learn(adjust, self.rows.frame)
            z = _centre(values, weight)
            parts.append(z)
            crossed.append(d[:, None] * z)
            names += covariates.terms
            crossed_names += [f"{self.assigned}:{term}" for term in covariates.terms]
        return np.column_stack([*parts, *crossed]), [*names, *crossed_names]


def check_spread(treated: Bools, cluster: Ints | None) -> None:
    """Raise where an arm is one person, or one cluster: it tells of no spread."""
    what = "person" if cluster is None else "cluster"
    for name, who in (("assigned", treated), ("control", ~treated)):
        count = int(who.sum()) if cluster is None else len(np.unique(cluster[who]))
        if count < 2:
            raise EmptyCohortError(
                f"The {name} arm is one {what}, which tells of no spread",
                where=f"{int(who.sum()):,} rows",
                fix="no error can be given: a case study, or clusters of a smaller kind",
            )


def _centre(values: Floats, weight: Floats) -> Floats:
    return np.asarray(values - np.average(values, axis=0, weights=weight))


def _check_strata(codes: Ints, treated: Bools) -> None:
    counts = np.stack(
        [np.bincount(codes[who], minlength=codes.max() + 1) for who in (treated, ~treated)]
    )
    for least, why, fix in (
        (1, "nobody in one of the arms", "merge strata, as they were before the draw"),
        (
            2,
            "one person in an arm, which tells of no spread",
            "merge strata, or within='fixed_effects' for pairs",
        ),
    ):
        bad = int((counts < least).any(axis=0).sum())
        if bad:
            raise EmptyCohortError(
                f"Some strata have {why}", where=f"{bad:,} of {counts.shape[1]:,} strata", fix=fix
            )
