"""The gate: diagnostics against thresholds written before; what fails is marked, and said first."""

from __future__ import annotations

import math
import time as clock
from typing import TYPE_CHECKING, Any

from toolkit.effects.evidence import Evidence, gather
from toolkit.effects.thresholds import Bound, Thresholds, read_thresholds
from toolkit.effects.verdict import Judged, Verdict, check_reason, make_verdict
from toolkit.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def gate(
    thresholds: Thresholds | Mapping[str, Any],
    *,
    balance: Any = None,
    sample: Any = None,
    profile: Any = None,
    placebo: Any = None,
    events: Any = None,
    values: Mapping[str, float] | None = None,
    placebo_months: Sequence[int] | None = None,
    override: str | None = None,
) -> Verdict:
    """Judge diagnostics by thresholds that were written before.

    Parameters
    ----------
    thresholds : Thresholds or mapping
        From the study's protocol or config.
    balance : result, optional
        What `matching.balance` returned (or its `tidy()`): `smd`.
    sample : Sample, DoublyRobust or ArmScores, optional
        What was compared: `support`, `ess`. A doubly robust result is its own sample.
    profile : Profile, optional
        `observed`, and `placebo_p`, `placebo` from its months before the start.
    placebo : result or frame, optional
        A placebo of another kind, with `p_value` and `estimate` (or `largest`): it is judged with
        that of the profile, and the worst counts.
    events : int, sequence of int, or a result whose `glance()` has `n_event`, optional
        Outcomes seen; of several groups the fewest count.
    values : mapping of str to float, optional
        Numbers for thresholds of one's own, and for criteria of which no diagnostic is handed in.
    placebo_months : sequence of int, optional
        Months before the start that the placebo is about; leave out those matched on, and those
        between offer and start.
    override : str, optional
        Why the effect is to be shown though a threshold fails; printed with it.

    Returns
    -------
    Verdict
        Put it on results with `apply`.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a word that is no threshold, an empty override, a value that no threshold asks for, or
        a diagnostic without its columns.

    Notes
    -----
    A threshold that was written and is not evaluated counts as not met: leaving a diagnostic out
    is no way through, nor is a number that is not finite, or a gate without thresholds. Thresholds
    written after the effect was seen are worth nothing; the protocol keeps the date. The idea is
    that of OHDSI's pre-specified diagnostics (Schuemie and others 2018, PNAS 115(11)).

    Examples
    --------
    >>> verdict = gate({"max_smd": None, "min_support": None, "min_ess": None,
    ...                 "min_placebo_p": None, "min_events": 10}, events=4)
    >>> verdict.supported
    False
    >>> verdict.sentence()
    'NOT SUPPORTED: events 4, at least 10 asked.'
    """
    begin = clock.perf_counter()
    written = read_thresholds(thresholds)
    if override is not None:
        check_reason(override)
    asked = written.asked()
    found = gather(
        balance=balance, sample=sample, profile=profile, placebo=placebo, events=events,
        placebo_months=placebo_months,
    )  # fmt: skip
    found |= _own_numbers(dict(values or {}), asked, found)
    judged = tuple(_judge(name, bound, found.get(name)) for name, bound in asked.items())
    return make_verdict(judged, written, override, clock.perf_counter() - begin)


def _own_numbers(
    values: Mapping[str, float], asked: Mapping[str, Bound], found: Mapping[str, Evidence]
) -> dict[str, Evidence]:
    """Return numbers handed in by name; none takes the place of what a diagnostic says."""
    own: dict[str, Evidence] = {}
    for name, value in values.items():
        if name not in asked:
            raise CallError(
                f"No threshold asks for {name!r}",
                fix="write one under thresholds.more, or leave it",
            )
        if name in found:
            raise CallError(
                f"{name!r} is handed in as a number, and a diagnostic says it already",
                fix="leave the number out: the diagnostic counts",
            )
        try:
            number = math.nan if value is None else float(value)
        except (TypeError, ValueError) as error:
            raise CallError(f"The value of {name!r} is no number", fix="hand in one") from error
        known = math.isfinite(number)
        own[name] = Evidence(number, "" if known else "no finite number was handed in")
    return own


def _judge(name: str, bound: Bound, evidence: Evidence | None) -> Judged:
    return Judged(
        criterion=name,
        at_least=bound.at_least,
        at_most=bound.at_most,
        value=None if evidence is None or not math.isfinite(evidence.value) else evidence.value,
        about="" if evidence is None else evidence.about,
    )
