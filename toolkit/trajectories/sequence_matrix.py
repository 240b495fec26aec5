"""A panel of states as a matrix of codes, and who counts in which group with what weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, InputError, MissingValueError, check_option
from toolkit.frames import (
    as_columns,
    require_at_least,
    require_columns,
    require_numeric,
    rows_where,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WeightType = Literal["frequency", "sampling"]
WEIGHT_TYPES = ("frequency", "sampling")
_RESERVED = {
    "month", "state", "from", "to", "sequence", "n", "n_from", "n_observed", "estimate",
    "std_dev", "std_error", "conf_low", "conf_high",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StateMatrix:
    """N persons by T months.

    Attributes
    ----------
    codes : (N, T) array of small unsigned integers
        Place of the state in `states`; `len(states)`, where nulls are no state, is not observed.
    states : tuple of str or None
        The S states; the last is None where a month not observed counts as a state.
    months : Series
        The T months.
    persons : Series
        The N persons, sorted.
    """

    codes: NDArray[Any] = field(repr=False)
    states: tuple[str | None, ...]
    months: pl.Series = field(repr=False)
    persons: pl.Series = field(repr=False)

    @property
    def n_states(self) -> int:
        """S."""
        return len(self.states)

    def state_column(self, code: Ints) -> pl.Series:
        """Return states by their codes."""
        return pl.Series(self.states, dtype=pl.String).gather(code)

    def with_missing(self) -> StateMatrix:
        """Return the same with 'not observed' as a state, where a month is."""
        if not (self.codes == self.n_states).any():
            return self
        return StateMatrix(
            codes=self.codes, states=(*self.states, None), months=self.months, persons=self.persons
        )


@dataclass(frozen=True, kw_only=True)
class People:
    """Who counts, in which of G groups, and how much.

    Attributes
    ----------
    groups : DataFrame
        G rows, sorted; one nameless row without groups.
    by : list of str
    group : (N,) array
    weight : (N,) array
    """

    groups: pl.DataFrame
    by: list[str]
    group: Ints
    weight: Floats

    @property
    def n_groups(self) -> int:
        """G."""
        return self.groups.height

    def labels(self, group: Ints) -> dict[str, pl.Series]:
        """Return the group columns for these group numbers."""
        return {name: self.groups[name].gather(group) for name in self.by}


def make_matrix(months: pl.DataFrame, states: Sequence[str]) -> StateMatrix:
    """Turn sorted person-months, every person having every month, into a matrix."""
    n_months = months["month"].n_unique()
    small = pl.UInt8 if len(states) < 255 else pl.UInt16
    code = (
        months["state"]
        .cast(pl.Enum(list(states)))
        .to_physical()
        .cast(small)
        .fill_null(len(states))
        .to_numpy()
        .reshape(-1, n_months)
    )
    return StateMatrix(
        codes=code,
        states=tuple(states),
        months=months["month"].head(n_months),
        persons=months["person"].gather_every(n_months),
    )


def people_of(
    covariates: pl.DataFrame, by: str | Sequence[str] | None, weights: str | None
) -> People:
    """Look the group and the weight of every person up in the covariates."""
    groups = as_columns(by)
    require_columns(covariates, *groups, *([weights] if weights else []))
    for name in groups:
        if name in _RESERVED:
            raise CallError(
                f"Group column {name!r} has the name of a result column",
                fix=f"rename it, for instance to {name + '_group'!r}",
            )
    if len(set(groups)) < len(groups):
        raise CallError(f"by={groups!r} names a column twice", fix="name each column once")
    if groups:
        known = covariates.select(groups).unique().sort(groups)
        numbered = covariates.select(groups).join(
            known.with_row_index("\0row"),
            on=groups, how="left", nulls_equal=True, maintain_order="left",
        )  # fmt: skip
        group = numbered["\0row"].to_numpy().astype(np.int64)
    else:
        known, group = pl.DataFrame({"": [0]}), np.zeros(covariates.height, np.int64)
    return People(groups=known, by=groups, group=group, weight=_weights(covariates, weights))


def _weights(covariates: pl.DataFrame, name: str | None) -> Floats:
    if name is None:
        return np.ones(covariates.height)
    require_numeric(covariates, name)
    count, where = rows_where(covariates, pl.col(name).is_null())
    if count:
        raise MissingValueError(
            f"Column {name!r} has missing values", where=where, fix="fill or drop these rows"
        )
    require_at_least(covariates, name)
    weight = covariates[name].cast(pl.Float64).to_numpy()
    if not weight.sum() > 0:
        raise InputError(f"Weights {name!r} sum to zero", fix="leave them out, or mend them")
    return weight


def weighting(weight: Floats, name: str | None, weight_type: WeightType | None) -> WeightType:
    """Return what weights mean: whole numbers count persons, unless said otherwise."""
    if weight_type is not None:
        check_option("weight_type", weight_type, WEIGHT_TYPES)
    if name is None:
        return "frequency"
    whole = bool((weight == np.floor(weight)).all())
    if weight_type == "frequency" and not whole:
        raise CallError(
            f"Weights {name!r} are not whole numbers, so they do not count persons",
            fix="weight_type='sampling' for weights that say how many persons one stands for",
        )
    return weight_type or ("frequency" if whole else "sampling")
