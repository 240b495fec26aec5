"""Two groups in one or two samples: which rows, and which share of its group each row is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import EmptyCohortError
from toolkit.matching.sample import kish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Names of the samples, in the order of the rows of `Groups.shares`.
SAMPLES = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The weights of N rows, as shares of their group.

    Attributes
    ----------
    treated : (N,) array of bool
    shares : (2S, N) array
        Treated and controls before, and after where there is an after (S = 2): the weight of a
        row over the sum of its group, 0 in the rows of the other group.
    totals : (2S,) array
        The sum of weights of each group.
    effective : (2S,) array
        (Σw)² / Σw² of each group.
    """

    treated: Bools
    shares: Floats
    totals: Floats
    effective: Floats

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the samples."""
        return SAMPLES[: len(self.shares) // 2]

    @property
    def spread(self) -> Floats:
        """1 − Σ share² of each group, (2S,): what a weighted variance is divided by."""
        squares: Floats = np.einsum("gn,gn->g", self.shares, self.shares)
        return 1.0 - squares

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of rows with weight, (2S,)."""
        counts: NDArray[np.int64] = (self.shares > 0).sum(axis=1, dtype=np.int64)
        return counts

    def only(self, rows: Bools) -> Groups:
        """Return the groups of some rows; a group that is empty there has shares of 0."""
        sums = self.shares[:, rows].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(sums[:, None] > 0, self.shares[:, rows] / sums[:, None], 0.0)
        return Groups(
            treated=self.treated[rows], shares=shares, totals=self.totals * sums,
            effective=np.array([kish(share) for share in shares]),
        )  # fmt: skip


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
    weights = np.stack(found)
    totals = weights.sum(axis=1)
    return Groups(
        treated=treated, shares=weights / totals[:, None], totals=totals,
        effective=np.array([kish(weight) for weight in weights]),
    )  # fmt: skip
