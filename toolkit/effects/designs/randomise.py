"""A list of who is drawn for the programme, that anybody with the seed can draw again."""

from __future__ import annotations

import hashlib
import time as clock
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, InputError, WrongTypeError
from toolkit.frames import as_columns, require_columns, require_no_nulls, require_rows, to_frame
from toolkit.provenance import versions
from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: A block longer than this is no block: shares are then to be rounder.
_LONGEST = 1_000


@dataclass(frozen=True, kw_only=True)
class Randomisation(Result):
    """Who was drawn for which arm; made by `randomise`.

    Only `assignment` holds keys, and nothing shows it.

    Attributes
    ----------
    assignment : DataFrame
        A row a person, in the order of the data: the key, the strata, and `arm`.
    counts : DataFrame
        A row per stratum and arm: `n`, `share`.
    fingerprint : str
        SHA-256 of the list, in the order of the hashed keys: note it in the protocol
        before anybody starts.
    """

    assignment: pl.DataFrame = field(repr=False)
    counts: pl.DataFrame = field(repr=False)
    fingerprint: str

    def tidy(self) -> pl.DataFrame:
        """Return the counts per stratum and arm: `[strata…], arm, n, share`."""
        return self.counts

    def glance(self) -> pl.DataFrame:
        """Return one row: `n, n_stratum, n_arm, block, seed, fingerprint`."""
        return pl.DataFrame(
            {
                "n": [self.assignment.height],
                "n_stratum": [self.meta["n_stratum"]],
                "n_arm": [len(self.meta["arms"])],
                "block": [self.meta["block"]],
                "seed": [self.meta["seed"]],
                "fingerprint": [self.fingerprint],
            }
        )


