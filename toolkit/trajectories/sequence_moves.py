"""What happens in a panel of states: who is where each month, who moves, how long they stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.trajectories.sequence_measures import shannon

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.trajectories.sequence_matrix import People, StateMatrix, WeightType

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def state_shares(matrix: StateMatrix, people: People) -> pl.DataFrame:
    """Return the share in each state by group and month; see `Sequences.distribution`."""
    n, total = _count(matrix, people)
    shape = n.shape
    group, month, state = (index.ravel() for index in np.indices(shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = total / total.sum(axis=2, keepdims=True)
    frame = pl.DataFrame(
        {
            **people.labels(group),
            "month": matrix.months.gather(month),
            "state": matrix.state_column(state),
            "n": n.ravel(),
            "n_observed": np.broadcast_to(n.sum(axis=2, keepdims=True), shape).ravel(),
            "estimate": share.ravel(),
        }
    )
    return frame.with_columns(pl.col("estimate").fill_nan(None))


def state_entropy(matrix: StateMatrix, people: People) -> pl.DataFrame:
    """Return the entropy of the distribution by group and month; see `Sequences.entropy`."""
    n, total = _count(matrix, people)
    group, month = (index.ravel() for index in np.indices(n.shape[:2]))
    frame = pl.DataFrame(
        {
            **people.labels(group),
            "month": matrix.months.gather(month),
            "n_observed": n.sum(axis=2).ravel(),
            "estimate": shannon(total.reshape(-1, matrix.n_states), matrix.n_states),
        }
    )
    return frame.with_columns(pl.col("estimate").fill_nan(None))


def _count(matrix: StateMatrix, people: People) -> tuple[Ints, Floats]:
    from toolkit.trajectories.sequence_kernels import count_states

    found: tuple[Ints, Floats] = count_states(
        matrix.codes, matrix.n_states, people.group, people.weight, people.n_groups
    )
    return found


def move_rates(
    matrix: StateMatrix, people: People, *, weighting: WeightType, by_month: bool, lag: int,
    conf_level: float,
) -> pl.DataFrame:  # fmt: skip
    """Return transition rates; see `Sequences.transition_rates`."""
    from toolkit.trajectories.sequence_kernels import count_moves, move_products

    n_months = matrix.codes.shape[1]
    if isinstance(lag, bool) or not isinstance(lag, int) or not 0 < lag < n_months:
        raise CallError(
            f"lag={lag!r} is no number of months from 1 to {n_months - 1}",
            fix="lag=1 compares each month with the next",
        )
    asked = (matrix.codes, matrix.n_states, lag, people.group)
    n, sums = count_moves(*asked, people.weight, people.n_groups)
    if not by_month:
        n, sums = n.sum(axis=1, keepdims=True), sums.sum(axis=1, keepdims=True)
    moved, at_risk = sums[..., 0], sums[..., 0].sum(axis=-1, keepdims=True)
    counts = weighting == "frequency"  # w persons add w squares, one that stands for w adds w²
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = moved / at_risk
        if by_month:  # a person moves once or not
            own = sums[..., 0 if counts else 1]
            squares = own.sum(axis=-1, keepdims=True)
            spread = own * (1 - 2 * rate) + rate**2 * squares
        else:
            weight = np.sqrt(people.weight) if counts else people.weight
            products = move_products(*asked, weight, people.n_groups)[:, None]
            squares = products[..., 2]
            spread = products[..., 0] - 2 * rate * products[..., 1] + rate**2 * squares
        std_error = np.sqrt(np.maximum(spread, 0.0)) / at_risk
        persons = at_risk**2 / squares
        persons = np.where(std_error > 0, rate * (1 - rate) / std_error**2, persons)
    low, high = _wilson(rate, persons, conf_level)
    group, month, start, to = (index.ravel() for index in np.indices(n.shape))
    n_from = np.broadcast_to(n.sum(axis=-1, keepdims=True), n.shape).ravel()
    columns = {
        **people.labels(group),
        **({"month": matrix.months.gather(month)} if by_month else {}),
        "from": matrix.state_column(start),
        "to": matrix.state_column(to),
        "n": n.ravel(),
        "n_from": n_from,
        **_columns(estimate=rate, std_error=std_error, conf_low=low, conf_high=high),
    }
    return pl.DataFrame(columns)


def mean_times(
    matrix: StateMatrix, people: People, *, weighting: WeightType, conf_level: float
) -> pl.DataFrame:
    """Return the mean months in each state; see `Sequences.mean_time`."""
    from toolkit.trajectories.sequence_kernels import months_in_states

    months = months_in_states(matrix.codes, matrix.n_states).astype(np.float64)
    group, w, n_groups = people.group, people.weight, people.n_groups

    def total(values: Floats) -> Floats:
        return np.column_stack(
            [np.bincount(group, column, n_groups) for column in values.reshape(len(w), -1).T]
        )

    n = total((w > 0).astype(np.float64))
    sum_w, sum_squares = total(w), total(w * w)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total(w[:, None] * months) / sum_w
        apart = (months - mean[group]) ** 2
        spread = total(w[:, None] * apart)
        if weighting == "frequency":
            variance = spread / (sum_w - 1)
            squared_error = variance / sum_w
        else:
            variance = spread * sum_w / (sum_w**2 - sum_squares)
            squared_error = total((w * w)[:, None] * apart) / sum_w**2 * n / (n - 1)
        alone = n < 2 if weighting == "sampling" else sum_w < 2
        variance = np.where(alone, np.nan, variance)
        squared_error = np.where(alone, np.nan, squared_error)
    shape = mean.shape
    at, state = (index.ravel() for index in np.indices(shape))
    std_error = np.sqrt(squared_error)
    half = _normal_quantile(conf_level) * std_error
    columns = {
        **people.labels(at),
        "state": matrix.state_column(state),
        "n": np.bincount(group, minlength=n_groups)[at],
        **_columns(
            estimate=mean,
            std_dev=np.sqrt(variance),
            std_error=std_error,
            conf_low=np.maximum(mean - half, 0.0),
            conf_high=mean + half,
        ),
    }
    return pl.DataFrame(columns)


def _wilson(p: Floats, n: Floats, conf_level: float) -> tuple[Floats, Floats]:
    """Return Wilson's interval for a share of `n` independent persons."""
    z = _normal_quantile(conf_level)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # at the ends a bound is exact, whatever the rounding
    low, high = np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
    return np.where(p == 0, 0.0, low), np.where(p == 1, 1.0, high)


def _normal_quantile(conf_level: float) -> float:
    if isinstance(conf_level, bool) or not 0 < conf_level < 1:
        raise CallError(
            f"conf_level={conf_level!r} is not between 0 and 1", fix="write 95% as conf_level=0.95"
        )
    from scipy.special import ndtri

    return float(ndtri(0.5 + conf_level / 2))


def _columns(**numbers: Floats) -> dict[str, pl.Series]:
    return {name: pl.Series(values.ravel()).fill_nan(None) for name, values in numbers.items()}
