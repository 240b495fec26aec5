"""Layouts in words: what `reintegratie layouts` lists and explains, in Dutch or English."""

from __future__ import annotations

import textwrap
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from toolkit.errors import check_option
from toolkit.registers.layout import built_in
from toolkit.registers.rules import rules_of
from toolkit.registers.rules.listing import date_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.registers.layout import FieldSpec, Layout, TableSpec

Language = Literal["nl", "en"]
_WIDTH = 96
#: A longer list of codes is cut there.
_MOST_CODES = 40


def listed(layouts: Mapping[str, Layout], language: Language = "nl") -> str:
    """Return one line a layout: name, unit, period, forms and title.

    Parameters
    ----------
    layouts : mapping of str to Layout
        As `toolkit.registers.layout.layouts` gives them. One that is not built in is marked.
    language : {"nl", "en"}

    Examples
    --------
    >>> from toolkit.registers.layout import built_in
    >>> print(listed({"srg_2010": built_in()["srg_2010"]}, "en").splitlines()[2])
    srg_2010  programme  half-year  Statistics on re-integration by municipalities, form of 2010
    """
    say = _words(language)
    shipped = built_in()
    rows = [(say["name"], say["unit"], say["period"], say["title"])]
    for name, layout in sorted(layouts.items()):
        own = "" if shipped.get(name) == layout else f" ({say['own']})"
        period = say["periods"][layout.period].split(":")[0]
        title = getattr(layout.title, language) + own
        rows.append((name, say["units"][layout.unit], period, title))
    return "\n".join([*_table(rows, rule=True), "", *_wrapped(say["more"])])


