"""The adapter that belongs to an address of Redis."""

from __future__ import annotations

import pytest

from bennu.bus import LocalAdapter
from bennu.bus.address import adapter_for
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.redis.cluster import ClusterDriver
from bennu.bus.redis.driver import RedisDriver
from bennu.bus.redis.sentinel import SentinelDriver
from bennu.bus.spread import SpreadAdapter
from bennu.errors import DefinitionError
from bennu.testing.contract_node import ContractNode
from tests.support.brokers.redis import redis_server
from tests.support.until import until


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("redis://:s3@cache", RedisDriver),
        ("redis+unix:///run/redis.sock", RedisDriver),
        ("rediss+sentinel://a,b/chat", SentinelDriver),
        ("redis+cluster://a,b", ClusterDriver),
    ],
)
def test_an_address_chooses_the_driver(address: str, kind: type) -> None:
    adapter = adapter_for(address, "web-1")
    assert isinstance(adapter, BrokerAdapter)
    assert type(adapter.driver) is kind
    assert adapter.node == "web-1"
    assert adapter.driver.max_bytes >= 1024 * 1024 + 65536
    assert adapter.driver.fds == []


def test_independent_servers_are_spread_by_their_places() -> None:
    adapter = adapter_for("redis://:s3@a,b:7000")
    assert isinstance(adapter, SpreadAdapter)
    assert sorted(adapter.adapters) == ["redis://a:6379", "redis://b:7000"]
    assert adapter.node


def test_an_address_that_can_not_be_used_is_refused() -> None:
    assert isinstance(adapter_for("local://"), LocalAdapter)
    with pytest.raises(DefinitionError, match="parameters of redis"):
        adapter_for("redis://cache?pasword=s3")


@pytest.mark.clock("real")
async def test_a_prefix_keeps_applications_apart() -> None:
    with redis_server() as server:
        chat, other, shop = (
            ContractNode(adapter_for(f"{server.address}?prefix={prefix}", name))
            for prefix, name in (("chat", "one"), ("chat", "two"), ("shop", "three"))
        )
        for node in (chat, other, shop):
            await node.start()
            await node.adapter.subscribe(["t"])
        await chat.adapter.publish("t", b"1")
        await until(lambda: other.heard)
        await shop.adapter.confirm()
        assert shop.heard == []
        assert shop.adapter.nodes() == frozenset()
        assert server.command("PUBSUB", "CHANNELS", "chat:*")
        for node in (chat, other, shop):
            await node.adapter.stop()
