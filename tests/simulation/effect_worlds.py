"""Small worlds in which people start a programme, and what it truly did to them.

A month at a time: people on benefit find work, lose it again, and start a programme by what the
analyst sees (x, work in the last two years, months on benefit) and, in some worlds, by what he
does not. The truth is each starter's own life again with the same luck, without that start.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

#: Months since intake in which a programme may start, months followed after a start, months before.
STARTS, HORIZON, BEFORE = 12, 12, 48
MONTHS = STARTS + HORIZON + 1
NEVER = 10**6
#: Months from announcement to start, where starts are announced.
WAIT = 3
#: The hidden type, as in the synthetic register: shares, and log ratios on finding work.
SHARES, TYPES = (0.32, 0.46, 0.22), np.log([0.42, 1.0, 1.95])


@dataclass(frozen=True)
class World:
    """What differs between worlds; all else is alike.

    Attributes
    ----------
    effect : float
        1 = the programme works (locks in, then helps), 0 = it does nothing.
    hidden : float
        How strongly the start depends on the type.
    past : float
        How strongly the type marks years before intake and hours beside benefit; 0 = it is a thing
        of today alone.
    holding_back : float
        Log ratio on finding work between announcement and start; 0 = starts are not announced.
    """

    effect: float = 1.0
    hidden: float = 0.0
    past: float = 1.0
    holding_back: float = 0.0


WORLDS = {
    "a. on observables": World(),
    "b. on the type": World(hidden=1.3),
    "b. on a type of today": World(effect=0.0, hidden=1.3, past=0.0),
    "c. anticipation": World(holding_back=-1.5),
    "d. immortal time": World(effect=0.0),
}


@dataclass(frozen=True)
class People:
    """Who they are, and their luck: one row of each array a person, luck a row a month."""

    x: np.ndarray
    kind: np.ndarray
    early: np.ndarray
    late: np.ndarray
    history: np.ndarray = field(repr=False)
    hours: np.ndarray = field(repr=False)
    offers: np.ndarray = field(repr=False)
    jobs: np.ndarray = field(repr=False)

    def only(self, who):
        """Return some of them, with their luck."""
        rows = {name: getattr(self, name)[who] for name in ("x", "kind", "early", "late")}
        months = ("history", "hours", "offers", "jobs")
        return People(**rows, **{name: getattr(self, name)[:, who] for name in months})


@dataclass(frozen=True)
class Lives:
    """What became of them: months of offer, start and leaving; `worked`, `hours` by month."""

    people: People = field(repr=False)
    offer: np.ndarray
    start: np.ndarray
    left: np.ndarray
    worked: np.ndarray = field(repr=False)
    hours: np.ndarray = field(repr=False)


def draw(world, n, seed):
    """Return `n` people as they are at intake: x and the past are seen, the type is not."""
    rng = np.random.default_rng(seed)
    x, kind = rng.normal(size=n), TYPES[rng.choice(3, size=n, p=SHARES)]
    marked = world.past * kind
    year = rng.normal(scale=0.5, size=(4, n))
    chance = _logistic(-0.3 + 0.6 * x + 1.6 * marked + year)
    history = rng.random((BEFORE, n), dtype=np.float32) < np.repeat(chance, 12, axis=0)
    early, late = history[:24].mean(axis=0), 4 * (history[24:].mean(axis=0) - 0.43)
    noise = 4 * rng.normal(size=(12 + MONTHS, n))
    for m in range(1, 12 + MONTHS):
        noise[m] = 0.8 * noise[m - 1] + 0.6 * noise[m]
    hours = 8 + 3 * x + 2 * late + 4 * marked + noise
    return People(x, kind, early, late, history, hours, rng.random((MONTHS, n)),
                  rng.random((MONTHS, n)))  # fmt: skip


def live(world, people, blocked=-1):
    """Let them live; `blocked` is the month in which nothing is offered (NEVER: in all of them)."""
    n = len(people.x)
    wait = WAIT if world.holding_back else 0
    blocked = np.broadcast_to(blocked, n)
    first, work = np.ones(n, bool), np.zeros(n, bool)
    offer, start, left = np.full(n, NEVER), np.full(n, NEVER), np.full(n, MONTHS)
    worked, hours = np.empty((MONTHS, n), bool), people.hours[12:].copy()
    wants, (finds, loses) = wanted(world, people), _rates(people)
    for m in range(MONTHS):
        if m + wait < STARTS:
            free = first & (offer == NEVER) & (blocked != m) & (blocked != NEVER)
            offer[free & (people.offers[m] < wants)] = m
        start[first & (start == NEVER) & (offer + wait == m)] = m
        inside, after = (start <= m) & (start > m - 4), start <= m - 4
        waits = first & (offer <= m) & (start == NEVER)
        phase = world.effect * (0.9 * after - 1.5 * inside) + world.holding_back * waits
        found = ~work & (people.jobs[m] < 1 - np.exp(-finds * 0.97**m * np.exp(phase)))
        lost = work & (people.jobs[m] > np.exp(-loses * np.exp(-0.4 * world.effect * after)))
        left[first & found] = m
        first &= ~found
        work = (work | found) & ~lost
        worked[m] = work
        hours[m] += world.effect * (3.0 * after - 2.0 * inside) - 3.0 * waits
    return Lives(people, offer, start, left, worked, hours)


def wanted(world, people):
    """Return the chance a month to be offered a start."""
    return _logistic(-3.4 + 0.5 * people.x + 0.4 * people.late + world.hidden * people.kind)


def _rates(people):
    x, late, kind = people.x, people.late, people.kind
    return (
        0.055 * np.exp(0.4 * x + 0.25 * late + kind),
        0.035 * np.exp(-0.2 * x - 0.15 * late - 0.3 * kind),
    )


def truth(world, n, seed):
    """Return what starting did to those who started, by the same luck without it.

    ``now`` and ``overlap``: in work HORIZON months on, against not starting in that month (of all
    starters; and weighed by 1 - e, as overlap weights are). ``never``: against no start at all.
    ``year``: mean over the first 12 months, against no start. ``ever``: in work 18 months after
    intake, against no start. ``hours``: a year on. ``error`` is that of ``now`` itself.
    """
    everybody = draw(world, n, seed)
    did = live(world, everybody).start < NEVER
    people = everybody.only(did)
    fact = live(world, people)
    month, rows = fact.start, np.arange(len(fact.start))

    def gain(other, at):
        return fact.worked[at, rows].astype(float) - other.worked[at, rows]

    now = gain(live(world, people, fact.offer), month + HORIZON)
    never = live(world, people, NEVER)
    return {
        "now": now.mean(),
        "overlap": np.average(now, weights=1 - wanted(world, people)),
        "never": gain(never, month + HORIZON).mean(),
        "year": np.mean([gain(never, month + since).mean() for since in range(12)]),
        "ever": gain(never, np.full(len(rows), 18)).mean(),
        "hours": 3.0 * world.effect,
        "error": now.std() / np.sqrt(len(now)),
    }


def person_months(lives):
    """Return a row a person and month at risk of a start: on benefit, not started before it."""
    people = lives.people
    last = np.minimum(np.minimum(lives.left, lives.start), STARTS - 1)
    time, person = np.nonzero(np.arange(STARTS)[:, None] <= last)
    possible = time >= lives.start.min()  # with an announcement nobody starts in the first months
    time, person = time[possible], person[possible]
    hours = np.concatenate([people.hours[:12], lives.hours])
    return pl.DataFrame(
        {
            "person": person, "time": time, "x": people.x[person], "late": people.late[person],
            "early": people.early[person],
            "hours_before": np.mean([hours[11 + time - lag, person] for lag in range(3)], axis=0),
            "starts": lives.start[person] == time, "treated_at": lives.start[person],
            "work": lives.worked[time + HORIZON, person],
        }
    ).with_columns(pl.col("treated_at").replace(NEVER, None))  # fmt: skip


def ever_and_never(lives):
    """Return a row a person: whether he ever starts, which only who stays on benefit can.

    `soon` is work two months after intake of who had not started by then: what no programme made.
    """
    people, ever = lives.people, lives.start < NEVER
    soon = np.where(lives.start > 2, lives.worked[2].astype(float), np.nan)
    return pl.DataFrame(
        {
            "person": np.arange(len(ever)), "x": people.x, "late": people.late,
            "early": people.early, "ever": ever, "soon": soon, "work": lives.worked[18],
        }
    )  # fmt: skip


def person_quarters(lives, outcome):
    """Return a balanced panel of quarters since intake (-4 … 7), and the quarter of the start."""
    people = lives.people
    before, after = {
        "hours": (people.hours[:12], lives.hours), "work": (people.history[-12:], lives.worked)
    }[outcome]  # fmt: skip
    months = np.concatenate([before, after[:24]]).astype(float)
    quarters, n = months.reshape(12, 3, -1).mean(axis=1), len(people.x)
    start = np.where(lives.start == NEVER, NEVER, lives.start // 3)
    return pl.DataFrame(
        {
            "person": np.repeat(np.arange(n), 12), "quarter": np.tile(np.arange(-4, 8), n),
            "start": np.repeat(start, 12), "y": quarters.T.ravel(),
        }
    ).with_columns(pl.col("start").replace(NEVER, None))  # fmt: skip


def participants(lives):
    """Return months of work of those who start, from a year before to a year after."""
    did = np.flatnonzero(lives.start < NEVER)
    months = np.concatenate([lives.people.history, lives.worked])
    at = lives.start[did][:, None] + np.arange(-12, 12)
    return pl.DataFrame(
        {
            "person": np.repeat(did, 24), "month": at.ravel(),
            "start": np.repeat(lives.start[did], 24),
            "work": months[BEFORE + at, did[:, None]].ravel().astype(float),
        }
    )  # fmt: skip


def _logistic(value):
    return 1 / (1 + np.exp(-value))
