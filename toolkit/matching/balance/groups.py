"""Two groups in one or two samples: which rows, and which share of its group each row is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import EmptyCohortError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Names of the samples, in the order of the columns of `Groups.shares`.
SAMPLES = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The weights of N rows, as shares of their group.

    Attributes
    ----------
    treated : (N,) array of bool
    shares : (N, 2S) array
        Treated and controls before, and after where there is an after (S = 2): the weight of a
        row over the sum of its group, 0 in the rows of the other group.
    totals : (2S,) array
        The sum of weights of each group.
    sizes : (2S,) array
        The number of rows with weight.
    spread : (2S,) array
        1 − Σ share²: what a weighted variance is divided by.
    """

    treated: Bools
    shares: Floats
    totals: Floats
    sizes: Ints
    spread: Floats

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the samples."""
        return SAMPLES[: self.shares.shape[1] // 2]

    def only(self, rows: Bools) -> Groups:
        """Return the groups of some rows; a group that is empty there has shares of 0."""
        return _groups(self.treated[rows], self.shares[rows], self.totals)


def make_groups(treated: Bools, before: Floats, after: Floats | None) -> Groups:
    """Return the groups of a comparison.

    Parameters
    ----------
    treated : (N,) array of bool
    before : (N,) array
        What each row weighs as it came.
    after : (N,) array or None
        What it weighs in the comparison; None where nothing was done.

    Raises
    ------
    toolkit.errors.EmptyCohortError
        For a group without weight.
    """
    found = []
    for name, weight in zip(SAMPLES, (before, after), strict=True):
        if weight is None:
            continue
        for who, word in ((treated, "treated"), (~treated, "control")):
            found.append(np.where(who, weight, 0.0))
            if not found[-1].sum() > 0:
                raise EmptyCohortError(
                    f"No {word} row has weight {name} matching or weighting",
                    where=f"{int(who.sum()):,} {word} rows",
                    fix="look at the attrition: a caliper or an exact variable may leave nobody",
                )
    return _groups(treated, np.stack(found, axis=1), np.ones(len(found)))


def _groups(treated: Bools, weights: Floats, scale: Floats) -> Groups:
    """Return the groups of rows with these weights, each group's in units of its own."""
    sums = weights.sum(axis=0)
    shares = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)
    return Groups(
        treated=treated, shares=np.ascontiguousarray(shares), totals=scale * sums,
        sizes=(shares > 0).sum(axis=0, dtype=np.int64),
        spread=1.0 - np.einsum("ng,ng->g", shares, shares),
    )  # fmt: skip
