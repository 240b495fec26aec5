"""The effect of one instrument by risk sets: who was compared, how alike they are, what became.

Each starter stands beside somebody as long on benefit in the same calendar quarter, in the same
class of duration, nearest in the chance to start then, who does not start in that month.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit import effects, matching

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from analyses._net_panel import NetPanel
    from analyses._study import Study

OUTCOME = "in_work"


@dataclass(frozen=True, kw_only=True)
class NetEffect:
    """One instrument.

    Attributes
    ----------
    instrument : str
        Its code, or ``all``.
    starts : int
        Starters that were to be matched.
    sample : RiskSetMatched
    balance : Balance
    profile : Profile
        Judged by the thresholds of the study.
    verdict : Verdict
    """

    instrument: str
    starts: int
    sample: matching.RiskSetMatched = field(repr=False)
    balance: matching.Balance = field(repr=False)
    profile: effects.Profile = field(repr=False)
    verdict: effects.Verdict

    def split(self, horizons: list[int]) -> pl.DataFrame:
        """Return gross, deadweight and net at each horizon, with intervals."""
        return self.profile.gross_net(horizons).wide(self.instrument)


def match_panel(panel: pl.DataFrame, config: dict[str, Any], **options: Any) -> Any:
    """Match the starters of a panel within their risk sets, as the study's config says."""
    asked = {
        "on": config["formula"], "exact": config["exact"], "caliper": config["caliper"],
        "ratio": config["ratio"],
    }  # fmt: skip
    return matching.match_risk_sets(
        panel, person="person", spell="spell", time="duration", treated_at="treated_at",
        calendar="month", **(asked | options),
    )  # fmt: skip


def estimate(
    panel: NetPanel, instrument: str, config: dict[str, Any], thresholds: Mapping[str, Any]
) -> NetEffect:
    """Estimate the effect of an instrument, and judge it.

    Raises
    ------
    toolkit.errors.ToolkitError
        Where the data do not determine the chance to start, or nobody can be compared.
    """
    rows = panel.of(instrument)
    sample = match_panel(rows, config)
    balance = matching.balance(sample, config["balanced"])
    first, last = config["placebo"]
    profile = effects.profile(
        sample, panel.outcomes, outcome=[OUTCOME], start="month",
        months=range(-config["before"], config["follow_up"] + 1),
    )  # fmt: skip
    verdict = effects.gate(
        thresholds, balance=balance, sample=sample, profile=profile,
        placebo_months=range(first, last + 1),
    )  # fmt: skip
    return NetEffect(
        instrument=instrument, starts=int(rows["starts"].sum()),
        sample=sample, balance=balance, profile=verdict.apply(profile), verdict=verdict,
    )  # fmt: skip


def net_footer(study: Study, panel: NetPanel, effect: NetEffect, *extra: str) -> str:
    """Write what stands under a figure of an effect: also that it is not supported."""
    verdict = [] if effect.verdict.supported else [study.text("unsupported_mark")]
    return study.footer(n=effect.starts, definition=panel.definition.name, extra=[*verdict, *extra])
