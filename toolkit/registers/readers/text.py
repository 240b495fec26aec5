"""What the bytes of a text file say: encoding, lines, quotes, and what trails after the records."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from toolkit.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Encoding = Literal["utf-8", "windows-1252"]

_CHUNK = 1 << 20
#: What may trail after the last record: line ends, blanks and the end-of-file mark of DOS (^Z).
_TRAILING = b" \t\r\n\x1a"
_HEAD = 1 << 16


def _windows_1252() -> str:
    """Windows-1252, with the five bytes it leaves open as Latin-1 has them: each byte a letter."""
    letters = []
    for byte in range(256):
        try:
            letters.append(bytes([byte]).decode("cp1252"))
        except UnicodeDecodeError:
            letters.append(chr(byte))
    return "".join(letters)


_TABLE = _windows_1252()


@dataclass(frozen=True)
class TextFacts:
    """What the bytes of a text file say.

    Attributes
    ----------
    encoding : str
        What its bytes mean.
    valid : bool
        Whether they are valid in it.
    ascii_only : bool
        Whether that makes no difference.
    bom : bool
        Whether it starts with the mark of UTF-8.
    lines : int
        Lines by their line ends.
    records : int
        Lines up to the last one that holds anything; what follows is blank or ^Z.
    quotes : bool
        Whether `"` occurs.
    mark : bool
        Whether ^Z occurs.
    first : tuple of str
        The first two lines.
    """

    encoding: Encoding
    valid: bool
    ascii_only: bool
    bom: bool
    lines: int
    records: int
    quotes: bool
    mark: bool
    first: tuple[str, ...]


def look(
    path: Path, *, name: str, encoding: Literal["auto", "utf-8", "latin-1"] = "auto"
) -> TextFacts:
    """Read a text file once, as bytes, and say what it is.

    Raises
    ------
    InputError
        When it is empty, or no text in UTF-8, Latin-1 or Windows-1252 with lines.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    ascii_only, utf8, quotes, mark = True, True, False, False
    newlines = records = 0
    head, last = b"", b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if not head:
                head = chunk[:_HEAD]
                _refuse_other(head, name)
            if b"\0" in chunk:
                raise InputError(
                    "A text file holds bytes that are no text",
                    where=name,
                    fix="check which program wrote it; deliver UTF-8 or Latin-1 text",
                )
            quotes = quotes or b'"' in chunk
            mark = mark or b"\x1a" in chunk
            if utf8 and not (ascii_only and chunk.isascii()):
                ascii_only = False
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    utf8 = False
            if stripped := chunk.rstrip(_TRAILING):
                records = newlines + stripped.count(b"\n") + 1
            newlines += chunk.count(b"\n")
            last = chunk[-1:]
    if utf8 and not ascii_only:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
    if records == 0:
        raise InputError(
            "A file is empty", where=name, fix="ask for it again, or take it out of the folder"
        )
    if b"\n" not in head and b"\r" in head.rstrip(_TRAILING):
        raise InputError(
            "A text file ends its lines with CR alone",
            where=name,
            fix="save it with line ends of Windows (CR LF) or Unix (LF)",
        )
    bom = head.startswith(codecs.BOM_UTF8)
    meaning: Encoding = (
        "windows-1252" if encoding == "latin-1" or (encoding == "auto" and not utf8) else "utf-8"
    )
    text = decoded(head, meaning).removeprefix("\ufeff")
    return TextFacts(
        encoding=meaning,
        valid=utf8 or meaning != "utf-8",
        ascii_only=ascii_only,
        bom=bom and meaning == "utf-8",
        lines=newlines + (last != b"\n"),
        records=records,
        quotes=quotes,
        mark=mark,
        first=tuple(line.removesuffix("\r") for line in text.split("\n", 2)[:2]),
    )


def decoded(chunk: bytes, encoding: Encoding) -> str:
    """Return bytes as text. Windows-1252 never fails; in UTF-8 what is no letter becomes U+FFFD."""
    if encoding == "utf-8":
        return chunk.decode("utf-8", errors="replace")
    return codecs.charmap_decode(chunk, "strict", _TABLE)[0]


def to_utf8(source: Path, target: Path, encoding: Encoding) -> Path:
    """Write a copy in UTF-8, a piece at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with source.open("rb") as stream, target.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            text = decoder.decode(chunk) if encoding == "utf-8" else decoded(chunk, encoding)
            out.write(text.encode("utf-8"))
        out.write(decoder.decode(b"", final=True).encode("utf-8"))
    return target


def _refuse_other(head: bytes, name: str) -> None:
    """Refuse what looks like another kind of file, by its first bytes."""
    kinds = {
        codecs.BOM_UTF16_LE: "text in UTF-16", codecs.BOM_UTF16_BE: "text in UTF-16",
        b"PK\x03\x04": "a zip or a workbook", b"\x1f\x8b": "a gzip file", b"$FL": "an SPSS file",
        b"<stata_dta>": "a Stata file", b"PAR1": "a Parquet file", b"%PDF": "a PDF",
        b"\xd0\xcf\x11\xe0": "an old Office file",
    }  # fmt: skip
    for start, kind in kinds.items():
        if head.startswith(start):
            fix = (
                "save it as text in UTF-8"
                if "UTF-16" in kind
                else "give it the extension that goes with it, or save it as text"
            )
            raise InputError(f"A file that should be text is {kind}", where=name, fix=fix)
