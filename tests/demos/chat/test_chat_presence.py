"""The presences of the chat: the pages' lists, under virtual time, and the stored visits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from bennu import Endpoint
from bennu.testing.clock import advance
from bennu_demos.chat.presence import GRACE, key_of, name_of
from bennu_demos.chat.store import open_store
from tests.presence.rooms import Member
from tests.support.memory import Server, serve

pytestmark = pytest.mark.clock("virtual")

LOBBY: Final = "room:lobby"
PHONE: Final = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 11) AppleWebKit/537.36 Chrome/149.0 Mobile Safari/537.36"
)
TABLET: Final = "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
COMPUTER: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/149.0 Safari/537.36"


@pytest.fixture
async def chat(virtual_endpoint: Endpoint) -> AsyncIterator[Server]:
    async with serve(virtual_endpoint) as server:
        yield server


class Page(Member):
    """A page in a room, or at the list of rooms, that follows the presences.

    Attributes:
        reply: The reply to its join; for the list of rooms, what was pushed after it.
    """

    reply: dict[str, Any]

    async def come(self, status: str | None = None) -> Page:
        """Join, and wait for the presence state."""
        answer = await self.client.join(self.topic, {} if status is None else {"status": status})
        assert answer["status"] == "ok", answer
        self.reply = answer["response"]
        if self.topic == "rooms":
            listed = await self.client.receive()
            assert listed.event == "rooms", listed
            self.reply = listed.payload
        await self.news()
        return self

    async def people(self) -> dict[str, list[tuple[str, str]]]:
        """Return the page's list: for each name the devices and their status."""
        await self.news()
        return {
            name_of(key): [(meta["device"], meta["status"]) for meta in value["metas"]]
            for key, value in self.list.state.items()
        }

    async def crowds(self) -> list[Any]:
        """Wait until nothing happens; return the numbers of people in the list of rooms."""
        await advance(1)
        frames = list(self.client.read())
        self.client.read().clear()
        return [frame.payload for frame in frames if frame.event == "crowd"]


async def open_page(
    chat: Server,
    name: str,
    topic: str = LOBBY,
    *,
    user_agent: str = COMPUTER,
    status: str | None = None,
) -> Page:
    """Open a page for a person."""
    client = await chat.connect(params={"name": name}, headers=[("user-agent", user_agent)])
    return await Page(client, topic).come(status)


async def test_a_room_shows_each_person_with_their_devices(chat: Server) -> None:
    """Two pages with one name are one person. The device is guessed from the browser."""
    ann = await open_page(chat, "Ann")
    bo = await open_page(chat, "Bo", user_agent=PHONE)
    also_bo = await open_page(chat, "Bo", user_agent=TABLET)
    await advance(1)
    for page in (ann, bo, also_bo):
        phones = [("phone", "online"), ("phone", "online")]
        assert await page.people() == {"Ann": [("computer", "online")], "Bo": phones}
    also_bo.client.close()
    await advance(GRACE + 1)
    assert (await ann.people())["Bo"] == [("phone", "online")]
    for page in (ann, bo):
        page.client.close()


async def test_rooms_are_apart(chat: Server) -> None:
    """People in one room are not in another."""
    ann = await open_page(chat, "Ann")
    bo = await open_page(chat, "Bo", "room:python")
    await advance(1)
    assert list(await ann.people()) == ["Ann"]
    assert list(await bo.people()) == ["Bo"]
    for page in (ann, bo):
        page.client.close()


async def test_who_leaves_their_page_alone_is_away(chat: Server) -> None:
    """All pages get one change with the time. The return is one change too."""
    ann = await open_page(chat, "Ann")
    bo = await open_page(chat, "Bo")
    await advance(1)
    await ann.news()
    before = time.time_ns() // 1_000_000
    bo.client.push(LOBBY, "status", {"status": "away"})
    await advance(1)
    [(event, diff)] = await ann.news()
    after = time.time_ns() // 1_000_000
    assert event == "presence_diff"
    assert list(diff["joins"]) == list(diff["leaves"]) == [key_of("Bo")]
    [meta] = diff["joins"][key_of("Bo")]["metas"]
    assert before <= meta["since"] <= after
    assert (await ann.people())["Bo"] == [("computer", "away")]
    bo.client.push(LOBBY, "status", {"status": "online"})
    await advance(1)
    assert (await ann.people())["Bo"] == [("computer", "online")]
    for page in (ann, bo):
        page.client.close()


async def test_what_has_not_changed_is_not_told(chat: Server) -> None:
    """A page that reports the same status again sends no diff to others."""
    ann = await open_page(chat, "Ann")
    ann.client.push(LOBBY, "status", {"status": "online"})
    await advance(1)
    assert await ann.news() == []
    ann.client.close()


async def test_a_page_may_come_hidden(chat: Server) -> None:
    """The join says whether the page is visible: it can be the rejoin of a hidden page."""
    ann = await open_page(chat, "Ann", status="away")
    assert await ann.people() == {"Ann": [("computer", "away")]}
    ann.client.close()


@pytest.mark.parametrize("status", ["asleep", None, 1])
async def test_a_status_that_is_none_is_refused(chat: Server, status: Any) -> None:
    """Other pages get only statuses that they can show."""
    ann = await open_page(chat, "Ann")
    answer = await ann.call("status", {"status": status})
    assert (answer["status"], answer["response"]["reason"]) == ("error", "invalid_payload")
    assert await ann.people() == {"Ann": [("computer", "online")]}
    ann.client.close()


