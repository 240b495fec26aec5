"""What is under way while the deliveries of a group of persons are put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.delivery import BROKEN, COUNTS, REVISIONS
from toolkit.registers.reconcile.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from toolkit.registers.layout import Layout
    from toolkit.registers.reconcile.combine import Source
    from toolkit.registers.reconcile.crosswalk import Crosswalk


@dataclass
class Work:
    """What is under way for one group of persons.

    Attributes
    ----------
    layouts : mapping of str to Layout
    renamed : mapping
        Municipality → the one it is carried under.
    until : mapping
        Canonical table → end of its coverage.
    walk : Crosswalk, str or None
        How positions of two schemes meet.
    bases, adds : dict of str to list of Source
        Canonical table → its rows, and what others add to them.
    provisions : list of Source
        Provisions, before they are programmes.
    pieces : set of str
        Tables of which some rows are pieces.
    broken, counts, revisions, measures : list of pl.DataFrame
        What was found on the way.
    """

    layouts: Mapping[str, Layout]
    renamed: dict[str, str]
    until: Mapping[str, date]
    walk: Crosswalk | str | None
    bases: dict[str, list[Source]] = field(default_factory=dict)
    adds: dict[str, list[Source]] = field(default_factory=dict)
    provisions: list[Source] = field(default_factory=list)
    pieces: set[str] = field(default_factory=set)
    broken: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=BROKEN)])
    counts: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=COUNTS)])
    revisions: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=REVISIONS)])
    measures: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=MEASURES)])
