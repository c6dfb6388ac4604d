"""Accounts, private rooms, messages that change, and moderators, in real browser windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from ..axe import check_accessible
from ..process import DemoProcess
from ..windows import Windows
from .guests import PASSWORD
from .picture import morning, write_to
from .serving import crowd
from .windows import Company, Person

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


async def choose(person: Person, button: Any, item: str) -> None:
    """Open a menu with the keyboard, and choose an item."""
    await button.focus()
    await button.press("Enter")
    await person.page.get_by_role("menuitem", name=item, exact=True).click()


@pytest.mark.long
async def test_first_visit_is_one_dialog(browser: Browser, server: DemoProcess) -> None:
    """A name and a password, and the page is there: also after a reload. Who logs out is asked again."""
    windows = Windows(browser, server.url)
    window = await windows.open()
    page = window.page
    dialog = page.get_by_role("dialog", name="Welcome")
    await expect(dialog.get_by_role("textbox", name="Your name")).to_be_focused()
    await check_accessible(page)
    await page.keyboard.type("Ann Lee")
    await page.keyboard.press("Tab")
    await page.keyboard.type("short")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("alert")).to_contain_text("at least 8 characters")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#me-state")).to_have_text("Online")
    await page.reload()
    await expect(page.locator("#me-name")).to_have_text("Ann Lee")
    await page.get_by_role("button", name="Log out").click()
    await dialog.get_by_role("button", name="Log in instead").click()
    again = page.get_by_role("dialog", name="Welcome back")
    await again.get_by_role("textbox", name="Your name").fill("ann lee")
    await page.get_by_label("Password").fill("wrong horse")
    await page.keyboard.press("Enter")
    await expect(again.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#me-state")).to_have_text("Online")
    refusals = [one for one in window.complaints if "status of 40" in one]
    assert len(refusals) == 2  # the browser's own lines about the short and the wrong password
    window.complaints = [one for one in window.complaints if one not in refusals]
    await windows.end()


@pytest.mark.long
async def test_two_people_talk_alone(company: Company) -> None:
    """A conversation shows what is unread, and who has read it. A third person sees nothing of it."""
    ann, bo, cy = [await company.invite(name) for name in ("Ann", "Bo", "Cy")]
    await write_to(ann, "Bo")
    await ann.say("Just us two")
    row = bo.page.get_by_role("link", name="Ann")
    await expect(row).to_contain_text("1 unread")
    await expect(row.locator(".badge")).to_have_text("1")
    await expect(ann.page.locator("#reads")).to_be_hidden()
    await row.click()
    await expect(bo.messages).to_have_text(["Just us two"])
    await expect(ann.page.locator("#reads")).to_have_text("Read by Bo")
    await expect(row.locator(".badge")).to_be_hidden()
    await expect(cy.page.locator("#direct-list li")).to_have_count(0)


@pytest.mark.long
async def test_private_room(company: Company) -> None:
    """Its maker invites people, who get a notification that leads there. Who leaves has it no more."""
    ann, bo = [await company.invite(name) for name in ("Ann", "Bo")]
    await ann.page.get_by_role("button", name="New room").click()
    await ann.page.get_by_role("textbox", name="Name of the room").fill("Surprise party")
    await ann.page.get_by_role("checkbox", name="Private").check()
    await ann.page.get_by_role("button", name="Open the room").click()
    await expect(ann.page.get_by_role("heading", name="Surprise party", exact=True)).to_be_visible()
    await ann.page.get_by_role("button", name="Invite somebody").click()
    await ann.page.get_by_role("textbox", name="Name of the person").fill("Bo")
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_role("dialog")).to_be_hidden()
    await ann.say("Welcome")
    await expect(ann.messages).to_have_text(["Welcome"])
    await bo.page.get_by_role("button", name="Notifications, 1 unread").click()
    await bo.page.get_by_role("link", name="Ann invited you to Surprise party").click()
    await expect(bo.messages).to_have_text(["Welcome"])
    await expect(bo.page.locator("#bell-badge")).to_be_hidden()
    await bo.page.get_by_role("button", name="Leave this room").click()
    await expect(bo.page).to_have_title("#lobby · Bennu chat")
    await expect(bo.page.locator("#room-list")).not_to_contain_text("Surprise party")


@pytest.mark.long
async def test_message_is_edited_and_removed(company: Company) -> None:
    """With the keyboard alone: arrow up edits the last message. All windows show the new text, and the removal."""
    ann, bo = [await company.invite(name) for name in ("Ann", "Bo")]
    await ann.say("Helo")
    await ann.composer.press("ArrowUp")
    await expect(ann.composer).to_have_value("Helo")
    await ann.composer.fill("Hello")
    await ann.composer.press("Enter")
    for person in (ann, bo):
        await expect(person.messages).to_have_text(["Hello (edited)"])
    await choose(ann, ann.page.get_by_role("button", name="Edit or remove this message"), "Remove")
    for person in (ann, bo):
        await expect(person.messages).to_have_text(["Message removed"])
    await expect(bo.page.get_by_role("button", name="Edit or remove")).to_have_count(0)


@pytest.mark.long
async def test_mention_is_read_on_all_devices(company: Company) -> None:
    """The bell counts. A look at the panel on one device is enough for all."""
    ann, bo = [await company.invite(name) for name in ("Ann", "Bo Lee")]
    phone = await company.invite("Bo Lee")
    await ann.say("Are you there, @Bo Lee?")
    for device in (bo, phone):
        await expect(device.page.locator("#bell-badge")).to_have_text("1")
    await bo.page.get_by_role("button", name="Notifications").click()
    await expect(bo.page.locator("#notification-list")).to_contain_text(
        "Ann mentioned you in lobby"
    )
    await bo.page.keyboard.press("Escape")
    for device in (bo, phone):
        await expect(device.page.locator("#bell-badge")).to_be_hidden()


@pytest.mark.long
async def test_moderator_mutes_and_removes(company: Company) -> None:
    """The person is told why, in words, and can go on in another room."""
    ann, bo = [await company.invite(name) for name in ("Ann", "Bo")]
    more = ann.page.get_by_role("button", name="More about Bo")
    await choose(ann, more, "Mute for 10 minutes")
    await expect(ann.page.get_by_text("Bo can't write here for 10 minutes.")).to_be_visible()
    await bo.write("But why?")
    await expect(
        bo.page.get_by_text("Not sent. A moderator has muted you here until")
    ).to_be_visible()
    await choose(ann, more, "Remove from this room")
    await expect(bo.page.get_by_text("A moderator has removed you from this room.")).to_be_visible()
    await expect(bo.composer).to_be_disabled()
    await bo.room("python").click()
    await bo.say("Here I can")
    await expect(ann.people).to_have_count(1)


@pytest.mark.long
async def test_blocked_person_sees_the_dialog(company: Company) -> None:
    """The connection ends, and the page starts anew with the dialog."""
    ann, bo = [await company.invite(name) for name in ("Ann", "Bo")]
    await choose(ann, ann.page.get_by_role("button", name="More about Bo"), "Block for a day")
    await expect(bo.page.get_by_role("dialog", name="Welcome")).to_be_visible()


@pytest.mark.parametrize("token_lasts", [31])
@pytest.mark.long
async def test_token_is_renewed_without_an_interruption(company: Company) -> None:
    """The page fetches the next token before its token expires. Its one connection goes on."""
    ann = await company.invite("Ann")
    async with ann.page.expect_response("**/api/token"):
        pass
    await ann.say("Still here")
    assert ann.sockets == 1


@pytest.mark.long
async def test_pages_look_well(
    company: Company, server: DemoProcess, screenshots: Path, browser: Browser
) -> None:
    """Four people with long names and right-to-left text: wide and narrow, light and dark."""
    ann, bo = await morning(company)
    windows = Windows(browser, server.url)
    for person, name in ((ann, "four"), (bo, "conversation")):
        await check_accessible(person.page)
        await windows.picture(person, screenshots / f"{name}.png")


@pytest.mark.long
async def test_two_hundred_people_fit(
    company: Company, server: DemoProcess, database: Path, screenshots: Path, browser: Browser
) -> None:
    """The list of people scrolls by itself, the number is right, and so is the order."""
    async with crowd(server, database, [f"Person {number}" for number in range(199)]):
        ann = await company.invite("Ann")
        await expect(ann.page.get_by_role("heading", name="People")).to_have_text("People 200")
        await expect(ann.people.nth(11)).to_contain_text("Person 10")  # after Ann, and 0 to 9
        await Windows(browser, server.url).picture(ann, screenshots / "crowd.png")
