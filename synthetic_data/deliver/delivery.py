"""Deliver the register as raw files, clean or dirty, with a ledger of every error."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from synthetic_data.deliver import keys, national, reference
from synthetic_data.deliver.books import BOOKS, FIRST_SRG, LAST_YEAR
from synthetic_data.deliver.dirt import Dirt, Dirtier
from synthetic_data.deliver.jobs import spans
from synthetic_data.deliver.ledger import Ledger
from synthetic_data.deliver.municipal import srg_persons, srg_records
from synthetic_data.deliver.national import before_srg
from synthetic_data.deliver.periods import half_years
from synthetic_data.deliver.sheet import Sheet, join_parts, write_part, write_small
from synthetic_data.raw_files import encode, write
from toolkit.errors import CallError, check_option
from toolkit.registers import codes
from toolkit.registers.layout import layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import date

    from toolkit.registers import Register

_log = logging.getLogger(__name__)

#: Persons whose part of a Parquet file is made at a time.
_GROUP = 400_000
LEDGER_FILE, SECRET_FILE = "ledger.parquet", "secret.key"


@dataclass(frozen=True)
class Delivery:
    """A delivery on disk.

    Attributes
    ----------
    raw : Path
        The folder of raw files.
    secret : Path
        The key with which BSNs are to be hashed; beside `raw`, for its owner only.
    ledger : pl.DataFrame
        Every injected error: `kind, file, row, field, expected, outcome, was, became`. Also in
        `ledger.parquet` beside `raw`.
    files, records : int
        How many were written.
    """

    raw: Path
    secret: Path
    ledger: pl.DataFrame
    files: int
    records: int


def deliver(
    register: Register,
    folder: str | Path,
    *,
    seed: int = 1,
    dirt: Dirt | None = None,
    sources: Collection[str] = codes.SOURCE,
) -> Delivery:
    """Write a register as the raw files its sources would deliver.

    Writes `raw/` (CBS files in four forms, and 6,160 municipal files of the SRG), `secret.key`
    and `ledger.parquet`. Clean files carry the register exactly. The same call gives the same
    bytes, but for the time in the headers of .sav and .dta.

    Parameters
    ----------
    register : Register
        A synthetic register (window 1999–2011, all programmes municipal).
    folder : str or Path
        Replaced when it holds an earlier delivery.
    seed : int
        Of keys, days of receipt and errors.
    dirt : Dirt, optional
        Which errors, and how many; None is none.
    sources : collection of str
        Canonical sources to deliver; persons always are.

    Raises
    ------
    CallError
        When the folder holds something else, or the register something the files cannot carry.

    Examples
    --------
    >>> from synthetic_data import deliver, make_register
    >>> done = deliver(make_register(persons=500), "data/delivery")  # doctest: +SKIP
    >>> done.ledger.height  # doctest: +SKIP
    0
    """
    for source in sources:
        check_option("sources", source, codes.SOURCE)
    wanted = ("persons", *(name for name in codes.SOURCE if name in sources and name != "persons"))
    _check_carried(register)
    root = Path(folder)
    raw = _cleared(root) / "raw"
    raw.mkdir()
    ledger = Ledger()
    persons = register.persons.sort("person").collect()
    link = keys.keys_of(persons["person"], seed=seed)
    places = register.municipalities.collect()
    dirtier = Dirtier(dirt or Dirt.none(), seed, ledger, places)
    written = [_municipalities(places, raw), _link(link, raw)]
    written += _national(register, link, wanted, dirtier, raw)
    if "programmes" in wanted:
        written.append(_municipal(register, persons, link, dirtier, raw))
    written.append(_mergers(dirtier, raw))
    as_of = None if dirtier.mergers.is_empty() else register.covers("programmes")[1]
    told = reference.settings(register.coverage.collect(), wanted, as_of=as_of)
    (raw / "delivery.toml").write_text(told, encoding="utf-8")
    secret = root / SECRET_FILE
    secret.touch(mode=0o600)
    secret.write_text(keys.secret(seed) + "\n", encoding="ascii")
    table = ledger.table()
    table.write_parquet(root / LEDGER_FILE)
    files, records = (sum(column) for column in zip(*written, strict=True))
    return Delivery(raw, secret, table, files, records)


def _cleared(root: Path) -> Path:
    """Make the folder, or take away the earlier delivery in it, and nothing else."""
    if root.exists() and not root.is_dir():
        raise CallError(f"{root.name!r} is a file, not a folder", fix="name another folder")
    ours = {"raw", LEDGER_FILE, SECRET_FILE}
    if root.is_dir() and any(root.iterdir()):
        if not (root / LEDGER_FILE).is_file() or {item.name for item in root.iterdir()} - ours:
            raise CallError(
                f"{root.as_posix()!r} is not an earlier delivery and not an empty folder",
                fix="choose another folder, so that nothing of yours is overwritten",
            )
        shutil.rmtree(root / "raw", ignore_errors=True)
        (root / LEDGER_FILE).unlink()
        (root / SECRET_FILE).unlink(missing_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    return root


def _check_carried(register: Register) -> None:
    """Refuse what these files have no place for: nothing is left out in silence."""
    municipal = pl.col("target_group").cast(pl.String).is_in(["wwb", "nug_anw"])
    known = ["wwb", "ioaw", "ioaz", "bbz", "ww", "disability"]
    checks = {
        "programmes of UWV": register.programmes.filter(~municipal),
        "programmes offered twice on a day": register.programmes.filter(
            pl.struct("person", "municipality", "offer").is_duplicated()
        ),
        "benefits of other schemes": register.benefits.filter(
            ~pl.col("scheme").cast(pl.String).is_in(known)
        ),
        "positions of another scheme": register.positions.filter(pl.col("scheme") != "reint2009"),
        "jobs of the self-employed": register.jobs.filter(pl.col("kind") == "self_employed"),
    }
    counts = pl.collect_all([frame.select(pl.len()) for frame in checks.values()])
    for said, count in zip(checks, counts, strict=True):
        if count.item():
            raise CallError(
                f"The raw files have no place for {count.item():,} {said}",
                fix="deliver a register that `synthetic_data` made",
            )


def _national(
    register: Register,
    link: pl.DataFrame,
    wanted: Collection[str],
    dirtier: Dirtier,
    raw: Path,
) -> Iterator[tuple[int, int]]:
    """Write the national files, table by table and year by year; yields files and records.

    Parquet, in which the largest are, is made some persons at a time.
    """
    loaded, table = "", pl.DataFrame()
    lows = _lows(register)
    for number, book in enumerate(book for book in BOOKS if book.table in wanted):
        if book.table != loaded:
            loaded, table = book.table, _table(register, book.table)
        form = layout(book.layout)
        cuts = lows if book.form == "parquet" else lows[:1]
        edges = [*table["person"].search_sorted(pl.Series(cuts, dtype=pl.Int64)), table.height]
        for turn, period in enumerate(book.periods):
            file, records = book.file(period), 0
            for part, (low, high) in enumerate(pairwise(edges)):
                typed = book.build(table[low:high], period)
                frame = encode(_with_keys(typed, link), form).with_columns(
                    _file=pl.lit(0, pl.UInt32), _person=typed["person"]
                )
                sheet = dirtier.book(
                    Sheet(form, (file,), frame), period, number=100 * number + turn, after=records
                )
                write_part(sheet, raw, book.form, part=part if len(cuts) > 1 else None)
                records += sheet.frame.height
            if len(cuts) > 1:
                join_parts(raw / file)
            yield 1, records
        _log.info("delivered %s", book.layout)


def _lows(register: Register) -> list[int]:
    """Return where groups of persons begin that fit in memory with their wage rows."""
    lows: list[int] = []
    for part in register.partitions:
        if not lows or part.high - lows[-1] > _GROUP:
            lows.append(part.low)
    return lows


def _with_keys(typed: pl.DataFrame, link: pl.DataFrame) -> pl.DataFrame:
    """Put the RIN pair beside records."""
    names = ["RINPERSOONS", "RINPERSOON"]
    low, height = link["person"].min(), link.height
    if isinstance(low, int) and link["person"].max() == low + height - 1:
        found = typed["person"] - low  # numbered through: no need to look up
        return typed.with_columns(link[name].gather(found) for name in names)
    return typed.join(link.select("person", *names), on="person", how="left", maintain_order="left")


def _table(register: Register, name: str) -> pl.DataFrame:
    """Load a table, sorted; jobs know how long they last over all their terms."""
    lazy = register.table(name).sort("person", maintain_order=True)
    if name == "jobs":
        lazy = lazy.join(spans(lazy), on="job", how="left", maintain_order="left")
    return lazy.collect()


def _municipal(
    register: Register, persons: pl.DataFrame, link: pl.DataFrame, dirtier: Dirtier, raw: Path
) -> tuple[int, int]:
    """Write the SRG of every municipality and half-year, and the days of receipt.

    Who has programmes in other half-years only delivers a file without records.
    """
    form = layout("srg_2010")
    people = srg_persons(persons, link)
    programmes = register.programmes.collect()
    positions = register.positions.sort("date").collect()
    places = dirtier.places
    number = pl.col("municipality").replace_strict(
        places, range(len(places)), return_dtype=pl.UInt32
    )
    over = before_srg(programmes, FIRST_SRG).select(programme="TRAJECTNR")
    after = programmes.join(over, on="programme", how="anti")
    owing = pl.int_range(len(places), eager=True).is_in(after.select(number.implode()).to_series())
    dirtier.plan_programmes(programmes)
    received: dict[str, date] = {}
    records = 0
    for period in half_years(FIRST_SRG.year, LAST_YEAR):
        typed = (
            srg_records(programmes, positions, people, period)
            .with_columns(municipality="gemeentecode")
            .with_columns(_file=number)
            .sort("_file", "person", "programme")
        )
        frame = encode(typed, form).with_columns(
            typed["_file"], _person=typed["person"], _programme=typed["programme"]
        )
        names = tuple(dirtier.name(place, period) for place in range(len(places)))
        sheet = dirtier.half_year(Sheet(form, names, frame), period)
        days = dirtier.receive(sheet, period, owing)
        write_small(sheet, raw, days)
        received.update(days)
        records += sheet.frame.height
    (raw / "ontvangst.csv").write_text(reference.receipts(received), encoding="utf-8")
    return len(received), records


def _municipalities(table: pl.DataFrame, raw: Path) -> tuple[int, int]:
    """Write `gemeenten.csv`, in Latin-1, with a column that no layout names."""
    frame = encode(national.municipalities(table), layout("gemeenten"))
    remark = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("coördinatie in de regio"))
    text = frame.with_columns(OPMERKING=remark.otherwise(pl.lit(""))).write_csv(separator=";")
    (raw / "gemeenten.csv").write_bytes(text.encode("latin-1"))
    return 1, frame.height


def _link(link: pl.DataFrame, raw: Path) -> tuple[int, int]:
    """Write `koppeltabel.parquet`: BSN and RIN of everyone, in the order of BSN."""
    frame = link.select("RINPERSOONS", "RINPERSOON", BURGERSERVICENUMMER="bsn")
    frame.sort("BURGERSERVICENUMMER").write_parquet(raw / "koppeltabel.parquet")
    return 1, frame.height


def _mergers(dirtier: Dirtier, raw: Path) -> tuple[int, int]:
    """Write `herindelingen.csv`, where municipalities merged."""
    table = dirtier.mergers
    if table.is_empty():
        return 0, 0
    typed = table.select(OUD="old", NIEUW="new", DATUM="date")
    form = layout("herindelingen")
    write(encode(typed, form), form, raw / "herindelingen.csv", "csv")
    dirtier.note_mergers()
    return 1, table.height
