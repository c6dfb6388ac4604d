"""A bus over TCP, for tests: nodes that are processes, each with a connection to each of the others.

Every node listens, and dials all others until they answer, again and again. What it says goes out on the
connections that it dialled; what it hears comes in on those that others dialled. A frame is a length in four
bytes and a msgpack list of sender, topic and data. It is at most once, as a bus may be: what finds no connection
is lost, and so is all that passes while the node is :attr:`MeshBus.is_cut` off.
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
"""Seconds between two attempts to reach a node."""

_LENGTH = struct.Struct(">I")


class MeshBus:
    """The bus of one node.

    Args:
        node_name: Its name.
        ports: Where each node listens, this one too, by their names.

    Attributes:
        is_cut: Whether nothing passes, in or out, though all connections stay open.
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
        """Listen, and dial the others."""

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
                pass  # its node has ended
            finally:
                self._heard.discard(writer)
                writer.close()

        port = self._ports[self.node_name]
        self._server = await asyncio.start_server(hear, HOST, port, reuse_port=True)
        self._dialling = [asyncio.create_task(peer.dial()) for peer in self._peers.values()]

    async def stop(self) -> None:
        """Hang up, when what was said has left."""
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._heard):
            writer.close()

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Write to the others, or to one of them."""
        if self.is_cut:
            return
        body = msgspec.msgpack.encode((self.node_name, topic, data))
        for name, peer in self._peers.items():
            if node is None or node == name:
                peer.write(_LENGTH.pack(len(body)) + body)

    async def whole(self) -> None:
        """Wait until this node has reached all others."""
        for peer in self._peers.values():
            await peer.is_reached.wait()


class _Peer:
    """The connection to one other node."""

    def __init__(self, port: int) -> None:
        self.is_reached = asyncio.Event()
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    def write(self, frame: bytes) -> None:
        """Say something, if there is a connection."""
        if self._writer is not None:
            self._writer.write(frame)

    async def dial(self) -> None:
        """Reach it, and reach it again whenever it is gone."""
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
                    await reader.read()  # it never answers: this ends when its node does
            finally:
                self._writer = None
                self.is_reached.clear()
                writer.close()  # what was written before still leaves
                with suppress(ConnectionError):
                    await writer.wait_closed()
