"""The drain before the server stops: the order, the times and the notices (protocol, §1.15)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bennu import (
    Channel,
    DefinitionError,
    Drain,
    Draining,
    Endpoint,
    NotStarted,
    Socket,
    on_info,
)
from bennu.server.drain import Drainer, drain_all
from bennu.telemetry import Event, SocketDrain
from bennu.testing.clock import advance, running_loop, settle
from tests.support.clock import work

from ..support.frames import ok, push
from ..support.inside import server_of
from ..support.memory import (
    Client,
    HandshakeRefused,
    Over,
    Server,
    both_transports,
    endpoint_of,
    serve,
)
from .rooms import CHANNELS, ended


class Timed(Channel[Any]):
    """A channel that records the time of its end."""

    async def terminate(self, reason: Any) -> None:
        left.append(running_loop().time())


left: list[float] = []


class Busy(Channel[Any]):
    """A channel whose end takes 3 s."""

    async def terminate(self, reason: Any) -> None:
        await work(3)
        ended.append((self.topic, reason))


class Heedful(Channel[Any]):
    """A channel that pushes the notice of the drain to its client."""

    @on_info(Draining)
    async def drains(self, news: Draining) -> None:
        await self.push("draining", {"within": news.within})


CHANNELS_HERE: dict[str, Any] = {
    **CHANNELS,
    "timed:*": Timed,
    "busy:*": Busy,
    "heedful:*": Heedful,
}


@pytest.fixture(autouse=True)
def _forget_times() -> None:
    left.clear()


def ready(endpoint: Endpoint) -> bool:
    return endpoint.is_ready


def drains(endpoint: Endpoint) -> list[SocketDrain]:
    """Return a list that collects the events of an endpoint's batches."""
    heard: list[SocketDrain] = []

    def hear(event: Event) -> None:
        if isinstance(event, SocketDrain):
            heard.append(event)

    endpoint.telemetry.attach(hear)
    return heard


def make(drain: Any = None, **options: Any) -> Endpoint:
    """Return an endpoint whose only socket drains in this way."""
    return endpoint_of(CHANNELS_HERE, drain=Drain() if drain is None else drain, **options)


async def connect(server: Server, number: int, topic: str) -> list[Client]:
    """Connect clients, each joined to the topic."""
    clients = [await server.connect() for _ in range(number)]
    for client in clients:
        assert await client.join(topic) == ok()
    return clients


@both_transports
@pytest.mark.conformance("OB022")
async def test_everybody_is_let_go_with_1012(over: Over) -> None:
    """Channels get the reason "draining", and no frame is written. Connections without channels are closed too."""
    async with serve(make()) as server:
        client = await server.connect(over=over)
        idle = await server.connect(over=over)
        await client.join("room:1")
        await client.join("room:2")
        await server.endpoint.drain()
        assert await client.closed() == 1012
        assert await idle.closed() == 1012
        assert sorted(ended) == [("room:1", "draining"), ("room:2", "draining")]
        await client.expect_nothing()
        assert server.endpoint.connections == 0


