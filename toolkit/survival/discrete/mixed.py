"""Hazards with unseen differences between persons: gamma frailty, or a normal random intercept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.estimation.intervals import ConfType, check_interval, interval, normal_quantile
from toolkit.survival.discrete.hazard import DiscreteHazard
from toolkit.survival.discrete.mixed_fit import MixedFit, fit_mixed
from toolkit.survival.discrete.model import as_frame, at_months
from toolkit.survival.discrete.predict import Course, course, to_parameters
from toolkit.survival.discrete.units import HETEROGENEITIES, Heterogeneity, Origin, make_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.discrete.fit import Fit
    from toolkit.survival.discrete.units import Units
    from toolkit.survival.predicted import Predicted

    Floats = NDArray[np.float64]

#: Nodes of the plain quadrature of predicted curves.
_NODES = 61


@dataclass(frozen=True, kw_only=True)
class MixedHazard(DiscreteHazard):
    """A discrete-time hazard with heterogeneity; made by `discrete_hazard`.

    Coefficients, `baseline()` and `predict_hazard()` are for a person whose frailty is 1 (whose
    intercept is 0); `predict_survival()` is the share of all such persons, whatever their frailty.

    Attributes
    ----------
    loglik_homogeneous : float
        Of the same model without heterogeneity.
    """

    fit: MixedFit
    loglik_homogeneous: float

    def heterogeneity(self) -> pl.DataFrame:
        """Return the variance of the frailty (gamma) or the intercept (normal), and its test.

        Columns: `term, estimate, std_error, statistic, p_value, conf_low, conf_high`. The interval
        is made on the log scale. The statistic is twice the difference in log-likelihood; as a
        variance cannot lie below 0, its p-value is half that of a χ² of 1 degree of freedom
        (Self and Liang 1987).
        """
        from scipy.special import erfc

        fit = self.fit
        twice = 1.0 if fit.kind == "gamma" else 2.0
        statistic = max(2 * (self.loglik - self.loglik_homogeneous), 0.0)
        vcov = fit.all_robust if fit.all_robust is not None else fit.all_vcov
        error = twice * float(np.sqrt(vcov[-1, -1]))  # of the log variance
        zero = fit.variance == 0
        wide = np.exp(normal_quantile(self.conf_level) * error)
        return pl.DataFrame(
            {
                "term": [f"variance ({fit.kind})"],
                "estimate": [fit.variance],
                "std_error": [None if zero else fit.variance * error],
                "statistic": [statistic],
                # a normal deviate beyond the root, on one side
                "p_value": [1.0 if statistic <= 0 else float(erfc(np.sqrt(statistic / 2))) / 2],
                "conf_low": [None if zero else fit.variance / wide],
                "conf_high": [None if zero else fit.variance * wide],
            },
            schema_overrides=dict.fromkeys(("std_error", "conf_low", "conf_high"), pl.Float64),
        )

    def glance(self) -> pl.DataFrame:
        """Return the row of `DiscreteHazard.glance` with the variance, counted as a parameter."""
        row = super().glance()
        bic = float(np.log(max(self.meta["n_event"], 1)))
        test = self.heterogeneity().row(0, named=True)
        return row.with_columns(
            pl.col("aic") + 2,
            pl.col("bic") + bic,
            loglik_homogeneous=pl.lit(self.loglik_homogeneous),
            variance=pl.lit(test["estimate"]),
            p_heterogeneity=pl.lit(test["p_value"]),
        )

    def influence(self) -> Floats:
        """Return the influence of every person, at the first of its rows in the data, (N, p)."""
        fit, own = self.fit, self.fit.unit_influence[:, self.fit.column]
        units = fit.units
        if units.row is None:
            return self.design.to_rows(own) * self.design.row_weights()[:, None]
        out = np.zeros((len(self.design.row_weights()), own.shape[1]))
        out[units.row[units.first[: units.n]]] = own * units.weight[: units.n, None]
        return out

    def predict_survival(
        self,
        new: Any,
        times: float | Sequence[float] | None = None,
        *,
        conf_type: ConfType = "log-log",
    ) -> Predicted:
        """Return the share of persons like each row of `new` that is still there after t.

        The mean over the heterogeneity, that starts with everyone at month 0. Standard errors by
        the delta method over coefficients, months and the variance; columns as in
        `DiscreteHazard.predict_survival`.
        """
        check_interval(self.conf_level, conf_type)
        asked = self._months(times)
        newcomers = self._read(new)
        parts = []
        design = self.design if self.robust else None
        for row in range(len(newcomers.x)):
            way = course(self.fit, newcomers, row)
            curve, gradient, by_rho = marginal_survival(self.fit, way)
            by_term, by_block, at = to_parameters(self.fit, way, gradient)
            by_rho = np.where(np.isnan(by_rho), 0.0, by_rho)
            variance = np.diag(
                self.fit.covariance(by_term, by_block, at, design=design, by_rho=by_rho)
            )
            error = np.where(np.isnan(curve), np.nan, np.sqrt(np.maximum(variance, 0)))
            value, error = at_months(asked, curve, error, start=1.0)
            low, high = interval(value, error, conf_level=self.conf_level, conf_type=conf_type)
            parts.append(as_frame(row, newcomers.labels, asked, value, error, low, high))
        return self._predicted(
            pl.concat(parts), newcomers, "survival", "P(T > t), over the heterogeneity,", start=1.0
        )

    def standardise(self, *args: Any, **options: Any) -> pl.DataFrame:
        """Is not there with heterogeneity."""
        del args, options
        raise CallError(
            "Standardised curves with heterogeneity are not there",
            fix="average predict_survival() over the rows yourself",
        )


def marginal_survival(fit: MixedFit, way: Course) -> tuple[Floats, Floats, Floats]:
    """Return S, (M,), its gradient in η, (M, M, 1), and in ρ, (M,)."""
    certain = way.push[:, 0] == 0  # months whose hazard is 0 or 1, or not known
    fixed = np.cumprod(np.where(certain, 1 - way.hazard[:, 0], 1.0))
    before = np.tri(len(fixed)) * ~certain
    eta = np.where(certain, -np.inf, way.eta[:, 0])
    if fit.kind == "gamma" or fit.rho == -np.inf:
        mu = np.exp(eta) if fit.link == "cloglog" else np.log1p(np.exp(eta))
        slope = mu if fit.link == "cloglog" else way.push[:, 0]
        total, theta = np.cumsum(mu), fit.variance if fit.kind == "gamma" else 0.0
        one = 1 + theta * total
        lasted: Floats = np.log1p(theta * total) / theta if theta > 0 else total
        left: Floats = np.asarray(fixed * np.exp(-lasted))
        fall = -left[:, None] * before * slope / one[:, None]
        return left, fall[:, :, None], left * (lasted - total / one)
    node, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    sd = np.exp(fit.rho)
    curve, by_rho = np.zeros(len(eta)), np.zeros(len(eta))
    gradient = np.zeros((len(eta), len(eta)))
    for z, share in zip(node, weight / weight.sum(), strict=True):
        e = np.exp(eta + sd * z)
        mu, push = (e, e) if fit.link == "cloglog" else (np.log1p(e), e / (1 + e))
        own = share * fixed * np.exp(-np.cumsum(mu))
        curve += own
        gradient -= own[:, None] * before * push
        by_rho -= own * np.cumsum(push) * sd * z
    return curve, gradient[:, :, None], by_rho


def with_heterogeneity(
    fields: dict[str, Any],
    kind: Heterogeneity,
    *,
    person: str | None,
    origin: Origin,
) -> MixedHazard:
    """Fit heterogeneity on top of a model without it, given as the fields of that model."""
    check_option("heterogeneity", kind, HETEROGENEITIES)
    design, bare = fields["design"], fields["fit"]
    units = make_units(design, bare.months, person=person, origin=origin, kind=kind)
    order = bare.months.order
    fit = fit_mixed(
        bare, units, kind, design, [bare.months.terms[j] for j in order],
        robust=fields["robust"], cluster=fields["cluster"],
    )  # fmt: skip
    meta = dict(fields["meta"])
    said = list(meta["warnings"])
    if fit.variance == 0:
        said.append(
            "the variance of the heterogeneity is estimated at 0, the edge of what it can be: "
            "the model is the one without heterogeneity"
        )
    if abs(fit.change) > 1e-7 * (1 + abs(fit.value)):
        said.append(
            f"with more points the log-likelihood differs by {fit.change:.2g}: the integral over "
            "the heterogeneity is not exact"
        )
    if origin == "start" and _unseen_months(bare, units):
        said.append(
            "spells were seen from later than a month in which nobody was at risk: nothing is "
            "known of who left then, as if the hazard were 0"
        )
    about = {
        "gamma": "gamma frailty of mean 1",
        "normal": "normal intercept (adaptive trapezoidal rule)",
    }[kind]
    meta |= {
        "heterogeneity": about,
        "variance": "observed information",
        "person": person,
        "n_person": units.n if person else meta["n"],
        "n_late": units.late,
        "origin": origin,
        "warnings": said,
        "steps": fit.steps,
    }
    robust = fields["robust"]
    if robust:
        meta |= {"variance": f"robust, {fit.n_cluster:,} units", "n_cluster": fit.n_cluster}
    own = fields | {
        "meta": meta,
        "fit": fit,
        "coefficients": fit.coefficients,
        "vcov_model": fit.vcov,
        "vcov": fit.robust_vcov if robust else fit.vcov,
        "loglik": fit.value,
        "loglik_homogeneous": bare.value,
    }
    return MixedHazard(**own)


def _unseen_months(bare: Fit, units: Units) -> bool:
    """Tell whether some spell passed, before it was seen, a month in which nobody was at risk."""
    months = bare.months
    empty = (months.at_risk == 0).reshape(-1, months.n_month)
    rows = slice(units.first[units.n], None)  # what stands below the line
    seen_from = np.argmin(empty, axis=1)
    return bool((seen_from[months.stratum[units.pattern[rows]]] > 0).any())
