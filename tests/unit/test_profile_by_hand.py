"""The profile against sums written out, and what it says about its path as exact fractions."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from toolkit import effects
from toolkit.effects.gross_net import relative_interval, split
from toolkit.effects.profile_path import Path, break_even, cumulated, joint_test, lock_in
from toolkit.errors import ToolkitWarning
from toolkit.matching import Nuisance, plain_sample

Z = 1.959963984540054


def made(n=60, people=40, seed=3):
    """Rows in which people return, with weights, and a panel with holes: null, and rows absent."""
    random = np.random.default_rng(seed)
    rows = pl.DataFrame(
        {
            "person": random.integers(0, people, n),
            "start": random.integers(30, 36, n),
            "treated": random.random(n) < 0.4,
            "w": np.where(random.random(n) < 0.2, 0.0, random.uniform(0.5, 2, n)),
            "town": random.integers(0, 7, n),
        }
    )
    cells = [(p, m) for p in range(people) for m in range(24, 44) if random.random() < 0.9]
    panel = pl.DataFrame(cells, schema=["person", "month"], orient="row").with_columns(
        work=pl.Series(random.random(len(cells)) < 0.5),
        pay=pl.Series(random.uniform(0, 9, len(cells))),
    )
    gone = pl.Series(random.random(len(cells)) < 0.1)
    panel = panel.with_columns(
        work=pl.when(~gone).then("work"), pay=pl.when(~gone.reverse()).then("pay")
    )
    return rows, panel.sample(fraction=1.0, shuffle=True, seed=1)


def by_loops(rows, panel, outcome, months, cluster):
    """Means, difference and variance, by looking every cell up."""
    value = {(p, m): y for p, m, y in panel.select("person", "month", outcome).iter_rows()}
    out = {}
    influence = np.zeros((rows.height, len(months)))
    for k, month in enumerate(months):
        cells = [
            (i, row["treated"], row["w"], value.get((row["person"], row["start"] + month)))
            for i, row in enumerate(rows.iter_rows(named=True))
        ]
        seen = [cell for cell in cells if cell[2] > 0 and cell[3] is not None]
        means = []
        for group in (True, False):
            own = [(i, w, float(y)) for i, d, w, y in seen if d is group]
            size = sum(w for _, w, _ in own)
            means.append(sum(w * y for _, w, y in own) / size)
            for i, w, y in own:
                influence[i, k] = (1 if group else -1) * w * (y - means[-1]) / size
        out[month] = (*means, sum(d for _, d, _, _ in seen), sum(not d for _, d, _, _ in seen))
    sums = np.zeros((rows[cluster].max() + 1, len(months)))
    np.add.at(sums, rows[cluster].to_numpy(), influence)
    return out, sums.T @ sums


@pytest.mark.parametrize("outcome", ["work", "pay"])
@pytest.mark.parametrize("cluster", ["person", "town"])
@pytest.mark.filterwarnings("ignore::toolkit.errors.ToolkitWarning")
def test_every_number_is_that_of_loops(outcome, cluster):
    rows, panel = made()
    months = [-5, -1, 0, 3, 7]
    found = effects.profile(
        rows, panel, outcome=outcome, months=months, treatment="treated", weights="w",
        cluster=cluster,
    )  # fmt: skip
    means, vcov = by_loops(rows, panel, outcome, months, cluster)
    table = found.tidy()
    assert table["month"].to_list() == months
    for month, treated, control, n1, n0 in table.select(
        "month", "mean_treated", "mean_control", "n_treated", "n_control"
    ).iter_rows():
        assert (treated, control) == pytest.approx(means[month][:2], abs=1e-12)
        assert (n1, n0) == means[month][2:]
    np.testing.assert_allclose(found.path(outcome).vcov, vcov, atol=1e-14)
    np.testing.assert_allclose(table["std_error"], np.sqrt(np.diag(vcov)), atol=1e-14)
    half = Z * table["std_error"]
    np.testing.assert_allclose(table["conf_low"], table["estimate"] - half)
    assert (table["band_low"] < table["conf_low"]).all()
    assert (table["band_high"] > table["conf_high"]).all()


def test_people_who_return_are_clusters_without_being_asked():
    rows, panel = made()
    with pytest.warns(ToolkitWarning, match="lock-in"):
        own = effects.profile(rows, panel, outcome="work", months=[0, 7], treatment="treated")
    assert own.meta["cluster"] == "person"
    once = rows.unique("person")
    with pytest.warns(ToolkitWarning, match="lock-in"):
        alone = effects.profile(once, panel, outcome="work", months=[0, 7], treatment="treated")
    assert alone.meta["cluster"] is None


def test_estimated_weights_are_counted():
    """Weights exp(θ x) with θ of known influence: the delta method, written out."""
    random = np.random.default_rng(5)
    n = 50
    x, influence = random.normal(size=n), random.normal(size=(n, 1)) / n
    treated = np.arange(n) % 2 == 0
    weight = np.where(treated, 1.0, np.exp(0.3 * x))
    gradient = np.where(treated, 0.0, x * weight)[:, None]
    y = random.normal(size=n)
    frame = pl.DataFrame({"person": np.arange(n), "start": 0, "d": treated, "w": weight})
    plain = plain_sample(frame, treatment="d", weights="w")
    from dataclasses import replace

    sample = replace(plain, nuisance=Nuisance(influence=influence, gradient=gradient))
    panel = pl.DataFrame({"person": np.arange(n), "month": 12, "y": y})
    found = effects.profile(sample, panel, outcome="y", months=[12])

    mean = np.array([np.average(y[g], weights=weight[g]) for g in (~treated, treated)])
    off = np.where(treated, y - mean[1], -(y - mean[0]))
    off /= np.where(treated, weight[treated].sum(), weight[~treated].sum())
    slope = gradient[:, 0] @ off
    expected = np.sqrt(((weight * off + influence[:, 0] * slope) ** 2).sum())
    assert found.tidy()["std_error"].item() == pytest.approx(expected, rel=1e-12)
    without = effects.profile(plain, panel, outcome="y", months=[12])
    assert without.tidy()["std_error"].item() != pytest.approx(expected, rel=1e-3)
    assert "estimated weights counted" in found.meta["variance"]
    # rows out of the comparison still moved θ; their own weight does not move with it
    kept = np.arange(n) >= 4
    cut = replace(sample, weights=pl.Series("weight", np.where(kept, weight, 0.0)))
    moved = effects.profile(cut, panel, outcome="y", months=[12]).tidy()["std_error"].item()
    off = np.zeros(n)
    for sign, own in ((1, treated & kept), (-1, ~treated & kept)):
        mean = np.average(y[own], weights=weight[own])
        off[own] = sign * (y[own] - mean) / weight[own].sum()
    whole = weight * off + influence[:, 0] * (gradient[:, 0] @ off)
    assert moved == pytest.approx(np.sqrt((whole**2).sum()), rel=1e-12)


def known(estimate, error=0.1):
    """Return a path of independent months, from month 0 on."""
    size = len(estimate)
    return Path(
        month=np.arange(size), estimate=np.array(estimate, float), vcov=error**2 * np.eye(size)
    )


def test_lock_in_is_the_run_around_the_lowest_month():
    path = known([0, -1, -3, -2, -0.1, 2, 2, -0.5, 1])
    found = lock_in(path, conf_level=0.95, seed=1)
    assert (found["month"], found["depth"], found["std_error"]) == (2, -3, pytest.approx(0.1))
    assert (found["from"], found["to"], found["length"], found["ended"]) == (1, 4, 4, True)
    assert found["area"] == pytest.approx(-6.1)
    assert found["area_std_error"] == pytest.approx(0.2)  # √(4 × 0.01)
    assert (found["length_low"], found["length_high"]) == (3, 5)  # month 4 in doubt, and month 0
    assert found["conf_low"] < -3.2 < -3 - Z * 0.1  # the band is wider than the interval


def test_without_a_negative_month_there_is_no_lock_in():
    found = lock_in(known([0, 1, 2]), conf_level=0.95, seed=1)
    assert (found["depth"], found["month"], found["length"], found["area"]) == (0, None, 0, 0)
    still = lock_in(known([-1, -1, -2]), conf_level=0.95, seed=1)
    assert (still["ended"], still["length"], still["to"]) == (False, 3, 2)


def test_break_even_is_when_the_sum_stays_above_zero():
    # sums: -1, -3, -2, 0, 2: made up for in month 3
    found = break_even(known([-1, -2, 1, 2, 2], error=1e-6), conf_level=0.95, seed=1)
    assert found["month"] == 3
    assert (found["lowest"], found["last"]) == (-3, 2)
    assert found["conf_low"] == 3
    assert found["conf_high"] == 4  # in month 3 the sum is 0, its lower bound just under it
    assert break_even(known([-1, 0.5]), conf_level=0.95, seed=1)["month"] is None
    assert break_even(known([1, 2]), conf_level=0.95, seed=1)["month"] == 0
    # sums: 1, -1, 1: above zero first, but it does not stay there
    assert break_even(known([1, -2, 2]), conf_level=0.95, seed=1)["month"] == 2
    wide = break_even(known([-1, -2, 1, 2, 2], error=5), conf_level=0.95, seed=1)
    assert (wide["conf_low"], wide["conf_high"]) == (0, None)


def test_months_gained_count_how_months_hang_together():
    size = 3
    vcov = 0.04 * (np.eye(size) + np.ones((size, size)))
    path = Path(month=np.arange(size), estimate=np.array([-1.0, 0.5, 2.0]), vcov=vcov)
    assert cumulated(path) == pytest.approx((1.5, np.sqrt(0.04 * (3 + 9))))
    sums = path.cumulated()
    assert sums.estimate.tolist() == [-1, -0.5, 1.5]
    assert sums.vcov[-1, -1] == pytest.approx(0.48)


def test_the_placebo_test_is_walds():
    found = joint_test(known([0.1, -0.2, 0.3]), seed=1)
    assert found["statistic"] == pytest.approx(1 + 4 + 9)
    assert found["df"] == 3
    assert found["p_value"] == pytest.approx(
        0.00290515277427, rel=1e-6
    )  # R: pchisq(14, 3, lower = F)
    assert (found["largest"], found["largest_month"]) == (0.3, 2)
    assert found["sup_statistic"] == pytest.approx(3)
    # largest of three independent normals beyond 3: 1 - (1 - 0.0026998)³ = 0.00808
    assert found["sup_p_value"] == pytest.approx(0.00808, abs=0.003)
    # the same month twice is one month
    twice = Path(month=np.arange(2), estimate=np.array([0.2, 0.2]), vcov=np.full((2, 2), 0.01))
    assert joint_test(twice, seed=1)["df"] == 1
    assert joint_test(twice, seed=1)["statistic"] == pytest.approx(4)


def test_months_alike_in_all_people_say_nothing_or_everything():
    silent = joint_test(known([0, 0], error=0), seed=1)
    assert (silent["df"], silent["p_value"]) == (0, None)
    sure = joint_test(known([0.5, 0], error=0), seed=1)
    assert (sure["p_value"], sure["sup_p_value"]) == (0, 0)


def test_arithmetic_of_published_figures():
    """Bollens (HIVA): 24% at work, 20.5% without: net 3.4 points, from numbers before rounding."""
    found = split([0.24, 0.333], [0.205, 0.265])
    assert abs(found.net[0] - 0.034) <= 0.0005 + 0.005 + 0.0005  # each as it was rounded
    assert found.net[0] == pytest.approx(0.035)
    # Amsterdam (SEO): 26.5% to 33.3% at work, 6.8 points, 26% more
    assert found.net[1] == pytest.approx(0.068)
    assert round(found.relative[1], 2) == 0.26
    assert np.isnan(split(0.1, 0.0).relative[0])


def test_the_relative_interval_is_that_of_a_log_ratio():
    """Two samples of 400: 120 and 100 at work, the interval of a risk ratio as in any textbook."""
    a, b = 0.3, 0.25
    variance = np.array([[a * (1 - a) / 400], [b * (1 - b) / 400], [0.0]])
    error, low, high = relative_interval(np.array([a]), np.array([b]), variance, Z)
    log_error = np.sqrt(1 / 120 - 1 / 400 + 1 / 100 - 1 / 400)
    assert low[0] == pytest.approx(1.2 * np.exp(-Z * log_error) - 1)
    assert high[0] == pytest.approx(1.2 * np.exp(Z * log_error) - 1)
    assert error[0] == pytest.approx(1.2 * log_error)


def shares(treated, control, months, size=1000, design="matching"):
    """Return a profile of `size` people a group, with these shares at work (in thousandths)."""
    person = np.arange(2 * size)
    rows = pl.DataFrame({"person": person, "start": date(2006, 5, 20), "d": person < size})
    rank = person % size
    panel = pl.concat(
        pl.DataFrame(
            {"person": person, "work": rank < np.where(person < size, a * size, b * size)}
        ).with_columns(month=pl.lit(date(2006 + (4 + m) // 12, (4 + m) % 12 + 1, 1)))
        for a, b, m in zip(treated, control, months, strict=True)
    )
    return effects.profile(rows, panel, outcome="work", months=months, treatment="d", design=design)


def test_gross_deadweight_and_net_add_up():
    found = shares([0.24, 0.333], [0.205, 0.265], [6, 24])
    table = found.gross_net((6, 24))
    wide = table.wide("training")
    assert wide["label"].to_list() == ["training"] * 2
    assert wide.select("horizon", "n", "gross", "deadweight", "net", "relative").rows() == [
        (6, 1000, *map(pytest.approx, (0.24, 0.205, 0.035, 0.035 / 0.205))),
        (24, 1000, *map(pytest.approx, (0.333, 0.265, 0.068, 0.068 / 0.265))),
    ]
    assert (wide["net_low"] < wide["net"]).all()
    assert (wide["relative_high"] > wide["relative"]).all()
    rows = table.tidy().filter(pl.col("month") == 24)
    assert rows["measure"].to_list() == ["gross", "deadweight", "net", "relative"]
    assert rows["n"].to_list() == [1000, 1000, 2000, 2000]
    errors = [np.sqrt(p * (1 - p) / 1000) for p in (0.333, 0.265)]
    np.testing.assert_allclose(rows["std_error"][:3], [*errors, np.hypot(*errors)])
    _, low, high = relative_interval(
        np.array([0.333]), np.array([0.265]), np.array([*np.square(errors), 0])[:, None], Z
    )
    assert rows["conf_low"][3] == pytest.approx(low[0])
    assert rows["conf_high"][3] == pytest.approx(high[0])
    assert "NET: if nothing" in table.summary()


def test_what_is_gross_is_not_called_net():
    table = shares([0.24], [0.205], [24], design="naive").gross_net((24,))
    assert table.tidy()["measure"].to_list() == [
        "gross", "comparison", "gross_difference", "gross_relative",
    ]  # fmt: skip
    assert "GROSS (bruto), no net effect" in table.summary()


def test_one_horizon_within_a_year_warns():
    found = shares([0.24, 0.333], [0.205, 0.265], [6, 24])
    with pytest.warns(ToolkitWarning, match="lock-in"):
        table = found.gross_net((6,))
    assert any("lock-in" in said for said in table.meta["warnings"])


def test_the_lock_in_begins_within_a_year():
    month = np.arange(61)
    estimate = np.full(61, 0.03)
    estimate[50], estimate[3:5] = -0.02, (-0.01, -0.005)
    late = Path(month=month, estimate=estimate, vcov=np.eye(61) * 1e-6)
    found = lock_in(late, conf_level=0.95, seed=1)
    assert (found["month"], found["from"], found["to"], found["depth"]) == (3, 3, 4, -0.01)
    estimate = estimate.copy()
    estimate[3:5] = 0.01
    none = Path(month=month, estimate=estimate, vcov=np.eye(61) * 1e-6)
    found = lock_in(none, conf_level=0.95, seed=1)
    assert (found["month"], found["depth"], found["length"]) == (None, 0, 0)
    assert found["conf_low"] > 0
