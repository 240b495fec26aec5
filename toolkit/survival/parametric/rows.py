"""What the parameters are multiplied with, and what stands for time 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Stands for time 0, whose logarithm is not there; a hazard over so short a time is 0 exactly.
TINY = 1e-250


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the parameters are multiplied with, for n (row, time) pairs.

    Attributes
    ----------
    x : (n, p) array
        Columns of the location, the intercept first where the baseline has one.
    offset : (n,) array
    ancillary : (n, q) array
        Columns of the log shape: a one first.
    basis : (n, …) array
        What the baseline made of the times.
    """

    x: Floats
    offset: Floats
    ancillary: Floats
    basis: Floats

    def block(self, rows: slice) -> Rows:
        """Return some of the pairs."""
        return Rows(
            x=self.x[rows], offset=self.offset[rows], ancillary=self.ancillary[rows],
            basis=self.basis[rows],
        )  # fmt: skip


def corner(own: Floats, p: int) -> Floats:
    """Return a matrix of zeros, p rows and columns larger, with `own` at its lower right."""
    m = p + len(own)
    out = np.zeros((m, m))
    out[p:, p:] = own
    return out
