"""What a contrast needs of a sample: who, which groups, what belongs together, which variance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.contrast_influence import Clustering
from toolkit.errors import CallError, EmptyCohortError, MissingValueError, check_option
from toolkit.estimation.clusters import cluster_codes
from toolkit.frames import (
    as_columns,
    require_columns,
    require_no_nulls,
    require_numeric,
    rows_where,
)
from toolkit.matching.sample import Sample, plain_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.matching.treatment import Estimand

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Missing = Literal["error", "drop"]
#: How rows were put together: not, one to one(s), one to one(s) with reuse, in strata.
Kind = Literal["rows", "pairs", "reused", "strata"]


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Who is matched to whom: P pairs of a row for whom the effect is and a match."""

    focal: Ints = field(repr=False)
    match: Ints = field(repr=False)


def read_sample(
    x: Any, *, treatment: str | None, weights: str | None, estimand: Estimand | None
) -> Sample:
    """Return `x` as a sample: as it is, or a plain frame with nothing done to it."""
    if isinstance(x, Sample):
        for name, given in (("treatment", treatment), ("weights", weights), ("estimand", estimand)):
            if given is not None:
                raise CallError(
                    f"{name}= is said twice: the sample has its own",
                    fix=f"leave out {name}=, or hand in the plain frame",
                )
        return x
    if treatment is None:
        raise CallError(
            "Of a plain frame nobody knows who was treated", fix="name the column: treatment='…'"
        )
    return plain_sample(x, treatment=treatment, weights=weights, estimand=estimand or "ATT")


def kind_of(sample: Sample) -> Kind:
    """Return how the rows of a sample were put together."""
    pairs = getattr(sample, "pairs", None)
    if not isinstance(pairs, pl.DataFrame):
        return "rows" if sample.subclass is None else "strata"
    if sample.subclass is None:
        return "reused"
    focal = (sample.treated != (sample.estimand == "ATC")) & (sample.subclass >= 0)
    sets = np.bincount(sample.subclass[focal])
    return "strata" if sets.max(initial=0) > 1 else "pairs"  # full matching: several in a set


def pairing_of(sample: Sample) -> Pairing:
    """Return the pairs of a sample: first those for whom the effect is."""
    pairs: pl.DataFrame = sample.pairs  # type: ignore[attr-defined]
    rows = [pairs[name].cast(pl.Int64).to_numpy() for name in ("treated_row", "control_row")]
    focal, match = rows if sample.estimand != "ATC" else rows[::-1]
    return Pairing(focal=focal, match=match)


def read_outcome(sample: Sample, outcome: str, missing: Missing) -> tuple[Floats, Bools]:
    """Return the outcome as numbers, (N,), and where it is known, of rows in the comparison.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a column that is no number or truth value, and for missing outcomes unless
        ``missing="drop"``.
    """
    check_option("missing", missing, ("error", "drop"))
    frame = sample.frame
    require_columns(frame, outcome)
    if frame.schema[outcome] != pl.Boolean:
        require_numeric(frame, outcome)
    column = frame[outcome].cast(pl.Float64).fill_nan(None)
    used = sample.weights.to_numpy() > 0
    known = column.is_not_null().to_numpy()
    if missing == "error" and not known[used].all():
        _, where = rows_where(frame, pl.lit(pl.Series(used & ~known)))
        raise MissingValueError(
            f"Outcome {outcome!r} has missing values",
            where=where,
            fix="not observed is not 'no': cut the cohort to those followed long enough, or say "
            "missing='drop', which takes them to be missing at random",
        )
    y = column.fill_null(0.0).to_numpy()
    if not np.isfinite(y[used]).all():
        raise MissingValueError(f"Outcome {outcome!r} is infinite somewhere", fix="look it up")
    return y, known


def observed(sample: Sample, kind: Kind, known: Bools) -> Bools:
    """Return which rows stay in when outcomes are missing, (N,): pairs stay or go together."""
    used = sample.weights.to_numpy() > 0
    if kind == "pairs" and sample.subclass is not None:
        lost = np.unique(sample.subclass[used & ~known])
        return used & ~np.isin(sample.subclass, lost)
    return used & known


