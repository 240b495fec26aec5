"""Shares or states in a grid: municipalities by period, regions by size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from toolkit.errors import CallError, DuplicateKeyError
from toolkit.frames import require_columns, require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.canvas import Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door, require_shares
from toolkit.reporting.figures.grid import Cell, GridColumn, GridRow, draw_grid
from toolkit.reporting.figures.keys import write_keys
from toolkit.reporting.labels import format_number, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from toolkit.reporting.figures.canvas import Canvas

#: From little to much: each shade darker than the one before, in grey too.
SHADES = ("#E3ECF5", "#B9D1E8", "#7FABD6", "#3F7CB8", "#12406F")
_ON_DARK = frozenset({"#3F7CB8", "#12406F", palette.NAVY})


def heat_map(
    frame: Any,
    *,
    row: str = "group",
    column: str = "period",
    value: str = "estimate",
    bounds: Sequence[float] = (0.5, 0.7, 0.8, 0.9),
    over: str | None = None,
    heading: str | None = None,
    n: str | None = None,
    words: str | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw shares as shades in a grid; the value stands in its cell where it fits.

    Parameters
    ----------
    frame : frame
        One row a cell, in order of drawing: `row`, `column`, `value` (null: no figure, an empty
        cell). A cell without a row is empty too.
    row, column, value : str
        Columns with the names of rows and columns, and the share.
    bounds : sequence of float
        Where one shade ends and the next begins; at most four.
    over : str, optional
        Column with what stands over a run of columns, such as the year.
    heading : str, optional
        Column with the breakdown a row belongs to.
    n : str, optional
        Column with the number a row rests on; the largest of its cells is written.
    words : str, optional
        Column with what to write in a cell in place of its percentage.
    labels : Mapping, optional
        Own names for rows, columns and headings.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`. The height follows
        from the rows.

    Raises
    ------
    UnknownColumnError, CallError, DuplicateKeyError
        A column is missing, values are no shares, a cell stands twice.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({
    ...     "group": ["small", "small"], "period": ["1", "2"], "estimate": [0.4, 0.95],
    ... })
    >>> ax = figures.heat_map(frame, title="Steeds vollediger")
    """
    where = "figures.heat_map"
    data = open_door(frame, where=where, need=(row, column, value), numbers=(value,))
    require_shares(data, value, where=where)
    cuts = list(bounds)
    if not cuts or len(cuts) >= len(SHADES) or cuts != sorted(set(cuts)):
        raise CallError(
            f"bounds={tuple(bounds)} do not part {len(SHADES)} shades",
            fix=f"give 1 to {len(SHADES) - 1} rising shares",
        )
    shades = SHADES[len(SHADES) - len(cuts) - 1 :]

    def look(record: dict[str, Any]) -> Cell | None:
        share = record[value]
        if share is None:
            return None
        # 0.7 as 7/10 and as 0.1 * 7 are one share
        fill = shades[sum(share >= bound - 1e-9 for bound in cuts)]
        text = record[words] if words is not None else format_percent(share).removesuffix("%")
        return Cell(fill, text or "", palette.PAPER if fill in _ON_DARK else palette.INK)

    keys = _classes(cuts)
    with style():
        canvas = open_canvas(furniture, height=(1.0, 1.0))
        rows, columns = _grid(data, row, column, over, heading, n, words, labels, look, where)
        draw_grid(canvas, rows, columns)
        # In ink: the shades themselves are no colours for text.
        write_keys(canvas, list(zip(keys, shades, strict=True)), ink=True)
        _empty(canvas, rows, columns)
        return close_canvas(canvas)


