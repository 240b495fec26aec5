"""How one field is decoded: its number or text looked up, compared and put into words.

Everything is an expression over two columns that `values.parse` prepares: `<name>` as delivered
(String, Int, Float64 or Date) and `<name>__number`, the number that it is, or null.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.registers.delivery import STATUS
from toolkit.registers.keys.numbers import LARGEST_RIN, LETTERS, NO_PARTNER, passes_eleven_test
from toolkit.registers.values.dates import FIRST_YEAR, LAST_YEAR, day_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.registers.delivery import Status
    from toolkit.registers.layout import FieldSpec

STATES = pl.Enum(STATUS)
#: The number in which a field of a type is compared. Of a letter: its place in ASCII.
NUMBERED: dict[str, type[pl.DataType]] = {
    "rin_letter": pl.UInt8, "rin": pl.UInt32, "bsn": pl.UInt32, "date": pl.UInt32,
    "municipality": pl.UInt32, "code": pl.UInt32, "integer": pl.Int64, "number": pl.Float64,
    "id": pl.Int64, "text": pl.Int64, "client": pl.Int64,
}  # fmt: skip
#: Codes of up to so many digits are looked up by their number.
_DIGITS = 5


@dataclass(frozen=True)
class Decoded:
    """Expressions of a decoded field; `range` is true where a number is outside its range."""

    value: pl.Expr
    status: pl.Expr
    range: pl.Expr | None = None


def decode(field: FieldSpec, dtype: pl.DataType) -> Decoded:
    """Return the expressions that decode a field delivered as `dtype`."""
    raw, number = pl.col(field.name), pl.col(f"{field.name}__number")
    if field.type == "code":
        return _code(field, dtype, raw, number)
    ok = number.is_not_null()
    if dtype.is_float():
        ok &= (raw == number) if field.type != "number" else raw.is_finite()
    outside = None
    match field.type:
        case "date":
            if dtype == pl.String and field.written != "yyyymmdd":
                form = reduce(
                    lambda so_far, part: so_far.replace(*part),
                    (("yyyy", "%Y"), ("mm", "%m"), ("dd", "%d")),
                    field.written,
                )
                value = raw.str.to_date(form, strict=False)
                ok = value.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
            elif dtype == pl.Date:
                value = raw
                ok = value.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
            else:
                value = day_of(number, field.partial)
                ok &= value.is_not_null()
                if dtype == pl.String:
                    ok &= raw.str.len_bytes() == 8
        case "municipality":
            value = pl.lit(_municipalities()).gather(number, null_on_oob=True)
            ok &= value.is_not_null()
            if dtype == pl.String:
                ok &= raw.str.len_bytes() <= 4
        case "bsn":
            value = number.cast(pl.String).str.zfill(9)
            # a leading zero may be lost, not two: those are other numbers
            ok &= passes_eleven_test(number)
            ok &= raw.str.len_bytes().is_in([8, 9]) if dtype == pl.String else number >= 10**7
        case "rin":
            value = number
            ok &= number <= LARGEST_RIN
        case "rin_letter":
            value = pl.lit(LETTERS).gather(number - pl.lit(ord("A"), pl.UInt8), null_on_oob=True)
        case "text" | "client":
            value = raw if dtype == pl.String else number.cast(pl.String)
            if dtype.is_float():
                value = pl.when(ok).then(value).otherwise(raw.cast(pl.String))
            ok = raw.is_not_null() if dtype != pl.String else raw != ""
            if field.width is not None:
                ok &= value.str.len_chars() <= field.width
        case _:
            value = number
            if field.type == "number":
                ok &= number.is_finite()
            if field.type == "id":
                ok &= number >= 0
            outside = _outside(field, number)
    hits = [
        (status, hit)
        for status, listed in _listed(field)
        if (hit := _any_of(field, listed, dtype, raw, number)) is not None
    ]
    if field.type == "rin":
        # keys 0 and 1 stand for persons that nobody knows
        hits.append(("unknown", number <= 1))
    inside = ok if outside is None else ok & ~outside
    status = _status(field, dtype, raw, hits, inside)
    valid = reduce(lambda so_far, hit: so_far & ~hit[1].fill_null(value=False), hits, inside)
    beyond = None
    if outside is not None:
        beyond = reduce(
            lambda so_far, hit: so_far & ~hit[1].fill_null(value=False), hits, ok & outside
        )
    return Decoded(pl.when(valid).then(value), status, beyond)


def _listed(field: FieldSpec) -> list[tuple[Status, tuple[str, ...]]]:
    found: list[tuple[Status, tuple[str, ...]]] = [
        ("open", field.open), ("not_applicable", field.not_applicable), ("unknown", field.unknown),
    ]  # fmt: skip
    if field.type == "bsn" and not any(NO_PARTNER in listed for _, listed in found):
        found.append(("not_applicable", (NO_PARTNER,)))
    return found


def _status(
    field: FieldSpec,
    dtype: pl.DataType,
    raw: pl.Expr,
    hits: Sequence[tuple[Status, pl.Expr]],
    ok: pl.Expr,
) -> pl.Expr:
    empty = raw.is_null()
    if dtype == pl.String:
        empty |= raw == ""
    states = [(_empty_is(field), empty), *hits, ("valid", ok)]
    chain: Any = pl
    for status, condition in states:
        chain = chain.when(condition).then(pl.lit(status, STATES))
    done: pl.Expr = chain.otherwise(pl.lit("invalid", STATES))
    return done


def _empty_is(field: FieldSpec) -> Status:
    return next((status for status, listed in _listed(field) if "" in listed), "unknown")


def _any_of(
    field: FieldSpec, listed: Sequence[str], dtype: pl.DataType, raw: pl.Expr, number: pl.Expr
) -> pl.Expr | None:
    """Say where a value is one of those listed: numbers by their number, other words as they are.

    So `00000000` is also found as 0 and 0.0, as which it comes out of a .sav or a spreadsheet.
    """
    found = []
    for word in listed:
        as_number = _number(word, field.type) if field.type != "text" else None
        if field.type == "date" and field.written != "yyyymmdd":
            written, plain = _both_ways(field, word)
            if dtype == pl.String:
                found += [raw == one for one in {word, written} if one]
                continue
            word = plain  # noqa: PLW2901 (typed columns hold yyyymmdd or a date)
            as_number = _number(word, "date")
        if dtype == pl.Date:
            day = _day(word)
            found += [raw == day] if day else []
        elif as_number is not None and field.type != "rin_letter":
            same = number == pl.lit(as_number, NUMBERED[field.type])
            found.append(same & (raw == number) if dtype.is_float() else same)
        elif word and dtype == pl.String:
            found.append(raw == word)
        elif word and (as_number := _number(word, "integer")) is not None:
            found.append(raw == as_number)
    return reduce(or_, found) if found else None


def _number(word: str, kind: str) -> float | None:
    """The number a listed word is, in a field of a kind."""
    try:
        found = float(word.replace(",", ".")) if kind == "number" else int(word)
    except ValueError:
        return None
    return found if kind in {"number", "integer"} or found >= 0 else None


def _both_ways(field: FieldSpec, word: str) -> tuple[str, str]:
    """Return a listed date as the field writes it, and as `yyyymmdd`; a word that is none as is."""
    places = {part: field.written.index(part) for part in ("yyyy", "mm", "dd")}
    if word.isdigit() and len(word) == 8:
        parts = {"yyyy": word[:4], "mm": word[4:6], "dd": word[6:]}
        return reduce(
            lambda so_far, part: so_far.replace(*part), parts.items(), field.written
        ), word
    if len(word) == len(field.written):
        bare = "".join(word[at : at + len(part)] for part, at in places.items())
        return word, bare if bare.isdigit() else word
    return word, word


def _day(word: str) -> date | None:
    try:
        return date(int(word[:4]), int(word[4:6]), int(word[6:]))
    except ValueError:
        return None


def _outside(field: FieldSpec, number: pl.Expr) -> pl.Expr | None:
    bounds = []
    if field.minimum is not None:
        bounds.append(number < field.minimum)
    if field.maximum is not None:
        bounds.append(number > field.maximum)
    return reduce(or_, bounds) if bounds else None


@cache
def _municipalities() -> pl.Series:
    return pl.Series([None, *(f"gm{number:04d}" for number in range(1, 10_000))])


def _code(field: FieldSpec, dtype: pl.DataType, raw: pl.Expr, number: pl.Expr) -> Decoded:
    """Look a code up by its number, or where codes are no (unlike) numbers by the text itself."""
    words: dict[str, tuple[Status, str | None]] = {
        code: ("valid", name or None) for code, name in field.code_list.items()
    }
    for status, listed in _listed(field):
        words |= {word: (status, None) for word in listed if word}
    numbers = {code: int(code) for code in words if code.isascii() and code.isdigit()}
    width = field.width or max(len(code) for code in words)
    distinct = len(set(numbers.values())) == len(numbers)
    plain = (
        len(numbers) == len(words)
        and distinct
        and max(len(code) for code in words) <= width <= _DIGITS
    )
    place: pl.Expr
    if dtype == pl.String and plain:
        fits = (raw.str.len_bytes() <= width) & ~raw.str.starts_with("+")
        place = pl.when(fits).then(number)
        found = _table({numbers[code]: word for code, word in words.items()})
    else:
        if dtype == pl.String:
            forms = {
                form: word
                for code, word in words.items()
                for form in (_forms(code, width) if distinct else ())
            } | words
            text = raw
        else:
            # where 1 and 01 are different codes, the number 1 is the shorter
            codes = sorted(numbers, key=len, reverse=True)
            forms = {str(numbers[code]): words[code] for code in codes}
            text = pl.when(raw == number).then(number).cast(pl.String)
        place = text.cast(pl.Enum(list(forms)), strict=False).to_physical()
        found = _table(dict(enumerate(forms.values())))
    value, state = (pl.lit(column).gather(place, null_on_oob=True) for column in found)
    empty = raw.is_null() if dtype != pl.String else raw.is_null() | (raw == "")
    given = state.fill_null(pl.lit("invalid", STATES))
    return Decoded(value, pl.when(empty).then(pl.lit(_empty_is(field), STATES)).otherwise(given))


def _forms(code: str, width: int) -> list[str]:
    """The code padded to its width, and what is left where leading zeros were lost."""
    if not (code.isascii() and code.isdigit()):
        return [code]
    bare = code.lstrip("0") or "0"
    return [bare.zfill(length) for length in range(len(bare), max(width, len(bare)) + 1)]


def _table(words: dict[int, tuple[Status, str | None]]) -> tuple[pl.Series, pl.Series]:
    """Names and states by number."""
    size = max(words, default=-1) + 1
    names = np.full(size, None, dtype=object)
    states = np.full(size, None, dtype=object)
    for place, (status, name) in words.items():
        states[place], names[place] = status, name
    return (
        pl.Series("names", names.tolist(), dtype=pl.String),
        pl.Series("states", states.tolist(), dtype=STATES),
    )
