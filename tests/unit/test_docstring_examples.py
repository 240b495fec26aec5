"""The examples in docstrings: they run, and give what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
#: Modules whose examples need a library that is an extra.
NEEDS = {"toolkit.effects.designs.discontinuity": "rdrobust"}


def modules() -> list[str]:
    """Modules with an example, found without importing any."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "toolkit").rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


def test_there_are_examples():
    assert len(modules()) > 100


@pytest.mark.parametrize("name", modules())
def test_examples_give_what_they_show(name, tmp_path, monkeypatch, capsys):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    monkeypatch.chdir(tmp_path)  # where an example may write
    done = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert done.failed == 0, capsys.readouterr().out
    if not done.attempted:
        pytest.skip("its examples need a register, and say so")
