"""The inspector shows connections and topics, over each transport, and leaves no trace when it is closed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bennu import DefinitionError, Endpoint, Socket
from bennu.inspect import (
    BroadcastSeen,
    CloseSeen,
    ConnectSeen,
    Follow,
    FrameSeen,
    JoinSeen,
    LeaveSeen,
    Recording,
)
from bennu.testing import connect, nodes, running
from bennu.testing.client import Transport
from bennu.testing.clock import settle
from bennu.testing.wires import open_wire

from ..inspect.apps import Room, endpoint_of_rooms
from ..support.frames import PHX_JOIN, PHX_REPLY, encode_v2, joining, leaving


def frames(follow: Follow) -> list[tuple[Any, ...]]:
    """Return direction, event and payload of the frames that wait, without heartbeats."""
    return [
        (record.direction, record.event, record.payload)
        for record in follow.ready()
        if isinstance(record, FrameSeen) and record.topic != "phoenix"
    ]


OK_JOIN = {"status": "ok", "response": {"topic": "room:1"}}
SAID = {"status": "ok", "response": {"id": 7}}


@pytest.mark.parametrize("transport", ["websocket", "asgi", "longpoll"])
async def test_a_user_is_followed_from_the_connect(transport: Transport) -> None:
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        follow = endpoint.inspector.follow(user="users:ann")
        params = {"name": "ann", "token": "geheim"}
        async with connect(endpoint, "/socket", params, transport=transport) as ann:
            room = await ann.join("room:1")
            await room.push("say", {"body": "hi", "password": "1234"})
            [opened, *_] = records = follow.ready()
            assert isinstance(opened, ConnectSeen)
            assert (opened.user, opened.is_new, opened.topics) == ("users:ann", True, ())
            assert opened.params == {"name": "ann", "token": "[FILTERED]", "vsn": "2.0.0"}
            hidden = {"body": "hi", "password": "[FILTERED]"}
            found = [one for one in records if isinstance(one, FrameSeen) and one.topic == "room:1"]
            assert [(one.direction, one.event, one.payload) for one in found] == [
                ("in", PHX_JOIN, {}),
                ("out", PHX_REPLY, OK_JOIN),
                ("in", "say", hidden),
                ("out", "said", hidden),
                ("out", PHX_REPLY, SAID),
            ]
            assert [one.answers for one in found] == [None, PHX_JOIN, None, None, "say"]
            assert all(one.took is not None for one in found if one.answers)
            assert all(one.size > 20 for one in found)
            assert [one.topic for one in records if isinstance(one, JoinSeen)] == ["room:1"]
        follow.close()
    assert not endpoint.inspector.is_open


async def test_a_full_follow_that_keeps_the_oldest_still_knows_the_channels() -> None:
    """What it has no room for is counted, and joins are read nevertheless: the end of a channel is told later."""
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        with endpoint.inspector.follow(topic="room:*", limit=2, keep="oldest") as follow:
            async with connect(endpoint, "/socket", {"name": "ann"}) as ann:
                room = await ann.join("room:1")
                assert len(follow) == 2
                before = follow.dropped
                await room.push("say", {"body": "hi"})
                await ann.join("room:2")
                # say, said and the reply; the join, its reply, and who has joined
                assert follow.dropped == before + 6
                assert frames(follow)[0] == ("in", PHX_JOIN, {})
            await settle()
            ends = [one.topic for one in follow.ready() if isinstance(one, LeaveSeen)]
            assert ends == ["room:1", "room:2"]


async def test_a_topic_has_each_broadcast_once() -> None:
    endpoint = endpoint_of_rooms()
    async with (
        connect(endpoint, "/socket", {"name": "ann"}) as ann,
        connect(endpoint, "/socket", {"name": "bo"}) as bo,
    ):
        room = await ann.join("room:1")
        follow = endpoint.inspector.follow(topic="room:1")
        await bo.join("room:1")
        await (await bo.join("room:2")).push("say", {"body": "elsewhere"})
        await room.push("say", {"body": "hi"})
        await room.push("say_to_others", {"body": "ho"})
        _ = room.push("whisper", {"body": "psst"})
        await settle()
        records = follow.ready()
        sent = [one for one in records if isinstance(one, BroadcastSeen)]
        assert [(one.event, one.payload, one.size) for one in sent] == [
            ("said", {"body": "hi"}, 13),
            ("said", {"body": "ho"}, 13),
            ("whisper", {"body": "psst"}, 15),
        ]
        counts = [(one.due, one.delivered, one.own, one.handled) for one in sent]
        assert counts == [(2, 2, 0, 0), (2, 1, 1, 0), (2, 0, 0, 2)]
        found = [(one.direction, one.event) for one in records if isinstance(one, FrameSeen)]
        assert found == [
            ("in", PHX_JOIN),
            ("out", PHX_REPLY),
            ("in", "say"),
            ("out", PHX_REPLY),
            ("in", "say_to_others"),
            ("out", PHX_REPLY),
            ("in", "whisper"),
            ("out", "whisper"),
            ("out", "whisper"),
        ]
        follow.close()
        await room.push("say", {"body": "unseen"})
        assert follow.ready() == []


async def test_topics_by_their_beginning_and_escaped_names() -> None:
    """A client can write each character of a topic as an escape."""
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        follow = endpoint.inspector.follow(topic="room:*")
        wire = await open_wire(endpoint, "/socket/websocket?vsn=2.0.0")
        wire.send(str(encode_v2(joining("1", "room:1"))).replace("room", "\\u0072oom"))
        await settle()
        assert frames(follow) == [("in", PHX_JOIN, {}), ("out", PHX_REPLY, OK_JOIN)]
        wire.close()
        await settle()
        [left] = follow.ready()
        assert isinstance(left, LeaveSeen)
        assert (left.topic, left.reason) == ("room:1", "disconnected")
        follow.close()


@pytest.mark.conformance("LG010", "LG013")
async def test_a_connection_that_is_open_already() -> None:
    """Its lane's broadcasts are seen, as it gets them. Afterwards it is as it was."""
    endpoint = endpoint_of_rooms()
    async with (
        connect(endpoint, "/socket", {"name": "ann"}) as ann,
        connect(endpoint, "/socket", {"name": "bo"}) as bo,
    ):
        await ann.join("room:1")
        theirs = await bo.join("room:1")
        [mine] = [one for one in endpoint.inspector.connections() if one.user == "users:ann"]
        assert (mine.topics, mine.is_new) == (("room:1",), False)
        with endpoint.inspector.follow(connection=mine.connection, topic="room:1") as follow:
            await theirs.push("say", {"body": "hi"})
            assert frames(follow) == [("out", "said", {"body": "hi"})]
        await theirs.push("say", {"body": "ho"})
        assert follow.ready() == []
        await ann.heartbeat()


