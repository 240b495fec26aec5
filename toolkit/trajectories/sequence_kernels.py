"""What compiled code counts in a matrix of states; a code from `n_states` on is not observed."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Codes = NDArray[Any]

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
#: Above it a number of subsequences is carried on as a fraction and an exponent.
_LARGE, _LOG2_LARGE = 2.0**500, 500.0


@nb.njit(**_OPTIONS)
def describe_runs(codes: Codes, n_states: int) -> tuple[Ints, Floats]:
    """Return of each sequence the number of runs and the sum of their squared lengths, and log₂ φ.

    φ counts the distinct subsequences of the sequence of distinct successive states, the empty one
    too: φ(x₁…x_k) = 2 φ(x₁…x_{k-1}) - φ(x₁…x_{l-1}), with l the last place of x_k before k
    (Elzinga, Rahmann and Wang 2008, Theoretical Computer Science 409).

    Returns
    -------
    (N, 2) array of runs and Σ length², (N,) array of log₂ φ.
    """
    n, t_max = codes.shape
    runs = np.zeros((n, 2), np.int64)
    log_phi = np.zeros(n)
    before = np.zeros(n_states)  # φ just before the last place of each state, 0: none
    for i in range(n):
        before[:] = 0.0
        phi, exponent = 1.0, 0.0
        last, length = -1, 0
        for t in range(t_max):
            state = int(codes[i, t])
            if state >= n_states:
                continue
            if state == last:
                length += 1
                continue
            runs[i, 0] += 1
            runs[i, 1] += length * length
            last, length = state, 1
            new = 2.0 * phi - before[state]
            before[state] = phi
            phi = new
            if phi > _LARGE:
                phi /= _LARGE
                before /= _LARGE
                exponent += _LOG2_LARGE
        runs[i, 1] += length * length
        log_phi[i] = np.log2(phi) + exponent
    return runs, log_phi


@nb.njit(**_OPTIONS)
def months_in_states(codes: Codes, n_states: int) -> NDArray[np.int32]:
    """Return the months of each sequence in each state, (N, S)."""
    n, t_max = codes.shape
    months = np.zeros((n, n_states), np.int32)
    for i in range(n):
        for t in range(t_max):
            state = codes[i, t]
            if state < n_states:
                months[i, state] += 1
    return months


@nb.njit(**_OPTIONS)
def count_states(
    codes: Codes, n_states: int, group: Ints, weight: Floats, n_groups: int
) -> tuple[Ints, Floats]:
    """Return persons, and their weight, by group, month and state: both (G, T, S)."""
    n, t_max = codes.shape
    persons = np.zeros((n_groups, t_max, n_states), np.int64)
    total = np.zeros((n_groups, t_max, n_states))
    for i in range(n):
        g, w = group[i], weight[i]
        for t in range(t_max):
            state = codes[i, t]
            if state < n_states:
                persons[g, t, state] += 1
                total[g, t, state] += w
    return persons, total


@nb.njit(**_OPTIONS)
def count_moves(
    codes: Codes, n_states: int, lag: int, group: Ints, weight: Floats, n_groups: int
) -> tuple[Ints, Floats]:
    """Count moves from a month to the month `lag` later, where both are observed.

    Returns
    -------
    (G, T - lag, S, S) array of persons, and (G, T - lag, S, S, 2) array of Σ w and Σ w².
    """
    n, t_max = codes.shape
    shape = (n_groups, t_max - lag, n_states, n_states)
    persons = np.zeros(shape, np.int64)
    total = np.zeros((*shape, 2))
    for i in range(n):
        g, w = group[i], weight[i]
        for t in range(t_max - lag):
            a, b = codes[i, t], codes[i, t + lag]
            if a < n_states and b < n_states:
                persons[g, t, a, b] += 1
                total[g, t, a, b, 0] += w
                total[g, t, a, b, 1] += w * w
    return persons, total


@nb.njit(**_OPTIONS)
def move_products(
    codes: Codes, n_states: int, lag: int, group: Ints, weight: Floats, n_groups: int
) -> Floats:
    """Return Σ w² m², Σ w² m r and Σ w² r² over persons, (G, S, S, 3).

    m: a person's moves from one state to another; r: its moves from that state to any.
    """
    n, t_max = codes.shape
    sums = np.zeros((n_groups, n_states, n_states, 3))
    moves = np.zeros((n_states, n_states))
    risk = np.zeros(n_states)
    for i in range(n):
        g, squared = group[i], weight[i] * weight[i]
        moves[:] = 0.0
        risk[:] = 0.0
        for t in range(t_max - lag):
            a, b = codes[i, t], codes[i, t + lag]
            if a < n_states and b < n_states:
                moves[a, b] += 1.0
                risk[a] += 1.0
        for a in range(n_states):
            r = risk[a]
            if r > 0:
                for b in range(n_states):
                    m = moves[a, b]
                    sums[g, a, b, 0] += squared * m * m
                    sums[g, a, b, 1] += squared * m * r
                    sums[g, a, b, 2] += squared * r * r
    return sums


@nb.njit(**_OPTIONS)
def list_runs(codes: Codes, n_states: int) -> tuple[Ints, Ints, Ints]:
    """Return row, state and length of every run of a state; runs not observed are runs too."""
    n, t_max = codes.shape
    n_runs = 0
    for i in range(n):
        n_runs += 1
        for t in range(1, t_max):
            n_runs += codes[i, t] != codes[i, t - 1]
    row = np.empty(n_runs, np.int64)
    state = np.empty(n_runs, np.int64)
    length = np.empty(n_runs, np.int64)
    at = -1
    for i in range(n):
        for t in range(t_max):
            if t == 0 or codes[i, t] != codes[i, t - 1]:
                at += 1
                row[at], state[at], length[at] = i, min(codes[i, t], n_states), 0
            length[at] += 1
    return row, state, length


@nb.njit(**_OPTIONS)
def successive(codes: Codes, n_states: int) -> Codes:
    """Return the sequences of distinct successive states, filled up with `n_states`.

    Months not observed are passed over: A, not observed, A is one run of A.
    """
    n, t_max = codes.shape
    out = np.full((n, t_max), n_states, codes.dtype)
    for i in range(n):
        at = -1
        for t in range(t_max):
            state = codes[i, t]
            if state < n_states and (at < 0 or out[i, at] != state):
                at += 1
                out[i, at] = state
    return out
