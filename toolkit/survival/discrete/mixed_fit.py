"""Fitting a hazard with unseen differences between persons, and testing whether there are any."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError, ConvergenceError, EstimationError
from toolkit.estimation.newton import inverse, maximise
from toolkit.survival.discrete.climb import check_runaway
from toolkit.survival.discrete.fit import Fit
from toolkit.survival.discrete.likelihood import Point, share_out
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.discrete.units import Heterogeneity, Units

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Spacings of the integral, in standard deviations of the integrand: the optimum is looked at again
#: with the next one, and climbed to anew where the log-likelihood differs by more than the last
#: number (as a share of it).
SPACINGS, _INEXACT = (0.8, 0.5, 0.25, 0.125), 1e-11
_MOST_PARAMETERS = 1_500
#: Variances to start from, the least that is told from 0, and the most that is believed.
_STARTS, _LEAST, _NEXT_TO_ZERO, _MOST = (0.2, 1.0), 1e-5, 1e-7, 100.0


@dataclass(frozen=True)
class MixedFit(Fit):
    """A fit with a frailty; parameters (q + d terms, G b of the baseline, ρ = log θ or log σ).

    Attributes
    ----------
    kind : {"gamma", "normal"}
    rho : float
        -inf where the variance is 0.
    all_vcov : (D, D) array
        Inverse of minus the second derivatives; ρ has zeros where the variance is 0.
    all_robust : (D, D) array or None
    unit_influence : (U, D) array
        Of one unit of weight 1.
    units : Units
    spacing : float
        Of the integral's points, in standard deviations of the integrand; 0 for closed forms.
    change : float
        How much the log-likelihood changes with the next smaller spacing.
    """

    kind: Heterogeneity
    rho: float
    all_vcov: Floats
    all_robust: Floats | None
    n_cluster: int
    unit_influence: Floats
    units: Units
    spacing: float
    change: float

    @property
    def vcov(self) -> Floats:
        """Variance of the terms from the second derivatives."""
        return self.all_vcov[np.ix_(self.column, self.column)]

    @property
    def robust_vcov(self) -> Floats:
        """Robust variance of the terms."""
        assert self.all_robust is not None  # noqa: S101
        return self.all_robust[np.ix_(self.column, self.column)]

    @property
    def variance(self) -> float:
        """Variance of the frailty (gamma) or of the intercept (normal)."""
        return float(np.exp(self.rho if self.kind == "gamma" else 2 * self.rho))

    def covariance(
        self,
        by_term: Floats,
        by_block: Floats,
        at: Ints,
        *,
        design: Design | None = None,
        cluster: str | None = None,
        own: Floats | None = None,
        by_rho: Floats | None = None,
    ) -> Floats:
        """Return the covariance (Q, Q) of functions of the parameters; see `Fit.covariance`."""
        del cluster, own
        p, width = by_term.shape[1], by_block.shape[2]
        gradient = np.zeros((len(by_term), len(self.all_vcov)))
        gradient[:, :p] = by_term
        places = p + at[:, None] * width + np.arange(width)
        gradient[:, places.ravel()] = by_block.reshape(len(by_term), -1)
        if by_rho is not None:
            gradient[:, -1] = by_rho
        vcov = self.all_vcov if design is None or self.all_robust is None else self.all_robust
        return np.asarray(gradient @ vcov @ gradient.T)


def fit_mixed(
    bare: Fit, units: Units, kind: Heterogeneity, design: Design, names: list[str],
    *, robust: bool, cluster: str | None,
) -> MixedFit:  # fmt: skip
    """Start from the fit without heterogeneity and climb on with it."""
    if kind == "gamma" and bare.link != "cloglog":
        raise CallError(
            "Gamma heterogeneity belongs to link='cloglog'", fix="use heterogeneity='normal'"
        )
    shape = bare.point.alpha.shape
    p = bare.point.beta.shape[1]
    size = p + bare.point.alpha.size + 1
    if size > _MOST_PARAMETERS:
        raise CallError(
            f"{size:,} parameters with heterogeneity are too many",
            fix="use baseline='spline' or 'piecewise', or fewer strata",
        )

    half = 1.0 if kind == "gamma" else 0.5  # of the log variance is ρ

    def point_of(theta: Floats) -> Point:
        return Point(theta[None, :p], theta[p:-1].reshape(shape))

    def objective(theta: Floats, spacing: float = SPACINGS[0]) -> tuple[float, Floats, Floats]:
        if theta[-1] > half * np.log(_MOST):
            tried.append(theta[-1])
            return -np.inf, np.zeros(size), np.eye(size)
        value, score, hessian, _ = mixed_likelihood(
            bare, units, kind, point_of(theta), float(theta[-1]), spacing=spacing
        )
        return value, score, -hessian

    tried: list[float] = []  # variances past what is believed
    flat = np.concatenate([bare.point.beta.ravel(), bare.point.alpha.ravel()])
    labels = [*names, *(f"baseline {i + 1}" for i in range(size - p - 1)), "log variance"]
    reach = np.concatenate([_range(bare.months.x), _range(bare.months.z)])
    with np.errstate(over="ignore", invalid="ignore"):
        starts = [np.append(flat, half * np.log(v)) for v in _STARTS]
        values = [_finite(objective(theta)[0]) for theta in starts]
        slope = objective(np.append(flat, half * np.log(_NEXT_TO_ZERO)))[1][-1]
    if slope <= 0 and max(values) <= bare.value:
        return _at_zero(bare, units, kind, design, robust=robust, cluster=cluster)
    top, change, spacing = starts[int(np.argmax(values))], 0.0, SPACINGS[0]
    for spacing, finer in pairwise(SPACINGS):
        try:
            best = maximise(
                partial(objective, spacing=spacing), top, names=labels, most_steps=60,
                spread=np.append(reach, np.zeros(size - p)),
            )  # fmt: skip
        except ConvergenceError as error:
            if tried:
                raise _not_told() from error
            raise
        if best.point[-1] < half * np.log(_LEAST) or best.value <= bare.value:
            return _at_zero(bare, units, kind, design, robust=robust, cluster=cluster)
        vcov = inverse(best.information)
        top = best.point + vcov @ best.score  # the last step is free, and exact
        if kind == "gamma":
            break
        change = objective(top, finer)[0] - best.value
        if abs(change) <= _INEXACT * (1 + abs(best.value)):
            break
    rho = float(top[-1])
    check_runaway(top[:p], vcov[:p, :p], reach, names, float(units.weight[: units.n].mean()))
    point = point_of(top)
    by_unit = mixed_likelihood(bare, units, kind, point, rho, keep=True, spacing=spacing)[3]
    influence = by_unit @ vcov
    meat, count = _meat(influence, units, design, cluster) if robust else (None, 0)
    own = {field.name: getattr(bare, field.name) for field in fields(Fit)}
    own |= {"point": point, "value": best.value, "steps": best.steps}
    return MixedFit(
        **own, kind=kind, rho=rho, all_vcov=vcov, all_robust=meat, n_cluster=count,
        unit_influence=influence, units=units, spacing=spacing, change=change,
    )  # fmt: skip


def mixed_likelihood(
    fit: Fit, units: Units, kind: Heterogeneity, point: Point, rho: float,
    *, keep: bool = False, spacing: float = SPACINGS[0],
) -> tuple[float, Floats, Floats, Floats]:  # fmt: skip
    """Return log-likelihood, score (D,), second derivatives (D, D), and scores by unit (U, D).

    The last is empty unless `keep`.
    """
    from toolkit.survival.discrete.mixing_gamma import gamma_units
    from toolkit.survival.discrete.mixing_normal import CLOGLOG, LOGIT, normal_units

    months, baseline = fit.months, fit.baseline
    q = months.x.shape[1]
    eta = months.x @ point.beta[0, :q] + months.offset
    level = baseline.levels(point.alpha)[:, 0]
    size = point.beta.size + point.alpha.size + 1
    by_unit = np.zeros((units.n if keep else 0, size))
    cost = units.cost
    rows = (
        units.first, units.weight, units.parent, units.pattern, units.entry, units.time,
        units.event, months.stratum, months.n_month, max(int(cost.max()), 1), eta, months.x,
        months.z, months.first_row, np.ascontiguousarray(point.beta[0, q:]), level,
        baseline.block, np.ascontiguousarray(baseline.basis), baseline.n_block, rho,
    )  # fmt: skip
    number = CLOGLOG if fit.link == "cloglog" else LOGIT

    def run(low: int, high: int) -> tuple[float, Floats, Floats]:
        score, hessian = np.zeros(size), np.zeros((size, size))
        sums = score, hessian, by_unit
        if kind == "gamma":
            value = gamma_units(low, high, *rows, *sums)
        else:
            value = normal_units(low, high, number, *rows, spacing, *sums)
        return value, score, hessian

    # scores of late entrants are added to those of their person: not by two threads at a time
    pieces = [run(0, len(cost))] if keep else share_out(run, cost * (30 if kind == "normal" else 1))
    value, score, hessian = (sum(part[1:], part[0]) for part in zip(*pieces, strict=True))
    return float(value), score, (hessian + hessian.T) / 2, by_unit


def _not_told() -> EstimationError:
    return EstimationError(
        f"The variance of the heterogeneity runs past {_MOST:g}: these data do not tell unseen "
        "differences between persons from hazards that change with the duration",
        fix="use a baseline of few parameters (spline, piecewise), covariates that differ more, or "
        "several spells a person",
    )


def _finite(value: float) -> float:
    return value if np.isfinite(value) else -np.inf


def _range(x: Floats) -> Floats:
    return np.asarray(x.max(0) - x.min(0)) if x.shape[1] else np.zeros(0)


def _at_zero(
    bare: Fit, units: Units, kind: Heterogeneity, design: Design, *,
    robust: bool, cluster: str | None,
) -> MixedFit:  # fmt: skip
    """Return the fit without heterogeneity as one whose variance is 0."""
    span = bare.point.alpha.shape[1] * bare.point.alpha.shape[2]
    p, n_block = bare.point.beta.size, bare.baseline.n_block
    size = p + n_block * span + 1
    vcov = np.zeros((size, size))
    by_term = np.zeros((size - 1, p))
    by_term[:p] = np.eye(p)
    by_block = np.zeros((size - 1, n_block * span))
    by_block[p:] = np.eye(n_block * span)
    vcov[:-1, :-1] = bare.information.covariance(by_term, by_block.reshape(-1, n_block, span))
    # the scores of the units next to a variance of 0 are those at 0
    near = (1.0 if kind == "gamma" else 0.5) * np.log(1e-12)
    by_unit = mixed_likelihood(bare, units, kind, bare.point, near, keep=True)[3]
    by_unit[:, -1] = 0.0
    influence = by_unit @ vcov
    meat, count = _meat(influence, units, design, cluster) if robust else (None, 0)
    own: dict[str, Any] = {field.name: getattr(bare, field.name) for field in fields(Fit)}
    return MixedFit(
        **own, kind=kind, rho=-np.inf, all_vcov=vcov, all_robust=meat, n_cluster=count,
        unit_influence=influence, units=units, spacing=0.0, change=0.0,
    )  # fmt: skip


def _meat(
    influence: Floats, units: Units, design: Design, cluster: str | None
) -> tuple[Floats, int]:
    """Return the robust variance and the number of independent units."""
    if units.row is None:
        return design.meat(influence, cluster)
    weight = units.weight[: units.n]
    if cluster is None:
        by = weight**2 if design.sampling else weight
        return (influence * by[:, None]).T @ influence, units.n
    code = design.column(cluster).rank("dense").to_numpy().astype(np.int64)[units.row]
    starts = units.first[: units.n]
    if (code != np.repeat(code[starts], np.diff(units.first[: units.n + 1]))).any():
        raise CallError(
            f"Some persons stand in several clusters {cluster!r}",
            fix="cluster by the person, or by what persons stay in",
        )
    _, number = np.unique(code[starts], return_inverse=True)
    sums = add_up(influence * weight[:, None], number, int(number.max()) + 1)
    return sums.T @ sums, len(sums)
