"""Coarsened exact matching: numbers cut into bins, levels taken together, cells of what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, UnknownCodeError, WrongTypeError, masked, unknown_option
from toolkit.frames import as_columns, require_columns, require_no_nulls
from toolkit.matching.match_cells import column_codes, join

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

RULES = ("sturges", "fd", "scott", "exact")


def read_cells(
    frame: pl.DataFrame, on: Any, exact: Sequence[str], counted: Bools, *, method: str,
    cutpoints: Any, grouping: Mapping[str, Any] | None, missing: str,
) -> tuple[Ints, dict[str, str]]:  # fmt: skip
    """Return the cell of each row by the columns of `on` and `exact`, and how each was coarsened.

    Parameters
    ----------
    counted : (N,) array of bool
        Rows that count; where to cut is not for the others to say, whose cell is 0.
    """
    if on is not None and not (isinstance(on, (str, list, tuple))):
        raise CallError(f"method={method!r} takes columns, not a score", fix="on=['age', …]")
    names = list(dict.fromkeys([*as_columns(on), *exact]))
    if not names:
        raise CallError("on= says what to match on", fix="columns of the data")
    rules = cutpoints if isinstance(cutpoints, Mapping) else {}
    require_columns(frame, *names, *rules, *(grouping or {}))
    _check_rules(frame, names, rules, grouping or {})
    every = "sturges" if isinstance(cutpoints, Mapping) else cutpoints
    kept = {name: "exact" if name in exact else rules.get(name, every) for name in names}
    cell = np.zeros(frame.height, np.int64)
    cell[counted], how = coarsened_cells(
        frame.filter(pl.Series(counted)), names, cutpoints=kept, grouping=grouping, missing=missing
    )
    return cell, how


def coarsened_cells(
    frame: pl.DataFrame,
    names: Sequence[str],
    *,
    cutpoints: Any = "sturges",
    grouping: Mapping[str, Sequence[Sequence[Any]]] | None = None,
    missing: str = "refuse",
) -> tuple[Ints, dict[str, str]]:
    """Return the cell of each row, (N,), and how each column was coarsened, in words.

    A bin holds its lower edge and not its upper one. Numbers of at most two values stay as they
    are; so do text and truth values, unless `grouping` takes levels together.

    Parameters
    ----------
    frame : DataFrame
    names : sequence of str
    cutpoints : str, int, sequence of numbers, or dict of these by column
        ``"sturges"`` (⌈log₂ n + 1⌉ bins of equal width, the default of MatchIt), ``"fd"``
        (Freedman and Diaconis), ``"scott"``, ``"q5"`` (fifths of the rows), a number of bins of
        equal width, the cutpoints themselves, or ``"exact"`` (0 bins). The n of a rule are rows,
        whatever they weigh.
    grouping : dict, optional
        Column → groups of levels: ``{"education": [["vmbo", "havo"], ["hbo", "wo"]]}``; a level
        in no group stays by itself.
    missing : {"refuse", "category"}

    Raises
    ------
    toolkit.errors.ToolkitError

    References
    ----------
    Iacus, King and Porro (2012), Political Analysis 20, 1-24.
    """
    grouping = dict(grouping or {})
    require_columns(frame, *names, *grouping)
    if isinstance(cutpoints, Mapping):
        require_columns(frame, *cutpoints)
    code, said = np.zeros(frame.height, np.int64), {}
    for name in names:
        rule = cutpoints.get(name, "sturges") if isinstance(cutpoints, Mapping) else cutpoints
        if name in grouping:
            one, words = _grouped(frame, name, grouping[name], missing)
        elif frame.schema[name].is_numeric() and not _keeps(rule):
            one, words = _binned(frame, name, rule, missing)
        else:
            one, words = column_codes(frame, name, missing=missing), "exact"
        code = join(code, one)
        said[name] = words
    return code, said


def _check_rules(
    frame: pl.DataFrame, names: Sequence[str], rules: Mapping[str, Any],
    grouping: Mapping[str, Any],
) -> None:  # fmt: skip
    """Raise for a rule by column that could not be kept to."""
    for option, asked in (("cutpoints", rules), ("grouping", grouping)):
        spare = [name for name in asked if name not in names]
        if spare:
            raise CallError(
                f"{option}= names {spare[0]!r}, which is not matched on",
                fix="name it in on= as well",
            )
    for name, rule in rules.items():
        if _keeps(rule):
            continue
        if name in grouping:
            raise CallError(
                f"Column {name!r} has both cutpoints= and grouping=", fix="name it in one of them"
            )
        if not frame.schema[name].is_numeric():
            raise WrongTypeError(
                f"Column {name!r} is {frame.schema[name]}, which cannot be cut",
                fix="make a number of it (age in years, months since), or use grouping=",
            )


def _keeps(rule: Any) -> bool:
    """Tell whether values stay as they are: "exact", or MatchIt's 0 bins."""
    return isinstance(rule, (str, int)) and rule in {"exact", 0}


