"""Code lists: the English names inside. The Dutch codes of the deliveries stand in the layouts.

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
