"""The pages on replies, ends, listening and databases are true: each row of their tables, and each claim."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import Struct

from bennu import Broadcast, Channel, Error, NotJoined, Ok, Refused, Reply, Stop, on
from bennu.testing import Exactly, connect
from bennu.testing.clock import advance, settle
from tests.support.frames import (
    PHX_CLOSE,
    PHX_ERROR,
    PHX_LEAVE,
    PHX_REPLY,
    encode_v2,
    error,
    ok,
    pushing,
)
from tests.support.memory import Client, Server, endpoint_of, serve
from tests.support.pages import ROOT, blocks, run_blocks, section, table


async def answers(client: Client, event: str, payload: Any = None) -> list[tuple[str, Any]]:
    """Push, and return all answers: the status of a reply or the event, and the payload."""
    client.read().clear()
    client.push("room:1", event, payload)
    await settle()
    return seen(client)


def seen(client: Client) -> list[tuple[str, Any]]:
    frames = list(client.read())
    client.read().clear()
    return [
        (frame.payload["status"], frame.payload["response"])
        if frame.event == PHX_REPLY
        else (frame.event, frame.payload)
        for frame in frames
    ]


# Results of a handler.


async def test_the_examples_of_replies_answer_as_their_comments_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reply of each handler of the page, over the wire."""
    names = run_blocks(monkeypatch, "replies", *blocks("docs/replies.md"))
    expected = {
        "save": ("ok", {"id": 7}),
        "touch": ("ok", {}),
        "typing": None,
        "delete": ("error", {"reason": "locked"}),
        "rename": ("error", {"reason": "taken", "by": "ann"}),
        "export": ("queued", {"place": 3}),
        "image": ("ok", b"\x89PNG"),
        "render": ("ok", {"url": "/done.png"}),
    }
    async with serve(names["endpoint"]) as server:
        client = await server.connect()
        await client.join("notes:1")
        for event, answer in expected.items():
            client.push("notes:1", event)
            await settle()
            assert seen(client) == ([] if answer is None else [answer]), event
        client.close()


class Point(Struct):
    x: int


class Anything(Channel[Any]):
    """Returns or raises the value of ``outcome``."""

    outcome: Any = None

    async def join(self) -> Any:
        return self._act() if self.topic == "room:join" else None

    def _act(self) -> Any:
        if isinstance(Anything.outcome, Exception):
            raise Anything.outcome
        return Anything.outcome

    @on("act")
    async def act(self) -> Any:
        return self._act()

    @on("ref")
    async def later(self) -> None:
        ref = self.ref()
        await ref.reply()
        await ref.reply({"again": 1})

    @on("nothing")
    async def nothing(self) -> Ok:
        return Ok()

    @on("mapping")
    async def mapping(self, payload: dict[str, Any]) -> Ok:
        return Ok()

    @on("struct")
    async def struct(self, payload: Point) -> Ok:
        return Ok()

    @on("optional")
    async def optional(self, payload: Point | None) -> dict[str, bool]:
        return {"none": payload is None}

    @on("any")
    async def any(self, payload: Any) -> dict[str, bool]:
        return {"none": payload is None}

    @on("pushes")
    async def pushes(self) -> None:
        every: tuple[tuple[Any, ...], ...] = ((), (None,), ({},))
        for arguments in every:
            await self.push("refresh", *arguments)
            await self.broadcast("refresh", *arguments)
            await self.endpoint.broadcast(self.topic, "refresh", *arguments)


