"""The store keeps what it is given, and the door says what is wrong with a register."""

from __future__ import annotations

import errno
import traceback
from datetime import date

import polars as pl
import pytest

from toolkit import registers
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    InputError,
    MissingColumnError,
    MissingTableError,
    MissingValueError,
    OrphanPersonError,
    OutsideCoverageError,
    OverlappingSpellsError,
    ReversedSpellError,
    StorageError,
    ToolkitError,
    UnknownCodeError,
    WrongTypeError,
    unknown_column,
)
from toolkit.registers.schema import PERSON_TABLES, TABLES, dtypes, empty

D = date


def persons(*keys: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "person": list(keys),
            "sex": "female",
            "birth_month": D(1970, 5, 1),
            "origin": "native",
        }
    )


def coverage() -> pl.DataFrame:
    return pl.DataFrame(
        {"source": list(PERSON_TABLES), "start": D(2004, 1, 1), "end": D(2008, 1, 1)}
    )


def benefits(*rows: tuple[int, date, date | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "person": [r[0] for r in rows],
            "start": [r[1] for r in rows],
            "end": pl.Series([r[2] for r in rows], dtype=pl.Date),
            "scheme": "wwb",
            "claim": 1,
            "role": "head",
        }
    )


def position(step: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"person": [1], "date": [D(2005, 1, 1)], "position": [step], "scheme": ["reint2009"]}
    )


def make(**tables: pl.DataFrame) -> registers.Register:
    return registers.from_frames(**({"persons": persons(1, 2), "coverage": coverage()} | tables))


def test_tables_left_out_are_empty_with_their_types():
    register = make()
    assert register.jobs.collect().equals(empty("jobs"))
    assert dict(register.jobs.collect_schema()) == dtypes("jobs")
    registers.validate(register)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_store_round_trip_whatever_the_partitions(tmp_path, size):
    tables = {
        "persons": persons(1, 2, 3),
        "benefits": benefits(
            (1, D(2005, 1, 1), D(2006, 1, 1)), (3, D(2005, 1, 1), None), (2, D(2004, 3, 1), None)
        ),
    }
    municipalities = pl.DataFrame(
        {
            "municipality": ["gm0363"],
            "name": ["Amsterdam"],
            "region": [1],
            "population": [740_000],
            "size_class": ["g4"],
        }
    )
    with registers.StoreWriter(
        tmp_path / "register", municipalities=municipalities, coverage=coverage(), meta={"seed": 7}
    ) as writer:
        for low in range(1, 4, size):
            inside = pl.col("person").is_between(low, low + size - 1)
            writer.write(low, low + size, {k: v.filter(inside) for k, v in tables.items()})
    register = registers.open(tmp_path / "register")
    registers.validate(register)
    assert register.meta["seed"] == 7
    assert register.benefits.collect()["person"].to_list() == [1, 2, 3]
    parts = [register.part(i).benefits.collect() for i in range(len(register.partitions))]
    assert pl.concat(parts).equals(register.benefits.collect())
    assert register.covers("jobs") == (D(2004, 1, 1), D(2008, 1, 1))


def test_a_failed_write_leaves_the_old_store(tmp_path):
    def write(key: int, *, fail: bool) -> None:
        with registers.StoreWriter(
            tmp_path / "r", municipalities=empty("municipalities"), coverage=coverage()
        ) as writer:
            writer.write(key, key + 1, {"persons": persons(key)})
            if fail:
                raise RuntimeError

    write(1, fail=False)
    with pytest.raises(RuntimeError):
        write(2, fail=True)
    assert registers.open(tmp_path / "r").persons.collect()["person"].to_list() == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_new_register_takes_its_place_in_one_step_and_cleans_up(tmp_path):
    for key in (1, 2):
        with registers.StoreWriter(
            tmp_path / "r", municipalities=empty("municipalities"), coverage=coverage()
        ) as writer:
            writer.write(key, key + 1, {"persons": persons(key)})
            assert writer.written().persons.collect()["person"].to_list() == [key]
            if key == 2:  # until the end the old one is what everybody sees
                opened = registers.open(tmp_path / "r")
                assert opened.persons.collect()["person"].to_list() == [1]
    assert registers.open(tmp_path / "r").persons.collect()["person"].to_list() == [2]
    assert [f.name for f in (tmp_path / "r").iterdir() if f.is_dir()] == ["tables-2"]


