"""What a Cox model gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.survival.cox.score import score_of_cells
from toolkit.survival.regression import Regression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted, Ties

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CoxModel(Regression):
    """A fitted Cox model; made by `cox`.

    Attributes
    ----------
    ties : {"efron", "breslow", "exact"}
    cluster : str or None
        Column of the clusters of the robust variance.
    fitted : Fitted
        Risk sets, risks and hazard increments at the coefficients (with ``exact`` ties those of
        Breslow at the exact coefficients, as R has them).
    score_test : float
        Rao's statistic of all coefficients being 0.
    """

    ties: Ties
    cluster: str | None
    fitted: Fitted = field(repr=False)
    score_test: float

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, likelihoods, and three tests of all coefficients being 0."""
        from scipy.special import chdtrc

        df = len(self.terms)
        b = self.coefficients
        tests = {
            "likelihood_ratio": 2 * (self.loglik - self.loglik_null),
            "wald": float(b @ np.linalg.solve(self.vcov, b)) if df else 0.0,
            "score": self.score_test,
        }
        columns = self._fit_columns()
        for name, value in tests.items():
            columns[name] = value
            columns[f"{name}_p_value"] = float(chdtrc(df, value)) if df else None
        return pl.DataFrame({name: [value] for name, value in columns.items()})

    def influence(self) -> Floats:
        """Return by how much each row of the data moves the coefficients, (N, p).

        R's weighted `dfbeta`: the influence of a unit like that row, times the row's weight. With
        sampling weights, or none, ``influence().T @ influence()`` is the robust variance.
        """
        unit = score_of_cells(self.fitted) @ self.vcov_model
        return self.design.to_rows(unit) * self.design.row_weights()[:, None]
