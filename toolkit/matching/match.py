"""Matching: for each of one group, those of the other who are like them."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, EmptyCohortError
from toolkit.frames import as_columns, require_columns, require_no_nulls, to_frame
from toolkit.matching.coarsened import read_cells
from toolkit.matching.distances import Distance, Link, read_place
from toolkit.matching.match_calipers import read_calipers
from toolkit.matching.match_cells import cell_codes, column_codes
from toolkit.matching.match_methods import METHODS, Method, Order, check_options
from toolkit.matching.match_pairs import step
from toolkit.matching.match_request import Request
from toolkit.matching.match_result import Matched
from toolkit.matching.sample import attrition_of, first_step, read_sampling, require_weight
from toolkit.matching.treatment import ESTIMANDS, read_treatment
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from toolkit.matching.match_pairs import Grouped

    Ints = NDArray[np.int64]


def match(
    data: Any,
    *,
    treatment: str,
    on: Any = None,
    method: Method = "nearest",
    exact: str | Sequence[str] = (),
    antiexact: str | Sequence[str] = (),
    caliper: float | Mapping[str, float] | None = None,
    caliper_unit: Literal["sd", "raw"] | Mapping[str, str] = "sd",
    ratio: float = 1,
    min_ratio: int | None = None,
    max_ratio: int | None = None,
    replace: bool = False,
    order: Order | None = None,
    estimand: Literal["ATT", "ATC", "ATE"] = "ATT",
    distance: Distance = "mahalanobis",
    link: Link = "score",
    ties: str = "data",
    seed: int | None = None,
    cutpoints: Any = "sturges",
    grouping: Mapping[str, Sequence[Sequence[Any]]] | None = None,
    subclasses: int | Sequence[float] = 6,
    min_subclass: int = 1,
    missing: Literal["refuse", "category"] = "refuse",
    covariates: Sequence[str] = (),
    weights: str | None = None,
    cluster: str | None = None,
) -> Matched:
    """Match treated rows to controls who are like them.

    The conventions are MatchIt's (Ho, Imai, King and Stuart 2011), and with the same options the
    pairs are.

    Parameters
    ----------
    data : frame
        A row a person. Also lazy, pandas, or anything narwhals reads.
    treatment : str
        Column of true/false or 1/0.
    on : str, Series, array, sequence of str, or what `propensity` returns
        A score (a column, a series, a fit), or covariates: names, or a formula (``"age + wage"``).
    method : {"nearest", "optimal", "full", "coarsened", "exact", "subclass"}
        ``nearest``: one after the other the nearest that is free. ``optimal``: pairs whose
        distances sum to the least. ``full``: everybody, in sets of one treated with controls or
        one control with treated, whose distances sum to the least (exactly: it is the cheapest
        cover by pairs). ``coarsened``: cells of binned covariates. ``exact``: cells of the
        covariates as they are. ``subclass``: cut by quantiles of the score.
    exact, antiexact : str or sequence of str
        Columns that must agree, or must differ, within a pair. (``antiexact="person"`` keeps
        someone who stands in several rows from being their own control. Of a distance of covariates
        the search passes all who do not differ: where nearly everybody is equal, n² steps.)
    caliper : float or dict, optional
        Widest distance within a pair; a dict limits the columns it names, among which a score
        (``"distance"``, where it is no column).
    caliper_unit : {"sd", "raw"} or dict
        Standard deviations over all rows, or units of the variable; a dict says it by variable.
        A distance of covariates is in standard deviations already.
    ratio : number
        Partners a row; all get their first before any gets a second.
    min_ratio, max_ratio : int, optional
        Variable ratio: between these, `ratio` on average (Ming and Rosenbaum 2000).
    replace : bool
        Whether a partner may be used more than once.
    order : {"largest", "smallest", "data", "random", "closest"}, optional
        Whose turn it is first. By default the largest score (ATC: the smallest), with covariates
        as the rows stand.
    estimand : {"ATT", "ATC", "ATE"}
        Partners are sought for the treated (ATT) or for the controls (ATC).
    distance : {"mahalanobis", "robust_mahalanobis", "euclidean"}
        Of covariates: by the covariance within the groups, by that of their ranks, or after
        dividing by the standard deviation within the groups.
    link : {"score", "logit"}
        Whether distances and calipers are of the score or of its logit.
    ties : str
        ``"data"``: of equally near ones the rows' order decides, as in MatchIt. Else a column of
        distinct values whose order decides: the result does not depend on the rows' order then
        (but for ``order="data"``).
    seed : int, optional
        For ``order="random"``.
    cutpoints, grouping : optional
        Of ``coarsened``; see `coarsened_cells`.
    subclasses, min_subclass : optional
        Of ``subclass``: how many (or at which shares to cut), and how many of each group at least
        in each.
    missing : {"refuse", "category"}
        Missing values in columns that make cells (`exact`, `antiexact`, and `on` of ``coarsened``
        and ``exact``): refused, or a value of their own. A distance to a missing value does not
        exist: there they are always refused.
    covariates : sequence of str
        What `balance` looks at, beside the columns matched on.
    weights : str, optional
        Sampling weights. Partners take over the weight of those they stand for (where MatchIt
        multiplies by their own); rows of weight 0 take no part. They count rows in standard
        deviations and quantiles; those too small for that are scaled to a mean of 1 there.
    cluster : str, optional
        Column of rows that belong together, for standard errors.

    Returns
    -------
    Matched
        `.pairs`, `.weights`, `.subclass`, `.data`, `.attrition`, `.summary()`.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, values or options that cannot be used, an option that the method does not
        have, and when nobody is matched.

    References
    ----------
    Stuart (2010), Statistical Science 25, 1-21. Rosenbaum and Rubin (1985), The American
    Statistician 39, 33-38.

    Examples
    --------
    >>> people = pl.DataFrame(
    ...     {
    ...         "programme": [1, 1, 0, 0, 0],
    ...         "score": [0.6, 0.4, 0.58, 0.1, 0.41],
    ...     }
    ... )
    >>> matched = match(people, treatment="programme", on="score", caliper=0.05, caliper_unit="raw")
    >>> matched.pairs["control_row"].to_list()
    [2, 4]
    """
    begin = time.perf_counter()
    frame = to_frame(data)
    options = {
        "exact": exact, "antiexact": antiexact, "caliper": caliper, "ratio": ratio,
        "min_ratio": min_ratio, "max_ratio": max_ratio, "replace": replace, "order": order,
        "distance": distance, "link": link, "seed": seed, "ties": ties, "cutpoints": cutpoints,
        "grouping": grouping, "subclasses": subclasses, "min_subclass": min_subclass,
    }  # fmt: skip
    check_options(method, estimand, options, missing)
    treated = read_treatment(frame, treatment)
    sampling = read_sampling(frame, weights)
    require_weight(treated, sampling)
    covariates = as_columns(covariates)
    require_columns(frame, *covariates, *([cluster] if cluster else []))
    place, names, words = None, as_columns(exact), ""
    if method in {"coarsened", "exact"}:
        rule = cutpoints if method == "coarsened" else "exact"
        cell, how = read_cells(
            frame, on, names, sampling > 0, method=method, cutpoints=rule, grouping=grouping,
            missing=missing,
        )  # fmt: skip
        names = list(how)
        words = ", ".join(f"{name} ({said})" for name, said in how.items())
    else:
        cell = cell_codes(frame, names, missing=missing)
        if on is None:
            raise CallError("on= says what to match on", fix="a score, or covariates")
        place = read_place(frame, on, treated, distance=distance, link=link, sampling=sampling)
        words = place.said
        if method == "subclass" and not place.is_score:
            raise CallError("Subclasses are cut by a score", fix="on= a score")
    absent = sampling == 0  # rows that count for nobody get no partner: a cell of their own kind
    if absent.any():
        cell = np.where(absent, cell.max() + 1 + treated, cell)
    request = Request(
        frame=frame, treated=treated, sampling=sampling, estimand=estimand, cell=cell,
        other=_codes(frame, as_columns(antiexact), missing), rank=_rank(frame, ties), place=place,
        calipers=read_calipers(frame, caliper, caliper_unit, place, on, sampling),
        options=options | {"method": method},
    )  # fmt: skip
    made = METHODS[method][0](request)
    used = [*(place.covariates if place else ()), *names, *request.calipers.names]
    _refuse_treatment(treatment, on, [*used, *as_columns(antiexact)])
    used = list(dict.fromkeys([*used, *covariates]))
    score = on if getattr(on, "parametric", False) else None
    return _result(request, made, words, tuple(used), treatment, cluster, score, begin)


def _result(
    request: Request, made: Grouped, words: str, covariates: tuple[str, ...], treatment: str,
    cluster: str | None, propensity: Any, begin: float,
) -> Matched:  # fmt: skip
    treated, estimand = request.treated, request.estimand
    used = made.weights > 0
    steps = [first_step(treated)]
    counted = request.sampling > 0
    if not counted.all():
        steps.append(step("of a weight above 0", treated, counted))
    alone = request.alone()
    grouping = request.options["method"] in {"coarsened", "exact"}
    if (alone & counted).any() and not grouping:
        steps.append(step("in a cell with both groups", treated, ~alone))
    steps += [*made.steps, step("matched", treated, used)]
    if not used.any():
        raise EmptyCohortError(
            "Nobody is matched",
            where=f"{int(treated.sum()):,} treated and {int((~treated).sum()):,} controls; "
            f"{int(alone.sum()):,} rows in cells without the other group",
            fix="fewer or coarser exact columns, a wider caliper",
        )
    said = [f"distance: {words}" if request.place else f"cells of {words}"]
    if request.calipers.any:
        said.append(f"caliper: {request.calipers.words}")
    for name in ("exact", "antiexact"):
        columns = as_columns(request.options[name])
        if columns and not grouping:
            said.append(f"{name} on {', '.join(columns)}")
    return Matched(
        meta={
            "method": made.method, "estimand": ESTIMANDS[estimand], "design": "matching",
            "definition": "; ".join(said), "n": len(treated), "dropped": _dropped(steps),
            "warnings": [*(request.place.notes if request.place else ()), *made.warnings],
            "seed": request.options["seed"], "versions": versions(),
            "wall_time": time.perf_counter() - begin, **made.extra,
        },
        frame=request.frame, treatment=treatment, treated=treated,
        weights=pl.Series("weight", made.weights), sampling=request.sampling, estimand=estimand,
        covariates=covariates, subclass=made.subclass, cluster=cluster,
        score=request.place.score if request.place else None, attrition=attrition_of(steps),
        pairs=made.pairs, distance=words, caliper=request.calipers.said, propensity=propensity,
        score_only=request.score is not None and not request.calipers.names
        and not any(as_columns(request.options[name]) for name in ("exact", "antiexact")),
    )  # fmt: skip


def _dropped(steps: list[dict[str, Any]]) -> dict[str, int]:
    """Return who fell out, by group and step; who is there but not needed is said apart."""
    dropped = {}
    for before, after in pairwise(steps):
        for key, group in (("n_treated", "treated"), ("n_control", "controls")):
            count = before[key] - after[key]
            if count:
                dropped[f"{group} not {after['step']}"] = count
    return dropped


def _refuse_treatment(treatment: str, on: Any, names: list[str]) -> None:
    if treatment in names or (isinstance(on, str) and on == treatment):
        raise CallError(
            f"{treatment!r} is the treatment: nobody of the other group has the same",
            fix="leave it out of what is matched on",
        )


def _codes(frame: pl.DataFrame, names: list[str], missing: str) -> Ints:
    require_columns(frame, *names)
    codes = [column_codes(frame, name, missing=missing) for name in names]
    return np.column_stack(codes) if codes else np.zeros((frame.height, 0), np.int64)


def _rank(frame: pl.DataFrame, ties: str) -> Ints | None:
    if ties == "data":
        return None
    require_columns(frame, ties)
    require_no_nulls(frame, ties)
    rank = column_codes(frame, ties, missing="refuse")
    if len(np.unique(rank)) < len(rank):
        raise DuplicateKeyError(
            f"Column {ties!r} cannot decide between equals: it has the same value twice",
            fix="name a column of distinct values, or ties='data'",
        )
    return rank
