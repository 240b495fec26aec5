"""The fitted model: coefficients, baseline, predicted incidence, residuals and influence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import check_option
from toolkit.estimation.coefficients import wald_test
from toolkit.estimation.intervals import check_interval
from toolkit.frames import to_frame
from toolkit.survival.cox.curves import new_rows
from toolkit.survival.curves import check_times
from toolkit.survival.fine_gray.influence import martingale_residuals, score_residuals
from toolkit.survival.fine_gray.predict import cumulative_hazard, hazard_errors
from toolkit.survival.incidence_curves import incidence_table
from toolkit.survival.predicted import Predicted, describe_prediction
from toolkit.survival.regression import Regression
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.fine_gray.influence import Parts

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ResidualType = Literal["score", "martingale", "schoenfeld"]
RESIDUALS = ("score", "martingale", "schoenfeld")


@dataclass(frozen=True, kw_only=True)
class FineGrayModel(Regression):
    """Proportional hazards of the subdistribution of a cause; made by `fine_gray`.

    A coefficient says how the incidence of the cause moves, all causes at work: F(t | x) is
    1 - exp(-Λ(t) exp(x β)). It is no rate among those still at risk; see `cause_specific` for that.

    Attributes
    ----------
    cause
        The cause, as in the data.
    exact : bool or None
        Form of the estimated censoring distribution's part in the variance (None: left out).
    cluster : str or None
    """

    cause: Any
    exact: bool | None = field(repr=False)
    cluster: str | None
    cell_influence: Floats = field(repr=False)
    parts: Parts = field(repr=False)

    def glance(self) -> pl.DataFrame:
        """Return one row: numbers of rows and events, pseudo-likelihood, a test of all terms.

        The likelihood is a pseudo-likelihood: `statistic` is Wald's, with the variance in use.
        """
        wald, p_value = wald_test(self.coefficients, self.vcov)
        fit = self._fit_columns()
        for name in ("aic", "bic"):  # of a pseudo-likelihood they mean nothing
            fit.pop(name)
        return pl.DataFrame(
            fit
            | {
                "statistic": wald,
                "p_value": p_value,
                "n_competing": self.meta["n_competing"],
                "n_censor": self.meta["n_censor"],
                "ties": self.meta["ties"],
                "conf_level": self.conf_level,
            }
        )

    def baseline(self) -> pl.DataFrame:
        """Return the cumulative subdistribution hazard where all terms and the offset are 0.

        Columns: the strata, `time, n_event, hazard` (its step), `estimate` (cumulative); a row per
        event time of the cause.
        """
        sets = self.parts.sets
        value, _ = cumulative_hazard(self.parts, sets.stratum, sets.time.astype(np.float64))
        ratio = np.exp(-self.parts.centre @ self.coefficients)
        count = sets.n_event if self.design.sampling else np.rint(sets.n_event).astype(np.int64)
        return pl.DataFrame(
            {
                **self._strata(sets.stratum),
                "time": sets.time,
                "n_event": count,
                "hazard": self.parts.at.hazard * ratio,
                "estimate": value * ratio,
            }
        )

    def predict_incidence(
        self,
        new: Any,
        times: float | Sequence[float] | None = None,
        *,
        conf_level: float | None = None,
    ) -> Predicted:
        """Predict the probability of the cause by each time, for the covariates of each row.

        Parameters
        ----------
        new : frame
            The variables of the formula, the strata and the offset, if the model has them.
        times : float or sequence of float, optional
            None: all event times of the cause; with many rows and many times this is slow.
        conf_level : float, optional
            That of the model, unless given.

        Returns
        -------
        Predicted
            Its `tidy()` has `row`, the strata and covariates, `cause, time, estimate, std_error,
            conf_low, conf_high`; null past the last time observed in the row's stratum.

        Notes
        -----
        The estimate is that of R's `predict.crr`, which gives no error. Standard errors are those
        of influence functions (`toolkit.survival.fine_gray.predict`): they count the estimated
        baseline, coefficients and censoring distribution together, are robust whatever the
        `robust` of the coefficients, and by `cluster` if the model has one.
        """
        level = self.conf_level if conf_level is None else conf_level
        check_interval(level, "log-log")
        x, offset, stratum, labels = new_rows(self.design, to_frame(new))
        known = np.unique(self.parts.sets.time).astype(np.float64)
        asked = known if times is None else check_times(times)
        value, error = hazard_errors(
            self.parts, self.cell_influence, x=x - self.parts.centre, offset=offset,
            stratum=stratum, times=asked, cluster=self.cluster, exact=self.exact,
        )  # fmt: skip
        seen = self._last_times()[stratum][:, None] >= asked
        left = np.exp(-value)
        return Predicted(
            meta=describe_prediction(
                self.meta, variance="influence functions",
                estimand=f"P(T ≤ t, cause = {self.cause}) of units with these covariates",
                method="Fine and Gray: predicted incidence 1 - exp(-Λ)",
            ),
            table=incidence_table(
                labels, pl.Series("cause", [self.cause]), asked,
                np.where(seen, -np.expm1(-value), np.nan)[:, None],
                np.where(seen, left * error, np.nan)[:, None], level,
            ),
            labels=tuple(labels.columns[1:]),
            quantity="cumulative incidence",
            start=0.0,
            conf_level=level,
        )  # fmt: skip

    def influence(self) -> Floats:
        """Return what each row of the data moves the coefficients by, its weight included, (N, p).

        With ``variance="jackknife"`` this is the derivative of the estimate to the row's weight,
        times the weight, and the sum of its outer products is `vcov` (without clusters).
        """
        rows = self.design.to_rows(self.cell_influence)
        return rows * self.design.row_weights()[:, None]

    def residuals(self, kind: ResidualType = "score") -> Floats:
        """Return residuals.

        Parameters
        ----------
        kind : {"score", "martingale", "schoenfeld"}
            ``score`` (N, p): each row's part in the score, for unit weight, the weights of those
            who left by another cause taken as known. ``martingale`` (N,): events of the cause less
            those expected. ``schoenfeld`` (M, p): per event time (in the order of `baseline()`)
            the covariates of the events less those expected, summed.
        """
        check_option("kind", kind, RESIDUALS)
        parts = self.parts
        if kind == "score":
            return self.design.to_rows(score_residuals(parts))
        if kind == "martingale":
            return self.design.to_rows(martingale_residuals(parts)[:, None])[:, 0]
        sets, own = parts.sets, np.flatnonzero(parts.sets.own)
        events = self.design.n[own, None] * parts.x(own)
        total = add_up(events, sets.last[own], len(sets.time))
        return total - sets.n_event[:, None] * parts.at.means.own

    def _strata(self, stratum: Ints) -> dict[str, pl.Series]:
        return {n: self.design.strata[n].gather(stratum) for n in self.design.strata.columns if n}

    def _last_times(self) -> Floats:
        """Return the largest time in each stratum, (S,)."""
        out = np.zeros(self.design.strata.height)
        np.maximum.at(out, self.design.stratum[self.design.pattern], self.design.time)
        return out
