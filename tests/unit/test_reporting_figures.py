"""Every figure type, both languages, both widths: nothing cut off, nothing on top of anything."""

from __future__ import annotations

from datetime import date
from functools import partial
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from matplotlib.text import Text

from toolkit import reporting
from toolkit.errors import CallError, MissingValueError, UnknownColumnError, WrongTypeError
from toolkit.reporting import figures
from toolkit.reporting.figures.axes import month_ticks, nice_step, steps_between
from toolkit.reporting.figures.flows import moving_average
from toolkit.reporting.figures.risk import numbers_at_risk
from toolkit.reporting.figures.states import name_runs
from toolkit.reporting.figures.text import cut, spread, text_width
from toolkit.reporting.style import MIN_POINTS


def texts_of(figure):
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def assert_legible(figure, *, painted=True):
    """No text smaller than 6.5 pt, none outside the canvas, none over another."""
    if painted:
        figure.canvas.draw()
    else:
        figure.draw_without_rendering()  # everything in its place, no ink: half the time
    edge = figure.bbox
    boxes = []
    for text in texts_of(figure):
        assert text.get_fontsize() >= MIN_POINTS, f"{text.get_text()!r} is too small"
        box = text.get_window_extent()
        assert box.x0 >= edge.x0 - 1, f"{text.get_text()!r} sticks out left"
        assert box.x1 <= edge.x1 + 1, f"{text.get_text()!r} sticks out right"
        assert box.y0 >= edge.y0 - 1, f"{text.get_text()!r} sticks out below"
        assert box.y1 <= edge.y1 + 1, f"{text.get_text()!r} sticks out above"
        boxes.append((text.get_text(), box))
    for (one, a), (other, b) in combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        up = min(a.y1, b.y1) - max(a.y0, b.y0)
        # A pixel of 300 to the inch is no overlap.
        assert across <= 1 or up <= 1, f"{one!r} lies over {other!r}"


def curve(name, rate, n, months=24):
    time = np.arange(1, months + 1)
    estimate = np.cumprod(np.full(months, 1 - rate))
    half = 1.96 * np.sqrt(estimate * (1 - estimate) / n)
    return pl.DataFrame({
        "programme": [name] * months, "time": time, "n_risk": (n * estimate).astype(int),
        "estimate": estimate, "conf_low": estimate - half, "conf_high": estimate + half,
    })  # fmt: skip


CURVES = pl.concat([curve("with", 0.021, 8240), curve("without", 0.033, 10410)])
FIVE = pl.concat([curve(f"groep {i} met een lange naam", 0.02 + i * 0.0003, 900) for i in range(5)])


def incidence():
    time = np.arange(1, 25)
    levels = {
        "work": 0.4, "other_benefit": 0.09, "studies": 0.05, "emigrated": 0.012, "died": 0.008,
        "other": 0.14,
    }  # fmt: skip
    parts = []
    for cause, level in levels.items():
        estimate = level * (1 - np.exp(-time / 9))
        parts.append(
            pl.DataFrame(
                {
                    "cause": [cause] * 24,
                    "time": time,
                    "n_risk": 30000 - 800 * time,
                    "estimate": estimate,
                    "conf_low": estimate - 0.003,
                    "conf_high": estimate + 0.003,
                }
            )
        )
    return pl.concat(parts)


def states(months=24):
    shares = {
        "work": 0.5, "subsidised_work": 0.12, "work_and_benefit": 0.03, "wwb": 0.1, "ww": 0.04,
        "disability": 0.02, "nug": 0.02, "student": 0.05, "emigrated": 0.006, "dead": 0.004,
        "pension": 0.01, "other": 0.1,
    }  # fmt: skip
    return pl.DataFrame(
        [
            {"month": month, "state": state, "share": share}
            for month in range(months + 1)
            for state, share in shares.items()
        ]
    )