def _binned(frame: pl.DataFrame, name: str, rule: Any, missing: str) -> tuple[Ints, str]:
    if missing == "refuse":
        require_no_nulls(frame, name)
    series = frame[name].cast(pl.Float64).fill_nan(None)
    known = series.drop_nulls().to_numpy()
    if not np.isfinite(known).all():
        raise CallError(f"Column {name!r} is not finite everywhere", fix="say where it is cut off")
    distinct = len(np.unique(known))
    if distinct <= 2 and isinstance(rule, (str, int)):
        return column_codes(frame, name, missing=missing), "exact"
    cuts = inner_cuts(known, rule)
    values = series.fill_null(0.0).to_numpy()
    code = np.searchsorted(cuts, values, side="right").astype(np.int64)
    code[series.is_null().to_numpy()] = len(cuts) + 1
    return code, f"{len(cuts) + 1} bins"


def inner_cuts(values: Floats, rule: Any) -> Floats:
    """Return where values are cut, sorted; one fewer than there are bins."""
    if not isinstance(rule, str) and isinstance(rule, (Sequence, np.ndarray)):
        try:
            cuts = np.unique(np.asarray(rule, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise CallError("Cutpoints are numbers", fix="for instance [25, 45]") from error
        if not np.isfinite(cuts).all():
            raise CallError("Cutpoints are finite numbers", fix="leave out the open ends")
        return cuts
    if isinstance(rule, str) and rule[:1] == "q" and rule[1:].isdigit() and int(rule[1:]) > 1:
        return np.unique(np.quantile(values, np.arange(1, int(rule[1:])) / int(rule[1:])))
    bins = _bins(values, rule)
    return np.linspace(values.min(), values.max(), bins + 1)[1:-1]


def _bins(values: Floats, rule: Any) -> int:
    """Return the number of bins of equal width, by the rules of R's `nclass`."""
    if isinstance(rule, int) and not isinstance(rule, bool):
        if rule < 1:
            raise CallError(f"{rule} bins", fix="1 or more; 'exact' for no coarsening")
        return rule
    n = len(values)
    if rule == "sturges":
        return int(np.ceil(np.log2(n) + 1))
    if rule == "fd":
        low, high = np.quantile(values, [0.25, 0.75])
        width = 2 * (high - low) * n ** (-1 / 3)
    elif rule == "scott":
        width = 3.5 * float(values.std(ddof=1)) * n ** (-1 / 3)
    else:
        raise unknown_option("cutpoints", rule, (*RULES, "q5"))
    return max(1, int(np.ceil(np.ptp(values) / width))) if width > 0 else 1


def _grouped(
    frame: pl.DataFrame, name: str, groups: Sequence[Sequence[Any]], missing: str
) -> tuple[Ints, str]:
    own = column_codes(frame, name, missing=missing)
    levels = frame[name].cast(pl.String)
    first = {level: int(c) for level, c in zip(levels.to_list(), own, strict=True)}
    code = own.copy()
    used: set[str] = set()
    for group in groups:
        members = [str(level) for level in (as_columns(group) if isinstance(group, str) else group)]
        unknown = [level for level in members if level not in first]
        if unknown:
            raise UnknownCodeError(
                f"Column {name!r} has no level {masked(repr(unknown[0]))}", fix="check grouping="
            )
        if used & set(members) or len(set(members)) < len(members):
            raise CallError(f"grouping= names a level of {name!r} twice", fix="once a level")
        used |= set(members)
        code[np.isin(own, [first[level] for level in members])] = first[members[0]]
    return code, f"{len(np.unique(code))} groups of levels"
