"""Effects by group, with what many tests at once ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.contrast_result import Contrast
from toolkit.effects.result import EffectResult
from toolkit.effects.whom.corrections import CORRECTIONS, Correction, adjusted, holm
from toolkit.effects.whom.source import Source, group_means, group_vcov, judged, read_source
from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.estimation.coefficients import wald_test
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, require_columns, require_no_nulls
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Fewest rows of a group that is not told to be small.
_SMALL = 30


@dataclass(frozen=True, kw_only=True)
class Subgroups(EffectResult):
    """Effects in groups of one or more variables, and tests whether they differ.

    Attributes
    ----------
    rows : DataFrame
        A row a group.
    tests : DataFrame
        A row a variable: `variable, statistic, df, p_value, p_adjusted` (Holm) that all its groups
        have the same effect.
    vcov : (G, G) array
    """

    rows: pl.DataFrame = field(repr=False)
    tests: pl.DataFrame = field(repr=False)
    vcov: Floats = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return variable, level, n, estimate, …, conf_low, conf_high, p_adjusted, band_low/high.

        `conf_` is of each group by itself; `p_adjusted` and `band_` of all groups at once.
        """
        return self.rows

    def glance(self) -> pl.DataFrame:
        """Return the tests of equal effects, a row a variable."""
        return self.tests


def subgroups(
    x: Any,
    *,
    by: str | Sequence[str] | None = None,
    outcome: str | None = None,
    correction: Correction = "max_t",
    conf_level: float = 0.95,
    seed: int = 0,
) -> Subgroups:
    """Return the effect in each group of each of several variables.

    Parameters
    ----------
    x : DoublyRobust or Contrast
        A contrast has its groups already: `contrast(…, by=…)`.
    by : str or sequence of str
        Columns; each makes its own groups (`group_average` for combinations). Name all that were
        looked at: the correction counts them. Not for a contrast.
    outcome : str, optional
        Which, where there are several.
    correction : {"max_t", "holm", "benjamini_hochberg", "none"}
        For many tests at once; see `toolkit.effects.whom.corrections`.
    seed : int
        Of the draws of ``max_t``.

    Returns
    -------
    Subgroups

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns that cannot be used, and groups without anybody for whom the effect is.

    Notes
    -----
    Σ w s / Σ w d over the rows of a group, s the doubly robust scores: the model is that of all,
    the effect that of the group. Whether groups differ is the test of `tests`, not whether one is
    significant and the other is not.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame(
    ...     {
    ...         "t": [1, 0, 1, 0, 1, 1, 0, 0],
    ...         "y": [3.0, 1, 4, 2, 8, 9, 7, 6],
    ...         "old": [0, 0, 0, 0, 1, 1, 1, 1],
    ...     }
    ... )
    >>> found = effects.doubly_robust(
    ...     people, treatment="t", outcome="y", on="old + t:old - t:old", cross_fit=1
    ... )
    >>> effects.subgroups(found, by="old").tidy()["estimate"].round(6).to_list()
    [2.0, 2.0]
    """
    check_option("correction", correction, CORRECTIONS)
    check_interval(conf_level, "log")
    if isinstance(x, Contrast):
        return _of_contrast(x, by, correction, conf_level, seed)
    source = read_source(x, outcome)
    names = as_columns(by)
    if not names:
        raise CallError("by= names no column", fix="for instance by=['sex', 'age_group']")
    for name in names:
        if name in x.outcomes:
            raise CallError(
                f"Groups by {name!r} are made by the outcome itself",
                fix="group by columns from before the treatment",
            )
    require_columns(source.frame, *names)
    require_no_nulls(source.frame, *names)
    parts, estimates, moves, codes = [], [], [], []
    for name in names:
        levels = source.frame.select(name).unique().sort(name)[name]
        code = levels.to_frame().with_row_index("_g")
        group = (
            source.frame.select(name).join(code, on=name, how="left", maintain_order="left")["_g"]
            .cast(pl.Int64).to_numpy()
        )  # fmt: skip
        mean, moved = group_means(source, group, len(levels), source.score)
        if np.isnan(mean).any():
            raise EmptyCohortError(
                f"{int(np.isnan(mean).sum()):,} groups of {name!r} have nobody for whom the effect "
                "is",
                fix="merge groups, or leave these out before the models are fitted",
            )
        size = np.bincount(group[source.weight > 0], minlength=len(levels))
        facts = {"variable": [name] * len(levels), "level": levels.cast(pl.String), "n": size}
        parts.append(pl.DataFrame(facts))
        estimates.append(mean)
        moves.append(moved)
        codes.append(group)
    vcov = _joint_vcov(source, moves, codes, [len(mean) for mean in estimates])
    return assemble(
        pl.concat(parts), np.concatenate(estimates), vcov, correction=correction,
        conf_level=conf_level, seed=seed,
        meta=_meta(x, f"by {', '.join(names)}", correction, seed),
    )  # fmt: skip


