"""Weights that make the groups' means equal exactly: entropy balancing, CBPS, tilting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import ConvergenceError
from toolkit.matching.propensity.climb import Climbed, climb
from toolkit.matching.propensity.families import BothWays, Tilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.matching.propensity.design import Design
    from toolkit.matching.treatment import Estimand

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Move:
    """Weights of some rows that solve balance equations with parameters θ.

    Attributes
    ----------
    climbed : Climbed
    weight, slope : (N,) arrays
        Weight of each row and its derivative by η; 0 for rows of the other group.
    first : (N,) array
        Each row's factor in the equations Σ first z = 0.
    score : (N,) array or None
        The propensity score, where the weights are a function of one.
    """

    climbed: Climbed = field(repr=False)
    weight: Floats = field(repr=False)
    slope: Floats = field(repr=False)
    first: Floats = field(repr=False)
    score: Floats | None = field(default=None, repr=False)

    def influence(self) -> Floats:
        """Return by how much each row moves θ, (N, q)."""
        return self.climbed.influence(self.first)


def balance_moves(
    design: Design,
    method: str,
    estimand: Estimand,
    treated: Bools,
    sampling: Floats,
    base: Floats,
) -> list[Move]:
    """Return the weights of the groups that get some; a group that keeps its own has weight 0 here.

    Parameters
    ----------
    method : {"entropy", "cbps", "ipt"}
    base : (N,) array
        What entropy balancing stays near to; 1 for the others.
    """
    arms = {"treated": treated, "controls": ~treated}
    if estimand in {"ATT", "ATC"}:
        target, source = ("treated", "controls") if estimand == "ATT" else ("controls", "treated")
        return [
            _tilted(
                design, target, source, arms[target], arms[source], sampling, base,
                score_of=None if method == "entropy" else source,
            )
        ]  # fmt: skip
    everybody = np.ones(len(treated), dtype=bool)
    if method == "entropy":
        return [
            _tilted(design, "all", name, everybody, who, sampling, base)
            for name, who in arms.items()
        ]
    if method == "ipt":
        # w = 1 + exp(η) has the totals of all when exp(η) has those of the other group
        return [
            _tilted(design, other, name, arms[other], arms[name], sampling, base, plus=1.0)
            for name, other in (("treated", "controls"), ("controls", "treated"))
        ]
    return [_both_ways(design, treated, sampling)]


def _tilted(
    design: Design, target: str, source: str, there: Bools, here: Bools,
    sampling: Floats, base: Floats, *, plus: float = 0.0, score_of: str | None = None,
) -> Move:  # fmt: skip
    u, v = sampling * there, sampling * base * here
    climbed = climb(design, Tilt(), design.by_pattern(u), design.by_pattern(v),
                    runaway=_cannot_reach(target, source))  # fmt: skip
    eta = design.to_rows(climbed.eta())
    moved = np.where(here, np.exp(eta) * base, 0.0)
    score = None
    if score_of == "controls":
        score = 1 / (1 + np.exp(-eta))
    elif score_of == "treated":
        score = 1 / (1 + np.exp(eta))
    return Move(
        climbed=climbed, weight=moved + plus * here, slope=moved,
        first=u - sampling * moved, score=score,
    )  # fmt: skip


def _both_ways(design: Design, treated: Bools, sampling: Floats) -> Move:
    u, v = sampling * treated, sampling * ~treated
    family = BothWays()
    climbed = climb(design, family, design.by_pattern(u), design.by_pattern(v),
                    runaway=_cannot_reach("treated and controls", "each other"))  # fmt: skip
    eta = design.to_rows(climbed.eta())
    slope = np.where(treated, -np.exp(-eta), np.exp(eta))
    return Move(
        climbed=climbed, weight=1 + np.abs(slope), slope=slope,
        first=np.where(treated, u, -v) * (1 + np.abs(slope)), score=1 / (1 + np.exp(-eta)),
    )  # fmt: skip


def _cannot_reach(target: str, source: str) -> Callable[[str], ConvergenceError]:
    def error(name: str) -> ConvergenceError:
        return ConvergenceError(
            f"No weights above 0 give the {source} the {target}'s mean of {name!r} "
            "(with the other columns)",
            fix="leave out whom nobody is like (propensity(…).common_support()), merge the level "
            "with another, or balance fewer terms",
        )

    return error
