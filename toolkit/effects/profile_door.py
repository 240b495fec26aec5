"""The door of the profile: a sample or a plain frame, and a panel or the register itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.profile_rows import month_numbers
from toolkit.effects.registry import method
from toolkit.errors import CallError, EmptyCohortError, WrongTypeError, unknown_option
from toolkit.estimation.clusters import check_clusters, cluster_codes, few_clusters
from toolkit.frames import require_columns, require_no_nulls
from toolkit.matching.sample import Sample, plain_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
    weight : (N,) array
    cluster : (N,) array or None
        Numbers 0 … C-1; rows of no weight have one too.
    cluster_name : str or None
    design : str
        Key of the registry.
    warnings : list of str
    """

    sample: Sample
    weight: Floats = field(repr=False)
    cluster: Ints | None = field(repr=False)
    cluster_name: str | None
    design: str
    warnings: list[str]


def read_groups(
    x: Any,
    *,
    treatment: str | None,
    weights: str | None,
    design: str | None,
    cluster: str | None,
    person: str,
) -> Groups:
    """Return who is compared; see `toolkit.effects.profile` for the arguments.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a plain frame without `treatment`, a sample with one, or columns that cannot be used.
    """
    if isinstance(x, Sample):
        for name, given in (("treatment", treatment), ("weights", weights)):
            if given is not None:
                raise CallError(
                    f"{name}={given!r} is for plain frames: this sample has its own",
                    fix=f"leave out {name}=",
                )
        sample = x
    elif treatment is None:
        raise CallError(
            "A plain frame does not say who was treated",
            fix="name the column: treatment='…', or hand in a matched or weighted sample",
        )
    else:
        sample = plain_sample(x, treatment=treatment, weights=weights)
    key = str(sample.meta.get("design", "naive")) if design is None else design
    method(key)
    require_columns(sample.frame, person, where="the rows")
    weight = sample.weights.to_numpy().astype(np.float64)
    used = weight > 0
    for who, name in ((sample.treated, "treated"), (~sample.treated, "controls")):
        if not (used & who).any():
            raise EmptyCohortError(
                f"No {name} are left in the comparison", fix="look at the sample's attrition"
            )
    named = cluster or sample.cluster
    repeated = sample.frame[person].filter(pl.Series(used)).is_duplicated().any()
    if named is None and repeated:
        named = person
    codes, warnings = None, []
    if named is not None:
        require_columns(sample.frame, named, where="the rows")
        column = sample.frame[named]
        require_no_nulls(sample.frame.filter(pl.Series(used)), named)
        count = column.filter(pl.Series(used)).n_unique()
        check_clusters(count, named)
        warnings += few_clusters(count, named)
        codes = cluster_codes(column.fill_null(strategy="max"))
    return Groups(
        sample=sample, weight=weight, cluster=codes, cluster_name=named, design=key,
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
