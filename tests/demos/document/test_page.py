"""People with browser windows write one text."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from bennu.client import Client
from bennu_demos.document.app import WELCOME
from bennu_demos.document.keys import id_of
from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import Window, Windows
from tests.support.until import until

from .writer import Writer

FROM_THE_RIGHT = "مرحبا بكم في النص المشترك."
LONG_NAME = "Ankhesenamun Nefer-Kheperu-Ra the Younger"

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


async def show(windows: Windows, screenshots: Path, name: str, page: Page) -> None:
    """Check labels and contrast in light and dark, and take pictures."""
    for scheme in ("light", "dark"):
        await page.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await check_accessible(page.page)
    await windows.picture(page.window, screenshots / f"{name}.png")


async def enter(client: Client, name: str, document: str, key: str) -> Writer:
    """Open a document without a browser."""
    writer = Writer(name)
    joining = {"client": writer.client, "name": name, "key": key}
    room = client.channel(f"doc:{document}", joining)
    room.on("yjs", writer.receive)
    await room.join()
    writer.joined(room.push)
    await until(lambda: writer.has_answered)
    return writer


async def test_people_write_and_see_each_other(windows: Windows, screenshots: Path) -> None:
    """Two people, then four, with a long name and one that is written from right to left."""
    ann = await open_new(windows, "Ann")
    bo = await open_as(windows, "Bo", ann.page.url)
    await bo.is_saved()
    await ann.write("Minutes of the meeting\n\nWe met.")
    await expect(bo.lines).to_have_text(["Minutes of the meeting", "", "We met."])
    await expect(bo.carets).to_have_text("Ann")
    await bo.text.press("Control+End")
    await bo.write(" We ate.")
    await expect(ann.lines).to_have_text(["Minutes of the meeting", "", "We met. We ate."])
    await expect(ann.page.get_by_role("heading", name="Minutes of the meeting")).to_be_visible()
    await expect(ann.page.locator("#count")).to_have_text("2 here")

    long = await open_as(windows, LONG_NAME, ann.page.url)
    await long.is_saved()
    await long.text.press("Control+Home")
    await long.text.press("End")
    await long.write(
        " of the House of Life, which was held in the morning, before it became too hot"
    )
    right = await open_as(windows, "نفرتيتي", ann.page.url)
    await right.is_saved()
    await right.text.press("Control+End")
    await right.write(f"\n\n{FROM_THE_RIGHT}")
    await expect(ann.lines.last).to_have_text(FROM_THE_RIGHT)
    await bo.text.press("Control+End")
    await bo.text.press("Shift+Home")
    await expect(ann.carets).to_have_count(3)
    await expect(ann.page.locator(".box").first).to_be_visible()
    await show(windows, screenshots, "four", ann)


@pytest.mark.long
async def test_edits_made_offline_are_merged(windows: Windows, screenshots: Path) -> None:
    ann = await open_new(windows, "Ann")
    bo = await open_as(windows, "Bo", ann.page.url)
    await bo.is_saved()
    await ann.write("middle")
    await expect(bo.lines).to_have_text("middle")
    for one in (ann, bo):
        await one.page.context.set_offline(True)
        await expect(one.state).to_contain_text("Offline")
        await expect(one.carets).to_have_count(0)
    await ann.text.press("Home")
    await ann.write("ann's begin, ")
    await bo.text.press("End")
    await bo.write(", bo's end")
    await expect(ann.lines).to_have_text("ann's begin, middle")
    await show(windows, screenshots, "offline", ann)
    for one in (ann, bo):
        await one.page.context.set_offline(False)
    for one in (ann, bo):
        await one.is_saved()
        await expect(one.lines).to_have_text("ann's begin, middle, bo's end")
        await expect(one.carets).to_have_count(1)
    await ann.text.press("Control+z")  # takes back what Ann wrote, and not what Bo wrote
    await expect(bo.lines).not_to_contain_text("ann's begin")
    await expect(bo.lines).to_contain_text("bo's end")


@pytest.mark.long
async def test_a_link_for_reading(windows: Windows, screenshots: Path) -> None:
    """Its page shows everything, says that it only reads, and can't change the text."""
    ann = await open_new(windows, "Ann")
    await ann.write("Hello")
    await ann.page.get_by_role("button", name="Share").click()
    link = await ann.page.get_by_label("Link for reading", exact=True).input_value()
    await show(windows, screenshots, "share", ann)
    await ann.page.keyboard.press("Escape")

    rae = await open_as(windows, "Rae", link)
    await expect(rae.state).to_have_text("Read only")
    await expect(rae.lines).to_have_text("Hello")
    await rae.text.press("End")
    await rae.write(" mine")
    await ann.text.press("End")
    await ann.write(" world")
    await expect(rae.lines).to_have_text("Hello world")
    await show(windows, screenshots, "read", rae)

    await ann.page.get_by_role("button", name="here").click()
    await expect(ann.page.locator("#people-list li")).to_have_text(["AAnnyou", "RRaereads"])
    await ann.page.get_by_label("Your name").fill("Anna")
    await ann.page.get_by_role("button", name="Change").click()
    await expect(ann.page.locator("#people-list")).to_contain_text("Anna")
    await show(windows, screenshots, "people", ann)
    await rae.page.get_by_role("button", name="here").click()
    await expect(rae.page.locator("#people-list")).to_contain_text("Anna")


