"""The simulated country against its targets, counted straight from the canonical tables.

An independent count on purpose: nothing here uses the trajectories or the estimators that will
later be held against this country.
"""

from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CheckError

if TYPE_CHECKING:
    from toolkit.registers import Register

#: Spells of one scheme with a gap of at most this many days are one spell.
MAX_GAP_DAYS = 31
#: Sampling errors allowed on top of the tolerance: twelve moments at 2 would raise a false alarm in
#: every few seeds.
STANDARD_ERRORS = 2.5

_KEY = ["person", "start"]
_FAR = date(2100, 1, 1)


def targets() -> dict[str, dict[str, Any]]:
    """Return the targets: name → value, tolerance, denominator, numerator, source, sure."""
    text = files("synthetic_data").joinpath("targets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def calibrate(register: Register, effects: pl.DataFrame) -> pl.DataFrame:
    """Count the simulated moments and hold them against the targets.

    Parameters
    ----------
    register : Register
        The simulated register.
    effects : pl.DataFrame
        The true net effects, as in `truth/net_effect.parquet`.

    Returns
    -------
    pl.DataFrame
        One row a target: moment, target, simulated, n, std_error, tolerance, allowed, within,
        denominator, numerator, source, sure. `allowed` is the tolerance widened by sampling error:
        sqrt(tolerance² + (2.5 standard errors)²). `simulated` and `within` are null without a case.
    """
    counted = _moments(register) | _net_effects(effects)
    rows = []
    for name, target in targets().items():
        share, n, error = counted[name]
        rows.append(
            {
                "moment": name,
                "target": float(target["value"]),
                "simulated": share,
                "n": n,
                "std_error": error,
                "tolerance": float(target["tolerance"]),
                **{key: target[key] for key in ("denominator", "numerator", "source", "sure")},
            }
        )
    schema = {"simulated": pl.Float64, "n": pl.Int64, "std_error": pl.Float64}
    table = pl.DataFrame(rows, schema_overrides=schema)
    allowed = (pl.col("tolerance") ** 2 + (STANDARD_ERRORS * pl.col("std_error")) ** 2).sqrt()
    within = (pl.col("simulated") - pl.col("target")).abs() <= allowed
    table = table.with_columns(allowed=allowed, within=within)
    first = ["moment", "target", "simulated", "n", "std_error", "tolerance", "allowed", "within"]
    return table.select(*first, pl.exclude(first))


def check(table: pl.DataFrame) -> None:
    """Raise `CheckError` naming the moments that are outside their tolerance.

    Moments without a case (very small registers) are left out: there is nothing to hold.
    """
    outside = table.filter(~pl.col("within"))
    if outside.height:
        named = "; ".join(
            f"{row['moment']} is {row['simulated']:.3f}, "
            f"target {row['target']:.3f} ± {row['allowed']:.3f}"
            for row in outside.iter_rows(named=True)
        )
        raise CheckError(
            f"{outside.height} of {table.height} calibration moments are outside their tolerance",
            where=named,
            fix="look at synthetic_data.world and targets.toml; more persons shrink sampling error",
        )


Moment = tuple[float | None, int, float | None]


def _share(hit: pl.Series) -> Moment:
    """Return a share, its denominator and its binomial standard error."""
    n = len(hit)
    if n == 0:
        return None, 0, None
    share = float(hit.cast(pl.Float64).sum()) / n
    return share, n, (share * (1.0 - share) / n) ** 0.5


def _moments(register: Register) -> dict[str, Moment]:
    benefits = register.benefits.select(*_KEY, "end", "scheme", "municipality").collect()
    wwb = _merge(benefits.filter(pl.col("scheme") == "wwb"))
    insured = benefits.filter(pl.col("scheme").is_in(["wwb", "ww"])).drop("scheme")
    nug = _nug(register, benefits)
    without_work = _merge(pl.concat([insured, nug.select(insured.columns)]))
    places = register.municipalities.select("municipality", "size_class").collect()
    departures = _departures(register)
    jobs = register.jobs.select(*_KEY, "end").collect()
    first_quarter = _exits(wwb, date(2006, 1, 1), date(2006, 4, 1)).join(places, on="municipality")
    large = first_quarter.filter(pl.col("size_class").is_in(["large", "g4"]))
    cohort = _with_gone(_with_job(large, jobs, 1), departures)
    year = _exits(wwb, date(2006, 1, 1), date(2007, 1, 1))
    wide = (date(2004, 1, 1), date(2006, 7, 1))
    stock = wwb.filter(
        (pl.col("start") <= date(2006, 1, 1)) & (pl.col("end").fill_null(_FAR) > date(2006, 1, 1))
    )
    left = pl.col("end").fill_null(_FAR) < date(2007, 1, 1)
    short = stock.filter(pl.col("start") > date(2005, 1, 1)).select(left).to_series()
    long = stock.filter(pl.col("start") <= date(2003, 1, 1)).select(left).to_series()
    return {
        "work_after_12_months": _share(_at_work(_still_here(cohort, 12), jobs, 12)),
        "back_on_wwb_6_months": _returned(cohort),
        "return_all_exits": _returned(_with_gone(_exits(without_work, *wide), departures)),
        "work_month_after_exit": _share(_at_work(year, jobs, 1)),
        "yearly_exit_below_a_year": _share(short),
        "yearly_exit_above_three_years": _share(long),
        "recipients_who_work": _beside(benefits.filter(pl.col("scheme") == "wwb"), jobs),
        "uninterrupted_of_work_at_18_months": _uninterrupted(_with_job(year, jobs, 1), jobs),
    }


def _merge(spells: pl.DataFrame) -> pl.DataFrame:
    """Make one spell of those at most MAX_GAP_DAYS apart; adds the start of the next one."""
    same = pl.col("person") == pl.col("person").shift()  # after the sort: no window needed
    near = (pl.col("start") - pl.col("end").shift()) <= pl.duration(days=MAX_GAP_DAYS)
    return (
        spells.sort(*_KEY)
        .with_columns(new=~(same & near).fill_null(value=False))
        .with_columns(spell=pl.col("new").cum_sum())
        .group_by("spell", maintain_order=True)
        .agg(
            pl.col("person").first(),
            pl.col("start").first(),
            pl.col("end").last(),
            pl.col("municipality").last(),
        )
        .with_columns(
            next_start=pl.when(pl.col("person") == pl.col("person").shift(-1)).then(
                pl.col("start").shift(-1)
            )
        )
    )


def _exits(spells: pl.DataFrame, low: date, high: date) -> pl.DataFrame:
    """Return the spells that ended in [low, high)."""
    return spells.filter((pl.col("end") >= low) & (pl.col("end") < high))


def _jobs_in(exits: pl.DataFrame, jobs: pl.DataFrame, months: int) -> pl.DataFrame:
    """Return the spell numbers of exits with a job in the month `months` after the exit month."""
    month = pl.col("end").dt.truncate("1mo").dt.offset_by(f"{months}mo")
    return (
        exits.select("spell", "person", low=month, high=month.dt.offset_by("1mo"))
        .join(jobs, on="person")
        .filter(
            (pl.col("start") < pl.col("high")) & (pl.col("end").fill_null(_FAR) > pl.col("low"))
        )
        .select("spell")
        .unique()
    )


def _with_job(exits: pl.DataFrame, jobs: pl.DataFrame, months: int) -> pl.DataFrame:
    return exits.join(_jobs_in(exits, jobs, months), on="spell", how="semi")


def _at_work(exits: pl.DataFrame, jobs: pl.DataFrame, months: int) -> pl.Series:
    return exits["spell"].is_in(_jobs_in(exits, jobs, months)["spell"].implode())


def _departures(register: Register) -> pl.DataFrame:
    """Return the days on which persons are gone: death, leaving the country, turning 65."""
    homes = register.residences.select(*_KEY, "end").sort(*_KEY).collect()
    stays = (pl.col("person") == pl.col("person").shift(-1)) & (
        pl.col("end") == pl.col("start").shift(-1)
    )
    left = homes.filter(~stays.fill_null(value=False), pl.col("end").is_not_null())
    aged = register.persons.select("person", gone=pl.col("birth_month").dt.offset_by("65y"))
    return pl.concat(
        [
            left.select("person", gone="end", for_good=pl.lit(value=False)),  # some come back
            aged.collect().with_columns(for_good=pl.lit(value=True)),
        ]
    )


def _with_gone(exits: pl.DataFrame, departures: pl.DataFrame) -> pl.DataFrame:
    """Add the first day from the exit on that the person is gone; FAR if still there."""
    first = (
        exits.select("spell", "person", "end")
        .join(departures, on="person")
        .filter((pl.col("gone") >= pl.col("end")) | pl.col("for_good"))
        .group_by("spell")
        .agg(pl.col("gone").min())
    )
    return exits.join(first, on="spell", how="left").with_columns(pl.col("gone").fill_null(_FAR))


def _still_here(exits: pl.DataFrame, months: int) -> pl.DataFrame:
    """Keep who is alive and resident up to the end of the month `months` after the exit month."""
    end = pl.col("end").dt.truncate("1mo").dt.offset_by(f"{months + 1}mo")
    return exits.filter(pl.col("gone") >= end)


def _returned(exits: pl.DataFrame) -> Moment:
    """Return the share back within 6 months, of those who are there for the whole of them."""
    limit = pl.col("end").dt.offset_by("6mo")
    back = (pl.col("next_start") <= limit).fill_null(value=False)
    return _share(exits.filter(pl.col("gone") > limit).select(back).to_series())


def _nug(register: Register, benefits: pl.DataFrame) -> pl.DataFrame:
    """Return periods registered without a benefit: a running count of what is open on each day.

    What still runs ends on a far day, so that everyone's counts are back at zero before the next
    person begins and one running sum over all persons is enough.
    """
    registered = register.registrations.select(*_KEY, "end").collect()
    steps = [
        frame.select(
            "person",
            day=pl.col(column).fill_null(_FAR),
            registered=pl.lit(sign * is_registration, pl.Int32),
            paid=pl.lit(sign * (1 - is_registration), pl.Int32),
        )
        for frame, is_registration in ((registered, 1), (benefits, 0))
        for column, sign in (("start", 1), ("end", -1))
    ]
    return (
        pl.concat(steps)
        .group_by("person", "day")
        .agg(pl.col("registered", "paid").sum())
        .sort("person", "day")
        .with_columns(pl.col("registered", "paid").cum_sum(), end=pl.col("day").shift(-1))
        .filter((pl.col("registered") > 0) & (pl.col("paid") == 0))
        .select(
            "person",
            start="day",
            end=pl.when(pl.col("end") < _FAR).then("end"),
            municipality=pl.lit(None, pl.String),
        )
    )


def _beside(wwb: pl.DataFrame, jobs: pl.DataFrame) -> Moment:
    """Return the share of recipients with a job on the first of each month of 2006."""
    hits, total = 0, 0
    for month in range(1, 13):
        day = date(2006, month, 1)
        running = (pl.col("start") <= day) & (pl.col("end").fill_null(_FAR) > day)
        on = wwb.filter(running)
        hits += on.join(jobs.filter(running), on="person", how="semi").height
        total += on.height
    if total == 0:
        return None, 0, None
    share = hits / total
    people = max(1, round(total / 12))  # the same persons month after month
    return share, people, (share * (1.0 - share) / people) ** 0.5


def _uninterrupted(exits: pl.DataFrame, jobs: pl.DataFrame) -> Moment:
    """Of those in work at 18 months, the share with a job in every month since the exit month."""
    at_18 = _with_job(exits, jobs, 18)
    always = at_18
    for months in range(2, 18):
        always = _with_job(always, jobs, months)
    return _share(at_18["spell"].is_in(always["spell"].implode()))


def _net_effects(effects: pl.DataFrame) -> dict[str, Moment]:
    """Return the lock-in (lowest of months 1–6) and the effect at 24 months on regular work."""
    of_all = effects.filter((pl.col("group") == "all") & (pl.col("outcome") == "in_work"))
    first = of_all.filter(pl.col("month").is_between(1, 6)).sort("effect").head(1)
    late = of_all.filter(pl.col("month") == 24)
    return {"net_effect_lock_in": _effect(first), "net_effect_24_months": _effect(late)}


def _effect(row: pl.DataFrame) -> Moment:
    """Return an effect with the standard error of two independent shares: pairs have less."""
    if not row.height:
        return None, 0, None
    n = int(row["n"][0])
    p, q = float(row["mean_factual"][0]), float(row["mean_counterfactual"][0])
    return float(row["effect"][0]), n, ((p * (1 - p) + q * (1 - q)) / n) ** 0.5
