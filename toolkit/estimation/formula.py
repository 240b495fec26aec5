"""A formula, read once: which columns it needs, and what matrix it makes of any frame."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    CollinearityError,
    InputError,
    UnknownCodeError,
    WrongTypeError,
    masked,
    unknown_column,
)
from toolkit.frames import require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NAME = re.compile(r"`([^`]+)`|([^\W\d]\w*)(\s*[(.])?")
_MISSING = re.compile(r"[`'](?P<name>[^`']+)[`'] is not (?:present|defined)")
_MISSING_NAME = re.compile(r"name '(?P<name>[^']+)' is not defined")
_INTERCEPT = "Intercept"
_PROBE = 40
#: Rows from which knots and centres of weighted patterns are taken at most.
_MOST_ROWS = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Covariates:
    """A formula whose contrasts, knots and centres are fixed by the data it was learned on.

    Attributes
    ----------
    formula : str
        As the user wrote it.
    variables : tuple of str
        The columns of the data that it names, in their order in the data.
    terms : tuple of str
        Names of the p columns of the matrix, without the intercept; formulaic's
        (``sex[T.f]``, ``np.log(age)``, ``a:b``).
    levels : dict
        Of every text variable, the levels it was learned on, first the reference.
    """

    formula: str
    variables: tuple[str, ...]
    terms: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    _spec: Any = field(repr=False)

    def matrix(self, frame: pl.DataFrame, *, where: str = "the data") -> Floats:
        """Return the (rows, p) matrix of a frame, without intercept.

        Raises
        ------
        toolkit.errors.ToolkitError
            For a column that is not there, a missing value, a level not seen in learning, or a
            value that the formula cannot take (the logarithm of 0).
        """
        require_columns(frame, *self.variables, where=where)
        require_no_nulls(frame, *self.variables)
        if not self.terms:
            return np.zeros((frame.height, 0))
        for name, known in self.levels.items():
            new = frame[name].cast(pl.String).unique().sort()
            new = new.filter(~new.is_in(list(known)))
            if len(new):
                level = masked(repr(new[0]))
                raise UnknownCodeError(
                    f"Column {name!r} holds a level the model was not fitted on: {level}",
                    where=where,
                    fix=f"use one of {masked(', '.join(map(repr, known[:8])))}",
                )
        table = _to_pandas(frame, self.variables, self.levels)
        return _finite(_evaluate(self._spec, table, self.formula, where=where), self)

    def term_columns(self) -> dict[str, list[int]]:
        """Return the columns of the matrix that belong to each term of the formula."""
        shift = 1 if _INTERCEPT in self._spec.column_names else 0
        found = {str(term): [i - shift for i in at] for term, at in self._spec.term_indices.items()}
        return {term: at for term, at in found.items() if term != "1"}


def variables_of(formula: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the columns among `known` that a formula names."""
    if not isinstance(formula, str):
        raise CallError(
            f"formula is a {type(formula).__name__}, not text", fix="for instance 'age + sex'"
        )
    bare = _QUOTED.sub("''", formula)
    named = {
        quoted or plain
        for quoted, plain, after in _NAME.findall(bare)
        if quoted or after.strip() != "("
    }
    return tuple(name for name in known if name in named)


def learn(
    formula: str,
    frame: pl.DataFrame,
    counts: Ints | None = None,
    *,
    known: Sequence[str] | None = None,
) -> tuple[Covariates, Floats]:
    """Fix a formula on the rows of a frame; return it with the frame's matrix.

    Parameters
    ----------
    formula : str
        Right-hand side, as in R: ``age + C(group) + age:sex``. The intercept is left to the model.
    frame : DataFrame
        Distinct patterns, or rows.
    counts : (rows,) array, optional
        How often each row stands in the data: what knots and centres are taken from.
    known : sequence of str, optional
        Columns to name when one is not there, where `frame` holds only some of the data's.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a formula that cannot be read or names what is not there, and for text of one level.
    """
    from formulaic import ModelSpec

    variables = variables_of(formula, frame.columns)
    require_no_nulls(frame, *variables)
    parsed = _parse(formula)
    levels = {
        name: _levels(frame[name])
        for name in variables
        if isinstance(frame.schema[name], (pl.String, pl.Categorical, pl.Enum))
    }
    table = _to_pandas(frame, variables, levels)
    spec = ModelSpec(parsed, output="numpy", na_action="ignore", ensure_full_rank=True)
    columns = frame.columns if known is None else known
    made = _made(spec, table, formula, known=columns)
    if made.model_spec.transform_state and counts is not None and (counts != 1).any():
        rows = np.repeat(np.arange(len(table)), _bounded(counts))
        made = _made(spec, table.iloc[rows], formula, known=columns)
        made = _made(made.model_spec, table, formula, known=columns)
    spec = made.model_spec
    _check_levels(spec)
    terms = tuple(name for name in spec.column_names if name != _INTERCEPT)
    covariates = Covariates(
        formula=formula, variables=variables, terms=terms, levels=levels, _spec=spec
    )
    values = _strip(np.asarray(made, dtype=np.float64), spec)
    _check_rowwise(covariates, table, values)
    return covariates, _finite(values, covariates)


def _bounded(counts: Ints) -> Ints:
    """Return counts in about their own proportions that a machine can hold as rows.

    Only where there are more than `_MOST_ROWS`: quantiles then move by less than a millionth.
    """
    total = int(counts.sum())
    if total <= _MOST_ROWS:
        return counts
    return np.maximum(np.rint(counts / (total / _MOST_ROWS)), 1).astype(np.int64)


