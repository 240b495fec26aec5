"""The groups studies split by, in words: bands of age and duration, codes as their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from toolkit import reporting, trajectories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyses._study import Study
    from toolkit.trajectories import Definition, Durability

#: A share of fewer exits than this says nothing, and may not leave a secure room.
SMALLEST = 10


@dataclass(frozen=True)
class Cohort:
    """The exits of a study with their outcomes, and these with the columns of `add_groups`."""

    outcomes: Durability
    frame: pl.DataFrame

    @property
    def definition(self) -> Definition:
        """The definition the exits were found with."""
        return self.outcomes.definition


def add_groups(frame: pl.DataFrame, study: Study, breakdowns: Sequence[str]) -> pl.DataFrame:
    """Add one ordered text column a breakdown, made from the attributes of `describe`.

    Every row falls in one group of each breakdown: what is not known is a group of its own.
    """
    unknown = study.text("unknown")
    bands = {
        "by_age": ("age_at_exit", (27, 45), ("age_15", "age_27", "age_45")),
        "by_duration": (
            "months_on_benefit", (12, 36), ("duration_0", "duration_12", "duration_36"),
        ),
    }  # fmt: skip
    columns = []
    for name, (source, cuts, keys) in bands.items():
        if name in breakdowns:
            words = [study.text(key) for key in keys]
            columns.append(_band(source, cuts, [*words, unknown]).alias(name))
    for name, source in (
        ("by_sex", "sex"),
        ("by_origin", "origin"),
        ("by_education", "education"),
        ("by_household", "household"),
        ("by_size", "size_class"),
        ("by_scheme", "scheme"),
    ):
        if name in breakdowns:
            columns.append(_words(frame, study, source, unknown).alias(name))
    if "by_programme" in breakdowns:
        yes, no = study.text("with_programme"), study.text("without_programme")
        columns.append(
            pl.when("with_programme").then(pl.lit(yes))
            .when(~pl.col("with_programme")).then(pl.lit(no)).otherwise(pl.lit(unknown))
            .cast(pl.Enum([yes, no, unknown])).alias("by_programme")
        )  # fmt: skip
    return frame.with_columns(columns)


def _band(source: str, cuts: tuple[int, int], words: Sequence[str]) -> pl.Expr:
    """Return which band a number falls in: below the first cut, up to the second, or above."""
    low, high = (pl.col(source) < cut for cut in cuts)
    return (
        pl.when(low).then(pl.lit(words[0])).when(high).then(pl.lit(words[1]))
        .when(pl.col(source).is_not_null()).then(pl.lit(words[2])).otherwise(pl.lit(words[3]))
        .cast(pl.Enum(words))
    )  # fmt: skip


def _words(frame: pl.DataFrame, study: Study, source: str, unknown: str) -> pl.Expr:
    """Replace codes by their labels, in the order of the code list."""
    dtype = frame.schema[source]
    codes = dtype.categories.to_list() if isinstance(dtype, pl.Enum) else sorted(
        frame[source].drop_nulls().cast(pl.String).unique()
    )  # fmt: skip
    with reporting.style(study.language):
        words = {code: reporting.name_of(source, code) for code in codes}
    return (
        pl.col(source).cast(pl.String).replace_strict(words, default=unknown)
        .fill_null(unknown).cast(pl.Enum([*words.values(), unknown]))
    )  # fmt: skip


def by_group(
    frame: pl.DataFrame,
    study: Study,
    definition: Definition,
    breakdowns: Sequence[str],
    *,
    measure: str,
    horizon: int,
) -> pl.DataFrame:
    """Return a row for all, then a row a group of each breakdown, ready for `figures.bars`.

    Parameters
    ----------
    frame : pl.DataFrame
        Outcomes with the columns of `add_groups`.
    breakdowns : sequence of str
        Columns of `add_groups`; their words are the headings.
    measure, horizon : str, int
        Which indicator, as in `trajectories.indicators`.

    Returns
    -------
    pl.DataFrame
        heading, group, estimate, conf_low, conf_high, n, n_observed, n_yes, measure, horizon,
        outcome, denominator. Groups of fewer than `SMALLEST` observed exits are left out.
    """
    chosen = (pl.col("measure") == measure) & (pl.col("horizon") == horizon)
    everybody = trajectories.indicators(frame, definition).filter(chosen)
    parts = [everybody.with_columns(heading=pl.lit(""), group=pl.lit(study.text("all")))]
    for name in breakdowns:
        part = trajectories.indicators(frame, definition, by=name).filter(chosen).sort(name)
        parts.append(
            part.with_columns(
                heading=pl.lit(study.word(name, name)), group=pl.col(name).cast(pl.String)
            )
        )
    columns = [
        "heading", "group", "estimate", "conf_low", "conf_high", "n", "n_observed", "n_yes",
        "measure", "horizon", "outcome", "denominator",
    ]  # fmt: skip
    rows = pl.concat(part.select(columns) for part in parts)
    return rows.filter(pl.col("n_observed") >= SMALLEST)
