"""The server of the chat demo, frame by frame."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import to_builtins
from websockets.exceptions import InvalidStatus

from bennu import Endpoint
from bennu_demos.chat import app as chat_app
from bennu_demos.chat.app import make, page
from bennu_demos.chat.channels import MAX_ROOMS
from bennu_demos.chat.store import PAGE, ROOMS, open_store, url_of
from bennu_demos.chat.wire import MAX_BODY, MAX_NAME, MAX_ROOM
from tests.support.frames import error, ok
from tests.support.servers import Server, serve
from tests.support.wire import connect

from .visitor import LOBBY, Visitor, new_key, visit

PYTHON = "room:python"
BURST = 20
"""Messages that a person can send at once."""


# The page.


async def test_page_and_endpoint_are_one_application(chat: Server) -> None:
    """One server answers the page, its modules and the socket."""
    async with httpx.AsyncClient(base_url=chat.url("", "http"), trust_env=False) as http:
        page = await http.get("/")
        module = await http.get("/socket/phoenix.mjs")
        missing = await http.get("/nothing")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert module.headers["content-type"].startswith("text/javascript")
    assert (page.status_code, module.status_code, missing.status_code) == (200, 200, 404)
    async with visit(chat, "Ann", LOBBY) as ann:
        await ann.says("Hello")


async def test_page_may_load_nothing_from_elsewhere(chat: Server) -> None:
    """The page allows only scripts of its own files, so injected HTML would not run."""
    async with httpx.AsyncClient(base_url=chat.url("", "http"), trust_env=False) as http:
        page = await http.get("/")
    assert """http-equiv="Content-Security-Policy" content="default-src 'self'">""" in page.text


# Messages.


async def test_message_is_told_to_everybody_in_the_room(chat: Server) -> None:
    """All people in the room, also the author, get a message with an id, the room, the author and the time."""
    async with visit(chat, "Ann", LOBBY) as ann, visit(chat, "Bo", LOBBY) as bo:
        before = time.time_ns() // 1_000_000
        key = new_key()
        told = await ann.says("Hello", key=key)
        after = time.time_ns() // 1_000_000
        assert told == await bo.hears("message")
        assert before <= told.pop("sent_at") <= after
        assert told == {"id": 1, "room": "lobby", "author": "Ann", "body": "Hello", "key": key}


async def test_html_is_text_like_any_other(chat: Server) -> None:
    """The server does not change messages. The page must show them safely."""
    async with visit(chat, "Ann", LOBBY) as ann:
        body = '<img src=x onerror="alert(1)">\n& 🙂 \u202e'
        assert (await ann.says(body))["body"] == body.strip()


async def test_message_has_a_limit(chat: Server) -> None:
    """The longest message is accepted, a longer one is refused, and the channel continues."""
    async with visit(chat, "Ann", LOBBY) as ann:
        assert len((await ann.says("x" * MAX_BODY))["body"]) == MAX_BODY
        answer = await ann.call("message", {"body": "x" * (MAX_BODY + 1), "key": new_key()})
        assert answer["status"] == "error"
        assert answer["response"]["reason"] == "invalid_payload"
        assert [mistake["path"] for mistake in answer["response"]["errors"]] == ["body"]
        await ann.says("Shorter")


async def test_message_of_nothing_is_refused(chat: Server) -> None:
    """Space around a message is removed. A message that is empty then is refused."""
    async with visit(chat, "Ann", LOBBY) as ann:
        assert (await ann.says("  Hello\n\n"))["body"] == "Hello"
        await ann.is_refused("empty_message", "message", {"body": " \n\t ", "key": new_key()})
        await ann.hears_nothing()


async def test_message_sent_twice_is_told_once(chat: Server) -> None:
    """A page without an answer sends again, on a new connection. It gets the first reply, and nobody hears more."""
    async with visit(chat, "Bo", LOBBY) as bo:
        key = new_key()
        async with visit(chat, "Ann", LOBBY) as ann:
            told = await ann.says("Once", key=key)
        async with visit(chat, "Ann", LOBBY) as ann:
            assert await ann.call("message", {"body": "Once", "key": key}) == ok({"id": told["id"]})
            await ann.hears_nothing()
        assert await bo.hears("message") == told
        await bo.hears_nothing()


async def test_message_whose_reply_was_not_kept_is_told_once(
    chat: Server, endpoint: Endpoint
) -> None:
    """The server crashed after it had stored a message, and before it kept the reply: the repeat gets the id."""
    async with visit(chat, "Ann", LOBBY) as ann:
        key = new_key()
        message, _ = await endpoint.state.store.add_message(endpoint, "lobby", "Ann", "Once", key)
        assert (await ann.hears("message"))["id"] == message.id
        assert await ann.call("message", {"body": "Once", "key": key}) == ok({"id": message.id})
        await ann.hears_nothing()
        assert [one["body"] for one in await ann.messages()] == ["Once"]


async def test_key_of_another_message_is_refused(chat: Server) -> None:
    """A page that gives two messages one key has an error, and is told."""
    async with visit(chat, "Ann", LOBBY) as ann:
        key = new_key()
        await ann.says("One", key=key)
        answer = await ann.call("message", {"body": "Two", "key": key})
        assert answer["response"]["reason"] == "key_reused"


async def test_keys_of_two_people_are_apart(chat: Server) -> None:
    """A person can't suppress another person's message by using its key."""
    async with visit(chat, "Ann", LOBBY) as ann, visit(chat, "Bo", LOBBY) as bo:
        key = new_key()
        await ann.says("Mine", key=key)
        await bo.hears("message")
        assert (await bo.says("Mine too", key=key))["body"] == "Mine too"


async def test_typing_is_told_to_the_others(chat: Server) -> None:
    """The typing person gets no message, and there is no reply."""
    async with visit(chat, "Ann", LOBBY) as ann, visit(chat, "Bo", LOBBY) as bo:
        await ann.push("typing")
        assert await bo.hears("typing") == {"name": "Ann"}
        await ann.hears_nothing()


# Earlier messages.


async def talked_before(endpoint: Endpoint, count: int) -> list[Any]:
    """Store this number of messages in the lobby, more than a person can send at once, and return them."""
    kept = [
        await endpoint.state.store.add_message(endpoint, "lobby", "Ann", str(number), new_key())
        for number in range(count)
    ]
    return [to_builtins(message) for message, _ in kept]


async def test_page_loads_what_was_said(chat: Server) -> None:
    """The latest messages are those of the room, the oldest first."""
    async with visit(chat, "Ann", LOBBY, PYTHON) as ann:
        said = [await ann.says("One"), await ann.says("Two")]
        await ann.says("Elsewhere", topic=PYTHON)
    async with visit(chat, "Bo", LOBBY) as bo:
        assert await bo.messages() == said


async def test_page_scrolls_back_to_the_first_message(chat: Server, endpoint: Endpoint) -> None:
    """Each load brings at most as many messages as a page shows at once. Nothing is left out, and nothing comes twice."""
    said = await talked_before(endpoint, 2 * PAGE + 3)
    async with visit(chat, "Bo", LOBBY) as bo:
        loaded = await bo.messages()
        assert loaded == said[-PAGE:]
        for expected in (said[3 : PAGE + 3], said[:3], []):
            older = await bo.messages(before=loaded[0]["id"])
            assert older == expected
            loaded = older + loaded
    assert loaded == said


@pytest.mark.parametrize("before", [None, 0, "1", 2**31, 1.5])
async def test_page_scrolls_back_from_a_message(chat: Server, before: Any) -> None:
    """What can't be an id is refused."""
    async with visit(chat, "Ann", LOBBY) as ann:
        answer = await ann.call("older", {"before": before})
        assert answer["response"]["reason"] == "invalid_payload"