def test_two_writers_are_kept_apart(tmp_path):
    def writer():
        return registers.StoreWriter(
            tmp_path / "r", municipalities=empty("municipalities"), coverage=coverage()
        )

    with writer() as first:
        with pytest.raises(StorageError, match="Another process"), writer():
            pass
        first.write(1, 2, {"persons": persons(1)})
    assert registers.open(tmp_path / "r").persons.collect().height == 1


def test_what_a_killed_writer_left_is_cleaned_up(tmp_path):
    left = tmp_path / "r" / "tables-1" / "jobs"
    left.mkdir(parents=True)
    (left / "part-00000.parquet").write_bytes(b"half")
    with registers.StoreWriter(
        tmp_path / "r", municipalities=empty("municipalities"), coverage=coverage()
    ) as writer:
        writer.write(1, 2, {"persons": persons(1)})
    assert not left.exists()


def test_a_full_disk_is_said_and_the_old_register_stays(tmp_path, monkeypatch):
    def write(key):
        with registers.StoreWriter(
            tmp_path / "r", municipalities=empty("municipalities"), coverage=coverage()
        ) as writer:
            writer.write(key, key + 1, {"persons": persons(key)})

    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    write(1)
    monkeypatch.setattr("toolkit.registers.store.write_json", no_room)
    with pytest.raises(StorageError, match="disk is full") as caught:
        write(2)
    assert caught.value.exit_code == 5
    assert registers.open(tmp_path / "r").persons.collect()["person"].to_list() == [1]
    assert not (tmp_path / "r" / "tables-2").exists()