@pytest.fixture
async def room() -> AsyncIterator[Server]:
    async with serve(endpoint_of({"room:*": Anything})) as server:
        yield server


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        ({"a": 1}, ("ok", {"a": 1})),
        ([1], ("ok", [1])),
        ("text", ("ok", "text")),
        (3, ("ok", 3)),
        (Point(1), ("ok", {"x": 1})),
        (Ok({"a": 1}), ("ok", {"a": 1})),
        (Ok(), ("ok", {})),
        ({}, ("ok", {})),
        (Ok(None), ("ok", None)),
        (Error({"a": 1}), ("error", {"a": 1})),
        (Error(), ("error", {})),
        (Refused("reason", more=1), ("error", {"reason": "reason", "more": 1})),
        (Reply("status", {"a": 1}), ("status", {"a": 1})),
        (Reply("status", None), ("status", None)),
        (b"bytes", ("ok", b"bytes")),
    ],
)
async def test_what_a_handler_returns_is_the_reply(
    room: Server, monkeypatch: pytest.MonkeyPatch, outcome: Any, answer: Any
) -> None:
    """The page's table of results, and what it says about null."""
    monkeypatch.setattr(Anything, "outcome", outcome)
    client = await room.connect()
    await client.join("room:1")
    assert await answers(client, "act") == [answer]
    client.close()


@pytest.mark.parametrize("outcome", [ValueError("mine"), object()])
async def test_an_exception_or_what_cannot_be_written_ends_the_channel(
    room: Server, monkeypatch: pytest.MonkeyPatch, outcome: Any
) -> None:
    monkeypatch.setattr(Anything, "outcome", outcome)
    client = await room.connect()
    await client.join("room:1")
    assert [event for event, _ in await answers(client, "act")] == [PHX_ERROR]
    room.logged("crashed in act")
    client.close()


async def test_no_reply_and_late_replies(room: Server) -> None:
    """None is no reply; a ref without a value is an empty reply, and can be used again."""
    client = await room.connect()
    await client.join("room:1")
    assert await answers(client, "act") == []
    assert await answers(client, "ref") == [("ok", {}), ("ok", {"again": 1})]
    client.close()


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (None, ok()),
        ({"a": 1}, ok({"a": 1})),
        (Ok({"a": 1}), ok({"a": 1})),
        (Refused("full"), error("full")),
        (Error({"a": 1}), {"status": "error", "response": {"a": 1}}),
        (Reply("later"), error("join crashed")),
        (ValueError("mine"), error("join crashed")),
        (Stop(), error("join crashed")),
    ],
)
async def test_what_a_join_returns_is_the_reply(
    room: Server, monkeypatch: pytest.MonkeyPatch, outcome: Any, answer: Any
) -> None:
    """The page's second table. A Stop in a join is a crash, as the page on ends says."""
    monkeypatch.setattr(Anything, "outcome", outcome)
    client = await room.connect()
    assert await client.join("room:join") == answer
    if answer == error("join crashed"):
        room.logged("The join of 'room:join'")
    client.close()


PARAMETERS: Final = {
    "none": "nothing",
    "`payload: dict[str, Any]`": "mapping",
    "`payload: NewMsg`, a Struct with required fields": "struct",
    "`payload: NewMsg \\| None`": "optional",
    "`payload: Any`": "any",
}


async def test_the_table_of_null_payloads_is_right(room: Server) -> None:
    """Each row of the page's table of null payloads."""
    rows = table(section("docs/replies.md", "Payloads that are null or missing"))
    assert [row[0] for row in rows] == list(PARAMETERS)
    client = await room.connect()
    await client.join("room:1")
    payloads: tuple[Any, ...] = ({}, None)
    for parameter, *cells in rows:
        for payload, cell in zip(payloads, cells, strict=True):
            message = pushing("1", "9", "room:1", PARAMETERS[parameter])
            client.wire.send(encode_v2(message._replace(payload=payload)))
            await settle()
            [(status, response)] = seen(client)
            if cell == "`invalid_payload`":
                assert (status, response["reason"]) == ("error", "invalid_payload"), parameter
            else:
                assert status == "ok", parameter
                assert response.get("none", False) == ("with None" in cell), parameter
    client.close()


async def test_payload_of_none_is_an_empty_object(room: Server) -> None:
    client = await room.connect()
    await client.join("room:1")
    assert await answers(client, "pushes") == [("refresh", {})] * 9
    client.close()


# The end of a channel.


