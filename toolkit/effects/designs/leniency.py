"""How readily an office or a caseworker sends others to the programme: an instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError
from toolkit.frames import as_columns, require_columns, require_no_nulls, to_frame
from toolkit.matching.sample import read_sampling
from toolkit.matching.treatment import read_treatment

if TYPE_CHECKING:
    from collections.abc import Sequence


def leave_one_out(
    data: Any,
    *,
    treatment: str,
    decider: str,
    within: str | Sequence[str] | None = None,
    weights: str | None = None,
    name: str = "leniency",
) -> pl.DataFrame:
    """Return the data with the share that a person's decider sends of all others.

    The person's own case is left out: it would make the instrument of the treatment itself.

    Parameters
    ----------
    data : frame
        A row a case.
    treatment : str
        Who was sent: true/false or 1/0.
    decider : str
        Caseworker, office or municipality.
    within : str or sequence of str, optional
        Cells within which cases reach deciders by chance (office and quarter): shares are then less
        the mean of the cell.
    weights : str, optional
    name : str
        Of the column that is added; beside it `<name>_n`, the other cases of the decider.

    Returns
    -------
    pl.DataFrame
        Null where a decider has no other case: leave those rows out yourself, on record.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be used, and when no decider has two cases.

    Notes
    -----
    With r what the treatment is above its cell's mean, (Σ r - own r) / (n - 1) over the decider's
    cases (Dahl, Kostøl and Mogstad 2014; Dobbie, Goldin and Yang 2018). Cluster by decider.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> cases = pl.DataFrame({"sent": [1, 1, 0, 0, 0, 1], "worker": list("aaabbb")})
    >>> effects.leave_one_out(cases, treatment="sent", decider="worker")["leniency"].to_list()
    [0.5, 0.5, 1.0, 0.5, 0.5, 0.0]
    """
    frame = to_frame(data)
    cells = as_columns(within)
    require_columns(frame, decider, *cells)
    require_no_nulls(frame, decider, *cells)
    taken = read_treatment(frame, treatment).astype(np.float64)
    weight = read_sampling(frame, weights)
    added = (name, f"{name}_n")
    clash = set(added) & set(frame.columns)
    if clash:
        raise CallError(f"The data have a column {min(clash)!r} already", fix="name= another one")
    work = frame.select(pl.col(decider).alias("_decider"), *cells).with_columns(
        _taken=pl.Series(taken), _weight=pl.Series(weight)
    )
    w = pl.col("_weight")
    rest = pl.col("_taken")
    if cells:
        rest -= (rest * w).sum().over(cells) / w.sum().over(cells)
    other = w.sum().over("_decider") - w
    work = work.with_columns(_rest=rest).select(
        _n=pl.len().over("_decider").cast(pl.Int64) - 1,
        _share=((pl.col("_rest") * w).sum().over("_decider") - pl.col("_rest") * w) / other,
    )
    if not (work["_n"] > 0).any():
        raise EmptyCohortError(
            f"No value of {decider!r} has two cases", fix="is it the decider, and not the case?"
        )
    known = pl.when(pl.col("_n") > 0).then(pl.col("_share"))
    return frame.with_columns(work.select(known.alias(added[0]), pl.col("_n").alias(added[1])))
