"""Stacked occupation and flows between months: what is drawn is what the frame says."""

import numpy as np
import polars as pl
import pytest
from matplotlib.patches import PathPatch, Rectangle

from toolkit import reporting
from toolkit.errors import CallError, MissingValueError
from toolkit.reporting import figures

STACK = pl.DataFrame(
    {
        "state": ["work"] * 3 + ["wwb"] * 3,
        "time": [0, 6, 24] * 2,
        "estimate": [0.1, 0.3, 0.45, 0.9, 0.7, 0.55],
        "conf_low": [None, 0.25, 0.4, None, 0.65, 0.5],
        "conf_high": [None, 0.35, 0.5, None, 0.75, 0.6],
        "top_low": [None, 0.25, 0.4, None, None, None],
        "top_high": [None, 0.35, 0.5, None, None, None],
        "n_risk": [50, 40, 8, 450, 300, 12],
    }
)
FLOW = pl.DataFrame(
    {
        "time": [0, 0, 0, 12, 12, 12],
        "time_to": [12, 12, 12, 24, 24, 24],
        "from": ["wwb", "wwb", "work", "wwb", "work", "work"],
        "to": ["wwb", "work", "work", "work", "work", "wwb"],
        "estimate": [0.5, 0.3, 0.2, 0.5, 0.4, 0.1],
    }
)


def words_of(ax):
    return [t.get_text() for t in ax.figure.texts]


def test_areas_are_the_shares_and_labels_carry_the_interval():
    ax = figures.occupation(STACK)
    ax.figure.canvas.draw()
    area = ax.collections[0].get_paths()[0].vertices
    assert area[:, 1].max() == pytest.approx(0.45)
    assert "werk 45%\u00a0(40–50%)" in words_of(ax)
    assert {"500", "340"} <= set(words_of(ax)), "all states at risk together"
    assert "Lichte randen" in figures.caption_of(ax.figure).note


def test_a_horizon_takes_the_value_of_the_last_step_before_it():
    with reporting.style("en"):
        ax = figures.occupation(STACK, horizon=12, intervals=False, order=["wwb", "work"])
    assert "social assistance 70%" in words_of(ax)
    assert ax.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(0.9)


def test_blocks_and_ribbons_are_as_high_as_shares():
    ax = figures.transitions(FLOW)
    blocks = [p for p in ax.patches if isinstance(p, Rectangle)]
    assert [round(p.get_height(), 9) for p in blocks] == [0.8, 0.2, 0.5, 0.5, 0.1, 0.9]
    ribbons = [p for p in ax.patches if isinstance(p, PathPatch)]
    assert len(ribbons) == 6
    high = sorted(
        round(p.get_path().vertices[7, 1] - p.get_path().vertices[0, 1], 9) for p in ribbons
    )
    assert high == [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]
    for at in (0, 2):  # nothing sticks out above the axes
        top = max(p.get_y() + p.get_height() for p in blocks[at : at + 2])
        assert top == pytest.approx(ax.get_ylim()[1])
    assert {"30%", "10%"} <= set(words_of(ax))


def test_who_stays_is_drawn_light_and_below():
    ribbons = [p for p in figures.transitions(FLOW).patches if isinstance(p, PathPatch)]
    stays = np.array([p.get_alpha() < 0.5 for p in ribbons])
    assert stays.sum() == 3
    below = np.array([p.get_zorder() for p in ribbons])
    assert below[stays].max() < below[~stays].min()


@pytest.mark.parametrize(
    ("draw", "word"),
    [
        (lambda: figures.occupation(pl.concat([STACK, STACK])), "stands twice"),
        (lambda: figures.occupation(STACK, order=["work"]), "order and the frame differ"),
        (
            lambda: figures.occupation(STACK.with_columns(pl.col("estimate") * 1.4)),
            "outside 0 to 1",
        ),
        (lambda: figures.transitions(FLOW.head(3).with_columns(estimate=0.4)), "add up to 1.2"),
        (lambda: figures.transitions(FLOW.with_columns(time=pl.col("time") + 1)), "join up"),
        (lambda: figures.transitions(pl.concat([FLOW, FLOW])), "stands twice"),
        (lambda: figures.transitions(FLOW, order=["work"]), "order and the frame differ"),
    ],
)
def test_frames_that_cannot_be_drawn_are_refused(draw, word):
    with pytest.raises(CallError, match=word):
        draw()


def test_a_missing_share_is_refused():
    with pytest.raises(MissingValueError):
        figures.occupation(STACK.with_columns(estimate=pl.lit(None, dtype=pl.Float64)))
