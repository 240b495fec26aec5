"""Whether the moves that were observed can be at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import InputError
from toolkit.survival.markov.door import ARRIVAL, EXACT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.paths import Paths
    from toolkit.survival.markov.records import Records

    Ints = NDArray[np.int64]


def check_moves(records: Records) -> None:
    """Raise where two known states follow one another that no allowed moves lead between."""
    structure = records.structure
    if structure.hidden:
        return
    size = structure.n_state
    end = records.end
    before, after, scheme = (
        records.observed[end - 1], records.observed[end], records.scheme[end]
    )  # fmt: skip
    known = (before < size) & (after < size)
    r, s = np.where(known, before, 0), np.where(known, after, 0)
    reach, mask = structure.reach, structure.mask
    arrive = (reach.astype(int) @ mask.astype(int)) > 0
    stay = mask | np.eye(size, dtype=bool)
    fine = np.where(
        scheme == EXACT, stay[r, s], np.where(scheme == ARRIVAL, arrive[r, s], reach[r, s])
    )
    bad = known & ~fine
    if not bad.any():
        return
    pairs, counts = np.unique(r[bad] * size + s[bad], return_counts=True)
    order = np.argsort(-counts)
    listed = ", ".join(
        f"{structure.label(pairs[i] // size)} to {structure.label(pairs[i] % size)} "
        f"{counts[i]:,} times"
        for i in order[:6]
    )
    raise InputError(
        f"Moves are observed that are not allowed, nor made up of allowed ones: {listed}",
        where=_where(records, end[bad]),
        fix="allow them, correct the rows, or let states be seen with error (misclassification=)",
    )


def check_chains(records: Records, paths: Paths, chains: Ints) -> None:
    """Raise where a chain of uncertain observations cannot be."""
    if not len(chains):
        return
    bad = np.isin(paths.chain, chains)
    raise InputError(
        f"{int(bad.sum()):,} sequences of observations are impossible with the moves, censored "
        "codes and errors allowed",
        where=_where(records, records.end[paths.last[bad]]) + ", the last of each",
        fix="allow more moves or errors, or correct the rows",
    )


def _where(records: Records, observations: Ints) -> str:
    rows = np.sort(records.row[observations])
    named = ", ".join(str(row) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
    return f"{len(rows):,} of {records.n_rows:,} rows; first rows {named}"
