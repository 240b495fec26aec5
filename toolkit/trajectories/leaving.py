"""Until when a person is seen: death, emigration, loss from the register, pension age."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.benefits import coverage_of
from toolkit.trajectories.calendar import add_months
from toolkit.trajectories.keys import SHIFT, day_number, day_numbers, last_at_or_before, pack
from toolkit.trajectories.spells import merge_frame

if TYPE_CHECKING:
    from toolkit.registers import Register


def leaving(register: Register, people: pl.DataFrame, pension_age: int | None) -> pl.DataFrame:
    """Return, beside each row of `people` (person, day), when the person is no longer seen.

    Parameters
    ----------
    register : Register
    people : pl.DataFrame
        `person` and `day` (Date) from which on the person is followed; any order.
    pension_age : int or None
        Age in years from the month of which on nobody is followed.

    Returns
    -------
    pl.DataFrame
        `died`, `emigrated`, `lost`, `pensioned` (Date, null where it does not happen), row by row.
        A stay outside the residences counts as emigration from its first day on (`day` itself for
        who is abroad then), unless the residence ended for another reason than emigration and no
        residence follows: that person is lost from the register. Without residences nobody leaves.
    """
    columns = ["person", "death_date", "birth_month"]
    persons = register.persons.select(columns).unique("person", keep="first")
    known = (
        people.lazy()
        .join(persons, on="person", how="left", maintain_order="left")
        .select(
            died="death_date",
            pensioned=add_months(pl.col("birth_month"), 12 * pension_age)
            if pension_age is not None
            else pl.lit(None, pl.Date),
        )
        .collect()
    )
    emigrated, lost = _out_of_residence(register, people)
    # Who died did not emigrate on that day or later.
    dead = known["died"]
    gone = pl.DataFrame({"emigrated": emigrated, "lost": lost, "died": dead}).with_columns(
        pl.when(pl.col(name) >= pl.col("died")).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("emigrated", "lost")
    )
    return known.hstack(gone.drop("died"))


def _out_of_residence(register: Register, people: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    nobody = pl.Series([None] * people.height, dtype=pl.Date)
    covered = coverage_of(register, "residences")
    if covered is None:
        return nobody, nobody
    wanted = people.select("person").unique()
    rows = (
        register.residences.select("person", "start", "end", "end_reason")
        .join(wanted.lazy(), on="person", how="semi")
        .collect()
    )
    if rows.height == 0:
        return nobody, nobody
    homes = merge_frame(rows, by=["person"], max_gap_days=0)
    start = pack(homes["person"], day_numbers(homes["start"])).to_numpy()
    person = people["person"].cast(pl.Int64).to_numpy()
    # Before the residences were delivered nobody is known to be abroad.
    day = np.maximum(day_numbers(people["day"]).to_numpy(), day_number(covered[0]))
    at = last_at_or_before(start, (person << SHIFT) + day)
    home_person = homes["person"].to_numpy()
    same = (at >= 0) & (home_person[at] == person)
    # A person whose first residence starts later is abroad until then; unknown persons never leave.
    following = np.append(home_person, np.iinfo(np.int64).min)[at + 1] == person
    index = pl.Series(np.where(same, at, 0), dtype=pl.UInt32)
    home = homes.select("end", "end_reason")[index].with_columns(
        same=pl.Series(same), following=pl.Series(following), day=people["day"]
    )
    abroad = (pl.col("end_reason") == "emigrated").fill_null(value=False) | pl.col("following")
    left = (
        pl.when("same")
        .then(pl.max_horizontal(pl.when(pl.col("end").is_not_null()).then("day"), "end"))
        .when("following")
        .then("day")
    )
    out = home.select(left=left, abroad=abroad)
    return (
        out.select(pl.when("abroad").then("left")).to_series(),
        out.select(pl.when(~pl.col("abroad")).then("left")).to_series(),
    )
