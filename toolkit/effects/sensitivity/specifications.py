"""The same question under every defensible choice: the numbers behind a specification curve."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.effects.sensitivity.specification_result import COLUMNS, Specifications
from toolkit.effects.sensitivity.specification_rows import read_result
from toolkit.errors import CallError, InputError, ToolkitError
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: One specification: by choice, the label that is shown and the value that is handed in.
Labelled = dict[str, tuple[str, Any]]


def specifications(
    run: Callable[..., Any],
    choices: Mapping[str, Sequence[Any] | Mapping[str, Any]] | Sequence[Mapping[str, Any]],
    *,
    reference: Mapping[str, Any] | None = None,
    term: str | None = None,
    design: str | None = None,
    alpha: float = 0.05,
    threads: int = 1,
) -> Specifications:
    """Run an estimate under every combination of choices, and keep what each says.

    Control group, time unit, covariates, caliper, definition of work: where the answer hangs on a
    choice that could as well have been another, a reader must know. In discrete time the choice of
    controls and of the unit of time alone can turn the sign (Kastoryano and van der Klaauw 2022).

    Parameters
    ----------
    run : callable
        Called with one keyword argument a choice; returns a result of this toolkit, a frame of one
        row with `estimate`, a mapping, or a number.
    choices : mapping, or sequence of mappings
        By choice its options, all crossed: a list, or a mapping from the label that is shown to the
        value that is handed in. Or the specifications one by one, each a mapping from choice to
        option.
    reference : mapping, optional
        The options of the specification planned beforehand; marked in the result.
    term : str, optional
        Which row of a result's `tidy()` is meant, by its `term`; without it the one row there is,
        else the difference.
    design : str, optional
        Key of the method, for results that do not say their own.
    alpha : float
        Level at which an estimate counts as significant.
    threads : int
        Specifications run at the same time; `run` must then be safe to call so.

    Returns
    -------
    Specifications
        In the order of the choices. What cannot be estimated stands there with the reason: only the
        errors of this toolkit are caught.

    Raises
    ------
    toolkit.errors.ToolkitError
        For choices that are none, and results without an estimate.

    Notes
    -----
    Simonsohn, Simmons and Nelson (2020), Specification curve analysis, Nature Human Behaviour 4.
    The estimates share their data: their spread shows what choices do, and is no standard error.

    Examples
    --------
    >>> from toolkit import effects
    >>> def effect(controls: str, month: int) -> dict[str, float]:
    ...     return {"estimate": month / 100 - 0.1 * (controls == "never"), "std_error": 0.02}
    >>> found = effects.specifications(
    ...     effect, {"controls": ["not yet", "never"], "month": [12, 24]}
    ... )
    >>> found.tidy().select("controls", "month", "estimate").rows()[0]
    ('not yet', '12', 0.12)
    >>> found.glance()["median"].round(2)[0]
    0.13
    """
    begin = clock.perf_counter()
    if not isinstance(threads, int) or threads < 1:
        raise CallError(f"threads={threads!r} is no whole number above 0", fix="threads=1")
    names, cases = _cases(choices)
    marked = _reference(names, cases, reference)
    if threads == 1:
        made = [_run(run, case, term) for case in cases]
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(threads) as pool:
            made = list(pool.map(lambda case: _run(run, case, term), cases))
    rows = [
        {"specification": number, **{name: label for name, (label, _) in case.items()}, **found}
        for number, (case, found) in enumerate(zip(cases, made, strict=True), 1)
    ]
    schema = {"specification": pl.Int64, **dict.fromkeys(names, pl.String), **COLUMNS}
    table = pl.DataFrame(rows, schema=schema)
    if marked is not None:
        table = table.with_columns(reference=pl.col("specification") == marked)
    designs = table["design"].drop_nulls().unique().sort().to_list()
    reasons = table["reason"].drop_nulls()
    return Specifications(
        rows=table, choices=names, reference=marked, alpha=alpha,
        meta={
            "design": design or (designs[0] if len(designs) == 1 else "naive"),
            "designs": designs,
            "method": "Specifications: one question, other choices",
            "estimand": "the estimate under each combination of choices",
            "definition": "; ".join(
                f"{name}: {', '.join(dict.fromkeys(case[name][0] for case in cases))}"
                for name in names
            ),
            "n": table.height,
            "dropped": {"not estimated": len(reasons)} if len(reasons) else {},
            "warnings": [f"methods differ: {', '.join(designs)}"] if len(designs) > 1 else [],
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
    )  # fmt: skip


def _run(run: Callable[..., Any], case: Labelled, term: str | None) -> dict[str, Any]:
    """Return the columns of one specification; what is refused is a row with the reason."""
    begin = clock.perf_counter()
    try:
        found = run(**{name: value for name, (_, value) in case.items()})
    except ToolkitError as error:
        row: dict[str, Any] = {"status": "not estimated", "reason": str(error)}
    else:
        row = {"status": "estimated", **read_result(found, term)}
    return {**row, "seconds": clock.perf_counter() - begin}


def _cases(
    choices: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[Labelled]]:
    """Return the names of the choices, and the specifications."""
    listed: list[Labelled]
    if isinstance(choices, Mapping):
        options = {
            name: [(str(label), value) for label, value in given.items()]
            if isinstance(given, Mapping)
            else [(_label(value), value) for value in _listed(name, given)]
            for name, given in choices.items()
        }
        listed = [dict(zip(options, case, strict=True)) for case in product(*options.values())]
        names = list(options)
    else:
        listed = [
            {name: (_label(value), value) for name, value in case.items()} for case in choices
        ]
        names = list(listed[0]) if listed else []
        if any(set(case) != set(names) for case in listed):
            raise CallError(
                "The specifications do not all name the same choices",
                fix="give each a value for every choice; None where it does not apply",
            )
    if not listed or not names:
        raise CallError("There is no choice to make", fix="{'controls': ['not yet', 'never']}")
    taken = sorted({"specification", "reference", *COLUMNS} & set(names))
    if taken:
        raise CallError(f"A choice is called {taken[0]!r}, as a column of the result is",
                        fix="call it something else")  # fmt: skip
    shown = [tuple(case[name][0] for name in names) for case in listed]
    if len(set(shown)) < len(shown):
        raise InputError(
            "Two specifications have the same labels",
            fix="give options a label: {'short': …, 'long': …}",
        )
    return names, listed


def _listed(name: str, given: Any) -> list[Any]:
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise CallError(f"The options of {name!r} are no list", fix=f"{{{name!r}: [{given!r}]}}")
    return list(given)


def _label(value: Any) -> str:
    """Return what is shown of an option."""
    if isinstance(value, (list, tuple)):
        return " + ".join(map(_label, value)) or "none"
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    return "none" if value is None else str(value)


def _reference(
    names: Sequence[str], cases: Sequence[Labelled], wanted: Mapping[str, Any] | None
) -> int | None:
    """Return the number of the specification planned beforehand."""
    if wanted is None:
        return None
    if set(wanted) != set(names):
        raise CallError("reference does not name every choice", fix=f"name {', '.join(names)}")
    for number, case in enumerate(cases, 1):
        if all(_label(wanted[name]) == case[name][0] for name in names):
            return number
    raise CallError("The reference is none of the specifications", fix="give its labels")
