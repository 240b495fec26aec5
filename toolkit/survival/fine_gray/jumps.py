"""What those who left by another cause still count for: the chance not to be censored since.

Who left by another cause at T stays in the risk set of the subdistribution with weight

    w(t) = G(t-) / G(T-) · H(t-) / H(T-),     T < t

G is the Kaplan-Meier curve of the censoring; H, with left truncation, the product-limit estimate
of the distribution of entry, which runs back in time (Geskus 2011; Zhang, Zhang and Fine 2011):

    G(t-) = ∏_{c < t} (1 - d_c / n_c)        d_c censored of n_c at risk of it
    H(t-) = ∏_{e ≥ t} (1 - a_e / R_e)        a_e entering, of R_e who came by e and leave after it

so that w is a product over the jumps in [T, t), with 1 - d/n up and 1 - a/R down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.survival.counts import Cells
from toolkit.survival.risk_table import table_from_cells
from toolkit.survival.segments import Steps, add_up, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CensoringType = Literal["after-events", "with-events"]
CENSORINGS = ("after-events", "with-events")


@dataclass(frozen=True, kw_only=True)
class Jumps:
    """The J times at which weights change, by censoring group, sorted by both.

    Attributes
    ----------
    group, time : (J,) arrays
    entry : (J,) array
        Whether it is a jump of H; else of G.
    out, n : (J,) arrays
        d and n of G, a and R of H.
    level : (J,) array
        log w from the group's first jump on, without factors of 0.
    fresh : (J,) array
        How many factors of 0 came by then: over such a jump of G nothing is carried on.
    left_behind : (J,) array
        How many factors of 0 of H came by then: over one of these a weight does not exist.
    """

    group: Ints
    time: NDArray[Any]
    entry: NDArray[np.bool_]
    out: Floats
    n: Floats
    level: Floats
    fresh: Ints
    left_behind: Ints

    @property
    def stay(self) -> Floats:
        """N - d, or R - a; exactly 0 where all are taken."""
        return self.n - self.out

    def before(self, group: Ints, time: NDArray[Any]) -> tuple[Floats, Ints, Ints]:
        """Return log w, and both counts of zeros, just before each (group, time)."""
        if not len(self.time):
            none = np.zeros(len(group), dtype=np.int64)
            return np.zeros(len(group)), none, none
        row = Steps(self.group, self.time).last(group, time, including=False)
        there = (row >= 0) & (self.group[row] == group)
        return (
            np.where(there, self.level[row], 0.0),
            np.where(there, self.fresh[row], 0),
            np.where(there, self.left_behind[row], 0),
        )


def find_jumps(design: Design, group: Ints, censoring: CensoringType) -> Jumps:
    """Estimate G and H of every censoring group.

    Parameters
    ----------
    group : (C,) array
        Censoring group of each cell.
    censoring : {"after-events", "with-events"}
        Whether who has an event at c has left before a censoring at c, or is still at risk of it.
    """
    at, time, out, n = _censorings(design, group, censoring)
    entry = np.zeros(len(at), dtype=bool)
    if design.entry is not None:
        late = _entries(design, group)
        entry = np.append(entry, np.ones(len(late[0]), dtype=bool))
        at, time = np.append(at, late[0]), np.append(time, late[1])
        out, n = np.append(out, late[2]), np.append(n, late[3])
        order = np.lexsort((entry, time, at))
        at, time, out, n, entry = at[order], time[order], out[order], n[order], entry[order]
    all_gone = n - out <= 1e-10 * n  # fractional weights add up to this only up to rounding
    n = np.where(all_gone, out, n)
    with np.errstate(divide="ignore"):
        step = np.where(all_gone, 0.0, np.log1p(-out / n)) * np.where(entry, -1.0, 1.0)
    count = np.column_stack([all_gone & ~entry, all_gone & entry]).astype(np.float64)
    if len(at):
        step, count = running_sum(step, at), running_sum(count, at)
    return Jumps(
        group=at, time=time, entry=entry, out=out, n=n, level=step,
        fresh=count[:, 0].astype(np.int64), left_behind=count[:, 1].astype(np.int64),
    )  # fmt: skip


def _censorings(
    design: Design, group: Ints, censoring: CensoringType
) -> tuple[Ints, NDArray[Any], Floats, Floats]:
    order = np.lexsort((design.time, group))
    n_group = int(group.max()) + 1
    table = table_from_cells(
        Cells(
            by=(), groups=pl.DataFrame({"": np.arange(n_group)}), causes=pl.Series([1, 2]),
            group=group[order], time=design.time[order],
            entry=None if design.entry is None else design.entry[order],
            event=np.where(design.event[order] > 0, 2, 1), rows=design.rows[order],
            n=design.n[order], n_squared=design.n_squared[order], weighted=True, zero_weight=0,
        )
    )  # fmt: skip
    out = table.n_event[:, 0]
    n = table.n_risk - (table.n_event[:, 1] if censoring == "after-events" else 0.0)
    some = out > 0
    return table.group[some], table.time[some], out[some], n[some]


def _entries(design: Design, group: Ints) -> tuple[Ints, NDArray[Any], Floats, Floats]:
    assert design.entry is not None  # noqa: S101
    order = np.lexsort((design.entry, group))
    at, time = group[order], design.entry[order]
    new = np.ones(len(at), dtype=bool)
    new[1:] = (at[1:] != at[:-1]) | (time[1:] != time[:-1])
    out = add_up(design.n[order], np.cumsum(new) - 1, int(new.sum()))
    at, time = at[new], time[new]
    come = running_sum(out, at)
    by_exit = np.lexsort((design.time, group))
    gone = np.concatenate([[0.0], running_sum(design.n[by_exit], group[by_exit])])
    row = Steps(group[by_exit], design.time[by_exit]).last(at, time)
    first = np.searchsorted(group[by_exit], at)
    return at, time, out, come - np.where(row >= first, gone[row + 1], 0.0)
