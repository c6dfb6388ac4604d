"""The colours of people in the chat demo: all are different and readable, on light and dark pages."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.async_api import expect

from bennu_demos.page import DESIGN

from ..process import DemoProcess
from .serving import crowd
from .windows import Company, Person

pytestmark = [pytest.mark.browser, pytest.mark.long]

Colour = tuple[float, float, float]

CSS: Final = DESIGN / "tokens.css"
READABLE: Final = 4.5
"""The contrast that WCAG requires for text."""
DIFFERENT: Final = 0.08
"""A clearly visible distance in OKLab; the smallest visible distance is about 0.02."""

MEASURE: Final = """
() => {
  const colours = (node) => {
    const { color, backgroundColor } = getComputedStyle(node);
    return [color, backgroundColor];
  };
  return {
    avatars: [...document.querySelectorAll("#people-list .avatar")].map(colours),
    names: [...document.querySelectorAll("#log .name:not(.own-name)")].map((name) => colours(name)[0]),
    surface: colours(document.querySelector("main"))[1],
  };
}
"""


def parse(text: str) -> Colour:
    red, green, blue = (int(number) / 255 for number in re.findall(r"\d+", text)[:3])
    return (_linear(red), _linear(green), _linear(blue))


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours, as WCAG defines it."""
    light, dark = sorted(
        (0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (one, other)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def oklab(colour: Colour) -> Colour:
    red, green, blue = colour
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def closest(colours: list[Colour]) -> float:
    """Return the smallest distance between two of the colours."""
    return min(math.dist(oklab(one), oklab(other)) for one, other in combinations(colours, 2))


@pytest.mark.parametrize("count", [4, 25])
async def test_no_two_people_in_a_room_look_alike(
    company: Company, server: DemoProcess, database: Path, count: int
) -> None:
    """Avatars and names differ visibly, and are readable."""
    names = [f"Person {number}" for number in range(count - 1)]
    async with crowd(server, database, names, text="Hi"):
        ann = await company.invite("Ann")
        await expect(ann.people).to_have_count(count)
        await expect(ann.messages).to_have_count(count - 1)
        await look_at(ann, count)


async def look_at(ann: Person, count: int) -> None:
    schemes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
    for scheme in schemes:
        await ann.page.emulate_media(color_scheme=scheme)
        seen: Any = await ann.page.evaluate(MEASURE)
        letters, avatars = zip(*((parse(a), parse(b)) for a, b in seen["avatars"]), strict=True)
        names = [parse(name) for name in seen["names"]]
        assert (len(avatars), len(names)) == (count, count - 1)
        assert closest(list(avatars)) >= DIFFERENT
        assert closest(names) >= DIFFERENT
        for letter, avatar in zip(letters, avatars, strict=True):
            assert contrast(letter, avatar) >= READABLE
        for name in names:
            assert contrast(name, parse(seen["surface"])) >= READABLE


PALETTE: Final = """
async () => {
  const { Palette } = await import("/design/palette.js");
  const palette = new Palette();
  const colours = (prefix, count) =>
    Array.from({ length: count }, (_, number) => palette.colour(`${prefix} ${number}`));
  const first = colours("first", 32);
  palette.here = new Set(["first 0", "first 1"]);
  const second = colours("second", 30); // they take the colours of those who have gone
  const kept = [palette.colour("first 0"), palette.colour("first 1")];
  palette.here = new Set([...palette.here, ...Array.from({ length: 30 }, (_, n) => `second ${n}`)]);
  return { first, second, kept, shared: palette.colour("one more") };
}
"""


async def test_palette_gives_each_colour_once(company: Company) -> None:
    """People who are here keep their colours, and those who have left release theirs. Above 32, colours are shared."""
    ann = await company.invite("Ann")
    seen: Any = await ann.page.evaluate(PALETTE)
    assert len(set(seen["first"])) == 32
    assert seen["kept"] == seen["first"][:2]
    assert set(seen["second"]) == set(seen["first"][2:])
    assert seen["shared"] in seen["first"]


async def test_every_colour_of_the_palette_is_readable_and_its_own(company: Company) -> None:
    """Each two colours differ, on a light page and on a dark page, and each is readable on every background."""
    ann = await company.invite("Ann")
    seen: Any = await ann.page.evaluate(PALETTE)
    hexes = [re.findall(r"#\w{6}", colour) for colour in seen["first"]]
    light, dark = ([_from_hex(one) for one in shade] for shade in zip(*hexes, strict=True))
    assert min(closest(light), closest(dark)) >= DIFFERENT
    css = CSS.read_text()
    for name in ("--page", "--surface", "--on-tint"):
        day, night = (_from_hex(found) for found in re.findall(rf"{name}: (#\w+)", css))
        assert min(contrast(colour, day) for colour in light) >= READABLE
        assert min(contrast(colour, night) for colour in dark) >= READABLE


def _from_hex(text: str) -> Colour:
    red, green, blue = (int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return (_linear(red), _linear(green), _linear(blue))
