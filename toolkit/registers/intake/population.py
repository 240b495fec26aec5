"""Before the records: who the population is, and the small tables that are about nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError, InputError
from toolkit.registers.keys import KeyRing, PersonKeys, secret_from
from toolkit.registers.reconcile.mergers import CONCORDANCE
from toolkit.registers.register import conform
from toolkit.registers.rules import check_records
from toolkit.registers.schema import dtypes, empty
from toolkit.registers.values import parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.layout import Layout

#: The permutation that numbers persons; the key file, not this, keeps numbers the same over time.
_SEED = 1
_CONCORDANCE = "herindelingen"
#: In the closed folder: the key file, and what tells one key for hashing from another.
KEYS, _MARK = "keys.parquet", "secret.mark"
_KEY_TYPES = {"rin_letter", "rin", "bsn", "client"}


def seal_of(
    files: Sequence[DeliveredFile],
    layouts: Mapping[str, Layout],
    secret: bytes | str | Path | None,
) -> PersonKeys | None:
    """Return what hashes citizen service and client numbers; None where no layout has any.

    Raises
    ------
    CallError
        When numbers were delivered and there is no key to hash them with.
    """
    if not any(layouts[file.layout].key_kind in {"bsn", "both", "client"} for file in files):
        return None
    return PersonKeys(secret if isinstance(secret, bytes) else secret_from(secret))


def earlier_ring(closed: Path, seal: PersonKeys | None) -> KeyRing | None:
    """Return who is who by the intake before, if there was one.

    Parameters
    ----------
    closed : Path
        The closed folder of the store.
    seal : PersonKeys or None
        Hashes citizen service numbers.

    Raises
    ------
    CallError
        When persons are known by a hash alone, and that was made with another key: all of them
        would become somebody else.
    """
    if not (closed / KEYS).is_file():
        return None
    ring = KeyRing.load(closed / KEYS)
    mark = closed / _MARK
    if (
        seal is not None
        and ring.by_hash_alone
        and mark.is_file()
        and mark.read_text(encoding="ascii") != seal.mark()
    ):
        raise CallError(
            "The key for hashing is another one than at the intake before, and "
            f"{ring.by_hash_alone:,} persons are known by their hash alone",
            where=closed.as_posix(),
            fix="give the same key, or take this delivery into another folder, where persons are "
            "numbered anew",
        )
    return ring


def save_ring(ring: KeyRing, closed: Path, seal: PersonKeys | None) -> None:
    """Keep who is who, and the mark of the key for hashing, for the intake after this one."""
    ring.save(closed / KEYS)
    if seal is not None:
        mark = closed / _MARK
        mark.touch(mode=0o600)
        mark.write_text(seal.mark(), encoding="ascii")


def find_population(
    files: Sequence[DeliveredFile],
    layouts: Mapping[str, Layout],
    *,
    seal: PersonKeys | None,
    letters: Collection[str],
    earlier: KeyRing | None,
    work: Path | None = None,
) -> KeyRing:
    """Give every person of the population a surrogate.

    The population is who stands in the files that fill table `persons`; where several layouts do,
    those of the lowest `priority`.

    Parameters
    ----------
    files, layouts
        The delivery.
    seal : PersonKeys or None
        Hashes citizen service numbers.
    letters : collection of str
        RINPERSOONS that are kept.
    earlier : KeyRing or None
        Who is who by the intake before: known persons keep their number.
    work : Path, optional
        Folder for copies while they are read.
    """
    naming = {
        name: layouts[name].priority
        for name in {file.layout for file in files}
        if any(t.table == "persons" and t.role == "base" for t in layouts[name].tables)
    }
    first = {name for name, priority in naming.items() if priority == min(naming.values())}
    keys, hashes = [], []
    for name in sorted(first):
        for frame in _keys(files, layouts[name], letters, seal, work):
            if "_key" in frame.columns:
                keys.append(frame["_key"].unique())
            else:
                hashes.append(frame["_hash"].unique())
    links = [
        frame.select("_hash", "_key")
        for name in sorted({file.layout for file in files})
        if layouts[name].unit == "link"
        for frame in _keys(files, layouts[name], letters, seal, work)
    ]
    return KeyRing.build(
        seed=_SEED,
        keys=keys,
        hashes=hashes,
        link=pl.concat(links) if links else None,
        earlier=earlier,
    )


def _keys(
    files: Sequence[DeliveredFile],
    layout: Layout,
    letters: Collection[str],
    seal: PersonKeys | None,
    work: Path | None,
) -> Iterator[pl.DataFrame]:
    """Yield the keys of a layout's records, of those that have a good one."""
    fields = tuple(field for field in layout.fields if field.type in _KEY_TYPES)
    only = layout.model_copy(update={"rules": (), "tables": ()})
    chosen = [field.name for field in fields]
    keyed = only.model_copy(update={"fields": fields})
    for raw in _batches(files, layout, chosen, work):
        found = check_records(parse(raw.lazy(), keyed), keyed, letters=letters).accepted
        yield seal.seal(found) if seal is not None else found


def _batches(
    files: Sequence[DeliveredFile],
    layout: Layout,
    columns: Collection[str] | None = None,
    work: Path | None = None,
) -> Iterator[pl.DataFrame]:
    from toolkit.registers.readers import read

    numbers = [i for i, file in enumerate(files) if file.layout == layout.name]
    chosen = [files[i] for i in numbers]
    yield from read(chosen, layout, numbers=numbers, columns=columns, work=work)


def reference_tables(
    files: Sequence[DeliveredFile], layouts: Mapping[str, Layout]
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Read what is about no person: table `municipalities`, and the concordance of mergers.

    Raises
    ------
    InputError
        When there are no records, or one breaks a rule of its layout: these tables are small, and
        are mended first.
    """
    municipalities, mergers = empty("municipalities"), None
    for name in sorted({file.layout for file in files}):
        layout = layouts[name]
        if layout.unit != "reference":
            continue
        clean = [_clean(raw, layout) for raw in _batches(files, layout)]
        if not clean:
            raise InputError(
                f"The files of layout {name!r} hold no records",
                where=", ".join(file.name for file in files if file.layout == name),
                fix="ask for them again, or take them out of the folder",
            )
        records = pl.concat(clean)
        if name == _CONCORDANCE:
            mergers = records.select(old="OUD", new="NIEUW", date="DATUM").cast(CONCORDANCE)  # type: ignore[arg-type]
        for table in layout.tables:
            columns = [pl.sql_expr(sql).alias(column) for column, sql in table.columns.items()]
            known = dtypes(table.table)
            municipalities = conform(
                records.select(columns).cast({c: known[c] for c in table.columns}).lazy(),
                table.table,
            )
    return municipalities, mergers


def _clean(raw: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    checked = check_records(parse(raw.lazy(), layout), layout)
    if checked.broken.height:
        rules = ", ".join(str(rule) for rule in checked.broken["rule"].unique().sort().head(3))
        raise InputError(
            f"Records of layout {layout.name!r} break rules: {rules}",
            where=f"first at record {checked.broken['_row'].to_list()[0]}",
            fix="mend them first: the other tables lean on this one",
        )
    return checked.accepted
