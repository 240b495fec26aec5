"""From one state to another by the month: out of benefits, out of work, out of school."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.books import (
    close_benefit,
    close_enrolment,
    close_home,
    close_job,
    event_day,
    on_wwb,
    open_benefit,
    set_state,
    write_position,
)
from synthetic_data.claims import eligible, enter_wwb, fall_back, leave_wwb, work_reason
from synthetic_data.inner import inner
from synthetic_data.jobs import open_job, renew_job
from synthetic_data.layout import (
    AGENCY,
    ALONE,
    BEGAN_DISABILITY,
    BEGAN_INCOME,
    BEGAN_JOB,
    BEGAN_OTHER,
    BEGAN_STUDIES,
    BEGAN_UI,
    DISABILITY,
    END_ASSETS,
    END_CONDUCT,
    END_DISABILITY,
    END_EXHAUSTED,
    END_INCOME,
    END_NO_INFORMATION,
    END_OTHER,
    END_RECOVERED,
    END_STUDIES,
    END_WORK,
    KIND_REGULAR,
    NEVER,
    NUG,
    OTHER,
    PAIR,
    PERMANENT,
    SCHEME_DISABILITY,
    SCHEME_WW,
    STOP_OTHER,
    STOP_SELF,
    STOP_WORK,
    STUDENT,
    TEMPORARY,
    WORK,
    WW,
    WWB,
    WWB_WORK,
)
from synthetic_data.people import age_class, duration_class
from synthetic_data.programmes import keep_ratio, search_ratio, stop_programme
from synthetic_data.random import uniform

_STREAM_DAY, _STREAM_MOVE, _STREAM_SIDE, _STREAM_WHY = np.arange(10, 14)


@inner
def find_ratio(me: Any, w: Any, m: Any) -> Any:
    """Return the ratio on every job-finding rate this month."""
    ratio = (
        me.find * w.find_age[age_class(m - me.birth)] * w.find_season[m % 12]
        * w.land_market[me.region, m] * w.land_find[me.municipality] * search_ratio(me, w, m)
    )  # fmt: skip
    if me.children > 0 and me.partner == ALONE and me.sex == 1:
        ratio *= w.find_lone_parent
    if m - me.job_ended < 6:
        ratio *= w.find_recent
    return ratio


@inner
def to_work(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any) -> None:
    """Start a regular job: benefits and programmes end with it."""
    me = S[p]
    self_employed = uniform(me.key, m, _STREAM_WHY) < 0.03
    stop_programme(run, rows, me, m, day, STOP_SELF if self_employed else STOP_WORK)
    if on_wwb(me):
        leave_wwb(S, run, rows, w, p, m, day, work_reason(me, w, m))
        write_position(run, rows, w, me, m, day, 6)
    elif me.state == WW:
        close_benefit(run, rows, me, m, day, END_WORK, w)
        me.ww_left = m
    elif me.partner == PAIR and on_wwb(S[1 - p]):
        leave_wwb(S, run, rows, w, p, m, day, END_WORK)
    open_job(S, run, rows, w, p, m, day, False, False)
    me.work_since = m
    set_state(run, rows, w, me, WORK, m, day)


@inner
def from_wwb(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Work and every other way off WWB that does not come from the household."""
    me = S[p]
    key = me.key
    past = duration_class(m - me.wwb_since)
    age = m - me.birth
    beside = me.state == WWB_WORK
    ratio = find_ratio(me, w, m)
    rate = w.wwb_work * ratio * w.wwb_duration[past]
    rate *= w.wwb_position[me.position - 1]
    if beside:
        rate *= w.wwb_beside_find
    # work at the low end of one number, the rest at its high end: a programme that moves
    # the first leaves the second as it was
    u = uniform(key, m, _STREAM_MOVE)
    other = w.wwb_other * w.wwb_other_duration[past]
    study = w.wwb_study if age < 27 * 12 and me.partner == ALONE and me.children == 0 else 0.0
    ill = w.wwb_disability * (me.health + (me.health == 2))
    if u < rate:
        to_work(S, run, rows, w, p, m, event_day(me, m, _STREAM_DAY, w))
        return
    top = 1.0 - u
    if top < other + study + ill:
        day = event_day(me, m, _STREAM_DAY, w)
        stop_programme(run, rows, me, m, day, STOP_OTHER)
        if top < other:
            v = uniform(key, m, _STREAM_WHY)
            reason = (
                END_INCOME if v < 0.30 else END_NO_INFORMATION if v < 0.58 else END_OTHER
                if v < 0.82 else END_ASSETS if v < 0.90 else END_CONDUCT
            )  # fmt: skip
            leave_wwb(S, run, rows, w, p, m, day, reason)
            seeks = v > 0.58 and v < 0.66
            state = WORK if me.job_start != NEVER else NUG if seeks else OTHER
            if state == WORK:
                me.work_since = m
            set_state(run, rows, w, me, state, m, day)
        elif top < other + study:
            leave_wwb(S, run, rows, w, p, m, day, END_STUDIES)
            close_job(run, rows, me, m, day, w)
            me.school_end = m + 18
            set_state(run, rows, w, me, STUDENT, m, day)
        else:
            leave_wwb(S, run, rows, w, p, m, day, END_DISABILITY)
            to_disability(run, rows, w, me, m, day)
        return
    v = uniform(key, m, _STREAM_SIDE)
    if beside:
        if v > 1.0 - w.wwb_beside_end:
            day = event_day(me, m, _STREAM_DAY, w)
            close_job(run, rows, me, m, day, w)
            set_state(run, rows, w, me, WWB, m, day)
    elif v < w.wwb_beside * np.sqrt(ratio):
        day = event_day(me, m, _STREAM_DAY, w)
        open_job(S, run, rows, w, p, m, day, False, True)
        set_state(run, rows, w, me, WWB_WORK, m, day)


