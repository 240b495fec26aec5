"""Deliveries to one history: the latest wins, pieces join, schemes do not mix in silence."""

from toolkit.registers.reconcile.assemble import assemble
from toolkit.registers.reconcile.breaks import SeriesBreak, breaks_of, series_breaks
from toolkit.registers.reconcile.crosswalk import (
    APART,
    Crosswalk,
    crosswalk,
    crosswalks,
    one_scheme,
)
from toolkit.registers.reconcile.measures import MEASURES
from toolkit.registers.reconcile.mergers import carry_as_of, codes_as_of
from toolkit.registers.reconcile.positions import positions_on
from toolkit.registers.reconcile.provisions import (
    bridge,
    programmes_from_provisions,
    provisions_from_programmes,
)
from toolkit.registers.reconcile.rows import NATURAL_KEY, PROCEDURES, needed
from toolkit.registers.reconcile.sentences import sentences

__all__ = [
    "APART", "MEASURES", "NATURAL_KEY", "PROCEDURES", "Crosswalk", "SeriesBreak", "assemble",
    "breaks_of", "bridge", "carry_as_of", "codes_as_of", "crosswalk", "crosswalks", "needed",
    "one_scheme", "positions_on", "programmes_from_provisions", "provisions_from_programmes",
    "sentences", "series_breaks",
]  # fmt: skip
