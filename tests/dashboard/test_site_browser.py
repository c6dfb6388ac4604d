"""The page in a browser, with two nodes under load."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from bennu.inspect import Recording
from tests.demos.axe import check_accessible
from tests.demos.windows import Windows

from .apps import PASSWORD
from .crowd import Crowd, crowd

pytestmark = [pytest.mark.browser, pytest.mark.clock("real"), pytest.mark.timeout(240)]


@pytest.fixture
async def people() -> AsyncIterator[Crowd]:
    async with crowd() as people:
        people.talk()
        yield people


@pytest.fixture
async def windows(browser: Browser, people: Crowd) -> AsyncIterator[Windows]:
    windows = Windows(browser, people.url)
    yield windows
    await windows.end()


async def log_in(page: Page) -> None:
    await page.locator("#password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("#state")).to_have_attribute("data-state", "online")
    await expect(page.locator("#nodes tr")).to_have_count(2)


async def test_two_nodes_under_load(windows: Windows, screenshots: Path) -> None:
    """The password, the figures, a search, a disconnect."""
    window = await windows.open()
    page = window.page
    await page.locator("#password").fill("a wrong password")
    await page.keyboard.press("Enter")
    await expect(page.locator("#login-problem")).to_have_text("The password is wrong")
    await check_accessible(page)
    await windows.picture(window, screenshots / "login.png")
    window.complaints.clear()  # of the 401 and the 403
    await log_in(page)

    topics = page.locator("#topics tr")
    await expect(topics.first.locator("td").first).to_have_text("room:lobby")
    await expect(topics.first.locator("td").nth(4)).to_have_text("2")
    await expect(page.locator("#tiles .value").nth(1)).to_contain_text("/s")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await check_accessible(page)
    await windows.picture(window, screenshots / "overview.png")

    await topics.first.get_by_role("button", name="Clients in room:lobby").click()
    await expect(page.locator("#found")).to_have_text("6 clients.")
    await page.locator("#find-text").fill("users:eve")
    await page.keyboard.press("Enter")
    await expect(page.locator("#found")).to_have_text("1 client.")
    await expect(page.locator(".connection h3")).to_have_text("users:eve")
    await check_accessible(page)
    await windows.picture(window, screenshots / "clients.png")
    await page.get_by_role("button", name="Disconnect connection").click()
    await expect(page.locator("#confirm")).to_be_visible()
    await check_accessible(page)
    await windows.picture(window, screenshots / "confirm.png")
    await page.keyboard.press("Escape")
    await expect(page.locator(".connection")).to_have_count(1)
    await page.get_by_role("button", name="Disconnect connection").click()
    await page.locator("#confirm-yes").click()
    await expect(page.locator("#found")).to_contain_text("was disconnected")
    await expect(page.locator(".connection")).to_have_count(0)

    await page.get_by_role("button", name="Log out").click()
    await expect(page.locator("#login")).to_be_visible()
    await page.reload()
    await expect(page.locator("#login")).to_be_visible()
    window.complaints.clear()  # of the 401


@pytest.mark.long
async def test_the_inspector_follows_and_saves(windows: Windows, screenshots: Path) -> None:
    """A topic on two nodes, then a connection, which becomes a recording."""
    window = await windows.open()
    page = window.page
    await log_in(page)
    window.complaints.clear()  # of the 401
    await page.locator("#topics tr").first.get_by_role("button", name="Inspect").click()
    await expect(page.locator("#follow-state")).to_have_text(
        "Following the topic room:lobby on node-1, node-2."
    )
    rows = page.locator("#records li")
    await expect(rows.filter(has_text="from node-1").first).to_be_attached()
    await expect(rows.filter(has_text="reply to say").first).to_be_attached()
    await rows.filter(has_text="said: to 3 of 3").first.locator("summary").click()
    await expect(rows.locator("pre").first).to_contain_text("[FILTERED]")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await check_accessible(page)
    await windows.picture(window, screenshots / "inspector.png")

    await page.locator("#filter-kind").select_option("in")
    await expect(rows.filter(has_text="to client")).to_have_count(0)
    await page.locator("#pause").click()
    shown = await rows.count()
    await expect(page.locator("#counts")).to_contain_text("paused")
    assert await rows.count() == shown
    await expect(page.locator("#save")).to_be_disabled()

    await page.locator("#follow-kind").select_option("user")
    await page.locator("#follow-name").fill("users:ann")
    await page.keyboard.press("Enter")
    await page.locator("#filter-kind").select_option("")
    await expect(rows.filter(has_text="reply to say").nth(2)).to_be_attached()
    async with page.expect_download() as waiting:
        await page.locator("#save").click()
    download = await waiting.value
    recording = Recording.read((await download.path()).read_bytes().splitlines())
    assert recording.header.user == "users:ann"
    assert set(recording.header.joined) == {"room:lobby", "room:ann"}
    pushes = [one for one in recording.frames if one.side == "client"]
    assert {one.parts[3] for one in pushes} == {"say"}
    assert pushes[0].parts[4]["password"] == "[FILTERED]"
    assert recording.lost == 0
    await page.context.set_offline(True)
    await expect(page.locator("#state")).to_have_attribute("data-state", "offline")
    await check_accessible(page)
    await page.locator("#clear").click()
    await page.context.set_offline(False)
    await expect(page.locator("#state")).to_have_attribute("data-state", "online")
    await expect(rows.filter(has_text="reply to say").first).to_be_attached()

    await page.locator("#follow-stop").click()
    await expect(page.locator("#follow-state")).to_contain_text("Nothing is followed")
