"""Figures of net effects: legible in both languages and at both widths, and they draw what is."""

from __future__ import annotations

from functools import partial
from itertools import combinations, product

import numpy as np
import polars as pl
import pytest
from matplotlib.text import Text

from toolkit import reporting
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    MissingValueError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)
from toolkit.reporting import figures
from toolkit.reporting.figures.love_plot import covariate_name
from toolkit.reporting.style import MIN_POINTS

BALANCE = pl.DataFrame(
    [
        (name, sample, before if sample == "before" else after, "std")
        for name, before, after in (
            ("score", 0.9, 0.02), ("age", -0.31, 0.04), ("age^2", -0.35, 0.05),
            ("education[low]", 0.4, -0.12), ("education[missing]", 0.02, 0.01),
            ("sex[male]:education[low]", 0.21, 0.06), ("months_on_benefit", 0.05, -0.07),
        )
        for sample in ("before", "after")
    ],
    schema=["covariate", "sample", "smd", "scale"], orient="row",
)  # fmt: skip
SCORES = pl.DataFrame({
    "sample": ["before"] * 4 + ["after"] * 4, "low": [0.0, 0.2, 0.4, 0.6] * 2,
    "high": [0.2, 0.4, 0.6, 0.8] * 2, "n_treated": [10, 40, 30, 20, 10, 40, 30, 0],
    "n_control": [200, 100, 20, 0, 40, 60, 20, 0],
    "share_treated": [0.1, 0.4, 0.3, 0.2, 0.125, 0.5, 0.375, 0.0],
    "share_control": [0.625, 0.3125, 0.0625, 0.0, 0.12, 0.5, 0.38, 0.0],
})  # fmt: skip
MONTH = np.arange(-24, 61)
EFFECT = np.where(MONTH < 0, 0.001 * np.sin(MONTH), np.minimum(-0.04 + 0.006 * MONTH, 0.07))
PROFILE = pl.DataFrame({
    "month": MONTH, "mean_treated": 0.3 + EFFECT, "mean_control": np.full(85, 0.3),
    "estimate": EFFECT, "conf_low": EFFECT - 0.01, "conf_high": EFFECT + 0.01,
    "band_low": EFFECT - 0.015, "band_high": EFFECT + 0.015,
    "n_treated": np.full(85, 8240), "n_control": np.full(85, 10410),
})  # fmt: skip
FOREST = pl.DataFrame(
    [
        (None, "alle deelnemers", 41200, 0.056, 0.01, 0.06),
        ("months_on_benefit", "under_12", 15000, 0.031, 0.016, 0.03),
        ("months_on_benefit", "over_36", 12200, 0.084, 0.02, 0.08),
        ("sex", "male", 7000, -0.01, 0.022, 0.0),
        ("sex", "female", 40, None, None, None),
    ],
    schema=["group", "level", "n", "estimate", "half", "truth"], orient="row",
    infer_schema_length=None,
).with_columns(
    conf_low=pl.col("estimate") - pl.col("half"), conf_high=pl.col("estimate") + pl.col("half")
)  # fmt: skip
CHOICES = list(product(["koppelen", "wegen"], ["nooit", "nog niet deelgenomen"], ["maand"]))
CURVE = pl.DataFrame(
    [(e, e - 0.03, e + 0.03, *c) for e, c in zip((0.05, 0.01, 0.04, -0.02), CHOICES, strict=True)],
    schema=["estimate", "conf_low", "conf_high", "method", "controls", "unit"], orient="row",
)  # fmt: skip
GROSS = pl.DataFrame(
    [
        (name, months, gross, dead, gross - dead, gross - dead - 0.02, gross - dead + 0.02, 900)
        for name, months, gross, dead in (
            ("training", 6, 0.12, 0.17), ("training", 24, 0.333, 0.265),
            ("wage_subsidy", 6, 0.35, 0.2), ("wage_subsidy", 24, 0.44, 0.33),
        )
    ],
    schema=["label", "horizon", "gross", "deadweight", "net", "net_low", "net_high", "n"],
    orient="row",
)  # fmt: skip

