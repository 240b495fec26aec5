"""What a path of differences says: how deep, how long, when it pays, and whether it began at zero.

Functions of estimates by month and their covariance; no rows, no results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.estimation.deviations import critical_value, largest_deviations, sup_p_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Share of the largest eigenvalue under which a direction counts as not there.
_RANK = 1e-9
#: Draws of the Gaussian limit; the quantile's own error is then about 0.01.
DRAWS = 10_000
#: A run of negative months that begins later after the start than this is no lock-in.
EARLY = 12


@dataclass(frozen=True, kw_only=True)
class Path:
    """Differences in K months and their covariance.

    Attributes
    ----------
    month : (K,) array of int
        Rising.
    estimate : (K,) array
    vcov : (K, K) array
    """

    month: Ints
    estimate: Floats
    vcov: Floats

    @property
    def std_error(self) -> Floats:
        """Standard errors, (K,)."""
        return np.sqrt(np.diag(self.vcov))

    def between(self, low: int, high: int) -> Path:
        """Return the months low … high, those without an estimate left out."""
        known = np.isfinite(self.estimate) & np.isfinite(np.diag(self.vcov))
        keep = (self.month >= low) & (self.month <= high) & known
        return Path(
            month=self.month[keep],
            estimate=self.estimate[keep],
            vcov=self.vcov[np.ix_(keep, keep)],
        )

    def cumulated(self) -> Path:
        """Return the sum of the differences up to and with each month."""
        step = np.tril(np.ones((len(self.month), len(self.month))))
        return Path(month=self.month, estimate=step @ self.estimate, vcov=step @ self.vcov @ step.T)

    def critical(self, conf_level: float, seed: int) -> float:
        """Return what takes the place of 1.96 so that all months are covered at once."""
        error = self.std_error
        some = error > _RANK * float(np.max(error, initial=0.0))
        if not some.any():
            return float("nan")
        inside = self.vcov[np.ix_(some, some)]
        largest = largest_deviations(inside, error[some], draws=DRAWS, seed=seed)
        return critical_value(largest, conf_level)

    def band(self, conf_level: float, seed: int) -> tuple[Floats, Floats]:
        """Return bounds that hold for all months at once."""
        return self.within(self.critical(conf_level, seed))

    def within(self, critical: float) -> tuple[Floats, Floats]:
        """Return estimate ± critical × standard error; without spread the estimate itself."""
        half = np.nan_to_num(critical) * self.std_error
        return self.estimate - half, self.estimate + half


def lock_in(path: Path, *, conf_level: float, seed: int) -> dict[str, Any]:
    """Return depth, month, length and area of the deepest run of negative months after the start.

    Parameters
    ----------
    path : Path
        From the start on.

    Notes
    -----
    Runs that begin more than `EARLY` months after the start are no lock-in: people are back from
    the programme by then. The lowest month is found in the data, so the depth's own interval is
    that of the band over all
    months: it holds whichever month is lowest. The area's standard error takes the run as given.
    The shortest length counts months around the lowest whose band lies under zero, the longest
    those whose band reaches under zero.
    """
    low, high = path.band(conf_level, seed)
    early = path.month <= path.month[0] + EARLY
    at = lowest_early(path.month, path.estimate)
    if at is None:
        longest = _run(low < 0, int(np.argmin(np.where(early, low, np.inf))))
        return {
            "month": None, "depth": 0.0, "std_error": None, "conf_low": float(low[early].min()),
            "conf_high": None, "from": None, "to": None, "length": 0, "length_low": 0,
            "length_high": longest[1] - longest[0], "ended": True, "area": 0.0,
            "area_std_error": None,
        }  # fmt: skip
    begin, end = _run(path.estimate < 0, at)
    sure, maybe = _run(high < 0, at), _run(low < 0, at)
    inside = slice(begin, end)
    return {
        "month": int(path.month[at]),
        "depth": float(path.estimate[at]),
        "std_error": float(path.std_error[at]),
        "conf_low": float(low[at]),
        "conf_high": float(high[at]),
        "from": int(path.month[begin]),
        "to": int(path.month[end - 1]),
        "length": end - begin,
        "length_low": sure[1] - sure[0],
        "length_high": maybe[1] - maybe[0],
        "ended": end < len(path.month),
        "area": float(path.estimate[inside].sum()),
        "area_std_error": float(np.sqrt(path.vcov[inside, inside].sum())),
    }


def lowest_early(month: Ints, estimate: Floats) -> int | None:
    """Return where the lowest month is of the negative runs that begin early; None without any."""
    negative = estimate < 0
    first = np.flatnonzero(negative & ~np.concatenate([[False], negative[:-1]]))
    inside = np.zeros(len(estimate), bool)
    for begin in first[month[first] <= month[0] + EARLY]:
        low, high = _run(negative, int(begin))
        inside[low:high] = True
    return int(np.argmin(np.where(inside, estimate, np.inf))) if inside.any() else None


def _run(holds: NDArray[np.bool_], at: int) -> tuple[int, int]:
    """Return first and past-the-last of the run of true around `at`; nothing when it is false."""
    if not holds[at]:
        return at, at
    before = np.flatnonzero(~holds[:at])
    after = np.flatnonzero(~holds[at:])
    return (
        int(before[-1]) + 1 if len(before) else 0,
        at + int(after[0]) if len(after) else len(holds),
    )


def break_even(path: Path, *, conf_level: float, seed: int) -> dict[str, Any]:
    """Return the month from which the cumulated effect is not negative any more, with an interval.

    Parameters
    ----------
    path : Path
        From the start on.

    Notes
    -----
    Break-even is the month after the last one whose cumulated effect is negative. With C inside its
    simultaneous band, no month whose upper bound is negative can be it, and after the last month
    whose lower bound is negative it has been: an interval by inverting the band.
    """
    sums = path.cumulated()
    low, high = sums.band(conf_level, seed)
    tolerance = 1e-12 * float(np.abs(path.estimate).sum())
    return {
        "month": _after(sums.month, sums.estimate < -tolerance),
        "conf_low": _after(sums.month, high < -tolerance),
        "conf_high": _after(sums.month, low < -tolerance),
        "lowest": float(sums.estimate.min()),
        "last": float(sums.estimate[-1]),
        "last_month": int(sums.month[-1]),
    }


def _after(month: Ints, negative: NDArray[np.bool_]) -> int | None:
    """Return the month after the last negative one; the first without any, None past the end."""
    found = np.flatnonzero(negative)
    after = int(found[-1]) + 1 if len(found) else 0
    return int(month[after]) if after < len(month) else None


def cumulated(path: Path) -> tuple[float, float]:
    """Return the sum of the differences and its standard error."""
    return float(path.estimate.sum()), float(np.sqrt(max(path.vcov.sum(), 0.0)))


def joint_test(path: Path, *, seed: int) -> dict[str, Any]:
    """Test that all differences are zero: jointly, and by the largest of them.

    Notes
    -----
    The joint statistic is d' V⁺ d over the directions in which V is not (nearly) zero, χ² with as
    many degrees of freedom. Months next to each other hold nearly the same people in the same
    states, so V is close to singular: the test of the largest |d| / s is the steadier of the two.
    """
    from scipy.special import chdtrc

    error = path.std_error
    some = error > _RANK * float(np.max(error, initial=0.0))
    at = int(np.argmax(np.abs(path.estimate)))
    found: dict[str, Any] = {
        "n_month": len(path.month),
        "from": int(path.month[0]),
        "to": int(path.month[-1]),
        "largest": float(path.estimate[at]),
        "largest_month": int(path.month[at]),
        "mean": float(path.estimate.mean()),
        "mean_std_error": float(np.sqrt(max(path.vcov.mean(), 0.0))),
        "statistic": None, "df": 0, "p_value": None, "sup_statistic": None, "sup_p_value": None,
    }  # fmt: skip
    if (path.estimate[~some] != 0).any():  # a difference without any doubt
        return found | {"p_value": 0.0, "sup_p_value": 0.0}
    if not some.any():
        return found
    scale = error[some]
    z = path.estimate[some] / scale
    values, vectors = np.linalg.eigh(path.vcov[np.ix_(some, some)] / np.outer(scale, scale))
    kept = values > _RANK * values[-1]
    statistic = float((((vectors.T @ z)[kept]) ** 2 / values[kept]).sum())
    inside = path.vcov[np.ix_(some, some)]
    largest = largest_deviations(inside, scale, draws=DRAWS, seed=seed)
    sup = float(np.abs(z).max())
    found |= {
        "statistic": statistic,
        "df": int(kept.sum()),
        "p_value": float(chdtrc(int(kept.sum()), statistic)),
        "sup_statistic": sup,
        "sup_p_value": sup_p_value(largest, sup),
    }
    return found