@inner
def to_disability(run: Any, rows: Any, w: Any, me: Any, m: Any, day: Any) -> None:
    """Start a disability benefit."""
    close_job(run, rows, me, m, day, w)
    run.claims += 1
    open_benefit(me, SCHEME_DISABILITY, day, BEGAN_OTHER, run.claims, 0)
    set_state(run, rows, w, me, DISABILITY, m, day)


@inner
def from_work(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Job loss, disability, another employer, a permanent contract."""
    me = S[p]
    key = me.key
    me.work_months += 1
    tenure = m - me.work_since
    rate = (
        w.work_loss * w.work_tenure[duration_class(tenure)] * me.loss
        * w.work_contract[me.contract] * w.land_slack[me.region, m]
        * keep_ratio(me, w, m)
    )  # fmt: skip
    ill = w.work_disability * (me.health + (me.health == 2))
    u = uniform(key, m, _STREAM_MOVE)
    top = 1.0 - u
    if top < ill:
        to_disability(run, rows, w, me, m, event_day(me, m, _STREAM_DAY, w))
        return
    if top < ill + rate:
        lose_job(S, run, rows, w, p, m)
        return
    pause = w.work_pause if me.contract != PERMANENT and tenure < 24 else 0.0
    if u < pause:
        day = event_day(me, m, _STREAM_DAY, w)
        close_job(run, rows, me, m, day, w)
        me.paused = m
        seeks = uniform(key, m, _STREAM_WHY) < w.work_pause_seeks
        set_state(run, rows, w, me, NUG if seeks else OTHER, m, day)
        return
    v = uniform(key, m, _STREAM_SIDE)
    if v < w.work_change and tenure >= 3:
        day = event_day(me, m, _STREAM_DAY, w)
        permanent = uniform(key, m, _STREAM_WHY) < 0.3
        open_job(S, run, rows, w, p, m, day, permanent, False)
    elif v > 1.0 - w.work_convert and tenure >= 6 and me.contract != PERMANENT:
        day = event_day(me, m, _STREAM_DAY, w)
        contract = TEMPORARY if me.contract == AGENCY else PERMANENT
        renew_job(run, rows, w, me, m, day, KIND_REGULAR, contract)
    elif me.hours < 16 and v < 0.08:
        day = event_day(me, m, _STREAM_DAY, w)
        open_job(S, run, rows, w, p, m, day, False, False)


@inner
def lose_job(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Lose a job: to WW with enough weeks worked or a right left, else to WWB or outside."""
    me = S[p]
    key = me.key
    tenure = m - me.work_since
    day = event_day(me, m, _STREAM_DAY, w)
    close_job(run, rows, me, m, day, w)
    u = uniform(key, m, _STREAM_WHY)
    revives = me.ww_right > 2 and m - me.ww_left < 6 and u < w.out_ww_revive
    if revives or (tenure >= 6 and u < w.work_to_ww):
        if not revives:
            longest = w.out_ww_longest[0 if m < 93 else 1]  # October 2006
            earned = max(w.out_ww_shortest, me.work_months * w.out_ww_earned)
            me.ww_right = int(min(longest, earned))
        run.claims += 1
        open_benefit(me, SCHEME_WW, day, BEGAN_JOB, run.claims, 0)
        set_state(run, rows, w, me, WW, m, day)
    else:
        fall_back(S, run, rows, w, p, m, day, BEGAN_JOB, w.work_to_wwb)


@inner
def from_ww(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Work, the end of the right, or away."""
    me = S[p]
    me.ww_right -= 1
    past = duration_class(m - me.since)
    rate = w.out_ww_work * find_ratio(me, w, m) * w.out_ww_duration[past]
    u = uniform(me.key, m, _STREAM_MOVE)
    if u < rate:
        to_work(S, run, rows, w, p, m, event_day(me, m, _STREAM_DAY, w))
    elif me.ww_right <= 0:
        day = event_day(me, m, _STREAM_DAY, w)
        close_benefit(run, rows, me, m, day, END_EXHAUSTED, w)
        fall_back(S, run, rows, w, p, m, day, BEGAN_UI, w.out_ww_to_wwb)
    elif u > 1.0 - w.out_ww_lapse:
        day = event_day(me, m, _STREAM_DAY, w)
        close_benefit(run, rows, me, m, day, END_OTHER, w)
        me.ww_left = m
        set_state(run, rows, w, me, OTHER, m, day)


@inner
def from_outside(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Work, registration, WWB for nug and for those outside the labour force."""
    me = S[p]
    nug = me.state == NUG
    ratio = find_ratio(me, w, m)
    rate = (w.out_nug_work if nug else w.out_other_work) * ratio
    if m - me.paused <= w.work_recall_months:
        rate = max(rate, w.work_recall)
    if eligible(S, p, m):
        poor = w.out_nug_wwb
        if not nug:
            poor = w.out_other_wwb * w.out_other_wwb_recent[duration_class(m - me.wwb_left)]
    else:
        poor = 0.0
    shift = w.out_nug_leave if nug else w.out_other_nug
    if not nug and m - me.nug_left < 6:
        shift *= w.out_other_nug_recent
    u = uniform(me.key, m, _STREAM_MOVE)
    if u < rate:
        to_work(S, run, rows, w, p, m, event_day(me, m, _STREAM_DAY, w))
        return
    top = 1.0 - u
    if top < poor + shift:
        day = event_day(me, m, _STREAM_DAY, w)
        stop_programme(run, rows, me, m, day, STOP_OTHER)
        if top < poor:
            enter_wwb(S, run, rows, w, p, m, day, BEGAN_INCOME)
        else:
            set_state(run, rows, w, me, OTHER if nug else NUG, m, day)


@inner
def from_disability(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Recovery: to work, or back on WWB or outside."""
    me = S[p]
    u = uniform(me.key, m, _STREAM_MOVE)
    if u > 1.0 - w.out_disability_end:
        day = event_day(me, m, _STREAM_DAY, w)
        close_benefit(run, rows, me, m, day, END_RECOVERED, w)
        if uniform(me.key, m, _STREAM_WHY) < 0.45:
            to_work(S, run, rows, w, p, m, day)
        else:
            fall_back(S, run, rows, w, p, m, day, BEGAN_DISABILITY, 0.7)


@inner
def from_school(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Leave school at its end, or go from secondary to the next level."""
    me = S[p]
    age = m - me.birth
    if m >= me.school_end:
        day = event_day(me, m, _STREAM_DAY, w)
        if me.at_home:
            close_home(run, rows, me, day)
            me.at_home = 0
            me.home_start = day
        u = uniform(me.key, m, _STREAM_WHY)
        work = w.out_school_leaver[0] * min(
            1.25, me.find**0.25 * w.land_market[me.region, m] ** 0.3
        )
        if u < work:
            to_work(S, run, rows, w, p, m, day)
        elif u < work + w.out_school_leaver[2] and eligible(S, p, m):
            enter_wwb(S, run, rows, w, p, m, day, BEGAN_STUDIES)
        elif u < work + w.out_school_leaver[2] + w.out_school_leaver[1]:
            set_state(run, rows, w, me, NUG, m, day)
        else:
            set_state(run, rows, w, me, OTHER, m, day)
    elif me.level == 0 and age >= 16 * 12:
        day = event_day(me, m, _STREAM_DAY, w)
        close_enrolment(run, rows, me, day)
        me.enrolled = day
        me.level = 2 if me.education == 2 else 1
        me.moved = 1


@inner
def step(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Let a person live a month, unless something happened to the household already."""
    state = S[p].state
    if state in (WWB, WWB_WORK):
        from_wwb(S, run, rows, w, p, m)
    elif state == WORK:
        from_work(S, run, rows, w, p, m)
    elif state == WW:
        from_ww(S, run, rows, w, p, m)
    elif state in (NUG, OTHER):
        from_outside(S, run, rows, w, p, m)
    elif state == DISABILITY:
        from_disability(S, run, rows, w, p, m)
    elif state == STUDENT:
        from_school(S, run, rows, w, p, m)
