"""What the tests of the whole way share."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
from PIL import Image

from toolkit.cli import main


@pytest.fixture
def here(monkeypatch, capsys):
    """The same command in this process, for it takes seconds to start another."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["reintegratie", *map(str, words)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main replaces it
        with pytest.raises(SystemExit) as left:  # any other error would be a traceback
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, left.value.code or 0, said.out, said.err)

    return run


@pytest.fixture
def unpainted(monkeypatch):
    """Figures are composed and laid out, not painted: for tests of the words beside them."""

    monkeypatch.setattr(
        "toolkit.reporting.files.write_png",
        lambda _figure, path, _dpi: Image.new("1", (40, 30)).save(path),
    )