async def test_position_is_that_of_the_messages(chat: Server) -> None:
    """A client that goes on from the position of the latest messages gets exactly what was sent after them."""
    async with visit(chat, "Ann", LOBBY) as ann:
        await ann.says("Before")
        answer = (await ann.call("latest"))["response"]
        said = await ann.talks(3)
        offset, _, epoch = answer["position"].partition(":")
        async with visit(chat, "Bo") as bo:
            recovery = {"epoch": epoch, "offset": int(offset), "client": "f1c0ffee00000000"}
            joined = await bo.enter(recovery=recovery)
            assert joined["recovery"]["recovered"] is True
            replayed = [await bo.receive() for _ in said]
            assert [frame.payload for frame in replayed] == said
            assert all(frame.ref.endswith(f":{epoch}") for frame in replayed)


async def test_typing_is_in_no_history(chat: Server) -> None:
    """A page that comes back gets the messages that it missed, and not who has typed."""
    async with visit(chat, "Ann", LOBBY) as ann, visit(chat, "Bo") as bo:
        start = (await bo.enter(recovery={}))["recovery"]
        await ann.push("typing")
        assert (await bo.receive())[1:] == (None, LOBBY, "typing", {"name": "Ann"})
        await bo.leave()
        await ann.push("typing")
        said = await ann.says("Done")
        position = {"epoch": start["epoch"], "offset": start["offset"]}
        await bo.enter(recovery={**position, "client": "f1c0ffee00000000"})
        assert (await bo.receive()).payload == said
        await bo.hears_nothing()


