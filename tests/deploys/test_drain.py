"""A rolling restart of the nodes behind nginx and HAProxy, while clients come and go: no client is refused."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.cluster.members import Member, PollEnded
from tests.cluster.nodes import ask
from tests.support.until import until

from .clients import enter, poll
from .fleet import run_behind
from .proxies import Proxy

pytestmark = pytest.mark.interop

STEP: Final = 40.0
MOVED: Final = (1012, "draining")


class Crowd:
    """Clients that come and go all the time. A refusal, or an end that is no move to another node, fails the test.

    Args:
        proxy: The proxy.

    Attributes:
        visits: How often a client has come, by kind and node.
        moved: The clients that a node has closed because it stops.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.visits: Counter[tuple[str, str]] = Counter()
        self.moved = 0
        self._proxy = proxy
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False

    async def connect(self) -> None:
        """Come over a WebSocket."""
        try:
            async with enter(self._proxy, "room:crowd") as member:
                await member.call("echo", {})
                self.visits["websocket", member.node] += 1
        except ConnectionClosed as closed:
            if closed.rcvd is None or (closed.rcvd.code, closed.rcvd.reason) != MOVED:
                raise
            self.moved += 1

    async def poll(self) -> None:
        """Come by polling."""
        try:
            async with poll(self._proxy, "room:crowd") as member:
                await member.call("echo", {})
                self.visits["longpoll", member.node] += 1
        except PollEnded as ended:
            if ended.status not in (410, 500):
                raise
            self.moved += 1

    def come_and_go(self) -> None:
        """Begin: two clients come over WebSockets and one by polling, again and again."""
        for come in (self.connect, self.connect, self.poll):
            self._tasks.append(asyncio.create_task(self._again(come)))

    async def stop(self) -> None:
        """End after the visits under way."""
        self._is_over = True
        async with asyncio.timeout(STEP):
            await asyncio.gather(*self._tasks)

    async def _again(self, come: Callable[[], Awaitable[None]]) -> None:
        while not self._is_over:
            await come()

    async def until_served_by(self, *nodes: str) -> None:
        """Wait until each node has had a visit of each kind; fail as soon as a client fails."""
        wanted = {(kind, node) for kind in ("websocket", "longpoll") for node in nodes}
        async with asyncio.timeout(STEP):
            while not wanted <= self.visits.keys():
                done, _ = await asyncio.wait(self._tasks, timeout=0.05)
                for task in done:
                    task.result()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "delay"),
    [
        pytest.param("nginx", "0", id="nginx"),
        pytest.param("haproxy", "0", id="haproxy-without-delay", marks=pytest.mark.long),
        pytest.param("haproxy", "3", id="haproxy", marks=pytest.mark.long),
    ],
)
async def test_no_client_is_refused_while_nodes_restart(
    name: str, delay: str, tmp_path: Path
) -> None:
    """Each node stops and starts again. Its clients get 1012, the other node's clients stay, and new clients are served."""
    async with (
        run_behind(name, tmp_path, "--drain-delay", delay) as behind,
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(behind.proxy)
        crowd.come_and_go()
        stack.push_async_callback(crowd.stop)
        residents: list[Member] = []
        for number in range(2):
            leaving, staying = behind.names[number], behind.names[1 - number]
            await crowd.until_served_by(leaving, staying)
            while {leaving, staying} - {member.node for member in residents}:
                entering = enter(behind.proxy, "room:residents")
                residents.append(await stack.enter_async_context(entering))
                assert len(residents) < 20
            moving = [member for member in residents if member.node == leaving]
            residents = [member for member in residents if member.node == staying]
            behind.nodes[number].signal(signal.SIGTERM)
            for member in moving:
                assert await member.client.closed() == MOVED
            assert await behind.nodes[number].ended() == 0
            crowd.visits.clear()
            await crowd.until_served_by(staying)
            await behind.start_again(number)
            await crowd.until_served_by(behind.names[number])
            for member in residents:
                await member.hears_nothing()
        await crowd.stop()


@pytest.mark.long
async def test_haproxy_uses_nodes_that_are_not_ready_if_none_is(tmp_path: Path) -> None:
    """While no node is ready, but all nodes serve, clients are served."""
    async with run_behind("haproxy", tmp_path, "--drain-delay", "25") as behind:
        for node in behind.nodes:
            node.signal(signal.SIGTERM)
        await until(lambda: behind.proxy.output.count("Server nodes_ready/") == 2)
        for node in behind.nodes:
            head = [(b"host", b"127.0.0.1")]
            assert (await ask(node.server, "GET", "/health/ready", head, b""))[0] == 503
        async with enter(behind.proxy, "mirror") as member:
            assert member.node in behind.names
        async with poll(behind.proxy, "mirror") as member:
            assert member.node in behind.names


@pytest.mark.long
async def test_haproxy_takes_out_a_node_that_hangs(tmp_path: Path) -> None:
    """A process that is stopped accepts connections, and answers nothing. The other node on its bus stays ready."""
    async with run_behind("haproxy", tmp_path) as behind:
        hangs, serves = behind.nodes[0], behind.names[1]
        hangs.signal(signal.SIGSTOP)
        try:
            await until(lambda: "Server nodes_ready/one is DOWN" in behind.proxy.output)
            for _ in range(3):
                async with enter(behind.proxy, "mirror") as member:
                    assert member.node == serves
        finally:
            hangs.signal(signal.SIGCONT)
        await until(lambda: "Server nodes_ready/one is UP" in behind.proxy.output)
        assert not [line for line in behind.lines if "not heard the bus" in line]


@pytest.mark.long
async def test_nginx_comes_back_after_all_nodes_were_away(tmp_path: Path) -> None:
    """While both nodes are away, the answer is 502. Both serve again within seconds, without a reload of nginx."""
    async with run_behind("nginx", tmp_path) as behind:
        await asyncio.gather(*(node.stop() for node in behind.nodes))
        with pytest.raises(InvalidStatus) as refused:
            async with enter(behind.proxy, "mirror"):
                pass
        assert refused.value.response.status_code == 502
        await asyncio.gather(*(behind.start_again(number) for number in range(2)))
        served: set[str] = set()
        async with asyncio.timeout(STEP):
            while served != {*behind.names}:
                with suppress(InvalidStatus):
                    async with enter(behind.proxy, "mirror") as member:
                        served.add(member.node)
