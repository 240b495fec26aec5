"""The language of labels and numbers, carried by a context variable so that nobody passes it on."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, get_args

from toolkit.errors import check_option

if TYPE_CHECKING:
    from collections.abc import Iterator

Language = Literal["nl", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_LANGUAGE: ContextVar[Language] = ContextVar("reporting_language", default="nl")


def current_language() -> Language:
    """Return the language that labels and numbers follow now.

    Examples
    --------
    >>> current_language()
    'nl'
    """
    return _LANGUAGE.get()


@contextmanager
def speak(language: Language) -> Iterator[None]:
    """Let labels and numbers follow `language` inside the block.

    Examples
    --------
    >>> with speak("en"):
    ...     current_language()
    'en'
    """
    check_option("language", language, LANGUAGES)
    token = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)