async def test_messages_outlive_the_server(database: Path) -> None:
    """The messages and the history are there after a restart, and ids and positions continue."""
    async with serve("native", make(database).wrap(page)) as server:
        async with visit(server, "Ann") as ann:
            start = (await ann.enter(recovery={}))["recovery"]
        async with visit(server, "Ann", LOBBY) as ann:
            first = await ann.says("Before")
    async with serve("native", make(database).wrap(page)) as server:
        async with visit(server, "Ann", LOBBY) as ann:
            assert await ann.messages() == [first]
            second = await ann.says("After")
            assert second["id"] > first["id"]
        async with visit(server, "Ann") as ann:
            position = {"epoch": start["epoch"], "offset": start["offset"]}
            joined = await ann.enter(recovery={**position, "client": "f1c0ffee00000000"})
            assert joined["recovery"]["count"] == 2
            assert [(await ann.receive()).payload for _ in range(2)] == [first, second]


async def test_join_in_the_middle_of_a_talk_misses_nothing(chat: Server) -> None:
    """Messages that are not loaded come after the join, in the order of their ids. Some come twice: the page drops a known id."""
    async with AsyncExitStack() as stack:
        ann, *pages = [await stack.enter_async_context(visit(chat, "Ann")) for _ in range(11)]
        await ann.enter()
        listening = [asyncio.create_task(one.follows(BURST)) for one in pages]
        said = await ann.talks(BURST)
        assert await asyncio.gather(*listening) == [said] * len(pages)


async def test_ids_rise_in_the_order_of_the_history(chat: Server, endpoint: Endpoint) -> None:
    """Messages that are sent at the same moment have one order, in the database and in the history."""
    async with visit(chat, "Ann", LOBBY) as ann:
        adding = (
            endpoint.state.store.add_message(endpoint, "lobby", "Bo", str(number), new_key())
            for number in range(BURST)
        )
        await asyncio.gather(*adding)
        heard = [await ann.hears("message") for _ in range(BURST)]
        assert heard == await ann.messages()
        kept = [entry.payload for entry in await endpoint.history(LOBBY)]
        assert kept == heard


# People.


async def test_name_is_tidied(chat: Server) -> None:
    """Space at the ends of a name is removed, and other space becomes a single character."""
    async with visit(chat, "  Ann \n Lee ", LOBBY) as ann:
        assert (await ann.says("Hello"))["author"] == "Ann Lee"


@pytest.mark.parametrize("name", ["x" * MAX_NAME, "Çiğdem", "李", "7"])
async def test_name_may_be_in_any_script(chat: Server, name: str) -> None:
    """A name can have letters and digits of any script."""
    async with visit(chat, name, LOBBY) as visitor:
        assert (await visitor.says("Hello"))["author"] == name


@pytest.mark.parametrize("name", ["", "   ", "x" * (MAX_NAME + 1), "\u202e\u200b", "…"])
async def test_name_that_is_none_is_refused(chat: Server, name: str) -> None:
    """A name that is too long or unreadable is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with visit(chat, name):
            pass
    assert refused.value.response.status_code == 403


async def test_name_is_required(chat: Server) -> None:
    """A connect without a name is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(chat):
            pass
    assert refused.value.response.status_code == 403


# Rooms.


async def test_rooms_are_kept_apart(chat: Server) -> None:
    """Messages, typing and notices of one room are not sent to another room."""
    async with visit(chat, "Ann", LOBBY) as ann, visit(chat, "Bo", PYTHON) as bo:
        await bo.says("Only here", topic=PYTHON)
        await bo.push("typing", topic=PYTHON)
        await bo.leave(PYTHON)
        await bo.enter(PYTHON)
        await bo.hears_nothing()
        await ann.hears_nothing()


async def test_room_that_is_not_there_is_refused(chat: Server) -> None:
    """A topic does not create a room: a person must open the room first."""
    async with visit(chat, "Ann") as ann:
        assert await ann.try_to_enter("room:nowhere") == error("no_such_room")


async def test_list_of_rooms_shows_what_goes_on(chat: Server) -> None:
    """The list has each room with its last message and its people, and gets changes."""
    async with visit(chat, "Ann", LOBBY) as ann:
        said = await ann.says("Hello")
        async with visit(chat, "Bo") as bo:
            rooms = {room.pop("name"): room for room in (await bo.enter("rooms"))["rooms"]}
            assert sorted(rooms) == sorted(ROOMS)
            assert rooms["lobby"] == {"people": 1, "last": said}
            assert rooms["python"] == {"people": 0, "last": None}
            said = await ann.says("Hello?")
            assert await bo.hears("message", topic="rooms") == said
            await ann.leave()
            assert await bo.hears("crowd", topic="rooms") == {"room": "lobby", "people": 0}
            await bo.hears_nothing()


async def open_room(visitor: Visitor, name: str) -> str:
    answer = await visitor.call("new_room", {"name": name}, topic="rooms")
    assert answer["status"] == "ok", answer
    opened: str = answer["response"]["name"]
    return opened


