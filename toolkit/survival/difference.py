"""Differences and ratios between groups' curves, or the areas under them, with their errors."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from toolkit.errors import CallError, check_option, unknown_column, unknown_option
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns
from toolkit.provenance import versions
from toolkit.result import Result
from toolkit.survival.bands import DRAWS, check_between, check_seed
from toolkit.survival.contrasts import (
    Pair,
    compare_areas,
    compare_curves,
    contrast_band,
    contrast_tables,
)
from toolkit.survival.curves import check_horizon, check_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from toolkit.survival.curve_family import Curves

Measure = Literal[
    "difference", "ratio", "odds ratio",
    "rmst", "rmst ratio", "rmtl", "rmtl ratio", "expected time", "expected time ratio",
    "area", "area ratio",
]  # fmt: skip
_CURVE_MEASURES = ("difference", "ratio", "odds ratio")
_LEVEL_SEPARATOR = ", "


@dataclass(frozen=True, kw_only=True)
class Difference(Result):
    """Contrasts between groups; made by the `difference` method of curves.

    Attributes
    ----------
    table : DataFrame
        What `tidy()` returns.
    sup : DataFrame or None
        What `sup_test()` returns; None without simultaneous bands.
    measure : str
    by, layers : tuple of str
        The columns compared, and those within whose groups they are.
    kinds : tuple of str
        Columns that tell curves of a group apart (`cause`).
    conf_level : float
    """

    table: pl.DataFrame = field(repr=False)
    sup: pl.DataFrame | None = field(repr=False)
    measure: str
    by: tuple[str, ...]
    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    conf_level: float

    def tidy(self) -> pl.DataFrame:
        """Return a row per contrast (and cause) and time.

        Columns: the other group columns, `contrast` ("b - a", "b / a"), `cause` where there are
        causes, `time, estimate, std_error, statistic, p_value, conf_low, conf_high`, and
        `band_low, band_high` of simultaneous bands (null outside their range). The estimate of a
        ratio is the ratio; its standard error and statistic are those of its logarithm.
        """
        return self.table

    def sup_test(self) -> pl.DataFrame:
        """Return the test that groups do not differ at any time: a row per contrast (and cause).

        Columns: as `tidy()`, then `from, to` (the range of times), `n_time`, `critical` (what
        replaces 1.96), `statistic` (the largest |estimate| / std_error), `p_value`.

        Raises
        ------
        toolkit.errors.CallError
            Without simultaneous bands.
        """
        if self.sup is None:
            raise CallError(
                "No simultaneous bands were asked for", fix="difference(..., simultaneous=True)"
            )
        return self.sup

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, measure, and how many contrasts and estimates."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": [self.meta["n_event"]],
                "measure": [self.measure],
                "n_contrast": [self.table.select(*self.layers, "contrast").n_unique()],
                "n_estimate": [self.table.height],
                "simultaneous": [self.sup is not None],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the contrasts over time with intervals and bands, or as points with bars."""
        from toolkit.survival._plot_difference import plot_difference

        return plot_difference(self, ax=ax, **options)


