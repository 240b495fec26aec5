"""Where the spells came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Source:
    """The frame of spells and the names of its columns, for models with covariates."""

    data: Any = field(repr=False)
    person: str
    start: str
    stop: str
    from_state: str
    to_state: str
    weights: str | None
    cluster: str | None