async def test_the_examples_of_ends_end_as_their_comments_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page's examples end as their comments say, and the client gets what the comments say."""
    names = run_blocks(monkeypatch, "ending", *blocks("docs/ending.md"))
    left = ("left", {"name": "ann"})
    ends = {
        "finish": [("ok", {"score": 12}), (PHX_CLOSE, {})],
        "kick_me": [("kicked", {}), (PHX_CLOSE, {})],
        "restart": [(PHX_ERROR, {"reason": "channel_crash"})],
    }
    async with serve(names["endpoint"]) as server:
        mallory = await server.connect(params={"name": "mallory"})
        bo = await server.connect(params={"name": "bo"})
        await bo.join("room:1")
        assert await mallory.join("room:1") == error("banned")
        mallory.close()
        await settle()
        assert seen(bo) == []
        for event, expected in ends.items():
            ann = await server.connect(params={"name": "ann"})
            await ann.join("room:1")
            assert await answers(ann, event) == expected
            assert seen(bo) == [left]
            ann.close()
        server.logged("stopped: state is lost")
        bo.close()


class Farewell(Channel[Any]):
    """Sends all that it can at its end, and keeps the results."""

    ended: Any = None

    @on("stop")
    async def stop(self, payload: list[Any]) -> None:
        raise Stop(*payload, reply=Error({"last": 1}))

    @on("stop_later")
    async def stop_later(self) -> Ok:
        _ = self.start(self._stop())
        return Ok()

    async def _stop(self) -> None:
        raise Stop(reply={"unheard": 1})

    @on("crash")
    async def crash(self) -> None:
        raise ValueError("mine")

    async def terminate(self, reason: str | Exception) -> None:
        Farewell.ended = self, str(reason)
        await self.push("bye")
        await self.broadcast("gone")
        await self.broadcast_from("gone too")


LAST: Final = ("error", {"last": 1})
CLOSED: Final[Any] = (PHX_CLOSE, {})
CRASHED: Final[Any] = (PHX_ERROR, {"reason": "channel_crash"})
BYE: Final[Any] = [("bye", {}), ("gone", {})]


@pytest.mark.parametrize(
    ("push", "reason", "expected"),
    [
        ((PHX_LEAVE, None), "left", [("ok", {}), CLOSED, BYE[0]]),
        (("stop", []), "normal", [LAST, CLOSED, BYE[0]]),
        (("stop", ["shutdown"]), "shutdown", [LAST, CLOSED, BYE[0]]),
        (("stop", ["shutdown:x"]), "shutdown:x", [LAST, CLOSED, BYE[0]]),
        (("stop", ["broken"]), "broken", [LAST, *BYE, CRASHED]),
        (("crash", None), "mine", [*BYE, CRASHED]),
        (("stop_later", None), "normal", [("ok", {}), CLOSED, BYE[0]]),
    ],
)
async def test_the_order_at_the_end_is_that_of_the_table(
    push: Any, reason: str, expected: list[Any]
) -> None:
    """The reply is first, then phx_close before terminate, or phx_error after it. No message follows."""
    async with serve(endpoint_of({"room:*": Farewell})) as server:
        ann, bo = await server.connect(), await server.connect()
        for client in (ann, bo):
            await client.join("room:1")
        assert await answers(ann, *push) == expected
        assert seen(bo) == [("gone", {}), ("gone too", {})]
        channel, told = Farewell.ended
        assert told == reason
        with pytest.raises(NotJoined):
            await channel.push("too late")
        ann.close()
        await settle()
        bo.close()
        if CRASHED in expected:
            server.logged("Farewell")


async def test_nobody_hears_what_is_pushed_to_a_connection_that_is_gone() -> None:
    """A push to a closed connection is no error; other clients get its broadcasts."""
    async with serve(endpoint_of({"room:*": Farewell})) as server:
        ann, bo = await server.connect(), await server.connect()
        for client in (ann, bo):
            await client.join("room:1")
        ann.close()
        await settle()
        assert seen(bo) == [("gone", {}), ("gone too", {})]
        assert Farewell.ended[1] == "closed"
        bo.close()


