"""The page of a protocol: the four purposes of the Handboek, filled in, in Dutch or English."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from toolkit.effects.registry import method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.effects.protocol_config import ProtocolConfig
    from toolkit.effects.registry import Language
    from toolkit.effects.thresholds import Bound

#: Width of the page as text, and of its column of labels.
_WIDTH, _LABEL = 100, 24


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands under it: label and text."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything on the page, in order."""

    over: str
    title: str
    notes_label: str
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
    foot: str


@cache
def words(language: Language) -> Mapping[str, Any]:
    """Return the words of the page in a language."""
    text = files("toolkit.effects").joinpath("protocol_words.toml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = tomllib.loads(text)[language]
    return found


def fill_page(
    config: ProtocolConfig, notes: Sequence[str], fingerprint: str, language: Language
) -> Page:
    """Return the page of a protocol.

    Parameters
    ----------
    config : ProtocolConfig
    notes : sequence of str
        Keys of the notes to print.
    fingerprint : str
        Of the config.
    language : {"nl", "en"}
    """
    said = words(language)
    purpose = said["purpose"]
    authors = f" {said['authors']} {', '.join(config.authors)}" if config.authors else ""
    return Page(
        over=f"{said['protocol']}. {said['written']} {config.written.isoformat()}{authors}",
        title=config.title,
        notes_label=said["notes"],
        notes=tuple(said["note"][key] for key in notes),
        sections=(
            Section(title=purpose["question"], rows=_labelled(_question(config, said), said)),
            Section(title=purpose["data"], rows=_labelled(_data(config, said, language), said)),
            Section(title=purpose["concepts"], rows=_concepts(config, said)),
            Section(title=purpose["method"], rows=_labelled(_method(config, said, language), said)),
        ),
        foot=f"{said['fingerprint']}: {fingerprint}",
    )


def _labelled(rows: Mapping[str, str | None], said: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the rows that say something, under their label."""
    return tuple((said["row"][key], value) for key, value in rows.items() if value)


def _question(config: ProtocolConfig, said: Mapping[str, Any]) -> dict[str, str | None]:
    policy, research = config.policy, config.research
    return {
        "policy_question": policy.question,
        "aim": policy.aim,
        "instrument": policy.instrument,
        "target_group": policy.target_group,
        "research_question": research.question,
        "estimand": said["estimand"][research.estimand],
        "comparison": research.comparison,
        "subgroups": ", ".join(research.subgroups),
    }


def _data(
    config: ProtocolConfig, said: Mapping[str, Any], language: Language
) -> dict[str, str | None]:
    data = config.data
    return {
        "needed": method(config.design.method).text("data", language),
        "sources": "; ".join(data.sources),
        "population": data.population,
        "period": data.period,
        "unit": data.unit,
        "observed": f"−{data.history_months} … +{data.follow_up_months} {said['months']}",
        "not_observed": data.not_observed,
    }


def _concepts(config: ProtocolConfig, said: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple({**said["concepts"], **config.concepts}.items())


def _method(
    config: ProtocolConfig, said: Mapping[str, Any], language: Language
) -> dict[str, str | None]:
    design, one = config.design, method(config.design.method)
    verdict = said["claim"]["net" if one.net else "gross"]
    return {
        "method": one.text("name", language),
        "assumption": one.text("assumption", language),
        "why": design.why,
        "claim": f"{verdict}, {one.text('reason', language)}",
        "covariates": ", ".join(design.covariates),
        "beside": ", ".join(method(key).text("name", language) for key in design.beside),
        "indicators": "; ".join(
            f"{one.name} ({one.definition.rstrip('.')}): "
            f"{', '.join(map(str, one.horizons))} {said['months']}"
            for one in config.indicators
        ),
        "diagnostics": one.text("diagnostics", language),
        "report": one.text("report", language),
        "thresholds": _thresholds(config.thresholds.asked(), said),
        "displacement": design.displacement,
    }


def _thresholds(asked: Mapping[str, Bound], said: Mapping[str, Any]) -> str:
    def one(name: str, bound: Bound) -> str:
        limits = [
            f"{said[word]} {limit:g}"
            for word, limit in (("at_least", bound.at_least), ("at_most", bound.at_most))
            if limit is not None
        ]
        return f"{said['criterion'].get(name, name)} {', '.join(limits)}"

    listed = "; ".join(one(name, bound) for name, bound in asked.items())
    return f"{listed[:1].upper()}{listed[1:]}. {said['thresholds_intro']}."


def as_text(page: Page) -> str:
    """Return the page as plain text."""
    lines = [page.over, page.title, "=" * min(len(page.title), _WIDTH)]
    lines += [f"{page.notes_label}: {note}." for note in page.notes]
    for number, section in enumerate(page.sections, start=1):
        lines += ["", f"{number}. {section.title}"]
        for label, value in section.rows:
            lines += textwrap.wrap(
                value,
                _WIDTH,
                initial_indent=f"{label:<{_LABEL - 1}} ",
                subsequent_indent=" " * _LABEL,
            )
    return "\n".join([*lines, "", page.foot, ""])


def as_html(page: Page, language: Language) -> str:
    """Return the page as HTML that needs nothing but itself, and prints on one sheet."""
    from jinja2 import Environment, StrictUndefined

    source = files("toolkit.effects").joinpath("protocol_page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(page=page, language=language)