def test_writer_does_not_overwrite_a_folder_that_is_no_store(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    writer = registers.StoreWriter(
        tmp_path, municipalities=empty("municipalities"), coverage=coverage()
    )
    with pytest.raises(CallError, match="not a register"):
        writer.__enter__()
    assert (tmp_path / "thesis.docx").exists()


BROKEN = [
    (
        {"benefits": benefits((1, D(2006, 1, 1), D(2005, 1, 1)))},
        ReversedSpellError,
        "'benefits', partition 0, 1 rows",
    ),
    (
        {"benefits": benefits((1, D(2005, 1, 1), D(2005, 3, 1)), (1, D(2005, 2, 1), None))},
        OverlappingSpellsError,
        "scheme",
    ),
    (
        {"benefits": benefits((1, D(2005, 1, 1), None), (1, D(2005, 2, 1), None))},
        OverlappingSpellsError,
        "merge",
    ),
    ({"benefits": benefits((9, D(2005, 1, 1), None))}, OrphanPersonError, "not in table 'persons'"),
    ({"benefits": benefits((1, D(2009, 1, 1), None))}, OutsideCoverageError, "2008-01-01"),
    (
        {"benefits": benefits((1, D(2005, 1, 1), D(2009, 1, 1)))},
        OutsideCoverageError,
        "2008-01-01",
    ),
    ({"persons": persons(1, 1)}, DuplicateKeyError, "person stands more than once"),
    (
        {"positions": position(7)},
        InputError,
        "position",
    ),
    (
        {"benefits": benefits((1, D(2005, 1, 1), None)).with_columns(start=None)},
        MissingValueError,
        "'start'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "error", "text"), BROKEN)
def test_validate_names_the_rule_that_is_broken(tables, error, text):
    with pytest.raises(error, match=text) as caught:
        registers.validate(make(**tables))
    assert caught.value.exit_code == 3
    assert "What to do" in str(caught.value)


def test_a_source_without_coverage_row_is_an_error():
    register = make(
        coverage=coverage().filter(pl.col("source") != "jobs"),
    )
    with pytest.raises(OutsideCoverageError, match="jobs"):
        register.covers("jobs")


def test_from_frames_at_the_door():
    with pytest.raises(MissingTableError, match="persons"):
        registers.from_frames(coverage=coverage())
    with pytest.raises(MissingTableError, match="did you mean 'benefits'"):
        make(benefit=benefits())
    with pytest.raises(MissingColumnError, match="'scheme'"):
        make(benefits=benefits((1, D(2005, 1, 1), None)).drop("scheme"))
    with pytest.raises(WrongTypeError, match="'start'"):
        make(benefits=benefits((1, D(2005, 1, 1), None)).with_columns(start=pl.lit("spring")))
    with pytest.raises(UnknownCodeError, match="did you mean 'wwb'"):
        make(benefits=benefits((1, D(2005, 1, 1), None)).with_columns(scheme=pl.lit("wwwb")))


def test_open_says_what_is_missing(tmp_path):
    with pytest.raises(CallError, match="no register"):
        registers.open(tmp_path)
    with registers.StoreWriter(
        tmp_path / "r", municipalities=empty("municipalities"), coverage=coverage()
    ) as writer:
        writer.write(1, 2, {"persons": persons(1)})
    file = tmp_path / "r" / "tables-1" / "jobs" / "part-00000.parquet"
    pl.read_parquet(file).drop("hours").write_parquet(file)
    with pytest.raises(MissingColumnError, match="'hours'"):
        registers.open(tmp_path / "r")
    file.unlink()
    with pytest.raises(MissingTableError, match="jobs"):
        registers.open(tmp_path / "r")


def test_messages_never_hold_a_person_key():
    key = 987_654_321
    with pytest.raises(ToolkitError) as caught:
        registers.validate(make(benefits=benefits((key, D(2005, 1, 1), None))))
    assert str(key) not in str(caught.value)


def test_no_key_in_a_repr_or_a_chained_error():
    key = 987_654_321
    assert str(key) not in repr(make(persons=persons(key)))
    with pytest.raises(WrongTypeError, match="'person'") as caught:
        make(persons=persons(1).with_columns(person=pl.lit(f"{key}x")))
    assert str(key) not in "".join(traceback.format_exception(caught.value))
    columns = [f"v{i}" for i in range(2)] + [str(key), "9f86d081884c7d659a2feaa0c55ad015"]
    said = str(unknown_column("person", columns, where="x"))
    assert str(key) not in said
    assert "9f86d" not in said
    assert "v0, v1" in said


@pytest.mark.parametrize(
    ("column", "value"), [("start", 20050101), ("person", 1.5), ("claim", 2.7)]
)
def test_a_number_is_not_cut_to_fit(column, value):
    frame = benefits((1, D(2005, 1, 1), None)).with_columns(pl.lit(value).alias(column))
    with pytest.raises(WrongTypeError, match=column):
        make(benefits=frame)
    make(benefits=frame.with_columns(pl.lit(1.0).alias("claim"), person=1, start=D(2005, 1, 1)))


def test_a_row_without_a_person_is_not_left_out_in_silence():
    spells = benefits((1, D(2005, 1, 1), None))
    nobody = spells.with_columns(person=pl.lit(None, dtype=pl.Int64))
    with pytest.raises(MissingValueError, match="'person'"):
        registers.validate(make(benefits=pl.concat([spells, nobody])))


def test_a_programme_starts_within_its_coverage():
    programme = {
        "person": [1], "programme": [1], "instrument": ["training"], "aim": ["work"],
        "target_group": ["wwb"], "offer": [D(2005, 1, 1)], "start": [D(2019, 1, 1)],
    }  # fmt: skip
    with pytest.raises(OutsideCoverageError):
        registers.validate(make(programmes=pl.DataFrame(programme)))


def _add(jobs):
    (jobs / "part-00009.parquet").write_bytes((jobs / "part-00000.parquet").read_bytes())


def _lose(jobs):
    (jobs / "part-00001.parquet").unlink()


def _move(jobs):
    file = jobs / "part-00001.parquet"
    pl.read_parquet(file).with_columns(person=pl.lit(77, dtype=pl.Int64)).write_parquet(file)


def _cut(jobs):
    file = jobs / "part-00001.parquet"
    file.write_bytes(file.read_bytes()[:50])


def _forget(jobs):
    (jobs.parents[1] / "register.json").write_text("[]")


@pytest.mark.parametrize("harm", [_add, _lose, _move, _cut, _forget])
def test_a_store_that_was_changed_by_hand_is_refused(tmp_path, harm):
    with registers.StoreWriter(
        tmp_path / "r", municipalities=empty("municipalities"), coverage=coverage()
    ) as writer:
        for key in (1, 2):
            job = {"person": [key], "start": D(2005, 1, 1), "job": 1, "employer": 1}
            writer.write(
                key, key + 1,
                {"persons": persons(key), "jobs": pl.DataFrame({**job, "kind": "regular"})},
            )  # fmt: skip
    registers.validate(registers.open(tmp_path / "r"))
    registers.validate(registers.open(tmp_path / "r").part(1))
    harm(tmp_path / "r" / "tables-1" / "jobs")
    with pytest.raises(InputError, match="make the register again"):
        registers.validate(registers.open(tmp_path / "r"))


def test_every_table_has_a_schema_with_a_docstring():
    assert all(schema.__doc__ for schema in TABLES.values())
