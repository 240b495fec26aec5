"""The log-likelihood of a chain seen now and then, its slope, and the scores of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.markov.records import ARRIVAL, SNAPSHOT
from toolkit.survival.markov.spectrum import Spectrum, decompose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.survival.markov.parameters import Layout
    from toolkit.survival.markov.paths import Chains, Paths

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Rows whose scores by θ are held at once.
_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is summed over, and what the parameters mean.

    Attributes
    ----------
    x : (I, J) array
        Covariates and periods of each generator.
    careful : dict
        By block of chains, which pairs (K,) are computed without eigenvalues, since a step that
        they led to was so unlikely that a sum over eigenvalues would lose its digits.
    """

    layout: Layout
    paths: Paths
    x: Floats
    careful: dict[int, NDArray[np.bool_]] = field(default_factory=dict, repr=False)


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


def value_and_slope(problem: Problem, theta: Floats) -> tuple[float, Floats]:
    """Return the log-likelihood and its slope by θ, (p,); -inf and nan where it is impossible."""
    from toolkit.survival.markov import kernels

    layout, paths = problem.layout, problem.paths
    q = layout.generators(theta, problem.x)
    out = np.zeros(layout.size)
    if not np.isfinite(q).all():
        return -np.inf, np.full(layout.size, np.nan)
    total = 0.0
    slope = np.zeros_like(q)
    spectrum = decompose(q) if paths.cells is not None or paths.blocks else None
    if paths.cells is not None and spectrum is not None:
        cells = paths.cells
        value = np.zeros(len(q))
        none = np.empty((0, layout.structure.n_move))
        for group in spectrum.groups:
            kernels.sum_cells(
                group.chosen, cells.first, cells.origin, cells.target, cells.arrival, cells.u,
                cells.n, q, group.roots, group.left, group.right, spectrum.series, layout.moves,
                value, slope, none, False,
            )  # fmt: skip
        total += float(value.sum())
    if paths.sums is not None:
        total += _exact_value(problem, q)
        slope_eta = _exact_scores(problem, q)
        out += layout.pull_back_sum(slope_eta, problem.x)
    for number, chains in enumerate(paths.blocks):
        if spectrum is None:
            break
        done = _chains(problem, number, chains, theta, q, spectrum, each=False)
        total += float(done.value.sum())
        slope += done.slope
        out += done.rest[0]
    if not np.isfinite(total):
        return -np.inf, np.full(layout.size, np.nan)
    return total, out + layout.pull_back_sum(_by_log(layout, q, slope), problem.x)


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
        done = _chains(problem, number, chains, theta, q, spectrum, each=True)
        by_log = _by_log(layout, q[chains.generator], done.slope)
        rows = done.rest
        some_steps = layout.pull_back(by_log, problem.x[chains.generator])
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


def impossible(problem: Problem, theta: Floats) -> Ints:
    """Return the numbers of the chains whose observations cannot be, whatever the intensities."""
    found = []
    first = 0
    q = problem.layout.generators(theta, problem.x)
    for number, chains in enumerate(problem.paths.blocks):
        done = _chains(problem, number, chains, theta, q, decompose(q), each=True)
        found.append(first + np.flatnonzero(~np.isfinite(done.value)))
        first += len(chains.n)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _by_log(layout: Layout, q: Floats, slope: Floats) -> Floats:
    """Return slopes by log q of the moves, (R, T), of slopes by Q (R, S, S)."""
    origin, target = layout.structure.origin, layout.structure.target
    by_log: Floats = q[:, origin, target] * (slope[:, origin, target] - slope[:, origin, origin])
    return by_log


def _exact_value(problem: Problem, q: Floats) -> float:
    sums = problem.paths.sums
    assert sums is not None  # noqa: S101 - for the type checker; callers looked
    origin, target = problem.layout.structure.origin, problem.layout.structure.target
    intensity = q[:, origin, target]
    moved = sums.moved[:, origin, target]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(moved > 0, moved * np.log(intensity), 0.0)
    return float(logs.sum() - (intensity * sums.stayed[:, origin]).sum())


def _exact_scores(problem: Problem, q: Floats) -> Floats:
    sums = problem.paths.sums
    assert sums is not None  # noqa: S101
    origin, target = problem.layout.structure.origin, problem.layout.structure.target
    by_log: Floats = sums.moved[:, origin, target] - q[:, origin, target] * sums.stayed[:, origin]
    return by_log


