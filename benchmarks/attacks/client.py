"""Plain sockets, over which an attacker sends any bytes, and reads only what it wants."""

import json
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

__all__ = [
    "BINARY",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Client",
    "compressed",
    "frame",
    "join",
    "message",
]

CONTINUATION, TEXT, BINARY, PING, PONG = 0x0, 0x1, 0x2, 0x9, 0xA

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PIECE = 1 << 18


def frame(opcode: int, data: bytes, *, final: bool = True, reserved: int = 0) -> bytes:
    """Return a frame of a client. Its mask is 0, so that masking costs the attacker nothing."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    size = len(data)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65_536:
        head = struct.pack("!BBH", first, 0xFE, size)
    else:
        head = struct.pack("!BBQ", first, 0xFF, size)
    return head + bytes(4) + data


def compressed(data: bytes) -> bytes:
    """Return a frame with deflated data."""
    return frame(TEXT, data, reserved=4)


def message(
    join_ref: Any, ref: Any, topic: Any, event: Any, payload: Any = None, *, opcode: int = TEXT
) -> bytes:
    """Return a message of version 2 in a frame."""
    row = [join_ref, ref, topic, event, {} if payload is None else payload]
    return frame(opcode, json.dumps(row).encode())


def join(topic: str, ref: str = "1", payload: Any = None) -> bytes:
    """Return a join in a frame."""
    return message(ref, ref, topic, "phx_join", payload)


class Client:
    """A TCP connection.

    Args:
        port: The port of the server, at 127.0.0.1.
        buffer: Bytes of the kernel's receive buffer, if the buffer should be small.
        timeout: Seconds that each operation waits.
    """

    def __init__(self, port: int, *, buffer: int | None = None, timeout: float = 10.0) -> None:
        self.port = port
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self._received = b""

    def send(self, data: bytes) -> None:
        """Send all bytes.

        Raises:
            OSError: The server has closed, or did not read in time.
        """
        self.socket.sendall(data)

    def head(
        self,
        path: str,
        headers: Sequence[str] = (),
        *,
        host: str | None = None,
        method: str = "GET",
    ) -> bytes:
        """Return the head of a request, without the empty line at its end."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}", *headers]
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1")

    def upgrade(
        self,
        path: str = "/socket/websocket?vsn=2.0.0",
        headers: Sequence[str] = (),
        *,
        host: str | None = None,
        behind: bytes = b"",
    ) -> int:
        """Request a WebSocket, and return the status of the answer, or 0 without an answer."""
        self.send(self.head(path, headers, host=host) + UPGRADE.encode() + b"\r\n" + behind)
        return self.status()

    def status(self) -> int:
        """Read the head of an answer, and return its status, or 0 without an answer."""
        try:
            while b"\r\n\r\n" not in self._received:
                data = self.socket.recv(65_536)
                if not data:
                    return 0
                self._received += data
        except OSError:
            return 0
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1])

    def ask(self, request: bytes) -> bytes:
        """Send a request that closes the connection, and return the body of the answer."""
        answer = self._received
        try:
            self.send(request)
            while data := self.socket.recv(65_536):
                answer += data
        except OSError:
            pass
        self.close()
        return answer.partition(b"\r\n\r\n")[2]

    def frame(self) -> tuple[int, bytes]:
        """Return the opcode and the content of the server's next frame."""
        first, size = self._exactly(2)
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        return first & 0x0F, self._exactly(size)

    def reply(self) -> Any:
        """Return the payload of the next reply."""
        while True:
            opcode, data = self.frame()
            if opcode != TEXT:
                raise ConnectionError(f"frame {opcode}: {data[:100]!r}")
            row = json.loads(data)
            if row[3] == "phx_reply":
                return row[4]

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            data = self.socket.recv(PIECE)
            if not data:
                raise ConnectionError("the server has closed")
            self._received += data
        data, self._received = self._received[:size], self._received[size:]
        return data

    def pour(self, data: bytes, until: float, *, once: bool = False) -> int:
        """Send frames again and again, and read in between; return the number of sent bytes.

        Args:
            data: Whole frames.
            until: The end, as a time of the monotonic clock.
            once: Whether to send the frames once, and then only read.

        Raises:
            OSError: The server has closed.
        """
        view, at, sent = memoryview(data), 0, 0
        self.socket.setblocking(False)
        while (left := until - time.monotonic()) > 0:
            writers = [] if once and sent == len(view) else [self.socket]
            readable, writable, _ = select.select([self.socket], writers, [], min(left, 0.1))
            if readable and not self.socket.recv(PIECE):
                raise ConnectionError("the server has closed")
            if writable:
                count = self.socket.send(view[at : at + PIECE])
                sent += count
                at = (at + count) % len(view)
        return sent

    def offer(self, data: memoryview) -> int:
        """Read what has arrived, and send what the kernel accepts at once; return the number of sent bytes.

        Raises:
            OSError: The server has closed.
        """
        self.socket.settimeout(0.002)
        sent = 0
        with suppress(TimeoutError):
            sent = self.socket.send(data[:PIECE])
        with suppress(TimeoutError):
            while True:
                if not self.socket.recv(PIECE):
                    raise ConnectionError("the server has closed")
        return sent

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