BREAKDOWN = pl.DataFrame(
    [
        ("", "alle uitstromers naar werk", 0.84, 18650, 0.84),
        ("sex", "male", 0.83, 10020, None), ("sex", "female", 0.852, 8630, None),
        ("months_on_benefit", "under_12", 0.88, 7020, 0.86),
        ("months_on_benefit", "12_to_36", 0.835, 6040, None),
        ("months_on_benefit", "over_36", 0.78, 5590, 0.79),
        ("size_class", "g4", 0.81, 5210, None), ("size_class", "large", 0.84, 4810, 0.84),
        ("size_class", "middle", 0.855, 4630, None), ("size_class", "small", None, 4, None),
    ],
    schema=["heading", "group", "estimate", "n", "published"],
    orient="row", infer_schema_length=None,
).with_columns(
    conf_low=pl.col("estimate") - 0.012, conf_high=pl.col("estimate") + 0.012
)  # fmt: skip
TOTAL = "alle uitstromers naar werk"
PAIRS = pl.DataFrame({
    "group": ["under_12", "under_12", "over_36", "over_36"], "programme": ["with", "without"] * 2,
    "estimate": [0.81, 0.85, 0.75, 0.79], "n": [2000, 5020, 3240, 2350],
})  # fmt: skip
RECESSION = (date(2008, 10, 1), date(2010, 1, 1), "recessie")
FLOWS = pl.DataFrame(
    {
        "date": pl.date_range(date(1999, 1, 1), date(2011, 12, 1), "1mo", eager=True),
    }
).with_columns(
    inflow=9000 + 900 * (pl.int_range(156) / 2).sin(), outflow=9100 - 8 * pl.int_range(156)
)
STEPS = pl.DataFrame({
    "step": [
        "Beëindigde bijstandsuitkeringen, januari tot en met maart 2006", "Leeftijd 18 tot 65",
        "Waargenomen",
    ],
    "n": [31420, 28110, 28110],
    "reason": [None, "jonger dan 18 of de AOW-leeftijd bereikt", None],
})  # fmt: skip

OCCUPIED = pl.DataFrame(
    [
        (state, month, 900, share, share - 0.02, share + 0.02, low, high)
        for state, shares, top in (
            ("work", (0.1, 0.3, 0.42), 0.0),
            ("wwb", (0.8, 0.5, 0.33), 0.1),
            ("dead", (0.1, 0.2, 0.25), 0.3),
        )
        for month, share in zip((0, 6, 24), shares, strict=True)
        for low, high in [(top + share - 0.02, top + share + 0.02)]
    ],
    schema=["state", "time", "n_risk", "estimate", "conf_low", "conf_high", "top_low", "top_high"],
    orient="row",
)  # fmt: skip
MOVES = pl.DataFrame(
    {
        "time": [0] * 4 + [12] * 5, "time_to": [12] * 4 + [36] * 5,
        "from": ["wwb", "wwb", "wwb", "work", "wwb", "wwb", "work", "work", "dead"],
        "to": ["wwb", "work", "dead", "work", "wwb", "work", "work", "wwb", "dead"],
        "estimate": [0.5, 0.3, 0.01, 0.19, 0.25, 0.25, 0.4, 0.09, 0.01],
    }
)  # fmt: skip

DRAW = {
    "return": partial(figures.survival, CURVES, group="programme", kind="return", mark=6),
    "survival": partial(figures.survival, CURVES.head(24), mark=12),
    "five curves": partial(figures.survival, FIVE, group="programme", kind="return", mark=23),
    "four curves": partial(figures.survival, FIVE.head(96), group="programme", mark=12),
    "incidence": partial(figures.cumulative_incidence, incidence(), rest="nog in de bijstand"),
    "states": partial(figures.state_distribution, states()),
    "bars": partial(figures.bars, BREAKDOWN, heading="heading", published="published", total=TOTAL),
    "dots": partial(
        figures.bars, BREAKDOWN.with_columns(pl.col("estimate", "conf_low", "conf_high") - 0.8),
        heading="heading", total=TOTAL, mark="dot", unit="points",
    ),
    "series": partial(figures.bars, PAIRS, series="programme"),
    "numbers": partial(figures.bars, PAIRS.head(1), unit="number", digits=2, n=None),
    "flows": partial(figures.flows, FLOWS, periods=[RECESSION]),
    "stock": partial(figures.flows, FLOWS.tail(30), columns=["inflow"], smooth=None),
    "occupation": partial(figures.occupation, OCCUPIED),
    "transitions": partial(figures.transitions, MOVES),
    "selection": partial(figures.selection, STEPS, branches=[("met", 8110), ("zonder", 20000)]),
}  # fmt: skip
FURNITURE = {
    "number": "2.1",
    "title": "Een op de acht is na een half jaar terug in de bijstand, en dat is meer dan gedacht",
    "subtitle": "Aandeel teruggekeerd, naar inzet van een traject, 95%-betrouwbaarheidsband",
    "note": "Kaplan-Meier. Bron: synthetisch register, uitstroom 1e kwartaal 2006; n = 18.650. "
    * 3,
}


@pytest.mark.parametrize("width", [reporting.WIDE, reporting.NARROW])
@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("kind", DRAW)
def test_every_figure_is_legible(kind, language, width):
    with reporting.style(language):
        figure = DRAW[kind](**FURNITURE, width=width).figure
    assert figure.get_figwidth() * 2.54 == pytest.approx(width)
    assert_legible(figure, painted=language == "nl" and width == reporting.WIDE)
    words = " ".join(text.get_text() for text in texts_of(figure))
    assert ("Figuur 2.1" if language == "nl" else "Figure 2.1") in words


