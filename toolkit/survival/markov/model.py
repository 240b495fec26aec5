"""States that are seen only now and then: a Markov chain in continuous time."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.intervals import check_interval
from toolkit.provenance import versions
from toolkit.survival.markov.asked import period_names
from toolkit.survival.markov.chain import MarkovChain
from toolkit.survival.markov.fit import fit_chain
from toolkit.survival.markov.influence import robust_variance
from toolkit.survival.markov.likelihood import Problem, impossible
from toolkit.survival.markov.parameters import make_layout
from toolkit.survival.markov.paths import make_paths
from toolkit.survival.markov.possible import check_chains, check_moves
from toolkit.survival.markov.records import read_records
from toolkit.survival.markov.start import starting_point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.markov.paths import Paths
    from toolkit.survival.markov.records import Records

    Floats = NDArray[np.float64]


def markov(
    data: Any,
    *,
    person: str,
    time: str,
    state: str,
    allowed: Any,
    formula: str | None = None,
    constraint: Any = None,
    breaks: Sequence[float] | None = None,
    exact: Any = (),
    observed_exactly: bool = False,
    scheme: str | None = None,
    censored: Mapping[Any, Any] | None = None,
    misclassification: Any = None,
    initial: Any = "estimate",
    weights: str | None = None,
    weight_type: Weighting | None = None,
    cluster: str | None = None,
    robust: bool | None = None,
    start: Any = None,
    conf_level: float = 0.95,
) -> MarkovChain:
    """Fit a continuous-time Markov chain to states observed at moments that may differ by person.

    What happened between two observations is not known: the likelihood of seeing s after r a time
    u later is the entry P_rs(u) of exp(uQ), Q the matrix of intensities (Kalbfleisch and Lawless
    1985). Equal intervals are counted, so the work grows with their distinct lengths and covariates
    and not with the persons.

    Parameters
    ----------
    data : frame
        A row per person and moment of observation, in any order.
    person, time, state : str
        Columns. `time` is a number. States are whole numbers or text; those of an Enum keep its
        order, others are sorted.
    allowed : list of pairs, dict, 0/1 frame, "all" or "ladder"
        Moves that can happen in an instant: ``[(1, 2), (2, 1)]``, ``{1: [2], 2: [1, 3]}`` or a
        frame whose first column holds the states from and whose other columns are named after the
        states to. ``"all"``: from every state to every other; ``"ladder"``: one step up or down.
        In both, states in `exact` are reached from every other state and left by nobody.
    formula : str, optional
        Covariates of the log intensities: ``"age + sex"``. Those at the start of an interval hold
        until its end.
    constraint : "equal" or dict, optional
        By default every move has its own effect of every covariate. ``"equal"``: one effect for all
        moves. A dictionary says it by term: ``{"age": "equal", "sex": {(1, 2): "up", (2, 3):
        "up"}}``; moves with the same label share an effect, those left out have none. The log
        intensities themselves are the term ``"intensity"``, periods are named as in `tidy()`.
    breaks : sequence of float, optional
        Times at which all intensities change (piecewise-constant in time).
    exact : state or sequence of states
        States of which the moment of entry is known and the state just before is not: death, exit.
    observed_exactly : bool
        Every row is the moment of a move (or of seeing that there was none), and nothing happened
        in between.
    scheme : str, optional
        Column that says it by row: ``snapshot``, ``exact`` (as `observed_exactly`) or ``arrival``
        (as `exact`).
    censored : dict, optional
        Codes that stand for one of several states: ``{99: (1, 2, 3)}``; `None` as the code of a
        missing state. For a first observation the likelihood is the sum over them. Where states
        are seen with error the code stands for one of several observations.
    misclassification : list of pairs or "ladder", optional
        Errors (true state, state seen) whose chances are estimated: a hidden Markov chain.
        ``"ladder"``: one step up or down, outside `exact`.
    initial : "estimate", state or dict
        Of a hidden chain: the true state at the first observation; estimated, known, or with given
        chances.
    weights, weight_type : optional
        A weight per person, the same in all rows. Whole numbers count persons (``frequency``),
        others are ``sampling`` weights, with robust standard errors.
    cluster : str, optional
        Column of groups of persons for robust standard errors; persons by default.
    robust : bool, optional
        None: where `cluster` or sampling weights ask for it.
    start : dict, optional
        Intensities to start from: ``{(1, 2): 0.1}``. By default moves seen over time at risk.
    conf_level : float

    Raises
    ------
    toolkit.errors.InputError
        For rows that cannot be used, or moves observed that are not allowed.
    toolkit.errors.EstimationError
        When the data do not determine a parameter: it is named.

    Notes
    -----
    First derivatives are exact, second ones central differences of them. The log-likelihood is that
    of R's msm. Its optimiser stops at a relative change of 1e-8 and leaves the fourth or fifth
    digit of an estimate open; ours goes on until the slope is gone.

    A person seen once tells nothing and is left out. An intensity that is highest at 0 is held
    there and named in `meta["warnings"]`.

    Examples
    --------
    >>> import polars as pl
    >>> seen = pl.DataFrame(
    ...     {
    ...         "person": [1, 1, 1, 2, 2, 3, 3, 3],
    ...         "month": [0, 6, 14, 0, 9, 0, 5, 20],
    ...         "step": [1, 2, 1, 1, 2, 2, 2, 1],
    ...     }
    ... )
    >>> chain = markov(seen, person="person", time="month", state="step", allowed="ladder")
    >>> chain.intensities().select("from", "to", pl.col("estimate").round(3))["from"].to_list()
    [1, 2]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "plain")
    ready = prepare(
        data, person=person, time=time, state=state, allowed=allowed, formula=formula,
        constraint=constraint, breaks=breaks, exact=exact, observed_exactly=observed_exactly,
        scheme=scheme, censored=censored, misclassification=misclassification, initial=initial,
        weights=weights, weight_type=weight_type, cluster=cluster, start=start,
    )  # fmt: skip
    records, problem = ready.records, ready.problem
    fit = fit_chain(problem, ready.start, ready.spread)
    use_robust = records.weight_type == "sampling" or cluster is not None
    if robust is not None:
        use_robust = robust
    vcov, n_cluster = fit.vcov, None
    if use_robust:
        vcov, n_cluster = robust_variance(records, problem, fit.theta, fit.vcov, cluster)
    warnings = [*ready.warnings, *fit.warnings]
    meta = _describe(records, problem.paths, warnings) | {
        "method": "Markov chain in continuous time, maximum likelihood"
        + (", states seen with error" if records.structure.hidden else ""),
        "breaks": ready.breaks.tolist(),
        "constraint": constraint,
        "variance": ("robust" + (f", {n_cluster:,} clusters" if n_cluster else "")
                     if use_robust else "second derivatives of the log-likelihood"),
        "steps": fit.steps,
        "versions": versions(),
        "wall_time": clock.perf_counter() - begin,
    }  # fmt: skip
    return MarkovChain(
        meta=meta, theta=fit.theta, vcov=vcov, vcov_model=fit.vcov, robust=use_robust,
        loglik=fit.value, loglik_start=fit.start_value, conf_level=conf_level, breaks=ready.breaks,
        spread=ready.spread, problem=problem, records=records,
        names={"person": person, "time": time, "state": state},
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ready:
    """All that is needed to climb: see `markov` and `fit_chain`."""

    records: Records
    problem: Problem
    breaks: Floats
    start: Floats
    spread: Floats
    warnings: list[str]


def prepare(
    data: Any,
    *,
    person: str,
    time: str,
    state: str,
    allowed: Any,
    formula: str | None = None,
    constraint: Any = None,
    breaks: Sequence[float] | None = None,
    exact: Any = (),
    observed_exactly: bool = False,
    scheme: str | None = None,
    censored: Mapping[Any, Any] | None = None,
    misclassification: Any = None,
    initial: Any = "estimate",
    weights: str | None = None,
    weight_type: Weighting | None = None,
    cluster: str | None = None,
    start: Any = None,
) -> Ready:
    """Check the data and lay out the likelihood of `markov`, without climbing."""
    records = read_records(
        data, person=person, time=time, state=state, allowed=allowed, formula=formula,
        exact=exact, observed_exactly=observed_exactly, scheme=scheme, censored=censored,
        misclassification=misclassification, weights=weights, weight_type=weight_type,
        cluster=cluster,
    )  # fmt: skip
    check_moves(records)
    edges, said = _breaks(breaks, records)
    paths = make_paths(records, edges)
    problem, spread = _problem(records, paths, edges, constraint, initial)
    theta = starting_point(records, problem.layout, start)
    if paths.blocks:
        check_chains(records, paths, impossible(problem, theta))
    return Ready(
        records=records, problem=problem, breaks=edges, start=theta, spread=spread, warnings=said
    )


def _breaks(breaks: Sequence[float] | None, records: Records) -> tuple[Floats, list[str]]:
    """Return the breaks inside the time observed; say which were not."""
    if breaks is None:
        return np.zeros(0), []
    edges = np.atleast_1d(np.asarray(breaks, dtype=np.float64))
    if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise CallError(f"breaks={breaks!r} do not rise", fix="write them in order: breaks=[6, 12]")
    first = records.time[records.end - 1].min()
    last = records.time[records.end].max()
    inside = (edges > first) & (edges < last)
    said = [
        f"the break at {at:g} lies outside the time observed ({first:g} to {last:g}): left out"
        for at in edges[~inside]
    ]
    return edges[inside], said


def _problem(
    records: Records, paths: Paths, edges: Floats, constraint: Any, initial: Any
) -> tuple[Problem, Floats]:
    covariates = records.covariates
    terms = [*covariates.terms, *(f"period{name}" for name in period_names(edges)[1:])]
    columns = dict(covariates.term_columns()) if covariates.terms else {}
    n_cov = len(covariates.terms)
    columns["period"] = list(range(n_cov, len(terms)))
    if n_cov:
        check_collinearity(records.x, covariates.terms, records.pattern_weight)
    periods = np.concatenate([np.zeros((1, len(edges))), np.eye(len(edges))])
    x = np.concatenate([records.x[paths.pattern], periods[paths.period]], axis=1)
    weight = records.pattern_weight
    total = weight.sum()
    mean = weight @ records.x / total
    centre = np.concatenate([mean, np.zeros(len(edges))])
    deviation = np.sqrt(weight @ (records.x - mean) ** 2 / total)
    first = np.flatnonzero(np.append(True, records.person[1:] != records.person[:-1]))
    layout = make_layout(
        records.structure, terms, columns, centre, constraint=constraint, initial=initial,
        first_seen=np.bincount(records.observed[first], minlength=len(records.structure.possible)),
    )  # fmt: skip
    spread = np.zeros(layout.size)
    for j, places in enumerate(layout.effect):
        spread[places[places >= 0]] = deviation[j] if j < n_cov else 0.5
    return Problem(layout=layout, paths=paths, x=x), spread


def _describe(records: Records, paths: Paths, warnings: list[str]) -> dict[str, Any]:
    end = records.end
    changed = (records.observed[end] != records.observed[end - 1]).sum()
    size = records.structure.n_state
    cells = 0 if paths.cells is None else len(paths.cells.n)
    return {
        "estimand": "intensities of moves between states, per unit of time",
        "n": records.n_rows,
        "n_person": records.n_person,
        "n_interval": len(end),
        "n_event": int(changed),
        "n_cell": cells,
        "n_chain": int(sum(len(chains.n) for chains in paths.blocks)),
        "n_pattern": len(records.x),
        "rows_in_order": records.in_order,
        "n_censored": int((records.observed >= size).sum()),
        "weight_type": records.weight_type,
        "dropped": records.dropped,
        "warnings": warnings,
    }
