"""Code lists: English names inside, the Dutch codes of the deliveries mapped onto them.

Sources: WWB statistics regulation (BWBR0017194), forms BUS 2010 and SRG 2010, versions of
8 January 2010 and 1 January 2013; CBS file descriptions for jobs and benefits.
"""

from __future__ import annotations

SEX = ("male", "female")
ORIGIN = ("native", "western", "non_western")
EDUCATION = ("low", "middle", "high")
HOUSEHOLD = ("single", "lone_parent", "couple", "couple_children", "other")

#: Benefit schemes. `wwb` is social assistance, `ww` unemployment insurance, `disability` any of
#: WAO, WIA and Wajong.
SCHEME = ("wwb", "ww", "disability", "ioaw", "ioaz", "bbz", "wij", "anw", "sickness")
CLAIM_ROLE = ("head", "partner")

#: Why a benefit ended (BUS "reden beëindiging"; WW and disability use the same words).
BENEFIT_END = (
    "work", "self_employment", "studies", "relationship", "age", "death", "ui", "disability",
    "alimony", "assets", "other_income", "no_information", "moved", "abroad", "exhausted",
    "partner", "recovered", "detention", "conduct", "other",
)  # fmt: skip
#: Why a benefit started (BUS "oorzaak").
BENEFIT_START = (
    "studies_ended", "relationship_ended", "job_lost", "self_employment_ended", "ui_ended",
    "disability_ended", "alimony_ended", "other_income_ended", "partner", "other",
)  # fmt: skip

#: Kind of job. Regular work excludes subsidised, sheltered (WSW) and legacy (WIW/ID) jobs
#: (WWB art. 6).
JOB_KIND = (
    "regular",
    "subsidised",
    "sheltered",
    "legacy_subsidised",
    "trainee",
    "director",
    "self_employed",
)
CONTRACT = ("permanent", "temporary", "agency", "on_call")

INSTRUMENT = (
    "work_first", "mediation", "training", "wage_subsidy", "social_activation",
    "participation_placement",
)  # fmt: skip
#: What a programme aims at: work itself, or the phase before it.
AIM = ("work", "pre_work")
TARGET_GROUP = ("wwb", "nug_anw", "ww", "disability")
#: Why a programme ended (SRG 2010 "reden einde traject").
PROGRAMME_END = ("regular_work", "withdrew", "no_longer_useful", "other", "self_employment")
POSITION_SCHEME = ("reint2009", "pladder2013")
RESIDENCE_END = ("moved", "emigrated", "died")
ENROLMENT_LEVEL = ("secondary", "vocational", "higher")
SIZE_CLASS = ("small", "middle", "large", "g4")
SOURCE = (
    "persons", "residences", "households", "benefits", "registrations", "jobs", "enrolments",
    "programmes", "positions",
)  # fmt: skip

#: Dutch code → English name, by field of a delivery. Used at the edges only.
DUTCH: dict[str, dict[str, str]] = {
    "GESLACHT": {"1": "male", "2": "female"},
    "BIJSTANDStatistiekcode": {
        "01": "wwb", "02": "ioaw", "03": "ioaz", "13": "wwb", "15": "wwb", "16": "wwb",
        "14": "bbz", "20": "bbz",
    },
    "REDEN_BEEINDIGING": {
        "01": "studies", "02": "relationship", "03": "age", "04": "death", "05": "detention",
        "06": "conduct", "07": "abroad", "08": "conduct", "11": "work", "12": "work",
        "13": "self_employment", "14": "ui", "15": "disability", "17": "alimony", "18": "assets",
        "19": "other_income", "20": "other", "21": "other", "22": "other", "31": "no_information",
        "32": "moved", "33": "abroad", "34": "no_information", "35": "no_information",
        "97": "partner", "98": "other",
    },
    "REDEN_EINDE_TRAJECT": {
        "1": "regular_work", "2": "withdrew", "3": "no_longer_useful", "4": "other",
        "5": "self_employment",
    },
    "SSOORTBAAN": {
        "1": "director", "2": "trainee", "3": "sheltered", "4": "regular", "5": "regular",
        "9": "regular",
    },
}  # fmt: skip
