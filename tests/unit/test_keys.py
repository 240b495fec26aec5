"""Keys go in, surrogates come out, and nothing that is written shows a key."""

from __future__ import annotations

import logging
import stat
import traceback
from hashlib import blake2b

import numpy as np
import polars as pl
import pytest

from toolkit.errors import CallError, InputError, ToolkitError, WrongTypeError
from toolkit.registers.keys import (
    KeyRing,
    PersonKeys,
    hash_bsn,
    passes_eleven_test,
    secret_from,
)
from toolkit.registers.layout import Layout
from toolkit.registers.rules import check_records
from toolkit.registers.values import parse

SECRET = b"a key of the user"
R = ord("R") * 10**9


def u64(*keys):
    return pl.Series(keys, dtype=pl.UInt64)


def pairs(**links):
    return pl.DataFrame(
        {"_hash": list(links), "_key": list(links.values())},
        schema={"_hash": pl.String, "_key": pl.UInt64},
    )


def records(**columns):
    n = len(next(iter(columns.values())))
    return pl.DataFrame(columns, schema_overrides={"_key": pl.UInt64}).with_columns(
        _file=pl.lit(0, pl.UInt32), _row=pl.int_range(1, n + 1, dtype=pl.UInt32),
        _part=pl.lit(0, pl.UInt8),
    )  # fmt: skip


def numbers(ring):
    """Key or hash → person."""
    table = ring._table
    return {row["_key"] if row["_key"] is not None else row["_hash"]: row["person"]
            for row in table.iter_rows(named=True)}  # fmt: skip


def test_one_number_in_eleven_passes():
    found = pl.select(passes_eleven_test(pl.int_range(100_000_000, 100_110_000, eager=True)))
    assert found.to_series().sum() == 10_000


def test_the_hash_is_keyed_blake2b_of_nine_digits():
    expected = blake2b(b"010000008", key=SECRET, digest_size=16).hexdigest()
    found = hash_bsn(pl.Series(["10000008", None, "010000008", "111222333"]), SECRET)
    assert found.to_list()[:3] == [expected, None, expected]
    assert found[3] != expected
    assert hash_bsn(pl.Series(["10000008"]), SECRET + b"!")[0] != expected
    assert len(hash_bsn(pl.Series(["10000008"]), b"x" * 100)[0]) == 32


def test_a_weak_key_and_numbers_that_are_no_text_are_refused():
    with pytest.raises(CallError, match="16 bytes"):
        hash_bsn(pl.Series(["111222333"]), b"short")
    with pytest.raises(WrongTypeError, match="text"):
        hash_bsn(pl.Series([111222333]), SECRET)


def test_the_secret_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    assert secret_from(file) == SECRET
    monkeypatch.setenv("REINTEGRATIE_KEY", SECRET.decode())
    assert secret_from() == SECRET
    monkeypatch.setenv("REINTEGRATIE_KEY", "hunter2")
    with pytest.raises(CallError, match="shorter than 16 bytes") as caught:
        secret_from()
    assert "hunter2" not in str(caught.value)
    monkeypatch.delenv("REINTEGRATIE_KEY")
    with pytest.raises(CallError, match="There is no key"):
        secret_from()
    with pytest.raises(CallError, match="cannot be read"):
        secret_from(tmp_path / "nowhere")


def test_sealing_takes_the_numbers_out():
    keys = PersonKeys(SECRET)
    sealed = keys.seal(pl.DataFrame({"_bsn": ["111222333"], "x": [1]}))
    assert sealed.columns == ["x", "_hash"]
    assert sealed["_hash"].to_list() == hash_bsn(pl.Series(["111222333"]), SECRET).to_list()
    assert keys.seal(sealed).equals(sealed)


def test_surrogates_have_no_gaps_and_do_not_follow_keys_or_rows():
    keys = u64(*(R + 7 * n for n in range(1000)))
    ring = KeyRing.build(seed=1, keys=keys)
    given = numbers(ring)
    assert sorted(given.values()) == list(range(1000))
    in_order = np.array([given[key] for key in keys.to_list()])
    assert abs(np.corrcoef(in_order, np.arange(1000))[0, 1]) < 0.1
    shuffled = [keys.sample(600, seed=2), keys.sample(fraction=1, shuffle=True, seed=3)]
    assert numbers(KeyRing.build(seed=1, keys=shuffled)) == given
    assert numbers(KeyRing.build(seed=2, keys=keys)) != given


