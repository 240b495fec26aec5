"""What the chain may do: its states, the moves allowed, and what an observation can mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, UnknownCodeError, check_option, masked, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Label = int | str
ARROW = "→"


@dataclass(frozen=True, kw_only=True)
class Structure:
    """S states, T moves, and the C codes that stand for more than one state.

    Attributes
    ----------
    states : tuple
        The S labels, in order.
    origin, target : (T,) arrays
        State numbers of the moves, by origin and then target.
    exact : (S,) array
        States whose time of entry is known.
    codes : tuple
        The C censored codes; None is a missing state.
    possible : (S + C + 1, S) array
        Which states each observation may stand for; the last row is "nothing seen".
    true, seen : (m,) arrays
        State numbers of the errors: `true` mistaken for `seen`. None where states are seen
        as they are.
    """

    states: tuple[Label, ...]
    origin: Ints
    target: Ints
    exact: Bools
    codes: tuple[Label | None, ...]
    possible: Bools
    true: Ints | None
    seen: Ints | None

    @property
    def n_state(self) -> int:
        """S."""
        return len(self.states)

    @property
    def n_move(self) -> int:
        """T."""
        return len(self.origin)

    @property
    def hidden(self) -> bool:
        """Whether states are seen with error."""
        return self.true is not None

    @property
    def nothing(self) -> int:
        """The number of the observation that tells nothing."""
        return len(self.possible) - 1

    @property
    def absorbing(self) -> Bools:
        """States that no move leaves, (S,)."""
        left = np.zeros(self.n_state, dtype=bool)
        left[self.origin] = True
        return ~left

    @property
    def mask(self) -> Bools:
        """The moves as a matrix, (S, S)."""
        allowed = np.zeros((self.n_state, self.n_state), dtype=bool)
        allowed[self.origin, self.target] = True
        return allowed

    @property
    def reach(self) -> Bools:
        """Which states can be come to from which, in any number of moves or none, (S, S)."""
        found = self.mask | np.eye(self.n_state, dtype=bool)
        for _ in range(self.n_state):
            found = (found.astype(np.int64) @ found.astype(np.int64)) > 0
        return found

    def label(self, state: int) -> str:
        """Return a state's label as text."""
        return str(self.states[state])

    def move(self, number: int) -> str:
        """Return a move as text."""
        return f"{self.label(self.origin[number])}{ARROW}{self.label(self.target[number])}"

    def series(self, name: str, numbers: Any) -> pl.Series:
        """Return labels of state numbers as a column."""
        return pl.Series(name, list(self.states)).gather(np.asarray(numbers, dtype=np.int64))


def read_structure(
    found: pl.Series,
    *,
    allowed: Any,
    exact: Any,
    censored: Mapping[Any, Any] | None,
    misclassification: Any,
) -> Structure:
    """Make the structure from what the user wrote and the states that occur.

    Parameters
    ----------
    found : Series
        Distinct states in the data, in order; without nulls.
    allowed, exact, censored, misclassification
        As in `markov`.

    Raises
    ------
    toolkit.errors.CallError
        For a structure that cannot be read or contradicts itself.
    toolkit.errors.UnknownCodeError
        For a state in the data that no part of the structure knows.
    """
    codes = dict(censored or {})
    certain = as_labels(exact, "exact")
    named = _named_states(allowed)
    labels = [label for label in found.to_list() if label not in codes]
    if named is None:
        labels = [*labels, *(label for label in certain if label not in labels)]
    else:
        strange = [label for label in labels if label not in named]
        if strange:
            hint = nearest(str(strange[0]), [str(label) for label in named])
            raise UnknownCodeError(
                f"State {masked(str(strange[0]))!r} occurs in the data and no move goes to or "
                "from it",
                fix="name its moves in allowed=, or say what it may stand for in censored="
                + (f"; did you mean {hint!r}?" if hint else ""),
            )
        labels = [*labels, *(label for label in named if label not in labels)]
        labels = _in_order(labels, found)
    if len(labels) < 2:
        raise CallError(
            f"There are {len(labels)} states", fix="a chain needs two or more; look at the data"
        )
    where = {label: number for number, label in enumerate(labels)}
    for label in certain:
        _number(label, where, "exact")
    entered = np.array([label in certain for label in labels])
    mask = _moves(allowed, labels, where, entered)
    origin, target = np.nonzero(mask)
    if not len(origin):
        raise CallError("No move is allowed", fix="name at least one in allowed=")
    possible = np.eye(len(labels), dtype=bool)
    for code, states in codes.items():
        if code in where:
            raise CallError(
                f"{code!r} is a state and a censored code", fix="take it out of allowed= or exact="
            )
        numbers = [_number(s, where, "censored") for s in as_labels(states, "censored")]
        if not numbers:
            raise CallError(
                f"The censored code {code!r} stands for no state",
                fix="name the states it may be: censored={99: (1, 2)}",
            )
        row = np.zeros((1, len(labels)), dtype=bool)
        row[0, numbers] = True
        possible = np.concatenate([possible, row])
    possible = np.concatenate([possible, np.ones((1, len(labels)), dtype=bool)])
    true, seen = _errors(misclassification, labels, where, entered)
    return Structure(
        states=tuple(labels), origin=origin, target=target, exact=entered,
        codes=tuple(codes), possible=possible, true=true, seen=seen,
    )  # fmt: skip


