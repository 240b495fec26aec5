"""The log-likelihood of a chain seen now and then, its slope, and the scores of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.threads import ranges, side_by_side
from toolkit.survival.markov.door import ARRIVAL, SNAPSHOT
from toolkit.survival.markov.spectrum import Spectrum, decompose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.markov.links import Chains
    from toolkit.survival.markov.parameters import Layout
    from toolkit.survival.markov.paths import Cells, Paths

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


#: Generators of which every thread may have a copy of its own.
_FEW = 5_000


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


def value_and_slope(problem: Problem, theta: Floats) -> tuple[float, Floats]:
    """Return the log-likelihood and its slope by θ, (p,); -inf and nan where it is impossible."""
    layout, paths = problem.layout, problem.paths
    q = layout.generators(theta, problem.x)
    out = np.zeros(layout.size)
    if not np.isfinite(q).all():
        return -np.inf, np.full(layout.size, np.nan)
    total = 0.0
    slope = np.zeros_like(q)
    spectrum = decompose(q) if paths.cells is not None or paths.blocks else None
    if paths.cells is not None and spectrum is not None:
        total += _sum_cells(layout, paths.cells, q, spectrum, slope)
    if paths.sums is not None:
        total += _exact_value(problem, q)
        slope_eta = _exact_scores(problem, q)
        out += layout.pull_back_sum(slope_eta, problem.x)
    if spectrum is not None:
        numbers = range(len(paths.blocks))
        all_done = sum_blocks(problem, theta, q, spectrum, numbers, each=False)
        for block, done in zip(paths.blocks, all_done, strict=True):
            total += float(done.value.sum())
            slope[block.generators] += done.slope
            out += done.rest[0]
    if not np.isfinite(total):
        return -np.inf, np.full(layout.size, np.nan)
    return total, out + layout.pull_back_sum(by_log(layout, q, slope), problem.x)


def _sum_cells(layout: Layout, cells: Cells, q: Floats, spectrum: Spectrum, slope: Floats) -> float:
    """Return the log-likelihood of cells; add its changes by Q to `slope`, a thread a range."""
    from toolkit.survival.markov import kernels

    none = np.empty((0, layout.structure.n_move))
    apart = len(q) > _FEW  # many generators: each is one thread's, and all write in one array

    def work(low: int, high: int) -> tuple[float, Floats]:
        first = np.clip(cells.first, low, high)
        value, own = np.zeros(len(q)), slope if apart else np.zeros_like(q)
        for group in spectrum.groups:
            kernels.sum_cells(
                group.chosen, first, cells.origin, cells.target, cells.arrival, cells.u,
                cells.n, q, group.roots, group.left, group.right, spectrum.series, layout.moves,
                value, own, none, False,
            )  # fmt: skip
        return float(value.sum()), own

    parts = side_by_side(work, ranges(len(cells.n), cells.generator if apart else None))
    if not apart:
        for _, own in parts:
            slope += own
    return sum(value for value, _ in parts)


def sum_blocks(
    problem: Problem, theta: Floats, q: Floats, spectrum: Spectrum, numbers: Sequence[int],
    *, each: bool,
) -> list[Summed]:  # fmt: skip
    """Sum blocks of chains, some threads side by side."""
    blocks = problem.paths.blocks
    if not numbers:
        return []

    def work(low: int, high: int) -> list[Summed]:
        return [
            sum_block(problem, number, blocks[number], theta, q, spectrum, each=each)
            for number in numbers[low:high]
        ]

    threads = min(len(numbers), len(ranges(sum(len(blocks[number].u) for number in numbers))))
    cuts = np.linspace(0, len(numbers), threads + 1).astype(int).tolist()
    return [done for part in side_by_side(work, list(pairwise(cuts))) for done in part]


def impossible(problem: Problem, theta: Floats) -> Ints:
    """Return the numbers of the chains whose observations cannot be, whatever the intensities."""
    found = []
    first = 0
    q = problem.layout.generators(theta, problem.x)
    for number, chains in enumerate(problem.paths.blocks):
        done = sum_block(problem, number, chains, theta, q, decompose(q), each=True)
        found.append(first + np.flatnonzero(~np.isfinite(done.value)))
        first += len(chains.n)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def by_log(layout: Layout, q: Floats, slope: Floats) -> Floats:
    """Return slopes by log q of the moves, (R, T), of slopes by Q (R, S, S)."""
    origin, target = layout.structure.origin, layout.structure.target
    found: Floats = q[:, origin, target] * (slope[:, origin, target] - slope[:, origin, origin])
    return found


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


@dataclass(frozen=True, kw_only=True)
class Summed:
    """A block of chains: values (C,), slopes by Q, and those by θ of errors and first states."""

    value: Floats  # (C,)
    slope: Floats  # by Q: (I, S, S), or (L, S, S) of each step
    rest: Floats  # by θ, of errors and first states: (1, p), or (C, p)


def sum_block(
    problem: Problem, number: int, chains: Chains, theta: Floats, q: Floats,
    spectrum: Spectrum, *, each: bool,
) -> Summed:  # fmt: skip
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
        v = np.zeros((n_step if each else len(chains.generators), size, size))
        b = np.zeros((n_chain if each else 1, *emission.shape))
        a = np.zeros((n_chain if each else len(emission), size))
        rare = np.zeros(n_pair, dtype=bool)
        chain_kernels.sum_chains(
            chains.first, chains.opening, start, count, chains.pair, chains.generator, chains.u,
            chains.observed, chains.scheme, p, q, emission,
            step_number if each else chains.pair, step_number if each else chains.place,
            chain_number if each else nowhere, chain_number if each else chains.opening,
            value, w, v, b, a, rare,
        )  # fmt: skip
        if not (rare & ~series).any():
            break
        problem.careful[number] = series | rare
    entries = step_number[with_p] if each else np.arange(n_pair)
    pair = chains.pair if each else np.arange(n_pair)
    into = step_number if each else chains.pair_place
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
    return Summed(value=value, slope=v, rest=rest)


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
