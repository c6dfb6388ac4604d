"""The people of the chat: the pages' lists under virtual time, and the stored visits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import pytest

from bennu import Endpoint
from bennu.testing import Clock, TestChannel, running
from bennu_demos.chat.database import open_database
from bennu_demos.chat.presence import GRACE, key_of, name_of
from bennu_demos.chat.rooms import Rooms

from .guests import LOBBY, PYTHON, visit

pytestmark = [pytest.mark.clock("virtual"), pytest.mark.usefixtures("virtual_endpoint")]

PHONE: Final = {
    "user-agent": "Mozilla/5.0 (Linux; Android 16; Pixel 11) Chrome/149.0 Mobile Safari/537.36"
}
TABLET: Final = {"user-agent": "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) Safari/604.1"}
ANN: Final = key_of("Ann")
BO: Final = key_of("Bo")


def names(room: TestChannel) -> list[str]:
    """Return the people in a room, as its page shows them."""
    return sorted(name_of(key) for key in room.presences.all)


async def test_a_room_shows_each_person_with_their_devices(endpoint: Endpoint) -> None:
    """Two pages with one name are one person. The device is guessed from the browser."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo", headers=PHONE) as bo:
        lobby = await ann.join(LOBBY)
        await bo.join(LOBBY)
        async with visit(endpoint, "Bo", headers=TABLET) as also_bo:
            theirs = await also_bo.join(LOBBY)
            await theirs.assert_present(ANN, {"device": "computer", "status": "online"})
            await lobby.assert_present(BO, {"device": "phone"}, metas=2)
        await lobby.assert_present(BO, metas=1, within=2 * GRACE)


async def test_rooms_are_apart(endpoint: Endpoint) -> None:
    """People in one room are not in another."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, python = await ann.join(LOBBY), await bo.join(PYTHON)
        await lobby.assert_present(ANN)
        await python.assert_present(BO)
        assert (names(lobby), names(python)) == (["Ann"], ["Bo"])


async def test_who_leaves_their_page_alone_is_away(endpoint: Endpoint) -> None:
    """The others see the change and its time. To report the same status again is no news."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, theirs = await ann.join(LOBBY), await bo.join(LOBBY)
        await lobby.assert_present(BO, {"status": "online"})
        before = time.time_ns() // 1_000_000
        theirs.push("status", {"status": "away"})
        meta = await lobby.assert_present(BO, {"status": "away"})
        assert before <= meta["since"] <= time.time_ns() // 1_000_000
        theirs.push("status", {"status": "away"})
        lobby.pushes.clear()
        await lobby.refute_push("presence_diff", within=5)
        theirs.push("status", {"status": "online"})
        await lobby.assert_present(BO, {"status": "online"})


async def test_a_page_may_come_hidden(endpoint: Endpoint) -> None:
    """The join says whether the page is visible: it can be the rejoin of a hidden page."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY, {"status": "away"})
        await lobby.assert_present(ANN, {"status": "away"})


@pytest.mark.parametrize("status", ["asleep", None, 1])
async def test_a_status_that_is_none_is_refused(endpoint: Endpoint, status: Any) -> None:
    """Other pages get only statuses that they can show."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        await lobby.push("status", {"status": status}).assert_error("invalid_payload")
        await lobby.assert_present(ANN, {"status": "online"})


@pytest.mark.parametrize("name", ["constructor", "__proto__", "toString", "user:Ann", "Ü İ 李"])
async def test_any_name_can_be_in_the_list(endpoint: Endpoint, name: str) -> None:
    """A name with a meaning in JavaScript is shown as any other."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, name) as odd:
        lobby, theirs = await ann.join(LOBBY), await odd.join(LOBBY)
        await lobby.assert_present(key_of(name))
        theirs.push("status", {"status": "away"})
        await lobby.assert_present(key_of(name), {"status": "away"})
        await theirs.leave()
        await lobby.assert_absent(key_of(name))


# Leaving and coming back.


async def test_a_page_that_is_loaded_again_is_no_news(endpoint: Endpoint, clock: Clock) -> None:
    """A person who is back at once has not left, in the room and in the list of rooms."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, rooms = await ann.join(LOBBY), await ann.join("rooms")
        await bo.join(LOBBY)
        await lobby.assert_present(BO)
        await rooms.assert_push("crowd", {"room": "lobby", "people": 2})
        bo.vanish()
        await clock.advance(GRACE - 1)
        async with visit(endpoint, "Bo") as bo_again:
            await bo_again.join(LOBBY)
            await clock.advance(2 * GRACE)
            await lobby.assert_present(BO)
            await rooms.refute_push("crowd", {"people": 1})


