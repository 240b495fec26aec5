"""Difference-in-differences where treatment starts at different times."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.designs.did.aggregate import Plan, plan_summaries, share_influence
from toolkit.effects.designs.did.bands import largest_draws
from toolkit.effects.designs.did.cells import (
    HIGH,
    Base,
    Cell,
    Control,
    Effects,
    Estimator,
    estimate_cells,
    plan_cells,
)
from toolkit.effects.designs.did.grouped import fits, run_grouped
from toolkit.effects.designs.did.panel import Panel, read_panel
from toolkit.effects.designs.did.result import DifferenceInDifferences, Summaries
from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.estimation.clusters import few_clusters
from toolkit.estimation.intervals import check_interval
from toolkit.provenance import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FEW = 5


def difference_in_differences(
    panel: Any,
    *,
    person: str,
    month: str,
    outcome: str,
    treated_at: str,
    control: Control = "not_yet",
    on: str | None = None,
    estimator: Estimator = "doubly_robust",
    base: Base = "universal",
    anticipation: int = 0,
    weights: str | None = None,
    cluster: str | None = None,
    incomplete: Literal["refuse", "drop"] = "refuse",
    window: tuple[int, int] | None = None,
    balanced: int | None = None,
    conf_level: float = 0.95,
    seed: int = 1,
) -> DifferenceInDifferences:
    """Estimate effects of a programme that starts at different times, by group and month.

    Each group (those who start in one month) is compared with persons who have not started yet:
    its change since the month before its start, less theirs. No comparison uses persons already
    treated, as a two-way fixed effects regression does.

    Parameters
    ----------
    panel : frame
        A row a person and month, every person in every month.
    person, month, outcome : str
        Months are dates or whole numbers (one unit a month, a quarter, a year).
    treated_at : str
        Month in which treatment begins; null (not 0) for persons never treated. Those treated in
        the first month have no month before it: left out and counted.
    control : {"not_yet", "never"}
        Who is compared with: all not treated by then, or only persons not treated in any month.
    on : str, optional
        Formula of covariates on which trends may differ. Where they change, they are those of the
        base month.
    estimator : {"doubly_robust", "ipw", "regression"}
        How covariates come in (Sant'Anna and Zhao 2020).
    base : {"universal", "varying"}
        What months before treatment are compared with: always the last one before it, or the month
        before each. After treatment the two are the same.
    anticipation : int
        Months before the start in which its effect may already be felt: the base lies before them.
    weights, cluster : str, optional
        Columns constant within a person: sampling weights; what was decided upon together (the
        municipality). Without a cluster persons are independent.
    incomplete : {"refuse", "drop"}
        What to do when persons are not observed in all months.
    window : (int, int), optional
        First and last time since the start to show.
    balanced : int, optional
        Summaries by time since the start only of groups followed that long, so that the same groups
        stand behind each number from 0 on.
    conf_level : float
    seed : int
        Of the draws behind the bands.

    Returns
    -------
    DifferenceInDifferences

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family: for columns or values that cannot be used, persons not in all months,
        starts that change within a person, and when nobody is left to compare with.

    Notes
    -----
    ATT(g, t) and its summaries as in Callaway and Sant'Anna (2021); standard errors from what each
    person adds (their influence function), shares of groups estimated too; bands from the largest
    of jointly normal z. Months before the start are tested at once, by Wald's χ² and by the largest
    z: passing does not prove parallel trends (Roth 2022), failing refutes them.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> panel = pl.DataFrame(
    ...     {
    ...         "person": [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4],
    ...         "month": [1, 2, 3] * 4,
    ...         "start": [3] * 6 + [None] * 6,
    ...         "works": [0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0],
    ...     }
    ... )
    >>> found = effects.difference_in_differences(
    ...     panel, person="person", month="month", outcome="works", treated_at="start"
    ... )
    >>> found.tidy().filter(pl.col("time") == 0)["estimate"].item()
    1.0
    """
    begin = clock.perf_counter()
    for name, value, allowed in (
        ("control", control, ("not_yet", "never")),
        ("estimator", estimator, ("doubly_robust", "ipw", "regression")),
        ("base", base, ("universal", "varying")),
        ("incomplete", incomplete, ("refuse", "drop")),
    ):
        check_option(name, value, allowed)
    check_interval(conf_level, "plain")
    if not isinstance(anticipation, int) or anticipation < 0:
        raise CallError(f"anticipation={anticipation!r} is not a whole number from 0 on")
    block = read_panel(panel, person=person, month=month, outcome=outcome, treated_at=treated_at,
                       on=on, weights=weights, cluster=cluster, incomplete=incomplete)  # fmt: skip
    cells, lost = plan_cells(block, control=control, anticipation=anticipation, base=base)
    how = estimator if on else None
    effects, table, influence = _run(block, cells, how, window, balanced)
    # what rounding leaves where everything cancels (one cluster an arm) is no error
    noise = 1e-12 * float(np.abs(block.y).max())
    influence[np.sqrt((influence**2).sum(axis=1)) <= noise] = 0.0
    effects.std_error = [error if error > noise else 0.0 for error in effects.std_error]
    notes = [*block.said, *_notes(block, effects, cluster)]
    summaries = Summaries(
        table=table, influence=influence, vcov=influence @ influence.T,
        conf_level=conf_level, seed=seed, anticipation=anticipation, draws=largest_draws,
    )  # fmt: skip
    test = summaries.leads()
    if any(p is not None and p < 0.05 for p in (test.p_value, test.largest_p_value)):
        notes.append(
            "months before the start already differ (pre-trends): parallel trends are refuted"
        )
    words = {None: "no covariates", "doubly_robust": "doubly robust", "ipw": "weighted by odds",
             "regression": "outcome regression"}  # fmt: skip
    return DifferenceInDifferences(
        meta={
            "design": "did",
            "method": "Difference-in-differences by group and month (Callaway and Sant'Anna): "
            + words[how] + (f" on {on}" if on else ""),
            "estimand": "mean effect on the treated, by time since the start",
            "n": block.y.shape[1], "n_month": len(block.times), "control": control, "base": base,
            "anticipation": anticipation, "cluster": cluster, "conf_level": conf_level,
            "dropped": block.dropped | lost | effects.left_out, "warnings": notes, "seed": seed,
            "dates": block.dates, "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        summaries=summaries, lead_test=test, group_time=_group_time(block, effects, conf_level),
        n_treated=sum(last - first for first, last in {(c.first, c.last) for c in effects.cells}),
    )  # fmt: skip


def _run(
    panel: Panel, cells: list[Cell], how: Estimator | None, window: tuple[int, int] | None,
    balanced: int | None,
) -> tuple[Effects, pl.DataFrame, Floats]:  # fmt: skip
    """Go through the cells once, adding up what each person (cluster) adds to each summary."""
    plan = plan_summaries(panel, cells, window, balanced)
    if how is None and fits(panel):
        estimates, errors, influence = run_grouped(panel, cells, plan)
        effects = Effects(cells=cells, estimate=estimates, std_error=errors)
        return _finish(panel, effects, plan, influence)
    units = panel.y.shape[1] if panel.cluster is None else int(panel.cluster.max()) + 1
    influence = np.zeros((len(plan.weight), units))
    kept = np.zeros(len(cells), dtype=bool)
    effects = Effects()
    # weights are relative to what could be estimated, which is only known at the end
    for j, (cell, effect, moves) in enumerate(estimate_cells(panel, cells, effects, estimator=how)):
        if moves is None:
            effects.lose(str(effect))
            continue
        kept[j] = True
        effects.cells.append(cell)
        effects.estimate.append(float(effect))
        takers = np.flatnonzero(plan.weight[:, j])
        if panel.cluster is None:
            effects.std_error.append(float(np.sqrt(sum(float(m @ m) for _, m in moves))))
            for part, move in moves:
                for k in takers:
                    influence[k, part] += plan.weight[k, j] * move
        else:
            total = np.zeros(units)
            for part, move in moves:
                total += np.bincount(panel.cluster[part], move, minlength=units)
            effects.std_error.append(float(np.sqrt(total @ total)))
            influence[takers] += plan.weight[takers, j][:, None] * total
    if not effects.cells:
        raise EmptyCohortError(
            "No group-month could be estimated",
            where=f"{sum(effects.left_out.values()):,} of them",
            fix="fewer covariates, coarser groups (quarters), or control='not_yet'",
        )  # fmt: skip
    return _finish(panel, effects, plan.without(kept), influence)


def _finish(
    panel: Panel, effects: Effects, plan: Plan, influence: Floats
) -> tuple[Effects, pl.DataFrame, Floats]:
    """Divide by the summaries' weights, and add what persons add through the groups' shares."""
    units = influence.shape[1]
    estimate = np.array(effects.estimate)
    total = plan.weight.sum(axis=1)
    there = total > 0
    value = np.where(there, plan.weight @ estimate / np.where(there, total, 1), np.nan)
    influence /= np.where(there, total, 1)[:, None]
    # what was added up for the overall effect knew of no cells that were lost later
    groups, share = plan.overall_of_groups()
    influence[plan.labels["kind"].to_numpy() == "overall"] = share[groups] @ influence[groups]
    for k in np.flatnonzero(there & plan.labels["kind"].ne("group").to_numpy()):
        shares = share_influence(panel, effects.cells, plan.weight[k], estimate, value[k])
        for part, move in shares:
            if panel.cluster is None:
                influence[k, part] += move
            else:
                influence[k] += np.bincount(panel.cluster[part], move, minlength=units)
    table = plan.labels.with_columns(
        n_group=pl.Series([len({effects.cells[j].group for j in np.flatnonzero(row)})
                           for row in plan.weight]),
        n_treated=pl.Series([_persons(effects.cells, row) for row in plan.weight]),
        estimate=pl.Series(value),
    )  # fmt: skip
    return effects, table.filter(pl.Series(there)), influence[there]


def _persons(cells: list[Cell], row: Floats) -> int:
    spans = {(cells[j].first, cells[j].last) for j in np.flatnonzero(row)}
    return sum(last - first for first, last in spans)


def _group_time(panel: Panel, effects: Effects, conf_level: float) -> pl.DataFrame:
    from toolkit.effects.designs.door import effect_table

    cells = effects.cells
    estimate, error = np.array(effects.estimate), np.array(effects.std_error)
    table = effect_table([""] * len(cells), estimate, error, conf_level=conf_level)
    return table.select(
        pl.exclude("term"),
        group=pl.Series([cell.group for cell in cells]),
        month=pl.Series([int(panel.times[cell.time]) for cell in cells]),
        n_treated=pl.Series([cell.last - cell.first for cell in cells]),
        n_control=pl.Series(
            [len(panel.group) - cell.controls
             - (cell.last - cell.first if cell.first >= cell.controls else 0) for cell in cells]
        ),
    ).select("group", "month", "n_treated", "n_control", *table.columns[1:])  # fmt: skip


def _notes(panel: Panel, effects: Effects, cluster: str | None) -> list[str]:
    sizes = {(cell.first, cell.last) for cell in effects.cells}
    small = sum(last - first < _FEW for first, last in sizes)
    notes = [f"{small:,} groups of fewer than {_FEW} persons: their errors are too small"] * bool(
        small
    )
    for why, count in effects.left_out.items():
        notes.append(f"{count:,} {why}: summaries are of the others")
    if effects.top > HIGH:
        notes.append(
            f"some controls have a chance of {effects.top:.4f} to be treated, and stand for many; "
            "none is trimmed"
        )
    if cluster and panel.cluster is not None:
        notes += few_clusters(int(panel.cluster.max()) + 1, cluster)
    return notes
