"""The protocol: policy question → research question → design → data → indicators, on one page."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.effects.profile_checks import SHORT
from toolkit.effects.protocol_config import ProtocolConfig
from toolkit.effects.protocol_page import as_html, as_text, fill_page
from toolkit.effects.registry import LANGUAGES, method, registry
from toolkit.effects.typos import checked
from toolkit.errors import CallError, HorizonError, InputError, check_option, nearest
from toolkit.provenance import to_json, write_json

if TYPE_CHECKING:
    from toolkit.effects.registry import Language, Method
    from toolkit.effects.thresholds import Thresholds

#: Methods whose claim rests on covariates, and how much history shows selection.
_ON_COVARIATES = {"regression", "matching", "weighting", "doubly_robust", "risk_sets"}
_HISTORY = 24


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What was decided before any outcome was seen.

    Attributes
    ----------
    config : ProtocolConfig
    notes : tuple of str
        What a reader must mind: keys of sentences of the page.
    """

    config: ProtocolConfig
    notes: tuple[str, ...] = field(default=())

    @property
    def method(self) -> Method:
        """The method's row of the registry."""
        return method(self.config.design.method)

    @property
    def thresholds(self) -> Thresholds:
        """What the gate asks of diagnostics."""
        return self.config.thresholds

    @property
    def horizons(self) -> tuple[int, ...]:
        """All months since start at which indicators are reported, rising."""
        return tuple(sorted({h for one in self.config.indicators for h in one.horizons}))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the config: the same protocol, the same fingerprint."""
        text = json.dumps(self._plain(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def text(self, language: Language = "nl") -> str:
        """Return the page as plain text."""
        return as_text(self._page(language))

    def html(self, language: Language = "nl") -> str:
        """Return the page as HTML, self-contained, made to print on one sheet."""
        return as_html(self._page(language), language)

    def _repr_html_(self) -> str:
        return self.html()

    def to_dict(self) -> dict[str, Any]:
        """Return config, the method's row of the registry, notes and fingerprint, for JSON."""
        one = self.method
        return {
            "config": self._plain(),
            "method": {
                "key": one.key, "net": one.net, "texts": to_json(dict(one.texts)),
                "source": list(one.source),
            },
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
        }  # fmt: skip

    def save(self, folder: Path | str, *, language: Language = "nl") -> Path:
        """Write `protocol.json`, `protocol.html` and `protocol.txt`; return the page's path."""
        check_option("language", language, LANGUAGES)
        place = Path(folder)
        write_json(place / "protocol.json", self.to_dict())
        (place / "protocol.txt").write_text(self.text(language), encoding="utf-8")
        page = place / "protocol.html"
        page.write_text(self.html(language), encoding="utf-8")
        return page

    def _plain(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def _page(self, language: Language) -> Any:
        check_option("language", language, LANGUAGES)
        return fill_page(self.config, self.notes, self.fingerprint, language)


def protocol(config: Path | str | Mapping[str, Any]) -> Protocol:
    """Read a protocol and check it.

    Parameters
    ----------
    config : path or mapping
        A TOML file (`example_protocol()` is one), the `protocol.json` that a protocol saved, or
        what stands in either.

    Returns
    -------
    Protocol

    Raises
    ------
    toolkit.errors.CallError
        When the file is not there.
    toolkit.errors.InputError
        When it is no TOML, says a word that is not known (with the nearest one), leaves out one
        that is needed, names no method of the registry, or asks for a horizon past its follow-up.

    Notes
    -----
    The page serves the four purposes of the Handboek Meetmethoden (TNO and SEO 2008): from policy
    question to research question, the right data, one set of concepts, and methods and results
    presented openly.

    Examples
    --------
    >>> found = protocol(tomllib.loads(example_protocol()))
    >>> found.method.key, found.horizons
    ('risk_sets', (6, 12, 24, 36))
    """
    found, where = (config, "the protocol") if isinstance(config, Mapping) else _read(Path(config))
    written = "thresholds" in found
    if set(found) == {"config", "method", "notes", "fingerprint"}:  # what `save` wrote
        found, written = found["config"], "default" not in found["notes"]
    whole = checked(ProtocolConfig, found, where=where)
    for place, key in [
        ("design.method", whole.design.method),
        *(("design.beside", key) for key in whole.design.beside),
    ]:
        if key not in registry():
            hint = nearest(key, registry())
            raise InputError(
                f"{key!r} is no method of the registry",
                where=f"{where}, {place}",
                fix=f"did you mean {hint!r}?" if hint else "choose one of effects.methods()",
            )
    last = max(h for one in whole.indicators for h in one.horizons)
    if last > whole.data.follow_up_months:
        raise HorizonError(
            f"An indicator is asked at {last} months, and people are followed for "
            f"{whole.data.follow_up_months}",
            where=f"{where}, indicators and data.follow_up_months",
            fix="drop that horizon, or say how much longer the sources reach",
        )
    return Protocol(config=whole, notes=tuple(_notes(whole, written)))


def _notes(config: ProtocolConfig, written: bool) -> list[str]:
    """Return the keys of what a reader must mind."""
    one = method(config.design.method)
    longest = max(h for indicator in config.indicators for h in indicator.horizons)
    checks = {
        "gross": not one.net,
        "short": longest < SHORT,
        "history": one.key in _ON_COVARIATES and config.data.history_months < _HISTORY,
        "covariates": one.key in _ON_COVARIATES and not config.design.covariates,
        "default": not written,
    }
    return [key for key, holds in checks.items() if holds]


def _read(path: Path) -> tuple[Mapping[str, Any], str]:
    """Return what a file says, and its name."""
    if not path.is_file():
        raise CallError(
            f"There is no protocol {path.as_posix()!r}",
            fix="check the path; `reintegratie protocol --example` prints one to start from",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:  # of TOML, JSON and UTF-8 alike
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise InputError(
            f"A protocol is not valid {kind}: {error}", where=path.name, fix="correct that line"
        ) from error
    if not isinstance(found, dict):
        raise InputError("A protocol holds no table", where=path.name, fix="start from the example")
    return found, path.name


def example_protocol() -> str:
    """Return a protocol as TOML, to start from."""
    return files("toolkit.effects").joinpath("protocol_example.toml").read_text(encoding="utf-8")