def state_map(
    frame: Any,
    *,
    states: Mapping[str, tuple[str, str, str]],
    row: str = "group",
    column: str = "period",
    state: str = "state",
    over: str | None = None,
    heading: str | None = None,
    n: str | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw states in a grid: a colour and a sign each.

    Parameters
    ----------
    frame : frame
        One row a cell, in order of drawing: `row`, `column`, `state` (null: an empty cell).
    states : Mapping
        State → its words, its colour, and its sign (one character; may be empty for one state).
    row, column, state, over, heading, n, labels, **furniture
        As in `heat_map`.

    Raises
    ------
    UnknownColumnError, CallError, DuplicateKeyError
        A column or state is unknown, a cell stands twice.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({"group": ["A"], "period": ["1"], "state": ["missing"]})
    >>> ax = figures.state_map(frame, states={"missing": ("niet geleverd", "#12304D", "×")})
    """
    where = "figures.state_map"
    data = open_door(frame, where=where, need=(row, column, state), numbers=())
    strange = set(data[state].cast(str).drop_nulls().unique()) - set(states)
    if strange:
        raise CallError(f"State {min(strange)!r} has no look", where=where, fix="add it to states=")

    def look(record: dict[str, Any]) -> Cell | None:
        if record[state] is None:
            return None
        _, fill, sign = states[str(record[state])]
        return Cell(fill, sign, palette.PAPER if fill in _ON_DARK else palette.INK, sign=True)

    with style():
        canvas = open_canvas(furniture, height=(1.0, 1.0))
        rows, columns = _grid(data, row, column, over, heading, n, None, labels, look, where)
        draw_grid(canvas, rows, columns)
        keys = [(f"{sign} {name}".strip(), fill) for name, fill, sign in states.values()]
        write_keys(canvas, keys, ink=True)
        _empty(canvas, rows, columns)
        return close_canvas(canvas)


def _grid(
    data: Any, row: str, column: str, over: str | None, heading: str | None, n: str | None,
    words: str | None, labels: Mapping[str, str] | None, look: Any, where: str,
) -> tuple[list[GridRow], list[GridColumn]]:  # fmt: skip
    """Return rows with their cells, and columns, in order of first appearance."""
    extra = [name for name in (over, heading, n, words) if name is not None]
    require_columns(data, *extra, where=where)
    require_no_nulls(data, row, column)
    columns: dict[tuple[Any, Any], GridColumn] = {}
    rows: dict[tuple[Any, Any], GridRow] = {}
    for record in data.iter_rows(named=True):
        above = record[heading] if heading is not None else None
        run = record[over] if over is not None else None
        at = (run, record[column])
        if at not in columns:
            name = name_of(column, record[column], labels)
            columns[at] = GridColumn(name, None if run is None else str(run))
        key = (above, record[row])
        if key not in rows:
            name = name_of(str(above) if above else row, record[row], labels)
            rows[key] = GridRow(name, _capital(name_of("word", above, labels)) if above else None)
        place = list(columns).index(at)
        if place in rows[key].cells:
            raise DuplicateKeyError(
                f"The cell of {name_of(row, record[row], labels)!r} and "
                f"{name_of(column, record[column], labels)!r} stands twice",
                where=where, fix="sum or filter first",
            )  # fmt: skip
        cell = look(record)
        rows[key].cells[place] = cell or Cell(palette.PAPER)
        if n is not None and record[n] is not None:
            rows[key].n = max(record[n], rows[key].n or 0)
    return list(rows.values()), list(columns.values())


def _classes(bounds: Sequence[float]) -> list[str]:
    """Return what each shade stands for."""
    digits = 0 if all(abs(bound * 100 - round(bound * 100)) < 1e-9 for bound in bounds) else 1
    marks = [format_percent(bound, digits) for bound in bounds]
    low = [format_number(bound * 100, digits) for bound in bounds]
    return [
        label("mark.below", value=marks[0]),
        *(
            label("mark.between", low=before, high=after)
            for before, after in zip(low, marks[1:], strict=False)
        ),
        label("mark.from", value=marks[-1]),
    ]


def _empty(canvas: Canvas, rows: list[GridRow], columns: list[GridColumn]) -> None:
    """Say what an empty cell is, where there are any."""
    filled = sum(cell.fill != palette.PAPER for row in rows for cell in row.cells.values())
    if filled < len(rows) * len(columns):
        canvas.sentences.append(label("note.empty_cells"))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
