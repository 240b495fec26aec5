"""Chapters written, read back and bound into one page."""

from __future__ import annotations

from functools import partial
from html.parser import HTMLParser

import polars as pl
import pytest

from toolkit import reporting
from toolkit.errors import CallError, InputError, MissingTableError
from toolkit.reporting import figures
from toolkit.reporting.render import paragraphs

VOID = {"meta", "link", "br", "img", "source", "hr", "input", "col"}


class Page(HTMLParser):
    """Counts what a page holds, and minds that every tag is closed where it was opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, key, value or "") for key, value in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag, key):
        return [value for t, k, value in self.attributes if (t, k) == (tag, key)]


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output") / "exit"
    tidy = pl.DataFrame({"time": [1, 2], "estimate": [0.9, 0.8], "n_risk": [50, 45]})
    saved = reporting.save_figure(
        partial(figures.survival, tidy, number="1.1", title="Terug"),
        folder / "figures", "terug", table=tidy, alt='Na 2 maanden is 80% nog weg ("weg" < 1).',
    )  # fmt: skip
    table = reporting.save_table(
        pl.DataFrame({"sex": ["male"], "estimate": [0.8412]}), folder, "tabel"
    )
    chapter = reporting.Chapter(
        "exit", "Uitstroom & terugkeer", "Een op de acht <keert> terug.",
        (
            reporting.Text("## Wie keert terug?\n\nEen **vet** woord.\n\n- een\n- twee"),
            reporting.Figure(saved),
            reporting.Table(table, "Werk", number="1.1", formats={"estimate": "percent1"}),
            reporting.KeyFigures((
                reporting.KeyFigure("Werk", 0.8379, 0.84, 0.83, 0.845, 18650, source="IWI"),
                reporting.KeyFigure("Niet waargenomen", None, 0.12),
            )),
            reporting.Definitions((("Uitstroom", "Langer dan 31 dagen."),)),
            reporting.Note("Let op.", "Noemer"),
        ),
    )  # fmt: skip
    chapter.write(folder)
    other = reporting.Chapter(
        "states", "Posities", blocks=(reporting.Text("## Wie keert terug?\n\nKort."),)
    )
    return folder, chapter, other


def test_a_chapter_reads_back_as_it_was_written(chapters):
    folder, chapter, _ = chapters
    assert reporting.Chapter.read(folder) == chapter
    plain = (folder / "chapter.json").read_text(encoding="utf-8")
    assert '"figures/terug.png"' in plain
    assert str(folder) not in plain


def test_the_page_is_whole_and_asks_nothing_of_the_network(chapters):
    folder, chapter, other = chapters
    path = reporting.render_report(
        [chapter, other], folder.parent / "report.html", title="Duurzame uitstroom",
        subtitle="1999–2011", colophon={"Bron": "synthetisch register"},
    )  # fmt: skip
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.of("html", "lang") == ["nl"]
    assert "script" not in page.tags
    assert [value[:22] for value in page.of("img", "src")] == ["data:image/png;base64,"]
    assert page.of("img", "alt") == ['Na 2 maanden is 80% nog weg ("weg" < 1).']
    for tag, key, value in page.attributes:
        if key in {"src", "href", "srcset", "action"}:
            assert value.startswith(("data:", "#", "exit/")), (tag, key, value[:60])
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    ids = page.of("section", "id") + page.of("h3", "id") + page.of("nav", "id")
    every = [value for _, key, value in page.attributes if key == "id"]
    assert len(set(every)) == len(every)
    for link in page.of("a", "href"):
        if link.startswith("#"):
            assert link[1:] in ids
    for link in page.of("a", "href"):
        if not link.startswith("#"):
            assert (path.parent / link).is_file()
    words = " ".join(" ".join(page.words).split())
    for expected in (
        "Uitstroom & terugkeer", "Een op de acht <keert> terug.", "84,1%", "−0,2", "83–84%",
        "Cijfers achter deze figuur:", "terug.csv", "Begrippen", "Colofon", "Inhoud",
    ):  # fmt: skip
        assert expected in words, expected


def test_the_page_speaks_english(chapters):
    folder, _, other = chapters
    path = reporting.render_report([other], folder.parent / "en.html", title="x", language="en")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.of("html", "lang") == ["en"]
    assert "Contents" in " ".join(page.words)


def test_the_same_chapters_give_the_same_page(chapters):
    folder, chapter, _ = chapters
    pages = [
        reporting.render_report([chapter], folder.parent / name, title="x").read_bytes()
        for name in ("a.html", "b.html")
    ]
    assert pages[0] == pages[1]


def test_text_is_never_markup_of_its_own():
    assert str(paragraphs("<script>x</script>", "k")) == "<p>&lt;script&gt;x&lt;/script&gt;</p>"
    assert str(paragraphs("2 * 3 * 4", "k")) == "<p>2 * 3 * 4</p>"
    assert str(paragraphs("- a\n- *b*", "k")) == "<ul><li>a</li><li><em>b</em></li></ul>"


def test_bad_chapters_are_refused(tmp_path, chapters):
    folder, chapter, _ = chapters
    with pytest.raises(MissingTableError, match=r"chapter\.json"):
        reporting.Chapter.read(tmp_path)
    (tmp_path / "chapter.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no chapter"):
        reporting.Chapter.read(tmp_path)
    (tmp_path / "chapter.json").write_bytes((folder / "chapter.json").read_bytes())
    with pytest.raises(MissingTableError, match=r"terug\.png"):
        reporting.Chapter.read(tmp_path)
    with pytest.raises(CallError, match="two words"):
        reporting.Chapter("two words", "x")
    with pytest.raises(CallError, match="no block"):
        reporting.Chapter("x", "x", blocks=("text",))
    with pytest.raises(CallError, match="share a key"):
        reporting.render_report([chapter, chapter], tmp_path / "r.html", title="x")
    with pytest.raises(CallError, match="without chapters"):
        reporting.render_report([], tmp_path / "r.html", title="x")
