"""Messages of joined channels: replies, pushes, broadcasts, and messages that are ignored."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Endpoint
from tests.support.frames import broadcast, crashed, error, ok, push, reply
from tests.support.servers import Server
from tests.support.wire import V1, V2, connect

from .app import Journal


@pytest.mark.conformance("WS033")
async def test_a_heartbeat_is_answered(server: Server, vsn: str) -> None:
    """A heartbeat needs no join. Its reply has no join_ref, also if the heartbeat has one."""
    async with connect(server, vsn=vsn) as client:
        await client.send(None, "1", "phoenix", "heartbeat")
        await client.send("9", "2", "phoenix", "heartbeat")
        await client.expect(reply(None, "1", "phoenix", ok()), reply(None, "2", "phoenix", ok()))


@pytest.mark.parametrize(
    "payload",
    [{}, {"a": {"b": [1, 2.5, None, True, "é\u2028\U0001f600"]}}, {"": ""}, {"deep": [[[[{}]]]]}],
    ids=repr,
)
async def test_a_handler_replies(server: Server, vsn: str, payload: dict[str, Any]) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "echo", payload)
        await client.expect(reply("1", "2", "room:1", ok(payload)))


@pytest.mark.conformance("OB006")
@pytest.mark.parametrize("payload", [5, "text", [1, 2], True, 1.5], ids=repr)
async def test_payloads_need_not_be_objects(server: Server, vsn: str, payload: Any) -> None:
    """The handler gets any JSON value, and a reply can have any JSON value."""
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "echo", payload)
        await client.expect(reply("1", "2", "room:1", ok(payload)))


async def test_the_kinds_of_reply(server: Server, vsn: str) -> None:
    """An error, a refusal and a status of the application are replies. None is no reply."""
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        for ref, event in enumerate(("silent", "failed", "refuse", "custom"), 2):
            await client.send("1", str(ref), "room:1", event)
        await client.expect(
            reply("1", "3", "room:1", error({"b": 2})),
            reply("1", "4", "room:1", error({"reason": "no", "extra": 1})),
            reply("1", "5", "room:1", {"status": "whatever", "response": {"a": 1}}),
        )
        await client.expect_silence()


@pytest.mark.conformance("OB016")
async def test_a_message_may_be_answered_later_and_twice(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "later")
        await client.expect(
            reply("1", "2", "room:1", ok({"times": 1})), reply("1", "2", "room:1", ok({"times": 2}))
        )


async def test_an_unknown_event_and_a_wrong_payload_are_refused(server: Server, vsn: str) -> None:
    """Phoenix crashes the channel. In Bennu the channel continues, and the reply says what is wrong."""
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "nothing")
        await client.send("1", "3", "room:1", "typed", {"n": "many"})
        await client.send("1", None, "room:1", "nothing")
        await client.send("1", "4", "room:1", "echo", {"a": 1})
        wrong = {"path": "n", "message": "Expected `int`, got `str`"}
        await client.expect(
            reply("1", "2", "room:1", error("unknown_event")),
            reply("1", "3", "room:1", error({"reason": "invalid_payload", "errors": [wrong]})),
            reply("1", "4", "room:1", ok({"a": 1})),
        )


async def test_a_channel_may_take_every_event(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("catching:1") == ok()
        await client.send("1", "2", "catching:1", "any thing", {"a": 1})
        response = {"event": "any thing", "payload": {"a": 1}}
        await client.expect(reply("1", "2", "catching:1", ok(response)))


async def test_messages_are_handled_in_their_order(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1", ref="0") == ok()
        for ref in range(1, 200):
            await client.send("0", str(ref), "room:1", "echo", {"n": ref})
        for ref in range(1, 200):
            await client.expect(reply("0", str(ref), "room:1", ok({"n": ref})))


async def test_a_full_mailbox_pauses_the_client_and_loses_nothing(
    server: Server, journal: Journal
) -> None:
    """The handler waits for the test, while many more messages arrive than the mailbox can hold (64)."""
    topic = "room:full"
    async with connect(server) as client:
        assert await client.join(topic, ref="0") == ok()
        await client.send("0", "w", topic, "wait")
        await journal.read(topic, "waits")
        for ref in range(1, 300):
            await client.send("0", str(ref), topic, "echo", {"n": ref})
        journal.gate(topic).set()
        await client.expect(reply("0", "w", topic, ok()))
        for ref in range(1, 300):
            await client.expect(reply("0", str(ref), topic, ok({"n": ref})))


async def test_a_push_carries_the_join_ref_and_no_ref(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "push", {"a": 1})
        await client.expect(push("1", "room:1", "pushed", {"a": 1}))


async def test_a_broadcast_reaches_everyone_in_the_topic(server: Server) -> None:
    """Each client gets the broadcast in its own format. Clients of other topics get nothing."""
    async with (
        connect(server, vsn=V2) as ann,
        connect(server, vsn=V1) as bob,
        connect(server) as eve,
    ):
        assert await ann.join("room:1") == ok()
        assert await bob.join("room:1") == ok()
        assert await eve.join("room:2") == ok()
        await ann.send("1", "2", "room:1", "shout", {"a": 1})
        for client in (ann, bob):
            await client.expect(broadcast("room:1", "shouted", {"a": 1}))
        for client in (ann, bob, eve):
            await client.expect_silence()


async def test_a_broadcast_from_a_channel_skips_its_own_client(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as ann, connect(server, vsn=vsn) as bob:
        for client in (ann, bob):
            assert await client.join("room:1") == ok()
        await ann.send("1", "2", "room:1", "shout_from", {"a": 1})
        await bob.expect(broadcast("room:1", "shouted", {"a": 1}))
        for client in (ann, bob):
            await client.expect_silence()


async def test_a_reply_comes_behind_what_was_broadcast_before_it(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "shout_and_reply", {"a": 1})
        await client.expect(
            broadcast("room:1", "shouted", {"a": 1}), reply("1", "2", "room:1", ok())
        )


@pytest.mark.conformance("WS005")
async def test_an_intercepted_broadcast_is_what_the_channel_makes_of_it(
    server: Server, vsn: str
) -> None:
    """The broadcast goes through the channel's mailbox, so the reply is first. Then it is sent as a push."""
    async with connect(server, vsn=vsn) as client:
        assert await client.join("out:1") == ok()
        await client.send("1", "2", "out:1", "shout", {"a": 1})
        await client.expect(
            reply("1", "2", "out:1", ok()),
            push("1", "out:1", "shouted", {"a": 1, "transport": "websocket"}),
        )


