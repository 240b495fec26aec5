"""The verdict of the gate: every criterion, what failed, and the mark it leaves on results."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from toolkit.effects.registry import method
from toolkit.effects.result import EffectResult
from toolkit.effects.thresholds import Thresholds, read_thresholds
from toolkit.errors import CallError, InputError
from toolkit.provenance import to_json, versions
from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

Effect = TypeVar("Effect", bound=EffectResult)

#: What a criterion is, in words.
NAMES = {
    "smd": "largest standardised difference",
    "support": "share in the comparison",
    "ess": "effective sample size",
    "events": "events",
    "observed": "share observed in the last month",
    "placebo_p": "p-value of the placebo test",
    "placebo": "largest difference before the start",
}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One criterion and what became of it.

    Attributes
    ----------
    criterion : str
    at_least, at_most : float or None
        The threshold.
    value : float or None
        The diagnostic; None when nothing was handed in that has it, or it cannot be known.
    about : str
        Which covariate, month or group the value is of.
    """

    criterion: str
    at_least: float | None
    at_most: float | None
    value: float | None
    about: str

    @property
    def verdict(self) -> str:
        """``met``, ``failed`` or ``not evaluated``."""
        if self.value is None:
            return "not evaluated"
        low = self.at_least is None or self.value >= self.at_least
        high = self.at_most is None or self.value <= self.at_most
        return "met" if low and high else "failed"

    def sentence(self) -> str:
        """Return the criterion, its value and threshold as a clause."""
        name = NAMES.get(self.criterion, self.criterion)
        asked = " and ".join(
            f"{word} {limit:g}"
            for word, limit in (("at least", self.at_least), ("at most", self.at_most))
            if limit is not None
        )
        if self.value is None:
            why = f"is not known: {self.about}" if self.about else "was not handed in"
            return f"{name} {why} ({asked} asked)"
        return f"{name} {self.value:.3g}{f' ({self.about})' if self.about else ''}, {asked} asked"


