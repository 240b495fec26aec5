"""How a study speaks: its words and those all share, and numbers in its language."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import reporting
from toolkit.errors import CallError

if TYPE_CHECKING:
    from datetime import date

    from toolkit.reporting.language import Language

HERE = Path(__file__).parent


@cache
def read_toml(name: str) -> dict[str, Any]:
    """Return a config that stands beside the studies."""
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))


class Wording:
    """Words and numbers in one language; `Study` is one that also grows a chapter."""

    name: str
    language: Language
    _text: dict[str, str]

    def text(self, key: str, **values: Any) -> str:
        """Return the words for `key`, with values filled in."""
        if key not in self._text:
            raise CallError(
                f"The study {self.name!r} has no words for {key!r} in {self.language!r}",
                fix=f"add it to analyses/{self.name}.toml",
            )
        return str(self._text[key]).format(**values)

    def word(self, key: str, default: str) -> str:
        """Return the study's word for a column, value or state; `default` where it has none."""
        return str(self._text.get(key, default))

    def shared(self, group: str, key: str) -> str:
        """Return words that several studies share; the key itself where there are none."""
        return str(read_toml("words")[self.language].get(group, {}).get(key, key))

    def number(self, value: Any, digits: int = 0, *, sign: bool = False) -> str:
        """Write a number in the language of the study."""
        with reporting.style(self.language):
            return reporting.format_number(float(value), digits, sign=sign)

    def percent(self, share: Any, digits: int = 0) -> str:
        """Write a share as a percentage in the language of the study."""
        with reporting.style(self.language):
            return reporting.format_percent(share, digits)

    def points(self, difference: Any, digits: int = 1) -> str:
        """Write a difference of shares in percentage points, signed."""
        with reporting.style(self.language):
            return reporting.format_percent(difference, digits, sign=True).removesuffix("%")

    def called(self, column: str, value: Any) -> str:
        """Return how a value of a column is called: the study's word first, then the code lists."""
        with reporting.style(self.language):
            return self.word(f"{column}_{value}", reporting.name_of(column, value))

    def month(self, day: date) -> str:
        """Write a month in the language of the study."""
        with reporting.style(self.language):
            return reporting.format_month(day)

    def count(self, n: int) -> str:
        """Write a number of persons in the language of the study."""
        with reporting.style(self.language):
            return reporting.format_count(n)

    def label(self, key: str, **values: Any) -> str:
        """Return a label of the reporting room in the language of the study."""
        with reporting.style(self.language):
            return reporting.label(key, **values)
