"""The ends of channels: left, stopped, or lost with their connection; and the order of their messages."""

from __future__ import annotations

import pytest

from tests.support.frames import broadcast, closed, crashed, error, ok, push, reply
from tests.support.servers import Server
from tests.support.wire import Phoenix, connect

from .app import Journal


async def join_eager(client: Phoenix, topic: str) -> None:
    """Join a channel that pushes in its join and in its terminate."""
    await client.send("1", "1", topic, "phx_join")
    await client.expect(
        reply("1", "1", topic, ok({"joined": {}})),
        broadcast(topic, "everyone", {"x": 1}),
        push("1", topic, "pushed", {"y": 2}),
    )


@pytest.mark.conformance("WS006", "OB010")
async def test_a_leave(server: Server, vsn: str, journal: Journal) -> None:
    """The reply is first, then the close, and then the pushes of terminate."""
    topic = "eager:leave"
    async with connect(server, vsn=vsn) as client:
        await join_eager(client, topic)
        await client.send("1", "2", topic, "phx_leave")
        await client.expect(
            reply("1", "2", topic, ok()),
            closed("1", topic),
            push("1", topic, "farewell", {"reason": "left"}),
        )
        assert await journal.end_of(topic) == "left"
        await client.expect_silence()


@pytest.mark.conformance("WS007")
async def test_after_a_leave_the_topic_is_free(server: Server, vsn: str, journal: Journal) -> None:
    """A message is refused and not broadcast, a second leave is answered, and a join works."""
    topic = "room:left"
    async with connect(server, vsn=vsn) as client:
        assert await client.join(topic) == ok()
        await client.send("1", "2", topic, "phx_leave")
        await client.expect(reply("1", "2", topic, ok()), closed("1", topic))
        await client.send("1", "3", topic, "shout", {"a": 1})
        await client.send("1", "4", topic, "phx_leave")
        await client.expect(
            reply(None, "3", topic, error("unmatched topic")), reply("1", "4", topic, ok())
        )
        assert await client.join(topic, ref="5") == ok()
        await client.expect_silence()
    assert await journal.end_of(topic) == "left"
    assert await journal.end_of(topic) == "closed"


async def test_a_leave_of_what_was_never_joined_is_fine(server: Server, vsn: str) -> None:
    """A leave is answered with ok, also if no channel has the topic."""
    async with connect(server, vsn=vsn) as client:
        await client.send("1", "2", "room:1", "phx_leave")
        await client.send(None, "3", "nothing", "phx_leave")
        await client.expect(reply("1", "2", "room:1", ok()), reply(None, "3", "nothing", ok()))