def group_average(
    x: Any,
    *,
    by: str | Sequence[str],
    outcome: str | None = None,
    correction: Correction = "max_t",
    conf_level: float = 0.95,
    seed: int = 0,
) -> Subgroups:
    """Return group average treatment effects: one set of groups, all combinations of `by`.

    Parameters and result are those of `subgroups`; `variable` names the columns together and
    `level` their values.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame(
    ...     {"t": [1, 0, 1, 0], "y": [3.0, 1, 8, 7], "old": [0, 0, 1, 1], "sex": ["f"] * 4}
    ... )
    >>> found = effects.doubly_robust(people, treatment="t", outcome="y", on="old", cross_fit=1)
    >>> effects.group_average(found, by=["sex", "old"]).tidy()["level"].to_list()
    ['f, 0', 'f, 1']
    """
    names = as_columns(by)
    if len(names) < 2:
        return subgroups(
            x, by=names, outcome=outcome, correction=correction, conf_level=conf_level, seed=seed
        )
    source = read_source(x, outcome)
    require_columns(source.frame, *names)
    require_no_nulls(source.frame, *names)
    joined = pl.concat_str([pl.col(name).cast(pl.String) for name in names], separator=", ")
    label = ", ".join(names)
    framed = replace(x, frame=source.frame.select(joined.alias(label)))
    return subgroups(
        framed, by=label, outcome=outcome, correction=correction, conf_level=conf_level, seed=seed
    )


def assemble(
    labels: pl.DataFrame, estimate: Floats, vcov: Floats, *, correction: Correction,
    conf_level: float, seed: int, meta: dict[str, Any],
) -> Subgroups:  # fmt: skip
    """Return estimates of groups with single and joint intervals, and tests by variable."""
    from scipy.special import ndtr

    error = np.sqrt(np.diag(vcov))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0, estimate / error, np.nan)
    p = 2 * ndtr(-np.abs(z))
    _, alone = adjusted(p, z, vcov, "none", conf_level, seed)
    tail, joint = adjusted(p, z, vcov, correction, conf_level, seed)
    known = np.where(error > 0, error, np.nan)
    table = labels.with_columns(
        term=pl.lit("difference"),
        estimate=pl.Series(estimate),
        std_error=pl.Series(error),
        statistic=pl.Series(z),
        p_value=pl.Series(p),
        conf_low=pl.Series(estimate - alone * known),
        conf_high=pl.Series(estimate + alone * known),
        p_adjusted=pl.Series(tail),
        band_low=pl.Series(estimate - joint * known),
        band_high=pl.Series(estimate + joint * known),
    ).with_columns(pl.selectors.float().fill_nan(None))
    small = int((labels["n"] < _SMALL).sum())
    said = [f"{small:,} groups have fewer than {_SMALL} rows"] if small else []
    return Subgroups(
        meta=meta | {"warnings": [*meta.get("warnings", ()), *said]},
        rows=table, tests=_tests(labels, estimate, vcov), vcov=vcov,
    )  # fmt: skip


