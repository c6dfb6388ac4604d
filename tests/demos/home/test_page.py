"""The page that leads to all demos."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from bennu_demos.catalog import DEMOS

from ..axe import check_accessible
from ..process import DemoProcess, run_demo
from ..windows import Windows

pytestmark = pytest.mark.browser


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    environment = {"BENNU_DEMO_PORTS": "chat=4001 board=4002"}
    async with run_demo("bennu_demos.home.app:app", tmp_path, environment=environment) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()


async def test_it_leads_to_the_demos_that_run(windows: Windows, screenshots: Path) -> None:
    """Each demo has its title, its text and its picture. One that does not run names its command."""
    window = await windows.open()
    page = window.page
    cards = page.get_by_role("listitem")
    await expect(cards).to_have_count(len(DEMOS))
    for one, card in zip(DEMOS, await cards.all(), strict=True):
        await expect(card).to_contain_text(one.title)
        await expect(card).to_contain_text(one.text)
        await expect(card).to_contain_text(f"bennu demo {one.name}")
    await expect(page.get_by_role("link")).to_have_count(2)
    link = page.get_by_role("link", name="Chat", exact=True)
    await expect(link).to_have_attribute("href", "http://127.0.0.1:4001/")
    await check_accessible(page)
    await page.evaluate("document.querySelectorAll('img').forEach(one => one.loading = 'eager')")
    await page.wait_for_load_state("networkidle")
    assert not await page.evaluate(
        "[...document.querySelectorAll('.demo img')].filter(one => !one.naturalWidth).map(one => one.src)"
    )
    await windows.picture(window, screenshots / "home.png")
