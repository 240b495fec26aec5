"""What counts as on time, complete and good enough: small frozen objects, kept with the output."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from toolkit.errors import CallError


class _Plain:
    """Settings that can be written down."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, for a manifest."""
        plain: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in plain.items()
        }


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise CallError(f"{name}={value} is no share", fix="give a number from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Standards(_Plain):
    """What one delivery of a municipality is judged by.

    Attributes
    ----------
    due_days : int
        Days after the last day of a period by which it must have come in. Four weeks: Regeling
        statistiek WWB, art. 5.
    most_rejected : float
        Share of records that may be rejected.
    least_of_previous : float
        Accepted records, as a share of those in the delivery one period before.
    compare_from : int
        Records the delivery before must have for that comparison: small numbers swing by chance.
    least_usable : float
        Share of started programmes that must have a usable position.
    position_from : date
        Periods from then on need a position (with the deliveries of 2009).
    """

    due_days: int = 28
    most_rejected: float = 0.05
    least_of_previous: float = 0.7
    compare_from: int = 30
    least_usable: float = 0.8
    position_from: date = date(2009, 1, 1)

    def __post_init__(self) -> None:
        for name in ("most_rejected", "least_of_previous", "least_usable"):
            _share(name, getattr(self, name))
        if self.due_days < 0 or self.compare_from < 0:
            raise CallError("due_days and compare_from are not negative", fix="give 0 or more")


@dataclass(frozen=True, kw_only=True)
class Thresholds(_Plain):
    """When the positions of a period may be published for the whole country.

    Attributes
    ----------
    usable : float
        Share of the started programmes delivered that has a usable position.
    coverage : float
        Share of the caseload that lives in municipalities with a usable delivery.
    r_indicator : float
        Representativeness of those municipalities, by size and region.
    """

    usable: float = 0.9
    coverage: float = 0.8
    r_indicator: float = 0.8

    def __post_init__(self) -> None:
        for name in ("usable", "coverage", "r_indicator"):
            _share(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class Protocol(_Plain):
    """The steps that follow when a delivery does not come in: days after it was due.

    The letter to Parliament of 29 April 2010 (28719, no. 72) names the steps, not the days: these
    are a choice to be set. Reminders are older (28719, no. 64: a strategy of reminders).

    Attributes
    ----------
    remind : int
        The statistical office reminds the municipality.
    report : int
        It reports to the ministry who has not delivered.
    address : int
        The ministry addresses the municipality.
    report_from : date
        Periods from then on are reported and addressed: those that fell due after the protocol
        was made. For earlier ones there were reminders only.
    incomplete : bool
        An incomplete delivery is followed like none at all: the regulation speaks of information
        missing or incomplete (Regeling participatiebudget, art. 1a).
    suspend_from : date
        Periods from then on: the monthly advance payment is suspended from the first of the month
        after the report (Regeling participatiebudget, art. 1a), until the delivery is there.
    """

    remind: int = 1
    report: int = 14
    address: int = 28
    report_from: date = date(2010, 1, 1)
    incomplete: bool = True
    suspend_from: date = date(2011, 1, 1)

    def __post_init__(self) -> None:
        if not 0 < self.remind <= self.report <= self.address:
            raise CallError(
                f"The steps are out of order: remind={self.remind}, report={self.report}, "
                f"address={self.address}",
                fix="give days after the due date: remind ≤ report ≤ address, from 1",
            )
        if self.suspend_from < self.report_from:
            raise CallError(
                f"suspend_from={self.suspend_from} is before report_from={self.report_from}",
                fix="suspension follows a report: let it begin no earlier",
            )
