"""The registry of methods: what each asks, assumes, needs and reports, and whether it is net.

The registry is data (``methods.toml``). A result prints its own row (`claim`); a protocol refers to
it; the how-to page on choosing a method lists it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from toolkit.errors import check_option

if TYPE_CHECKING:
    from collections.abc import Mapping

Language = Literal["nl", "en"]
LANGUAGES = ("nl", "en")
#: What is told of each method, in two languages.
TEXTS = ("name", "question", "assumption", "data", "diagnostics", "report", "reason")
#: Words around a claim.
_WORDS = {
    "en": {
        "method": "Method", "question": "Question", "assumption": "Assumes", "report": "Report",
        "net": "NET", "gross": "GROSS (bruto)", "because": "no net effect:",
        "here": "here", "planned": "planned", "unbuilt": "PLANNED: not in the toolkit yet.",
    },
    "nl": {
        "method": "Methode", "question": "Vraag", "assumption": "Veronderstelt",
        "report": "Vermeld", "net": "NETTO", "gross": "BRUTO",
        "because": "geen netto-effect:", "here": "aanwezig", "planned": "gepland",
        "unbuilt": "GEPLAND: nog niet in de toolkit.",
    },
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of measuring what a programme does.

    Attributes
    ----------
    key : str
        What results carry as `meta["design"]`.
    net : bool
        Whether it can support a net claim, under its assumption.
    texts : mapping
        `name, question, assumption, data, diagnostics, report, reason`, each by language.
    functions : tuple of str
        What implements it here, or will, as ``room.name``.
    checks : tuple of str
        What tells how far its answer can be trusted, as ``room.name``.
    source : tuple of str
    """

    key: str
    net: bool
    texts: Mapping[str, Mapping[str, str]]
    functions: tuple[str, ...]
    checks: tuple[str, ...] = ()
    source: tuple[str, ...]

    @property
    def planned(self) -> bool:
        """Whether none of it is in the toolkit yet."""
        return all(find(name) is None for name in self.functions)

    def text(self, what: str, language: Language = "en") -> str:
        """Return one of `TEXTS` in a language."""
        return self.texts[what][language]


@cache
def registry() -> Mapping[str, Method]:
    """Return the methods by key, in the order of the registry."""
    text = files("toolkit.effects").joinpath("methods.toml").read_text(encoding="utf-8")
    return {key: _method(key, row) for key, row in tomllib.loads(text).items()}


def _method(key: str, row: Mapping[str, Any]) -> Method:
    return Method(
        key=key,
        net=bool(row["net"]),
        texts={name: row[name] for name in TEXTS},
        functions=tuple(row["functions"]),
        checks=tuple(row.get("checks", ())),
        source=tuple(row["source"]),
    )


def method(design: str) -> Method:
    """Return a method by its key.

    Raises
    ------
    toolkit.errors.UnknownOptionError
        For a key that is not in the registry, with the nearest one.
    """
    known = registry()
    check_option("design", design, tuple(known))
    return known[design]


def methods(language: Language = "en") -> pl.DataFrame:
    """Return the registry: a row a method, from least to most that is asked of its design.

    Parameters
    ----------
    language : {"en", "nl"}
        Of the texts.

    Returns
    -------
    DataFrame
        ``method`` (key), ``status`` (here or planned), ``name_nl, name_en, question, assumption,
        data, diagnostics, report``, ``claim`` (net or gross), ``reason`` (why, or under which
        condition), ``functions`` (list of what implements it here), ``planned`` (list of what is
        still to be built), ``checks`` (list of what tells how far it can be trusted), ``source``
        (list of papers).

    Raises
    ------
    toolkit.errors.UnknownOptionError
        For another language.

    Notes
    -----
    The methods and what is to be told of each follow TNO and SEO (2008), *Handboek meetmethoden
    voor effectiviteit van activerend arbeidsmarktbeleid*; the wording is ours.

    Examples
    --------
    >>> methods().filter(pl.col("claim") == "gross")["method"].to_list()
    ['before_after', 'naive']
    >>> methods().filter(pl.col("status") == "planned")["method"].to_list()
    ['selection_model', 'timing_of_events']
    """
    check_option("language", language, LANGUAGES)
    rows = [
        {
            "method": one.key,
            "status": _WORDS[language]["planned" if one.planned else "here"],
            "name_nl": one.text("name", "nl"),
            "name_en": one.text("name", "en"),
            **{
                what: one.text(what, language)
                for what in ("question", "assumption", "data", "diagnostics", "report")
            },
            "claim": "net" if one.net else "gross",
            "reason": one.text("reason", language),
            "functions": [name for name in one.functions if find(name) is not None],
            "planned": [name for name in one.functions if find(name) is None],
            "checks": list(one.checks),
            "source": list(one.source),
        }
        for one in registry().values()
    ]
    texts = pl.List(pl.String)
    return pl.DataFrame(
        rows,
        schema_overrides={"functions": texts, "planned": texts, "checks": texts, "source": texts},
    )


def claim(design: str, language: Language = "en") -> str:
    """Return what a result of this method may claim: the lines that it prints under its numbers.

    Parameters
    ----------
    design : str
        Key of the method.
    language : {"en", "nl"}

    Raises
    ------
    toolkit.errors.UnknownOptionError
        For a key that is not in the registry, or another language.

    Examples
    --------
    >>> print(claim("naive").splitlines()[-1])
    GROSS (bruto), no net effect: participants were selected: the difference is selection too \
(creaming, or the hardest cases first).
    """
    check_option("language", language, LANGUAGES)
    one, words = method(design), _WORDS[language]
    verdict = f"{words['net']}:" if one.net else f"{words['gross']}, {words['because']}"
    return "\n".join(
        (
            f"{words['method']}: {one.text('name', language)}",
            *(
                f"{words[what]}: {one.text(what, language)}"
                for what in ("question", "assumption", "report")
            ),
            f"{verdict} {one.text('reason', language)}.",
            *([words["unbuilt"]] if one.planned else []),
        )
    )


def find(name: str) -> Any:
    """Return what ``room.name`` stands for in the toolkit, or None while it is not there."""
    room, _, attribute = name.partition(".")
    return getattr(import_module(f"toolkit.{room}"), attribute, None)
