"""What happens to households: death, pension, migration, moves, partners, children."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.books import (
    close_benefit,
    close_home,
    close_job,
    close_residence,
    event_day,
    has_income,
    on_wwb,
    open_benefit,
    set_state,
)
from synthetic_data.claims import enter_wwb, leave_wwb, reclaim
from synthetic_data.inner import inner
from synthetic_data.layout import (
    ALONE,
    BEGAN_OTHER,
    BEGAN_RELATION,
    DEAD,
    DIED,
    EMIGRATED,
    END_ABROAD,
    END_AGE,
    END_DEATH,
    END_MOVED,
    END_RELATION,
    GONE_ABROAD,
    MOVED,
    NEVER,
    NUG,
    OTHER,
    OUTSIDE,
    PAIR,
    PENSION,
    SCHEME_WWB,
    STOP_OTHER,
    STUDENT,
    WORK,
)
from synthetic_data.moves import to_work
from synthetic_data.people import find_place
from synthetic_data.programmes import stop_programme
from synthetic_data.random import uniform

_DAY, _LIFE, _ABROAD, _MOVE, _WHERE, _COUPLE, _CHILD, _AFTER = np.arange(20, 28)
_PENSION_AGE = 65 * 12
_ADULT = 18 * 12
#: No death rate of a month is above this: spares an exponential in most months.
_MOST_DEATHS = 0.02


@inner
def _leave_country_or_life(
    S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any, state: Any
) -> None:
    """Close everything of `p`; a partner stays behind on a claim of his own."""
    me, other = S[p], S[1 - p]
    died = state == DEAD
    stop_programme(run, rows, me, m, day, STOP_OTHER)
    if me.partner == PAIR:
        close_home(run, rows, other, day)
        other.partner = ALONE
        other.home_start = day
        if on_wwb(other):
            stop_programme(run, rows, other, m, day, STOP_OTHER)
            reclaim(S, run, rows, 1 - p, m, day, w, (END_RELATION, BEGAN_RELATION))
        other.moved = 1
    close_benefit(run, rows, me, m, day, END_DEATH if died else END_ABROAD, w)
    close_job(run, rows, me, m, day, w)
    close_home(run, rows, me, day)
    close_residence(run, rows, me, day, DIED if died else GONE_ABROAD)
    me.partner = ALONE
    if me.children > 0 and other.partner == ALONE and other.children > 0:
        me.children = 0
    me.at_home = 0
    if died:
        me.death = day
    set_state(run, rows, w, me, state, m, day)


@inner
def _arrive(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Come into the country, for the first time or again: work, WWB or neither."""
    me = S[p]
    day = event_day(me, m, _DAY, w)
    me.home_start = me.residence_start = day
    u = uniform(me.key, m, _AFTER)
    if m - me.birth < _ADULT:
        set_state(run, rows, w, me, OTHER, m, day)
    elif u < 0.40:
        to_work(S, run, rows, w, p, m, day)
    elif u < 0.60:
        enter_wwb(S, run, rows, w, p, m, day, BEGAN_OTHER)
    else:
        set_state(run, rows, w, me, OTHER, m, day)


