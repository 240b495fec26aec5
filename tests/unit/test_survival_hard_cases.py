"""What careless data do to the models: an answer by name, and no error that is too small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from toolkit import survival
from toolkit.errors import (
    CallError,
    CollinearityError,
    InputError,
    UnknownCodeError,
    WrongTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Fit = Callable[..., Any]


@pytest.fixture(scope="module")
def spells() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    n = 200
    return pl.DataFrame(
        {
            "t": rng.integers(1, 12, n),
            "e": rng.integers(0, 2, n),
            "k": rng.integers(0, 3, n),
            "x": rng.normal(size=n).round(2),
            "r": rng.integers(0, 3, n),
            "s": rng.choice(["a", "b", "c"], n),
            "c": rng.integers(0, 40, n),
            "one": np.ones(n, dtype=np.int64),
        }
    )


def _cox(formula: str, data: pl.DataFrame, **options: Any) -> Any:
    return survival.cox(formula, data, time="t", event="e", **options)


def _fine_gray(formula: str, data: pl.DataFrame, **options: Any) -> Any:
    return survival.fine_gray(formula, data, time="t", event="k", cause=1, **options)


def _cause_specific(formula: str, data: pl.DataFrame, **options: Any) -> Any:
    return survival.cause_specific(formula, data, time="t", event="k", **options)


MODELS = pytest.mark.parametrize("fit", [_cox, _fine_gray, _cause_specific])


@MODELS
def test_all_rows_in_one_cluster_have_no_variance(fit: Fit, spells: pl.DataFrame) -> None:
    """The influences sum to 0: a standard error of 1e-17 would make everything significant."""
    with pytest.raises(InputError, match="'one' has the same value"):
        fit("x", spells, cluster="one")


@MODELS
def test_few_clusters_are_told(fit: Fit, spells: pl.DataFrame) -> None:
    assert any(
        "only 3 clusters of s" in said for said in fit("x", spells, cluster="s").meta["warnings"]
    )
    assert fit("x", spells, cluster="c").meta["warnings"] == []


def test_clusters_without_a_robust_variance_are_refused(spells: pl.DataFrame) -> None:
    with pytest.raises(CallError, match="leaves the clusters out"):
        _fine_gray("x", spells, cluster="c", robust=False)


@MODELS
def test_text_of_one_level_is_named(fit: Fit, spells: pl.DataFrame) -> None:
    """As a number that is the same in every row; it would be left out of the model unsaid."""
    alone = spells.filter(pl.col("s") == "a")
    with pytest.raises(CollinearityError, match="'s' has the same value"):
        fit("x + s", alone)


@MODELS
def test_a_stratum_named_twice(fit: Fit, spells: pl.DataFrame) -> None:
    with pytest.raises(CallError, match="names a column twice"):
        fit("x", spells, strata=["s", "s"])


@MODELS
def test_an_infinite_offset_is_named(fit: Fit, spells: pl.DataFrame) -> None:
    known = pl.when(pl.int_range(pl.len()) == 7).then(-np.inf).otherwise(0.5)
    with pytest.raises(InputError, match="Offset 'known' is not a finite number"):
        fit("x", spells.with_columns(known=known), offset="known")


def test_a_number_taken_for_a_level_must_be_known(spells: pl.DataFrame) -> None:
    """Formulaic gives an unknown one the coefficients of the reference level: 0."""
    model = _cox("C(r)", spells)
    assert model.predict(pl.DataFrame({"r": [2]}))["estimate"][0] == model.coefficients[1]
    with pytest.raises(UnknownCodeError, match=r"in C\(\) of the formula 'C\(r\)'"):
        model.predict(pl.DataFrame({"r": [1, 9]}))
    with pytest.raises(UnknownCodeError, match=r"in C\(\)"):
        _cox("C(r, levels=[0, 1])", spells)


def test_what_formulaic_refuses_is_said_in_our_words(spells: pl.DataFrame) -> None:
    model = _cox("bs(x, df=4)", spells)
    with pytest.raises(CallError, match="cannot be computed"):
        model.predict(pl.DataFrame({"x": [100.0]}))
    with pytest.raises(CallError, match="cannot be computed"):
        _cox("np.mean(x) + x", spells)


@pytest.mark.parametrize("estimate", ["kaplan_meier", "cumulative_incidence"])
def test_groups_in_one_cluster_have_no_standard_error(estimate: str, spells: pl.DataFrame) -> None:
    """A group's curve varies with the clusters in it; one cluster alone tells nothing of that."""
    event = "e" if estimate == "kaplan_meier" else "k"
    # region z lies in cluster 0 alone, the others in many
    data = spells.with_columns(
        s=pl.when(pl.col("c") == 0).then(pl.lit("z")).otherwise("s"),
    )
    fit = getattr(survival, estimate)
    curves = fit(data, time="t", event=event, by="s", cluster="c")
    error = curves.tidy().filter(pl.col("s") == "z")["std_error"]
    assert error.null_count() == len(error)
    others = curves.at(5).filter(pl.col("s") != "z")["std_error"]
    assert others.null_count() == 0
    assert (others > 0.01).all()
    assert any("1 of 4 groups lie in one cluster of c" in said for said in curves.meta["warnings"])
    area = "rmst" if estimate == "kaplan_meier" else "rmtl"
    areas = getattr(curves, area)(4)
    assert areas.filter(pl.col("s") == "z")["std_error"].null_count() > 0
    assert areas.filter(pl.col("s") != "z")["std_error"].null_count() == 0
    for asked in ({"at": 5}, {"measure": area, "horizon": 4}):
        table = curves.difference(**asked).tidy()
        no_error = pl.col("std_error").is_null()
        assert (table.select(no_error == pl.col("contrast").str.contains("z"))).to_series().all()
    with pytest.raises(InputError, match="'one' has the same value"):
        fit(data, time="t", event=event, cluster="one")


