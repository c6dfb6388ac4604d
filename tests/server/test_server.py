"""The objects that all connections of an endpoint share: loop, threads, idle timers; and their end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from bennu import Channel, Endpoint, Socket, on
from bennu.pubsub import PubSub
from bennu.server.server import Server
from bennu.telemetry import Telemetry
from bennu.testing.clock import advance, running_loop, settle
from bennu.user_code.callback import Callback
from tests.support.clock import timers, work

from ..support.frames import broadcast, closed, ok, reply
from ..support.memory import Over, both_transports, endpoint_of, serve
from ..support.until import until


class Room(Channel[Any]):
    """A normal channel."""


def server() -> Server:
    return Server(None, PubSub(), Telemetry(), debug=False)


def test_before_the_start_there_is_no_loop() -> None:
    """The error says what to do."""
    with pytest.raises(RuntimeError, match=r"await endpoint\.start\(\) first"):
        _ = server().loop


async def test_it_belongs_to_the_loop_that_it_was_started_on() -> None:
    """After the stop it belongs to no loop."""
    one = server()
    one.start()
    assert one.loop is running_loop()
    await one.stop()
    with pytest.raises(RuntimeError):
        _ = one.loop


@both_transports
async def test_stop_closes_every_connection_and_waits_for_the_channels(over: Over) -> None:
    """The code is 1012, so that clients come back. Each terminate runs to its end."""
    ended: list[Any] = []

    class Slow(Channel[Any]):
        async def terminate(self, reason: Any) -> None:
            await work(2)
            ended.append(reason)

    async with serve(endpoint_of({"room": Slow})) as server:
        clients = [await server.connect(over=over) for _ in range(3)]
        for client in clients:
            await client.join("room")
        await server.endpoint.stop()
        assert running_loop().time() == 2
        assert ended == ["shutdown"] * 3
        assert [await client.closed() for client in clients] == [1012] * 3


async def test_what_was_broadcast_last_still_leaves() -> None:
    """A stop in the same turn does not drop the broadcast."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        await server.endpoint.broadcast("room", "last", {})
        await server.endpoint.stop()
        await client.expect(broadcast("room", "last", {}))
        assert await client.closed() == 1012


async def test_stop_waits_for_what_runs_in_the_background() -> None:
    """Tasks that began during the wait are included."""
    one = server()
    one.start()
    done: list[str] = []

    async def first() -> None:
        await work(1)
        one.spawn(second())
        done.append("first")

    async def second() -> None:
        await work(1)
        done.append("second")

    one.spawn(first())
    await one.stop()
    assert done == ["first", "second"]


async def test_a_failure_in_the_background_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """No other code would see the failure."""
    one = server()
    one.start()

    async def fail() -> None:
        raise ZeroDivisionError

    one.spawn(fail())
    await one.stop()
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


# Idle timers.


async def test_each_socket_has_a_timeout_of_its_own() -> None:
    """A silent connection is closed after 1 to 1.25 times the timeout of its socket."""

    async def connect() -> None:
        return None

    def socket(timeout: float) -> Socket[Any]:
        return Socket(connect=connect, channels={"room": Room}, timeout=timeout)

    endpoint = Endpoint(sockets={"/short": socket(1), "/long": socket(10)})
    async with serve(endpoint) as server:
        short = await server.connect("/short/websocket")
        long = await server.connect("/long/websocket")
        assert await short.closed(within=1.25) == 1002
        assert running_loop().time() >= 1
        late = await server.connect("/short/websocket")
        assert await late.closed(within=1.25) == 1002
        assert long.wire.code is None
        assert await long.closed(within=12.5) == 1002
        assert running_loop().time() >= 10


async def test_the_idle_timers_end_with_the_endpoint() -> None:
    """No timer is left that would wake the loop."""
    endpoint = endpoint_of({"room": Room})
    async with serve(endpoint) as server:
        await server.connect()
    assert not timers()


# Threads.


async def test_plain_functions_run_in_threads_of_a_bounded_pool() -> None:
    """As many run at once as there are threads. The others run after them."""
    one = server()
    one.start()
    lock, running, most = threading.Lock(), 0, 0
    full = threading.Barrier(8)

    def function(n: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(timeout=30)  # for as many as can be there at once
        with lock:
            running -= 1
        assert threading.current_thread().name.startswith("bennu")
        return n

    callback = Callback("function", function)
    results = await asyncio.gather(*(one.in_thread(callback, n) for n in range(2 * 8)))
    assert results == list(range(2 * 8))
    assert most == 8
    await one.stop()


async def test_an_error_in_a_thread_comes_to_who_waits_for_it() -> None:
    """The error has its traceback."""
    one = server()
    one.start()

    def fail() -> None:
        raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        await one.in_thread(Callback("fail", fail))
    await one.stop()


async def test_what_comes_too_late_from_a_thread_is_dropped_and_logged() -> None:
    """A thread can't be cancelled: its handler is abandoned, and can finish without an effect."""
    began, go_on = asyncio.Event(), threading.Event()
    loop = running_loop()

    class Threaded(Channel[Any]):
        @on("save")
        def save(self) -> dict[str, int]:
            loop.call_soon_threadsafe(began.set)
            go_on.wait(timeout=30)
            return {"a": 1}

    async with serve(endpoint_of({"room": Threaded})) as server:
        client = await server.connect()
        assert await client.join("room") == ok()
        client.push("room", "save")
        await began.wait()
        loop.clock.waits_for_threads = False  # so that the grace time can pass
        client.leave("room")
        await advance(5)
        server.logged("Threaded on 'room' did not finish in 5s")
        await client.expect(reply("1", "3", "room", ok()), closed("1", "room"))
        loop.clock.waits_for_threads = True
        go_on.set()
        await until(lambda: server.records)
        server.logged("save ended after its channel", "dropped", level=30)
        await client.expect_nothing()


async def test_it_may_start_again() -> None:
    """The second start has new threads, timers and connections."""

    class Threaded(Channel[Any]):
        @on("name")
        def name(self) -> str:
            return threading.current_thread().name

    endpoint = endpoint_of({"room": Threaded})
    for _ in range(2):
        async with serve(endpoint) as server:
            client = await server.connect()
            await client.join("room")
            reply = await client.call("room", "name")
            assert reply["response"].startswith("bennu")
            await settle()
