"""The month loop over pairs of persons, compiled once.

One entry point keeps compilation short. Numba's cache looks at the entry point's file only; the
fingerprint of all compiled modules, captured in a closure, makes the cache see changes elsewhere.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np

from synthetic_data.books import (
    close_all,
    close_benefit,
    close_job,
    emit,
    event_day,
    on_wwb,
    set_state,
    write_position,
)
from synthetic_data.claims import fall_back, leave_wwb
from synthetic_data.homes import live_at_home
from synthetic_data.inner import inner
from synthetic_data.jobs import open_subsidised, renew_job
from synthetic_data.layout import (
    ASSISTED,
    BEGAN_OTHER,
    DEAD,
    EMIGRATED,
    END_NO_INFORMATION,
    END_WORK,
    IDLE,
    KIND_REGULAR,
    N_MONTHS,
    NEVER,
    NONE,
    NUG,
    OFFERED,
    PAIR,
    PENSION,
    PERMANENT,
    PRESENT,
    ROW_DEATH,
    ROWS_A_PAIR,
    RUNNING,
    SCHEME_WWB,
    STOP_USELESS,
    STOP_WITHDREW,
    STOP_WORK,
    SUBSIDISED,
    SUBSIDY,
    TEMPORARY,
    WORK,
    WORKED,
)
from synthetic_data.moves import find_ratio, step, to_work
from synthetic_data.people import age_class, draw_pair, duration_class, start_pair
from synthetic_data.programmes import (
    begin_programme,
    make_offer,
    stop_programme,
    walk_position,
    write_running,
)
from synthetic_data.random import uniform

#: Modules whose functions are compiled into the kernel.
_COMPILED = (
    "books", "claims", "homes", "inner", "jobs", "kernel", "layout", "moves", "people",
    "programmes", "random",
)  # fmt: skip
_DAY, _OFFER, _DROP, _KEEP, _BREAK, _LENGTH = np.arange(30, 36)


@inner
def _subsidised_month(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """In a subsidised job: a regular job elsewhere, withdrawal, or the end of the subsidy."""
    me = S[p]
    u = uniform(me.key, m, _DROP)
    if u < w.wwb_work * find_ratio(me, w, m) * w.wwb_position[me.position - 1]:
        to_work(S, run, rows, w, p, m, event_day(me, m, _DAY, w))
        return
    withdraws = u > 1.0 - w.support_drop_out
    if m < me.until and not withdraws:
        return
    day = event_day(me, m, _DAY, w)
    if not withdraws and uniform(me.key, m, _KEEP) < w.support_subsidy_keeps:
        stop_programme(run, rows, me, m, day, STOP_WORK)
        permanent = uniform(me.key, m, _LENGTH) < 0.5
        renew_job(run, rows, w, me, m, day, KIND_REGULAR, PERMANENT if permanent else TEMPORARY)
        me.work_since = me.started_month
        set_state(run, rows, w, me, WORK, m, day)
        return
    stop_programme(run, rows, me, m, day, STOP_WITHDREW if withdraws else STOP_USELESS)
    close_job(run, rows, me, m, day, w)
    fall_back(S, run, rows, w, p, m, day, BEGAN_OTHER, 0.92)


@inner
def _programme_month(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Offers, starts and ends of programmes of somebody who did not move this month."""
    me = S[p]
    other = S[1 - p]
    # a start and an end of programmes in one household keep a month apart: days stay in order
    if me.moved or (me.partner == PAIR and (other.moved or other.began)):
        return
    if me.state == SUBSIDISED:
        _subsidised_month(S, run, rows, w, p, m)
        return
    assisted = on_wwb(me)
    if not assisted and me.state != NUG:
        return
    if me.phase == RUNNING:
        withdraws = uniform(me.key, m, _DROP) > 1.0 - w.support_drop_out
        if m >= me.until or withdraws:
            day = event_day(me, m, _DAY, w)
            reason = STOP_WITHDREW if withdraws else STOP_USELESS
            if day > me.started:
                stop_programme(run, rows, me, m, day, reason)
    elif me.phase == IDLE and run.blocked != p and m - me.rest_until >= w.support_rest:
        if assisted:
            rate = w.support_offer * w.support_offer_duration[duration_class(m - me.wwb_since)]
            rate *= w.support_offer_position[me.position - 1]
        else:
            rate = w.support_offer_nug
        rate *= me.offer * w.support_offer_age[age_class(m - me.birth)]
        rate *= w.land_offer[me.municipality] * w.support_year[m // 12]
        if me.children > 0 and me.partner == 0:
            rate *= w.support_offer_lone_parent
        if uniform(me.key, m, _OFFER) < rate:
            make_offer(me, w, m, event_day(me, m, _DAY, w), assisted)
    if me.phase == OFFERED and m >= me.planned:
        day = max(me.offered, event_day(me, m, _LENGTH, w))
        late = m - me.offer_month > len(w.support_wait) - 1  # other things came first
        if me.no_show or late:
            stop_programme(run, rows, me, m, day, STOP_WITHDREW)
            return
        begin_programme(run, rows, me, m, day)
        if me.instrument == SUBSIDY:
            if assisted:
                leave_wwb(S, run, rows, w, p, m, day, END_WORK)
                write_position(run, rows, w, me, m, day, 5)
            open_subsidised(S, run, rows, w, p, m, day)
            set_state(run, rows, w, me, SUBSIDISED, m, day)


@inner
def _interrupt(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any) -> None:
    """Break off WWB within the month and take it up again: administration, not an exit."""
    me, other = S[p], S[1 - p]
    joint = me.partner == PAIR and on_wwb(other)
    if not on_wwb(me) or me.moved or (joint and (p == 1 or other.moved)):
        return
    if uniform(me.key, m, _BREAK) >= w.wwb_interruption:
        return
    gap = 3 + int(23 * uniform(me.key, m, _LENGTH))
    room = w.land_first[m + 1] - w.land_first[m] - gap
    day = w.land_first[m] + 1 + int(uniform(me.key, m, _DAY) * (room - 1))
    for q in range(2):
        one = S[q]
        if q == p or joint:
            close_benefit(run, rows, one, m, day, END_NO_INFORMATION, w)
            one.benefit_start = day + gap
            one.benefit_scheme = SCHEME_WWB
            one.benefit_reason = BEGAN_OTHER


@inner
def _absent(state: Any) -> Any:
    return state in (EMIGRATED, DEAD, PENSION)


@inner
def _live(S: Any, run: Any, rows: Any, w: Any, history: Any) -> None:
    """Let a pair live all months; `history` (2, months) gets states and flags."""
    for m in range(N_MONTHS):
        gone0, gone1 = _absent(S[0].state), _absent(S[1].state)
        had0, had1 = on_wwb(S[0]), on_wwb(S[1])
        for p in range(2):
            S[p].moved = 0
            S[p].began = 0
            S[p].flags = 0
        live_at_home(S, run, rows, w, m)
        for p in range(2):
            if not S[p].moved and not (S[p].partner == PAIR and S[1 - p].moved):
                step(S, run, rows, w, p, m)
        for p in range(2):
            me = S[p]
            if me.state == WORK:
                rise = uniform(me.key, m, np.int64(47)) < w.position_up_in_work
                if rise and me.position < 5:
                    me.position += 1
                continue
            _programme_month(S, run, rows, w, p, m)
            if m == w.position_first_month:
                if on_wwb(me) and (had1 if p else had0):
                    write_position(run, rows, w, me, m, w.land_first[m], me.position)
            elif on_wwb(me) and not me.moved:
                walk_position(run, rows, w, me, m)
        for p in range(2):  # last, when it is known that nothing else happened
            _interrupt(S, run, rows, w, p, m)
        for p in range(2):
            me = S[p]
            seen = me.state | me.flags
            if me.job_start != NEVER and me.kind == KIND_REGULAR:
                seen |= WORKED
            if on_wwb(me):
                seen |= ASSISTED
            young = m - me.birth < 65 * 12  # a pension may wait a month for what befalls a partner
            if young and not _absent(me.state) and not (gone1 if p else gone0):
                seen |= PRESENT
            history[p, m] = seen


def _compile(fingerprint: int) -> Any:
    @nb.njit(nogil=True, cache=True)
    def simulate_pairs(
        seed: Any, low: Any, high: Any, w: Any, S: Any, runs: Any, rows: Any,
        lives: Any, who: Any, n_lives: Any,
    ) -> Any:  # fmt: skip
        """Simulate pairs low … high-1 until a buffer is full; return next pair, rows, participants.

        `rows` (r, ROW_WIDTH) int32; `lives` (c, 2, months) uint8 factual and counterfactual
        history of participants and `who` (c,) their numbers.
        """
        run = runs[0]
        run.n = 0
        history = np.zeros((2, N_MONTHS), np.uint8)
        other = np.zeros((2, N_MONTHS), np.uint8)
        pair = low if fingerprint else high
        while pair < high:
            if run.n + ROWS_A_PAIR > len(rows) or n_lives + 2 > len(who):
                break
            run.quiet = 0
            run.blocked = -1
            draw_pair(S, w, seed, pair)
            start_pair(S, run, rows, w)
            _live(S, run, rows, w, history)
            taken0, taken1 = S[0].taken, S[1].taken
            for p in range(2):
                write_running(run, rows, S[p])
                close_all(run, rows, S[p])
                if S[p].death != NEVER:
                    emit(run, rows, ROW_DEATH, S[p].person, S[p].death, NONE)
            for p in range(2):
                if taken1 if p else taken0:
                    run.quiet = 1
                    run.blocked = p
                    draw_pair(S, w, seed, pair)
                    start_pair(S, run, rows, w)
                    _live(S, run, rows, w, other)
                    who[n_lives] = 2 * pair + p
                    for m in range(N_MONTHS):
                        lives[n_lives, 0, m] = history[p, m]
                        lives[n_lives, 1, m] = other[p, m]
                    n_lives += 1
            pair += 1
        return pair, run.n, n_lives

    return simulate_pairs


@cache
def compiled() -> Any:
    """Return the compiled entry point."""
    digest = hashlib.sha256()
    for name in _COMPILED:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return _compile(int.from_bytes(digest.digest()[:6], "little") | 1)
