"""Every method on one set of lives: its estimate, and whether it shows that it may be wrong.

Thresholds are written once, before anything is estimated, and the same for all. A comparison is
flagged when the gate does not support it: for what the registry says of the method (gross), for
balance, overlap or size, or for a placebo. What was matched on is no placebo: the years before
those, and hours beside benefit in the months before the start, are.
"""

from dataclasses import dataclass

import polars as pl

from toolkit import effects, matching

THRESHOLDS = {"max_smd": 0.1, "min_support": 0.8, "min_ess": 100, "min_placebo_p": 0.01}
#: Of designs that come without a sample to look at.
NOTHING = dict.fromkeys(THRESHOLDS)
PLACEBO_ONLY = {**NOTHING, "min_placebo_p": 0.01}
SEEN = ["x", "late"]
FORMULA = "x + late + C(time)"
SCORE = f"starts ~ {FORMULA}"
BEFORE = ["early", "hours_before"]
BOTH = ["person", "subclass"]
PRETENDED = {"pretended_p": {"at_least": 0.01}}
#: Months from start to outcome.
HORIZON = 12


@dataclass(frozen=True)
class Finding:
    """An estimate with its interval, and what the gate says against it."""

    estimate: float
    low: float
    high: float
    flags: tuple[str, ...]


def judge(found, row, thresholds, **evidence):
    """Return the row of an effect beside the verdict of the gate on it."""
    verdict = effects.gate(thresholds, **evidence)
    flags = [one.criterion for one in verdict.judged if one.verdict != "met"]
    marked = verdict.apply(found).meta
    if len(marked["gate"]["failures"]) > len(flags):
        flags.insert(0, "gross")  # by the registry, whatever the diagnostics say
    assert marked["supported"] == (not flags)
    return Finding(row["estimate"], row["conf_low"], row["conf_high"], tuple(flags))


def of_sample(sample, cluster=None, *, seen=SEEN, before=BEFORE, since=None, values=None):
    """Return the finding of a matched, weighted or plain sample; `since` where weights change."""
    found = effects.contrast(
        sample, outcome="work", measure="difference", cluster=cluster, since=since
    )
    row = found.tidy().row(by_predicate=pl.col("term") == "difference", named=True)
    test = effects.placebo(sample, outcome_before=before, cluster=cluster, missing="drop")
    written = THRESHOLDS if values is None else {**THRESHOLDS, "more": PRETENDED}
    return judge(found, row, written, balance=matching.balance(sample, seen), sample=sample,
                 placebo=test, values=values)  # fmt: skip


def of_regression(rows):
    """Return the finding of a regression, of which balance is no part, but the placebo is."""
    found = effects.contrast(
        rows, treatment="starts", outcome="work", adjust=FORMULA, estimand="ATT",
        cluster="person", measure="difference",
    )  # fmt: skip
    row = found.tidy().row(by_predicate=pl.col("term") == "difference", named=True)
    tests = [
        effects.contrast(
            rows, treatment="starts", outcome=name, adjust=FORMULA, estimand="ATT",
            cluster="person", measure="difference",
        ).tidy().filter(term="difference")
        for name in BEFORE
    ]  # fmt: skip
    return judge(found, row, PLACEBO_ONLY, placebo=_worst(pl.concat(tests)))


def weakness(rows):
    """Return what an omitted variable must explain to undo the regression, and what one does.

    The second is the share of the estimate that is gone beside a variable as strong, with start and
    outcome, as the strongest that was seen.
    """
    bounds = effects.omitted_variable_bounds(
        rows, treatment="starts", outcome="work", covariates=FORMULA, benchmarks=SEEN, times=1
    )
    left = bounds.tidy().filter(pl.col("benchmark").is_not_null())["estimate"]
    return bounds.robustness_value, 1 - (left.min() / bounds.estimate)


def _worst(table):
    """Return several placebos as one, by Bonferroni."""
    lowest = min(1.0, table.height * table["p_value"].min())
    return pl.DataFrame({"p_value": [lowest], "largest": [table["estimate"].abs().max()]})


def of_scores(rows, treatment, *, on=FORMULA, before=BEFORE):
    """Return the finding of the doubly robust estimator, whose placebo is of its own kind."""
    found = effects.doubly_robust(
        rows, treatment=treatment, outcome=["work", *before],
        on=on, estimand="ATT", link="linear",
        cluster="person", measure="difference", missing="drop",
    )  # fmt: skip
    table = found.tidy().filter(pl.col("term") == "difference")
    row = table.row(by_predicate=pl.col("outcome") == "work", named=True)
    others = _worst(table.filter(pl.col("outcome") != "work"))
    return judge(found, row, PLACEBO_ONLY, placebo=others)


