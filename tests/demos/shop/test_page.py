"""The shop in Chromium: customers, the staff, and the warehouse in a process of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import Window, Windows

from .conftest import PASSWORD, run_python

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MANY = """
import asyncio
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from bennu_demos.shop.channels import DATA, open_shop
from bennu_demos.shop.store import Product, User

NAMES = ["ann", "أمينة بنت عبد الرحمن الكاتبة", "Donaudampfschifffahrtsgesellschaftskapitän", "Bo"]

async def main():
    async with open_shop() as store:
        engine = create_async_engine(f"sqlite+aiosqlite:///{DATA / 'shop.db'}")
        async with AsyncSession(engine) as session, session.begin():
            users = [User(name=f"{name} {number}"[:40], password="none") for number, name in enumerate(NAMES)]
            session.add_all(users)
            for number in range(40):
                name = ["قلم القصب المصري", "A very long name of a product that does not end soon", "Ink"][number % 3]
                session.add(Product(name=name, text=name, cents=100 * number, stock=500))
        await engine.dispose()
        for number in range(200):
            await store.place(users[number % 4], {10 + number % 3: 1 + number % 5, 20: 1})

asyncio.run(main())
"""

DIRECTIONS = "all => all.map((one) => getComputedStyle(one).direction)"


async def is_online(page: Page) -> None:
    await expect(page.locator("#banner")).to_have_attribute("data-state", "online")


async def make_account(window: Window, name: str) -> None:
    page = window.page
    await page.get_by_role("link", name="Log in").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make an account").click()
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    await is_online(page)


async def log_in_as_staff(server: DemoProcess, page: Page) -> None:
    """Log in with the password that the first start has printed."""
    password = re.findall(r"with the password (\S+)", "".join(server.lines))[0]
    await page.get_by_role("link", name="Log in").click()
    await page.get_by_label("Name").fill("staff")
    await page.get_by_label("Password").fill(password)
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Staff").click()
    await is_online(page)


async def test_an_order_from_the_cart_to_the_door(
    server: DemoProcess, windows: Windows, screenshots: Path, tmp_path: Path
) -> None:
    ann, guest, staff = await windows.open(), await windows.open(), await windows.open()
    await make_account(ann, "Ann")
    await is_online(guest.page)
    await log_in_as_staff(server, staff.page)

    # What Ann buys is gone on the page of a guest.
    page = ann.page
    for _ in range(2):
        await page.get_by_role("link", name="Reed & Ink").click()
        await page.get_by_role("button", name="Add to cart: Scribe's palette").click()
    await is_online(page)
    await windows.picture(ann, screenshots / "cart.png")
    await check_accessible(page)
    await page.get_by_role("button", name="Place the order").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Order 1")
    await is_online(page)
    palette = guest.page.locator(".product").filter(has_text="Scribe's palette")
    await expect(palette.locator(".stock")).to_have_text("Sold out")
    await expect(palette.get_by_role("button")).to_be_disabled()
    await windows.picture(guest, screenshots / "four.png")
    await check_accessible(guest.page)

    # The warehouse packs it, in another process. The staff ships it.
    step = page.locator("[aria-current=step]")
    await expect(step).to_have_text("Placed")
    await run_python(tmp_path, "-m", "bennu_demos.shop.warehouse", "--once")
    await expect(step).to_have_text("Packed")
    await expect(page.locator(".toast")).to_have_text("Order 1 was packed.")
    await windows.picture(ann, screenshots / "order.png")
    await check_accessible(page)
    row = staff.page.locator("[data-order='1']")
    await expect(row.locator(".state")).to_have_text("packed")
    await windows.picture(staff, screenshots / "staff.png")
    await check_accessible(staff.page)
    await row.get_by_role("button", name="Ship order 1").click()
    await expect(step).to_have_text("Shipped")

    # A notice from a shell is on all pages.
    text = "Free shipping until midnight"
    options = ("--app", "bennu_demos.shop.app:app", "shop", "notice", f'{{"text": "{text}"}}')
    await run_python(tmp_path, "-m", "bennu", "publish", *options)
    for window in (ann, guest, staff):
        await expect(window.page.locator("#notice-text")).to_have_text(text)
    await windows.picture(guest, screenshots / "notice.png")
    await guest.page.get_by_role("button", name="Close the notice").click()
    await expect(guest.page.locator("#notice")).to_be_hidden()

    # While the server is away the pages stay, and say so. Then they show what they have missed.
    await server.kill()
    await expect(guest.page.locator("#banner")).to_contain_text("You are offline")
    await windows.picture(guest, screenshots / "offline.png")
    await run_python(tmp_path, "-m", "bennu_demos.shop.warehouse", "--restock", "4", "7")
    await server.start()
    await expect(palette.locator(".stock")).to_have_text("7 left")
    await expect(palette.get_by_role("button")).to_be_enabled()

    # A logout on one tab ends the other.
    other = await page.context.new_page()
    await other.goto(server.url)
    await is_online(other)
    await other.get_by_role("button", name="Log out").click()
    await expect(page.locator("#logged-out")).to_be_visible()


@pytest.mark.long
async def test_two_hundred_orders_and_long_names(
    server: DemoProcess, windows: Windows, screenshots: Path, tmp_path: Path
) -> None:
    staff = await windows.open()
    await log_in_as_staff(server, staff.page)
    await windows.picture(staff, screenshots / "empty.png")
    await run_python(tmp_path, "-c", MANY)
    await staff.page.reload()
    await expect(staff.page.locator("#all-orders > li")).to_have_count(50)
    await is_online(staff.page)
    # A name that is written from right to left does not turn the sentence around it.
    items = staff.page.locator("#all-orders .items").filter(has_text="قلم")
    names = items.locator("bdi").filter(has_text="قلم")
    assert set(await items.evaluate_all(DIRECTIONS)) == {"ltr"}
    assert set(await names.evaluate_all(DIRECTIONS)) == {"rtl"}
    await windows.picture(staff, screenshots / "many-staff.png")
    await check_accessible(staff.page)
    await staff.page.get_by_role("link", name="Reed & Ink").click()
    await is_online(staff.page)
    await windows.picture(staff, screenshots / "many.png")
    await check_accessible(staff.page)


@pytest.mark.long
async def test_a_login_that_fails(windows: Windows, screenshots: Path) -> None:
    """The keyboard is enough, and the page says what is wrong."""
    guest = await windows.open()
    page = guest.page
    await is_online(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.get_by_role("link", name="Log in").click()
    await page.get_by_label("Name").fill("Nobody")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("wrong")
    guest.complaints.clear()  # the browser logs the status 422
    await windows.picture(guest, screenshots / "log-in.png")
    await check_accessible(page)
