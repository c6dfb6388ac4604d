"""People with browser windows that show a board."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.demos.windows import Window, Windows

__all__ = ["Person", "visit"]


class Person:
    """A person with a window.

    Args:
        window: The window.

    Attributes:
        page: The page in it.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page: Page = window.page

    def list(self, title: str) -> Locator:
        """The cards of a list."""
        return self.page.get_by_role("list", name=title, exact=True)

    def titles(self, of: str) -> Locator:
        """The titles of the cards of a list, in order."""
        return self.list(of).locator(".tile-open")

    def card(self, title: str) -> Locator:
        """The card with this title."""
        return self.page.locator(".tile").filter(
            has=self.page.get_by_role("button", name=title, exact=True)
        )

    @property
    def said(self) -> Locator:
        """The line that a screen reader reads."""
        return self.page.locator("#said")

    @property
    def toast(self) -> Locator:
        """The short notes at the bottom."""
        return self.page.locator(".toast")

    @property
    def dialog(self) -> Locator:
        """The open dialog of a card."""
        return self.page.get_by_role("dialog", name="Card")

    async def shows(self, of: str, *titles: str) -> None:
        """Wait until a list has exactly these cards."""
        await expect(self.titles(of)).to_have_text(list(titles))

    async def open(self, card: str) -> None:
        """Open a card."""
        await self.page.get_by_role("button", name=card, exact=True).click()
        await expect(self.dialog).to_be_visible()

    async def save(self) -> None:
        """Save the open card."""
        await self.dialog.get_by_role("button", name="Save").click()

    async def drag(self, card: str, onto: Locator) -> None:
        """Drag a card with the mouse to a card of another list."""
        await self.lift(card, onto)
        await self.page.mouse.up()

    async def lift(self, card: str, onto: Locator) -> None:
        """Drag a card with the mouse to a card of another list, and keep the button down."""
        x, y = await middle(self.card(card))
        to_x, to_y = await middle(onto)
        await self.page.mouse.move(x, y)
        await self.page.mouse.down()
        await self.page.mouse.move(x + 8, y + 8, steps=3)
        await expect(self.page.locator(".sortable-fallback")).to_have_count(1)
        await self.page.mouse.move(to_x, to_y, steps=12)
        await self.page.mouse.move(to_x, to_y + 2, steps=2)
        await expect(onto.locator("xpath=..").locator(".sortable-ghost")).to_have_count(1)

    async def drag_by_touch(self, card: str, onto: Locator) -> None:
        """Rest a finger on a card, drag it to the first card of its list, and let go."""
        (x, y), (to_x, to_y) = await middle(self.card(card)), await middle(onto)
        finger = await self.page.context.new_cdp_session(self.page)

        async def touch(kind: str, *points: tuple[float, float]) -> None:
            touched = [{"x": x, "y": y} for x, y in points]
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})

        await touch("touchStart", (x, y))
        await expect(self.page.locator(".tile.sortable-chosen")).to_have_count(1)
        for step in range(1, 13):
            await touch("touchMove", (x + (to_x - x) * step / 12, y + (to_y - y) * step / 12))
        await expect(self.page.locator(".tile.sortable-ghost:nth-child(-n+2)")).to_have_count(1)
        await touch("touchEnd")

    async def press(self, *keys: str) -> None:
        """Press keys."""
        for key in keys:
            await self.page.keyboard.press(key)

    async def take(self, card: str) -> None:
        """Begin to move a card with the keyboard."""
        await self.page.get_by_role("button", name=f"Move the card {card}").focus()
        await self.press("Enter")
        await expect(self.said).to_contain_text(f"Moving {card}")

    async def go_offline(self) -> None:
        """Lose the network."""
        await self.page.context.set_offline(True)
        await expect(self.page.locator("#banner")).to_contain_text("You are offline")

    async def come_back(self) -> None:
        """Get the network back."""
        await self.page.context.set_offline(False)
        await expect(self.page.locator("#stage")).to_have_attribute("data-state", "joined")


async def middle(of: Locator) -> tuple[float, float]:
    """Return the middle of an element."""
    await of.scroll_into_view_if_needed()
    box = await of.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def visit(windows: Windows, path: str = "", **options: Any) -> Person:
    """Open a window with a board, and wait until it is there."""
    person = Person(await windows.open(path, **options))
    await expect(person.page.locator("#stage")).to_have_attribute("data-state", "joined")
    await expect(person.page.locator("#scroller")).to_be_visible()
    return person
