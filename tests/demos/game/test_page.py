"""The game in a browser: two people and more, keyboard and touch, lost connections, and pictures to look at."""

from __future__ import annotations

import re
from pathlib import Path
from struct import unpack
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import NARROW, Window, Windows
from tests.support.until import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]  # on a busy machine pages draw slowly

SMALL: Final = {"width": 640, "height": 400}


async def play(page: Page, name: str, colour: str = "Blue") -> None:
    """Begin a game, with the keyboard."""
    await page.get_by_label("Your name").fill(name)
    await page.get_by_label(colour, exact=True).check()
    await expect(page.get_by_role("button", name="Play")).to_be_enabled()
    await page.get_by_label("Your name").press("Enter")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(page.locator("#place")).to_contain_text(" of ")


async def open_small(windows: Windows, path: str = "") -> Window:
    """Open a small window, which costs the machine little."""
    return await windows.open(path, viewport=SMALL)


@pytest.mark.parametrize("crowd", [4])
async def test_two_people_meet(windows: Windows, screenshots: Path) -> None:
    """Each one is on the other's board, and both pages say in text how the game stands."""
    ann = await windows.open()
    await expect(ann.page.locator("#people")).to_have_text("1 person")
    await windows.picture(ann, screenshots / "start.png")
    await check_accessible(ann.page)
    bo = await open_small(windows)
    await play(ann.page, "Ann")
    await play(bo.page, "عبد الرحمن بن خلدون", "Red")
    for page in (ann.page, bo.page):
        await expect(page.locator("#people")).to_have_text("2 people")
        await expect(page.locator(".row.me")).to_have_count(1)
        await expect(page.locator("#news")).to_contain_text("You play as")
    await windows.picture(ann, screenshots / "game.png")
    await check_accessible(ann.page)
    await bo.page.close()
    await expect(ann.page.locator("#people")).to_have_text("1 person")


@pytest.mark.parametrize("crowd", [0])
@pytest.mark.long
async def test_death_is_told_and_the_keyboard_begins_the_next_game(
    windows: Windows, screenshots: Path
) -> None:
    """A snake that goes straight on leaves the arena. The page says so, also to screen readers, and focuses the button."""
    window = await open_small(windows)
    page = window.page
    await play(page, "Ann")
    await expect(page.locator("#panel")).to_be_visible()
    await expect(page.locator("#headline")).to_have_text("You left the arena")
    await expect(page.locator("#lead")).to_contain_text("points in")
    await expect(page.locator("#news")).to_contain_text("You left the arena.")
    await expect(page.locator("#mine")).to_be_hidden()
    button = page.get_by_role("button", name="Play again")
    await expect(button).to_be_focused()
    await check_accessible(page)
    await windows.picture(window, screenshots / "death.png")
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(page.locator("#mine")).to_be_visible()


class Inputs:
    """The inputs that a page sends.

    Attributes:
        wish: The direction of the newest one.
        sprints: Whether the newest one asks for a sprint.
    """

    def __init__(self, page: Page) -> None:
        self.wish = 0
        self.sprints = False
        page.on("websocket", lambda websocket: websocket.on("framesent", self._sent))

    def _sent(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):  # a push of bytes; they come last
            (wish,) = unpack("<H", frame[-2:])
            self.wish, self.sprints = wish % 1_024, wish >= 1 << 15


@pytest.mark.long
async def test_keyboard_mouse_and_finger_steer(windows: Windows) -> None:
    """Whatever was used last counts. The sprint is a key, a mouse button, or a button of the page."""
    page = (await windows.open(viewport=SMALL, has_touch=True)).page
    inputs = Inputs(page)
    await page.reload()
    await play(page, "Ann")
    straight = inputs.wish
    await page.keyboard.down("ArrowRight")
    await until(lambda: inputs.wish != straight)
    await page.keyboard.down("Space")
    await until(lambda: inputs.sprints)
    await page.keyboard.up("Space")
    await page.keyboard.up("ArrowRight")
    await until(lambda: not inputs.sprints)
    box = await page.locator("canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for dx, dy, way in ((100, 0, 0), (0, 100, 256), (-100, 0, 512), (0, -100, 768)):
        await page.mouse.move(x + dx, y + dy)
        await until(lambda way=way: inputs.wish == way)  # type: ignore[misc]
    await page.mouse.down()
    await until(lambda: inputs.sprints)
    await page.mouse.up()
    await until(lambda: not inputs.sprints)
    await page.touchscreen.tap(x + 100, y)
    await until(lambda: inputs.wish == 0)
    assert not inputs.sprints


@pytest.mark.parametrize("crowd", [0])
@pytest.mark.long
async def test_button_sprints_on_a_phone(windows: Windows, screenshots: Path) -> None:
    """The button is there if the page is steered by a finger."""
    window = await windows.open(viewport=NARROW, has_touch=True, is_mobile=True)
    page = window.page
    inputs = Inputs(page)
    await page.reload()
    await expect(page.get_by_text("Steer with a finger")).to_be_visible()
    await play(page, "Ann")
    button = page.get_by_role("button", name="Sprint")
    await button.dispatch_event("pointerdown")
    await until(lambda: inputs.sprints)
    await button.dispatch_event("pointerup")
    await until(lambda: not inputs.sprints)
    await page.screenshot(path=screenshots / "phone.png")
    assert not await window.overflows()
    await check_accessible(page)


@pytest.mark.parametrize("crowd", [0])
@pytest.mark.long
async def test_lost_connection_is_told(
    windows: Windows, server: DemoProcess, screenshots: Path
) -> None:
    """The page says so, connects again by itself, and the next game begins with the same name."""
    window = await open_small(windows)
    page = window.page
    await play(page, "Ann")
    await server.kill()
    await expect(page.locator("#banner")).to_contain_text("You are offline")
    await windows.picture(window, screenshots / "offline.png")
    await server.start()
    await expect(page.locator("#headline")).to_have_text("The connection was lost")
    await page.get_by_role("button", name="Play again").click()
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(page.locator("#rows")).to_contain_text("Ann")


@pytest.mark.long
async def test_lag_is_simulated_and_shown(windows: Windows) -> None:
    """The game goes on with 200 ms more, and the page says how long the way is."""
    page = (await open_small(windows, "?lag=200")).page
    await play(page, "Ann")
    ping = page.locator("#ping")
    await expect(ping).to_contain_text("200 simulated")
    assert int((await ping.inner_text()).split()[0]) >= 200


@pytest.mark.long
async def test_name_that_is_none_is_explained(windows: Windows) -> None:
    """The problem is beside the field, and the field has the focus."""
    page = (await open_small(windows)).page
    await page.get_by_label("Your name").fill("  ?!  ")
    await page.get_by_label("Your name").press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Please enter a name")
    await expect(page.get_by_label("Your name")).to_be_focused()
    await check_accessible(page)


@pytest.mark.parametrize("crowd", [200])
@pytest.mark.long
async def test_crowd_and_long_names(windows: Windows, screenshots: Path) -> None:
    """A full arena, and the longest name, which is not among the best ten."""
    ann, bo = await windows.open(), await open_small(windows)
    await play(bo.page, "Bo", "Red")
    await expect(ann.page.locator("#snakes")).to_contain_text(
        re.compile(r"[6-9]\d snakes|1\d\d snakes")
    )
    await play(ann.page, "W" * 20)
    await ann.page.keyboard.down("ArrowRight")  # in circles, to stay alive
    await windows.picture(ann, screenshots / "crowd.png")
    await check_accessible(ann.page)
