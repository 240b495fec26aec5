"""What a sensitivity analysis gives back, and how it reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.effects.result import EffectResult
from toolkit.effects.sensitivity.rosenbaum import amplify
from toolkit.errors import CallError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.effects.sensitivity.e_value import EValue
    from toolkit.effects.sensitivity.omitted_result import OmittedVariable
    from toolkit.effects.sensitivity.rosenbaum_result import RosenbaumBounds

PARTS = ("rosenbaum", "e_value", "omitted_variable")


@dataclass(frozen=True, kw_only=True)
class Sensitivity(EffectResult):
    """What a confounder would have to be like to undo an effect.

    Attributes
    ----------
    outcome : str
    alpha : float
    rosenbaum : RosenbaumBounds or None
        Where there are matched sets.
    e_value : EValue or None
    omitted_variable : OmittedVariable or None
    """

    outcome: str
    alpha: float
    rosenbaum: RosenbaumBounds | None = field(repr=False)
    e_value: EValue | None = field(repr=False)
    omitted_variable: OmittedVariable | None = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row a number: `part, term, benchmark, estimate`.

        Of benchmarks, `estimate` is what is left of the effect; `conf_low, conf_high` its interval.
        """
        rows: list[dict[str, Any]] = []
        if self.rosenbaum is not None:
            rows.append(_row("rosenbaum", "critical_gamma", self.rosenbaum.critical_gamma))
        if self.e_value is not None:
            rows.append(_row("e_value", "estimate", self.e_value.e_value))
            rows.append(_row("e_value", "limit", self.e_value.e_value_limit))
        found = self.omitted_variable
        if found is not None:
            rows.append(_row("omitted_variable", "robustness_value", found.robustness_value))
            rows.append(
                _row("omitted_variable", "robustness_value_alpha", found.robustness_value_alpha)
            )
            rows += [
                _row("omitted_variable", "left", one["estimate"],
                     benchmark=f"{one['times']:g} × {one['benchmark']}",
                     conf_low=one["conf_low"], conf_high=one["conf_high"])
                for one in found.bounds.iter_rows(named=True)
            ]  # fmt: skip
        names = ("estimate", "conf_low", "conf_high")
        text = ("part", "term", "benchmark")
        schema = {**dict.fromkeys(text, pl.String), **dict.fromkeys(names, pl.Float64)}
        return pl.DataFrame(rows, schema=schema)

    def glance(self) -> pl.DataFrame:
        """Return one row: the number of each part that a reader remembers."""
        found = {
            "critical_gamma": self.rosenbaum and self.rosenbaum.critical_gamma,
            "e_value": self.e_value and self.e_value.e_value,
            "e_value_limit": self.e_value and self.e_value.e_value_limit,
            "robustness_value": self.omitted_variable and self.omitted_variable.robustness_value,
            "robustness_value_alpha": self.omitted_variable
            and self.omitted_variable.robustness_value_alpha,
        }
        return pl.DataFrame(
            {name: [value] for name, value in found.items()},
            schema=dict.fromkeys(found, pl.Float64),
        )

    def paragraph(self) -> str:
        """Return in words what confounder would be needed."""
        said = [f"What was not observed could undo the effect on {self.outcome} as follows."]
        if self.omitted_variable is not None:
            said += _of_omitted(self.omitted_variable)
        if self.e_value is not None:
            said += _of_e_value(self.e_value)
        if self.rosenbaum is not None:
            said += _of_bounds(self.rosenbaum)
        said.append("Whether such a confounder exists is not in the data.")
        return " ".join(said)

    def headline(self) -> str:
        """Return the paragraph."""
        return self.paragraph()

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the contours of the omitted variable, else the curve of the E-value, else bounds."""
        for part in (self.omitted_variable, self.e_value, self.rosenbaum):
            if part is not None:
                return part.plot(ax, **options)
        raise CallError("There is nothing to draw", fix="look at meta['warnings']")


def _row(part: str, term: str, estimate: float | None, **more: Any) -> dict[str, Any]:
    return {"part": part, "term": term, "estimate": estimate, **more}


def _of_omitted(found: OmittedVariable) -> list[str]:
    value, level = found.robustness_value, found.robustness_value_alpha
    said = [
        f"In a regression, an omitted variable would have to explain {_percent(value)} of what is "
        f"left of both treatment and outcome to bring the estimate of {found.estimate:.3g} to "
        + ("0" if found.q == 1 else f"{1 - found.q:.0%} of itself")
        + (
            f", and {_percent(level)} to take away its significance at the {found.alpha:g} level."
            if level
            else f"; it is not significant at the {found.alpha:g} level as it is."
        )
    ]
    known = found.bounds.drop_nulls("estimate")
    if not known.height:
        return said
    reach = known.filter(pl.col("times") == known["times"].min())
    worst = reach.sort(pl.col("estimate") * math.copysign(1.0, found.estimate)).row(0, named=True)
    same = worst["estimate"] * found.estimate > 0
    many = "" if worst["times"] == 1 else f"{worst['times']:g} times "
    said.append(
        f"Of the observed covariates {worst['benchmark']} does most: a variable {many}as strong as "
        f"it would leave an estimate of {worst['estimate']:.3g} "
        f"({worst['conf_low']:.3g} to {worst['conf_high']:.3g})"
        + ("." if same else ", of the other sign.")
    )
    undone = known.filter(pl.col("estimate") * math.copysign(1.0, found.estimate) <= 0)
    unsure = known.filter((pl.col("conf_low") <= 0) & (pl.col("conf_high") >= 0))
    if undone.height and same:
        said.append(f"{_first(undone)} would bring it to 0.")
    elif not undone.height:
        most = float(known["times"].to_numpy().max())
        text = f"None up to {most:g} times as strong as any of them would bring it to 0"
        if unsure.height and level:
            text += f"; {'o' + _first(unsure)[1:]} would bring its interval there"
        said.append(f"{text}.")
    return said


def _first(rows: pl.DataFrame) -> str:
    row = rows.sort("times").row(0, named=True)
    many = "" if row["times"] == 1 else f"{row['times']:g} times "
    return f"One {many}as strong as {row['benchmark']}"


def _of_e_value(found: EValue) -> list[str]:
    said = (
        f"To explain the estimate away, a confounder would have to go with a {found.e_value:.2f} "
        "times higher chance both of treatment and of the outcome, beyond the covariates"
    )
    limit = found.e_value_limit
    if limit is None:
        return [f"{said} (E-value)."]
    if limit <= 1:
        return [f"{said} (E-value); its interval holds no effect as it is."]
    return [f"{said} (E-value); {limit:.2f} times would bring its interval to no effect."]


def _of_bounds(found: RosenbaumBounds) -> list[str]:
    critical = found.critical_gamma
    within = f"Within the {found.n_sets:,} matched sets"
    level = f"at the {found.alpha:g} level"
    if critical is None:
        return [f"{within} the effect is not significant {level} even without hidden bias."]
    if critical == math.inf:
        return [f"{within} no hidden bias undoes the difference."]
    twice = 2 * critical
    other = amplify(critical, twice) if critical > 1 else 1.0
    said = (
        f"{within} it stays significant {level} as long as no hidden bias makes two people who "
        f"look alike differ by more than {critical:.2f} times in their odds of treatment (Γ): a "
        f"confounder, for instance, that multiplies the odds of treatment by {twice:.1f} and "
        f"those of doing {found.meta['direction']} by {other:.1f}."
    )
    return [said]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
