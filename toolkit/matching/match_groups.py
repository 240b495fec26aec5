"""Methods that group rows: exact and coarsened cells, and subclasses of a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.matching.match_cells import dense
from toolkit.matching.match_pairs import Grouped
from toolkit.matching.match_weights import subclass_weights
from toolkit.matching.subclasses import cut_by_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.match_request import Request

    Ints = NDArray[np.int64]


def match_cells(request: Request) -> Grouped:
    """Keep the cells with both groups; in each the one group stands for the other."""
    coarse = request.options["method"] == "coarsened"
    method = "coarsened exact matching" if coarse else "exact matching"
    return _in_cells(request, request.cell, method)


def match_subclasses(request: Request) -> Grouped:
    """Cut the rows by quantiles of the score."""
    score = request.points()[:, 0]
    counted = request.sampling > 0
    code = np.full(len(score), -1, np.int64)
    code[counted], moved = cut_by_score(
        score[counted], request.treated[counted], request.sampling[counted],
        subclasses=request.options["subclasses"], least=request.options["min_subclass"],
        estimand=request.estimand,
    )  # fmt: skip
    asked = request.options["subclasses"]
    made = _in_cells(request, code, f"subclassification, {int(code.max()) + 1} subclasses")
    if isinstance(asked, int) and int(code.max()) + 1 < asked:
        made.warnings.append(f"equal scores: fewer subclasses than the {asked} asked for")
    if moved:
        made.warnings.append(
            f"{moved:,} rows moved to a next subclass, so that each has "
            f"{request.options['min_subclass']} of both groups"
        )
    return made


def _in_cells(request: Request, code: Ints, method: str) -> Grouped:
    code = np.where(request.sampling > 0, code, -1)
    # rows that count for nobody stand in a place of their own, before all others
    treated = np.bincount(code + 1, request.treated) > 0
    control = np.bincount(code + 1, ~request.treated) > 0
    kept = (treated & control)[code + 1] & (code >= 0)
    subclass = np.full(len(code), -1, np.int64)
    if kept.any():
        subclass[kept] = dense(code[kept])
    return Grouped(
        weights=subclass_weights(subclass, request.treated, request.sampling, request.estimand),
        subclass=subclass, method=method,
    )  # fmt: skip