def explained(layout: Layout, language: Language = "nl") -> str:
    """Return what a layout is: facts, fields, rules, where each field goes, what is not certain.

    Parameters
    ----------
    layout : Layout
    language : {"nl", "en"}

    Examples
    --------
    >>> from toolkit.registers.layout import layout
    >>> print(explained(layout("cbs_gbaoverlijdentab"), "en").splitlines()[0])
    cbs_gbaoverlijdentab: Deaths
    """
    say = _words(language)
    title, about = getattr(layout.title, language), getattr(layout.about, language)
    parts = [
        [f"{layout.name}: {title}", "", *_wrapped(about)],
        _table(list(_facts(layout, say))),
        [say["fields"], *_fields(layout, say, language)],
        [*_wrapped(f"{say['rules']} ({say['rules_says']})"), *_rules(layout, say, language)],
        [say["tables"], *_tables(layout, say)],
        [say["inferred"], *_uncertain(layout, say)],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


@cache
def _words(language: Language) -> dict[str, Any]:
    check_option("language", language, get_args(Language))
    text = Path(__file__).with_name("explain.toml").read_text(encoding="utf-8")
    words: dict[str, Any] = tomllib.loads(text)[language]
    return words


def _facts(layout: Layout, say: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield say["reference"], layout.reference
    yield say["certainty"], say["certainties"][layout.certainty]
    yield say["unit"], say["units"][layout.unit]
    yield say["key"], say["keys"][layout.key_kind]
    yield say["period"], say["periods"][layout.period]
    limits = [
        f"{say[word]} {month}"
        for word, month in (("from", layout.from_), ("until", layout.until))
        if month
    ]
    yield say["in_force"], " ".join(limits) or say["always"]
    yield say["files"], "  ".join(layout.files)
    yield say["formats"], ", ".join(layout.formats)
    if "fixed_width" in layout.formats:
        yield say["width"], f"{layout.width} {say['characters']}"
    if "csv" in layout.formats:
        separator = say["tab"] if layout.separator == "\t" else repr(layout.separator)
        text = [
            f"{say['separator']} {separator}",
            say["header" if layout.header else "no_header"],
            f"{say['encoding']} {layout.encoding}",
            *([say["comma"]] if layout.decimal_comma else []),
        ]
        yield say["text"], ", ".join(text)
    if layout.position_scheme:
        yield say["scheme"], layout.position_scheme
    yield say["priority"], f"{layout.priority} ({say['priority_says']})"
    if layout.persons:
        yield say["persons"], str(len(layout.persons))
        for number, person in enumerate(layout.persons, 1):
            if person:
                columns = ", ".join(person.values())
                yield "", say["persons_says"].format(number=number, columns=columns)


def _fields(layout: Layout, say: dict[str, Any], language: Language) -> Iterator[str]:
    """Two or more lines a field: name, place, type; then label, codes and values for no value."""
    fixed = "fixed_width" in layout.formats
    rows, notes, place = [], [], 1
    for field in layout.fields:
        width = field.width or 0
        where = ""
        if fixed:
            where = str(place) if width == 1 else f"{place}–{place + width - 1}"
        elif width:
            where = f"({width})"
        place += width
        kind = say["types"][field.type]
        if field.type == "date":
            kind = f"{kind} {date_words(field.written, language)}"
        rows.append((field.name, where, kind, _marks(field, say)))
        notes.append(list(_notes(field, say)))
    for line, said in zip(_table(rows), notes, strict=True):
        yield line
        yield from (found for note in said for found in _wrapped(note, indent=6))


def _marks(field: FieldSpec, say: dict[str, Any]) -> str:
    marks = [say[word] for word in ("required", "may_lack") if getattr(field, word)]
    if field.certainty != "found":
        marks.append(say["certainties"][field.certainty])
    return ", ".join(marks)


def _notes(field: FieldSpec, say: dict[str, Any]) -> Iterator[str]:
    if field.label and field.label.lower().replace(" ", "_") != field.name.lower():
        yield field.label
    if field.aliases:
        yield f"{say['aliases']}: {', '.join(field.aliases)}"
    if field.code_list:
        codes = [f"{code} = {word or say['nothing']}" for code, word in field.code_list.items()]
        cut = [*codes[:_MOST_CODES], "…"] if len(codes) > _MOST_CODES else codes
        yield f"{say['codes']}: {', '.join(cut)}"
    if field.minimum is not None or field.maximum is not None:
        low, high = ("…" if v is None else f"{v:g}" for v in (field.minimum, field.maximum))
        yield f"{say['range']}: {low}–{high}"
    for state in ("open", "not_applicable", "unknown"):
        listed = getattr(field, state)
        if listed:
            yield f"{say[state]}: {', '.join(value or say['empty'] for value in listed)}"
    if field.type == "date" and field.partial != "reject":
        yield f"{say['partial']}: {say['partials'][field.partial]}"
    if field.on_invalid == "warning" and not field.required:
        yield say["invalid_kept"]


def _rules(layout: Layout, say: dict[str, Any], language: Language) -> list[str]:
    """Severity, sentence and id of each rule: first the layout's own."""
    own = {rule.id for rule in layout.rules}
    found = sorted(rules_of(layout), key=lambda rule: rule.id not in own)
    return _table(
        [
            (say["severities"][rule.severity], f"{getattr(rule, language)} [{rule.id}]")
            for rule in found
        ]
    )


def _tables(layout: Layout, say: dict[str, Any]) -> Iterator[str]:
    if not layout.tables:
        yield f"  {say['no_tables']}"
    for table in layout.tables:
        yield from _wrapped(_heading(table, say), indent=2)
        yield from _table([(name, f"← {sql}") for name, sql in table.columns.items()], indent=4)


def _heading(table: TableSpec, say: dict[str, Any]) -> str:
    said = f"{say['adds']} {table.table}" if table.role == "adds" else table.table
    notes = [say["vias"][table.via]]
    if table.key:
        notes.append(f"{say['one']} {', '.join(table.key)}")
    if table.where:
        notes.append(f"{say['when']} {table.where}")
    return f"{said} ({'; '.join(notes)})"


def _uncertain(layout: Layout, say: dict[str, Any]) -> list[str]:
    found: dict[str, list[str]] = {}
    if layout.certainty != "found":
        found.setdefault(layout.certainty, []).append(say["whole"])
    for field in layout.fields:
        if field.certainty != "found":
            found.setdefault(field.certainty, []).append(field.name)
    for rule in layout.rules:
        if rule.certainty != "found":
            found.setdefault(rule.certainty, []).append(rule.id)
    if not found:
        return [f"  {say['nothing_inferred']}"]
    return [
        line
        for certainty, names in found.items()
        for line in _wrapped(f"{say['certainties'][certainty]}: {', '.join(names)}", indent=2)
    ]


def _table(rows: Sequence[tuple[str, ...]], *, indent: int = 2, rule: bool = False) -> list[str]:
    """Return rows with columns below each other; the last one wraps. `rule`: row 1 is a header."""
    if not rows:
        return []
    indent = 0 if rule else indent
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    lines = []
    for number, row in enumerate(rows):
        lead = " " * indent + "".join(
            f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False)
        )
        lines.append(_hung(lead, row[-1]))
        if rule and number == 0:
            lines.append("-" * min(_WIDTH, len(lead) + max(len(one[-1]) for one in rows)))
    return lines


def _hung(lead: str, text: str) -> str:
    room = max(_WIDTH - len(lead), 30)
    wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return ("\n" + " " * len(lead)).join([lead + wrapped[0], *wrapped[1:]]).rstrip()


def _wrapped(text: str, *, indent: int = 0) -> list[str]:
    pad = " " * indent
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=pad,
        subsequent_indent=pad,
        break_long_words=False,
        break_on_hyphens=False,
    )
