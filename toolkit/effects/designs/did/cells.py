"""All groups in all months: which cells there are, their effects, and what each person adds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.effects.designs.did.cell import (
    Score,
    doubly_robust,
    fit_score,
    plain,
    regression,
    weighting,
)
from toolkit.effects.designs.did.panel import control_from, slices_of
from toolkit.errors import EmptyCohortError, EstimationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.effects.designs.did.panel import Panel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Estimator = Literal["doubly_robust", "ipw", "regression"]
Base = Literal["universal", "varying"]
Control = Literal["not_yet", "never"]
#: From this chance on a control stands for hundreds: said, never trimmed.
HIGH = 0.99
_ALONE = "persons who start alone in their month (one person has no spread)"
_FEW = "group-months with fewer than two controls"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A group in a month, against a base month and its controls.

    Attributes
    ----------
    group : int
        When its treatment begins.
    time, base : int
        Places in the panel's months.
    first, last : int
        The group's persons.
    controls : int
        The person from which on controls stand (the group itself left out).
    """

    group: int
    time: int
    base: int
    first: int
    last: int
    controls: int


@dataclass(kw_only=True)
class Effects:
    """Effects of the cells that could be estimated.

    Attributes
    ----------
    cells : list of Cell
    estimate, std_error : lists of float
    left_out : dict
        Reason → number of cells.
    top : float
        The largest chance of a control to be treated, 0 where none is estimated.
    """

    cells: list[Cell] = field(default_factory=list)
    estimate: list[float] = field(default_factory=list)
    std_error: list[float] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    top: float = 0.0

    def lose(self, why: str) -> None:
        """Count a cell that cannot be estimated."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


def plan_cells(
    panel: Panel, *, control: Control, anticipation: int, base: Base
) -> tuple[list[Cell], dict[str, int]]:
    """Return the cells with controls and a month before them, and how many have not.

    Notes
    -----
    A group's base month is the last one before treatment begins (or is foreseen). With a varying
    base, months before treatment are compared with the month before each. Controls of a cell are
    persons whose treatment has not begun (nor is foreseen) in either of its two months; with
    ``never``, persons whose treatment does not begin within the panel. A person who starts alone,
    or is the only control, has no spread: an error would be that of the others only.
    """
    times, count = panel.times, len(panel.times)
    cells: list[Cell] = []
    lost: dict[str, int] = {}
    for group, first, last in slices_of(panel):
        if last - first < 2:
            lost[_ALONE] = lost.get(_ALONE, 0) + 1
            continue
        before = int(np.searchsorted(times, group - anticipation)) - 1
        if before < 0:
            lost["persons without a month before treatment is foreseen"] = (
                lost.get("persons without a month before treatment is foreseen", 0) + last - first
            )
            continue
        for time in range(count):
            start = before
            if base == "varying" and times[time] < group:
                if time == 0:
                    continue
                start = min(time - 1, before)
            if time == start:
                continue
            until = count - 1 if control == "never" else max(time, start)
            from_ = control_from(panel, until, anticipation)
            total = len(panel.group) - from_ - (last - first if first >= from_ else 0)
            if total < 2:
                lost[_FEW] = lost.get(_FEW, 0) + 1
                continue
            cells.append(Cell(group=group, time=time, base=start, first=first, last=last,
                              controls=from_))  # fmt: skip
    if not cells:
        never = "control='not_yet', or " if control == "never" else ""
        raise EmptyCohortError(
            "No group has controls: of both it takes two persons or more",
            where=f"{len(panel.group):,} persons in {count:,} months",
            fix=f"{never}a panel that holds persons who are not (yet) treated",
        )
    return cells, lost


def estimate_cells(
    panel: Panel, cells: list[Cell], effects: Effects, *, estimator: Estimator | None
) -> Iterator[tuple[Cell, float, list[tuple[slice, Floats]]] | tuple[Cell, str, None]]:
    """Yield each cell's effect with what persons add to it, slice by slice; or why there is none.

    Parameters
    ----------
    effects : Effects
        Whose `top` is kept.
    estimator : {"doubly_robust", "ipw", "regression"} or None
        None: no covariates.
    """
    scores: dict[tuple[int, int, int], Score | str] = {}
    at, x = -1, panel.covariates(0)
    for cell in cells:
        own = slice(cell.first, cell.last)
        parts = [slice(cell.controls, len(panel.group))]
        if cell.first >= cell.controls:
            parts = [slice(cell.controls, cell.first), slice(cell.last, len(panel.group))]
        change = (
            panel.y[cell.time, min(cell.first, cell.controls) :]
            - (panel.y[cell.base, min(cell.first, cell.controls) :])
        )
        shift = min(cell.first, cell.controls)
        d1 = change[cell.first - shift : cell.last - shift]
        w1 = panel.weight[own]
        d0 = _joined(change, [slice(p.start - shift, p.stop - shift) for p in parts])
        w0 = _joined(panel.weight, parts)
        if estimator is None:
            effect, one, other = plain(d1, d0, w1, w0)
        else:
            if cell.base != at:
                at, x = cell.base, panel.covariates(cell.base)
            x1, x0 = x[own], _joined(x, parts)
            try:
                if estimator == "regression":
                    effect, one, other = regression(d1, d0, w1, w0, x1, x0, panel.terms)
                else:
                    key = (cell.group, cell.controls, cell.base)
                    if key not in scores:
                        last = scores.popitem() if scores else None
                        scores[key] = _score(w1, w0, x1, x0, panel, _near(last, key))
                    score = scores[key]
                    if isinstance(score, str):
                        yield cell, score, None
                        continue
                    effects.top = max(effects.top, score.top)
                    if estimator == "ipw":
                        effect, one, other = weighting(d1, d0, w1, w0, x0, score)
                    else:
                        effect, one, other = doubly_robust(
                            d1, d0, w1, w0, x1, x0, score, panel.terms
                        )
            except EstimationError:
                yield cell, "group-months with too few controls for the covariates", None
                continue
        split = [parts[0].stop - parts[0].start]
        moves = np.split(other, split) if len(parts) == 2 else [other]
        yield cell, effect, [(own, one), *zip(parts, moves, strict=True)]


def _near(last: tuple[tuple[int, int, int], Score | str] | None, key: Any) -> Floats | None:
    """Return the coefficients of the same group against other controls."""
    if last is None or isinstance(last[1], str) or (last[0][0], last[0][2]) != (key[0], key[2]):
        return None
    return last[1].point


def _score(
    w1: Floats, w0: Floats, x1: Floats, x0: Floats, panel: Panel, near: Floats | None
) -> Score | str:
    try:
        return fit_score(w1, w0, x1, x0, panel.terms, near)
    except EstimationError:
        return "group-months without overlap: covariates tell the group from its controls"


def _joined(values: Floats, parts: list[slice]) -> Floats:
    return values[parts[0]] if len(parts) == 1 else np.concatenate([values[p] for p in parts])
