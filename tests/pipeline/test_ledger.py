"""Every injected error is found by its rule, and nothing clean is rejected."""

from __future__ import annotations

import os

import polars as pl
import pytest

from synthetic_data import Dirt, deliver, make_register
from synthetic_data.deliver import audit
from toolkit import registers
from toolkit.errors import CallError

#: `make calibrate` asks for 100,000.
PERSONS = int(os.environ.get("LEDGER_PERSONS", "6000"))


@pytest.fixture(scope="module")
def world():
    return make_register(persons=PERSONS, seed=3)


@pytest.fixture(scope="module")
def taken_in(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    made = deliver(world, folder / "delivery", seed=3, dirt=Dirt.everything())
    register = registers.ingest(made.raw, folder / "register", secret=made.secret)
    return made, register, audit(made.ledger, register)


def test_every_injected_error_is_found(taken_in):
    made, _, found = taken_in
    assert found.missed.is_empty()
    assert found.kinds["injected"].sum() == made.ledger.height
    assert (found.kinds["found"] == found.kinds["injected"]).all()


def test_nothing_clean_is_rejected(taken_in):
    assert taken_in[2].false_alarms.is_empty()
    assert taken_in[2].perfect


def test_every_kind_was_there(taken_in):
    kinds = taken_in[2].kinds
    assert set(kinds["kind"]) == set(Dirt.__dataclass_fields__) - {"delimited"}
    assert kinds["injected"].min() >= 3


def test_one_rule_an_error(taken_in):
    """Each error changes one thing: no other rule that rejects is broken by it."""
    made, register, _ = taken_in
    found = registers.facts(register, "rules").filter(
        pl.col("severity").is_in(["error", "set_aside"])
    )
    meant = made.ledger.filter(pl.col("outcome").is_in(["rejected", "set_aside"]))
    assert dict(
        found.group_by("rule").agg(pl.col("n").sum()).filter(pl.col("n") > 0).iter_rows()
    ) == dict(meant.group_by("expected").agg(pl.len()).iter_rows())


def test_what_is_odd_but_says_the_same_changes_nothing(world, tmp_path):
    """Several rows a month, corrections that net out, unknown amounts: the world's jobs."""
    odd = Dirt(split_rows=0.2, netted_correction=0.2, unknown_amount=0.1, too_many_hours=0.1)
    made = deliver(world, tmp_path / "delivery", seed=3, dirt=odd, sources=("jobs",))
    register = registers.ingest(made.raw, tmp_path / "register", secret=made.secret)
    assert audit(made.ledger, register).perfect
    terms = ["job", "employer", "start", "end", "kind", "contract", "hours", "wage"]
    ours, theirs = (source.jobs.select(terms).collect().sort(terms) for source in (register, world))
    assert ours.equals(theirs)


def test_an_audit_that_can_fail(taken_in):
    made, register, _ = taken_in
    rejected = made.ledger.filter(pl.col("outcome") == "rejected")
    invented = rejected.head(1).with_columns(row=pl.lit(1_000_000, pl.UInt32))
    wrong_rule = rejected.slice(1, 1).with_columns(expected=pl.lit("SRG10-99"))
    found = audit(pl.concat([made.ledger.tail(-1), invented, wrong_rule]), register)
    assert not found.perfect
    assert found.missed.height >= 2
    fewer = made.ledger.filter(
        ~pl.struct("file", "row").is_in(
            rejected.head(2).select(pl.struct("file", "row")).to_series().implode()
        )
    )
    assert audit(fewer, register).false_alarms.height == 2


def test_a_register_in_memory_was_not_taken_in(world, taken_in):
    with pytest.raises(CallError, match="in memory"):
        audit(taken_in[0].ledger, world)