@pytest.mark.parametrize("transport", ["websocket", "asgi"])
async def test_who_closes_and_why(transport: Transport) -> None:
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        with endpoint.inspector.follow(user="users:ann") as follow:
            for end in ("client", "server", "network"):
                async with connect(
                    endpoint, "/socket", {"name": "ann"}, transport=transport
                ) as ann:
                    room = await ann.join("room:1")
                    if end == "server":
                        await endpoint.disconnect("users:ann")
                    elif end == "network":
                        ann.vanish()
                    else:
                        _ = room.push("boom")
                        await room.assert_crashed()
            await settle()
            records = follow.ready()
            closes = [(one.by, one.code) for one in records if isinstance(one, CloseSeen)]
            assert closes == [("client", 1000), ("server", 1001), ("network", 1006)]
            leaves = [one.reason for one in records if isinstance(one, LeaveSeen)]
            assert leaves == ["crashed", "disconnected", "disconnected"]


async def test_a_raw_socket_has_bytes_and_sizes() -> None:
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        wire = await open_wire(endpoint, "/raw/websocket")
        [raw] = endpoint.inspector.connections()
        with endpoint.inspector.follow(connection=raw.connection) as follow:
            wire.send("hello")
            wire.send(b"\x61")
            await settle()
            [_, *records] = follow.ready()
            assert [(one.direction, one.payload, one.size, one.topic) for one in records] == [  # type: ignore[union-attr]  # all are frames
                ("in", "hello", 5, None),
                ("in", b"a", 1, None),
                ("out", "HELLO", 5, None),
                ("out", b"A", 1, None),
            ]
        wire.close()
        await settle()


async def test_a_slow_client_shows_what_reaches_its_transport() -> None:
    """A follow that begins while a client does not read leaves the backpressure as it is."""
    endpoint = endpoint_of_rooms()
    async with connect(endpoint, "/socket", {"name": "ann"}) as ann:
        room = await ann.join("room:1")
        ann.stall()
        for _ in range(3):
            _ = room.push("say", {"body": "x" * 40_000})
        await settle()
        with endpoint.inspector.follow(user="users:ann") as follow:
            _ = room.push("say", {"body": "y"})
            await settle()
            assert [event for _, event, _ in frames(follow)] == ["say", "said", PHX_REPLY]
        ann.resume()
        for _ in range(4):
            await room.assert_push("said")
        await room.push("say", {"body": "z"})


async def test_a_broadcast_of_another_node() -> None:
    def make(pubsub: Any, store: Any) -> Endpoint:
        del store
        socket = Socket(connect=lambda: None, channels={"room:*": Room})
        return Endpoint(sockets={"/socket": socket}, pubsub=pubsub)

    async with nodes(make, 2) as cluster:
        one, two = cluster
        async with one.connect("/socket") as ann, two.connect("/socket") as bo:
            await ann.join("room:1")
            room = await bo.join("room:1")
            follow = one.endpoint.inspector.follow(topic="room:1")
            await room.push("say", {"body": "hi"})
            await settle()
            [seen] = [record for record in follow.ready() if isinstance(record, BroadcastSeen)]
            assert (seen.node, seen.delivered) == (two.endpoint.node, 1)
            follow.close()


