"""`reintegratie protocol`: prints the page, saves it, and names what is wrong."""

from __future__ import annotations

import subprocess
import sys


def reintegratie(*words: object) -> subprocess.CompletedProcess[str]:
    code = "from toolkit.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, *map(str, words)],
        capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip


def test_example_then_page_then_typo(here, tmp_path):
    example = reintegratie("protocol", "--example")
    assert example.returncode == 0, example.stderr
    file = tmp_path / "study.toml"
    file.write_text(example.stdout, encoding="utf-8")
    done = reintegratie("protocol", file, "--out", tmp_path / "out", "--language", "en")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Research protocol. Laid down on 2010-03-01")
    assert (tmp_path / "out" / "protocol.html").is_file()

    file.write_text(example.stdout.replace("why =", "wy ="), encoding="utf-8")
    wrong = here("protocol", file)
    assert wrong.returncode == 3
    assert "study.toml, design.wy" in wrong.stderr
    assert "did you mean 'why'?" in wrong.stderr
    assert here("protocol").returncode == 2
