"""A panel of monthly states, from anywhere, as spells and as a register the rest runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit import registers
from toolkit.errors import (
    CallError,
    UnknownCodeError,
    nearest,
)
from toolkit.frames import require_columns, require_rows, to_frame
from toolkit.trajectories.definition import Definition
from toolkit.trajectories.sequence_input import from_long, from_wide, months_window
from toolkit.trajectories.sequence_methods import SequenceMeasures

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.calendar import Window


@dataclass(frozen=True, kw_only=True)
class Sequences(SequenceMeasures):
    """A panel of monthly states. Made by `from_sequences`.

    Attributes
    ----------
    months : pl.DataFrame
        person, month (first day), state (null: not observed); sorted, no month missing.
    spells : pl.DataFrame
        person, start, end, state: runs of one state. `end` is null for the state in the last month
        of the panel, which may go on; a run before an unobserved month ends where it was last seen.
    register : Register
        The same as canonical tables: benefit states as benefits, work states as regular jobs, study
        states as enrolments, observed months as residences (only when some are not observed).
    covariates : pl.DataFrame
        person and every other column of the data: one row a person.
    window : Window
        The months of the panel; what every source of the register covers.
    meta : Mapping[str, Any]
        Which states count as what, and counts.
    """

    months: pl.DataFrame = field(repr=False)
    spells: pl.DataFrame = field(repr=False)
    register: Register = field(repr=False)
    covariates: pl.DataFrame = field(repr=False)
    window: Window
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def states(self) -> tuple[str, ...]:
        """The states, in alphabetical order."""
        return tuple(self.meta["states"])

    def definition(self, name: str = "sequences", **choices: Any) -> Definition:
        """Return a definition that fits monthly states; derive others by naming choices.

        No gap is bridged (a month of another state is an exit), no age is asked for, and the
        schemes are those the benefit states were mapped to.
        """
        schemes = tuple(sorted(set(self.meta["benefit"].values())))
        fitting: dict[str, Any] = {
            "description": f"exits from {', '.join(self.meta['benefit'])} in a monthly panel",
            "schemes": schemes,
            "return_schemes": schemes,
            "max_gap_days": 0,
            "pension_age": None,
        }
        return Definition(name=name, **{**fitting, **choices})


def from_sequences(
    frame: Any,
    *,
    person: str,
    states: str | Sequence[str],
    start: str | date | None = None,
    month: str | None = None,
    benefit: Sequence[str] | Mapping[str, str] = (),
    work: Sequence[str] = (),
    studies: Sequence[str] = (),
    alphabet: Sequence[str] | None = None,
) -> Sequences:
    """Read a panel of monthly states: one column a month, or one row a person and month.

    Parameters
    ----------
    frame : frame
        The panel.
    person : str
        Column that tells persons apart; anything but integers is numbered.
    states : sequence of str, or str
        Wide: the columns with the states, in order of time. Long: the one column with the state.
    start : date or text such as "1993-07", optional
        Wide: the first month. Not needed when the columns are named after months ("Jul.93",
        "1993-07", "199307"); then they must follow each other.
    month : str, optional
        Long: the column with the month, a date or text such as "1993-07".
    benefit : sequence of str, or mapping of state to scheme
        States that count as benefit; in a sequence, as scheme "wwb".
    work, studies : sequence of str
        States that count as regular work, and as full-time education.
    alphabet : sequence of str, optional
        All states there may be; another one is refused.

    Returns
    -------
    Sequences

    Raises
    ------
    DuplicateKeyError
        A person, or a month of a person, stands twice.
    InputError
        Months are missing between the first and the last.
    UnknownCodeError
        A state outside `alphabet`.
    CallError
        A state in `benefit`, `work` or `studies` that is not in the data, or in two of them.

    Notes
    -----
    A null state is a month not observed: nothing in it counts as 'no', and an exit into it is not
    known to be one. Nothing is made up: the register's persons have no sex, origin or birth month
    (null; `registers.validate` asks for them), and definitions with ages raise.

    Examples
    --------
    >>> panel = pl.DataFrame({
    ...     "id": [1, 2],
    ...     "2006-01": ["jobless", "work"],
    ...     "2006-02": ["work", "work"],
    ... })
    >>> sequences = from_sequences(
    ...     panel, person="id", states=["2006-01", "2006-02"], benefit=["jobless"], work=["work"]
    ... )
    >>> sequences.spells.height
    3
    """
    data = to_frame(frame)
    require_rows(data)
    require_columns(data, person)
    if isinstance(states, str):
        months, covariates = from_long(data, person, states, month)
    else:
        months, covariates = from_wide(data, person, list(states), start)
    found = sorted(months["state"].drop_nulls().unique().to_list())
    if alphabet is not None:
        outside = months.filter(~pl.col("state").is_in(list(alphabet)))
        if outside.height:
            name = outside["state"][0]
            hint = nearest(name, alphabet)
            raise UnknownCodeError(
                f"Unknown state {name!r}",
                where=f"{outside.height:,} person-months outside the alphabet",
                fix=f"did you mean {hint!r}?" if hint else f"states: {', '.join(alphabet)}",
            )
    schemes = dict(benefit) if isinstance(benefit, Mapping) else dict.fromkeys(benefit, "wwb")
    known = sorted({*found, *(alphabet or ())})
    _check_roles({"benefit": list(schemes), "work": list(work), "studies": list(studies)}, known)
    window = months_window(months)
    spells = _spells(months, window)
    register = _register(months, spells, window, schemes, list(work), list(studies))
    meta = {
        "states": known,
        "benefit": schemes,
        "work": list(work),
        "studies": list(studies),
        "persons": covariates.height,
        "person_months": months.height,
        "not_observed": months["state"].null_count(),
    }
    return Sequences(
        months=months,
        spells=spells,
        register=register,
        covariates=covariates,
        window=window,
        meta=meta,
    )


def _check_roles(roles: Mapping[str, Sequence[str]], known: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if name not in known:
                hint = nearest(name, known)
                raise CallError(
                    f"{role}: state {name!r} does not occur",
                    where=f"states: {', '.join(known)}",
                    fix=f"did you mean {hint!r}?" if hint else "name one of these",
                )
            if name in seen:
                raise CallError(
                    f"State {name!r} counts as {seen[name]} and as {role}", fix="choose one"
                )
            seen[name] = role


def _spells(months: pl.DataFrame, window: Window) -> pl.DataFrame:
    """Runs of one state per person; running ones have no end."""
    after = pl.col("month").last().dt.offset_by("1mo")
    return (
        months.with_columns(_run=pl.struct("person", "state").rle_id())
        .group_by("_run", maintain_order=True)
        .agg(
            pl.col("person").first(),
            start=pl.col("month").first(),
            end=pl.when(after < window.end).then(after),
            state=pl.col("state").first(),
        )
        .filter(pl.col("state").is_not_null())
        .drop("_run")
    )


def _register(
    months: pl.DataFrame,
    spells: pl.DataFrame,
    window: Window,
    schemes: Mapping[str, str],
    work: list[str],
    studies: list[str],
) -> Register:
    people = months.select("person").unique().sort("person")
    benefits = spells.filter(pl.col("state").is_in(list(schemes))).select(
        "person", "start", "end",
        scheme=pl.col("state").replace_strict(schemes, default=None, return_dtype=pl.String),
        claim=pl.int_range(pl.len()), role=pl.lit("head"),
    )  # fmt: skip
    jobs = spells.filter(pl.col("state").is_in(work)).select(
        "person", "start", "end",
        job=pl.int_range(pl.len()), employer=pl.lit(0), kind=pl.lit("regular"),
    )  # fmt: skip
    enrolments = spells.filter(pl.col("state").is_in(studies)).select(
        "person", "start", "end", level=pl.lit("higher")
    )
    tables = {"benefits": benefits, "jobs": jobs, "enrolments": enrolments}
    if months["state"].null_count():
        seen = pl.when(pl.col("state").is_not_null()).then(pl.lit("seen"))
        there = _spells(months.with_columns(state=seen), window)
        # Who is not seen from the start was lost before it.
        late = months.group_by("person").agg(pl.col("state").sort_by("month").first())
        before = late.filter(pl.col("state").is_null()).select(
            "person",
            start=pl.lit(window.start).dt.offset_by("-1mo"),
            end=pl.lit(window.start),
            state=pl.lit("seen"),
        )
        tables["residences"] = pl.concat([before, there]).sort("person", "start").select(
            "person", "start", "end", municipality=pl.lit(""),
            # Moved out of sight: lost, not emigrated.
            end_reason=pl.when(pl.col("end").is_not_null()).then(pl.lit("moved")),
        )  # fmt: skip
    return registers.from_frames(
        persons=people.with_columns(
            sex=pl.lit(None, pl.String),
            birth_month=pl.lit(None, pl.Date),
            origin=pl.lit(None, pl.String),
        ),
        coverage=pl.DataFrame(
            {
                "source": list(tables),
                "start": [window.start] * len(tables),
                "end": [window.end] * len(tables),
            }
        ),
        meta={"source": "monthly sequences"},
        **tables,
    )