def _tests(labels: pl.DataFrame, estimate: Floats, vcov: Floats) -> pl.DataFrame:
    """Return, of each variable, the test that its groups have the same effect."""
    rows = []
    for name in labels["variable"].unique(maintain_order=True):
        at = np.flatnonzero((labels["variable"] == name).to_numpy())
        step = np.hstack([-np.ones((len(at) - 1, 1)), np.eye(len(at) - 1)])
        own = vcov[np.ix_(at, at)]
        statistic, p = wald_test(step @ estimate[at], step @ own @ step.T)
        rows.append({"variable": name, "statistic": statistic, "df": len(at) - 1, "p_value": p})
    table = pl.DataFrame(rows, schema_overrides={"statistic": pl.Float64, "p_value": pl.Float64})
    p_values = table["p_value"].fill_null(float("nan")).to_numpy()
    return table.with_columns(p_adjusted=pl.Series(holm(p_values)).fill_nan(None))


def _joint_vcov(source: Source, moves: list[Floats], codes: list[Ints], sizes: list[int]) -> Floats:
    """Return the variance of the effects of all groups of all variables, (G, G)."""
    from scipy.sparse import csr_array, hstack

    if len(moves) == 1:
        return group_vcov(source, moves[0], codes[0], sizes[0])
    units = len(source.weight) if source.cluster is None else int(source.cluster.max()) + 1
    unit = np.arange(units) if source.cluster is None else source.cluster
    scale = np.ones(len(source.weight))
    if source.cluster is None and source.counts is not None:
        scale = 1 / np.sqrt(np.maximum(source.counts, 1e-300))
    rows = source.weight > 0
    blocks = [
        csr_array((moved[rows] * scale[rows], (unit[rows], code[rows])), shape=(units, size))
        for moved, code, size in zip(moves, codes, sizes, strict=True)
    ]
    every = hstack(blocks, format="csr")
    vcov = np.asarray((every.T @ every).todense())
    own = np.concatenate(
        [np.diag(group_vcov(source, moved, code, size))
         for moved, code, size in zip(moves, codes, sizes, strict=True)]
    )  # fmt: skip
    diagonal = np.diag(vcov)
    factor = np.sqrt(np.where(diagonal > 0, own / np.where(diagonal > 0, diagonal, 1.0), 1.0))
    return np.asarray(vcov * np.outer(factor, factor))


def _meta(x: Any, what: str, correction: str, seed: int) -> dict[str, Any]:
    meta = x.meta
    return {
        "estimand": f"{meta['estimand']}, {what}",
        "method": "Effects by group, from doubly robust scores",
        "definition": meta["definition"],
        "design": meta["design"],
        "n": meta["n"],
        "correction": correction,
        "dropped": dict(meta.get("dropped", {})),
        "warnings": list(meta.get("warnings", ())),
        "seed": seed,
        "versions": versions(),
        **judged(meta),
    }


def _of_contrast(
    x: Contrast, by: Any, correction: Correction, conf_level: float, seed: int
) -> Subgroups:
    """Return the groups of a contrast with what many tests at once ask for."""
    if by is not None or not x.by:
        raise CallError(
            "A contrast has its groups from contrast(…, by=…)",
            fix="name them there, and leave by= out here",
        )
    change = np.kron(np.eye(x.groups.height), np.array([1.0, -1.0]))
    level = [", ".join(str(value) for value in row) for row in x.groups.select(x.by).iter_rows()]
    labels = pl.DataFrame(
        {
            "variable": [", ".join(x.by)] * len(level),
            "level": level,
            "n": (x.groups["n_treated"] + x.groups["n_control"]).cast(pl.Int64),
        }
    )
    meta = _meta(x, f"by {', '.join(x.by)}", correction, seed)
    return assemble(
        labels, change @ x.value, change @ x.vcov @ change.T, correction=correction,
        conf_level=conf_level, seed=seed, meta=meta | {"method": str(x.meta["method"])},
    )  # fmt: skip
