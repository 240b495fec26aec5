"""What matching within risk sets gives back: the uses, the pairs, and how to follow them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.matching.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.matching.risk_sets.censoring import Censoring

#: Whether controls stay when they start later, or are censored then.
Control = Literal["not_yet", "censor"]
CONTROLS = ("not_yet", "censor")


@dataclass(frozen=True, kw_only=True)
class RiskSetMatched(Sample):
    """Starters beside people at risk in the same elapsed month who did not start in it.

    `frame` has a row a person and reference month: first the uses and the starters without control,
    by month; then rows at risk that were not used (weight 0), of which `sampling` says how many
    each stands for, so that `balance` can tell what matching did. Added to the columns handed in
    are `treated`, `starts_after` (months from the reference month to a control's own start; null =
    none seen) and, from spells, `time` and `reference` (elapsed and calendar month).

    Attributes
    ----------
    person, time : str
        Columns of the person and of the elapsed month.
    spell, calendar : str or None
        Columns of the spell and of the calendar month.
    control : {"not_yet", "censor"}
    pairs : DataFrame
        `time, treated_row, control_row, distance, subclass`: rows of `frame`, from 0.
    score_model : DataFrame or None
        Coefficients of the chance to start, where it was fitted.

    Notes
    -----
    A person may serve in several months and be treated later: `cluster` is the person.
    """

    person: str
    time: str
    spell: str | None
    calendar: str | None
    control: Control
    pairs: pl.DataFrame = field(repr=False)
    score_model: pl.DataFrame | None = field(repr=False)
    _sets: pl.DataFrame = field(repr=False)
    _unmatched: pl.DataFrame = field(repr=False)
    _censoring: Censoring | None = field(repr=False)

    def glance(self) -> pl.DataFrame:
        """Return one row: as of any `Sample`, and `control, share_later`.

        `share_later` is the share of the controls who start later themselves: under ``not_yet``
        they stay, and the effect is that of now against not now.
        """
        later, serving = self._sets.select("n_treated_later", "n_control").sum().row(0)
        return super().glance().with_columns(
            control=pl.lit(self.control), share_later=pl.lit(later / serving)
        )  # fmt: skip

    def sets(self) -> pl.DataFrame:
        """Return a row an elapsed month with starts.

        `time, n_at_risk, n_start, n_matched, n_no_control, n_used_up, n_outside_caliper, n_control,
        n_treated_later`: those at risk (with who starts), starters, those with a control, those
        without by reason, people who serve as control, and how many of these start later.
        """
        return self._sets

    def unmatched(self) -> pl.DataFrame:
        """Return the starters without control, counted by cell and reason."""
        return self._unmatched

    def weights_at(self, since: int) -> pl.Series:
        """Return the weight of each row `since` months after its reference month, (N,).

        With ``control="not_yet"`` it is `weights`. With ``control="censor"`` it is 0 from the month
        of a control's own start on, and until then `weights` / Π (1 - p) over the months at risk
        since, p the fitted chance to start: those still untreated stand for those censored.
        """
        if not isinstance(since, (int, np.integer)):
            raise CallError(f"since={since!r} is no whole month", fix="for instance 12")
        if self._censoring is None or since <= 0:
            return self.weights
        own = self.frame["starts_after"].fill_null(2**31 - 1).to_numpy()
        weight = np.where(own > since, self.weights.to_numpy(), 0.0)
        return pl.Series("weight", weight * self._censoring.factor(since))

    def follow(
        self,
        outcomes: Any,
        *,
        outcome: str | Sequence[str],
        month: str | None = None,
        months: Iterable[int] = range(37),
    ) -> pl.DataFrame:
        """Join monthly outcomes by months since the reference month.

        Parameters
        ----------
        outcomes : frame
            A row a person and month, the person under the same name as here.
        outcome : str or sequence of str
            Columns to join.
        month : str, optional
            Column of `outcomes` with the calendar month, where the matching had a calendar (the
            same name unless given); else with the elapsed month (and the spell, where there are
            spells).
        months : iterable of int
            Months since the reference month, which is 0; those before are negative.

        Returns
        -------
        DataFrame
            `row, person, treated, subclass, month, weight`, and the outcomes, in order of row and
            month; a row of `frame` and month with weight. An outcome that is not in `outcomes`, or
            null there, is null: not observed is not 'no'. Censored months are left out.

        Raises
        ------
        toolkit.errors.ToolkitError
            For columns that are not there, or two outcomes of a person in one month.
        """
        from toolkit.matching.risk_sets.follow import follow

        return follow(self, outcomes, outcome=outcome, month=month, months=months)
