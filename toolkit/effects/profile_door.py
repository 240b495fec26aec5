"""The door of the profile: a sample or a plain frame, and a panel or the register itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.contrast_influence import Clustering
from toolkit.effects.contrast_sample import clustering_of, kind_of, read_sample
from toolkit.effects.profile_rows import month_numbers
from toolkit.effects.registry import method
from toolkit.errors import CallError, EmptyCohortError, WrongTypeError, unknown_option
from toolkit.estimation.clusters import check_clusters, cluster_codes, few_clusters
from toolkit.frames import require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.matching.sample import Sample
    from toolkit.registers import Register
    from toolkit.trajectories import Definition

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Columns of the panel of a register that can be outcomes.
_OF_REGISTER = ("in_work", "on_benefit", "in_programme")


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Who is compared, and how their errors hang together.

    Attributes
    ----------
    sample : Sample
    person, start : str
        Columns of its frame.
    weight : (N,) array
        At the start.
    clustering : Clustering
    design : str
        Key of the registry.
    warnings : list of str
    """

    sample: Sample
    person: str
    start: str
    weight: Floats = field(repr=False)
    clustering: Clustering
    design: str
    warnings: list[str]

    def ways(self) -> list[tuple[int, Ints | None]]:
        """Return what the variance adds up: sign and clusters, of two ways less both at once."""
        if not self.clustering:
            return [(1, None)]
        return [(sign, code) for sign, _, code in self.clustering.ways()]

    def weights(self, months: Ints) -> Floats:
        """Return the weight of each row, (N, 1), or of each row and month, (N, K).

        A sample that says how weights change after the start (controls censored at their own start)
        does so by `weights_at`.
        """
        at = getattr(self.sample, "weights_at", None)
        later = months[months > 0]
        if at is None or getattr(self.sample, "control", None) != "censor" or not len(later):
            return self.weight[:, None]
        return np.stack([at(int(m)).to_numpy() for m in months], axis=1)


def read_groups(
    x: Any,
    *,
    treatment: str | None,
    weights: str | None,
    design: str | None,
    cluster: str | Sequence[str] | Literal[False] | None,
    person: str | None,
    start: str | None,
) -> Groups:
    """Return who is compared; see `toolkit.effects.profile` for the arguments.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a plain frame without `treatment`, a sample with one, or columns that cannot be used.
    """
    sample = read_sample(x, treatment=treatment, weights=weights, estimand=None)
    key = str(sample.meta.get("design", "naive")) if design is None else design
    method(key)
    named = person or getattr(sample, "person", None) or "person"
    calendar, spell = (getattr(sample, name, None) for name in ("calendar", "spell"))
    if start is None and spell is not None and calendar is None:
        raise CallError(
            "These risk sets know elapsed months only, and people have several spells",
            fix="match with calendar=, or name the calendar month of the start: start=",
        )
    begin = start or calendar or getattr(sample, "time", None) or "start"
    require_columns(sample.frame, named, begin, where="the rows")
    weight = sample.weights.to_numpy().astype(np.float64)
    used = weight > 0
    for who, name in ((sample.treated, "treated"), (~sample.treated, "controls")):
        if not (used & who).any():
            raise EmptyCohortError(
                f"No {name} are left in the comparison", fix="look at the sample's attrition"
            )
    require_no_nulls(sample.frame.filter(pl.Series(used)), named)
    clustering = clustering_of(sample, kind_of(sample), cluster)
    repeated = sample.frame[named].filter(pl.Series(used)).is_duplicated().any()
    if cluster is None and repeated and named not in clustering.names:
        codes = cluster_codes(sample.frame[named].fill_null(strategy="forward"))
        clustering = Clustering(names=(*clustering.names, named), codes=(*clustering.codes, codes))
    warnings = []
    for name, codes in zip(clustering.names, clustering.codes, strict=True):
        count = len(np.unique(codes[used]))
        check_clusters(count, name)
        warnings += few_clusters(count, name)
    return Groups(
        sample=sample, person=named, start=begin, weight=weight, clustering=clustering, design=key,
        warnings=warnings,
    )  # fmt: skip


def panel_of(
    register: Register,
    rows: pl.DataFrame,
    *,
    person: str,
    start: str,
    outcomes: Sequence[str],
    first: int,
    last: int,
    definition: Definition | None,
) -> pl.DataFrame:
    """Return the monthly panel of some persons of a register: person, month and the outcomes.

    Parameters
    ----------
    register : Register
    rows : DataFrame
        Those that count: `person` and `start`, a date.
    first, last : int
        Months since start.
    """
    from toolkit.trajectories import Window, month_start
    from toolkit.trajectories.panel import panel_parts

    for name in outcomes:
        if name not in _OF_REGISTER:
            raise unknown_option("outcome", name, _OF_REGISTER)
    require_columns(rows, person, start, where="the rows")
    if not rows.schema[start].is_temporal():
        raise WrongTypeError(
            f"Start {start!r} is {rows.schema[start]}, and months of a register are dates",
            fix="give the start as a date",
        )
    zero = month_numbers(rows[start].drop_nulls())
    low, high = int(zero.min()) + first, int(zero.max()) + last  # type: ignore[arg-type]
    parts = panel_parts(
        register, window=Window(month_start(low), month_start(high + 1)),
        persons=rows[person].unique(), definition=definition,
    )  # fmt: skip
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in outcomes)
    kept = [part.select("person", "month", *outcomes).filter(known) for part in parts]
    return pl.concat(kept)
