"""The colours stay apart in greyscale and for the colour-blind; text in them can be read."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from toolkit.reporting import palette

#: Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SIGHTS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "full": np.eye(3).tolist(),
}  # fmt: skip
AREA_COLOURS = [look.colour for look in palette.AREAS if look.hatch is None]
LINE_COLOURS = [look.colour for look in palette.LINES]


def linear(colour):
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def luminance(colour):
    return float(linear(colour) @ np.array([0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("colours", [AREA_COLOURS, LINE_COLOURS], ids=["areas", "lines"])
def test_sets_differ_in_lightness(colours):
    light = sorted(lab(linear(colour))[0] for colour in colours)
    # About four just-noticeable differences: a photocopy keeps them apart.
    assert min(b - a for a, b in pairwise(light)) > 9


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("colours", [AREA_COLOURS, LINE_COLOURS], ids=["areas", "lines"])
def test_sets_stay_apart_for_the_colour_blind(colours, sight):
    seen = [lab(np.array(SIGHTS[sight]) @ linear(colour)) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 10


def test_subject_and_comparison_are_far_apart_in_every_sight():
    for matrix in SIGHTS.values():
        blue, orange = (lab(np.array(matrix) @ linear(c)) for c in (palette.BLUE, palette.ORANGE))
        assert np.linalg.norm(blue - orange) > 40


def test_lines_and_areas_are_told_apart_without_colour():
    assert len({look.dash for look in palette.LINES}) == len(palette.LINES)
    assert len({look.marker for look in palette.LINES}) == len(palette.LINES)
    assert len(set(palette.AREAS)) == len(palette.AREAS)


@pytest.mark.parametrize(
    "colour", sorted({*AREA_COLOURS, *LINE_COLOURS, palette.INK, palette.SOFT, palette.PAPER})
)
def test_labels_can_be_read(colour):
    contrast = 1.05 / (luminance(palette.text_colour(colour)) + 0.05)
    assert contrast >= 4.5  # WCAG 2 AA


@pytest.mark.parametrize(
    "names",
    [
        ["work", "subsidised_work", "work_and_benefit", "wwb", "ww", "disability", "nug", "student",
         "other", "emigrated", "dead", "pension"],
        ["work", "other_benefit", "studies", "emigrated", "died", "pension", "other"],
        ["employment", "FE", "HE", "joblessness", "school", "training"],
        [f"s{i}" for i in range(12)],
        ["work", "x", "wwb", "y"],
    ],
)  # fmt: skip
def test_no_two_areas_of_a_stack_look_alike(names):
    looks = palette.area_looks(names)
    assert len(set(looks)) == len(names)
    for below, above in pairwise(looks):
        apart = abs(lab(linear(below.colour))[0] - lab(linear(above.colour))[0])
        assert apart > 9 or below.hatch != above.hatch
