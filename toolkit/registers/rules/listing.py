"""The rules a record must keep by itself: what each is called, says and does.

Every field has rules of its own (stage 1: is it there, is it a date, a code, a number in range);
a layout adds those between fields (stage 2). `check_records` evaluates them all at once.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toolkit.errors import InputError

if TYPE_CHECKING:
    from toolkit.registers.layout import FieldSpec, FieldType, Format, Layout, Severity

#: What an invalid value of a type breaks; keys have rules of their own.
KIND: dict[FieldType, str] = {
    "date": "DATE", "code": "CODE", "municipality": "MUNICIPALITY", "integer": "NUMBER",
    "number": "NUMBER", "id": "NUMBER", "text": "TEXT",
}  # fmt: skip
#: What keeps a record from being cut into fields, and in which forms that can be.
RECORD_RULES: dict[str, tuple[Format, ...]] = {
    "WIDTH": ("fixed_width",), "FIELDS": ("csv",), "ENCODING": ("fixed_width", "csv"),
}  # fmt: skip
KEY_RULES = {
    "none": (),
    "rin": ("KEY-RIN", "KEY-ZERO", "KEY-LETTER", "KEY-POPULATION"),
    "bsn": ("KEY-BSN", "KEY-UNLINKED", "KEY-POPULATION"),
    "client": ("KEY-CLIENT", "KEY-UNLINKED", "KEY-POPULATION"),
    "both": ("KEY-RIN", "KEY-ZERO", "KEY-LETTER", "KEY-BSN", "KEY-UNLINKED", "KEY-POPULATION"),
}


@dataclass(frozen=True)
class Rule:
    """A rule, as reports and rejected records name it.

    Attributes
    ----------
    id : str
        Lasting: `<LAYOUT>-<FIELD>-<KIND>`, `<LAYOUT>-WIDTH`, `KEY-…`, or as the layout says.
    layout : str
        Name of the layout.
    field : str or None
        The field it is about, where it is one.
    stage : {1, 2}
        1: a field or key by itself; 2: relations, within a record or between records.
    severity : str
        `error` rejects, `set_aside` leaves out as no fault of anyone's, `warning` only counts.
    nl, en : str
        What is wrong, in a sentence.
    """

    id: str
    layout: str
    field: str | None
    stage: Literal[1, 2]
    severity: Severity
    nl: str
    en: str


@cache
def sentences() -> dict[str, dict[str, Any]]:
    """Return `sentences.toml`: group → rule → words."""
    file = Path(__file__).with_name("sentences.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def rule_id(layout: Layout, kind: str, field: str | None = None) -> str:
    """Return the id of an automatic rule."""
    parts = (layout.name, *([field] if field else []), kind)
    return "-".join(part.upper().replace("_", "-") for part in parts)


def rules_of(layout: Layout) -> list[Rule]:
    """Return all rules of a layout: those of records, keys and fields, then its own.

    Raises
    ------
    InputError
        When a rule of the layout has the id of an automatic one.

    Examples
    --------
    >>> from toolkit.registers.layout import layout
    >>> [rule.id for rule in rules_of(layout("srg_2010"))][0]
    'SRG-2010-WIDTH'
    """
    said = sentences()
    found = [
        _said(layout, rule_id(layout, kind), words, width=layout.width)
        for kind, words in said["record"].items()
        if set(RECORD_RULES[kind]) & set(layout.formats)
    ]
    found += [_said(layout, key, said["key"][key]) for key in KEY_RULES[layout.key_kind]]
    if layout.key_kind in {"rin", "both"}:
        found += [_said(layout, key, words) for key, words in said["letter"].items()]
    for field in layout.fields:
        for kind, severity in field_rules(field):
            bounds = {"minimum": _bound(field.minimum), "maximum": _bound(field.maximum)}
            found.append(
                _said(
                    layout,
                    rule_id(layout, kind, field.name),
                    said["field"][kind] | {"severity": severity, "field": field.name},
                    label=field.label or field.name,
                    width=field.width,
                    written=(date_words(field.written, "nl"), date_words(field.written, "en")),
                    **bounds,
                )
            )
    automatic = {rule.id for rule in found}
    for own in layout.rules:
        if own.id in automatic:
            raise InputError(
                f"Rule {own.id!r} has the name of one that every layout has",
                where=f"layout {layout.name!r}",
                fix="give it another id",
            )
        field_name = own.field if own.kind == "constant" else None
        found.append(
            Rule(own.id, layout.name, field_name, 2, own.severity, own.nl.strip(), own.en.strip())
        )
    return found


def field_rules(field: FieldSpec) -> list[tuple[str, Severity]]:
    """Return the kinds of rules of a field, with their severity. Keys have theirs apart."""
    if field.type not in KIND:
        return []
    severity: Severity = "error" if field.required else field.on_invalid
    found: list[tuple[str, Severity]] = [("REQUIRED", "error")] if field.required else []
    if field.type != "text" or field.width is not None:
        found.append((KIND[field.type], severity))
    if KIND[field.type] == "NUMBER" and not (field.minimum is None and field.maximum is None):
        found.append(("RANGE", severity))
    return found


def date_words(written: str, language: Literal["nl", "en"]) -> str:
    """Return how dates are written in words: `eejjmmdd`, `dd-mm-jjjj` in Dutch.

    Examples
    --------
    >>> date_words("dd-mm-yyyy", "nl")
    'dd-mm-jjjj'
    """
    if language == "en":
        return written
    return "eejjmmdd" if written == "yyyymmdd" else written.replace("yyyy", "jjjj")


def _said(
    layout: Layout,
    name: str,
    words: dict[str, Any],
    *,
    written: tuple[str, str] = ("", ""),
    **facts: object,
) -> Rule:
    return Rule(
        id=name,
        layout=layout.name,
        field=words.get("field"),
        stage=1,
        severity=words["severity"],
        nl=words["nl"].format(**facts, written=written[0]),
        en=words["en"].format(**facts, written=written[1]),
    )


def _bound(value: float | None) -> str:
    return "…" if value is None else f"{value:g}"
