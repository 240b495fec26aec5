"""What a layout may say: the vocabulary of its TOML file, and the checks that it holds together."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolkit.errors import CallError, nearest
from toolkit.registers.layout import checks
from toolkit.registers.schema import TABLES

HERE = Path(__file__).parents[1] / "layouts"

FieldType = Literal[
    "rin_letter", "rin", "bsn", "client", "date", "code", "municipality", "integer", "number", "id",
    "text",
]  # fmt: skip
Certainty = Literal["found", "memory", "inferred"]
Severity = Literal["error", "set_aside", "warning"]
Format = Literal["fixed_width", "csv", "sav", "dta", "parquet"]
Unit = Literal[
    "programme", "provision", "person", "spell", "person_month", "wage_row", "reference", "link",
]  # fmt: skip
Period = Literal["year", "half_year", "month", "day", "none"]
Via = Literal["rows", "programmes", "provisions", "positions", "wage_rows"]

#: Columns the reader adds to the fields: rules and tables may use them.
GIVEN = ("person", "period_start", "period_end", "delivered_by")
#: Which of the persons of a record it is, from 0. Layouts with `persons` may use it as well.
PART = "_part"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(_Model):
    """One sentence in two languages."""

    nl: str
    en: str


class FieldSpec(_Model):
    """One field of a delivered record.

    Attributes
    ----------
    name : str
        Name in rules and tables; for CBS files the column as CBS writes it.
    label : str
        As the form prints it.
    aliases : tuple of str
        Other column names it is delivered under. Case is ignored everywhere.
    type : str
        `rin_letter` and `rin` together, or `bsn`, or `client` (a number in one's own
        administration, any text; hashed as a BSN is) name the person; `date` is `yyyymmdd`;
        `code` a code list; `municipality` a CBS number, read as `gm0000`; `id` the number of a job,
        employer, claim or household (digits); `number` has decimals; `text` is kept as it is.
    width : int or None
        Characters in a fixed-width record, and the length codes are padded to with zeros.
    codes : mapping or str
        Delivered code → name inside (`""`: known, but it says nothing), or the name of a list in
        `layouts/_codes.toml`.
    open, not_applicable, unknown : tuple of str
        Values that stand for "still runs", "does not apply" and "not known". An empty field is
        `unknown` unless it is listed under one of the others.
    partial : str
        A date with month or day 00: `reject` it, or take the `first` or `middle` day of what is
        known.
    written : str
        How dates stand in text: `yyyymmdd`, or with `-`, `/`, `.` or a blank between, as
        `dd-mm-yyyy`; leading zeros may be lost (`1-3-2009`). Listed values stand as delivered or
        as `yyyymmdd`.
    minimum, maximum : float or None
        Range of a number.
    required : bool
        A record without a valid value is rejected.
    on_invalid : str
        What a value outside its range or code list does: reject the record (`error`), or keep it
        with the value null and its status `invalid`, counted (`warning`).
    may_lack : bool
        The whole column may be absent from a delivery.
    certainty : str
        Whether name, place and codes were found in public text, or remembered, or inferred.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    type: FieldType
    label: str = ""
    aliases: tuple[str, ...] = ()
    width: int | None = Field(default=None, ge=1)
    codes: dict[str, str] | str = Field(default_factory=dict)
    open: tuple[str, ...] = ()
    not_applicable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    partial: Literal["reject", "first", "middle"] = "reject"
    written: str = "yyyymmdd"
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    on_invalid: Literal["error", "warning"] = "error"
    may_lack: bool = False
    certainty: Certainty = "found"

    @property
    def code_list(self) -> dict[str, str]:
        """Delivered code → name inside."""
        return code_lists()[self.codes] if isinstance(self.codes, str) else self.codes

    @model_validator(mode="after")
    def _codes_fit(self) -> FieldSpec:
        if isinstance(self.codes, str) and self.codes not in code_lists():
            hint = nearest(self.codes, code_lists())
            raise ValueError(
                f"there is no code list {self.codes!r}"
                + (f"; did you mean {hint!r}?" if hint else "")
            )
        if (self.type == "code") != bool(self.codes):
            raise ValueError("codes belong to fields of type 'code', and such a field needs them")
        if self.written != "yyyymmdd":
            parts = re.split(r"[-/. ]", self.written)
            if sorted(parts) != ["dd", "mm", "yyyy"] or len(self.written) != 10:
                raise ValueError("dates are written yyyymmdd, or in a way like dd-mm-yyyy")
            if self.type != "date" or self.partial != "reject":
                raise ValueError("'written' belongs to a date, and to one without a 'partial' rule")
        return self


