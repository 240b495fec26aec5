"""Instrumental variables: who takes part by something that does not touch the outcome otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.designs.door import effect_table, read_numbers, read_rows, require_variation
from toolkit.effects.designs.instruments_result import InstrumentalVariables
from toolkit.effects.designs.weak import Pieces, anderson_rubin_set, effective_f
from toolkit.errors import CallError, EstimationError, check_option
from toolkit.estimation.clusters import cluster_sums, few_clusters
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.formula import learn
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Method = Literal["2sls", "liml"]


def instrumental_variables(
    data: Any,
    *,
    outcome: str,
    treatment: str,
    instruments: str | Sequence[str],
    on: str | None = None,
    method: Method = "2sls",
    cluster: str | None = None,
    weights: str | None = None,
    conf_level: float = 0.95,
) -> InstrumentalVariables:
    """Estimate the effect on those whom the instruments move to take part, through `linearmodels`.

    Parameters
    ----------
    data : frame
    outcome, treatment : str
        Numbers, or true/false.
    instruments : str or sequence of str
        Columns that move who takes part, and the outcome by no other way.
    on : str, optional
        Formula of covariates, in both stages.
    method : {"2sls", "liml"}
        Two-stage least squares, or limited information maximum likelihood, which is biased less by
        many or weak instruments.
    cluster, weights : str, optional
        What was decided together (the caseworker, when her leniency is the instrument); sampling
        weights.
    conf_level : float

    Returns
    -------
    InstrumentalVariables

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family: for columns or values that cannot be used, instruments that do not vary
        or make each other up, fewer rows than columns, one cluster.

    Notes
    -----
    Errors are robust (HC1; CR1 by cluster, with Student's t on clusters less one). The effect is a
    weighted mean over those moved by the instruments, if they move nobody the other way (Imbens
    and Angrist 1994). Strength: the effective F and its critical value for a bias of a tenth of the
    worst (Montiel Olea and Pflueger 2013). When weak, only the Anderson–Rubin interval holds; it is
    always given. Agreement of several instruments: the least Anderson–Rubin statistic, χ² on their
    number less one (Hansen's J of the continuously updated estimator).

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from toolkit import effects
    >>> rng = np.random.default_rng(1)
    >>> near, drive = rng.random(2000) < 0.5, rng.normal(size=2000)
    >>> took = drive + near > 0.5
    >>> wage = 10 + 2 * took + drive
    >>> found = effects.instrumental_variables(
    ...     pl.DataFrame({"near": near, "took": took, "wage": wage}),
    ...     outcome="wage", treatment="took", instruments="near",
    ... )
    >>> [round(x, 1) for x in found.tidy()["estimate"]]
    [2.0, 2.0, 3.4]
    """
    check_option("method", method, ("2sls", "liml"))
    check_interval(conf_level, "plain")
    names = as_columns(instruments)
    if not names or len(set(names)) != len(names):
        raise CallError("instruments= names no column, or one twice", fix="instruments='distance'")
    rows = read_rows(data, outcome, treatment, *names, weights=weights, cluster=cluster)
    y, d = read_numbers(rows.frame, outcome), read_numbers(rows.frame, treatment)
    z = np.stack([read_numbers(rows.frame, name) for name in names], axis=1)
    for name, values in ((outcome, y), (treatment, d), *zip(names, z.T, strict=True)):
        require_variation(values, name)
    x, terms = np.ones((len(y), 1)), ["Intercept"]
    if on is not None:
        covariates, values = learn(on, rows.frame)
        x, terms = np.hstack([x, values]), [*terms, *covariates.terms]
    if len(y) <= x.shape[1] + z.shape[1] + 1:
        raise EstimationError("There are no more rows than columns", where=f"{len(y):,} rows")
    check_collinearity(np.hstack([x, z]), [*terms, *names], rows.weight, centred=False)
    clusters = None if rows.cluster is None else int(rows.cluster.max()) + 1
    df = float(len(y) - x.shape[1] - 1 if clusters is None else clusters - 1)
    fit, moves = _fit(y, d, x, z, rows.weight if weights else None, rows.cluster, method)
    stage = _reduced_forms(y, d, x, z, rows.weight, rows.cluster)
    k = len(names)
    if clusters is not None and clusters <= k:
        raise CallError(
            f"{clusters:,} clusters tell nothing of the spread of {k:,} instruments together",
            fix="fewer instruments, or clusters of a smaller kind",
        )
    strength, critical = effective_f(stage.treatment, stage.vcov[k:, k:], stage.gram)
    try:
        pieces, least = anderson_rubin_set(stage.outcome, stage.treatment, stage.vcov,
                                           conf_level=conf_level)  # fmt: skip
    except np.linalg.LinAlgError as error:
        raise EstimationError(
            "Some effect explains the outcome without anything left over",
            fix="is the outcome another name of the treatment?",
        ) from error
    spread = float(np.sqrt(stage.scale * float(moves @ moves)))
    if strength < critical:
        rows.notes.append(
            f"weak instruments: effective F {strength:.1f} is below {critical:.1f}; only the "
            "Anderson–Rubin interval holds"
        )
    if len(pieces) != 1 or not np.isfinite(pieces).all():
        rows.notes.append(_said(pieces))
    if cluster and clusters is not None:
        rows.notes.extend(few_clusters(clusters, cluster))
    stages = np.sqrt(np.diag(stage.vcov)[k:])
    return InstrumentalVariables(
        meta=rows.meta(
            design="iv",
            method=("Two-stage least squares" if method == "2sls" else "LIML")
            + f", instruments {', '.join(names)}" + (f", on {on}" if on else ""),
            estimand=f"mean effect of {treatment} on those whom the instruments move to it (LATE)",
            cluster=cluster, conf_level=conf_level, variance="CR1" if cluster else "HC1",
        ),
        estimates=_table(fit, spread, stage, pieces, df, conf_level, _least_squares(
            y, d, x, rows.weight, rows.cluster)),
        influence=moves * np.sqrt(stage.scale),
        first_stage=effect_table(names, stage.treatment, stages, df=df, conf_level=conf_level),
        effective_f=strength, critical_f=critical, not_refuted=pieces,
        overid=_agreement(least, k - 1),
    )  # fmt: skip


@dataclass(frozen=True)
class _Stage:
    """Regressions of outcome and treatment on the instruments.

    outcome, treatment : (K,); vcov : (2K, 2K), outcome first; gram : (K, K) of the instruments with
    the covariates partialled out; scale : the small-sample factor in `vcov`.
    """

    outcome: Floats
    treatment: Floats
    vcov: Floats
    gram: Floats
    scale: float


def _reduced_forms(
    y: Floats, d: Floats, x: Floats, z: Floats, w: Floats, cluster: Ints | None
) -> _Stage:
    root = np.sqrt(w)[:, None]
    both = np.stack([y, d], axis=1) * root
    basis, _ = np.linalg.qr(x * root)
    rest = z * root - basis @ (basis.T @ (z * root))
    both -= basis @ (basis.T @ both)
    gram = rest.T @ rest
    slope: Floats = np.asarray(np.linalg.solve(gram, rest.T @ both), dtype=np.float64)
    left = both - rest @ slope
    lean = np.linalg.solve(gram, rest.T).T
    moves = np.hstack([lean * left[:, [0]], lean * left[:, [1]]])
    scale = _small_sample(len(y), x.shape[1] + z.shape[1], cluster)
    sums = cluster_sums(moves, cluster)
    return _Stage(slope[:, 0], slope[:, 1], scale * (sums.T @ sums), gram,
                  _small_sample(len(y), x.shape[1] + 1, cluster))  # fmt: skip


def _small_sample(n: int, k: int, cluster: Ints | None) -> float:
    """Return n / (n - k), and by cluster C / (C - 1) × (n - 1) / (n - k)."""
    if cluster is None:
        return n / (n - k)
    count = int(cluster.max()) + 1
    return count / (count - 1) * (n - 1) / (n - k)


def _fit(
    y: Floats, d: Floats, x: Floats, z: Floats, w: Floats | None, cluster: Ints | None,
    method: Method,
) -> tuple[float, Floats]:  # fmt: skip
    """Return the effect, and what each row or cluster adds to it.

    With d̂ the treatment as the instruments foretell it, covariates partialled out, and M d what
    they do not: d̂ e / (d̂'d + (1 - κ) d'M d), κ = 1 for two-stage least squares.
    """
    from linearmodels.iv import IV2SLS, IVLIML

    model = (IV2SLS if method == "2sls" else IVLIML)(y, x, d, z, weights=w)
    try:
        fitted = model.fit(cov_type="robust", debiased=True)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise EstimationError(
            "linearmodels could not fit the model",
            where=str(error).splitlines()[0][:120],
            fix="look at the first stage: do the instruments move who takes part?",
        ) from error
    effect = float(fitted.params.iloc[-1])
    root = np.ones(len(y)) if w is None else np.sqrt(w)
    gone, _ = np.linalg.qr(x * root[:, None])
    used, _ = np.linalg.qr(np.hstack([x, z]) * root[:, None])
    taken = d * root
    kappa = 1.0 if method == "2sls" or fitted.kappa is None else float(fitted.kappa)
    rest = taken - used @ (used.T @ taken)
    expected = taken - rest
    expected -= gone @ (gone.T @ expected)
    size = float(expected @ taken) + (1 - kappa) * float(rest @ rest)
    coefficients = np.asarray(fitted.params, dtype=np.float64)
    left = (y - np.hstack([x, d[:, None]]) @ coefficients) * root
    moves = expected * left / size
    return effect, cluster_sums(moves, cluster)[:, 0]


def _least_squares(
    y: Floats, d: Floats, x: Floats, w: Floats, cluster: Ints | None
) -> tuple[float, float]:
    root = np.sqrt(w)
    basis, _ = np.linalg.qr(x * root[:, None])
    one, other = y * root, d * root
    one, other = (values - basis @ (basis.T @ values) for values in (one, other))
    slope = float(one @ other / (other @ other))
    moves = cluster_sums(other * (one - slope * other) / float(other @ other), cluster)[:, 0]
    scale = _small_sample(len(y), x.shape[1] + 1, cluster)
    return slope, float(np.sqrt(scale * (moves @ moves)))


def _table(
    effect: float, error: float, stage: _Stage, pieces: Pieces, df: float, conf_level: float,
    plain: tuple[float, float],
) -> pl.DataFrame:  # fmt: skip
    from scipy.special import chdtrc

    k = len(stage.outcome)
    statistic = float(stage.outcome @ np.linalg.solve(stage.vcov[:k, :k], stage.outcome))
    ends = (pieces[0][0], pieces[-1][1]) if pieces else (np.nan, np.nan)
    low, high = (end if np.isfinite(end) else None for end in ends)
    robust = pl.DataFrame(
        {"term": ["anderson_rubin"], "estimate": [effect], "std_error": [None],
         "statistic": [statistic], "p_value": [float(chdtrc(k, statistic))],
         "conf_low": [low], "conf_high": [high]},
        schema_overrides=dict.fromkeys(("std_error", "conf_low", "conf_high"), pl.Float64),
    )  # fmt: skip
    rows = [
        effect_table([term], np.array([value]), np.array([se]), df=df, conf_level=conf_level)
        for term, value, se in (("local_effect", effect, error), ("least_squares", *plain))
    ]
    return pl.concat([rows[0], robust, rows[1]])


def _agreement(least: float, df: int) -> tuple[float | None, int, float | None]:
    from scipy.special import chdtrc

    return (least, df, float(chdtrc(df, least))) if df else (None, 0, None)


def _said(pieces: Pieces) -> str:
    if not pieces:
        return (
            "no effect agrees with all instruments (the Anderson–Rubin interval is empty): one of "
            "them touches the outcome by another way"
        )
    shown = " and ".join(f"{low:.4g} to {high:.4g}" for low, high in pieces)
    return f"the Anderson–Rubin interval is {shown}"
