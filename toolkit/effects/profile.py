"""Treated against controls by month since start: lock-in, break-even, months gained."""

from __future__ import annotations

import time as clock
import warnings as python_warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.profile_checks import composition, horizon_warning, moved_at_all
from toolkit.effects.profile_door import panel_of, read_groups
from toolkit.effects.profile_moments import moments, months_seen
from toolkit.effects.profile_result import Profile, path_of
from toolkit.effects.profile_rows import read_months, read_rows
from toolkit.errors import CallError, EmptyCohortError, ToolkitWarning, unknown_option
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns
from toolkit.matching.treatment import ESTIMANDS
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from toolkit.effects.profile_moments import Moments
    from toolkit.trajectories import Definition

    Ints = NDArray[np.int64]


def profile(
    x: Any,
    panel: Any,
    *,
    outcome: str | Sequence[str],
    months: Iterable[int] = range(-24, 61),
    person: str | None = None,
    start: str | None = None,
    month: str = "month",
    until: str | None = None,
    treatment: str | None = None,
    weights: str | None = None,
    design: str | None = None,
    cluster: str | Sequence[str] | Literal[False] | None = None,
    balanced: bool = False,
    definition: Definition | None = None,
    band: bool = True,
    conf_level: float = 0.95,
    seed: int = 1,
) -> Profile:
    """Compare treated and controls month by month since the start.

    Parameters
    ----------
    x : Sample or frame
        What matching or weighting returned, with a row a use of a person; or a plain frame with
        `treatment` (then the comparison is naive unless `design` says otherwise).
    panel : frame or Register
        A row a person and calendar month with the outcomes. A month that is null *or absent* was
        not observed: it is never a zero. A register is turned into its monthly panel.
    outcome : str or sequence of str
        Columns of true/false or numbers.
    months : iterable of int
        Months since start; 0 is the calendar month of the start.
    person, start : str, optional
        Columns of the rows, ``person`` also of the panel; `start` is a date or the number of a
        month. Risk sets know theirs; of other rows they are ``"person"`` and ``"start"`` unless
        said. Controls need a start too: the month in which they could have started.
    month : str
        Column of the panel, of the same kind as the start.
    until : str, optional
        Column of the rows: month from which a row is not looked at any more (the control that
        starts himself), null = never.
    treatment, weights : str, optional
        For plain frames.
    design : str, optional
        Key of the registry, where the rows come from elsewhere: an experiment, for instance.
    cluster : str, sequence of str, or False, optional
        Rows that belong together; two or more cross each other. By default the sample's own, its
        pairs (``"subclass"``), and the person where one stands in several rows, crossed with each
        other where there are several; False = none.
    balanced : bool
        Keep only rows observed in all months, so that every month is about the same people.
    definition : Definition, optional
        What counts as work, for a register.
    band : bool
        Also bands that hold for all months of an outcome at once.
    conf_level : float
    seed : int
        Of the draws behind the bands.

    Returns
    -------
    Profile

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types, missing values or starts that cannot be used, a person-month that
        stands twice, or nobody observed.

    Notes
    -----
    Means are weighted over those observed in that month. Standard errors come from influence
    functions, summed by cluster, and count that weights were estimated where the sample says how
    (`Sample.nuisance`); otherwise weights are taken as given, which is on the safe side for strata
    and for matching with replacement. Bands: quantile of the largest
    standardised deviation of the Gaussian limit (Montiel Olea and Plagborg-Møller 2019). Cost is
    one walk along each row's months; nothing of the size of rows × months is kept.

    Examples
    --------
    >>> rows = pl.DataFrame({"person": [1, 2, 3, 4], "start": [12, 12, 13, 13],
    ...                      "treated": [1, 0, 1, 0]})
    >>> panel = pl.DataFrame({"person": [1, 1, 2, 2, 3, 3, 4, 4],
    ...                       "month": [12, 24, 12, 24, 13, 25, 13, 25],
    ...                       "work": [0, 1, 0, 1, 0, 1, 0, 0]})
    >>> found = profile(rows, panel, outcome="work", months=(0, 12), treatment="treated")
    >>> found.tidy()["estimate"].to_list()
    [0.0, 0.5]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "plain")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise CallError(f"seed={seed!r} is no whole number from 0 on", fix="for instance seed=1")
    outcomes = list(dict.fromkeys(as_columns(outcome)))
    if not outcomes:
        raise CallError("No outcome is named", fix="for instance outcome='in_work'")
    wanted = read_months(months)
    first, last = int(wanted[0]), int(wanted[-1])
    groups = read_groups(
        x, treatment=treatment, weights=weights, design=design, cluster=cluster, person=person,
        start=start,
    )  # fmt: skip
    sample, person, start = groups.sample, groups.person, groups.start
    weight, dropped = groups.weights(np.arange(first, last + 1)), {}
    used = groups.weight > 0
    from toolkit.registers import Register

    if isinstance(panel, Register):
        panel = panel_of(
            panel, sample.frame.filter(pl.Series(used)), person=person, start=start,
            outcomes=outcomes, first=first, last=last, definition=definition,
        )  # fmt: skip
        if person != "person" or month != "month":
            panel = panel.rename({"person": person, "month": month})
    elif definition is not None:
        raise CallError("definition= is for registers: this panel has its outcomes already")
    for name in outcomes:
        if name in {person, month}:
            raise unknown_option("outcome", name, [])
    rows = read_rows(
        sample.frame, used, panel, person=person, start=start, month=month, outcomes=outcomes,
        until=until, first=first, last=last,
    )  # fmt: skip
    dropped["rows without weight in the comparison"] = int((~used).sum())
    unseen = used & (rows.begin == rows.end)
    if balanced:
        at = np.flatnonzero(used)
        whole = months_seen(rows, outcomes, at, first, wanted - first)
        weight = weight.copy()
        weight[at[~whole]] = 0.0
        dropped["not observed in all months (balanced)"] = int((~whole).sum())
        used = used.copy()
        used[at[~whole]] = False
        _require_both(used, sample.treated)
    elif unseen.any():
        groups.warnings.append(
            f"{int(unseen.sum()):,} rows have no month in the panel: they count in no mean"
        )
    found = {
        name: _only(
            moments(
                rows, name, treated=sample.treated, weight=weight, clusters=groups.ways(),
                nuisance=sample.nuisance, first=first, length=last - first + 1,
            ),
            wanted - first,
        )
        for name in outcomes
    }  # fmt: skip
    for name, one in found.items():
        if not one.count.all(axis=0).any():
            raise EmptyCohortError(
                f"In no month {name!r} is observed of treated and of controls",
                where=f"months {first} to {last} since the start",
                fix="look at the months of the panel, and at the kind of month of the start",
            )
    label = groups.clustering.label or None
    critical = None
    if band:
        critical = {
            name: path_of(wanted, one).between(first, last).critical(conf_level, seed)
            for name, one in found.items()
        }
    result = Profile(
        meta={
            "estimand": f"difference in {', '.join(outcomes)} by month since start: "
            + str(sample.meta.get("estimand", ESTIMANDS[sample.estimand])),
            "method": "Profile by month since start, "
            + str(sample.meta.get("method", "groups as they are")),
            "design": groups.design,
            "n": int(used.sum()),
            "n_treated": int((used & sample.treated).sum()),
            "n_control": int((used & ~sample.treated).sum()),
            "dropped": dict(sample.meta.get("dropped", {}))
            | {why: count for why, count in dropped.items() if count},
            "warnings": [
                *sample.meta.get("warnings", ()),
                *groups.warnings,
                *moved_at_all(found),
                *composition(found, wanted),
                *horizon_warning([last]),
            ],
            "cluster": label,
            "balanced": balanced,
            "variance": _variance(sample.nuisance is not None, label),
            "band": "largest standardised deviation over all months" if band else None,
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        month=wanted, by_outcome=found, critical=critical, conf_level=conf_level, seed=seed,
    )  # fmt: skip
    for sentence in horizon_warning([last]):
        python_warnings.warn(sentence, ToolkitWarning, stacklevel=2)
    return result


def _require_both(used: NDArray[np.bool_], treated: NDArray[np.bool_]) -> None:
    if not (used & treated).any() or not (used & ~treated).any():
        raise EmptyCohortError(
            "Nobody of one group is observed in all months",
            fix="ask for fewer months, or leave out balanced=True",
        )


def _only(found: Moments, keep: Ints) -> Moments:
    """Return the moments of some months."""
    return replace(
        found,
        mean=found.mean[:, keep],
        variance=found.variance[:, keep],
        count=found.count[:, keep],
        size=found.size[:, keep],
        whole=found.whole[:, keep],
        vcov=found.vcov[np.ix_(keep, keep)],
    )


def _variance(estimated: bool, cluster: str | None) -> str:
    said = "influence functions, " + (
        "estimated weights counted" if estimated else "weights taken as given"
    )
    return said + (f", clusters of {cluster}" if cluster else "")
