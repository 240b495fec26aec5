"""What the kernel writes and remembers: state codes, kinds of rows, the record of a life.

Codes of columns are positions in the lists of `toolkit.registers.codes`.
"""

from __future__ import annotations

import numpy as np

#: First month simulated and number of months: January 1999 up to and including December 2011.
FIRST_YEAR = 1999
N_MONTHS = 156

#: Monthly states, as in domain notes: work, subsidised work, work beside benefit, WWB, …
STATES = (
    "work", "subsidised", "wwb", "wwb_work", "ww", "disability", "nug", "student", "other",
    "emigrated", "dead", "pension",
)  # fmt: skip
(
    WORK, SUBSIDISED, WWB, WWB_WORK, WW, DISABILITY, NUG, STUDENT, OTHER, EMIGRATED, DEAD, PENSION,
) = np.arange(12)  # fmt: skip

#: Bits of a month of history, above the four of the state on its last day.
STATE_BITS = 15
WORKED = np.int64(16)  # a regular job on some day of the month
ASSISTED = np.int64(32)  # WWB on some day of the month
PRESENT = np.int64(64)  # alive, resident and below 65 during the whole month

#: Kinds of rows.
(
    ROW_PERSON, ROW_RESIDENCE, ROW_HOUSEHOLD, ROW_BENEFIT, ROW_REGISTRATION, ROW_JOB, ROW_ENROLMENT,
    ROW_PROGRAMME, ROW_POSITION, ROW_PARTICIPANT, ROW_DEATH,
) = np.arange(11)  # fmt: skip
#: Columns of a row: kind, person, start, end, then up to eight codes or numbers.
ROW_WIDTH = 12
#: Room that one pair of persons may need at the most; checked before each pair.
ROWS_A_PAIR = 1500

#: No date, no code.
NONE = np.int64(-1)
NEVER = np.int64(-(10**6))
OPEN = np.int64(10**6)

#: Partner: none, the other person of the pair, somebody outside the register.
ALONE, PAIR, OUTSIDE = np.arange(3)
#: Programme phase.
IDLE, OFFERED, RUNNING = np.arange(3)

# Codes the kernel names, as numpy integers: numba compiles a function anew for every plain one.
# A test holds them against the lists of toolkit.registers.codes.
SCHEME_WWB, SCHEME_WW, SCHEME_DISABILITY = np.array([0, 1, 2])
END_WORK, END_SELF, END_STUDIES, END_RELATION, END_AGE, END_DEATH = np.array([0, 1, 2, 3, 4, 5])
END_DISABILITY, END_ASSETS, END_INCOME, END_NO_INFORMATION, END_MOVED, END_ABROAD = np.array(
    [7, 9, 10, 11, 12, 13]
)
END_EXHAUSTED, END_PARTNER, END_RECOVERED, END_CONDUCT, END_OTHER = np.array([14, 15, 16, 18, 19])
BEGAN_STUDIES, BEGAN_RELATION, BEGAN_JOB, BEGAN_UI, BEGAN_DISABILITY = np.array([0, 1, 2, 4, 5])
BEGAN_INCOME, BEGAN_PARTNER, BEGAN_OTHER = np.array([7, 8, 9])
KIND_REGULAR, KIND_SUBSIDISED, KIND_LEGACY = np.array([0, 1, 3])
PERMANENT, TEMPORARY, AGENCY, ON_CALL = np.array([0, 1, 2, 3])
WORK_FIRST, MEDIATION, TRAINING, SUBSIDY, ACTIVATION, PLACEMENT = np.arange(6)
STOP_WORK, STOP_WITHDREW, STOP_USELESS, STOP_OTHER, STOP_SELF = np.arange(5)
AIM_WORK, AIM_PRE_WORK = np.array([0, 1])
MOVED, GONE_ABROAD, DIED = np.array([0, 1, 2])

_WHO = (
    "person", "sex", "birth", "origin", "education", "unrecorded", "health", "limited", "type",
    "school_end", "may_pair",
)  # fmt: skip
_NOW = (
    "state", "since", "moved", "flags", "wwb_since", "wwb_left", "nug_left", "work_since",
    "work_months", "paused", "job_ended", "ww_right", "ww_left", "death",
)  # fmt: skip
_HOME = (
    "partner",
    "children",
    "municipality",
    "region",
    "at_home",
    "home_start",
    "residence_start",
)
_SPELLS = (
    "benefit_start", "benefit_scheme", "benefit_reason", "claim", "role",
    "job_start", "job", "employer", "kind", "contract", "hours", "wage",
    "registered", "enrolled", "level",
)  # fmt: skip
_SUPPORT = (
    "position", "phase", "office", "instrument", "aim", "target", "offered", "offer_month",
    "planned", "no_show", "started", "started_month", "began", "until", "programmes", "taken",
    "last", "last_end", "last_near", "rest_until",
)  # fmt: skip

#: One person while alive: integers, then ratios that do not change, then the random key.
PERSON = np.dtype(
    [(name, "i8") for name in _WHO + _NOW + _HOME + _SPELLS + _SUPPORT]
    + [(name, "f8") for name in ("find", "loss", "offer", "wage_level")]
    + [("key", "u8")]
)
#: The pair and the run: what is written where.
RUN = np.dtype([(name, "i8") for name in ("quiet", "n", "blocked", "claims")])
