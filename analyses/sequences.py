"""Any panel of monthly states: exits by destination, still in work, out of work again.

Definition: a run of months in the benefit states is a spell; an exit to work has work in the month
of exit. Estimators: Aalen–Johansen by the state that follows, shares with Wilson intervals.
Words: `sequences.toml`. `school_to_work` runs this on real data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._study import Study
from toolkit import survival, trajectories
from toolkit.errors import CallError, InputError, unknown_column
from toolkit.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language
    from toolkit.trajectories import Durability, Sequences

#: Months after exit at which work is looked at, and within which a new spell is a return.
WORK, BACK = 12, 6


@dataclass(frozen=True)
class Panel:
    """The panel, its exits to work with their outcomes, and the columns to split by."""

    sequences: Sequences
    outcomes: Durability
    frame: pl.DataFrame
    by: tuple[str, ...]


def run(
    file: Path,
    out: Path,
    *,
    columns: str,
    benefit: Sequence[str],
    work: Sequence[str],
    start: str | None = None,
    person: str | None = None,
    by: Sequence[str] = (),
    language: Language = "nl",
    name: str = "sequences",
    words: Mapping[str, str] | None = None,
    chapter_number: int = 1,
) -> Chapter:
    """Run the study on a panel and write its chapter to `out`.

    Parameters
    ----------
    file : Path
        CSV (UTF-8, comma, header) or Parquet; one row a person, one column a month.
    columns : str
        The months in order: ``"FIRST:LAST"`` or names separated by commas.
    benefit, work : sequence of str
        States out of work, and states in work.
    start : str, optional
        The first month, as ``"1993-07"``; not needed where the columns say it.
    person : str, optional
        Column that names the person; without it every row is one.
    by : sequence of str
        Columns to split by.
    words : mapping, optional
        Words for title, source, states and groups, in place of the column names and values.

    Raises
    ------
    CallError, InputError
        The file, a column or a state does not exist.
    """
    data = _read(file)
    if person is None:
        person = next(name for name in ("person", "row", "_row") if name not in data.columns)
        data = data.with_row_index(person)
    study = Study("sequences", out, language, words=words or {}, chapter_number=chapter_number)
    study.name = name
    study.source = study.word("source", Path(file).name)
    panel = _panel(study, data, person, _months(columns, data), start, benefit, work, by)
    study.run([_states, _destinations, _selection, _groups, _return], panel)
    shares = {
        (row["measure"], row["horizon"]): study.percent(row["estimate"])
        for row in panel.outcomes.indicators().iter_rows(named=True)
    }
    found = dict(panel.outcomes.steps)
    return study.finish(
        title=study.text("title"),
        lead=study.text(
            "lead",
            n_exits=study.count(found["to work or not is observed"]),
            to_work=study.count(panel.frame.height),
            work=shares["in_work", WORK],
            back=shares["returned", BACK],
        ),
    )


def _read(file: Path) -> pl.DataFrame:
    path = Path(file)
    if not path.is_file():
        raise CallError(f"There is no file {path.as_posix()!r}", fix="check the path")
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path.name} cannot be read as {'Parquet' if path.suffix == '.parquet' else 'CSV'}",
            where=str(error).splitlines()[0],
            fix="give a CSV in UTF-8 with commas and a header, or Parquet",
        ) from error


def _months(columns: str, data: pl.DataFrame) -> list[str]:
    """Return the columns of the months: all from FIRST to LAST, or those named."""
    if ":" not in columns:
        return [name.strip() for name in columns.split(",") if name.strip()]
    first, last = (part.strip() for part in columns.split(":", maxsplit=1))
    for name in (first, last):
        if name not in data.columns:
            raise unknown_column(name, data.columns, where="the panel")
    low, high = data.columns.index(first), data.columns.index(last)
    if high < low:
        raise CallError(f"Column {last!r} stands before {first!r}", fix="give FIRST:LAST in order")
    return data.columns[low : high + 1]


def _panel(
    study: Study,
    data: pl.DataFrame,
    person: str,
    months: list[str],
    start: str | None,
    benefit: Sequence[str],
    work: Sequence[str],
    by: Sequence[str],
) -> Panel:
    for name in by:
        if name not in data.columns:
            raise unknown_column(name, data.columns, where="the panel")
    sequences = trajectories.from_sequences(
        data.select(person, *by, *months),
        person=person, states=months, start=start, benefit=benefit, work=work,
    )  # fmt: skip
    definition = sequences.definition(
        study.name, month_after=0, horizons=(WORK,), return_horizons=(BACK,)
    )
    exits = trajectories.exits(sequences.register, definition, window=sequences.window)
    outcomes = trajectories.durability(exits, sequences.register)
    study.record(outcomes)
    study.manifest.parameters.update({"benefit": list(benefit), "work": list(work), "by": list(by)})
    frame = outcomes.frame.join(sequences.covariates, on="person", how="left")
    return Panel(sequences, outcomes, _with_words(study, frame, by), tuple(by))


def _with_words(study: Study, frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Replace the values of the columns to split by with their words."""
    for name in by:
        values = sorted(frame[name].drop_nulls().cast(pl.String).unique())
        words = {value: study.word(f"{name}_{value}", value) for value in values}
        unknown = study.text("unknown")
        frame = frame.with_columns(
            pl.col(name).cast(pl.String).replace_strict(words, default=unknown)
            .fill_null(unknown).cast(pl.Enum(list(dict.fromkeys([*words.values(), unknown]))))
        )  # fmt: skip
    return frame


