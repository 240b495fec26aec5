"""Exits and durability against a count by hand, day by day, in plain Python; and person-locality.

The count knows nothing of keys, sorts or look-ups: it writes out every day of one person at a time
on benefit, in work and at home, and asks each day.
"""

from __future__ import annotations

import calendar
import warnings
from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import registers, trajectories
from toolkit.errors import EmptyCohortError, FollowUpWarning, OutsideCoverageError

START, END = date(2004, 1, 1), date(2006, 1, 1)
WINDOW = (date(2004, 3, 1), date(2005, 11, 15))
DAYS = (END - START).days
QUICK = settings(max_examples=30, deadline=None)
FEW = settings(max_examples=8, deadline=None)


# --- random small registers -----------------------------------------------------------------------


@st.composite
def spell(draw, *, least=-60, longest=200):
    start = draw(st.integers(least, DAYS - 1))
    length = draw(st.one_of(st.integers(1, longest), st.integers(1, 40)))
    end = max(start + length, 1)
    return START + timedelta(start), None if end > DAYS else START + timedelta(end)


kinds = st.sampled_from(["regular", "regular", "subsidised", "sheltered"])
hours = st.sampled_from([None, 6.0, 8.5, 12.0, 20.0])


def apart(spells):
    """Keep the spells that do not overlap the ones kept before."""
    kept = []
    for start, end, *rest in sorted(spells, key=lambda row: (row[0], row[1] or END)):
        if not kept or (kept[-1][1] is not None and start >= kept[-1][1]):
            kept.append((start, end, *rest))
    return kept


@st.composite
def life(draw):
    schemes = ["wwb", "ioaw", "ww"]
    benefits = [
        (start, end, scheme, draw(st.sampled_from([None, "work", "studies", "age", "other"])))
        for scheme in schemes
        for start, end in apart(draw(st.lists(spell(longest=150), max_size=4)))
        if scheme == "wwb" or draw(st.booleans())
    ]
    # Most jobs begin around the end of a benefit; some anywhere.
    around = [
        (max(end + timedelta(draw(st.integers(-5, 50))), START), draw(st.integers(5, 600)))
        for _, end, *_ in benefits
        if end is not None and draw(st.integers(0, 3))
    ]
    starts = [(start, start + timedelta(length)) for start, length in around if start < END]
    starts = [(start, end if end <= END else None) for start, end in starts]
    jobs = [
        (*row, draw(kinds), draw(hours))
        for row in [*starts, *draw(st.lists(spell(longest=400), max_size=3))]
    ]
    homes = apart(draw(st.lists(spell(least=-60, longest=700), max_size=3)))
    homes = [
        (start, end, draw(st.sampled_from([None, "moved", "emigrated"])) if end else None)
        for start, end in homes
    ]
    death = draw(st.integers(100, DAYS - 1)) if draw(st.integers(0, 4)) == 4 else None
    return {
        "benefits": benefits,
        "jobs": jobs,
        "homes": homes if draw(st.integers(0, 2)) == 2 else [],
        "registered": apart(draw(st.lists(spell(), max_size=2))),
        "enrolled": apart(draw(st.lists(spell(), max_size=2))),
        "died": None if death is None else START + timedelta(death),
        "born": draw(
            st.sampled_from([date(1970, 1, 1)] * 3 + [date(1939, 10, 1), date(1940, 4, 1)])
        ),
    }


@st.composite
def worlds(draw):
    jobs_end = START + timedelta(draw(st.sampled_from([DAYS, DAYS - 100, DAYS - 190])))
    return draw(st.lists(life(), min_size=1, max_size=4)), jobs_end, draw(st.booleans())


@st.composite
def definitions(draw):
    schemes = draw(st.sampled_from([("wwb",), ("wwb", "ioaw"), ("wwb", "ww", "nug")]))
    return trajectories.Definition(
        name="random",
        schemes=schemes,
        switch_is_exit=draw(st.booleans()),
        max_gap_days=draw(st.sampled_from([0, 5, 31])),
        work_kinds=draw(st.sampled_from([("regular",), ("regular", "subsidised")])),
        min_hours=draw(st.sampled_from([0.0, 0.0, 12.0, 14.5])),
        to_work=draw(st.sampled_from(["job", "end_reason", "either"])),
        exit_month_of=draw(st.sampled_from(["first_day_off", "last_day_on"])),
        month_after=draw(st.integers(0, 2)),
        off_benefit_at_start=draw(st.booleans()),
        off_benefit_at_horizon=draw(st.booleans()),
        horizons=(1, 3),
        weeks=3,
        return_horizons=(1, 2, 6),
        return_schemes=draw(st.sampled_from([schemes, ("wwb",), ("wwb", "ww", "nug")])),
        denominator=draw(st.sampled_from(["all_exits", "exits_to_work"])),
        pension_age=draw(st.sampled_from([None, 65])),
        excluded_end_reasons=draw(st.sampled_from([(), ("other",)])),
    )


