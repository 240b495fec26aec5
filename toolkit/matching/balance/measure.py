"""How alike the groups are, before and after they were made comparable."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.frames import require_columns, require_numeric, to_frame
from toolkit.matching.balance.columns import Missing
from toolkit.matching.balance.extra import MOST_SUBCLASSES, score_overlap, subclass_table
from toolkit.matching.balance.groups import make_groups
from toolkit.matching.balance.history import history_table
from toolkit.matching.balance.limits import keeps_to, read_limits
from toolkit.matching.balance.result import Balance
from toolkit.matching.balance.rows import covariate_rows, write_rows
from toolkit.matching.balance.statistics import Standard
from toolkit.matching.sample import (
    Sample,
    kish,
    plain_sample,
    read_sampling,
    require_finite,
)
from toolkit.matching.treatment import ESTIMANDS, Estimand
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Whether differences of shares are divided by a standard deviation too.
Binary = Literal["std", "raw"]

#: By whose standard deviation differences are divided, unless said otherwise (cobalt's rule).
_STANDARD: dict[Estimand, Standard] = {
    "ATT": "treated", "ATC": "control", "ATE": "pooled", "ATO": "weighted",
}  # fmt: skip
_IN_WORDS = {
    "treated": "that of the treated before", "control": "that of the controls before",
    "pooled": "the root of the mean of both variances before", "all": "that of all before",
    "weighted": "that of all as weighted",
}  # fmt: skip


def balance(
    x: Any,
    covariates: Sequence[str] | None = None,
    *,
    treatment: str | None = None,
    weights: str | None = None,
    balancing: str | None = None,
    score: str | None = None,
    estimand: Estimand | None = None,
    standardise: Standard | None = None,
    binary: Binary = "std",
    squares: bool = False,
    interactions: bool | Sequence[tuple[str, str]] = False,
    calendar: str | None = None,
    history: Any = None,
    by_subclass: bool | None = None,
    missing: Missing = "refuse",
    bins: int = 20,
    thresholds: Mapping[str, float] | None = None,
) -> Balance:
    """Compare covariates of treated and controls, as they came and in the comparison.

    Parameters
    ----------
    x : Sample or frame
        What matching or weighting returned; or a frame, with `treatment`.
    covariates : sequence of str, optional
        Numbers, truth values or text; without it those that `x` was made comparable on.
    treatment, weights, balancing, score : str, optional
        For a plain frame: columns of treatment (true/false or 1/0), of the weights rows came
        with, of weights made elsewhere to make the groups comparable (0 = left out: they give the
        sample ``after``), and of the propensity score. A `Sample` brings its own.
    estimand : {"ATT", "ATC", "ATE", "ATO"}, optional
        For a plain frame; ATT without it.
    standardise : {"treated", "control", "pooled", "all", "weighted"}, optional
        By whose standard deviation differences are divided, the same before and after. Without it
        that of the treated before for ATT, the controls' before for ATC, √((s₁² + s₀²)/2) before
        for ATE, that of all as weighted for ATO: cobalt's rule.
    binary : {"std", "raw"}
        Whether `smd` of shares is divided too (MatchIt) or left as it is (cobalt's default).
    squares : bool
        Whether squares of continuous covariates are compared too.
    interactions : bool or sequence of pairs
        Products of all pairs of covariates, or of those named; text by level.
    calendar : str, optional
        Date of the start (or text as "2006Q1"): shares by quarter, of kind ``calendar``.
    history : sequence of str, mapping or frame, optional
        Labour history before the start: columns from the oldest month to month −1; or month →
        column; or a long frame with `month` (−24 … −1), `value` and the columns it shares with
        `x` as keys (person; where a person stands in several rows, his start too). Null or
        absent is not observed.
    by_subclass : bool, optional
        Whether the inside of each subclass is looked at; without it where there are at most 50.
    missing : {"refuse", "indicator"}
        What is done with missing values of covariates. ``indicator``: those known are compared,
        and the share missing as a covariate of its own, ``name[missing]``.
    bins : int
        Number of bins for the overlap of scores.
    thresholds : Mapping, optional
        ``smd``, ``ks`` (largest in absolute value), ``variance_ratio`` (largest of it and of 1
        over it); ``{"smd": 0.1}`` without it.

    Returns
    -------
    Balance

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns and options that cannot be used, and missing values not said what to do with.

    Notes
    -----
    Means and variances are weighted by the weights rows came with (before) or have in the
    comparison (after), variances over 1 − Σ p² as R's ``cov.wt``: n − 1 for equal weights, and
    p (1 − p) for shares. Rows of a `Sample` that stand for one person several times each count.
    A covariate whose own standard deviation is 0 is divided by that of all; where that is 0 too
    its difference is 0. Both are noted.

    References
    ----------
    Austin, P. C. (2009). Balance diagnostics for comparing the distribution of baseline covariates
    between treatment groups in propensity-score matched samples. *Statistics in Medicine* 28.
    Stuart, E. A. (2010). Matching methods for causal inference. *Statistical Science* 25.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import matching
    >>> people = pl.DataFrame({"programme": [1, 1, 0, 0], "age": [30, 40, 40, 50]})
    >>> found = matching.balance(people, ["age"], treatment="programme")
    >>> found.tidy().select("covariate", "mean_treated", "mean_control", "difference").row(0)
    ('age', 35.0, 45.0, -10.0)
    """
    started = clock.perf_counter()
    check_option("binary", binary, get_args(Binary))
    check_option("missing", missing, get_args(Missing))
    sample = _read_sample(x, treatment, weights, estimand)
    frame = sample.frame
    named = _names(sample, covariates)
    standard = standardise or _STANDARD[sample.estimand]
    check_option("standardise", standard, get_args(Standard))
    limits = read_limits(thresholds)
    if not isinstance(bins, int) or bins < 2:
        raise CallError(f"bins={bins!r} is no overlap", fix="take 10 to 50 bins")
    after = _after(sample, balancing)
    groups = make_groups(sample.treated, sample.sampling, after)
    scores = _scores(sample, score)
    rows = covariate_rows(
        frame, groups, named, score=scores, squares=squares, interactions=interactions,
        calendar=calendar, missing=missing,
    )  # fmt: skip
    raw = binary == "raw"
    table, flat = write_rows(rows, groups.samples, standard, raw=raw)
    notes = _notes(table, flat, scores)
    past = None
    if history is not None:
        past, more = history_table(frame, groups, history, standard, raw=raw)
        notes.extend(more)
    inside = None
    strata = 0 if sample.subclass is None else int(sample.subclass.max(initial=-1)) + 1
    if by_subclass or (by_subclass is None and 1 < strata <= MOST_SUBCLASSES):
        if sample.subclass is None:
            raise CallError("There are no subclasses", fix="leave by_subclass out")
        sds = dict(table.filter(pl.col("sample") == "before").select("covariate", "sd").rows())
        inside = subclass_table(frame, groups, sample.subclass, named, sds, missing)
    ess = _effective_sizes(sample, after)
    sizes = {
        name: (int(groups.sizes[2 * at]), int(groups.sizes[2 * at + 1]))
        for at, name in enumerate(groups.samples)
    }
    return Balance(
        table=table.with_columns(balanced=keeps_to(limits)), history=past, subclasses=inside,
        score_overlap=None if scores is None else score_overlap(scores, groups, bins),
        thresholds=limits,
        ess=ess, sizes=sizes,
        meta={
            "method": f"balance; differences over a standard deviation: {_IN_WORDS[standard]}"
            + ("; shares as they are" if raw else ""),
            "estimand": ESTIMANDS[sample.estimand], "n": frame.height, "dropped": {},
            "standardise": standard, "binary": binary, "warnings": notes,
            "comparison": sample.meta.get("method", ""), "versions": versions(),
            "wall_time": clock.perf_counter() - started,
        },
    )  # fmt: skip


def _read_sample(
    x: Any, treatment: str | None, weights: str | None, estimand: Estimand | None
) -> Sample:
    if isinstance(x, Sample):
        for name, value in (("treatment", treatment), ("weights", weights), ("estimand", estimand)):
            if value is not None:
                raise CallError(
                    f"{name}= goes with a plain frame; a {type(x).__name__} brings its own",
                    fix=f"leave {name}= out",
                )
        return x
    if treatment is None:
        raise CallError(
            "A plain frame does not say who was treated", fix="name the column in treatment="
        )
    return plain_sample(x if isinstance(x, pl.DataFrame) else to_frame(x), treatment=treatment,
                        weights=weights, estimand=estimand or "ATT")  # fmt: skip


def _names(sample: Sample, covariates: Sequence[str] | None) -> tuple[str, ...]:
    names = sample.covariates if covariates is None else covariates
    if isinstance(names, str):
        names = (names,)
    if not names:
        raise CallError("No covariates are named", fix="covariates=['age', 'sex', …]")
    twice = {name for name in names if list(names).count(name) > 1}
    if twice:
        raise CallError(f"Covariate {min(twice)!r} is named twice", fix="name each once")
    require_columns(sample.frame, *names)
    if sample.treatment in names:
        raise CallError(
            f"{sample.treatment!r} is the treatment, not a covariate", fix="leave it out"
        )
    return tuple(names)


def _after(sample: Sample, balancing: str | None) -> Floats | None:
    """Return the weights of the comparison; None where nothing was done to compare."""
    plain = sample.meta.get("design") == "naive"
    if balancing is not None:
        if not plain:
            raise CallError(
                f"balancing= goes with a plain frame; a {type(sample).__name__} has its weights",
                fix="leave balancing= out",
            )
        # weights made elsewhere come on top of those the rows came with
        return read_sampling(sample.frame, balancing) * sample.sampling
    return None if plain else sample.weights.cast(pl.Float64).to_numpy()


def _effective_sizes(sample: Sample, after: Floats | None) -> dict[str, tuple[float, float]]:
    """Return (Σw)² / Σw² of treated and controls, in each sample."""
    weights = {"before": sample.sampling} | ({} if after is None else {"after": after})
    return {
        name: (kish(weight[sample.treated]), kish(weight[~sample.treated]))
        for name, weight in weights.items()
    }


def _scores(sample: Sample, score: str | None) -> pl.Series | None:
    if score is None:
        return sample.score
    require_columns(sample.frame, score)
    require_numeric(sample.frame, score)
    require_finite(sample.frame, score)
    if not sample.frame[score].cast(pl.Float64).fill_nan(None).count():
        raise EmptyCohortError(f"No row has a score {score!r}", fix="leave score= out")
    return sample.frame[score]


def _notes(table: pl.DataFrame, flat: list[str], scores: pl.Series | None) -> list[str]:
    notes = []
    first = table.filter(pl.col("sample") == "before")
    constant = first.filter(pl.col("sd") == 0)["covariate"].to_list()
    if constant:
        notes.append(f"The same in every row, so balanced by nature: {_listed(constant)}")
    other = [name for name in flat if name not in set(constant)]
    if other:
        notes.append(
            "No spread in the group that differences are divided by; divided by the spread of "
            f"all: {_listed(other)}"
        )
    empty = table.filter(
        (pl.col("sample") == "after") & ((pl.col("n_treated") == 0) | (pl.col("n_control") == 0))
    )["covariate"].to_list()
    if empty:
        notes.append(f"Not known for one of the groups in the comparison: {_listed(empty)}")
    if scores is not None:
        gone = scores.null_count() + int(scores.is_nan().sum() if scores.dtype.is_float() else 0)
        if gone:
            notes.append(f"{gone:,} rows have no score: they are left out of its overlap")
    return notes


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" * (len(names) > most))
