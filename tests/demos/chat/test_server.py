"""The rooms and the messages of the chat."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from msgspec import to_builtins

from bennu import Endpoint
from bennu.testing import Exactly, JoinRefused, running
from bennu_demos.chat import app as chat_app
from bennu_demos.chat.app import make, page_for
from bennu_demos.chat.database import url_of
from bennu_demos.chat.list_channels import MAX_ROOMS
from bennu_demos.chat.messages import PAGE
from bennu_demos.chat.rooms import ROOMS
from bennu_demos.chat.wire import MAX_BODY, MAX_ROOM
from bennu_demos.page import HEADERS
from tests.support.frames import pushing

from .guests import LOBBY, PYTHON, QUICK, account, follow, latest, new_key, say, visit, write

BURST: Final = 30
"""Messages that a person can send at once."""


# The page.


async def test_page_and_endpoint_are_one_application(endpoint: Endpoint) -> None:
    """One server answers the page, its modules and the socket. The page runs only scripts of its own files."""
    transport = httpx.ASGITransport(endpoint.wrap(page_for(endpoint)))
    async with (
        running(endpoint),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        shown = await http.get("/")
        module = await http.get("/socket/phoenix.mjs")
        missing = await http.get("/nothing")
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert shown.headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert module.headers["content-type"].startswith("text/javascript")
    assert (shown.status_code, module.status_code, missing.status_code) == (200, 200, 404)


# Messages.


async def test_message_reaches_everybody_in_the_room(endpoint: Endpoint) -> None:
    """All people in the room, also the author, get a message with an id, the room, the author and the time."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, theirs = await ann.join(LOBBY), await bo.join(LOBBY)
        before, key = time.time_ns() // 1_000_000, new_key()
        said = await say(lobby, "Hello", key=key)
        assert await theirs.assert_push("message") == said
        assert before <= said.pop("sent_at") <= time.time_ns() // 1_000_000
        nothing = {"edited_at": None, "removed_at": None}
        text = {"author": "Ann", "body": "Hello", "key": key}
        assert said == {"id": 1, "room": "lobby", **text, **nothing}


async def test_text_stays_as_typed(endpoint: Endpoint) -> None:
    """The server changes nothing but the space around a message. The page shows it as text."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        typed = '1 < 2 && <img src=x onerror="alert(1)">\n& 🙂 \u202e'
        assert (await say(lobby, f"  {typed}\n\n"))["body"] == typed.strip()


async def test_message_has_a_length(endpoint: Endpoint) -> None:
    """The longest message is accepted. A longer one and an empty one are refused, and the channel continues."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        await say(lobby, "x" * MAX_BODY)
        long = lobby.push("message", {"body": "x" * (MAX_BODY + 1), "key": new_key()})
        await long.assert_error(
            {"reason": "invalid_payload", "errors": [{"path": "body", "message": str}]}
        )
        empty = lobby.push("message", {"body": " \n\t ", "key": new_key()})
        await empty.assert_error("empty_message")
        await lobby.refute_push("message")
        await say(lobby, "Shorter")


async def test_message_sent_twice_is_said_once(endpoint: Endpoint) -> None:
    """A page without an answer sends again, on a new connection. It gets the first reply, and nobody hears more."""
    key = new_key()
    async with visit(endpoint, "Bo") as bo:
        theirs = await bo.join(LOBBY)
        async with visit(endpoint, "Ann") as ann:
            said = await say(await ann.join(LOBBY), "Once", key=key)
        async with visit(endpoint, "Ann") as ann:
            again = await ann.join(LOBBY)
            await again.push("message", {"body": "Once", "key": key}).assert_reply(
                {"id": said["id"]}
            )
            await again.refute_push("message")
            await again.push("message", {"body": "Two", "key": key}).assert_error("key_reused")
        await theirs.assert_pushes(("message", said))
        await theirs.refute_push("message")


async def test_message_whose_reply_was_not_kept_is_said_once(endpoint: Endpoint) -> None:
    """The server crashed after it had stored a message, and before it kept the reply: the repeat gets the id."""
    async with visit(endpoint, "Ann") as ann:
        lobby, key = await ann.join(LOBBY), new_key()
        stored = await write(endpoint, await account(endpoint, "Ann"), "Once", key=key)
        await lobby.assert_push("message", {"id": stored.id})
        await lobby.push("message", {"body": "Once", "key": key}).assert_reply({"id": stored.id})
        await lobby.refute_push("message")
        assert [one["body"] for one in await latest(lobby)] == ["Once"]


async def test_keys_of_two_people_are_apart(endpoint: Endpoint) -> None:
    """A person can't suppress another person's message by using its key."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        key = new_key()
        await say(await ann.join(LOBBY), "Mine", key=key)
        await say(await bo.join(LOBBY), "Mine too", key=key)


async def test_typing_is_told_to_the_others(endpoint: Endpoint) -> None:
    """The typing person gets no message, and there is no reply."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, theirs = await ann.join(LOBBY), await bo.join(LOBBY)
        typing = lobby.push("typing")
        await theirs.assert_push("typing", Exactly({"name": "Ann"}))
        await lobby.refute_push("typing")
        await typing.refute_reply()


