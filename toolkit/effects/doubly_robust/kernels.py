"""Sums over a million rows, compiled: what logit and linear models need of some of the rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.estimation.threads import cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Ranges in which rows are added up, whatever the number of cores: sums are then always the same.
_RANGES = 8


def ranges(length: int) -> list[tuple[int, int]]:
    """Return ranges that cover 0 … length-1."""
    cuts = np.linspace(0, length, min(_RANGES, max(length // 4096, 1)) + 1).astype(int).tolist()
    return list(pairwise(cuts))


def over_ranges(work: Callable[[int, int], Any], length: int) -> list[Any]:
    """Return what `work` makes of ranges, worked on side by side, in their order."""
    parts = ranges(length)
    if len(parts) == 1:
        return [work(*parts[0])]
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        return list(pool.map(lambda part: work(*part), parts))


def logit_sums(
    z: Floats, y: Floats, weight: Floats, fold: Ints, out: int, beta: Floats
) -> tuple[float, Floats, Floats]:
    """Return log-likelihood, score (q,) and information (q, q) of a logit.

    Rows in fold `out` and of weight 0 count for nothing.
    """
    run = _compiled("logit")

    def work(low: int, high: int) -> Any:
        return run(z[low:high], y[low:high], weight[low:high], fold[low:high], out, beta)

    done = over_ranges(work, len(y))
    value = sum(part[0] for part in done)
    score = np.sum([part[1] for part in done], axis=0)
    half = np.sum([part[2] for part in done], axis=0)
    return float(value), score, half + np.tril(half, -1).T


def linear_sums(
    z: Floats, y: Floats, weight: Floats, cell: Ints, n_cell: int
) -> tuple[Floats, Floats]:
    """Return Σ w z z' and Σ w z y' of each cell, (C, q, q) and (C, q, K)."""
    run = _compiled("linear")
    done = over_ranges(
        lambda low, high: run(z[low:high], y[low:high], weight[low:high], cell[low:high], n_cell),
        len(y),
    )
    half = np.sum([part[0] for part in done], axis=0)
    return half + np.tril(half, -1).transpose(0, 2, 1), np.sum([part[1] for part in done], axis=0)


def predictors(z: Floats, fold: Ints, beta: Floats) -> Floats:
    """Return z'β of each row with the β of its fold, (N, K); β is (folds, q, K)."""
    out = np.empty((len(z), beta.shape[2]))
    run = _compiled("predict")
    over_ranges(lambda low, high: run(z[low:high], fold[low:high], beta, out[low:high]), len(z))
    return out


@cache
def _compiled(name: str) -> Callable[..., Any]:
    """Compile a kernel when it is first asked for."""
    from numba import njit

    kernels: dict[str, Any] = {"logit": _logit, "linear": _linear, "predict": _predict}
    compiled: Callable[..., Any] = njit(cache=True, nogil=True)(kernels[name])
    return compiled


def _logit(z: Any, y: Any, weight: Any, fold: Any, out: Any, beta: Any) -> Any:
    n, q = z.shape
    value, score, half = 0.0, np.zeros(q), np.zeros((q, q))
    for i in range(n):
        w = weight[i]
        if w == 0 or fold[i] == out:
            continue
        eta = 0.0
        for j in range(q):
            eta += z[i, j] * beta[j]
        tail = np.exp(-abs(eta))
        mean = (1.0 if eta >= 0 else tail) / (1.0 + tail)
        # log(1 + e^η) = max(η, 0) + log(1 + e^-|η|)
        value += w * (y[i] * eta - max(eta, 0.0) - np.log1p(tail))
        off, bend = w * (y[i] - mean), w * tail / (1.0 + tail) ** 2
        for j in range(q):
            score[j] += off * z[i, j]
            part = bend * z[i, j]
            for k in range(j + 1):
                half[j, k] += part * z[i, k]
    return value, score, half


def _linear(z: Any, y: Any, weight: Any, cell: Any, n_cell: Any) -> Any:
    n, q = z.shape
    width = y.shape[1]
    half, cross = np.zeros((n_cell, q, q)), np.zeros((n_cell, q, width))
    for i in range(n):
        w, c = weight[i], cell[i]
        if w == 0 or c < 0:
            continue
        for j in range(q):
            part = w * z[i, j]
            for k in range(j + 1):
                half[c, j, k] += part * z[i, k]
            for k in range(width):
                cross[c, j, k] += part * y[i, k]
    return half, cross


def _predict(z: Any, fold: Any, beta: Any, out: Any) -> None:
    n, q = z.shape
    width = beta.shape[2]
    for i in range(n):
        f = fold[i]
        for k in range(width):
            out[i, k] = 0.0
        for j in range(q):
            for k in range(width):
                out[i, k] += z[i, j] * beta[f, j, k]
