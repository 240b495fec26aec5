"""Which methods there are, and which options each takes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from toolkit.errors import CallError, check_option
from toolkit.matching.distances import DISTANCES, LINKS
from toolkit.matching.match_cells import MISSING
from toolkit.matching.match_groups import match_cells, match_subclasses
from toolkit.matching.match_pairs import match_full, match_nearest, match_optimal
from toolkit.matching.nearest import ORDERS

Method = Literal["nearest", "optimal", "full", "coarsened", "exact", "subclass"]
Order = Literal["largest", "smallest", "data", "random", "closest"]
#: What does it, and which of the options that not all methods have it takes.
METHODS: dict[str, tuple[Any, frozenset[str]]] = {
    "nearest": (match_nearest, frozenset({
        "exact", "antiexact", "caliper", "ratio", "min_ratio", "max_ratio", "replace", "order",
        "distance", "link", "seed", "ties",
    })),
    "optimal": (match_optimal, frozenset({
        "exact", "antiexact", "caliper", "ratio", "distance", "link", "ties",
    })),
    "full": (match_full, frozenset({
        "exact", "antiexact", "caliper", "distance", "link", "ties", "ATE",
    })),
    "coarsened": (match_cells, frozenset({"exact", "cutpoints", "grouping", "ATE"})),
    "exact": (match_cells, frozenset({"exact", "ATE"})),
    "subclass": (match_subclasses, frozenset({"link", "subclasses", "min_subclass", "ATE"})),
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "exact": (), "antiexact": (), "caliper": None, "ratio": 1, "min_ratio": None,
    "max_ratio": None, "replace": False, "order": None, "distance": "mahalanobis",
    "link": "score", "seed": None, "ties": "data", "cutpoints": "sturges", "grouping": None,
    "subclasses": 6, "min_subclass": 1,
}  # fmt: skip


def check_options(method: str, estimand: str, options: dict[str, Any], missing: str) -> None:
    """Raise for an option outside its set, or one that the method does not have."""
    check_option("method", method, tuple(METHODS))
    check_option("estimand", estimand, ("ATT", "ATC", "ATE"))
    check_option("missing", missing, MISSING)
    check_option("distance", options["distance"], DISTANCES)
    check_option("link", options["link"], LINKS)
    if options["order"] is not None:
        check_option("order", options["order"], ORDERS)
    takes = METHODS[method][1]
    for name, value in options.items():
        default = _DEFAULTS[name]
        given = value is not default and not (
            np.isscalar(value) and np.isscalar(default) and value == default
        )
        if given and name not in takes and not (isinstance(value, (tuple, list)) and not value):
            raise CallError(
                f"method={method!r} does not know {name}=",
                fix=f"leave it out; it takes {', '.join(sorted(takes - {'ATE'}))}",
            )
    if estimand == "ATE" and "ATE" not in takes:
        raise CallError(
            f"method={method!r} finds partners for one group: no effect on all comes of it",
            fix="estimand='ATT' or 'ATC', or method='full', 'subclass' or 'coarsened'",
        )
    if options["replace"] and options["order"] == "closest":
        raise CallError("With replacement nobody waits for a turn", fix="leave out order=")
