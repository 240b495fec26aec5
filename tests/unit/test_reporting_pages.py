"""Single pages: self-contained, escaped, one a name."""

from __future__ import annotations

import re

import pytest

from toolkit import reporting
from toolkit.errors import CallError
from toolkit.reporting import Lines, Note, Page, Text

TABLE = Lines(
    "Records", ("regel", "aantal"), (("<b>X-1</b>", "1.234"),), right=(1,), note="Let op."
)
PAGE = Page(
    "gm0003", "Gemeente <0003>", "wat te herstellen", "Er is **iets**.",
    (Text("## Wat\n\n- een & twee"), Note("Goed te weten.", "Noot"), TABLE), "Bron: synthetisch.",
)  # fmt: skip


def test_a_page_holds_all_it_needs_and_nothing_of_it_is_markup(tmp_path):
    (path,) = reporting.write_pages([PAGE], tmp_path, language="en")
    html = path.read_text("utf-8")
    assert path.name == "gm0003.html"
    assert 'lang="en"' in html
    assert "Gemeente &lt;0003&gt;" in html
    assert "&lt;b&gt;X-1" in html
    assert "een &amp; twee" in html
    assert '<td class="right">1.234</td>' in html
    assert not re.findall(r'(?:src|href)="(?!data:,)', html)
    for words in ("Noot", "Let op.", "Bron: synthetisch."):
        assert words in html


def test_the_same_page_is_the_same_bytes(tmp_path):
    one, two = (reporting.write_pages([PAGE], tmp_path / name)[0] for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["", "../gm0003", "gm.0003", "a\\b"])
def test_names_are_file_names(tmp_path, name):
    with pytest.raises(CallError, match="no file name"):
        reporting.write_pages([Page(name, "x")], tmp_path)


def test_two_pages_of_one_name_are_refused(tmp_path):
    with pytest.raises(CallError, match="Two pages"):
        reporting.write_pages([PAGE, PAGE], tmp_path)


def test_rows_fit_their_heads():
    with pytest.raises(CallError, match="1 cells under 2 heads"):
        Lines("x", ("a", "b"), (("1",),))
