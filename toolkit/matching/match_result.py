"""Matched groups: who was paired with whom, and the weights that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.matching.sample import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_PAIRS = {
    "treated_row": pl.Int64, "control_row": pl.Int64, "distance": pl.Float64, "subclass": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Matched(Sample):
    """Treated rows with controls like them; see `match`.

    Attributes
    ----------
    pairs : DataFrame or None
        A row a pair: `treated_row, control_row` (numbers of rows of `frame`, from 0), `distance`,
        `subclass`. None where rows are grouped, not paired (coarsened, exact, subclass).
    distance : str
        What was near, in words.
    caliper : dict
        Widest difference within a pair, in units of the variable: name → width. The distance
        itself is named ``distance``.
    propensity : Propensity or None
        The fitted score that was matched on, where it has coefficients: standard errors can then
        know that it was estimated.
    score_only : bool
        Whether nothing but a score decided who is like whom: no exact columns, no other calipers.
    """

    pairs: pl.DataFrame | None = field(default=None, repr=False)
    distance: str = ""
    caliper: dict[str, float] = field(default_factory=dict)
    propensity: Any = field(default=None, repr=False)
    score_only: bool = False

    def glance(self) -> pl.DataFrame:
        """Return one row: that of a `Sample`, with the number of pairs and their mean distance."""
        pairs = self.pairs
        return (
            super()
            .glance()
            .with_columns(
                n_pairs=pl.lit(None if pairs is None else pairs.height, pl.Int64),
                mean_distance=pl.lit(
                    None if pairs is None else pairs["distance"].mean(), pl.Float64
                ),
            )
        )


def pairs_frame(treated: Ints, control: Ints, distance: Floats, subclass: Ints) -> pl.DataFrame:
    """Return pairs as a table, by subclass and treated row, in the order they were made."""
    frame = pl.DataFrame([treated, control, distance, subclass], schema=_PAIRS)
    return frame.sort("subclass", "treated_row", maintain_order=True)
