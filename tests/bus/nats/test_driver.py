"""The driver on real servers, on both event loops."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import nats
import pytest

from bennu.bus.nats.parts import MAX_BYTES
from bennu.bus.nats.subjects import subject

from ...support.brokers.nats import NatsCluster, NatsServer, nats_cluster, nats_server
from ...support.until import until
from .ends import End, connected, private, stranger

pytestmark = pytest.mark.clock("both loops")


async def test_a_driver_hears_the_channels_of_its_subscriptions(shared_server: NatsServer) -> None:
    address = private(shared_server.address)
    async with connected(address) as one, connected(address) as two:
        await one.driver.subscribe(["room", "own"])
        await two.driver.publish([("room", b"1"), ("other", b"2"), ("room", b"")])
        await one.hears(2)
        await one.driver.publish([("own", b"\r\nMSG\0")])
        await one.hears(3)
        assert one.heard == [("room", b"1"), ("room", b""), ("own", b"\r\nMSG\0")]
        assert two.heard == []
        assert one.driver.name == shared_server.address


async def test_any_text_is_a_channel(shared_server: NatsServer) -> None:
    long = "ä" * 32_800
    channels = [
        "",
        " ",
        "*",
        ">",
        "a.b",
        "a\r\nb",
        "日本",
        long,
        long[:-1] + "b",
        "x" * 180,
        "x" * 181,
    ]
    address = private(shared_server.address)
    async with connected(address) as one, connected(address) as two:
        await one.driver.subscribe(channels)
        await two.driver.publish([(channel, channel.encode()) for channel in channels])
        await one.hears(len(channels))
        assert one.heard == [(channel, channel.encode()) for channel in channels]


async def test_unsubscribe(shared_server: NatsServer) -> None:
    async with connected(private(shared_server.address)) as one:
        await one.driver.subscribe(["a", "b"])
        await one.driver.subscribe(["a"])
        await one.driver.unsubscribe(["a", "unknown"])
        await one.driver.publish([("a", b"1"), ("b", b"2")])
        await one.hears(1)
        await one.driver.subscribe(["a"])
        await one.driver.publish([("a", b"3")])
        await one.hears(2)
        assert one.heard == [("b", b"2"), ("a", b"3")]


async def test_ten_thousand_channels(shared_server: NatsServer) -> None:
    channels = [f"room:{number}" for number in range(10_000)]
    async with connected(private(shared_server.address)) as one:
        tasks = len(asyncio.all_tasks())
        await one.driver.subscribe(channels)
        assert len(asyncio.all_tasks()) == tasks
        await one.driver.publish([(channel, b"1") for channel in channels])
        await one.hears(10_000)
        assert [channel for channel, _ in one.heard] == channels
        await one.driver.unsubscribe(channels)
        await one.driver.publish([("room:1", b"2")])
        await one.driver.subscribe(["end"])
        await one.driver.publish([("end", b"")])
        await one.hears(10_001)


async def test_large_messages(shared_server: NatsServer) -> None:
    address = private(shared_server.address)
    async with connected(address) as one, connected(address) as two:
        messages = [b"first", b"a" * (1024 * 1024 + 65_536), b"b" * MAX_BYTES, b"last"]
        await one.driver.subscribe(["room"])
        assert two.driver.max_bytes == MAX_BYTES
        await two.driver.publish([("room", data) for data in messages])
        await one.hears(4)
        assert [data for _, data in one.heard] == messages


async def test_a_server_with_a_small_limit(tmp_path: Path) -> None:
    with nats_server(tmp_path, "max_payload: 100") as server:
        async with connected(server.address) as one, connected(server.address) as two:
            await one.driver.subscribe(["room"])
            data = bytes(range(256)) * 100
            both = (
                one.driver.publish([("room", data)] * 10),
                two.driver.publish([("room", data)] * 10),
            )
            await asyncio.gather(*both)
            await one.hears(20)
            assert {sent for _, sent in one.heard} == {data}


async def test_another_client_hears_and_is_heard(shared_server: NatsServer) -> None:
    address = private(shared_server.address)
    name = subject(address.partition("prefix=")[2], "room").decode()
    other = await nats.connect(shared_server.address, allow_reconnect=False)
    try:
        async with connected(address) as one:
            heard = await other.subscribe(name)
            await other.flush()
            await one.driver.subscribe(["room"])
            await one.driver.publish([("room", b"from us")])
            assert (await heard.next_msg(20)).data == b"from us"
            await other.publish(name, b"from nats-py", reply="inbox", headers={"key": "value"})
            await one.hears(2)
            assert one.heard == [("room", b"from us"), ("room", b"from nats-py")]
    finally:
        await other.close()


async def test_what_was_published_before_a_close_arrives(shared_server: NatsServer) -> None:
    address = private(shared_server.address)
    async with connected(address) as one:
        await one.driver.subscribe(["room"])
        async with connected(address) as two:
            await two.driver.publish([("room", bytes(1000))] * 5000)
        await one.hears(5000)
        assert two.reasons == []
        await two.driver.close()
        for call in (two.driver.publish([]), two.driver.subscribe([]), two.driver.unsubscribe([])):
            with pytest.raises(OSError, match="not connected"):
                await call


async def test_a_killed_server_breaks_the_connection_once(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.address) as one:
            await one.driver.subscribe(["room"])
            assert len(one.driver.fds) == 1
            server.kill()
            assert isinstance(await one.breaks(), OSError)
            with pytest.raises(OSError, match=r"closed the connection|reset"):
                await one.driver.publish([("room", b"1")])
            assert one.driver.fds == []
            with pytest.raises(OSError, match="Connect"):
                await one.connect()
            server.start()
            await one.connect()
            await one.driver.publish(
                [("room", b"2")]
            )  # the subscriptions ended with the connection
            await one.driver.subscribe(["room"])
            await one.driver.publish([("room", b"3")])
            await one.hears(1)
            assert one.heard == [("room", b"3")]
            assert len(one.reasons) == 1


async def test_a_paused_server_makes_publishers_wait(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.address) as one, connected(server.address) as two:
            await one.driver.subscribe(["room"])
            server.pause()
            sent = 0

            async def publish() -> None:
                nonlocal sent
                for _ in range(400):
                    await two.driver.publish([("room", bytes(100_000))])
                    sent += 1

            publishing = asyncio.create_task(publish())
            seen = -1
            while seen != sent:  # until it waits
                seen = sent
                for _ in range(100):
                    await asyncio.sleep(0)
            assert 0 < sent < 400
            server.resume()
            await publishing
            await one.hears(400)


async def test_a_wait_for_a_paused_server_ends_with_the_connection(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.address) as one, connected(server.address) as two:
            server.pause()
            waiting = [
                asyncio.create_task(one.driver.subscribe(["room"])),
                asyncio.create_task(two.driver.publish([("room", bytes(100_000))] * 400)),
            ]
            await asyncio.sleep(0)
            server.kill()
            for task in waiting:
                with pytest.raises(OSError, match=r"closed the connection|reset|pipe"):
                    await task


async def test_a_close_does_not_wait_for_a_paused_server(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.address) as one:
            server.pause()
            await one.driver.close()
            assert one.reasons == []


async def test_a_paused_server_is_left_out(tmp_path: Path) -> None:
    # A listener whose process accepts nothing is what clients see of a paused server.
    with nats_server(tmp_path) as server, socket.create_server(("127.0.0.1", 0)) as paused:
        address = f"nats://127.0.0.1:{paused.getsockname()[1]},127.0.0.1:{server.port}"
        for _ in range(2):
            async with connected(address) as one:
                await one.driver.subscribe(["room"])


async def test_a_slow_consumer_is_closed(tmp_path: Path) -> None:
    """The server closes a client that does not read, and the driver says so after what it has read."""
    with nats_server(tmp_path, "max_pending: 2MB") as server:
        async with connected(server.address) as one:
            name = subject("bennu", "room")

            def hear(_: str, data: bytes) -> None:
                if not heard:  # this node hangs until the server has lost its patience
                    _publish_until_slow(server, name)
                heard.append(data)

            heard: list[bytes] = []
            await one.driver.close()
            await one.driver.connect(hear, one.reasons.append)
            await one.driver.subscribe(["room"])
            await one.driver.publish([("room", b"first")])
            reason = await one.breaks()
            assert isinstance(reason, OSError)
            assert "read too slowly" in str(reason) or "reset" in str(reason)
            assert heard


def _publish_until_slow(server: NatsServer, name: bytes) -> None:
    with stranger(server) as client:
        while not server.monitor("varz")["slow_consumers"]:
            client.write((b"PUB %b 100000\r\n%b\r\n" % (name, bytes(100_000))) * 10)


async def test_lame_duck_mode_moves_a_node_to_another_server(tmp_path: Path) -> None:
    config = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1ms"'
    with nats_cluster(tmp_path, 2, config) as cluster:
        async with connected(cluster.address) as one:
            (leaving,) = [each for each in cluster.servers if _clients(each)]
            leaving.enter_lame_duck_mode()
            await one.breaks()
            await one.connect()
            (other,) = [each for each in cluster.servers if each is not leaving]
            await until(lambda: _clients(other) == 1)


def _clients(server: NatsServer) -> int:
    connections = server.monitor("connz")["connections"]
    return len([one for one in connections if one.get("name") == "a test"])


async def test_another_server_is_found_by_the_announcement(tmp_path: Path) -> None:
    with nats_cluster(tmp_path, 2) as cluster:
        one, other = cluster.servers
        async with connected(one.address) as end:
            one.kill()
            await end.breaks()
            await end.connect()
            assert _clients(other) == 1


async def test_messages_keep_their_order_through_a_cluster(shared_cluster: NatsCluster) -> None:
    """Also beside messages that travel in parts, and of another publisher."""
    one, two, three = (private(server.address) for server in shared_cluster.servers)
    prefix = one.partition("?")[2]
    two, three = (f"{address.partition('?')[0]}?{prefix}" for address in (two, three))
    async with connected(one) as hearer, connected(two) as first, connected(three) as second:
        await hearer.driver.subscribe(["room", "other"])
        large = bytes(1_500_000)

        async def publish(end: End, name: bytes) -> None:
            for number in range(200):
                messages = [("room", b"%b %d" % (name, 10 * number + each)) for each in range(10)]
                await end.driver.publish(messages)
                if number % 50 == 0:
                    await end.driver.publish([("room", b"%b large%b" % (name, large))])

        await asyncio.gather(publish(first, b"first"), publish(second, b"second"))
        await hearer.hears(2 * 2004)
        for name in (b"first", b"second"):
            datas = [data for _, data in hearer.heard if data.startswith(name)]
            small = [int(data.split()[1]) for data in datas if len(data) < 100]
            assert small == list(range(2000))
            assert [datas.index(data) for data in datas if len(data) > 100][:1] == [10]
