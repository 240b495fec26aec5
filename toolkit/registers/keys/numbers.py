"""What makes a number the key of a person: the RIN pair, and the 11-test of a BSN.

Sources: CBS file descriptions (RINPERSOONS and RINPERSOON name a person only together); Logisch
Ontwerp GBA for the 11-test.
"""

from __future__ import annotations

import polars as pl

#: A RIN number has nine digits.
LARGEST_RIN = 10**9 - 1
#: Letters of a RIN pair, by their place in the alphabet. R: found in the population register.
LETTERS = pl.Series("letters", [chr(code) for code in range(ord("A"), ord("Z") + 1)])
#: What a partner's BSN reads when there is no partner.
NO_PARTNER = "999999999"


def passes_eleven_test(number: pl.Expr) -> pl.Expr:
    """Say whether a number is a BSN: 9a + 8b + … + 2h − i divides by 11, and it is not zero.

    Parameters
    ----------
    number : pl.Expr
        Unsigned numbers; a BSN of eight digits has a leading zero.

    Examples
    --------
    >>> import polars as pl
    >>> pl.select(passes_eleven_test(pl.Series([111222333, 111222334]))).to_series().to_list()
    [True, False]
    """
    number = number.cast(pl.Int64)
    weighted = -(number % 10)
    for place in range(1, 9):
        weighted += (number // 10**place % 10) * (place + 1)
    return (weighted % 11 == 0) & (number > 0) & (number < 10**9)


def key_of(letter: pl.Expr, number: pl.Expr) -> pl.Expr:
    """Return the key of a RIN pair: letter × 10⁹ + number; null where either is none.

    Keys 0 and 1 come without a letter too: they stand for persons that nobody knows.

    Parameters
    ----------
    letter, number : pl.Expr
        The letter's place in ASCII, the number; null where it is none.
    """
    number = pl.when(number <= LARGEST_RIN).then(number.cast(pl.UInt64))
    pair = letter.cast(pl.UInt64) * pl.lit(LARGEST_RIN + 1, pl.UInt64) + number
    return pl.coalesce(pair, pl.when(number <= 1).then(number))
