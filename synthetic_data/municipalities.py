"""About 440 municipalities in 30 labour-market regions, and the regional market over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data.layout import N_MONTHS
from synthetic_data.random import generator
from toolkit.registers import codes
from toolkit.registers.schema import dtypes

if TYPE_CHECKING:
    from synthetic_data.world import World

N_MUNICIPALITIES = 440
N_REGIONS = 30

#: The four big cities: code, name, inhabitants in 2006 (rounded).
_G4 = (
    ("gm0363", "Amsterdam", 743_000),
    ("gm0599", "Rotterdam", 589_000),
    ("gm0518", "Den Haag", 475_000),
    ("gm0344", "Utrecht", 281_000),
)
#: Codes of the big four, not to be given twice.
_TAKEN = {int(code[2:]) for code, _, _ in _G4}
#: Number of further municipalities above 100,000, of 50,000–100,000, below: as in 2006.
_COUNTS = (21, 38, N_MUNICIPALITIES - 4 - 21 - 38)
#: Risk of benefit by size class, small to G4: persons at risk live in cities.
_RISK = (0.52, 0.85, 1.45, 1.9)


@dataclass(frozen=True)
class Country:
    """The places and their policies, as arrays by municipality (rows of `table`).

    Attributes
    ----------
    table : polars.DataFrame
        Canonical `municipalities`.
    cumulative : (m,) cumulative chance of living in each municipality, for a person at risk.
    region : (m,) region of each, 0-based.
    find : (m,) ratio on job finding.
    offer : (m,) ratio on being offered a programme.
    mix : (m, 6) ratio on the weight of each instrument.
    market : (30, 156) ratio on job finding by region and month, season left out.
    """

    table: pl.DataFrame
    cumulative: np.ndarray
    region: np.ndarray
    find: np.ndarray
    offer: np.ndarray
    mix: np.ndarray
    market: np.ndarray


def build_country(world: World, seed: int) -> Country:
    """Draw the country: sizes are fixed, policies and markets follow from the seed."""
    table = _table()
    n = table.height
    size = table["size_class"].to_physical().to_numpy()
    weight = table["population"].to_numpy() * np.asarray(_RISK)[size]
    share = weight / weight.sum()
    policy = generator(seed, 1).standard_normal((n, 8))
    policy -= share @ policy  # another seed moves luck around, not the level of the country
    region = table["region"].to_numpy().astype(np.int64) - 1
    return Country(
        table=table,
        cumulative=np.cumsum(share),
        region=region,
        find=np.exp(world.find.municipality_sd * policy[:, 0]),
        offer=np.exp(world.support.offer_municipality_sd * policy[:, 1]),
        mix=np.exp(world.support.mix_municipality_sd * policy[:, 2:]),
        market=_market(world, seed, np.bincount(region, share, N_REGIONS)),
    )


def _table() -> pl.DataFrame:
    """Sizes on a smooth curve within each class; the biggest places seed the regions."""
    large, middle, small = _COUNTS
    sizes = np.concatenate(
        [
            np.geomspace(228_000, 101_000, large),
            np.geomspace(98_000, 50_500, middle),
            np.geomspace(49_500, 5_800, small),
        ]
    )
    sizes = np.round(sizes, -1).astype(np.int64)
    codes_free = [number for number in range(3, 1900, 4) if number not in _TAKEN][: len(sizes)]
    # 7 has no factor in common with the number of places: codes do not run with size
    order = (np.arange(len(sizes)) * 7 * 13) % len(sizes)
    rows = [(code, name, index + 1, people, "g4") for index, (code, name, people) in enumerate(_G4)]
    for index, people in enumerate(sizes.tolist()):
        number = codes_free[order[index]]
        region = (index + len(_G4)) % N_REGIONS + 1
        size = "large" if people >= 100_000 else "middle" if people >= 50_000 else "small"
        rows.append((f"gm{number:04d}", f"Gemeente {number:04d}", region, people, size))
    schema = dtypes("municipalities") | {"size_class": pl.Enum(codes.SIZE_CLASS)}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("municipality")


def _market(world: World, seed: int, share: np.ndarray) -> np.ndarray:
    """Log index = national line between Januaries + a region's level + its own slow drift.

    Levels and drifts are taken from their mean over persons at risk (`share` by region).
    """
    market = world.market
    national = np.interp(
        np.arange(N_MONTHS) / 12.0, np.arange(len(market.national)), market.national
    )
    draws = generator(seed, 2).standard_normal((N_REGIONS, N_MONTHS + 1))
    drift = np.zeros((N_REGIONS, N_MONTHS))
    for month in range(1, N_MONTHS):
        drift[:, month] = (
            market.drift_memory * drift[:, month - 1] + market.drift_sd * draws[:, month]
        )
    own = market.level_sd * draws[:, :1] + drift
    index: np.ndarray = np.exp(national + own - share @ own)
    return index