def build(lives, jobs_end, *, first=0):
    """Make a register of lives; jobs beyond the end of their source were never delivered."""
    rows = {name: [] for name in ("benefits", "jobs", "homes", "registered", "enrolled")}
    for number, one in enumerate(lives, start=first):
        for name, found in rows.items():
            found.extend((number, *row) for row in one[name])
    jobs = [
        (person, start, None if end is None or end > jobs_end else end, *rest)
        for person, start, end, *rest in rows["jobs"]
        if start < jobs_end
    ]

    def frame(found, **columns):
        schema = {"person": pl.Int64, "start": pl.Date, "end": pl.Date, **columns}
        return pl.DataFrame(found, schema=schema, orient="row")

    text = pl.String
    people = range(first, first + len(lives))
    return registers.from_frames(
        persons=pl.DataFrame(
            {
                "person": list(people),
                "sex": ["female"] * len(lives),
                "origin": ["native"] * len(lives),
                "birth_month": [one["born"] for one in lives],
                "death_date": pl.Series([one["died"] for one in lives], dtype=pl.Date),
            }
        ),
        benefits=frame(rows["benefits"], scheme=text, end_reason=text).with_columns(
            claim=pl.int_range(pl.len()), role=pl.lit("head")
        ),
        jobs=frame(jobs, kind=text, hours=pl.Float64).with_columns(
            job=pl.int_range(pl.len()), employer=pl.lit(0)
        ),
        residences=frame(rows["homes"], end_reason=text).with_columns(municipality=pl.lit("gm")),
        registrations=frame(rows["registered"]),
        enrolments=frame(rows["enrolled"]).with_columns(level=pl.lit("higher")),
        coverage=pl.DataFrame(
            {
                "source": ["benefits", "jobs", "residences", "registrations", "enrolments"],
                "start": [START] * 5,
                "end": [END, jobs_end, END, END, END],
            }
        ),
    )


# --- the count by hand ----------------------------------------------------------------------------


def plus(day, months):
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def days_from(first, until):
    return (first + timedelta(step) for step in range((until - first).days))


def month_days(first):
    """All days of the month that begins on `first`."""
    return list(days_from(first, plus(first, 1)))


def held_days(spells):
    """Every day on which one of the spells holds, as far as there are data."""
    return {
        day
        for start, end, *_ in spells
        for day in days_from(start, END if end is None else min(end, END))
    }


def runs(days, gap):
    """Spells of days, over gaps of at most `gap` days between them."""
    found = []
    for day in sorted(days):
        if found and (day - found[-1][1]).days <= gap:
            found[-1][1] = day + timedelta(1)
        else:
            found.append([day, day + timedelta(1)])
    return found


class Diary:
    """The days of one life: `own[scheme]`, `work`, `home`, `enrolled`, `other` benefits."""

    def __init__(self, one, definition, jobs_end):
        self.one, self.definition, self.jobs_end = one, definition, jobs_end
        received = held_days(one["benefits"])
        self.own = {
            scheme: held_days([row for row in one["benefits"] if row[2] == scheme])
            for scheme in {*definition.schemes, *definition.return_schemes} - {"nug"}
        }
        self.own["nug"] = held_days(one["registered"]) - received
        self.mine = set().union(*(self.own[scheme] for scheme in definition.schemes))
        self.other = held_days([r for r in one["benefits"] if r[2] not in definition.schemes])
        self.enrolled = held_days(one["enrolled"])
        self.home = held_days(one["homes"])
        hours = {}
        for start, end, kind, week in one["jobs"]:
            if kind in definition.work_kinds and start < jobs_end:
                for day in days_from(start, min(end or END, END)):
                    hours[day] = hours.get(day, 0.0) + (week or 0.0)
        self.work = {day for day, total in hours.items() if total >= definition.min_hours}

    def away(self, day):
        """First day from `day` on out of the residences, and whether abroad or lost."""
        if not self.home:
            return None, None
        when = next((d for d in days_from(max(day, START), END) if d not in self.home), None)
        if when is None:
            return None, None
        later = max(self.home) > when
        before = [row for row in self.one["homes"] if row[1] is not None and row[1] <= when]
        if not before and not later:
            return None, None
        last = before[-1][2] if before else None
        emigrates = last == "emigrated" or (later and last != "moved")
        return when, "emigrated" if emigrates else "lost"