def randomise(
    data: Any,
    *,
    key: str,
    seed: int,
    arms: Sequence[str] = ("programme", "control"),
    shares: Sequence[float] | None = None,
    strata: str | Sequence[str] | None = None,
    block: int | None = None,
) -> Randomisation:
    """Draw people for the arms of an experiment, in blocks within strata.

    The draw depends on the keys, the strata and the seed: not on the order of the rows, not on the
    machine, and not on who is in the other strata.

    Parameters
    ----------
    data : frame
        A row a person (or an office, for a draw of clusters).
    key : str
        Whole numbers or text, each once.
    seed : int
    arms : sequence of str
    shares : sequence of float, optional
        Of the arms; equal when not given. They must be simple fractions: 2/3 is, 0.6180 is not.
    strata : str or sequence of str, optional
        In each the shares are kept, up to one block that may be incomplete.
    block : int, optional
        People in a block; the smallest in which the shares are whole numbers when not given. With
        small blocks the last of a block can be guessed by who knows the others: draw everybody
        beforehand, as here, and publish nothing but the list.

    Returns
    -------
    Randomisation

    Raises
    ------
    toolkit.errors.ToolkitError
        For keys that are missing or stand twice (counted, never shown), and shares or blocks
        that do not fit.

    Notes
    -----
    Within a stratum people stand in the order of a keyed hash (BLAKE2b of seed and key); each block
    is a permutation drawn by Philox, seeded by the hash of seed and stratum.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame({"person": range(100, 112), "office": ["A", "B"] * 6})
    >>> drawn = effects.randomise(people, key="person", strata="office", seed=2009)
    >>> drawn.tidy()["n"].to_list()
    [3, 3, 3, 3]
    """
    begin = clock.perf_counter()
    frame = to_frame(data)
    layers = as_columns(strata)
    require_columns(frame, key, *layers)
    require_rows(frame)
    require_no_nulls(frame, key, *layers)
    _check_key(frame, key)
    pattern = _pattern(arms, shares, block)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise CallError(f"seed={seed!r} is not a whole number", fix="choose one and write it down")
    clash = {"arm"} & {*layers, key}
    if clash:
        raise CallError("A column is called 'arm', which is what the list adds", fix="rename it")
    digests = b"".join(_hash(seed, "key", text) for text in frame[key].cast(pl.String))
    high, low = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2).T
    codes, names = _strata(frame, layers)
    arm = np.zeros(frame.height, dtype=np.int64)
    ranked = np.lexsort((low, high, codes))
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    for first, last, name in zip([0, *ends[:-1]], ends, names, strict=True):
        who = ranked[first:last]
        bits = np.random.Philox(int.from_bytes(_hash(seed, "stratum", name), "big"))
        blocks = -(-len(who) // len(pattern))
        # raw bits: numpy promises that these never change
        rank = np.argsort(bits.random_raw(blocks * len(pattern)).reshape(blocks, -1), axis=1)
        arm[who] = pattern[rank].ravel()[: len(who)]
    labels = pl.Series("arm", arm.astype(np.uint32)).replace_strict(
        dict(enumerate(arms)), return_dtype=pl.Enum(list(arms))
    )
    drawn = frame.select(key, *layers).with_columns(labels)
    counts = drawn.group_by(*layers, "arm").len("n").sort(*layers, "arm")
    total = pl.col("n").sum()
    share = pl.col("n") / (total.over(layers) if layers else total)
    listed = np.stack([high, low, arm.astype(np.uint64)], axis=1)[np.lexsort((low, high))]
    return Randomisation(
        meta={
            "method": "Permuted blocks within strata" if layers else "Permuted blocks",
            "n": frame.height,
            "n_stratum": len(names),
            "arms": list(arms),
            "block": len(pattern),
            "strata": layers,
            "dropped": {},
            "warnings": _notes(ends, len(pattern)),
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        assignment=drawn,
        counts=counts.with_columns(share=share),
        fingerprint=hashlib.sha256(listed.astype(">u8").tobytes()).hexdigest(),
    )


def _hash(seed: int, kind: str, text: str) -> bytes:
    return hashlib.blake2b(f"{seed}|{kind}|{text}".encode(), digest_size=16).digest()


def _check_key(frame: pl.DataFrame, key: str) -> None:
    dtype = frame.schema[key]
    if not (dtype.is_integer() or dtype == pl.String):
        raise WrongTypeError(
            f"Key {key!r} is {dtype}, not whole numbers or text", fix="cast it before the draw"
        )
    twice = frame.height - frame[key].n_unique()
    if twice:
        raise DuplicateKeyError(
            f"Key {key!r} stands more than once",
            where=f"{twice:,} rows too many of {frame.height:,}",
            fix="keep one row a person; a household is drawn by its own key",
        )


def _pattern(arms: Sequence[str], shares: Sequence[float] | None, block: int | None) -> Ints:
    """Return one block: the number of each arm, as often as its share asks."""
    if len(arms) < 2 or len(set(arms)) != len(arms):
        raise CallError("arms= needs two or more different names", fix="('programme', 'control')")
    given = [1 / len(arms)] * len(arms) if shares is None else list(shares)
    usable = len(given) == len(arms) and all(0 < share < 1 for share in given)
    if not usable or abs(sum(given) - 1) > 1e-9:
        raise CallError(
            f"shares={shares!r} are not {len(arms)} shares between 0 and 1 that add up to 1",
            fix="for instance (2/3, 1/3)",
        )
    parts = [Fraction(share).limit_denominator(_LONGEST) for share in given]
    smallest = lcm(*(part.denominator for part in parts))
    near = all(abs(float(part) - share) < 1e-9 for part, share in zip(parts, given, strict=True))
    if not near or sum(parts) != 1 or smallest > _LONGEST:
        raise InputError(
            f"The shares {given} fit in no block of {_LONGEST:,} people",
            fix="choose rounder ones, as 2/3 and 1/3",
        )
    size = smallest if block is None else block
    if not isinstance(size, int) or size < 1 or size % smallest:
        raise CallError(
            f"block={block!r}: blocks hold {smallest} people or a multiple, for whole shares",
            fix=f"for instance block={2 * smallest}",
        )
    return np.repeat(np.arange(len(arms)), [int(part * size) for part in parts])


def _strata(frame: pl.DataFrame, layers: list[str]) -> tuple[Ints, list[str]]:
    """Return each row's stratum as a number, and the strata's names, which do not depend on it."""
    if not layers:
        return np.zeros(frame.height, dtype=np.int64), [""]
    code = frame.select(pl.struct(layers).rank("dense").cast(pl.Int64) - 1).to_series()
    first = frame.select(layers).with_columns(_code=code).unique("_code").sort("_code")
    names = ["|".join(f"{name}={value}" for name, value in zip(layers, row, strict=True))
             for row in first.select(layers).iter_rows()]  # fmt: skip
    return code.to_numpy(), names


def _notes(ends: Ints, block: int) -> list[str]:
    small = int((np.diff(ends, prepend=0) < block).sum())
    if not small:
        return []
    return [f"{small:,} strata are smaller than a block of {block}: their shares may be far off"]
