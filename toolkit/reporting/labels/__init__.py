"""Words and numbers in Dutch and English."""

from toolkit.reporting.labels.lookup import label, name_of
from toolkit.reporting.labels.numbers import (
    format_count,
    format_date,
    format_month,
    format_number,
    format_p_value,
    format_percent,
    format_points,
)

__all__ = [
    "format_count",
    "format_date",
    "format_month",
    "format_number",
    "format_p_value",
    "format_percent",
    "format_points",
    "label",
    "name_of",
]
