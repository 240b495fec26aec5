"""A fitted parametric duration model: its coefficients, curves, quantiles and areas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, HorizonError
from toolkit.estimation.intervals import ConfType, check_interval, interval, normal_quantile
from toolkit.frames import require_columns, require_no_nulls, require_numeric, to_frame
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.parametric import predict
from toolkit.survival.parametric.likelihood import Observed, scores
from toolkit.survival.parametric.predict import Fitted, Subjects
from toolkit.survival.parametric.tables import log_table, number_table
from toolkit.survival.predicted import Predicted, describe_prediction
from toolkit.survival.regression import Regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.design import Covariates
    from toolkit.survival.parametric.distributions import Distribution, Metric

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ParametricModel(Regression):
    """A parametric duration model; made by `parametric`.

    Attributes
    ----------
    distribution, metric
        As asked for: what the baseline is, and on which scale covariates work.
    fitted : Fitted
        The model as numbers.
    shape : Covariates or None
        The ancillary formula.
    frailty_variance : float or None
        Of the gamma heterogeneity: None where not asked for, 0 where none was found.
    cluster : str or None
        Column whose rows may depend on each other.
    loglik_plain : float
        Log-likelihood without heterogeneity.
    observed : Observed
        The cells as the likelihood sees them.
    """

    distribution: Distribution
    metric: Metric
    fitted: Fitted = field(repr=False)
    shape: Covariates | None = field(repr=False)
    frailty_variance: float | None
    cluster: str | None
    loglik_plain: float
    observed: Observed = field(repr=False)

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, fit, and where asked for the test for heterogeneity.

        `lr_frailty` is twice what the heterogeneity adds to the log-likelihood; as a variance
        cannot be negative, its distribution without heterogeneity is half a point at 0 and half
        χ² on 1 df, from which `p_frailty` (Self and Liang 1987, case 5); null with robust errors,
        where the rows are not the independent units that this asks for.
        """
        columns = self._fit_columns() | {
            "distribution": self.distribution, "metric": self.metric,
            "conf_level": self.conf_level,
        }  # fmt: skip
        if self.frailty_variance is not None:
            from scipy.special import chdtrc

            ratio = max(2 * (self.loglik - self.loglik_plain), 0.0)
            columns |= {
                "frailty_variance": self.frailty_variance,
                "lr_frailty": ratio,
                "p_frailty": 1.0 if self.frailty_variance == 0 else float(chdtrc(1, ratio)) / 2,
            }
            if self.robust:
                columns["p_frailty"] = None
        return pl.DataFrame(
            {name: [value] for name, value in columns.items()},
            schema_overrides={"p_frailty": pl.Float64} if "p_frailty" in columns else None,
        )

    def influence(self) -> Floats:
        """Return how much each row of the data moves the estimates, (N, m), its weight included.

        To first order; the robust variance is the sum of its outer squares (by cluster).
        """
        rows = self.design.to_rows(self.cell_influence())
        return rows * self.design.row_weights()[:, None]

    def cell_influence(self) -> Floats:
        """Return the influence of one unit of weight in each cell, (C, m)."""
        fitted = self.fitted
        moved = scores(self.observed, fitted.baseline, fitted.parameters, frailty=fitted.frailty)
        return moved @ self.vcov_model

    @property
    def variables(self) -> list[str]:
        """Columns that the formulas name."""
        shape = () if self.shape is None else self.shape.variables
        return list(dict.fromkeys([*self.design.covariates.variables, *shape]))

    def baseline(self, times: float | Sequence[float] | None = None) -> pl.DataFrame:
        """Return hazard, cumulative hazard and survival with every covariate (and offset) at 0.

        Parameters
        ----------
        times : float or sequence of float, optional
            100 from 0 to the last observed time by default.

        Returns
        -------
        DataFrame
            `time, hazard, cumulative_hazard, survival`.
        """
        asked = self._grid() if times is None else check_times(times)
        base = self._reference()
        log_hazard, _ = predict.log_hazards(self.fitted, base, asked.astype(np.float64))
        survival, _ = predict.survival(self.fitted, base, asked.astype(np.float64))
        row = np.zeros(len(asked), dtype=np.int64)
        total, _ = predict.cumulative(self.fitted, base, row, asked.astype(np.float64))
        return pl.DataFrame(
            {
                "time": time_series(asked),
                "hazard": np.exp(log_hazard[0]),
                "cumulative_hazard": total,
                "survival": survival[0],
            }
        )

    def predict_survival(
        self, new: Any, times: float | Sequence[float], *, conf_type: ConfType = "log-log"
    ) -> Predicted:
        """Return S(t) for every row of `new` at every time, with intervals as `kaplan_meier` has.

        With heterogeneity: the share of the population with these covariates that is still there.

        Parameters
        ----------
        new : frame
            With the formula's columns.
        times : float or sequence of float

        Returns
        -------
        Predicted
            Its `tidy()` has `row` (of `new`, from 0), the formula's columns, `time, estimate,
            std_error, conf_low, conf_high`.
        """
        check_interval(self.conf_level, conf_type)
        asked = check_times(times)
        frame, subjects = self._read(new)
        estimate, error = predict.survival(self.fitted, subjects, asked.astype(np.float64))
        low, high = interval(
            estimate.ravel(), error.ravel(), conf_level=self.conf_level, conf_type=conf_type
        )
        sure = error.ravel() == 0  # at time 0
        bounds = (np.where(sure, estimate.ravel(), bound) for bound in (low, high))
        table = number_table(frame, "time", time_series(asked), estimate, error, *bounds)
        return self._predicted(table, "survival", "P(T > t)", start=1.0)

    def predict_hazard(self, new: Any, times: float | Sequence[float]) -> Predicted:
        """Return h(t) for every row of `new` at every time, with intervals (log scale).

        With heterogeneity: the hazard among those still there. Null where it is not finite, as at
        time 0 for a shape below 1. Columns as in `predict_survival`.
        """
        asked = check_times(times)
        frame, subjects = self._read(new)
        log_hazard, error = predict.log_hazards(self.fitted, subjects, asked.astype(np.float64))
        if self.distribution not in {"exponential", "piecewise"}:
            log_hazard[:, asked == 0] = np.nan
        table = log_table(frame, "time", time_series(asked), log_hazard, error, self.conf_level)
        return self._predicted(table, "hazard", "h(t)", start=None)

    def _predicted(
        self, table: pl.DataFrame, quantity: str, estimand: str, *, start: float | None
    ) -> Predicted:
        return Predicted(
            meta=describe_prediction(
                self.meta, estimand=f"{estimand} of units with these covariates",
                method=f"{self.meta['method']}: predicted {quantity}", variance="delta method",
            ),
            table=table,
            labels=tuple(self.variables),
            quantity=quantity,
            start=start,
            smooth=True,
            conf_level=self.conf_level,
        )  # fmt: skip

    def predict_quantile(
        self, new: Any, probability: float | Sequence[float] = 0.5
    ) -> pl.DataFrame:
        """Return the time by which a share `probability` has had the event (log scale).

        Columns as in `predict_survival`, with `probability` for `time`. Null where the curve never
        comes that far (a spline whose last piece is flat).
        """
        asked = np.atleast_1d(np.asarray(probability, dtype=np.float64))
        if asked.ndim != 1 or not ((asked > 0) & (asked < 1)).all():
            raise CallError(
                f"probability={probability!r} is not between 0 and 1", fix="0.5 is the median"
            )
        frame, subjects = self._read(new)
        log_time, error = predict.log_quantiles(self.fitted, subjects, asked)
        return log_table(frame, "probability", pl.Series(asked), log_time, error, self.conf_level)

    def rmst(self, new: Any, horizon: float) -> pl.DataFrame:
        """Return the mean time up to `horizon` for every row of `new`: the area under S.

        Columns as in `predict_survival`; the interval is estimate ± z standard errors.
        """
        _check_horizon(horizon)
        frame, subjects = self._read(new)
        estimate, moved = predict.area(self.fitted, subjects, float(horizon))
        error = self.fitted.error(moved)
        half = normal_quantile(self.conf_level) * error
        at = time_series(np.array([horizon]))
        return number_table(frame, "time", at, estimate, error, estimate - half, estimate + half)

    def standardise(
        self,
        by: str,
        times: float | Sequence[float] | None = None,
        *,
        horizon: float | None = None,
        levels: Sequence[Any] | None = None,
        difference: bool = False,
        conf_type: ConfType = "log-log",
    ) -> pl.DataFrame:
        """Return the survival curves of all rows of the data, if each had the same level of `by`.

        Parameters
        ----------
        by : str
            A variable of the formula.
        times : float or sequence of float, optional
            Of the curves.
        horizon : float, optional
            Instead of `times`: the mean time up to the horizon (plain intervals).
        levels : sequence, optional
            Those found in the data by default.
        difference : bool
            Minus that of the first level (plain intervals), instead of the levels themselves.
        conf_type : {"log-log", "log", "plain"}

        Returns
        -------
        DataFrame
            `by, time, estimate, std_error, conf_low, conf_high`.

        Notes
        -----
        The mean of S(t) over the rows, weighted (the g-formula for a fixed `by`). Standard errors
        hold that of the coefficients and that of the covariates of those who were drawn.
        """
        from toolkit.survival.parametric.standardise import standardised_table

        check_interval(self.conf_level, conf_type)
        if (times is None) == (horizon is None):
            raise CallError("Give either times= or horizon=", fix="times=[6, 12], or horizon=24")
        if horizon is not None:
            _check_horizon(horizon)
        return standardised_table(
            self, by, times, horizon, levels, difference=difference, conf_type=conf_type
        )

    def plot(self, ax: Axes | None = None, *, new: Any = None, **options: Any) -> Axes:
        """Draw survival curves with their bands: of the rows of `new`, else at the mean covariates.

        `options` go to `Axes.plot`.
        """
        from toolkit.survival.parametric.plot import plot_curves

        if new is None:
            frame, subjects = pl.DataFrame({"": [0]}), self._middle()
        else:
            frame, subjects = self._read(new)
        times = self._grid()
        curves, error = predict.survival(self.fitted, subjects, times)
        labels = [
            ", ".join(str(frame[name][i]) for name in frame.columns if name)
            for i in range(len(curves))
        ]
        return plot_curves(
            times, curves, error, labels, conf_level=self.conf_level, ax=ax, **options
        )

    def _grid(self) -> Floats:
        return np.linspace(0.0, float(self.design.time.max()), 101)

    def _reference(self) -> Subjects:
        """Return one row with every covariate at 0."""
        x = np.zeros((1, len(self.design.terms) + self.fitted.baseline.intercept))
        ancillary = np.zeros((1, 1 if self.shape is None else 1 + len(self.shape.terms)))
        x[:, : int(self.fitted.baseline.intercept)] = 1.0
        ancillary[:, 0] = 1.0
        return Subjects(x=x, offset=np.zeros(1), ancillary=ancillary)

    def _middle(self) -> Subjects:
        """Return one row with every column at its mean over the data."""
        seen = self.observed
        weight = seen.pattern_weight / seen.n.sum()
        return Subjects(
            x=(weight @ seen.x)[None], offset=np.array([weight @ seen.offset]),
            ancillary=(weight @ seen.ancillary)[None],
        )  # fmt: skip

    def subjects(self, frame: pl.DataFrame) -> Subjects:
        """Return the matrices that a frame with the formulas' columns makes."""
        x = self.design.covariates.matrix(frame, where="the new data")
        ones = np.ones((frame.height, 1))
        ancillary = ones
        if self.shape is not None:
            more = self.shape.matrix(frame, where="the new data")
            ancillary = np.hstack([ones, more])
        offset = np.zeros(frame.height)
        name = self.design.offset_name
        if name is not None:
            require_columns(frame, name, where="the new data")
            require_numeric(frame, name)
            require_no_nulls(frame, name)
            offset = frame[name].cast(pl.Float64).to_numpy()
        if self.fitted.baseline.intercept:
            x = np.hstack([ones, x])
        return Subjects(x=x, offset=offset, ancillary=ancillary)

    def _read(self, new: Any) -> tuple[pl.DataFrame, Subjects]:
        """Return the formulas' columns of `new`, and the matrices they make."""
        frame = to_frame(new)
        subjects = self.subjects(frame)
        return frame.select(self.variables), subjects


def _check_horizon(horizon: float) -> None:
    if not np.isfinite(horizon) or horizon <= 0:
        raise HorizonError(f"horizon={horizon!r} is not a time above 0", fix="horizon=24")
