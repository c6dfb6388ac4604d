"""A host of its own for a node: a network namespace of Linux, with two links that the script owns. Needs root.

Over the first link the node reaches the broker, through a proxy in this process. Over the second link its clients reach the
node. So the host can be cut off from the broker while its clients stay.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Final

__all__ = ["Link"]

_numbers = count()


class Link:
    """A namespace with its links.

    Attributes:
        prefix: What stands before a command that runs in the namespace.
        host: The address of the namespace for clients.
        broker: The address of the broker in the namespace: host and port.
    """

    def __init__(self) -> None:
        name = f"b{os.getpid() % 10_000}x{next(_numbers)}"
        self._name = name
        self._links: Final = (f"{name}b", f"{name}c")
        subnet = f"10.{66 + os.getpid() % 100}"
        self._here = f"{subnet}.1.1"
        self.host = f"{subnet}.2.2"
        self.broker = (self._here, 0)
        self.prefix = ("ip", "netns", "exec", name)
        self._subnet = subnet

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncGenerator[Link]:
        """Make a namespace that reaches a port of this host's loopback."""
        link = cls()
        try:
            link._make()
            server = await asyncio.start_server(
                lambda reader, writer: _pass_on(port, reader, writer), link._here, 0
            )
            async with server:
                link.broker = server.sockets[0].getsockname()
                yield link
        finally:
            link._remove()

    def address(self, address: str, port: int) -> str:
        """Return the address of the broker as the namespace sees it."""
        here, proxied = self.broker
        return address.replace(f"127.0.0.1:{port}", f"{here}:{proxied}")

    def cut(self) -> None:
        """Drop all packets between the namespace and the broker."""
        _ip("link", "set", self._links[0], "down")

    def mend(self) -> None:
        """Let packets pass again."""
        _ip("link", "set", self._links[0], "up")

    def _make(self) -> None:
        _ip("netns", "add", self._name)
        for number, link in enumerate(self._links, 1):
            _ip("link", "add", link, "type", "veth", "peer", "name", f"{link}p")
            _ip("link", "set", f"{link}p", "netns", self._name)
            _ip("addr", "add", f"{self._subnet}.{number}.1/24", "dev", link)
            _ip("link", "set", link, "up")
            inside = ("netns", "exec", self._name, "ip")
            _ip(*inside, "addr", "add", f"{self._subnet}.{number}.2/24", "dev", f"{link}p")
            _ip(*inside, "link", "set", f"{link}p", "up")
        _ip("netns", "exec", self._name, "ip", "link", "set", "lo", "up")

    def _remove(self) -> None:
        for link in self._links:
            with suppress(subprocess.CalledProcessError):
                _ip("link", "del", link)
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self._name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes between a connection and the broker, in both directions."""
    try:
        back, forth = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_copy(reader, forth), _copy(back, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
