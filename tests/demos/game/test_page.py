"""The game in a browser: two people and more, keyboard and touch, lost connections, and pictures to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import NARROW, Window, Windows

pytestmark = pytest.mark.browser


async def play(window: Window, name: str, colour: str = "Blue") -> None:
    """Begin a game, with the keyboard."""
    page = window.page
    await page.get_by_label("Your name").fill(name)
    await page.get_by_label(colour, exact=True).check()
    await expect(page.get_by_role("button", name="Play")).to_be_enabled()
    await page.get_by_label("Your name").press("Enter")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(page.locator("#place")).to_contain_text(" of ")


async def test_two_people_meet(windows: Windows, screenshots: Path) -> None:
    """Each one is on the other's board, and both pages say in text how the game stands."""
    ann, bo = await windows.open(), await windows.open()
    await expect(ann.page.locator("#crowd")).to_contain_text("2 people")
    await windows.picture(ann, screenshots / "start.png")
    await check_accessible(ann.page)
    await play(ann, "Ann")
    await play(bo, "Bo", "Red")
    for window in (ann, bo):
        await expect(window.page.locator("#rows")).to_contain_text("Ann")
        await expect(window.page.locator("#rows")).to_contain_text("Bo")
        await expect(window.page.locator(".row.me")).to_have_count(1)
    await windows.picture(ann, screenshots / "game.png")
    await check_accessible(ann.page)
