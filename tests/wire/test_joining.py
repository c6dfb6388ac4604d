"""Joins: their replies, and the messages that come during a join."""

from __future__ import annotations

import pytest

from bennu import Endpoint
from bennu.reasons import Limit
from bennu.server import task
from tests.support.frames import broadcast, closed, error, ok, push, reply
from tests.support.servers import Server
from tests.support.wire import connect

from .app import Journal


@pytest.mark.conformance("WS001", "WS002", "WS038")
async def test_a_join_is_answered_with_its_refs(server: Server, vsn: str) -> None:
    """The mount can have several segments. The reply has the result of join."""
    async with connect(server, "/ws/admin", vsn=vsn) as client:
        await client.send("7", "8", "room:1", "phx_join")
        await client.expect(reply("7", "8", "room:1", ok()))
        await client.send("9", "9", "eager:1", "phx_join", {"q": 1})
        await client.expect(
            reply("9", "9", "eager:1", ok({"joined": {"q": 1}})),
            broadcast("eager:1", "everyone", {"x": 1}),
            push("9", "eager:1", "pushed", {"y": 2}),
        )


@pytest.mark.conformance("WS003", "WS004")
async def test_after_the_join_come_push_and_broadcast(server: Server) -> None:
    """A push has the join_ref, and a broadcast has neither ref. Both come after the join's reply."""
    async with connect(server) as client:
        await client.send("6", "17", "eager:2", "phx_join")
        await client.expect(
            reply("6", "17", "eager:2", ok({"joined": {}})),
            broadcast("eager:2", "everyone", {"x": 1}),
            push("6", "eager:2", "pushed", {"y": 2}),
        )


@pytest.mark.conformance("WS042")
async def test_refs_are_opaque(server: Server) -> None:
    """The join_ref and the ref of a message are independent."""
    async with connect(server) as client:
        await client.send("first", "12345", "room:1", "phx_join")
        await client.send("first", "3", "room:1", "echo", {})
        await client.send("first", "2", "room:1", "echo", {})
        await client.expect(
            reply("first", "12345", "room:1", ok()),
            reply("first", "3", "room:1", ok()),
            reply("first", "2", "room:1", ok()),
        )


@pytest.mark.conformance("OB005")
@pytest.mark.parametrize(
    "ref", [7, 0, None, "", "07", "é" * 64, 2**63 - 1, -(2**63), "x" * 128], ids=repr
)
async def test_refs_of_any_type_come_back_as_they_were(server: Server, ref: object) -> None:
    async with connect(server) as client:
        await client.send("1", ref, "room:1", "phx_join")
        await client.send("1", ref, "room:1", "echo", {"a": 1})
        await client.expect(
            reply("1", ref, "room:1", ok()), reply("1", ref, "room:1", ok({"a": 1}))
        )


async def test_join_refs_are_compared_with_their_type(server: Server) -> None:
    """The join_ref ``1`` is not ``"1"``, so a message with the wrong type is stale."""
    async with connect(server) as client:
        await client.send(1, 1, "room:1", "phx_join")
        await client.send("1", "2", "room:1", "echo")
        await client.send(1, "4", "room:1", "echo")
        await client.expect(reply(1, 1, "room:1", ok()), reply(1, "4", "room:1", ok()))


@pytest.mark.conformance("OB014")
async def test_a_join_without_join_ref(server: Server) -> None:
    """The pushes have the join's ref, and the close has none. A message with any join_ref is stale."""
    async with connect(server) as client:
        await client.send(None, "4", "room:1", "phx_join")
        await client.send(None, "5", "room:1", "push", {"a": 1})
        await client.send("4", "6", "room:1", "echo")
        await client.send(None, "7", "room:1", "phx_leave")
        await client.expect(
            reply(None, "4", "room:1", ok()),
            push("4", "room:1", "pushed", {"a": 1}),
            reply("4", "7", "room:1", ok()),
            closed(None, "room:1"),
        )


@pytest.mark.conformance("WS036", "OB013")
async def test_a_refused_join(server: Server, vsn: str, journal: Journal) -> None:
    """The client gets the reason, and the topic stays free. terminate does not run.

    Phoenix calls terminate here (OB013). Bennu calls it only if the join succeeded.
    """
    async with connect(server, vsn=vsn) as client:
        for ref in ("1", "2"):
            await client.send(ref, ref, "refusing:1", "phx_join", {"retry_after_ms": 10})
            response = {"reason": "unauthorized", "retry_after_ms": 10}
            await client.expect(reply(ref, ref, "refusing:1", error(response)))
        await client.send("1", "3", "refusing:1", "echo")
        await client.expect(reply(None, "3", "refusing:1", error("unmatched topic")))
        assert await client.join("room:refused") == ok()
    assert await journal.end_of("room:refused") == "closed"
    assert not journal.has("refusing:1", "ended")