def test_the_check_of_legibility_can_fail():
    figure = DRAW["return"]().figure
    figure.text(0.5, 0.5, "een", size=8)
    figure.text(0.5, 0.5, "twee", size=8)
    with pytest.raises(AssertionError, match="lies over"):
        assert_legible(figure)


@pytest.mark.parametrize("kind", DRAW)
def test_figures_draw_into_axes_of_the_caller(kind):
    from toolkit.reporting.figures.canvas import new_figure

    figure = new_figure(500, 900)
    ax = figure.add_axes((0.2, 0.3, 0.5, 0.4))
    size = tuple(figure.get_size_inches())
    assert DRAW[kind](ax=ax) is ax
    assert tuple(figure.get_size_inches()) == size
    assert figures.caption_of(figure).title is None


def test_a_notebook_shows_a_figure_at_its_printed_width():
    png, size = DRAW["return"]().figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert size == {"width": round(16 / 2.54 * 96)}


def test_height_grows_with_the_note():
    short = DRAW["return"](note="Kort.").figure.get_figheight()
    tall = DRAW["return"](note="Lang. " * 200).figure.get_figheight()
    assert tall > short + 1


def words_of(ax):
    return {text.get_text() for text in texts_of(ax.figure)}


def test_values_at_the_ends_and_at_the_mark():
    tidy = pl.DataFrame(
        {"time": [1, 6, 7], "estimate": [0.95, 0.88, 0.75], "n_risk": [100, 90, 80]}
    )
    words = words_of(figures.survival(tidy, kind="return", mark=6))
    assert "6 maanden: 12%" in words  # at the mark itself, the step included
    assert "25%" in words
    with reporting.style("en"):
        assert "6 months: 12%" in words_of(figures.survival(tidy, kind="return", mark=6))


def test_incidence_is_drawn_as_it_is():
    tidy = pl.DataFrame({"time": [1, 2], "estimate": [0.1, 0.3]})
    assert "30%" in words_of(figures.survival(tidy, kind="incidence"))
    assert "70%" in words_of(figures.survival(tidy, kind="return"))


def test_survival_starts_at_one_and_return_at_nothing():
    tidy = pl.DataFrame({"time": [3, 4], "estimate": [0.9, 0.8]})
    down = figures.survival(tidy).lines[0].get_ydata()
    up = figures.survival(tidy, kind="return").lines[0].get_ydata()
    assert list(down) == [1.0, 0.9, 0.8]
    assert list(up) == pytest.approx([0.0, 0.1, 0.2])


def test_the_last_step_of_a_stack_is_seen():
    tidy = pl.DataFrame({"cause": ["work"] * 2, "time": [1, 2], "estimate": [0.1, 0.3]})
    ax = figures.cumulative_incidence(tidy, rest="nog in de uitkering")
    area = ax.collections[0].get_paths()[0].vertices
    assert area[:, 1].max() == pytest.approx(0.3)
    assert area[area[:, 1] == area[:, 1].max(), 0].max() == ax.get_xlim()[1] > 2
    assert {"werk 30%", "nog in de uitkering 70%"} <= words_of(ax)


def test_horizon_cuts_the_curve_where_it_is():
    tidy = pl.DataFrame({"time": [2, 8, 20], "estimate": [0.9, 0.8, 0.5]})
    line = figures.survival(tidy, horizon=12).lines[0]
    assert list(line.get_xdata()) == [0, 2, 8, 12]
    assert list(line.get_ydata()) == [1, 0.9, 0.8, 0.8]


def test_numbers_at_risk_stand_just_before_each_time():
    tidy = pl.DataFrame({"time": [1, 6, 12], "n_risk": [1200, 1000, 700]})
    assert numbers_at_risk(tidy, [0, 1, 2, 6, 7, 12, 18]) == [
        1200,
        1200,
        1000,
        1000,
        700,
        700,
        None,
    ]


def test_months_not_observed_are_left_out_and_said():
    frame = states(6).with_columns(
        share=pl.when(pl.col("month").is_in([3, 5, 6])).then(None).otherwise(pl.col("share"))
    )
    ax = figures.state_distribution(frame)
    assert (
        figures.caption_of(ax.figure).note == "Niet waargenomen en daarom weggelaten: maand 3, 5–6."
    )
    assert ax.get_xlim() == (0, 4)
    first = ax.collections[0].get_paths()
    assert len(first) == 2  # the hole at month 3 parts the area


def test_published_figures_have_a_marker_of_their_own():
    ax = DRAW["bars"]()
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "#FFFFFF"]
    assert [float(line.get_xdata()[0]) for line in hollow] == [0.84, 0.86, 0.79, 0.84]
    assert "◇ gepubliceerd" in words_of(ax)


def test_rows_without_an_estimate_show_a_point_for_not_observed():
    assert "." in words_of(DRAW["bars"]())