def make_difference(
    curves: Curves,
    meta: Mapping[str, Any],
    *,
    by: str | Sequence[str] | None = None,
    at: float | Sequence[float] | None = None,
    horizon: float | None = None,
    measure: Measure = "difference",
    reference: Any = None,
    cluster: str | None = None,
    simultaneous: bool = False,
    between: tuple[float, float] | None = None,
    conf_level: float = 0.95,
    seed: int = 1,
) -> Difference:
    """Compare groups of curves; the arguments are those of `CurveResult.difference`.

    Parameters
    ----------
    curves : Curves
    meta : mapping
        Of the result they come from.
    """
    begin = clock.perf_counter()
    scale, areas = _read_measure(curves, measure, at, horizon, simultaneous=simultaneous)
    check_interval(conf_level, "plain")
    check_between(between)
    check_seed(seed)
    asked = None if at is None else check_times(at)
    pairs, columns, missing = _pairs(curves, by, reference, sign="-" if scale == "plain" else "/")
    if areas and horizon is not None:
        check_horizon(horizon)
    units = curves.units(cluster)
    sizes = curves.areas(float(horizon)) if areas and horizon is not None else None
    made = []
    for pair in pairs:
        for kind in range(curves.n_kinds):
            if sizes is not None and horizon is not None:
                one = compare_areas(curves, pair, kind, units, scale, float(horizon), sizes)
            else:
                one = compare_curves(curves, pair, kind, units, scale, asked)
            made.append((pair, kind, one))
    warnings = list(missing)
    deviations: list[dict[str, Any] | None] = [None] * len(made)
    if simultaneous:
        for i, (pair, kind, one) in enumerate(made):
            deviations[i] = contrast_band(
                curves, pair, kind, units, one, between=between, conf_level=conf_level, seed=seed
            )
        none = sum(found is None for found in deviations)
        if none:
            warnings.append(
                f"{none:,} of {len(made):,} contrasts have no band: too few events or people at "
                "risk at any time; name a range by between="
            )
    layers = tuple(name for name in curves.by if name not in columns)
    table, sup = contrast_tables(
        curves, made, deviations, layers=layers, log=scale != "plain", conf_level=conf_level
    )
    facts = {key: meta[key] for key in ("n", "n_event", "weighted", "dropped") if key in meta}
    return Difference(
        meta=facts
        | {
            "estimand": f"{measure} of {meta.get('estimand', 'the curves')} between groups of "
            + ", ".join(columns)
            + (f", up to {horizon:g}" if areas and horizon is not None else ""),
            "method": f"{measure.capitalize()} of {meta.get('method', 'curves')}",
            "variance": f"influence functions, {units.count:,} clusters of {units.cluster}"
            if units.cluster
            else meta.get("variance", "influence functions"),
            "band": f"largest of {DRAWS:,} draws, equal precision" if simultaneous else None,
            "warnings": [*meta.get("warnings", ()), *warnings],
            "seed": seed if simultaneous else None,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        table=table,
        sup=sup if simultaneous else None,
        measure=measure,
        by=columns,
        layers=layers,
        kinds=tuple(curves.kinds),
        conf_level=conf_level,
    )


def _read_measure(
    curves: Curves,
    measure: str,
    at: float | Sequence[float] | None,
    horizon: float | None,
    *,
    simultaneous: bool,
) -> tuple[str, bool]:
    """Return the scale of a measure, and whether it is one of areas; raise where it cannot be."""
    of_areas = (curves.area_name, f"{curves.area_name} ratio")
    check_option("measure", measure, (*_CURVE_MEASURES, *of_areas))
    areas = measure in of_areas
    if areas and horizon is None:
        raise CallError(f"measure={measure!r} needs a horizon", fix="for instance horizon=24")
    if areas and (at is not None or simultaneous):
        raise CallError(
            f"measure={measure!r} is one number up to the horizon, without times or bands",
            fix="leave out at= and simultaneous=",
        )
    if not areas and horizon is not None:
        raise CallError(
            f"measure={measure!r} is taken at times and has no horizon",
            fix=f"at={horizon!r}, or measure={curves.area_name!r}",
        )
    scales = {"difference": "plain", "ratio": "log", "odds ratio": "logit"}
    return scales.get(measure, "log" if measure.endswith("ratio") else "plain"), areas


def _pairs(
    curves: Curves, by: str | Sequence[str] | None, reference: Any, *, sign: str
) -> tuple[list[Pair], tuple[str, ...], list[str]]:
    """Return the contrasts, the columns compared, and what there is to warn of."""
    if not curves.by:
        raise CallError("There is one curve, so nothing to compare", fix="estimate it with by=")
    columns = tuple(dict.fromkeys(as_columns(by))) or curves.by
    for name in columns:
        if name not in curves.by:
            raise unknown_column(name, curves.by, where="the groups of the curves")
    levels = curves.groups.select(columns).unique().sort(columns).rows()
    if len(levels) < 2:
        raise CallError(f"{', '.join(columns)} has one value, so nothing to compare")
    first = levels[0] if reference is None else _as_level(reference, levels)
    layers = [name for name in curves.by if name not in columns]
    found: dict[tuple[Any, ...], dict[tuple[Any, ...], int]] = {}
    keys = zip(
        curves.groups.select(layers).rows() if layers else [()] * curves.groups.height,
        curves.groups.select(columns).rows(),
        strict=True,
    )
    for number, (layer, level) in enumerate(keys):
        found.setdefault(layer, {})[level] = number
    pairs, left_out = [], 0
    for layer, numbers in found.items():
        for level in levels:
            if level == first:
                continue
            if first not in numbers or level not in numbers:
                left_out += 1
                continue
            label = f"{_text(level)} {sign} {_text(first)}"
            pairs.append(
                Pair(reference=numbers[first], other=numbers[level], label=label, layer=layer)
            )
    said = f"{left_out:,} contrasts are left out, as a group of them is empty"
    if not pairs:
        raise CallError(
            f"No {', '.join(layers)} has rows of {_text(first)} and of another group",
            fix="compare over fewer columns",
        )
    return pairs, columns, [said] if left_out else []


def _as_level(reference: Any, levels: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    level = reference if isinstance(reference, tuple) else (reference,)
    if level not in levels or any(
        isinstance(a, bool) != isinstance(b, bool) for a, b in zip(level, levels[0], strict=True)
    ):
        raise unknown_option("reference", reference, [_text(one) for one in levels])
    return level


def _text(level: tuple[Any, ...]) -> str:
    return _LEVEL_SEPARATOR.join(str(value) for value in level)