DRAW = {
    "love": partial(figures.love_plot, BALANCE),
    "love before": partial(figures.love_plot, BALANCE.filter(pl.col("sample") == "before"), most=3),
    "overlap": partial(figures.overlap, SCORES),
    "overlap before": partial(figures.overlap, SCORES.head(4).drop("sample", "n_treated")),
    "profile": partial(figures.profile, PROFILE, break_even=14, counts=True),
    "profile low": partial(
        figures.profile,
        PROFILE.with_columns(pl.col("^(estimate|conf_.*|band_.*)$") + 0.05),
        panels="difference", break_even=0,
    ),
    "profile lost": partial(
        figures.profile,
        PROFILE.with_columns(pl.col("^(estimate|conf_.*|band_.*)$") - 0.09), panels="difference",
    ),
    "levels": partial(figures.profile, PROFILE, panels="levels"),
    "forest": partial(figures.forest, FOREST, overall="alle deelnemers"),
    "forest of numbers": partial(figures.forest, FOREST.drop("truth", "group", "n"), unit="number"),
    "specifications": partial(
        figures.specification_curve, CURVE, main={"method": "wegen", "controls": "nooit"},
        labels={"method": "methode", "controls": "vergelijkingsgroep"},
    ),
    "gross": partial(figures.gross_net, GROSS),
    "gross alone": partial(figures.gross_net, GROSS.tail(2).drop("net_low", "net_high", "n")),
}  # fmt: skip
FURNITURE = {
    "number": "3.1",
    "title": "Trajecten helpen, maar pas na een jaar, en niet iedereen evenveel",
    "subtitle": "Netto-effect op de kans op werk, 95%-betrouwbaarheidsinterval",
    "note": "Koppeling per maand van uitkeringsduur. Bron: synthetisch register; n = 41.200.",
}


def texts_of(figure):
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def words_of(ax):
    return {text.get_text() for text in texts_of(ax.figure)}


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
        assert edge.x0 - 1 <= box.x0 <= box.x1 <= edge.x1 + 1, f"{text.get_text()!r} sticks out"
        assert edge.y0 - 1 <= box.y0 <= box.y1 <= edge.y1 + 1, f"{text.get_text()!r} sticks out"
        boxes.append((text.get_text(), box))
    for (one, a), (other, b) in combinations(boxes, 2):
        across, up = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1 or up <= 1, f"{one!r} lies over {other!r}"


@pytest.mark.parametrize("width", [reporting.WIDE, reporting.NARROW])
@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("kind", DRAW)
def test_every_figure_is_legible(kind, language, width):
    with reporting.style(language):
        figure = DRAW[kind](**FURNITURE, width=width).figure
    assert figure.get_figwidth() * 2.54 == pytest.approx(width)
    assert_legible(figure, painted=language == "nl" and width == reporting.WIDE)


@pytest.mark.parametrize("kind", DRAW)
def test_figures_draw_into_axes_of_the_caller(kind):
    from toolkit.reporting.figures.canvas import new_figure

    figure = new_figure(500, 900)
    ax = figure.add_axes((0.3, 0.3, 0.4, 0.4))
    assert DRAW[kind](ax=ax) is ax
    assert len(figure.axes) == 1
    assert figures.caption_of(figure).title is None


def test_a_love_plot_is_hollow_before_and_filled_after_and_sorted():
    ax = DRAW["love"]()
    points = [line for line in ax.lines if line.get_marker() == "o"]
    hollow = [line for line in points if line.get_markerfacecolor() == "#FFFFFF"]
    filled = [line for line in points if line.get_markerfacecolor() != "#FFFFFF"]
    assert len(hollow) == len(filled) == 7
    largest = [0.9, 0.4, 0.35, 0.31, 0.21, 0.07, 0.02]
    drawn = [max(a.get_xdata()[0], b.get_xdata()[0]) for a, b in zip(hollow, filled, strict=True)]
    assert drawn == largest  # absolute, from the top down
    assert [line.get_ydata()[0] for line in hollow] == sorted(
        line.get_ydata()[0] for line in hollow
    )
    assert any(set(line.get_xdata()) == {0.1} for line in ax.lines)
    given = figures.love_plot(BALANCE, order="given")
    first = next(line for line in given.lines if line.get_marker() == "o")
    assert first.get_xdata()[0] == 0.9


def test_what_a_long_love_plot_leaves_out_is_said():
    ax = DRAW["love before"]()
    note = figures.caption_of(ax.figure).note
    assert "Niet getekend: 4 kenmerken met kleinere verschillen, hoogstens 0,31." in note
    # one that was balanced before and is not after is not among those left out
    hidden = BALANCE.with_columns(
        smd=pl.when(pl.col("covariate") == "education[missing]", pl.col("sample") == "after")
        .then(2.0).otherwise("smd")
    )  # fmt: skip
    assert "opleiding: ontbreekt" in words_of(figures.love_plot(hidden, most=1))


