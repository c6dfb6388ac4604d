"""The driver carries channels over a real PostgreSQL."""

from __future__ import annotations

import os
from itertools import count

import pytest

from bennu.bus.postgresql.packets import MAX_DATA, slot_of

from ...support.brokers.postgresql import PostgreSQL
from ...support.until import until
from .ears import connected

TOPICS = b"bennu:t:"

pytestmark = pytest.mark.clock("both loops")


async def test_messages_arrive_in_order_also_at_their_sender(server: PostgreSQL) -> None:
    async with connected(server.address) as one, connected(server.socket_address) as two:
        await one.driver.subscribe(["a", "b"])
        await two.driver.subscribe(["b"])
        for number in range(50):
            await one.driver.publish([("a", b"%d" % number), ("b", b"%d" % number)])
        await until(lambda: len(one.heard) == 100 and len(two.heard) == 50)
        for heard in (one.heard, two.heard):
            assert [int(data) for channel, data in heard if channel == "b"] == list(range(50))


async def test_any_bytes_and_equal_messages_arrive(server: PostgreSQL) -> None:
    async with connected(server.address) as one:
        await one.driver.subscribe(["t"])
        sent = [b"", bytes(range(256)), b"same", b"same", os.urandom(MAX_DATA), b"last"]
        await one.driver.publish([("t", data) for data in sent])
        await until(lambda: len(one.heard) == len(sent))
        assert [data for _, data in one.heard] == sent
        assert one.driver.max_bytes == MAX_DATA


@pytest.mark.parametrize("channel", ["", "\0", "'; DROP", 'a"b', "ä:日本:🐦", "x" * 65_600])
async def test_any_text_is_a_channel(server: PostgreSQL, channel: str) -> None:
    async with connected(server.address) as one:
        await one.driver.subscribe([channel, channel])
        await one.driver.publish([(channel, b"1")])
        await until(lambda: one.heard)
        assert one.heard == [(channel, b"1")]


async def test_another_channel_of_the_same_slot_is_not_heard(server: PostgreSQL) -> None:
    others = (f"room:{number}" for number in count())
    other = next(name for name in others if slot_of(name.encode(), TOPICS) == slot_of(b"t", TOPICS))
    async with connected(server.address) as one:
        await one.driver.subscribe(["t"])
        await one.driver.publish([(other, b"1"), ("t", b"2")])
        await until(lambda: one.heard)
        await one.driver.subscribe([other])
        await one.driver.unsubscribe(["t", "unknown"])
        await one.driver.publish([("t", b"3"), (other, b"4")])
        await until(lambda: len(one.heard) == 2)
        assert one.heard == [("t", b"2"), (other, b"4")]


async def test_the_last_channel_of_a_slot_ends_its_listening(server: PostgreSQL) -> None:
    async with connected(server.address) as one, connected(server.address) as two:
        await one.driver.subscribe(["t", "u"])
        await one.driver.unsubscribe(["t"])
        assert "UNLISTEN" in server.sql("SELECT query FROM pg_stat_activity WHERE client_port > 0")
        await two.driver.publish([("t", b"1"), ("u", b"2")])
        await until(lambda: one.heard)
        assert one.heard == [("u", b"2")]
        await one.driver.subscribe(["t"])
        await two.driver.publish([("t", b"3")])
        await until(lambda: len(one.heard) == 2)


async def test_many_channels(server: PostgreSQL) -> None:
    channels = [f"room:{number}" for number in range(5000)]
    async with connected(server.address) as one:
        await one.driver.subscribe(channels)
        await one.driver.publish([(channel, channel.encode()) for channel in channels])
        await until(lambda: len(one.heard) == len(channels))
        assert {data for _, data in one.heard} == {channel.encode() for channel in channels}


async def test_a_notification_of_another_program_is_dropped_and_logged(
    server: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(server.address) as one:
        await one.driver.subscribe(["t"])
        slot = f"bennu_{slot_of(b't', TOPICS):02x}"
        server.sql(f"NOTIFY {slot}, 'hello'; NOTIFY {slot}; NOTIFY {slot}, 'B00000001AAAA'")
        await one.driver.publish([("t", b"1")])
        await until(lambda: one.heard)
        assert one.heard == [("t", b"1")]
        assert "that Bennu did not send" in caplog.text
        assert "hunter2" not in caplog.text


async def test_a_driver_without_a_connection_says_so(server: PostgreSQL) -> None:
    async with connected(server.address) as one:
        [fd] = one.driver.fds
        assert os.fstat(fd)
        await one.driver.close()
        await one.driver.close()
        assert one.driver.fds == []
        with pytest.raises(ConnectionError):
            await one.driver.publish([("t", b"1")])
        with pytest.raises(ConnectionError):
            await one.driver.subscribe(["t"])
        with pytest.raises(ConnectionError):
            await one.driver.unsubscribe(["t"])
        assert one.ends == []


async def test_a_driver_connects_again_without_subscriptions(server: PostgreSQL) -> None:
    async with connected(server.address) as one:
        await one.driver.subscribe(["t"])
        await one.driver.close()
        await one.connect()
        await one.driver.publish([("t", b"1")])
        await one.driver.subscribe(["t"])
        await one.driver.publish([("t", b"2")])
        await until(lambda: one.heard)
        assert one.heard == [("t", b"2")]
