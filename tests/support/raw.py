"""A WebSocket client that is only a socket: a test can send any bytes."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from .frames import Frame, decode_v2, encode_v2
from .servers import Server

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "KEY",
    "PING",
    "PONG",
    "TEXT",
    "RawClient",
    "Response",
    "WireFrame",
    "ask",
    "client_frame",
    "close_payload",
    "open_raw",
    "text_frames",
]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The pair of RFC 6455, §1.3."""

PATIENCE: Final = 20.0


class Response(NamedTuple):
    """An HTTP response; the body is empty for a 101."""

    status: int
    headers: dict[str, str]
    body: str


class WireFrame(NamedTuple):
    """A frame of the server."""

    first: int
    data: bytes

    @property
    def opcode(self) -> int:
        """The opcode of the frame."""
        return self.first & 0x0F


def client_frame(
    opcode: int, data: bytes, *, final: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """Return a frame, valid or not.

    Args:
        opcode: A number from 0 to 15.
        data: The content before it is masked.
        final: Whether the FIN bit is set.
        reserved: RSV1 to RSV3 as a number, 4, 2 or 1.
        masked: Whether the frame is masked.
    """
    first = (0x80 if final else 0) | reserved << 4 | opcode
    size, flag = len(data), 0x80 if masked else 0
    if size < 126:
        head = bytes((first, flag | size))
    elif size < 65536:
        head = bytes((first, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + data
    mask = os.urandom(4)
    repeated = mask * (size // 4 + 1)
    content = int.from_bytes(data, "big") ^ int.from_bytes(repeated[:size], "big")
    return head + mask + content.to_bytes(size, "big")


def text_frames(*messages: Frame) -> bytes:
    """Return V2 messages as a client sends them, each in a text frame."""
    return b"".join(client_frame(TEXT, str(encode_v2(message)).encode()) for message in messages)


def close_payload(code: int, reason: str = "") -> bytes:
    """Return the content of a close frame."""
    return code.to_bytes(2, "big") + reason.encode()


class RawClient:
    """One TCP connection.

    Attributes:
        reader: Reads from the server.
        writer: Writes to the server.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    def send_text(self, text: str) -> None:
        """Send a text frame."""
        self.send(client_frame(TEXT, text.encode()))

    def request(
        self,
        target: str,
        headers: Mapping[str, str | None] | None = None,
        *,
        method: str = "GET",
        version: str = "1.1",
        behind: bytes = b"",
    ) -> None:
        """Send a request to upgrade.

        Args:
            target: The path and query.
            headers: Added to the headers of an upgrade, or in their place; None removes a header.
            method: The HTTP method.
            version: The HTTP version.
            behind: Bytes that are sent with the request.
        """
        self.send(self.head(target, headers, method=method, version=version) + behind)

    def head(
        self,
        target: str,
        headers: Mapping[str, str | None] | None = None,
        *,
        method: str = "GET",
        version: str = "1.1",
    ) -> bytes:
        """Return the bytes of such a request."""
        address = self.writer.get_extra_info("peername")
        lines: dict[str, str | None] = {
            "Host": f"{address[0]}:{address[1]}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
            **(headers or {}),
        }
        head = [f"{method} {target} HTTP/{version}"]
        head += [f"{name}: {value}" for name, value in lines.items() if value is not None]
        return "\r\n".join([*head, "", ""]).encode("latin-1")

    async def response(self) -> Response:
        """Return the answer to a request."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.splitlines()[:-1]
            pairs = [line.partition(":") for line in lines]
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            size = int(headers.get("content-length", 0))
            body = await self.reader.readexactly(size)
        return Response(int(first.split()[1]), headers, body.decode())

    async def open(
        self, target: str = "/socket/websocket?vsn=2.0.0", *, behind: bytes = b""
    ) -> None:
        """Upgrade, and check that the server accepts."""
        self.request(target, behind=behind)
        response = await self.response()
        assert response.status == 101, response
        assert response.headers["sec-websocket-accept"] == ACCEPT

    async def frame(self) -> WireFrame:
        """Return the server's next frame, which must not be masked."""
        async with asyncio.timeout(PATIENCE):
            first, size = await self.reader.readexactly(2)
            assert size < 0x80, "the frame is masked"
            if size in {126, 127}:
                width = 2 if size == 126 else 8
                size = int.from_bytes(await self.reader.readexactly(width), "big")
            return WireFrame(first, await self.reader.readexactly(size))

    async def text(self) -> str:
        """Return the content of the next frame, which must be a whole text frame."""
        frame = await self.frame()
        assert frame.first == 0x80 | TEXT, frame
        return frame.data.decode()

    async def message(self) -> Frame:
        """Return the V2 message in the next frame, which must be a whole text frame."""
        return decode_v2(await self.text())

    async def close_frame(self) -> tuple[int | None, str]:
        """Return code and reason of the next frame, which must be a close frame."""
        frame = await self.frame()
        assert frame.first == 0x80 | CLOSE, frame
        if not frame.data:
            return None, ""
        return int.from_bytes(frame.data[:2], "big"), frame.data[2:].decode()

    async def end(self) -> bytes:
        """Wait until the server ends the connection; return the bytes before the end."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def reset(self) -> None:
        """Reset the connection: the server's next read or write fails."""
        linger = struct.pack("ii", 1, 0)  # on, for no time
        opened: socket.socket = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


@asynccontextmanager
async def open_raw(server: Server, **options: int) -> AsyncIterator[RawClient]:
    """Open a TCP connection; it is closed at the end.

    Args:
        server: The server.
        options: ``limit``, the bytes that are read ahead.
    """
    reader, writer = await asyncio.open_connection(server.host, server.port, **options)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


async def ask(
    server: Server,
    target: str,
    headers: Mapping[str, str | None] | None = None,
    *,
    method: str = "GET",
    version: str = "1.1",
) -> Response:
    """Send a request to upgrade on its own connection; return the answer."""
    async with open_raw(server) as client:
        client.request(target, headers, method=method, version=version)
        return await client.response()