def _parse(formula: str) -> Any:
    from formulaic import Formula, SimpleFormula
    from formulaic.errors import FormulaicError

    try:
        parsed = Formula(formula)
    except (FormulaicError, SyntaxError) as error:
        said = re.sub(r"\x1b\[[\d;]*m|[⧛⧚]\S*m?", "", str(error)).splitlines()[0]
        raise CallError(
            f"The formula {formula!r} cannot be read: {said}",
            fix="write it as 'age + sex + age:sex'",
        ) from error
    if not isinstance(parsed, SimpleFormula):
        raise CallError(
            f"The formula {formula!r} has more than a right-hand side",
            fix="leave out what stands before ~; the outcome is named by time= and event=",
        )
    if "1" not in {str(term) for term in parsed}:  # contrasts need it; the model drops its column
        parsed = SimpleFormula([*Formula("1"), *parsed])
    return parsed


def _context() -> dict[str, Any]:
    return {"np": np}


def _evaluate(spec: Any, table: pd.DataFrame, formula: str, *, where: str | None = None) -> Floats:
    made = _made(spec, table, formula, known=list(table.columns), where=where)
    return _strip(np.asarray(made, dtype=np.float64), spec)


def _made(
    spec: Any, table: pd.DataFrame, formula: str, *, known: Sequence[str], where: str | None = None
) -> Any:
    """Return the matrix of a frame as formulaic makes it; what it refuses is said in our words."""
    from formulaic.errors import DataMismatchWarning, FormulaicError

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # _finite names what went wrong
            # numbers taken for levels, C(x): formulaic gives unknown ones those of the reference
            warnings.simplefilter("error", DataMismatchWarning)
            return spec.get_model_matrix(table, context=_context())
    except DataMismatchWarning as error:
        raise UnknownCodeError(
            f"A variable in C() of the formula {formula!r} holds a level the model does not know",
            where=where,
            fix="use the levels the model was fitted on, all of those named in levels=",
        ) from error
    except (FormulaicError, ValueError) as error:
        raise _explained(formula, error, known) from error


def _check_levels(spec: Any) -> None:
    """Raise for a term without columns: text of one level, which formulaic leaves out unsaid."""
    for term, at in spec.term_indices.items():
        if not at:
            raise CollinearityError(
                f"Term '{term}' has the same value in every row",
                fix="leave it out of the formula, or look whether a filter made it constant",
            )


def _strip(values: Floats, spec: Any) -> Floats:
    keep = [i for i, name in enumerate(spec.column_names) if name != _INTERCEPT]
    return np.ascontiguousarray(values[:, keep[0] :] if keep else values[:, :0])


def _to_pandas(
    frame: pl.DataFrame, variables: Sequence[str], levels: dict[str, tuple[str, ...]]
) -> pd.DataFrame:
    """Return the variables as formulaic reads them; text as categories (no pyarrow needed)."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in variables:
        series = frame[name]
        if name in levels:
            enum = pl.Enum(levels[name])
            codes = series.cast(pl.String).cast(enum).to_physical().cast(pl.Int64)
            columns[name] = pd.Categorical.from_codes(codes.to_numpy(), list(levels[name]))
        elif series.dtype.is_decimal():  # numpy makes objects of them, which would be levels
            columns[name] = series.cast(pl.Float64).to_numpy()
        elif series.dtype.is_numeric() or series.dtype == pl.Boolean:
            columns[name] = series.to_numpy()
        else:
            raise WrongTypeError(
                f"Column {name!r} is {series.dtype}, not a number, a truth value or text",
                fix="turn dates into numbers (age in years, months since) before the model",
            )
    return pd.DataFrame(columns, index=range(frame.height), copy=False)


def _levels(series: pl.Series) -> tuple[str, ...]:
    there = series.unique().drop_nulls()
    if isinstance(series.dtype, pl.Enum):  # in its own order
        return tuple(there.sort().cast(pl.String).to_list())
    return tuple(there.cast(pl.String).sort().to_list())


def _finite(values: Floats, covariates: Covariates) -> Floats:
    bad = ~np.isfinite(values).all(axis=0)
    if bad.any():
        name = covariates.terms[int(np.argmax(bad))]
        rows = int((~np.isfinite(values[:, bad])).any(axis=1).sum())
        raise InputError(
            f"Term {name!r} is not a finite number everywhere",
            where=f"{rows:,} of {len(values):,} covariate patterns",
            fix="look at the values it is made of: infinite, or outside what its function takes",
        )
    return values


def _check_rowwise(covariates: Covariates, table: pd.DataFrame, values: Floats) -> None:
    """Raise when a row's terms depend on the other rows: patterns are not the rows of the data."""
    some = np.unique(np.linspace(0, len(table) - 1, min(_PROBE, len(table))).astype(int))[::-1]
    half = some[: (len(some) + 1) // 2]
    again = _evaluate(covariates._spec, table.iloc[half], covariates.formula)  # noqa: SLF001
    same = np.isclose(again, values[half], rtol=1e-9, atol=1e-12, equal_nan=True).all(axis=0)
    if not same.all():
        name = covariates.terms[int(np.argmin(same))]
        raise CallError(
            f"Term {name!r} is computed over all rows, not row by row",
            fix="use center(x), scale(x) or bs(x), or make it a column of the data first",
        )


def _explained(formula: str, error: Exception, known: Sequence[str]) -> Exception:
    said = str(error)
    found = _MISSING.search(said) or _MISSING_NAME.search(said)
    if found:
        return unknown_column(found["name"], known, where=f"the formula {formula!r}")
    return CallError(
        f"The formula {formula!r} cannot be computed: {said.splitlines()[0]}",
        fix="make the column in the data first",
    )
