"""Pooled models of who starts and who is lost, and what their scores make of a weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, UnknownCodeError, WrongTypeError
from toolkit.estimation.formula import variables_of
from toolkit.frames import require_columns
from toolkit.matching.propensity.fit import propensity
from toolkit.matching.sample import Nuisance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.matching.propensity.missing import Missing
    from toolkit.matching.propensity.model import Propensity
    from toolkit.matching.weighting.panel import Panel

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Powers of time in a model whose formula does not name it.
_DEGREE = 3


@dataclass(frozen=True, kw_only=True)
class Part:
    """A model of what happened in some rows, in the numerator (+1) or denominator (-1) of weights.

    Attributes
    ----------
    model : Propensity
        Of the rows `some`.
    some : (N,) array of bool
    sign : {1, -1}
    lagged : bool
        Whether the factor counts from the person's next row on.
    """

    model: Propensity
    some: Bools = field(repr=False)
    sign: int
    lagged: bool

    def log_factor(self, panel: Panel) -> Floats:
        """Return sign × the log probability of what happened in each row, (N,); 0 elsewhere."""
        e = self.model.scores.to_numpy()
        out = np.zeros(len(self.some))
        out[self.some] = self.sign * np.where(self.model.treated, np.log(e), np.log1p(-e))
        return panel.before(out) if self.lagged else out

    def influence(self) -> Floats:
        """Return by how much each row moves the coefficients, (N, q)."""
        return self._spread(self.model.influence())

    def log_gradient(self, panel: Panel) -> Floats:
        """Return the derivative of `log_factor` by the coefficients, (N, q)."""
        e = self.model.scores.to_numpy()
        slope = self.sign * np.where(self.model.treated, 1 / e, -1 / (1 - e))
        out = self._spread(self.model.gradient(slope))
        return panel.before(out) if self.lagged else out

    def _spread(self, values: Floats) -> Floats:
        out = np.zeros((len(self.some), values.shape[1]))
        out[self.some] = values
        return out


def fit_rows(
    formula: str,
    frame: pl.DataFrame,
    some: Bools,
    outcome: str,
    *,
    time: str,
    weights: str | None,
    missing: Missing,
) -> Propensity:
    """Fit a pooled logit on some rows of the panel."""
    rows = frame.filter(pl.Series(some))
    named = variables_of(formula, frame.columns)
    if time not in named:
        powers = _powers(rows[time])
        taken = {series.name for series in powers} & set(frame.columns)
        if taken:
            raise CallError(
                f"The data have a column {min(taken)!r}, which the models make",
                fix=f"rename it, or name {time!r} in the formula yourself",
            )
        rows = rows.with_columns(powers)
        formula = " + ".join([formula, *(f"`{series.name}`" for series in powers)])
    return propensity(formula, rows, treatment=outcome, weights=weights, missing=missing)


def _powers(time: pl.Series) -> list[pl.Series]:
    """Return as many powers of the time, scaled, as it has values to tell apart; three at most."""
    degree = min(_DEGREE, time.n_unique() - 1)
    if degree < 1:
        return []
    values = time.cast(pl.Float64).to_numpy()
    unit = (values - values.mean()) / values.std()
    return [pl.Series(f"{time.name}^{power}", unit**power) for power in range(1, degree + 1)]


def read_censored(frame: pl.DataFrame, panel: Panel, censored: str) -> Bools:
    """Return the rows in which being lost was possible, (N,)."""
    require_columns(frame, censored)
    dtype = frame.schema[censored]
    if not (dtype == pl.Boolean or dtype.is_numeric()):
        raise WrongTypeError(
            f"Column {censored!r} is {dtype}, not true/false or 1/0",
            fix="true in a person's last row when the next is missing",
        )
    odd = ~frame[censored].cast(pl.Float64).is_in([0.0, 1.0]).fill_null(value=True)
    if odd.any():
        raise UnknownCodeError(
            f"Column {censored!r} holds other values than true/false or 1/0",
            where=f"{int(odd.sum()):,} of {frame.height:,} rows",
            fix="1 in a person's last row when the next is missing",
        )
    seen = frame[censored].is_not_null().to_numpy()
    lost = (frame[censored].cast(pl.Float64).fill_null(0.0) == 1).to_numpy()
    last = np.zeros(frame.height, dtype=bool)
    last[panel.order[panel.first + panel.length - 1]] = True
    if (lost & ~last).any():
        raise CallError(
            f"Somebody is lost ({censored!r}) and has later rows",
            where=f"{int((lost & ~last).sum()):,} rows",
            fix="it stands in the last row a person has",
        )
    if not lost.any():
        raise EmptyCohortError(f"Nobody is lost in {censored!r}", fix="leave out censored=")
    open_end = last & seen & ~lost
    if open_end.any():
        raise CallError(
            f"Last rows of persons are said not to be lost ({censored!r} is false)",
            where=f"{int(open_end.sum()):,} of {int(last.sum()):,} last rows",
            fix="null where nobody can be lost (the end of the study, death); true where the next "
            "row could have been there",
        )
    return np.asarray(seen)


def gather_nuisance(parts: Sequence[Part], panel: Panel, weight: Floats) -> Nuisance:
    """Return the parameters of all models, with ∂ weight / ∂ θ = weight Σ ∂ log factor / ∂ θ."""
    influence = [part.influence() for part in parts]
    gradient = []
    for part in parts:
        own = panel.running_sum(part.log_gradient(panel))
        own *= weight[:, None]
        gradient.append(own)
    return Nuisance(influence=np.hstack(influence), gradient=np.hstack(gradient))


def quantile_pair(truncate: Any) -> tuple[float, float] | None:
    """Return the two quantiles that `truncate` names."""
    if truncate is None:
        return None
    try:
        low, high = (1 - truncate, truncate) if isinstance(truncate, (int, float)) else truncate
        usable = 0 <= float(low) < float(high) <= 1
    except (TypeError, ValueError):
        usable = False
    if not usable or isinstance(truncate, bool):
        raise CallError(
            f"truncate={truncate!r} is no quantile above 0.5, and no two quantiles",
            fix="for instance truncate=0.99 or truncate=(0, 0.99)",
        )
    return float(low), float(high)
