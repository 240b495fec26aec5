"""What is wrong with a frame of spells before any curve is drawn from it, in counts."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import InputError, OverlappingSpellsError
from toolkit.provenance import versions
from toolkit.result import Result
from toolkit.survival.multi_state.flaws import Joins, find_joins
from toolkit.survival.multi_state.spells import Spells, read_spells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: What each finding means, in the words of messages.
MEANING = {
    "gap": "a person is not seen for a while, and then in the same state",
    "jump": "a person is not seen for a while, and then in another state",
    "teleport": "a spell starts at once in another state than the one before it moved to",
    "overlap": "a spell starts before an earlier one of the person has stopped",
    "two_states": "the person is then in two states at once",
    "duplicate": "a row says the same as another one",
    "same_state": "a move into the state in which the person is already",
}
#: First rows named with each finding.
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class StateSpace(Result):
    """Moves between states, and what is wrong with the histories; made by `check_states`.

    Attributes
    ----------
    states : Series
        The S states.
    moves : (S, S + 1) array
        Spells by the state they are in (row) and the one moved to (column); the last column
        counts those who leave observation without a move. A spell that only goes on in the next
        row is no move.
    visits : (S, K) array
        Persons by the number of their moves into each state, 0 … K-1.
    found : dict
        Finding → its rows in the data, in ascending order.
    """

    states: pl.Series
    moves: Ints = field(repr=False)
    visits: Ints = field(repr=False)
    found: dict[str, Ints] = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row per kind of finding.

        Columns: `finding`, `n` (rows), `persons`, `first_rows` (0-based, of the data; no keys)
        and `meaning`.
        """
        return pl.DataFrame(
            {
                "finding": list(self.found),
                "n": [len(rows) for rows in self.found.values()],
                "persons": [self.meta["persons"][name] for name in self.found],
                "first_rows": [rows[:_NAMED].tolist() for rows in self.found.values()],
                "meaning": [MEANING[name] for name in self.found],
            },
            schema_overrides={"first_rows": pl.List(pl.Int64)},
        )

    def transitions(self) -> pl.DataFrame:
        """Return the moves counted: a row per `from` and `to` with `n`; `to` null is censored."""
        n_states = len(self.states)
        origin, target = (x.ravel() for x in np.indices(self.moves.shape))
        to = self.states.gather(np.minimum(target, n_states - 1))
        table = pl.DataFrame(
            {"from": self.states.gather(origin), "to": to, "n": self.moves.ravel()}
        )
        censored = pl.Series(target == n_states)
        return table.with_columns(to=pl.when(~censored).then(pl.col("to")))

    def arrivals(self) -> pl.DataFrame:
        """Return how many persons moved how often into each state: `state, times, persons`."""
        state, times = (x.ravel() for x in np.indices(self.visits.shape))
        return pl.DataFrame(
            {"state": self.states.gather(state), "times": times, "persons": self.visits.ravel()}
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: counts of spells, persons, states, moves and of every finding."""
        moves = int(self.moves[:, :-1].sum())
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_person": [self.meta["n_person"]],
                "n_state": [len(self.states)],
                "n_event": [moves],
                **{name: [len(rows)] for name, rows in self.found.items()},
            }
        )

    def summary(self) -> str:
        """Return the table of moves, and what was found, as text."""
        with pl.Config(
            tbl_rows=60, tbl_cols=-1, tbl_width_chars=160,
            tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
        ):  # fmt: skip
            wide = self.transitions().with_columns(pl.col("from", "to").cast(pl.String))
            wide = wide.with_columns(pl.col("to").fill_null("(censored)"))
            moves = str(wide.pivot("to", index="from", values="n"))
        return f"{super().summary()}\nMoves\n{moves}"


def check_states(
    data: Any, *, person: str, start: str, stop: str, from_state: str, to_state: str
) -> StateSpace:
    """Check whether the spells of every person join up to one history, and count the moves.

    Parameters
    ----------
    data : frame
        One row a spell (start, stop]: polars (eager or lazy), or anything narwhals can read.
    person : str
        Whose spell it is.
    start, stop : str
        Numbers ≥ 0 with start < stop.
    from_state : str
        The state during the spell: text or a whole number.
    to_state : str
        The state moved to at `stop`; null where none is moved to.

    Returns
    -------
    StateSpace
        Its `tidy()` counts gaps, jumps, teleports, overlaps (among them: two states at once, and
        duplicated rows) and moves into the same state, with the first row numbers.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be read at all; what does not join up is counted.

    Notes
    -----
    The words are those of R's `survcheck`; it counts a duplicated row as an overlap only.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import survival
    >>> spells = pl.DataFrame(
    ...     {"person": [1, 1, 2], "start": [0, 3, 0], "stop": [3, 6, 4],
    ...      "state": ["benefit", "work", "benefit"], "next": ["work", None, "work"]}
    ... )
    >>> space = survival.check_states(
    ...     spells, person="person", start="start", stop="stop", from_state="state",
    ...     to_state="next",
    ... )
    >>> space.transitions().filter(pl.col("n") > 0)
    shape: (2, 3)
    ┌─────────┬──────┬─────┐
    │ from    ┆ to   ┆ n   │
    │ ---     ┆ ---  ┆ --- │
    │ str     ┆ str  ┆ i64 │
    ╞═════════╪══════╪═════╡
    │ benefit ┆ work ┆ 2   │
    │ work    ┆ null ┆ 1   │
    └─────────┴──────┴─────┘
    """
    begin = clock.perf_counter()
    spells = read_spells(
        data, person=person, start=start, stop=stop, from_state=from_state, to_state=to_state
    )
    joins = find_joins(spells)
    masks = {name: getattr(joins, name) for name in list(MEANING)[:-1]}
    masks["same_state"] = spells.origin == spells.target
    found = {name: np.sort(spells.row[mask]) for name, mask in masks.items()}
    persons = {name: len(np.unique(spells.person[mask])) for name, mask in masks.items()}
    moves = _count_moves(spells, joins)
    meta = {
        "estimand": "moves between states, and joins between the spells of a person",
        "method": "State space check",
        "n": len(spells.row),
        "n_person": spells.n_persons,
        "n_event": int(moves[:, :-1].sum()),
        "persons": persons,
        "dropped": {},
        "warnings": [],
        "versions": versions(),
        "wall_time": clock.perf_counter() - begin,
    }
    return StateSpace(
        meta=meta, states=spells.states, moves=moves, visits=_count_visits(spells), found=found
    )


def refuse_flaws(spells: Spells, joins: Joins, *, jumps: bool) -> None:
    """Raise where a person is in two places at once, or (unless `jumps`) moved unseen."""
    wrong = ["overlap", "teleport", *(() if jumps else ("jump",))]
    said = []
    for name in wrong:
        rows = np.sort(spells.row[getattr(joins, name)])
        if len(rows):
            named = ", ".join(map(str, rows[:_NAMED])) + (", …" if len(rows) > _NAMED else "")
            said.append(f"{len(rows):,} × {name} ({MEANING[name]}; first rows {named})")
    if not said:
        return
    error = OverlappingSpellsError if joins.overlap.any() else InputError
    only_jumps = not (joins.overlap.any() or joins.teleport.any())
    raise error(
        "The spells of a person do not join up to one history: " + "; ".join(said),
        where=f"{len(spells.row):,} rows",
        fix="look at check_states(…).tidy()"
        + (", or write jumps='allow' to take such a return as a late entry" if only_jumps else ""),
    )


def _count_moves(spells: Spells, joins: Joins) -> Ints:
    n_states = len(spells.states)
    ends = np.append(joins.begins[1:], True)
    target = np.where(spells.target >= 0, spells.target, n_states)
    counted = (spells.target >= 0) | ends
    place = spells.origin * (n_states + 1) + target
    moves = np.bincount(place[counted], minlength=n_states * (n_states + 1))
    return moves.reshape(n_states, n_states + 1)


def _count_visits(spells: Spells) -> Ints:
    n_states, n_persons = len(spells.states), spells.n_persons
    moved = spells.target >= 0
    place = spells.person[moved] * n_states + spells.target[moved]
    times = np.bincount(place, minlength=n_persons * n_states).reshape(n_persons, n_states)
    most = int(times.max(initial=0))
    return np.stack([np.bincount(column, minlength=most + 1) for column in times.T])
