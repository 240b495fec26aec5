"""Figures and tables as files."""

from __future__ import annotations

import struct
import subprocess
import sys
from functools import partial

import numpy as np
import polars as pl
import pytest
from PIL import Image

from toolkit import reporting
from toolkit.errors import CallError, EmptyCohortError, UnknownColumnError, WrongTypeError
from toolkit.reporting import figures

TIDY = pl.DataFrame({
    "time": [1, 2, 3], "n_risk": [1200, 1000, 800], "n_event": [60, 40, 30],
    "estimate": [0.95, 0.9, 0.87], "conf_low": [0.94, 0.88, 0.85], "conf_high": [0.96, 0.92, 0.89],
})  # fmt: skip
DRAW = partial(figures.survival, TIDY, kind="return", number="2.1", title="Terug", note="Bron: x.")


def chunks(path):
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found.append(data[at + 4 : at + 8].decode())
        at += length + 12
    return found


def test_a_figure_comes_with_its_table_its_words_and_its_counts(tmp_path):
    saved = reporting.save_figure(
        DRAW, tmp_path, "terug", table=TIDY, alt=" Na drie maanden 13% terug. "
    )
    assert pl.read_parquet(saved.parquet).equals(TIDY)
    assert pl.read_csv(saved.csv).equals(TIDY)
    assert (saved.number, saved.title, saved.note) == ("2.1", "Terug", "Bron: x.")
    assert saved.alt == "Na drie maanden 13% terug."
    assert saved.counts == ("n_risk", "n_event")
    for path, width in ((saved.png, 16.0), (saved.narrow, 7.8)):
        with Image.open(path) as picture:
            assert picture.size[0] == pytest.approx(width / 2.54 * 300, abs=1)
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert path.stat().st_size < 250_000


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    one, two = (
        reporting.save_figure(DRAW, tmp_path / name, "f", table=TIDY, alt="x")
        for name in ("a", "b")
    )
    assert one.png.read_bytes() == two.png.read_bytes()
    assert one.narrow.read_bytes() == two.narrow.read_bytes()
    assert not {"tEXt", "iTXt", "tIME"} & set(chunks(one.png))


def test_fewer_colours_do_not_show(tmp_path):
    ax = DRAW()
    saved = reporting.save_figure(ax, tmp_path, "f", table=TIDY, alt="x")
    drawn = np.asarray(ax.figure.canvas.buffer_rgba())[..., :3].astype(int)
    with Image.open(saved.png) as picture:
        kept = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(drawn - kept).mean() < 0.5
    assert saved.narrow is None


def test_csv_has_points_and_commas_whatever_the_language(tmp_path):
    frame = pl.DataFrame({"naam": ["België"], "share": [0.125], "n": [18650]})
    path = reporting.save_table(frame, tmp_path, "t").csv
    assert path.read_bytes().decode("utf-8") == "naam,share,n\nBelgië,0.125,18650\n"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"alt": " "}, CallError),
        ({"name": "../f"}, CallError),
        ({"table": TIDY.head(0)}, EmptyCohortError),
        ({"table": pl.DataFrame({"a": [[1]]})}, WrongTypeError),
    ],
)
def test_what_cannot_be_saved_is_refused(tmp_path, change, error):
    call = {"name": "f", "table": TIDY, "alt": "x", **change}
    with pytest.raises(error):
        reporting.save_figure(DRAW, tmp_path, call.pop("name"), **call)


def test_a_table_in_words():
    frame = pl.DataFrame({
        "sex": ["male", None], "estimate": [0.8412, None], "n": [18650, 12],
        "p_value": [0.0001, 0.2],
    })  # fmt: skip
    html = reporting.table_html(
        frame,
        number="3.1",
        title="Werk & <uitstroom>",
        formats={"estimate": "percent1"},
        note="Bron: x.",
    )
    for words in (
        "Tabel 3.1",
        "mannen",
        "84,1%",
        "18.650",
        "&lt; 0,001",
        "Werk &amp; &lt;uitstroom&gt;",
    ):
        assert words in html
    assert ">.</td>" in html  # missing is a point
    assert "<style>" in html
    with reporting.style("en"):
        english = reporting.table_html(frame, formats={"estimate": "percent1"}, styled=False)
    assert "84.1%" in english
    assert "men</td>" in english
    assert "<style>" not in english


def test_columns_of_a_table_are_chosen_and_named():
    frame = pl.DataFrame({"heading": ["sex"], "group": ["female"], "n": [10], "secret": [1]})
    html = reporting.table_html(
        frame, columns={"group": "groep", "n": "aantal"}, group="heading", styled=False
    )
    assert "geslacht" in html
    assert "vrouwen" in html
    assert "aantal" in html
    assert "secret" not in html


def test_unknown_column_and_format_are_refused():
    with pytest.raises(UnknownColumnError, match="estimate"):
        reporting.table_html(TIDY, formats={"estimat": "percent"})
    with pytest.raises(CallError, match="percent1"):
        reporting.table_html(TIDY, formats={"estimate": "percent2"})


def test_importing_the_room_does_not_load_heavy_libraries():
    code = (
        "import sys, toolkit.reporting;"
        "heavy = {'matplotlib', 'great_tables', 'jinja2', 'pandas', 'numba'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
