"""A panel of persons by months, read into one block of numbers, in order of treatment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.designs.door import read_numbers
from toolkit.effects.designs.months import read_months
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    WrongTypeError,
)
from toolkit.estimation.clusters import check_clusters, cluster_codes
from toolkit.estimation.formula import Covariates, learn
from toolkit.frames import require_at_least, require_columns, require_no_nulls, to_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Without a start of treatment.
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class Panel:
    """N persons in T months, those treated first standing first.

    Attributes
    ----------
    y : (T, N) array
    times : (T,) array
        Rising: months since year 0, or the numbers the data came with.
    group : (N,) array
        When treatment begins; `NEVER` without one. Never falling.
    weight : (N,) array
        Mean 1.
    cluster : (N,) array or None
    dates : bool
        Whether `times` are calendar months.
    said : list of str
        What to warn of.
    """

    y: Floats = field(repr=False)
    times: Ints
    group: Ints = field(repr=False)
    weight: Floats = field(repr=False)
    cluster: Ints | None = field(repr=False)
    dates: bool
    dropped: dict[str, int]
    said: list[str]
    _frame: pl.DataFrame | None = field(repr=False)
    _at: Ints | None = field(repr=False)
    _covariates: Covariates | None = field(repr=False)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the covariates' columns, after an intercept."""
        return ("Intercept", *(self._covariates.terms if self._covariates else ()))

    def covariates(self, time: int) -> Floats:
        """Return the covariates in a month by its place in `times`, (N, p), with intercept."""
        one = np.ones((self.y.shape[1], 1))
        if self._covariates is None or self._frame is None or self._at is None:
            return one
        return np.hstack([one, self._covariates.matrix(self._frame[self._at[time]])])


def read_panel(
    data: Any,
    *,
    person: str,
    month: str,
    outcome: str,
    treated_at: str,
    on: str | None,
    weights: str | None,
    cluster: str | None,
    incomplete: str,
) -> Panel:
    """Return the panel, of persons observed in every month and not treated from the first one on.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be used, a person twice in a month, what should be the
        same in all months of a person and is not, and (unless dropped) persons not in all months.
    """
    frame = to_frame(data)
    named = [name for name in (weights, cluster) if name]
    require_columns(frame, person, month, outcome, treated_at, *named)
    require_no_nulls(frame, person, month, *named)
    clock, dates = read_months(frame, month)
    start, start_dates = read_months(frame, treated_at)
    if start_dates != dates:
        raise WrongTypeError(
            f"{month!r} and {treated_at!r} are not of one kind: one is a date, the other a number"
        )
    times, at = np.unique(clock.to_numpy(), return_inverse=True)
    if len(times) < 2:
        raise EmptyCohortError("The panel has fewer than two months", where=f"column {month!r}")
    who = frame[person].rank("dense").cast(pl.Int64).to_numpy() - 1
    persons, months = int(who.max()) + 1, len(times)
    where = np.full((months, persons), -1, dtype=np.int64)
    where[at, who] = np.arange(frame.height)
    twice = frame.height - int((where >= 0).sum())
    if twice:
        raise DuplicateKeyError(
            f"Some persons stand twice in a month of {month!r}",
            where=f"{twice:,} rows too many of {frame.height:,}",
            fix="keep one row a person and month",
        )
    known = frame[outcome].is_not_null()
    if frame.schema[outcome].is_float():
        known &= frame[outcome].is_not_nan()
    whole = ((where >= 0) & known.to_numpy()[where]).all(axis=0)
    dropped: dict[str, int] = {}
    if not whole.all():
        lost = int((~whole).sum())
        if incomplete == "refuse":
            raise MissingValueError(
                "Not every person is observed in every month",
                where=f"{lost:,} of {persons:,} persons",
                fix="shorten the window, or incomplete='drop' leaves these persons out, counted",
            )
        dropped["persons not observed in every month"] = lost
        where = where[:, whole]
    if not where.shape[1]:
        raise EmptyCohortError("No person is observed in every month", fix="shorten the window")
    begin = start.fill_null(NEVER).to_numpy()
    _require_constant(begin[where], treated_at, "a start of treatment")
    early = begin[where[0]] <= times[0]
    said = []
    zero = 0 if dates or times[0] <= 0 else int((begin[where[0]] == 0).sum())
    if zero:
        said.append(
            f"{zero:,} persons have {treated_at!r} 0: a start before the panel, and so left out. "
            "If it means never treated, as in some other packages, it should be null"
        )
    if early.any():
        dropped["persons treated from the first month on"] = int(early.sum())
        where = where[:, ~early]
    weight = np.ones(where.shape[1])
    if weights is not None:
        require_at_least(frame, weights)
        column = read_numbers(frame, weights)
        _require_constant(column[where], weights, "a weight")
        weight = column[where[0]]
        if not weight.all():
            dropped["weight 0"] = int((weight == 0).sum())
            where, weight = where[:, weight > 0], weight[weight > 0]
    if not where.shape[1]:
        raise EmptyCohortError("No person is left", fix="look at what was dropped: starts, weights")
    order = np.argsort(begin[where[0]], kind="stable")
    where, weight = where[:, order], weight[order]
    codes = None
    if cluster is not None:
        label = cluster_codes(frame[cluster])
        _require_constant(label[where], cluster, "a cluster")
        codes = np.unique(label[where[0]], return_inverse=True)[1].astype(np.int64)
        check_clusters(int(codes.max()) + 1, cluster)
    kept = frame.select(outcome) if where.size == frame.height else frame[where.ravel(), [outcome]]
    y = read_numbers(kept, outcome)
    learned = _learn(on, frame, where)
    return Panel(
        y=y[where] if where.size == frame.height else y.reshape(where.shape),
        times=times, group=begin[where[0]], weight=weight / weight.mean(), cluster=codes,
        dates=dates, dropped=dropped, said=said, _covariates=learned,
        _frame=frame if learned else None, _at=where if learned else None,
    )  # fmt: skip


def _require_constant(values: NDArray[Any], name: str, what: str) -> None:
    moved = int((values != values[0]).any(axis=0).sum())
    if moved:
        raise InputError(
            f"Column {name!r} changes within a person, and should be {what} for all months",
            where=f"{moved:,} of {values.shape[1]:,} persons",
            fix="take the first start of each person, and what held before it",
        )


def _learn(on: str | None, frame: pl.DataFrame, where: Ints) -> Covariates | None:
    """Fix the formula on the rows of all persons in all months."""
    if on is None:
        return None
    covariates, _ = learn(on, frame if where.size == frame.height else frame[where.ravel()])
    if not covariates.terms:
        raise CallError(f"The formula {on!r} holds no covariates", fix="leave on= out")
    return covariates


def control_from(panel: Panel, last: int, anticipation: int) -> int:
    """Return from which person on nobody's treatment has begun (or is foreseen) by month `last`."""
    return int(np.searchsorted(panel.group, panel.times[last] + anticipation, side="right"))


def slices_of(panel: Panel) -> Sequence[tuple[int, int, int]]:
    """Return the groups that begin within the panel: start, first person, person after the last."""
    values, first = np.unique(panel.group, return_index=True)
    ends = np.append(first[1:], len(panel.group))
    inside = values <= panel.times[-1]
    return [
        (int(g), int(i), int(j))
        for g, i, j in zip(values[inside], first[inside], ends[inside], strict=True)
    ]
