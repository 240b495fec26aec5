"""The sample as it is some months after the start: who is left, with which weight and outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError

if TYPE_CHECKING:
    from toolkit.matching.sample import Sample


def at_month(
    sample: Sample, panel: Any, *, outcome: str, since: int | None, month: str | None
) -> Sample:
    """Return the sample with the weights and outcome of a month; see `effects.contrast`.

    Raises
    ------
    toolkit.errors.ToolkitError
        For controls that are censored when no month is named, and for a panel that cannot be used.
    """
    if since is not None and (isinstance(since, bool) or not isinstance(since, (int, np.integer))):
        raise CallError(f"since={since!r} is no whole number of months", fix="for instance 12")
    censored = getattr(sample, "control", None) == "censor"
    if since is None and (censored or panel is not None):
        why = (
            "Controls are censored at their own start, so that the weights differ by month"
            if censored
            else "A panel has many months"
        )
        raise CallError(
            f"{why}, and nobody knows which month it is",
            fix="name it: since=12 (0 for what was before the start); or use effects.profile",
        )
    if month is not None and panel is None:
        raise CallError("month= is a column of a panel", fix="hand in the panel")
    if panel is not None:
        sample = _with_outcome(sample, panel, outcome=outcome, since=int(since or 0), month=month)
    if censored and since is not None and since > 0:
        at: Any = sample.weights_at  # type: ignore[attr-defined]
        sample = replace(sample, weights=at(int(since)))
    return sample


def _with_outcome(
    sample: Sample, panel: Any, *, outcome: str, since: int, month: str | None
) -> Sample:
    """Return the sample with the outcome of a month as a column; null where not observed."""
    follow: Any = getattr(sample, "follow", None)
    if follow is None:
        raise CallError(
            "A panel is for risk sets, which know the month of every start",
            fix="join the outcome to the rows before, or use effects.profile",
        )
    found = follow(panel, outcome=outcome, month=month, months=[since]).select("row", outcome)
    frame = sample.frame
    row = pl.int_range(pl.len(), dtype=pl.UInt32).alias("row")
    joined = frame.select(row).join(found, on="row", how="left", maintain_order="left")
    return replace(sample, frame=frame.with_columns(joined[outcome]))
