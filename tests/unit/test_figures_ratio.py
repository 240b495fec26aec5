"""Ratios stand on a logarithmic axis around 1."""

import polars as pl
import pytest

from toolkit import errors, reporting
from toolkit.reporting import figures
from toolkit.reporting.figures.axes import ratio_ticks


def rows(*estimates):
    return pl.DataFrame({"group": list("abcdef")[: len(estimates)], "estimate": estimates})


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("width", [reporting.WIDE, reporting.NARROW])
def test_the_axis_is_logarithmic_and_shows_one(width, language):
    with reporting.style(language):
        ax = figures.bars(rows(0.8, 1.0, 1.35), mark="dot", unit="ratio", n=None, width=width)
    assert ax.get_xscale() == "log"
    assert 1.0 in [round(float(tick), 6) for tick in ax.get_xticks()]
    low, high = ax.get_xlim()
    assert low <= 0.8
    assert high >= 1.35


@pytest.mark.parametrize("span", [(0.9, 1.1), (0.2, 1.3), (0.02, 40.0), (1e-4, 1e5), (1.0, 1.0)])
def test_ticks_hold_the_values_and_one(span):
    ticks = ratio_ticks(min(span[0], 1.0), max(span[1], 1.0), 6)
    assert ticks[0] <= span[0]
    assert ticks[-1] >= span[1]
    assert any(abs(tick - 1) < 1e-12 for tick in ticks)
    assert 2 <= len(ticks) <= 8 or span == (1.0, 1.0)


def test_bars_and_ratios_below_zero_are_refused():
    with pytest.raises(errors.CallError, match="no foot"):
        figures.bars(rows(0.5), unit="ratio")
    with pytest.raises(errors.CallError, match="not above 0"):
        figures.bars(rows(0.5, -0.2), unit="ratio", mark="dot")
