"""Multi-state models against R's survival: every option crossed with every other."""

import itertools

import numpy as np
import polars as pl
import pytest

from toolkit.survival import check_states, multi_state

SOURCE = "R survival 3.5-3, survfit (multi-state)"
FLAG = {False: "no", True: "yes"}
TIMES = [1, 3, 6, 10, 15, 22]
NAMES = {
    "person": "id", "start": "start", "stop": "stop", "from_state": "from", "to_state": "to",
}  # fmt: skip
KNOWN = {"a": 0.5, "b": 0.3, "c": 0.2}


def make_walks(n, *, late):
    """Whole-number arithmetic, the same as in make_multi_state_reference.R."""
    rows = []
    for i in range(1, n + 1):
        state, start = "abaa"[i % 4], ((i * 271) % 97) % 6 if late else 0
        for k in range(6):
            stop = start + 1 + ((i * 7919 + k * 104729) % 997) % 8
            draw = ((i * 613 + k * 389) % 89) % 8
            to = {"a": "b", "b": "a"}[state] if draw < 4 else "c" if draw < 6 else None
            rows.append((i, start, stop, state, to))
            if to in {"c", None} or stop > 24:
                break
            state, start = to, stop
    frame = pl.DataFrame(rows, schema=["id", "start", "stop", "from", "to"], orient="row")
    person, row = pl.col("id"), pl.int_range(pl.len())
    return frame.with_columns(
        whole=1 + ((person * 5) % 7) % 3,
        part=0.5 + (person % 4) / 3,
        moving=0.5 + ((person + 3 * row) % 5) / 4,
        home=(person * 11) % 25,
        sex=pl.when(person % 2 == 0).then(pl.lit("f")).otherwise(pl.lit("m")),
        age=((person * 37) % 101) / 25,
    )


WALKS = {late: make_walks(120, late=late) for late in (False, True)}
GRID = list(
    itertools.product(
        (False, True), ("one", "whole", "part", "moving"), (False, True), ("estimated", "known"),
        (None, "sex"),
    )
)  # fmt: skip


def compare(agree, quantity, curves, hazards, theirs, sex=None, *, errors=True):
    def mine(frame):
        return frame if sex is None else frame.filter(pl.col("sex") == sex)

    def agrees(what, ours, name, source=SOURCE):
        agree("Multi-state", f"{what} [{quantity}]", ours, theirs[name], source=source)

    at, time = mine(curves.at(TIMES)), mine(curves.expected_time(20))
    agrees("P(state)", at["estimate"], "pstate")
    agrees("expected time by 20", time["estimate"], "rmean")
    summed_up = mine(hazards.at(TIMES)).sort("to", "from", "time")
    agrees("cumulative hazards", summed_up["estimate"], "cumhaz")
    if errors:
        summed = f"{SOURCE}; its influences summed"
        agrees("standard error of P(state)", at["std_error"], "std.err", summed)
        agrees("standard error of expected time", time["std_error"], "se_rmean", summed)


@pytest.mark.parametrize("options", GRID, ids=lambda o: "-".join(map(str, o)))
def test_every_option_gives_the_numbers_of_r(options, reference, agree):
    late, weights, cluster, p0, by = options
    model = multi_state(
        WALKS[late], **NAMES, weights=None if weights == "one" else weights, by=by,
        cluster="home" if cluster else None,
    )  # fmt: skip
    assert model.meta["weight_type"] == {"one": None, "whole": "frequency"}.get(weights, "sampling")
    curves = model.occupation(None if p0 == "estimated" else KNOWN)
    for sex in ("f", "m") if by else ("all",):
        key = "|".join([FLAG[late], weights, FLAG[cluster], p0, sex])
        said = (
            f"late entry {FLAG[late]}, weights {weights}, clusters {FLAG[cluster]}, p0 {p0}, {sex}"
        )
        theirs = reference("multi_state")["fits"][key]
        # weights that change within a person: R gives all rows of a person one of them in its
        # standard errors (test_multi_state_properties.py holds ours to the derivative)
        errors = weights != "moving"
        compare(agree, said, curves, model.hazards(), theirs, sex if by else None, errors=errors)
        if errors and not cluster:
            at = curves.at(TIMES)
            at = at.filter(pl.col("sex") == sex) if by else at
            agree(
                "Multi-state", f"standard error as printed [{said}]", at["std_error"],
                theirs["rs_std.err"], source=SOURCE,
            )  # fmt: skip


def test_gaps_give_the_numbers_of_r(reference, agree):
    d = WALKS[True].filter((pl.col("id") + pl.int_range(pl.len())) % 3 != 1)
    model = multi_state(d, **NAMES, jumps="allow")
    assert model.meta["gaps"] + model.meta["jumps"] > 10
    compare(
        agree, "with gaps", model.occupation(), model.hazards(), reference("multi_state")["gaps"]
    )


def test_states_are_checked_as_r_does(reference, agree):
    theirs = reference("multi_state")["checked"]
    clean = check_states(make_walks(60, late=True), **NAMES)
    source = "R survival 3.5-3, survcheck"
    agree("Multi-state", "moves counted", clean.moves, theirs["moves"], source=source)
    visits = np.zeros((3, len(theirs["visits"]) // 3))  # R counts up to the most moves of any kind
    visits[:, : clean.visits.shape[1]] = clean.visits
    agree("Multi-state", "persons by moves into a state", visits, theirs["visits"], source=source)
    row = pl.int_range(pl.len())
    broken = make_walks(60, late=True).with_columns(
        pl.when(row % 7 == 3).then(pl.lit("b")).otherwise("from").alias("from"),
        start=pl.when((row % 13 == 7) | (row % 14 == 3))
        .then(pl.col("start") + 0.5)
        .otherwise("start"),
        stop=pl.when(row % 19 == 4).then(pl.col("stop") + 0.75).otherwise("stop"),
    )
    found = check_states(broken, **NAMES).glance().row(0, named=True)
    for name in ("overlap", "gap", "jump", "teleport"):
        agree("Multi-state", f"{name}s counted", found[name], theirs["flag"][name], source=source)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_cox_per_move_gives_the_numbers_of_r(ties, reference, agree):
    theirs = reference("multi_state")["cox"][ties]
    model = multi_state(WALKS[True], **NAMES)
    fits = {robust: model.cox("age + sex", ties=ties, robust=robust) for robust in (False, True)}
    source = "R survival 3.5-3, coxph (multi-state)"
    plain, robust = (
        fits[key].tidy().sort("to", "from", "term") for key in (False, True)
    )  # as R has them
    for what, ours, name in (
        ("coefficients", plain["estimate"], "coef"),
        ("standard errors", plain["std_error"], "naive"),
        ("robust standard errors", robust["robust_se"], "robust"),
        ("loglik", [sum(m.loglik_null for m in fits[False].models),
                    sum(m.loglik for m in fits[False].models)], "loglik"),
    ):  # fmt: skip
        agree("Multi-state", f"{what} of Cox per move, {ties}", ours, theirs[name], source=source)
    if ties == "breslow":  # with Efron's ties R predicts from Breslow's steps of the baseline
        new = pl.DataFrame({"age": [1, 3], "sex": ["f", "m"]})
        where = fits[False].occupation(new, TIMES, p0={"a": 0.6, "b": 0.4})
        for row, name in enumerate(("first", "second")):
            agree(
                "Multi-state", f"P(state | x) of the {name} unit",
                where.filter(row=row)["estimate"], theirs[name],
                source="R survival 3.5-3, survfit.coxphms",
            )  # fmt: skip
