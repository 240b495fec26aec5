"""How the hazard runs over the months: a dummy each, pieces, or a smooth curve."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError, EstimationError, check_option
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.discrete.months import PersonMonths

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Kind = Literal["dummies", "spline", "piecewise"]
KINDS = ("dummies", "spline", "piecewise")
_DF = 4


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A linear map from parameters to the level of every slot (stratum × month).

    Slots of one block share their parameters: a block is a month (dummies), an interval
    (piecewise) or the whole time (spline) of one stratum. The level of cause k in slot s is
    ``basis[s] @ coefficients[block[s], k]``.

    Attributes
    ----------
    kind : str
    block : (S M,) array
        -1 for slots that are left out, because nobody is at risk or nothing is left to estimate.
    basis : (S M, b) array
    n_block : int
    known : (G, K) array of bool
        False where no exit to cause k happened in the block: its hazard is 0.
    fixed : (S M,) array
        Hazard of all causes in slots that are left out: 0 or 1; NaN where nobody was at risk.
    knots : tuple of float
        Interior knots (spline) or last months of the pieces but one (piecewise).
    boundary : tuple of int
        First and last month of the spline.
    """

    kind: Kind
    block: Ints = field(repr=False)
    basis: Floats = field(repr=False)
    n_block: int
    known: NDArray[np.bool_] = field(repr=False)
    fixed: Floats = field(repr=False)
    knots: tuple[float, ...] = ()
    boundary: tuple[int, int] = (1, 1)

    @property
    def used(self) -> NDArray[np.bool_]:
        """Slots that the likelihood looks at, (S M,)."""
        return self.block >= 0

    @property
    def n_parameter(self) -> int:
        """Number of parameters that are estimated."""
        return int(self.known.sum() * self.basis.shape[1])

    def levels(self, coefficients: Floats) -> Floats:
        """Return the level of each slot and cause, (S M, K), from coefficients (G, K, b)."""
        own = coefficients[self.block]
        level: Floats = np.einsum("sb,skb->sk", self.basis, own)
        level[~self.known[self.block]] = -np.inf
        level[~self.used] = -np.inf
        return level

    def gather(self, values: Floats, *, twice: bool = False) -> Floats:
        """Add up values by slot, (S M, c), over the blocks, times their basis.

        Returns (G, b, c), or with `twice` (G, b, b, c) from the basis on both sides.
        """
        used, width = self.used, self.basis.shape[1]
        basis, rest = self.basis[used], values[used]
        if twice:
            spread = np.einsum("sa,sb,sc->sabc", basis, basis, rest)
        else:
            spread = np.einsum("sa,sc->sac", basis, rest)
        flat = spread.reshape(len(rest), -1)
        out = (
            add_up(flat, self.block[used], self.n_block)
            if flat.size
            else np.zeros((self.n_block, flat.shape[1]))
        )
        shape = (width, width) if twice else (width,)
        return out.reshape(self.n_block, *shape, values.shape[1])


def make_baseline(
    months: PersonMonths,
    kind: Kind,
    *,
    knots: Sequence[float] | None = None,
    cuts: Sequence[float] | None = None,
    df: int | None = None,
) -> Baseline:
    """Build the baseline and leave out what settles itself.

    Parameters
    ----------
    kind : {"dummies", "spline", "piecewise"}
    knots : sequence of numbers, optional
        Interior knots of the spline, in months.
    cuts : sequence of numbers, optional
        Last months of the pieces but one: ``cuts=[3, 12]`` makes months 1–3, 4–12 and 13 on.
    df : int, optional
        Terms of the spline beside its intercept: ``df - 1`` interior knots at quantiles of the
        months of the events; 4 where neither knots nor df is given.

    Notes
    -----
    A natural cubic spline, linear beyond the first and last month (Royston and Parmar 2002, eq. 2,
    on the month instead of its logarithm); its columns are made orthonormal over the months.
    """
    check_option("baseline", kind, KINDS)
    _check_given(kind, knots=knots, cuts=cuts, df=df)
    n_slot = len(months.at_risk)
    month = np.tile(np.arange(1, months.n_month + 1), months.n_stratum)
    stratum = np.repeat(np.arange(months.n_stratum), months.n_month)
    basis = np.ones((n_slot, 1))
    at: tuple[float, ...] = ()
    boundary = (1, months.n_month)
    if kind == "dummies":
        block = np.arange(n_slot)
    elif kind == "piecewise":
        at = _ordered("cuts", cuts or ())
        block = stratum * (len(at) + 1) + np.searchsorted(np.array(at), month)
    else:
        seen = months.at_risk.reshape(-1, months.n_month).sum(0) > 0
        there = np.flatnonzero(seen) + 1
        boundary = (int(there[0]), int(there[-1]))
        at = _knots(months, boundary, knots, df)
        if len(at) + 2 > seen.sum():
            raise CallError(
                f"The spline has {len(at) + 2} terms, more than there are months at risk",
                fix="ask for fewer df or knots, or for baseline='dummies'",
            )
        rows = np.clip(np.arange(1, months.n_month + 1), *boundary)
        basis = np.tile(natural_spline(rows.astype(float), at, boundary), (months.n_stratum, 1))
        block = stratum
    made = _without_settled(months, kind, block, basis, at, boundary)
    if made.n_parameter == 0:
        raise EstimationError(
            "In every month all who are at risk leave, or nobody does: there is nothing to model",
            fix="look at kaplan_meier of these rows, and at how time and event were made",
        )
    return made


