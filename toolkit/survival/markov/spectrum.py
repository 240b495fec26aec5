"""Eigenvalues of many generators at once, and which of them cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Eigenvectors nearer to dependent than this cost more digits than the optimum can spare.
_CONDITION = 3e4


@dataclass(frozen=True, kw_only=True)
class Group:
    """Generators with real, or with complex, eigenvalues: numbers and all I decompositions.

    Attributes
    ----------
    chosen : array
        Generators of the group.
    roots : (I, S) array
    left, right : (I, S, S) arrays
        Q = left diag(roots) right.
    """

    chosen: Ints
    roots: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Decompositions of I generators; `series` (I,) tells where not to use them."""

    groups: tuple[Group, ...]
    series: NDArray[np.bool_]


def decompose(q: Floats) -> Spectrum:
    """Return eigenvalues and -vectors of generators (I, S, S)."""
    roots, left = np.linalg.eig(q)
    lost = np.abs(np.linalg.det(left)) < 1e-200
    left[lost] = np.eye(q.shape[1])
    right = np.linalg.inv(left)
    condition = np.linalg.norm(left, axis=(1, 2)) * np.linalg.norm(right, axis=(1, 2))
    series = lost | ~(condition < _CONDITION)
    number = np.arange(len(q))
    if not np.iscomplexobj(roots):
        return Spectrum(groups=(_group(number, roots, left, right),), series=series)
    turning = (roots.imag != 0).any(axis=1) & ~series
    groups = [_group(number[turning], roots, left, right)]
    if not turning.all():
        groups.append(_group(number[~turning], roots.real, left.real, right.real))
    return Spectrum(groups=tuple(groups), series=series)


def _group(chosen: Ints, roots: Any, left: Any, right: Any) -> Group:
    roots, left, right = (np.ascontiguousarray(part) for part in (roots, left, right))
    return Group(chosen=chosen, roots=roots, left=left, right=right)
