"""For every layout: records made from the layout itself come back from every form it is in.

Made (typed, with states) → encode → write → read → parse → the same values and states.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from synthetic_data.raw_files import encode, write
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.layout import built_in
from toolkit.registers.readers import read
from toolkit.registers.values import parse

ROWS = 40
LETTERS = "RSAF"
WORDS = (
    "a",
    "Gemeente 0003",
    "'s-Gravenhage",
    "Súdwest-Fryslân",
    'de "oude"; haven',
    "0012",
    "x y",
)
CASES = [
    (name, form, packed)
    for name, layout in built_in().items()
    for form, packed in [*((form, "") for form in layout.formats), (layout.formats[-1], ".gz")]
]
EXTENSION = {"fixed_width": "txt"}


def bsn(draw):
    """A number that passes the 11-test: 9·d1 + 8·d2 + … + 2·d8 − d9 divides by 11."""
    while True:
        digits = [int(digit) for digit in f"{draw.integers(10**7, 10**8):08d}"]
        check = sum(digit * weight for digit, weight in zip(digits, range(9, 1, -1), strict=True))
        if check % 11 < 10:
            return "".join(map(str, [*digits, check % 11]))


def number(field, draw, *, decimals):
    low = -1000 if field.minimum is None else field.minimum
    high = (10 ** (field.width or 4)) - 1 if field.maximum is None else field.maximum
    if field.type == "id":
        low, high = 0, 10**field.width - 1
    sentinels = {int(v) for v in (*field.open, *field.not_applicable, *field.unknown) if v}
    while True:
        value = int(draw.integers(int(low), int(high) + 1))
        if value not in sentinels:
            return value + (int(draw.integers(0, 100)) / 100 if decimals and value < high else 0)


MAKE = {
    "rin_letter": lambda _, draw: str(draw.choice(list(LETTERS))),
    "rin": lambda _, draw: int(draw.integers(2, 10**9)),
    "bsn": lambda _, draw: bsn(draw),
    "date": lambda _, draw: date(1990, 1, 1) + timedelta(days=int(draw.integers(0, 9000))),
    # None: a code that says nothing
    "code": lambda field, draw: str(draw.choice(sorted(set(field.code_list.values())))) or None,
    "municipality": lambda _, draw: f"gm{draw.integers(1, 9999):04d}",
    "text": lambda field, draw: str(
        draw.choice([word for word in WORDS if len(word) <= (field.width or 99)])
    ),
    "integer": lambda field, draw: number(field, draw, decimals=False),
    "id": lambda field, draw: number(field, draw, decimals=False),
    "number": lambda field, draw: number(field, draw, decimals=True),
}


def states(field):
    """The states a null of this field can be delivered in."""
    empty = next(
        (state for state in ("open", "not_applicable", "unknown") if "" in getattr(field, state)),
        "unknown",
    )
    listed = [state for state in ("open", "not_applicable", "unknown") if getattr(field, state)]
    return sorted({*listed, empty})


def column(field, draw, *, present=None):
    """Values and states of a field, ROWS of them."""
    values, found = [], []
    for row in range(ROWS):
        here = present is None or present[row]
        may_be_null = not field.required and field.type not in {"rin", "rin_letter", "bsn"}
        if here and not (may_be_null and draw.random() < 0.3):
            values.append(MAKE[field.type](field, draw))
            found.append("valid")
        else:
            values.append(None)
            among = states(field)
            wanted = "not_applicable" if "not_applicable" in among else "unknown"
            found.append(wanted if not here else among[draw.integers(len(among))])
    return values, found


DTYPES = {
    "date": pl.Date, "integer": pl.Int64, "number": pl.Float64, "id": pl.Int64, "rin": pl.Int64,
}  # fmt: skip


def make(layout, draw):
    """Typed records of a layout: one column a delivered column, and its states."""
    second = {name: field for person in layout.persons for field, name in person.items()}
    there = draw.random(ROWS) < 0.6
    columns = {}
    for field in layout.fields:
        present = there if field.name in second else None
        # a second person is read by the fields of the first
        made = layout.field(second[field.name]) if field.name in second else field
        if field.name in second and layout.field(second[field.name]).type == "bsn":
            values = [bsn(draw) if here else None for here in there]
            columns[field.name] = pl.Series(values, dtype=pl.String)
            columns[f"{field.name}__status"] = pl.Series(
                ["valid" if here else "not_applicable" for here in there]
            )
            continue
        values, found = column(made, draw, present=present)
        columns[field.name] = pl.Series(values, dtype=DTYPES.get(field.type, pl.String))
        columns[f"{field.name}__status"] = pl.Series(found)
    for name, field in second.items():
        if name not in columns:
            values, found = column(layout.field(field), draw, present=there)
            columns[name] = pl.Series(values, dtype=DTYPES.get(layout.field(field).type, pl.String))
            columns[f"{name}__status"] = pl.Series(found)
    return pl.DataFrame(columns), there


def came_back(layout, path, form):
    file = DeliveredFile(path=path, name=path.name, layout=layout.name, format=form)
    batches = list(read([file], layout, numbers=[7], batch_rows=16))
    return parse(pl.concat(batches, how="vertical_relaxed"), layout).collect()


@pytest.mark.parametrize(("name", "form", "packed"), CASES)
def test_records_come_back(name, form, packed, tmp_path):
    layout = built_in()[name]
    records, there = make(layout, np.random.default_rng(CASES.index((name, form, packed))))
    path = tmp_path / f"delivery.{EXTENSION.get(form, form)}{packed}"
    write(encode(records, layout), layout, path, form)

    found = came_back(layout, path, form)

    assert found["_broken"].null_count() == found.height
    assert found["_file"].unique().to_list() == [7]
    for part, person in enumerate(layout.persons or ({},)):
        mine = found.filter(pl.col("_part") == part).sort("_row")
        wanted = records.filter(pl.Series(there)) if person else records
        rows = np.flatnonzero(there) + 1 if person else np.arange(1, ROWS + 1)
        assert mine["_row"].to_list() == rows.tolist()
        for field in layout.fields:
            source = person.get(field.name, field.name)
            states_ = mine[f"{field.name}__status"].cast(pl.String).to_list()
            assert states_ == wanted[f"{source}__status"].to_list(), field.name
            if field.type == "rin":
                assert (mine["_key"] % 10**9).to_list() == wanted[source].to_list()
            elif field.type == "bsn":
                assert mine["_bsn"].to_list() == wanted[source].to_list()
            elif field.type == "rin_letter":
                assert mine["_letter"].cast(pl.String).to_list() == wanted[source].to_list()
            else:
                assert (
                    mine[field.name].cast(wanted[source].dtype).to_list()
                    == wanted[source].to_list()
                ), field.name
