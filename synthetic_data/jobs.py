"""Jobs: who hires, on which contract, for how many hours and at what wage."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic_data.books import close_job
from synthetic_data.inner import inner
from synthetic_data.layout import (
    AGENCY,
    KIND_LEGACY,
    KIND_REGULAR,
    KIND_SUBSIDISED,
    NUG,
    PERMANENT,
    TEMPORARY,
    WW,
)
from synthetic_data.random import choose, uniform

#: Month from which a subsidised job is no longer one of the old WIW and ID schemes.
_WWB_ACT = np.int64(60)
_STREAM_CONTRACT, _STREAM_HOURS, _STREAM_EMPLOYER, _STREAM_WAGE = np.arange(2, 6)


@inner
def _minimum_wage(me: Any, w: Any, m: Any) -> Any:
    """Return the least a month for each hour a week; lower below 23."""
    youth = 1.0 if (m - me.birth) / 12.0 >= 23.0 else 0.75
    return w.market_minimum_wage[min(12, m // 12)] / 38.0 * youth


@inner
def open_job(
    S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any, settled: Any, small: Any
) -> None:
    """Start a job: `settled` is a permanent one, `small` one of a few hours beside a benefit."""
    me = S[p]
    close_job(run, rows, me, m, day, w)
    key = me.key
    me.job_start = day
    me.job += 1
    me.kind = KIND_REGULAR
    if settled:
        me.contract = PERMANENT
    else:
        near = me.state in {WW, NUG}
        mix = w.work_first_near if near else w.work_first
        me.contract = choose(uniform(key, m, _STREAM_CONTRACT), mix)
    u = uniform(key, m, _STREAM_HOURS)
    part_time = w.work_part_time[me.sex]
    if small:
        me.hours = 4 + int(u * 13)
    elif u < part_time:
        me.hours = 16 + int(u / part_time * 16)
    else:
        me.hours = 32 + int((u - part_time) / (1.0 - part_time) * 9)
    # sizes of employers differ: low numbers hire much more; agencies are few in a region
    u = uniform(key, m, _STREAM_EMPLOYER)
    if me.contract == AGENCY:
        me.employer = 1_000_000 + me.region * 100 + int(12 * u * u)
    else:
        me.employer = me.municipality * 1000 + int(900 * u * u * u)
    minimum = _minimum_wage(me, w, m)
    rise = 0.92 + 0.35 * uniform(key, m, _STREAM_WAGE)
    hourly = max(minimum, minimum * me.wage_level * rise)
    me.wage = int(np.floor(hourly * me.hours))


@inner
def open_subsidised(S: Any, run: Any, rows: Any, w: Any, p: Any, m: Any, day: Any) -> None:
    """Start a subsidised job: temporary, 32 hours, near the minimum wage."""
    open_job(S, run, rows, w, p, m, day, False, False)
    me = S[p]
    me.kind = KIND_LEGACY if m < _WWB_ACT else KIND_SUBSIDISED
    me.contract = TEMPORARY
    me.hours = 32
    me.wage = int(w.market_minimum_wage[min(12, m // 12)] * 32.0 / 38.0 * 1.05)


@inner
def renew_job(
    run: Any, rows: Any, w: Any, me: Any, m: Any, day: Any, kind: Any, contract: Any
) -> None:
    """Go on with the same job on other terms: a new row with the same number.

    The wage stays, but not below the statutory minimum of the day.
    """
    ended = me.job_ended
    close_job(run, rows, me, m, day, w)
    me.job_ended = ended
    me.job_start = day
    me.kind = kind
    me.contract = contract
    me.wage = max(me.wage, int(np.floor(_minimum_wage(me, w, m) * me.hours)))
