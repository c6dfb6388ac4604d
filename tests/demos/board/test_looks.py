"""What the page looks like: with four people and with two hundred, long names, right-to-left text, light and dark."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from bennu.client import Client
from bennu_demos.board.example import EXAMPLE
from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import Windows

from .people import visit
from .replica import new_id

pytestmark = pytest.mark.browser

TOPIC = f"board:{EXAMPLE}"
NAMES = (
    "Amira Haddad",
    "Wolfeschlegelsteinhausenbergerdorff Senior",
    "عبد الرحمن بن محمد",
    "Θεοδώρα Νίκου",
)


async def come(
    stack: AsyncExitStack, server: DemoProcess, name: str, card: str | None = None
) -> Any:
    """Join the board without a window."""
    client = Client(f"{server.url}socket", params={"token": new_id(), "name": name})
    channel = (await stack.enter_async_context(client)).channel(TOPIC, {"card": card})
    await channel.join()
    return channel


async def test_four_people(windows: Windows, server: DemoProcess, screenshots: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await come(stack, server, NAMES[0])
        board = await first.push("load", {})
        cards = {row["title"]: row["id"] for row in board["cards"]}
        for name, card in zip(
            NAMES[1:], ("Choose the menu", "Find a date", "Book the room"), strict=True
        ):
            await come(stack, server, name, cards[card])
        ann = await visit(windows)
        await expect(ann.page.locator("#people-count")).to_have_text("5 people")
        for list_title, title in (
            (
                "Doing",
                "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
            ),
            ("Review", "شراء الزهور والشموع للحفل"),
        ):
            await ann.page.get_by_label(f"New card in {list_title}").fill(title)
            await ann.press("Enter")
        await expect(ann.page.locator(".waiting")).to_have_count(0)
        await expect(ann.page.locator(".tile .avatar")).to_have_count(3)
        for scheme in ("light", "dark"):
            await ann.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await check_accessible(ann.page)
        await windows.picture(ann.window, screenshots / "four.png")
        await ann.take("Write the invitation")
        await ann.press("ArrowRight")
        await windows.picture(ann.window, screenshots / "keyboard.png")
        await ann.press("Escape")
        await ann.lift("Write the invitation", ann.card("List of guests"))
        await ann.page.screenshot(path=screenshots / "drag.png")
        await ann.page.mouse.up()
        await ann.open("Choose the menu")
        await windows.picture(ann.window, screenshots / "card.png")
        await ann.press("Escape")
        await ann.open("Find a date")
        here = f"\u2068{NAMES[2]}\u2069 also looks at this card"
        await expect(ann.page.locator("#card-here")).to_contain_text(here)
        await windows.picture(ann.window, screenshots / "card-right-to-left.png")
        await ann.press("Escape")
        await ann.go_offline()
        await ann.take("Book the room")
        await ann.press("ArrowRight", "Enter")
        await windows.picture(ann.window, screenshots / "offline.png")


@pytest.mark.long
async def test_two_hundred_people_and_cards(
    windows: Windows, server: DemoProcess, screenshots: Path
) -> None:
    async with AsyncExitStack() as stack:
        first = await come(stack, server, "Person 0")
        board = await first.push("load", {})
        a_list, card = board["lists"][0]["id"], board["cards"][0]["id"]
        for number in range(1, 200):
            await come(stack, server, f"Person {number}", card if number % 2 else None)
        for number in range(30):
            add = {"kind": "add_card", "card": new_id(), "list": a_list, "title": f"Card {number}"}
            await first.push("do", {"op": new_id(), "do": add})
        ann = await visit(windows)
        await expect(ann.page.locator("#people-count")).to_have_text("201 people")
        await expect(ann.titles("To do")).to_have_count(35)
        await windows.picture(ann.window, screenshots / "two-hundred.png")
        await ann.page.locator("#people-button").click()
        await expect(ann.page.locator("#people-list > li")).to_have_count(201)
        await check_accessible(ann.page)
        await windows.picture(ann.window, screenshots / "people.png")


@pytest.mark.long
async def test_states_without_a_board(windows: Windows, screenshots: Path) -> None:
    lost = await windows.open("#" + "0" * 32)
    await expect(lost.page.get_by_text("There is no board at this address")).to_be_visible()
    await windows.picture(lost, screenshots / "missing.png")
    ann = await visit(windows)
    await ann.page.get_by_role("button", name="New board").click()
    await expect(ann.page.get_by_label("Name of the board")).to_have_value("New board")
    await windows.picture(ann.window, screenshots / "new.png")
