"""Who the two persons of a pair are, and where they stand when the window opens."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.books import (
    has_income,
    on_wwb,
    open_benefit,
    scheme_of,
    set_state,
    write_position,
)
from synthetic_data.inner import inner
from synthetic_data.jobs import open_job
from synthetic_data.layout import (
    ALONE,
    BEGAN_OTHER,
    DISABILITY,
    EMIGRATED,
    NEVER,
    NONE,
    NUG,
    OTHER,
    OUTSIDE,
    PAIR,
    PENSION,
    ROW_PERSON,
    SCHEME_WWB,
    STUDENT,
    WORK,
    WW,
    WWB,
)
from synthetic_data.random import AT_BIRTH, choose, normal, person_key, uniform

#: Days before the window over which the starts of running spells are spread are whole months.
_DAYS_A_MONTH = 30.4375
_ADULT = 18 * 12


@inner
def age_class(months: Any) -> Any:
    """Return the class of AGE_EDGES for an age in months."""
    return min(4, max(0, (months - 60) // 120 - 1))


@inner
def duration_class(months: Any) -> Any:
    """Return the class of DURATION_EDGES for a duration in months."""
    if months < 12:
        return 0 if months < 3 else 1 if months < 6 else 2
    if months < 36:
        return 3 if months < 24 else 4
    return 5 if months < 60 else 6


@inner
def find_place(cumulative: Any, u: Any) -> Any:
    """Return the first place whose cumulative chance exceeds `u` (bisection)."""
    low, high = 0, len(cumulative) - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


@inner
def draw_pair(S: Any, w: Any, seed: Any, pair: Any) -> None:
    """Draw what does not change of both persons; the second of a couple resembles the first."""
    for p in range(2):
        me = S[p]
        me.person = 2 * pair + p
        me.key = person_key(seed, 2 * pair + p)
        key = me.key
        couple = uniform(S[0].key, AT_BIRTH, np.int64(0)) < w.population_couples
        me.may_pair = 1 if couple else 0
        young, old = w.population_youngest * 12, w.population_oldest * 12
        u = uniform(key, AT_BIRTH, np.int64(1))
        if couple and p == 1:
            months = -S[0].birth + 1 + int(60 * (u - 0.5))
            # an age outside the range is drawn anew: no heap of people at its ends
            if months < young or months >= old:
                months = int(young + uniform(key, AT_BIRTH, np.int64(17)) * (old - young))
            me.birth = -months - 1
            me.sex = 1 - S[0].sex if uniform(key, AT_BIRTH, np.int64(2)) < 0.98 else S[0].sex
        else:
            me.birth = -int(young + u * (old - young)) - 1
            me.sex = 0 if uniform(key, AT_BIRTH, np.int64(2)) < 0.49 else 1
        u = uniform(key, AT_BIRTH, np.int64(3))
        western, non_western = w.population_non_native[0], w.population_non_native[1]
        if couple and p == 1 and uniform(key, AT_BIRTH, np.int64(4)) < 0.8:
            me.origin = S[0].origin
        else:
            me.origin = 2 if u < non_western else 1 if u < non_western + western else 0
        u = uniform(key, AT_BIRTH, np.int64(5))
        low, middle = w.population_education[0], w.population_education[1]
        if me.origin == 0:
            low *= w.population_education_native
        if me.birth < -40 * 12:  # fewer years of school before 1960
            low *= 1.15
        me.education = 0 if u < low else 1 if u < low + middle else 2
        me.type = choose(uniform(key, AT_BIRTH, np.int64(6)), w.population_types)
        ill = 1.0 - w.population_health[0]
        if me.birth < -45 * 12:
            ill *= w.population_health_old
        u = uniform(key, AT_BIRTH, np.int64(7))
        poor = w.population_health[2] / (w.population_health[1] + w.population_health[2])
        me.health = 0 if u >= ill else 2 if u < ill * poor else 1
        missing = w.population_missing
        missing *= w.population_missing_low if me.education == 0 else 1.0
        missing *= w.population_missing_non_western if me.origin == 2 else 1.0
        missing *= w.population_missing_old if me.birth < -34 * 12 else 1.0
        me.unrecorded = 1 if uniform(key, AT_BIRTH, np.int64(8)) < missing else 0
        me.limited = NONE
        if uniform(key, AT_BIRTH, np.int64(9)) < w.population_limited_seen:
            truth = 1 if me.health == 2 else 0
            honest = uniform(key, AT_BIRTH, np.int64(10)) < w.population_limited_true
            me.limited = truth if honest else 1 - truth
        years = 17.0 + 2.5 * me.education + 2.0 * uniform(key, AT_BIRTH, np.int64(11))
        me.school_end = me.birth + int(12 * years)
        place = 0
        source = S[0].key if couple else key
        u = uniform(source, AT_BIRTH, np.int64(12))
        place = find_place(w.land_cumulative, u)
        me.municipality = place
        me.region = w.land_region[me.municipality]
        me.find = (
            w.find_sex[me.sex] * w.find_origin[me.origin] * w.find_education[me.education]
            * w.find_health[me.health] * w.find_type[me.type]
        )  # fmt: skip
        me.loss = w.work_type[me.type] * w.work_education[me.education] * w.work_health[me.health]
        me.offer = (
            w.support_offer_type[me.type] * w.support_offer_education[me.education]
            * w.support_offer_health[me.health]
        )  # fmt: skip
        noise = normal(uniform(key, AT_BIRTH, np.int64(13)), uniform(key, AT_BIRTH, np.int64(14)))
        me.wage_level = w.work_wage_education[me.education] * np.exp(w.work_wage_sd * noise)
        noise = normal(uniform(key, AT_BIRTH, np.int64(15)), uniform(key, AT_BIRTH, np.int64(16)))
        rung = (
            w.position_start + w.position_start_type * (me.type - 1)
            - w.position_start_health * me.health + w.position_start_sd * noise
        )  # fmt: skip
        me.position = min(5, max(1, int(np.floor(rung + 0.5))))


@inner
def _first_state(me: Any, w: Any, age: Any) -> Any:
    """Draw the state in which somebody enters the window."""
    key = me.key
    if me.school_end > 0:
        return STUDENT
    if me.origin > 0 and uniform(key, AT_BIRTH, np.int64(20)) < w.population_abroad:
        return EMIGRATED
    u = uniform(key, AT_BIRTH, np.int64(21))
    disability = w.population_start_disability[me.health] * (1.0 + (age > 540))
    # the chance of WWB grows with whatever makes a job hard to find
    wwb = min(0.75, w.population_start_wwb * me.find**-0.42)
    if age >= 50 * 12:
        wwb *= w.population_start_wwb_old
    if u < disability:
        return DISABILITY
    u = (u - disability) / (1.0 - disability)
    if u < wwb:
        return WWB if age >= _ADULT + 2 else OTHER
    u = (u - wwb) / (1.0 - wwb)
    work, ww, nug = (
        w.population_start_rest[0],
        w.population_start_rest[1],
        w.population_start_rest[2],
    )
    if u < work:
        return WORK
    return WW if u < work + ww else NUG if u < work + ww + nug else OTHER


@inner
def start_pair(S: Any, run: Any, rows: Any, w: Any) -> None:
    """Put both persons in their first state, with spells that may have begun before the window."""
    run.claims = 0
    for p in range(2):
        me = S[p]
        me.moved = 0
        me.flags = 0
        me.partner = ALONE
        me.wwb_left = me.nug_left = me.paused = me.job_ended = NEVER
        me.wwb_since = me.work_since = NEVER
        me.ww_right = me.ww_left = 0
        me.death = NEVER
        me.children = 0
        me.benefit_start = me.job_start = me.registered = me.enrolled = NEVER
        me.job = me.employer = me.claim = 0
        me.phase = 0
        me.programmes = me.taken = 0
        me.last = NONE
        me.last_end = me.rest_until = me.started = NEVER
        age = -me.birth
        me.work_months = max(
            0, int((age - 240) * (0.3 + 0.6 * uniform(me.key, AT_BIRTH, np.int64(22))))
        )
        me.at_home = 1 if me.school_end > 0 else 0
        me.state = OTHER
        if age > 300 and uniform(me.key, AT_BIRTH, np.int64(23)) < 0.5:
            me.children = int(3 * uniform(me.key, AT_BIRTH, np.int64(24))) * (1 if age < 600 else 0)
        if me.sex == 0 and not me.may_pair:
            me.children = 0
        abroad = False
        state = _first_state(me, w, age)
        if state == EMIGRATED:
            abroad = True
            me.state = EMIGRATED
            me.since = -12
        me.home_start = NEVER if abroad else w.land_first[0]
        me.residence_start = NEVER if abroad else w.land_first[0]
        if not abroad:
            # the length so far: exponential, at most since school
            mean = 45.0 if state == WWB else 9.0 if state == WW else 50.0
            past = int(-mean * np.log(1.0 - uniform(me.key, AT_BIRTH, np.int64(25))))
            past = max(1, min(past, -me.school_end - 1, 300)) if state != STUDENT else 1
            if state == WWB:
                past = min(past, age - _ADULT - 1)
            _enter(S, run, rows, w, p, state, past)
    a, b = S[0], S[1]
    if (
        a.may_pair and EMIGRATED not in (a.state, b.state) and not a.at_home
        and not b.at_home and -a.birth >= _ADULT and -b.birth >= _ADULT
        and uniform(a.key, AT_BIRTH, np.int64(26)) < w.population_start_couple
    ):  # fmt: skip
        _start_couple(S, run, rows, w)
    else:
        for p in range(2):
            me = S[p]
            settled = not me.at_home and me.state != EMIGRATED and not on_wwb(me)
            if settled and uniform(me.key, AT_BIRTH, np.int64(27)) < w.population_start_outside:
                me.partner = OUTSIDE
    for p in range(2):
        me = S[p]
        me.moved = 0
        me.flags = 0
        limited = me.limited
        education = NONE if me.unrecorded else me.education
        if not run.quiet:
            row = rows[run.n]
            row[0] = ROW_PERSON
            row[1] = me.person
            row[2] = row[3] = 0
            row[4], row[5], row[6], row[7] = me.sex, me.birth, me.origin, education
            row[8], row[9], row[10] = limited, me.type, me.health
            row[11] = me.education
            run.n += 1


@inner
def _enter(S: Any, run: Any, rows: Any, w: Any, p: Any, state: Any, past: Any) -> None:
    """Enter a first state that has lasted `past` months."""
    me = S[p]
    day = (
        w.land_first[0]
        - int(past * _DAYS_A_MONTH)
        - int(27 * uniform(me.key, AT_BIRTH, np.int64(28)))
    )
    set_state(run, rows, w, me, state, -past, w.land_first[0])
    scheme = scheme_of(state)
    if scheme != NONE:
        run.claims += 1
        open_benefit(me, scheme, day, NONE, run.claims, 0)
    if state == WWB:
        me.wwb_since = -past
        write_position(run, rows, w, me, 0, w.land_first[0], me.position)
    elif state == WORK:
        me.work_since = -past
        open_job(S, run, rows, w, p, 0, day, uniform(me.key, AT_BIRTH, np.int64(29)) < 0.62, False)
    elif state == WW:
        longest = w.out_ww_longest[0]
        me.ww_right = int(max(past + 1, longest * uniform(me.key, AT_BIRTH, np.int64(30))))


@inner
def _start_couple(S: Any, run: Any, rows: Any, w: Any) -> None:
    """Make a couple of a pair when the window opens: one claim, no WWB beside an income."""
    a, b = S[0], S[1]
    a.partner = b.partner = PAIR
    b.children = a.children
    rich = _earns(a) or _earns(b)
    for p in range(2):
        me = S[p]
        if on_wwb(me) and rich:
            me.benefit_start = NEVER
            me.wwb_since = NEVER
            set_state(run, rows, w, me, OTHER, me.since, w.land_first[0])
            me.registered = NEVER
            me.wwb_left = NEVER
    if not rich and (on_wwb(a) or on_wwb(b)):
        head = a if on_wwb(a) else b
        since, start = head.wwb_since, head.benefit_start
        run.claims += 1
        for p in range(2):
            me = S[p]
            me.wwb_since = since
            set_state(run, rows, w, me, WWB, since, w.land_first[0])
            me.wwb_since = since
            adult = w.land_first[0] - int(max(0, -me.birth - _ADULT - 1) * _DAYS_A_MONTH)
            open_benefit(me, SCHEME_WWB, max(start, adult), BEGAN_OTHER, run.claims, p)


@inner
def _earns(me: Any) -> Any:
    """Say whether somebody has an income, whoever the partner is."""
    return me.state != PENSION and has_income(me)