def count_exits(one, definition, jobs_end):
    diary = Diary(one, definition, jobs_end)
    groups = (
        [[s] for s in definition.schemes] if definition.switch_is_exit else [definition.schemes]
    )
    for group in groups:
        found = runs(set().union(*(diary.own[s] for s in group)), definition.max_gap_days)
        for entry, end in found:
            if not WINDOW[0] <= end < WINDOW[1]:
                continue
            rows = [
                (row[1], row[0], definition.schemes.index(row[2]), row[3] or "~")
                for row in one["benefits"]
                if row[2] in group and row[1] == end
            ]
            row = count_one(diary, entry, end, rows)
            if row is not None:
                yield row


def count_one(diary, entry, end, last_rows):
    one, definition, jobs_end = diary.one, diary.definition, diary.jobs_end
    died = one["died"]
    left, why = diary.away(end)
    if died is not None and left is not None and left >= died:
        left, why = None, None
    pension = plus(one["born"], 12 * 65) if definition.pension_age else None
    sure = end + timedelta(definition.max_gap_days)
    if sure >= END:
        return None
    if why == "lost" and left <= sure:
        return None
    # Of spells that end together the last one started speaks; of those the last scheme and reason.
    reason = None
    if last_rows:
        latest = max(row[1] for row in last_rows)
        reason = max(row[2:] for row in last_rows if row[1] == latest)[1]
        reason = None if reason == "~" else reason
    if reason is not None and reason in definition.excluded_end_reasons:
        return None

    stops = [day for day in (died, left, pension) if day is not None]
    until = min([*stops, date.max])
    basis = end - timedelta(1) if definition.exit_month_of == "last_day_on" else end
    month = basis.replace(day=1)

    after = plus(month, definition.month_after)
    days = month_days(after)
    there = days[-1] < until
    knows = {
        "jobs": there and days[0] >= START and days[-1] < jobs_end,
        "benefits": there and days[0] >= START and days[-1] < END,
    }
    own = any(day in diary.mine for day in days)
    job = any(day in diary.work for day in days) if knows["jobs"] else None
    if definition.off_benefit_at_start and job is not False:
        off = not own if knows["benefits"] else None
        job = False if off is False else (None if off is None or job is None else True)
    by_reason = reason in definition.work_end_reasons
    to_work = {
        "job": job,
        "end_reason": by_reason,
        "either": True if by_reason else job or (None if job is None else False),
    }[definition.to_work]

    # What the sources do not cover is null, whoever it is about.
    covered = days[0] >= START and days[-1] < END
    if definition.to_work != "end_reason":
        if days[0] < START or days[-1] >= jobs_end:
            to_work, covered = None, False
        if definition.off_benefit_at_start and days[-1] >= END:
            to_work = None

    on_other = any(day in diary.other for day in days)
    studies = reason == "studies" or any(day in diary.enrolled for day in days)
    next_month = plus(after, 1)
    if not covered:
        destination = None
    elif died is not None and died < next_month:
        destination = "died"
    elif why == "emigrated" and left < next_month:
        destination = "emigrated"
    elif (pension is not None and pension < next_month) or reason == "age":
        destination = "pension"
    elif to_work:
        destination = "work"
    elif to_work is None or not knows["benefits"]:
        destination = None
    else:
        destination = "other_benefit" if on_other else "studies" if studies else "other"

    row = {"exit_date": end, "entry_date": entry, "to_work": to_work, "destination": destination}
    row |= count_work(diary, end, month, until)
    row |= count_return(diary, end, until)
    left_first = [(died, 2), (left if why == "emigrated" else None, 3), (pension, 0)]
    row["_left"] = next((code for day, code in left_first if day is not None and day == until), 0)
    return row


