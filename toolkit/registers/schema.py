"""The canonical tables: what a person, a benefit spell, a job, a programme and a position is.

Dates are days. A spell is `[start, end)`: `end` is the first day it no longer holds, null while it
runs at the end of its source's coverage. `person` is a surrogate integer.
"""

from __future__ import annotations

import dataframely as dy
import polars as pl

from toolkit.registers import codes


class _Spell(dy.Schema):
    """A row that holds over `[start, end)` for one person."""

    person = dy.Int64(nullable=False)
    start = dy.Date(nullable=False)
    end = dy.Date(nullable=True)

    @dy.rule()
    def end_after_start(cls) -> pl.Expr:  # noqa: N805 (dataframely calls it on the class)
        """End after start, or still running."""
        return cls.end.col.is_null() | (cls.end.col > cls.start.col)


class Persons(dy.Schema):
    """One row a person: what does not change. Origin as CBS had it then, null if not delivered."""

    person = dy.Int64(primary_key=True)
    sex = dy.Enum(codes.SEX, nullable=False)
    birth_month = dy.Date(nullable=False, resolution="1mo")
    origin = dy.Enum(codes.ORIGIN, nullable=True)
    education = dy.Enum(codes.EDUCATION, nullable=True)
    work_limited = dy.Bool(nullable=True)
    death_date = dy.Date(nullable=True)


class Residences(_Spell):
    """Where a person is registered; a hole between residences is a stay abroad."""

    municipality = dy.String(nullable=False)
    end_reason = dy.Enum(codes.RESIDENCE_END, nullable=True)


class Households(_Spell):
    """The household a person lives in; two partners share `household`."""

    household = dy.Int64(nullable=False)
    kind = dy.Enum(codes.HOUSEHOLD, nullable=False)
    children = dy.Int8(nullable=False, min=0)


class Benefits(_Spell):
    """Entitlement of a person under a scheme. Two partners on one claim share `claim`."""

    scheme = dy.Enum(codes.SCHEME, nullable=False)
    municipality = dy.String(nullable=True)
    claim = dy.Int64(nullable=False)
    role = dy.Enum(codes.CLAIM_ROLE, nullable=False)
    start_reason = dy.Enum(codes.BENEFIT_START, nullable=True)
    end_reason = dy.Enum(codes.BENEFIT_END, nullable=True)


class Registrations(_Spell):
    """Registered as an unemployed jobseeker at the employment office, on benefit or not."""


class Jobs(_Spell):
    """A job at one employer on unchanged terms. `hours` a week, `wage` in euro a month, gross."""

    job = dy.Int64(nullable=False)
    employer = dy.Int64(nullable=False)
    kind = dy.Enum(codes.JOB_KIND, nullable=False)
    contract = dy.Enum(codes.CONTRACT, nullable=True)
    hours = dy.Float32(nullable=True, min=0)
    wage = dy.Float32(nullable=True)


class Enrolments(_Spell):
    """Enrolled in full-time education."""

    level = dy.Enum(codes.ENROLMENT_LEVEL, nullable=False)


class Programmes(dy.Schema):
    """A programme offered to a person. `start` is null where the offer was never taken up.

    `instrument` and `aim` are null where the delivery does not say: SRG 2010 knows a traject, and
    of its provisions only the wage subsidy and the participation placement.
    """

    person = dy.Int64(nullable=False)
    programme = dy.Int64(nullable=False)
    municipality = dy.String(nullable=True)
    instrument = dy.Enum(codes.INSTRUMENT, nullable=True)
    aim = dy.Enum(codes.AIM, nullable=True)
    target_group = dy.Enum(codes.TARGET_GROUP, nullable=False)
    offer = dy.Date(nullable=False)
    start = dy.Date(nullable=True)
    end = dy.Date(nullable=True)
    end_reason = dy.Enum(codes.PROGRAMME_END, nullable=True)

    @dy.rule()
    def start_not_before_offer(cls) -> pl.Expr:  # noqa: N805
        """Start on or after the offer."""
        return cls.start.col.is_null() | (cls.start.col >= cls.offer.col)

    @dy.rule()
    def end_after_start(cls) -> pl.Expr:  # noqa: N805
        """End after start; no end without a start."""
        return cls.end.col.is_null() | (cls.end.col > cls.start.col).fill_null(value=False)


class Positions(dy.Schema):
    """Distance to work from `date` on. Schemes share digits but not meaning."""

    person = dy.Int64(nullable=False)
    date = dy.Date(nullable=False)
    position = dy.Int8(nullable=False, min=1, max=6)
    scheme = dy.Enum(codes.POSITION_SCHEME, nullable=False)


class Municipalities(dy.Schema):
    """A municipality: CBS code `gm0000`, name, labour-market region and size."""

    municipality = dy.String(primary_key=True)
    name = dy.String(nullable=False)
    region = dy.Int16(nullable=False)
    population = dy.Int32(nullable=False, min=0)
    size_class = dy.Enum(codes.SIZE_CLASS, nullable=False)


class Coverage(dy.Schema):
    """The period `[start, end)` over which a source was delivered. Outside it nothing is known."""

    source = dy.Enum(codes.SOURCE, primary_key=True)
    start = dy.Date(nullable=False)
    end = dy.Date(nullable=False)

    @dy.rule()
    def end_after_start(cls) -> pl.Expr:  # noqa: N805
        """End after start."""
        return cls.end.col > cls.start.col


#: Tables cut by person, in the order they are written.
PERSON_TABLES: dict[str, type[dy.Schema]] = {
    "persons": Persons,
    "residences": Residences,
    "households": Households,
    "benefits": Benefits,
    "registrations": Registrations,
    "jobs": Jobs,
    "enrolments": Enrolments,
    "programmes": Programmes,
    "positions": Positions,
}
#: Small tables kept whole.
REFERENCE_TABLES: dict[str, type[dy.Schema]] = {
    "municipalities": Municipalities,
    "coverage": Coverage,
}
TABLES: dict[str, type[dy.Schema]] = PERSON_TABLES | REFERENCE_TABLES

#: What a table is sorted by within a partition.
SORTED_BY: dict[str, tuple[str, ...]] = {
    "persons": ("person",),
    "programmes": ("person", "offer", "programme"),
    "positions": ("person", "date"),
    "jobs": ("person", "start", "job"),
    "benefits": ("person", "start", "scheme"),
}


def sort_key(table: str) -> tuple[str, ...]:
    """Return the columns a person table is sorted by."""
    return SORTED_BY.get(table, ("person", "start"))


def dtypes(table: str) -> dict[str, pl.DataType]:
    """Return column → polars type of a table."""
    return {name: column.dtype for name, column in TABLES[table].columns().items()}


def empty(table: str) -> pl.DataFrame:
    """Return the table without rows, with its types."""
    return pl.DataFrame(schema=dtypes(table))