class RuleSpec(_Model):
    """A rule between fields of one record, or between records of one person.

    Attributes
    ----------
    id : str
        Short and lasting: it stands in reports and beside rejected rows.
    check : str
        SQL over the fields of one record (`begin <= einde`); null passes. A field's state is
        `<field>__status`: valid, open, not_applicable, unknown or invalid.
    kind : str
        `record` (a `check`), or between the records of one person: `unique` (one record a
        `within`), `constant` (`field` does not change `within`, over deliveries), `no_overlap`
        (spells `start`–`end` `within`), `one_place` (not in two municipalities on one day).
    severity : str
        `error` rejects the record, `set_aside` leaves it out as no fault of anyone's, `warning`
        counts it.
    """

    id: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]+$")
    kind: Literal["record", "unique", "constant", "no_overlap", "one_place"] = "record"
    check: str | None = None
    within: tuple[str, ...] = ()
    field: str | None = None
    start: str | None = None
    end: str | None = None
    where: str | None = None
    severity: Severity = "error"
    nl: str
    en: str
    certainty: Certainty = "found"

    @model_validator(mode="after")
    def _complete(self) -> RuleSpec:
        needs = {
            "record": ("check",), "unique": ("within",), "constant": ("within", "field"),
            "no_overlap": ("within", "start", "end"), "one_place": ("field", "start", "end"),
        }[self.kind]  # fmt: skip
        for name in needs:
            if not getattr(self, name):
                raise ValueError(f"a rule of kind {self.kind!r} needs {name!r}")
        return self


class TableSpec(_Model):
    """Where the fields of a record go.

    Attributes
    ----------
    table : str
        A canonical table.
    via : str
        How records become rows: `rows` (one each, by `columns`), or a procedure of the toolkit:
        `programmes` (SRG 2010: one record a traject), `provisions` (SRG 2013 on), `positions`
        (positions at begin and end of a traject), `wage_rows` (wage rows to jobs).
    role : str
        `base` rows exist of themselves; `adds` only fill columns of rows that a base brings.
    columns : mapping
        Canonical column → SQL over the fields. `via` procedures name their own columns.
    where : str or None
        SQL: which records take part.
    key : tuple of str
        Columns that say two records are about the same thing: the latest delivery wins. None:
        the natural key of the table (`reconcile.NATURAL_KEY`).
    merge : bool
        Pieces of one spell cut at a period's end (equal but for the dates, one starting the day
        the other stops) are joined.
    covers : bool
        The periods of the files are the coverage of the table's source.
    series : str
        Layouts of one series follow each other in time (POLIS, then SPOLIS) and cover a source
        together; those of different series stand side by side, and a day is covered when all
        were delivered. Without it, the layout's name.
    """

    table: str
    via: Via = "rows"
    role: Literal["base", "adds"] = "base"
    columns: dict[str, str] = Field(default_factory=dict)
    where: str | None = None
    key: tuple[str, ...] | None = None
    merge: bool = False
    covers: bool = True
    series: str = ""

    @model_validator(mode="after")
    def _known(self) -> TableSpec:
        if self.table not in TABLES:
            hint = nearest(self.table, TABLES)
            raise ValueError(
                f"there is no canonical table {self.table!r}"
                + (f"; did you mean {hint!r}?" if hint else "")
            )
        if self.via == "rows":
            known = TABLES[self.table].columns()
            for name in (*self.columns, *(self.key or ())):
                if name not in known:
                    hint = nearest(name, known)
                    raise ValueError(
                        f"table {self.table!r} has no column {name!r}"
                        + (f"; did you mean {hint!r}?" if hint else "")
                    )
        return self