async def test_a_leave_with_null_is_meant_for_whatever_is_joined(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await client.send(None, "2", "room:1", "phx_leave")
        await client.expect(reply("1", "2", "room:1", ok()), closed("1", "room:1"))


async def test_a_leave_waits_for_its_turn(server: Server, vsn: str, journal: Journal) -> None:
    """Earlier messages are handled before the leave."""
    topic = f"room:turn-{vsn}"
    async with connect(server, vsn=vsn) as client:
        assert await client.join(topic) == ok()
        await client.send("1", "2", topic, "wait")
        await client.send("1", "3", topic, "echo", {"a": 1})
        await client.send("1", "4", topic, "phx_leave")
        await journal.read(topic, "waits")
        journal.gate(topic).set()
        await client.expect(
            reply("1", "2", topic, ok()),
            reply("1", "3", topic, ok({"a": 1})),
            reply("1", "4", topic, ok()),
            closed("1", topic),
        )


async def test_a_join_behind_a_leave(server: Server, vsn: str, journal: Journal) -> None:
    """The leave is handled first. Both are answered, and the new channel works."""
    topic = f"room:again-{vsn}"
    async with connect(server, vsn=vsn) as client:
        assert await client.join(topic) == ok()
        await client.send("1", "2", topic, "phx_leave")
        await client.send("3", "3", topic, "phx_join")
        await client.send("3", "4", topic, "echo", {"a": 1})
        await client.expect(
            reply("1", "2", topic, ok()),
            closed("1", topic),
            reply("3", "3", topic, ok()),
            reply("3", "4", topic, ok({"a": 1})),
        )
    assert await journal.end_of(topic) == "left"


@pytest.mark.conformance("WS039")
@pytest.mark.parametrize("reason", ["normal", "shutdown", "shutdown:maintenance"])
async def test_a_channel_that_stops_normally_closes(
    server: Server, vsn: str, reason: str, journal: Journal
) -> None:
    """The client gets phx_close, and does not rejoin."""
    topic = f"eager:{reason}"
    async with connect(server, vsn=vsn) as client:
        await join_eager(client, topic)
        await client.send("1", "2", topic, "stop", reason)
        await client.expect(closed("1", topic), push("1", topic, "farewell", {"reason": reason}))
        assert await journal.end_of(topic) == reason
        await client.expect_silence()


@pytest.mark.conformance("OB011")
async def test_a_channel_that_stops_with_a_reply(server: Server, vsn: str) -> None:
    """The reply is first, then the close, and then the pushes of terminate."""
    topic = "eager:1"
    async with connect(server, vsn=vsn) as client:
        await join_eager(client, topic)
        await client.send("1", "2", topic, "stop_with_reply", "normal")
        await client.expect(
            reply("1", "2", topic, ok({"bye": True})),
            closed("1", topic),
            push("1", topic, "farewell", {"reason": "normal"}),
        )


@pytest.mark.conformance("OB012")
async def test_a_channel_that_stops_for_any_other_reason_failed(
    server: Server, vsn: str, journal: Journal
) -> None:
    """The reply is first, then the pushes of terminate, and phx_error is last: the client rejoins."""
    topic = f"eager:odd-{vsn}"
    async with connect(server, vsn=vsn) as client:
        await join_eager(client, topic)
        await client.send("1", "2", topic, "stop_with_reply", "odd")
        await client.expect(
            reply("1", "2", topic, ok({"bye": True})),
            push("1", topic, "farewell", {"reason": "odd"}),
            crashed("1", topic),
        )
        assert await journal.end_of(topic) == "odd"
        await client.expect_silence()


@pytest.mark.conformance("WS025")
async def test_a_client_that_closes_ends_its_channels(
    server: Server, vsn: str, journal: Journal
) -> None:
    """The terminate of each channel gets the reason that the connection is closed."""
    topics = [f"room:closing-{vsn}-{number}" for number in range(3)]
    async with connect(server, vsn=vsn) as client:
        for topic in topics:
            assert await client.join(topic) == ok()
    assert [await journal.end_of(topic) for topic in topics] == ["closed"] * 3


async def test_a_client_that_vanishes_ends_its_channels(server: Server, journal: Journal) -> None:
    """The channels end as after a close. A lost socket is not logged as an error."""
    topic = "room:vanishing"
    async with connect(server) as client:
        assert await client.join(topic) == ok()
        client.websocket.transport.abort()
        assert await journal.end_of(topic) == "closed"


async def test_a_running_handler_finishes_when_its_client_is_gone(
    server: Server, journal: Journal
) -> None:
    topic = "room:finishing"
    async with connect(server) as client:
        assert await client.join(topic) == ok()
        await client.send("1", "2", topic, "wait")
        await journal.read(topic, "waits")
    journal.gate(topic).set()
    assert await journal.end_of(topic) == "closed"


async def test_a_client_that_is_gone_before_its_join_is_answered(
    server: Server, journal: Journal
) -> None:
    """The join runs to its end. Because it succeeds, terminate runs too."""
    topic = "slow:gone"
    async with connect(server) as client:
        await client.send("1", "1", topic, "phx_join")
        await journal.read(topic, "waits")
        client.websocket.transport.abort()
        journal.gate(topic).set()
        assert await journal.end_of(topic) == "closed"