def test_covariates_are_called_by_their_names():
    assert covariate_name("education[low]") == "opleiding: laag opgeleid"
    assert covariate_name("education[missing]") == "opleiding: ontbreekt"
    assert covariate_name("age^2", {"age": "leeftijd"}) == "leeftijd²"
    assert covariate_name("sex[male]:age", {"age": "leeftijd"}) == "geslacht: mannen × leeftijd"
    assert covariate_name("time[9:00]") == "maanden: 9:00"
    with reporting.style("en"):
        assert covariate_name("education[missing]") == "education: missing"


def test_overlap_is_mirrored_and_counts_who_has_no_one_alike():
    ax = DRAW["overlap"]()
    heights = [patch.get_height() for patch in ax.patches if hasattr(patch, "get_height")]
    assert heights[:4] == pytest.approx([0.125, 0.5, 0.375, 0.0])
    assert heights[4:8] == pytest.approx([-0.12, -0.5, -0.38, 0.0])
    low, high = ax.get_ylim()
    assert low == -high
    assert not any("−" in text.get_text() for text in ax.get_yticklabels())
    note = figures.caption_of(ax.figure).note
    assert "Deelnemers zonder vergelijkingsgroep bij hun score: 20." in note
    assert "n = 80" in words_of(ax)  # treated that are left


def test_the_lock_in_is_shaded_from_zero_to_zero():
    tidy = pl.DataFrame({"month": [0, 1, 2, 3], "estimate": [0.01, -0.03, -0.01, 0.01]})
    ax = figures.profile(tidy)
    path = ax.collections[0].get_paths()[0].vertices
    # it crosses zero a quarter of the way to month 1, and halfway from 2 to 3
    assert path[:, 0].min() == pytest.approx(0.25)
    assert path[:, 0].max() == pytest.approx(2.5)
    assert path[:, 1].min() == pytest.approx(-0.03)
    assert "insluiteffect" in words_of(ax)
    assert not figures.profile(tidy, lock_in=False).collections
    up = figures.profile(tidy.with_columns(pl.col("estimate") + 0.1))
    assert "insluiteffect" not in words_of(up)


def flat(figure):
    return " ".join(text.get_text() for text in texts_of(figure))


def test_the_placebo_is_read_off_the_intervals():
    assert "geen aantoonbaar verschil" in flat(DRAW["profile"]().figure)
    assert "al een verschil" in flat(DRAW["profile low"]().figure)
    # the band for all months at once decides, where there is one
    narrow = PROFILE.with_columns(conf_low=pl.col("estimate") + 0.0001)
    assert "geen aantoonbaar verschil" in flat(figures.profile(narrow).figure)
    assert "al een verschil" in flat(
        figures.profile(narrow.drop("band_low", "band_high")).figure
    )  # fmt: skip
    assert "placebo" not in flat(figures.profile(PROFILE, placebo=False).figure)
    # without intervals (one treated person) nothing is known of it
    bounds = ["conf_low", "conf_high", "band_low", "band_high"]
    unsure = PROFILE.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in bounds)
    assert "placebo" not in flat(figures.profile(unsure).figure)


def test_a_dip_years_after_the_start_is_no_lock_in():
    late = pl.DataFrame({"month": range(61), "estimate": [0.03] * 50 + [-0.01] + [0.03] * 10})
    assert "insluiteffect" not in words_of(figures.profile(late))
    early = late.with_columns(
        estimate=pl.when(pl.col("month") == 3).then(-0.005).otherwise("estimate")
    )
    ax = figures.profile(early)
    assert "insluiteffect" in words_of(ax)
    assert ax.collections[0].get_paths()[0].vertices[:, 0].max() < 4


def drawn_with_heading(heading, width):
    frame = pl.DataFrame(
        {"group": [heading] * 2, "level": ["a", "b"], "estimate": [0.1, 0.2],
         "conf_low": [0.0, 0.1], "conf_high": [0.2, 0.3]}
    )  # fmt: skip
    gross = GROSS.with_columns(label=pl.col("label").replace("training", heading))
    return (
        figures.forest(frame, width=width),
        figures.gross_net(gross, width=width),
        figures.bars(frame, group="level", heading="group", width=width),
    )


def test_a_heading_too_wide_for_its_room_is_cut_into_lines():
    long = "een heel erg lange groepering van gemeenten naar grootte en naar ligging in het land"
    for width in (reporting.WIDE, reporting.NARROW):
        for ax in drawn_with_heading(long, width):
            assert_legible(ax.figure)
            share = ax.get_position().width * ax.figure.get_figwidth() * 2.54 / width
            assert share > 0.25
            found = words_of(ax)
            assert {"Een", *long.split()[1:]} <= {word for text in found for word in text.split()}
            assert not any(text.endswith("…") for text in found)
            if width == reporting.WIDE:  # and stands left of the plot
                where = [t for t in ax.figure.texts if "ligging" in t.get_text()]
                assert where[0].get_window_extent().x1 < ax.get_window_extent().x0


