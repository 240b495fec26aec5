"""Made-up keys: each person a RIN and a BSN that passes the 11-test, without a link between them.

A key is a permutation of the person's number, so that no two persons share one and no list of used
keys has to be kept. The permutation is a Feistel network (Luby and Rackoff 1988, *How to construct
pseudorandom permutations*, SIAM J. Comput. 17) walked until it falls inside the range (Black and
Rogaway 2002, *Ciphers with arbitrary finite domains*, CT-RSA).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.errors import CallError

#: RIN 0 and 1 stand for "nobody" in real files.
_FIRST_RIN = 2
_RINS = 10**9 - _FIRST_RIN
#: Seven digits, then the k-th of the (at least nine) eighth digits that give a check digit.
_FIRST_PREFIX = 10**5
_BSNS = 9 * (10**7 - _FIRST_PREFIX)
#: Persons that have keys; numbers above are kept for keys of nobody.
MOST_PERSONS = 80_000_000
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = 6


def mixed(values: np.ndarray, key: int) -> np.ndarray:
    """Return a 64-bit hash of whole numbers (finaliser of SplitMix64), other for each `key`."""
    z = values.astype(np.uint64) + np.uint64((key * int(_GOLDEN) + 1) % 2**64)
    z *= _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: np.ndarray = z ^ (z >> np.uint64(31))
    return out


def chance(values: np.ndarray, key: int) -> np.ndarray:
    """Return a number in [0, 1) for each whole number."""
    out: np.ndarray = (mixed(values, key) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return out


def permuted(values: np.ndarray, size: int, key: int) -> np.ndarray:
    """Permute the whole numbers below `size`.

    Parameters
    ----------
    values : (n,) int, each 0 … size − 1
    size : int
        At most 2^62.
    key : int
        Another key is another permutation.

    Returns
    -------
    (n,) int64
    """
    half = np.uint64((max(size - 1, 1).bit_length() + 1) // 2)
    low = np.uint64((1 << int(half)) - 1)

    def once(numbers: np.ndarray) -> np.ndarray:
        left, right = numbers >> half, numbers & low
        for turn in range(_ROUNDS):
            left, right = right, left ^ (mixed(right, key * _ROUNDS + turn) & low)
        out: np.ndarray = (left << half) | right
        return out

    found = once(values.astype(np.uint64))
    outside = np.flatnonzero(found >= size)
    while len(outside):
        found[outside] = once(found[outside])
        outside = outside[found[outside] >= size]
    return found.astype(np.int64)


def rin(person: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the number of each person's RIN (the letter is R)."""
    return permuted(_checked(person, _RINS), _RINS, 2 * seed) + _FIRST_RIN


def bsn(person: np.ndarray, *, seed: int) -> np.ndarray:
    """Return each person's BSN: 9·d1 + 8·d2 + … + 2·d8 − d9 divides by 11."""
    number = permuted(_checked(person, _BSNS), _BSNS, 2 * seed + 1)
    prefix, k = number // 9 + _FIRST_PREFIX, number % 9
    total = np.zeros_like(prefix)
    for place in range(7):
        total += prefix // 10 ** (6 - place) % 10 * (9 - place)
    # the eighth digit for which the check digit would be 10; 6 is the inverse of 2 modulo 11
    never = (10 - total) * 6 % 11
    eighth = np.where(k < never, k, k + 1)
    check = (total + 2 * eighth) % 11
    out: np.ndarray = prefix * 100 + eighth * 10 + check
    return out


def _checked(person: np.ndarray, most: int) -> np.ndarray:
    if len(person) and (person.min() < 0 or person.max() >= most):
        raise CallError(
            "There are more persons than keys", fix=f"deliver at most {MOST_PERSONS:,} persons"
        )
    return person


def as_text(numbers: np.ndarray | pl.Series, width: int, name: str = "") -> pl.Series:
    """Return numbers as strings of `width` digits, with zeros in front."""
    series = pl.Series(name, numbers, dtype=pl.Int64)
    # one addition instead of padding: 10^width in front, then cut off
    padded: pl.Series = (series + 10**width).cast(pl.String).str.slice(1)
    return padded


def keys_of(person: pl.Series, *, seed: int) -> pl.DataFrame:
    """Return person, RINPERSOONS, RINPERSOON and bsn of the persons, as delivered strings."""
    numbers = person.to_numpy()
    return pl.DataFrame(
        {
            "person": person.cast(pl.Int64),
            "RINPERSOONS": pl.repeat("R", len(person), dtype=pl.String, eager=True),
            "RINPERSOON": as_text(rin(numbers, seed=seed), 9),
            "bsn": as_text(bsn(numbers, seed=seed), 9),
        }
    )


def secret(seed: int) -> str:
    """Return the key to hash BSNs with, as 32 hexadecimal digits."""
    first, second = mixed(np.array([11, 13]), seed)
    return f"{int(first):016x}{int(second):016x}"
