"""The made-up country's parameters: each with its unit and a word why.

Rates are chances a month unless said otherwise. Ratios multiply a rate. Where a number follows from
a published moment it was set so that `calibration` holds; the others are plausible, no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from synthetic_data.layout import FIRST_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

START = date(1999, 1, 1)
END = date(2012, 1, 1)

#: Lower edges in months of the duration classes that the `duration` ratios refer to.
DURATION_EDGES = (0, 3, 6, 12, 24, 36, 60)
#: Lower edges in years of the age classes that the `age` ratios refer to.
AGE_EDGES = (15, 25, 35, 45, 55)


@dataclass(frozen=True)
class Population:
    """Who lives there: people at risk of benefits, not the general population."""

    youngest: int = 10  # years at the start: new cohorts leave school until the end of the window
    oldest: int = 61  # years at the start: pensions come in from the first years on
    non_native: tuple[float, ...] = (0.09, 0.29)  # shares western, non-western; above national
    education: tuple[float, ...] = (0.45, 0.37, 0.18)  # true shares low, middle, high
    education_native: float = 0.85  # ratio on the share low for natives
    missing: float = 0.08  # chance that education is not recorded, before the ratios below
    missing_low: float = 2.6  # ratio for the low: registers know diplomas, not their absence
    missing_non_western: float = 1.7  # ratio: schooled abroad
    missing_old: float = 2.0  # ratio for those born before 1965: left school before the registers
    health: tuple[float, ...] = (0.66, 0.23, 0.11)  # shares good, moderate, poor below 45 years
    health_old: float = 1.7  # ratio on moderate and poor from 45 years
    limited_seen: float = 0.62  # chance that work limitation is recorded at all
    limited_true: float = 0.82  # chance that a recorded value tells the truth
    types: tuple[float, ...] = (0.32, 0.46, 0.22)  # unobserved: weak, middle, strong
    couples: float = 0.38  # share of pairs of persons that are or may become a couple
    abroad: float = 0.03  # share of non-natives that still has to immigrate at the start
    start_disability: tuple[float, ...] = (0.025, 0.09, 0.20)  # by health; × 2 from 45
    start_wwb: float = 0.36  # chance of WWB of the others at job-finding ratio 1; rises as it falls
    start_wwb_old: float = 0.55  # ratio on it from 50 years: disability came first in the 1990s
    start_rest: tuple[float, ...] = (0.64, 0.06, 0.05)  # chances of work, WW, nug of the remainder
    start_couple: float = 0.6  # share of grown-up potential couples that is one at the start
    start_outside: float = 0.18  # share of others off WWB with a partner outside the register


@dataclass(frozen=True)
class Find:
    """Ratios on every job-finding rate."""

    sex: tuple[float, ...] = (1.08, 0.92)  # male, female
    origin: tuple[float, ...] = (1.1, 0.95, 0.82)  # native, western, non-western
    education: tuple[float, ...] = (0.80, 1.1, 1.35)  # low, middle, high
    health: tuple[float, ...] = (1.12, 0.70, 0.28)  # good, moderate, poor
    type: tuple[float, ...] = (0.42, 1.0, 1.95)  # the unobserved type
    age: tuple[float, ...] = (1.25, 1.15, 1.0, 0.78, 0.34)  # by AGE_EDGES
    lone_parent: float = 0.78  # care for children, alone
    season: tuple[float, ...] = (
        1.06, 1.06, 1.10, 1.08, 1.06, 1.02, 0.96, 0.96, 1.08, 1.00, 0.90, 0.78,
    )  # fmt: skip # January to December
    municipality_sd: float = 0.10  # sd of the log ratio between municipalities
    recent: float = 11.0  # ratio within 6 months of a job: contacts, references


@dataclass(frozen=True)
class Assistance:
    """WWB: rates out of it and into it."""

    work: float = 0.0036  # rate to work at ratio 1
    duration: tuple[float, ...] = (1.03, 0.98, 0.98, 1.0, 0.80, 0.31, 0.215)  # on work
    position: tuple[float, ...] = (0.22, 0.45, 0.80, 1.35, 1.85)  # on work, by position 1–5
    other: float = 0.0055  # rate off benefit without work: income, assets, no information, conduct
    other_duration: tuple[float, ...] = (1.2, 1.15, 1.06, 0.95, 0.60, 0.145, 0.085)
    study: float = 0.0020  # rate back to education below 27 years
    disability: float = 0.0005  # rate to a disability scheme at moderate health; poor × 3
    beside: float = 0.0092  # rate into a small job beside the benefit
    beside_end: float = 0.075  # rate out of it, to the benefit alone
    beside_find: float = 1.9  # ratio on work for those with a small job
    beside_at_return: float = 0.16  # chance that who returns keeps some hours of work
    interruption: float = 0.006  # chance a month of an administrative break of 3–25 days
    registered: float = 0.84  # chance that a recipient is registered as a jobseeker
    misread: float = 0.13  # chance that the office records another reason than work
    partner_seeks: float = 0.12  # chance that the partner of who found work registers as jobseeker


@dataclass(frozen=True)
class Work:
    """Jobs: contracts, loss, changes."""

    loss: float = 0.0206  # rate at ratio 1
    tenure: tuple[float, ...] = (2.15, 2.35, 0.68, 0.68, 0.75, 0.65, 0.42)  # on loss
    contract: tuple[float, ...] = (0.42, 1.0, 1.7, 1.5)  # on loss, by codes.CONTRACT
    type: tuple[float, ...] = (1.35, 1.0, 0.78)  # on loss, the unobserved type
    education: tuple[float, ...] = (1.15, 1.0, 0.8)
    health: tuple[float, ...] = (0.95, 1.25, 1.7)
    market: float = 0.8  # elasticity of loss to a slacker market
    first: tuple[float, ...] = (0.26, 0.46, 0.21, 0.07)  # contract on leaving a benefit
    first_near: tuple[float, ...] = (0.72, 0.22, 0.04, 0.02)  # from WW or nug: nearer to work
    change: float = 0.007  # rate to another employer without a break
    convert: float = 0.022  # rate from temporary or agency to permanent, from 6 months on
    pause: float = 0.026  # rate of a break between jobs for who has no permanent contract
    pause_seeks: float = 0.10  # chance to register as a jobseeker during it
    recall: float = 0.36  # rate back to work after such a break
    recall_months: int = 6  # months in which that rate holds
    disability: float = 0.00055  # rate to disability at moderate health; poor × 3
    to_ww: float = 0.80  # chance of WW for a loss after 6 months or more in work
    to_wwb: float = 0.86  # chance of WWB without WW and without a partner's income
    part_time: tuple[float, ...] = (0.22, 0.55)  # share below 32 hours: men, women
    wage_sd: float = 0.16  # sd of the log hourly wage
    wage_education: tuple[float, ...] = (1.12, 1.3, 1.7)  # times the minimum wage


@dataclass(frozen=True)
class Insurance:
    """WW, disability, nug and the rest outside work."""

    ww_work: float = 0.062  # rate from WW to work
    ww_duration: tuple[float, ...] = (1.25, 1.15, 1.0, 0.8, 0.65, 0.5, 0.5)
    ww_lapse: float = 0.012  # rate off WW without work
    ww_revive: float = 0.2  # chance that an unused right revives on job loss within 6 months
    ww_shortest: int = 6  # months of entitlement
    ww_earned: float = 0.14  # months of entitlement a month worked
    ww_longest: tuple[float, ...] = (60, 38)  # months, before and from October 2006
    ww_to_wwb: float = 0.90  # chance of WWB when WW runs out without a partner's income
    disability_end: float = 0.0022  # rate of recovery
    to_nug: float = 0.5  # chance to register for who loses an income without a benefit
    nug_work: float = 0.030  # rate from nug to work
    nug_leave: float = 0.030  # rate off the register
    nug_wwb: float = 0.10  # rate to WWB without a partner's income
    other_work: float = 0.0070  # rate from outside the labour force to work
    other_nug: float = 0.0050  # rate to registration as a jobseeker
    other_nug_recent: float = 1.5  # ratio on it within 6 months of being nug
    other_wwb: float = 0.10  # rate to WWB without a partner's income
    #: ratio on it by time since WWB
    other_wwb_recent: tuple[float, ...] = (0.48, 0.42, 0.45, 0.38, 0.37, 0.36, 0.35)
    #: chances at the end of studies: work, nug, WWB (from 18 years), the rest outside
    school_leaver: tuple[float, ...] = (0.64, 0.09, 0.18)


@dataclass(frozen=True)
class Home:
    """Partners, children, moves, migration, death."""

    form: float = 0.009  # rate at which a pair of the register becomes a couple
    form_outside: float = 0.0010  # rate of finding a partner outside the register, who works
    dissolve: float = 0.0028
    birth: float = 0.0032  # rate for women of 18–42 with a partner; a quarter of it without
    leave: float = 0.0045  # rate at which each child leaves home
    move: float = 0.0028  # rate to another municipality
    emigrate: tuple[float, ...] = (0.00012, 0.0009, 0.0006)  # by origin
    immigrate: float = 0.016  # rate (back) into the country
    death: float = 0.00003  # rate at 30 years in good health
    death_age: float = 0.085  # log slope of the death rate a year of age
    death_health: tuple[float, ...] = (1.0, 1.6, 3.2)
    wwb_after_split: float = 0.62  # chance of WWB for who has no income at a separation


@dataclass(frozen=True)
class Support:
    """Programmes: who is offered which, and what they do, in the order of codes.INSTRUMENT."""

    offer: float = 0.045  # rate on WWB at ratio 1
    offer_nug: float = 0.006  # rate for nug
    #: ratios on the offer
    offer_duration: tuple[float, ...] = (0.9, 1.6, 1.5, 1.0, 0.85, 0.75, 0.6)
    offer_position: tuple[float, ...] = (0.45, 0.70, 1.10, 1.45, 1.25)
    offer_type: tuple[float, ...] = (0.62, 1.0, 1.5)  # creaming on what the register does not see
    offer_education: tuple[float, ...] = (0.95, 1.08, 1.0)
    offer_age: tuple[float, ...] = (1.4, 1.15, 1.05, 0.9, 0.4)
    offer_health: tuple[float, ...] = (1.08, 0.85, 0.55)
    offer_lone_parent: float = 0.8
    offer_municipality_sd: float = 0.35  # sd of the log ratio between municipalities
    mix_municipality_sd: float = 0.30  # sd of the log weight of each instrument, likewise
    wait: tuple[float, ...] = (0.30, 0.34, 0.22, 0.14)  # chances of 0–3 months from offer to start
    no_show: float = 0.13  # chance that a wanted start does not happen
    drop_out: float = 0.012  # rate of withdrawing during a programme
    rest: int = 4  # months between the end of a programme and the next offer
    shortest: tuple[float, ...] = (2, 3, 5, 9, 6, 6)  # months planned
    longest: tuple[float, ...] = (6, 9, 14, 17, 16, 20)  # months planned
    #: weights of the instruments at positions 1–5
    mix: tuple[tuple[float, ...], ...] = (
        (0.1, 0.1, 0.2, 0.05, 4.0, 0.9),
        (0.4, 0.3, 0.8, 0.15, 2.2, 1.4),
        (1.6, 1.2, 1.8, 0.35, 0.5, 1.2),
        (2.8, 2.2, 1.4, 0.6, 0.1, 0.4),
        (3.0, 2.6, 1.0, 0.7, 0.0, 0.1),
    )
    #: log hazard ratios on job finding
    threat: float = 0.25  # between offer and start
    lock_in: tuple[float, ...] = (-2.3, -2.2, -2.8, -2.2, -1.6, -2.0)  # during
    after_near: tuple[float, ...] = (1.2, 1.2, 1.55, 0.8, 0.25, 0.55)  # after, position 4 or 5
    after_far: tuple[float, ...] = (0.95, 0.85, 1.40, 0.7, 0.45, 0.65)  # after, position 1–3
    fade: float = 40.0  # months in which the effect after falls to 1/e
    #: log hazard ratio on job loss after a programme, fading alike
    keep: tuple[float, ...] = (-0.05, -0.10, -0.35, -0.25, -0.05, -0.10)
    subsidy_keeps: float = 0.40  # chance that a subsidised job becomes a regular one at its end
    #: ratio on moving up a position during a programme
    up_during: tuple[float, ...] = (1.5, 1.3, 2.2, 1.0, 3.2, 3.0)
    #: month from which participation placements exist
    placement_from: int = 12 * (2007 - FIRST_YEAR)
    #: ratio on the offer in each year 1999–2011: budgets grow to 2007, then shrink
    year: tuple[float, ...] = (
        0.55, 0.6, 0.65, 0.7, 0.75, 0.85, 1.0, 1.1, 1.15, 1.1, 1.0, 0.85, 0.65,
    )  # fmt: skip


@dataclass(frozen=True)
class Positions:
    """Distance to work: a slow walk over five rungs, written for everyone on WWB."""

    first_month: int = 12 * (2004 - FIRST_YEAR)  # month from which positions are recorded
    up: float = 0.010  # rate of a step towards work
    down: float = 0.009  # rate of a step away from work
    up_type: tuple[float, ...] = (0.6, 1.0, 1.5)
    down_health: tuple[float, ...] = (0.7, 1.3, 2.4)
    up_in_work: float = 0.06  # rate of a step up while in work
    start: float = 3.4  # mean position at the first entry into WWB, good health, middle type
    start_type: float = 0.55  # steps a type
    start_health: float = 0.9  # steps a class of health
    start_sd: float = 0.9  # sd of the rest


@dataclass(frozen=True)
class Market:
    """The regional labour market over calendar time: a ratio on job finding."""

    #: national log index on 1 January of 1999–2012: boom, dip of 2003, boom, the 2008–2010 crisis
    national: tuple[float, ...] = (
        0.12, 0.20, 0.22, 0.08, -0.12, -0.20, -0.11, 0.05, 0.20, 0.28, -0.14, -0.30, -0.16, -0.20,
    )  # fmt: skip
    level_sd: float = 0.12  # sd of the log level between regions
    drift_sd: float = 0.018  # sd of a region's own monthly step
    drift_memory: float = 0.96  # a month
    minimum_wage: tuple[float, ...] = (
        1064, 1092, 1154, 1207, 1249, 1265, 1265, 1273, 1301, 1335, 1381, 1408, 1424,
    )  # fmt: skip # euro a month in 1999–2011 (statutory, 23 years and over, 1 January; rounded)


@dataclass(frozen=True)
class World:
    """All parameters of the made-up country.

    Examples
    --------
    >>> from dataclasses import replace
    >>> world = World()
    >>> replace(world, support=replace(world.support, offer=0.0)).support.offer
    0.0
    """

    population: Population = field(default_factory=Population)
    find: Find = field(default_factory=Find)
    wwb: Assistance = field(default_factory=Assistance)
    work: Work = field(default_factory=Work)
    out: Insurance = field(default_factory=Insurance)
    home: Home = field(default_factory=Home)
    support: Support = field(default_factory=Support)
    position: Positions = field(default_factory=Positions)
    market: Market = field(default_factory=Market)


def to_record(world: World, land: Mapping[str, np.ndarray]) -> Any:
    """Return the parameters as one numpy record, `group_name` by field, as the kernel reads them.

    Single numbers become float64, tuples arrays of them; the arrays of the country become
    `land_name`. One record is one pointer: compiled functions pass it on for nothing.
    """
    names: list[tuple[str, Any, tuple[int, ...]]] = [
        (f"land_{name}", value.dtype, value.shape) for name, value in land.items()
    ]
    values: list[Any] = list(land.values())
    for group in fields(world):
        part = getattr(world, group.name)
        for item in fields(part):
            value = np.asarray(getattr(part, item.name), dtype=np.float64)
            names.append((f"{group.name}_{item.name}", "f8", value.shape))
            values.append(value)
    record = np.zeros(1, dtype=np.dtype(names))
    for (name, _, _), value in zip(names, values, strict=True):
        record[name][0] = value
    return record[0]
