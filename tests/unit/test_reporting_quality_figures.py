"""Figures of the quality of deliveries: legible in both languages and widths, and true."""

from __future__ import annotations

from functools import partial
from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pytest
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from toolkit import reporting
from toolkit.errors import CallError, DuplicateKeyError, UnknownColumnError, UnknownOptionError
from toolkit.reporting import figures
from toolkit.reporting.figures.heat_map import SHADES
from toolkit.reporting.style import MIN_POINTS

PERIODS = [(str(year), str(half)) for year in range(2005, 2012) for half in (1, 2)]
NAMES = [f"{year}-{half}" for year, half in PERIODS]
ROWS = [
    ("size_class", "g4", 4), ("size_class", "large", 21), ("size_class", "middle", 38),
    ("size_class", "small", 377),
    *(("region", f"regio {number}", 15) for number in range(1, 9)),
]  # fmt: skip
GRID = pl.DataFrame([
    {"heading": heading, "group": group, "n": n, "year": year, "half": half,
     "estimate": None if group == "regio 4" and year == "2005" else (row * 7 + at * 3) % 101 / 100}
    for row, (heading, group, n) in enumerate(ROWS)
    for at, (year, half) in enumerate(PERIODS)
])  # fmt: skip
STATES = {
    "missing": ("niet geleverd", "#12304D", "×"),
    "no_position": ("positie niet bruikbaar", "#DCCB98", "?"),
    "good": ("in orde", "#EDF3F9", ""),
}
STATE_GRID = pl.DataFrame([
    {"group": f"Gemeente {row:04d}", "year": year, "half": half,
     "state": list(STATES)[(row + at) % 3]}
    for row in range(6) for at, (year, half) in enumerate(PERIODS)
])  # fmt: skip
TREND = pl.DataFrame({
    "period": NAMES, "delivered": np.linspace(0.9, 0.99, 14), "on_time": np.linspace(0.6, 0.98, 14),
    "complete": np.linspace(0.7, 0.9, 14), "usable": [None] * 8 + [0.3, 0.4, 0.5, 0.55, 0.6, 0.7],
})  # fmt: skip
INDICATOR = pl.DataFrame({
    "period": NAMES[8:], "estimate": [0.7, 0.72, 0.8, 0.81, 0.79, 0.85],
    "low": [0.6, 0.62, 0.7, 0.71, 0.69, 0.75], "high": [0.8, 0.82, 0.9, 0.91, 0.89, 1.0],
})  # fmt: skip
WEIGHT = 1 / np.arange(1, 441) ** 0.9
CURVES = pl.concat([
    pl.DataFrame({"group": [name] * len(part), "rank": range(1, len(part) + 1),
                  "estimate": np.minimum(np.cumsum(part) / WEIGHT.sum(), 1.0)})
    for name, part in (("met bruikbare positie", WEIGHT[::3]), ("alle gemeenten", WEIGHT))
])  # fmt: skip
OWN = {"delivered": "geleverd", "on_time": "op tijd", "complete": "volledig", "usable": "positie"}

DRAW = {
    "shares": partial(
        figures.heat_map, GRID, column="half", over="year", heading="heading", n="n"
    ),
    "counts": partial(
        figures.heat_map, GRID.filter(pl.col("half") == "1").with_columns(words=pl.lit("12/15")),
        column="year", words="words",
    ),
    "states": partial(
        figures.state_map, STATE_GRID, column="half", over="year", states=STATES
    ),
    "trend": partial(
        figures.trend, TREND, columns=list(OWN), labels=OWN,
        remarks=[("2008-2", "Kamerbrief juni 2009: ‘bijna alle gemeenten op tijd’")],
    ),
    "indicator": partial(
        figures.trend, INDICATOR, low="low", high="high", threshold=0.8, unit="number",
        labels={"estimate": "R-indicator"},
    ),
    "coverage": partial(
        figures.coverage, CURVES, group="group", threshold=0.8, x_label="aantal gemeenten",
        published=(65, 0.8, "Participatieladder, april 2010: 65 gemeenten, 80%"),
    ),
}  # fmt: skip
FURNITURE = {
    "number": "3.1", "title": "In de tweede helft van 2011 was van 78% de positie bruikbaar",
    "subtitle": "Aandeel gemeenten, naar grootte en regio, per halfjaar",
    "note": "Bron: synthetisch register. n = 440 gemeenten.",
}  # fmt: skip


def texts_of(figure):
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def words_of(ax):
    return {text.get_text() for text in texts_of(ax.figure)}


@pytest.mark.parametrize("width", [reporting.WIDE, reporting.NARROW])
@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("kind", DRAW)
def test_every_figure_is_legible(kind, language, width):
    with reporting.style(language):
        figure = DRAW[kind](**FURNITURE, width=width).figure
    if language == "nl" and width == reporting.WIDE:
        figure.canvas.draw()
    else:
        figure.draw_without_rendering()  # everything in its place, no ink: half the time
    edge, boxes = figure.bbox, []
    for text in texts_of(figure):
        assert text.get_fontsize() >= MIN_POINTS, text.get_text()
        box = text.get_window_extent()
        assert box.x0 >= edge.x0 - 1, text.get_text()
        assert box.x1 <= edge.x1 + 1, text.get_text()
        assert box.y0 >= edge.y0 - 1, text.get_text()
        assert box.y1 <= edge.y1 + 1, text.get_text()
        boxes.append((text.get_text(), box))
    for (one, a), (other, b) in combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        up = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1 or up <= 1, f"{one!r} lies over {other!r}"


