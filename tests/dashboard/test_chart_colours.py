"""The colours of the chart can be told from the ground and from each other, in both themes, and by people whose eyes
have no red, green or blue receptors."""

import itertools
import math
import re
from collections.abc import Sequence

import pytest

from outdial.dashboard.page import STATIC

CSS = (STATIC / "outdial.css").read_text()
THEMES = ("light", "dark")
GRAPHICS = 3.0   # WCAG 2.2, 1.4.11: what it takes to be seen on a ground
APART = 20.0     # CIE76; around 2 is the least that can be seen of two large areas side by side

Matrix = Sequence[Sequence[float]]
# What is left of a colour: Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
EYES: dict[str, Matrix] = {
    "all receptors": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def colours(prefix: str, theme: str) -> dict[str, str]:
    found = re.findall(rf"--({prefix}[\w-]*): light-dark\((#\w{{6}}), (#\w{{6}})\)", CSS)
    return {name: (light, dark)[theme == "dark"] for name, light, dark in found}


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def brightness(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


def seen(colour: str, eyes: Matrix) -> tuple[float, float, float]:
    """In CIE Lab."""
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * part for weight, part in zip(row, linear(colour), strict=True)))) for row in eyes
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_can_be_seen_on_its_card(theme):
    (surface,) = colours("surface", theme).values()
    ends = colours("end-", theme)
    assert len(ends) == 6
    for name, colour in ends.items():
        assert contrast(colour, surface) >= GRAPHICS, name


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eyes", EYES)
def test_no_two_colours_look_alike(theme, eyes):
    for (one, first), (other, second) in itertools.combinations(colours("end-", theme).items(), 2):
        apart = math.dist(seen(first, EYES[eyes]), seen(second, EYES[eyes]))
        assert apart >= APART, (one, other, apart)
