"""A BSN is hashed with the user's key before anything else happens to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import polars as pl

from toolkit.errors import CallError, WrongTypeError

#: Where the key for hashing is looked for when no file is named.
VARIABLE = "REINTEGRATIE_KEY"
SHORTEST = 16
#: BLAKE2b takes keys of up to 64 bytes, and hashes here are 128 bits.
_LONGEST, _SIZE = 64, 16


def secret_from(file: str | Path | None = None, *, variable: str = VARIABLE) -> bytes:
    """Return the key for hashing from a file, or from an environment variable.

    Parameters
    ----------
    file : str or Path, optional
        A file with the key; white space at its end does not count.
    variable : str
        The environment variable to read when no file is named.

    Raises
    ------
    CallError
        When there is no key, or it is shorter than 16 bytes. The key is never shown.
    """
    if file is not None:
        try:
            secret = Path(file).read_bytes().rstrip()
        except OSError as error:
            raise CallError(
                "The file with the key for hashing cannot be read",
                where=Path(file).as_posix(),
                fix="check the path and its permissions",
            ) from error
        where = Path(file).as_posix()
    else:
        secret = os.environ.get(variable, "").encode().rstrip()
        where = f"environment variable {variable}"
    if len(secret) < SHORTEST:
        raise CallError(
            "There is no key for hashing"
            if not secret
            else f"The key for hashing is shorter than {SHORTEST} bytes",
            where=where,
            fix=f"make one, keep it to yourself, and name its file or set {VARIABLE}: the same "
            "key gives the same persons over deliveries",
        )
    return secret


def hash_bsn(series: pl.Series, secret: bytes) -> pl.Series:
    """Return keyed hashes of citizen service numbers: BLAKE2b, 128 bits, as 32 hex digits.

    Equal numbers have equal hashes, also where one lost its leading zero. Null stays null.

    Parameters
    ----------
    series : pl.Series
        BSNs as text.
    secret : bytes
        The key, of at least 16 bytes.
    """
    if series.dtype != pl.String:
        raise WrongTypeError(f"BSNs to hash are text, not {series.dtype}", fix="use values.parse")
    if len(secret) < SHORTEST:
        raise CallError(
            f"The key for hashing is shorter than {SHORTEST} bytes", fix="see keys.secret_from"
        )
    key = secret if len(secret) <= _LONGEST else blake2b(secret).digest()
    known = series.drop_nulls().unique()
    keyed = blake2b(key=key, digest_size=_SIZE)
    hashed = []
    for number in known.to_list():
        state = keyed.copy()
        state.update(number.zfill(9).encode())
        hashed.append(state.hexdigest())
    table = pl.DataFrame({"bsn": known, "hash": pl.Series(hashed, dtype=pl.String)})
    return (
        series.alias("bsn")
        .to_frame()
        .join(table, on="bsn", how="left", maintain_order="left")["hash"]
        .alias(series.name)
    )


@dataclass(frozen=True, eq=False)
class PersonKeys:
    """Takes citizen service numbers out of frames. Shows nothing of its key.

    Parameters
    ----------
    secret : bytes
        The key for hashing, of at least 16 bytes; see `secret_from`.
    """

    secret: bytes = field(repr=False)

    def hash_bsn(self, series: pl.Series) -> pl.Series:
        """Return the keyed hashes of a series of BSNs."""
        return hash_bsn(series, self.secret)

    def mark(self) -> str:
        """Return what tells this key from another: the hash of words that are no number."""
        return str(hash_bsn(pl.Series(["which key this is"]), self.secret)[0])

    def seal(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a frame with `_hash` in place of `_bsn`; without a BSN it stays as it is."""
        if "_bsn" not in frame.columns:
            return frame
        return frame.with_columns(_hash=self.hash_bsn(frame["_bsn"])).drop("_bsn")
