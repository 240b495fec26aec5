"""WWB is a benefit of the household: two partners are on one claim and leave it together."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.books import (
    close_benefit,
    has_income,
    on_wwb,
    open_benefit,
    set_state,
    write_position,
)
from synthetic_data.inner import inner
from synthetic_data.jobs import open_job
from synthetic_data.layout import (
    BEGAN_PARTNER,
    END_OTHER,
    END_PARTNER,
    END_WORK,
    NEVER,
    NUG,
    OTHER,
    PAIR,
    SCHEME_WWB,
    STOP_OTHER,
    WORK,
    WWB,
    WWB_WORK,
)
from synthetic_data.programmes import stop_programme
from synthetic_data.random import uniform

_STREAM_PARTNER, _STREAM_KEEPS_HOURS, _STREAM_MISREAD = np.arange(6, 9)
_ADULT = 18 * 12


@inner
def eligible(S: Any, p: Any, m: Any) -> Any:
    """Say whether the household of `p` has no other income and `p` is of age."""
    me = S[p]
    if m - me.birth < _ADULT or me.partner > PAIR:
        return False
    return me.partner != PAIR or not has_income(S[1 - p])


@inner
def enter_wwb(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any, reason: Any) -> None:
    """Start WWB; a partner without income comes onto the same claim."""
    me, other = S[p], S[1 - p]
    if me.partner == PAIR and on_wwb(other):
        open_benefit(me, SCHEME_WWB, day, BEGAN_PARTNER, other.claim, 1 - other.role)
        set_state(run, rows, w, me, WWB, m, day)
        write_position(run, rows, w, me, m, day, me.position)
        return
    run.claims += 1
    both = me.partner == PAIR and (other.state in (OTHER, NUG))
    open_benefit(me, SCHEME_WWB, day, reason, run.claims, 1 if both and p == 1 else 0)
    small = me.job_start != NEVER
    set_state(run, rows, w, me, WWB_WORK if small else WWB, m, day)
    write_position(run, rows, w, me, m, day, me.position)
    if both:
        stop_programme(run, rows, other, m, day, STOP_OTHER)
        open_benefit(other, SCHEME_WWB, day, reason, run.claims, 1 if p == 0 else 0)
        set_state(run, rows, w, other, WWB, m, day)
        write_position(run, rows, w, other, m, day, other.position)


@inner
def leave_wwb(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any, reason: Any) -> None:
    """End the WWB of the household; the caller says where `p` goes, the partner follows here."""
    me, other = S[p], S[1 - p]
    close_benefit(run, rows, me, m, day, reason, w)
    if me.partner != PAIR or not on_wwb(other):
        return
    stop_programme(run, rows, other, m, day, STOP_OTHER)
    mine = reason if reason != END_WORK else END_PARTNER
    close_benefit(run, rows, other, m, day, mine, w)
    seeks = uniform(other.key, m, _STREAM_PARTNER) < w.wwb_partner_seeks
    state = WORK if other.job_start != NEVER else NUG if seeks else OTHER
    if state == WORK:
        other.work_since = m
    set_state(run, rows, w, other, state, m, day)


@inner
def reclaim(S: Any, run: Any, rows: Any, p: Any, m: Any, day: Any, w: Any, reasons: Any) -> None:
    """Go on with WWB on a claim of one's own, from the same day: `reasons` are (end, start)."""
    me = S[p]
    close_benefit(run, rows, me, m, day, reasons[0], w)
    run.claims += 1
    open_benefit(me, SCHEME_WWB, day, reasons[1], run.claims, 0)
    me.moved = 1


@inner
def work_reason(me: Any, w: Any, m: Any) -> Any:
    """Return the reason the office writes for an exit to work: now and then not that one."""
    u = uniform(me.key, m, _STREAM_MISREAD)
    return END_OTHER if u < w.wwb_misread else END_WORK


@inner
def fall_back(
    S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any, reason: Any, chance: Any
) -> None:
    """Lose one's income: to WWB with a chance where the household may, else to nug or outside."""
    me = S[p]
    u = uniform(me.key, m, np.int64(9))
    if eligible(S, p, m) and u < chance:
        if uniform(me.key, m, _STREAM_KEEPS_HOURS) < w.wwb_beside_at_return:
            open_job(S, run, rows, w, p, m, day, False, True)
        enter_wwb(S, run, rows, w, p, m, day, reason)
        return
    seeks = uniform(me.key, m, _STREAM_PARTNER) < w.out_to_nug
    set_state(run, rows, w, me, NUG if seeks else OTHER, m, day)