@pytest.mark.long
async def test_the_first_page(windows: Windows, screenshots: Path) -> None:
    """It has the documents that the browser has opened, with their titles."""
    ann = await open_new(windows, "Ann")
    await ann.write("Shopping list\n\nfigs")
    await expect(ann.page.get_by_role("heading", name="Shopping list")).to_be_visible()
    await ann.page.get_by_role("link", name="All documents").click()
    await expect(ann.page.locator("#documents a")).to_have_count(2)
    await show(windows, screenshots, "home", ann)
    await ann.page.get_by_role("link", name="Shopping list").click()
    await expect(ann.lines).to_have_text(["Shopping list", "", "figs"])


@pytest.mark.long
async def test_links_that_do_not_work(windows: Windows, screenshots: Path) -> None:
    ann = Page(await windows.open("document.html#nothing"))
    await expect(ann.page.get_by_role("heading", name="There is no such document")).to_be_visible()
    await show(windows, screenshots, "missing", ann)
    bo = Page(await windows.open("document.html#nothing.key"))
    await expect(bo.page.get_by_role("heading", name="This link is not complete")).to_be_visible()


@pytest.mark.long
async def test_a_server_that_is_killed_loses_nothing(windows: Windows, server: DemoProcess) -> None:
    ann = await open_new(windows, "Ann")
    await ann.write("before")
    await ann.is_saved()
    await server.kill()
    await expect(ann.state).to_contain_text("Offline")
    await ann.write(", meanwhile")
    await server.start()
    await ann.is_saved()
    await ann.write(", after")
    bo = await open_as(windows, "Bo", ann.page.url)
    await expect(bo.lines).to_have_text("before, meanwhile, after")


@pytest.mark.long
async def test_two_hundred_people(windows: Windows, server: DemoProcess, screenshots: Path) -> None:
    ann = await open_new(windows, "Ann")
    await ann.write("A text\n" + "\nEveryone has a line here, and a cursor." * 20)
    await ann.is_saved()
    document, key = ann.page.url.split("#")[1].split(".")
    async with AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{server.port}/socket"
        clients = [await stack.enter_async_context(Client(url)) for _ in range(199)]
        guests = [
            enter(client, f"Guest {number}", document, key) for number, client in enumerate(clients)
        ]
        for number, writer in enumerate((await asyncio.gather(*guests))[:12]):
            writer.point(writer.text.index("line", 39 * number))
        await expect(ann.page.locator("#count")).to_have_text("200 here")
        await expect(ann.page.locator(".caret.named")).to_have_count(0)
        await show(windows, screenshots, "crowd", ann)
        await ann.page.get_by_role("button", name="here").click()
        listed = ann.page.locator("#people-list li")
        await expect(listed).to_have_count(200)
        await expect(listed.nth(11)).to_contain_text("Guest 10")  # after Ann, and 0 to 9
        await show(windows, screenshots, "crowd-people", ann)


@pytest.mark.long
async def test_the_picture_of_the_readme(
    windows: Windows, server: DemoProcess, screenshots: Path
) -> None:
    """The document that everybody has, with three others in it: picture.png in the demo's folder is this one."""
    ann = await open_as(windows, "Ann", f"{windows.url}document.html#{id_of(WELCOME)}.{WELCOME}")
    await ann.is_saved()
    await expect(ann.lines.first).to_have_text("Welcome")
    async with AsyncExitStack() as stack:
        writers = []
        for name in ("Bo", "Imhotep", "Nefertari"):
            client = await stack.enter_async_context(Client(f"ws://127.0.0.1:{server.port}/socket"))
            writers.append(await enter(client, name, id_of(WELCOME), WELCOME))
        for writer, words in zip(writers, ("second window", "at the same", "Stop"), strict=True):
            writer.point(writer.text.index(words))
        await expect(ann.carets).to_have_count(3)
        await expect(ann.page.locator(".caret.named")).to_have_count(3)
        await ann.page.screenshot(path=screenshots / "picture.png")
        await expect(ann.page.locator(".caret.named")).to_have_count(0)  # the names go
