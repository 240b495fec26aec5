"""What is true in the made-up country: lives with and without a programme, side by side.

Estimand
--------
For everyone who ever starts a programme (a participant), the average effect of *all his own offers
and programmes from the first on*, against a life with the same luck in which he is never offered
any: the average effect on the treated, by month since his first start. His partner meets the same
rules with the same luck in both lives. A month counts for a participant when it lies inside the
window and he is alive, resident and below 65 during the whole of it in *both* lives, so that both
averages are over the same person-months. Before the first offer both lives are equal. Between the
offer and the start that follows it (months −3 … −1) the threat may already work; about one in ten
had an earlier offer that was never taken up, so that the effect is not exactly zero before that.
`offer_month` of a participant is that of the programme that first started.

Who found work while an offer was open never started and is no participant: the threat's effect on
leaving benefit is in the life courses, not in this average.

Outcomes, by calendar month: `in_work` = a regular job on some day of it, beside a benefit or not;
`on_benefit` = WWB on some day of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from synthetic_data import layout
from synthetic_data.layout import N_MONTHS
from synthetic_data.tables import month_starts, to_participants, to_truth_persons
from toolkit.provenance import write_json
from toolkit.registers import codes

if TYPE_CHECKING:
    from pathlib import Path

    from synthetic_data.engine import Lives
    from synthetic_data.world import World

WORLDS = ("factual", "counterfactual")
#: Months since the first start that the truth covers.
MONTHS = range(-24, 61)
OUTCOMES = (("in_work", layout.WORKED), ("on_benefit", layout.ASSISTED))
GROUPS = (
    "all", "instrument", "aim", "months_on_benefit", "sex", "age", "education", "position",
    "latent_type", "target_group", "year",
)  # fmt: skip
#: Groups that are told apart by calendar year of the start too, as `<group>_year`, with levels as
#: ``training 2006``: what a study of a few years is held against.
BY_YEAR = ("instrument", "months_on_benefit", "sex", "age", "education", "position")


def describe_participants(lives: Lives) -> pl.DataFrame:
    """Return the participants with the classes of the subgroups, one row a person."""
    found = to_participants(lives.rows).join(to_truth_persons(lives.rows), on="person", how="left")
    months, age = pl.col("months_on_benefit"), pl.col("age")
    return found.with_columns(
        duration_class=pl.when(months < 12).then(pl.lit("<12"))
        .when(months < 36).then(pl.lit("12-35")).otherwise(pl.lit("36+")),
        age_class=pl.when(age < 27).then(pl.lit("<27"))
        .when(age < 45).then(pl.lit("27-44")).otherwise(pl.lit("45+")),
    )  # fmt: skip


def _levels(participants: pl.DataFrame) -> dict[str, pl.Series]:
    """Return for each grouping the level of every participant, as text."""
    text = participants.select(
        all=pl.lit("all"),
        instrument=pl.col("instrument").cast(pl.String),
        aim=pl.col("aim").cast(pl.String),
        months_on_benefit="duration_class",
        sex=pl.col("sex").cast(pl.String),
        age="age_class",
        education=pl.col("education").cast(pl.String),
        position=pl.col("position").cast(pl.String),
        latent_type=pl.col("latent_type").cast(pl.String),
        target_group=pl.col("target_group").cast(pl.String),
        year=pl.col("start").dt.year().cast(pl.String),
    )
    crossed = text.select(
        pl.format("{} {}", name, "year").alias(f"{name}_year") for name in BY_YEAR
    )
    return {name: text[name] for name in GROUPS} | crossed.to_dict()


@dataclass
class Tally:
    """Counts of outcomes in both worlds by group and month since start; adds up over partitions."""

    sums: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def add(self, lives: Lives, participants: pl.DataFrame) -> None:
        """Add the participants of a partition: rows of `participants` are those of `lives.who`."""
        if not len(lives.who):
            return
        month = participants["start_month"].to_numpy()[:, None] + np.asarray(MONTHS)[None, :]
        inside = (month >= 0) & (month < N_MONTHS)
        index = np.clip(month, 0, N_MONTHS - 1)
        row = np.arange(len(lives.who))[:, None]
        factual, counter = lives.history[:, 0][row, index], lives.history[:, 1][row, index]
        seen = inside & ((factual & counter & layout.PRESENT) > 0)
        parts = [seen]
        for _, bit in OUTCOMES:
            parts += [seen & ((factual & bit) > 0), seen & ((counter & bit) > 0)]
        # (participants, 1 + 2 outcomes × 2 worlds, months), counted by level in one product:
        # whole numbers below 2**24 are exact in float32
        stacked = np.stack(parts, axis=1)
        flat = stacked.reshape(len(lives.who), -1).astype(np.float32)
        for group, levels in _levels(participants).items():
            known = sorted(levels.unique().to_list())
            member = np.stack([(levels == level).to_numpy() for level in known])
            totals = np.rint(member.astype(np.float32) @ flat).astype(np.int64)
            for level, total in zip(known, totals, strict=True):
                key = (group, level)
                count = total.reshape(stacked.shape[1:])
                self.sums[key] = self.sums[key] + count if key in self.sums else count

    def table(self) -> pl.DataFrame:
        """Return the true net effects: group, level, outcome, month, n, both means, the effect."""
        frames = []
        for (group, level), total in sorted(self.sums.items()):
            for number, (outcome, _) in enumerate(OUTCOMES):
                frames.append(
                    pl.DataFrame(
                        {
                            "group": group,
                            "level": level,
                            "outcome": outcome,
                            "month": np.asarray(MONTHS, dtype=np.int16),
                            "n": total[0],
                            "factual": total[1 + 2 * number],
                            "counterfactual": total[2 + 2 * number],
                        }
                    )
                )
        if not frames:
            return pl.DataFrame(schema=_EFFECT_SCHEMA)
        n = pl.col("n")
        return (
            pl.concat(frames)
            .filter(n > 0)
            .select(
                "group", "level", "outcome", "month", "n",
                mean_factual=pl.col("factual") / n,
                mean_counterfactual=pl.col("counterfactual") / n,
                effect=(pl.col("factual") - pl.col("counterfactual")) / n,
            )
        )  # fmt: skip


_EFFECT_SCHEMA = {
    "group": pl.String, "level": pl.String, "outcome": pl.String, "month": pl.Int16, "n": pl.Int64,
    "mean_factual": pl.Float64, "mean_counterfactual": pl.Float64, "effect": pl.Float64,
}  # fmt: skip


def state_spells(lives: Lives) -> pl.DataFrame:
    """Return the monthly states of participants as spells `[start, end)`, in both worlds."""
    first = month_starts(0, N_MONTHS + 1)
    frames = []
    for number, world in enumerate(WORLDS):
        states = lives.history[:, number] & layout.STATE_BITS
        new = np.ones(states.shape, dtype=bool)
        new[:, 1:] = states[:, 1:] != states[:, :-1]
        row, month = np.nonzero(new)
        last = np.append(month[1:], N_MONTHS)[: len(month)]
        last[last == 0] = N_MONTHS  # the next row belongs to another person
        names = pl.Series(layout.STATES, dtype=pl.Enum(layout.STATES))
        frames.append(
            pl.DataFrame(
                {
                    "person": lives.who[row],
                    "world": pl.repeat(world, len(row), dtype=pl.Enum(WORLDS), eager=True),
                    "start": pl.Series(first[month].astype(np.int32)).cast(pl.Date),
                    "end": pl.Series(first[last].astype(np.int32)).cast(pl.Date),
                    "state": names.gather(pl.Series(states[row, month].astype(np.uint32))),
                }
            )
        )
    return pl.concat(frames).sort("person", "world", "start")


class TruthWriter:
    """Collects the truth partition by partition and writes it beside the register."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._participants: list[pl.DataFrame] = []
        self._persons: list[pl.DataFrame] = []
        self._states: list[pl.DataFrame] = []

    def add(self, truth: Truth) -> None:
        """Add one partition."""
        for key, total in truth.tally.sums.items():
            sums = self.tally.sums
            sums[key] = sums[key] + total if key in sums else total
        self._participants.append(truth.participants)
        self._persons.append(truth.persons)
        self._states.append(truth.states)

    @property
    def participants(self) -> int:
        """Number of participants so far."""
        return sum(frame.height for frame in self._participants)

    def write(self, folder: Path, world: World) -> pl.DataFrame:
        """Write all truth tables; returns the true net effects."""
        folder.mkdir(parents=True, exist_ok=True)
        effects = self.tally.table()
        effects.write_parquet(folder / "net_effect.parquet")
        pl.concat(self._participants).write_parquet(folder / "participants.parquet")
        pl.concat(self._persons).write_parquet(folder / "persons.parquet")
        pl.concat(self._states).write_parquet(folder / "states.parquet")
        write_json(folder / "parameters.json", true_parameters(world))
        return effects


