"""The files of a delivery: found in folders and archives, each with its layout, newest first."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Final

from toolkit.errors import CallError, InputError, masked, nearest
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.readers.file_names import (
    NameFacts,
    bare,
    extension_of,
    in_force,
    listed,
    match_name,
    stem_of,
)
from toolkit.registers.readers.text import decoded
from toolkit.registers.readers.unpack import members, open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from toolkit.registers.layout import Format, Layout

#: Extensions of data, without that of an archive, and the form they stand for.
FORMATS: Final[dict[str, tuple[Format, ...]]] = {
    ".sav": ("sav",), ".zsav": ("sav",), ".dta": ("dta",), ".parquet": ("parquet",),
    ".csv": ("csv",), ".tsv": ("csv",), ".tab": ("csv",),
    ".txt": ("fixed_width", "csv"), ".asc": ("fixed_width", "csv"),
    ".dat": ("fixed_width", "csv"), "": ("fixed_width", "csv"),
}  # fmt: skip
#: Of two forms of the same file, the one that says most goes first.
_PREFERENCE: Final[tuple[Format, ...]] = ("sav", "dta", "parquet", "fixed_width", "csv")
_BESIDE: Final = {
    ".md", ".toml", ".json", ".pdf", ".doc", ".docx", ".rtf", ".html", ".htm", ".log", ".sps",
    ".spv", ".do", ".r", ".py", ".sql", ".xml", ".sha256", ".md5", ".png",
}  # fmt: skip
_LITTER: Final = {"thumbs.db", "desktop.ini", "__macosx"}
_RECEIVED: Final = "ontvangst.csv"
#: A list of days of receipt is no longer than this.
_MOST_RECEIPTS: Final = 16 << 20

_VERSION: Final = re.compile(r"_?v\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class Discovery:
    """What lies in the folder of a delivery.

    Attributes
    ----------
    files : tuple of DeliveredFile
        What will be read, by name.
    superseded : tuple of DeliveredFile
        Lower versions of files that are there in a higher one, and other forms of the same file.
    ignored : tuple of str
        Names of files beside the data.
    """

    files: tuple[DeliveredFile, ...]
    superseded: tuple[DeliveredFile, ...]
    ignored: tuple[str, ...]


def newest(files: Sequence[DeliveredFile]) -> tuple[list[DeliveredFile], list[DeliveredFile]]:
    """Split files into those to read and those that a higher version supersedes.

    Files are versions of each other when they have the layout, period and municipality in common,
    and the name but for its version. Of one version in several forms (a .sav and its conversion
    to .csv), the one that says most is read.

    Raises
    ------
    InputError
        When one version is there twice in the same form.
    """
    groups: dict[tuple[object, ...], list[DeliveredFile]] = {}
    for file in files:
        stem = _VERSION.sub("", stem_of(_own_name(file))).lower()
        key = (file.layout, file.period_start, file.period_end, file.municipality, stem)
        groups.setdefault(key, []).append(file)
    kept, superseded = [], []
    for group in groups.values():
        ordered = sorted(group, key=lambda file: (-file.version, _PREFERENCE.index(file.format)))
        first = ordered[0]
        for file in ordered[1:]:
            if (file.version, file.format) == (first.version, first.format):
                raise InputError(
                    "A file is there twice, in one version",
                    where=f"{first.name} and {file.name}",
                    fix="take one of them out of the folder",
                )
        kept.append(first)
        superseded += ordered[1:]
    return sorted(kept, key=lambda file: file.name), sorted(superseded, key=lambda file: file.name)


def discover(
    folder: str | Path, layouts: Mapping[str, Layout], *, only: str | None = None
) -> Discovery:
    """Find the files of a delivery, in its folders and in `.gz` and `.zip`.

    Parameters
    ----------
    folder : path
        Or one file.
    layouts : mapping
        Name → layout.
    only : str, optional
        Everything is of this layout, also files whose names do not fit its patterns.

    Raises
    ------
    InputError
        When a data file fits no layout, or several equally well.
    """
    root = Path(folder)
    if not root.exists():
        raise CallError(f"There is no folder {root.as_posix()!r}", fix="check the path")
    if only is not None and only not in layouts:
        hint = nearest(only, layouts)
        raise CallError(
            f"There is no layout {only!r}",
            fix=f"did you mean {hint!r}?" if hint else "`reintegratie layouts` lists them",
        )
    found: list[DeliveredFile] = []
    ignored: list[str] = []
    received: dict[str, date] = {}
    for path, name, member in _walk(root):
        own = PurePosixPath(member) if member is not None else PurePath(path.name)
        if _is_litter(own if member is not None else PurePath(name)):
            ignored.append(name)
        elif own.name.lower() == _RECEIVED:
            received |= _receipts(path, name, member)
            ignored.append(name)
        else:
            file = _recognised(path, name, member, layouts, only)
            if file is None:
                ignored.append(name)
            else:
                found.append(file)
    dated = [replace(file, received=_received(file, received)) for file in found]
    kept, superseded = newest(dated)
    return Discovery(files=tuple(kept), superseded=tuple(superseded), ignored=tuple(ignored))


def _walk(root: Path) -> Iterator[tuple[Path, str, str | None]]:
    """Paths, names from the root, and members of zips."""
    base = root.parent if root.is_file() else root
    for path in [root] if root.is_file() else _paths(root):
        name = path.relative_to(base).as_posix()
        if path.suffix.lower() == ".zip" and not _is_litter(PurePath(name)):
            for member in members(path, name=name):
                yield path, f"{name}!{member}", member
        else:
            yield path, name, None


def _paths(root: Path) -> list[Path]:
    """Every file below a folder; what cannot be entered or opened is refused, not passed over."""
    found = []
    for folder, inside, names in os.walk(root, onerror=_refuse_closed):
        links = [Path(folder, name) for name in inside if Path(folder, name).is_symlink()]
        if links:
            raise InputError(
                "A folder in the delivery is a link, which is not followed",
                where=links[0].relative_to(root).as_posix(),
                fix="put the folder itself there, or deliver from where it is",
            )
        for name in names:
            path = Path(folder, name)
            if path.is_symlink() and not path.exists():
                raise InputError(
                    "A file in the delivery is a link to nothing",
                    where=path.relative_to(root).as_posix(),
                    fix="put the file itself there, or take the link away",
                )
            if path.is_file():
                try:
                    path.open("rb").close()
                except OSError as error:
                    _refuse_closed(error)
                found.append(path)
    return sorted(found)


def _refuse_closed(error: OSError) -> None:
    what = "folder" if isinstance(error.filename, str) and Path(error.filename).is_dir() else "file"
    raise InputError(
        f"A {what} of the delivery cannot be opened: {error.strerror}",
        where=str(error.filename),
        fix="ask for the right to read it, or take it out of the delivery",
    ) from error


def _is_litter(path: PurePath) -> bool:
    return any(part.startswith((".", "~$")) or part.lower() in _LITTER for part in path.parts)


def _recognised(
    path: Path, name: str, member: str | None, layouts: Mapping[str, Layout], only: str | None
) -> DeliveredFile | None:
    """Which layout a file has; None for what lies beside the data."""
    own = PurePosixPath(member) if member is not None else PurePath(path.name)
    extension = extension_of(own)
    forms = FORMATS.get(extension)
    names = [own]
    if member is not None and len(members(path, name=name)) == 1:
        names.append(PurePath(path.with_suffix("").name + extension))
    candidates = _candidates(names, layouts)
    if only is not None:
        facts = candidates.get(only)
        if facts is None and forms is not None and not candidates:
            facts = _nameless(layouts[only], name)
        candidates = {} if facts is None else {only: facts}
        if facts is None:
            return None
    if not candidates:
        _refuse_unknown(names, name, layouts, is_data=forms is not None or extension in _ODD)
        return None
    if member is not None and own.suffix.lower() == ".gz":
        raise InputError(
            "A zip holds a file that is packed itself",
            where=name,
            fix="unpack the zip and deliver what is in it",
        )
    if forms is None:
        raise InputError(
            f"A file has the name of layout {next(iter(candidates))!r} in a form that is not read",
            where=name,
            fix="deliver it as .sav, .dta, .csv, .parquet or fixed-width .txt",
        )
    return _chosen(path, name, member, {key: layouts[key] for key in candidates}, candidates, forms)


_ODD: Final = {".xlsx", ".xls", ".ods", ".sas7bdat", ".rds", ".rda", ".feather", ".mdb", ".zip",
               ".7z", ".rar", ".gz", ".bz2", ".por", ".dbf"}  # fmt: skip


def _candidates(names: Iterable[PurePath], layouts: Mapping[str, Layout]) -> dict[str, NameFacts]:
    """Layouts whose patterns fit, in force; those whose pattern says most."""
    for own in names:
        found = {key: match_name(layout, own) for key, layout in layouts.items()}
        fitting = {
            key: facts
            for key, facts in found.items()
            if facts is not None and in_force(layouts[key], facts)
        }
        if fitting:
            most = max(facts.literal for facts in fitting.values())
            return {key: facts for key, facts in fitting.items() if facts.literal == most}
    return {}


def _nameless(layout: Layout, name: str) -> NameFacts:
    """Facts for a file that is said to be of a layout, whatever its name."""
    if layout.period != "none":
        raise InputError(
            f"The name of a file does not say its period, which layout {layout.name!r} needs",
            where=name,
            fix=f"name it after {listed(layout)}",
        )
    return NameFacts(None, None, municipality=None, version=1, pattern="")


def _chosen(
    path: Path,
    name: str,
    member: str | None,
    layouts: Mapping[str, Layout],
    facts: Mapping[str, NameFacts],
    forms: Sequence[Format],
) -> DeliveredFile:
    """Choose among layouts whose names fit by the form of the file."""
    made = []
    for key, layout in layouts.items():
        possible = [form for form in forms if form in layout.formats]
        if not possible:
            continue
        said = facts[key]
        file = DeliveredFile(
            path=path,
            name=name,
            layout=key,
            format=possible[0],
            period_start=said.period_start,
            period_end=said.period_end,
            municipality=said.municipality,
            version=said.version,
            member=member,
        )
        made.append(replace(file, format=form_of(file, layout)) if len(possible) > 1 else file)
    if len(made) == 1:
        return made[0]
    if not made:
        known = ", ".join(sorted({form for layout in layouts.values() for form in layout.formats}))
        raise InputError(
            f"A file has the name of layout {next(iter(layouts))!r} in a form it does not have",
            where=name,
            fix=f"deliver it as {known}",
        )
    raise InputError(
        "The name of a file fits more than one layout: " + ", ".join(file.layout for file in made),
        where=name,
        fix="give one a narrower pattern under `files`, or its time with `from` and `until`",
    )


def form_of(file: DeliveredFile, layout: Layout) -> Format:
    """Fixed width or delimited, by the first line of a text file."""
    with open_bytes(file) as stream:
        first = stream.readline(1 << 16).decode("latin-1")
    return "csv" if layout.separator in first else "fixed_width"


def _refuse_unknown(
    names: Sequence[PurePath], name: str, layouts: Mapping[str, Layout], *, is_data: bool
) -> None:
    """Refuse a data file that no pattern fits; what lies beside data passes."""
    extension = extension_of(names[0])
    stem = stem_of(names[0])
    if extension in _BESIDE or not is_data:
        return
    patterns = {
        bare(pattern): (pattern, layout.name)
        for layout in layouts.values()
        for pattern in layout.files
        if len(bare(pattern)) >= 3
    }
    begins = [
        bare
        for bare, (pattern, _) in patterns.items()
        if len(start := re.split(r"[{*]", pattern)[0].lower()) >= 3
        and stem.lower().startswith(start)
    ]
    if extension == ".txt" and not begins:
        return  # a note beside the data
    hint = nearest(re.sub(r"\d+", "", stem), patterns)
    near = patterns[hint or begins[0]] if hint or begins else None
    fix = f"the nearest is {near[0]!r} of layout {near[1]!r}; " if near else ""
    raise InputError(
        "The name of a file fits no layout that was in force",
        where=masked(name),
        fix=fix + "rename it, take it out of the folder, or write a layout for it "
        "(docs/how-to/own-data.md)",
    )


def _own_name(file: DeliveredFile) -> PurePath:
    return PurePath(file.path.name) if file.member is None else PurePosixPath(file.member)


def _receipts(path: Path, name: str, member: str | None) -> dict[str, date]:
    """Read `bestand;ontvangen`: file name → day it came in."""
    with open_bytes(DeliveredFile(path, name, "", "csv", member=member)) as stream:
        head = stream.read(_MOST_RECEIPTS + 1)
    unreadable = InputError(
        "A list of days of receipt cannot be read",
        where=name,
        fix="write columns bestand;ontvangen, a line for each file",
    )
    if len(head) > _MOST_RECEIPTS:
        raise unreadable
    text = decoded(head, "utf-8").removeprefix("\ufeff")
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    except csv.Error:  # a cell longer than csv takes
        raise unreadable from None
    found = {}
    for number, row in enumerate(rows, start=2):
        lower = {(key or "").strip().lower(): value for key, value in row.items()}
        file, day = lower.get("bestand"), lower.get("ontvangen")
        try:
            found[str(file).strip().lower()] = date.fromisoformat(str(day).strip())
        except ValueError:
            raise InputError(
                "A line is not the name of a file and the day it came in",
                where=f"{name}, line {number}",
                fix="write columns bestand;ontvangen, with days as yyyymmdd",
            ) from None
    return found


def _received(file: DeliveredFile, received: Mapping[str, date]) -> date | None:
    """Day of receipt, by the whole name, the file's own, or that of the zip it came in."""
    outer = file.name.split("!", 1)[0]
    for name in (file.name, _own_name(file).name, outer, PurePosixPath(outer).name):
        if name.lower() in received:
            return received[name.lower()]
    return None