def count_work(diary, end, month, until):
    definition, jobs_end = diary.definition, diary.jobs_end
    known_until = min(until, jobs_end)
    row = {}

    def seen(h):
        return all(
            START <= day < known_until
            for k in range(1, h + 1)
            for day in month_days(plus(month, k))
        )

    def at(h):
        return any(day in diary.work for day in month_days(plus(month, h)))

    for h in definition.horizons:
        here = at(h) if seen(h) else None
        if definition.off_benefit_at_horizon and here is not None:
            days = month_days(plus(month, h))
            if days[-1] >= END:
                here = None
            elif any(day in diary.mine for day in days):
                here = False
        row[f"in_work_at_{h}"] = here
        row[f"uninterrupted_{h}"] = all(at(k) for k in range(1, h + 1)) if seen(h) else None
        last = plus(end, h)
        worked = sum(day in diary.work for day in days_from(end, last))
        row[f"cumulative_{h}"] = worked >= 7 * definition.weeks if last <= known_until else None
    k = 1
    while seen(k) and at(k):
        k += 1
    row["_work"] = (k, 1) if seen(k) else (k - 1, 0)
    return row


def count_return(diary, end, until):
    definition = diary.definition
    known_until = min(until, END)
    starts = [
        first
        for scheme in definition.return_schemes
        for first, _ in runs(diary.own[scheme], definition.max_gap_days)
        if end <= first < known_until
    ]
    back = min(starts, default=None)
    row = {
        f"returned_within_{h}": (back is not None and back <= plus(end, h))
        if plus(end, h) < known_until
        else None
        for h in definition.return_horizons
    }
    needed = next(h for h in range(99) if (back or known_until) <= plus(end, h))
    row["months_to_return"] = needed if back else None
    row["_return"] = needed if back else max(needed - 1, 0)
    row["_gone"] = None if back or until >= END else needed
    return row


def by_fast_code(register, definition):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FollowUpWarning)
        found = trajectories.exits(register, definition, window=WINDOW, allow_empty=True)
        try:
            return found.frame, trajectories.durability(found, register).frame
        except EmptyCohortError:
            return found.frame, None


@QUICK
@given(worlds(), definitions())
def test_exits_and_durability_are_what_a_count_by_hand_finds(world, definition):
    lives, jobs_end, _ = world
    found, outcomes = by_fast_code(build(lives, jobs_end), definition)
    by_hand = [
        {"person": number, **row}
        for number, one in enumerate(lives)
        for row in count_exits(one, definition, jobs_end)
    ]
    by_hand.sort(key=lambda row: (row["person"], row["exit_date"], row["entry_date"]))
    found = found.sort("person", "exit_date", "entry_date")
    for name in ("person", "exit_date", "entry_date", "to_work", "destination"):
        assert found[name].to_list() == [row[name] for row in by_hand], name
    if definition.denominator == "exits_to_work":
        by_hand = [row for row in by_hand if row["to_work"]]
    if outcomes is None:
        assert not by_hand
        return
    outcomes = outcomes.sort("person", "exit_date", "entry_date")
    columns = [name for name in outcomes.columns if name.rpartition("_")[0] in {
        "in_work_at", "uninterrupted", "cumulative", "returned_within"}]  # fmt: skip
    assert len(columns) == 9
    for name in [*columns, "months_to_return"]:
        assert outcomes[name].to_list() == [row[name] for row in by_hand], name
    for row, made in zip(by_hand, outcomes.iter_rows(named=True), strict=True):
        months, out = row["_work"]
        if out:
            assert (made["work_time"], made["work_event"]) == (months, 1)
        elif made["work_event"] == 0:
            assert made["work_time"] == months
        else:
            assert made["work_event"] == row["_left"]
        if row["months_to_return"] is not None:
            assert (made["return_time"], made["return_event"]) == (row["_return"], 1)
        elif row["_gone"] is not None and row["_left"]:
            assert (made["return_time"], made["return_event"]) == (row["_gone"], row["_left"])
        else:
            assert (made["return_time"], made["return_event"]) == (row["_return"], 0)


@FEW
@given(worlds(), worlds(), definitions())
def test_results_of_a_union_of_persons_are_the_union_of_results(one, other, definition):
    jobs_end = one[1]
    together = build([*one[0], *other[0]], jobs_end)
    apart_ = [build(one[0], jobs_end), build(other[0], jobs_end, first=len(one[0]))]
    whole = by_fast_code(together, definition)
    parts = [by_fast_code(part, definition) for part in apart_]
    for index in (0, 1):
        frames = [part[index] for part in parts if part[index] is not None]
        if whole[index] is None:
            assert not any(frame.height for frame in frames)
        else:
            assert whole[index].equals(pl.concat(frames))
    panel = [
        trajectories.monthly_panel(register, window="2004", definition=definition)
        for register in (together, *apart_)
    ]
    assert panel[0].equals(pl.concat(panel[1:]))


