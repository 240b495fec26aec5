"""What the reader of a profile must know: who is still seen, and what was never in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from toolkit.effects.profile_moments import Moments

    Ints = NDArray[np.int64]

#: A share observed this far under its highest changes what a month is about; and a difference this
#: large between the groups' shares may be an effect on being observed.
_LESS, _APART = 0.05, 0.02
#: Months a horizon needs to show more than the lock-in.
SHORT = 12


def composition(found: Mapping[str, Moments], month: Ints) -> list[str]:
    """Return what to warn of when people are not observed in all months.

    Parameters
    ----------
    found : mapping
        By outcome.
    month : (K,) array
    """
    said: dict[str, list[str]] = {}
    for name, one in found.items():
        for sentence in _composition(one, month):
            said.setdefault(sentence, []).append(name)
    return [f"{', '.join(names)}: {sentence}" for sentence, names in said.items()]


def _composition(one: Moments, month: Ints) -> list[str]:
    """Return what to warn of for one outcome."""
    share, said = one.share, []
    control, treated = share
    least = int(np.argmin(share.min(axis=0)))
    if share.max() - share[:, least].min() > _LESS:
        said.append(
            f"{treated[least]:.0%} of treated and {control[least]:.0%} of controls are observed at "
            f"month {month[least]}, {treated.max():.0%} and {control.max():.0%} at most: months "
            "are not about the same people; balanced=True keeps those observed throughout"
        )
    apart = int(np.argmax(np.abs(treated - control)))
    if abs(treated[apart] - control[apart]) > _APART:
        said.append(
            f"at month {month[apart]} {treated[apart]:.1%} of treated are observed and "
            f"{control[apart]:.1%} of controls: being observed differs between the groups"
        )
    return said


def moved_at_all(found: Mapping[str, Moments]) -> list[str]:
    """Return what to warn of when every observed value is the same."""
    said = []
    for name, one in found.items():
        seen = one.mean[np.isfinite(one.mean)]
        if len(seen) and (seen == 1).all():
            said.append(
                f"{name} is 1 in every month observed: a month absent from the panel is not "
                "observed, not 0; were months without it left out?"
            )
    return said


def horizon_warning(horizons: Sequence[int]) -> list[str]:
    """Return what to warn of when the last horizon lies within the lock-in."""
    last = max(horizons)
    if not 0 <= last < SHORT:
        return []
    said = f"month {last} is the last looked at: within {SHORT} months of the start a programme "
    return [said + "shows its lock-in (less search) and little else; follow people for 24 or more"]
