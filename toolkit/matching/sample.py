"""What every way of making groups comparable gives back: the same rows, with weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, InputError, check_option
from toolkit.frames import (
    as_columns,
    require_at_least,
    require_columns,
    require_no_nulls,
    require_numeric,
    rows_where,
    to_frame,
)
from toolkit.matching.treatment import ESTIMANDS, Estimand, read_treatment
from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


#: Weights above this are no weights: their squares, and sums of these, are too large for a number.
_LARGEST = 1e100


@dataclass(frozen=True, kw_only=True)
class Nuisance:
    """Parameters θ that weights were made with, for standard errors that know θ was estimated.

    Attributes
    ----------
    influence : (N, q) array
        By how much each row moves the estimate of θ; the sum over rows of its square is θ's
        robust variance.
    gradient : (N, q) array
        ∂ weight / ∂ θ of each row.
    """

    influence: Floats = field(repr=False)
    gradient: Floats = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Sample(Result):
    """N rows of people treated or not, with the weight each has in the comparison.

    Attributes
    ----------
    frame : DataFrame
        The N rows as they were handed in, in their order.
    treatment : str
    treated : (N,) array of bool
    weights : Series
        ``weight``, (N,); 0 = not in the comparison. Scaled as each method says.
    sampling : (N,) array
        The weights the rows came with, which say how many each stands for; 1 without.
    estimand : {"ATT", "ATC", "ATE", "ATO"}
    covariates : tuple of str
        Columns on which the groups were made comparable: what `balance` looks at.
    subclass : (N,) array or None
        The pair, cell or stratum of each row, from 0; -1 = in none.
    cluster : str or None
        Column whose rows belong together (a person who stands in several rows).
    score : Series or None
        ``score``, (N,): the propensity score, where there is one.
    attrition : DataFrame
        A row a step: `step, n_treated, n_control` left after it, from the rows handed in on.
    nuisance : Nuisance or None
        Of weights that were estimated.
    """

    frame: pl.DataFrame = field(repr=False)
    treatment: str
    treated: Bools = field(repr=False)
    weights: pl.Series = field(repr=False)
    sampling: Floats = field(repr=False)
    estimand: Estimand
    covariates: tuple[str, ...]
    subclass: Ints | None = field(default=None, repr=False)
    cluster: str | None = None
    score: pl.Series | None = field(default=None, repr=False)
    attrition: pl.DataFrame = field(repr=False)
    nuisance: Nuisance | None = field(default=None, repr=False)

    @property
    def data(self) -> pl.DataFrame:
        """The rows in the comparison, with `weight` and, where there are any, `subclass`."""
        named = {"weight", "subclass"} & set(self.frame.columns)
        if named:
            raise CallError(
                f"The data have a column {min(named)!r}, which is what .data adds",
                fix="rename it before matching, or use .frame and .weights",
            )
        frame = self.frame.with_columns(self.weights.alias("weight"))
        if self.subclass is not None:
            code = pl.Series("subclass", self.subclass)
            frame = frame.with_columns(code.replace(-1, None))
        return frame.filter(pl.col("weight") > 0)

    @property
    def n_treated(self) -> int:
        """Number of treated in the comparison."""
        return int((self.treated & (self.weights.to_numpy() > 0)).sum())

    @property
    def n_control(self) -> int:
        """Number of controls in the comparison."""
        return int((~self.treated & (self.weights.to_numpy() > 0)).sum())

    def effective_size(self) -> tuple[float, float]:
        """Return (Σw)² / Σw² of the treated and of the controls (Kish 1965)."""
        weight = self.weights.to_numpy()
        treated, control = (weight[who] for who in (self.treated, ~self.treated))
        return kish(treated), kish(control)

    def tidy(self) -> pl.DataFrame:
        """Return the attrition: `step, n_treated, n_control`."""
        return self.attrition

    def glance(self) -> pl.DataFrame:
        """Return one row: n before and in the comparison, effective sizes, estimand, method."""
        ess_treated, ess_control = self.effective_size()
        return pl.DataFrame(
            {
                "n": [len(self.treated)],
                "n_treated": [int(self.treated.sum())],
                "n_control": [int((~self.treated).sum())],
                "used_treated": [self.n_treated],
                "used_control": [self.n_control],
                "ess_treated": [ess_treated],
                "ess_control": [ess_control],
                "estimand": [self.estimand],
                "method": [str(self.meta.get("method", ""))],
            }
        )


def kish(weight: Floats) -> float:
    """Return the effective number of rows, (Σw)² / Σw²; 0 when all weights are 0."""
    top = float(weight.max(initial=0.0))
    if not top > 0:
        return 0.0
    unit = weight / top  # squares of tiny weights would be 0
    return float(unit.sum()) ** 2 / float(unit @ unit)


def first_step(treated: Bools, step: str = "all rows") -> dict[str, Any]:
    """Return the first row of an attrition table."""
    return {
        "step": step,
        "n_treated": int(treated.sum()),
        "n_control": int((~treated).sum()),
    }


def attrition_of(steps: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Return the steps as the table of a `Sample`."""
    return pl.DataFrame(
        list(steps), schema={"step": pl.String, "n_treated": pl.Int64, "n_control": pl.Int64}
    )


