"""Keeping the books of a life: spells are opened and closed, closed spells become rows.

All functions are compiled. `S` holds the two persons of a pair, `me` one of them, `run` where rows
go, `m` the month (0 = January 1999), `day` a day since 1970. The order of codes in a row is given
by `synthetic_data.tables`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.inner import inner
from synthetic_data.layout import (
    ASSISTED,
    DISABILITY,
    EMIGRATED,
    KIND_REGULAR,
    NEVER,
    NONE,
    NUG,
    OPEN,
    OUTSIDE,
    PAIR,
    ROW_BENEFIT,
    ROW_ENROLMENT,
    ROW_HOUSEHOLD,
    ROW_JOB,
    ROW_POSITION,
    ROW_REGISTRATION,
    ROW_RESIDENCE,
    SCHEME_DISABILITY,
    SCHEME_WW,
    SCHEME_WWB,
    STUDENT,
    WORKED,
    WW,
    WWB,
    WWB_WORK,
)
from synthetic_data.random import uniform

#: Streams of random numbers used here and by the modules that open spells.
STREAM_REGISTERED = np.int64(1)


@inner
def emit(
    run: Any, rows: Any, kind: Any, person: Any, start: Any, end: Any,
    a: Any = NONE, b: Any = NONE, c: Any = NONE, d: Any = NONE,
    e: Any = NONE, f: Any = NONE, g: Any = NONE, h: Any = NONE,
) -> None:  # fmt: skip
    """Write a row; a counterfactual run keeps quiet, a spell of no length is no spell."""
    if run.quiet or start == end:
        return
    i = run.n
    rows[i, 0] = kind
    rows[i, 1] = person
    rows[i, 2] = start
    rows[i, 3] = end
    rows[i, 4] = a
    rows[i, 5] = b
    rows[i, 6] = c
    rows[i, 7] = d
    rows[i, 8] = e
    rows[i, 9] = f
    rows[i, 10] = g
    rows[i, 11] = h
    run.n += 1


@inner
def event_day(me: Any, m: Any, stream: Any, w: Any) -> Any:
    """Return the day of an event in month `m`: heaped at the 1st, 15th and last."""
    u = uniform(me.key, m, stream)
    length = w.land_first[m + 1] - w.land_first[m]
    if u < 0.30:
        return w.land_first[m]
    if u < 0.40:
        return w.land_first[m] + length - 1
    if u < 0.44:
        return w.land_first[m] + 14
    return w.land_first[m] + int((u - 0.44) / 0.56 * length)


@inner
def on_wwb(me: Any) -> Any:
    """Say whether somebody receives WWB, with or without work beside it."""
    return me.state in (WWB, WWB_WORK)


@inner
def open_benefit(me: Any, scheme: Any, day: Any, reason: Any, claim: Any, role: Any) -> None:
    """Start a benefit."""
    me.benefit_start = day
    me.benefit_scheme = scheme
    me.benefit_reason = reason
    me.claim = claim
    me.role = role


@inner
def close_benefit(run: Any, rows: Any, me: Any, m: Any, day: Any, reason: Any, w: Any) -> None:
    """End the benefit, if there is one."""
    if me.benefit_start == NEVER:
        return
    if me.benefit_scheme == SCHEME_WWB and day > w.land_first[m]:
        me.flags |= ASSISTED
    emit(
        run, rows, ROW_BENEFIT, me.person, me.benefit_start, day,
        me.benefit_scheme, me.municipality, me.claim, me.role, me.benefit_reason, reason,
    )  # fmt: skip
    me.benefit_start = NEVER


@inner
def close_job(run: Any, rows: Any, me: Any, m: Any, day: Any, w: Any) -> None:
    """End the job, if there is one."""
    if me.job_start == NEVER:
        return
    if me.kind == KIND_REGULAR and day > w.land_first[m]:
        me.flags |= WORKED
    emit(
        run, rows, ROW_JOB, me.person, me.job_start, day,
        me.job, me.employer, me.kind, me.contract, me.hours, me.wage,
    )  # fmt: skip
    me.job_start = NEVER
    if me.kind == KIND_REGULAR:
        me.job_ended = m


@inner
def close_home(run: Any, rows: Any, me: Any, day: Any) -> None:
    """End the household as it was."""
    if me.home_start == NEVER:
        return
    # single, lone parent, couple, couple with children, other: a pupil at home
    couple = me.partner != 0
    kind = 2 if couple else 0
    if me.children > 0:
        kind += 1
    elif me.at_home and not couple:
        kind = 4
    household = 2 if me.partner == PAIR else me.person % 2
    emit(run, rows, ROW_HOUSEHOLD, me.person, me.home_start, day, household, kind, me.children)
    me.home_start = NEVER


@inner
def close_residence(run: Any, rows: Any, me: Any, day: Any, reason: Any) -> None:
    """End the stay in a municipality."""
    if me.residence_start == NEVER:
        return
    emit(run, rows, ROW_RESIDENCE, me.person, me.residence_start, day, me.municipality, reason)
    me.residence_start = NEVER


@inner
def close_enrolment(run: Any, rows: Any, me: Any, day: Any) -> None:
    """End the enrolment, if there is one."""
    if me.enrolled != NEVER:
        emit(run, rows, ROW_ENROLMENT, me.person, me.enrolled, day, me.level)
        me.enrolled = NEVER


@inner
def close_registration(run: Any, rows: Any, me: Any, day: Any) -> None:
    """End the registration at the employment office, if there is one."""
    if me.registered != NEVER:
        emit(run, rows, ROW_REGISTRATION, me.person, me.registered, day)
        me.registered = NEVER


@inner
def set_state(run: Any, rows: Any, w: Any, me: Any, state: Any, m: Any, day: Any) -> None:
    """Go to another state; registration as a jobseeker and enrolment follow from it."""
    was_assisted = on_wwb(me)
    if me.state == NUG:
        me.nug_left = m
    me.state = state
    me.since = m
    me.moved = 1
    now_assisted = on_wwb(me)
    if was_assisted and not now_assisted:
        me.wwb_left = m
    if now_assisted and not was_assisted and m - me.wwb_left > 1:
        me.wwb_since = m  # shorter than a month away is no new spell
    wanted = state in (NUG, WW)
    if now_assisted:
        if was_assisted or me.registered != NEVER:
            wanted = me.registered != NEVER
        else:
            wanted = uniform(me.key, m, STREAM_REGISTERED) < w.wwb_registered
    if wanted and me.registered == NEVER:
        me.registered = day
    elif not wanted:
        close_registration(run, rows, me, day)
    if state == STUDENT and me.enrolled == NEVER:
        me.enrolled = day
        age = m - me.birth
        me.level = 0 if age < 16 * 12 else 2 if me.education == 2 and age >= 18 * 12 else 1
    elif state != STUDENT:
        close_enrolment(run, rows, me, day)


@inner
def write_position(run: Any, rows: Any, w: Any, me: Any, m: Any, day: Any, position: Any) -> None:
    """Write a position, once positions are recorded."""
    if m >= w.position_first_month:
        emit(run, rows, ROW_POSITION, me.person, day, NONE, position)


@inner
def close_all(run: Any, rows: Any, me: Any) -> None:
    """Write what still runs at the end of the window, with an open end."""
    if me.benefit_start != NEVER:
        emit(
            run, rows, ROW_BENEFIT, me.person, me.benefit_start, OPEN,
            me.benefit_scheme, me.municipality, me.claim, me.role, me.benefit_reason, NONE,
        )  # fmt: skip
    if me.job_start != NEVER:
        emit(
            run, rows, ROW_JOB, me.person, me.job_start, OPEN,
            me.job, me.employer, me.kind, me.contract, me.hours, me.wage,
        )  # fmt: skip
    close_home(run, rows, me, OPEN)
    close_residence(run, rows, me, OPEN, NONE)
    close_enrolment(run, rows, me, OPEN)
    close_registration(run, rows, me, OPEN)


@inner
def scheme_of(state: Any) -> Any:
    """Return the scheme that pays in a state, or NONE."""
    if state in (WWB, WWB_WORK):
        return SCHEME_WWB
    if state == WW:
        return SCHEME_WW
    if state == DISABILITY:
        return SCHEME_DISABILITY
    return NONE


@inner
def has_income(me: Any) -> Any:
    """Say whether somebody's own income keeps a partner off WWB."""
    return (
        me.partner == OUTSIDE
        or me.state < WWB  # work, subsidised work
        or (me.state > WWB_WORK and me.state < NUG)  # WW, disability
        or me.state > EMIGRATED + 1  # pension
    )