def test_known_persons_keep_their_number_and_new_ones_come_after():
    first = KeyRing.build(seed=1, keys=u64(5, 3, 9), link=pairs(a=5))
    second = KeyRing.build(seed=1, keys=u64(1, 3, 9, 12), earlier=first)
    was, now = numbers(first), numbers(second)
    assert {key: now[key] for key in was} == was
    assert sorted([now[1], now[12]]) == [3, 4]
    assert (second.persons, second.retired) == (4, 1)
    # who is gone is out of the population, and back under the old number
    assert second.attach(records(_key=[5]))[1]["rule"].to_list() == ["KEY-POPULATION"]
    assert second.attach(records(_hash=["a"]))[1]["rule"].to_list() == ["KEY-POPULATION"]
    third = KeyRing.build(seed=9, keys=u64(5, 12), earlier=second)
    assert third.attach(records(_key=[12, 5]))[0]["person"].to_list() == [now[12], was[5]]
    assert third.attach(records(_hash=["a"]))[0]["person"].to_list() == [was[5]]


def test_attach_by_rin():
    ring = KeyRing.build(seed=1, keys=u64(R + 2, R + 3, R + 4))
    given = numbers(ring)
    frame = records(_key=[R + 3, R + 9, R + 2, None, R + 3], _letter=["R"] * 5, x=[1, 2, 3, 4, 5])
    kept, unknown = ring.attach(frame)
    assert kept.columns == ["person", "x", "_file", "_row", "_part"]
    assert kept.select("person", "x").rows() == [
        (given[R + 3], 1), (given[R + 2], 3), (given[R + 3], 5),
    ]  # fmt: skip
    assert unknown.rows() == [(0, 2, "KEY-POPULATION"), (0, 4, "KEY-POPULATION")]


def test_attach_by_bsn_goes_over_the_link_table():
    ring = KeyRing.build(seed=1, keys=u64(5, 3, 9), link=pairs(a=5, b=5, c=3, elsewhere=77))
    given = numbers(ring)
    kept, unknown = ring.attach(records(_hash=["b", "new", "a", "elsewhere", "c"]))
    assert kept["person"].to_list() == [given[5], given[5], given[3]]
    assert unknown.rows() == [(0, 2, "KEY-UNLINKED"), (0, 4, "KEY-POPULATION")]


def test_a_hash_of_two_keys_is_no_link():
    link = pl.concat([pairs(a=5, b=3), pairs(b=9)])
    ring = KeyRing.build(seed=1, keys=u64(5, 3, 9), link=link)
    assert ring.ambiguous == 1
    assert ring.attach(records(_hash=["b"]))[1]["rule"].to_list() == ["KEY-UNLINKED"]


def test_a_population_named_by_bsn_alone():
    ring = KeyRing.build(seed=1, hashes=[pl.Series(["b", "a"]), pl.Series(["a", "c"])])
    assert sorted(numbers(ring).values()) == [0, 1, 2]
    kept, unknown = ring.attach(records(_hash=["c", "d"]))
    assert kept["person"].to_list() == [numbers(ring)["c"]]
    assert unknown["rule"].to_list() == ["KEY-UNLINKED"]


def test_a_population_named_by_rin_and_by_bsn():
    ring = KeyRing.build(
        seed=1, keys=u64(5, 3), hashes=pl.Series(["a", "z", "q"]), link=pairs(a=5, q=8)
    )
    # a is person 5; q is person 8, who came by BSN alone; z has no RIN
    kept, unknown = ring.attach(records(_hash=["a", "z", "q"]))
    by_rin = ring.attach(records(_key=[5, 8, 3]))[0]["person"].to_list()
    assert kept["person"].to_list()[0] == by_rin[0]
    assert kept["person"].to_list()[2] == by_rin[1]
    assert ring.persons == 4
    assert unknown.is_empty()


def test_who_was_known_by_bsn_alone_is_the_same_person_when_linked():
    first = KeyRing.build(seed=1, hashes=pl.Series(["a", "b"]))
    was = numbers(first)
    second = KeyRing.build(seed=1, keys=u64(5, 6), link=pairs(a=5), earlier=first)
    assert second.attach(records(_key=[5, 6]))[0]["person"].to_list() == [was["a"], 2]
    assert second.attach(records(_hash=["a", "b"]))[1]["rule"].to_list() == ["KEY-POPULATION"]


