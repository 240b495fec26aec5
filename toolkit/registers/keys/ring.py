"""The ring of keys: which surrogate stands for which delivered key. It is kept apart."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import CallError, InputError
from toolkit.registers.delivery import BROKEN, COUNTS, Checked

if TYPE_CHECKING:
    from collections.abc import Iterable

#: One row a known key of a person; `current`: in the population of the last delivery.
SCHEMA = {"person": pl.Int64, "_key": pl.UInt64, "_hash": pl.String, "current": pl.Boolean}
_RECORD = ["_file", "_row"]


class KeyRing:
    """Surrogates of the persons in a delivery. Shows how many there are, never which.

    Make one with `KeyRing.build` or `KeyRing.load`.

    Attributes
    ----------
    persons : int
        Persons in the population.
    retired : int
        Persons of earlier deliveries who are not in this one; they keep their number.
    numbers : int
        One more than the largest surrogate.
    by_hash_alone : int
        Persons of whom no key but a hash is known.
    ambiguous : int
        Hashes that the link table gives to more than one key: left unlinked.
    """

    def __init__(
        self, table: pl.DataFrame, *, ambiguous: int = 0, elsewhere: pl.Series | None = None
    ) -> None:
        self._table = table
        current = table.filter("current")
        self.persons: int = current["person"].n_unique()
        self.retired: int = table["person"].n_unique() - self.persons
        self.numbers: int = int(table["person"].max() or 0) + 1 if table.height else 0  # type: ignore[arg-type]
        keyed = table.filter(pl.col("_key").is_not_null()).select("person").unique()
        self.by_hash_alone: int = (
            table.filter(pl.col("_hash").is_not_null())
            .join(keyed, on="person", how="anti")["person"]
            .n_unique()
        )
        self.ambiguous = ambiguous
        by_key = current.filter(pl.col("_key").is_not_null()).unique("_key").sort("_key")
        self._keys = by_key["_key"].to_numpy()
        self._key_person = by_key["person"].to_numpy()
        hashes = table.filter(pl.col("_hash").is_not_null()).select(
            "_hash", pl.when("current").then("person").alias("person")
        )
        if elsewhere is not None:  # linked, but to nobody of the population
            hashes = pl.concat([
                hashes,
                elsewhere.alias("_hash").to_frame().with_columns(person=pl.lit(None, pl.Int64)),
            ])  # fmt: skip
        self._hashes = hashes.with_columns(linked=True)

    def __repr__(self) -> str:
        return f"KeyRing({self.persons:,} persons, {self.retired:,} retired)"

    def fingerprint(self) -> str:
        """Return what tells this ring from another; it says nothing of any key."""
        rows = self._table.hash_rows(seed=1)
        return blake2b(rows.to_numpy().tobytes(), digest_size=16).hexdigest()

    @classmethod
    def build(
        cls,
        *,
        seed: int,
        keys: pl.Series | Iterable[pl.Series] = (),
        hashes: pl.Series | Iterable[pl.Series] = (),
        link: pl.DataFrame | None = None,
        earlier: KeyRing | None = None,
    ) -> KeyRing:
        """Give every person of a population a surrogate, from 0 without gaps.

        The numbers follow a seeded permutation of the sorted keys: they say nothing of the key,
        nor of the order of files and rows.

        Parameters
        ----------
        seed : int
            Of the permutation.
        keys : pl.Series or iterable of them
            `_key` of the records that make the population, with repeats and in any order.
        hashes : pl.Series or iterable of them
            `_hash` of the records that make the population, where it is named by BSN. Those in
            `link` are the person of that key; the others are persons of their own.
        link : pl.DataFrame, optional
            `_hash, _key`: which BSN is which RIN pair. Two BSNs may be one person.
        earlier : KeyRing, optional
            Known persons keep their number, new ones come after.
        """
        pairs, ambiguous = _one_key_a_hash(link)
        by_key = _gather(keys, "_key", pl.UInt64)
        by_hash = _gather(hashes, "_hash", pl.String).join(pairs, on="_hash", how="left")
        by_key = pl.concat([by_key, by_hash.select(pl.col("_key").drop_nulls())]).unique()
        own = by_hash.filter(pl.col("_key").is_null())
        known = pl.concat([
            by_key.join(pairs, on="_key", how="left"), own.select("_key", "_hash"),
        ])  # fmt: skip
        old = earlier._table if earlier is not None else pl.DataFrame(schema=SCHEMA)  # noqa: SLF001
        table = _numbered(known, old, seed)
        elsewhere = pairs.select("_hash").join(table.select("_hash"), on="_hash", how="anti")
        return cls(table, ambiguous=ambiguous, elsewhere=elsewhere["_hash"])

    def save(self, path: str | Path) -> None:
        """Write the ring to a Parquet file that only its owner may read, in such a folder."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.parent.chmod(0o700)
        part = file.with_name(f".{file.name}.part")
        part.unlink(missing_ok=True)
        # made closed, not closed afterwards
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            self._table.write_parquet(out, compression="zstd")
        part.replace(file)

    @classmethod
    def load(cls, path: str | Path) -> KeyRing:
        """Read a ring that `save` wrote.

        Raises
        ------
        CallError
            When there is none.
        InputError
            When the file is no ring of keys.
        """
        file = Path(path)
        if not file.is_file():
            raise CallError("There is no key file", where=file.as_posix(), fix="check the path")
        try:
            table = pl.read_parquet(file)
        except pl.exceptions.PolarsError:
            table = None
        if table is None or dict(table.schema) != SCHEMA:
            raise InputError(
                "A file holds no keys of this toolkit",
                where=file.as_posix(),
                fix="name the file that an ingest wrote, or leave it out to number anew",
            ) from None
        return cls(table)

    def attach(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Put `person` in place of every key.

        Parameters
        ----------
        frame : pl.DataFrame
            Records with `_key`, or with `_hash`; of both, `_key` says who it is.

        Returns
        -------
        tuple of two pl.DataFrame
            The records of known persons, with `person` and without any key; and `BROKEN`: the
            records of which nobody is known.
        """
        found = self.link(frame)
        return found.accepted, found.broken

    def link(self, frame: pl.DataFrame) -> Checked:
        """Do as `attach`, and count: also who is left out of a record whose other person stays."""
        if "_bsn" in frame.columns:
            raise CallError("A frame holds citizen service numbers", fix="PersonKeys.seal it first")
        if "_key" in frame.columns:
            person = self._person_of(frame["_key"])
            linked = pl.repeat(value=True, n=frame.height, eager=True)
        elif "_hash" in frame.columns:
            found = frame.select("_hash").join(
                self._hashes, on="_hash", how="left", maintain_order="left"
            )
            person, linked = found["person"], found["linked"].fill_null(value=False)
        else:
            raise CallError(
                "A frame has no key of persons", fix="pass what values.parse and check_records give"
            )
        keyless = frame.drop("_key", "_letter", "_hash", strict=False)
        known = person.is_not_null()
        accepted = keyless.insert_column(0, person.alias("person"))
        if known.all():
            return Checked(accepted, pl.DataFrame(schema=BROKEN), pl.DataFrame(schema=COUNTS))
        out = frame.filter(~known).select(
            pl.col("_file").cast(BROKEN["_file"]), pl.col("_row").cast(BROKEN["_row"]),
            rule=pl.when(linked.filter(~known)).then(pl.lit("KEY-POPULATION")).otherwise(
                pl.lit("KEY-UNLINKED")
            ),
        ).unique()  # fmt: skip
        accepted = accepted.filter(known)
        stay = accepted.select(pl.col(name).cast(BROKEN[name]) for name in _RECORD)
        return Checked(
            accepted=accepted,
            broken=out.join(stay, on=_RECORD, how="anti").sort(*BROKEN),
            counts=out.group_by("_file", "rule")
            .len("n")
            .select(pl.col(name).cast(dtype) for name, dtype in COUNTS.items())
            .sort("_file", "rule"),
        )

    def _person_of(self, keys: pl.Series) -> pl.Series:
        """Look sorted keys up: no table of millions is built again for every batch."""
        if not len(self._keys):
            return pl.repeat(None, len(keys), dtype=pl.Int64, eager=True)
        # in order, so that the search walks through memory instead of jumping about in it
        order = keys.arg_sort().to_numpy()
        wanted = keys.fill_null(0).to_numpy()
        place = np.empty(len(wanted), dtype=np.int64)
        place[order] = np.searchsorted(self._keys, wanted[order])
        place[place == len(self._keys)] = 0
        found = pl.Series("person", self._key_person[place])
        hit = pl.Series(self._keys[place] == wanted) & keys.is_not_null()
        return found.to_frame().select(pl.when(hit).then("person")).to_series()


def _gather(
    series: pl.Series | Iterable[pl.Series], name: str, dtype: type[pl.DataType]
) -> pl.DataFrame:
    """Distinct values of one or many series."""
    given = [series] if isinstance(series, pl.Series) else series
    parts = [part.drop_nulls().unique().cast(dtype).alias(name) for part in given]
    found = pl.concat(parts) if parts else pl.Series(name, dtype=dtype)
    return found.unique().to_frame()


def _one_key_a_hash(link: pl.DataFrame | None) -> tuple[pl.DataFrame, int]:
    """Return the link table without hashes of more than one key, and how many those are."""
    if link is None:
        return pl.DataFrame(schema={"_hash": pl.String, "_key": pl.UInt64}), 0
    pairs = link.select("_hash", pl.col("_key").cast(pl.UInt64)).drop_nulls().unique()
    single = pairs.filter(pl.col("_hash").is_unique())
    return single, pairs["_hash"].n_unique() - single.height


def _numbered(known: pl.DataFrame, old: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Number the persons of a population (`_key, _hash`, of which one may be null)."""
    known = _as_before(known, old)
    # a person is a key, or where there is none a hash
    known = known.with_columns(alone=pl.when(pl.col("_key").is_null()).then("_hash"))
    who = ["_key", "alone"]
    fresh = known.filter(pl.col("person").is_null()).select(who).unique().sort(who)
    first = old.height and int(old["person"].max()) + 1  # type: ignore[arg-type]
    order = np.random.default_rng([seed, first]).permutation(fresh.height) + first
    fresh = fresh.with_columns(new=pl.Series(order, dtype=pl.Int64))
    numbered = known.join(fresh, on=who, how="left", nulls_equal=True).select(
        pl.coalesce("person", "new").alias("person"), "_key", "_hash"
    )
    # of a hash this delivery knows better than the last; no number is ever given again
    stay = old.join(numbered.drop_nulls("_hash"), on="_hash", how="anti")
    gone = old.join(stay, on="person", how="anti").with_columns(_hash=pl.lit(None, pl.String))
    columns = ["person", "_key", "_hash"]
    return (
        pl.concat([numbered.select(columns), stay.select(columns), gone.select(columns)])
        .unique()
        .join(numbered.select("person", current=True).unique(), on="person", how="left")
        .with_columns(pl.col("current").fill_null(value=False))
        .sort(columns)
        .cast(dict(SCHEMA.items()))
    )


def _as_before(known: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """Add the number a person had: by key, or by hash where no other key stands against it."""
    if not old.height:
        return known.with_columns(person=pl.lit(None, pl.Int64))
    by_key = old.drop_nulls("_key").select("_key", key_was="person").unique("_key")
    by_hash = old.drop_nulls("_hash").select(
        "_hash", hash_was="person", unkeyed=pl.col("_key").is_null()
    )
    claim = pl.when(pl.col("unkeyed") | pl.col("_key").is_null()).then("hash_was")
    return (
        known.join(by_key, on="_key", how="left")
        .join(by_hash, on="_hash", how="left")
        .with_columns(claim=claim)
        .with_columns(
            claim=pl.when(pl.col("_key").is_null())
            .then("claim")
            .otherwise(pl.col("claim").min().over("_key"))
        )
        .select("_key", "_hash", pl.coalesce("key_was", "claim").alias("person"))
    )
