"""The data and the reference numbers of the oracle tests; see make_reference.R."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from lifelines.datasets import load_lung

FOLDER = Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def reference():
    """From a file's name in reference/ to its cases."""

    @cache
    def read(name):
        return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"]

    return read


@pytest.fixture(scope="session")
def frames():
    """The frames that make_reference.R works on, by their name there."""
    lung = _lung()
    return {
        "lung": lung,
        "late": lung.filter(pl.col("entry") < pl.col("time")),
        "months": _months(),
        "small": pl.DataFrame(
            {"time": [1, 2, 3, 4, 5, 6], "cause": [1, 1, 2, 1, 0, 1], "sex": list("mmfmff")}
        ).with_columns(event=pl.col("cause") > 0),
    }


def _lung():
    """R's `survival::lung`, with the derived columns of make_reference.R."""
    age = pl.col("age")
    return pl.DataFrame(load_lung().to_dict("list"), strict=False).select(
        "time",
        "sex",
        "age",
        event=pl.col("status"),  # lifelines codes it 0/1 where R has 1/2
        cause=pl.when(pl.col("status") == 1).then(1 + age % 2).otherwise(0),
        entry=(age * 7) % 60,
        whole=1 + age % 3,
        part=0.5 + (age % 4) / 3,
        site=age % 5,
    )


def _months():
    i = np.arange(1, 601)
    time = 1 + ((((i * 7919) % 997) % 24) * (2 + i % 3)) // 4
    return pl.DataFrame(
        {
            "time": time,
            "cause": ((i * 104729) % 101) % 4,
            "group": i % 3,
            "stratum": ((i * 613) % 89) % 5,
            "entry": np.minimum(time - 1, ((i * 271) % 97) % 6),
        }
    ).with_columns(event=pl.col("cause") > 0)


@pytest.fixture(scope="session")
def competing_exits():
    """The data of make_competing_reference.R."""
    i = np.arange(1, 401)
    x, z, s = ((i * 613) % 89) % 7, (i * 31) % 2, ((i * 17) % 23) % 3
    time = 1 + ((((i * 7919) % 997) % 30) * (2 + z + s)) // 4
    return pl.DataFrame(
        {
            "id": i, "x": x, "z": z, "s": s,
            "g": ((i * 37) % 41) % 2,
            "site": (i * 13) % 37,
            "whole": 1 + (i * 11) % 3,
            "part": 0.5 + ((i * 19) % 7) / 4,
            "time": time,
            "cause": np.array([1, 2, 0, 1, 0, 2, 1, 0, 3])[((i * 104729) % 101 + x) % 9],
            "entry": np.minimum(time - 1, ((i * 271) % 97) % 6),
        }
    )  # fmt: skip
