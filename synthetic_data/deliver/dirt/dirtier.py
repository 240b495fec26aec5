"""Puts errors into the sheets of a delivery, and keeps the ledger of them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data.deliver import keys
from synthetic_data.deliver.books import FIRST_SRG, LAST_YEAR
from synthetic_data.deliver.dirt import municipal, national
from synthetic_data.deliver.dirt.change import changed, inserted, unmarked
from synthetic_data.deliver.dirt.deliverers import draw_deliverers
from synthetic_data.deliver.sheet import Sheet, note

if TYPE_CHECKING:
    from synthetic_data.deliver.dirt.shares import Dirt
    from synthetic_data.deliver.ledger import Ledger
    from synthetic_data.deliver.periods import Period

#: Positions are required from 2009 on; weak ones lack more often (factor by position 1 … 6).
_POSITIONS_FROM = 2009
_WEAK = (1.8, 1.4, 1.0, 0.6, 0.4, 0.4)
_POSITION, _WHICH, _PLAN = 301, 302, 303
#: Errors that add a record beside the one they are made from.
_ADDED = ("duplicate", "two_municipalities")


class Dirtier:
    """Errors of one delivery; without dirt it changes nothing.

    Parameters
    ----------
    dirt : Dirt
    seed : int
    ledger : Ledger
        Written to.
    municipalities : pl.DataFrame
        Canonical.
    """

    def __init__(self, dirt: Dirt, seed: int, ledger: Ledger, municipalities: pl.DataFrame) -> None:
        self._shares: dict[str, float] = asdict(dirt)
        self._seed = seed
        self._ledger = ledger
        self._who = draw_deliverers(municipalities, dirt, seed=seed)
        self._plan = pl.DataFrame()

    @property
    def places(self) -> pl.Series:
        """Municipalities, in the order of their files."""
        return self._who.table["municipality"]

    @property
    def mergers(self) -> pl.DataFrame:
        """Return `old`, `new`, `date`."""
        return self._who.mergers

    def name(self, place: int, period: Period) -> str:
        """Return the file of a municipality (by number) and half-year."""
        delimited = self._who.table["delimited"][place]
        code = self.places[place][2:]
        return f"srg/{period.year}-{period.half}/SRG_{code}_{period.year}{period.half}_V1" + (
            ".csv" if delimited else ".txt"
        )

    def book(self, sheet: Sheet, period: Period, *, number: int, after: int = 0) -> Sheet:
        """Return (a part of) a national file with errors in it.

        `number` tells files apart; `after` is the number of records written before.
        """
        frame, wrong = national.spoiled(sheet, period, self._shares, seed=self._seed, number=number)
        if wrong.height:
            note(sheet.having(wrong.with_columns(pl.col("_row") + after)), self._ledger)
        return sheet.having(frame)

    def plan_programmes(self, programmes: pl.DataFrame) -> None:
        """Choose which programmes go wrong, how, and in which half-year."""
        halves = range(municipal.number_of(FIRST_SRG), 2 * LAST_YEAR + 2)
        self._plan = municipal.plan(
            programmes,
            self._shares,
            key=self._seed * 1_000 + _PLAN,
            first=halves[0],
            last=halves[-1],
            steady=self._who.steady(halves),
            delimited=self._who.table.filter("delimited")["municipality"].to_list(),
        )

    def half_year(self, sheet: Sheet, period: Period) -> Sheet:
        """Return the records of a half-year as they come in.

        Parameters
        ----------
        sheet : Sheet
            Records with `_file` (number of the municipality), `_person` and `_programme`.
        """
        number = municipal.number_of(period)
        frame = self._merge(unmarked(sheet.frame), period)
        gone = self._who.is_missing(number)
        if gone.any():
            frame = frame.filter(~gone.gather(frame["_file"]))
        frame = frame.join(
            self._plan.filter(pl.col("_at") == number).drop("_at"),
            on="_programme",
            how="left",
            maintain_order="left",
        )
        frame = self._spoil(frame, sheet, period)
        if period.year >= _POSITIONS_FROM and self._shares["no_position"] > 0:
            frame = self._without_positions(frame, number)
        spoiled = sheet.having(frame)
        note(spoiled, self._ledger)
        return spoiled

    def _merge(self, frame: pl.DataFrame, period: Period) -> pl.DataFrame:
        """Let records come from the municipality that the old one went up in."""
        done = self.mergers.filter(pl.col("date") <= period.start)
        if not done.height:
            return frame
        index = {code: number for number, code in enumerate(self.places)}
        old = [index[code] for code in done["old"]]
        new = [index[code] for code in done["new"]]
        moved = pl.col("_file").replace_strict(
            old, new, default=pl.col("_file"), return_dtype=pl.UInt32
        )
        bare = self.places.str.slice(2)
        return (
            frame.with_columns(_file=moved)
            .with_columns(
                gemeentecode=pl.when(pl.col("_file") != frame["_file"])
                .then(pl.lit(bare).gather(pl.col("_file")))
                .otherwise("gemeentecode")
            )
            .sort("_file", maintain_order=True)
        )

    def _spoil(self, frame: pl.DataFrame, sheet: Sheet, period: Period) -> pl.DataFrame:
        """Make the planned errors of a half-year."""
        if frame["_kind_planned"].null_count() == frame.height:
            return frame.drop("_kind_planned")
        there = frame["_file"].unique().sort()
        frame = frame.with_columns(
            _other_file=_next_of(there, frame["_file"]),
            _nobody=_nobody(frame["_person"], self._seed),
            _line=pl.lit(None, dtype=pl.String),
        )
        bare = self.places.str.slice(2)
        frame = frame.with_columns(_other=pl.lit(bare).gather("_other_file"))
        extra = []
        for kind, change in municipal.changes(sheet.layout, period).items():
            chosen = (frame["_kind_planned"] == kind).fill_null(value=False)
            if not chosen.any():
                continue
            if kind not in _ADDED:
                frame = changed(frame, kind, change, chosen)
                continue
            mine = frame.filter(chosen)
            copy = changed(mine, kind, change, pl.repeat(value=True, n=mine.height, eager=True))
            if kind == "two_municipalities":
                copy = copy.with_columns(_file="_other_file")
            extra.append(copy)
        if extra:
            frame = inserted(frame, pl.concat(extra))
        return frame.drop("_kind_planned", "_other", "_other_file", "_nobody")

    def _without_positions(self, frame: pl.DataFrame, number: int) -> pl.DataFrame:
        """Take positions away: more often weak ones, and in small municipalities."""
        begun = ~pl.col("begindatum_traject").is_in(["00000000", "99999999"])
        whole = pl.col("_kind").is_null() & begun & (pl.col("positie_begin") != "9")
        weak = (
            pl.col("positie_begin")
            .cast(pl.Int8, strict=False)
            .replace_strict(range(1, 7), _WEAK, default=1.0, return_dtype=pl.Float64)
        )
        fails = pl.lit(self._who.table["fails"]).gather("_file")
        programme = frame["_programme"].to_numpy() * 100 + number % 100
        draw = chance_of(programme, self._seed * 1_000 + _POSITION)
        first = chance_of(programme, self._seed * 1_000 + _WHICH) < 0.5
        frame = frame.with_columns(_draw=draw, _first=first)
        struck = whole & (pl.col("_draw") < self._shares["no_position"] * weak * fails)
        for field, mine in (
            ("positie_begin", pl.col("_first")),
            ("positie_einde", ~pl.col("_first")),
        ):
            filled = pl.col(field) != "9"
            chosen = frame.select((struck & mine & filled).fill_null(value=False)).to_series()
            frame = changed(frame, "no_position", municipal.without(field), chosen)
        return frame.drop("_draw", "_first")

    def receive(self, sheet: Sheet, period: Period, owing: pl.Series) -> dict[str, date]:
        """Return the day each file came in; missing and late ones go into the ledger.

        Parameters
        ----------
        owing : pl.Series of bool
            Which municipalities have anything to deliver at all.
        """
        number = municipal.number_of(period)
        gone, days = self._who.is_missing(number), self._who.days_after(number)
        merged = self.mergers.filter(pl.col("date") <= period.start)["old"].implode()
        filled = set(sheet.frame["_file"].unique())
        owing = (owing & ~self.places.is_in(merged)) | pl.int_range(len(owing), eager=True).is_in(
            sorted(filled)
        )
        received, rows = {}, []
        for place in owing.arg_true():
            file = sheet.files[place]
            if place not in filled:  # a file without records is a header, and so delimited
                file = file.removesuffix(".txt").removesuffix(".csv") + ".csv"
            if gone[place]:
                rows.append({"kind": "missing", "file": file, "outcome": "missing"})
                continue
            received[file] = period.end + timedelta(days=int(days[place]))
            if days[place] > 28:
                became = f"{received[file]:%Y%m%d}"
                rows.append({"kind": "late", "file": file, "outcome": "late", "became": became})
        if rows:
            self._ledger.add(pl.DataFrame(rows, infer_schema_length=None))
        return received

    def note_mergers(self) -> None:
        """Write the mergers in the ledger, by the records of the concordance."""
        self._ledger.add(
            self.mergers.select(
                kind=pl.lit("merged"),
                file=pl.lit("herindelingen.csv"),
                row=pl.int_range(1, pl.len() + 1),
                outcome=pl.lit("absorbed"),
                was="old",
                became="new",
            )
        )


def chance_of(numbers: np.ndarray, key: int) -> pl.Series:
    """Return a number in [0, 1) for each whole number."""
    return pl.Series(keys.chance(numbers, key))


def _next_of(there: pl.Series, place: pl.Series) -> pl.Series:
    """Return for each place the next one that is there, round and round."""
    found = np.searchsorted(there.to_numpy(), place.to_numpy(), side="right") % len(there)
    return there.gather(found.astype(np.uint32))


def _nobody(person: pl.Series, seed: int) -> pl.Series:
    """Return BSNs that no person has."""
    numbers = keys.MOST_PERSONS + person.to_numpy() % 9_000_000
    return keys.as_text(keys.bsn(numbers, seed=seed), 9)
