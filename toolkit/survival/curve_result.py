"""What results made of curves offer beside their table: influences, pseudo-values, contrasts."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.errors import check_option
from toolkit.result import Result
from toolkit.survival.bands import make_band
from toolkit.survival.difference import make_difference
from toolkit.survival.pseudo import PSEUDO_METHODS, PseudoMethod
from toolkit.survival.row_values import row_influence, row_pseudo_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from toolkit.estimation.intervals import ConfType
    from toolkit.survival.bands import Band, BandKind
    from toolkit.survival.curve_family import Curves
    from toolkit.survival.difference import Difference, Measure

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CurveResult(Result):
    """Curves by group, with the influence of every row of the data on them.

    Attributes
    ----------
    conf_level, conf_type
        Of the intervals.
    """

    conf_level: float
    conf_type: ConfType

    @abstractmethod
    def _curves(self) -> Curves:
        """Return the curves as bands and contrasts read them."""

    def influence(
        self, times: float | Sequence[float] | None = None, *, horizon: float | None = None
    ) -> Floats:
        """Return how far every row of the data moves its own group's curve.

        Parameters
        ----------
        times : number or sequence
            At which times; T of them, sorted.
        horizon : number
            Instead of times: the influence on the area under the curve up to there.

        Returns
        -------
        (N, T), or (N, K, T) where a group has K curves; (N,) or (N, K) for an area. In the order of
        the data. A row's weight is counted in, so that the squares add up to the robust variance
        and sums over the rows of a cluster are the cluster's. 0 at weight 0; NaN where the curve is
        not known.
        """
        return row_influence(self._curves(), times, horizon)

    def pseudo_values(
        self,
        times: float | Sequence[float] | None = None,
        *,
        horizon: float | None = None,
        method: PseudoMethod = "infinitesimal",
    ) -> Floats:
        """Return a value for every row whose mean is the estimate, also where it is censored.

        Used as the outcome of a regression (with the same weights), they estimate how the curve at
        those times depends on covariates (Andersen, Klein and Rosthøj 2003).

        Parameters
        ----------
        times, horizon
            As in `influence`.
        method : {"infinitesimal", "leave-one-out"}
            ``infinitesimal``: θ + W U, with W the group's sum of weights and U the influence of one
            unit of weight (R's `survival::pseudo`). ``leave-one-out``: W θ - (W - 1) θ without
            the unit, exactly; for rows that count for whole units.

        Returns
        -------
        Array of the shape of `influence`; NaN at weight 0.
        """
        check_option("method", method, PSEUDO_METHODS)
        return row_pseudo_values(self._curves(), times, horizon, method)

    def band(
        self,
        *,
        kind: BandKind = "equal precision",
        between: tuple[float, float] | None = None,
        conf_level: float | None = None,
        seed: int = 1,
    ) -> Band:
        """Return bands that hold at all times of a range at once.

        Parameters
        ----------
        kind : {"equal precision", "hall-wellner"}
            ``equal precision``: as many standard errors wide at every time. ``hall-wellner``: with
            the shape of Hall and Wellner (1980), narrower in the middle; for survival curves.
        between : pair of numbers, optional
            The range. By default from the 10th event for as long as 10 are at risk: outside it
            a curve does not yet vary as a normal variable does.
        conf_level : float, optional
            By default that of the curves; so is the scale, their `conf_type`.
        seed : int
            Of the draws that find the critical value.

        Returns
        -------
        Band

        Raises
        ------
        toolkit.errors.ToolkitError
            One of the family, for options that cannot be, or when no curve has such a range.
        """
        return make_band(
            self._curves(), self.meta, conf_type=self.conf_type,
            conf_level=self.conf_level if conf_level is None else conf_level,
            kind=kind, between=between, seed=seed,
        )  # fmt: skip

    def difference(
        self,
        *,
        by: str | Sequence[str] | None = None,
        at: float | Sequence[float] | None = None,
        horizon: float | None = None,
        measure: Measure = "difference",
        reference: Any = None,
        cluster: str | None = None,
        simultaneous: bool = False,
        between: tuple[float, float] | None = None,
        conf_level: float | None = None,
        seed: int = 1,
    ) -> Difference:
        """Compare the groups: differences or ratios of curves, or of the areas under them.

        Parameters
        ----------
        by : str or sequence of str, optional
            Group columns to compare; by default all. Within the others, each group is compared
            apart.
        at : number or sequence, optional
            Times; by default all times of an event in either group.
        horizon : number
            For measures of areas.
        measure : str
            Of curves: ``difference``, ``ratio``, ``odds ratio``. Of areas up to the horizon:
            ``rmst``, ``rmst ratio`` (restricted mean survival time), for incidences ``rmtl``,
            ``rmtl ratio`` (time lost to a cause). Intervals of ratios are made on the log scale.
        reference
            Level of `by` the others are compared with; by default the first in sorting order.
        cluster : str, optional
            Column that tells which rows belong together, also across groups; by default that of
            the curves. A person who is in both groups, or a municipality with people in both, makes
            their curves vary together: that is counted in.
        simultaneous : bool
            Also bands that hold at all times (of `at`) at once, and a test that uses them
            (`sup_test`): equal precision, critical values drawn from the Gaussian process with
            the covariance of the influences.
        between : pair of numbers, optional
            Range of times of the bands; by default where both groups have had 10 events and have
            10 at risk.
        conf_level : float, optional
            By default that of the curves.
        seed : int
            Of the draws.

        Returns
        -------
        Difference

        Raises
        ------
        toolkit.errors.ToolkitError
            One of the family, for options or columns that cannot be.

        Notes
        -----
        Without clusters the groups are independent and a difference has the variance of the sum of
        theirs. With clusters it is Σ over clusters of (Σ over rows of ± U)², U the influence of
        a row on its own group's curve, of the other sign in the reference.
        """
        return make_difference(
            self._curves(), self.meta, by=by, at=at, horizon=horizon, measure=measure,
            reference=reference, cluster=cluster, simultaneous=simultaneous, between=between,
            conf_level=self.conf_level if conf_level is None else conf_level, seed=seed,
        )  # fmt: skip