async def test_server_code_broadcasts(server: Server, endpoint: Endpoint, vsn: str) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1") == ok()
        await endpoint.broadcast("room:1", "a", {"n": 1})
        await endpoint.local_broadcast("room:1", "b")
        await endpoint.broadcast("room:2", "c", {})
        await client.expect(broadcast("room:1", "a", {"n": 1}), broadcast("room:1", "b", {}))
        await client.expect_silence()


async def test_what_is_published_to_two_topics_arrives_in_its_order(
    server: Server, endpoint: Endpoint, vsn: str
) -> None:
    """The order holds across topics, also if one client is in both topics and another in one."""
    async with connect(server, vsn=vsn) as both, connect(server, vsn=vsn) as one:
        assert await both.join("room:1") == ok()
        assert await both.join("room:2") == ok()
        assert await one.join("room:2") == ok()
        for number in range(50):
            await endpoint.broadcast(f"room:{number % 2 + 1}", "n", {"n": number})
        for number in range(50):
            await both.expect(broadcast(f"room:{number % 2 + 1}", "n", {"n": number}))
        for number in range(1, 50, 2):
            await one.expect(broadcast("room:2", "n", {"n": number}))


async def test_a_channel_may_listen_to_another_topic(
    server: Server, endpoint: Endpoint, vsn: str
) -> None:
    async with connect(server, vsn=vsn) as client:
        assert await client.join("listening:1") == ok()
        await endpoint.broadcast("news", "headline", {})
        await client.expect(push("1", "listening:1", "heard", {"event": "headline"}))


@pytest.mark.conformance("OB007")
async def test_stale_messages_are_ignored(server: Server, vsn: str) -> None:
    """A leave or message of an earlier join sends no frame. null is a wildcard."""
    async with connect(server, vsn=vsn) as client:
        assert await client.join("room:1", ref="2") == ok()
        for stale in ("1", 2, ""):
            await client.send(stale, "3", "room:1", "echo", {"a": 1})
            await client.send(stale, "4", "room:1", "phx_leave")
        await client.expect_silence()
        await client.send("2", "5", "room:1", "echo", {"a": 1})
        await client.send(None, "6", "room:1", "echo", {"b": 2})
        await client.expect(
            reply("2", "5", "room:1", ok({"a": 1})), reply("2", "6", "room:1", ok({"b": 2}))
        )


@pytest.mark.conformance("WS053")
async def test_the_transport_is_called_websocket(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn, params={"name": "ann"}) as client:
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "transport")
        response = {"transport": "websocket", "id": "ann"}
        await client.expect(reply("1", "2", "room:1", ok(response)))


@pytest.mark.conformance("WS024")
async def test_a_handler_that_raises_ends_its_channel_alone(
    server: Server, vsn: str, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told and can rejoin. The push that crashed gets no reply. Other channels continue."""
    topic = f"room:crash-{vsn}"
    async with connect(server, vsn=vsn) as client, connect(server, vsn=vsn) as other:
        assert await client.join(topic, ref="1") == ok()
        assert await client.join("room:2", ref="2") == ok()
        assert await other.join(topic) == ok()
        await client.send("1", "3", topic, "crash")
        await client.expect(crashed("1", topic))
        assert isinstance(await journal.end_of(topic), RuntimeError)
        await client.send("1", "4", topic, "echo")
        await client.send("2", "5", "room:2", "echo")
        await client.expect(
            reply(None, "4", topic, error("unmatched topic")),
            reply("2", "5", "room:2", ok()),
        )
        await other.expect_silence()
        assert await client.join(topic, ref="6") == ok()
    assert f"Room on '{topic}' crashed in crash" in caplog.text


async def test_assigns_are_rebound_for_one_channel_alone(server: Server, vsn: str) -> None:
    async with connect(server, vsn=vsn, params={"name": "ann"}) as client:
        assert await client.join("renaming:1", ref="1") == ok()
        assert await client.join("renaming:2", ref="2") == ok()
        await client.send("1", "3", "renaming:1", "name", "bob")
        await client.send("1", "4", "renaming:1", "who")
        await client.expect(reply("1", "4", "renaming:1", ok({"name": "bob"})))
        await client.send("2", "5", "renaming:2", "who")
        await client.expect(reply("2", "5", "renaming:2", ok({"name": "ann"})))