def test_effects_are_signed_and_have_a_zero_line():
    ax = DRAW["dots"]()
    assert {"+4,0", "−2,0"} <= words_of(ax)
    assert any(set(line.get_xdata()) == {0.0} for line in ax.lines)


def test_selection_shows_who_fell_out_once_each():
    words = words_of(DRAW["selection"]())
    assert "− 3.310" in words
    assert "− 0" not in words
    assert "n = 31.420" in words


def test_moving_average_is_centred_and_takes_out_a_season():
    trend = pl.Series([float(i) for i in range(36)])
    season = pl.Series([1.0, -1.0] * 18)
    smooth = moving_average(trend + season, 12)
    assert smooth.to_list()[6:30] == pytest.approx(trend.to_list()[6:30])
    assert smooth.to_list()[:6] == [None] * 6


def test_a_month_without_a_row_is_a_gap_in_a_flow():
    ax = figures.flows(FLOWS.filter(pl.col("date") != date(2003, 5, 1)), smooth=None)
    assert np.isnan(np.asarray(ax.lines[0].get_ydata())).sum() == 1


def test_marked_values_are_written_inside_the_plot_and_off_the_curves():
    for mark in (2, 12, 23):
        ax = figures.survival(FIVE.head(96), group="programme", mark=mark, width=reporting.NARROW)
        ax.figure.canvas.draw()
        plot = ax.get_window_extent()
        (head,) = [t for t in texts_of(ax.figure) if t.get_text() == f"{mark} maanden:"]
        box = head.get_window_extent()
        assert plot.x0 - 1 <= box.x0 <= box.x1 <= plot.x1 + 15
        inside = [
            ax.transData.transform((x, y))
            for line in ax.lines
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
            if len(line.get_xdata()) > 2
        ]
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in inside)


BAD = {
    "percent": (
        partial(figures.survival, CURVES.with_columns(pl.col("estimate") * 100)),
        CallError,
    ),
    "missing column": (partial(figures.survival, CURVES.drop("time")), UnknownColumnError),
    "text": (
        partial(figures.survival, CURVES.with_columns(pl.col("time").cast(pl.String))),
        WrongTypeError,
    ),
    "six curves": (
        partial(
            figures.survival,
            pl.concat([curve(str(i), 0.02, 900) for i in range(6)]),
            group="programme",
        ),
        CallError,
    ),
    "kind": (partial(figures.survival, CURVES, kind="surival"), CallError),
    "furniture": (partial(figures.survival, CURVES, titel="x"), CallError),
    "two groups": (partial(figures.cumulative_incidence, pl.concat([incidence()] * 2)), CallError),
    "over one": (
        partial(figures.state_distribution, states().with_columns(pl.col("share") * 1.2)),
        CallError,
    ),
    "twice": (partial(figures.state_distribution, pl.concat([states()] * 2)), CallError),
    "order": (partial(figures.state_distribution, states(), order=["work"]), CallError),
    "total": (partial(figures.bars, BREAKDOWN, total="niemand"), CallError),
    "no name": (
        partial(figures.bars, BREAKDOWN.with_columns(group=pl.lit(None, pl.String))),
        MissingValueError,
    ),
    "no date": (
        partial(figures.flows, FLOWS.with_columns(pl.col("date").cast(pl.String))),
        WrongTypeError,
    ),
    "month twice": (partial(figures.flows, pl.concat([FLOWS] * 2)), CallError),
    "growing": (partial(figures.selection, STEPS.reverse()), CallError),
    "branches": (partial(figures.selection, STEPS, branches=[("a", 1)]), CallError),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_word(case):
    draw, error = BAD[case]
    with pytest.raises(error, match="What to do"):
        draw()


def test_labels_pushed_apart_keep_order_and_distance():
    placed = spread([10, 11, 12, 40], [6, 6, 6, 6], 0, 50)
    assert placed == [5, 11, 17, 40]
    assert spread([49, 50], [6, 6], 0, 50) == [41, 47]
    assert spread([], [], 0, 1) == []


def test_text_is_cut_to_its_room():
    lines = cut("een zin die te lang is voor een regel van deze breedte", 80, 7)
    assert all(text_width(line, 7) <= 80 for line in lines)
    assert " ".join(lines) == "een zin die te lang is voor een regel van deze breedte"


def test_ticks_are_round():
    assert month_ticks(72) == [0, 12, 24, 36, 48, 60, 72]
    assert month_ticks(3) == [0, 1, 2, 3]
    assert steps_between(0, 0.52, 6) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert steps_between(-0.041, 0.096, 6) == [-0.05, -0.025, 0.0, 0.025, 0.05, 0.075, 0.1]
    assert nice_step(7, 4) == 2
    assert name_runs([0, 1, 2, 9]) == "0–2, 9"
