"""People with browser windows write one text."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.demos.windows import Window, Windows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


class Page:
    """A window that shows a document.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page = window.page

    @property
    def text(self) -> Locator:
        return self.page.get_by_label("Text of the document")

    @property
    def lines(self) -> Locator:
        return self.page.locator(".cm-line")

    @property
    def state(self) -> Locator:
        return self.page.locator("#state-text")

    @property
    def carets(self) -> Locator:
        """The cursors of others, with their names."""
        return self.page.locator(".caret")

    async def is_saved(self) -> None:
        await expect(self.state).to_have_text("Saved")

    async def write(self, text: str) -> None:
        """Write at the cursor."""
        await self.page.keyboard.type(text)


async def open_new(windows: Windows, name: str) -> Page:
    """Make a document, as a person does."""
    page = Page(await windows.open())
    await page.page.get_by_label("Your name").fill(name)
    await page.page.get_by_role("button", name="New document").click()
    await page.is_saved()
    return page


async def open_as(windows: Windows, name: str, link: str) -> Page:
    """Open a link in another browser, as a person with a name."""
    window = await windows.open()
    await window.page.get_by_label("Your name").fill(name)
    await window.page.keyboard.press("Tab")
    await window.page.goto(link)
    return Page(window)


async def test_two_people_write_and_see_each_other(windows: Windows, screenshots: Path) -> None:
    ann = await open_new(windows, "Ann")
    bo = await open_as(windows, "Bo", ann.page.url)
    await bo.is_saved()
    await ann.write("Minutes\n\nWe met.")
    await expect(bo.lines).to_have_text(["Minutes", "", "We met."])
    await expect(bo.carets).to_have_text("Ann")
    await bo.text.press("Control+End")
    await bo.write(" We ate.")
    await expect(ann.lines).to_have_text(["Minutes", "", "We met. We ate."])
    await expect(ann.carets).to_have_text("Bo")
    await expect(ann.page.get_by_role("heading", name="Minutes")).to_be_visible()
    await expect(ann.page.locator("#count")).to_have_text("2 here")
    await windows.picture(ann.window, screenshots / "two.png")