def test_times_that_are_no_numbers(spells: pl.DataFrame) -> None:
    curves = survival.kaplan_meier(spells, time="t", event="e", by="s")
    with pytest.raises(CallError, match="not numbers"):
        curves.at("five")  # type: ignore[arg-type]
    with pytest.raises(CallError, match="horizon='five'"):
        curves.difference(measure="rmst", horizon="five")  # type: ignore[arg-type]
    twice = curves.difference(at=5, by=["s", "s"]).tidy()
    assert twice.equals(curves.difference(at=5, by="s").tidy())


def test_decimals_are_numbers(spells: pl.DataFrame) -> None:
    """Amounts are often decimals; each would become a level of its own."""
    exact = spells.with_columns(pl.col("x").cast(pl.Decimal(10, 2)))
    assert _cox("x", exact).terms == ("x",)
    assert np.allclose(_cox("x", exact).coefficients, _cox("x", spells).coefficients, atol=1e-12)


@MODELS
def test_a_stratum_with_the_name_of_a_result(fit: Fit, spells: pl.DataFrame) -> None:
    """It would be lost from the table of baselines, overwritten by the result."""
    with pytest.raises(CallError, match="'estimate' has the name of a result column"):
        fit("x", spells.rename({"s": "estimate"}), strata="estimate")


def test_a_column_of_several_kinds() -> None:
    pd = pytest.importorskip("pandas")
    mixed = pd.DataFrame({"t": [1, 2, 3], "e": [1, 1, 0], "x": [1.0, "900000001", 2.0]})
    with pytest.raises(WrongTypeError, match="'x' holds values of several kinds"):
        _cox("x", mixed)


def test_a_key_in_the_place_of_a_code_is_not_shown(spells: pl.DataFrame) -> None:
    data = spells.with_row_index("person", offset=900_000_000)
    text = data.with_columns(name=pl.lit("BSN") + pl.col("person").cast(pl.String))
    for wrong in (
        lambda: survival.cox("x", data, time="t", event="person"),
        lambda: survival.fine_gray("x", data, time="t", event="person", cause=1),
        lambda: survival.cumulative_incidence(
            data.with_columns(pl.col("person") + 0.5), time="t", event="person"
        ),
        lambda: survival.kaplan_meier(text, time="t", event="e", by="name").difference(
            at=3, reference="BSN"
        ),
        lambda: _cox("s", spells).predict(text.select(s="name")),
    ):
        with pytest.raises((CallError, InputError)) as caught:
            wrong()
        assert "0000" not in str(caught.value)


def test_what_is_standardised_over_must_be_named(spells: pl.DataFrame) -> None:
    model = _cox("x", spells)
    with pytest.raises(CallError, match="names no variable"):
        model.standardise({})
    with pytest.raises(CallError, match="not a mapping"):
        model.standardise(["x"])


@MODELS
def test_a_robust_error_of_a_few_equal_rows_is_told(fit: Fit) -> None:
    """All five of a rare level have the event at once, in a crowd: R gives 0.03 as well, unsaid."""
    rng = np.random.default_rng(0)
    n = 20_000
    data = (
        pl.DataFrame(
            {"t": rng.integers(1, 12, n), "e": rng.integers(0, 2, n), "x": rng.normal(size=n)}
        )
        .with_columns(
            rare=(pl.int_range(n) < 5).cast(pl.Int8),
            t=pl.when(pl.int_range(n) < 5).then(1).otherwise("t"),
            e=pl.when(pl.int_range(n) < 5).then(1).otherwise("e"),
        )
        .with_columns(k="e")
    )
    said = fit("x + rare", data, robust=True).meta["warnings"]
    assert len(said) == 1
    assert "'rare'" in said[0]
    assert fit("x + rare", data, robust=False).meta["warnings"] == []
    assert fit("x", data, robust=True).meta["warnings"] == []
