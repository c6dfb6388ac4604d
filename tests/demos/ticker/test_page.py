"""The ticker's page in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Locator, Page, expect

from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import NARROW, Window, Windows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PRICE: Final = re.compile(r"^[\d,]+\.\d\d$")


def rows(window: Window) -> Locator:
    return window.page.locator("#rows .row")


def row(window: Window, symbol: str) -> Locator:
    return rows(window).filter(has=window.page.locator(f".symbol:text-is('{symbol}')"))


async def is_live(window: Window) -> None:
    """Wait until the page shows prices."""
    await expect(window.page.locator("#banner")).to_have_attribute("data-state", "online")
    await expect(rows(window).nth(3).locator(".price")).to_have_text(PRICE)


async def changes(target: Locator) -> None:
    """Wait until a text changes."""
    before = await target.text_content()
    await expect(target).not_to_have_text(before or "")


async def top_symbol(page: Page) -> str:
    text = await page.locator("#row-0 .symbol").text_content()
    assert text
    return text


async def test_prices_move_and_two_people_see_the_same(windows: Windows, screenshots: Path) -> None:
    ann, bo = await windows.open(), await windows.open()
    await is_live(ann)
    await is_live(bo)
    symbol = await top_symbol(ann.page)
    await changes(row(ann, symbol).locator(".price"))
    await expect(ann.page.locator("#session-text")).to_contain_text("Open, closes in")
    await expect(ann.page.locator("#stats")).to_contain_text("batches in a second")
    await check_accessible(ann.page)
    await windows.picture(ann, screenshots / "ticker.png")
    await expect(bo.page.locator("#detail-symbol")).to_have_text(symbol)
    await expect(bo.page.locator("[data-fact=volume]")).not_to_have_text("–")


@pytest.mark.long
async def test_only_the_rows_in_sight_are_there_and_watched(
    windows: Windows, screenshots: Path
) -> None:
    ann = await windows.open()
    await is_live(ann)
    await expect(ann.page.locator("#grid")).to_have_attribute("aria-rowcount", "5001")
    assert await rows(ann).count() < 40
    await ann.page.locator("#grid").evaluate("(grid) => { grid.scrollTop = 100_000; }")
    await expect(ann.page.locator("#row-1790")).to_be_visible()
    await expect(ann.page.locator("#row-1790 .price")).to_have_text(PRICE)
    assert await rows(ann).count() < 40
    await expect(ann.page.locator("#stats")).to_have_text(re.compile(r"^Symbols watched: [1-3]\d,"))
    await windows.picture(ann, screenshots / "far-down.png")


@pytest.mark.long
async def test_search_by_name_and_keyboard(windows: Windows, screenshots: Path) -> None:
    ann = await windows.open()
    await is_live(ann)
    await ann.page.get_by_label("Search a symbol or a company").fill("greater westmoorland")
    await expect(rows(ann)).to_have_count(1)
    await ann.page.keyboard.press("ArrowDown")
    await expect(ann.page.locator("#detail-symbol")).to_have_text("GWDM")
    await expect(ann.page.locator("#detail-price")).to_have_text(PRICE)
    await ann.page.keyboard.press("Space")
    await expect(rows(ann).locator(".star")).to_have_attribute("aria-pressed", "true")

    await ann.page.get_by_label("Search a symbol or a company").fill("")
    await ann.page.get_by_role("button", name="Watch list", exact=True).click()
    await expect(rows(ann)).to_have_count(1)
    await windows.picture(ann, screenshots / "long-name.png")
    await row(ann, "GWDM").locator(".star").click()
    await expect(ann.page.get_by_text("Your watch list is empty")).to_be_visible()
    await check_accessible(ann.page)
    await windows.picture(ann, screenshots / "empty.png")

    await ann.page.get_by_role("button", name="A to Z").click()
    await ann.page.locator("#grid").press("End")
    await expect(ann.page.locator("#row-4999")).to_be_in_viewport()
    await ann.page.locator("#grid").press("Home")
    await expect(ann.page.locator("#row-0")).to_have_attribute("aria-selected", "true")


@pytest.mark.long
async def test_gainers_are_sorted(windows: Windows) -> None:
    ann = await windows.open()
    await is_live(ann)
    await ann.page.get_by_role("button", name="Gainers").click()
    await expect(ann.page.locator("#grid")).to_have_attribute("aria-rowcount", "21")
    await expect(ann.page.locator("#row-0 .change")).to_contain_text("▲ +")
    await ann.page.get_by_role("button", name="Losers").click()
    await expect(ann.page.locator("#row-0 .change")).to_contain_text("▼ −")


@pytest.mark.long
async def test_a_slow_page_gets_few_batches(windows: Windows) -> None:
    ann = await windows.open()
    await is_live(ann)
    await expect(ann.page.locator("#stats")).to_contain_text("batches in a second: 4")
    await ann.page.get_by_label("This page").select_option(label="is very slow: 5 s")
    await expect(ann.page.locator("#stats")).to_contain_text("batches in a second: 0")
    await expect(ann.page.locator("#stats")).to_contain_text("batches in a second: 1")


@pytest.mark.long
async def test_right_to_left_and_dark_on_a_phone(windows: Windows, screenshots: Path) -> None:
    ann = await windows.open(viewport=NARROW, has_touch=True, color_scheme="dark")
    await is_live(ann)
    await check_accessible(ann.page)
    await row(ann, "النور").locator(".names").tap()
    detail = ann.page.locator("#detail")
    await expect(detail).to_be_visible()
    await expect(ann.page.locator("#detail-price")).to_have_text(PRICE)
    await check_accessible(ann.page)
    await ann.page.screenshot(path=screenshots / "detail-narrow-dark.png")
    await ann.page.keyboard.press("Escape")
    await expect(detail).to_be_hidden()
    await expect(ann.page.locator("#grid")).to_be_focused()


@pytest.mark.long
async def test_the_page_goes_on_after_the_server_was_gone(
    windows: Windows, server: DemoProcess, screenshots: Path
) -> None:
    ann = await windows.open()
    await is_live(ann)
    await server.kill()
    await expect(ann.page.locator("#banner")).to_have_attribute("data-state", "offline")
    await windows.picture(ann, screenshots / "offline.png")
    await server.start()
    await is_live(ann)
    await changes(rows(ann).nth(0).locator(".price"))
