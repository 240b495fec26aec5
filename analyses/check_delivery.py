"""Raw files held against their rules, without keeping anything of them.

Not a study of the register: it takes the files in, reports, and throws the register away.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit import registers, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.reporting.language import Language


class Report(NamedTuple):
    """The account as text, and how many records were rejected."""

    text: str
    rejected: int


def main(
    folder: str | Path,
    out: str | Path,
    *,
    layouts: str | Path | None = None,
    secret: str | Path | None = None,
    letters: Sequence[str] = ("R",),
    language: Language = "nl",
    progress: Callable[..., Iterator[Any]] | None = None,
) -> Report:
    """Check a delivery and write the report.

    Writes `tables/by_layout`, `tables/by_rule` and `tables/files` (CSV and Parquet); where
    municipalities delivered SRG files, also the chapter and the pages of `srg_quality`.

    Parameters
    ----------
    folder : str or Path
        The raw files.
    out : str or Path
        Where the report goes.
    layouts, secret, letters, progress
        As in `registers.ingest`.
    language : {"nl", "en"}
    """
    target = Path(out)
    with tempfile.TemporaryDirectory(prefix="reintegratie-") as work:
        register = registers.ingest(
            folder, Path(work) / "register",
            layouts=layouts, secret=secret, letters=letters, progress=progress,
        )  # fmt: skip
        if not registers.has_facts(register):
            persons = register.meta["rows"]["persons"]
            return Report(f"canonical tables, {persons:,} persons: all rules hold", 0)
        text = registers.account(register, language)
        files = registers.facts(register, "files")
        for name, frame in (
            ("by_layout", registers.by_layout(register)),
            ("by_rule", registers.by_rule(register)),
            ("files", files.drop("extra")),
        ):
            reporting.save_table(frame, target / "tables", name)
        if files["layout"].str.starts_with("srg_").any():
            from analyses import report as binder
            from analyses import srg_quality

            srg_quality.main(register, target / "srg_quality", language=language, chapter_number=1)
            page = binder.main(target, language=language, kind="check")
            text += f"\npage: {page.as_posix()}"
        return Report(f"{text}\nreport: {target.as_posix()}", int(files["rejected"].sum()))