async def test_new_room_is_told_and_can_be_entered(chat: Server) -> None:
    """The person who opens a room gets its final name. All lists get the room."""
    async with visit(chat, "Ann", "rooms") as ann, visit(chat, "Bo", "rooms") as bo:
        ref = await ann.push("new_room", {"name": " Summer  Party "}, topic="rooms")
        new = {"name": "summer-party", "people": 0, "last": None}
        assert await ann.hears("room", topic="rooms") == new
        answer = await ann.receive()
        assert (answer.ref, answer.payload) == (ref, ok({"name": "summer-party"}))
        assert await bo.hears("room", topic="rooms") == new
        assert (await bo.enter("room:summer-party"))["recent"] == []


async def test_opening_a_room_that_is_there_is_no_news(chat: Server) -> None:
    """The answer is that of a new room, and no list is told."""
    async with visit(chat, "Ann", "rooms") as ann:
        assert await open_room(ann, "Lobby") == "lobby"
        await ann.hears_nothing()


@pytest.mark.parametrize("name", ["x" * MAX_ROOM, "größe", "3-14", "李"])
async def test_room_may_be_named_in_any_script(chat: Server, name: str) -> None:
    """A room's name can have letters and digits of any script, and single hyphens."""
    async with visit(chat, "Ann", "rooms") as ann:
        await ann.push("new_room", {"name": name}, topic="rooms")
        assert (await ann.hears("room", topic="rooms"))["name"] == name
        await ann.receive()
        assert (await ann.enter(f"room:{name}"))["recent"] == []


@pytest.mark.parametrize("name", ["", " ", "x" * (MAX_ROOM + 1), "a:b", "-a", "a--b", "a_b", "🙂"])
async def test_room_name_that_is_none_is_refused(chat: Server, name: str) -> None:
    """A name that is too long, or can't be in a URL, is refused."""
    async with visit(chat, "Ann", "rooms") as ann:
        await ann.is_refused("bad_room_name", "new_room", {"name": name}, topic="rooms")


async def test_rooms_are_not_endless(chat: Server, database: Path) -> None:
    """The number of rooms is limited. Existing rooms can still be opened."""
    async with open_store(database) as store:
        for number in range(MAX_ROOMS - len(ROOMS)):
            await store.add_room(f"room-{number}")
    async with visit(chat, "Ann", "rooms") as ann:
        await ann.is_refused("too_many_rooms", "new_room", {"name": "one-more"}, topic="rooms")
        assert await open_room(ann, "room-0") == "room-0"


# How fast.


async def test_messages_have_a_rate(chat: Server) -> None:
    """A message above the rate is refused, with the time to wait."""
    async with visit(chat, "Ann", LOBBY) as ann:
        await ann.talks(BURST)
        for _ in range(BURST):
            await ann.push("message", {"body": "more", "key": new_key()})
        answers = [await ann.receive() for _ in range(BURST)]
        refused = [frame.payload["response"] for frame in answers if frame.event == "phx_reply"]
        assert refused[-1]["reason"] == "rate_limited"
        assert 0 < refused[-1]["retry_after_ms"] <= 1000


def test_everything_that_a_client_can_do_has_a_bound() -> None:
    """The demo is a template: joins, messages, bytes, each event and each address have a limit."""
    limits = chat_app.limits
    assert limits.connections
    assert limits.connections_per_ip
    assert limits.connects_per_ip
    rates = chat_app.socket.rates
    assert rates is not None
    assert rates.joins
    assert rates.messages
    assert rates.bytes
    for row in chat_app.socket.table.rows:
        for event, handler in row.target.events.items():
            assert handler.rate is not None, event


async def test_longest_message_fits_into_a_frame(chat: Server) -> None:
    """The longest message fits into a frame in each form of its JSON."""
    async with visit(chat, "Ann", LOBBY) as ann:
        body = "\U0001f642" * MAX_BODY
        assert (await ann.says(body))["body"] == body
    text = json.dumps(
        ["1", "2", "room:" + "x" * MAX_ROOM, "message", {"body": body, "key": "x" * 64}]
    )
    assert len(text) < chat_app.socket.max_frame_size / 2


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
    """By default the database is in a folder beside the program, which is created."""
    monkeypatch.delenv("CHAT_DATABASE", raising=False)
    monkeypatch.setenv("BENNU_DEMO_DATA", str(tmp_path))
    app = chat_app.from_environment().wrap(page)
    async with serve("native", app) as server, visit(server, "Ann", LOBBY) as ann:
        await ann.says("Hello")
    kept = [path.name for path in tmp_path.glob("chat/*.db")]  # noqa: ASYNC240 - nothing else runs now
    assert kept == ["chat.db"]