@dataclass(frozen=True)
class Truth:
    """The truth about one partition."""

    tally: Tally
    participants: pl.DataFrame
    persons: pl.DataFrame
    states: pl.DataFrame


def read_truth(lives: Lives) -> Truth:
    """Work out the truth about a partition."""
    described = describe_participants(lives)
    tally = Tally()
    tally.add(lives, described)
    participants = described.select(
        "person", "programme", "start", "instrument", "aim", "target_group", "months_on_benefit",
        "position", "age", "latent_type", "start_month", "offer_month",
    )  # fmt: skip
    persons = to_truth_persons(lives.rows).drop("sex")
    return Truth(tally, participants, persons, state_spells(lives))


def true_parameters(world: World) -> dict[str, Any]:
    """Return the true hazard ratios: programme phases by instrument and distance, latent types."""
    support = world.support
    ratio = {
        name: {
            "threat": float(np.exp(support.threat)),
            "lock_in": float(np.exp(support.lock_in[number])),
            "after_near": float(np.exp(support.after_near[number])),
            "after_far": float(np.exp(support.after_far[number])),
            "job_loss_after": float(np.exp(support.keep[number])),
            "position_up_during": support.up_during[number],
        }
        for number, name in enumerate(codes.INSTRUMENT)
    }
    return {
        "note": (
            "Ratios on the monthly chance of finding or losing a regular job. After a programme "
            "the log ratio fades as exp(-months since end / fade). "
            "near: position 4 or 5 at the start."
        ),
        "instrument": ratio,
        "fade_months": support.fade,
        "latent_type": {
            "share": world.population.types,
            "job_finding": world.find.type,
            "job_loss": world.work.type,
            "programme_offer": support.offer_type,
        },
        "world": world,
    }
