"""A bus on which trace contexts travel keeps the contract of a bus, and changes nothing without a span."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bennu import Endpoint
from bennu.bus import BusAdapter, MemoryNetwork
from bennu.errors import EncodeError
from bennu.pubsub.envelope import EnvelopeKind, pack
from bennu.testing import connect
from bennu.testing.bus_contract import BusContract
from bennu.testing.contract_node import ContractNode
from bennu.tracing.spans import Spans
from bennu.tracing.traced_bus import TracedBus

from .recording import Recording, endpoint_of_rooms, id_of, trace_of

SAID = pack(EnvelopeKind.JSON, "said", b'{"body":"hello"}')


class TestTraced(BusContract):
    """The bus in memory, traced."""

    @pytest.fixture(autouse=True)
    def network(self) -> None:
        self.bus = MemoryNetwork()
        self.spans = Spans(Recording().tracing())

    def adapter(self, node: str) -> BusAdapter:
        return TracedBus(self.bus.adapter(node), self.spans)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        self.bus.cut(one.node, other.node)
        yield
        await one.confirm()
        self.bus.heal()


@asynccontextmanager
async def heard_beside(endpoint_of: Any) -> AsyncGenerator[tuple[Endpoint, ContractNode]]:
    """Run an endpoint on a bus, beside an older node that hears the topic of its room."""
    network = MemoryNetwork()
    node = ContractNode(network.adapter("older"))
    await node.start()
    await node.adapter.subscribe(["troom:1"])
    endpoint: Endpoint = endpoint_of(network.adapter("traced"))
    async with connect(endpoint, "/socket") as client:
        room = await client.join("room:1")
        await room.push("say", {"body": "hello"})
        await endpoint.broadcast("room:1", "bytes", b"123")
        await endpoint.pubsub.broadcast("room:1", "typed")
        await node.adapter.confirm()
        yield endpoint, node


async def test_without_tracing_the_bytes_are_as_ever() -> None:
    async with heard_beside(lambda bus: endpoint_of_rooms(tracing=False, pubsub=bus)) as (_, node):
        assert node.data("troom:1")[0] == SAID
        plain = node.data("troom:1")
    recording = Recording()
    traced = recording.tracing()
    async with heard_beside(lambda bus: endpoint_of_rooms(traced, pubsub=bus)) as (_, node):
        first, *others = node.data("troom:1")
    assert others == plain[1:]  # bytes and typed messages have no place for a context
    assert len(first) == len(SAID) + 114
    assert bytes(one for one in first if one not in b" \t\r\n") == SAID
    assert trace_of(recording.one("say")) == trace_of(recording.all_of("broadcast")[0])


class Small(BusAdapter):
    """A bus that takes no more bytes than the message has without a context."""

    def __init__(self, adapter: BusAdapter) -> None:
        self._adapter = adapter

    @property
    def node(self) -> str:
        return self._adapter.node

    async def start(self, receive: Any, lost: Any) -> None:
        await self._adapter.start(receive, lost)

    async def stop(self) -> None:
        await self._adapter.stop()

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        if topic == "troom:1" and len(data) > len(SAID):
            raise EncodeError(f"at most {len(SAID)} bytes, got {len(data)}")
        return await self._adapter.publish(topic, data, node)

    async def subscribe(self, topics: Any) -> None:
        await self._adapter.subscribe(topics)

    def unsubscribe(self, topics: Any) -> None:
        self._adapter.unsubscribe(topics)

    async def confirm(self) -> None:
        await self._adapter.confirm()

    def nodes(self) -> frozenset[str]:
        return self._adapter.nodes()


async def test_a_context_that_makes_a_message_too_large_is_left_out() -> None:
    recording = Recording()

    def endpoint_of(bus: BusAdapter) -> Endpoint:
        return endpoint_of_rooms(recording.tracing(), pubsub=Small(bus))

    async with heard_beside(endpoint_of) as (endpoint, node):
        assert node.data("troom:1")[0] == SAID
        with pytest.raises(EncodeError):
            await endpoint.broadcast("room:1", "long", {"body": "x" * 100})
    assert id_of(recording.one("say"))
