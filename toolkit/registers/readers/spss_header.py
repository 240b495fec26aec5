"""A look at the dictionary of a .sav file before it is read.

A damaged length in it makes polars-readstat ask for more memory than there is, which ends the whole
process without a word. So the records of the dictionary are walked first: each must lie within the
file. Layout of the records: "System File Format" in the PSPP Developers Guide.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_HEADER: Final = 176
_VARIABLE, _LABELS, _LABELLED, _DOCUMENT, _EXTENSION, _END = 2, 3, 4, 6, 7, 999
#: zlib makes at most about a thousand bytes out of one.
_ZLIB: Final = 1_032


def count_cases(path: Path) -> int | None:
    """Return how many records a .sav or .zsav file says it has: -1 when it does not say.

    None when its header and dictionary do not fit within it, or so many records do not.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        header = stream.read(_HEADER)
        if len(header) < _HEADER or header[:4] not in {b"$FL2", b"$FL3"}:
            return None
        order = "<" if struct.unpack_from("<i", header, 64)[0] in {2, 3} else ">"
        width, packing, _, cases = struct.unpack_from(order + "iiii", header, 68)
        try:
            variables = _walk(stream, order, size)
        except (struct.error, ValueError, IndexError):
            return None
        left = size - stream.tell()
    # a value takes eight bytes, or one when packed, or less when zipped on top of it
    most = {0: left / 8, 1: left + 8, 2: left * _ZLIB}.get(packing, 0)
    if width > variables or cases < -1 or cases * variables > most:
        return None
    return int(cases)


def _walk(stream: IO[bytes], order: str, size: int) -> int:
    """Walk the records of the dictionary, and count the variables (in pieces of eight bytes)."""

    def number() -> int:
        return int(struct.unpack(order + "i", stream.read(4))[0])

    def skip(length: int) -> None:
        if length < 0 or stream.tell() + length > size:
            raise ValueError
        stream.seek(length, 1)

    variables = 0
    while (kind := number()) != _END:
        if kind == _VARIABLE:
            variables += 1
            _, labelled, missing = number(), number(), number()
            skip(16)  # formats and name
            if labelled:
                skip(-(-number() // 4) * 4)
            if abs(missing) > 3:
                raise ValueError
            skip(8 * abs(missing))
        elif kind == _LABELS:
            for _ in range(_counted(number(), 16, stream, size)):
                skip(8)
                length = stream.read(1)[0]
                skip(-(-(length + 1) // 8) * 8 - 1)
        elif kind == _LABELLED:
            skip(4 * _counted(number(), 4, stream, size))
        elif kind == _DOCUMENT:
            skip(80 * _counted(number(), 80, stream, size))
        elif kind == _EXTENSION:
            number()  # which one
            length = number()
            skip(length * _counted(number(), max(length, 1), stream, size))
        else:
            raise ValueError
    number()  # filler
    return variables


def _counted(count: int, length: int, stream: IO[bytes], size: int) -> int:
    """Return a count of things so long, unless they would not fit in the rest of the file."""
    if count < 0 or count * length > size - stream.tell():
        raise ValueError
    return count
