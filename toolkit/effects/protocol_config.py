"""What a protocol may say: the vocabulary of its TOML file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from toolkit.effects.thresholds import Thresholds

#: Text that says something.
Words = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Policy(_Part):
    """The question of those who decide.

    Attributes
    ----------
    question : str
    aim : str
        What the policy is for: effectiveness is relative to it.
    instrument : str
        What is done to or for people.
    target_group : str
    """

    question: Words
    aim: Words
    instrument: Words
    target_group: Words


class Research(_Part):
    """The question that data can answer.

    Attributes
    ----------
    question : str
    estimand : {"ATT", "ATC", "ATE", "ATO", "ITT", "LATE"}
        For whom the effect is.
    comparison : str
        Who stands for "without".
    subgroups : tuple of str
        For whom effects are told apart; named before, so that none is picked after.
    """

    question: Words
    estimand: Literal["ATT", "ATC", "ATE", "ATO", "ITT", "LATE"] = "ATT"
    comparison: Words
    subgroups: tuple[Words, ...] = ()


class Design(_Part):
    """How the question is answered.

    Attributes
    ----------
    method : str
        Key of the registry (`effects.methods`).
    why : str
        Why its assumption is believable here.
    covariates : tuple of str
        What decides taking part and is known before the start.
    beside : tuple of str
        Keys of other methods, run for comparison.
    displacement : str, optional
        What is known or assumed of effects on others.
    """

    method: Words
    why: Words
    covariates: tuple[Words, ...] = ()
    beside: tuple[Words, ...] = ()
    displacement: Words | None = None


class Data(_Part):
    """What it is answered with.

    Attributes
    ----------
    sources : tuple of str
    population : str
    period : str
        Of the starts that are studied.
    history_months, follow_up_months : int
        Observed before and after the start.
    unit : str
        One row: a person, a spell, a start.
    not_observed : str, optional
        What the sources do not see.
    """

    sources: Annotated[tuple[Words, ...], Field(min_length=1)]
    population: Words
    period: Words
    history_months: Annotated[int, Field(ge=0)]
    follow_up_months: Annotated[int, Field(ge=1)]
    unit: Words = "person"
    not_observed: Words | None = None


class Indicator(_Part):
    """What is reported.

    Attributes
    ----------
    name, definition : str
    horizons : tuple of int
        Months since start.
    """

    name: Words
    definition: Words
    horizons: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (
        6, 12, 24, 36,
    )  # fmt: skip


class ProtocolConfig(_Part):
    """The whole file.

    Attributes
    ----------
    title : str
    written : date
        When it was laid down: before any outcome was seen.
    authors : tuple of str
    policy, research, design, data
    indicators : tuple of Indicator
        The first is the main one.
    concepts : mapping of str to str
        Terms of one's own and what they mean here.
    thresholds : Thresholds
        What diagnostics must meet for the effect to count as supported.
    """

    title: Words
    written: date
    authors: tuple[Words, ...] = ()
    policy: Policy
    research: Research
    design: Design
    data: Data
    indicators: Annotated[tuple[Indicator, ...], Field(min_length=1)]
    concepts: dict[str, Words] = Field(default_factory=dict)
    thresholds: Thresholds = Field(default_factory=Thresholds)
