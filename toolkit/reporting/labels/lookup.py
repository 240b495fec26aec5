"""The words: one file a language, the same keys in both."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from toolkit.errors import CallError, nearest
from toolkit.reporting.language import current_language

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def read_labels(language: str) -> Mapping[str, str]:
    """Return all labels of a language, `section.key` → text."""
    text = (
        files("toolkit.reporting.labels").joinpath(f"{language}.toml").read_text(encoding="utf-8")
    )
    return {
        f"{section}.{key}": words
        for section, entries in tomllib.loads(text).items()
        for key, words in entries.items()
    }


def label(key: str, **values: object) -> str:
    """Return the words for a key in the current language, with `{names}` filled in.

    Parameters
    ----------
    key : str
        `section.key`, as in `nl.toml`: `"scheme.wwb"`, `"axis.months_since_exit"`.
    **values : object
        What the label asks for, formatted: `label("mark.months", n=6, value="12%")`.

    Raises
    ------
    CallError
        The key is unknown (the nearest is named), or the label asks for a value not given.

    Examples
    --------
    >>> label("scheme.wwb")
    'bijstand'
    >>> label("figure.number", number="2.1")
    'Figuur 2.1'
    """
    language = current_language()
    known = read_labels(language)
    if key not in known:
        hint = nearest(key, known)
        fix = (
            f"did you mean {hint!r}?"
            if hint
            else "add it to nl.toml and en.toml, or pass own labels"
        )
        raise CallError(f"Label {key!r} does not exist", where=f"{language}.toml", fix=fix)
    try:
        return known[key].format(**values)
    except KeyError as error:
        raise CallError(
            f"Label {key!r} needs a value for {error.args[0]!r}",
            where=f"{language}.toml: {known[key]!r}",
            fix="pass it by name",
        ) from error


def name_of(column: str, value: object, own: Mapping[str, str] | None = None) -> str:
    """Return how a value of a column is called: own labels first, then code lists, then itself.

    Examples
    --------
    >>> name_of("sex", "female")
    'vrouwen'
    >>> name_of("group", "kwetsbare jongeren")
    'kwetsbare jongeren'
    """
    text = str(value)
    if own is not None and text in own:
        return own[text]
    if isinstance(value, bool):
        text = str(value).lower()
    known = read_labels(current_language())
    return known.get(f"{column}.{text}", text)