@pytest.mark.conformance("WS037", "OB013")
async def test_a_join_that_crashes(
    server: Server, vsn: str, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told that the join crashed, and the reason is in the log. terminate does not run."""
    async with connect(server, vsn=vsn) as client:
        assert await client.join("crashing:1") == error("join crashed")
        assert await client.join("room:crashed", ref="2") == ok()
    assert "The join of 'crashing:1' crashed" in caplog.text
    assert "as the test wanted" in caplog.text
    assert await journal.end_of("room:crashed") == "closed"
    assert not journal.has("crashing:1", "ended")


@pytest.mark.conformance("WS035")
async def test_a_join_that_no_channel_is_for(
    server: Server, vsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(server, vsn=vsn) as client:
        await client.send("1", "2", "nothing:1", "phx_join")
        await client.expect(reply(None, "2", "nothing:1", error("unmatched topic")))
    assert "unmatched topic 'nothing:1'" in caplog.text


@pytest.mark.conformance("WS026")
async def test_a_message_to_a_topic_that_was_never_joined(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        await client.send("1", "2", "room:1", "echo")
        await client.send("1", "3", "nothing", "echo")
        await client.expect(
            reply(None, "2", "room:1", error("unmatched topic")),
            reply(None, "3", "nothing", error("unmatched topic")),
        )


@pytest.mark.parametrize("topic", [5, None, ["room:1"], {"a": 1}, True], ids=repr)
async def test_a_topic_that_is_no_text_matches_nothing(server: Server, topic: object) -> None:
    """The topic is sent back unchanged. Phoenix crashes on a join of some of these topics."""
    async with connect(server) as client:
        await client.send("1", "1", topic, "phx_join")
        await client.send("1", "2", topic, "echo")
        await client.expect(
            reply(None, "1", topic, error("unmatched topic")),
            reply(None, "2", topic, error("unmatched topic")),
        )


@pytest.mark.conformance("WS008")
async def test_a_hundred_channels_may_be_joined(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        for number in range(100):
            assert await client.join(f"room:{number}", ref=str(number)) == ok()
        refused = error("too many channels joined")
        assert await client.join("room:100", ref="100") == refused
        await client.send("0", "101", "room:0", "phx_leave")
        await client.expect(reply("0", "101", "room:0", ok()), closed("0", "room:0"))
        assert await client.join("room:100", ref="102") == ok()


@pytest.mark.conformance("WS009")
async def test_the_limit_of_channels_can_be_set(
    server: Server, endpoint: Endpoint, vsn: str
) -> None:
    """A rejoin at the limit works, because the old channel ends first. The refusal is counted."""
    before = endpoint.telemetry.exceeded[Limit.CHANNELS]
    async with connect(server, "/one", vsn=vsn) as client:
        assert await client.join("room:1", ref="1") == ok()
        assert await client.join("room:2", ref="2") == error("too many channels joined")
        await client.send("3", "3", "room:1", "phx_join")
        await client.expect(reply("3", "3", "room:1", ok()), closed("1", "room:1"))
        await client.expect_silence()
    assert endpoint.telemetry.exceeded[Limit.CHANNELS] == before + 1


@pytest.mark.conformance("WS031", "OB008")
async def test_a_second_join_replaces_the_first(server: Server, vsn: str, journal: Journal) -> None:
    """Both joins are answered. The old channel's close comes after the new reply, and terminate does not run."""
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:twice", ref="1") == ok()
        await client.send("2", "2", "room:twice", "phx_join")
        await client.expect(reply("2", "2", "room:twice", ok()), closed("1", "room:twice"))
        await client.send("2", "3", "room:twice", "echo", {"a": 1})
        await client.expect(reply("2", "3", "room:twice", ok({"a": 1})))
        await client.expect_silence()
    assert await journal.end_of("room:twice") == "closed"
    assert not journal.has("room:twice", "ended")


@pytest.mark.conformance("OB009")
async def test_a_channel_that_ignores_its_end_delays_the_next_join(
    server: Server, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace time (5 s, and nearly 0 here) the channel is killed."""
    topic = "stubborn:1"
    async with connect(server) as client:
        assert await client.join(topic) == ok()
        await client.send("1", "2", topic, "wait")
        await journal.read(topic, "waits")
        monkeypatch.setattr(task, "GRACE", 0.01)
        await client.send("3", "3", topic, "phx_join")
        await client.send(None, "4", "phoenix", "heartbeat")
        await client.expect(
            reply("3", "3", topic, ok()), closed("1", topic), reply(None, "4", "phoenix", ok())
        )
    assert await journal.read(topic, "cancelled")


async def test_a_join_holds_the_line(server: Server, journal: Journal) -> None:
    """All messages during a join wait for the join, also heartbeats. No message is lost."""
    topic = "slow:1"
    async with connect(server) as client:
        assert await client.join("room:1") == ok()
        await client.send("2", "2", topic, "phx_join")
        await client.send(None, "3", "phoenix", "heartbeat")
        await client.send("1", "4", "room:1", "echo", {"a": 1})
        await journal.read(topic, "waits")
        journal.gate(topic).set()
        await client.expect(
            reply("2", "2", topic, ok()),
            reply(None, "3", "phoenix", ok()),
            reply("1", "4", "room:1", ok({"a": 1})),
        )


async def test_what_is_broadcast_during_a_join_is_not_heard(
    server: Server, endpoint: Endpoint, journal: Journal
) -> None:
    """The channel gets broadcasts after its subscription. They come after the join's reply."""
    topic = "slow:2"
    async with connect(server) as client:
        assert await client.join("room:1") == ok()
        await client.send("2", "2", topic, "phx_join")
        await journal.read(topic, "waits")
        await endpoint.broadcast(topic, "early", {})
        await endpoint.broadcast("room:1", "meanwhile", {})
        await client.expect(broadcast("room:1", "meanwhile", {}))
        journal.gate(topic).set()
        await client.expect(reply("2", "2", topic, ok()))
        await endpoint.broadcast(topic, "late", {})
        await client.expect(broadcast(topic, "late", {}))


@pytest.mark.conformance("OB015")
async def test_a_join_may_be_answered_in_binary(server: Server) -> None:
    async with connect(server) as client:
        await client.send("5", "16", "binary:1", "phx_join")
        assert await client.receive_raw() == b"\x01\x01\x02\x08\x02516binary:1ok\x01\x02\x03"
