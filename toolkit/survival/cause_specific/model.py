"""What a joint fit of all causes gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, unknown_option
from toolkit.estimation.coefficients import wald_test
from toolkit.estimation.intervals import check_interval
from toolkit.frames import to_frame
from toolkit.result import Result
from toolkit.survival.cause_specific.predict import coefficient_influence, predict
from toolkit.survival.cox.curves import new_rows
from toolkit.survival.cox.hazard import observed_until
from toolkit.survival.curves import check_times
from toolkit.survival.incidence_curves import incidence_table
from toolkit.survival.predicted import Predicted, describe_prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.cox import CoxModel
    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CauseSpecific(Result):
    """Cox models of the K causes, with the same p terms; made by `cause_specific`.

    A hazard ratio compares rates among those still at risk. Which way the incidence of a cause
    moves depends on all causes' hazards: see `predict_incidence`, or `fine_gray`.

    Attributes
    ----------
    causes : Series
        The K causes, sorted, in the user's type.
    models : tuple of CoxModel
        A fit per cause, in which the other causes are censored.
    vcov : (K p, K p) array
        Joint variance of all coefficients, cause by cause: where `robust` between causes too, else
        the inverse informations side by side.
    robust : bool
    cluster : str or None
    conf_level : float
    """

    causes: pl.Series
    models: tuple[CoxModel, ...] = field(repr=False)
    vcov: Floats = field(repr=False)
    robust: bool
    cluster: str | None
    conf_level: float

    @property
    def design(self) -> Design:
        """What all causes were fitted on (the event is that of the first cause)."""
        return self.models[0].design

    @property
    def terms(self) -> tuple[str, ...]:
        """The p terms."""
        return self.models[0].terms

    @property
    def coefficients(self) -> Floats:
        """All coefficients, cause by cause, (K p,)."""
        return np.concatenate([model.coefficients for model in self.models])

    def model(self, cause: Any) -> CoxModel:
        """Return the Cox model of one cause: its residuals, proportionality, baseline."""
        known = self.causes.to_list()
        if cause not in known or isinstance(cause, bool) != (self.causes.dtype == pl.Boolean):
            raise unknown_option("cause", cause, [str(one) for one in known])
        return self.models[known.index(cause)]

    def tidy(self, *, exponentiate: bool = False) -> pl.DataFrame:
        """Return a row per cause and term: `cause`, then the columns of `CoxModel.tidy`."""
        return self._stack([model.tidy(exponentiate=exponentiate) for model in self.models])

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, likelihood over all causes, and Wald's test of all terms."""
        b = self.coefficients
        wald, p_value = wald_test(b, self.vcov)
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": [self.meta["n_event"]],
                "n_cause": [len(self.causes)],
                "df": [len(b)],
                "loglik_null": [sum(model.loglik_null for model in self.models)],
                "loglik": [sum(model.loglik for model in self.models)],
                "statistic": pl.Series([wald], dtype=pl.Float64),
                "p_value": pl.Series([p_value], dtype=pl.Float64),
                "conf_level": [self.conf_level],
            }
        )

    def baseline(self, *, centered: bool = False) -> pl.DataFrame:
        """Return the cumulative baseline hazard of each cause; `cause`, then as in `CoxModel`."""
        return self._stack([model.baseline(centered=centered) for model in self.models])

    def influence(self) -> Floats:
        """Return what each row of the data moves the coefficients by, its weight included.

        (N, K p), cause by cause.
        """
        rows = self.design.to_rows(coefficient_influence(list(self.models)))
        return rows * self.design.row_weights()[:, None]

    def equal_effects(self) -> pl.DataFrame:
        """Test for each term of the formula, and for all, whether all causes feel the same effect.

        Wald's test on the joint variance. Columns: `term, statistic, df, p_value`; the last row,
        ``all terms``, is the joint test. With equal effects the causes have different baselines
        only, and a term changes when people leave, not where to.

        Null where the robust variance has fewer clusters than there are coefficients to test.

        Raises
        ------
        toolkit.errors.CallError
            When there is one cause.
        """
        n_cause, p = len(self.causes), len(self.terms)
        if n_cause < 2:
            raise CallError("There is one cause, so its effects have nothing to equal",
                            fix="look whether the event column holds all causes")  # fmt: skip
        b = self.coefficients.reshape(n_cause, p)
        groups = self.design.covariates.term_columns()
        rows = []
        for name, columns in [*groups.items(), ("all terms", list(range(p)))]:
            # differences from the first cause
            change = np.zeros(((n_cause - 1) * len(columns), n_cause * p))
            for row, (k, j) in enumerate((k, j) for k in range(1, n_cause) for j in columns):
                change[row, k * p + j], change[row, j] = 1.0, -1.0
            delta = change @ b.ravel()
            statistic, p_value = wald_test(delta, change @ self.vcov @ change.T)
            rows.append((name, statistic, len(delta), p_value))
        schema = {"term": pl.String, "statistic": pl.Float64, "df": pl.Int64, "p_value": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def predict_incidence(
        self,
        new: Any,
        times: float | Sequence[float] | None = None,
        *,
        conf_level: float | None = None,
    ) -> Predicted:
        """Predict the probability of each cause by each time, from the hazards of all of them.

        Parameters
        ----------
        new : frame
            The variables of the formula, the strata and the offset, if the model has them.
        times : number or sequence of numbers, optional
            All times of events, unless given.
        conf_level : float, optional
            That of the model, unless given.

        Returns
        -------
        Predicted
            Its `tidy()` has `row`, the strata and covariates, `cause, time, estimate, std_error,
            conf_low, conf_high`; null past the last time observed in the row's stratum.

        Notes
        -----
        `toolkit.survival.cause_specific.predict` has the formulas; the estimate is that of R's
        `survfit.coxphms`, which gives no error. Standard errors are those of influence functions:
        they count the baselines and coefficients of all causes together, are robust whatever the
        `robust` of the coefficients, and by `cluster` if the model has one.
        """
        level = self.conf_level if conf_level is None else conf_level
        check_interval(level, "log-log")
        x, offset, stratum, labels = new_rows(self.design, to_frame(new))
        models = list(self.models)
        known = np.unique(np.concatenate([m.fitted.risk_sets.time for m in models]))
        asked = known.astype(np.float64) if times is None else check_times(times)
        value, error = predict(
            models, x=x, offset=offset, stratum=stratum, times=asked, cluster=self.cluster
        )
        past = observed_until(models[0].fitted)[stratum][:, None, None] < asked
        return Predicted(
            meta=describe_prediction(
                self.meta, variance="influence functions",
                estimand="P(T ≤ t, cause) of units with these covariates",
                method="Cox models of all causes: predicted incidence",
            ),
            table=incidence_table(
                labels, self.causes, asked, np.where(past, np.nan, value),
                np.where(past, np.nan, error), level,
            ),
            labels=tuple(labels.columns[1:]),
            quantity="cumulative incidence",
            start=0.0,
            conf_level=level,
        )  # fmt: skip

    def _stack(self, tables: list[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(
            table.select(
                self.causes.gather([k] * table.height).alias("cause"), pl.all()
            )
            for k, table in enumerate(tables)
        )  # fmt: skip
