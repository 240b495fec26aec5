"""What every estimate of an effect offers: its design says what may be claimed of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class EffectResult(Result):
    """An estimate of what a programme did, or did not.

    `meta["design"]` is a key of the registry of methods (`effects.methods`): the summary ends with
    what that method asks, assumes and must report, and says GROSS where it supports no net claim.
    Where a gate judged it, `meta["supported"]` and `meta["gate"]` say how: the summary begins with
    it, and `judged` has it as its first column.
    """

    @property
    def design(self) -> str:
        """Key of the method in the registry."""
        return str(self.meta["design"])

    def judged(self) -> pl.DataFrame:
        """Return `tidy()`, with what a gate said of it as first column, `verdict`."""
        found = self.tidy()
        if "supported" not in self.meta:
            return found
        said = "supported" if self.meta["supported"] else "not supported"
        return found.select(pl.lit(said).alias("verdict"), pl.all())

    def summary(self) -> str:
        """Return what a gate said, the estimate as text, and what its method may claim."""
        from toolkit.effects.registry import claim

        verdict: Mapping[str, object] | None = self.meta.get("gate")
        parts = [str(verdict["sentence"])] if verdict else []
        parts += [part for part in (self.headline(),) if part]
        return "\n".join([*parts, super().summary(), claim(self.design)])

    def headline(self) -> str:
        """Return what this kind of result says in words before its numbers; after the verdict."""
        return ""

    def _repr_html_(self) -> str:
        shown = super()._repr_html_()
        head, _, _ = shown.partition("</p>")
        return f"{head}</p>{self.judged().head(20)._repr_html_()}"
