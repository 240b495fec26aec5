"""What the study of SRG deliveries rests on: intake's counts, judged as they stood on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit import registers
from toolkit.errors import EmptyCohortError, MissingTableError
from toolkit.registers import quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.registers import Register

#: Tables that intake leaves beside a register; the concordance of mergers only where there is one.
TABLES = ("files", "rules", "measures")


@dataclass(frozen=True)
class Intake:
    """Counts of an intake: no person is in them.

    Attributes
    ----------
    files, rules, measures : pl.DataFrame
        One row a file; a file and rule; a file.
    mergers : pl.DataFrame or None
        `old`, `new`, `date`.
    """

    files: pl.DataFrame
    rules: pl.DataFrame
    measures: pl.DataFrame
    mergers: pl.DataFrame | None = None


@dataclass(frozen=True)
class Evidence:
    """The judged deliveries, and all that figures and pages are made from.

    Attributes
    ----------
    on : date
        The day of reference.
    files, rules : pl.DataFrame
        SRG files received by then, and the rules broken in them.
    table, verdict, standing : pl.DataFrame
        What `quality.deliveries`, `quality.verdict` and `quality.escalation` gave.
    mistakes : pl.DataFrame
        Broken rules by municipality and period.
    standards, thresholds, protocol
        By what all this was judged.
    merged : bool
        Whether there were mergers.
    without_caseload : int
        Rows left out of the table: nobody on benefit, and nothing delivered.
    """

    on: date
    files: pl.DataFrame
    rules: pl.DataFrame
    table: pl.DataFrame
    verdict: pl.DataFrame
    standing: pl.DataFrame
    mistakes: pl.DataFrame
    standards: quality.Standards
    thresholds: quality.Thresholds
    protocol: quality.Protocol
    merged: bool
    without_caseload: int

    @property
    def newest(self) -> pl.DataFrame:
        """The newest version of each file: what a delivery holds."""
        keys = ["municipality", "period_start"]
        return self.files.sort(*keys, "version").unique(keys, keep="last", maintain_order=True)

    @property
    def last(self) -> pl.DataFrame:
        """The last period of the table."""
        return self.table.filter(pl.col("period_start") == pl.col("period_start").max())

    @property
    def judged(self) -> dict[str, Any]:
        """The verdict on the last period."""
        return self.verdict.sort("period_start").row(-1, named=True)


def read_intake(register: Register) -> Intake:
    """Read what intake left beside a register.

    Raises
    ------
    MissingTableError
        When the register was not made from raw deliveries.
    """
    found = {name: registers.facts(register, name) for name in TABLES}
    try:
        mergers = registers.facts(register, "mergers")
    except MissingTableError:
        mergers = None
    return Intake(**found, mergers=mergers)


def gather(
    register: Register, intake: Intake, config: Mapping[str, Any], on: date | None
) -> Evidence:
    """Judge the SRG deliveries as they stood on a day; without one, when the last had come in.

    Raises
    ------
    EmptyCohortError
        When there is no SRG delivery by then.
    """
    standards = quality.Standards(**config["standards"])
    protocol = quality.Protocol(**config["protocol"])
    thresholds = quality.Thresholds(**config["thresholds"])
    files = intake.files.filter(
        pl.col("layout").str.starts_with(config["layouts"]),
        pl.col("municipality").is_not_null(), pl.col("period_start").is_not_null(),
    )  # fmt: skip
    day = on or _when_all_was_in(files, standards)
    files = files.filter(
        pl.col("received").is_null() | (pl.col("received") <= day), pl.col("period_end") <= day
    )
    if day is None or files.height == 0:
        raise EmptyCohortError(
            "No SRG delivery of a municipality came in",
            where=f"files of layouts {config['layouts']!r}…" + (f" by {day}" if on else ""),
            fix="check the delivery, or choose a later day with --on",
        )
    periods = quality.periods_of(files)
    covered = None if register.coverage.collect().is_empty() else register.covers("benefits")
    reference = register.municipalities.collect()
    table = quality.deliveries(
        files,
        intake.measures,
        reference.with_columns(pl.col("size_class").cast(pl.String)),
        caseload=quality.caseload(
            register.benefits, periods, schemes=config["schemes"], covered=covered
        ),
        standards=standards,
        mergers=intake.mergers,
        periods=periods,
    )
    # Where nobody is on benefit there is nothing to deliver; an unknown caseload is not none.
    idle = (pl.col("caseload") == 0).fill_null(value=False) & (pl.col("bodies_delivered") == 0)
    everyone, table = table.height, table.filter(~idle)
    rules = intake.rules.join(files.select("file"), on="file", how="semi")
    return Evidence(
        on=day, files=files, rules=rules, table=table,
        verdict=quality.verdict(table, thresholds=thresholds, by=config["by"]),
        standing=quality.escalation(table, on=day, protocol=protocol),
        mistakes=quality.errors_by_municipality(rules, files, mergers=intake.mergers),
        standards=standards, thresholds=thresholds, protocol=protocol,
        merged=intake.mergers is not None and intake.mergers.height > 0,
        without_caseload=everyone - table.height,
    )  # fmt: skip


def _when_all_was_in(files: pl.DataFrame, standards: quality.Standards) -> date | None:
    """Return the last day of receipt, or the day after the last delivery was due if later."""
    end, received = files["period_end"].max(), files["received"].max()
    if not isinstance(end, date):
        return None
    due = end + timedelta(days=standards.due_days)
    return max(due, received) if isinstance(received, date) else due
