"""What every duration model with coefficients gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.estimation.coefficients import coefficient_table
from toolkit.result import Result

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Regression(Result):
    """Coefficients of a duration model, p terms.

    Attributes
    ----------
    terms : tuple of str
    coefficients : (p,) array
    vcov : (p, p) array
        Variance of the coefficients: robust where `robust`, else the inverse information.
    vcov_model : (p, p) array
        Inverse information.
    robust : bool
    loglik, loglik_null : float
        At the optimum, and with all covariates' coefficients at 0.
    conf_level : float
    design : Design
        What it was fitted on.
    """

    terms: tuple[str, ...]
    coefficients: Floats = field(repr=False)
    vcov: Floats = field(repr=False)
    vcov_model: Floats = field(repr=False)
    robust: bool
    loglik: float
    loglik_null: float
    conf_level: float
    design: Design = field(repr=False)

    @property
    def std_error(self) -> Floats:
        """Standard errors that the intervals use, (p,)."""
        errors: Floats = np.sqrt(np.diag(self.vcov))
        return errors

    def tidy(self, *, exponentiate: bool = False) -> pl.DataFrame:
        """Return a row per term.

        Columns: `term, estimate, std_error` (model-based), `robust_se` (where asked for),
        `statistic, p_value, conf_low, conf_high`, the last four with the robust error if there.
        With `exponentiate` the estimate and its bounds are ratios; errors stay on the log scale.
        """
        return coefficient_table(
            self.terms, self.coefficients, self.vcov_model,
            robust=self.vcov if self.robust else None,
            conf_level=self.conf_level, exponentiate=exponentiate,
        )  # fmt: skip

    def _fit_columns(self) -> dict[str, Any]:
        """Return what every `glance()` of a regression starts with."""
        return {
            "n": self.meta["n"],
            "n_event": self.meta["n_event"],
            "df": len(self.terms),
            "loglik_null": self.loglik_null,
            "loglik": self.loglik,
            "aic": 2 * len(self.terms) - 2 * self.loglik,
            "bic": len(self.terms) * float(np.log(max(self.meta["n_event"], 1))) - 2 * self.loglik,
        }
