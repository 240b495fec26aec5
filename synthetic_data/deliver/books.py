"""Which national files there are: layout, place, form, years, and the table each is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from synthetic_data.deliver import national
from synthetic_data.deliver.periods import Period, half_years, years
from synthetic_data.world import END, START

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

#: The form of a file, and how it is packed.
Form = Literal["sav", "dta", "csv", "parquet"]
Packed = Literal["", "gz", "zip"]

FIRST_YEAR, LAST_YEAR = START.year, END.year - 1
WHOLE = Period(FIRST_YEAR)
#: The SRG began on 1 January 2005 (WWB statistics regulation).
FIRST_SRG = Period(2005, 1)
_POLIS, _SPOLIS = 2006, 2010


@dataclass(frozen=True)
class Book:
    """A series of files of one layout.

    Attributes
    ----------
    layout : str
    table : str
        The canonical table it is made of.
    path : str
        Below the delivery's folder, without ending, with `{year}` and `{half}`.
    form, packed : str
    build : callable
        `(table, period)` → typed records.
    periods : tuple of Period
    """

    layout: str
    table: str
    path: str
    form: Form
    build: Callable[[pl.DataFrame, Period], pl.DataFrame]
    periods: tuple[Period, ...]
    packed: Packed = ""

    def file(self, period: Period) -> str:
        """Return a period's file below the delivery's folder; in a zip, `name.zip!member`."""
        path = self.path.format(year=period.year, half=period.half)
        if self.packed == "zip":
            return f"{path}.{self.form}.zip!{path.rpartition('/')[2]}.{self.form}"
        return f"{path}.{self.form}" + (".gz" if self.packed else "")


def _all(first: int = FIRST_YEAR, last: int = LAST_YEAR) -> tuple[Period, ...]:
    return tuple(years(first, last))


_LAST = (Period(LAST_YEAR),)
_ONCE = (WHOLE,)

#: In the order in which they are written, table by table. Positions of the world's first years are
#: files without records: that nobody had one is said, not left out.
BOOKS: tuple[Book, ...] = (
    Book("cbs_gbapersoontab", "persons", "cbs/bevolking/GBAPERSOON{year}TABV1", "sav",
         national.persons, _LAST),
    Book("cbs_hoogsteopltab", "persons", "cbs/onderwijs/HOOGSTEOPL{year}TABV2", "sav",
         national.education, _LAST),
    Book("cbs_arbeidsbeperkt", "persons", "cbs/gezondheid/ARBEIDSBEPERKT{year}TABV1", "csv",
         national.work_limited, _LAST),
    Book("cbs_gbaoverlijdentab", "persons", "cbs/bevolking/GBAOVERLIJDEN{year}TABV1", "dta",
         national.deaths, _LAST),
    Book("cbs_gbaadres", "residences", "cbs/bevolking/VRLGBAADRESBUSV1", "sav",
         national.residences, _ONCE),
    Book("cbs_gbamigratiebus", "residences", "cbs/bevolking/VRLGBAMIGRATIEBUSV1", "csv",
         national.migrations, _ONCE),
    Book("cbs_gbahuishoudensbus", "households", "cbs/bevolking/VRLGBAHUISHOUDENSBUSV1", "parquet",
         national.households, _ONCE),
    Book("cbs_bijstandpersoonbus", "benefits", "cbs/bijstand/BIJSTANDPERSOON{year}BUSV1", "sav",
         national.assistance, _all()),
    Book("cbs_wwpersoonbus", "benefits", "cbs/ww/WWPERSOON{year}BUSV1", "csv",
         national.unemployment, _all(), "zip"),
    Book("cbs_aototpersoonbus", "benefits", "cbs/ao/AOTOTPERSOON{year}BUSV2", "dta",
         national.disability, _all()),
    Book("cbs_cwi", "registrations", "cbs/werkzoekenden/CWI{year}BUSV1", "csv",
         national.registrations, _all(), "gz"),
    Book("cbs_inschrijving", "enrolments", "cbs/onderwijs/INSCHRIJVING{year}BUSV1", "parquet",
         national.enrolments, _all()),
    Book("cbs_baankenmerkenbus", "jobs", "cbs/banen/BAANKENMERKEN{year}BUSV1", "sav",
         partial(national.job_features, first=START), _all(last=_POLIS - 1)),
    Book("cbs_polisbus", "jobs", "cbs/banen/POLIS{year}BUSV2", "sav",
         national.polis, _all(_POLIS, _SPOLIS - 1)),
    Book("cbs_spolisbus", "jobs", "cbs/banen/SPOLIS{year}BUSV1", "parquet",
         national.spolis, _all(_SPOLIS)),
    Book("cbs_srg_voor2005", "programmes", "cbs/srg/VRLSRGTRAJECTTABV1", "sav",
         national.before_srg, (FIRST_SRG,)),
    Book("cbs_srgvoorziening", "programmes", "cbs/srg/SRGVOORZIENING{year}TABV1", "csv",
         partial(national.provisions, first=FIRST_SRG), _all(FIRST_SRG.year)),
    Book("cbs_srgpositie", "positions", "cbs/srg/SRGREINTEGRATIEPOSITIE{year}0{half}BUSV1", "sav",
         national.positions, tuple(half_years(FIRST_YEAR, LAST_YEAR))),
)  # fmt: skip
