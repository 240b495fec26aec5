"""Walsh averages by rank: what estimates and intervals of the signed rank test are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Averages this share of their range apart are one.
_CLOSE = 1e-9
#: Of how many quantiles a first guess is made.
_QUANTILES = 2048


@dataclass(frozen=True, kw_only=True)
class WalshAverages:
    """The n (n + 1) / 2 averages (d_i + d_j) / 2, i ≤ j, never written out.

    Attributes
    ----------
    value, count : (m,) arrays
        Distinct differences, ascending, and how often each stands.
    after : (m + 1,) array
        Number of differences from each distinct one on.
    """

    value: Floats = field(repr=False)
    count: Floats = field(repr=False)
    after: Floats = field(repr=False)

    @property
    def number(self) -> float:
        """How many averages there are."""
        n = float(self.after[0])
        return n * (n + 1) / 2

    def largest(self, rank: float) -> float:
        """Return the average that is `rank`-th from above, 1 … `number`.

        Counting the averages above a bound takes one pass over the sorted differences. The bound
        moves by the Illinois rule between an average known to be too low and one known to be too
        high, and ends at an average (or closer to it than a billionth of the range).
        """
        from toolkit.effects.sensitivity.walsh_kernel import count_above

        low, high = 2 * self.value[0], 2 * self.value[-1]
        close = _CLOSE * (high - low)
        pull_low, pull_high = self.number - rank + 0.5, 0.5 - rank  # counts, from what is sought
        side = slow = 0
        first = self._near(rank)
        while high - low > close:
            share = 0.5 if slow > 2 else pull_low / (pull_low - pull_high)
            bound = low + (high - low) * min(max(share, 1e-4), 1 - 1e-4)
            if first:
                bound = min(max(first.pop(), low), high)
            bound = bound if bound < high else low
            above, up, down = count_above(self.value, self.count, self.after, bound)
            width = high - low
            if above >= rank:
                low, pull_low = up, above - rank + 0.5
                pull_high /= 2 if side > 0 else 1  # the end that stays is trusted less
                side = 1
            else:
                high, pull_high = down, above - rank + 0.5
                pull_low /= 2 if side < 0 else 1
                side = -1
            slow = slow + 1 if high - low > width / 2 and slow <= 2 else 0
        return float(low / 2)

    def _near(self, rank: float) -> list[float]:
        """Return two sums about the one sought, from a few quantiles; none where there are few."""
        if len(self.value) <= 4 * _QUANTILES:
            return []
        n = self.after[0]
        at = np.searchsorted(n - self.after[1:], (np.arange(_QUANTILES) + 0.5) * n / _QUANTILES)
        few = walsh_averages(self.value[at])
        guess = 2 * few.largest(max(1.0, min(few.number, rank / self.number * few.number)))
        margin = 1e-5 * (self.value[-1] - self.value[0])
        return [guess + margin, guess - margin]

    def crossing(self, target: float) -> float:
        """Return the shift τ at which Σ [average > τ] passes `target`.

        Midway between sup{τ: count > target} and inf{τ: count < target} (Hodges and Lehmann 1963);
        infinite where the count never passes.
        """
        above, under = math.floor(target + 1e-9) + 1, math.ceil(target - 1e-9)
        first = self.largest(above) if above <= self.number else -math.inf
        second = first if under == above else self.largest(under) if under >= 1 else math.inf
        return (first + second) / 2


def walsh_averages(difference: Floats) -> WalshAverages:
    """Return the Walsh averages of differences, (n,)."""
    value, count = np.unique(difference, return_counts=True)
    after = np.concatenate([np.cumsum(count[::-1])[::-1], [0]])
    return WalshAverages(
        value=value, count=count.astype(np.float64), after=after.astype(np.float64)
    )
