"""The chat in real browser windows that miss messages, and the way back to older messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from bennu.testing import running
from bennu_demos.chat.app import make
from bennu_demos.chat.messages import PAGE
from tests.support.frames import PHX_JOIN

from ..process import DemoProcess
from .guests import QUICK, account, write
from .windows import NARROW, WIDE, Company, Person

pytestmark = pytest.mark.browser


async def talked_before(database: Path, count: int) -> list[str]:
    """Store this number of messages in the lobby, by several people, and return their texts."""
    texts = [f"Message {number}" for number in range(count)]
    async with running(make(database, hasher=QUICK)) as endpoint:
        people = [await account(endpoint, name) for name in ("Di", "Ed", "Flo")]
        for number, text in enumerate(texts):
            await write(endpoint, people[number // 4 % 3], text)
    return texts


# What was missed.


async def by_the_clock_of_the_page(page: Page) -> None:
    await page.clock.fast_forward(30_000)


async def really(page: Page) -> None:
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 30_000))")


async def has_missed_nothing(person: Person) -> None:
    """Check that the page went on from its position: it was not loaded again, and did not load its messages again."""
    assert person.loads == 1
    assert person.pushes.count("latest") == 1
    assert person.pushes.count(PHX_JOIN) == 2
    assert person.joins[1]["recovery"]["offset"] == 2
    assert await person.page.evaluate("window.isSame") is True


async def ann_goes_offline(ann: Person, bo: Person) -> None:
    """Both say something, and then Ann's window has no network."""
    await ann.say("One")
    await bo.say("Two")
    await expect(ann.messages).to_have_text(["One", "Two"])
    await ann.page.evaluate("window.isSame = true")
    await ann.page.context.set_offline(True)
    await ann.shows_nobody()


@pytest.mark.parametrize(
    "half_a_minute", [by_the_clock_of_the_page, pytest.param(really, marks=pytest.mark.long)]
)
async def test_page_without_network_gets_what_it_missed(
    company: Company, half_a_minute: Callable[[Page], Awaitable[None]]
) -> None:
    """A window has no network for half a minute. Then it shows every message once and in order, and loads nothing."""
    ann = await company.invite("Ann", has_clock=half_a_minute is by_the_clock_of_the_page)
    bo = await company.invite("Bo")
    cy = await company.invite("Cy")
    await ann_goes_offline(ann, bo)
    said = ["One", "Two"]
    for number in range(4):
        for person in (bo, cy):
            said.append(f"{person.name} {number}")
            await person.say(said[-1])
    await ann.write("Me too")
    await half_a_minute(ann.page)
    await expect(ann.messages).to_have_text(["One", "Two"])

    await ann.page.context.set_offline(False)
    await ann.is_online()
    for person in (ann, bo, cy):
        await expect(person.messages).to_have_text([*said, "Me too"])
        await expect(person.unsent).to_have_count(0)
    await has_missed_nothing(ann)
    for person in (bo, cy):
        assert person.pushes.count(PHX_JOIN) == 1


@pytest.mark.long
async def test_page_gets_what_it_missed_through_a_restart_of_the_server(
    company: Company, server: DemoProcess
) -> None:
    """The server is killed while a window has no network. The history is in the database, so the window loads nothing."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await ann_goes_offline(ann, bo)
    await bo.say("Before the crash")
    await server.kill()
    await expect(bo.banner).to_have_text("No connection. Trying again…")
    await bo.write("During the crash")
    await server.start()
    await bo.is_online()
    await bo.say("After the crash")

    await ann.page.context.set_offline(False)
    await ann.is_online()
    said = ["One", "Two", "Before the crash", "During the crash", "After the crash"]
    for person in (ann, bo):
        await expect(person.messages).to_have_text(said)
        await expect(person.unsent).to_have_count(0)
    await has_missed_nothing(ann)
    assert bo.pushes.count("latest") == 1


@pytest.mark.parametrize("kept", [5])
@pytest.mark.long
async def test_page_that_was_away_for_too_long_loads_the_latest_messages(
    company: Company, database: Path
) -> None:
    """The history does not have all that the window has missed, so it loads its messages again: no gap in silence."""
    said = await talked_before(database, PAGE - 5)
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await expect(ann.messages).to_have_text(said)
    await ann.page.context.set_offline(True)
    await ann.shows_nobody()
    for number in range(8):
        said.append(f"News {number}")
        await bo.say(said[-1])
    await ann.page.context.set_offline(False)
    await ann.is_online()
    await expect(ann.messages).to_have_text(said[-PAGE:])
    assert ann.loads == 1
    assert ann.pushes.count("latest") == 2
    await bo.say("And this")
    await expect(ann.messages).to_have_text([*said[-PAGE:], "And this"])
    assert ann.pushes.count("latest") == 2


@pytest.mark.parametrize("kept", [5])
@pytest.mark.long
async def test_room_that_was_left_for_too_long_is_loaded_anew(company: Company) -> None:
    """A page that comes back to a room gets what it missed, or loads the latest messages."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await bo.say("One")
    await expect(ann.messages).to_have_text(["One"])
    for news, loads in ((["Two", "Three"], 2), ([str(number) for number in range(8)], 3)):
        await ann.room("python").click()
        await expect(ann.page).to_have_title("#python · Bennu chat")
        await bo.say(*news)
        before = await bo.messages.all_text_contents()
        await ann.room("lobby").click()
        await expect(ann.messages).to_have_text(before)
        assert ann.pushes.count("latest") == loads  # one for each room, and one for what was lost