# Earlier messages.


async def talked_before(endpoint: Endpoint, count: int) -> list[Any]:
    """Store this number of messages in the lobby, more than a person can send at once, and return them."""
    ann = await account(endpoint, "Ann")
    return [to_builtins(await write(endpoint, ann, str(one))) for one in range(count)]


async def test_page_scrolls_back_to_the_first_message(endpoint: Endpoint) -> None:
    """Each load brings at most as many messages as a page shows at once. Nothing is left out, and nothing comes twice."""
    async with visit(endpoint, "Bo") as bo:
        said = await talked_before(endpoint, 2 * PAGE + 3)
        lobby = await bo.join(LOBBY)
        loaded = await latest(lobby)
        assert loaded == said[-PAGE:]
        for expected in (said[3 : PAGE + 3], said[:3], []):
            older = await latest(lobby, before=loaded[0]["id"])
            assert older == expected
            loaded = older + loaded
        assert loaded == said
        assert await latest(await bo.join(PYTHON)) == []


@pytest.mark.parametrize("before", [None, 0, "1", 2**31, 1.5])
async def test_page_scrolls_back_from_a_message(endpoint: Endpoint, before: Any) -> None:
    """What can't be an id is refused."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        await lobby.push("older", {"before": before}).assert_error("invalid_payload")


async def test_page_goes_on_from_its_position(endpoint: Endpoint) -> None:
    """A page that goes on from the position of the latest messages gets exactly what was sent after them, and no typing."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby = await ann.join(LOBBY)
        await say(lobby, "Before")
        offset, _, epoch = (await lobby.push("latest"))["position"].partition(":")
        lobby.push("typing")
        said = [await say(lobby, str(number)) for number in range(3)]
        recovery = {"epoch": epoch, "offset": int(offset), "client": "f1c0ffee00000000"}
        back = await bo.join(LOBBY, {"recovery": recovery})
        assert back.response["recovery"]["recovered"] is True
        await back.assert_pushes(*(("message", one) for one in said))
        await back.refute_push("typing")


async def test_messages_outlive_the_server(database: Path | str) -> None:
    """The messages and the history are there after a restart, and ids and positions continue."""
    async with visit(make(database, hasher=QUICK), "Ann") as ann:
        lobby = await ann.join(LOBBY, {"recovery": {}})
        start = {key: lobby.response["recovery"][key] for key in ("epoch", "offset")}
        first = await say(lobby, "Before")
    async with visit(make(database, hasher=QUICK), "Ann") as ann:
        lobby = await ann.join(LOBBY)
        assert await latest(lobby) == [first]
        second = await say(lobby, "After")
        assert second["id"] > first["id"]
        back = await ann.join(LOBBY, {"recovery": {**start, "client": "f1c0ffee00000000"}})
        await back.assert_pushes(("message", first), ("message", second))


async def test_join_in_the_middle_of_a_talk_misses_nothing(endpoint: Endpoint) -> None:
    """Messages that are not loaded come after the join, in the order of their ids. Some come twice: the page drops a known id."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby = await ann.join(LOBBY)
        following = asyncio.create_task(follow(bo, BURST))
        pushes = [
            lobby.push("message", {"body": str(one), "key": new_key()}) for one in range(BURST)
        ]
        ids = [(await push)["id"] for push in pushes]
        assert [message["id"] for message in await following] == ids


async def test_ids_rise_in_the_order_of_the_history(endpoint: Endpoint) -> None:
    """Messages that are sent at the same moment have one order, in the database and in the history."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        bo = await account(endpoint, "Bo")
        await asyncio.gather(*(write(endpoint, bo, str(one)) for one in range(BURST)))
        heard = [await lobby.assert_push("message") for _ in range(BURST)]
        assert heard == await latest(lobby)
        assert heard == [entry.payload for entry in await endpoint.history(LOBBY)]


# Rooms.


async def test_rooms_are_kept_apart(endpoint: Endpoint) -> None:
    """Messages and typing of one room are not sent to another room."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, python = await ann.join(LOBBY), await bo.join(PYTHON)
        await say(python, "Only here")
        python.push("typing")
        await lobby.refute_push("message")
        await lobby.refute_push("typing")


async def test_room_that_is_not_there_is_refused(endpoint: Endpoint) -> None:
    """A topic does not create a room: a person must open the room first."""
    async with visit(endpoint, "Ann") as ann:
        with pytest.raises(JoinRefused, match="no_such_room"):
            await ann.join("room:nowhere")


async def test_list_of_rooms_shows_what_goes_on(endpoint: Endpoint) -> None:
    """The list has each room with its last message and its people, and gets changes."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby = await ann.join(LOBBY)
        said = await say(lobby, "Hello")
        rooms = await bo.join("rooms")
        listed = {room.pop("name"): room for room in (await rooms.assert_push("rooms"))["rooms"]}
        assert sorted(listed) == sorted(ROOMS)
        place = {"title": "lobby", "kind": "open", "members": []}
        assert listed["lobby"] == {**place, "people": 1, "last": said, "last_id": 1, "read": 0}
        assert listed["python"]["last"] is None
        said = await say(lobby, "Hello?")
        await lobby.leave()
        await rooms.assert_pushes(("message", said), ("crowd", {"room": "lobby", "people": 0}))