@pytest.mark.parametrize("kind", DRAW)
def test_figures_draw_into_axes_of_the_caller(kind):
    from toolkit.reporting.figures.canvas import new_figure

    figure = new_figure(500, 900)
    ax = figure.add_axes((0.3, 0.3, 0.4, 0.4))
    assert DRAW[kind](ax=ax) is ax
    assert figures.caption_of(figure).title is None


def test_shades_grow_darker_in_grey():
    grey = [np.dot(to_rgb(shade), (0.299, 0.587, 0.114)) for shade in SHADES]
    assert all(light - dark > 0.1 for light, dark in pairwise(grey))


def fills(ax):
    (cells,) = [c for c in ax.collections if isinstance(c, PatchCollection)]
    return [to_hex(colour).upper() for colour in cells.get_facecolors()]


def test_a_bound_belongs_to_the_shade_above_it():
    frame = pl.DataFrame({
        "group": ["a"] * 6, "period": list("123456"),
        "estimate": [0.4999, 0.5, 0.1 * 7, 0.8, 0.9, None],
    })  # fmt: skip
    ax = figures.heat_map(frame)
    assert fills(ax) == [shade.upper() for shade in SHADES] + ["#FFFFFF"]
    assert {"50", "70", "80", "90", "minder dan 50%", "50 tot 70%", "90% of meer"} <= words_of(ax)
    assert figures.caption_of(ax.figure).note == "Lege vakken: geen cijfer."


def test_numbers_stand_in_cells_only_where_they_fit_and_signs_always():
    assert "100" in words_of(DRAW["shares"]()) or "98" in words_of(DRAW["shares"]())
    narrow = words_of(DRAW["shares"](width=reporting.NARROW))
    assert not {"98", "97"} & narrow
    assert "×" in words_of(DRAW["states"](width=reporting.NARROW))


def test_rows_are_named_by_their_code_list_and_counted():
    words = words_of(DRAW["shares"]())
    assert {"Gemeentegrootte", "vier grootste gemeenten", "377"} <= words


def test_trend_has_gaps_markers_and_values_at_its_ends():
    ax = DRAW["trend"]()
    usable = next(line for line in ax.lines if np.isnan(np.asarray(line.get_ydata())).any())
    assert np.isnan(usable.get_ydata()).sum() == 8
    assert {"geleverd", "99%", "70%"} <= words_of(ax)
    assert ax.get_ylim() == (0, 1)
    with reporting.style("en"):
        assert "0.85" in words_of(DRAW["indicator"]())


def test_the_threshold_is_drawn_and_said():
    ax = DRAW["indicator"]()
    assert any(set(line.get_ydata()) == {0.8} for line in ax.lines)
    assert "drempel van 0,80" in figures.caption_of(ax.figure).note


def test_coverage_starts_at_nothing_and_ends_with_its_count():
    ax = DRAW["coverage"]()
    subject = ax.lines[0]
    assert (subject.get_xdata()[0], subject.get_ydata()[0]) == (0, 0)
    assert subject.get_xdata()[-1] == 147
    assert "100% (n = 440)" in words_of(ax)
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "#FFFFFF"]
    assert (hollow[0].get_xdata()[0], hollow[0].get_ydata()[0]) == (65, 0.8)


ONE = pl.DataFrame({"group": ["a"], "period": ["1"], "estimate": [0.5], "state": ["odd"]})
WRONG = [
    (lambda: figures.heat_map(ONE, value="estimat"), UnknownColumnError, "did you mean"),
    (lambda: figures.heat_map(ONE.with_columns(estimate=50.0)), CallError, "percentages"),
    (lambda: figures.heat_map(ONE, bounds=(0.9, 0.5)), CallError, "rising"),
    (lambda: figures.heat_map(pl.concat([ONE, ONE])), DuplicateKeyError, "stands twice"),
    (lambda: figures.state_map(ONE, states=STATES), CallError, "'odd' has no look"),
    (lambda: figures.trend(pl.concat([ONE, ONE])), DuplicateKeyError, "stands twice"),
    (lambda: figures.trend(ONE, unit="euro"), UnknownOptionError, "share"),
    (lambda: figures.trend(ONE, remarks=[("2", "x")]), CallError, "no period '2'"),
    (
        lambda: figures.coverage(pl.DataFrame({"rank": [1, 2], "estimate": [0.9, 0.5]})),
        CallError,
        "falls",
    ),
]


@pytest.mark.parametrize(("draw", "error", "text"), WRONG)
def test_wrong_calls_say_what_to_do(draw, error, text):
    with pytest.raises(error, match=text):
        draw()
