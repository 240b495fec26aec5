"""Person × month: what each person is in each calendar month, and null where nobody knows.

A state holds in a month when it holds on any day of it; being dead, abroad or of pension age when
it holds on the last day. Of several the first in this order counts: dead, emigrated, pension,
work_and_benefit, work, subsidised_work (no job of another kind), wwb (with IOAW, IOAZ, Bbz and
WIJ), ww, disability (with sickness), nug, student, other.

Spells become months through a table of changes (+1 where one begins, −1 where it ends) that is
added up along each person's row: no join, no row for each day, memory bounded by the block of
persons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import OutsideCoverageError
from toolkit.trajectories.benefits import coverage_of, one_of
from toolkit.trajectories.calendar import Window, month_index, month_start
from toolkit.trajectories.days import OPEN, months, numbers
from toolkit.trajectories.definition import Definition
from toolkit.trajectories.destinations import enum_of
from toolkit.trajectories.keys import SHIFT
from toolkit.trajectories.work import work_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray

    BoolArray = NDArray[np.bool_]

STATES = (
    "work", "work_and_benefit", "subsidised_work", "wwb", "ww", "disability", "nug", "student",
    "other", "emigrated", "dead", "pension",
)  # fmt: skip
STATE_TYPE = pl.Enum(STATES)
_GROUPS = {
    "wwb": ("wwb", "ioaw", "ioaz", "bbz", "wij"),
    "ww": ("ww",),
    "disability": ("disability", "sickness"),
}
_SUBSIDISED = ("subsidised", "sheltered", "legacy_subsidised")
#: Persons worked on at a time; a block of 156 months takes some 50 MB.
_BLOCK = 20_000


def monthly_panel(
    register: Register,
    *,
    window: Window | str | tuple[date | str, date | str],
    persons: Any = None,
    definition: Definition | None = None,
    pension_age: int = 65,
) -> pl.DataFrame:
    """Make the panel of persons by calendar month.

    Parameters
    ----------
    register : Register
    window : Window, text or pair of dates
        Every month it touches is a row.
    persons : sequence of int, optional
        Persons to keep; all of `register.persons` when not given.
    definition : Definition, optional
        What counts as work (kinds, contracts, hours).
    pension_age : int
        Years; pension begins in the month it is reached.

    Returns
    -------
    pl.DataFrame
        Sorted by person and month: person, month (first day), state (null unless all sources the
        register has cover the month), in_work, on_benefit (any scheme), in_programme (null where
        their own source does not cover the month, or the person is dead, abroad or lost), observed
        (state known and the person there). 14 bytes a row.

    Raises
    ------
    OutsideCoverageError
        When no month of the window is covered by benefits and jobs.

    See Also
    --------
    panel_parts : the same partition by partition, for a register larger than memory.
    """
    parts = list(
        panel_parts(
            register,
            window=window,
            persons=persons,
            definition=definition,
            pension_age=pension_age,
        )
    )
    return pl.concat(parts, rechunk=False) if parts else _empty()


def panel_parts(
    register: Register,
    *,
    window: Window | str | tuple[date | str, date | str],
    persons: Any = None,
    definition: Definition | None = None,
    pension_age: int = 65,
) -> Iterator[pl.DataFrame]:
    """Make the panel block by block of persons; see `monthly_panel`."""
    period = Window.of(window)
    covered = {
        source: coverage_of(register, source)
        for source in (
            "benefits", "jobs", "registrations", "enrolments", "residences", "persons",
            "programmes",
        )
    }  # fmt: skip
    grid = _Grid(month_index(period.start), period.months)
    if not (grid.covered(covered["benefits"]) & grid.covered(covered["jobs"])).any():
        raise OutsideCoverageError(
            f"No month of {period} is covered by benefits and jobs",
            where=", ".join(f"{name}: {covered[name]}" for name in ("benefits", "jobs")),
            fix="choose a window inside both",
        )
    chosen = None if persons is None else pl.Series("person", persons, dtype=pl.Int64).unique()
    counted = definition or Definition(name="panel")
    for index in range(len(register.partitions)):
        part = register.part(index) if len(register.partitions) > 1 else register
        tables = _tables(part, counted, chosen, pension_age)
        everyone = tables.people["person"].to_numpy()
        for low in range(0, len(everyone), _BLOCK):
            yield _block(
                tables, everyone[low : low + _BLOCK], slice(low, low + _BLOCK), grid, covered
            )


@dataclass(frozen=True)
class _Tables:
    """Spells of one partition, each kind sorted by person: `(person, start, end)` as numbers."""

    people: pl.DataFrame
    spells: Mapping[str, tuple[IntArray, IntArray, IntArray]]


def _tables(
    part: Register, definition: Definition, chosen: pl.Series | None, pension_age: int
) -> _Tables:
    def kept(frame: pl.LazyFrame) -> pl.LazyFrame:
        return (
            frame
            if chosen is None
            else frame.join(chosen.to_frame().lazy(), on="person", how="semi")
        )

    def numbered(frame: pl.LazyFrame) -> tuple[IntArray, IntArray, IntArray]:
        rows = kept(frame.select("person", "start", "end")).collect()
        if not rows["person"].is_sorted():
            rows = rows.sort("person", maintain_order=True)
        person = rows["person"].cast(pl.Int64).to_numpy()
        return person, numbers(rows["start"]), numbers(rows["end"], open_end=True)

    people = (
        kept(part.persons.select("person", "death_date", "birth_month"))
        .unique("person", keep="first")
        .collect()
        .sort("person")
        .with_columns(
            died=month_index(pl.col("death_date")),
            pension=month_index(pl.col("birth_month")) + 12 * pension_age,
        )
    )
    work = work_spans(part, definition)
    mask = (1 << SHIFT) - 1
    homes = kept(part.residences.select("person", "start", "end", "end_reason")).collect()
    back = pl.col("start").shift(-1).over("person")
    unknown = (
        pl.when(back.is_null())
        .then((pl.col("end_reason") != "emigrated").fill_null(value=True))
        .otherwise(
            (pl.col("end_reason") == "moved").fill_null(value=False) & (back > pl.col("end"))
        )
    )
    gone = (
        homes.sort("person", "start")
        .with_columns(_back=back, _lost=unknown)
        .filter("_lost", pl.col("end").is_not_null())
    )
    subsidised = one_of("kind", _SUBSIDISED)
    regular = one_of("kind", definition.work_kinds) & ~subsidised
    spells = {
        "work": (work.start >> SHIFT, work.start & mask, work.end & mask),
        "other_work": numbered(part.jobs.filter(regular)),
        "subsidised": numbered(part.jobs.filter(subsidised)),
        "benefit": numbered(part.benefits),
        **{
            name: numbered(part.benefits.filter(one_of("scheme", schemes)))
            for name, schemes in _GROUPS.items()
        },
        "registered": numbered(part.registrations),
        "enrolled": numbered(part.enrolments),
        "home": numbered(part.residences),
        "lost": (
            gone["person"].to_numpy(), numbers(gone["end"]), numbers(gone["_back"], open_end=True)
        ),
        "programme": numbered(part.programmes.filter(pl.col("start").is_not_null())),
    }  # fmt: skip
    return _Tables(people, spells)


@dataclass(frozen=True)
class _Grid:
    """Months `first` to `first + length − 1`."""

    first: int
    length: int

    def covered(self, source: tuple[date, date] | None) -> BoolArray:
        """Return which months a source covers whole."""
        month = np.arange(self.first, self.first + self.length)
        if source is None:
            return np.zeros(self.length, bool)
        begin = month_index(source[0]) + (1 if source[0].day > 1 else 0)
        return (month >= begin) & (month < month_index(source[1]))

    def fill(
        self,
        spells: tuple[IntArray, IntArray, IntArray],
        people: IntArray,
        *,
        at_end: bool = False,
    ) -> BoolArray:
        """Return where a spell holds in a month (or on its last day): persons × months."""
        person, start, end = spells
        low, high = np.searchsorted(person, [people[0], people[-1] + 1])
        person, start, end = person[low:high], start[low:high], end[low:high]
        row = np.minimum(np.searchsorted(people, person), len(people) - 1)
        until = (
            months(end)
            if at_end
            else np.where(end >= OPEN, OPEN, months(np.minimum(end, OPEN) - 1) + 1)
        )
        left = np.clip(months(start) - self.first, 0, self.length)
        right = np.clip(until - self.first, 0, self.length)
        keep = (people[row] == person) & (right > left)
        width = self.length + 1
        size = len(people) * width
        change = np.bincount(row[keep] * width + left[keep], minlength=size)
        change -= np.bincount(row[keep] * width + right[keep], minlength=size)
        held: BoolArray = np.cumsum(change.reshape(-1, width), axis=1)[:, :-1] > 0
        return held


def _block(
    tables: _Tables,
    people: IntArray,
    rows: slice,
    grid: _Grid,
    covered: Mapping[str, tuple[date, date] | None],
) -> pl.DataFrame:
    held = {
        name: grid.fill(spells, people)
        for name, spells in tables.spells.items()
        if name not in {"home", "lost"}
    }
    month = np.arange(grid.first, grid.first + grid.length)
    dead = month >= _month_column(tables.people["died"][rows])[:, None]
    pension = month >= _month_column(tables.people["pension"][rows])[:, None]
    abroad, lost = _away(tables, people, grid, covered["residences"])
    known = np.ones(grid.length, bool)
    for source in ("benefits", "jobs", "registrations", "enrolments", "residences", "persons"):
        if covered[source] is not None or source in {"benefits", "jobs"}:
            known &= grid.covered(covered[source])

    benefit = held["benefit"]
    code = np.full(dead.shape, STATES.index("other"), np.uint8)
    for name, where in (
        ("student", held["enrolled"]),
        ("nug", held["registered"] & ~benefit),
        ("disability", held["disability"]),
        ("ww", held["ww"]),
        ("wwb", held["wwb"]),
        ("subsidised_work", held["subsidised"]),
        ("work", held["other_work"] & held["work"] & ~benefit),
        ("work_and_benefit", held["other_work"] & held["work"] & benefit),
        ("pension", pension),
    ):
        code[where] = STATES.index(name)
    null = len(STATES)
    code[lost] = null
    code[abroad] = STATES.index("emigrated")
    code[dead] = STATES.index("dead")
    code[:, ~known] = null  # the dead too: else they would be all that is seen
    there = ~(dead | abroad | lost)

    def flag(name: str, source: str) -> pl.Series:
        seen = there & grid.covered(covered[source])
        yes = held.get(name, np.zeros(dead.shape, bool))
        return pl.select(pl.when(pl.Series(seen.ravel())).then(pl.Series(yes.ravel()))).to_series()

    starts = pl.Series([month_start(int(index)) for index in month], dtype=pl.Date)
    return pl.DataFrame(
        {
            "person": np.repeat(people, grid.length),
            "month": starts[np.tile(np.arange(grid.length), len(people))],
            "state": enum_of(code.ravel(), STATE_TYPE),
            "in_work": flag("work", "jobs"),
            "on_benefit": flag("benefit", "benefits"),
            "in_programme": flag("programme", "programmes"),
            "observed": (there & known).ravel(),
        }
    )


def _month_column(index: pl.Series) -> IntArray:
    """Month numbers, past every month where there is none."""
    out: IntArray = index.cast(pl.Int64).fill_null(OPEN).to_numpy()
    return out


def _away(
    tables: _Tables, people: IntArray, grid: _Grid, covered: tuple[date, date] | None
) -> tuple[BoolArray, BoolArray]:
    """Return who is abroad, and who is lost, on the last day of each month."""
    nobody = np.zeros((len(people), grid.length), bool)
    if covered is None:
        return nobody, nobody
    spells = tables.spells["home"]
    has_any = np.isin(people, spells[0])
    out = ~grid.fill(spells, people, at_end=True) & has_any[:, None] & grid.covered(covered)
    lost = out & grid.fill(tables.spells["lost"], people, at_end=True)
    return out & ~lost, lost


def _empty() -> pl.DataFrame:
    flags = dict.fromkeys(("in_work", "on_benefit", "in_programme", "observed"), pl.Boolean)
    return pl.DataFrame(schema={"person": pl.Int64, "month": pl.Date, "state": STATE_TYPE, **flags})
