"""What every study shares: its config and words, its folder, and the chapter it grows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._wording import Wording, read_toml
from toolkit import reporting
from toolkit.errors import check_option
from toolkit.provenance import Manifest, hash_file
from toolkit.registers.reconcile import breaks_of
from toolkit.reporting import document, figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from toolkit.registers import Register
    from toolkit.registers.reconcile import SeriesBreak
    from toolkit.reporting.language import Language
    from toolkit.reporting.tables import Format
    from toolkit.trajectories import Definition, Durability, SupportPanel

#: A title names no share that rests on fewer observations.
TITLE_SMALLEST = 30
#: Tables of which the studies of outflow count; a break in one of them breaks their figures.
WATCHED = ("benefits", "programmes")


@dataclass
class Study(Wording):
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
    language: Language = "nl"
    words: Mapping[str, str] = field(default_factory=dict)
    chapter_number: int = 1
    blocks: list[Any] = field(default_factory=list)
    manifest: Manifest = field(init=False)

    def __post_init__(self) -> None:
        check_option("language", self.language, ("nl", "en"))
        self.out = Path(self.out)
        self.manifest = Manifest(title=self.name)
        self._text = {**read_toml(self.name).get("text", {}).get(self.language, {}), **self.words}
        self._figures = self._tables = 0
        self.source = ""
        self._register: Register | None = None
        self._window: tuple[date, date] | None = None
        self._watched: tuple[str, ...] = WATCHED
        for old in ("figures", "tables"):  # nothing of an older run stays behind
            for file in (self.out / old).glob("*"):
                file.unlink()

    @property
    def config(self) -> dict[str, Any]:
        """The study's own settings."""
        return dict(read_toml(self.name).get("study", {}))

    @property
    def published(self) -> list[dict[str, Any]]:
        """Published figures the study is held beside."""
        return list(read_toml(self.name).get("published", []))

    def run(
        self,
        steps: Sequence[Callable[..., None]],
        *data: Any,
        progress: Callable[..., Any] | None = None,
    ) -> None:
        """Take the steps of the study in order, behind a progress bar if one is given."""
        for step in progress(steps, title=self.name) if progress else steps:
            step(self, *data)

    # --- what goes on the page ---------------------------------------------------------------

    def paragraph(self, text: str = "", *, heading: str | None = None) -> None:
        """Add a paragraph, with a heading above it if given."""
        head = f"## {heading}\n\n" if heading else ""
        self.blocks.append(document.Text(head + text))

    def note(self, text: str) -> None:
        """Add a note: what a reader must know of the numbers."""
        self.blocks.append(document.Note(text))

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
            files = reporting.save_figure(drawing, self.out / "figures", name, table=table, alt=alt)
        self.blocks.append(document.Figure(files))

    def table(
        self,
        name: str,
        frame: pl.DataFrame,
        *,
        title: str,
        formats: Mapping[str, Format] | None = None,
        note: str | None = None,
    ) -> None:
        """Save a table and put it on the page; its columns are named by the study's words."""
        self._tables += 1
        files = reporting.save_table(frame, self.out / "tables", name)
        columns = {
            column: self._text.get(f"column_{column}") or self.label(f"word.{column}")
            for column in frame.columns
        }
        self.blocks.append(
            document.Table(
                files, title, number=f"{self.chapter_number}.{self._tables}",
                columns=columns, formats=formats, note=note,
            )
        )  # fmt: skip

    def selection(self, outcomes: Durability, groups: pl.Series | None = None) -> None:
        """Draw how the units of the study were selected, and the groups they fall into."""
        branches = [] if groups is None else groups.value_counts().sort(groups.name).iter_rows()
        # Until the third step spells are merged; where nobody falls out only the manifest says it.
        ended = outcomes.steps[2:]
        shown = ended[:1] + [now for last, now in pairwise(ended) if now[1] < last[1]]
        steps = pl.DataFrame(
            {
                "step": [self.shared("step", step) for step, _ in shown],
                "n": [n for _, n in shown],
                "reason": [self.shared("reason", step) for step, _ in shown],
            }
        )
        raw, merged = (n for _, n in outcomes.steps[:2])
        text = self.word("merged", self.shared("text", "merged")).format(
            raw=self.count(raw), merged=self.count(merged)
        )
        self.paragraph(text, heading=self.text("selection_head"))
        self.figure(
            "selection", figures.selection, steps,
            branches=[(str(words), n) for words, n in branches],
            table=steps,
            title=self.text("selection_title"),
            subtitle=self.text("selection_subtitle"),
            note=self.footer(n=outcomes.frame.height, definition=outcomes.definition.name),
            alt=self.text(
                "selection_alt",
                first=self.count(steps["n"][0]), last=self.count(steps["n"][-1]),
            ),
        )  # fmt: skip

    def bars(self, name: str, rows: pl.DataFrame, *, words: str, note: str) -> None:
        """Draw rows of `by_group`: all of them, then a heading a breakdown."""
        sure = rows.filter(pl.col("n_observed") >= TITLE_SMALLEST)["estimate"]
        low, high = (self.percent(x) for x in (sure.min(), sure.max()))
        self.figure(
            name, figures.bars, rows,
            heading="heading", published="published", total=rows["group"][0], n="n_observed",
            mark="dot",
            table=rows,
            title=self.text(f"{words}_title", low=low, high=high),
            subtitle=self.text(f"{words}_subtitle"),
            note=note,
            alt=self.text(f"{words}_alt", low=low, high=high),
        )  # fmt: skip

    def add_published(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Put the published figure on the rows that are over everybody."""
        known = pl.DataFrame(
            {
                "group": [self.text("all")] * len(self.published),
                "measure": [row["measure"] for row in self.published],
                "horizon": [row["horizon"] for row in self.published],
                "published": [row["value"] for row in self.published],
            }
        )
        return rows.join(known, on=["group", "measure", "horizon"], how="left")

    def compare_published(self, indicators: pl.DataFrame) -> None:
        """Put each published figure beside ours, with the denominator of either."""
        rows, table = [], []
        for row in self.published:
            ours = indicators.row(
                by_predicate=(pl.col("measure") == row["measure"])
                & (pl.col("horizon") == row["horizon"]),
                named=True,
            )
            words = self.text(f"{row['measure']}_{row['horizon']}")
            rows.append(
                document.KeyFigure(
                    words,
                    ours=ours["estimate"], low=ours["conf_low"], high=ours["conf_high"],
                    n=ours["n_observed"],
                    denominator=self.text("published_ours"),
                    published=row["value"],
                    published_denominator=row[f"denominator_{self.language}"],
                    source=row["source"],
                )
            )  # fmt: skip
            table.append({"indicator": words, **row, **ours, "published": row["value"]})
        self.paragraph(self.text("published_text"), heading=self.text("published_head"))
        self.blocks.append(document.KeyFigures(tuple(rows), self.text("published_title")))
        reporting.save_table(pl.DataFrame(table), self.out / "tables", "published")

    def record(self, outcomes: Durability, register: Register | None = None) -> None:
        """Put definition, window, steps and warnings of the outcomes in the manifest."""
        self.manifest.definitions[outcomes.definition.name] = outcomes.definition.to_dict()
        self.manifest.parameters |= self.config | {"language": self.language}
        for step, n in outcomes.steps:
            self.manifest.count(step, n)
        self.manifest.warnings.extend(outcomes.meta["warnings"])
        for outcome, why in outcomes.meta["not_observed"].items():
            if why["coverage"]:
                measure, _, horizon = outcome.rpartition("_")
                words = self.shared("outcome", measure).format(h=horizon)
                self.note(
                    self.shared("text", "not_observed").format(
                        outcome=words, k=self.count(why["coverage"]),
                        n=self.count(outcomes.frame.height),
                    )
                )  # fmt: skip
        if register is not None:
            months = [name for name in outcomes.frame.columns if name.startswith("months_observed")]
            longest = outcomes.frame.select(pl.max_horizontal(0, *months).max()).item()
            seen = pl.Series([outcomes.window.end]).dt.offset_by(f"{longest or 0}mo").item()
            self.record_register(register, outcomes.window.start, seen)

    def record_panel(self, panel: SupportPanel, definition: Definition, register: Register) -> None:
        """Put definition, window and counts of a panel of months at risk in the manifest."""
        self.manifest.definitions[definition.name] = definition.to_dict()
        self.manifest.parameters |= self.config | {"language": self.language}
        for name, n in panel.glance().row(0, named=True).items():
            if isinstance(n, int):
                self.manifest.count(name, n)
        self.manifest.warnings.extend(panel.meta.get("warnings", ()))
        last = pl.Series([panel.window.end]).dt.offset_by(f"{self.config['follow_up']}mo").item()
        self.record_register(register, panel.window.start, min(last, register.covers("jobs")[1]))

    def record_register(self, register: Register, start: date, end: date) -> None:
        """Say which register the study is of, and over which days it looks."""
        name = str(register.meta.get("source", ""))
        self.source = self.shared("source", name) or self.shared("source", "unknown")
        self.watch(register, start, end)
        if register.path is not None:
            index = register.path / "register.json"
            self.manifest.inputs[index.name] = hash_file(index)

    def watch(
        self, register: Register, start: date, end: date, *, tables: Sequence[str] = WATCHED
    ) -> None:
        """Say over which days and tables the study looks; breaks of the series become notes.

        They stand in the manifest as well, and every `footer` of a figure over them names their
        day.
        """
        self._register, self._window, self._watched = register, (start, end), tuple(tables)
        crossed = self._crossed(None)
        self.manifest.parameters["series_breaks"] = [found.name for found in crossed]
        for found in crossed:
            with reporting.style(self.language):
                day = reporting.format_date(found.date)
            why = getattr(found.words, self.language)
            self.note(self.shared("text", "break_note").format(day=day, why=why))

    def breaks(self, window: tuple[date, date] | None = None) -> list[str]:
        """Return a sentence a break of the series inside a window; without it, the study's."""
        with reporting.style(self.language):
            return [
                self.shared("text", "break_mark").format(day=reporting.format_date(found.date))
                for found in self._crossed(window)
            ]

    def _crossed(self, window: tuple[date, date] | None) -> list[SeriesBreak]:
        window = window or self._window
        if self._register is None or window is None:
            return []
        return breaks_of(self._register, start=window[0], end=window[1], tables=self._watched)

    def finish(self, *, title: str, lead: str) -> document.Chapter:
        """Write the chapter and its manifest; return the chapter."""
        chapter = document.Chapter(key=self.name, title=title, lead=lead, blocks=tuple(self.blocks))
        chapter.write(self.out)
        self.manifest.add_outputs(self.out)
        self.manifest.write(self.out / "manifest.json")
        return chapter

    def footer(
        self,
        *,
        n: int,
        definition: str | None = None,
        extra: Iterable[str] = (),
        window: tuple[date, date] | None = None,
    ) -> str:
        """Write what stands under a figure: source, n, definition, breaks of the series, the rest.

        `window` is the period of the figure where it is not the study's.
        """
        with reporting.style(self.language):
            parts = [
                reporting.label("note.source", source=self.source),
                reporting.label("note.n_unweighted", n=reporting.format_count(n)),
            ]
            if definition:
                parts.append(
                    reporting.label(
                        "note.definition", definition=self.shared("definition", definition)
                    )
                )
            parts.extend(self.breaks(window))
            parts.extend(extra)
        return " ".join(parts)
