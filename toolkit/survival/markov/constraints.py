"""Which moves share an effect, and which have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.errors import CallError, nearest

if TYPE_CHECKING:
    from toolkit.survival.markov.structure import Structure

#: The term of the log intensities themselves.
BASELINE = "intensity"


def read_constraint(
    structure: Structure, terms: Sequence[str], columns: Mapping[str, Sequence[int]],
    constraint: Any,
) -> dict[str, list[int | None]]:  # fmt: skip
    """Return a label per move for every term: equal labels share a parameter, None has none."""
    n_move = structure.n_move
    free: list[int | None] = list(range(n_move))
    groups: dict[str, list[int | None]] = {term: list(free) for term in terms}
    groups[BASELINE] = list(free)
    if constraint is None:
        return groups
    if isinstance(constraint, str):
        constraint = dict.fromkeys(terms, constraint)
    if not isinstance(constraint, Mapping):
        raise CallError(
            f"constraint is a {type(constraint).__name__}",
            fix="write 'equal', or {'age': 'equal', 'sex': {(1, 2): 'up', (2, 3): 'up'}}",
        )
    for name, rule in constraint.items():
        if name in groups:
            concerned = [name]
        elif name in columns:
            concerned = [terms[j] for j in columns[name]]
        else:
            known = [*terms, *columns, BASELINE]
            hint = nearest(str(name), known)
            raise CallError(
                f"constraint names {name!r}, which is no term of the model",
                fix=f"did you mean {hint!r}?" if hint else f"one of {', '.join(known[:10])}",
            )
        labels = _labels(structure, name, rule)
        for term in concerned:
            groups[term] = labels
    return groups


def _labels(structure: Structure, name: str, rule: Any) -> list[int | None]:
    """Return a label per move: equal labels share a parameter, None has none."""
    n_move = structure.n_move
    if isinstance(rule, str):
        if rule != "equal":
            raise CallError(
                f"constraint {rule!r} of {name!r} is not an option",
                fix="'equal', or a dictionary from moves to labels",
            )
        return [0] * n_move
    if isinstance(rule, Mapping):
        moves = [
            (structure.states[a], structure.states[b])
            for a, b in zip(structure.origin, structure.target, strict=True)
        ]
        strange = [pair for pair in rule if pair not in moves]
        if strange:
            raise CallError(
                f"constraint of {name!r} names {strange[0]!r}, which is no allowed move",
                fix=f"the moves are {', '.join(map(structure.move, range(n_move)))}",
            )
        values = [rule.get(pair) for pair in moves]
    elif isinstance(rule, Sequence):
        values = list(rule)
    else:
        raise CallError(f"constraint of {name!r} cannot be read", fix="see the examples of markov")
    if len(values) != n_move:
        raise CallError(
            f"constraint of {name!r} has {len(values)} labels for {n_move} moves",
            fix=f"one a move, in this order: {', '.join(map(structure.move, range(n_move)))}",
        )
    kinds: list[Any] = [value for value in dict.fromkeys(values) if value is not None]
    if name == BASELINE and None in values:
        raise CallError("A move without an intensity is no move", fix="take it out of allowed=")
    return [None if value is None else kinds.index(value) for value in values]
