"""What every estimate offers: `tidy()`, `glance()`, `summary()`, `plot()`, `meta`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

#: Order of the standard columns, after the group columns (the names are broom's).
TIDY_COLUMNS = (
    "term", "cause", "from", "to", "time",
    "n_risk", "n_event", "n_censor",
    "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Result(ABC):
    """An estimate and what a reader must know about it.

    Subclasses hold their numbers as frozen fields and only present them here.

    Attributes
    ----------
    meta : Mapping[str, Any]
        Estimand, definition, n, events, what was dropped and why, seed, versions, wall time.
        Keys in use: `estimand`, `method`, `definition`, `n`, `n_event`, `dropped` (reason → count),
        `warnings` (list of sentences), `seed`, `versions`, `wall_time` (seconds), `source`.
    """

    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @abstractmethod
    def tidy(self) -> pl.DataFrame:
        """Return one row a number, in the column names of broom."""

    @abstractmethod
    def glance(self) -> pl.DataFrame:
        """Return one row about the whole fit."""

    def summary(self) -> str:
        """Return the estimate as text: method, n, what was dropped, and the first rows."""
        meta = self.meta
        head = [str(meta.get("method", type(self).__name__))]
        if "estimand" in meta:
            head.append(f"Estimand: {meta['estimand']}")
        if "definition" in meta:
            head.append(f"Definition: {meta['definition']}")
        facts = [f"{key} = {meta[key]:,}" for key in ("n", "n_event") if key in meta]
        if facts:
            head.append(", ".join(facts))
        head.extend(
            f"Dropped: {count:,} ({why})" for why, count in dict(meta.get("dropped", {})).items()
        )
        head.extend(f"Note: {sentence}" for sentence in meta.get("warnings", ()))
        with pl.Config(
            tbl_rows=20, tbl_cols=-1, tbl_width_chars=200,
            tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
        ):  # fmt: skip
            body = str(self.tidy())
        return "\n".join([*head, body])

    def _repr_html_(self) -> str:
        table = self.tidy().head(20)._repr_html_()
        lines = self.summary().split("\n┌", maxsplit=1)[0].splitlines()
        return f"<p>{'<br>'.join(escape(line) for line in lines)}</p>{table}"

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the estimate where a picture makes sense; returns the axes, never shows them."""
        del ax, options
        raise CallError(f"{type(self).__name__} has no picture", fix="draw from its tidy() frame")
