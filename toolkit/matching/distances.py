"""How far two rows are apart: a score, or covariates turned into points whose distance counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, CollinearityError, InputError, WrongTypeError, unknown_column
from toolkit.frames import as_columns, require_columns, require_no_nulls
from toolkit.matching.sample import as_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

Distance = Literal["mahalanobis", "robust_mahalanobis", "euclidean"]
DISTANCES = ("mahalanobis", "robust_mahalanobis", "euclidean")
Link = Literal["score", "logit"]
LINKS = ("score", "logit")
#: Eigenvalues of a correlation matrix below this times the largest are collinearity.
_RANK = 1e-9
#: A standard deviation below this times the range is the rounding of a mean.
_FLAT = 1e-10
_FORMULA = frozenset("+*:()~-")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where each row stands: the distance of two rows is the Euclidean one of their points.

    Attributes
    ----------
    points : (N, p) array
        p = 1 for a score.
    said : str
        The distance in words, for `meta`.
    is_score : bool
    covariates : tuple of str
        Columns the points are made of.
    score : Series or None
        ``score``, (N,), as it was handed in.
    notes : tuple of str
        What a reader must know.
    """

    points: Floats = field(repr=False)
    said: str
    is_score: bool
    covariates: tuple[str, ...] = ()
    score: pl.Series | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()


def read_place(
    frame: pl.DataFrame, on: Any, treated: Bools, *, distance: str, link: str, sampling: Floats
) -> Place:
    """Return where the rows stand by a score (a column, a series) or by covariates.

    Parameters
    ----------
    frame : DataFrame
    on : str, Series, (N,) array, sequence of str, or what `propensity` returns
        A column that is there is a score; another text is a formula of covariates.
    treated : (N,) array of bool
    distance : {"mahalanobis", "robust_mahalanobis", "euclidean"}
    link : {"score", "logit"}
    sampling : (N,) array
        Weights of the rows in means and variances.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns that are not there, missing or infinite values, and covariates that do not vary.
    """
    if hasattr(on, "scores"):
        if not np.array_equal(getattr(on, "treated", treated), treated):
            raise CallError(
                "The propensity scores are of other rows than the data",
                where=f"{len(on.scores):,} scores, {frame.height:,} rows",
                fix="fit them on this frame, in this order",
            )
        used = tuple(name for name in getattr(on, "covariates", ()) if name in frame.columns)
        made = _score(on.scores, frame, "propensity score", link, used)
        lost = (getattr(on, "weights", sampling) != 1).any() and (sampling == 1).all()
        note = "the score was fitted with weights, which do not count here unless weights= says so"
        return replace(made, notes=(note,) if lost else ())
    if isinstance(on, (pl.Series, np.ndarray)):
        series = on if isinstance(on, pl.Series) else pl.Series("score", on)
        return _score(series, frame, "score", link, ())
    if isinstance(on, str):
        if on in frame.columns:
            return _score(frame[on], frame, f"score {on!r}", link, ())
        if not _FORMULA & set(on):
            raise unknown_column(on, frame.columns)
        from toolkit.estimation.formula import learn

        learned, values = learn(on, frame)
        return _covariates(
            values, learned.terms, learned.variables, treated, distance, sampling, link
        )
    names = as_columns(on)
    if not names:
        raise CallError("on= names no column", fix="a score column, or covariates")
    require_columns(frame, *names)
    values, owners = expand(frame, names, split=distance == "euclidean")
    return _covariates(values, owners, tuple(names), treated, distance, sampling, link)


def _score(
    series: pl.Series, frame: pl.DataFrame, said: str, link: str, covariates: tuple[str, ...]
) -> Place:
    if len(series) != frame.height:
        raise CallError(
            f"The score has {len(series):,} values for {frame.height:,} rows",
            fix="compute it on the same rows, in the same order",
        )
    if not series.dtype.is_numeric():
        raise WrongTypeError(f"The {said} is {series.dtype}, not a number", fix="cast it")
    require_no_nulls(series.rename("score").to_frame(), "score")
    values = series.cast(pl.Float64).to_numpy()
    if link == "logit":
        if not ((values > 0) & (values < 1)).all():
            raise InputError(
                f"The {said} is not between 0 and 1 everywhere, so it has no logit",
                where=f"{int(((values <= 0) | (values >= 1)).sum()):,} rows",
                fix="link='score', or leave out rows whose treatment is certain",
            )
        values, said = np.log(values) - np.log1p(-values), f"logit of the {said}"
    if not np.isfinite(values).all():
        raise InputError(f"The {said} is not finite everywhere", fix="look at how it was made")
    return Place(
        points=np.ascontiguousarray(values[:, None]), said=said, is_score=True,
        covariates=covariates, score=series.cast(pl.Float64).alias("score"),
    )  # fmt: skip


def expand(
    frame: pl.DataFrame, names: list[str], *, split: bool = False
) -> tuple[Floats, list[str]]:
    """Return covariates as numbers, (N, k), and of which column each is.

    Text of more than two levels is a column a level. `split` divides those columns by √2: two rows
    of different levels differ in two columns, and that should count as one difference.
    (Mahalanobis distances do not change by it.)
    """
    require_no_nulls(frame, *names)
    columns: list[Floats] = []
    owners: list[str] = []
    for name in names:
        series = frame[name]
        if series.dtype == pl.Boolean or series.dtype.is_numeric():
            columns.append(series.cast(pl.Float64).to_numpy())
            owners.append(name)
            continue
        if not isinstance(series.dtype, (pl.String, pl.Categorical, pl.Enum)):
            raise WrongTypeError(
                f"Column {name!r} is {series.dtype}, not a number, a truth value or text",
                fix="turn dates into numbers (age in years, months since) before matching",
            )
        codes = series.cast(pl.String).rank("dense").to_numpy() - 1
        levels = int(codes.max()) + 1
        if levels == 2:
            columns.append(codes.astype(np.float64))
        else:
            size = np.sqrt(0.5) if split else 1.0
            columns.extend(size * (codes == level) for level in range(levels))
        owners += [name] * (len(columns) - len(owners))
    values = np.column_stack(columns).astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError("A covariate is not finite everywhere", fix="look at how it was made")
    return values, owners