def natural_spline(month: Floats, knots: Sequence[float], boundary: tuple[int, int]) -> Floats:
    """Return the natural cubic spline's columns for months, orthonormal, the first constant."""
    low, high = boundary
    size = max(high - low, 1)
    u = (month - low) / size
    inner = (np.asarray(knots, float) - low) / size
    columns = [np.ones_like(u), u]
    for k in inner:
        # λ weighs the boundary knots so that the curve is linear outside them
        weight = 1 - k
        columns.append(_cubed(u - k) - weight * _cubed(u) - (1 - weight) * _cubed(u - 1))
    q, r = np.linalg.qr(np.column_stack(columns))
    signed: Floats = q * np.sign(np.diag(r)) * np.sqrt(len(u))
    return signed


def _cubed(u: Floats) -> Floats:
    return np.maximum(u, 0) ** 3


def _without_settled(
    months: PersonMonths,
    kind: Kind,
    block: Ints,
    basis: Floats,
    knots: tuple[float, ...],
    boundary: tuple[int, int],
) -> Baseline:
    there = months.at_risk > 0
    n_block = int(block.max()) + 1
    happened = np.column_stack([add_up(e, block, n_block) for e in months.events.T])
    none = np.asarray(happened.sum(1) == 0)
    # settled: every row at risk in every month of the block leaves
    stay = add_up((there & ~months.settled).astype(float), block, n_block) == 0
    all_left = stay & ~none
    fixed = np.full(len(block), np.nan)
    fixed[there & none[block]] = 0.0
    fixed[there & all_left[block]] = 1.0
    keep = ~none & ~all_left
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    return Baseline(
        kind=kind, block=np.where(there, number[block], -1), basis=basis, n_block=int(keep.sum()),
        known=happened[keep] > 0, fixed=fixed, knots=knots, boundary=boundary,
    )  # fmt: skip


def _knots(
    months: PersonMonths,
    boundary: tuple[int, int],
    knots: Sequence[float] | None,
    df: int | None,
) -> tuple[float, ...]:
    low, high = boundary
    if knots is not None:
        at = _ordered("knots", knots)
        if at and not (low < at[0] and at[-1] < high):
            raise CallError(
                f"knots={list(at)} do not lie between the first and last month ({low} and {high})",
                fix="name interior knots only; the ends are knots by themselves",
            )
        return at
    asked = _DF if df is None else df
    if not isinstance(asked, int) or asked < 1:
        raise CallError(f"df={df!r} is no number of spline terms", fix="a whole number from 1")
    happened = months.events.sum(1).reshape(-1, months.n_month).sum(0)
    share = np.cumsum(happened) / happened.sum()
    quantile = np.arange(1, asked) / asked
    found = np.searchsorted(share, quantile - 1e-12) + 1.0
    inside = np.unique(found[(found > low) & (found < high)])
    if len(inside) < asked - 1:
        inside = np.linspace(low, high, asked + 1)[1:-1]  # the events sit in too few months
    return tuple(float(k) for k in inside)


def _ordered(name: str, values: Sequence[float]) -> tuple[float, ...]:
    try:
        out = tuple(float(v) for v in values)
    except (TypeError, ValueError):
        out = (np.nan,)
    if any(b <= a for a, b in pairwise(out)) or not np.isfinite(out).all():
        raise CallError(
            f"{name}={values!r} are not rising numbers", fix=f"for instance {name}=[3, 6, 12]"
        )
    return out


def _check_given(
    kind: Kind,
    *,
    knots: Sequence[float] | None,
    cuts: Sequence[float] | None,
    df: int | None,
) -> None:
    belongs = {"knots": "spline", "df": "spline", "cuts": "piecewise"}
    for name, value in (("knots", knots), ("df", df), ("cuts", cuts)):
        if value is not None and belongs[name] != kind:
            raise CallError(
                f"{name}= says nothing about baseline={kind!r}",
                fix=f"use baseline={belongs[name]!r}, or leave it out",
            )
    if knots is not None and df is not None:
        raise CallError("knots= and df= both choose the spline's knots", fix="give one of them")
    if kind == "piecewise" and cuts is None:
        raise CallError(
            "baseline='piecewise' needs its cuts", fix="for instance cuts=[3, 6, 12, 24]"
        )
