"""Spells of all persons, cut into groups, with weights and clusters: what estimators start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, InputError, check_option
from toolkit.frames import require_at_least
from toolkit.survival.checks import check_time_type
from toolkit.survival.counts import WEIGHTINGS, Weighting
from toolkit.survival.multi_state.history import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.multi_state.flaws import Joins
    from toolkit.survival.multi_state.spells import Spells

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Result columns; a group column with such a name would stand twice.
_RESERVED = {
    "time", "state", "from", "to", "n_risk", "n_event", "n_censor", "estimate", "std_error",
    "conf_low", "conf_high", "p_value", "statistic",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Groups:
    """G groups of spells.

    Attributes
    ----------
    by : tuple of str
    labels : DataFrame
        G rows, sorted; one nameless row when there is no `by`.
    histories : tuple of History
        One a group.
    n_rows : int
        Rows of the data.
    weight_type : {"frequency", "sampling"} or None
        None without weights.
    zero_weight : int
        Rows left out because their weight is 0.
    split : int
        Persons who are in more than one group.
    """

    by: tuple[str, ...]
    labels: pl.DataFrame
    histories: tuple[History, ...] = field(repr=False)
    n_rows: int
    weight_type: Weighting | None
    zero_weight: int
    split: int


def check_by(by: Sequence[str]) -> None:
    """Raise for a group column named as a result, or twice."""
    for name in by:
        if name in _RESERVED:
            raise CallError(
                f"Group column {name!r} has the name of a result column",
                fix=f"rename it, for instance to {name + '_group'!r}",
            )
    if len(set(by)) < len(by):
        raise CallError(f"by={list(by)!r} names a column twice", fix="name each column once")


def make_groups(
    spells: Spells,
    joins: Joins,
    *,
    by: Sequence[str],
    weights: str | None,
    weight_type: Weighting | None,
    cluster: str | None,
) -> Groups:
    """Cut checked spells into groups; a person's spells in a group are one unit."""
    n = len(spells.row)
    weight, kind = _weights(spells, weights, weight_type)
    kept = weight > 0
    whole = {
        "row": spells.row, "unit": spells.person, "start": spells.start, "stop": spells.stop,
        "origin": spells.origin,
        "target": np.where(spells.target == spells.origin, -1, spells.target),
        "begins": joins.begins, "ends": _ends(joins), "weight": weight,
    }  # fmt: skip
    group, labels = _group(spells.others, by, n)
    clusters = None
    if cluster is not None:
        clusters = spells.others[cluster].rank("dense").cast(pl.Int64).to_numpy() - 1
        _constant(clusters, spells, cluster)
    order = np.argsort(group, kind="stable") if by else np.arange(n)
    order = order[kept[order]] if not kept.all() else order
    counts = np.bincount(group[order], minlength=labels.height)
    if (counts == 0).any():
        raise InputError(
            f"Weights {weights!r} sum to zero",
            where=f"{int((counts == 0).sum()):,} of {labels.height:,} groups",
            fix="leave such groups out, so that the choice is on record",
        )
    histories, split = [], 0
    for part in np.split(order, np.cumsum(counts)[:-1]) if labels.height > 1 else [order]:
        same = len(part) == n and not by
        one = whole if same else {name: column[part] for name, column in whole.items()}
        histories.append(
            _history(one, len(spells.states), kind, None if clusters is None else clusters[part])
        )
        split += len(histories[-1].times)
    persons = len(np.unique(spells.person[kept])) if not kept.all() else spells.n_persons
    return Groups(
        by=tuple(by), labels=labels, histories=tuple(histories), n_rows=n, weight_type=kind,
        zero_weight=int((~kept).sum()), split=split - persons,
    )  # fmt: skip


def _history(
    columns: dict[str, NDArray[Any]], n_states: int, kind: Weighting | None, cluster: Ints | None
) -> History:
    unit = columns["unit"]
    first = np.ones(len(unit), dtype=bool)
    first[1:] = unit[1:] != unit[:-1]
    frequency = kind == "frequency"
    weight = columns["weight"]
    ones = np.ones(int(first.sum()))
    return History(
        n_states=n_states,
        **{name: column for name, column in columns.items() if name != "unit"},
        unit=np.cumsum(first) - 1,
        own=np.ones(len(unit)) if frequency else weight,
        times=weight[first] if frequency else ones,
        person=unit[first],
        cluster=None if cluster is None else np.unique(cluster[first], return_inverse=True)[1],
    )


def _ends(joins: Joins) -> NDArray[np.bool_]:
    """Return whether a spell is the last before its person is not seen, or seen no more."""
    return np.append(joins.begins[1:], True)


def _group(others: pl.DataFrame, by: Sequence[str], n: int) -> tuple[Ints, pl.DataFrame]:
    if not by:
        return np.zeros(n, dtype=np.int64), pl.DataFrame({"": [0]})
    labels = others.select(by).unique().sort(by)
    numbered = labels.with_row_index("the group")
    found = others.select(by).join(numbered, on=list(by), how="left", maintain_order="left")
    return found["the group"].cast(pl.Int64).to_numpy(), labels


def _weights(
    spells: Spells, name: str | None, kind: Weighting | None
) -> tuple[Floats, Weighting | None]:
    if name is None:
        if kind is not None:
            raise CallError("weight_type is given, but no weights", fix="name them: weights='w'")
        return np.ones(len(spells.row)), None
    check_time_type(name, spells.others.schema[name])
    require_at_least(spells.others.select(name), name)
    weight = spells.others[name].cast(pl.Float64).to_numpy().copy()  # compiled code wants its own
    if kind is not None:
        check_option("weight_type", kind, WEIGHTINGS)
    first = spells.first
    varies = bool((weight[1:] != weight[:-1])[~first[1:]].any())
    if kind is None:
        kind = "frequency" if not varies and bool((weight == np.rint(weight)).all()) else "sampling"
    elif kind == "frequency" and varies:
        raise InputError(
            f"Frequency weights {name!r} vary over the spells of a person",
            where=f"{int((weight[1:] != weight[:-1])[~first[1:]].sum()):,} of {len(weight):,} rows",
            fix="a person occurs as often in each spell; write weight_type='sampling' for others",
        )
    return weight, kind


def _constant(cluster: Ints, spells: Spells, name: str) -> None:
    varies = (cluster[1:] != cluster[:-1])[~spells.first[1:]]
    if varies.any():
        raise InputError(
            f"Cluster {name!r} differs between spells of one person",
            where=f"{int(varies.sum()):,} of {len(cluster):,} rows",
            fix="persons lie within clusters: take the one at the person's first spell",
        )
