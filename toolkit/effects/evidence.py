"""What diagnostics say, as one number a criterion: the worst one, and what it is of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from toolkit.effects.doubly_robust.arms import ArmScores
from toolkit.effects.doubly_robust.result import DoublyRobust
from toolkit.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Evidence(NamedTuple):
    """The value of a criterion, and which covariate, month or group it is of."""

    value: float
    about: str = ""


def gather(
    *,
    balance: Any,
    sample: Any,
    profile: Any,
    placebo: Any,
    events: Any,
    placebo_months: Sequence[int] | None,
) -> dict[str, Evidence]:
    """Return the value of every criterion that something was handed in for.

    Raises
    ------
    toolkit.errors.CallError
        For a diagnostic without the columns it should have.
    """
    found: dict[str, Evidence] = {}
    if balance is not None:
        found["smd"] = largest_smd(balance)
    if sample is not None:
        found |= of_sample(sample)
    if events is not None:
        found["events"] = fewest_events(events)
    placebos = []
    if profile is not None:
        found["observed"] = least_observed(profile)
        if placebo_months is not None or (profile.tidy()["month"] < 0).any():
            placebos.append(profile.pre_period(placebo_months))
    if placebo is not None:
        # a placebo of many months is one test: the smallest of its p-values is none
        placebos.append(_frame(placebo.joint() if hasattr(placebo, "joint") else placebo))
    for frame in placebos:
        for name, one in of_placebo(frame).items():
            found[name] = _worse(found.get(name), one, low=name == "placebo_p")
    return found


def _worse(known: Evidence | None, one: Evidence, *, low: bool) -> Evidence:
    """Return the lower (or higher) of two; one that is no number is the worst."""
    if known is None or math.isnan(one.value):
        return one
    if math.isnan(known.value):
        return known
    return min(known, one) if low else max(known, one)


def _frame(value: Any) -> pl.DataFrame:
    """Return the frame, or the tidy one of a result."""
    found = value if isinstance(value, pl.DataFrame) else value.tidy()
    if not isinstance(found, pl.DataFrame):
        raise CallError(
            f"A {type(value).__name__} is neither a result nor a frame",
            fix="hand in the result itself",
        )
    return found


def _need(frame: pl.DataFrame, what: str, *names: str) -> None:
    """Raise unless a diagnostic has some columns."""
    for name in names:
        if name not in frame.columns:
            raise CallError(
                f"The {what} has no column {name!r}",
                where=f"columns {', '.join(frame.columns[:12])}",
                fix="hand in what the toolkit's own function returned",
            )


def largest_smd(balance: Any) -> Evidence:
    """Return the largest |standardised difference| of the sample that is compared.

    The score does not count. With a covariate whose difference is not known, the largest is not.
    """
    frame = _frame(balance)
    _need(frame, "balance", "covariate", "sample", "smd")
    if "kind" in frame.columns:
        frame = frame.filter(pl.col("kind") != "score")
    if "after" in frame["sample"]:
        frame = frame.filter(pl.col("sample") == "after")
    frame = frame.with_columns(pl.col("smd").cast(pl.Float64, strict=False))
    if frame.height == 0:
        return Evidence(math.nan, "no covariate was looked at")
    unknown = frame.filter(pl.col("smd").is_null() | pl.col("smd").is_nan())
    if unknown.height:
        return Evidence(math.nan, f"it cannot be standardised for {unknown['covariate'][0]}")
    worst = frame.row(int(frame["smd"].abs().arg_max() or 0), named=True)
    return Evidence(abs(float(worst["smd"])), str(worst["covariate"]))


def of_sample(sample: Any) -> dict[str, Evidence]:
    """Return the share in the comparison of those the effect is for, and the smaller group's size.

    ATT: of the treated, ATC: of the controls, ATE: of both, the smaller share; an overlap effect
    (ATO) is for those in the comparison by definition: share 1.
    """
    if isinstance(sample, (DoublyRobust, ArmScores)):
        return of_scores(sample)
    row = sample.glance()
    _need(row, "sample", "n_treated", "n_control", "used_treated", "used_control")
    _need(row, "sample", "ess_treated", "ess_control", "estimand")
    one = row.row(0, named=True)
    treated = Evidence(one["used_treated"] / max(one["n_treated"], 1), "treated")
    control = Evidence(one["used_control"] / max(one["n_control"], 1), "controls")
    whole = Evidence(1.0, "overlap")
    shares = {"ATT": treated, "ATC": control, "ATE": min(treated, control), "ATO": whole}
    support = shares[one["estimand"]]
    ess = _worse(
        Evidence(float(one["ess_treated"]), "treated"),
        Evidence(float(one["ess_control"]), "controls"),
        low=True,
    )
    return {"support": support, "ess": ess}


def of_scores(found: DoublyRobust | ArmScores) -> dict[str, Evidence]:
    """Return the same of doubly robust scores: who was not trimmed, and what weights leave.

    Where the outcome of some is not known, they are not in the comparison either.
    """
    size = np.ones(found.frame.height) if found.counts is None else found.counts
    if isinstance(found, ArmScores):
        names = [str(arm) for arm in found.arms]
        arms = {name: found.arm == a for a, name in enumerate(names)}
        used, focal = found.weights > 0, np.ones(len(size), bool)
        shares = [Evidence(_share(size, used, focal))]
    else:
        arms = {"treated": found.treated, "controls": ~found.treated}
        # of several outcomes those of whom all are known
        used = np.asarray((found.scores.weight > 0).all(axis=1))
        size = np.where(found.weights > 0, size, 0.0)
        target = found.meta["target"]
        wanted = {"ATT": ["treated"], "ATC": ["controls"]}.get(target, ["treated", "controls"])
        shares = [Evidence(_share(size, used, arms[name]), name) for name in wanted]
        if target == "ATO":
            shares = [Evidence(1.0, "overlap")]
    sizes = [Evidence(ess, name) for name, ess in zip(arms, found.effective_size(), strict=True)]
    return {"support": min(shares), "ess": min(sizes)}


def _share(size: Floats, used: NDArray[np.bool_], who: NDArray[np.bool_]) -> float:
    return float(size[used & who].sum() / max(size[who].sum(), 1e-300))


def least_observed(profile: Any) -> Evidence:
    """Return the smaller share of the two groups still observed in the last month."""
    frame = profile.observed()
    last = frame.filter(pl.col("month") == frame["month"].max())
    treated, control = (float(last[name].min()) for name in ("share_treated", "share_control"))
    return _worse(Evidence(treated, "treated"), Evidence(control, "controls"), low=True)


def of_placebo(frame: pl.DataFrame) -> dict[str, Evidence]:
    """Return the smallest p-value of a placebo, and its largest effect.

    A p-value that is not known (nobody differs in anything) is 1 when all effects are 0.
    """
    _need(frame, "placebo", "p_value")
    size = "largest" if "largest" in frame.columns else "estimate"
    _need(frame, "placebo", size)
    label = next((n for n in ("outcome", "placebo", "term") if n in frame.columns), None)

    def about(row: int) -> str:
        return "" if label is None else str(frame[label][row])

    effect = frame[size].cast(pl.Float64, strict=False).abs()
    if frame.height == 0 or effect.null_count() or effect.is_nan().any():
        unknown = Evidence(math.nan, "an effect of the placebo is missing")
        return {"placebo": unknown, "placebo_p": unknown}
    at = int(effect.arg_max() or 0)
    p = frame["p_value"].cast(pl.Float64, strict=False).fill_nan(None)
    p = pl.select(pl.when(p.is_null() & (effect == 0)).then(1.0).otherwise(p)).to_series()
    if p.null_count():
        lowest = Evidence(math.nan, "a p-value of the placebo is missing")
    else:
        low = int(p.arg_min() or 0)
        lowest = Evidence(float(p[low]), about(low))
    return {"placebo": Evidence(float(effect[at]), about(at)), "placebo_p": lowest}


def fewest_events(events: Any) -> Evidence:
    """Return how many events there are, in the group with the fewest."""
    if hasattr(events, "glance"):
        row = events.glance()
        _need(row, "result", "n_event")
        return fewest_events(row["n_event"].to_list())
    try:
        counts = [float(count) for count in (events if hasattr(events, "__iter__") else [events])]
    except (TypeError, ValueError) as error:
        raise CallError("A number of events is none", fix="hand in a count a group") from error
    if not counts or isinstance(events, (str, bytes)):
        raise CallError("No number of events is given", fix="hand in one a group")
    if not all(map(math.isfinite, counts)):
        return Evidence(math.nan, "a group's number is missing")
    return Evidence(min(counts))
