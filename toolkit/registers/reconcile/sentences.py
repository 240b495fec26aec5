"""Ids and sentences of what reconciling counts. All are warnings: no record is lost by them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from toolkit.registers.layout import Words

_FILE = Path(__file__).with_name("sentences.toml")


def rule_id(layout: str, what: str) -> str:
    """Return the id under which something is counted.

    Examples
    --------
    >>> rule_id("cbs_gbaoverlijden", "UNMATCHED")
    'CBS-GBAOVERLIJDEN-UNMATCHED'
    """
    return f"{layout.upper().replace('_', '-')}-{what}"


@cache
def sentences() -> dict[str, Words]:
    """Return what is counted (the last part of the id) in words."""
    found = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {name: Words(**words) for name, words in found.items()}
