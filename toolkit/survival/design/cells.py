"""The design of a duration model: distinct patterns of covariates, and counts of who had them.

Millions of persons with the same months, covariates and outcome are one cell with a count. Where
covariates do not repeat (a continuous one) a row is its own pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, InputError, WrongTypeError, check_option
from toolkit.estimation.blocks import weighted_cross
from toolkit.estimation.clusters import check_clusters
from toolkit.estimation.formula import Covariates, learn, variables_of
from toolkit.estimation.patterns import find_patterns, repeats
from toolkit.frames import as_columns, require_columns, to_lazy
from toolkit.survival.checks import check_time_type
from toolkit.survival.counts import WEIGHTINGS, Weighting, check_by, count_cells, list_cells
from toolkit.survival.rows import Source
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Design:
    """P covariate patterns of p terms, C cells, S strata, N rows of the data.

    Attributes
    ----------
    covariates : Covariates
        The formula; `covariates.matrix(new)` makes the matrix of new data.
    x : (P, p) array
        Terms of each pattern, without an intercept.
    offset : (P,) array
        Known part of the linear predictor; zeros without one.
    patterns : DataFrame
        P rows: the strata, the formula's variables and the offset.
    stratum : (P,) array
        Stratum number of each pattern.
    strata : DataFrame
        S rows, sorted: the strata columns (one nameless row without strata).
    pattern : (C,) array
        Pattern of each cell.
    time, entry : (C,) arrays
        A cell is at risk on (entry, time]; `entry` is None when everyone starts at 0.
    event : (C,) array
        0 = censored at `time`, k = the k-th cause.
    causes : Series
        The K causes, sorted; one for an event that is true or false.
    rows : (C,) array
        Rows of the data in the cell, without those of weight 0.
    n : (C,) array
        Sum of their weights; the rows themselves without weights.
    n_squared : (C,) array
        Σ w² for sampling weights; `n` for frequency weights, where w is w rows.
    weight_type : {"frequency", "sampling"} or None
        None without weights.
    weights, zero_weight
        Name of the weights column, and rows left out because theirs is 0.
    offset_name : str or None
        Column of the offset.
    """

    covariates: Covariates
    x: Floats
    offset: Floats
    patterns: pl.DataFrame
    stratum: Ints
    strata: pl.DataFrame
    pattern: Ints
    time: NDArray[Any]
    entry: NDArray[Any] | None
    event: Ints
    causes: pl.Series
    rows: Floats
    n: Floats
    n_squared: Floats
    weight_type: Weighting | None
    weights: str | None
    zero_weight: int
    offset_name: str | None = None
    _source: Source = field(repr=False)
    _row_mode: bool = field(repr=False)
    _counted: tuple[Ints, pl.Series] | None = field(default=None, repr=False)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the p columns of `x`."""
        return self.covariates.terms

    @property
    def n_rows(self) -> int:
        """Rows of the data that count (weight above 0)."""
        return int(self.rows.sum())

    @property
    def sampling(self) -> bool:
        """Whether weights say how many units a row stands for, rather than how often it occurs."""
        return self.weight_type == "sampling"

    def describe(self) -> dict[str, Any]:
        """Return what `meta` says about the data: counts, what was dropped, size of the work."""
        events = float(self.n[self.event > 0].sum())
        dropped = {"weight is zero": self.zero_weight} if self.zero_weight else {}
        return {
            "n": self.n_rows,
            "n_event": events if self.sampling else round(events),
            "dropped": dropped,
            "weight_type": self.weight_type,
            "left_truncated": self.entry is not None,
            "n_pattern": len(self.x),
            "n_cell": len(self.time),
            "n_stratum": self.strata.height,
        }

    @property
    def counted_from(self) -> Source:
        """The rows that the cells were counted from."""
        return self._source

    def cell_of_row(self) -> Ints:
        """Return the cell of every row of the data, (N,); -1 where the weight is 0."""
        if self._row_mode:
            return self._cells_in_row_mode()
        labels = {
            name: self.patterns[name].gather(self.pattern) for name in self.patterns.columns if name
        }
        event, causes = self._counted or (self.event, self.causes)
        return self._source.match_cells(
            labels, time=self.time, event=event, entry=self.entry, causes=causes
        )

    def row_weights(self) -> Floats:
        """Return the weight of every row of the data, (N,); ones without weights."""
        return self._source.row_weights()

    def column(self, name: str) -> pl.Series:
        """Return a column of the data, in its order (N,); a name in error is answered kindly."""
        return self._source.column(name)

    def to_rows(self, values: Floats) -> Floats:
        """Return per-cell values, (C, …), for every row of the data, (N, …); 0 at weight 0."""
        cell = self.cell_of_row()
        out = values[cell]
        out[cell < 0] = 0.0
        return out

    def meat(self, influence: Floats, cluster: str | None = None) -> tuple[Floats, int]:
        """Return the sum of outer products of influences, (p, p), and the number of units.

        Parameters
        ----------
        influence : (C, p) array
            Of one unit of weight 1 in each cell.
        cluster : str, optional
            Column whose rows belong together: their weighted influences are added up first.
        """
        if cluster is None:
            units = self.rows if self.sampling else self.n
            return weighted_cross(influence, self.n_squared), round(units.sum())
        sums = self.cluster_sums(influence, cluster)
        return weighted_cross(sums, np.ones(len(sums))), len(sums)

    def cluster_sums(self, influence: Floats, cluster: str) -> Floats:
        """Return the weighted influences added up per cluster, (clusters, p)."""
        code, cell, weight = self.cluster_codes(cluster)
        n_cluster = int(code.max()) + 1
        return add_up(influence[cell] * weight[:, None], code, n_cluster).reshape(n_cluster, -1)

    def cluster_codes(self, cluster: str) -> tuple[Ints, Ints, Floats]:
        """Return cluster 0 … G-1, cell and weight of each row of the data that counts, (N,)."""
        code = self._source.cluster_codes(cluster)
        cell, weight = self.cell_of_row(), self.row_weights()
        used = cell >= 0
        if not used.all():
            _, code = np.unique(code[used], return_inverse=True)
            cell, weight = cell[used], weight[used]
        check_clusters(int(code.max()) + 1, cluster)
        return code, cell, weight

    def subset_event(self, cause: int) -> Design:
        """Return the design in which only the `cause`-th cause (1 … K) is an event."""
        return replace(
            self,
            event=(self.event == cause).astype(np.int64),
            causes=self.causes.slice(cause - 1, 1),
            _counted=self._counted or (self.event, self.causes),  # what the rows are told apart by
        )

    def _cells_in_row_mode(self) -> Ints:
        if self.zero_weight == 0:
            return np.arange(len(self.time))
        used = self.row_weights() > 0
        return np.where(used, np.cumsum(used) - 1, -1)


