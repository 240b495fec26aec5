"""Numbers and dates as the language writes them: 18.650 and 12,5% in Dutch."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from babel.dates import format_date as babel_date
from babel.numbers import format_decimal

from toolkit.reporting.labels.lookup import label
from toolkit.reporting.language import current_language

if TYPE_CHECKING:
    from datetime import date

_MINUS = "−"  # a hyphen is too short


def _locale() -> str:
    return {"nl": "nl_NL", "en": "en_GB"}[current_language()]


def _pattern(digits: int) -> str:
    return "#,##0" + ("." + "0" * digits if digits else "")


def format_number(value: float | None, digits: int = 0, *, sign: bool = False) -> str:
    """Return a number with thousands separated and a fixed number of decimals.

    A missing value is a point, as in the tables of Statistics Netherlands; zero never has a sign.

    Examples
    --------
    >>> format_number(18650)
    '18.650'
    >>> format_number(3.14159, 2)
    '3,14'
    >>> format_number(5.2, 1, sign=True)
    '+5,2'
    """
    if value is None or not isfinite(value):
        return "."
    rounded = round(float(value), digits)
    text = format_decimal(abs(rounded), format=_pattern(digits), locale=_locale())
    if rounded < 0:
        return _MINUS + text
    return f"+{text}" if sign and rounded > 0 else text


def format_count(value: float | None) -> str:
    """Return a count: whole, thousands separated.

    Examples
    --------
    >>> format_count(10410)
    '10.410'
    """
    return format_number(value, 0)


def format_percent(share: float | None, digits: int = 0, *, sign: bool = False) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> format_percent(0.125, 1)
    '12,5%'
    >>> format_percent(0.12)
    '12%'
    """
    if share is None or not isfinite(share):
        return "."
    # 0.285 * 100 is 28.499999999999996: clear the float dust before rounding half to even
    return format_number(round(share * 100, 9), digits, sign=sign) + "%"


def format_points(share: float | None, digits: int = 1) -> str:
    """Return a difference of two shares in percentage points, signed.

    Examples
    --------
    >>> format_points(0.052)
    '+5,2 procentpunt'
    """
    if share is None or not isfinite(share):
        return "."
    number = format_number(round(share * 100, 9), digits, sign=True)
    return label("number.points", value=number)


def format_p_value(p_value: float | None) -> str:
    """Return a p-value in three decimals, and '< 0,001' below.

    Examples
    --------
    >>> format_p_value(0.0301), format_p_value(0.00002)
    ('0,030', '< 0,001')
    """
    if p_value is None or not isfinite(p_value):
        return "."
    if p_value < 0.001:
        return f"< {format_number(0.001, 3)}"
    return format_number(p_value, 3)


def format_date(day: date) -> str:
    """Return a day in words.

    Examples
    --------
    >>> from datetime import date
    >>> format_date(date(2006, 1, 31))
    '31 januari 2006'
    """
    return babel_date(day, format="d MMMM yyyy", locale=_locale())


def format_month(day: date) -> str:
    """Return a month in words.

    Examples
    --------
    >>> from datetime import date
    >>> format_month(date(2006, 1, 1))
    'januari 2006'
    """
    return babel_date(day, format="MMMM yyyy", locale=_locale())
