"""What is wrong in a config, said as a person would: the word, its place, the nearest known one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from toolkit.errors import InputError, masked, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

Model = TypeVar("Model", bound=BaseModel)

#: What pydantic says → what to write.
_SAYINGS = {
    "missing": "is missing",
    "string_type": 'is text, in double quotes: "…"',
    "string_too_short": "is empty",
    "too_short": "is empty",
    "list_type": 'is a list, in square brackets: ["…"]',
    "tuple_type": 'is a list, in square brackets: ["…"]',
    "dict_type": "is a table: [name]",
    "model_type": "is a table: [name]",
    "int_type": "is a whole number",
    "int_parsing": "is a whole number",
    "int_from_float": "is a whole number",
    "float_type": "is a number",
    "float_parsing": "is a number",
    "bool_parsing": "is true or false",
    "date_type": "is a date: 2010-03-01",
    "date_parsing": "is a date: 2010-03-01",
    "date_from_datetime_parsing": "is a date: 2010-03-01",
}


def checked(model: type[Model], found: Any, *, where: str) -> Model:
    """Return the model of what a config says.

    Raises
    ------
    toolkit.errors.InputError
        For the first thing that is wrong: which word, where, and the nearest known one.
    """
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise _explained(error, model, where) from None


def _explained(error: ValidationError, model: type[BaseModel], where: str) -> InputError:
    found = error.errors()
    # a typo is also a word that is missing: name what stands there
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    place, kind = first["loc"], first["type"]
    name = masked(str(next((p for p in reversed(place) if isinstance(p, str)), "it")))
    path = ".".join(str(p + 1) if isinstance(p, int) else str(p) for p in place)
    said, fix = f"{name!r} {_say(first)}", "correct it"
    if kind == "extra_forbidden":
        known = _words(model, place[:-1])
        hint = nearest(name, known)
        said = f"{name!r} is not a word that can stand here"
        fix = f"did you mean {hint!r}?" if hint else f"the words are {', '.join(known)}"
    elif kind == "literal_error":
        choices = first["ctx"]["expected"].split("'")[1::2]
        hint = nearest(str(first["input"]), choices)
        given = masked(repr(first["input"]))
        said = f"{name!r} cannot be {given}; it is one of {', '.join(choices)}"
        fix = f"did you mean {hint!r}?" if hint else "choose one of these"
    count = error.error_count() - 1
    more = f" (and {count} more)" if count else ""
    return InputError(said + more, where=f"{where}, {path}" if path else where, fix=fix)


def _say(first: Any) -> str:
    """Return what is asked of a value."""
    if first["type"] in _SAYINGS:
        return _SAYINGS[first["type"]]
    said = str(first["msg"]).removeprefix("Value error, ")
    return said.replace("Input should be", "should be")


def _words(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the words that may stand at a place of a model."""
    at: type[BaseModel] = model
    for part in place:
        if isinstance(part, int):
            continue
        fields: Mapping[str, Any] = at.model_fields
        if part in fields:
            inner = _model_in(fields[part].annotation)
            at = inner or at
    return list(at.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as ``dict[str, Bound]`` or ``Bound | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found
    return None