def read_sampling(frame: pl.DataFrame, weights: str | None) -> Floats:
    """Return the weights rows came with, (N,): 1 without; ≥ 0, below 1e100, not missing."""
    if weights is None:
        return np.ones(frame.height)
    require_columns(frame, weights)
    require_numeric(frame, weights)
    require_no_nulls(frame, weights)
    require_at_least(frame, weights)
    values = frame[weights].cast(pl.Float64).to_numpy()
    if values.max(initial=0.0) > _LARGEST:
        raise InputError(
            f"Weights {weights!r} are too large to be squared",
            where=f"{int((values > _LARGEST).sum()):,} of {frame.height:,} rows",
            fix="divide them all by the largest: only their proportions count",
        )
    return values


def require_weight(treated: Bools, sampling: Floats) -> None:
    """Raise unless both groups have rows of a weight above 0."""
    counts = [int((sampling[who] > 0).sum()) for who in (treated, ~treated)]
    if min(counts) == 0:
        raise EmptyCohortError(
            f"No {'treated' if counts[0] == 0 else 'control'} row has a weight above 0",
            where=f"{int(treated.sum()):,} treated and {int((~treated).sum()):,} control rows",
            fix="look at the column of weights",
        )


def require_finite(frame: pl.DataFrame, *names: str) -> None:
    """Raise `InputError` where a column of numbers is infinite."""
    for name in names:
        count, where = rows_where(frame, pl.col(name).cast(pl.Float64).is_infinite())
        if count:
            raise InputError(
                f"Column {name!r} is not finite everywhere", where=where,
                fix="look at how it was computed: a logarithm of 0, a division by 0",
            )  # fmt: skip


def as_counts(weights: Floats) -> Floats:
    """Return weights as numbers of rows, for what is divided by their sum less 1.

    Weights that sum to less than there are rows (shares of 1, for instance) cannot count rows:
    they are scaled to a mean of 1.
    """
    used, total = int(np.count_nonzero(weights)), float(weights.sum())
    return weights * (used / total) if 0 < total < used else weights


def plain_sample(
    data: Any,
    *,
    treatment: str,
    covariates: Sequence[str] = (),
    weights: str | None = None,
    cluster: str | None = None,
    estimand: Estimand = "ATT",
) -> Sample:
    """Return the groups as they are, nothing done to make them comparable.

    Parameters
    ----------
    data : frame
    treatment : str
        Column of true/false or 1/0.
    covariates : sequence of str
        What `balance` looks at.
    weights, cluster : str, optional
        Columns of sampling weights, and of rows that belong together.
    estimand : {"ATT", "ATC", "ATE", "ATO"}

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be used.
    """
    frame = to_frame(data)
    treated = read_treatment(frame, treatment)
    covariates = as_columns(covariates)
    require_columns(frame, *covariates, *([cluster] if cluster else []))
    check_option("estimand", estimand, tuple(ESTIMANDS))
    sampling = read_sampling(frame, weights)
    return Sample(
        meta={"method": "as they are: nothing made comparable", "estimand": ESTIMANDS[estimand],
              "design": "naive", "n": frame.height},
        frame=frame, treatment=treatment, treated=treated,
        weights=pl.Series("weight", sampling), sampling=sampling, estimand=estimand,
        covariates=tuple(covariates), cluster=cluster,
        attrition=attrition_of([first_step(treated)]),
    )  # fmt: skip
