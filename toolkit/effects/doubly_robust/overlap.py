"""Chances of treatment near 0 and 1: refused, clipped or trimmed when asked, and always told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError, SeparationError
from toolkit.matching.sample import kish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from toolkit.effects.doubly_robust.read import Outcomes
    from toolkit.matching.treatment import Estimand

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: A chance this near to 0 or 1 is told.
NEAR = 0.01
#: One row with this share of all weight in its arm is told.
_HEAVY = 0.05
#: A mean this share of their range outside the outcomes is told.
_OUTSIDE = 0.05


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """Chances that can be divided by.

    Attributes
    ----------
    chance : (N,) array
    inside : (N,) array of bool
        Not trimmed.
    """

    chance: Floats = field(repr=False)
    inside: Bools = field(repr=False)
    dropped: dict[str, int]
    said: list[str]


def check_bounds(clip: float | None, trim: float | None) -> None:
    """Raise unless the bounds are numbers between 0 and 1/2."""
    for name, value in (("clip", clip), ("trim", trim)):
        usable = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and (not usable or not 0 < value < 0.5):
            raise CallError(f"{name}={value!r} is not between 0 and 0.5", fix=f"{name}=0.01")


def bound(
    chance: Floats, treated: Bools, estimand: Estimand, clip: float | None, trim: float | None
) -> Bounded:
    """Return chances that can be divided by, and what was done to them."""
    said, dropped = [], {}
    inside = np.ones(len(chance), bool)
    if trim is not None:
        inside = (chance >= trim) & (chance <= 1 - trim)
        gone = int((~inside).sum())
        if gone:
            dropped[f"chance of treatment outside [{trim:g}, {1 - trim:g}]"] = gone
            said.append(
                f"{gone:,} rows whose chance of treatment is outside [{trim:g}, {1 - trim:g}] are "
                "left out: the effect is that for the others"
            )
    if clip is not None:
        far = inside & ((chance < clip) | (chance > 1 - clip))
        if far.any():
            said.append(
                f"{int(far.sum()):,} chances of treatment outside [{clip:g}, {1 - clip:g}] are "
                "taken to be that: their weights are too small, the effect is biased"
            )
            chance = np.clip(chance, clip, 1 - clip)
    # treated are never divided by 1 - e of themselves, nor controls by e
    divided = {
        "ATE": np.where(treated, chance, 1 - chance),
        "ATT": np.where(treated, 1.0, 1 - chance),
        "ATC": np.where(treated, chance, 1.0),
        "ATO": np.ones(len(chance)),
    }[estimand]
    bad = inside & ~(divided > 1e-12)
    if bad.any():
        raise SeparationError(
            f"{int(bad.sum()):,} rows had no chance at all of the arm they are in, by the model",
            fix="trim=0.01 leaves such people out, clip=0.01 keeps them with a smaller weight; or "
            "a smoother model",
        )
    near = inside & (divided < NEAR)
    if near.any():
        said.append(
            f"{int(near.sum()):,} rows had a chance below {NEAR:g} of the arm they are in: look at "
            ".overlap(), and at estimand='ATO' or trim="
        )
    return Bounded(chance=chance, inside=inside, dropped=dropped, said=said)


def effective(weights: Floats, counts: Floats | None = None) -> float:
    """Return the effective number of rows, (Σw)² / Σw²; a row with count c is c rows of w / c.

    Examples
    --------
    >>> effective(np.array([1.0, 1.0, 0.0]))
    2.0
    >>> effective(np.array([4.0, 4.0]), np.array([2.0, 4.0]))
    5.333333333333333
    """
    if counts is None:
        return kish(weights)
    rows = weights > 0
    unit = weights[rows] / weights.max(initial=1e-300)
    return float(unit.sum() ** 2 / (unit**2 / counts[rows]).sum()) if rows.any() else 0.0


def heaviest(weights: Floats, arms: Mapping[str, Bools], counts: Floats | None = None) -> list[str]:
    """Tell of an arm in which one row decides: the weights that rows have as themselves.

    It has a twentieth of the weight of its arm; of few rows, five times its share.
    """
    said = []
    for name, who in arms.items():
        rows = who & (weights > 0)
        if not rows.any():
            continue
        size = np.ones(int(rows.sum())) if counts is None else counts[rows]
        n = float(size.sum())
        share = float((weights[rows] / size).max() / weights[rows].sum())
        if share > max(_HEAVY, 5 / n):
            said.append(
                f"one row has {share:.0%} of the weight of the {name}, whose {n:,.0f} rows "
                f"count as {effective(weights[rows], size):,.1f}"
            )
    return said


def beyond(
    outcomes: Outcomes,
    weight: Floats,
    value: Floats,
    arms: Sequence[str] = ("with treatment", "without"),
) -> list[str]:
    """Tell of means that lie well outside the outcomes seen: no mean can.

    Parameters
    ----------
    value : (AK,) array
        Of each arm of outcome 0, of outcome 1, …
    """
    said = []
    for k, name in enumerate(outcomes.names):
        seen = outcomes.y[outcomes.known[:, k] & (weight > 0), k]
        low, high = float(seen.min()), float(seen.max())
        room = _OUTSIDE * (high - low)
        for arm, mean in zip(arms, value[k * len(arms) :], strict=False):
            if not low - room <= mean <= high + room:
                said.append(
                    f"the mean of {name!r} {arm} is {mean:,.4g}, and all that was seen "
                    f"lies between {low:,.4g} and {high:,.4g}"
                )
    return said


def headline(heavy: Sequence[str], outside: Sequence[str]) -> str:
    """Return what a summary says first, nothing where there is nothing of the kind."""
    said = [f"NO OVERLAP: {'; '.join(heavy)}. The estimate hangs on it."] if heavy else []
    said += [f"IMPOSSIBLE: {'; '.join(outside[:3])}."] if outside else []
    if said:
        said.append("Look at the chances, and at trim= (and estimand='ATO'): an effect for others.")
    return " ".join(said)


def arm_weights(chance: Floats, treated: Bools, estimand: Estimand, weight: Floats) -> Floats:
    """Return the weight each row's own outcome has in the estimate, (N,)."""
    e, t = chance, treated
    with np.errstate(divide="ignore"):
        each = {
            "ATE": np.where(t, 1 / e, 1 / (1 - e)),
            "ATT": np.where(t, 1.0, e / (1 - e)),
            "ATC": np.where(t, (1 - e) / e, 1.0),
            "ATO": np.where(t, 1 - e, e),
        }[estimand]
    return np.asarray(np.where(weight > 0, each * weight, 0.0))
