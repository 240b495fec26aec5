"""Figures and tables as files: a PNG with the table behind it, and a record of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError, WrongTypeError
from toolkit.frames import require_rows, to_frame
from toolkit.reporting.png import write_png
from toolkit.reporting.style import DPI, NARROW, WIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Columns by which output control judges a figure: unweighted counts behind the numbers.
COUNTS = (
    "n", "n_risk", "n_event", "n_censor", "n_treated", "n_control", "inflow", "outflow", "stock",
)  # fmt: skip


@dataclass(frozen=True)
class FigureFiles:
    """A figure on disk.

    Attributes
    ----------
    name : str
        File name without ending; all files of the figure share it.
    png, csv, parquet : Path
        The picture at full width and the table behind it.
    alt : str
        What the figure shows, for who cannot see it.
    number, title, subtitle, note : str or None
        What the figure says about itself.
    narrow : Path or None
        The picture at half a page, for phones and columns.
    counts : tuple of str
        Columns of the table that hold unweighted counts.
    """

    name: str
    png: Path
    csv: Path
    parquet: Path
    alt: str
    number: str | None = None
    title: str | None = None
    subtitle: str | None = None
    note: str | None = None
    narrow: Path | None = None
    counts: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableFiles:
    """A table on disk: CSV (comma, decimal point, UTF-8) and Parquet."""

    name: str
    csv: Path
    parquet: Path


def save_table(frame: Any, folder: Path | str, name: str) -> TableFiles:
    r"""Write a frame as `name.csv` and `name.parquet`.

    The CSV has commas between fields, decimal points and UTF-8, whatever the language of the
    report: files are for programs, formatted numbers for readers.

    Raises
    ------
    WrongTypeError
        A column holds lists or structs, which CSV cannot.

    Examples
    --------
    >>> import polars as pl, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_table(pl.DataFrame({"n": [1]}), folder, "tabel").csv.read_text()
    'n\n1\n'
    """
    data = to_frame(frame)
    _check_name(name)
    nested = [column for column, dtype in data.schema.items() if dtype.is_nested()]
    if nested:
        raise WrongTypeError(
            f"Column {nested[0]!r} holds {data.schema[nested[0]]}, which CSV cannot",
            where=f"table {name!r}",
            fix="unnest or drop it",
        )
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    csv, parquet = place / f"{name}.csv", place / f"{name}.parquet"
    data.write_csv(csv)
    data.write_parquet(parquet)
    return TableFiles(name, csv, parquet)


def save_figure(
    figure: Axes | Figure | Callable[..., Axes],
    folder: Path | str,
    name: str,
    *,
    table: Any,
    alt: str,
) -> FigureFiles:
    """Write a figure as PNG (300 dpi) with the table behind it as CSV and Parquet.

    The same figure gives the same bytes: no date and no program name are written.

    Parameters
    ----------
    figure : Axes, Figure or callable
        What to save. A callable takes `width` and returns axes
        (`partial(figures.survival, tidy, …)`); it is drawn at both widths, and the narrow one,
        `name_narrow.png`, serves phones.
    folder, name : Path, str
        Where, and the file name without ending.
    table : frame
        The numbers behind the figure, with their counts.
    alt : str
        One or two sentences that say what the figure shows.

    Raises
    ------
    CallError
        No alternative text, or a name that is no file name.
    EmptyCohortError
        The table has no rows.

    Examples
    --------
    >>> import polars as pl, tempfile
    >>> from functools import partial
    >>> from toolkit.reporting import figures
    >>> tidy = pl.DataFrame({"time": [1, 2], "estimate": [0.9, 0.8], "n_risk": [50, 45]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw = partial(figures.survival, tidy, number="1.1")
    ...     saved = save_figure(draw, folder, "fig", table=tidy, alt="Na twee maanden is 80% over.")
    >>> saved.number, saved.counts
    ('1.1', ('n_risk',))
    """
    from toolkit.reporting.figures.canvas import caption_of

    _check_name(name)
    if not alt.strip():
        raise CallError(
            "A figure has no alternative text", where=name, fix="say in a sentence what it shows"
        )
    data = to_frame(table)
    require_rows(data, f"the table behind figure {name!r}")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    png, narrow = place / f"{name}.png", None
    if callable(figure):
        wide = _figure_of(figure(width=WIDE))
        narrow = place / f"{name}_narrow.png"
        write_png(_figure_of(figure(width=NARROW)), narrow, DPI)
    else:
        wide = _figure_of(figure)
    write_png(wide, png, DPI)
    files = save_table(data, place, name)
    caption = caption_of(wide)
    return FigureFiles(
        name, png, files.csv, files.parquet, alt.strip(),
        number=caption.number, title=caption.title, subtitle=caption.subtitle, note=caption.note,
        narrow=narrow, counts=tuple(column for column in COUNTS if column in data.columns),
    )  # fmt: skip


def _check_name(name: str) -> None:
    if not name or any(sign in name for sign in "/\\:") or name.startswith("."):
        raise CallError(f"{name!r} is no file name", fix="use letters, digits, - and _")


def _figure_of(drawn: Any) -> Any:
    return drawn.get_figure(root=True) if hasattr(drawn, "get_figure") else drawn


def read_table(path: Path) -> pl.DataFrame:
    """Return a table written by `save_table`."""
    return pl.read_parquet(path)