def make_design(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    strata: str | Sequence[str] | None = None,
    offset: str | None = None,
    competing: bool = False,
    cluster: str | None = None,
) -> Design:
    """Count the rows of `data` by stratum, covariates, time and event.

    Parameters
    ----------
    formula : str
        Right-hand side; see `toolkit.estimation.formula.learn`.
    data, time, event, entry, weights
        As in `kaplan_meier`; with `competing` an event is 0/null or a cause.
    weight_type : {"frequency", "sampling"}, optional
        None: ``frequency`` when all weights are whole numbers, else ``sampling``.
    strata, offset
        Columns.
    cluster : str, optional
        Only checked here: that the column is there.

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns, values or a formula that cannot be used.
    """
    lazy = to_lazy(data)
    known = lazy.collect_schema().names()
    layers = as_columns(strata)
    check_by("strata", layers)
    given = [name for name in (entry, weights, offset, cluster) if name is not None]
    require_columns(lazy, time, event, *given, *layers)
    variables = variables_of(formula, known)
    weighting = _weighting(lazy, weights, weight_type)
    schema = lazy.collect_schema()
    if offset is not None:
        check_time_type(offset, schema[offset])
    keys = [*dict.fromkeys([*layers, *variables, *([offset] if offset is not None else [])])]
    for name in keys:
        if schema[name].is_object():
            raise WrongTypeError(
                f"Column {name!r} holds values of several kinds",
                fix="make it all numbers, or all text",
            )
    frame = data if isinstance(data, pl.DataFrame) else lazy
    row_mode = not repeats(frame, keys)
    asked: dict[str, Any] = {
        "time": time, "event": event, "entry": entry, "by": keys, "weights": weights,
        "weighting": weighting or "frequency", "competing": competing,
    }  # fmt: skip
    cells = list_cells(frame, **asked) if row_mode else count_cells(frame, curves=False, **asked)
    patterns = cells.groups
    counts = add_up(
        cells.rows if weighting == "sampling" else cells.n, cells.group, patterns.height
    )
    if weighting == "frequency" and (counts != np.rint(counts)).any():
        counts = add_up(cells.rows, cells.group, patterns.height)
    covariates, x = learn(formula, patterns, np.rint(counts).astype(np.int64), known=known)
    if layers:
        known_strata, stratum = find_patterns(patterns, layers)
    else:
        known_strata = pl.DataFrame({"": [0]})
        stratum = np.zeros(patterns.height, dtype=np.int64)
    return Design(
        covariates=covariates,
        x=x,
        offset=_offset(patterns, offset),
        patterns=patterns,
        stratum=_writable(stratum),
        strata=known_strata,
        pattern=cells.group,
        time=cells.time,
        entry=cells.entry,
        event=_writable(cells.event),
        causes=cells.causes,
        rows=cells.rows,
        n=_writable(cells.n),
        n_squared=cells.n_squared,
        weight_type=weighting,
        weights=weights,
        zero_weight=cells.zero_weight,
        offset_name=offset,
        _source=Source(data=lazy, time=time, event=event, entry=entry, weights=weights,
                       competing=competing),
        _row_mode=row_mode,
    )  # fmt: skip


def _writable(column: NDArray[Any]) -> NDArray[Any]:
    """Return a column as it is, copied if polars owns it: or kernels are compiled for both."""
    return np.require(column, requirements=["C", "W"])


def _weighting(
    lazy: pl.LazyFrame, weights: str | None, weight_type: Weighting | None
) -> Weighting | None:
    if weight_type is not None:
        check_option("weight_type", weight_type, WEIGHTINGS)
    if weights is None:
        return None
    dtype = lazy.collect_schema()[weights]
    check_time_type(weights, dtype)
    column = pl.col(weights)
    whole = dtype.is_integer() or not lazy.select((column != column.floor()).any()).collect().item()
    if weight_type == "frequency" and not whole:
        raise CallError(
            f"Weights {weights!r} are not whole numbers, so they do not count rows",
            fix="weight_type='sampling' for weights that say how many units a row stands for",
        )
    return weight_type or ("frequency" if whole else "sampling")


def _offset(patterns: pl.DataFrame, name: str | None) -> Floats:
    if name is None:
        return np.zeros(patterns.height)
    offset = patterns[name].cast(pl.Float64).to_numpy()
    bad = int((~np.isfinite(offset)).sum())
    if bad:
        raise InputError(
            f"Offset {name!r} is not a finite number everywhere",
            where=f"{bad:,} of {len(offset):,} covariate patterns",
            fix="look at what it is made of: the logarithm of 0 is infinite",
        )
    return offset