class Plain(Channel[Any]):
    threads: Any = None

    async def after_join(self) -> None:
        _ = self.start(self._wait())

    async def _wait(self) -> None:
        try:
            await advance(1_000)
        finally:
            Plain.threads.append("task cancelled")

    def terminate(self, reason: str | Exception) -> None:
        Plain.threads.append(threading.current_thread() is not threading.main_thread())


async def test_plain_terminate_runs_in_a_thread_and_before_tasks_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Plain, "threads", [])
    async with serve(endpoint_of({"room:*": Plain})) as server:
        ann = await server.connect()
        await ann.join("room:1")
        ann.close()
        await settle()
    assert Plain.threads == [True, "task cancelled"]


# Listening.


async def test_the_page_on_listening_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lifespan of the page keeps broadcasts, and its dashboard pushes them."""
    names = run_blocks(monkeypatch, "listening", *blocks("docs/listening.md"))
    endpoint = names["endpoint"]
    async with serve(endpoint) as server:
        ann, board = await server.connect(), await server.connect()
        await board.join("board")
        await endpoint.broadcast("orders", "early", {"id": 0})  # no client has joined the topic
        await ann.join("orders")
        ann.push("orders", "order", {"id": 1})
        await settle()
        assert names["kept"] == [("orders", "early", {"id": 0}), ("orders", "order", {"id": 1})]
        assert seen(board) == [
            ("order", {"was": "early", "id": 0}),
            ("order", {"was": "order", "id": 1}),
        ]
        ann.close()
        board.close()


async def test_listener_hears_broadcasts_as_copies_and_may_fail() -> None:
    """A listener that raises is logged, and the others are called. No listener sees another's changes."""
    endpoint = endpoint_of({"room:*": Anything})
    async with serve(endpoint) as server:
        heard: list[Broadcast] = []

        def fail(message: Broadcast) -> None:
            message.payload["changed"] = True
            raise ValueError("mine")

        first = endpoint.pubsub.subscribe("room:1", fail)
        second = endpoint.pubsub.subscribe("room:1", heard.append)
        client = await server.connect()
        await client.join("room:1")
        await endpoint.broadcast("room:1", "news", {"id": 1})
        server.logged("A listener of 'room:1' failed")
        first.cancel()
        await settle()
        assert seen(client) == [("news", {"id": 1})]
        assert [(one.topic, one.event, one.payload) for one in heard] == [
            ("room:1", "news", {"id": 1})
        ]
        second.cancel()
        client.close()


# Databases.


@pytest.mark.clock("real")
async def test_the_page_on_databases_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A refused change is rolled back. The rest is in the database after a restart of the server."""
    monkeypatch.chdir(tmp_path)
    first, *others = blocks("docs/database.md")
    names = run_blocks(monkeypatch, "database", first)
    endpoint = names["endpoint"]
    async with connect(endpoint, "/socket") as client:
        notes = await client.join("notes:a")
        assert notes.response == {"notes": []}
        assert await notes.push("add", {"body": "one"}) == {"id": 1}
        await notes.push("add", {"body": " "}).assert_error("empty")
        assert await notes.push("add", {"body": "two"}) == {"id": 2}
        one, two = Exactly({"id": 1, "body": "one"}), Exactly({"id": 2, "body": "two"})
        await notes.assert_pushes(("added", one), ("added", two))
    async with connect(endpoint, "/socket") as client:
        assert (await client.join("notes:a")).response == {"notes": ["one", "two"]}
        assert (await client.join("notes:b")).response == {"notes": []}
    for block in others:
        exec(block, names)  # noqa: S102 - our own page
    assert names["endpoint"] is not endpoint


@pytest.mark.parametrize("page", ["replies", "ending", "listening", "database"])
def test_pages_are_found_from_the_readme_and_the_guide(page: str) -> None:
    assert f"docs/{page}.md" in (ROOT / "README.md").read_text()
    assert f"({page}.md" in (ROOT / "docs" / "guide.md").read_text()