def _covariates(
    values: Floats, owners: Sequence[str], names: tuple[str, ...], treated: Bools, distance: str,
    sampling: Floats, link: str,
) -> Place:  # fmt: skip
    if link != "score":
        raise CallError(f"link={link!r} is for a score, and on= names covariates", fix="leave it")
    sampling = as_counts(sampling)
    if distance == "robust_mahalanobis":
        # Rosenbaum (2010, § 8.3): ranks, with the covariance of ranks whose variances are put back
        # to that of untied ranks, so that rare values do not count for much
        ranks = np.column_stack([mean_ranks(column, sampling) for column in values.T])
        n, spread = sampling.sum(), covariance(ranks, sampling)
        points = whiten(ranks, spread, scale=float(np.sqrt(n * (n + 1) / 12)))
        size = sizes(spread, ranks)
        said = "rank-based Mahalanobis distance"
    else:
        spread = pooled_covariance(values, treated, sampling)
        size = sizes(spread, values)
        if distance == "mahalanobis":
            points, said = whiten(values, spread), "Mahalanobis distance"
        else:
            points = values[:, size > 0] / size[size > 0]
            said = "Euclidean distance of covariates in standard deviations"
    varies = {owner for owner, own in zip(owners, size, strict=True) if own > 0}
    flat = [owner for owner in dict.fromkeys(owners) if owner not in varies]
    return Place(
        points=np.ascontiguousarray(points), said=f"{said} of {', '.join(names)}", is_score=False,
        covariates=names,
        notes=(f"no part in the distance, as they do not vary: {', '.join(flat)}",) if flat else (),
    )  # fmt: skip


def mean_ranks(values: Floats, weights: Floats) -> Floats:
    """Return ranks from 1, equals their mean, where a weight counts rows, (N,)."""
    order = np.argsort(values, kind="stable")
    first = np.append(True, np.diff(values[order]) != 0)
    group = np.cumsum(first) - 1
    mass = np.bincount(group, weights[order])
    ranks = np.empty(len(values))
    ranks[order] = (np.cumsum(mass) - mass + (mass + 1) / 2)[group]
    return ranks


def twelve_digits(values: Floats) -> Floats:
    """Return numbers to 41 of their 53 bits (Veltkamp 1968).

    Sums differ in their last digits with the order of the rows; what is matched should not.
    """
    high = 4097.0 * values
    return np.asarray(high - (high - values))


def covariance(values: Floats, weights: Floats) -> Floats:
    """Return the covariance of all rows, (k, k); weights count rows."""
    centred = values - values[:1]  # what is constant becomes 0, not the rounding of a mean
    centred -= weights @ centred / weights.sum()
    less = max(weights.sum() - 1, 1.0)
    return twelve_digits((centred * weights[:, None]).T @ centred / less)


def pooled_covariance(values: Floats, treated: Bools, weights: Floats) -> Floats:
    """Return the covariance within groups, (k, k): around each group's own means (Rubin 1980)."""
    centred = values - values[:1]
    for group in (treated, ~treated):
        centred[group] -= weights[group] @ centred[group] / weights[group].sum()
    less = max(weights.sum() - 2, 1.0)
    return twelve_digits((centred * weights[:, None]).T @ centred / less)


def sizes(spread: Floats, values: Floats) -> Floats:
    """Return the standard deviations of the columns, (k,), 0 where that is but a rounding.

    Raises
    ------
    CollinearityError
        When none varies.
    """
    size: Floats = np.sqrt(np.maximum(np.diag(spread), 0))
    reach = np.ptp(values, axis=0)
    size[(size <= _FLAT * reach) | (reach == 0)] = 0.0
    if not size.any():
        raise CollinearityError(
            "No covariate of the distance varies within the groups", fix="name others, or exact="
        )
    return size


def whiten(values: Floats, spread: Floats, scale: float | None = None) -> Floats:
    """Return points whose Euclidean distance is d² = (x - y)' S⁻¹ (x - y), (N, rank).

    The columns are scaled first; of collinear ones (all levels of a text) the generalised inverse
    is taken. The root of R⁻¹, of the correlations, is the Cholesky root with pivots.

    Parameters
    ----------
    values : (N, k) array
    spread : (k, k) array
        S.
    scale : float, optional
        What the columns are divided by, in place of their own standard deviations.
    """
    from scipy.linalg.lapack import dpstrf

    size = sizes(spread, values)
    keep = size > 0
    correlations = spread[np.ix_(keep, keep)] / np.outer(size[keep], size[keep])
    inverse = np.linalg.pinv(correlations, rcond=_RANK, hermitian=True)
    root, pivot, rank, _ = dpstrf(inverse, lower=0)
    root = np.triu(root)[:rank]
    scaled = (values[:, keep] / (size[keep] if scale is None else scale))[:, pivot - 1]
    points = np.zeros((len(values), rank))
    for j, row in enumerate(root):  # by column: BLAS may give equal rows unequal last digits
        for k in range(j, len(row)):
            points[:, j] += row[k] * scaled[:, k]
    return points
