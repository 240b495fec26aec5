"""The people around a border, and one fit of `rdrobust` to them."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EstimationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_KERNELS = {"triangular": "tri", "epanechnikov": "epa", "uniform": "uni"}


def load() -> Any:
    """Return `rdrobust`.

    Raises
    ------
    toolkit.errors.CallError
        When it is not installed: it is under the GPL, and so an extra.
    """
    try:
        return importlib.import_module("rdrobust")
    except ImportError as error:
        raise CallError(
            "Regression discontinuity needs the package rdrobust, which is not installed",
            fix="pip install 'reintegration-toolkit[rd]'",
        ) from error


@dataclass(frozen=True, kw_only=True)
class Jump:
    """One fit of `rdrobust`."""

    table: pl.DataFrame
    bandwidth: tuple[float, float]
    bias_bandwidth: tuple[float, float]
    n: tuple[int, int]
    first_stage: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Border:
    """The data around a border, and how to look at them."""

    library: Any
    x: Floats
    y: Floats
    taken: Floats | None
    covariates: Floats | None
    cutoff: float
    weight: Floats | None
    cluster: Ints | None
    kernel: str
    degree: int
    selector: str
    sign: float
    level: float

    def fit(
        self, *, bandwidth: float | tuple[float, float] | None = None,
        bias_bandwidth: tuple[float, float] | None = None, y: Floats | None = None,
        cutoff: float | None = None, rows: NDArray[np.bool_] | None = None, sharp: bool = False,
        covariates: bool = True,
    ) -> Jump:  # fmt: skip
        """Return the jump of y (the outcome when not given) among some rows."""
        some = slice(None) if rows is None else rows
        taken = None if sharp or self.taken is None else self.taken[some]
        options: dict[str, Any] = {
            "c": self.cutoff if cutoff is None else cutoff,
            "fuzzy": taken,
            "covs": self.covariates[some] if covariates and self.covariates is not None else None,
            "weights": None if self.weight is None else self.weight[some],
            "cluster": None if self.cluster is None else self.cluster[some],
            "kernel": _KERNELS[self.kernel],
            "p": self.degree,
            "level": 100 * self.level,
            "bwselect": self.selector,
            "h": bandwidth if bandwidth is None or isinstance(bandwidth, float) else
            list(bandwidth),
        }  # fmt: skip
        if bias_bandwidth is not None:
            options["b"] = list(bias_bandwidth)
        values = self.y if y is None else y
        said = io.StringIO()  # it prints about mass points, which we count ourselves
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = self.library.rdrobust(values[some], self.x[some], **options)
            except Exception as error:
                raise EstimationError(
                    "rdrobust could not fit the two sides of the border",
                    where=str(error).splitlines()[0][:120] if str(error) else None,
                    fix="look at how many people stand near it, or give a wider bandwidth=",
                ) from error
        return self._jump(found, fuzzy=taken is not None)

    def _jump(self, found: Any, *, fuzzy: bool) -> Jump:
        sign = 1.0 if fuzzy else self.sign
        estimate, error, p_value = (_column(found, name) for name in ("coef", "se", "pv"))
        ends = sign * np.asarray(found.ci, dtype=float)
        rows = [0, 2]
        parts = [(["conventional", "robust"], sign * estimate[rows], error[rows], p_value[rows],
                  ends[rows])]  # fmt: skip
        first = (np.nan, np.nan)
        if fuzzy:
            jump, spread, p = (_column(found, name) for name in ("tau_T", "se_T", "pv_T"))
            first = (float(jump[0]), float(spread[0]))
            parts.append((["take_up"], self.sign * jump[[2]], spread[[2]], p[[2]],
                          self.sign * np.asarray(found.ci_T, dtype=float)[[2]]))  # fmt: skip
        table = pl.concat(
            pl.DataFrame(
                {
                    "term": terms, "estimate": value, "std_error": se,
                    "statistic": value / np.where(se > 0, se, np.nan),
                    "p_value": p, "conf_low": limits.min(axis=1), "conf_high": limits.max(axis=1),
                }
            )
            for terms, value, se, p, limits in parts
        )  # fmt: skip
        wide = np.asarray(found.bws, dtype=float)
        return Jump(
            table=table.with_columns(pl.selectors.float().fill_nan(None)),
            bandwidth=(float(wide[0, 0]), float(wide[0, 1])),
            bias_bandwidth=(float(wide[1, 0]), float(wide[1, 1])),
            n=(int(found.N_h[0]), int(found.N_h[1])),
            first_stage=first,
        )


def _column(found: Any, name: str) -> Floats:
    return np.asarray(getattr(found, name), dtype=float).ravel()
