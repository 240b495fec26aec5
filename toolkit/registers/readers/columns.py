"""Which delivered column is which field of the layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.errors import InputError, MissingColumnError, masked, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from toolkit.registers.layout import FieldSpec, Layout


@dataclass(frozen=True)
class Columns:
    """Where the fields of a layout are in a file.

    Attributes
    ----------
    parts : tuple of mapping
        For each person in a record, field name → delivered column (None: it may lack).
    extra : tuple of str
        Delivered columns that no field names.
    """

    parts: tuple[Mapping[str, str | None], ...]
    extra: tuple[str, ...]

    @property
    def used(self) -> list[str]:
        """Delivered columns that are read, each once."""
        return list(
            dict.fromkeys(name for part in self.parts for name in part.values() if name is not None)
        )


#: What a record is given beside its columns, here and where it is written as rejected.
_OURS = frozenset({"_row", "_rest", "file", "row", "rules"})


def own_names(delivered: Sequence[str]) -> list[str]:
    """Return names for delivered columns, each once and none of ours: the second `x` is `x_2`."""
    names: list[str] = []
    taken = set(delivered) | _OURS
    seen: set[str] = set()
    for name in delivered:
        new, number = name, 1
        while new in seen or new in _OURS or (number > 1 and new in taken):
            number += 1
            new = f"{name}_{number}"
        seen.add(new)
        names.append(new)
    return names


def find_columns(
    layout: Layout,
    delivered: Sequence[str],
    *,
    where: str,
    only: Collection[str] | None = None,
) -> Columns:
    """Find the fields of a layout among delivered columns; case is ignored, aliases count.

    Raises
    ------
    MissingColumnError
        When a column is absent that may not be.
    InputError
        When two delivered columns are the same field but for case.
    """
    by_lower: dict[str, list[str]] = {}
    for name in delivered:
        by_lower.setdefault(name.strip().lower(), []).append(name)
    persons = layout.persons or ({},)
    parts: list[dict[str, str | None]] = []
    missing: list[str] = []
    taken: set[str] = set()
    for person in persons:
        part: dict[str, str | None] = {}
        for field in layout.fields:
            names = _names(layout, field, person)
            found = next((by_lower[name] for name in names if name in by_lower), None)
            if found is None:
                part[field.name] = None
                if not field.may_lack:
                    missing.append(person.get(field.name, field.name))
                continue
            if len(found) > 1:
                raise InputError(
                    f"Column {masked(found[0])!r} is there {len(found)} times",
                    where=where,
                    fix="rename or drop one; case makes no difference",
                )
            part[field.name] = found[0]
            taken.add(found[0])
        parts.append(part)
    if missing:
        raise missing_columns(list(dict.fromkeys(missing)), delivered, taken, layout, where=where)
    if only is not None:
        for name in only:
            layout.field(name)
        parts = [{name: part[name] for name in part if name in only} for part in parts]
    extra = tuple(name for name in delivered if name not in taken)
    return Columns(parts=tuple(parts), extra=extra)


def _names(layout: Layout, field: FieldSpec, person: Mapping[str, str]) -> list[str]:
    """Names a field may be delivered under, in lower case, the first one first."""
    if field.name in person:
        name = person[field.name]
        others = [other for other in layout.fields if other.name.lower() == name.lower()]
        aliases = others[0].aliases if others else ()
        return [name.lower(), *(alias.lower() for alias in aliases)]
    return [field.name.lower(), *(alias.lower() for alias in field.aliases)]


def missing_columns(
    missing: Sequence[str],
    delivered: Sequence[str],
    taken: Collection[str],
    layout: Layout,
    *,
    where: str,
) -> MissingColumnError:
    """Build the error for columns that are absent, with the nearest one that is there."""
    free = [name for name in delivered if name not in taken]
    hint = nearest(missing[0], free)
    listed = ", ".join(repr(name) for name in missing[:6]) + (", …" if len(missing) > 6 else "")
    fix = (
        f"is {masked(hint)!r} the same as {missing[0]!r}? Then name it under `aliases` in a copy "
        "of the layout"
        if hint
        else "check that this is the right layout; a column that may be absent has `may_lack`"
    )
    what = "Column" if len(missing) == 1 else f"{len(missing)} columns"
    verb = "is" if len(missing) == 1 else "are"
    return MissingColumnError(
        f"{what} of layout {layout.name!r} {verb} not in the file: {listed}", where=where, fix=fix
    )
