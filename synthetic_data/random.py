"""Counter-based random numbers: of (seed, person, month, stream) and nothing else.

So the same person gets the same life whatever the number of persons, threads or partitions, and a
counterfactual life meets the same luck. The mixer is the finaliser of SplitMix64 (Steele, Lea and
Flood 2014, *Fast splittable pseudorandom number generators*, OOPSLA), used as a hash.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.inner import inner

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)
_STREAMS = np.uint64(64)
_UNIT = 2.0**-53

#: Pseudo-month of what is drawn once a life.
AT_BIRTH = np.int64(1000)


@inner
def mix(z: Any) -> Any:
    """Return a 64-bit hash of a 64-bit integer."""
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return z ^ (z >> _S31)


@inner
def person_key(seed: Any, person: Any) -> Any:
    """Return the key of a person's stream: two rounds, so that neighbours share nothing."""
    return mix(mix(np.uint64(seed) * _GOLDEN + _ONE) + (np.uint64(person) + _ONE) * _GOLDEN)


@inner
def uniform(key: Any, month: Any, stream: Any) -> Any:
    """Return a number in [0, 1) for a key, a month (0 … 1000) and a stream (0 … 63)."""
    counter = np.uint64(month) * _STREAMS + np.uint64(stream) + _ONE
    return np.float64(mix(key + counter * _GOLDEN) >> _S11) * _UNIT


@inner
def choose(u: Any, weights: Any) -> Any:
    """Return the index that `u` in [0, 1) falls on, with chances in proportion to `weights`."""
    total = 0.0
    for i in range(len(weights)):
        total += weights[i]
    left = u * total
    for i in range(len(weights) - 1):
        left -= weights[i]
        if left < 0.0:
            return i
    return len(weights) - 1


@inner
def normal(u: Any, v: Any) -> Any:
    """Return a standard normal number from two uniform ones (Box and Muller 1958)."""
    return np.sqrt(-2.0 * np.log(1.0 - u)) * np.cos(2.0 * np.pi * v)


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return a numpy generator for what is drawn once a country (Philox, keyed)."""
    return np.random.Generator(np.random.Philox(key=[seed, stream]))
