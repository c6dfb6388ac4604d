"""The scoreboard's page in a browser."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Locator, expect

from bennu.client import Client
from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import NARROW, Window, Windows
from tests.support.until import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def rate() -> float:
    """A half takes 5 seconds."""
    return 540.0


def cards(window: Window) -> Locator:
    return window.page.locator(".match")


def entries(window: Window) -> Locator:
    """What has happened in the chosen match."""
    return window.page.locator("#timeline > li[data-seq]")


async def is_live(window: Window) -> None:
    """Wait until the chosen match has begun."""
    await expect(window.page.locator("#banner")).to_have_attribute("data-state", "online")
    await expect(cards(window)).to_have_count(8)
    await expect(window.page.locator("#timeline")).to_contain_text("Kick-off")


async def test_a_late_page_and_one_that_was_cut_off_catch_up(
    windows: Windows, screenshots: Path
) -> None:
    ann = await windows.open()
    await is_live(ann)
    await expect(entries(ann).nth(5)).to_be_attached()
    bo = await windows.open()
    await is_live(bo)

    # Bo loses the network, and misses events of all matches.
    await bo.page.context.set_offline(True)
    await expect(bo.page.locator("#banner")).to_have_attribute("data-state", "offline")
    await windows.picture(bo, screenshots / "offline.png")
    seen = await entries(bo).count()
    await expect(entries(ann).nth(seen + 2)).to_be_attached()
    await bo.page.context.set_offline(False)
    await expect(entries(bo).nth(seen + 2)).to_be_attached()

    # At the end of the match both pages have the same.
    for window in (ann, bo):
        await expect(window.page.locator("#timeline")).to_contain_text("Full time", timeout=60_000)
    texts = [await entries(window).all_text_contents() for window in (ann, bo)]
    assert texts[0] == texts[1]
    assert len(texts[0]) > 10


@pytest.mark.parametrize("rate", [900.0])
@pytest.mark.long
async def test_the_next_round_comes_by_itself(windows: Windows, screenshots: Path) -> None:
    ann = await windows.open()
    over = ann.page.locator(".match .status", has_text="Full time")
    await expect(over).to_have_count(8, timeout=90_000)
    await windows.picture(ann, screenshots / "full-time.png")
    before = await cards(ann).first.get_attribute("data-match")
    await expect(ann.page.locator("#round")).to_have_text("Round 2", timeout=60_000)
    await expect(cards(ann)).to_have_count(8)
    await expect(cards(ann).first).not_to_have_attribute("data-match", before or "")
    await expect(ann.page.locator("#timeline")).to_contain_text("Kick-off")


@pytest.mark.long
async def test_goals_are_told(windows: Windows, screenshots: Path) -> None:
    ann = await windows.open()
    await is_live(ann)
    await check_accessible(ann.page)
    await expect(ann.page.locator("#news")).to_contain_text("Goal!")
    await expect(ann.page.locator(".goal").filter(visible=True)).not_to_have_count(0)
    await expect(ann.page.locator(".toast")).to_have_count(0)  # the card says it
    await expect(entries(ann).nth(8)).to_be_attached()
    await check_accessible(ann.page)
    await windows.picture(ann, screenshots / "board.png")
    await ann.page.get_by_role("button", name="Over", exact=True).click()
    await expect(ann.page.locator(".toast").first).to_contain_text("Goal!")


@pytest.mark.long
async def test_filters_and_keyboard(windows: Windows, screenshots: Path) -> None:
    ann = await windows.open()
    await is_live(ann)
    over = ann.page.get_by_role("button", name="Over", exact=True)
    await over.focus()
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_text("No match is over yet")).to_be_visible()
    await check_accessible(ann.page)
    await windows.picture(ann, screenshots / "empty.png")
    await ann.page.get_by_role("button", name="All", exact=True).click()
    last = cards(ann).last
    await last.focus()
    await ann.page.keyboard.press("Enter")
    await expect(last).to_have_attribute("aria-pressed", "true")
    name = await last.locator(".club").first.text_content()
    await expect(ann.page.locator("#detail-score")).to_contain_text(name or "?")


@pytest.mark.long
async def test_long_and_right_to_left_names(windows: Windows, screenshots: Path) -> None:
    ann = await windows.open()
    await is_live(ann)
    for name, code in (("long", "WBK"), ("right-to-left", "NJM")):
        await cards(ann).filter(has_text=code).click()
        await expect(ann.page.locator("#timeline")).to_contain_text("Chance", timeout=60_000)
        await windows.picture(ann, screenshots / f"{name}-board.png")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_long_and_right_to_left_names_on_a_phone(
    windows: Windows, screenshots: Path, scheme: Literal["light", "dark"]
) -> None:
    ann = await windows.open(viewport=NARROW, has_touch=True, color_scheme=scheme)
    await is_live_on_a_phone(ann)
    await check_accessible(ann.page)
    for name, code in (("long", "WBK"), ("right-to-left", "NJM")):
        card = cards(ann).filter(has_text=code)
        await card.tap()
        await expect(ann.page.locator("#timeline")).to_contain_text("Chance", timeout=60_000)
        await check_accessible(ann.page)
        await ann.page.screenshot(path=screenshots / f"{name}-narrow-{scheme}.png")
        await ann.page.keyboard.press("Escape")
        await expect(ann.page.locator("#detail")).to_be_hidden()
        await expect(card).to_be_focused()
    assert not await ann.overflows()


class Viewer:
    """A client that follows all matches, as a page does.

    Attributes:
        seen: The numbers of the events of each match, as they came.
    """

    def __init__(self, client: Client) -> None:
        self.seen: dict[str, list[int]] = {}
        self._client = client

    async def follow(self) -> None:
        """Join the matches of today."""
        board: Any = await self._client.channel("league").join()
        await asyncio.gather(*(self._join(fixture["id"]) for fixture in board["fixtures"]))

    async def _join(self, match: str) -> None:
        seen = self.seen[match] = []
        room = self._client.channel(f"match:{match}")
        room.on("event", lambda event: seen.append(event["seq"]))
        state: Any = await room.join()
        seen[:0] = [event["seq"] for event in state["events"]]


@pytest.mark.long
async def test_two_hundred_viewers(
    windows: Windows, server: DemoProcess, screenshots: Path
) -> None:
    """A page beside two hundred others shows what they get, and nobody misses an event."""
    ann = await windows.open()
    async with AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{server.port}/socket"
        clients = [await stack.enter_async_context(Client(url)) for _ in range(200)]
        others = [Viewer(client) for client in clients]
        for other in others:
            await other.follow()
        await is_live(ann)
        await windows.picture(ann, screenshots / "two-hundred.png")
        match = await cards(ann).first.get_attribute("data-match") or ""
        await expect(ann.page.locator("#timeline")).to_contain_text("Full time", timeout=60_000)
        count = await entries(ann).count()
        await until(lambda: all(len(other.seen[match]) >= count for other in others))
        assert all(sorted({*other.seen[match]}) == [*range(1, count + 1)] for other in others)


async def is_live_on_a_phone(window: Window) -> None:
    await expect(window.page.locator("#banner")).to_have_attribute("data-state", "online")
    await expect(cards(window).first.locator(".minute")).to_have_text(re.compile(r"^[1-9]"))


@pytest.mark.long
async def test_a_server_that_has_lost_everything_begins_anew(
    windows: Windows, server: DemoProcess
) -> None:
    ann = await windows.open()
    await is_live(ann)
    await expect(entries(ann).nth(3)).to_be_attached()
    await server.kill()
    await expect(ann.page.locator("#banner")).to_have_attribute("data-state", "offline")
    await server.start()
    await expect(ann.page.locator("#timeline")).to_have_text("Nothing has happened yet.")
    await is_live(ann)
    await expect(entries(ann).nth(3)).to_be_attached()