@pytest.mark.parametrize("name", ["constructor", "__proto__", "toString", "user:Ann", "Ü İ 李"])
async def test_any_name_can_be_in_the_list(chat: Server, name: str) -> None:
    """A name with a meaning in JavaScript is shown as any other."""
    ann = await open_page(chat, "Ann")
    odd = await open_page(chat, name)
    await advance(1)
    for page in (ann, odd):
        assert list(await page.people()) == ["Ann", name]
    odd.client.push(LOBBY, "status", {"status": "away"})
    odd.client.push(LOBBY, "phx_leave")
    await advance(1)
    assert list(await ann.people()) == ["Ann"]
    for page in (ann, odd):
        page.client.close()


# Leaving and coming back.


async def test_a_page_that_is_loaded_again_is_no_news(chat: Server) -> None:
    """A person who is back at once has not left, in the room and in the list of rooms."""
    ann = await open_page(chat, "Ann")
    bo = await open_page(chat, "Bo")
    rooms = await open_page(chat, "Cy", "rooms")
    await advance(1)
    await ann.news()
    await rooms.crowds()
    bo.client.vanish()
    await advance(GRACE - 1)
    assert await ann.news() == []
    bo = await open_page(chat, "Bo")
    await advance(2 * GRACE)
    seen = [name_of(key) for event, diff in await ann.news() for key in diff["joins"]]
    assert set(seen) <= {"Bo"}  # the time of the presence can be later by now
    assert (await ann.people())["Bo"] == [("computer", "online")]
    assert await rooms.crowds() == []
    for page in (ann, bo, rooms):
        page.client.close()


async def test_a_page_that_joins_twice_counts_once(chat: Server) -> None:
    """A second join on one connection replaces the first, and leaves no presence."""
    ann = await open_page(chat, "Ann")
    bo = await open_page(chat, "Bo")
    bo.client.start_join(LOBBY)
    await advance(2 * GRACE)
    assert (await ann.people())["Bo"] == [("computer", "online")]
    bo.client.close()
    await advance(GRACE + 1)
    assert list(await ann.people()) == ["Ann"]
    ann.client.close()


async def test_who_is_lost_is_gone_after_a_while(chat: Server) -> None:
    """A lost person stays for the grace time, and no longer."""
    ann = await open_page(chat, "Ann")
    bo = await open_page(chat, "Bo")
    bo.client.vanish()
    await advance(GRACE - 0.5)
    assert list(await ann.people()) == ["Ann", "Bo"]
    await advance(1)
    assert list(await ann.people()) == ["Ann"]
    ann.client.close()


async def test_who_goes_to_another_room_is_gone_at_once(chat: Server) -> None:
    """A page that leaves a room says so."""
    ann = await open_page(chat, "Ann")
    bo = await open_page(chat, "Bo")
    bo.client.leave(LOBBY)
    await advance(0.1)
    assert list(await ann.people()) == ["Ann"]
    for page in (ann, bo):
        page.client.close()


async def test_the_list_of_rooms_hears_how_many_people_are_there(chat: Server) -> None:
    """The list counts people and not pages, and starts with the right numbers."""
    rooms = await open_page(chat, "Ann", "rooms")
    bo = await open_page(chat, "Bo")
    assert await rooms.crowds() == [{"room": "lobby", "people": 1}]
    second = await open_page(chat, "Bo", user_agent=PHONE)
    assert await rooms.crowds() == []
    cy = await open_page(chat, "Cy")
    assert await rooms.crowds() == [{"room": "lobby", "people": 2}]
    late = await open_page(chat, "Di", "rooms")
    assert {room["name"]: room["people"] for room in late.reply["rooms"]}["lobby"] == 2
    second.client.leave(LOBBY)
    assert await rooms.crowds() == []
    cy.client.leave(LOBBY)
    assert await rooms.crowds() == [{"room": "lobby", "people": 1}]
    for page in (rooms, bo, second, cy, late):
        page.client.close()


# Earlier visits.


async def test_a_join_tells_who_was_here(chat: Server) -> None:
    """People who left with their last page are listed with the time, the latest first."""
    start = time.time_ns() // 1_000_000
    for name in ("Bo", "constructor"):
        page = await open_page(chat, name)
        second = await open_page(chat, name)
        second.client.leave(LOBBY)
        await advance(1)
        assert name not in [one["name"] for one in (await open_page_and_go(chat)).reply["recent"]]
        page.client.vanish()
        await advance(GRACE + 1)
        second.client.close()
    recent = (await open_page_and_go(chat)).reply["recent"]
    assert [one["name"] for one in recent if one["name"] != "Visitor"] == ["constructor", "Bo"]
    assert all(start <= one["seen_at"] <= time.time_ns() // 1_000_000 for one in recent)
    elsewhere = await open_page(chat, "Ann", "room:python")
    assert elsewhere.reply["recent"] == []
    elsewhere.client.close()


async def open_page_and_go(chat: Server) -> Page:
    page = await open_page(chat, "Visitor")
    page.client.leave(LOBBY)
    await advance(1)
    page.client.close()
    return page


async def test_who_was_here_when_the_server_stopped_is_remembered(
    virtual_endpoint: Endpoint, database: Path
) -> None:
    """The stop of the server ends the visits."""
    async with serve(virtual_endpoint) as chat:
        await open_page(chat, "Ann")
    async with open_store(database) as store:
        assert [seen.name for seen in await store.recent("lobby")] == ["Ann"]