def _piece_scores(
    layout: Layout, q: Floats, generator: Ints, origin: Ints, target: Ints, u: Floats
) -> Floats:
    out = np.zeros((len(u), layout.structure.n_move))
    for t, (a, b) in enumerate(layout.moves):
        at_risk = origin == a
        out[:, t] = at_risk * ((target == b) - q[generator, a, b] * u)
    return out


@dataclass(frozen=True, kw_only=True)
class _Summed:
    value: Floats  # (C,)
    slope: Floats  # by Q: (I, S, S), or (L, S, S) of each step
    rest: Floats  # by θ, of errors and first states: (1, p), or (C, p)


def _chains(
    problem: Problem, number: int, chains: Chains, theta: Floats, q: Floats,
    spectrum: Spectrum, *, each: bool,
) -> _Summed:  # fmt: skip
    """Sum a block of chains; with `each` slopes are kept per step and per chain, of one unit."""
    from toolkit.survival.markov import chain_kernels, kernels

    layout = problem.layout
    emission = layout.emission(theta)
    pi = layout.first_states(theta) if layout.structure.hidden else np.ones(q.shape[1])
    start = emission * pi
    n_step, n_chain, n_pair = len(chains.u), len(chains.n), len(chains.pair_u)
    size = q.shape[1]
    step_number, chain_number = np.arange(n_step), np.arange(n_chain)
    nowhere = np.zeros(n_chain, dtype=np.int64)
    count = np.ones(n_chain) if each else chains.n
    with_p = (chains.scheme == SNAPSHOT) | (chains.scheme == ARRIVAL)
    while True:
        series = spectrum.series[chains.pair_generator]
        if number in problem.careful:
            series = series | problem.careful[number]
        p = _probabilities(spectrum, q, chains.pair_generator, chains.pair_u, series)
        value = np.zeros(n_chain)
        w = np.zeros((n_step if each else n_pair, size, size))
        v = np.zeros((n_step if each else len(q), size, size))
        b = np.zeros((n_chain if each else 1, *emission.shape))
        a = np.zeros((n_chain if each else len(emission), size))
        rare = np.zeros(n_pair, dtype=bool)
        chain_kernels.sum_chains(
            chains.first, chains.opening, start, count, chains.pair, chains.generator, chains.u,
            chains.observed, chains.scheme, p, q, emission,
            step_number if each else chains.pair, step_number if each else chains.generator,
            chain_number if each else nowhere, chain_number if each else chains.opening,
            value, w, v, b, a, rare,
        )  # fmt: skip
        if not (rare & ~series).any():
            break
        problem.careful[number] = series | rare
    entries = step_number[with_p] if each else np.arange(n_pair)
    pair = chains.pair if each else np.arange(n_pair)
    into = step_number if each else chains.pair_generator
    for group in spectrum.groups:
        mine = np.zeros(len(q), dtype=bool)
        mine[group.chosen] = True
        kernels.pair_slopes(
            entries[mine[chains.pair_generator[pair[entries]]]], pair, into,
            chains.pair_generator, chains.pair_u, q, series,
            group.roots, group.left, group.right, w, v,
        )  # fmt: skip
    rest = np.zeros((n_chain if each else 1, layout.size))
    if layout.structure.hidden:
        opening = chains.opening if each else np.arange(len(emission))
        if each:
            b[chain_number, opening] += a * pi
        else:
            b[0] += a * pi
        rest[:, layout.mistake] = layout.pull_back_mistakes(theta, b)
        if len(layout.opening):
            by_pi = a * emission[opening]
            by_first = layout.pull_back_first(theta, by_pi)
            rest[:, layout.opening] = by_first if each else by_first.sum(axis=0)
    return _Summed(value=value, slope=v, rest=rest)


def _probabilities(
    spectrum: Spectrum, q: Floats, which: Ints, u: Floats, series: NDArray[np.bool_]
) -> Floats:
    from toolkit.survival.markov import kernels

    p = np.empty((len(u), *q.shape[1:]))
    for group in spectrum.groups:
        mine = np.zeros(len(q), dtype=bool)
        mine[group.chosen] = True
        kernels.pair_probabilities(
            np.flatnonzero(mine[which] & ~series), which, u, group.roots, group.left, group.right, p
        )
    kernels.exponentials(np.flatnonzero(series), q, which, u, p)
    return p