def as_labels(value: Any, argument: str) -> list[Label]:
    """Return one label or several as a list."""
    if isinstance(value, (str, int)):
        return [value]
    if isinstance(value, Iterable):
        return list(value)
    raise CallError(
        f"{argument} holds a {type(value).__name__}, not states", fix=f"write {argument}=(1, 2)"
    )


def _named_states(allowed: Any) -> list[Label] | None:
    """Return the states that `allowed` names, in order of appearance; None for a shorthand."""
    if isinstance(allowed, str):
        check_option("allowed", allowed, ("all", "ladder"))
        return None
    return list(dict.fromkeys(label for pair in _pairs(allowed, "allowed") for label in pair))


def _pairs(moves: Any, argument: str) -> list[tuple[Any, Any]]:
    if hasattr(moves, "columns"):  # a 0/1 frame: first column from, the others to
        frame = moves if isinstance(moves, pl.DataFrame) else pl.DataFrame(moves.to_dict("list"))
        first, *others = frame.columns
        rows = frame[first].to_list()
        by_text = {str(label): label for label in rows}
        return [
            (row, by_text.get(name, name))
            for row, values in zip(rows, frame.select(others).rows(), strict=True)
            for name, value in zip(others, values, strict=True)
            if value and str(row) != name
        ]
    if isinstance(moves, Mapping):
        items = list(moves.items())
        if items and all(isinstance(key, tuple) for key, _ in items):
            moves = [key for key, _ in items]
        else:
            moves = [(key, to) for key, tos in items for to in as_labels(tos, argument)]
    if not isinstance(moves, Iterable):
        raise CallError(
            f"{argument} is a {type(moves).__name__}", fix="write it as [(1, 2), (2, 1), (2, 3)]"
        )
    pairs = []
    for pair in moves:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise CallError(
                f"{argument} holds {pair!r}, which is no pair of states",
                fix="write it as [(1, 2), (2, 1), (2, 3)]",
            )
        if pair[0] == pair[1]:
            raise CallError(
                f"{argument} holds {tuple(pair)!r}: a state does not move to itself",
                fix="leave it out; staying is always possible",
            )
        pairs.append((pair[0], pair[1]))
    return pairs


def _in_order(labels: list[Label], found: pl.Series) -> list[Label]:
    """Sort numbers; text keeps its order (an Enum's, else the alphabet's), new ones last."""
    if all(isinstance(label, int) for label in labels):
        return sorted(labels)
    known = found.to_list()
    return sorted(labels, key=lambda label: known.index(label) if label in known else len(known))


def _number(label: Any, where: Mapping[Label, int], argument: str) -> int:
    if label not in where:
        hint = nearest(str(label), [str(known) for known in where])
        raise CallError(
            f"{argument} names state {label!r}, which does not occur",
            fix=f"did you mean {hint!r}?" if hint else "name one of the states of the chain",
        )
    return where[label]


def _moves(allowed: Any, labels: list[Label], where: dict[Label, int], exact: Bools) -> Bools:
    size = len(labels)
    mask = np.zeros((size, size), dtype=bool)
    if isinstance(allowed, str):
        steps = np.flatnonzero(~exact)
        if allowed == "all":
            mask[steps] = True
        else:
            mask[steps[:-1], steps[1:]] = mask[steps[1:], steps[:-1]] = True
            mask[np.ix_(steps, np.flatnonzero(exact))] = True
        np.fill_diagonal(mask, val=False)
        return mask
    for origin, target in _pairs(allowed, "allowed"):
        mask[_number(origin, where, "allowed"), _number(target, where, "allowed")] = True
    return mask


def _errors(
    given: Any, labels: list[Label], where: dict[Label, int], exact: Bools
) -> tuple[Ints | None, Ints | None]:
    if given is None:
        return None, None
    size = len(labels)
    mask = np.zeros((size, size), dtype=bool)
    if isinstance(given, str):
        check_option("misclassification", given, ("ladder",))
        steps = np.flatnonzero(~exact)
        mask[steps[:-1], steps[1:]] = mask[steps[1:], steps[:-1]] = True
    else:
        for true, seen in _pairs(given, "misclassification"):
            pair = (_number(true, where, "misclassification"),
                    _number(seen, where, "misclassification"))  # fmt: skip
            mask[pair] = True
    if not mask.any():
        raise CallError(
            "misclassification names no error", fix="write [(1, 2), (2, 1)]: 1 seen as 2 and so on"
        )
    true, seen = np.nonzero(mask)
    return true, seen
