"""The months in which a programme might start, ready for matching: nothing unknown, words as codes.

What the register does not know is a level of its own (`unknown`): who it is missing for differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit import trajectories
from toolkit.trajectories import Window, add_months

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyses._study import Study
    from toolkit.registers import Register
    from toolkit.trajectories import Definition, SupportPanel

UNKNOWN = "unknown"
#: Everybody: any programme.
ALL = "all"
#: Columns that are codes, and those of yes or no.
_CODES = ("sex", "origin", "education", "household", "size_class")
_FLAGS = ("work_limited",)
#: Columns of which a level without starters is left out.
LEVELS = (*_CODES, *_FLAGS, "position", "age_class", "duration_class")
#: Numbers that lots are drawn from.
_LOTS = 1_000_003
#: Lower edges of age (years) and of duration (months on benefit).
AGES = (27, 35, 45, 55)
DURATIONS = (3, 6, 12, 24, 36, 60)
#: The few of subgroups, as the truth of the synthetic register has them.
AGE_GROUPS = (27, 45)
DURATION_GROUPS = (12, 36)


@dataclass(frozen=True, kw_only=True)
class NetPanel:
    """Person-months at risk, and what became of these persons.

    Attributes
    ----------
    support : SupportPanel
    definition : Definition
        What counts as benefit, and as work: regular work only, for a subsidised job is the
        programme.
    rows : DataFrame
        Its frame with classes of age and duration and codes as words, and outcomes by horizon
        (`in_work_12`, …), null where not observed.
    outcomes : DataFrame
        person, month, in_work, on_benefit of these persons.
    """

    support: SupportPanel
    definition: Definition
    rows: pl.DataFrame = field(repr=False)
    outcomes: pl.DataFrame = field(repr=False)

    def of(self, instrument: str) -> pl.DataFrame:
        """Return the months at risk of an instrument: another one's starter leaves in that month.

        `treated_at` is that of this instrument alone; `starts` whether it starts in the month.
        Months at a level at which nobody starts are left out: there is nobody to compare with.
        """
        rows = self.rows
        if instrument != ALL:
            mine = (pl.col("instrument") == instrument).fill_null(value=False)
            rows = rows.filter(~pl.col("starts") | mine).with_columns(
                treated_at=pl.when(mine).then("treated_at")
            )
        for name in LEVELS:
            started = rows.filter("starts")[name].unique().implode()
            rows = rows.filter(pl.col(name).is_in(started))
        return rows

    def starts(self) -> dict[str, int]:
        """Return the number of starters by instrument, and of all."""
        rows = self.rows.filter("starts")
        return {ALL: rows.height} | dict(rows["instrument"].value_counts().iter_rows())

    def drawn(self, instrument: str, outcome: str, most: int) -> pl.DataFrame:
        """Return all starters and at most about `most` of the other months, drawn by lot.

        `weight` is 1 for starters and what a month stands for otherwise. Rows on which `outcome`
        is not observed are left out, and quarters without starters.
        """
        rows = (
            self.of(instrument)
            .filter(pl.col(outcome).is_not_null())
            .with_columns(quarter=pl.col("quarter").dt.to_string("%Y-%m"))
        )
        started = rows.filter("starts")["quarter"].unique().implode()
        others = rows.filter(~pl.col("starts"), pl.col("quarter").is_in(started))
        share = min(1.0, most / max(others.height, 1))
        lot = pl.struct("person", "spell", "month").hash(seed=1) % _LOTS / _LOTS
        return pl.concat(
            [
                rows.filter("starts").with_columns(weight=pl.lit(1.0)),
                others.filter(lot < share).with_columns(weight=pl.lit(1.0 / share)),
            ]
        )


def make_net_panel(register: Register, study: Study) -> NetPanel:
    """Make the panel of the study's window, with outcomes at its horizons."""
    config = study.config
    definition = trajectories.recipe(config["definition"]).replace(
        name=config["definition_name"], work_kinds=("regular",)
    )
    support = trajectories.support_panel(register, definition, window=config["window"])
    rows = _as_words(support.frame)
    longest = max(*config["horizons"], config["follow_up"])
    period = Window(
        add_months(support.window.start, -config["before"]),
        min(add_months(support.window.end, longest + 1), register.covers("jobs")[1]),
    )
    outcomes = trajectories.monthly_panel(
        register, window=period, persons=rows["person"].unique(), definition=definition
    ).select("person", "month", "in_work", "on_benefit")
    return NetPanel(
        support=support,
        definition=definition,
        rows=_with_outcomes(rows, outcomes, config["horizons"]),
        outcomes=outcomes,
    )


def _as_words(frame: pl.DataFrame) -> pl.DataFrame:
    words: list[Any] = [pl.col(name).cast(pl.String).fill_null(UNKNOWN) for name in _CODES]
    words += [pl.col(name).cast(pl.String).fill_null(UNKNOWN) for name in _FLAGS]
    return frame.with_columns(
        *words,
        # the same digits mean other things on the ladder of 2013
        position=pl.when(pl.col("position_scheme") == "pladder2013")
        .then(pl.format("ladder {}", "position"))
        .otherwise(pl.col("position").cast(pl.String))
        .fill_null(UNKNOWN),
        instrument=pl.col("instrument").cast(pl.String),
        age_class=_bands("age", AGES),
        duration_class=_bands("duration", DURATIONS),
        age_group=_bands("age", AGE_GROUPS),
        duration_group=_bands("duration", DURATION_GROUPS),
    )


def _bands(name: str, edges: Sequence[int]) -> pl.Expr:
    """Return the band of a number as text: ``<27``, ``27-34``, …, ``55+``."""
    value, out = pl.col(name), pl.lit(f"{edges[-1]}+")
    for low, high in reversed(list(pairwise(edges))):
        out = pl.when(value < high).then(pl.lit(f"{low}-{high - 1}")).otherwise(out)
    return pl.when(value < edges[0]).then(pl.lit(f"<{edges[0]}")).otherwise(out)


def _with_outcomes(
    rows: pl.DataFrame, outcomes: pl.DataFrame, horizons: Sequence[int]
) -> pl.DataFrame:
    worked = outcomes.select("person", "month", "in_work")
    for horizon in horizons:
        rows = rows.with_columns(_then=pl.col("month").dt.offset_by(f"{horizon}mo")).join(
            worked.rename({"month": "_then", "in_work": f"in_work_{horizon}"}),
            on=["person", "_then"], how="left", maintain_order="left",
        )  # fmt: skip
    return rows.drop("_then")
