"""Calipers: how far the two of a pair may be apart, on the distance and on variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.frames import require_columns, require_no_nulls, require_numeric
from toolkit.matching.sample import as_counts, require_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.distances import Place

    Floats = NDArray[np.float64]

UNITS = ("sd", "raw")


@dataclass(frozen=True, kw_only=True)
class Calipers:
    """What limits a pair.

    Attributes
    ----------
    distance : float
        Widest distance; inf without.
    values, width : (N, q), (q,) arrays
        Variables, and by how much the two of a pair may differ on each.
    said : dict
        Name → width in units of the variable (``distance``: of the distance).
    words : str
        The same, for `meta`.
    """

    distance: float = np.inf
    values: Floats = field(repr=False)
    width: Floats
    said: dict[str, float]
    words: str

    @property
    def names(self) -> list[str]:
        """The columns that are limited."""
        return [name for name in self.said if name != "distance"]

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.said)


def read_calipers(
    frame: pl.DataFrame, caliper: Any, unit: Any, place: Place | None, on: Any, sampling: Floats
) -> Calipers:
    """Return the calipers: a number limits the distance, a dict the variables it names.

    A standard deviation is that of all rows, treated and controls together, as MatchIt takes it;
    that of a score is taken after its link.

    Parameters
    ----------
    caliper : float, dict or None
    unit : {"sd", "raw"} or dict
        By variable, where it is a dict.
    place : Place or None
        None where the method knows no distance.
    on : Any
        As handed to `match`: a score column may be named in the dict too. What has no name, a
        fit or a series, is ``"distance"`` there.
    sampling : (N,) array

    Raises
    ------
    toolkit.errors.ToolkitError
    """
    named = dict(caliper) if isinstance(caliper, Mapping) else {"": caliper}
    sampling = as_counts(sampling)
    if isinstance(unit, Mapping) and set(unit) - set(named):
        raise CallError(
            f"caliper_unit= names {min(set(unit) - set(named))!r}, which has no caliper",
            fix="name what caliper= names",
        )
    distance, said, words = np.inf, {}, []
    columns: list[Floats] = []
    width: list[float] = []
    for name, wide in named.items():
        if wide is None:
            continue
        one = unit.get(name, "sd") if isinstance(unit, Mapping) else unit
        check_option("caliper_unit", one, UNITS)
        number = isinstance(wide, (int, float, np.number)) and not isinstance(wide, bool)
        if not number or not 0 <= wide < np.inf:
            raise CallError(
                f"A caliper of {wide!r} is not a width", fix="a finite number from 0 on"
            )
        own = name == "" or (isinstance(on, str) and name == on)
        own = own or (name == "distance" and name not in frame.columns)
        values: Floats | None
        if own:
            values, label = _own(place), "distance"
        else:
            require_columns(frame, name)
            require_numeric(frame, name)
            require_no_nulls(frame, name)
            require_finite(frame, name)
            values, label = frame[name].cast(pl.Float64).to_numpy(), str(name)
        # a distance of covariates is in standard deviations already
        size = spread(values, sampling) if one == "sd" and values is not None else 1.0
        raw = float(wide) * size
        said[label] = raw
        words.append(f"{label} ≤ {raw:.4g}" + (f" ({wide:g} sd)" if size != 1.0 else ""))
        if own:
            distance = raw
        elif values is not None:
            columns.append(values)
            width.append(raw)
    return Calipers(
        distance=distance, width=np.array(width), said=said, words=", ".join(words),
        values=np.column_stack(columns) if columns else np.zeros((frame.height, 0)),
    )  # fmt: skip


def _own(place: Place | None) -> Floats | None:
    if place is None:
        raise CallError("This method has no distance to limit", fix="leave out caliper=")
    return place.points[:, 0] if place.is_score else None


def spread(values: Floats, weights: Floats) -> float:
    """Return the standard deviation over all rows; weights count rows."""
    mean = weights @ values / weights.sum()
    return float(np.sqrt(weights @ (values - mean) ** 2 / max(weights.sum() - 1, 1.0)))
