"""Simulate the country: a register, the truth behind it, and how well it is calibrated."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthetic_data.calibration import calibrate
from synthetic_data.engine import Engine
from synthetic_data.tables import coverage, to_tables
from synthetic_data.truth import Truth, TruthWriter, read_truth
from synthetic_data.world import World
from toolkit.errors import CallError
from toolkit.provenance import Manifest, versions
from toolkit.registers import Register, StoreWriter, from_frames
from toolkit.registers import open as open_register
from toolkit.registers.schema import sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

_log = logging.getLogger(__name__)

#: Row numbers of persons are 32-bit inside the kernel.
_MOST_PERSONS = 2_000_000_000
_LARGEST_SEED = 2**63 - 1


def make_register(persons: int = 2_000, seed: int = 1, world: World | None = None) -> Register:
    """Simulate a small register in memory, for tests and notebooks.

    Parameters
    ----------
    persons : int
        Number of persons; person `i` gets the same life whatever this number is.
    seed : int
        Another seed is another country.
    world : World, optional
        The parameters.

    Examples
    --------
    >>> register = make_register(persons=100)  # doctest: +SKIP
    >>> register.persons.collect().height  # doctest: +SKIP
    100
    """
    _check_call(persons, seed, world)
    engine = Engine.build(world or World(), seed)
    lives = engine.run(0, persons)
    found = to_tables(lives.rows, engine.country.table["municipality"])
    tables = {name: frame.sort(*sort_key(name)) for name, frame in found.items()}
    return from_frames(
        meta={"source": "synthetic", "seed": seed, "persons": persons},
        **tables,
        municipalities=engine.country.table,
        coverage=coverage((world or World()).position.first_month),
    )


def simulate(
    path: str | Path,
    *,
    persons: int = 300_000,
    seed: int = 1,
    partition_size: int = 50_000,
    threads: int = 2,
    world: World | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate the country and write register, truth and calibration.

    Writes `register/` (a store), `truth/*.parquet`, `calibration.parquet` and `.csv`, and
    `manifest.json`. The same seed gives the same bytes; a person's life does not depend on
    `persons`, `partition_size` or `threads`.

    Parameters
    ----------
    path : str or Path
        Folder to write in.
    persons : int
        Number of persons at risk of benefits.
    seed : int
        Seed of the country and of every life.
    partition_size : int
        Persons a partition of the store; bounds the memory together with `threads`.
    threads : int
        Partitions simulated at the same time.
    world : World, optional
        The parameters.
    progress : callable, optional
        Called with (persons done, persons) after every partition.

    Returns
    -------
    Path
        The folder.

    Examples
    --------
    >>> simulate("data/synthetic", persons=10_000, seed=7)  # doctest: +SKIP
    """
    _check_call(persons, seed, world, partition_size=partition_size, threads=threads)
    world = world or World()
    root = Path(path)
    if root.exists() and not root.is_dir():
        raise CallError(f"{root.name!r} is a file, not a folder", fix="name another folder")
    root.mkdir(parents=True, exist_ok=True)
    engine = Engine.build(world, seed)
    manifest = Manifest(
        title="synthetic register",
        parameters={
            "persons": persons,
            "seed": seed,
            "partition_size": partition_size,
            "world": world,
        },
    )
    truth = TruthWriter()
    cuts = [(low, min(persons, low + partition_size)) for low in range(0, persons, partition_size)]
    meta = {"source": "synthetic", "seed": seed, "persons": persons, "versions": versions()}
    with StoreWriter(
        root / "register",
        municipalities=engine.country.table,
        coverage=coverage(world.position.first_month),
        meta=meta,
    ) as writer:
        for low, high, tables, part in _in_order(engine, cuts, threads):
            writer.write(low, high, tables)
            truth.add(part)
            if progress is not None:
                progress(high, persons)
            _log.info("simulated persons up to %d of %d", high, persons)
    effects = truth.write(root / "truth", world)
    table = calibrate(open_register(root / "register"), effects)
    table.write_parquet(root / "calibration.parquet")
    table.write_csv(root / "calibration.csv")
    manifest.count("persons", persons)
    manifest.count("participants", truth.participants)
    manifest.add_outputs(root)
    manifest.write(root / "manifest.json")
    return root


def _in_order(
    engine: Engine, cuts: list[tuple[int, int]], threads: int
) -> Iterator[tuple[int, int, dict[str, pl.DataFrame], Truth]]:
    """Yield partitions in the order of person, simulated a few at a time."""

    def work(low: int, high: int) -> tuple[dict[str, pl.DataFrame], Truth]:
        lives = engine.run(low, high)
        return to_tables(lives.rows, engine.country.table["municipality"]), read_truth(lives)

    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(work, *cut) for cut in cuts[:threads]]
        for number, (low, high) in enumerate(cuts):
            tables, part = waiting.pop(0).result()
            if number + threads < len(cuts):
                waiting.append(pool.submit(work, *cuts[number + threads]))
            yield low, high, tables, part


def _check_call(
    persons: int, seed: int, world: World | None, *, partition_size: int = 1, threads: int = 1
) -> None:
    """Refuse numbers that make no country."""
    counts = {"persons": persons, "partition_size": partition_size, "threads": threads}
    given: dict[str, object] = {**counts, "seed": seed}
    for name, found in given.items():
        if isinstance(found, bool) or not isinstance(found, Integral):
            raise CallError(f"{name}={found!r} is not a whole number", fix="pass an int")
    for name, value in counts.items():
        if value < 1:
            raise CallError(f"{name}={value} is not a number of at least 1", fix="choose 1 or more")
    if persons > _MOST_PERSONS:
        raise CallError(f"persons={persons:,} is too many", fix=f"choose at most {_MOST_PERSONS:,}")
    if not 0 <= seed <= _LARGEST_SEED:
        said = "negative" if seed < 0 else "too large"
        raise CallError(f"seed={seed} is {said}", fix=f"choose a seed of 0 … {_LARGEST_SEED}")
    if world is not None:
        _check_world(world)


def _check_world(world: World) -> None:
    """Refuse parameters of another shape: compiled code would read past their end."""
    kind = type(world)
    if not issubclass(kind, World):
        raise CallError(f"world is a {kind.__name__}, not a World", fix="pass World(…)")
    for group in fields(World):
        given, usual = getattr(world, group.name), getattr(World(), group.name)
        for item in fields(usual):
            name = f"world.{group.name}.{item.name}"
            try:
                value = np.asarray(getattr(given, item.name), dtype=np.float64)
            except (AttributeError, TypeError, ValueError):
                raise CallError(f"{name} is not made of numbers") from None
            shape = np.shape(getattr(usual, item.name))
            if value.shape != shape:
                raise CallError(
                    f"{name} has shape {value.shape}, not {shape}",
                    fix="keep the number of classes; a weight or ratio of 0 empties one",
                )
            if not np.isfinite(value).all():
                raise CallError(f"{name} is not finite", fix="choose numbers")
