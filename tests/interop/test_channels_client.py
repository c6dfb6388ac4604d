"""PyPI `phoenix-channels-python-client`, mostly in V1.

In V2 the client drops every message whose join_ref is not that of its join, also null. Phoenix and Bennu send every
broadcast with null, so in V2 the client gets only pushes and replies. One test here shows both.

The client has no method for a push, so the tests use its protocol handler, which is public.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from phoenix_channels_python_client import (
    PhoenixChannelsProtocolVersion,
    PHXChannelsClient,
    ReconnectPolicy,
)
from phoenix_channels_python_client.exceptions import PHXConnectionError, PHXTopicError
from phoenix_channels_python_client.utils import make_message

from tests.interop.client_log import ListenToLog
from tests.interop.program import PATIENCE, Server

pytestmark = pytest.mark.interop

V1, V2 = PhoenixChannelsProtocolVersion.V1, PhoenixChannelsProtocolVersion.V2
AT_ONCE = ReconnectPolicy(
    base_delay_s=0.01, rapid_first_min_delay_s=0.01, rapid_second_min_delay_s=0.01
)


class Member:
    """A client that has joined one topic, and the messages that it gets."""

    def __init__(self, client: Any, topic: str) -> None:
        self.client = client
        self.topic = topic
        self._heard: asyncio.Queue[Any] = asyncio.Queue()

    async def join(self) -> None:
        await self.client.subscribe_to_topic(self.topic, self._heard.put)

    @property
    def join_ref(self) -> str:
        ref: str = self.client.get_current_subscriptions()[self.topic].join_ref
        return ref

    async def hear(self) -> Any:
        """Wait for the next message, and return it."""
        return await self._heard.get()

    async def push(self, event: str, payload: dict[str, Any], ref: str | None = None) -> None:
        """Push an event; with a ref, a reply follows."""
        message = make_message(event, self.topic, ref, payload, self.join_ref)
        await self.client.get_protocol_handler().send_message(self.client.connection, message)


@asynccontextmanager
async def connected(server: Server, query: str = "", **options: Any) -> AsyncIterator[Any]:
    url = f"{server.url}/socket/websocket?{query}"
    options = {"protocol_version": V1, "reconnect_policy": AT_ONCE, **options}
    async with asyncio.timeout(PATIENCE), PHXChannelsClient(url, "any key", **options) as client:
        yield client


async def join(client: Any, topic: str) -> Member:
    member = Member(client, topic)
    await member.join()
    return member


async def test_joins_is_refused_and_leaves(server: Server) -> None:
    """An error reply raises an error with its reason. A topic that was left can be joined again."""
    async with connected(server) as client:
        member = await join(client, "room:channels")
        assert client.is_topic_joined(member.topic)
        with pytest.raises(PHXTopicError, match="unauthorized"):
            await client.subscribe_to_topic("room:private")
        with pytest.raises(PHXTopicError, match="unmatched topic"):
            await client.subscribe_to_topic("nowhere")
        await client.unsubscribe_from_topic(member.topic)
        assert not client.is_topic_joined(member.topic)
        await member.join()
        assert client.is_topic_joined(member.topic)


@pytest.mark.parametrize("version", [V1, V2])
async def test_pushes_and_gets_replies(server: Server, version: str) -> None:
    """Ok and error replies have the ref of the push."""
    async with connected(server, protocol_version=version) as client:
        member = await join(client, "room:channels")
        await member.push("echo", {"text": "hi"}, ref="a")
        reply = await member.hear()
        assert (reply.ref, reply.payload) == ("a", {"status": "ok", "response": {"text": "hi"}})
        await member.push("fail", {}, ref="b")
        reply = await member.hear()
        error = {"status": "error", "response": {"reason": "failed"}}
        assert (reply.ref, reply.payload) == ("b", error)


async def test_hears_broadcasts(server: Server) -> None:
    """Each of two clients gets the other's broadcasts, in V1."""
    async with connected(server) as one, connected(server) as other:
        ann, bob = [await join(client, "room:broadcast") for client in (one, other)]
        for speaker, text in ((ann, "from ann"), (bob, "from bob")):
            await speaker.push("say", {"text": text})
            for member in (ann, bob):
                said = await member.hear()
                assert (said.event, said.payload) == ("said", {"text": text})


async def test_in_v2_drops_every_broadcast(server: Server) -> None:
    """The join_ref of a message must be that of the join, and a broadcast has none.

    So the first message that the client gets is the push after the broadcast.
    """
    async with connected(server, protocol_version=V2) as client:
        member = await join(client, "room:broadcast-v2")
        await member.push("say", {"text": "to all"})
        await member.push("say_to_me", {"text": "to me"})
        assert (await member.hear()).payload == {"text": "to me"}


async def test_sends_heartbeats(server: Server) -> None:
    """Each heartbeat is acknowledged."""
    acknowledged = asyncio.Event()
    async with connected(server, heartbeat_interval_s=0.01, on_heartbeat_ack=acknowledged.set):
        await acknowledged.wait()


@pytest.mark.parametrize("version", [V1, V2])
async def test_comes_back(server: Server, version: str, listen_to_log: ListenToLog) -> None:
    """It reconnects after a close of the connection (1001), and rejoins after a crash of its channel."""
    log = listen_to_log("phoenix_channels_python_client")
    reconnected = asyncio.Event()

    async def on_reconnect() -> None:
        reconnected.set()

    query = f"user=channels-{version}"
    async with connected(
        server, query, protocol_version=version, on_reconnect=on_reconnect
    ) as client:
        member = await join(client, "room:back")
        await member.push("disconnect", {})
        await reconnected.wait()
        assert client.is_topic_joined(member.topic)
        await member.push("echo", {"after": "disconnect"}, ref="1")
        assert (await member.hear()).payload["response"] == {"after": "disconnect"}

        await member.push("crash", {})
        await log.wait_for("Recovered channel")  # the client has no other event for this
        await member.push("echo", {"after": "crash"}, ref="2")
        assert (await member.hear()).payload["response"] == {"after": "crash"}


async def test_loses_a_topic_that_the_server_closes(server: Server) -> None:
    """`phx_close` is final for this client."""
    lost: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def on_topic_lost(topic: str, error: Exception) -> None:
        await lost.put((topic, str(error)))

    async with connected(server, on_topic_lost=on_topic_lost) as client:
        member = await join(client, "room:stop")
        await member.push("stop", {"text": "normal"})
        topic, error = await lost.get()
        assert topic == member.topic
        assert "closed by the server" in error


async def test_is_refused_a_connection(server: Server) -> None:
    """A 403 is final for this client."""
    with pytest.raises(PHXConnectionError, match="403"):
        async with connected(server, "refuse=true"):
            pytest.fail("it connected")
