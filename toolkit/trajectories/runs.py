"""Runs of states in a panel of sequences: how long they last and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import EmptyCohortError, unknown_option
from toolkit.trajectories.calendar import month_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.trajectories.sequences import Sequences


def runs(sequences: Sequences, states: Sequence[str]) -> pl.DataFrame:
    """Return each run of months in any of `states`, ready for survival.

    Parameters
    ----------
    sequences : Sequences
    states : sequence of str
        States taken as one.

    Returns
    -------
    pl.DataFrame
        One row a run: person, start (first month), entry_observed (false when the run holds in the
        person's first observed month, or after an unobserved one: it may have begun earlier),
        time (months), cause (the state that followed; null when the panel ends or is not observed
        there: censored). A censored run is known to last one month less than its months seen: it
        may have ended with the last of them, as an end in that month stands at that time.

    Raises
    ------
    UnknownOptionError, EmptyCohortError
        A state that does not occur, or no run at all.

    Examples
    --------
    >>> from toolkit import trajectories
    >>> panel = pl.DataFrame({"id": [1], "2006-01": ["work"], "2006-02": ["jobless"],
    ...                       "2006-03": ["work"]})
    >>> sequences = trajectories.from_sequences(
    ...     panel, person="id", states=["2006-01", "2006-02", "2006-03"],
    ...     benefit=["jobless"], work=["work"],
    ... )
    >>> runs(sequences, ["jobless"]).select("time", "cause").row(0)
    (1, 'work')
    """
    for state in states:
        if state not in sequences.states:
            raise unknown_option("state", state, sequences.states)
    inside = pl.col("state").is_in(list(states))
    months = sequences.months.with_columns(
        _run=pl.struct("person", inside.fill_null(value=False)).rle_id(),
        _before=pl.col("state").shift().over("person"),
        _after=pl.col("state").shift(-1).over("person"),
    )
    found = (
        months.filter(inside)
        .group_by("_run", maintain_order=True)
        .agg(
            pl.col("person").first(),
            start=pl.col("month").first(),
            entry_observed=pl.col("_before").first().is_not_null(),
            time=(month_index(pl.col("month").last()) - month_index(pl.col("month").first()) + 1),
            cause=pl.col("_after").last(),
        )
        .with_columns(time=pl.col("time") - pl.col("cause").is_null())
        .drop("_run")
    )
    if found.height == 0:
        raise EmptyCohortError(f"Nobody is ever in {', '.join(states)}", fix="name other states")
    return found
