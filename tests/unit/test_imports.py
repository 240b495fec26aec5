"""The arrows of the house: imports point down, and only down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Room → floor. A room may import rooms on lower floors, and itself.
FLOOR = {
    "toolkit.errors": 0,
    "toolkit.result": 0,
    "toolkit.frames": 0,
    "toolkit.provenance": 0,
    "toolkit.estimation": 0,
    "toolkit.registers": 1,
    "toolkit.trajectories": 2,
    "toolkit.survival": 3,
    "toolkit.matching": 3,
    "toolkit.effects": 4,
    "toolkit.disclosure": 5,
    "toolkit.reporting": 6,
    "analyses": 7,
    "toolkit.cli": 8,
}
#: Rooms that know less than their floor would allow.
MAY_ONLY_SEE = {
    "toolkit.survival": {0},
    "toolkit.matching": {0},
    "toolkit.reporting": {0, 5},
    "synthetic_data": {0, 1},
}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] in {"analyses", "synthetic_data"}:
        return parts[0]
    if parts[0] == "toolkit":
        return ".".join(parts[:2]) if len(parts) > 1 else "toolkit"
    return None


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path.name}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sources() -> list[Path]:
    folders = ("toolkit", "analyses", "synthetic_data")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    here = room_of(module)
    for name in imports(path):
        there = room_of(name)
        if there is None or there == here or FLOOR.get(there) == FLOOR.get(here) == 0:
            continue
        if there == "synthetic_data":
            # the made-up country is seen by the command line and by nobody else
            assert here == "toolkit.cli", f"{module} imports {name}"
            continue
        if here in MAY_ONLY_SEE:
            assert FLOOR[there] in MAY_ONLY_SEE[here], f"{module} imports {name}"
        else:
            assert FLOOR[there] < FLOOR[here], f"{module} imports {name}"


def test_every_room_has_a_floor():
    rooms = {room_of(".".join(p.relative_to(ROOT).with_suffix("").parts)) for p in sources()}
    assert rooms - {"toolkit.__init__", "synthetic_data"} <= set(FLOOR)


def test_heavy_libraries_wait_until_they_are_used():
    """Opening a register must not pay for pictures or compilers."""
    import subprocess
    import sys

    code = (
        "import sys, toolkit.registers, toolkit.trajectories, toolkit.survival;"
        "import toolkit.matching, toolkit.effects;"
        "heavy = {'matplotlib', 'scipy.stats', 'numba', 'great_tables', 'sklearn'};"
        "heavy &= set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
