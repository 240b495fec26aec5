"""The colours: a blue for the subject, orange for the comparison, sand and greys for context.

Sets are ordered so that neighbours differ in lightness, and every line has its own dash and every
repeated area its own hatch: the figures read in greyscale and for the colour-blind.
"""

from __future__ import annotations

from dataclasses import dataclass

INK = "#1B2838"
SOFT = "#5B6B7B"
FAINT = "#7C8895"
AXIS = "#8794A1"
GRID = "#E1E5EA"
PAPER = "#FFFFFF"

NAVY = "#12304D"
BLUE = "#1F5C99"
ORANGE = "#D47A20"
SKY = "#86B5DF"
SAND = "#DCCB98"
MIST = "#E4E7EB"
WASH = "#EDF3F9"
BRONZE = "#8A6F2E"
STEEL = "#A9B4BF"

#: Colours that are too light for text stand for these in labels (contrast with paper ≥ 4.5).
_TEXT = {
    PAPER: SOFT,
    ORANGE: "#A85A0C", SKY: "#2F74B5", SAND: "#7A642C", MIST: "#66727F", STEEL: "#66727F",
}  # fmt: skip


def text_colour(colour: str) -> str:
    """Return the shade of a colour that can be read as text on paper.

    Examples
    --------
    >>> text_colour(BLUE) == BLUE, text_colour(SAND) == SAND
    (True, False)
    """
    return _TEXT.get(colour, colour)


@dataclass(frozen=True)
class LineLook:
    """How a line of a set is told apart: colour, dash (in line widths) and marker."""

    colour: str
    dash: tuple[float, ...] | None
    marker: str


#: The first is the subject, the second the comparison.
LINES = (
    LineLook(BLUE, None, "o"),
    LineLook(ORANGE, (3.2, 1.2), "s"),
    LineLook(NAVY, (4.5, 1.2, 1.0, 1.2), "^"),
    LineLook(BRONZE, (1.2, 1.0), "D"),
    LineLook(STEEL, (6.0, 1.6), "v"),
)


@dataclass(frozen=True)
class AreaLook:
    """How an area of a stack is told apart: colour and hatch."""

    colour: str
    hatch: str | None = None


#: For areas without a look of their own; after six the colours come back with a hatch.
AREAS = (
    AreaLook(BLUE), AreaLook(SKY), AreaLook(ORANGE), AreaLook(SAND), AreaLook(NAVY), AreaLook(MIST),
    AreaLook(BLUE, "////"), AreaLook(SKY, "////"), AreaLook(ORANGE, "////"),
    AreaLook(SAND, "////"), AreaLook(NAVY, "////"), AreaLook(MIST, "////"),
)  # fmt: skip

#: States and destinations keep their colour through a report.
NAMED_AREAS = {
    "work": AreaLook(BLUE), "employment": AreaLook(BLUE),
    "work_and_benefit": AreaLook(BLUE, "////"),
    "subsidised_work": AreaLook(SKY),
    "training": AreaLook(SKY),
    "wwb": AreaLook(ORANGE), "benefit": AreaLook(ORANGE), "joblessness": AreaLook(ORANGE),
    "ww": AreaLook(SAND), "other_benefit": AreaLook(SAND), "school": AreaLook(SAND),
    "disability": AreaLook(SAND, "////"),
    "nug": AreaLook(ORANGE, "////"),
    "student": AreaLook(SKY, "////"), "studies": AreaLook(SKY),
    "FE": AreaLook(SKY, "////"), "HE": AreaLook(NAVY),
    "other": AreaLook(MIST), "still_on_benefit": AreaLook(ORANGE),
    "emigrated": AreaLook(NAVY, "////"), "dead": AreaLook(NAVY), "died": AreaLook(NAVY),
    "pension": AreaLook(MIST, "////"),
}  # fmt: skip


def area_looks(names: list[str]) -> list[AreaLook]:
    """Return a look for each area of a stack: its own where it has one, else the next free one.

    Examples
    --------
    >>> area_looks(["work", "elsewhere"])[0].colour == BLUE
    True
    """
    taken = {NAMED_AREAS[name] for name in names if name in NAMED_AREAS}
    free = [look for look in AREAS if look not in taken]
    looks: list[AreaLook] = []
    used: set[AreaLook] = set()
    for name in names:
        look = NAMED_AREAS.get(name)
        if look is None or look in used:
            look = next((candidate for candidate in free if candidate not in used), AREAS[-1])
        used.add(look)
        looks.append(look)
    return looks
