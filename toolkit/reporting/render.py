"""Binding chapters into one HTML page that needs nothing but itself."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import CallError
from toolkit.reporting.document import (
    Block,
    Chapter,
    Definitions,
    Figure,
    KeyFigure,
    Note,
    Table,
    Text,
)
from toolkit.reporting.files import read_table
from toolkit.reporting.labels import format_count, format_number, format_percent, label
from toolkit.reporting.language import Language, current_language, speak
from toolkit.reporting.tables import table_html

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def render_report(
    chapters: Sequence[Chapter],
    path: Path | str,
    *,
    title: str,
    subtitle: str = "",
    colophon: Mapping[str, str] | None = None,
    language: Language | None = None,
) -> Path:
    """Write chapters as one self-contained HTML page and return its path.

    Pictures and style are inside; the page asks nothing of the network and runs no script. Files
    behind figures and tables are linked where they are, relative to the page.

    Parameters
    ----------
    chapters : sequence of Chapter
        In order.
    path : Path
        The page.
    title, subtitle : str
        On top of the page.
    colophon : Mapping, optional
        Facts at the foot: source, period, definition, seed, versions.
    language : {"nl", "en"}, optional
        Language of the words around the chapters; without it the current one.

    Raises
    ------
    CallError
        No chapters, or two with one key.

    Examples
    --------
    >>> import tempfile
    >>> chapter = Chapter("exit", "Uitstroom", blocks=(Text("Een op de acht keert terug."),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = render_report([chapter], f"{folder}/report.html", title="Duurzame uitstroom")
    ...     "Een op de acht" in page.read_text(encoding="utf-8")
    True
    """
    from jinja2 import Environment, StrictUndefined

    keys = [chapter.key for chapter in chapters]
    if not keys:
        raise CallError("A report without chapters", fix="run at least one study first")
    if len(set(keys)) < len(keys):
        raise CallError(
            f"Two chapters share a key: {', '.join(keys)}", fix="give every study its own"
        )
    target = Path(path)
    folder = files("toolkit.reporting.templates")
    source, css = (
        folder.joinpath(name).read_text(encoding="utf-8")
        for name in ("report.html.j2", "report.css")
    )
    with speak(language or current_language()):
        environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        bound = [
            {
                "key": chapter.key,
                "title": chapter.title,
                "lead": chapter.lead,
                "sections": [
                    (anchor(chapter.key, words), words)
                    for block in chapter.blocks
                    for words in _headings(block)
                ],
                "blocks": [
                    _bind(block, target.parent, chapter.key, index)
                    for index, block in enumerate(chapter.blocks)
                ],
            }
            for chapter in chapters
        ]
        page = environment.from_string(source).render(
            language=current_language(), title=title, subtitle=subtitle, chapters=bound,
            colophon=dict(colophon or {}), css=css, label=label,
        )  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def _bind(block: Block, folder: Path, key: str, index: int) -> dict[str, Any]:
    """Return what the template needs of a block."""
    if isinstance(block, Text):
        return {"kind": "text", "html": paragraphs(block.body, key)}
    if isinstance(block, Note):
        return {"kind": "note", "title": block.title, "html": paragraphs(block.body, key)}
    if isinstance(block, Definitions):
        return {"kind": "definitions", "title": block.title, "items": block.items}
    if isinstance(block, Figure):
        return {"kind": "figure", "id": f"{key}-figure-{index}", **_bind_figure(block, folder)}
    if isinstance(block, Table):
        return {"kind": "table", **_bind_table(block, folder, f"{key}-table-{index}")}
    return {
        "kind": "key_figures",
        "title": block.title,
        "rows": [_bind_key(row) for row in block.rows],
    }


def _bind_figure(block: Figure, folder: Path) -> dict[str, Any]:
    record = block.files
    width, height = _size(record.png)
    return {
        "alt": record.alt, "width": width, "height": height,
        "png": _inline(record.png),
        "narrow": None if record.narrow is None else _inline(record.narrow),
        "links": _links(folder, record.csv, record.parquet),
    }  # fmt: skip


def _bind_table(block: Table, folder: Path, identifier: str) -> dict[str, Any]:
    html = table_html(
        read_table(block.files.parquet), number=block.number, title=block.title,
        columns=block.columns, formats=block.formats, group=block.group, note=block.note,
        styled=False, identifier=identifier,
    )  # fmt: skip
    return {"html": html, "links": _links(folder, block.files.csv, block.files.parquet)}


def _bind_key(row: KeyFigure) -> dict[str, Any]:
    """Return a key figure in words; the difference is taken before rounding."""

    def words(value: float | None) -> str:
        if row.unit == "share":
            return format_percent(value, row.digits)
        return format_number(value, row.digits)

    difference = ""
    if row.ours is not None and row.published is not None:
        gap = row.ours - row.published
        difference = (
            format_percent(gap, max(row.digits, 1), sign=True).removesuffix("%")
            if row.unit == "share"
            else format_number(gap, row.digits, sign=True)
        )
    interval = ""
    if row.low is not None and row.high is not None:
        interval = label(
            "number.interval", low=words(row.low).removesuffix("%"), high=words(row.high)
        )
    return {
        "label": row.label, "ours": words(row.ours), "interval": interval, "difference": difference,
        "published": "" if row.published is None else words(row.published),
        "n": "" if row.n is None else format_count(row.n),
        "denominator": row.denominator or "",
        "published_denominator": row.published_denominator or "", "source": row.source or "",
    }  # fmt: skip


def _inline(path: Path) -> str:
    return "data:image/png;base64," + b64encode(path.read_bytes()).decode("ascii")


def _size(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG from its header (bytes 16 to 24)."""
    head = path.read_bytes()[:24]
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _links(folder: Path, *paths: Path) -> list[tuple[str, str]]:
    """Return links relative to the page, with the file names."""
    return [(Path(os.path.relpath(path, folder)).as_posix(), path.name) for path in paths]


def _headings(block: Block) -> list[str]:
    """Return the headings inside a text block, for the contents."""
    if not isinstance(block, Text):
        return []
    lines = [line.strip() for line in block.body.splitlines()]
    return [line[3:] for line in lines if line.startswith("## ")]


def anchor(key: str, words: str) -> str:
    """Return a heading as the name of a place on the page; chapters may share headings.

    Examples
    --------
    >>> anchor("exit", "Wie keert terug?")
    'exit-wie-keert-terug'
    """
    place = re.sub(r"[^\w]+", "-", words.lower()).strip("-")
    return f"{key}-{place}"


def paragraphs(body: str, key: str) -> Any:
    """Return plain text as safe HTML: paragraphs, `## ` headings, `- ` lists, bold, italic.

    `key` is the chapter's: it goes before the names of headings.

    Examples
    --------
    >>> str(paragraphs("Een **vet** woord.", "exit"))
    '<p>Een <strong>vet</strong> woord.</p>'
    """
    from markupsafe import Markup

    parts = []
    for chunk in re.split(r"\n\s*\n", body.strip()):
        lines = [line.strip() for line in chunk.splitlines() if line.strip()]
        while lines and lines[0].startswith("## "):
            words = lines.pop(0)[3:]
            parts.append(
                f'<h3 id="{escape(anchor(key, words), quote=True)}">{_inline_marks(words)}</h3>'
            )
        if lines and all(line.startswith("- ") for line in lines):
            items = "".join(f"<li>{_inline_marks(line[2:])}</li>" for line in lines)
            parts.append(f"<ul>{items}</ul>")
        elif lines:
            parts.append(f"<p>{_inline_marks(' '.join(lines))}</p>")
    return Markup("\n".join(parts))  # noqa: S704 - every piece is escaped above


def _inline_marks(words: str) -> str:
    safe = escape(words, quote=False)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe)
    return re.sub(r"\*(\S(?:.*?\S)?)\*", r"<em>\1</em>", safe)