def groups_of(
    sample: Sample, kind: Kind, by: str | Sequence[str] | None
) -> tuple[pl.DataFrame, Ints, tuple[str, ...], list[str]]:
    """Return the groups, the group of each row (N,), their columns and what to warn of.

    In pairs a match stands in the group of the one it is matched to.
    """
    frame, names = sample.frame, as_columns(by)
    if not names:
        return pl.DataFrame({"_": [0]}).drop("_"), np.zeros(frame.height, np.int64), (), []
    require_columns(frame, *names)
    require_no_nulls(frame, *names)
    levels = frame.select(names).unique().sort(names).with_row_index("_group")
    code = (
        frame.select(names).join(levels, on=names, how="left", maintain_order="left")["_group"]
        .cast(pl.Int64).to_numpy()
    )  # fmt: skip
    group, said = code, []
    used = sample.weights.to_numpy() > 0
    if kind == "pairs" and sample.subclass is not None:
        focal = sample.treated != (sample.estimand == "ATC")
        of_pair = np.full(int(sample.subclass.max()) + 1, -1)
        first = used & focal
        of_pair[sample.subclass[first]] = code[first]
        group = np.where(used, of_pair[np.maximum(sample.subclass, 0)], -1)
        off = int((group[used] != code[used]).sum())
    elif kind == "reused":
        pairs = pairing_of(sample)
        off = int((code[pairs.focal] != code[pairs.match]).sum())
    elif kind == "strata" and sample.subclass is not None:
        cells = pl.DataFrame({"s": sample.subclass[used], "g": code[used]})
        off = cells.group_by("s").agg(pl.col("g").n_unique()).filter(pl.col("g") > 1).height
    else:
        off = 0
    if off:
        what = "strata hold" if kind == "strata" else "matches are of"
        said.append(
            f"{off:,} {what} more than one group of {', '.join(names)}: within a group people "
            "need not be comparable; match exactly on it"
        )
    return levels.drop("_group"), group, tuple(names), said


def clustering_of(
    sample: Sample, kind: Kind, cluster: str | Sequence[str] | Literal[False] | None
) -> Clustering:
    """Return what belongs together: what is asked, else persons and pairs; False = nothing.

    Persons alone would leave out what the two of a pair share: safe, but too wide.
    """
    frame = sample.frame
    if cluster is False:
        return Clustering()
    if cluster is None:
        names = [] if sample.cluster is None else [sample.cluster]
        names += ["subclass"] if kind == "pairs" else []
        if not names:
            return Clustering()
    else:
        names = as_columns(cluster)
    codes = []
    for name in names:
        if name == "subclass" and sample.subclass is not None and name not in frame.columns:
            codes.append(np.where(sample.subclass < 0, 0, sample.subclass))
            continue
        require_columns(frame, name)
        require_no_nulls(frame, name)
        codes.append(cluster_codes(frame[name]))
    if not names:
        raise CallError("cluster= names no column", fix="leave it out, or name one")
    return Clustering(names=tuple(names), codes=tuple(codes))


def target_of(
    estimand: Estimand, treated: Bools, weight: Floats, sampling: Floats, gradient: Floats | None
) -> tuple[Floats, Floats | None]:
    """Return the weights of the rows for whom the effect is, (n,), and ∂ of them to θ, (n, q).

    Parameters
    ----------
    treated, weight, sampling : (n,) arrays
    gradient : (n, q) array, optional
        ∂ weight / ∂ θ.
    """
    if estimand == "ATE":
        return np.where(weight > 0, sampling, 0.0), None
    if estimand in {"ATT", "ATC"}:
        arm = treated if estimand == "ATT" else ~treated
        return np.where(arm, weight, 0.0), None if gradient is None else gradient * arm[:, None]
    return weight, gradient  # ATO: weighted, both arms are those with overlap


def require_both(groups: pl.DataFrame, n_treated: Ints, n_control: Ints) -> None:
    """Raise when a group lacks one of the two arms."""
    lacking = int(((n_treated == 0) | (n_control == 0)).sum())
    if lacking and not groups.width:
        name = "treated" if n_treated[0] == 0 else "controls"
        raise EmptyCohortError(
            f"No {name} with a known outcome are in the comparison",
            fix="look at the sample's attrition, and at where the outcome is missing",
        )
    if lacking:
        raise EmptyCohortError(
            f"{lacking:,} of {max(groups.height, 1):,} groups have no treated or no controls",
            fix="merge groups, or leave these out before",
        )
