"""A coefficient for every event: fits by order, and their joint robust variance."""

from __future__ import annotations

import time as clock_time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import EstimationError
from toolkit.estimation.coefficients import coefficient_table
from toolkit.result import Result
from toolkit.survival.cox import CoxModel, cox
from toolkit.survival.recurrent.orders import ORDER
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from toolkit.survival.recurrent.orders import Orders

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CoxByOrder(Result):
    """Effects on the first event, the second …; made by `recurrent(effects="by_order")`.

    Attributes
    ----------
    orders : tuple of int
        The K events.
    models : tuple of CoxModel
        The fit of each.
    vcov : (K p, K p) array
        Robust variance of all coefficients, events under one another: a person's events are not
        independent.
    conf_level : float
    """

    orders: tuple[int, ...]
    models: tuple[CoxModel, ...] = field(repr=False)
    vcov: Floats = field(repr=False)
    conf_level: float

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the p terms."""
        return self.models[0].terms

    def tidy(self, *, exponentiate: bool = False) -> pl.DataFrame:
        """Return a row per event and term: `event_order`, then as `CoxModel.tidy`."""
        tables = []
        for k, (order, model) in enumerate(zip(self.orders, self.models, strict=True)):
            table = coefficient_table(
                model.terms, model.coefficients, model.vcov_model, robust=self._block(k, k),
                conf_level=self.conf_level, exponentiate=exponentiate,
            )  # fmt: skip
            tables.append(table.select(pl.lit(order, pl.Int64).alias(ORDER), pl.all()))
        return pl.concat(tables)

    def glance(self) -> pl.DataFrame:
        """Return one row: counts and the log-likelihood of all events together."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_person": [self.meta["n_person"]],
                "n_event": [sum(model.meta["n_event"] for model in self.models)],
                "n_order": [len(self.orders)],
                "df": [len(self.terms) * len(self.orders)],
                "loglik_null": [sum(model.loglik_null for model in self.models)],
                "loglik": [sum(model.loglik for model in self.models)],
            }
        )

    def equal_effects(self) -> pl.DataFrame:
        """Test of each term whether its effect is the same on every event (Wald, robust).

        Columns: `term, statistic, df, p_value`; the last row, of ``all``, is of all terms at once.
        """
        from scipy.special import chdtrc

        p, n_orders = len(self.terms), len(self.orders)
        b = np.concatenate([model.coefficients for model in self.models])
        against_first = np.hstack([-np.ones((n_orders - 1, 1)), np.eye(n_orders - 1)])
        rows = []
        every = [*(np.eye(p)[[j]] for j in range(p)), np.eye(p)]
        for name, chosen in zip([*self.terms, "all"], every, strict=True):
            contrast = np.kron(against_first, chosen)
            apart = contrast @ b
            spread = contrast @ self.vcov @ contrast.T
            statistic = float(apart @ np.linalg.pinv(spread, hermitian=True) @ apart)
            df = int(np.linalg.matrix_rank(spread, hermitian=True))
            rows.append((name, statistic, df, float(chdtrc(df, statistic)) if df else None))
        return pl.DataFrame(
            rows, orient="row",
            schema={"term": pl.String, "statistic": pl.Float64, "df": pl.Int64,
                    "p_value": pl.Float64},
        )  # fmt: skip

    def _block(self, k: int, other: int) -> Floats:
        p = len(self.terms)
        return self.vcov[k * p : (k + 1) * p, other * p : (other + 1) * p]


def fit_by_order(
    formula: str,
    data: pl.DataFrame,
    orders: Orders,
    asked: Mapping[str, Any],
    facts: dict[str, Any],
    *,
    begin: float,
) -> CoxByOrder:
    """Fit each event by itself: with baselines and effects of its own the likelihood falls apart.

    Only the variance does not: a person's influence on one event's coefficients goes with its
    influence on the others'.
    """
    counts = orders.counts(data[asked["event"]].cast(pl.Boolean).to_numpy())
    known = counts.filter(pl.col("n_event") > 0)["order"].to_list()
    unseen = counts.filter(pl.col("n_event") == 0)["n"].sum()
    person, n = orders.histories.person, orders.histories.n_person
    person_of_row = orders.histories.to_rows(person)
    weighting = asked["weight_type"]
    weight = np.ones(n)
    if weighting == "frequency":
        weight[person_of_row] = data[asked["weights"]].cast(pl.Float64).to_numpy()
    models, sums = [], []
    strata = [name for name in asked["strata"] if name != ORDER]
    for order in known:
        mine = orders.order == order
        try:
            model = cox(
                formula, data.filter(pl.Series(mine)), **{**asked, "strata": strata or None}
            )
        except EstimationError as error:
            raise type(error)(
                f"Of event {order}: {error.what}", where=error.where,
                fix="take late events together with max_order",
            ) from error  # fmt: skip
        moved = model.influence()
        models.append(model)
        sums.append(add_up(moved, person_of_row[mine], n).reshape(n, -1))
    if len({model.terms for model in models}) > 1:
        raise EstimationError(
            "The events do not have the same levels of a covariate, so neither the same terms",
            fix="take late events together with max_order, or merge levels",
        )
    all_sums = np.hstack(sums)
    there = weight > 0
    vcov = (all_sums[there] / weight[there, None]).T @ all_sums[there]
    warnings = [said for model in models for said in model.meta["warnings"]]
    if unseen:
        warnings.append(f"{unseen:,} rows wait for an event that nobody had: they tell nothing")
    meta = {
        **models[0].meta,
        **facts,
        "n": sum(model.meta["n"] for model in models),
        "n_event": sum(model.meta["n_event"] for model in models),
        "warnings": [*warnings, *facts["warnings"]],
        "wall_time": clock_time.perf_counter() - begin,
    }
    return CoxByOrder(
        meta=meta,
        orders=tuple(known),
        models=tuple(models),
        vcov=vcov,
        conf_level=asked["conf_level"],
    )
