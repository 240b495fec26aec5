"""Named definitions, each with what of it is published and what is inferred."""

from __future__ import annotations

from toolkit.errors import CallError, nearest
from toolkit.trajectories.definition import Definition

_ALL = (
    Definition(
        name="iwi_2008",
        description=(
            "Exits from WWB to work; still in work after a year (point in time), back on WWB "
            "within six months (new spell)"
        ),
        source=(
            "IWI, Perspectief op duurzame uitstroom (December 2008; Kamerstuk 29544 nr 186): exits "
            "in the first quarter of 2006, large municipalities; 84% and 12%"
        ),
        confidence=(
            "Found: population, quarter, the two figures. Inferred, as the exact definition of a "
            "return is not known: a return is a new WWB spell within 6 calendar months; an exit to "
            "work is one with a job in the month after; all employee jobs but sheltered ones "
            "count; gaps up to 31 days are no exit."
        ),
        horizons=(6, 12),
        return_horizons=(6, 12),
    ),
    Definition(
        name="cbs_2009",
        description=(
            "All exits from WWB, WW or registration without benefit (nug); back in any of the "
            "three within 6, 12 or 24 months"
        ),
        source=(
            "CBS, Meerdere keren zonder werk, Sociaaleconomische trends 2009-1, pp. 23–28: exits "
            "January 2004 to June 2006, national; 12% within six months"
        ),
        confidence=(
            "Found: the three groups, the period, all exits as denominator, 12%. Inferred: passing "
            "between the three is no exit from being without work; a return is a new spell in any "
            "of them; gaps up to 31 days are no exit."
        ),
        schemes=("wwb", "ww", "nug"),
        return_schemes=("wwb", "ww", "nug"),
        denominator="all_exits",
        horizons=(6, 12),
        return_horizons=(6, 12, 24),
    ),
    Definition(
        name="cbs_cohort_2021",
        description=(
            "Exits from WWB with a job and no WWB one month later; in work and off WWB at 6, 12 "
            "and 18 months"
        ),
        source=(
            "CBS, cohort of exits December 2020 to November 2021 (dashboards.cbs.nl; news 2024/16; "
            "erratum 2024/08 on follow-up that was too short)"
        ),
        confidence=(
            "Found: job one month after the end and no new benefit; horizons 6, 12 and 18; who "
            "reaches pension age in follow-up is left out; related schemes left out; 72% in work "
            "at 18 months, about half of all without interruption. Inferred: no gap is bridged but "
            "for that month; 65 as pension age (later in 2021: set drop_if_reaching)."
        ),
        max_gap_days=0,
        off_benefit_at_start=True,
        off_benefit_at_horizon=True,
        horizons=(6, 12, 18),
        return_horizons=(6, 12, 18),
        drop_if_reaching=65,
    ),
    Definition(
        name="suwi_26_weeks",
        description="Exits from WWB to work; at least 26 weeks in work within a year after exit",
        source="Besluit SUWI: 26 weeks without interruption, or 26 weeks within a year",
        confidence=(
            "Found: 26 weeks and the year. Inferred: weeks are days in counted work from the exit "
            "date on, divided by seven; regular jobs only. Without interruption: measure "
            "'uninterrupted' at 6 months."
        ),
        work_kinds=("regular", "director"),
        measure="cumulative",
        weeks=26,
        horizons=(12,),
    ),
    Definition(
        name="reintegration_24_months",
        description="Starts of re-integration support, with regular employee work within 24 months",
        source=(
            "CBS, 60%-doelstelling (2008/36, 2009/13, 2009/51; maatwerk 2010/12): target of 60% in "
            "2011"
        ),
        confidence=(
            "Found: regular employee work within 24 months after the start of support, starters as "
            "denominator. Inferred: work begins after the day of start; a person's first start in "
            "the window counts; who is in regular work on that day is left out."
        ),
        event="programme_start",
        work_kinds=("regular",),
        horizons=(24,),
        denominator="all_exits",
    ),
)

#: Definitions by name.
RECIPES: dict[str, Definition] = {definition.name: definition for definition in _ALL}


def recipe(name: str) -> Definition:
    """Return a named definition from `RECIPES`.

    Raises
    ------
    CallError
        When there is none of that name; says which name is nearest.

    Examples
    --------
    >>> recipe("cbs_2009").denominator
    'all_exits'
    """
    if name not in RECIPES:
        hint = nearest(name, RECIPES)
        raise CallError(
            f"There is no definition {name!r}",
            where=f"recipes: {', '.join(RECIPES)}",
            fix=f"did you mean {hint!r}?" if hint else "choose one of these",
        )
    return RECIPES[name]


__all__ = ["RECIPES", "Definition", "recipe"]
