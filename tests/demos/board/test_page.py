"""The page of the board, in Chromium, with several people."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess
from tests.demos.windows import Windows

from .people import Person, visit

pytestmark = pytest.mark.browser

DOING = ("Choose the menu", "Ask Amira about the music")
DONE = ("Find a date", "Set the budget")


async def test_a_card_is_moved_with_the_mouse(windows: Windows) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.drag("Book the room", ann.card("Ask Amira about the music"))
    for person in (ann, bo):
        await expect(person.titles("Doing")).to_have_count(3)
        await expect(person.titles("To do")).to_have_count(4)
    assert (
        await ann.titles("Doing").all_text_contents()
        == await bo.titles("Doing").all_text_contents()
    )
    await ann.page.reload()
    await expect(ann.titles("Doing")).to_have_text(await bo.titles("Doing").all_text_contents())
    await check_accessible(ann.page)


@pytest.mark.long
async def test_a_list_is_moved_with_the_mouse(windows: Windows) -> None:
    ann, bo = await visit(windows), await visit(windows)
    grip = ann.page.get_by_role("button", name="Move the list Done", exact=True)
    await grip.hover()
    await ann.page.mouse.down()
    await ann.page.mouse.move(400, 90, steps=12)
    await ann.page.mouse.move(60, 92, steps=12)
    await expect(ann.page.locator(".lane:first-child.sortable-ghost")).to_have_count(1)
    await ann.page.mouse.up()
    for person in (ann, bo):
        lists = person.page.locator(".tiles")
        for index, title in enumerate(("Done", "To do", "Doing", "Review")):
            await expect(lists.nth(index)).to_have_attribute("aria-label", title)


@pytest.mark.long
async def test_a_card_is_moved_with_a_finger_on_a_phone(windows: Windows) -> None:
    phone: dict[str, Any] = {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
    }
    ann, bo = await visit(windows, **phone), await visit(windows)
    await ann.drag_by_touch("Book the room", ann.card("Open this page in a second window"))
    for person in (ann, bo):
        await expect(person.titles("To do").nth(4)).to_have_text("Write the invitation")
    order = await ann.titles("To do").all_text_contents()
    assert order.index("Book the room") <= 1
    await bo.shows("To do", *order)


@pytest.mark.long
async def test_a_card_is_moved_with_the_keyboard_and_a_line_says_where_it_is(
    windows: Windows,
) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.take("Write the invitation")
    await ann.press("ArrowRight")
    await expect(ann.said).to_have_text("Write the invitation: Doing, place 3 of 3")
    await ann.press("ArrowUp", "ArrowUp")
    await expect(ann.said).to_have_text("Write the invitation: Doing, place 1 of 3")
    await expect(ann.titles("Doing")).to_have_count(3)
    await bo.shows("Doing", *DOING)
    await ann.press("Enter")
    await bo.shows("Doing", "Write the invitation", *DOING)
    grip = ann.page.get_by_role("button", name="Move the card Write the invitation")
    await expect(grip).to_be_focused()

    await ann.press("Enter", "ArrowLeft", "Escape")
    await expect(ann.said).to_contain_text("back in its place")
    await ann.shows("Doing", "Write the invitation", *DOING)

    await ann.page.get_by_role("button", name="Move the list Review", exact=True).focus()
    await ann.press("Enter", "ArrowLeft")
    await expect(ann.said).to_have_text("Review: list 2 of 4")
    await ann.press("Enter")
    await expect(bo.page.locator(".tiles").nth(1)).to_have_attribute("aria-label", "Review")


@pytest.mark.long
async def test_two_people_who_move_one_card_at_the_same_time_see_it_in_one_place(
    windows: Windows,
) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.take("Book the room")
    await ann.press("ArrowRight", "ArrowUp")
    await bo.take("Book the room")
    await bo.press("ArrowRight", "ArrowRight", "ArrowRight")
    await asyncio.gather(ann.press("Enter"), bo.press("Enter"))
    for person in (ann, bo):
        await expect(person.page.locator(".waiting")).to_have_count(0)
        await expect(person.card("Book the room")).to_have_count(1)
        await expect(person.titles("To do")).to_have_count(4)
    await ann.page.reload()
    for of in ("Doing", "Done"):
        await ann.shows(of, *await bo.titles(of).all_text_contents())


@pytest.mark.long
async def test_moves_made_offline_are_sent_when_the_page_is_back(windows: Windows) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.go_offline()
    await ann.drag("Book the room", ann.card("List of guests"))
    await expect(ann.titles("Review")).to_have_count(2)
    await expect(ann.card("Book the room")).to_have_class(re.compile("waiting"))
    await ann.page.get_by_label("New card in Done").fill("Say thanks")
    await ann.press("Enter")
    await ann.shows("Done", *DONE, "Say thanks")
    await bo.drag("Choose the menu", bo.card("Set the budget"))
    await expect(bo.titles("Done")).to_have_count(3)
    await ann.shows("Doing", *DOING)
    await ann.come_back()
    for person in (ann, bo):
        await person.shows("Doing", "Ask Amira about the music")
        await expect(person.titles("Done")).to_have_count(4)
        await expect(person.titles("Review")).to_have_count(2)
        await expect(person.page.locator(".waiting")).to_have_count(0)
    await ann.shows("Done", *await bo.titles("Done").all_text_contents())


@pytest.mark.long
async def test_only_the_refused_move_is_undone(windows: Windows) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.go_offline()
    await ann.take("List of guests")
    await ann.press("ArrowLeft", "Enter")
    await ann.take("Book the room")
    await ann.press("ArrowRight", "Enter")
    await ann.shows("Doing", "List of guests", *DOING, "Book the room")
    await bo.open("List of guests")
    await bo.dialog.get_by_role("button", name="Remove").click()
    await bo.shows("Review")
    await ann.come_back()
    await expect(ann.toast).to_have_text("Someone has removed this card.")
    for person in (ann, bo):
        await person.shows("Doing", *DOING, "Book the room")
        await expect(person.card("List of guests")).to_have_count(0)


@pytest.mark.long
async def test_a_change_that_the_server_refuses_is_undone_in_the_page(windows: Windows) -> None:
    ann = await visit(windows)
    field = ann.page.get_by_label("New card in Review")
    await field.evaluate("field => field.removeAttribute('maxlength')")
    await field.fill("long " * 60)
    await field.press("Enter")
    await expect(ann.toast).to_contain_text("A title needs 1 to 200 characters")
    await ann.shows("Review", "List of guests")


@pytest.mark.long
async def test_who_looks_at_a_card_and_what_happens_to_two_edits(windows: Windows) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.open("Set the budget")
    await expect(bo.card("Set the budget").locator(".avatar")).to_have_count(1)
    await bo.open("Set the budget")
    await expect(bo.dialog).to_contain_text("also looks at this card")
    await check_accessible(bo.page)
    await ann.dialog.get_by_label("Description").fill("400, from Ann")
    await bo.dialog.get_by_label("Description").fill("500, from Bo")
    await ann.save()
    await expect(bo.dialog.get_by_role("status")).to_contain_text("your text replaces theirs")
    await expect(bo.dialog.get_by_label("Description")).to_have_value("500, from Bo")
    await bo.save()
    await expect(ann.card("Set the budget").locator(".avatar")).to_have_count(0)
    await expect(bo.page.locator(".waiting")).to_have_count(0)
    await ann.open("Set the budget")
    await expect(ann.dialog.get_by_label("Description")).to_have_value("500, from Bo")


@pytest.mark.long
async def test_an_edit_made_offline_does_not_replace_the_edit_of_another_person(
    windows: Windows,
) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.go_offline()
    for text in ("Ann's first", "Ann's second"):
        await ann.open("Find a date")
        await ann.dialog.get_by_label("Description").fill(text)
        await ann.save()
        await expect(ann.dialog).to_be_hidden()
    await ann.open("Set the budget")
    await ann.dialog.get_by_label("Title").fill("Set Ann's budget")
    await ann.save()
    await bo.open("Set the budget")
    await bo.dialog.get_by_label("Title").fill("Set Bo's budget")
    await bo.save()
    await bo.shows("Done", "Find a date", "Set Bo's budget")
    await ann.come_back()
    await expect(ann.dialog.get_by_role("status")).to_contain_text("Set Bo's budget")
    await expect(ann.dialog.get_by_label("Title")).to_have_value("Set Ann's budget")
    await ann.save()
    await bo.shows("Done", "Find a date", "Set Ann's budget")
    await bo.open("Find a date")
    await expect(bo.dialog.get_by_label("Description")).to_have_value("Ann's second")


@pytest.mark.long
async def test_a_new_board_is_one_click_away_and_its_address_can_be_shared(
    windows: Windows, server: DemoProcess
) -> None:
    ann = await visit(windows)
    await ann.page.get_by_role("button", name="New board").click()
    await expect(ann.page.get_by_label("Name of the board")).to_have_value("New board")
    await ann.page.get_by_label("Name of the board").fill("Moving house")
    await ann.press("Enter")
    await ann.page.get_by_label("New list").fill("Boxes")
    await ann.press("Enter")
    await ann.page.get_by_label("New card in Boxes").fill("Books")
    await ann.press("Enter")
    await ann.page.get_by_label("Name of the list Done").fill("Over")
    await ann.press("Enter")
    await ann.page.get_by_role("button", name="Remove the list Doing").click()
    await expect(ann.page.locator(".waiting")).to_have_count(0)
    bo = await visit(windows, ann.page.url.removeprefix(server.url))
    await expect(bo.page.get_by_label("Name of the board")).to_have_value("Moving house")
    await bo.shows("Boxes", "Books")
    for index, title in enumerate(("To do", "Over", "Boxes")):
        await expect(bo.page.locator(".tiles").nth(index)).to_have_attribute("aria-label", title)
    await bo.page.get_by_role("button", name="Remove the list Boxes").click()
    await bo.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(ann.page.locator(".lane")).to_have_count(2)

    lost = Person(await windows.open("#" + "0" * 32))
    await expect(lost.page.get_by_text("There is no board at this address")).to_be_visible()
    await check_accessible(lost.page)
    await lost.page.locator("#begin").click()
    await expect(lost.page.locator(".lane")).to_have_count(3)


@pytest.mark.long
async def test_a_board_survives_a_crash_of_the_server(
    windows: Windows, server: DemoProcess
) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await server.kill()
    await expect(ann.page.locator("#banner")).to_contain_text("You are offline")
    await ann.take("Book the room")
    await ann.press("ArrowRight", "Enter")
    await server.start()
    for person in (ann, bo):
        await person.shows("Doing", *DOING, "Book the room")
        await expect(person.page.locator("#people-count")).to_have_text("2 people")


@pytest.mark.long
async def test_a_new_name_is_shown_to_the_others(windows: Windows) -> None:
    ann, bo = await visit(windows), await visit(windows)
    await ann.page.locator("#me").click()
    await ann.page.get_by_label("The others see this name").fill("Ann of Green Gables")
    await ann.page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await bo.page.locator("#people-button").click()
    await expect(bo.page.get_by_role("list").filter(has_text="Ann of Green Gables")).to_be_visible()
    await check_accessible(bo.page)
