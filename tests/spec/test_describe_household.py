"""The household of an exit is the one on the exit date."""

from __future__ import annotations

from datetime import date

import polars as pl

from toolkit import registers, trajectories


def test_household_on_the_exit_date():
    found = registers.from_frames(
        persons=pl.DataFrame(
            {
                "person": [1, 2],
                "sex": "female",
                "birth_month": date(1970, 1, 1),
                "origin": "native",
            }
        ),
        households=pl.DataFrame(
            {
                "person": [1, 1],
                "start": [date(2004, 1, 1), date(2006, 2, 1)],
                "end": [date(2006, 2, 1), None],
                "household": [1, 2],
                "kind": ["single", "couple"],
                "children": [0, 0],
            }
        ),
        coverage=pl.DataFrame(
            {"source": ["households"], "start": [date(2004, 1, 1)], "end": [date(2008, 1, 1)]}
        ),
    )
    exits = pl.DataFrame(
        {
            "person": [1, 1, 2],
            "exit_date": [date(2006, 1, 31), date(2006, 2, 1), date(2006, 1, 1)],
            "municipality": pl.Series([None] * 3, dtype=pl.String),
        }
    )
    described = trajectories.describe(exits, found)
    assert described["household"].to_list() == ["single", "couple", None]
