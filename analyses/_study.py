"""What every study shares: its config and words, its folder, and the chapter it grows."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit import reporting
from toolkit.errors import CallError, check_option
from toolkit.provenance import Manifest
from toolkit.reporting import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HERE = Path(__file__).parent


@cache
def read_toml(name: str) -> dict[str, Any]:
    """Return a config that stands beside the studies."""
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass
class Study:
    """A chapter in the making: words in one language, figures and tables saved as they come.

    Attributes
    ----------
    name : str
        Name of the study; its config is `analyses/<name>.toml`.
    out : Path
        Folder for `figures/`, `tables/`, `chapter.json` and `manifest.json`.
    language : {"nl", "en"}
    words : mapping, optional
        Words in place of those of the config.
    """

    name: str
    out: Path
    language: str = "nl"
    words: Mapping[str, str] = field(default_factory=dict)
    chapter_number: int = 1
    blocks: list[Any] = field(default_factory=list)
    manifest: Manifest = field(init=False)

    def __post_init__(self) -> None:
        check_option("language", self.language, ("nl", "en"))
        self.out = Path(self.out)
        self.manifest = Manifest(title=self.name)
        self._text = {**read_toml(self.name).get("text", {}).get(self.language, {}), **self.words}
        self._figures = 0
        for old in ("figures", "tables"):  # nothing of an older run stays behind
            for file in (self.out / old).glob("*"):
                file.unlink()

    @property
    def config(self) -> dict[str, Any]:
        """The study's own settings."""
        return dict(read_toml(self.name)["study"])

    @property
    def published(self) -> list[dict[str, Any]]:
        """Published figures the study is held beside."""
        return list(read_toml(self.name).get("published", []))

    def text(self, key: str, **values: Any) -> str:
        """Return the words for `key`, with values filled in."""
        if key not in self._text:
            raise CallError(
                f"The study {self.name!r} has no words for {key!r} in {self.language!r}",
                fix=f"add it to analyses/{self.name}.toml",
            )
        return self._text[key].format(**values)

    def shared(self, group: str, key: str) -> str:
        """Return words that several studies share; the key itself where there are none."""
        return str(read_toml("words")[self.language].get(group, {}).get(key, key))

    # --- what goes on the page ---------------------------------------------------------------

    def paragraph(self, text: str, *, heading: str | None = None) -> None:
        """Add a paragraph, with a heading above it if given."""
        self.blocks.append(document.Text(text=text, heading=heading))

    def note(self, text: str) -> None:
        """Add a note: what a reader must know of the numbers."""
        self.blocks.append(document.Note(text=text))

    def figure(
        self,
        name: str,
        draw: Callable[..., Any],
        *data: Any,
        table: pl.DataFrame,
        alt: str,
        title: str,
        subtitle: str,
        note: str,
        **options: Any,
    ) -> None:
        """Draw a figure at both widths, save it with its table, and put it on the page."""
        self._figures += 1
        drawing = partial(
            draw, *data, title=title, subtitle=subtitle, note=note,
            number=f"{self.chapter_number}.{self._figures}", **options,
        )  # fmt: skip
        with reporting.style(self.language):
            files = reporting.save_figure(
                drawing, self.out / "figures", name, table=table, alt=alt
            )
        self.blocks.append(document.Figure.of(files))

    def table(self, name: str, frame: pl.DataFrame, *, title: str, **options: Any) -> None:
        """Save a table and put it on the page."""
        with reporting.style(self.language):
            files = reporting.save_table(frame, self.out / "tables", name)
            self.blocks.append(document.Table.of(files, title=title, **options))

    def keep_table(self, name: str, frame: pl.DataFrame) -> None:
        """Save a table beside the report without putting it on the page."""
        reporting.save_table(frame, self.out / "tables", name)

    def finish(self, *, title: str, lead: str) -> document.Chapter:
        """Write the chapter and its manifest; return the chapter."""
        chapter = document.Chapter(
            key=self.name, title=title, lead=lead, blocks=tuple(self.blocks)
        )
        chapter.write(self.out)
        self.manifest.add_outputs(self.out)
        self.manifest.write(self.out / "manifest.json")
        return chapter

    # --- words and numbers -------------------------------------------------------------------

    def percent(self, share: float | None, digits: int = 0) -> str:
        """Write a share as a percentage in the language of the study."""
        with reporting.style(self.language):
            return reporting.format_percent(share, digits)

    def count(self, n: int) -> str:
        """Write a number of persons in the language of the study."""
        with reporting.style(self.language):
            return reporting.format_count(n)

    def footer(self, *, n: int, definition: str | None = None, extra: Iterable[str] = ()) -> str:
        """Write what stands under a figure: source, n, definition, what is not observed."""
        with reporting.style(self.language):
            parts = [
                reporting.label("note.source", source=self.text("source")),
                reporting.label("note.n_unweighted", n=reporting.format_count(n)),
            ]
            if definition:
                parts.append(
                    reporting.label(
                        "note.definition", definition=self.shared("definition", definition)
                    )
                )
            parts.extend(extra)
        return " ".join(parts)

    def label(self, key: str, **values: Any) -> str:
        """Return a label of the reporting room in the language of the study."""
        with reporting.style(self.language):
            return reporting.label(key, **values)


def steps_frame(study: Study, steps: Sequence[tuple[str, int]]) -> pl.DataFrame:
    """Turn the steps of a selection into the rows of a flow chart, in the study's language."""
    return pl.DataFrame(
        {
            "step": [study.shared("step", step) for step, _ in steps],
            "n": [n for _, n in steps],
        }
    )
