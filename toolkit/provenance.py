"""Where a number came from: inputs by hash, definitions, seeds, versions, row counts per step."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("reintegration-toolkit", "polars", "numpy", "numba", "matplotlib")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that make our numbers."""
    return dict(_installed())


@cache
def _installed() -> dict[str, str]:
    """Read the versions once: it parses the metadata of every package."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a checkout without an install
            found[name] = "unknown"
    return found


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def to_json(value: Any) -> Any:
    """Turn dataclasses, dates, paths and tuples into what JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: to_json(item) for key, item in asdict(value).items()}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_json(item) for item in items]
    if hasattr(value, "tolist"):  # numpy
        return to_json(value.tolist())
    if isinstance(value, (date, Path)):
        return value.isoformat() if isinstance(value, date) else value.as_posix()
    odd = isinstance(value, float) and not math.isfinite(value)  # JSON has no NaN
    return None if odd else value


def write_json(path: Path, value: Any) -> None:
    """Write JSON in one step: the file is whole or it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(
        json.dumps(to_json(value), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    part.replace(path)


@dataclass
class Manifest:
    """The record beside an output: replaying it gives the same numbers.

    Examples
    --------
    >>> manifest = Manifest(title="durable outflow")
    >>> manifest.count("exits from WWB", 1200)
    >>> manifest.steps
    [{'step': 'exits from WWB', 'n': 1200}]
    """

    title: str
    inputs: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)

    def count(self, step: str, n: int) -> None:
        """Record how many units were left after a step."""
        self.steps.append({"step": step, "n": n})

    def add_outputs(self, folder: Path) -> None:
        """Record every file below `folder` by its hash."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != "manifest.json":
                self.outputs[path.relative_to(folder).as_posix()] = hash_file(path)

    def write(self, path: Path) -> None:
        """Write the manifest as JSON, with the moment it was made."""
        epoch = os.environ.get("SOURCE_DATE_EPOCH")  # reproducible builds fix the clock
        moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
        write_json(path, {**asdict(self), "made": moment.isoformat(timespec="seconds")})
