"""Three nodes in three processes, with TCP between them.

One node is killed, cut off, restarted or stopped.

Each test waits for what clients see, and never for a time. A test that claims that a leave comes at once uses
periods that can't be over within the test.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

from ..cli.command import Command, bennu
from ..support.js_presence import JSPresence
from ..support.wire import Phoenix, connect
from .rooms import plain

pytestmark = pytest.mark.clock("real")

ROOT: Final = Path(__file__).parents[2]
TOPIC: Final = "room:1"
NAMES: Final = ("one", "two", "three")
SHORT: Final = {"broadcast": 0.4, "max_silent": 0, "down": 4.0, "permdown": 60.0}
"""Short, and still long enough for a machine that is busy with other things."""
ENDLESS: Final = {"broadcast": 1000.0, "down": 3000.0, "permdown": 9000.0}
"""With these nothing happens by the passing of time."""


class Follower:
    """A client of one node that follows the list of users."""

    def __init__(self, client: Phoenix) -> None:
        self.presence = JSPresence()
        self._client = client

    async def call(self, event: str, payload: Any = None) -> Any:
        """Send an event; return the response."""
        ref = await self._client.push(TOPIC, event, payload)
        while True:
            frame = await self._client.receive()
            if frame.ref == ref:
                assert frame.payload["status"] == "ok", frame
                return frame.payload["response"]
            self.presence.receive(frame.event, frame.payload)

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Follow events until the list of this client meets a condition."""
        async with asyncio.timeout(30):
            while not condition(plain(self.presence.state)):
                frame = await self._client.receive()
                self.presence.receive(frame.event, frame.payload)

    async def sees(self, *keys: str) -> None:
        """Wait until the list has exactly these users. The server's list must be the same."""
        await self.until(lambda state: set(state) == set(keys))
        assert set(await self.call("list")) == set(keys)

    @property
    def left(self) -> list[str]:
        """The users that have left so far."""
        return [key for key, _ in self.presence.leaves]


class Node:
    """A node, and one client of it."""

    def __init__(self, command: Command, follower: Follower) -> None:
        self.command = command
        self.follower = follower


class Cluster:
    """Nodes of one directory."""

    def __init__(self, directory: str, periods: dict[str, float]) -> None:
        self._directory = directory
        self._periods = periods

    @asynccontextmanager
    async def node(self, name: str) -> AsyncIterator[Node]:
        """Run a node, with a client that follows the room without being listed."""
        setup = {
            "name": name,
            "names": NAMES,
            "directory": self._directory,
            "periods": self._periods,
        }
        env = {"BENNU_MESH_NODE": json.dumps(setup)}
        target = ("tests.presence.mesh_node:endpoint", "--port", "0")
        async with bennu(ROOT, *target, env=env) as command:
            server = await command.listening()
            async with connect(server) as client:
                assert (await client.join(TOPIC))["status"] == "ok"
                yield Node(command, Follower(client))


@asynccontextmanager
async def cluster(periods: dict[str, float]) -> AsyncIterator[Cluster]:
    """Make the directory of the nodes."""
    with TemporaryDirectory() as directory:
        yield Cluster(directory, periods)


@asynccontextmanager
async def three(periods: dict[str, float]) -> AsyncIterator[tuple[Cluster, list[Node]]]:
    """Run three nodes, and track ann, bob and cid on them, in this order. Wait until all nodes list all three."""
    async with cluster(periods) as nodes, AsyncExitStack() as stack:
        starting = [stack.enter_async_context(nodes.node(name)) for name in NAMES]
        started = [await one for one in starting]
        for node in started:
            await node.follower.call("whole")
        for node, key in zip(started, ("ann", "bob", "cid"), strict=True):
            await node.follower.call("track", {"key": key})
        for node in started:
            await node.follower.sees("ann", "bob", "cid")
            assert node.follower.left == []
        yield nodes, started


@pytest.mark.long
@pytest.mark.conformance("TR017", "TR024")
async def test_a_process_that_is_killed_is_gone_from_all_others() -> None:
    """Its users leave once. Users of the other nodes never leave."""
    async with three(SHORT) as (_, (one, two, three_)):
        await one.command.stop(signal.SIGKILL)
        for node in (two, three_):
            await node.follower.sees("bob", "cid")
            assert node.follower.left == ["ann"]


@pytest.mark.conformance("TR016", "TR042")
@pytest.mark.long
async def test_a_process_that_was_cut_off_agrees_again_once_it_is_healed() -> None:
    """Nodes that were connected all the time see no user of each other leave."""
    async with three(SHORT) as (_, (one, two, cut)):
        await cut.follower.call("cut")
        await one.follower.sees("ann", "bob")
        await two.follower.sees("ann", "bob")
        await cut.follower.sees("cid")
        await one.follower.call("track", {"key": "dan"})
        await two.follower.sees("ann", "bob", "dan")
        await cut.follower.call("update", {"key": "cid", "meta": {"n": 2}})
        await cut.follower.call("heal")
        everybody = {"ann": [{}], "bob": [{}], "cid": [{"n": 2}], "dan": [{}]}
        for node in (one, two, cut):
            await node.follower.until(lambda state: state == everybody)
            assert plain(await node.follower.call("list")) == everybody
        refs = one.follower.presence.refs()
        assert two.follower.presence.refs() == cut.follower.presence.refs() == refs
        assert set(one.follower.left) == set(two.follower.left) == {"cid"}


@pytest.mark.long
@pytest.mark.conformance("TR015", "TR018")
async def test_a_process_that_starts_again_under_its_name_brings_no_ghosts() -> None:
    """Its old presences are gone, and its new presences are listed, on all nodes."""
    async with three(SHORT) as (nodes, (one, two, three_)):
        await one.command.stop(signal.SIGKILL)
        async with nodes.node("one") as again:
            await again.follower.call("whole")
            await again.follower.call("track", {"key": "abe"})
            for node in (again, two, three_):
                await node.follower.sees("abe", "bob", "cid")
            for node in (two, three_):
                assert node.follower.left == ["ann"]
            assert "ann" not in [key for key, _ in again.follower.presence.joins]


@pytest.mark.long
@pytest.mark.conformance("TR033")
async def test_a_process_that_is_stopped_is_gone_at_once() -> None:
    """No period is over within this test, so the leave comes from the good-bye."""
    async with three(ENDLESS) as (_, (one, two, three_)):
        assert await one.command.stop() in (0, -signal.SIGTERM)
        for node in (two, three_):
            await node.follower.sees("bob", "cid")
            assert node.follower.left == ["ann"]
