"""The bus between nodes carries bytes under a topic, at most once, and never to the sending node."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu.pubsub import Bus, LocalBus, PubSub

from ..support.bus import Network
from ..support.clock import settle


async def node(network: Network, name: str, heard: list[Any]) -> PubSub:
    """Return a node's PubSub that records the messages on ``t``."""
    pubsub = PubSub(bus=network.bus(name))
    await pubsub.start()
    pubsub.on_publish("t", lambda data: heard.append((name, data)))
    return pubsub


async def test_what_a_node_publishes_is_heard_by_all_others() -> None:
    """Messages arrive in order. The sending node does not get them, nor do handlers of other topics."""
    network = Network()
    heard: list[Any] = []
    one, _, _ = [await node(network, name, heard) for name in ("one", "two", "three")]
    assert one.node_name == "one"
    one.publish("t", b"1")
    one.publish("else", b"2")
    one.publish("t", b"3")
    assert heard == []
    await settle()
    assert sorted(heard) == [("three", b"1"), ("three", b"3"), ("two", b"1"), ("two", b"3")]
    assert [data for name, data in heard if name == "two"] == [b"1", b"3"]


async def test_what_is_for_one_node_is_heard_by_it_alone() -> None:
    """A message for an unknown node, or for the sending node, is not delivered."""
    network = Network()
    heard: list[Any] = []
    one, _, _ = [await node(network, name, heard) for name in ("one", "two", "three")]
    for name in ("three", "four", "one"):
        one.publish("t", name.encode(), name)
    await settle()
    assert heard == [("three", b"three")]


async def test_a_handler_hears_until_it_is_cancelled() -> None:
    """A handler can be cancelled twice. Other handlers of the topic continue."""
    network = Network()
    heard: list[Any] = []
    one = await node(network, "one", heard)
    two = await node(network, "two", heard)
    more: list[bytes] = []
    cancel = two.on_publish("t", more.append)
    one.publish("t", b"1")
    await settle()
    cancel()
    cancel()
    one.publish("t", b"2")
    await settle()
    assert more == [b"1"]
    assert heard == [("two", b"1"), ("two", b"2")]
    await two.stop()
    one.publish("t", b"3")
    await settle()
    assert len(heard) == 2


async def test_the_last_handler_of_a_topic_may_go_too() -> None:
    network = Network()
    heard: list[Any] = []
    one = await node(network, "one", heard)
    two = PubSub(bus=network.bus("two"))
    await two.start()
    cancel = two.on_publish("t", heard.append)
    cancel()
    cancel()
    one.publish("t", b"1")
    await settle()
    assert heard == []


async def test_a_handler_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The exception is logged, and the other handlers are called."""
    network = Network()
    heard: list[Any] = []
    one = await node(network, "one", heard)
    two = PubSub(bus=network.bus("two"))
    await two.start()

    def broken(data: bytes) -> None:
        raise ZeroDivisionError

    two.on_publish("t", broken)
    two.on_publish("t", heard.append)
    with caplog.at_level(logging.ERROR, "bennu.pubsub"):
        one.publish("t", b"1")
        await settle()
    assert heard == [b"1"]
    [record] = caplog.records
    assert "'t'" in record.getMessage()


async def test_a_bus_that_raises_has_lost_a_message(caplog: pytest.LogCaptureFixture) -> None:
    """The exception is logged, and ``publish`` raises nothing."""
    bus = Network().bus("one")
    pubsub = PubSub(bus=bus)
    with caplog.at_level(logging.ERROR, "bennu.pubsub"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus, "publish", lambda *message: 1 / 0)
        pubsub.publish("t", b"1")
    [record] = caplog.records
    assert "'t' was lost" in record.getMessage()


async def test_a_node_alone_has_a_name_of_its_own_and_publishes_to_nobody() -> None:
    """The name of a LocalBus is unique, unless it was given."""
    pubsub = PubSub()
    heard: list[Any] = []
    await pubsub.start()
    pubsub.on_publish("t", heard.append)
    pubsub.publish("t", b"1")
    await settle()
    await pubsub.stop()
    assert heard == []
    assert pubsub.node_name != PubSub().node_name
    bus: Bus = LocalBus("web-1")
    assert PubSub(bus=bus).node_name == "web-1"
