"""What there is to mend: broken rules, for the country and for each municipality. Counts only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.frames import require_columns, to_frame
from toolkit.registers.reconcile.mergers import codes_as_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_RULE = ("rule", "field", "stage", "severity", "nl", "en")


def errors_by_rule(rules: Any, files: Any, *, by: Sequence[str] = ()) -> pl.DataFrame:
    """Count how often each rule was broken, in how many files, and as a share of their records.

    Parameters
    ----------
    rules : frame
        One row a file and rule: `file, rule, layout, field, stage, severity, n, nl, en`.
    files : frame
        One row a file: `file`, `layout`, `rows`, and the columns of `by`.
    by : sequence of str
        Columns of `files` to count by, such as `period_start`.

    Returns
    -------
    pl.DataFrame
        [by…], `layout`, `rule`, `field`, `stage`, `severity`, `nl`, `en`, `n` (times broken),
        `files` (in which), `records` (of all files of that layout), `share`; the most first.
    """
    broken, sent = _both(rules, files, by)
    keys = [*by, "layout"]
    records = sent.group_by(keys).agg(records=pl.col("rows").sum().cast(pl.Int64))
    return (
        broken.join(sent.select("file", *by), on="file", how="inner")
        .filter(pl.col("n") > 0)
        .group_by(*keys, *_RULE)
        .agg(n=pl.col("n").sum().cast(pl.Int64), files=pl.col("file").n_unique().cast(pl.Int64))
        .join(records, on=keys, how="left", nulls_equal=True)
        .with_columns(share=pl.col("n") / pl.col("records"))
        .sort(*by, "n", "rule", descending=[*(False for _ in by), True, False])
    )


def errors_by_municipality(
    rules: Any, files: Any, *, mergers: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Count broken rules for each municipality and period, in the newest version of its files.

    Parameters
    ----------
    rules, files : frame
        As for `errors_by_rule`; files also with `municipality`, `period_start`, `version`.
    mergers : frame, optional
        Files of a municipality that has merged count for the one it is now.

    Returns
    -------
    pl.DataFrame
        `municipality`, `period_start`, `rule`, `field`, `stage`, `severity`, `nl`, `en`, `n`; the
        most first.
    """
    need = ("municipality", "period_start", "version")
    broken, sent = _both(rules, files, need)
    newest = (
        sent.filter(pl.col("municipality").is_not_null(), pl.col("period_start").is_not_null())
        .sort("version")
        .unique(["municipality", "period_start"], keep="last", maintain_order=True)
    )
    return (
        broken.join(newest.select("file", *need[:2]), on="file", how="inner")
        .filter(pl.col("n") > 0)
        .with_columns(pl.col("municipality").replace(codes_as_of(mergers)))
        .group_by(*need[:2], *_RULE)
        .agg(n=pl.col("n").sum().cast(pl.Int64))
        .sort(*need[:2], "n", "rule", descending=[False, False, True, False])
    )


def _both(rules: Any, files: Any, need: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    broken, sent = to_frame(rules), to_frame(files)
    require_columns(broken, "file", "layout", "n", *_RULE, where="rules")
    require_columns(sent, "file", "layout", "rows", *need, where="files")
    return broken.with_columns(pl.col("file").cast(sent.schema["file"])), sent
