"""Running the kernel over a range of persons, with buffers that grow as needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from synthetic_data import layout
from synthetic_data.layout import N_MONTHS
from synthetic_data.municipalities import Country, build_country
from synthetic_data.tables import month_starts
from synthetic_data.world import World, to_record

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Pairs simulated between two allocations: bounds the memory of a partition.
_PAIRS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Engine:
    """A seeded country, ready to simulate any of its persons."""

    country: Country
    seed: int
    record: Any

    @classmethod
    def build(cls, world: World, seed: int) -> Engine:
        """Draw the country and lay the parameters out for the kernel."""
        country = build_country(world, seed)
        arrays = {
            "first": month_starts(0, N_MONTHS + 1),
            "cumulative": country.cumulative,
            "region": country.region,
            "find": country.find,
            "offer": country.offer,
            "mix": country.mix,
            "market": country.market,
            "slack": country.market**-world.work.market,
        }
        return cls(country, seed, to_record(world, arrays))

    def run(self, low: int, high: int) -> Lives:
        """Simulate persons `low <= person < high`; a partner outside the range is not returned."""
        blocks = list(self._blocks(low, high))
        rows = np.concatenate([block.rows for block in blocks])
        who = np.concatenate([block.who for block in blocks])
        history = np.concatenate([block.history for block in blocks])
        keep = (rows[:, 1] >= low) & (rows[:, 1] < high)
        chosen = (who >= low) & (who < high)
        if not keep.all():
            rows = rows[keep]
        return Lives(rows, who[chosen], history[chosen])

    def _blocks(self, low: int, high: int) -> Iterator[Lives]:
        from synthetic_data.kernel import compiled

        kernel = compiled()
        people = np.zeros(2, layout.PERSON)
        run = np.zeros(1, layout.RUN)
        pair, last = low // 2, (high + 1) // 2
        while pair < last:
            stop = min(last, pair + _PAIRS_AT_ONCE)
            # 22 rows a person is what lives need on average; the kernel stops when they are full
            rows = np.empty((44 * (stop - pair) + layout.ROWS_A_PAIR, layout.ROW_WIDTH), np.int32)
            history = np.empty((stop - pair + 2, 2, N_MONTHS), np.uint8)
            who = np.empty(stop - pair + 2, np.int64)
            pair, n, taken = kernel(
                self.seed, pair, stop, self.record, people, run, rows, history, who, 0
            )
            yield Lives(rows[:n].copy(), who[:taken].copy(), history[:taken].copy())


@dataclass(frozen=True)
class Lives:
    """What the kernel returns for a range of persons.

    Attributes
    ----------
    rows : (n, ROW_WIDTH) int32, see `layout`
    who : (c,) persons who started a programme, ascending
    history : (c, 2, months) uint8, their months in the factual and the counterfactual world
    """

    rows: np.ndarray
    who: np.ndarray
    history: np.ndarray
