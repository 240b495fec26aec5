"""House style, figures, tables and documents, in Dutch or English."""

from toolkit.reporting import figures
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
from toolkit.reporting.style import NARROW, WIDE, style

__all__ = [
    "NARROW",
    "WIDE",
    "FigureFiles",
    "TableFiles",
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
    "save_figure",
    "save_table",
    "style",
]
