"""Archives as found in practice: `.gz`, and `.zip` with one or more files, perhaps in folders.

Files are unpacked into a private temporary folder, under names of our own, and are gone when the
reading is done. The stream is watched: an archive that grows past all reason is refused.
"""

from __future__ import annotations

import errno
import gzip
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from toolkit.errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.registers.delivery import DeliveredFile

#: An archive is a bomb when it unpacks to more than this many bytes and this many times its size.
MOST_BYTES = 1 << 30
MOST_TIMES = 200
MOST_MEMBERS = 1_000
_CHUNK = 1 << 20
_BROKEN = (
    gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, struct.error,
    UnicodeDecodeError, OverflowError,
)  # fmt: skip


def members(path: Path, *, name: str) -> list[str]:
    """List the files in a zip, without folders and the litter of operating systems.

    Raises
    ------
    InputError
        When it is no zip, holds more than a thousand files, is encrypted, or names a member
        outside its folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = [info for info in archive.infolist() if not info.is_dir()]
    except (*_BROKEN, OSError, ValueError) as error:
        raise _corrupt(name) from error
    if len(found) > MOST_MEMBERS:
        raise InputError(
            f"A zip holds {len(found):,} files, more than {MOST_MEMBERS:,}",
            where=name,
            fix="unpack it yourself and look at what is in it",
        )
    names = []
    for info in found:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if ".." in parts or info.filename.startswith(("/", "\\")) or parts[0].endswith(":"):
            raise InputError(
                "A zip names a file outside its own folder",
                where=name,
                fix="do not trust it; ask for a new one",
            )
        if info.flag_bits & 1:
            raise InputError(
                "A zip is locked with a password", where=name, fix="unpack it yourself first"
            )
        names.append(info.filename)
    return names


@contextmanager
def open_bytes(file: DeliveredFile) -> Iterator[IO[bytes]]:
    """Open a delivered file for reading from its start, unpacking on the way."""
    try:
        if file.member is not None:
            with zipfile.ZipFile(file.path) as archive, archive.open(file.member) as stream:
                yield stream
        elif file.path.suffix.lower() == ".gz":
            with gzip.open(file.path) as unzipped:
                yield unzipped  # type: ignore[misc]  # reads as any file of bytes
        else:
            with file.path.open("rb") as stream:
                yield stream
    except (*_BROKEN, KeyError, RuntimeError) as error:
        raise _corrupt(file.name) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the start of the archive
            raise
        raise _corrupt(file.name) from error


def is_packed(file: DeliveredFile) -> bool:
    """Tell whether the file lies in an archive."""
    return file.member is not None or file.path.suffix.lower() == ".gz"


@contextmanager
def unpacked(
    files: Sequence[DeliveredFile], *, work: Path | None = None
) -> Iterator[tuple[list[Path], Path]]:
    """Give the paths to read the files at, and the temporary folder, which ends with the block.

    The folder lies in `work`, where whoever is killed half-way knows what was left; else in that
    of the system.

    Raises
    ------
    InputError
        For an archive that is corrupt, or unpacks to more than 1 GiB and 200 times its size.
    StorageError
        When there is no room for the copies.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="reintegratie-", dir=work) as made:
            folder = Path(made)
            yield (
                [
                    copy_out(file, folder / f"{number}{suffix(file)}")
                    if is_packed(file)
                    else file.path
                    for number, file in enumerate(files)
                ],
                folder,
            )
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise StorageError(
            "The disk is full: there is no room for the copies that are read",
            where=str(work or tempfile.gettempdir()),
            fix="make room there" + ("" if work else ", or name another folder in TMPDIR"),
        ) from error


def suffix(file: DeliveredFile) -> str:
    """Return the extension of the file itself, in lower case and without that of its archive."""
    if file.member is not None:
        return PurePosixPath(file.member).suffix.lower()
    path = file.path
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def copy_out(file: DeliveredFile, target: Path) -> Path:
    """Unpack a file, and stop when it is a bomb."""
    packed = _packed_size(file)
    written = 0
    with open_bytes(file) as stream, target.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            written += len(chunk)
            if written > MOST_BYTES and written > MOST_TIMES * max(packed, 1):
                raise InputError(
                    f"An archive unpacks to more than {MOST_TIMES} times its size and over "
                    f"{MOST_BYTES >> 20:,} MiB",
                    where=file.name,
                    fix="if it is to be trusted, unpack it yourself and deliver what is in it",
                )
            out.write(chunk)
    return target


def _packed_size(file: DeliveredFile) -> int:
    if file.member is None:
        return file.path.stat().st_size
    try:
        with zipfile.ZipFile(file.path) as archive:
            return archive.getinfo(file.member).compress_size
    except (*_BROKEN, KeyError) as error:
        raise _corrupt(file.name) from error


def _corrupt(name: str) -> InputError:
    return InputError(
        "An archive cannot be unpacked: it is cut off, damaged or of a kind that is not known",
        where=name,
        fix="fetch it again, or unpack it yourself and deliver what is in it",
    )
