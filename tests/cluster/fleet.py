"""The nodes of a test: two that all tests of a module share, and more for one test."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from ..support.until import pause
from .buses import Bus
from .members import enter
from .nodes import PATIENCE, Node

__all__ = ["Nodes", "run_nodes"]


class Nodes:
    """Two nodes of a bus for all tests of a module, and more for one test. Without a bus, the two are one process.

    Attributes:
        bus: The bus.
        one: The first node.
        two: The second node.
    """

    def __init__(self, bus: Bus, one: Node, two: Node) -> None:
        self.bus = bus
        self.one = one
        self.two = two

    @property
    def processes(self) -> list[Node]:
        """The two nodes, or the only one."""
        return [self.one] if self.bus.is_local else [self.one, self.two]

    @asynccontextmanager
    async def another(self, *arguments: str) -> AsyncIterator[Node]:
        """Run a third node, with more arguments of ``bennu run``. All three know each other."""
        node = Node(self.bus.address(2), *arguments)
        try:
            await node.start()
            await know_each_other([*self.processes, node])
            yield node
        finally:
            await node.kill()
        assert node.complaints == []


@asynccontextmanager
async def run_nodes(bus: Bus) -> AsyncIterator[Nodes]:
    """Run two nodes that know each other; check at the end that their logs have no complaints."""
    async with AsyncExitStack() as stack:
        one = Node(bus.address(0))
        two = one if bus.is_local else Node(bus.address(1))
        nodes = Nodes(bus, one, two)
        for node in nodes.processes:
            stack.push_async_callback(node.kill)
        await asyncio.gather(*(node.start() for node in nodes.processes))
        await know_each_other(nodes.processes)
        yield nodes
        for status in await asyncio.gather(*(node.stop() for node in nodes.processes)):
            assert status in (0, -signal.SIGTERM)
        assert [node.complaints for node in nodes.processes] == [[] for _ in nodes.processes]


async def know_each_other(nodes: list[Node]) -> None:
    """Wait until each of some nodes knows all of them."""
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(enter(one, "room:names")) for one in nodes]
        names = {member.node for member in members}
        assert len(names) == len(nodes)
        async with asyncio.timeout(PATIENCE):
            for member in members:
                while not names <= set(await member.call("nodes")):
                    await pause()