@dataclass(frozen=True, kw_only=True)
class Verdict(Result):
    """What the gate says of an effect.

    Attributes
    ----------
    judged : tuple of Judged
    thresholds : Thresholds
    override : str or None
        Why the effect is shown all the same.
    """

    judged: tuple[Judged, ...]
    thresholds: Thresholds
    override: str | None = None

    @property
    def supported(self) -> bool:
        """Whether every threshold is met; one not evaluated is not, and there must be one."""
        return bool(self.judged) and all(one.verdict == "met" for one in self.judged)

    def tidy(self) -> pl.DataFrame:
        """Return a row a criterion: `criterion, at_least, at_most, value, about, verdict`."""
        rows = [
            {
                "criterion": one.criterion, "at_least": one.at_least, "at_most": one.at_most,
                "value": one.value, "about": one.about, "verdict": one.verdict,
            }
            for one in self.judged
        ]  # fmt: skip
        floats = dict.fromkeys(("at_least", "at_most", "value"), pl.Float64)
        texts = dict.fromkeys(("criterion", "about", "verdict"), pl.String)
        order = ("criterion", "at_least", "at_most", "value", "about", "verdict")
        return pl.DataFrame(rows, schema={name: (floats | texts)[name] for name in order})

    def glance(self) -> pl.DataFrame:
        """Return one row: `supported, n_met, n_failed, n_not_evaluated, override`."""
        count = [one.verdict for one in self.judged].count
        return pl.DataFrame(
            {
                "supported": [self.supported],
                "n_met": [count("met")],
                "n_failed": [count("failed")],
                "n_not_evaluated": [count("not evaluated")],
                "override": pl.Series([self.override], dtype=pl.String),
            }
        )

    def sentence(self) -> str:
        """Return the verdict in one sentence; what a result says first when it is not supported."""
        return _sentence(self.supported, self._failures(), self.override)

    def _failures(self) -> list[str]:
        if not self.judged:
            return ["no threshold was written"]
        return [one.sentence() for one in self.judged if one.verdict != "met"]

    def summary(self) -> str:
        """Return the verdict, then every criterion."""
        return f"{self.sentence()}\n{super().summary()}"

    def apply(self, result: Effect) -> Effect:
        """Return the result marked with this verdict: its summary and `judged()` say it first.

        A method that supports no net claim is not supported whatever its diagnostics say, and no
        override changes that.

        Raises
        ------
        toolkit.errors.CallError
            When it is no result of an effect.
        """
        if not isinstance(result, EffectResult):
            raise CallError(
                f"A {type(result).__name__} is no result of an effect",
                fix="apply the gate to what contrast, profile or a design returned",
            )
        one, failures = method(result.design), self._failures()
        if not one.net:
            failures = [f"the method is gross: {one.text('reason')}", *failures]
        supported = self.supported and one.net
        override = None if supported else self.override
        gate = {
            "sentence": _sentence(supported, failures, override),
            "failures": failures,
            "override": override,
            "verdict": self.to_dict(),
        }
        return replace(result, meta={**result.meta, "supported": supported, "gate": gate})

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as what JSON can hold."""
        return {
            "supported": self.supported,
            "override": self.override,
            "thresholds": self.thresholds.model_dump(mode="json"),
            "criteria": _criteria(self.judged),
        }

    def to_json(self) -> str:
        """Return the verdict as JSON; `Verdict.from_json` reads it back."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """Return the verdict that `to_json` wrote.

        Raises
        ------
        toolkit.errors.InputError
            When the text is none, or its criteria are not those of its thresholds.
        """
        try:
            found = json.loads(text)
            values = {row["criterion"]: (row["value"], row["about"]) for row in found["criteria"]}
            written, override = read_thresholds(found["thresholds"]), found["override"]
            judged = tuple(
                Judged(
                    criterion=name, at_least=bound.at_least, at_most=bound.at_most,
                    value=_number(values[name][0]), about=str(values[name][1]),
                )
                for name, bound in written.asked().items()
            )  # fmt: skip
            if override is not None:
                check_reason(override)
            same = len(values) == len(judged) and found["criteria"] == _criteria(judged)
        except (ValueError, KeyError, TypeError, CallError) as error:
            raise InputError(
                "This is no verdict of the gate", fix="read what Verdict.to_json wrote"
            ) from error
        if not same:
            raise InputError(
                "The criteria of this verdict are not those of its thresholds",
                fix="judge again: somebody changed what was written",
            )
        return make_verdict(judged, written, override, 0.0)


def check_reason(override: Any) -> None:
    """Raise unless an override is a reason in words."""
    if not isinstance(override, str) or not override.strip():
        raise CallError(
            "An override without a reason", fix="say why the effect may be shown all the same"
        )


def _criteria(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    return [to_json(one) | {"verdict": one.verdict} for one in judged]


def _number(value: Any) -> float | None:
    """Return a value as it was written: a number, or null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("no number")
    return float(value)


def make_verdict(
    judged: tuple[Judged, ...], thresholds: Thresholds, override: str | None, seconds: float
) -> Verdict:
    """Return the verdict with what its `meta` should say."""
    return Verdict(
        meta={
            "method": "Gate: diagnostics against thresholds written before",
            "definition": thresholds.model_dump(mode="json", exclude_none=True),
            "n": len(judged),
            "dropped": {},
            "warnings": [],
            "seed": None,
            "versions": versions(),
            "wall_time": seconds,
        },
        judged=judged,
        thresholds=thresholds,
        override=override,
    )


def _sentence(supported: bool, failures: Sequence[str], override: str | None) -> str:
    if supported:
        return "SUPPORTED: every threshold that was written before is met."
    said = f"NOT SUPPORTED: {'; '.join(failures)}."
    return said + (f" Shown all the same, because: {override.rstrip('.')}." if override else "")
