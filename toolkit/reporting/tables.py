"""Tables for readers: great-tables with the numbers of the language."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from toolkit.errors import check_option
from toolkit.frames import require_columns, require_rows, to_frame
from toolkit.reporting.labels import (
    format_count,
    format_date,
    format_month,
    format_number,
    format_p_value,
    format_percent,
    label,
    name_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Format = Literal[
    "text", "count", "percent", "percent1", "points", "number1", "number2", "number3",
    "p_value", "date", "month",
]  # fmt: skip

_WORDS: dict[str, Callable[[Any], str]] = {
    "text": lambda value: "." if value is None else str(value),
    "count": format_count,
    "percent": format_percent,
    "percent1": lambda value: format_percent(value, 1),
    "points": lambda value: format_percent(value, 1, sign=True).removesuffix("%"),
    "number1": lambda value: format_number(value, 1),
    "number2": lambda value: format_number(value, 2),
    "number3": lambda value: format_number(value, 3),
    "p_value": format_p_value,
    "date": lambda value: "." if value is None else format_date(value),
    "month": lambda value: "." if value is None else format_month(value),
}


def default_format(name: str, dtype: pl.DataType) -> Format:
    """Return how a column is written where nobody said: by its name and type.

    Examples
    --------
    >>> default_format("n", pl.Int64()), default_format("p_value", pl.Float64())
    ('count', 'p_value')
    """
    if name == "p_value":
        return "p_value"
    if dtype.is_integer():
        return "count"
    if dtype.is_float():
        return "number3"
    return "date" if dtype == pl.Date else "text"


def format_frame(
    data: pl.DataFrame, formats: Mapping[str, Format], *, group: str | None = None
) -> pl.DataFrame:
    """Return the frame in words: every column a string, missing values a point.

    Under a `group` that names a code list (`sex`, `size_class`), codes are called what that list
    calls them.
    """
    lists = data[group].cast(pl.String).to_list() if group is not None else []
    columns = []
    for name, series in zip(data.columns, data, strict=True):
        form = formats.get(name) or default_format(name, series.dtype)
        words = _WORDS[form]
        if form != "text":
            shown = [words(value) for value in series]
        elif name == group:
            shown = [name_of("word", value) if value is not None else "" for value in series]
        else:
            shown = [
                "." if value is None else _code(name, value, lists[row] if lists else None)
                for row, value in enumerate(series)
            ]
        columns.append(pl.Series(name, shown, dtype=pl.String))
    return pl.DataFrame(columns)


def _code(column: str, value: Any, code_list: str | None) -> str:
    """Return what a code is called: by its column, else by the list the group names."""
    found = name_of(column, value)
    return name_of(code_list, value) if code_list and found == str(value) else found


def table_html(
    frame: Any,
    *,
    number: str | None = None,
    title: str | None = None,
    columns: Mapping[str, str] | None = None,
    formats: Mapping[str, Format] | None = None,
    group: str | None = None,
    note: str | None = None,
    styled: bool = True,
    identifier: str = "table",
) -> str:
    """Return a frame as an HTML table with numbers as the language writes them.

    Parameters
    ----------
    frame : frame
        One row a line; codes in text columns are translated.
    number, title : str, optional
        "3.1" becomes "Tabel 3.1".
    columns : Mapping, optional
        Column name → heading. Columns left out get the word of the labels, or their name.
        Where given, only these columns are shown, in this order.
    formats : Mapping, optional
        Column name → one of `text count percent percent1 points number1 number2 number3 p_value
        date month`. Without it integers are counts and floats have three decimals.
    group : str, optional
        Column whose values become headings between the rows.
    note : str, optional
        Under the table: source, n, definition, what is not observed.
    styled : bool
        Whether great-tables' own style comes along (a notebook); a report brings its own.
    identifier : str
        Start of the `id`s inside the table; unique on its page.

    Raises
    ------
    UnknownColumnError, UnknownOptionError, EmptyCohortError
        A column or format does not exist; the frame has no rows.

    Examples
    --------
    >>> import polars as pl
    >>> html = table_html(pl.DataFrame({"n": [18650]}), title="Uitstroom")
    >>> "18.650" in html
    True
    """
    from great_tables import GT

    data = to_frame(frame)
    require_rows(data, "the table")
    headings = dict(columns or {})
    chosen = dict(formats or {})
    extra = [group] if group is not None else []
    require_columns(data, *headings, *chosen, *extra, where="table_html")
    for form in chosen.values():
        check_option("format", form, get_args(Format))
    if columns is not None:
        data = data.select(*extra, *(name for name in headings if name != group))
    shown = format_frame(data, chosen, group=group)
    right = [name for name, dtype in data.schema.items() if dtype.is_numeric()]
    # great-tables makes ids of column names: positions are always valid ones.
    positions = {name: f"c{index}" for index, name in enumerate(data.columns)}
    table = GT(
        shown.rename(positions),
        groupname_col=None if group is None else positions[group],
        id=identifier,
    )
    table = table.cols_label(
        {
            positions[name]: headings.get(name) or name_of("word", name)
            for name in data.columns
            if name != group
        }
    )
    left = [name for name in data.columns if name not in right and name != group]
    table = table.cols_align("right", [positions[name] for name in right])
    table = table.cols_align("left", [positions[name] for name in left])
    html = table.as_raw_html()
    if not styled:
        html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
        html = re.sub(r'(<div id="[^"]*") style="[^"]*"', r"\1", html, count=1)
    return _frame_of(html, number, title, note)


def _frame_of(html: str, number: str | None, title: str | None, note: str | None) -> str:
    """Put number, title and note around a table, and the table in a box that scrolls by itself."""
    caption = ""
    if number or title:
        small = (
            f'<span class="number">{escape(label("table.number", number=number))}</span>'
            if number
            else ""
        )
        caption = (
            f'<figcaption>{small}<span class="title">{escape(title or "")}</span></figcaption>'
        )
    under = f'<p class="note">{escape(note)}</p>' if note else ""
    name = escape(title or label("word.total"), quote=True)
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">{html}</div>'
    return f'<figure class="table">{caption}{box}{under}</figure>'