async def test_new_room_is_told_and_can_be_entered(endpoint: Endpoint) -> None:
    """The person who opens a room gets its final name. All lists get the room. To open it again is no news."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        mine, theirs = await ann.join("rooms"), await bo.join("rooms")
        opened = mine.push("new_room", {"name": " Summer  Party "})
        await opened.assert_reply(Exactly({"name": "summer-party"}))
        for rooms in (mine, theirs):
            await rooms.assert_push("room", {"name": "summer-party", "people": 0, "last": None})
        await mine.push("new_room", {"name": "Summer party"}).assert_reply({"name": "summer-party"})
        await theirs.refute_push("room")
        await bo.join("room:summer-party")


@pytest.mark.parametrize("name", ["x" * MAX_ROOM, "größe", "3-14", "李"])
async def test_room_may_be_named_in_any_script(endpoint: Endpoint, name: str) -> None:
    """A room's name can have letters and digits of any script, and single hyphens."""
    async with visit(endpoint, "Ann") as ann:
        rooms = await ann.join("rooms")
        await rooms.push("new_room", {"name": name}).assert_reply({"name": name})
        await ann.join(f"room:{name}")


@pytest.mark.parametrize("name", ["", " ", "x" * (MAX_ROOM + 1), "a:b", "-a", "a--b", "a_b", "🙂"])
async def test_room_name_that_is_none_is_refused(endpoint: Endpoint, name: str) -> None:
    """A name that is too long, or can't be in a URL, is refused."""
    async with visit(endpoint, "Ann") as ann:
        rooms = await ann.join("rooms")
        await rooms.push("new_room", {"name": name}).assert_error("bad_room_name")


async def test_rooms_are_not_endless(endpoint: Endpoint) -> None:
    """The number of rooms is limited. Existing rooms can still be opened."""
    async with visit(endpoint, "Ann") as ann:
        for number in range(MAX_ROOMS - len(ROOMS)):
            await endpoint.state.rooms.add_open(f"room-{number}")
        rooms = await ann.join("rooms")
        await rooms.push("new_room", {"name": "one-more"}).assert_error("too_many_rooms")
        await rooms.push("new_room", {"name": "room-0"}).assert_reply()


# How fast.


async def test_messages_have_a_rate(endpoint: Endpoint) -> None:
    """A message above the rate is refused, with the time to wait."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        pushes = [lobby.push("message", {"body": "x", "key": new_key()}) for _ in range(2 * BURST)]
        for push in pushes[:BURST]:
            await push.assert_reply()
        answer = await pushes[-1].assert_error("rate_limited")
        assert 0 < answer["retry_after_ms"] <= 2000


def test_everything_that_a_client_can_do_has_a_bound() -> None:
    """The demo is a template: joins, messages, bytes, each event and each address have a limit."""
    limits, rates = chat_app.limits, chat_app.socket.rates
    assert limits.connections
    assert limits.connections_per_ip
    assert limits.connects_per_ip
    assert rates is not None
    assert rates.joins
    assert rates.messages
    assert rates.bytes
    for row in chat_app.socket.table.rows:
        for event, handler in row.target.events.items():
            assert handler.rate is not None, event


async def test_longest_message_fits_into_a_frame(endpoint: Endpoint) -> None:
    """The longest message fits into a frame in each form of its JSON."""
    async with visit(endpoint, "Ann") as ann:
        body = "\U0001f642" * MAX_BODY
        assert (await say(await ann.join(LOBBY), body))["body"] == body
    longest = pushing(
        "1", "2", "room:" + "x" * MAX_ROOM, "message", {"body": body, "key": "x" * 64}
    )
    assert len(json.dumps(longest)) < chat_app.socket.max_frame_size / 2


# The database.


@pytest.mark.parametrize("given", ["/srv/chat.db", "sqlite+aiosqlite:////srv/chat.db"])
def test_store_of_the_histories_is_the_database(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a file, or a URL: both become the address of the endpoint's store."""
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    assert str(url_of(given)) == "sqlite+aiosqlite:////srv/chat.db"


async def test_database_has_a_place_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the database is in the folder of the demos' data, which is created."""
    monkeypatch.delenv("CHAT_DATABASE", raising=False)
    monkeypatch.setenv("BENNU_DEMO_DATA", str(tmp_path))
    async with visit(chat_app.from_environment(), "Ann") as ann:
        await say(await ann.join(LOBBY), "Hello")
    assert (tmp_path / "chat" / "chat.db").stat().st_size