async def test_a_page_that_joins_twice_counts_once(endpoint: Endpoint) -> None:
    """A second join on one connection replaces the first, and leaves no presence."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby = await ann.join(LOBBY)
        await bo.join(LOBBY)
        await bo.join(LOBBY)
        await lobby.assert_present(BO)
        bo.close()
        await lobby.assert_absent(BO, within=2 * GRACE)


async def test_who_is_lost_is_gone_after_a_while(endpoint: Endpoint, clock: Clock) -> None:
    """A lost person stays for the grace time, and no longer. Who leaves is gone at once."""
    async with (
        visit(endpoint, "Ann") as ann,
        visit(endpoint, "Bo") as bo,
        visit(endpoint, "Cy") as cy,
    ):
        lobby, theirs = await ann.join(LOBBY), await cy.join(LOBBY)
        await bo.join(LOBBY)
        await lobby.assert_present(BO)
        bo.vanish()
        await theirs.leave()
        await lobby.assert_absent(key_of("Cy"))
        await clock.advance(GRACE - 1)
        assert names(lobby) == ["Ann", "Bo"]
        await lobby.assert_absent(BO, within=2)


async def test_the_list_of_rooms_hears_how_many_people_are_there(endpoint: Endpoint) -> None:
    """The list counts people and not pages, and starts with the right numbers."""
    async with (
        visit(endpoint, "Ann") as ann,
        visit(endpoint, "Bo") as bo,
        visit(endpoint, "Bo") as also_bo,
        visit(endpoint, "Cy") as cy,
    ):
        rooms = await ann.join("rooms")
        first, second = await bo.join(LOBBY), await also_bo.join(LOBBY)
        await rooms.assert_push("crowd", {"room": "lobby", "people": 1})
        theirs = await cy.join(LOBBY)
        await rooms.assert_push("crowd", {"room": "lobby", "people": 2})
        listed = await (await cy.join("rooms")).assert_push("rooms")
        assert {room["name"]: room["people"] for room in listed["rooms"]}["lobby"] == 2
        await first.leave()
        await rooms.refute_push("crowd", within=1)
        for room, people in ((theirs, 1), (second, 0)):
            await room.leave()
            await rooms.assert_push("crowd", {"room": "lobby", "people": people})


# Earlier visits.


async def test_a_join_tells_who_was_here(endpoint: Endpoint, clock: Clock) -> None:
    """People who left with their last page are listed with the time, the latest first."""
    start = time.time_ns() // 1_000_000
    async with visit(endpoint, "Ann") as ann:
        for name in ("Bo", "constructor"):
            async with visit(endpoint, name) as one, visit(endpoint, name) as other:
                await one.join(LOBBY)
                await (await other.join(LOBBY)).leave()
                assert name not in [seen["name"] for seen in await recent(ann)]
            await clock.advance(GRACE + 1)
        seen = await recent(ann)
        assert [one["name"] for one in seen if one["name"] != "Ann"] == ["constructor", "Bo"]
        assert all(start <= one["seen_at"] <= time.time_ns() // 1_000_000 for one in seen)
        assert (await ann.join(PYTHON)).response["recent"] == []


async def recent(client: Any) -> list[Any]:
    """Join the lobby and leave it, and return its recent visitors."""
    lobby = await client.join(LOBBY)
    await lobby.leave()
    visitors: list[Any] = lobby.response["recent"]
    return visitors


async def test_who_was_here_when_the_server_stopped_is_remembered(
    endpoint: Endpoint, database: Path
) -> None:
    """The stop of the server ends the visits."""
    async with running(endpoint), visit(endpoint, "Ann") as ann:
        await ann.join(LOBBY)
    async with open_database(database) as opened:
        assert [seen.name for seen in await Rooms(opened).recent("lobby")] == ["Ann"]
