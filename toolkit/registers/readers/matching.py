"""Which layout fits a file, and why not the others: name, form, columns, width, first records."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import polars as pl

from toolkit.errors import CallError, InputError
from toolkit.registers import readers
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.readers.discovery import FORMATS, form_of
from toolkit.registers.readers.file_names import in_force, match_name
from toolkit.registers.readers.unpack import copy_out, members, open_bytes, suffix
from toolkit.registers.values import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.registers.layout import Format, Layout

#: So many records are looked at, out of so many bytes of text.
_RECORDS: Final = 1_000
_BYTES: Final = 1 << 20
#: A layout does not fit when more than this share of a field's values are none of its own.
_MOST_ODD: Final = 0.5
#: … of at least so many records.
_FEW: Final = 2


@dataclass(frozen=True)
class Fit:
    """How a layout fits a file.

    Attributes
    ----------
    layout : str
        Its name.
    ok : bool
        Whether form, columns and records fit.
    named : bool
        Whether the file's name fits, and the layout was in force in its period.
    reasons : tuple of str
        What fits and what does not.
    odd : float
        Share of the first thousand records' values that are outside the fields' codes and ranges.
    """

    layout: str
    ok: bool
    named: bool
    reasons: tuple[str, ...]
    odd: float = 1.0


def fits(path: str | Path, layouts: Mapping[str, Layout]) -> list[Fit]:
    """Hold a file against layouts, the best first.

    Parameters
    ----------
    path : path
        A file; of a zip the first file in it.
    layouts : mapping
        Name → layout.

    Raises
    ------
    CallError
        When there is no such file.
    InputError
        When it is an archive that cannot be unpacked.
    """
    file = Path(path)
    if not file.is_file():
        raise CallError(f"There is no file {file.as_posix()!r}", fix="check the path")
    member = None
    if file.suffix.lower() == ".zip":
        inside = [name for name in members(file, name=file.name) if "__MACOSX" not in name]
        if not inside:
            raise InputError("A zip is empty", where=file.name, fix="ask for it again")
        member = inside[0]
    delivered = DeliveredFile(file, file.name, "", "csv", member=member)
    own = PurePosixPath(member).name if member is not None else file.name
    with tempfile.TemporaryDirectory(prefix="reintegratie-") as folder:
        sample = _sample(delivered, Path(folder))
        found = [_fit(sample, own, layout) for layout in layouts.values()]
    return sorted(found, key=lambda fit: (not fit.ok, not fit.named, fit.odd, fit.layout))


def _sample(file: DeliveredFile, folder: Path) -> Path:
    """Unpack a file, of text only the beginning, so that each layout can try it."""
    extension = suffix(file)
    target = folder / f"sample{extension}"
    text = "csv" in FORMATS.get(extension, ())
    if not text and file.member is None and file.path.suffix.lower() != ".gz":
        return file.path
    if not text:
        return copy_out(file, target)
    with open_bytes(file) as stream:
        head = stream.read(_BYTES)
    whole_lines = head.rfind(b"\n") + 1 if len(head) == _BYTES else len(head)
    target.write_bytes(head[: whole_lines or len(head)])
    return target


def _fit(path: Path, own: str, layout: Layout) -> Fit:
    reasons: list[str] = []
    facts = match_name(layout, PurePosixPath(own))
    named = facts is not None and in_force(layout, facts)
    patterns = " or ".join(repr(pattern) for pattern in layout.files)
    if named:
        reasons.append("the name fits")
    elif facts is not None:
        reasons.append(
            f"the layout was in force from {layout.from_ or 'the start'} until "
            f"{layout.until or 'now'}, and the name says another period"
        )
    else:
        reasons.append(f"the name does not fit {patterns}")
    forms = [form for form in FORMATS.get(path.suffix.lower(), ()) if form in layout.formats]
    if not forms:
        reasons.append(f"it is delivered as {', '.join(layout.formats)}")
        return Fit(layout.name, ok=False, named=named, reasons=tuple(reasons))
    try:
        records = _first(path, layout, forms)
    except InputError as error:
        reasons.append(error.what + (f"; {error.fix}" if error.fix else ""))
        return Fit(layout.name, ok=False, named=named, reasons=tuple(reasons))
    broken = records["_broken"].count()
    if broken and broken * 2 > records.height:
        kind = records["_broken"].drop_nulls()[0]
        why = {
            "width": f"are not {layout.width} characters wide",
            "fields": "have another number of fields than the header",
            "encoding": f"are not in {layout.encoding}",
        }[kind]
        reasons.append(f"{broken:,} of the first {records.height:,} records {why}")
        return Fit(layout.name, ok=False, named=named, reasons=tuple(reasons))
    whole = records.filter(pl.col("_broken").is_null())
    shares = _odd(whole, layout) if whole.height else {}
    worst = max(shares, key=lambda name: shares[name], default=None)
    few = records.height < _FEW  # one slip of the pen is no other layout
    ok = worst is None or few or shares[worst] <= _MOST_ODD
    reasons.append(
        f"all columns are there; looked at {records.height:,} records"
        if records.height
        else "all columns are there; it has no records"
    )
    reasons += [
        f"{share:.0%} of the values of {name!r} are outside its codes or range"
        for name, share in sorted(shares.items(), key=lambda item: -item[1])[:3]
        if share > 0
    ]
    odd = sum(shares.values()) / len(shares) if shares else 0.0
    ok = ok and (named or facts is None)  # another period is another layout
    return Fit(layout.name, ok=ok, named=named, reasons=tuple(reasons), odd=odd)


def _first(path: Path, layout: Layout, forms: list[Format]) -> pl.DataFrame:
    """Return the first records."""
    file = DeliveredFile(path, path.name, layout.name, forms[0])
    if len(forms) > 1:
        file = DeliveredFile(path, path.name, layout.name, form_of(file, layout))
    for batch in readers.read([file], layout, numbers=[0], batch_rows=_RECORDS + 2):
        return batch.filter(pl.col("_part") == 0).head(_RECORDS)
    return pl.DataFrame(schema={"_broken": pl.String})


def _odd(records: pl.DataFrame, layout: Layout) -> dict[str, float]:
    """Share of the filled values of each field that are none of its own."""
    states = parse(records.lazy(), layout).select(pl.col("^.*__status$").cast(pl.String)).collect()
    shares = {}
    for field in layout.fields:
        state = states[f"{field.name}__status"]
        filled = state.filter(state != "unknown")
        if filled.len() and field.type != "text":
            shares[field.name] = float((filled == "invalid").sum() / filled.len())
    return shares
