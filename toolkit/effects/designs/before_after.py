"""Before and after: what changed for participants, which is GROSS, and why it may deceive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.designs._plot import plot_path
from toolkit.effects.designs.door import effect_table, read_numbers, read_rows
from toolkit.effects.designs.months import read_months
from toolkit.effects.result import EffectResult
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    check_option,
)
from toolkit.estimation.clusters import check_clusters, cluster_sums, few_clusters
from toolkit.estimation.intervals import check_interval
from toolkit.frames import require_no_nulls

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_DIP = (
    "the last months before the start are off the path that led there (Ashenfelter's dip): part of "
    "the change is going back to it"
)


@dataclass(frozen=True, kw_only=True)
class BeforeAfter(EffectResult):
    """What changed from before to after the start; made by `before_after`. Gross.

    Attributes
    ----------
    estimates : DataFrame
        Rows ``change``: mean after less mean before. ``pre_trend``: change per month before the
        start, its last months left out. ``dip``: those last months, less what that trend foretells.
        ``change_from_trend``: mean after, less what the trend foretells.
    path : DataFrame
        `time, estimate, std_error, …`: the mean in each month since the start.
    influence : (U, 4) array
        What each person (cluster) adds to the rows of `estimates`.
    """

    estimates: pl.DataFrame = field(repr=False)
    path: pl.DataFrame = field(repr=False)
    influence: Floats = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return `term, estimate, std_error, statistic, p_value, conf_low, conf_high`."""
        return self.estimates

    def glance(self) -> pl.DataFrame:
        """Return one row: the gross change, and the tests of what came before."""
        rows = {row["term"]: row for row in self.estimates.iter_rows(named=True)}
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "change": [rows["change"]["estimate"]],
                "std_error": [rows["change"]["std_error"]],
                "pre_trend_p_value": [rows["pre_trend"]["p_value"]],
                "dip_p_value": [rows["dip"]["p_value"]],
                "gross": [True],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean by month since the start, and the start as a line."""
        ax = plot_path(self.path, x="time", ax=ax, xlabel="Months since the start",
                       ylabel="Mean (gross)", **options)  # fmt: skip
        ax.axvline(-0.5, color="0.6", lw=0.8, ls="--", zorder=0)
        return ax


def before_after(
    panel: Any,
    *,
    person: str,
    month: str,
    outcome: str,
    started_at: str,
    before: int = 24,
    after: int = 24,
    dip: int = 6,
    weights: str | None = None,
    cluster: str | None = None,
    incomplete: Literal["refuse", "drop"] = "refuse",
    conf_level: float = 0.95,
) -> BeforeAfter:
    """Compare participants after the start with themselves before it.

    No effect: people start when things go badly, and would partly have recovered without
    (Ashenfelter 1978). The result says GROSS, and shows the path that led to the start.

    Parameters
    ----------
    panel : frame
        A row a person and month, of participants.
    person, month, outcome, started_at : str
        Months are dates or whole numbers. Rows without a start are left out, counted.
    before, after : int
        Months compared on either side; the month of the start is the first after it.
    dip : int
        Last months before the start that are looked at apart, and not part of the trend before.
    weights, cluster : str, optional
    incomplete : {"refuse", "drop"}
        What to do with persons not observed in all those months.
    conf_level : float

    Returns
    -------
    BeforeAfter

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family: for columns or values that cannot be used, months that are not there.

    Notes
    -----
    All rows are contrasts of the mean per month since the start; standard errors are those of
    persons (clusters) drawn at random.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> panel = pl.DataFrame(
    ...     {"person": [1] * 6 + [2] * 6, "month": [*range(6)] * 2, "start": [4] * 12,
    ...      "works": [1, 1, 0, 0, 1, 1] + [1, 0, 1, 0, 0, 1]}
    ... )
    >>> effects.before_after(
    ...     panel, person="person", month="month", outcome="works", started_at="start",
    ...     before=4, after=2, dip=1,
    ... ).tidy()["estimate"][0]
    0.25
    """
    check_option("incomplete", incomplete, ("refuse", "drop"))
    check_interval(conf_level, "plain")
    if any(isinstance(x, bool) or not isinstance(x, int) for x in (before, after, dip)):
        raise CallError("before=, after= and dip= are whole numbers of months", fix="before=24")
    if min(before - dip, after) < 1 or dip < 1 or before - dip < 2:
        raise CallError(
            f"before={before}, after={after}, dip={dip} leave no trend to look at",
            fix="before is at least dip + 2, dip and after at least 1",
        )
    rows = read_rows(panel, person, month, outcome, started_at, weights=weights, cluster=cluster)
    rows = rows.keep(rows.frame[started_at].is_not_null(), "person-months without a start")
    if not rows.frame.height:
        raise EmptyCohortError(f"Nobody has a start in {started_at!r}")
    require_no_nulls(rows.frame, person, month)
    clock, dates = read_months(rows.frame, month)
    start, start_dates = read_months(rows.frame, started_at)
    if dates != start_dates:
        raise CallError(f"{month!r} and {started_at!r} are not both dates, or both numbers")
    since = clock - start
    rows = rows.keep((since >= -before) & (since < after), "person-months outside the window")
    since = since.filter((since >= -before) & (since < after))
    y, weight, groups = _block(rows, since.to_numpy() + before, person, outcome,
                               before + after, incomplete)  # fmt: skip
    times = np.arange(-before, after)
    contrasts = _contrasts(times, dip)
    mean = y @ weight / weight.sum()
    moves = (y - mean[:, None]) * (weight / weight.sum())
    if groups is not None:
        check_clusters(int(groups.max()) + 1, str(cluster))
        rows.notes.extend(few_clusters(int(groups.max()) + 1, str(cluster)))
    units = cluster_sums(moves.T, groups)
    units = units * np.sqrt(len(units) / max(len(units) - 1, 1))
    added = units @ contrasts.T
    table = effect_table(
        ["change", "pre_trend", "dip", "change_from_trend"], contrasts @ mean,
        np.sqrt((added**2).sum(axis=0)), df=len(units) - 1, conf_level=conf_level,
    )  # fmt: skip
    path = effect_table([""] * len(times), mean, np.sqrt((units**2).sum(axis=0)),
                        df=len(units) - 1, conf_level=conf_level)  # fmt: skip
    rows.notes.append("GROSS: what changed, not what the programme did")
    for term, said in (
        ("pre_trend", "the outcome was already moving before the start"),
        ("dip", _DIP),
    ):
        p_value = table.filter(pl.col("term") == term)["p_value"][0]
        if p_value is not None and p_value < 0.05:
            rows.notes.append(said)
    return BeforeAfter(
        meta=rows.meta(
            design="before_after", method="Before and after (GROSS)",
            estimand="mean change of participants from before to after the start: no effect",
            before=before, after=after, cluster=cluster, conf_level=conf_level,
        ) | {"n": y.shape[1], "n_row": rows.frame.height},
        estimates=table, influence=added,
        path=path.select(pl.Series("time", times), pl.exclude("term")),
    )  # fmt: skip


def _contrasts(times: Ints, dip: int) -> Floats:
    """Return the rows of `estimates` as contrasts of the means per month, (4, R)."""
    after = times >= 0
    early, late = times < -dip, (times < 0) & (times >= -dip)
    t = times[early] - times[early].mean()
    slope = np.zeros(len(times))
    slope[early] = t / (t @ t)

    def foretold(at: NDArray[np.bool_]) -> Floats:
        line = early / early.sum()
        return np.asarray(line + (times[at].mean() - times[early].mean()) * slope)

    change = after / after.sum() - (~after) / (~after).sum()
    return np.stack([change, slope, late / late.sum() - foretold(late),
                     after / after.sum() - foretold(after)])  # fmt: skip


def _block(
    rows: Any, place: Ints, person: str, outcome: str, months: int, incomplete: str
) -> tuple[Floats, Floats, Ints | None]:
    """Return outcomes (months, persons), their weights and clusters."""
    frame = rows.frame
    who = frame[person].rank("dense").cast(pl.Int64).to_numpy() - 1
    if not len(who):
        raise EmptyCohortError("No month lies within the window around the start")
    persons = int(who.max()) + 1
    where = np.full((months, persons), -1, dtype=np.int64)
    where[place, who] = np.arange(frame.height)
    twice = frame.height - int((where >= 0).sum())
    if twice:
        raise DuplicateKeyError(
            "Some persons stand twice in a month", where=f"{twice:,} rows too many",
            fix="keep one row a person and month",
        )  # fmt: skip
    known = frame[outcome].is_not_null()
    if frame.schema[outcome].is_float():
        known &= frame[outcome].is_not_nan()
    whole = ((where >= 0) & known.to_numpy()[where]).all(axis=0)
    lost = int((~whole).sum())
    if lost and incomplete == "refuse":
        raise MissingValueError(
            "Not every person is observed in every month around the start",
            where=f"{lost:,} of {persons:,} persons",
            fix="fewer months (before=, after=), or incomplete='drop'",
        )
    if lost:
        rows.dropped["persons not observed in every month"] = lost
    where = where[:, whole]
    if where.shape[1] < 2:
        raise EmptyCohortError("Fewer than two persons are observed in every month",
                               fix="fewer months (before=, after=)")  # fmt: skip
    kept = frame.select(outcome)[where.ravel()]
    y = read_numbers(kept, outcome).reshape(where.shape)
    groups = rows.cluster
    if groups is not None:
        moved = int((groups[where] != groups[where[0]]).any(axis=0).sum())
        if moved:
            raise InputError(
                "The cluster changes within a person, and should be one for all months",
                where=f"{moved:,} of {where.shape[1]:,} persons",
                fix="take what held at the start",
            )
        groups = np.unique(groups[where[0]], return_inverse=True)[1].astype(np.int64)
    return y, rows.weight[where].mean(axis=0), groups