@FEW
@given(worlds(), worlds(), definitions())
def test_cohorts_traits_and_counts_are_person_local(one, other, definition):
    """What is counted by person or by month adds up over any partition of persons."""
    together = build([*one[0], *other[0]], END)
    parts = [build(one[0], END), build(other[0], END, first=len(one[0]))]
    window = (date(2004, 4, 1), date(2005, 6, 1))

    def each(make):
        return make(together), [make(part) for part in parts]

    def cohort(part):
        return trajectories.inflow(part, definition, window=window, allow_empty=True).frame

    def stock(part):
        day = date(2005, 1, 31)
        return trajectories.stock(part, definition, date=day, allow_empty=True).frame

    def traits(part):
        return trajectories.describe(by_fast_code(part, definition)[0], part)

    for make in (cohort, stock, traits):
        whole, pieces = each(make)
        assert whole.equals(pl.concat(pieces)), make.__name__

    def counts(part):
        return trajectories.flows(part, definition, window="2004").drop("date")

    whole, pieces = each(counts)
    assert whole.equals(pieces[0] + pieces[1])

    def states(part):
        starts = part.persons.select("person", month=pl.lit(date(2004, 3, 1))).collect()
        try:
            found = trajectories.states_since(part, starts, months=range(6))
        except OutsideCoverageError:  # nobody of them is ever at home
            return {}
        rows = found.filter(pl.col("n") > 0).select("month", "state", "n").iter_rows()
        return {(month, state): n for month, state, n in rows}

    whole, pieces = each(states)
    cells = {cell for piece in pieces for cell in piece}
    assert whole == {cell: sum(piece.get(cell, 0) for piece in pieces) for cell in cells}


@FEW
@given(worlds(), definitions())
def test_shorter_data_turn_outcomes_null_and_never_to_no(world, definition):
    lives, _, _ = world
    definition = definition.replace(denominator="all_exits", to_work="job")
    _, full = by_fast_code(build(lives, END), definition)
    _, cut = by_fast_code(build(lives, END - timedelta(180)), definition)
    assert full["exit_date"].equals(cut["exit_date"])
    for name in ("to_work", "in_work_at_1", "in_work_at_3", "uninterrupted_3", "cumulative_3"):
        known = cut[name].is_not_null()
        assert cut[name].filter(known).equals(full[name].filter(known)), name


def test_partitions_of_a_store_mapped_are_the_whole(tmp_path):
    one = {
        "benefits": [(START, date(2004, 6, 1), "wwb", None), (date(2004, 9, 1), None, "wwb", None)],
        "jobs": [(date(2004, 6, 1), date(2005, 2, 1), "regular", 30.0)],
        "homes": [(START, None, None)],
        "registered": [],
        "enrolled": [(date(2005, 1, 1), date(2005, 9, 1))],
        "died": None,
        "born": date(1970, 1, 1),
    }
    quiet = {**one, "benefits": []}
    lives = [one, quiet, {**one, "jobs": []}, {**one, "died": date(2004, 8, 1)}, one, quiet, quiet]
    whole = build(lives, END)
    store = tmp_path / "register"
    coverage = whole.coverage.collect()
    places = whole.municipalities.collect()
    with registers.StoreWriter(store, municipalities=places, coverage=coverage) as writer:
        for low, high in ((0, 2), (2, 5), (5, 7)):
            cut = pl.col("person").is_between(low, high - 1)
            names = ("persons", "benefits", "jobs", "residences", "enrolments")
            writer.write(
                low, high, {name: whole.table(name).filter(cut).collect() for name in names}
            )
    register = registers.open(store)
    assert len(register.partitions) == 3
    definition = trajectories.recipe("iwi_2008").replace(denominator="all_exits")
    full, outcomes = by_fast_code(register, definition)
    assert full.height == 4
    mapped = [by_fast_code(register.part(index), definition) for index in range(3)]
    assert full.equals(pl.concat(part for part, _ in mapped))
    assert outcomes.equals(pl.concat(part for _, part in mapped))
    panel = trajectories.monthly_panel(register, window="2004")
    assert panel.equals(trajectories.monthly_panel(whole, window="2004"))
    assert panel.height == 7 * 12
    assert panel.equals(pl.concat(trajectories.panel_parts(register, window="2004")))
