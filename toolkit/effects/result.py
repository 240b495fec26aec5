"""What every estimate of an effect offers: its design says what may be claimed of it."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.result import Result


@dataclass(frozen=True, kw_only=True)
class EffectResult(Result):
    """An estimate of what a programme did, or did not.

    `meta["design"]` is a key of the registry of methods (`effects.methods`): the summary ends with
    what that method asks, assumes and must report, and says GROSS where it supports no net claim.
    """

    @property
    def design(self) -> str:
        """Key of the method in the registry."""
        return str(self.meta["design"])

    def summary(self) -> str:
        """Return the estimate as text, with what its method may claim."""
        from toolkit.effects.registry import claim

        return f"{super().summary()}\n{claim(self.design)}"