def _state_words(study: Study, panel: Panel) -> dict[str, str]:
    return {state: study.word(state, state) for state in panel.sequences.states}


def _order(panel: Panel) -> list[str]:
    """Work at the foot, then what else there is, out of work on top."""
    work, benefit = panel.sequences.meta["work"], list(panel.sequences.meta["benefit"])
    rest = [state for state in panel.sequences.states if state not in {*work, *benefit}]
    return [*work, *rest, *benefit]


def _states(study: Study, panel: Panel) -> None:
    shares = panel.sequences.distribution().with_columns(
        at=pl.col("month").rank("dense").cast(pl.Int64) - 1, share=pl.col("estimate")
    )
    in_work = (
        shares.filter(pl.col("state").is_in(panel.sequences.meta["work"]))
        .group_by("at").agg(pl.col("share").sum()).sort("at")["share"]
    )  # fmt: skip
    first, last = study.percent(in_work[0]), study.percent(in_work[-1])
    window = panel.sequences.window
    study.paragraph(
        study.text(
            "rule",
            benefit=", ".join(study.word(s, s) for s in panel.sequences.meta["benefit"]),
            work=", ".join(study.word(s, s) for s in panel.sequences.meta["work"]),
        ),
        heading=study.text("panel_head"),
    )
    study.figure(
        "states", figures.state_distribution, shares,
        month="at", order=_order(panel), labels=_state_words(study, panel),
        x_label=study.text("x_months", start=study.month(window.start)),
        table=shares,
        title=study.text("states_title", first=first, last=last, months=window.months),
        subtitle=study.text("states_subtitle"),
        note=study.footer(n=panel.sequences.covariates.height),
        alt=study.text("states_alt", first=first, last=last),
    )  # fmt: skip


def _destinations(study: Study, panel: Panel) -> None:
    """How a spell out of work ends: what follows it, since its start."""
    benefit, work = list(panel.sequences.meta["benefit"]), panel.sequences.meta["work"]
    spells = trajectories.runs(panel.sequences, benefit).filter("entry_observed")
    curves = survival.cumulative_incidence(spells, time="time", event="cause")
    tidy = curves.tidy().filter(pl.col("time") <= 2 * WORK)
    pct = study.percent(curves.at(WORK).filter(pl.col("cause").is_in(work))["estimate"].sum())
    study.paragraph(heading=study.text("destination_head"))
    study.figure(
        "destinations", figures.cumulative_incidence, tidy,
        horizon=2 * WORK, labels=_state_words(study, panel), order=_causes(panel, tidy),
        rest=study.text("still"), x_label=study.text("x_since_start"),
        table=tidy,
        title=study.text("destination_title", pct=pct),
        subtitle=study.text("destination_subtitle"),
        note=study.footer(n=spells.height, extra=[study.text("destination_note")]),
        alt=study.text("destination_alt", pct=pct),
    )  # fmt: skip


def _causes(panel: Panel, tidy: pl.DataFrame) -> list[str]:
    present = set(tidy["cause"])
    return [state for state in _order(panel) if state in present]


def _selection(study: Study, panel: Panel) -> None:
    study.selection(panel.outcomes)


def _groups(study: Study, panel: Panel) -> None:
    study.paragraph(heading=study.text("stay_head"))
    for words, measure, horizon in (("work", "in_work", WORK), ("back", "returned", BACK)):
        rows = _by_group(study, panel, measure, horizon)
        study.bars(
            f"{words}_by_group", rows.with_columns(published=pl.lit(None, pl.Float64)),
            words=words if rows.height > 1 else f"{words}_one",
            note=study.footer(n=panel.frame.height),
        )  # fmt: skip


def _by_group(study: Study, panel: Panel, measure: str, horizon: int) -> pl.DataFrame:
    from analyses._groups import by_group

    return by_group(
        panel.frame, study, panel.outcomes.definition, panel.by, measure=measure, horizon=horizon
    )


def _return(study: Study, panel: Panel) -> None:
    """Out of work again, since the exit to work, by the first column to split by."""
    options: dict[str, Any] = {"by": panel.by[0]} if panel.by else {}
    curves = survival.cumulative_incidence(
        panel.frame, time="return_time", event="return_event", **options
    ).tidy().filter(pl.col("cause") == trajectories.HAPPENED)  # fmt: skip
    study.figure(
        "return", figures.survival, curves,
        kind="incidence", mark=BACK, horizon=2 * WORK, group=options.get("by"),
        table=curves.filter(pl.col("time") <= 2 * WORK),
        title=study.text("curve_title"), subtitle=study.text("curve_subtitle"),
        note=study.footer(n=panel.frame.height),
        alt=study.text("curve_alt"),
    )  # fmt: skip