@pytest.mark.conformance("OB022", "SK013")
async def test_they_leave_in_batches() -> None:
    """The socket's drain plans the batches. Each batch emits an event, and counts connections."""
    async with serve(make(Drain(batch_size=2, batch_interval=4.0))) as server:
        heard = drains(server.endpoint)
        await connect(server, 5, "timed:1")
        begin = running_loop().time()
        await server.endpoint.drain()
        assert running_loop().time() - begin == pytest.approx(10.0)
    windows = [int((time - begin) // 2) for time in left]
    assert windows == [0, 1, 2, 3, 4]
    assert heard == [
        SocketDrain("/socket", count, 5, index, 3, 4.0, log=True)
        for index, count in [(1, 2), (2, 2), (3, 1)]
    ]


async def test_a_few_are_gone_at_once() -> None:
    """A batch that is not full takes its share of the interval, so a developer does not wait."""
    async with serve(make()) as server:
        await connect(server, 3, "timed:1")
        begin = running_loop().time()
        await server.endpoint.drain()
        assert running_loop().time() - begin <= 2.0 * 3 / 10_000 + 1e-5


async def test_without_clients_there_is_nothing_to_do() -> None:
    """No event is emitted."""
    async with serve(make()) as server:
        heard = drains(server.endpoint)
        begin = running_loop().time()
        await server.endpoint.drain()
        assert (running_loop().time(), heard) == (begin, [])


async def test_a_busy_event_loop_makes_no_stampede() -> None:
    """Late batches stay late: no interval has more than two batches, even after a long block."""
    async with serve(make(Drain(batch_size=2, batch_interval=1.0))) as server:
        await connect(server, 10, "timed:1")
        draining = asyncio.create_task(server.endpoint.drain())
        await advance(0.5)
        running_loop().clock.hang(2.5)  # nobody got a turn in this time
        await draining
    assert max(sum(begin <= time < begin + 1.0 for time in left) for begin in left) <= 4
    assert len(left) == 10


@both_transports
@pytest.mark.conformance("OB022")
async def test_newcomers_get_503_before_any_user_code_runs(over: Over) -> None:
    """Connected clients go on until their batch, including new joins."""
    asked: list[Any] = []

    async def admit(params: dict[str, str]) -> None:
        asked.append(params)

    async with serve(make(Drain(batch_size=1, batch_interval=10.0), connect=admit)) as server:
        clients = await connect(server, 2, "room:1")
        draining = asyncio.create_task(server.endpoint.drain())
        await settle()
        asked.clear()
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(over=over)
        assert (refused.value.status, asked) == (503, [])
        for client in clients:
            assert await client.join("room:2") == ok()
        await draining


@both_transports
async def test_a_connect_that_is_under_way_gets_503_too(over: Over) -> None:
    """``connect`` has accepted the client, but too late."""

    async def admit() -> None:
        await work(5)

    async with serve(make(connect=admit)) as server:
        connecting = asyncio.create_task(server.connect(over=over))
        await settle()
        await server.endpoint.drain()
        with pytest.raises(HandshakeRefused) as refused:
            await connecting
        assert refused.value.status == 503


async def test_a_connection_that_opened_meanwhile_leaves_last() -> None:
    """Its handshake was done when the drain began. No connection stays."""
    async with serve(make(Drain(batch_size=1, batch_interval=1.0))) as server:
        await connect(server, 2, "room:1")
        draining = asyncio.create_task(server.endpoint.drain())
        await settle()
        server_of(server.endpoint).is_draining = False
        late = await server.connect()
        server_of(server.endpoint).is_draining = True
        await draining
        assert await late.closed() == 1012


async def test_it_is_unready_for_a_while_before_it_drains() -> None:
    """Load balancers can notice in this time. Everything else goes on, also for new clients."""
    async with serve(make()) as server:
        client = await server.connect()
        assert ready(server.endpoint)
        draining = asyncio.create_task(server.endpoint.drain(delay=5.0))
        await settle()
        assert not ready(server.endpoint)
        await advance(4.9)
        newcomer = await server.connect()
        assert await client.join("room:1") == ok()
        assert await newcomer.join("room:1") == ok()
        await draining
        assert await client.closed() == await newcomer.closed() == 1012


async def test_channels_that_listen_are_told() -> None:
    """The notice has the most seconds that are left. Other channels need not handle it."""
    async with serve(make(Drain(batch_size=1, batch_interval=4.0, timeout=20.0))) as server:
        client, _ = await connect(server, 2, "heedful:1")
        await client.join("room:1")
        draining = asyncio.create_task(server.endpoint.drain(timeout=15.0))
        await client.expect(push("1", "heedful:1", "draining", {"within": 15.0}))
        await draining


async def test_channels_have_their_say_though_their_turn_comes_at_once() -> None:
    """An idle channel always handles the notice before its connection is closed."""
    async with serve(make(Drain(batch_interval=0.0))) as server:
        clients = [await server.connect() for _ in range(3)]
        for client in clients:
            await client.join("heedful:1")
        await server.endpoint.drain()
        for client in clients:
            assert (await client.receive()).event == "draining"
            assert await client.closed() == 1012


async def test_it_waits_for_the_channels_to_end() -> None:
    """Their end can have unfinished work."""
    async with serve(make()) as server:
        await connect(server, 1, "busy:1")
        await server.endpoint.drain()
        assert ended == [("busy:1", "draining")]


async def test_it_waits_no_longer_than_it_may() -> None:
    """The rest ends with the endpoint."""
    async with serve(make()) as server:
        await connect(server, 1, "busy:1")
        await server.endpoint.drain(timeout=1.0)
        assert ended == []
    assert ended == [("busy:1", "draining")]


async def test_too_many_leave_faster() -> None:
    """The time limit for all connections has priority over the interval. The log says so."""
    async with serve(make(Drain(batch_size=1, batch_interval=10.0))) as server:
        await connect(server, 5, "timed:1")
        begin = running_loop().time()
        await server.endpoint.drain(timeout=2.0)
        assert running_loop().time() - begin == pytest.approx(2.0)
        server.logged("5 clients of /socket", "closed faster", level=logging.WARNING)
    assert [int((time - begin) / 0.4) for time in left] == [0, 1, 2, 3, 4]


async def test_a_second_call_waits_for_the_first() -> None:
    """No connection is drained twice."""
    async with serve(make(Drain(batch_size=1, batch_interval=2.0))) as server:
        heard = drains(server.endpoint)
        await connect(server, 2, "room:1")
        first = asyncio.create_task(server.endpoint.drain())
        await settle()
        await server.endpoint.drain(timeout=0.0)
        assert first.done()
        assert [event.index for event in heard] == [1, 2]
        assert len(ended) == 2


async def test_a_stop_ends_the_drain() -> None:
    """The other connections are closed at once, and callers that wait for the drain go on."""
    async with serve(make(Drain(batch_size=1, batch_interval=10.0))) as server:
        clients = await connect(server, 3, "room:1")
        draining = asyncio.create_task(server.endpoint.drain())
        await advance(10.5)
        await server.endpoint.stop()
        await draining
        assert [await client.closed() for client in clients] == [1012] * 3
        assert {reason for _, reason in ended} == {"draining", "shutdown"}


@pytest.mark.conformance("SK015")
async def test_a_socket_without_a_drain_keeps_its_clients() -> None:
    """They stay until the endpoint stops. Clients of another socket are drained."""
    staying, leaving = (
        Socket(connect=lambda: None, channels=CHANNELS_HERE, drain=drain)
        for drain in (False, Drain())
    )
    endpoint = Endpoint(sockets={"/staying": staying, "/socket": leaving})
    async with serve(endpoint) as server:
        heard = drains(endpoint)
        stays = await server.connect("/staying/websocket")
        leaves = await server.connect()
        await stays.join("room:1")
        await endpoint.drain()
        assert await leaves.closed() == 1012
        assert await stays.call("room:1", "echo") == ok()
        assert [event.socket for event in heard] == ["/socket"]
        assert endpoint.connections == 1
    assert stays.wire.code == 1012
    assert ended == [("room:1", "shutdown")]


@pytest.mark.conformance("SK014")
async def test_a_function_may_say_how_it_drains() -> None:
    """The function is called when the endpoint starts, so errors are found early. The drain uses its result."""
    asked: list[str] = []

    def choose() -> Drain:
        asked.append("how")
        return Drain(batch_size=3)

    async with serve(make(choose)) as server:
        assert asked == ["how"]
        heard = drains(server.endpoint)
        await connect(server, 4, "room:1")
        await server.endpoint.drain()
        assert [event.count for event in heard] == [3, 1]
        assert asked == ["how"]


async def test_a_function_may_say_that_it_does_not() -> None:
    """The result False means the same as the option False."""
    async with serve(make(lambda: False)) as server:
        client = await server.connect()
        await server.endpoint.drain()
        await client.expect_nothing()
        assert server.endpoint.connections == 1


@pytest.mark.parametrize("drain", [True, 5, lambda: None], ids=["True", "5", "function"])
async def test_what_is_no_drain_is_a_mistake(drain: Any) -> None:
    """The error says what to write."""
    with pytest.raises(DefinitionError, match=r"drain=Drain\(batch_size=1000\)"):
        await make(drain).start()


async def test_a_socket_under_two_paths_drains_once() -> None:
    """Clients of both paths are counted together."""
    socket: Socket[Any] = Socket(connect=lambda: None, channels=CHANNELS_HERE)
    endpoint = Endpoint(sockets={"/socket": socket, "/old": socket})
    async with serve(endpoint) as server:
        heard = drains(endpoint)
        for path in ("/socket/websocket", "/old/websocket"):
            await server.connect(path)
        await endpoint.drain()
        assert heard == [SocketDrain("/socket, /old", 2, 2, 1, 1, 2.0, log=True)]


async def test_an_endpoint_that_starts_again_is_ready_again() -> None:
    """No state of the drain is left."""
    endpoint = make()
    assert not ready(endpoint)
    with pytest.raises(NotStarted, match="reaches no client"):
        await endpoint.drain()
    async with serve(endpoint) as server:
        await endpoint.drain()
        await endpoint.stop()
        assert not ready(endpoint)
        await endpoint.start()
        assert ready(endpoint)
        client = await server.connect()
        assert await client.join("room:1") == ok()


@pytest.mark.conformance("AD015")
async def test_all_endpoints_of_a_loop_drain_together() -> None:
    """The server drains all endpoints of an application, wherever they are mounted."""
    async with serve(make()) as first, serve(make()) as second:
        clients = [await first.connect(), await second.connect()]
        await drain_all(delay=1.0, timeout=5.0)
        assert [await client.closed() for client in clients] == [1012, 1012]


async def test_one_that_fails_to_drain_keeps_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged."""

    class Broken(Drainer):
        async def drain(self, *, delay: float, timeout: float | None) -> None:  # noqa: ASYNC109 - as the other
            raise ZeroDivisionError("as the test wanted")

    async with serve(make()) as server:
        broken = Broken(server_of(server.endpoint), {})
        await broken.start()
        client = await server.connect()
        await drain_all(delay=0.0, timeout=5.0)
        assert await client.closed() == 1012
        broken.stop()
        server.logged("could not be drained")


@pytest.mark.parametrize("log", [True, False])
async def test_each_batch_is_logged_if_the_socket_wants_it(
    caplog: pytest.LogCaptureFixture,
    log: bool,
) -> None:
    """The line has Phoenix's words. Telemetry gets the event in both cases."""
    caplog.set_level(logging.INFO, "bennu")
    async with serve(make(Drain(batch_size=2, log=log))) as server:
        heard = drains(server.endpoint)
        await connect(server, 3, "room:1")
        await server.endpoint.drain()
    lines = [line for line in caplog.messages if line.startswith("DRAINING")]
    expected = [
        "DRAINING 2 of 3 total connection(s) for socket /socket every 2000ms - round 1 of 2",
        "DRAINING 1 of 3 total connection(s) for socket /socket every 2000ms - round 2 of 2",
    ]
    assert lines == (expected if log else [])
    assert len(heard) == 2
