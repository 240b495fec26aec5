"""What only the one who delivers can say of a delivery: `delivery.toml` beside the files."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from toolkit.errors import InputError, nearest
from toolkit.registers import codes
from toolkit.registers.schema import TABLES

if TYPE_CHECKING:
    from pathlib import Path

NAME = "delivery.toml"


class Settings(BaseModel):
    """The settings of a delivery; every one may be left out.

    Attributes
    ----------
    source : str or None
        What the register is called in reports; else the name of the folder.
    coverage : mapping
        Source → `[start, end)`, for what has no period in its file name, and to narrow what has.
    use : mapping
        Canonical table → the layout it is taken from, where several could fill it.
    municipalities_as_of : date or None
        Municipalities merged up to this day are carried under their new code (needs a
        concordance, layout `herindelingen`).
    crosswalk : str or None
        Name of the crosswalk with which positions of two schemes may meet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str | None = None
    coverage: dict[str, tuple[date, date]] = Field(default_factory=dict)
    use: dict[str, str] = Field(default_factory=dict)
    municipalities_as_of: date | None = None
    crosswalk: str | None = None

    @field_validator("coverage")
    @classmethod
    def _sources(cls, value: dict[str, tuple[date, date]]) -> dict[str, tuple[date, date]]:
        for source, (start, end) in value.items():
            _known(source, codes.SOURCE, "source")
            if end <= start:
                raise ValueError(f"the coverage of {source!r} ends on or before its start")
        return value

    @field_validator("use")
    @classmethod
    def _tables(cls, value: dict[str, str]) -> dict[str, str]:
        for table in value:
            _known(table, TABLES, "table")
        return value


def _known(name: str, known: object, kind: str) -> None:
    names = list(known)  # type: ignore[call-overload]
    if name not in names:
        hint = nearest(name, names)
        raise ValueError(
            f"there is no {kind} {name!r}" + (f"; did you mean {hint!r}?" if hint else "")
        )


def read_settings(folder: Path) -> Settings:
    """Read `delivery.toml` of a delivery; without one, nothing is said.

    Raises
    ------
    InputError
        When it is no TOML, or says something that is no setting.
    """
    file = folder / NAME
    if not file.is_file():
        return Settings()
    try:
        return Settings.model_validate(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"The settings are not valid TOML: {error}", where=NAME, fix="correct that line"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        hint = nearest(str(first["loc"][-1]), Settings.model_fields)
        said = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            said = f"{place!r} is no setting" + (f"; did you mean {hint!r}?" if hint else "")
        raise InputError(
            f"The settings of the delivery cannot be read: {said}",
            where=f"{NAME}, {place}",
            fix=f"settings are {', '.join(Settings.model_fields)}; see docs/how-to/own-data.md",
        ) from None