@pytest.mark.long
async def test_load_whose_answer_was_lost_is_repeated(company: Company) -> None:
    """The connection is lost while the page loads the latest messages. The page loads them after the next join."""
    bo = await company.invite("Bo")
    await bo.say("Hello")
    lost: list[str] = []

    async def lose(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        async def pass_on(message: str | bytes) -> None:
            if isinstance(message, str) and '"latest"' in message and not lost:
                lost.append(message)
                await bo.say("Meanwhile")
                await route.close()
                await server.close()
            else:
                server.send(message)

        route.on_message(pass_on)

    ann = await company.invite("Ann", sockets=lose)
    await expect(ann.messages).to_have_text(["Hello", "Meanwhile"])
    assert len(lost) == 1


LATE: Final = """
async () => {
  const { Rooms } = await import("/js/rooms.js");
  const { Sidebar } = await import("/js/sidebar.js");
  const heard = new Map();
  const open = { on: (event, call) => heard.set(event, call) };
  const mine = { on: () => {} };
  const rooms = new Rooms({ channel: (topic) => (topic === "rooms" ? open : mine) }, { id: 1, name: "Me" });
  const sidebar = new Sidebar(rooms, { id: 1, name: "Me" });
  const message = (id) => ({ id, room: "late", author: "Ann", body: `id ${id}`, sent_at: 0, key: "" });
  const late = (id) => ({ name: "late", title: "late", kind: "open", people: 1, last: message(id), last_id: id, read: 1, members: [] });
  const shown = [];
  const hear = (event, payload) => {
    heard.get(event)(payload);
    sidebar.render();
    const row = document.querySelector("[href='#late']");
    shown.push(`${row.querySelector(".row-last").textContent}, ${row.querySelector(".badge").textContent || 0} unread`);
  };
  hear("rooms", { rooms: [late(1)] });
  hear("message", message(3));
  hear("message", message(2));
  hear("phx_error");
  hear("message", message(5));
  hear("rooms", { rooms: [late(4)] });
  return shown;
}
"""


@pytest.mark.long
async def test_list_of_rooms_keeps_the_newest_message(company: Company) -> None:
    """The messages of two servers can come to the list in another order than that of their ids, and before the list."""
    ann = await company.invite("Ann")
    shown: Any = await ann.page.evaluate(LATE)
    assert shown == [f"Ann: id {number}, {number - 1} unread" for number in (1, 3, 3, 3, 5, 5)]


# Older messages.


PLACE: Final = "bubble => bubble.getBoundingClientRect().top"
PLACE_AT_THE_TOP: Final = (
    f"bubble => ({PLACE})(bubble) + document.getElementById('scroller').scrollTop"
)


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.long
async def test_reader_who_scrolls_up_gets_older_messages(
    company: Company, database: Path, viewport: Any
) -> None:
    """The keyboard is enough. The message that was the first one keeps its place in the window."""
    said = await talked_before(database, 2 * PAGE + 20)
    ann = await company.invite("Ann", viewport=viewport)
    bo = await company.invite("Bo")
    await expect(ann.messages).to_have_text(said[-PAGE:])
    scroller = ann.page.get_by_role("region", name="Messages")
    await scroller.focus()
    first = ann.page.get_by_text(said[-PAGE], exact=True)
    await ann.page.keyboard.press("Home")
    await expect(ann.messages).to_have_text(said[-2 * PAGE :])
    await expect(first).to_be_in_viewport(ratio=1)

    first = ann.page.get_by_text(said[-2 * PAGE], exact=True)
    place: Any = await first.evaluate(PLACE_AT_THE_TOP)
    await ann.scroll_to_the_top()
    await expect(ann.messages).to_have_text(said)
    assert await first.evaluate(PLACE) == pytest.approx(place, abs=1)
    await expect(ann.older).to_be_hidden()
    await expect(scroller).to_be_focused()
    assert ann.pushes.count("older") == 2

    await bo.say("News")
    await expect(ann.page.get_by_role("button", name="1 new message")).to_be_visible()
    await expect(ann.messages.last).not_to_be_in_viewport()
    await expect(ann.page.get_by_role("log").locator(".new-line + .group")).to_contain_text("News")
    assert ann.pushes.count("older") == 2


@pytest.mark.long
async def test_window_that_is_too_tall_to_scroll_has_a_button(
    company: Company, database: Path
) -> None:
    """Where nothing can be scrolled, the button above the first message loads older messages."""
    said = await talked_before(database, PAGE + 3)
    ann = await company.invite("Ann", viewport={"width": 1280, "height": 4000})
    await expect(ann.messages).to_have_text(said[-PAGE:])
    await ann.older.focus()
    await ann.page.keyboard.press("Enter")
    await expect(ann.messages).to_have_text(said)
    await expect(ann.older).to_be_hidden()
    await expect(ann.page.get_by_role("region", name="Messages")).to_be_focused()


@pytest.mark.long
async def test_offline_reader_gets_older_messages_later(company: Company, database: Path) -> None:
    """Without the server there is no button. What was loaded above stays through a lost connection."""
    said = await talked_before(database, 2 * PAGE + 3)
    ann = await company.invite("Ann")
    await expect(ann.messages).to_have_text(said[-PAGE:])
    await ann.scroll_to_the_top()
    await expect(ann.messages).to_have_text(said[-2 * PAGE :])
    await expect(ann.older).to_be_visible()
    await ann.page.context.set_offline(True)
    await ann.shows_nobody()
    await expect(ann.older).to_be_hidden()
    await ann.scroll_to_the_top()
    await ann.page.context.set_offline(False)
    await ann.is_online()
    await expect(ann.older).to_be_visible()
    await expect(ann.messages).to_have_text(said[-2 * PAGE :])
    await ann.older.press("Enter")
    await expect(ann.messages).to_have_text(said)
    assert ann.pushes.count("latest") == 1
