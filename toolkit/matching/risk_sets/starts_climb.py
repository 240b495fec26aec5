"""The climb to the likeliest chance to start, and columns that a risk set makes equal already."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CollinearityError
from toolkit.estimation.collinearity import first_made_up
from toolkit.estimation.newton import maximise
from toolkit.estimation.threads import cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.estimation.newton import Optimum
    from toolkit.matching.risk_sets.runs import Bools, Floats, Ints, Small

#: Pieces that are added up side by side, always in the same order.
_PIECES = 8
#: Share of a column's spread that elapsed months may leave before it counts as made equal by them.
_EQUAL = 1e-9


def climb(
    x: Floats, first: Small, last: Small, starts: Bools, weight: Floats, low: int,
    open_: Ints, n_month: int, terms: Sequence[str],
) -> Optimum:  # fmt: skip
    """Climb to the top; the parameters are β and then α of the months in `open_`.

    Parameters
    ----------
    x, first, last, starts, weight
        Of the runs, (R, p) and (R,); `weight` may be of length 1.
    open_ : (M,) array
        Months in which some start and some do not, counted from `low`.
    n_month : int
        From `low` on.

    Raises
    ------
    toolkit.errors.CollinearityError
        For a column that is equal among all at risk in a month; its slope is not determined.
    toolkit.errors.SeparationError, toolkit.errors.ConvergenceError
    """
    from toolkit.matching.risk_sets.starts_kernel import add_runs

    p, m = x.shape[1], len(open_)
    slot = np.full(n_month, -1, dtype=np.int64)
    slot[open_] = np.arange(m)
    cuts = _cuts(last.astype(np.int64) - first + 1)

    def part(begin: int, end: int, point: Floats) -> tuple[float, Floats, Floats]:
        value, score, core, tip, rest, peak = add_runs(
            x, first, last, starts, weight, slot, low, point[:p], point[p:], begin, end
        )
        whole = np.zeros((p + m, p + m))
        core += np.tril(core, -1).T
        whole[:p, :p], whole[p:, :p], whole[:p, p:] = core, tip, tip.T
        whole[range(p, p + m), range(p, p + m)] = peak
        return value, np.concatenate([score, rest]), whole

    with ThreadPoolExecutor(min(cores(), _PIECES)) as pool:

        def objective(point: Floats) -> tuple[float, Floats, Floats]:
            done = [pool.submit(part, a, b, point) for a, b in pairwise(cuts)]
            parts = [each.result() for each in done]  # added in their order, whatever was first
            values, scores, wholes = zip(*parts, strict=True)
            return sum(values), np.sum(scores, axis=0), np.sum(wholes, axis=0)

        # from the shares that start: with β = 0 these are the top
        begin = np.zeros(p + m)
        _, score, information = objective(begin)
        _check_within_months(information, p, terms)
        share = 0.5 + score[p:] / (4 * np.diag(information)[p:])
        begin[p:] = np.log(share / (1 - share))
        spread = np.concatenate([_spread(x), np.ones(m)])
        names = [*terms, *(f"month {month + low}" for month in open_)]
        best = maximise(objective, begin, names=names, spread=spread)
        # the step that the climb found too small to take costs nothing
        return replace(best, point=best.point + best.inverse @ best.score)


def _check_within_months(information: Floats, p: int, terms: Sequence[str]) -> None:
    """Raise for columns that do not differ, or not of themselves, among those at risk in a month.

    With β = α = 0 all months weigh alike, and the information less what the intercepts take from it
    is the products of the columns about their means within months.
    """
    tip = information[p:, :p]
    within = information[:p, :p] - tip.T @ (tip / np.diag(information)[p:, None])
    found = first_made_up(within, _EQUAL * np.diag(information)[:p])
    if found is None:
        return
    j, others = found
    if not others:
        raise CollinearityError(
            f"Column {terms[j]!r} is the same for all who are at risk in an elapsed month: the "
            "risk set makes it equal already",
            fix="leave it out of the formula; slopes may differ by it, as in age + age:phase",
        )
    named = ", ".join(repr(terms[k]) for k in others[:6])
    raise CollinearityError(
        f"Column {terms[j]!r} is made up of {named} among those at risk in an elapsed month",
        fix="leave one of them out of the formula",
    )


def _spread(x: Floats) -> Floats:
    """Return how far the values of each column lie apart, among enough of the rows."""
    some = x[:: max(1, len(x) // 200_000)]
    out: Floats = np.ptp(some, axis=0).astype(np.float64)
    return out


def _cuts(months: Ints) -> list[int]:
    """Return where to cut the runs into pieces of about as many months, always in one place."""
    if len(months) < 100_000:
        return [0, len(months)]
    total = np.cumsum(months)
    inner = np.searchsorted(total, total[-1] * np.arange(1, _PIECES) // _PIECES)
    return [0, *(int(at) for at in inner), len(months)]
