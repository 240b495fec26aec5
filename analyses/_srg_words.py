"""Periods and facts of the SRG study in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit import reporting
from toolkit.registers import quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyses._srg_evidence import Evidence
    from analyses._study import Study


def _months(row: Mapping[str, Any]) -> int:
    start, end = row["period_start"], row["period_end"]
    return int(12 * (end.year - start.year) + end.month - start.month)


def period_name(row: Mapping[str, Any]) -> str:
    """Return the short name of a period: 2009-2 for a half-year, 2015-03 for a month."""
    year, part = period_parts(row)
    return f"{year}-{part}"


def period_parts(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return a period as its year, and its half or month in it."""
    start = row["period_start"]
    if _months(row) == 6 and start.month in {1, 7}:
        return str(start.year), "1" if start.month == 1 else "2"
    return str(start.year), f"{start.month:02d}"


def period_in_words(study: Study, row: Mapping[str, Any]) -> str:
    """Return a period in words."""
    start = row["period_start"]
    if _months(row) == 6 and start.month in {1, 7}:
        return study.text("half_1" if start.month == 1 else "half_2", year=start.year)
    return study.text("month_period", month=study.month(start))


def facts(study: Study, evidence: Evidence, *, only_short: bool) -> str:
    """Return the criteria of the last verdict in words: those not met, or all."""
    row = evidence.judged
    short = (row["reasons"] or "").split(",")
    least = evidence.thresholds.to_dict()
    parts = []
    with reporting.style(study.language):
        for name in quality.CRITERIA:
            if only_short and name not in short:
                continue
            value = row["usable_share" if name == "usable" else name]
            if value is None:
                parts.append(study.text(f"{name}_unknown"))
                continue
            words, digits = (
                (reporting.format_number, 2) if name == "r_indicator"
                else (reporting.format_percent, 0)
            )  # fmt: skip
            # "only 90% (threshold 90%)" is no reason: one decimal more where rounding hides it
            if name in short and words(value, digits) == words(least[name], digits):
                digits += 1
            parts.append(
                study.text(
                    f"{name}_{'short' if name in short else 'met'}",
                    value=words(value, digits), least=words(least[name], digits),
                    low=words(row["r_low"], digits), high=words(row["r_high"], digits),
                )
            )  # fmt: skip
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {study.text('and')} {parts[-1]}"
