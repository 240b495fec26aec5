"""How far two rows are apart: a score, or covariates turned into points whose distance counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, CollinearityError, InputError, WrongTypeError, unknown_column
from toolkit.frames import as_columns, require_columns, require_no_nulls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

Distance = Literal["mahalanobis", "robust_mahalanobis", "euclidean"]
DISTANCES = ("mahalanobis", "robust_mahalanobis", "euclidean")
Link = Literal["score", "logit"]
LINKS = ("score", "logit")
#: Eigenvalues of a correlation matrix below this times the largest are collinearity.
_RANK = 1e-9
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
    """

    points: Floats = field(repr=False)
    said: str
    is_score: bool
    covariates: tuple[str, ...] = ()
    score: pl.Series | None = field(default=None, repr=False)


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
        used = tuple(name for name in getattr(on, "covariates", ()) if name in frame.columns)
        return _score(on.scores, frame, "propensity score", link, used)
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
        return _covariates(values, learned.variables, treated, distance, sampling, link)
    names = as_columns(on)
    if not names:
        raise CallError("on= names no column", fix="a score column, or covariates")
    require_columns(frame, *names)
    values = expand(frame, names, split=distance == "euclidean")
    return _covariates(values, tuple(names), treated, distance, sampling, link)


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


def expand(frame: pl.DataFrame, names: list[str], *, split: bool = False) -> Floats:
    """Return covariates as numbers, (N, k): text of more than two levels is a column a level.

    `split` divides those columns by √2: two rows of different levels differ in two columns, and
    that should count as one difference. (Mahalanobis distances do not change by it.)
    """
    require_no_nulls(frame, *names)
    columns: list[Floats] = []
    for name in names:
        series = frame[name]
        if series.dtype == pl.Boolean or series.dtype.is_numeric():
            columns.append(series.cast(pl.Float64).to_numpy())
            continue
        if series.dtype not in {pl.String, pl.Categorical, pl.Enum}:
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
    values = np.column_stack(columns).astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError("A covariate is not finite everywhere", fix="look at how it was made")
    return values


def _covariates(
    values: Floats, names: tuple[str, ...], treated: Bools, distance: str, sampling: Floats,
    link: str,
) -> Place:  # fmt: skip
    if link != "score":
        raise CallError(f"link={link!r} is for a score, and on= names covariates", fix="leave it")
    if distance == "robust_mahalanobis":
        # Rosenbaum (2010, § 8.3): ranks, with the covariance of ranks whose variances are put back
        # to that of untied ranks, so that rare values do not count for much
        ranks = np.column_stack([pl.Series(c).rank("average").to_numpy() for c in values.T])
        n = len(ranks)
        points = whiten(ranks, covariance(ranks, sampling), scale=np.sqrt(n * (n + 1) / 12))
        said = "rank-based Mahalanobis distance"
    else:
        spread = pooled_covariance(values, treated, sampling)
        if distance == "mahalanobis":
            points, said = whiten(values, spread), "Mahalanobis distance"
        else:
            size = _sizes(spread)
            points = values[:, size > 0] / size[size > 0]
            said = "Euclidean distance of covariates in standard deviations"
    return Place(
        points=np.ascontiguousarray(points), said=f"{said} of {', '.join(names)}", is_score=False,
        covariates=names,
    )  # fmt: skip


def twelve_digits(values: Floats) -> Floats:
    """Return numbers to 41 of their 53 bits (Veltkamp 1968).

    Sums differ in their last digits with the order of the rows; what is matched should not.
    """
    high = 4097.0 * values
    return np.asarray(high - (high - values))


def covariance(values: Floats, weights: Floats) -> Floats:
    """Return the covariance of all rows, (k, k); weights count rows."""
    centred = values - weights @ values / weights.sum()
    return twelve_digits((centred * weights[:, None]).T @ centred / (weights.sum() - 1))


def pooled_covariance(values: Floats, treated: Bools, weights: Floats) -> Floats:
    """Return the covariance within groups, (k, k): around each group's own means (Rubin 1980)."""
    centred = values.copy()
    for group in (treated, ~treated):
        centred[group] -= weights[group] @ values[group] / weights[group].sum()
    return twelve_digits((centred * weights[:, None]).T @ centred / (weights.sum() - 2))


def _sizes(spread: Floats) -> Floats:
    size: Floats = np.sqrt(np.maximum(np.diag(spread), 0))
    size[size <= 1e-12 * size.max(initial=0.0)] = 0.0
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

    size = _sizes(spread)
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
