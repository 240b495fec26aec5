"""Single pages, one a recipient: self-contained HTML that prints on a sheet or two."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import CallError
from toolkit.reporting.document import Note, Text
from toolkit.reporting.language import Language, current_language, speak
from toolkit.reporting.render import paragraphs

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Lines:
    """A small table whose cells are words already.

    Attributes
    ----------
    title : str
        Above the table.
    head : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        As many cells each as there are names.
    right : tuple of int
        Columns to set right: numbers.
    note : str or None
        Under the table.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    note: str | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise CallError(
                    f"A row of table {self.title!r} has {len(row)} cells under "
                    f"{len(self.head)} heads",
                    fix="give each row as many cells as there are heads",
                )


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes
    ----------
    name : str
        File name without ending.
    title, subtitle : str
        On top.
    lead : str
        What it comes down to.
    blocks : tuple of Text, Note, Lines
        In order.
    foot : str
        In small type: source, definitions.
    """

    name: str
    title: str
    subtitle: str = ""
    lead: str = ""
    blocks: tuple[Text | Note | Lines, ...] = ()
    foot: str = ""


def write_pages(
    pages: Iterable[Page], folder: Path | str, *, language: Language | None = None
) -> list[Path]:
    """Write each page as `name.html` in a folder; return the paths.

    Style is inside; a page asks nothing of the network, runs no script and links to no file.

    Raises
    ------
    CallError
        A name is no file name, or stands twice.

    Examples
    --------
    >>> import tempfile
    >>> page = Page("gm0003", "Gemeente 0003", blocks=(Text("Niets te herstellen."),))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     [path.name for path in write_pages([page], place)]
    ['gm0003.html']
    """
    from jinja2 import Environment, StrictUndefined

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    source, css = (
        files("toolkit.reporting.templates").joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html.j2", "report.css")
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(source)
    written: list[Path] = []
    with speak(language or current_language()):
        for page in pages:
            if not page.name or any(sign in page.name for sign in "/\\:."):
                raise CallError(
                    f"{page.name!r} is no file name", fix="use letters, digits, - and _"
                )
            path = place / f"{page.name}.html"
            if path in written:
                raise CallError(f"Two pages are called {page.name!r}", fix="give each its own name")
            html = template.render(
                language=current_language(), css=css, page=page,
                blocks=[_bind(block, page.name) for block in page.blocks],
            )  # fmt: skip
            path.write_text(html, encoding="utf-8")
            written.append(path)
    return written


def _bind(block: Text | Note | Lines, name: str) -> dict[str, object]:
    if isinstance(block, Lines):
        return {"kind": "lines", "table": block}
    kind = "note" if isinstance(block, Note) else "text"
    title = block.title if isinstance(block, Note) else None
    return {"kind": kind, "title": title, "html": paragraphs(block.body, name)}