@inner
def _retire(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Reach 65: a pension instead of benefits and jobs."""
    me = S[p]
    day = event_day(me, m, _DAY, w)
    stop_programme(run, rows, me, m, day, STOP_OTHER)
    if on_wwb(me) or (me.partner == PAIR and on_wwb(S[1 - p])):
        leave_wwb(S, run, rows, w, p, m, day, END_AGE)
    close_benefit(run, rows, me, m, day, END_AGE, w)
    close_job(run, rows, me, m, day, w)
    set_state(run, rows, w, me, PENSION, m, day)


@inner
def _relocate(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any, place: Any) -> None:
    """Move `p` to another municipality; WWB ends there and begins here on the same day."""
    me = S[p]
    assisted = on_wwb(me)
    if assisted:
        stop_programme(run, rows, me, m, day, STOP_OTHER)
        close_benefit(run, rows, me, m, day, END_MOVED, w)
    close_residence(run, rows, me, day, MOVED)
    me.municipality = place
    me.region = w.land_region[place]
    me.residence_start = day
    me.moved = 1
    if assisted:
        open_benefit(me, SCHEME_WWB, day, BEGAN_OTHER, run.claims, me.role)


@inner
def _draw_place(me: Any, w: Any, m: Any) -> Any:
    """Draw a municipality by its number of persons at risk."""
    return find_place(w.land_cumulative, uniform(me.key, m, _WHERE))


@inner
def _pair_up(S: Any, run: Any, rows: Any, w: Any, m: Any) -> None:
    """Make a couple of the two: one home, one household, one claim or none."""
    a, b = S[0], S[1]
    day = event_day(a, m, _DAY, w)
    for p in range(2):
        close_home(run, rows, S[p], day)
    if a.municipality != b.municipality:
        if on_wwb(b):
            run.claims += 1
        _relocate(S, run, rows, w, 1, m, day, a.municipality)
    rich_a, rich_b = has_income(a), has_income(b)
    a.partner = b.partner = PAIR
    a.children = b.children = min(6, a.children + b.children)
    a.home_start = b.home_start = day
    a.at_home = b.at_home = 0
    if rich_a or rich_b:
        for p in range(2):
            me = S[p]
            if on_wwb(me):
                stop_programme(run, rows, me, m, day, STOP_OTHER)
                close_benefit(run, rows, me, m, day, END_RELATION, w)
                working = me.job_start != NEVER
                if working:
                    me.work_since = m
                set_state(run, rows, w, me, WORK if working else OTHER, m, day)
    elif on_wwb(a) or on_wwb(b):
        claim_open = on_wwb(a) and on_wwb(b)
        if claim_open:
            run.claims += 1
            for p in range(2):
                me = S[p]
                close_benefit(run, rows, me, m, day, END_RELATION, w)
                open_benefit(me, SCHEME_WWB, day, BEGAN_RELATION, run.claims, p)
        else:
            q = 0 if on_wwb(b) else 1
            if S[q].state in (OTHER, NUG):
                stop_programme(run, rows, S[q], m, day, STOP_OTHER)
                enter_wwb(S, run, rows, w, q, m, day, BEGAN_RELATION)
    a.moved = b.moved = 1


@inner
def _split(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """End a couple: children with the mother, each on his own claim, WWB for who has no income."""
    me, other = S[p], S[1 - p]
    day = event_day(me, m, _DAY, w)
    paired = me.partner == PAIR
    lo, hi = (0, 2) if paired else (p, p + 1)
    joint = paired and on_wwb(me) and on_wwb(other)
    mother = 1 if S[1].sex == 1 else 0
    for q in range(lo, hi):
        one = S[q]
        close_home(run, rows, one, day)
        one.partner = ALONE
        if (paired and q != mother) or (not paired and one.sex == 0):
            one.children = 0
        one.home_start = day
    for q in range(lo, hi):
        one = S[q]
        if joint:
            stop_programme(run, rows, one, m, day, STOP_OTHER)
            reclaim(S, run, rows, q, m, day, w, (END_RELATION, BEGAN_RELATION))
        elif one.state in (OTHER, NUG):
            needy = uniform(one.key, m, _AFTER) < w.home_wwb_after_split
            if needy and m - one.birth >= _ADULT:
                stop_programme(run, rows, one, m, day, STOP_OTHER)
                enter_wwb(S, run, rows, w, q, m, day, BEGAN_RELATION)
        one.moved = 1


@inner
def _children(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """A birth, or a child leaving home."""
    me = S[p]
    u = uniform(me.key, m, _CHILD)
    age = m - me.birth
    birth = 0.0
    fertile = 18 * 12 <= age < 42 * 12
    if fertile and (me.sex == 1 or me.partner != ALONE):
        birth = w.home_birth if me.partner != ALONE else 0.25 * w.home_birth
    change = 0
    if u < birth and me.children < 6:
        change = 1
    elif u > 1.0 - w.home_leave * me.children:
        change = -1
    if change == 0 or me.home_start > w.land_first[m]:
        return
    day = event_day(me, m, _DAY, w)
    close_home(run, rows, me, day)
    me.home_start = day
    me.moved = 1
    if me.partner == PAIR:
        other = S[1 - p]
        close_home(run, rows, other, day)
        other.home_start = day
        other.children += change
        other.moved = 1
    me.children += change


@inner
def live_at_home(S: Any, run: Any, rows: Any, w: Any, m: Any) -> None:
    """Let a month pass for the household, before its persons move by themselves."""
    for p in range(2):
        me, other = S[p], S[1 - p]
        state, key = me.state, me.key
        if me.moved or state == DEAD:
            continue
        if state == EMIGRATED:
            if uniform(key, m, _ABROAD) < w.home_immigrate and m - me.birth < 55 * 12:
                _arrive(S, run, rows, w, p, m)
            continue
        age = m - me.birth
        u = uniform(key, m, _LIFE)
        if u < _MOST_DEATHS and u < w.home_death * w.home_death_health[me.health] * np.exp(
            w.home_death_age * (age / 12.0 - 30.0)
        ):
            day = event_day(me, m, _DAY, w)
            _leave_country_or_life(S, run, rows, w, p, m, day, DEAD)
            continue
        if me.partner == PAIR and other.moved:
            continue
        if age >= _PENSION_AGE and state != PENSION:
            _retire(S, run, rows, w, p, m)
            continue
        u = uniform(key, m, _ABROAD)
        if u < w.home_emigrate[me.origin] and state != STUDENT:
            day = event_day(me, m, _DAY, w)
            _leave_country_or_life(S, run, rows, w, p, m, day, EMIGRATED)
            continue
        if state != STUDENT and (me.partner != PAIR or p == 0):
            rate = w.home_move * (1.6 if age < 360 else 1.0)
            if uniform(key, m, _MOVE) < rate:
                place = _draw_place(me, w, m)
                if place != me.municipality:
                    day = event_day(me, m, _DAY, w)
                    run.claims += 1
                    _relocate(S, run, rows, w, p, m, day, place)
                    if me.partner == PAIR:
                        _relocate(S, run, rows, w, 1, m, day, place)
                    continue
        u = uniform(key, m, _COUPLE)
        if me.partner == ALONE:
            free = age >= _ADULT and not me.at_home and age < 60 * 12
            if (
                p == 0 and me.may_pair and free and other.partner == ALONE and not other.moved
                and other.state < EMIGRATED and not other.at_home and u > 1.0 - w.home_form
                and m - other.birth >= _ADULT
            ):  # fmt: skip
                _pair_up(S, run, rows, w, m)
                continue
            if free and u < w.home_form_outside:
                day = event_day(me, m, _DAY, w)
                close_home(run, rows, me, day)
                me.home_start = day
                if on_wwb(me):
                    stop_programme(run, rows, me, m, day, STOP_OTHER)
                    leave_wwb(S, run, rows, w, p, m, day, END_RELATION)
                    working = me.job_start != NEVER
                    if working:
                        me.work_since = m
                    set_state(run, rows, w, me, WORK if working else OTHER, m, day)
                me.partner = OUTSIDE
                me.moved = 1
                continue
        elif (me.partner == OUTSIDE or p == 0) and u < w.home_dissolve:
            _split(S, run, rows, w, p, m)
            continue
        if me.partner != PAIR or p == 0:
            _children(S, run, rows, w, p, m)
