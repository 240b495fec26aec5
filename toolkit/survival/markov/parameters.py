"""The parameters: where each stands in θ, and the matrices that θ makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.markov.constraints import BASELINE, read_constraint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.structure import Structure

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Kinds of parameters beside the terms of the formula.
MISTAKE, OPENING = "misclassification", "initial"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """θ, p parameters: log intensities, effects of J covariates on them, errors, first states.

    Attributes
    ----------
    names : tuple of str
        For messages, ``term 1→2``.
    kind : tuple of str
        ``intensity``, a covariate's term, ``misclassification`` or ``initial``.
    origin, target : (p,) arrays
        State numbers; -1 where a parameter is shared, or has none.
    base : (T,) array
        Parameter of each move's log intensity.
    effect : (J, T) array
        Parameter of each covariate's effect on each move; -1 for none.
    mistake : (m,) array
        Parameters of log(e_rs / e_rr).
    opening : array
        Parameters of log(π_s / π_first) of the states `opening_states[1:]`.
    opening_states : array
        States that may come first; the first of them is the reference.
    fixed_opening : (S,) array or None
        π where it is given.
    centre : (J,) array
        Means of the covariates: the log intensities are those at the means.
    """

    structure: Structure
    names: tuple[str, ...]
    kind: tuple[str, ...]
    origin: Ints
    target: Ints
    base: Ints
    effect: Ints
    mistake: Ints
    opening: Ints
    opening_states: Ints
    fixed_opening: Floats | None
    terms: tuple[str, ...]
    centre: Floats
    moves: Ints = field(repr=False)

    @property
    def size(self) -> int:
        """P."""
        return len(self.names)

    def log_intensities(self, theta: Floats, x: Floats) -> Floats:
        """Return log q of the moves, (…, T), at covariates x (…, J), not centred."""
        out = np.broadcast_to(theta[self.base], (*x.shape[:-1], len(self.base))).copy()
        middle = x - self.centre
        for j, places in enumerate(self.effect):
            there = places >= 0
            out[..., there] += middle[..., j, None] * theta[places[there]]
        return out

    def generators(self, theta: Floats, x: Floats) -> Floats:
        """Return the matrices Q, (…, S, S), at covariates x (…, J)."""
        with np.errstate(over="ignore"):
            q = np.exp(self.log_intensities(theta, x))
        size = self.structure.n_state
        out = np.zeros((*x.shape[:-1], size, size))
        out[..., self.structure.origin, self.structure.target] = q
        out[..., np.arange(size), np.arange(size)] = -out.sum(axis=-1)
        return out

    def pull_back(self, scores: Floats, x: Floats) -> Floats:
        """Return scores by θ, (R, p), of scores by log q (R, T) at covariates x (R, J)."""
        out = np.zeros((len(scores), self.size))
        for t, place in enumerate(self.base):
            out[:, place] += scores[:, t]
        middle = x - self.centre
        for j, places in enumerate(self.effect):
            for t, place in enumerate(places):
                if place >= 0:
                    out[:, place] += scores[:, t] * middle[:, j]
        return out

    def pull_back_sum(self, scores: Floats, x: Floats) -> Floats:
        """Return the sum over rows of `pull_back`, (p,)."""
        out = np.zeros(self.size)
        np.add.at(out, self.base, scores.sum(axis=0))
        if len(self.effect):
            crossed = (x - self.centre).T @ scores
            there = self.effect >= 0
            np.add.at(out, self.effect[there], crossed[there])
        return out

    def mistakes(self, theta: Floats) -> Floats:
        """Return the matrix e_rs of seeing s where the state is r, (S, S)."""
        structure = self.structure
        out = np.eye(structure.n_state)
        if structure.true is not None:
            out[structure.true, structure.seen] = np.exp(theta[self.mistake])
            out /= out.sum(axis=1, keepdims=True)
        return out

    def emission(self, theta: Floats) -> Floats:
        """Return the chance of each observation in each state, (O, S)."""
        possible = self.structure.possible.astype(np.float64)
        if not self.structure.hidden:
            return possible
        shown = np.asarray(possible @ self.mistakes(theta).T)
        shown[self.structure.nothing] = 1
        return shown

    def first_states(self, theta: Floats) -> Floats:
        """Return the chance π of each state at the first observation, (S,)."""
        if self.fixed_opening is not None:
            return self.fixed_opening
        out = np.zeros(self.structure.n_state)
        if len(self.opening_states):
            out[self.opening_states] = np.exp(np.append(0.0, theta[self.opening]))
        return np.asarray(out / max(out.sum(), 1e-300))

    def pull_back_mistakes(self, theta: Floats, change: Floats) -> Floats:
        """Return scores by the error parameters, (R, m), of changes by `emission` (R, O, S)."""
        structure = self.structure
        e = self.mistakes(theta)
        possible = structure.possible[: structure.nothing].astype(float)
        by_e = np.einsum("ros,ot->rst", change[:, : structure.nothing], possible)  # r, true, seen
        mean = (by_e * e).sum(axis=2)
        true, seen = structure.true, structure.seen
        return np.asarray(e[true, seen] * (by_e[:, true, seen] - mean[:, true]))

    def pull_back_first(self, theta: Floats, change: Floats) -> Floats:
        """Return scores by the parameters of π, (R, k), of changes by π (R, S)."""
        pi = self.first_states(theta)
        mean = change @ pi
        states = self.opening_states[1:]
        return np.asarray(pi[states] * (change[:, states] - mean[:, None]))


def make_layout(
    structure: Structure,
    terms: Sequence[str],
    columns: Mapping[str, Sequence[int]],
    centre: Floats,
    *,
    constraint: Any,
    initial: Any,
    first_seen: Ints,
) -> Layout:
    """Give every parameter its place.

    Parameters
    ----------
    terms : sequence of str
        The J columns of covariates, periods last.
    columns : mapping
        Names of terms of the formula, each with its columns.
    constraint, initial
        As in `markov`.
    first_seen : (O,) array
        How often each observation is a person's first.
    """
    moves = np.stack([structure.origin, structure.target], axis=1)
    n_move = structure.n_move
    groups = read_constraint(structure, terms, columns, constraint)
    names: list[str] = []
    kind: list[str] = []
    ends: list[tuple[int, int]] = []

    def place(term: str, labels: list[int | None]) -> Ints:
        where: dict[int, int] = {}
        out = np.full(n_move, -1)
        for t, label in enumerate(labels):
            if label is None:
                continue
            if label not in where:
                where[label] = len(names)
                sharing = [s for s, other in enumerate(labels) if other == label]
                all_of_them = len(sharing) == n_move > 1
                named = "" if all_of_them else " " + ", ".join(map(structure.move, sharing))
                names.append(term + named)
                kind.append(term)
                one = len(sharing) == 1
                ends.append((int(moves[t, 0]), int(moves[t, 1])) if one else (-1, -1))
            out[t] = where[label]
        return out

    base = place(BASELINE, groups[BASELINE])
    effect = [place(term, groups[term]) for term in terms]
    mistake = []
    if structure.true is not None and structure.seen is not None:
        for true, seen in zip(structure.true, structure.seen, strict=True):
            mistake.append(len(names))
            names.append(f"{MISTAKE} {structure.label(true)} seen as {structure.label(seen)}")
            kind.append(MISTAKE)
            ends.append((int(true), int(seen)))
    states, fixed = _first(structure, initial, first_seen)
    opening = []
    for state in states[1:]:
        opening.append(len(names))
        names.append(f"{INITIAL} {structure.label(state)}")
        kind.append(OPENING)
        ends.append((-1, int(state)))
    return Layout(
        structure=structure, names=tuple(names), kind=tuple(kind),
        origin=np.array([a for a, _ in ends]), target=np.array([b for _, b in ends]),
        base=base, effect=np.array(effect, dtype=np.int64).reshape(len(terms), n_move),
        mistake=np.array(mistake, dtype=np.int64), opening=np.array(opening, dtype=np.int64),
        opening_states=states, fixed_opening=fixed, terms=tuple(terms), centre=centre,
        moves=moves,
    )  # fmt: skip


INITIAL = "first state"


def _first(structure: Structure, initial: Any, first_seen: Ints) -> tuple[Ints, Floats | None]:
    """Return the states that may come first, and π where it is given."""
    nobody: Ints = np.zeros(0, dtype=np.int64)
    if not structure.hidden:
        return nobody, None
    if isinstance(initial, str) and initial == "estimate" and "estimate" not in structure.states:
        seen = first_seen[: structure.n_state] > 0
        may = ~structure.absorbing & ~structure.exact
        may |= seen & structure.absorbing  # somebody starts there, plainly
        order = np.flatnonzero(may)
        most = int(np.argmax(np.where(may, first_seen[: structure.n_state], -1)))
        return np.concatenate([[most], order[order != most]]), None
    given = initial if isinstance(initial, Mapping) else {initial: 1.0}
    pi = np.zeros(structure.n_state)
    for label, share in given.items():
        if label not in structure.states:
            raise CallError(
                f"initial names state {label!r}, which does not occur",
                fix="write 'estimate', a state, or a dictionary from states to chances",
            )
        pi[structure.states.index(label)] = share
    if (pi < 0).any() or abs(pi.sum() - 1) > 1e-9:
        raise CallError("The chances in initial do not add up to 1", fix="make them do so")
    return nobody, pi
