"""A report in parts: chapters of blocks, written by studies and read back to be bound together."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toolkit.errors import CallError, InputError, MissingTableError
from toolkit.provenance import write_json
from toolkit.reporting.files import FigureFiles, TableFiles

if TYPE_CHECKING:
    from toolkit.reporting.tables import Format


@dataclass(frozen=True)
class Text:
    """Paragraphs.

    A blank line parts paragraphs, `## ` begins a heading, `- ` a list, `**…**` is bold and `*…*`
    italic; everything else is taken as it stands.
    """

    body: str


@dataclass(frozen=True)
class Note:
    """An aside in a box: what a reader must know about a number."""

    body: str
    title: str | None = None


@dataclass(frozen=True)
class Definitions:
    """Terms and what they mean here."""

    items: tuple[tuple[str, str], ...]
    title: str | None = None


@dataclass(frozen=True)
class Figure:
    """A figure with the files it is made of."""

    files: FigureFiles


@dataclass(frozen=True)
class Table:
    """A table; its numbers are read from its Parquet file when the report is bound."""

    files: TableFiles
    title: str
    number: str | None = None
    columns: Mapping[str, str] | None = None
    formats: Mapping[str, Format] | None = None
    group: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class KeyFigure:
    """One number beside the published one, each with its own denominator.

    Attributes
    ----------
    label : str
        What is measured.
    ours : float or None
        Computed here; None is not observed.
    published : float, optional
        As published.
    low, high : float, optional
        Interval around ours.
    n : int, optional
        Persons ours rests on.
    denominator, published_denominator : str, optional
        Out of whom, for ours and for the published figure.
    source : str, optional
        Where the published figure stands.
    unit : {"share", "number"}
        How it is written; differences of shares are percentage points.
    digits : int
        Decimals.
    """

    label: str
    ours: float | None
    published: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    denominator: str | None = None
    published_denominator: str | None = None
    source: str | None = None
    unit: Literal["share", "number"] = "share"
    digits: int = 0


@dataclass(frozen=True)
class KeyFigures:
    """The figures of a chapter that have a published counterpart."""

    rows: tuple[KeyFigure, ...]
    title: str | None = None


Block = Text | Note | Definitions | Figure | Table | KeyFigures

_KINDS: dict[str, type[Any]] = {
    "text": Text, "note": Note, "definitions": Definitions, "figure": Figure, "table": Table,
    "key_figures": KeyFigures,
}  # fmt: skip
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True)
class Chapter:
    """One study's part of the report.

    Attributes
    ----------
    key : str
        Short name, for links and order.
    title : str
        Heading.
    lead : str
        The finding in two or three sentences.
    blocks : tuple of blocks
        `Text`, `Note`, `Definitions`, `Figure`, `Table`, `KeyFigures`, in order.

    Examples
    --------
    >>> import tempfile
    >>> chapter = Chapter("exit", "Uitstroom", "Een op de acht keert terug.", (Text("Meer."),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = chapter.write(folder)
    ...     Chapter.read(folder) == chapter
    True
    """

    key: str
    title: str
    lead: str = ""
    blocks: tuple[Block, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.key or not self.key.replace("-", "_").isidentifier():
            raise CallError(
                f"Chapter key {self.key!r} cannot be part of a link",
                fix="use letters, digits, - and _",
            )
        for block in self.blocks:
            if type(block) not in _NAMES:
                raise CallError(
                    f"A {type(block).__name__} is no block",
                    where=f"chapter {self.key!r}",
                    fix=f"use one of {', '.join(kind.__name__ for kind in _KINDS.values())}",
                )

    def write(self, folder: Path | str) -> Path:
        """Write `chapter.json` into `folder`, with paths relative to it; return its path."""
        place = Path(folder)
        blocks = [
            {"kind": _NAMES[type(block)], **_to_plain(asdict(block), place)}
            for block in self.blocks
        ]
        path = place / "chapter.json"
        write_json(
            path, {"key": self.key, "title": self.title, "lead": self.lead, "blocks": blocks}
        )
        return path

    @classmethod
    def read(cls, folder: Path | str) -> Chapter:
        """Read a chapter that `write` wrote into `folder`.

        Raises
        ------
        MissingTableError
            There is no `chapter.json`, or a file it names is gone.
        InputError
            The file is no chapter.
        """
        place = Path(folder)
        path = place / "chapter.json"
        if not path.is_file():
            raise MissingTableError(
                "There is no chapter.json", where=str(place), fix="run the study that writes it"
            )
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            blocks = tuple(_from_plain(entry, place) for entry in plain["blocks"])
            return cls(plain["key"], plain["title"], plain["lead"], blocks)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"This is no chapter: {error}",
                where=str(path),
                fix="run the study that writes it again",
            ) from error


def _to_plain(value: Any, place: Path) -> Any:
    """Turn what JSON cannot hold into what it can; paths become relative to the chapter."""
    if isinstance(value, Path):
        return Path(os.path.relpath(value, place)).as_posix()
    if isinstance(value, Mapping):
        return {key: _to_plain(item, place) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(item, place) for item in value]
    return value


def _from_plain(entry: dict[str, Any], place: Path) -> Block:
    plain = dict(entry)
    kind = _KINDS[plain.pop("kind")]
    if kind is Figure:
        return Figure(_files(FigureFiles, plain["files"], place))
    if kind is Table:
        return Table(**{**plain, "files": _files(TableFiles, plain["files"], place)})
    if kind is KeyFigures:
        return KeyFigures(tuple(KeyFigure(**row) for row in plain["rows"]), plain["title"])
    if kind is Definitions:
        return Definitions(tuple((term, words) for term, words in plain["items"]), plain["title"])
    block: Block = kind(**plain)
    return block


def _files(kind: type[Any], plain: dict[str, Any], place: Path) -> Any:
    """Return the record of files with paths that start at the chapter's folder."""
    known = {each.name for each in fields(kind)}
    found = {key: value for key, value in plain.items() if key in known}
    for key in ("png", "csv", "parquet", "narrow"):
        if found.get(key) is not None:
            found[key] = Path(os.path.normpath(place / found[key]))
            if not found[key].is_file():
                raise MissingTableError(
                    f"File {found[key].name!r} is gone",
                    where=f"chapter in {place}",
                    fix="run the study that writes it again",
                )
    if "counts" in found:
        found["counts"] = tuple(found["counts"])
    return kind(**found)
