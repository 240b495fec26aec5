"""Thresholds that diagnostics must meet, written down before anybody saw an effect."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from toolkit.effects.typos import checked

#: Criteria that diagnostics of the toolkit have, and the word of their threshold.
CRITERIA = {
    "smd": "max_smd",
    "support": "min_support",
    "ess": "min_ess",
    "events": "min_events",
    "observed": "min_observed",
    "placebo_p": "min_placebo_p",
    "placebo": "max_placebo",
}


class Bound(BaseModel):
    """A threshold of one's own: at least, at most, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _asks(self) -> Bound:
        if self.at_least is None and self.at_most is None:
            raise ValueError("should say at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("should have at_least below at_most: nothing lies between them")
        return self


class Thresholds(BaseModel):
    """What diagnostics must meet for an effect to count as supported; None = not asked.

    Attributes
    ----------
    max_smd : float
        Largest standardised difference after matching or weighting, in absolute value. 0.1 is the
        usual mark (Austin 2009, Statistics in Medicine 28(25)).
    min_support : float
        Share of those the effect is for that are in the comparison; whom it lost it is not about.
    min_ess : float
        Effective sample size, (Σw)² / Σw², of the smaller group.
    min_events : float, optional
        Outcomes seen, in the group with the fewest.
    min_observed : float, optional
        Share of each group still observed in the last month of a profile.
    min_placebo_p : float, optional
        p-value of the joint test that there was no difference before the start. Passing is no
        proof: a small sample always passes (Roth 2022).
    max_placebo : float, optional
        Largest difference before the start, in absolute value, on the scale of the outcome. In a
        large sample this is the one that matters.
    more : mapping of str to Bound
        Thresholds of one's own on numbers handed in by name: `first_stage_f = {at_least = 10}`.

    Examples
    --------
    >>> Thresholds(max_smd=0.05).max_smd
    0.05
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_smd: float | None = Field(default=0.1, ge=0, allow_inf_nan=False)
    min_support: float | None = Field(default=0.8, ge=0, le=1)
    min_ess: float | None = Field(default=100, ge=0, allow_inf_nan=False)
    min_events: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    min_observed: float | None = Field(default=None, ge=0, le=1)
    min_placebo_p: float | None = Field(default=0.05, ge=0, le=1)
    max_placebo: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    more: dict[str, Bound] = Field(default_factory=dict)

    @field_validator("more")
    @classmethod
    def _own(cls, value: dict[str, Bound]) -> dict[str, Bound]:
        for name in value:
            if name in CRITERIA:
                raise ValueError(f"should not name {name!r}: that has a threshold already")
        return value

    def asked(self) -> dict[str, Bound]:
        """Return the thresholds that were written, by criterion."""
        found: dict[str, Bound] = {}
        for name, word in CRITERIA.items():
            limit = getattr(self, word)
            if limit is not None:
                side = {"at_most": limit} if word.startswith("max") else {"at_least": limit}
                found[name] = Bound(**side)
        return found | self.more


def read_thresholds(value: Any) -> Thresholds:
    """Return thresholds from what a config says: `Thresholds`, or a mapping.

    Raises
    ------
    toolkit.errors.InputError
        For a word that is no threshold, with the nearest one, or a value that cannot be one.
    """
    return (
        value if isinstance(value, Thresholds) else checked(Thresholds, value, where="thresholds")
    )
