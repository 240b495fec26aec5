"""School to work: 712 young people in Northern Ireland, July 1993 to June 1999. Real data.

Source: McVicar and Anyadike-Danes (2002), "Predicting successful and unsuccessful transitions from
school to work by using sequence methods", JRSS A 165(2), pp. 317–334. The panel ships with the
`sequenzo` distribution, of which only the file is read; any CSV of that shape will do.
Config and words: `school_to_work.toml`; what is computed: `sequences.py`.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING

from analyses import sequences
from analyses._wording import read_toml
from toolkit.errors import CallError

if TYPE_CHECKING:
    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language


def main(file: Path | None, out: Path, *, language: Language = "nl") -> Chapter:
    """Run the study on the panel in `file`, or on the one that is installed."""
    config = read_toml("school_to_work")
    study = config["study"]
    return sequences.run(
        find_panel() if file is None else file,
        out,
        columns=f"{study['first']}:{study['last']}",
        benefit=study["benefit"],
        work=study["work"],
        start=study["start"],
        person=study["person"],
        by=study["by"],
        language=language,
        name="school_to_work",
        words=config["text"][language],
        chapter_number=4,
    )


def find_panel() -> Path:
    """Return the path of the mvad panel that an installed distribution ships.

    Raises
    ------
    CallError
        When it is not installed.
    """
    try:
        shipped = files("sequenzo") or []
    except PackageNotFoundError:
        shipped = []
    for path in shipped:
        if path.as_posix().endswith("datasets/mvad.csv"):
            return Path(str(path.locate()))
    raise CallError(
        "The mvad panel is not installed",
        fix="pip install --no-deps -r requirements-data.lock, or give its CSV: "
        "reintegratie run school_to_work mvad.csv --out output/school_to_work",
    )
