"""Thresholds that diagnostics must meet, written down before anybody saw an effect."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from toolkit.effects.typos import checked


class Bound(BaseModel):
    """A threshold of one's own: at least, at most, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: float | None = None
    at_most: float | None = None


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

    max_smd: float | None = Field(default=0.1, ge=0)
    min_support: float | None = Field(default=0.8, ge=0, le=1)
    min_ess: float | None = Field(default=100, ge=0)
    min_events: float | None = Field(default=None, ge=0)
    min_observed: float | None = Field(default=None, ge=0, le=1)
    min_placebo_p: float | None = Field(default=0.05, ge=0, le=1)
    max_placebo: float | None = Field(default=None, ge=0)
    more: dict[str, Bound] = Field(default_factory=dict)

    def asked(self) -> dict[str, Bound]:
        """Return the thresholds that were written, by criterion."""
        found = {
            "smd": Bound(at_most=self.max_smd),
            "support": Bound(at_least=self.min_support),
            "ess": Bound(at_least=self.min_ess),
            "events": Bound(at_least=self.min_events),
            "observed": Bound(at_least=self.min_observed),
            "placebo_p": Bound(at_least=self.min_placebo_p),
            "placebo": Bound(at_most=self.max_placebo),
            **self.more,
        }
        return {
            name: bound
            for name, bound in found.items()
            if bound.at_least is not None or bound.at_most is not None
        }


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
