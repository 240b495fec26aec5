"""What can be asked of a panel of monthly states: TraMineR's measures, counted at register scale.

Definitions are those of TraMineR (Gabadinho, Ritschard, Müller and Studer 2011, "Analyzing and
visualizing state sequences in R with TraMineR", Journal of Statistical Software 40(4)).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.trajectories.sequence_matrix import (
    People,
    StateMatrix,
    WeightType,
    make_matrix,
    people_of,
    weighting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.trajectories.sequence_measures import Unvisited


class SequenceMeasures:
    """Measures of a panel of monthly states; the methods of `Sequences`.

    A month not observed (a null state) is passed over everywhere: shares are of those observed,
    time and entropy of the months observed, and A, not observed, A is one run of A. With
    `missing=True` it counts as a state of its own (null in the frames, ``*`` in texts).
    """

    months: pl.DataFrame
    covariates: pl.DataFrame
    meta: Mapping[str, Any]

    @cached_property
    def _matrix(self) -> StateMatrix:
        return make_matrix(self.months, self.meta["states"])

    def _states(self, *, missing: bool) -> StateMatrix:
        return self._matrix.with_missing() if missing else self._matrix

    def _people(self, by: str | Sequence[str] | None, weights: str | None) -> People:
        return people_of(self.covariates, by, weights)

    def distribution(
        self,
        by: str | Sequence[str] | None = None,
        *,
        weights: str | None = None,
        missing: bool = False,
    ) -> pl.DataFrame:
        """Return the share in each state by month (TraMineR's `seqstatd`).

        Parameters
        ----------
        by : str or sequence of str, optional
            Covariates to group by.
        weights : str, optional
            Covariate with weights; `n` and `n_observed` stay unweighted counts.
        missing : bool
            A month not observed counts as a state.

        Returns
        -------
        pl.DataFrame
            One row a group, month and state, states without anyone included: the group columns,
            month, state, n, n_observed (with any state), estimate (share of those observed; null
            when nobody is).
        """
        from toolkit.trajectories.sequence_moves import state_shares

        return state_shares(self._states(missing=missing), self._people(by, weights))

    def entropy(
        self,
        by: str | Sequence[str] | None = None,
        *,
        weights: str | None = None,
        missing: bool = False,
    ) -> pl.DataFrame:
        """Return how mixed the states are by month: 0 all in one, 1 as many in each.

        Shannon's entropy of `distribution`, -Σ p log p, divided by the logarithm of the number of
        states (TraMineR's `seqstatd`). Of one person over time: `measures`.

        Parameters
        ----------
        by, weights, missing
            As in `distribution`.

        Returns
        -------
        pl.DataFrame
            One row a group and month: the group columns, month, n_observed, estimate.
        """
        from toolkit.trajectories.sequence_moves import state_entropy

        return state_entropy(self._states(missing=missing), self._people(by, weights))

    def transition_rates(
        self,
        by: str | Sequence[str] | None = None,
        *,
        weights: str | None = None,
        weight_type: WeightType | None = None,
        by_month: bool = False,
        lag: int = 1,
        missing: bool = False,
        conf_level: float = 0.95,
    ) -> pl.DataFrame:
        """Return the share that is in each state `lag` months after each state (`seqtrate`).

        Parameters
        ----------
        by, weights, missing
            As in `distribution`.
        weight_type : {"frequency", "sampling"}, optional
            As in `mean_time`.
        by_month : bool
            A rate for each month of departure; else one for all months together.
        lag : int
            Months between the two.
        conf_level : float

        Returns
        -------
        pl.DataFrame
            One row a group(, month), `from` and `to`: the group columns, (month,) from, to, n
            (moves, unweighted), n_from (person-months in `from` whose state `lag` months later is
            observed), estimate, std_error, conf_low, conf_high. The estimate is null where nobody
            is in `from`; TraMineR writes 0 there.

        Notes
        -----
        With m of a person's r months in `from` followed by `to`, the rate is Σ w m / Σ w r and its
        variance Σ v (m - rate r)² / (Σ w r)², v = w for frequency weights and w² for sampling
        weights: a person's months are not independent, so persons are the units. Intervals are
        Wilson's, for as many independent persons as would have that error (for a rate of 0 or 1:
        (Σ w r)² / Σ v r²).
        """
        from toolkit.trajectories.sequence_moves import move_rates

        people = self._people(by, weights)
        return move_rates(
            self._states(missing=missing), people,
            weighting=weighting(people.weight, weights, weight_type),
            by_month=by_month, lag=lag, conf_level=conf_level,
        )  # fmt: skip

    def mean_time(
        self,
        by: str | Sequence[str] | None = None,
        *,
        weights: str | None = None,
        weight_type: WeightType | None = None,
        missing: bool = False,
        conf_level: float = 0.95,
    ) -> pl.DataFrame:
        """Return the mean number of months in each state (TraMineR's `seqmeant`).

        Parameters
        ----------
        by, weights, missing
            As in `distribution`.
        weight_type : {"frequency", "sampling"}, optional
            ``frequency``: a person with weight w is w such persons. ``sampling``: one that stands
            for w. None: ``frequency`` when all weights are whole numbers.
        conf_level : float

        Returns
        -------
        pl.DataFrame
            One row a group and state: the group columns, state, n (persons), estimate, std_dev,
            std_error, conf_low, conf_high.

        Notes
        -----
        Standard deviations are unbiased: Σ w (x - mean)² / (Σ w - 1), and for sampling weights
        Σ w (x - mean)² Σ w / ((Σ w)² - Σ w²), as in TraMineR. The standard error is std_dev / √Σ w;
        for sampling weights that would depend on their scale (TraMineR's does), so it is
        √(n / (n - 1) Σ w² (x - mean)²) / Σ w. Intervals are normal, cut at 0.
        """
        from toolkit.trajectories.sequence_moves import mean_times

        people = self._people(by, weights)
        return mean_times(
            self._states(missing=missing), people,
            weighting=weighting(people.weight, weights, weight_type), conf_level=conf_level,
        )  # fmt: skip

    def measures(self, *, missing: bool = False, unvisited: Unvisited = "ignore") -> pl.DataFrame:
        """Return how varied each person's sequence is: one row a person.

        Parameters
        ----------
        missing : bool
            A month not observed counts as a state.
        unvisited : {"ignore", "zero"}
            Whether states never visited count as spells of no length in the variance that
            turbulence is made of: TraMineR's type 1 and type 2.

        Returns
        -------
        pl.DataFrame
            person, then

            - months: observed ones;
            - visited: distinct states; spells: distinct successive states; transitions: spells - 1
              (`seqtransn`; a state after months not observed counts as a move, if it is another);
            - log2_subsequences: log₂ φ, with φ the number of distinct subsequences of the distinct
              successive states, the empty one too (`seqsubsn`);
            - entropy: of the months in each state, divided by its largest value (`seqient`);
            - turbulence: log₂ (φ (s²_max + 1) / (s² + 1)), with s² the variance of the lengths of
              the spells and s²_max its largest value for as many spells and months (`seqST`);
            - turbulence_normalised: from 0 (one state) to 1 (going round through all states for
              all months of the panel), (T - 1) / (T_max - 1);
            - complexity: √(transitions / (months - 1) × entropy) (`seqici`); null for one month.

            Null for a person of whom no month is observed.

        Notes
        -----
        Turbulence is of Elzinga and Liefbroer (2007), European Journal of Population 23;
        states not visited of Ritschard (2023), Sociological Methods & Research 52(4); complexity
        of Gabadinho, Ritschard, Studer and Müller (2010).

        Examples
        --------
        >>> from toolkit import trajectories
        >>> panel = pl.DataFrame({"id": [1], "2006-01": ["work"], "2006-02": ["jobless"],
        ...                       "2006-03": ["work"]})
        >>> sequences = trajectories.from_sequences(
        ...     panel, person="id", states=["2006-01", "2006-02", "2006-03"],
        ...     benefit=["jobless"], work=["work"],
        ... )
        >>> sequences.measures().select("transitions", "turbulence").row(0)
        (2, 2.807354922057604)
        """
        from toolkit.trajectories.sequence_measures import measure_sequences

        return measure_sequences(self._states(missing=missing), unvisited=unvisited)

    def distinct(
        self,
        n: int | None = None,
        *,
        by: str | Sequence[str] | None = None,
        weights: str | None = None,
        successive: bool = False,
        missing: bool = False,
    ) -> pl.DataFrame:
        """Return the distinct sequences, the commonest first (TraMineR's `seqtab`).

        Parameters
        ----------
        n : int, optional
            How many (per group); all without it.
        by, weights
            As in `distribution`.
        successive : bool
            Compare distinct successive states, whatever their lengths.
        missing : bool
            With `successive`: a run of months not observed stands in it too. Whole sequences are
            always compared with the months not observed in their place.

        Returns
        -------
        pl.DataFrame
            The group columns, sequence ("jobless/3-work/69", or "jobless-work"; ``*`` is not
            observed), n (persons), estimate (weighted share of all persons of the group). Equally
            common ones stand in the order of their states.
        """
        from toolkit.trajectories.sequence_distinct import count_sequences

        return count_sequences(
            self._states(missing=missing), self._people(by, weights), n=n, successive=successive
        )

    def wide(self) -> pl.DataFrame:
        """Return one row a person and one column a month ("2006-01"), ready for other software.

        Typologies by distances between sequences (optimal matching and its kin, clustering) need a
        distance for every two distinct sequences and are left to software made for them: TraMineR's
        `seqdef`, or `sequenzo.SequenceData`, take this frame. Pass the distinct rows with their
        counts as weights, as distances between equal sequences are 0.
        """
        wanted = self.months.with_columns(pl.col("month").dt.strftime("%Y-%m"))
        made = wanted.pivot(on="month", index="person", values="state", maintain_order=True)
        return made.join(self.covariates, on="person", how="left", maintain_order="left")
