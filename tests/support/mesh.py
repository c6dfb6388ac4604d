"""A bus over TCP, for tests: each node is a process with a connection to each other node.

Every node listens, and connects to all others until they answer. A node sends on the connections that it
opened, and receives on those that others opened. A frame is a length in four bytes and a msgpack list of
sender, topic and data. Messages arrive at most once: without a connection, or while the node
:attr:`MeshBus.is_cut`, a message is lost.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from bennu.pubsub.bus import Receive

__all__ = ["MeshBus"]

HOST: Final = "127.0.0.1"
RETRY: Final = 0.05
"""Seconds between two attempts to connect to a node."""

_LENGTH = struct.Struct(">I")


class MeshBus:
    """The bus of one node.

    Args:
        node_name: The name of the node.
        ports: The port of each node by its name, including this node.

    Attributes:
        is_cut: Whether all messages are dropped, in both directions. Connections stay open.
    """

    def __init__(self, node_name: str, ports: Mapping[str, int]) -> None:
        self.node_name = node_name
        self.is_cut = False
        self._ports = ports
        self._peers = {name: _Peer(port) for name, port in ports.items() if name != node_name}
        self._server: asyncio.Server | None = None
        self._heard: set[asyncio.StreamWriter] = set()
        self._dialling: list[asyncio.Task[None]] = []

    async def start(self, receive: Receive) -> None:
        """Listen, and connect to the other nodes."""

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._heard.add(writer)
            try:
                while True:
                    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                    _, topic, data = msgspec.msgpack.decode(
                        await reader.readexactly(length), type=tuple[str, str, bytes]
                    )
                    if not self.is_cut:
                        receive(topic, data)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the node has ended
            finally:
                self._heard.discard(writer)
                writer.close()

        port = self._ports[self.node_name]
        self._server = await asyncio.start_server(hear, HOST, port, reuse_port=True)
        self._dialling = [asyncio.create_task(peer.dial()) for peer in self._peers.values()]

    async def stop(self) -> None:
        """Close the connections after all messages are written."""
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._heard):
            writer.close()

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Write to all other nodes, or to one of them."""
        if self.is_cut:
            return
        body = msgspec.msgpack.encode((self.node_name, topic, data))
        for name, peer in self._peers.items():
            if node is None or node == name:
                peer.write(_LENGTH.pack(len(body)) + body)

    async def whole(self) -> None:
        """Wait until this node is connected to all others."""
        for peer in self._peers.values():
            await peer.is_reached.wait()


class _Peer:
    """The connection to one other node."""

    def __init__(self, port: int) -> None:
        self.is_reached = asyncio.Event()
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    def write(self, frame: bytes) -> None:
        """Write a message, if there is a connection."""
        if self._writer is not None:
            self._writer.write(frame)

    async def dial(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, self._port)
            except OSError:
                await asyncio.sleep(RETRY)
                continue
            self._writer = writer
            self.is_reached.set()
            try:
                with suppress(ConnectionError):
                    await reader.read()  # the node never answers: this ends with this node
            finally:
                self._writer = None
                self.is_reached.clear()
                writer.close()  # earlier messages are still written
                with suppress(ConnectionError):
                    await writer.wait_closed()
