"""Whether the data determine the coefficients: collinear columns and separation, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CollinearityError, SeparationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]

#: Share of one event's information below which a direction has none.
_ONE_HUNDREDTH = 0.01


def check_information(
    information: Floats, spread: Floats, events: float, design: Design, centre: Floats | None = None
) -> None:
    """Raise `CollinearityError` when risk sets do not tell a column from the others.

    The information at b = 0 is the covariance of the columns within risk sets: a column that is
    constant within strata, or among all that are ever at risk together, has none.

    Parameters
    ----------
    information : (p, p) array
        At b = 0.
    spread : (p,) array
        Standard deviation of each column over all rows.
    events : float
        Weight of the events, which scales the information.
    centre : (p,) array, optional
        Mean of each column: a spread that is only its rounding is none.
    """
    terms = design.terms
    done: list[int] = []
    scale = np.sqrt(np.maximum(np.diag(information), 0.0))
    size = spread if centre is None else np.hypot(spread, centre)
    for j, name in enumerate(terms):
        if spread[j] <= 1e-10 * max(size[j], 1e-300):
            raise CollinearityError(
                f"Column {name!r} has the same value in every row",
                fix="leave it out of the formula, or look whether a filter made it constant",
            )
        if scale[j] <= 1e-7 * spread[j] * np.sqrt(events):
            raise CollinearityError(
                f"Column {name!r} does not vary among those at risk together",
                where=f"{design.strata.height:,} strata",
                fix="leave it out of the formula: the baseline of each stratum holds its effect",
            )
        if done:
            inner = information[np.ix_(done, done)] / np.outer(scale[done], scale[done])
            with_j = information[done, j] / (scale[done] * scale[j])
            b = np.linalg.solve(inner, with_j)
            if 1 - with_j @ b < 1e-9:
                others = [terms[k] for k, c in zip(done, b, strict=True) if abs(c) > 1e-6]
                raise CollinearityError(
                    f"Column {name!r} is made up of {', '.join(map(repr, others[:6]))}",
                    fix="leave one of them out of the formula",
                )
        done.append(j)


def check_separation(
    at_zero: Floats, information: Floats, spread: Floats, events: float, terms: Sequence[str]
) -> None:
    """Raise `SeparationError` when the optimum lies at infinity, and Newton's method stopped short.

    A column (or a combination) that foretells the events has an information that falls to nothing
    on the way: in one direction what is left at the optimum, as a share of what there was at
    b = 0, is less than a hundredth of what one event of the `events` tells. Of a mere strong
    effect at least one event's worth is left.

    Parameters
    ----------
    at_zero, information : (p, p) arrays
    spread : (p,) array
        Standard deviation of each column, to tell which moves the linear predictor most.
    """
    if not len(terms):
        return
    root = np.linalg.cholesky(at_zero / np.outer(spread, spread))
    half = np.linalg.solve(root, information / np.outer(spread, spread))
    share, direction = np.linalg.eigh(np.linalg.solve(root, half.T))
    if share[0] * events < _ONE_HUNDREDTH:
        moved = np.abs(np.linalg.solve(root.T, direction[:, 0]))
        name = terms[int(np.argmax(moved))]
        raise SeparationError(
            f"The coefficient of {name!r} runs off to infinity: the column (with the others) "
            "foretells who has the event first",
            fix="merge the level with another one, or leave the column out; look at a table of "
            "events by its values",
        )
