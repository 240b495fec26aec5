"""The scores of the parts of the likelihood, and the information their outer products give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.markov.likelihood import by_log, sum_block, value_and_slope
from toolkit.survival.markov.spectrum import decompose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.survival.markov.likelihood import Problem
    from toolkit.survival.markov.links import Chains
    from toolkit.survival.markov.parameters import Layout

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Rows whose scores by θ are held at once.
_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores by θ of one unit of each part: a cell, a piece of an exact interval, a chain.

    Attributes
    ----------
    part : {"cells", "sums", "chains"}
    first : int
        Number of the part that row 0 stands for.
    rows : (R, p) array
    n : (R,) array
        Weights.
    """

    part: str
    first: int
    rows: Floats
    n: Floats


def scores(problem: Problem, theta: Floats, *, most_blocks: int | None = None) -> Iterator[Scores]:
    """Yield the scores of one unit of all parts, some rows at a time.

    With `most_blocks` only so many blocks of chains are gone through, spread evenly, and stand for
    the others too (by their weights).
    """
    from toolkit.survival.markov import kernels

    layout, paths = problem.layout, problem.paths
    q = layout.generators(theta, problem.x)
    spectrum = decompose(q) if paths.cells is not None or paths.blocks else None
    if paths.cells is not None and spectrum is not None:
        cells = paths.cells
        rows = np.zeros((len(cells.n), layout.structure.n_move))
        for group in spectrum.groups:
            kernels.sum_cells(
                group.chosen, cells.first, cells.origin, cells.target, cells.arrival, cells.u,
                cells.n, q, group.roots, group.left, group.right, spectrum.series, layout.moves,
                np.zeros(len(q)), np.zeros_like(q), rows, True,
            )  # fmt: skip
        for at in range(0, len(rows), _ROWS):
            some = slice(at, at + _ROWS)
            yield Scores(
                part="cells", first=at, n=cells.n[some],
                rows=layout.pull_back(rows[some], problem.x[cells.generator[some]]),
            )  # fmt: skip
    if paths.sums is not None:
        sums = paths.sums
        for at in range(0, len(sums.u), _ROWS):
            some = slice(at, at + _ROWS)
            generator, origin = sums.generator[some], sums.origin[some]
            piece = _piece_scores(layout, q, generator, origin, sums.target[some], sums.u[some])
            yield Scores(part="sums", first=at, n=np.ones(len(piece)),
                         rows=layout.pull_back(piece, problem.x[generator]))  # fmt: skip
    first = 0
    used, more = _some_blocks(paths.blocks, most_blocks)
    for number, chains in enumerate(paths.blocks):
        if spectrum is None:
            break
        if number not in used:
            first += len(chains.n)
            continue
        done = sum_block(problem, number, chains, theta, q, spectrum, each=True)
        steps = by_log(layout, q[chains.generator], done.slope)
        rows = done.rest
        some_steps = layout.pull_back(steps, problem.x[chains.generator])
        rows += np.add.reduceat(some_steps, chains.first[:-1], axis=0)
        yield Scores(part="chains", first=first, rows=rows, n=chains.n * more)
        first += len(chains.n)


def _some_blocks(blocks: tuple[Chains, ...], most: int | None) -> tuple[set[int], float]:
    """Choose blocks, and say how many times their weight all blocks have."""
    if most is None or len(blocks) <= most:
        return set(range(len(blocks))), 1.0
    used = set(np.linspace(0, len(blocks) - 1, most).round().astype(int).tolist())
    total = sum(float(chains.n.sum()) for chains in blocks)
    return used, total / sum(float(blocks[number].n.sum()) for number in used)


def scoring(
    problem: Problem, theta: Floats, *, most_blocks: int | None = None
) -> tuple[float, Floats, Floats]:
    """Return the log-likelihood, its slope, and the outer products of scores, (p, p).

    Of exactly observed moves the expected information q_rs × time at risk takes their place, which
    is the information itself by log q.
    """
    layout = problem.layout
    value, slope = value_and_slope(problem, theta)
    information = np.zeros((layout.size, layout.size))
    if not np.isfinite(value):
        return value, slope, information
    for some in scores(problem, theta, most_blocks=most_blocks):
        if some.part != "sums":
            information += (some.rows * some.n[:, None]).T @ some.rows
    if problem.paths.sums is not None:
        q = layout.generators(theta, problem.x)
        origin, target = layout.structure.origin, layout.structure.target
        expected = q[:, origin, target] * problem.paths.sums.stayed[:, origin]
        for t in range(len(origin)):
            unit = np.zeros((len(expected), len(origin)))
            unit[:, t] = 1
            rows = layout.pull_back(unit, problem.x)
            information += (rows * expected[:, t, None]).T @ rows
    return value, slope, information


def _piece_scores(
    layout: Layout, q: Floats, generator: Ints, origin: Ints, target: Ints, u: Floats
) -> Floats:
    out = np.zeros((len(u), layout.structure.n_move))
    for t, (a, b) in enumerate(layout.moves):
        at_risk = origin == a
        out[:, t] = at_risk * ((target == b) - q[generator, a, b] * u)
    return out