def test_a_word_too_wide_for_the_page_ends_in_an_ellipsis():
    word = "arbeidsongeschiktheidsverzekering" * 3
    for width in (reporting.WIDE, reporting.NARROW):
        for ax in drawn_with_heading(word, width):
            assert_legible(ax.figure)
            assert ax.get_position().width * ax.figure.get_figwidth() * 2.54 > 0.25 * width
            assert any(text.endswith("…") for text in words_of(ax))


def test_a_profile_has_both_panels_where_it_has_the_levels():
    both = figures.profile(PROFILE).figure
    assert len(both.axes) == 2
    lower, upper = both.axes
    assert upper.get_position().y0 > lower.get_position().y1
    assert upper.get_xlim() == lower.get_xlim() == (-24, 60)
    assert len(figures.profile(PROFILE.drop("mean_control")).figure.axes) == 1
    assert {"deelnemers", "+7,0 procentpunt"} <= words_of(both.axes[0])
    gap = PROFILE.with_columns(
        estimate=pl.when(pl.col("month") == 30).then(None).otherwise("estimate")
    )
    holes = [np.isnan(np.asarray(line.get_ydata(), float)).sum()
             for line in figures.profile(gap, panels="difference").lines]  # fmt: skip
    assert sum(holes) == 1


def test_the_forest_has_zero_the_overall_band_and_the_truth():
    ax = DRAW["forest"]()
    assert any(set(line.get_xdata()) == {0.0} for line in ax.lines)
    (band,) = [patch for patch in ax.patches if patch.get_width() == pytest.approx(0.02)]
    assert band.get_x() == pytest.approx(0.046)
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert [float(line.get_xdata()[0]) for line in hollow] == [0.06, 0.03, 0.08, 0.0]
    assert {"+5,6", "−1,0", ".", "41.200", "mannen", "Duur van de uitkering"} <= words_of(ax)
    ratio = FOREST.with_columns(pl.col("estimate", "conf_low", "conf_high", "truth").exp())
    assert figures.forest(ratio, unit="ratio").get_xscale() == "log"


def test_specifications_stand_in_order_with_their_choices_under_them():
    matrix, upper = DRAW["specifications"]().figure.axes
    points = [line for line in upper.lines if line.get_marker() in {"o", "s"}]
    drawn = sorted((x, y) for line in points for x, y in zip(*line.get_data(), strict=True))
    assert [y for _, y in drawn] == [-0.02, 0.01, 0.04, 0.05]
    rows = [tuple(line.get_xdata()) for line in matrix.lines if line.get_marker() == "o"]
    # koppelen, wegen; nooit, nog niet; maand
    assert rows == [(1, 3), (0, 2), (2, 3), (0, 1), (0, 1, 2, 3)]
    assert {"mediaan", "+2,5", "hoofdanalyse +4,0"} <= words_of(matrix)


def test_gross_is_cut_in_deadweight_and_net():
    ax = DRAW["gross"]()
    boxes = [(p.get_x(), p.get_width(), p.get_hatch()) for p in ax.patches]
    assert boxes[0] == pytest.approx((0.0, 0.12, None))
    assert boxes[1][:2] == pytest.approx((0.12, 0.05))  # what participants lose
    assert boxes[1][2]
    assert boxes[2][:2] == pytest.approx((0.0, 0.265))
    assert boxes[3][:2] == pytest.approx((0.265, 0.068))
    assert boxes[3][2] is None
    assert {"−5,0", "+6,8", "33,3%", "Scholing", "6 maanden"} <= words_of(ax)
    whiskers = [tuple(line.get_xdata()) for line in ax.lines if len(set(line.get_xdata())) == 2]
    assert whiskers[1] == pytest.approx((0.313, 0.353))  # around the end of the bar
    assert "900" not in words_of(DRAW["gross"](width=reporting.NARROW))


