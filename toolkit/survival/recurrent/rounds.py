"""Spells on benefit, counted round by round: in, out, and in again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.intervals import normal_quantile
from toolkit.survival.recurrent.histories import is_sorted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Share of the largest start by which computed times may be apart without being so.
_ROUNDING = 1e-11
#: Column of the weights of persons.
WEIGHT = "weight"


@dataclass(frozen=True, kw_only=True)
class Spells:
    """Spells with time off benefit between them, sorted by person and start; M spells.

    Attributes
    ----------
    person : (M,) array
        Number of the person.
    row : (M,) array
        Row of the data that the spell begins with.
    start, stop : (M,) arrays
        `stop` is infinite while the spell runs.
    """

    person: Ints
    row: Ints
    start: Floats
    stop: Floats

    def between(self, first: float, end: float) -> Spells:
        """Return the spells of which some lies in [first, end)."""
        seen = (self.start < end) & (self.stop > first)
        return Spells(
            person=self.person[seen], row=self.row[seen], start=self.start[seen],
            stop=self.stop[seen],
        )  # fmt: skip


def merge_spells(
    frame: pl.DataFrame, person: str, start: str, stop: str, max_gap: float
) -> tuple[Spells, int]:
    """Return spells with time off benefit between them, and how many went into others."""
    from toolkit.survival.recurrent.kernels import merge_sorted

    rows = frame.select(
        person=pl.col(person), start=pl.col(start).cast(pl.Float64),
        stop=pl.col(stop).cast(pl.Float64).fill_null(float("inf")),
    ).with_row_index("row")  # fmt: skip
    if not is_sorted(rows):
        rows = rows.sort("person", "start", "stop")
    first = (rows["person"] != rows["person"].shift()).fill_null(value=True).to_numpy()
    begin = rows["start"].to_numpy()
    if not (frame.schema[start].is_integer() and frame.schema[stop].is_integer()):
        # 0.1 + 0.2 and 0.3 are one moment: a rounding error is no time off benefit
        max_gap += _ROUNDING * float(np.abs(begin).max())
    new, until = merge_sorted(first, begin, rows["stop"].to_numpy(), max_gap)
    at = np.flatnonzero(new)
    last = np.append(at[1:], len(new)) - 1
    spells = Spells(
        person=(np.cumsum(first) - 1)[at], row=rows["row"].to_numpy()[at].astype(np.int64),
        start=begin[at], stop=until[last],
    )  # fmt: skip
    return spells, len(new) - len(at)


def follow_rounds(
    spells: Spells,
    frame: pl.DataFrame,
    person: str,
    groups: Sequence[str],
    weights: str | None,
    *,
    first: float,
    end: float,
    times: int,
) -> pl.DataFrame:
    """Count the flows of each person, and time its rounds since the first inflow."""
    n = len(spells.person)
    at = np.flatnonzero(np.append(True, spells.person[1:] != spells.person[:-1])[:n])
    rows = spells.row[at]
    inflow = (spells.start >= first) & (spells.start < end)
    outflow = (spells.stop > first) & (spells.stop < end)
    rounds = inflow & outflow

    def per_person(values: NDArray[np.bool_]) -> Ints:
        return np.add.reduceat(values.astype(np.int64), at) if n else np.zeros(0, np.int64)

    n_in, n_out, n_rounds = per_person(inflow), per_person(outflow), per_person(rounds)
    # spells of a person stand in order: its first inflow, and the stop of its last asked round
    came, done = np.full(len(at), np.nan), np.full(len(at), end)
    has = n_in > 0
    came[has] = spells.start[inflow][np.append(0, np.cumsum(n_in))[:-1][has]]
    event = n_rounds >= times
    done[event] = spells.stop[rounds][np.append(0, np.cumsum(n_rounds))[:-1][event] + times - 1]
    weight = (
        frame[weights].cast(pl.Float64) if weights else pl.repeat(1.0, frame.height, eager=True)
    )
    return pl.DataFrame(
        {
            "person": frame[person].gather(rows),
            **{name: frame[name].gather(rows) for name in groups},
            "n_in": n_in,
            "n_out": n_out,
            "revolving": (n_in >= times) & (n_out >= times),
            "time": pl.Series(done - came).fill_nan(None),
            "event": event,
            WEIGHT: weight.gather(rows),
        }
    )


def shares_of(
    persons: pl.DataFrame, groups: Sequence[str], weighting: Weighting | None, conf_level: float
) -> pl.DataFrame:
    """Return the share that revolves, by group, with its error and Wilson's interval."""
    w, z = pl.col(WEIGHT), pl.col("revolving").cast(pl.Float64)
    v = w if weighting == "frequency" else w * w
    sums = {"n": pl.len().cast(pl.Int64), "n_revolving": pl.col("revolving").sum().cast(pl.Int64),
            "w": w.sum(), "wz": (w * z).sum(), "v": v.sum(), "vz": (v * z).sum()}  # fmt: skip
    made = persons.group_by(groups).agg(**sums).sort(groups) if groups else persons.select(**sums)
    total, p = made["w"].to_numpy(), (made["wz"] / made["w"]).to_numpy()
    spread = made["vz"].to_numpy() * (1 - 2 * p) + made["v"].to_numpy() * p**2
    error = np.sqrt(np.maximum(spread, 0.0)) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(error > 0, p * (1 - p) / error**2, total**2 / made["v"].to_numpy())
    q = normal_quantile(conf_level)
    middle = (p + q**2 / (2 * n)) / (1 + q**2 / n)
    half = q / (1 + q**2 / n) * np.sqrt(p * (1 - p) / n + q**2 / (4 * n**2))
    return made.select(*groups, "n", "n_revolving").with_columns(
        estimate=p,
        std_error=error,
        # at the ends the bound is exact, whatever the rounding
        conf_low=np.where(p > 0, np.maximum(middle - half, 0.0), 0.0),
        conf_high=np.where(p < 1, np.minimum(middle + half, 1.0), 1.0),
    )


def changes_said(spells: Spells, frame: pl.DataFrame, groups: Sequence[str]) -> list[str]:
    """Say how many persons change their group."""
    said = []
    for name in groups:
        of_spell = pl.DataFrame({"person": spells.person, "group": frame[name].gather(spells.row)})
        several = int(
            (of_spell.group_by("person").agg(pl.col("group").n_unique())["group"] > 1).sum()
        )
        if several:
            said.append(f"{several:,} persons change {name}: they count where they began")
    return said
