"""What matching is asked, read and checked: the same for every method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.errors import CallError
from toolkit.matching.match_cells import counts
from toolkit.matching.nearest import Task, partners_wanted, visiting_order

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from toolkit.matching.distances import Place
    from toolkit.matching.match_calipers import Calipers
    from toolkit.matching.treatment import Estimand

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Request:
    """N rows and what is asked of them.

    Attributes
    ----------
    frame : DataFrame
    treated : (N,) array of bool
    sampling : (N,) array
    estimand : {"ATT", "ATC", "ATE"}
    cell : (N,) array
        Exact cells.
    other : (N, r) array
        Codes that must differ within a pair.
    rank : (N,) array or None
        Order between equals; None = the order of the rows.
    place : Place or None
    calipers : Calipers
    options : dict
        The rest, by the names of `match`.
    """

    frame: pl.DataFrame = field(repr=False)
    treated: Bools = field(repr=False)
    sampling: Floats = field(repr=False)
    estimand: Estimand
    cell: Ints = field(repr=False)
    other: Ints = field(repr=False)
    rank: Ints | None = field(repr=False)
    place: Place | None = field(repr=False)
    calipers: Calipers
    options: dict[str, Any]

    @property
    def focal(self) -> Bools:
        """Those whom partners are sought for: the treated, or for the ATC the controls."""
        return ~self.treated if self.estimand == "ATC" else self.treated

    @property
    def score(self) -> Floats | None:
        """The score the order goes by, (N,), after its link."""
        if self.place is None or not self.place.is_score:
            return None
        return self.place.points[:, 0]

    def points(self) -> Floats:
        """Return where the rows stand, (N, p)."""
        if self.place is None:
            raise CallError("There is no distance", fix="on= a score, or covariates")
        return self.place.points

    def alone(self) -> Bools:
        """Return which rows stand in a cell without the other group, (N,)."""
        treated, control = counts(self.cell, self.treated)
        lone: Bools = (treated == 0) | (control == 0)
        return lone[self.cell]

    def task(self, *, order: str = "data", again: bool = False) -> Task:
        """Return the search for partners, in arrays."""
        fewest = self.score  # who is most like the other group, and has most to choose from, first
        if fewest is not None and self.estimand == "ATC":
            fewest = -fewest
        counted = self.focal & (self.sampling > 0)
        visit = visiting_order(counted, order, self.score, self.rank, self.options["seed"])
        wanted = partners_wanted(
            visit, len(self.focal), self.options["ratio"], self.options["min_ratio"],
            self.options["max_ratio"], fewest,
        )  # fmt: skip
        return Task(
            points=self.points(), focal=self.focal, cell=self.cell, rank=self.rank,
            visit=visit, wanted=wanted, caliper=self.calipers.distance,
            near=self.calipers.values, width=self.calipers.width, other=self.other, again=again,
            closest=order == "closest",
        )  # fmt: skip