# Recordings.


async def test_a_recording_from_the_connect_to_the_close(tmp_path: Path) -> None:
    endpoint = endpoint_of_rooms()
    file = tmp_path / "session.jsonl"
    async with running(endpoint):
        recorder = endpoint.inspector.record_next(file, user="users:ann")
        async with connect(endpoint, "/socket", {"name": "bo"}):
            assert not recorder.has_begun
        params = {"name": "ann", "token": "geheim"}
        async with connect(endpoint, "/socket", params, heartbeats=False) as ann:
            room = await ann.join("room:1", {"api_key": "geheim"})
            await room.push("say", {"body": "hi"})
        await recorder.wait_closed()
        assert not endpoint.inspector.is_open
    text = file.read_text()
    assert "geheim" not in text
    assert file.stat().st_mode & 0o777 == 0o600
    found = Recording.read(text.splitlines())
    assert (found.header.path, found.header.vsn) == ("/socket/websocket", "2.0.0")
    assert [(one.side, one.parts[3]) for one in found.frames[:-1]] == [
        ("client", PHX_JOIN),
        ("server", PHX_REPLY),
        ("client", "say"),
        ("server", "said"),
        ("server", PHX_REPLY),
    ]
    assert found.frames[-1].close == (1000, "")


async def test_a_recording_that_begins_late_and_ends_early(tmp_path: Path) -> None:
    endpoint = endpoint_of_rooms()
    async with connect(endpoint, "/socket", {"name": "ann"}) as ann:
        room = await ann.join("room:1")
        [mine] = endpoint.inspector.connections()
        recorder = endpoint.inspector.record(mine.connection, tmp_path / "late.jsonl")
        await room.push("say", {"body": "hi"})
        recorder.close()
        await room.push("say", {"body": "ho"})
        await recorder.wait_closed()
    found = Recording.read(recorder.file.read_bytes().splitlines())
    assert found.header.joined == ("room:1",)
    assert [one.parts[3] for one in found.frames] == ["say", "said", PHX_REPLY]


async def test_a_stop_of_the_endpoint_completes_what_is_open(tmp_path: Path) -> None:
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        follow = endpoint.inspector.follow(topic="*")
        recorder = endpoint.inspector.record_next(tmp_path / "session.jsonl")
        wire = await open_wire(endpoint, "/socket/websocket?vsn=2.0.0")
    await recorder.wait_closed()
    assert [one async for one in follow] == []
    assert wire.code == 1012
    [last] = Recording.read(recorder.file.read_bytes().splitlines()).frames
    assert last.close == (1012, "shutdown")


async def test_an_event_loop_that_was_closed_without_a_stop(tmp_path: Path) -> None:
    """The endpoint forgets what was followed, and starts anew."""
    endpoint = endpoint_of_rooms()

    async def leave_it() -> None:
        await endpoint.start()
        endpoint.inspector.follow(topic="room:1")
        endpoint.inspector.record_next(tmp_path / "session.jsonl")

    await asyncio.to_thread(asyncio.run, leave_it())
    before = endpoint.inspector.is_open
    await endpoint.start()
    assert (before, endpoint.inspector.is_open) == (True, False)
    await endpoint.stop()


async def test_a_follow_that_fails_leaves_the_connection_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        with endpoint.inspector.follow(topic="room:1") as follow:
            monkeypatch.setattr(follow, "put", lambda _: 1 / 0)
            async with connect(endpoint, "/socket") as ann:
                await ann.join("room:1")
    assert "The inspector failed on a message" in caplog.text


async def test_topics_that_are_no_text() -> None:
    """A client can send any value as a topic."""
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        wire = await open_wire(endpoint, "/socket/websocket?vsn=2.0.0&name=ann")
        with endpoint.inspector.follow(user="users:ann") as follow:
            for frame in (joining("7", ["odd"]), leaving("7", "8", ["odd"])):
                wire.send(encode_v2(frame))
            await settle()
            assert len(frames(follow)) == 4
        assert wire.code is None
        wire.close()
        await settle()


@pytest.mark.conformance("LG013")
async def test_mistakes(tmp_path: Path) -> None:
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        with pytest.raises(DefinitionError, match="a topic, a connection or a user"):
            endpoint.inspector.follow()
        with pytest.raises(LookupError, match="no connection '9' is open"):
            endpoint.inspector.record("9", tmp_path / "x")
        with pytest.raises(OSError, match="No such file or directory"):
            endpoint.inspector.record_next(tmp_path / "no" / "x")
        assert not endpoint.inspector.is_open
