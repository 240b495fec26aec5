"""A social experiment: the effect of being assigned, of taking part, and whether chance did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.designs.arms import Arms, check_spread
from toolkit.effects.designs.door import (
    effect_table,
    read_numbers,
    read_rows,
    require_variation,
)
from toolkit.effects.designs.experiment_result import Experiment
from toolkit.effects.designs.weak import ratio_set
from toolkit.errors import MissingValueError, check_option
from toolkit.estimation.coefficients import wald_test
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, require_no_nulls
from toolkit.matching.treatment import read_treatment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.effects.designs.door import Rows
    from toolkit.effects.designs.linear import Contrasts

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Within = Literal["blocked", "fixed_effects"]
Missing = Literal["refuse", "attrition"]


def experiment(
    data: Any,
    *,
    assigned: str,
    outcome: str,
    taken_up: str | None = None,
    strata: str | Sequence[str] | None = None,
    within: Within = "blocked",
    adjust: str | None = None,
    balance: Sequence[str] = (),
    cluster: str | None = None,
    weights: str | None = None,
    missing: Missing = "refuse",
    conf_level: float = 0.95,
) -> Experiment:
    """Estimate the effect of a programme from an experiment: intention to treat, and local effect.

    Parameters
    ----------
    data : frame
        A row a person.
    assigned : str
        Who was drawn for the programme: true/false or 1/0.
    outcome : str
        A number, or true/false.
    taken_up : str, optional
        Who took part: true/false, 1/0, or an amount. Adds the effect on take-up and the effect on
        those who took part because they were assigned.
    strata : str or sequence of str, optional
        Columns within whose values was drawn.
    within : {"blocked", "fixed_effects"}
        ``blocked``: the mean of the strata's differences, weighted by their size: the effect on
        all. ``fixed_effects``: strata count by how much they tell, for pairs and small strata; the
        mean effect only where it is the same everywhere.
    adjust : str, optional
        Formula of covariates from before the draw. Each arm has its own slopes (Lin 2013).
    balance : sequence of str
        Numeric or true/false columns from before the draw, whose means the arms should share.
    cluster : str, optional
        Column of what was drawn together (an office, a class). Errors are then CR2.
    weights : str, optional
        Sampling weights.
    missing : {"refuse", "attrition"}
        What a missing outcome is: an error, or somebody lost from sight, who is left out and
        counted, while `attrition` and `bounds` tell what that may have done.
    conf_level : float

    Returns
    -------
    Experiment

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family: for columns or values that cannot be used, an arm or a stratum's arm
        without people, covariates that make each other up, one cluster.

    Notes
    -----
    Standard errors are HC2 without clusters: for two arms this is Neyman's s₁²/n₁ + s₀²/n₀, which
    is never too small on average for the people drawn. With clusters they are CR2. Intervals use
    Student's t with Bell and McCaffrey's degrees of freedom. See `linear_contrasts`. The local
    effect is the ratio of the two effects of assignment (Imbens and Angrist 1994); its standard
    error is by the delta method, its interval Fieller's (Anderson and Rubin's), which also holds
    when few take part. With everybody taking part as assigned it equals the intention to treat.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> trial = pl.DataFrame({"drawn": [1, 1, 1, 0, 0, 0], "works": [1, 1, 0, 0, 1, 0]})
    >>> found = effects.experiment(trial, assigned="drawn", outcome="works")
    >>> found.tidy().select(pl.col("estimate", "std_error").round(4)).row(0)
    (0.3333, 0.4714)
    """
    check_option("within", within, ("blocked", "fixed_effects"))
    check_option("missing", missing, ("refuse", "attrition"))
    check_interval(conf_level, "plain")
    layers = as_columns(strata)
    extra = [taken_up] if taken_up else []
    rows = read_rows(data, assigned, outcome, *extra, *layers, *balance,
                     weights=weights, cluster=cluster)  # fmt: skip
    drawn = read_treatment(rows.frame, assigned)
    everyone = rows
    seen = _observed(rows, outcome, missing)
    if not seen.all():
        rows = rows.keep(seen, "outcome not observed (attrition)")
    treated = read_treatment(rows.frame, assigned)
    require_no_nulls(rows.frame, *layers)
    check_spread(treated, rows.cluster)
    compare = Arms(rows, treated, assigned, layers, within)
    outcomes = [read_numbers(rows.frame, outcome)]
    require_variation(outcomes[0], outcome)
    if taken_up:
        taken = read_numbers(rows.frame, taken_up)
        require_variation(taken, taken_up, fix="without it, only the effect of assignment is there")
        outcomes.append(taken)
    fit = compare.fit(np.stack(outcomes, axis=1), adjust)
    table, influence, local, notes = _effects(fit, taken_up is not None, conf_level)
    checks = _check_balance(compare, balance)
    lost = _attrition(Arms(everyone, drawn, assigned, layers, within), seen)
    few = float(fit.df[0])
    if few < 10:
        notes.append(f"{few:.1f} degrees of freedom: few people or clusters tell of the effect")
    rows.notes.extend(notes)
    arms = [rows.weight[who] for who in (treated, ~treated)]
    shares = [np.average(outcomes[-1][who], weights=w) if taken_up else None
              for who, w in zip((treated, ~treated), arms, strict=True)]  # fmt: skip
    return Experiment(
        meta=rows.meta(
            design="experiment",
            method=_words(layers, within, adjust, cluster),
            estimand="mean effect of being assigned (intention to treat)"
            + (_local_words(shares) if taken_up else ""),
            variance="CR2" if cluster else "HC2",
            strata=layers, adjust=adjust, cluster=cluster, conf_level=conf_level,
        ),
        estimates=table, influence=influence, df=few, local_set=local,
        n_assigned=int(treated.sum()), n_control=int((~treated).sum()),
        mean_assigned=float(np.average(outcomes[0][treated], weights=arms[0])),
        mean_control=float(np.average(outcomes[0][~treated], weights=arms[1])),
        take_up_assigned=shares[0], take_up_control=shares[1],
        balance_table=checks[0], balance_test=checks[1], attrition_table=lost,
        outcomes=(outcomes[0], treated, rows.weight),
        lost=(int((~seen.to_numpy() & drawn).sum()), int((~seen.to_numpy() & ~drawn).sum())),
        observed=_shares(everyone.weight, drawn, seen.to_numpy()),
    )  # fmt: skip


def _observed(rows: Rows, outcome: str, missing: str) -> pl.Series:
    column = rows.frame[outcome]
    gone = column.is_null()
    if column.dtype.is_float():
        gone |= column.is_nan().fill_null(value=False)
    if missing == "refuse" and gone.any():
        raise MissingValueError(
            f"Outcome {outcome!r} has missing values",
            where=f"{int(gone.sum()):,} of {len(gone):,} rows",
            fix="missing='attrition' leaves them out, counts them, and tests what that may do",
        )
    return ~gone


def _effects(
    fit: Contrasts, take_up: bool, conf_level: float
) -> tuple[pl.DataFrame, Floats, tuple[tuple[float, float], ...], list[str]]:
    """Return the table, the influences of its rows, and the set of local effects not refuted."""
    effect, control = fit.estimate
    moves, base = fit.influence[:, 0], fit.influence[:, 1]
    terms, values = ["intention_to_treat"], [effect[0]]
    influence, df = [moves[:, 0]], float(fit.df[0])
    if control[0] > 0:
        relative = effect[0] / control[0]
        terms.append("relative_effect")
        values.append(relative)
        influence.append((moves[:, 0] - relative * base[:, 0]) / control[0])
    local: tuple[tuple[float, float], ...] = ()
    notes: list[str] = []
    if take_up:
        ratio = effect[0] / effect[1] if effect[1] else np.nan
        terms += ["take_up", "local_effect"]
        values += [effect[1], ratio]
        influence += [moves[:, 1], (moves[:, 0] - ratio * moves[:, 1]) / (effect[1] or np.nan)]
        local = ratio_set(effect, moves.T @ moves, df=df, conf_level=conf_level)
    stacked = np.stack(influence, axis=1)
    error = np.sqrt((stacked**2).sum(axis=0))
    table = effect_table(terms, np.array(values), error, df=df, conf_level=conf_level)
    if take_up:
        low, high = (local[0][0], local[-1][1]) if local else (np.nan, np.nan)
        known = np.isfinite([low, high])
        row = pl.col("term") == "local_effect"
        table = table.with_columns(
            pl.when(row).then(pl.lit(low if known[0] else None)).otherwise("conf_low")
            .alias("conf_low"),
            pl.when(row).then(pl.lit(high if known[1] else None)).otherwise("conf_high")
            .alias("conf_high"),
        )  # fmt: skip
        if not known.all() or len(local) > 1:
            notes.append(
                "being assigned hardly moves taking part (weak instrument): the interval of the "
                "local effect has no end on at least one side"
            )
    return table, stacked, local, notes


def _check_balance(
    compare: Arms, balance: Sequence[str]
) -> tuple[pl.DataFrame, tuple[float | None, int, float | None]]:
    """Compare the arms before the draw, within strata; one Wald test for all columns together."""
    rows, arms = compare.rows, (compare.treated, ~compare.treated)
    values = np.zeros((rows.frame.height, 0))
    if balance:
        values = np.stack([read_numbers(rows.frame, name) for name in balance], axis=1)
    for name, column in zip(balance, values.T, strict=True):
        require_variation(column, name, fix="leave it out of balance=")
    fit = compare.fit(values) if balance else None
    effect = fit.estimate[0] if fit else np.zeros(0)
    moves = fit.influence[:, 0] if fit else values
    df = float(fit.df[0]) if fit else np.inf
    means = [np.average(values[who], axis=0, weights=rows.weight[who]) for who in arms]
    spread = [np.average((values[who] - mean) ** 2, axis=0, weights=rows.weight[who])
              for who, mean in zip(arms, means, strict=True)]  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        smd = (means[0] - means[1]) / np.sqrt(np.mean(spread, axis=0))
    table = effect_table(list(balance), effect, np.sqrt((moves**2).sum(axis=0)), df=df).select(
        covariate="term",
        mean_assigned=pl.Series(means[0]),
        mean_control=pl.Series(means[1]),
        smd=pl.Series(smd).fill_nan(None),
        estimate="estimate",
        std_error="std_error",
        p_value="p_value",
    )
    statistic, p_value = wald_test(effect, moves.T @ moves)
    return table, (statistic, len(balance), p_value)


def _attrition(compare: Arms, seen: pl.Series) -> pl.DataFrame:
    """Compare the shares whose outcome is observed."""
    there = seen.cast(pl.Float64).to_numpy()
    shares = [float(np.average(there[who], weights=compare.rows.weight[who]))
              for who in (compare.treated, ~compare.treated)]  # fmt: skip
    columns: dict[str, Any] = {
        "n": [len(there)], "observed_assigned": [shares[0]], "observed_control": [shares[1]],
        "estimate": [0.0], "std_error": [None], "p_value": [None],
    }  # fmt: skip
    if there.min() != there.max():
        fit = compare.fit(there[:, None])
        error = np.sqrt((fit.influence[:, 0] ** 2).sum(axis=0))
        table = effect_table(["observed"], fit.estimate[0], error, df=float(fit.df[0]))
        columns |= {name: table[name] for name in ("estimate", "std_error", "p_value")}
    return pl.DataFrame(columns, schema_overrides={"std_error": pl.Float64, "p_value": pl.Float64})


def _shares(weight: Floats, drawn: Bools, seen: Bools) -> tuple[float, float]:
    first, second = (float(weight[who & seen].sum() / weight[who].sum()) for who in (drawn, ~drawn))
    return first, second


def _words(layers: list[str], within: str, adjust: str | None, cluster: str | None) -> str:
    how = "Experiment: difference in means"
    if layers:
        how += f" within strata of {', '.join(layers)}"
        how += " (mean weighted by their size)" if within == "blocked" else " (fixed effects)"
    if adjust is not None:
        how += f", adjusted for {adjust} with slopes per arm (Lin 2013)"
    return how + (f"; CR2 by {cluster}" if cluster else "; HC2")


def _local_words(shares: list[Any]) -> str:
    if shares[1] == 0:
        return "; local effect: on those who took part, as none of the controls did"
    return "; local effect: on those who took part because they were assigned (compliers)"
