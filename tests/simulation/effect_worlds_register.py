"""The synthetic register as a world: months at risk of a first programme, and its own truth.

Selection runs over what a register has (age, position, duration, municipality, year) or over the
hidden type too. Health and education, of which the register has only part, decide nothing here.
The truth is that of the very persons who start: the lives they lead beside those without any offer.
"""

from dataclasses import replace

import polars as pl

from synthetic_data import layout
from synthetic_data.engine import Engine
from synthetic_data.tables import coverage, to_tables
from synthetic_data.world import World
from toolkit import trajectories
from toolkit.registers import from_frames
from toolkit.registers.schema import sort_key

#: Half years in the two years before those that are matched on, in months before the start.
EARLY = (-48, -42, -36, -30)
WINDOW, FOLLOWED = "2005-01/2007-12", "2000-12/2009-12"
HORIZON = 24
UNKNOWN = "unknown"
AGES, DURATIONS = (27, 35, 45, 55), (3, 6, 12, 24, 36, 60)
SEEN = [
    "sex", "origin", "household", "position", "age_class", "duration_class", "worked_1_6",
    "worked_7_12", "worked_13_24", "spells_24",
]  # fmt: skip
TRAITS = " + ".join(
    name if name.startswith(("worked", "spells")) else f"C({name})"
    for name in SEEN
    if name != "duration_class"
)
#: Of spells, which are fewer.
SEEN_AT_INTAKE = ["sex", "position", "age_class", "worked_1_6", "worked_7_12", "worked_13_24"]
AT_INTAKE = " + ".join(
    name if name.startswith("worked") else f"C({name})" for name in SEEN_AT_INTAKE
)
#: Of person-months; within risk sets all have the same duration and calendar time.
FORMULA = f"{TRAITS} + C(duration_class) + C(quarter)"


def world(*, hidden):
    """Return the country with selection on what is seen, and on the type if `hidden`."""
    plain, same = World(), (1.0, 1.0, 1.0)
    chosen = plain.support.offer_type if hidden else same
    support = replace(plain.support, offer_type=chosen, offer_health=same, offer_education=same,
                      threat=0.0)  # fmt: skip
    return replace(plain, support=support)


class Country:
    """A register in memory, with the lives behind it."""

    def __init__(self, world, persons, seed):
        engine = Engine.build(world, seed)
        lives = engine.run(0, persons)
        made = to_tables(lives.rows, engine.country.table["municipality"])
        self.register = from_frames(
            meta={"source": "synthetic"},
            **{name: frame.sort(*sort_key(name)) for name, frame in made.items()},
            municipalities=engine.country.table,
            coverage=coverage(world.position.first_month),
        )
        self._place = pl.DataFrame({"person": lives.who}).with_row_index("_place")
        self._worked = (lives.history & layout.WORKED) > 0

    def months(self):
        """Return a row a person and month at risk of a first programme ever, with the outcome."""
        definition = trajectories.recipe("iwi_2008")
        panel = trajectories.support_panel(
            self.register, definition, window=WINDOW, washout=12 * 50
        ).frame
        work = self._work(panel, definition)
        rows = panel.with_columns(
            *(pl.col(name).cast(pl.String).fill_null(UNKNOWN)
              for name in ("sex", "origin", "household", "position")),
            age_class=_bands("age", AGES), duration_class=_bands("duration", DURATIONS),
            number=_number("month"), quarter=pl.col("quarter").cast(pl.String),
        )  # fmt: skip
        rows = rows.with_columns(
            early=pl.mean_horizontal(_at(rows, work, since) for since in EARLY),
            work=_at(rows, work, HORIZON),
        )
        rows = rows.filter(pl.col("work").is_not_null() & pl.col("early").is_not_null())
        for name in SEEN[:6]:  # where nobody starts there is nobody to compare with
            started = rows.filter("starts")[name].unique().implode()
            rows = rows.filter(pl.col(name).is_in(started))
        return rows

    def inflow(self, rows):
        """Return a row a spell that began in the window: whether a programme starts in two years.

        `soon` is work half a year on of who had not started by then.
        """
        definition = trajectories.recipe("iwi_2008")
        first = rows.filter(pl.col("duration") == 0).unique("spell", keep="first")
        start = pl.col("treated_at")
        return first.with_columns(
            ever=(start < HORIZON).fill_null(value=False),
            soon=pl.when(start.is_null() | (start > 6)).then(
                _at(first, self._work(first, definition), 6)
            ),
        )

    def _work(self, rows, definition):
        """Return the months of those persons with a regular job, beside a benefit or not."""
        months = trajectories.monthly_panel(
            self.register,
            window=FOLLOWED,
            persons=rows["person"].unique(),
            definition=definition,
        )
        job = pl.col("state").cast(pl.String).is_in(["work", "work_and_benefit"])
        return months.select("person", "month", in_work=job.cast(pl.Float64))

    def truth(self, rows, treated):
        """Return the mean effect of all programmes on work of the treated rows, HORIZON on."""
        found = rows.filter(treated).join(self._place, on="person", how="inner")
        month = found["number"].to_numpy() + HORIZON
        place = found["_place"].to_numpy()
        factual, other = (self._worked[place, life, month].astype(float) for life in (0, 1))
        return float((factual - other).mean())


def _number(name):
    """Return the month as a number since the window of the world began."""
    month = pl.col(name)
    return 12 * (month.dt.year().cast(pl.Int64) - layout.FIRST_YEAR) + month.dt.month() - 1


def _at(rows, work, since):
    then = rows.select("person", month=pl.col("month").dt.offset_by(f"{since}mo"))
    return then.join(work, on=["person", "month"], how="left", maintain_order="left")["in_work"]


def _bands(name, edges):
    """Return the band of a number as text."""
    out = pl.lit(f"{edges[-1]}+")
    for low, high in reversed(list(zip((0, *edges[:-1]), edges, strict=True))):
        out = pl.when(pl.col(name) < high).then(pl.lit(f"{low}-{high - 1}")).otherwise(out)
    return out
