"""How dirty a delivery is: one share a kind of error."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

from toolkit.errors import CallError


@dataclass(frozen=True)
class Dirt:
    """Shares of what goes wrong; 0 is never.

    Of municipalities and half-years, the small ones more often: `missing`, `late`. Of
    municipalities: `delimited` (semicolons and Latin-1 instead of fixed width: no error, and not in
    the ledger); of the small ones: `merged` (gone up in a neighbour on 1 January 2007 or 2009).

    Of persons with programmes in the SRG, one error each at most: `wrong_code`, `swapped_dates`,
    `impossible_date`, `duplicate`, `begin_changed`, `reason_without_end`, `end_without_reason`,
    `subsidy_outside`, `placement_outside`, `position_out_of_range`, `wrong_bsn`, `unlinked_bsn`,
    `wrong_municipality`, `two_municipalities`, `cut_off`, `correction`. Of records, weak positions
    and small municipalities more often: `no_position`.

    Of persons in a national file, one error each at most: `other_letter`, `zero_key`,
    `unknown_key` (records that are nobody's); on benefit `reversed_spell`, `unknown_scheme`,
    `overlapping_spell`; registered `repeated_spell`; with wage rows `split_rows`,
    `netted_correction`, `unknown_amount`, `too_many_hours`.
    """

    missing: float = 0.0
    late: float = 0.0
    delimited: float = 0.0
    merged: float = 0.0
    no_position: float = 0.0
    wrong_code: float = 0.0
    swapped_dates: float = 0.0
    impossible_date: float = 0.0
    duplicate: float = 0.0
    begin_changed: float = 0.0
    reason_without_end: float = 0.0
    end_without_reason: float = 0.0
    subsidy_outside: float = 0.0
    placement_outside: float = 0.0
    position_out_of_range: float = 0.0
    wrong_bsn: float = 0.0
    unlinked_bsn: float = 0.0
    wrong_municipality: float = 0.0
    two_municipalities: float = 0.0
    cut_off: float = 0.0
    correction: float = 0.0
    other_letter: float = 0.0
    zero_key: float = 0.0
    unknown_key: float = 0.0
    reversed_spell: float = 0.0
    unknown_scheme: float = 0.0
    overlapping_spell: float = 0.0
    repeated_spell: float = 0.0
    split_rows: float = 0.0
    netted_correction: float = 0.0
    unknown_amount: float = 0.0
    too_many_hours: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not 0.0 <= value <= 1.0:
                raise CallError(f"{item.name}={value} is no share", fix="choose 0 … 1")

    @classmethod
    def none(cls) -> Self:
        """Return a clean delivery."""
        return cls()

    @classmethod
    def realistic(cls) -> Self:
        """Return what the letters to Parliament describe: most deliver, positions lag behind."""
        return cls(
            missing=0.03, late=0.12, delimited=0.05, merged=0.02, no_position=0.25,
            wrong_code=0.002, swapped_dates=0.003, impossible_date=0.001, duplicate=0.004,
            begin_changed=0.005, reason_without_end=0.003, end_without_reason=0.004,
            subsidy_outside=0.01, placement_outside=0.01, position_out_of_range=0.002,
            wrong_bsn=0.001, unlinked_bsn=0.002, wrong_municipality=0.001,
            two_municipalities=0.002, cut_off=0.0005, correction=0.02,
            other_letter=0.002, zero_key=0.0002, unknown_key=0.001, reversed_spell=0.0005,
            unknown_scheme=0.0005, overlapping_spell=0.001, repeated_spell=0.001, split_rows=0.03,
            netted_correction=0.02, unknown_amount=0.002, too_many_hours=0.001,
        )  # fmt: skip

    @classmethod
    def everything(cls) -> Self:
        """Return every kind, often enough to be seen in a small register; for tests."""
        return replace(
            cls(**{item.name: 0.02 for item in fields(cls)}),
            missing=0.03, late=0.1, delimited=0.05, merged=0.03, no_position=0.2,
            subsidy_outside=0.1, placement_outside=0.1,
        )  # fmt: skip
