"""Who gets which error: one a person at most, drawn from the person's number and the seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data.deliver.keys import chance

if TYPE_CHECKING:
    from collections.abc import Mapping


def kinds_of(person: pl.Series, shares: Mapping[str, float], key: int) -> pl.Series:
    """Draw a kind of error, or none, for each person.

    Parameters
    ----------
    person : pl.Series
        Numbers; the same number gets the same kind.
    shares : mapping
        Kind → share of persons. Where they add up to more than one, all are scaled down.
    key : int
        Another key is another draw.

    Returns
    -------
    pl.Series of str, null where nothing goes wrong
    """
    edges = np.cumsum(list(shares.values()))
    if len(edges) and edges[-1] > 1.0:
        edges = edges / edges[-1]
    found = np.searchsorted(edges, chance(person.to_numpy(), key), side="right")
    return pl.Series([*shares, None], dtype=pl.String).gather(found.astype(np.uint32))
