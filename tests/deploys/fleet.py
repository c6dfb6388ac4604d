"""Two nodes behind a proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from tests.bus.ipc.paths import short_directory
from tests.cluster.fleet import know_each_other
from tests.cluster.members import enter as enter_directly
from tests.cluster.nodes import Node
from tests.support.brokers.processes import free_ports

from .proxies import Proxy, run_proxy

__all__ = ["Behind", "run_behind"]

TARGET: Final = "tests.deploys.app:endpoint"


class Behind:
    """Two nodes on one bus, and a proxy in front of them.

    Attributes:
        nodes: The two nodes.
        names: Their names on the bus.
        proxy: The proxy.
    """

    def __init__(self, address: str, ports: list[int], arguments: tuple[str, ...]) -> None:
        self.nodes: list[Node] = []
        self.names: list[str] = []
        self.proxy: Proxy
        self._address = address
        self._ports = ports
        self._arguments = arguments
        self._ended: list[Node] = []
        self._expected: list[str] = []

    def _make(self, number: int) -> Node:
        port = ("--port", str(self._ports[number]), "--access-log")
        return Node(self._address, *port, *self._arguments, target=TARGET)

    async def start(self) -> None:
        """Start both nodes."""
        self.nodes = [self._make(number) for number in range(2)]
        await asyncio.gather(*(node.start() for node in self.nodes))
        await know_each_other(self.nodes)
        self.names = [await _name(node) for node in self.nodes]

    async def start_again(self, number: int) -> None:
        """Start a node again, which has ended."""
        self._ended.append(self.nodes[number])
        self.nodes[number] = self._make(number)
        await self.nodes[number].start()
        self.names[number] = await _name(self.nodes[number])

    async def kill(self) -> None:
        """End all nodes."""
        await asyncio.gather(*(node.kill() for node in self.nodes))

    @property
    def lines(self) -> list[str]:
        """The lines of the nodes' logs."""
        return [line for node in (*self._ended, *self.nodes) for line in node.lines]

    def expect(self, text: str) -> None:
        """Expect the lines with a text: they are no complaints."""
        self._expected.append(text)

    @property
    def complaints(self) -> list[str]:
        """The complaints of all nodes that nobody has expected."""
        return [
            line
            for node in (*self._ended, *self.nodes)
            for line in node.complaints
            if not any(text in line for text in self._expected)
        ]


async def _name(node: Node) -> str:
    async with enter_directly(node, "room:name") as member:
        return member.node


@asynccontextmanager
async def run_behind(name: str, folder: Path, *arguments: str) -> AsyncIterator[Behind]:
    """Run two nodes behind a proxy.

    Args:
        name: The proxy.
        folder: The folder of its files.
        arguments: Of ``bennu run``.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(short_directory())
        ports = free_ports(2)
        behind = Behind(f"ipc://{directory}", ports, arguments)
        stack.push_async_callback(behind.kill)
        await behind.start()
        behind.proxy = await stack.enter_async_context(run_proxy(name, folder, ports))
        yield behind
        assert not behind.complaints, "".join(behind.complaints)
