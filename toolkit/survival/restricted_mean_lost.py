"""Time lost to each cause up to a horizon: the areas under the cumulative incidences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.intervals import normal_quantile
from toolkit.survival.curves import time_series

if TYPE_CHECKING:
    from toolkit.survival.curve_family import TableCurves


def restricted_mean_lost(curves: TableCurves, horizon: float, conf_level: float) -> pl.DataFrame:
    """Return the area under every curve from 0 to `horizon`: a row per group and kind.

    The variance is Σ over units of the squared area under their influence (Andersen 2013 for the
    estimand; Therneau and Grambsch 2000, §2.2 for the infinitesimal jackknife).

    Raises
    ------
    toolkit.errors.ToolkitError
        For a horizon that is no time, or that no group is observed up to.
    """
    area, std_error = curves.areas(horizon)
    n_groups, n_kinds = area.shape
    group, kind = np.repeat(np.arange(n_groups), n_kinds), np.tile(np.arange(n_kinds), n_groups)
    half = normal_quantile(conf_level) * std_error
    numbers = {"estimate": area, "std_error": std_error,
               "conf_low": area - half, "conf_high": area + half}  # fmt: skip
    return pl.DataFrame(
        {
            **{name: curves.groups[name].gather(group) for name in curves.by},
            **{name: labels.gather(kind) for name, labels in curves.kinds.items()},
            "time": time_series(np.full(len(group), horizon)),
            **{name: pl.Series(x.ravel()).fill_nan(None) for name, x in numbers.items()},
        }
    )