def test_small_effects_keep_two_digits():
    """An effect of 0.031 points is not 0.0, nor is a ratio of 1.0003 just 1.00."""
    small = FOREST.with_columns(pl.col("estimate", "conf_low", "conf_high", "truth") * 0.0056)
    assert {"+0,031", "−0,006"} <= words_of(figures.forest(small))
    ratio = small.with_columns(pl.col("estimate", "conf_low", "conf_high", "truth").exp())
    assert "1,0003" in words_of(figures.forest(ratio, unit="ratio"))
    assert "+0,031" not in words_of(figures.forest(small, digits=1))
    net = pl.DataFrame(
        {"label": ["training"], "horizon": [12], "gross": [0.3104], "deadweight": [0.31],
         "net": [0.0004]}
    )  # fmt: skip
    assert {"+0,040", "31,040%"} <= words_of(figures.gross_net(net))
    path = pl.DataFrame({"month": [0, 1, 2], "estimate": [0.0, -0.02, 0.034]})
    assert any("+0,034" in said for said in words_of(figures.profile(path, unit="number")))
    curve = pl.DataFrame(
        {"estimate": [0.00031, 0.00035], "conf_low": [0.0, 0.0], "conf_high": [0.001, 0.001],
         "method": ["a", "b"]}
    )  # fmt: skip
    assert any("+0,033" in said for said in words_of(figures.specification_curve(curve)))


BAD = {
    "no tidy": (partial(figures.love_plot, BALANCE.drop("smd")), UnknownColumnError),
    "third sample": (
        partial(figures.love_plot, BALANCE.with_columns(sample=pl.lit("later"))), CallError,
    ),
    "twice": (partial(figures.love_plot, pl.concat([BALANCE] * 2)), DuplicateKeyError),
    "order": (partial(figures.love_plot, BALANCE, order="siz"), UnknownOptionError),
    "bins twice": (partial(figures.overlap, SCORES.drop("sample")), DuplicateKeyError),
    "percentages": (
        partial(figures.overlap, SCORES.with_columns(pl.col("share_treated") * 100)), CallError,
    ),
    "two outcomes": (partial(figures.profile, pl.concat([PROFILE] * 2)), DuplicateKeyError),
    "no levels": (
        partial(figures.profile, PROFILE.drop("mean_treated"), panels="both"), UnknownColumnError,
    ),
    "nothing seen": (
        partial(figures.profile, PROFILE.with_columns(estimate=pl.lit(None, pl.Float64))),
        CallError,
    ),
    "text": (
        partial(figures.profile, PROFILE.with_columns(pl.col("month").cast(pl.String))),
        WrongTypeError,
    ),
    "interval": (
        partial(figures.forest, FOREST.with_columns(conf_low=pl.col("estimate") + 1)), CallError,
    ),
    "level twice": (partial(figures.forest, pl.concat([FOREST] * 2)), DuplicateKeyError),
    "overall": (partial(figures.forest, FOREST, overall="niemand"), CallError),
    "negative ratio": (partial(figures.forest, FOREST, unit="ratio"), CallError),
    "no choices": (
        partial(figures.specification_curve, CURVE.select("estimate", "conf_low", "conf_high")),
        CallError,
    ),
    "no main": (
        partial(figures.specification_curve, CURVE, main={"method": "wegen"}), CallError,
    ),
    "missing": (
        partial(figures.specification_curve, CURVE.with_columns(estimate=pl.lit(None, pl.Float64))),
        MissingValueError,
    ),
    "does not add up": (
        partial(figures.gross_net, GROSS.with_columns(pl.col("net") + 0.01)), CallError,
    ),
    "horizon twice": (partial(figures.gross_net, pl.concat([GROSS] * 2)), DuplicateKeyError),
    "below zero": (
        partial(figures.gross_net, GROSS.with_columns(gross=-pl.col("net"),
                                                      deadweight=-2 * pl.col("net"))), CallError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_word(case):
    draw, error = BAD[case]
    with pytest.raises(error, match="What to do"):
        draw()


def test_two_panels_do_not_fit_in_one_axes():
    ax = figures.profile(PROFILE, panels="difference")
    with pytest.raises(CallError, match="Two panels"):
        figures.profile(PROFILE, panels="both", ax=ax)


def test_a_long_label_under_the_axis_goes_into_lines():
    bins = pl.DataFrame(
        {
            "low": [0.0, 0.5], "high": [0.5, 1.0],
            "share_treated": [0.3, 0.7], "share_control": [0.8, 0.2],
        }
    )  # fmt: skip
    words = "logit of the chance to start in that month, apart from the month and the quarter"
    ax = figures.overlap(bins, x_label=words, width=8.0)
    ax.figure.canvas.draw()
    box = ax.xaxis.get_label().get_window_extent()
    assert ax.get_xlabel().split() == words.split()
    assert box.x0 >= 0
    assert box.x1 <= ax.figure.bbox.x1
