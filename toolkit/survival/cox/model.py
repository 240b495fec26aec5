"""What a Cox model gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import check_option
from toolkit.estimation.coefficients import wald_test
from toolkit.estimation.intervals import ConfType, check_interval, normal_quantile
from toolkit.frames import to_frame
from toolkit.survival.cox.concordance import Concordance, concordance
from toolkit.survival.cox.curves import baseline_table, new_rows, predict_survival
from toolkit.survival.cox.residuals import RESIDUALS, Residual, refuse_exact, residuals_of
from toolkit.survival.cox.score import score_of_cells
from toolkit.survival.regression import Regression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted, Ties
    from toolkit.survival.cox.proportionality import Proportionality, Transform
    from toolkit.survival.cox.standardise import Standardised
    from toolkit.survival.predicted import Predicted

    Floats = NDArray[np.float64]

KINDS = ("lp", "risk")


@dataclass(frozen=True, kw_only=True)
class CoxModel(Regression):
    """A fitted Cox model; made by `cox`.

    Attributes
    ----------
    ties : {"efron", "breslow", "exact"}
    cluster : str or None
        Column of the clusters of the robust variance.
    fitted : Fitted
        Risk sets, risks and hazard increments at the coefficients (with ``exact`` ties those of
        Breslow at the exact coefficients, as R has them).
    score_test : float
        Rao's statistic of all coefficients being 0.
    """

    ties: Ties
    cluster: str | None
    fitted: Fitted = field(repr=False)
    score_test: float

    @cached_property
    def concordance(self) -> Concordance:
        """Concordance of the predicted risks with what happened; counted when first asked for."""
        return concordance(self.fitted, self.cluster)

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, likelihoods, three tests of all coefficients, concordance.

        `likelihood_ratio`, `wald` (with the robust variance if there is one; null when that has
        fewer clusters than coefficients) and `score` are chi-squared statistics on `df` degrees of
        freedom. With weights or clusters only `wald` is a test: the others take rows for
        independent, and weights for counts.
        """
        from scipy.special import chdtrc

        df = len(self.terms)
        columns = self._fit_columns()
        ratio = 2 * (self.loglik - self.loglik_null)
        columns["likelihood_ratio"] = ratio
        columns["likelihood_ratio_p_value"] = float(chdtrc(df, ratio)) if df else None
        columns["wald"], columns["wald_p_value"] = wald_test(self.coefficients, self.vcov)
        columns["score"] = self.score_test
        columns["score_p_value"] = float(chdtrc(df, self.score_test)) if df else None
        columns["concordance"] = self.concordance.estimate
        columns["concordance_std_error"] = self.concordance.std_error
        frame = pl.DataFrame({name: [value] for name, value in columns.items()})
        return frame.with_columns(pl.selectors.float().fill_nan(None))

    def influence(self) -> Floats:
        """Return by how much each row of the data moves the coefficients, (N, p).

        R's weighted `dfbeta`: the influence of a unit like that row, times the row's weight. With
        sampling weights, or none, ``influence().T @ influence()`` is the robust variance.
        """
        unit = self.residuals("dfbeta")
        return unit * self.design.row_weights()[:, None]

    def residuals(self, kind: Residual = "martingale") -> Floats:
        """Return residuals of each row of the data, in its order, (N,) or (N, p).

        Parameters
        ----------
        kind : str
            ``martingale``: the event less the number expected. ``deviance``: the same, made
            symmetric. ``score``: contribution to the score, (N, p). ``dfbeta``: by how much a
            unit like the row moves the coefficients; ``dfbetas``: in standard errors.
            ``schoenfeld``: covariates less the mean of those at risk, NaN where there is no
            event; ``scaled_schoenfeld``: the coefficients as they would be at that time.

        Notes
        -----
        They are those of R's `residuals.coxph`, of one unit whatever the row's weight; rows of
        weight 0 get 0. A person with several rows has the sum of theirs.

        Raises
        ------
        toolkit.errors.CallError
            For ``exact`` ties, whose likelihood does not fall apart into rows (martingale and
            deviance residuals are then those of Breslow's hazard).
        """
        check_option("kind", kind, RESIDUALS)
        if self.ties == "exact" and kind not in {"martingale", "deviance"}:
            refuse_exact(kind)
        values = residuals_of(self.fitted, kind, self.vcov_model, self.std_error)
        return self.design.to_rows(values)

    def baseline(self, *, centered: bool = False) -> pl.DataFrame:
        """Return the cumulative baseline hazard of each stratum.

        Columns: the strata, `time, n_event, hazard` (its step), `estimate` (cumulative),
        `std_error, conf_low, conf_high` (symmetric on the log scale). Of a unit with all covariates
        (and the offset) 0, or with `centered` at their means. Ties are treated as in the fit, as
        R's `survfit` does.
        """
        return baseline_table(self, centered=centered)

    def predict_survival(
        self,
        new: Any,
        times: float | Sequence[float] | None = None,
        *,
        conf_level: float | None = None,
        conf_type: ConfType = "log",
    ) -> Predicted:
        """Return the survival curve of each row of new data, S(t | x) = exp(-Λ(t) exp(x'b)).

        Parameters
        ----------
        new : frame
            With the formula's variables, the strata and the offset.
        times : number or sequence of numbers, optional
            All times of events in the row's stratum, unless given.
        conf_level : float, optional
            That of the model, unless given.
        conf_type : {"log", "log-log", "plain"}
            Scale of the intervals.

        Returns
        -------
        Predicted
            Its `tidy()` has the row's number, strata and covariates, `time, estimate, std_error,
            conf_low, conf_high`.

        Notes
        -----
        The standard error holds the uncertainty of the baseline and that of the coefficients
        (Tsiatis 1981), as in R's `survfit`. After a robust fit it is that of the influence
        functions of both, clusters included; R's then mixes the robust variance of the
        coefficients with a model-based one of the baseline.

        This is the survival of one kind of unit, not of a population: the curve at mean
        covariates is no mean of curves.
        """
        level = self.conf_level if conf_level is None else conf_level
        check_interval(level, conf_type)
        return predict_survival(self, to_frame(new), times, conf_level=level, conf_type=conf_type)

    def predict(
        self, new: Any, kind: Literal["lp", "risk"] = "lp", *, centered: bool = False
    ) -> pl.DataFrame:
        """Return the linear predictor of new data, or the hazard ratio exp(lp).

        Parameters
        ----------
        new : frame
            With the formula's variables, the strata and the offset.
        kind : {"lp", "risk"}
        centered : bool
            Compare with a unit with mean covariates (and offset), rather than with all at 0.

        Returns
        -------
        DataFrame
            Columns `row, estimate, std_error, conf_low, conf_high`; with ``risk`` the error is
            that of the ratio (delta method), the bounds exp() of those of ``lp``.
        """
        check_option("kind", kind, KINDS)
        x, offset, _, labels = new_rows(self.design, to_frame(new))
        if centered:
            x, offset = x - self.fitted.centre, offset - self.fitted.offset_centre
        estimate = x @ self.coefficients + offset
        std_error = np.sqrt(((x @ self.vcov) * x).sum(axis=1))
        half = normal_quantile(self.conf_level) * std_error
        low, high = estimate - half, estimate + half
        if kind == "risk":
            with np.errstate(over="ignore"):  # beyond what a number can hold it is infinite
                estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
                std_error = estimate * std_error
        return pl.DataFrame(
            {
                "row": labels["row"],
                "estimate": estimate,
                "std_error": std_error,
                "conf_low": low,
                "conf_high": high,
            }
        )

    def standardise(
        self,
        at: Mapping[str, Any] | None = None,
        *,
        by: str | Sequence[str] | None = None,
        data: Any = None,
        weights: str | None = None,
        times: float | Sequence[float] | None = None,
        cluster: str | None = None,
        conf_level: float | None = None,
        conf_type: ConfType = "log-log",
    ) -> Standardised:
        """Return the mean survival of a population if all had a variable at this value, or at that.

        The predicted curves of all units, with the variable set, are averaged at every time (the
        g-formula); `difference()` of the result contrasts the levels, also in months up to a
        horizon. It is an effect of the variable only if the others hold all that confounds it.

        Parameters
        ----------
        at : mapping, optional
            From variables (or strata) to the values they are set to, ``{"programme": [0, 1]}``;
            of several variables all combinations.
        by : str or sequence of str, optional
            Instead: variables set to each of the values that occur.
        data : frame, optional
            The population; by default the sample the model was fitted on, with its weights.
        weights : str, optional
            Column of weights of `data`.
        times : number or sequence of numbers, optional
            Of `tidy()`; by default all event times (500 of them where there are more).
        cluster : str, optional
            Column of the fitted data whose rows belong together; by default that of the model.
        conf_level : float, optional
            That of the model, unless given.
        conf_type : {"log-log", "log", "plain"}
            Scale of the intervals.

        Returns
        -------
        Standardised

        Raises
        ------
        toolkit.errors.ToolkitError
            For variables or values the model does not know; when it was fitted on rows that begin
            late and no population is given; for ``exact`` ties.

        Notes
        -----
        Of strata each unit keeps its own baseline (unless the stratum is what is set). Standard
        errors are robust whether or not those of the model are: the sum of squared influences of
        the rows, through the coefficients, the baseline hazard and, with the estimation sample,
        the covariates averaged over (Chen and Tsiatis 2001). The covariates of `data` are taken as
        they are.
        """
        from toolkit.survival.cox.standardise import standardise

        return standardise(
            self, at, by=by, data=data, weights=weights, times=times, cluster=cluster,
            conf_level=self.conf_level if conf_level is None else conf_level, conf_type=conf_type,
        )  # fmt: skip

    def proportionality(self, transform: Transform = "km") -> Proportionality:
        """Test whether the hazard ratios stay the same over time.

        Parameters
        ----------
        transform : {"km", "rank", "identity", "log"}
            Scale of time on which they may change: ``km`` (1 - Kaplan-Meier) spreads the events
            evenly, so that a few late ones do not decide.

        Returns
        -------
        Proportionality
            A test per term of the formula and a global one; `plot()` shows b(t).

        Notes
        -----
        The score test of b(t) = b + θ g(t), with the variance of each time (R's `cox.zph` from
        version 3.0 on). Of the model-based likelihood, also after a robust fit.
        """
        from toolkit.survival.cox.proportionality import TRANSFORMS, proportionality

        check_option("transform", transform, TRANSFORMS)
        return proportionality(self, transform)

    def score_influence(self) -> Floats:
        """Return by how much one unit in each cell of the design moves the coefficients, (C, p)."""
        if self.ties == "exact":
            refuse_exact("dfbeta")
        return score_of_cells(self.fitted) @ self.vcov_model
