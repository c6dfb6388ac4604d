"""The news site in Chromium: an editor in Django's admin, and readers with several tabs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import Window, Windows

from .conftest import run_command

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LONG = "An unusually long headline about the reconstruction of the northern harbour wall"
MANY = f"""
from bennu_demos.site.models import *
from django.contrib.auth.models import User
section = Section.objects.create(name="أخبار المدينة")
long = Section.objects.create(name="Weather, water and everything else")
ann = User.objects.get(username__startswith="ann")
ann.sections.add(section, long)
texts = ["{LONG}", "جسر جديد يفتح فوق النهر", "Donaudampfschifffahrtsgesellschaftskapitänsmütze", "A short one"]
for number in range(200):
    Article(section=[section, long][number % 2], title=texts[number % 4], summary=texts[(number + 1) % 4], is_published=True).save()
"""


async def sign_up(window: Window, name: str) -> None:
    page = window.page
    await page.get_by_role("link", name="Join").click()
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Password", exact=True).fill("correct horse")
    await page.get_by_label("Password confirmation").fill("correct horse")
    await page.get_by_role("button", name="Join").click()
    await is_online(page)


async def is_online(page: Page) -> None:
    await expect(page.locator("#banner")).to_have_attribute("data-state", "online")


async def publish(page: Page, title: str, section: str, body: str = "") -> None:
    """Write an article in the admin."""
    await page.goto(page.url.partition("/admin/")[0] + "/admin/news/article/add/")
    await page.get_by_label("Section:").select_option(label=section)
    await page.get_by_label("Title:").fill(title)
    await page.get_by_label("Summary:").fill("Ringed birds stay closer to their nests.")
    await page.get_by_label("Body:").fill(body)
    await page.get_by_label("Published").check()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("was added successfully")).to_be_visible()


async def log_in_as_admin(server: DemoProcess, page: Page) -> None:
    """Log in with the password that the first start has printed."""
    password = re.findall(r"with the password (\S+)", "".join(server.lines))[0]
    await page.goto(server.url + "admin/")
    await page.get_by_label("Username:").fill("admin")
    await page.get_by_label("Password:").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_an_editor_and_a_reader(
    server: DemoProcess, windows: Windows, screenshots: Path, tmp_path: Path
) -> None:
    ann, editor = await windows.open(), await windows.open()
    await sign_up(ann, "ann")
    one = ann.page
    bell = one.get_by_role("button", name=re.compile("Notifications"))
    await one.get_by_role("button", name="Science").click()
    await expect(one.get_by_role("button", name="Science")).to_have_attribute(
        "aria-pressed", "true"
    )
    await is_online(one)
    two = await one.context.new_page()
    await two.goto(server.url)
    await is_online(two)

    # Saved in the admin, on the page at once.
    await log_in_as_admin(server, editor.page)
    toast = expect(one.locator(".toast")).to_have_text("Science: Herons stay north")
    article = publish(editor.page, "Herons stay north", "Science", "First.\n\nSecond.")
    await asyncio.gather(toast, article)  # it is shown for seconds only
    await expect(one.get_by_role("link", name="Herons stay north").first).to_be_visible()
    await expect(bell).to_have_accessible_name("Notifications: 1 unread")
    await publish(editor.page, "A market under the rails", "City")
    await expect(one.locator("#articles > li")).to_have_count(5)
    await expect(one.locator("#articles > li h2").first).to_have_text("A market under the rails")
    await expect(bell).to_have_accessible_name("Notifications: 1 unread")

    # Read in one tab, read in the other.
    await expect(two.locator("#bell-number")).to_have_text("1")
    await expect(two).to_have_title(re.compile(r"^\(1\)"))
    await one.locator(".toast").wait_for(state="detached")
    await bell.click()
    await windows.picture(ann, screenshots / "four.png")
    await check_accessible(one)
    await one.get_by_role("button", name="Mark as read: Herons stay north").click()
    await expect(two.locator("#bell-number")).to_be_hidden()
    await expect(two).to_have_title("The Lakeside Post")

    # The page of an article is corrected while it is read.
    await one.get_by_role("link", name="Herons stay north").first.click()
    await expect(one.get_by_role("heading", level=1)).to_have_text("Herons stay north")
    await is_online(one)
    await editor.page.goto(server.url + "admin/news/article/")
    await editor.page.get_by_role("link", name="Herons stay north").click()
    await editor.page.get_by_label("Title:").fill("Herons stay farther north")
    await editor.page.get_by_label("Body:").fill("First.\n\nCorrected.")
    await editor.page.get_by_role("button", name="Save", exact=True).click()
    await expect(one.get_by_role("heading", level=1)).to_have_text("Herons stay farther north")
    await expect(one.locator("#text")).to_contain_text("Corrected.")
    await expect(one.locator("#corrected")).to_be_visible()
    await windows.picture(ann, screenshots / "article.png")
    await check_accessible(one)

    # From a command, in another process; also while the page was away.
    await asyncio.to_thread(
        run_command, tmp_path, "wire", "Swifts are back", "--section", "Science"
    )
    await expect(one.locator("#bell-number")).to_have_text("1")
    await server.kill()
    await expect(two.locator("#banner")).to_contain_text("You are offline")
    await windows.picture(ann, screenshots / "offline.png")
    await asyncio.to_thread(
        run_command, tmp_path, "wire", "Swifts have left", "--section", "Science"
    )
    await server.start()
    await expect(two.get_by_role("link", name="Swifts have left").first).to_be_attached()
    await expect(two.locator("#bell-number")).to_have_text("2")

    # A logout on one tab ends the other.
    await two.get_by_role("button", name="Log out").click()
    await expect(one.locator("#logged-out")).to_be_visible()
    await windows.picture(ann, screenshots / "logged-out.png")
    await check_accessible(one)


@pytest.mark.long
async def test_two_hundred_notifications_and_long_names(
    windows: Windows, screenshots: Path, tmp_path: Path
) -> None:
    ann = await windows.open()
    await sign_up(ann, "ann_with_a_remarkably_long_name_that_does_not_end")
    await asyncio.to_thread(run_command, tmp_path, "shell", "-c", MANY)
    await expect(ann.page.locator("#bell-number")).to_have_text("99+")
    await ann.page.reload()
    await is_online(ann.page)
    await windows.picture(ann, screenshots / "many.png")
    await check_accessible(ann.page)
    await ann.page.get_by_role("button", name=re.compile("Notifications")).click()
    await expect(ann.page.locator("#notes-list > li")).to_have_count(30)
    await windows.picture(ann, screenshots / "many-notes.png")
    await check_accessible(ann.page)
    await ann.page.get_by_role("button", name="Mark all as read").click()
    await expect(ann.page.locator("#bell-number")).to_be_hidden()


@pytest.mark.long
async def test_a_stranger_and_the_keyboard(windows: Windows, screenshots: Path) -> None:
    """The forms of the entry work without a mouse, and say what is wrong."""
    stranger = await windows.open()
    page = stranger.page
    await is_online(page)
    await windows.picture(stranger, screenshots / "stranger.png")
    await check_accessible(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.get_by_role("link", name="Log in").first.click()
    await page.get_by_label("Username").fill("nobody")
    await page.get_by_label("Password").fill("correct horse")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("correct username")
    await windows.picture(stranger, screenshots / "log-in.png")
    await check_accessible(page)
