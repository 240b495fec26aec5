"""A fitted parametric duration model: its coefficients, curves, quantiles and areas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, HorizonError
from toolkit.frames import require_columns, require_no_nulls, require_numeric, to_frame
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.intervals import interval, normal_quantile
from toolkit.survival.parametric import predict
from toolkit.survival.parametric.likelihood import Observed, scores
from toolkit.survival.parametric.predict import Fitted, Subjects
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
    offset : str or None
    frailty_variance : float or None
        Of the gamma heterogeneity: None where not asked for, 0 where none was found.
    loglik_plain : float
        Log-likelihood without heterogeneity.
    observed : Observed
        The cells as the likelihood sees them.
    """

    distribution: Distribution
    metric: Metric
    fitted: Fitted = field(repr=False)
    shape: Covariates | None = field(repr=False)
    offset: str | None
    frailty_variance: float | None
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
        fitted = self.fitted
        moved = scores(self.observed, fitted.baseline, fitted.parameters, frailty=fitted.frailty)
        rows = self.design.to_rows(moved @ self.vcov_model)
        return rows * self.design.row_weights()[:, None]

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

    def predict_survival(self, new: Any, times: float | Sequence[float]) -> pl.DataFrame:
        """Return S(t) for every row of `new` at every time, with intervals (log-log scale).

        With heterogeneity: the share of the population with these covariates that is still there.

        Parameters
        ----------
        new : frame
            With the formula's columns.
        times : float or sequence of float

        Returns
        -------
        DataFrame
            `row` (of `new`, from 0), the formula's columns, `time, estimate, std_error, conf_low,
            conf_high`.
        """
        asked = check_times(times)
        frame, subjects = self._subjects(new)
        estimate, error = predict.survival(self.fitted, subjects, asked.astype(np.float64))
        low, high = interval(
            estimate.ravel(), error.ravel(), conf_level=self.conf_level, conf_type="log-log"
        )
        sure = error.ravel() == 0  # at time 0
        bounds = (np.where(sure, estimate.ravel(), bound) for bound in (low, high))
        return self._table(frame, "time", time_series(asked), estimate, error, *bounds)

    def predict_hazard(self, new: Any, times: float | Sequence[float]) -> pl.DataFrame:
        """Return h(t) for every row of `new` at every time, with intervals (log scale).

        With heterogeneity: the hazard among those still there. Null where it is not finite, as at
        time 0 for a shape below 1. Columns as in `predict_survival`.
        """
        asked = check_times(times)
        frame, subjects = self._subjects(new)
        log_hazard, error = predict.log_hazards(self.fitted, subjects, asked.astype(np.float64))
        if self.distribution not in {"exponential", "piecewise"}:
            log_hazard[:, asked == 0] = np.nan
        return self._on_log_scale(frame, "time", time_series(asked), log_hazard, error)

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
        frame, subjects = self._subjects(new)
        log_time, error = predict.log_quantiles(self.fitted, subjects, asked)
        return self._on_log_scale(frame, "probability", pl.Series(asked), log_time, error)

    def rmst(self, new: Any, horizon: float) -> pl.DataFrame:
        """Return the mean time up to `horizon` for every row of `new`: the area under S.

        Columns as in `predict_survival`; the interval is estimate ± z standard errors.
        """
        if not np.isfinite(horizon) or horizon <= 0:
            raise HorizonError(f"horizon={horizon!r} is not a time above 0", fix="horizon=24")
        frame, subjects = self._subjects(new)
        estimate, moved = predict.area(self.fitted, subjects, float(horizon))
        error = self.fitted.error(moved)
        half = normal_quantile(self.conf_level) * error
        at = time_series(np.array([horizon]))
        return self._table(frame, "time", at, estimate, error, estimate - half, estimate + half)

    def plot(self, ax: Axes | None = None, *, new: Any = None, **options: Any) -> Axes:
        """Draw survival curves with their bands: of the rows of `new`, else at the mean covariates.

        `options` go to `Axes.plot`.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        times = self._grid()
        if new is None:
            frame, subjects = pl.DataFrame({"": [0]}), self._middle()
        else:
            frame, subjects = self._subjects(new)
        estimate, error = predict.survival(self.fitted, subjects, times)
        for i, (curve, spread) in enumerate(zip(estimate, error, strict=True)):
            label = ", ".join(str(frame[name][i]) for name in frame.columns if name)
            (line,) = ax.plot(times, curve, label=label, **options)
            low, high = interval(curve, spread, conf_level=self.conf_level, conf_type="log-log")
            ax.fill_between(times, low, high, alpha=0.15, color=line.get_color(), lw=0)
            if label:
                ax.annotate(
                    label, (times[-1], curve[-1]), xytext=(4, 0), textcoords="offset points",
                    color=line.get_color(), va="center",
                )  # fmt: skip
        ax.set(xlabel="Time", ylabel="Survival", xlim=(0, None), ylim=(0, 1))
        ax.grid(axis="y", alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        return ax

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

    def _subjects(self, new: Any) -> tuple[pl.DataFrame, Subjects]:
        """Return the formula's columns of `new`, and the matrices they make."""
        frame = to_frame(new)
        x = self.design.covariates.matrix(frame, where="the new data")
        ones = np.ones((frame.height, 1))
        ancillary = ones
        names = list(self.design.covariates.variables)
        if self.shape is not None:
            more = self.shape.matrix(frame, where="the new data")
            ancillary = np.hstack([ones, more])
            names += [name for name in self.shape.variables if name not in names]
        offset = np.zeros(frame.height)
        if self.offset is not None:
            require_columns(frame, self.offset, where="the new data")
            require_numeric(frame, self.offset)
            require_no_nulls(frame, self.offset)
            offset = frame[self.offset].cast(pl.Float64).to_numpy()
        if self.fitted.baseline.intercept:
            x = np.hstack([ones, x])
        return frame.select(names), Subjects(x=x, offset=offset, ancillary=ancillary)

    def _on_log_scale(
        self, frame: pl.DataFrame, name: str, at: pl.Series, log: Floats, error: Floats
    ) -> pl.DataFrame:
        log = np.where(np.isfinite(log), log, np.nan)
        half = normal_quantile(self.conf_level) * error
        estimate = np.exp(log)
        return self._table(
            frame, name, at, estimate, estimate * error, np.exp(log - half), np.exp(log + half)
        )

    @staticmethod
    def _table(
        frame: pl.DataFrame, name: str, at: pl.Series, estimate: Floats, error: Floats,
        low: Floats, high: Floats,
    ) -> pl.DataFrame:  # fmt: skip
        """Return a row per row of the new data and time."""
        n_rows, n = estimate.size // len(at), len(at)
        row = pl.Series("row", np.repeat(np.arange(n_rows), n))
        own = frame.select(pl.exclude(name, "row"))
        numbers = {"estimate": estimate, "std_error": error, "conf_low": low, "conf_high": high}
        return pl.DataFrame(
            {
                "row": row,
                **{column: own[column].gather(row) for column in own.columns},
                name: pl.concat([at] * n_rows) if n_rows else at.clear(),
                **{key: pl.Series(x.ravel()).fill_nan(None) for key, x in numbers.items()},
            }
        )
