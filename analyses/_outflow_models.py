"""The model section of the durable-outflow study: who stays at work, and who returns.

A Cox model of the first month without work with curves standardised over the cohort, and the two
models of return with competing causes. Both compare people alike in what the register knows: less
gross than the curves above, but no net effect.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from analyses._groups import Cohort, add_groups
from toolkit import survival, trajectories
from toolkit.errors import EmptyCohortError, EstimationError
from toolkit.reporting import figures

if TYPE_CHECKING:
    from datetime import date

    from analyses._study import Study
    from toolkit.registers import Register
    from toolkit.survival.regression import Regression
    from toolkit.trajectories import Definition

PROGRAMME = "by_programme"
COVARIATES = (
    PROGRAMME,
    "by_duration",
    "by_sex",
    "by_age",
    "by_household",
    "by_education",
    "by_origin",
    "by_size",
)
#: A column with a level of fewer events than this is left out of the models, and named.
FEWEST_EVENTS = 10
#: Digits that are written: the last bits of a fit are the machine's, and the same input must give
#: the same bytes.
DIGITS = 10


def model_cohort(register: Register, study: Study, definition: Definition) -> Cohort:
    """Return the exits of the models: of several years, in all municipalities."""
    found = trajectories.describe(
        trajectories.exits(register, definition, window=study.config["models_window"]), register
    )
    outcomes = trajectories.durability(
        found.keep(pl.col("scheme") == "wwb", step="from WWB"), register
    )
    frame = add_groups(outcomes.frame, study, COVARIATES).with_columns(
        # who had no programme is the reference
        pl.col(PROGRAMME).cast(pl.String).cast(pl.Enum(_programme_words(study)))
    )
    return Cohort(outcomes=outcomes, frame=frame)


def _programme_words(study: Study) -> list[str]:
    return [study.text(key) for key in ("without_programme", "with_programme", "unknown")]


def add_models(study: Study, register: Register, definition: Definition) -> None:
    """Put both models on the page; where the data cannot tell, a note says so."""
    study.paragraph(study.text("models_text"), heading=study.text("models_head"))
    try:
        cohort = model_cohort(register, study, definition)
        _stays(study, cohort)
        _returns(study, cohort)
    except (EstimationError, EmptyCohortError) as error:
        study.note(study.text("models_refused", why=error.what))


def _stays(study: Study, cohort: Cohort) -> None:
    """Time to the first month without work: hazard ratios, and curves alike but for programme."""
    last = study.config["follow_up"]
    data = _until(cohort.frame, "work_time", "work_event", last).with_columns(
        out=pl.col("work_event") == trajectories.HAPPENED
    )
    terms = usable(data, "out")
    asked: dict[str, Any] = {"time": "work_time", "event": "out", "cluster": "municipality"}
    model = survival.cox(" + ".join(terms), data, **asked)
    study.paragraph(
        study.text(
            "stay_model_text", n=study.count(data.height), events=study.count(model.meta["n_event"])
        )
    )
    _forest(
        study, "stay_ratios", ratio_rows(study, model, data, terms),
        n=data.height, definition=cohort.definition, extra=[_proportionality(study, model)],
    )  # fmt: skip
    others = [term for term in terms if term != PROGRAMME]
    if PROGRAMME in terms and others:
        # a stratum a group: nothing is assumed of how its ratio runs over the months
        apart = survival.cox(" + ".join(others), data, strata=PROGRAMME, **asked)
        _standardised(study, apart, data, cohort.definition)


def _proportionality(study: Study, model: survival.CoxModel) -> str:
    """Return a sentence on whether the ratios hold at all times, and which do not."""
    tests = model.proportionality().tidy()
    whole = tests.row(by_predicate=pl.col("term") == "GLOBAL", named=True)
    p = whole["p_value"]
    changing = tests.filter((pl.col("p_value") < 0.001) & (pl.col("term") != "GLOBAL"))["term"]
    values = {
        "chi2": study.number(whole["statistic"], 1),
        "df": whole["df"],
        "p": f"< {study.number(0.001, 3)}" if p < 0.001 else f"= {study.number(p, 3)}",
        "names": ", ".join(study.word(name, name) for name in changing),
    }
    if p >= 0.05:
        return study.text("proportional_yes", **values)
    return study.text("proportional_no" if changing.is_empty() else "proportional_names", **values)


def _standardised(
    study: Study, model: survival.CoxModel, data: pl.DataFrame, definition: Definition
) -> None:
    """Draw the curves the whole cohort would have with and without a programme."""
    last = study.config["follow_up"]
    without, with_ = _programme_words(study)[:2]
    curves = model.standardise(at={PROGRAMME: [with_, without]}, times=range(1, last + 1))
    means = dict(curves.rmst(last).select(PROGRAMME, "estimate").iter_rows())
    gap = curves.difference(measure="rmst", horizon=last, reference=without).tidy()
    low, difference, high = gap.select("conf_low", "estimate", "conf_high").row(0)
    values = {
        "with_": study.number(means[with_], 1),
        "without": study.number(means[without], 1),
        "months": last,
        "difference": study.number(difference, 1, sign=True),
        "low": study.number(low, 1, sign=True),
        "high": study.number(high, 1, sign=True),
    }
    tidy = curves.tidy().with_columns(pl.selectors.float().round_sig_figs(DIGITS))
    study.figure(
        "stay_standardised", figures.survival, tidy,
        kind="survival", group=PROGRAMME, mark=study.config["horizon_work"], horizon=last,
        table=tidy,
        title=study.text("standardised_title", **values),
        subtitle=study.text("standardised_subtitle"),
        note=study.footer(
            n=data.height, definition=definition.name, window=_window(study),
            extra=[study.text("standardised_note", **values)],
        ),
        alt=study.text("standardised_alt", **values),
    )  # fmt: skip


def _returns(study: Study, cohort: Cohort) -> None:
    """Return to benefit: the rate among those still off it, and the share that comes back."""
    last = study.config["follow_up"]
    data = _until(cohort.frame, "return_time", "return_event", last)
    back = trajectories.HAPPENED
    terms = usable(data.with_columns(out=pl.col("return_event") == back), "out")
    asked: dict[str, Any] = {"time": "return_time", "event": "return_event"}
    rate = survival.cox(
        " + ".join(terms), data.with_columns(pl.col("return_event") == back), **asked,
        cluster="municipality",
    )  # fmt: skip
    share = survival.fine_gray(" + ".join(terms), data, cause=back, cluster="municipality", **asked)
    gone = data["return_event"].is_in([trajectories.DIED, trajectories.EMIGRATED])
    study.paragraph(
        study.text(
            "return_model_text", n=study.count(data.height),
            events=study.count(int(share.meta["n_event"])), competing=study.count(int(gone.sum())),
        )
    )  # fmt: skip
    rows = ratio_rows(study, share, data, terms)
    _forest(study, "return_ratios", rows, n=data.height, definition=cohort.definition)
    _both(study, ratio_rows(study, rate, data, terms), rows)


def _both(study: Study, rate: pl.DataFrame, share: pl.DataFrame) -> None:
    """Put the ratios of both models side by side in a table."""
    columns = ("estimate", "conf_low", "conf_high")
    table = rate.select(
        pl.format("{}: {}", "heading", "group").alias("group"),
        "n",
        *(pl.col(name).alias(f"rate_{name}") for name in columns),
    ).with_columns(share[name].alias(f"share_{name}") for name in columns)
    kept = table.filter(pl.col("rate_conf_low").is_not_null())  # without the references
    study.table(
        "return_models", kept, title=study.text("return_models_table"),
        formats={name: "number2" for name in kept.columns if name not in {"group", "n"}},
    )  # fmt: skip


def _until(frame: pl.DataFrame, time: str, event: str, last: int) -> pl.DataFrame:
    """End the follow-up at a month, so that the ratios are about the months the figures show."""
    late = pl.col(time) > last
    return frame.with_columns(
        pl.when(late).then(0).otherwise(pl.col(event)).alias(event),
        pl.when(late).then(last).otherwise(pl.col(time)).alias(time),
    )


def usable(data: pl.DataFrame, event: str) -> list[str]:
    """Return the columns with two levels or more that enough events stand behind."""
    terms = []
    for name in COVARIATES:
        events = data.group_by(name).agg(pl.col(event).sum())
        if events.height >= 2 and events[event].min() >= FEWEST_EVENTS:  # type: ignore[operator]
            terms.append(name)
    if not terms:
        raise EmptyCohortError(
            f"no column has {FEWEST_EVENTS} events at every level",
            fix="take a longer window, or more persons",
        )
    return terms


def ratio_rows(
    study: Study, model: Regression, data: pl.DataFrame, terms: list[str]
) -> pl.DataFrame:
    """Return a row a level, the reference too: ratio, interval and number of persons."""
    found = {row["term"]: row for row in model.tidy(exponentiate=True).iter_rows(named=True)}
    rows: list[dict[str, Any]] = []
    for name in terms:
        counts = data.group_by(name).len().sort(name)
        for position, (level, n) in enumerate(counts.iter_rows()):
            row = found.get(f"{name}[T.{level}]", {})
            reference = position == 0
            rows.append(
                {
                    "heading": study.word(name, name),
                    "group": study.text("reference", level=level) if reference else str(level),
                    "estimate": 1.0 if reference else row["estimate"],
                    "conf_low": None if reference else row["conf_low"],
                    "conf_high": None if reference else row["conf_high"],
                    "p_value": None if reference else row["p_value"],
                    "n": n,
                }
            )
    schema = {"conf_low": pl.Float64, "conf_high": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=schema).with_columns(
        pl.selectors.float().round_sig_figs(DIGITS)
    )


def _forest(
    study: Study,
    name: str,
    rows: pl.DataFrame,
    *,
    n: int,
    definition: Definition,
    extra: list[str] | None = None,
    **options: Any,
) -> None:
    others = rows.filter(pl.col("conf_low").is_not_null())
    low, high = (
        study.number(value, 2) for value in (others["estimate"].min(), others["estimate"].max())
    )
    study.figure(
        name, figures.bars, rows,
        heading="heading", mark="dot", unit="ratio", x_label=study.text("ratio_axis"),
        labels={"estimate": study.text("ratio_word")}, **options,
        table=rows,
        title=study.text(f"{name}_title", low=low, high=high),
        subtitle=study.text(f"{name}_subtitle", years=_years(study)),
        note=study.footer(
            n=n, definition=definition.name, window=_window(study),
            extra=[*_left_out(study, rows), *(extra or [])],
        ),
        alt=study.text(f"{name}_alt", low=low, high=high),
    )  # fmt: skip


def _left_out(study: Study, rows: pl.DataFrame) -> list[str]:
    """Name the columns that too few events stand behind."""
    there = set(rows["heading"])
    names = [study.word(name, name) for name in COVARIATES if study.word(name, name) not in there]
    return [study.text("left_out", names=", ".join(names), n=FEWEST_EVENTS)] if names else []


def _years(study: Study) -> str:
    first, end = _window(study)
    return f"{first.year}–{(end - timedelta(days=1)).year}"


def _window(study: Study) -> tuple[date, date]:
    window = trajectories.Window.of(study.config["models_window"])
    return window.start, window.end