class Layout(_Model):
    """How one kind of file looks, and what its records mean.

    Attributes
    ----------
    name : str
        Name on the command line.
    title, about : Words
        What it is, in Dutch and English; `about` says what was inferred.
    reference : str
        Where the layout was found.
    formats : tuple of str
        In which forms it is delivered.
    files : tuple of str
        File names without extension, with `{year}`, `{half}`, `{month}`, `{day}`, `{municipality}`,
        `{version}` and `*` for anything; case is ignored.
    unit : str
        What one record is about.
    period : str
        The period one file is about.
    from_, until : str or None
        The periods (`2010-01`, last not included) for which the layout was in force.
    position_scheme : str or None
        The meaning of positions in it. Two schemes never meet without a crosswalk.
    separator, header, encoding, decimal_comma
        Of text files; encoding `auto` is UTF-8 where the bytes are, else Latin-1 (Windows-1252).
        With a decimal comma, points that mark thousands are read where a comma follows.
    priority : int
        Where two layouts fill the same column of the same row, the lower number wins.
    persons : tuple of mapping
        Records that hold two persons: for each, field name → delivered column. Each record then
        counts as one row and is read once for each person; `_part` says which, from 0.
    fields, rules, tables
        See `FieldSpec`, `RuleSpec`, `TableSpec`.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: Words
    about: Words
    reference: str
    certainty: Certainty = "found"
    formats: tuple[Format, ...] = Field(min_length=1)
    files: tuple[str, ...] = Field(min_length=1)
    unit: Unit
    period: Period
    from_: str | None = Field(default=None, alias="from")
    until: str | None = None
    position_scheme: Literal["reint2009", "pladder2013"] | None = None
    separator: str = Field(default=";", min_length=1, max_length=1)
    header: bool = True
    encoding: Literal["auto", "utf-8", "latin-1"] = "auto"
    decimal_comma: bool = False
    priority: int = 10
    persons: tuple[dict[str, str], ...] = ()
    fields: tuple[FieldSpec, ...] = Field(min_length=1)
    rules: tuple[RuleSpec, ...] = ()
    tables: tuple[TableSpec, ...] = ()

    @property
    def width(self) -> int:
        """Characters of a fixed-width record."""
        return sum(field.width or 0 for field in self.fields)

    @property
    def key_kind(self) -> Literal["rin", "bsn", "both", "client", "none"]:
        """By which key a record names its person."""
        types = {field.type for field in self.fields}
        if {"rin", "bsn"} <= types:
            return "both"
        for kind in ("rin", "bsn", "client"):
            if kind in types:
                return kind
        return "none"

    def field(self, name: str) -> FieldSpec:
        """Return a field by name."""
        for field in self.fields:
            if field.name == name:
                return field
        hint = nearest(name, [field.name for field in self.fields])
        raise CallError(
            f"Layout {self.name!r} has no field {name!r}",
            fix=f"did you mean {hint!r}?" if hint else "see `reintegratie layouts`",
        )

    @model_validator(mode="after")
    def _consistent(self) -> Layout:
        names = [field.name for field in self.fields]
        lowered = [name.lower() for name in names]
        for name in names:
            if lowered.count(name.lower()) > 1:
                raise ValueError(f"field {name!r} stands twice")
        if "fixed_width" in self.formats:
            for field in self.fields:
                if field.width is None:
                    raise ValueError(
                        f"field {field.name!r} needs a width: the layout is fixed width"
                    )
        types = [field.type for field in self.fields]
        if types.count("rin") != types.count("rin_letter"):
            raise ValueError("a RIN is a pair: fields of type 'rin_letter' and 'rin'")
        ids = [rule.id for rule in self.rules]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"rule {name!r} stands twice")
        known = {*names, *(f"{name}__status" for name in names), *GIVEN}
        if self.persons:
            known.add(PART)
        for rule in self.rules:
            used = {*rule.within, rule.field, rule.start, rule.end} - {None}
            used |= checks.names_in(rule.check) | checks.names_in(rule.where)
            checks.check_names(used, known, f"rule {rule.id!r}")
        for table in self.tables:
            used = set(checks.names_in(table.where))
            for sql in table.columns.values():
                used |= checks.names_in(sql)
            checks.check_names(used, known, f"table {table.table!r}")
            checks.check_filled(table)
        return self


@cache
def code_lists() -> dict[str, dict[str, str]]:
    """Return the shared code lists of `layouts/_codes.toml`: list → delivered code → name."""
    return {
        name: {code: word for code, word in found.items() if code != "about"}
        for name, found in tomllib.loads((HERE / "_codes.toml").read_text(encoding="utf-8")).items()
    }
