"""What every duration model with coefficients gives back, and how its optimum is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CollinearityError, ConvergenceError, SeparationError, masked
from toolkit.result import Result
from toolkit.survival.intervals import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]
    Objective = Callable[[Floats], tuple[float, Floats, Floats]]

#: Share of a column's spread that the others may leave unexplained before it counts as made up.
_COLLINEAR = 1e-9
#: Robust errors smaller than this share of those of the model are told.
_NARROW = 0.2
#: A linear predictor moved by a column alone beyond this is on its way to infinity.
_RUNAWAY = 15.0


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


def wald_test(estimate: Floats, vcov: Floats) -> tuple[float | None, float | None]:
    """Return χ² that all of `estimate` is 0, and its p-value.

    None where there is nothing to test, or the variance is singular: a robust one of fewer clusters
    than coefficients.
    """
    from scipy.special import chdtrc

    scale = np.sqrt(np.diag(vcov))
    if not len(estimate) or not (scale > 0).all():
        return None, None
    values, vectors = np.linalg.eigh(vcov / np.outer(scale, scale))
    if values[0] <= 1e-10 * values[-1]:
        return None, None
    statistic = float(np.sum((vectors.T @ (estimate / scale)) ** 2 / values))
    return statistic, float(chdtrc(len(estimate), statistic))


def coefficient_table(
    terms: Sequence[str],
    estimate: Floats,
    vcov: Floats,
    *,
    robust: Floats | None = None,
    conf_level: float = 0.95,
    exponentiate: bool = False,
) -> pl.DataFrame:
    """Return broom's table of coefficients; Wald statistics and normal intervals."""
    from scipy.special import ndtr

    std_error = np.sqrt(np.diag(vcov))
    used = std_error if robust is None else np.sqrt(np.diag(robust))
    half = normal_quantile(conf_level) * used
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / used
    columns: dict[str, Any] = {"term": list(terms), "estimate": estimate, "std_error": std_error}
    if robust is not None:
        columns["robust_se"] = used
    columns |= {
        "statistic": statistic,
        "p_value": 2 * ndtr(-np.abs(statistic)),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }
    table = pl.DataFrame(columns, schema_overrides={"term": pl.String})
    if exponentiate:
        table = table.with_columns(pl.col("estimate", "conf_low", "conf_high").exp())
    return table.with_columns(pl.selectors.float().fill_nan(None))


def narrow_errors(vcov: Floats, vcov_model: Floats, terms: Sequence[str]) -> list[str]:
    """Name terms whose robust error is a fraction of the model's: few, equal rows tell of them.

    Rows that all had the event at once vary with nothing, and the sum of squares of what they move
    is nearly 0. (Not for sampling weights: these make the model's own error one of another unit.)
    """
    ratio = np.sqrt(np.diag(vcov) / np.diag(vcov_model))
    return [
        f"the robust standard error of {masked(name)!r} is {share:.2f} times that of the model: "
        "few rows, or very equal ones, tell of it; trust neither"
        for name, share in zip(terms, ratio, strict=True)
        if share < _NARROW
    ]


