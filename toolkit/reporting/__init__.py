"""House style, figures, tables and documents, in Dutch or English."""

from toolkit.reporting import figures
from toolkit.reporting.document import (
    Chapter,
    Definitions,
    Figure,
    KeyFigure,
    KeyFigures,
    Note,
    Table,
    Text,
)
from toolkit.reporting.files import FigureFiles, TableFiles, save_figure, save_table
from toolkit.reporting.labels import (
    format_count,
    format_date,
    format_month,
    format_number,
    format_p_value,
    format_percent,
    format_points,
    label,
    name_of,
)
from toolkit.reporting.language import current_language
from toolkit.reporting.pages import Lines, Page, write_pages
from toolkit.reporting.render import render_report
from toolkit.reporting.style import NARROW, WIDE, style
from toolkit.reporting.tables import table_html

__all__ = [
    "NARROW",
    "WIDE",
    "Chapter",
    "Definitions",
    "Figure",
    "FigureFiles",
    "KeyFigure",
    "KeyFigures",
    "Lines",
    "Note",
    "Page",
    "Table",
    "TableFiles",
    "Text",
    "current_language",
    "figures",
    "format_count",
    "format_date",
    "format_month",
    "format_number",
    "format_p_value",
    "format_percent",
    "format_points",
    "label",
    "name_of",
    "render_report",
    "save_figure",
    "save_table",
    "style",
    "table_html",
    "write_pages",
]