def of_risk_sets(rows, control, pretended):
    """Return the finding of risk sets; with time the censored have other weights."""
    found = matching.match_risk_sets(
        rows, person="person", time="time", treated_at="treated_at", on="x + late", caliper=0.2,
        background=20_000, control=control,
    )  # fmt: skip
    values = {"pretended_p": pretended}
    if control == "not_yet":
        return of_sample(found, BOTH, values=values)
    return of_sample(found, "person", since=HORIZON, values=values)


def of_pretended_starts(rows, lead=3):
    """Return the p-value of hours in months before starts that were pretended `lead` earlier."""
    made = effects.placebo_starts(
        rows, person="person", time="time", treated_at="treated_at", lead=lead
    )
    then = rows.select("person", time=pl.col("time") - lead, hours_then="hours_before")
    panel = made.panel.join(then, on=["person", "time"], how="left", maintain_order="left")
    found = matching.match_risk_sets(
        panel,
        person="person",
        time="time",
        treated_at="treated_at",
        on="x + late",
        caliper=0.2,
        background=0,
    )
    row = effects.contrast(found, outcome="hours_then", measure="difference", cluster=BOTH)
    return row.tidy().row(by_predicate=pl.col("term") == "difference", named=True)["p_value"]


def of_matching(rows):
    """Return the finding of nearest neighbours among all person-months, exact on the month."""
    score = matching.propensity(SCORE, rows)
    found = matching.match(
        rows,
        treatment="starts",
        on=score,
        exact="time",
        antiexact="person",
        caliper=0.2,
        covariates=SEEN,
    )
    return of_sample(found, BOTH)


def of_weights(rows, method):
    """Return the finding of one way of weighing person-months."""
    return of_sample(matching.weigh(rows, on=SCORE, method=method, cluster="person"), "person")


def of_changes(panel):
    """Return the finding of difference-in-differences, a year (four quarters) after the start."""
    found = effects.difference_in_differences(
        panel, person="person", month="quarter", outcome="y", treated_at="start", window=(-4, 4)
    )
    row = found.tidy().row(by_predicate=pl.col("time") == 4, named=True)
    written = {**NOTHING, "more": {"leads_p": {"at_least": 0.01}}}
    return judge(found, row, written, values={"leads_p": found.lead_test.p_value})


def of_participants(panel):
    """Return the change of who took part from the year before to the year after the start."""
    found = effects.before_after(
        panel, person="person", month="month", outcome="work", started_at="start", before=12,
        after=12, dip=3,
    )  # fmt: skip
    row = found.tidy().row(by_predicate=pl.col("term") == "change", named=True)
    return judge(found, row, NOTHING)


def of_all(rows, panels):
    """Return the findings of all methods on person-months, and on panels."""
    pretended = of_pretended_starts(rows)
    plain = matching.plain_sample(rows, treatment="starts", cluster="person")
    return {
        "naive difference": of_sample(plain, "person"),
        "before and after": of_participants(panels["participants"]),
        "regression": of_regression(rows),
        "nearest neighbours": of_matching(rows),
        "risk sets, not yet": of_risk_sets(rows, "not_yet", pretended),
        "risk sets, censored": of_risk_sets(rows, "censor", pretended),
        "inverse probability": of_weights(rows, "ipw"),
        "overlap weights": of_weights(rows, "overlap"),
        "entropy balancing": of_weights(rows, "entropy"),
        "doubly robust": of_scores(rows, "starts"),
        "differences in work": of_changes(panels["work"]),
        "differences in hours": of_changes(panels["hours"]),
    }


def of_ever(people):
    """Return the findings of methods that look at who ever starts."""
    before = ["early", "soon"]
    score = matching.propensity("ever ~ x + late", people)
    samples = {
        "naive difference": matching.plain_sample(people, treatment="ever"),
        "nearest neighbours": matching.match(
            people, treatment="ever", on=score, caliper=0.2, covariates=SEEN
        ),
        "inverse probability": matching.weigh(people, on=score),
    }
    found = {name: of_sample(one, before=before) for name, one in samples.items()}
    found["doubly robust"] = of_scores(people, "ever", on="x + late", before=before)
    return {f"ever started: {name}": one for name, one in found.items()}
