"""docs/how-to/own-data.md is followed to the letter: its files, its layout, its commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from toolkit import registers
from toolkit.registers.layout import FieldSpec, FieldType, Layout, RuleSpec, Severity, TableSpec

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-data.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"<!-- file: (\S+), (\S+) -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert len(found) == 2
    for name, encoding, content in found:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding=encoding)
    return folder


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "bin" / "reintegratie"
    if not script.exists():
        script.parent.mkdir()
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -c "from toolkit.cli import main; main()" "$@"\n'
        )
        script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(PAGE.parents[2])},
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="the page is written for a shell")
def test_every_command_of_the_page_does_what_it_says(place):
    said = {}
    for line in commands():
        if "FILE" in line:
            continue
        done = run(line, place)
        said[line] = done
        # a register without jobs has nothing to say of work: refused with a clear message
        if "run durable_outflow" in line:
            assert done.returncode == 3, done.stderr
            assert "error:" in done.stderr
            assert "Traceback" not in done.stderr
        else:
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    fits = next(done.stdout for line, done in said.items() if "layouts check" in line)
    assert fits.startswith("onze_uitkeringen: fits")
    checked = next(
        done.stdout
        for line, done in said.items()
        if line.startswith("reintegratie check delivery ")
    )
    assert "OWN-01" in checked
    register = registers.open(place / "register")
    assert register.persons.collect().height == 3
    benefits = register.benefits.collect().sort("start")
    assert benefits["municipality"].unique().to_list() == ["gm0363"]
    assert benefits["end_reason"].to_list() == ["abroad", "work", None]
    assert benefits["end"].is_null().to_list() == [False, False, True]
    files = registers.facts(register, "files")
    assert files.select("rows", "accepted", "rejected").row(0) == (4, 3, 1)
    kept = pl.read_csv(next((place / "register.closed" / "rejected").rglob("*.csv")), separator=";")
    assert kept["rules"].to_list() == ["OWN-01"]
    assert kept["Klantnr"].to_list() == ["A-20"]


@pytest.mark.parametrize(
    ("row", "model"),
    [
        ("the file", Layout), ("`[[fields]]`", FieldSpec), ("`[[rules]]`", RuleSpec),
        ("`[[tables]]`", TableSpec),
    ],
)  # fmt: skip
def test_the_page_lists_every_word_of_layouts(row, model):
    text = PAGE.read_text(encoding="utf-8").split("### All words of a layout")[1]
    line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
    said = set(re.findall(r"`(\w+)`", line.split("|")[2]))
    parts = {"fields", "rules", "tables"} if model is Layout else set()
    assert said == {name.rstrip("_") for name in model.model_fields} - parts


def test_the_page_lists_every_type_and_severity():
    text = PAGE.read_text(encoding="utf-8").split("Types of fields:")[1]
    assert set(re.findall(r"`(\w+)`", text.split(". ")[0])) == set(get_args(FieldType))
    assert set(get_args(Severity)) <= set(re.findall(r"`(\w+)`", text))