def check_collinearity(
    x: Floats, terms: Sequence[str], weight: Floats | None = None, *, centred: bool = True
) -> None:
    """Raise `CollinearityError`, naming the column and those that make it up.

    Parameters
    ----------
    x : (P, p) array
    weight : (P,) array, optional
    centred : bool
        Whether a constant counts as one of the others (there is a baseline or an intercept).
    """
    p = x.shape[1]
    if p == 0:
        return
    w = np.ones(len(x)) if weight is None else weight
    mean = (w @ x) / w.sum() if centred else np.zeros(p)
    middle = x - mean
    gram = (middle * w[:, None]).T @ middle / w.sum()
    size = np.sqrt((w @ (x * x)) / w.sum())
    done: list[int] = []
    for j in range(p):
        spread = gram[j, j]
        if spread <= (1e-10 * max(size[j], 1e-300)) ** 2:
            raise CollinearityError(
                f"Column {terms[j]!r} has the same value in every row",
                fix="leave it out of the formula, or look whether a filter made it constant",
            )
        if done:
            scale = np.sqrt(np.diag(gram))
            inner = gram[np.ix_(done, done)] / np.outer(scale[done], scale[done])
            with_j = gram[done, j] / (scale[done] * scale[j])
            b = np.linalg.solve(inner, with_j)
            if 1 - with_j @ b < _COLLINEAR:
                others = [terms[k] for k, c in zip(done, b, strict=True) if abs(c) > 1e-6]
                raise CollinearityError(
                    f"Column {terms[j]!r} is made up of {', '.join(map(repr, others[:6]))}",
                    fix="leave one of them out of the formula",
                )
        done.append(j)


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Where a log-likelihood is highest.

    Attributes
    ----------
    point, score : (p,) arrays
    information : (p, p) array
        Minus the second derivatives.
    value, start_value : float
        At the optimum and at the start.
    steps : int
    """

    point: Floats
    score: Floats
    information: Floats
    value: float
    start_value: float
    steps: int

    @property
    def inverse(self) -> Floats:
        """Inverse information, (p, p)."""
        return inverse(self.information)


def inverse(information: Floats) -> Floats:
    """Return the inverse of a symmetric positive definite matrix, scaled for accuracy."""
    if not len(information):
        return information.copy()
    scale = np.sqrt(np.diag(information))
    unit = np.linalg.inv(information / np.outer(scale, scale))
    even: Floats = (unit + unit.T) / 2 / np.outer(scale, scale)
    return even


def maximise(
    objective: Objective,
    start: Floats,
    *,
    names: Sequence[str],
    spread: Floats | None = None,
    most_steps: int = 50,
    tolerance: float = 1e-10,
) -> Optimum:
    """Climb to the top of a log-likelihood by Newton's method with halved steps.

    Parameters
    ----------
    objective : callable
        From a point to the log-likelihood, its score (p,) and information (p, p).
    names : sequence of str
        Of the p parameters, for the messages.
    spread : (p,) array, optional
        How far apart the columns' values lie (standard deviation or range); with it a coefficient
        that runs off to infinity is told from a slow climb.

    Raises
    ------
    toolkit.errors.SeparationError
        When a coefficient runs off to infinity; it names the column.
    toolkit.errors.ConvergenceError
        When the top is not reached.
    """
    point = np.asarray(start, dtype=np.float64).copy()
    value, score, information = objective(point)
    first = value
    for step in range(most_steps):
        direction = _direction(information, score)
        gain = float(score @ direction)  # twice what the quadratic says is still to be won
        if step > 0 and gain < tolerance * (1 + abs(value)) * 1e-2:
            _check_runaway(point, information, names, spread)
            return Optimum(
                point=point, score=score, information=information, value=value,
                start_value=first, steps=step,
            )  # fmt: skip
        if not len(point):
            return Optimum(point=point, score=score, information=information, value=value,
                           start_value=first, steps=0)  # fmt: skip
        size = 1.0
        while True:
            trial = point + size * direction
            with np.errstate(over="ignore", invalid="ignore"):
                new, new_score, new_information = objective(trial)
            if np.isfinite(new) and new >= value - 1e-12 * abs(value):
                break
            size /= 2
            if size < 1e-8:
                raise _not_found(names, score, information, "no step uphill is left")
        point, value, score, information = trial, new, new_score, new_information
        _check_runaway(point, information, names, spread)
    raise _not_found(names, score, information, f"not there after {most_steps} steps")


def _direction(information: Floats, score: Floats) -> Floats:
    # sizes, also where the likelihood bends upwards: a ridge then turns the step uphill
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-300))
    unit = information / np.outer(scale, scale)
    for ridge in (0.0, 1e-10, 1e-6, 1e-3, 1e-1, 1.0, 2.0, 10.0, 100.0):
        try:
            factor = np.linalg.cholesky(unit + ridge * np.eye(len(unit)))
        except np.linalg.LinAlgError:
            continue
        half = np.linalg.solve(factor, score / scale)
        return np.asarray(np.linalg.solve(factor.T, half) / scale)
    steepest: Floats = score / scale**2
    return steepest


def _check_runaway(
    point: Floats, information: Floats, names: Sequence[str], spread: Floats | None
) -> None:
    if spread is None or not len(point):
        return
    far = np.abs(point) * spread
    known = np.diag(information) / np.maximum(spread, 1e-100) ** 2
    gone = (far > _RUNAWAY) & (known < 1e-4)
    if gone.any():
        name = names[int(np.argmax(np.where(gone, far, 0)))]
        raise SeparationError(
            f"The coefficient of {name!r} runs off to infinity: the column (with the others) "
            "tells events and non-events apart",
            fix="merge the level with another one, or leave the column out; look at a table of "
            "events by its values",
        )


def _not_found(
    names: Sequence[str], score: Floats, information: Floats, why: str
) -> ConvergenceError:
    steep = np.abs(score) / np.sqrt(np.maximum(np.diag(information), 1e-300))
    name = names[int(np.argmax(steep))] if len(score) else "the model"
    return ConvergenceError(
        f"No optimum was found: {why}; the likelihood is steepest in {name!r}",
        fix="scale columns of very different size, simplify the model, or look at that column",
    )
