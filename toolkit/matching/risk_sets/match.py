"""Dynamic assignment: each starter beside people at risk in the same elapsed month."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError, EmptyCohortError
from toolkit.estimation.formula import variables_of
from toolkit.frames import as_columns, require_columns, to_frame
from toolkit.matching.risk_sets.censoring import make_censoring
from toolkit.matching.risk_sets.columns import Columns, with_weight
from toolkit.matching.risk_sets.door import read_panel, read_spells
from toolkit.matching.risk_sets.foresight import refuse_foresight
from toolkit.matching.risk_sets.months import Rules, match_months
from toolkit.matching.risk_sets.options import (
    CALENDAR_UNITS,
    CalendarUnit,
    Caliper,
    CaliperUnit,
    check_form,
    check_options,
    read_calipers,
    read_on,
    read_window,
    refuse_names,
    refuse_times,
)
from toolkit.matching.risk_sets.place import Given, Points, mahalanobis_points
from toolkit.matching.risk_sets.report import build
from toolkit.matching.risk_sets.starts import fit_starts
from toolkit.matching.risk_sets.starts_rows import check_score_rows
from toolkit.matching.risk_sets.uses import make_uses
from toolkit.matching.risk_sets.widths import columns_of, unit_of, widths_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.risk_sets.months import Order
    from toolkit.matching.risk_sets.place import Score
    from toolkit.matching.risk_sets.result import Control, RiskSetMatched
    from toolkit.matching.risk_sets.starts import ScoreKind, Starts
    from toolkit.matching.risk_sets.starts_rows import ScoreRows


def match_risk_sets(
    panel: Any,
    *,
    person: str,
    treated_at: str,
    on: str | Sequence[str],
    time: str | None = None,
    entry: str | None = None,
    until: str | None = None,
    spell: str | None = None,
    exact: str | Sequence[str] = (),
    calendar: str | None = None,
    calendar_unit: CalendarUnit = "quarter",
    score: ScoreKind = "pooled",
    score_rows: ScoreRows = 1_000_000,
    caliper: Caliper = None,
    caliper_unit: CaliperUnit = "sd",
    ratio: int = 1,
    replace: bool = False,
    reuse: bool = True,
    order: Order | None = None,
    control: Control = "not_yet",
    censor_on: str | None = None,
    window: tuple[int, int] | None = None,
    weights: str | None = None,
    background: int = 200_000,
    seed: int = 1,
) -> RiskSetMatched:
    """Match each starter to people still at risk in the same elapsed month who do not start in it.

    Whoever waits long for a programme must first have stayed long on benefit. A comparison of those
    ever treated with those never treated looks at that future, and finds an effect where there is
    none (immortal time). Here nothing is asked of a control but what the starter too had fulfilled
    when they started: still on benefit, and not yet treated, at the start of that month. What
    happens afterwards, a programme of the control included, decides about nobody.

    Parameters
    ----------
    panel : frame
        With `time`: a row a person (or spell) and elapsed month at risk, that is on benefit and not
        treated at the start of the month, with covariates as of then; the month of the start is the
        last one. With `entry` and `until`: a row a spell with covariates known at its entry, whose
        months at risk are not written out.
    person : str
        Column of the person.
    treated_at : str
        Column of the elapsed month in which the (first) programme starts; null = none is seen.
    on : str or sequence of str
        A column: the score that nearest is judged by. Any other text: a formula of covariates, from
        which the chance to start is fitted; the score is its linear predictor x'β. A list of
        several columns: their Mahalanobis distance, by the covariance within risk sets.
    time : str, optional
        Column of the elapsed month of the row.
    entry, until : str, optional
        Columns of the first elapsed month at risk, and of the first no longer at risk or no longer
        observed.
    spell : str, optional
        Column that tells spells of one person apart; nobody serves as control for themselves.
    exact : str or sequence of str
        Columns that must be equal, beside the elapsed month.
    calendar : str, optional
        Column of the calendar month of the row (of `entry`, for spells), as a date or as a number
        of months of which 0 is a January.
    calendar_unit : {"quarter", "month", "year", "none"}
        What must be equal of it.
    score : {"pooled", "by_month"}
        How the chance to start is fitted: a logit over all risk sets with an intercept for every
        elapsed month and one set of slopes, or a logit of its own for every month. Within a risk
        set the intercept decides nothing, so that the pooled fit loses only what slopes differ
        between months, and a formula can name that (``age + age:phase``, without ``phase`` where
        elapsed months make it equal); fits by month need many starts in each, and are refused
        where they do not determine the slopes.
    score_rows : int or "all"
        Rows (stretches of months in which no covariate changes) up to which the pooled fit is of
        all of them. Beyond, it is of all starters and of others drawn within elapsed months, 20 a
        starter or more, with intercepts set right for it: slopes vary at most some 5% more than
        fitted on all, and `meta` says so. Everybody is scored and may be matched all the same.
    caliper : float or dict, optional
        Greatest distance of a pair, or by how much it may differ in columns: ``{"age": 2}``.
    caliper_unit : {"sd", "raw"}
        In standard deviations within risk sets, or in units of the score or column.
    ratio : int
        Controls a starter, as far as there are; everybody gets a first before anybody a second.
    replace : bool
        Whether one may serve several starters in the same month.
    reuse : bool
        Whether one may serve again in another month. With False at most once in all, as in Li,
        Propert and Rosenbaum; months then choose in their order.
    order : {"largest", "smallest", "random", "closest"}, optional
        In which order of the score the starters of a month choose; ``closest``: the closest pair
        of all first. By default the largest score, and by lot where there is a distance.
    control : {"not_yet", "censor"}
        Whether controls who start later stay, or are censored at their own start.
    censor_on : str, optional
        Formula of the chance to start that the censored are weighted by; that of `on` unless given.
    window : (int, int), optional
        First and last elapsed month of which starts are matched; others are counted.
    weights : str, optional
        Column of sampling weights. They count in the fit, and controls carry those of the starters
        they stand for; rows of weight 0 are no rows, and counted.
    background : int
        About how many rows at risk that serve for nothing are kept (weight 0, drawn by lot within
        months) so that `balance` knows the state before; all of them where there are fewer.
    seed : int
        Of the lots between people of equal score: the same pairs in any order of rows.

    Returns
    -------
    RiskSetMatched
        A `Sample` of uses with `cluster` the person; `.pairs`, `.sets()`, `.unmatched()`,
        `.weights_at()`, `.follow()`.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types or missing values; for rows after the start of the programme or starts
        before the entry; for covariates that foretell who starts later or how long a spell lasts.

    Notes
    -----
    *Estimand.* ``"not_yet"``: E[Y(start now) - Y(not now) | S = t], the mean over those who start:
    of starting now against waiting, with whatever programme that waiting brings (Sianesi 2004,
    eq. 3). ``"censor"``: against no start at all, if who starts depends each month on nothing but
    the covariates until then; a control counts until the month before its own start, with weight
    1 / Π (1 - p) over its months at risk since (Fredriksson and Johansson 2008; Crépon, Ferracci,
    Jolivet and van den Berg 2009). The start is decided before the exit within a month. The fitted
    p are taken as known in standard errors.

    *Assumption.* Given covariates, elapsed month and cell, who starts now is as good as drawn by
    lot, and nobody acts on a start foreseen (no anticipation).

    *Equal scores* are drawn from by lot (a hash of seed, month and person), so that one person does
    not serve month after month for standing first in the file.

    *A draw for the score.* Among months at risk drawn by whether somebody starts in them, a logit
    has the slopes that it has among all (Prentice and Pyke 1979); with K others a starter these
    vary 1 + 1/K times as much, which is little beside what the matching itself leaves.

    Cost: n log n in the number of spells (or of stretches in which no covariate changes), plus the
    months at risk; the months of a panel in which nothing changes are packed.

    References
    ----------
    Sianesi (2004), Rev. Econ. Stat. 86, 133-155. Fredriksson, Johansson (2008), J. Bus. Econ. Stat.
    26, 435-445. Li, Propert, Rosenbaum (2001), JASA 96, 870-882. Crépon e.a. (2009), Am. Econ. Rev.
    99, 45-49. de Luna, Johansson (2010), Scand. J. Stat. 37. Prentice, Pyke (1979), Biometrika 66,
    403-411.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import matching
    >>> spells = pl.DataFrame({
    ...     "person": [1, 2, 3, 4], "age": [30.0, 41, 31, 40], "entry": [1, 1, 1, 1],
    ...     "until": [9, 6, 4, 9], "treated_at": [2, 3, None, 5],
    ... })
    >>> matched = matching.match_risk_sets(
    ...     spells, person="person", entry="entry", until="until", treated_at="treated_at", on="age"
    ... )
    >>> matched.sets()["time", "n_at_risk", "n_start", "n_matched", "n_treated_later"].rows()
    [(2, 4, 1, 1, 0), (3, 3, 1, 1, 1), (5, 1, 1, 0, 0)]
    """
    begin = clock.perf_counter()
    frame = to_frame(panel)
    check_options(
        control=control, score=score, order=order, caliper_unit=caliper_unit,
        calendar_unit=calendar_unit, ratio=ratio, replace=replace, reuse=reuse,
        background=background, seed=seed,
    )  # fmt: skip
    check_form(time, entry, until)
    formula, columns = read_on(on, frame)
    check_score_rows(score_rows)
    censoring = censor_on if censor_on is not None else formula
    if control == "censor" and censoring is None:
        raise CallError(
            "control='censor' needs the chance to start", fix="give its formula as censor_on="
        )
    formulas = [text for text in (formula, censoring) if text is not None]
    wide, limited = read_calipers(caliper, frame, on)
    watched = list(dict.fromkeys([
        *columns, *limited,
        *(name for text in formulas for name in variables_of(text, frame.columns)),
    ]))  # fmt: skip
    exact_on = as_columns(exact)
    require_columns(frame, *exact_on)
    refuse_names(exact_on)
    refuse_times(treated_at, until, [*watched, *exact_on])
    names = Columns(
        person=person, treated_at=treated_at, spell=spell, time=time, entry=entry, until=until,
        calendar=calendar, weights=weights, exact=tuple(exact_on), watched=tuple(watched),
    )  # fmt: skip
    frame, weightless = with_weight(frame, weights)
    runs = read_panel(frame, names) if time else read_spells(frame, names)
    months = read_window(window, runs)
    if not months:
        raise EmptyCohortError(
            "Nobody starts in a month at risk",
            fix="check the window, and that rows run up to and with the month of the start",
        )
    refuse_foresight(frame, runs, [*watched, *exact_on])
    fitted: Starts | None = None
    where: Score | Points
    if formula is not None:
        all_months = control == "censor" and censoring == formula
        where = fitted = fit_starts(
            formula, frame, runs, kind=score, only=None if all_months else months,
            score_rows=score_rows, seed=seed,
        )  # fmt: skip
    elif len(columns) == 1:
        where = Given(fixed=columns_of(frame, runs, columns)[:, 0])
    else:
        where = mahalanobis_points(runs, months, columns_of(frame, runs, columns))
    by_distance = isinstance(where, Points)
    if by_distance and order in {"largest", "smallest"}:
        raise CallError(
            f"order={order!r} is by score, and on= lists columns for a distance",
            fix="order='random' or 'closest'",
        )
    rules = Rules(
        ratio=ratio, replace=replace, reuse=reuse,
        order=order or ("random" if by_distance else "largest"),
        width=np.inf if wide is None else wide * unit_of(runs, months, where, caliper_unit),
        near=columns_of(frame, runs, list(limited)),
        near_width=widths_of(frame, runs, months, limited, caliper_unit),
        period=CALENDAR_UNITS[calendar_unit] if calendar else 0, seed=seed,
    )  # fmt: skip
    pairs = match_months(runs, months, where, rules)
    uses = make_uses(runs, pairs, months, replace=replace, background=background, seed=seed)
    weigher, chance = None, fitted
    if control == "censor":
        own = fitted if fitted is not None and censoring == formula else None
        chance = own or fit_starts(
            str(censoring), frame, runs, kind=score, score_rows=score_rows, seed=seed
        )
        weigher = make_censoring(runs, uses, chance)
    return build(
        frame, names, runs, pairs, uses, months, where, rules, control=control,
        censoring=weigher, fitted=fitted, drawn=chance.drawn if chance else None, fit=score,
        score_rows=score_rows, on=on, caliper=caliper, caliper_unit=caliper_unit, window=window,
        weightless=weightless, begin=begin,
    )  # fmt: skip
