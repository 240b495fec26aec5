"""Programmes: offer, threat, start, lock-in, effect after; and the positions they move.

Log hazard ratios of the current phase are those of `world.Support`. The assignment looks at
traits, position, elapsed duration, the municipality's policy, the year and the unobserved type.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.books import emit, on_wwb, write_position
from synthetic_data.inner import inner
from synthetic_data.layout import (
    ACTIVATION,
    AIM_PRE_WORK,
    AIM_WORK,
    IDLE,
    NEVER,
    NONE,
    OFFERED,
    OPEN,
    PLACEMENT,
    ROW_PARTICIPANT,
    ROW_PROGRAMME,
    RUNNING,
    TRAINING,
)
from synthetic_data.random import uniform

_NEAR = 4  # positions 4 and 5 are near to work


@inner
def search_ratio(me: Any, w: Any, m: Any) -> Any:
    """Return the ratio on job finding of the programme phase that somebody is in."""
    log_ratio = 0.0
    if me.phase == RUNNING:
        log_ratio = w.support_lock_in[me.instrument]
    else:
        if me.phase == OFFERED:
            log_ratio = w.support_threat
        if me.last != NONE:
            after = w.support_after_near if me.last_near else w.support_after_far
            log_ratio += after[me.last] * np.exp((me.last_end - m) / w.support_fade)
    return np.exp(log_ratio) if log_ratio != 0.0 else 1.0


@inner
def keep_ratio(me: Any, w: Any, m: Any) -> Any:
    """Return the ratio on job loss after a programme."""
    if me.last == NONE:
        return 1.0
    return np.exp(w.support_keep[me.last] * np.exp((me.last_end - m) / w.support_fade))


@inner
def stop_programme(run: Any, rows: Any, me: Any, m: Any, day: Any, reason: Any) -> None:
    """End a programme, or write an offer that was never taken up."""
    if me.phase == IDLE:
        return
    emit(
        run, rows, ROW_PROGRAMME, me.person, me.started, day,
        me.office, me.instrument, me.aim, me.target, me.offered, reason, me.programmes,
    )  # fmt: skip
    if me.phase == RUNNING:
        me.last = me.instrument
        me.last_end = m
    me.rest_until = m
    me.phase = IDLE
    me.started = NEVER


@inner
def make_offer(me: Any, w: Any, m: Any, day: Any, near_work: Any) -> None:
    """Choose the instrument, the wait and the planned length of an offer made on `day`."""
    key = me.key
    rung = me.position - 1
    total = 0.0
    weights = np.empty(6)
    for i in range(6):
        weight = w.support_mix[rung, i] * w.land_mix[me.municipality, i]
        if i == PLACEMENT and m < w.support_placement_from:
            weight = 0.0
        if i == TRAINING and m - me.birth < 35 * 12:
            weight *= 1.35
        weights[i] = weight
        total += weight
    left = uniform(key, m, np.int64(41)) * total
    choice = 0
    while choice < 5 and left >= weights[choice]:
        left -= weights[choice]
        choice += 1
    me.instrument = choice
    me.office = me.municipality  # who offers pays, wherever the person moves
    distant = choice in (ACTIVATION, PLACEMENT)
    distant = distant or (choice == TRAINING and me.position <= 2)
    me.aim = AIM_PRE_WORK if distant else AIM_WORK
    me.target = 0 if near_work else 1
    me.offered = day
    me.offer_month = m
    wait = 0
    u = uniform(key, m, np.int64(42))
    while wait < 3 and u >= w.support_wait[wait]:
        u -= w.support_wait[wait]
        wait += 1
    me.planned = m + wait
    me.no_show = 1 if uniform(key, m, np.int64(43)) < w.support_no_show else 0
    low, high = w.support_shortest[choice], w.support_longest[choice]
    me.until = me.planned + int(low + uniform(key, m, np.int64(44)) * (high - low + 1.0))
    me.phase = OFFERED
    me.started = NEVER
    me.programmes += 1


@inner
def begin_programme(run: Any, rows: Any, me: Any, m: Any, day: Any) -> None:
    """Start the programme that was offered; the first one makes a participant."""
    me.phase = RUNNING
    me.started = max(day, me.offered)
    me.started_month = m
    me.began = 1
    me.last_near = 1 if me.position >= _NEAR else 0
    if not me.taken:
        me.taken = 1
        elapsed = m - (me.wwb_since if on_wwb(me) else me.since)
        emit(
            run, rows, ROW_PARTICIPANT, me.person, me.started, m, me.instrument, me.aim,
            me.programmes, elapsed, me.position, (m - me.birth) // 12, me.target, me.offer_month,
        )  # fmt: skip


@inner
def walk_position(run: Any, rows: Any, w: Any, me: Any, m: Any) -> None:
    """Move a step up or down the ladder, now and then; programmes move people up."""
    up = w.position_up * w.position_up_type[me.type]
    if me.phase == RUNNING:
        up *= w.support_up_during[me.instrument]
    down = w.position_down * w.position_down_health[me.health]
    u = uniform(me.key, m, np.int64(45))
    step = 0
    if u < up and me.position < 5:
        step = 1
    elif u > 1.0 - down and me.position > 1:
        step = -1
    if step != 0:
        me.position += step
        day = w.land_first[m] + int(
            uniform(me.key, m, np.int64(46)) * (w.land_first[m + 1] - w.land_first[m])
        )
        write_position(run, rows, w, me, m, day, me.position)


@inner
def write_running(run: Any, rows: Any, me: Any) -> None:
    """Write at the end of the window what was offered or runs."""
    if me.phase != IDLE:
        emit(
            run, rows, ROW_PROGRAMME, me.person, me.started, OPEN,
            me.office, me.instrument, me.aim, me.target, me.offered, NONE, me.programmes,
        )  # fmt: skip