def test_a_hash_that_moves_to_another_key_takes_no_person_along():
    first = KeyRing.build(seed=1, keys=u64(5, 6), link=pairs(a=5))
    was = numbers(first)
    second = KeyRing.build(seed=1, keys=u64(5, 6, 7), link=pairs(a=7), earlier=first)
    persons = second.attach(records(_key=[5, 6, 7]))[0]["person"].to_list()
    assert persons == [was[5], was[6], 2]
    assert second.attach(records(_hash=["a"]))[0]["person"].to_list() == [2]


def test_of_two_persons_in_a_record_the_known_one_stays():
    ring = KeyRing.build(seed=1, keys=u64(5))
    frame = records(_key=[5, 6, 7, 8]).with_columns(
        _row=pl.Series([1, 1, 2, 2], dtype=pl.UInt32), _part=pl.Series([0, 1, 0, 1], dtype=pl.UInt8)
    )
    found = ring.link(frame)
    assert found.accepted["_row"].to_list() == [1]
    assert found.broken.rows() == [(0, 2, "KEY-POPULATION")]
    assert found.counts.rows() == [(0, "KEY-POPULATION", 2)]


def test_an_empty_population_and_an_empty_batch():
    ring = KeyRing.build(seed=1)
    assert ring.persons == 0
    assert ring.attach(records(_key=[5]))[1].height == 1
    full = KeyRing.build(seed=1, keys=u64(5))
    assert full.attach(records(_key=[5]).head(0))[0].columns == ["person", "_file", "_row", "_part"]


def test_a_ring_is_written_for_its_owner_only_and_read_back(tmp_path):
    ring = KeyRing.build(seed=1, keys=u64(5, 3, 9), link=pairs(a=5))
    file = tmp_path / "store.closed" / "keys.parquet"
    for _ in range(2):  # also over an older one
        ring.save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["keys.parquet"]
    assert numbers(KeyRing.load(file)) == numbers(ring)
    with pytest.raises(CallError, match="no key file"):
        KeyRing.load(tmp_path / "nowhere")
    file.write_bytes(b"no parquet")
    with pytest.raises(InputError, match="holds no keys"):
        KeyRing.load(file)


def test_no_key_is_ever_shown(caplog):
    caplog.set_level(logging.DEBUG)
    rin, bsn = R + 123456782, "111222333"
    keys = PersonKeys(SECRET)
    frame = keys.seal(records(_bsn=[bsn]))
    hashed = frame["_hash"][0]
    ring = KeyRing.build(seed=1, keys=u64(rin), link=pairs(**{hashed: rin}))
    shown = [repr(ring), str(ring), repr(keys), str(keys), repr(ring.attach(frame)[0])]
    for wrong in (
        lambda: ring.attach(records(_bsn=[bsn])),
        lambda: ring.attach(records(x=[1])),
        lambda: hash_bsn(u64(rin), SECRET),
        lambda: hash_bsn(pl.Series([bsn]), SECRET[:5]),
    ):
        with pytest.raises(ToolkitError) as caught:
            wrong()
        shown.append("".join(traceback.format_exception(caught.value)))
    shown.append(caplog.text)
    for secret in (str(rin), "123456782", bsn, hashed, SECRET.decode(), SECRET[:5].decode()):
        text = "\n".join(shown)
        # the lines of this test stand in the tracebacks, its values may not
        assert secret not in text


def test_a_client_number_is_hashed_as_no_bsn_is():
    own = read_own_layout("client")
    found = parse(pl.DataFrame({"_file": [0, 0], "_row": [1, 2], "nr": ["111222333", ""]}), own)
    checked = check_records(found, own)
    assert checked.broken["rule"].to_list() == ["KEY-CLIENT"]
    secret = b"0123456789abcdef"
    hashed = PersonKeys(secret).seal(checked.accepted)
    assert hashed["_hash"][0] != hash_bsn(pl.Series(["111222333"]), secret)[0]


def read_own_layout(kind):
    words = {"nl": "x", "en": "x"}
    return Layout.model_validate(
        {
            "name": "own", "title": words, "about": words, "reference": "x", "formats": ["csv"],
            "files": ["own"], "unit": "person", "period": "none",
            "fields": [{"name": "nr", "type": kind}],
        }
    )  # fmt: skip
