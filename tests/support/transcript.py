"""The bytes of a connection, written for a page of the documentation."""

from __future__ import annotations

from typing import Final

from .masked import MASK
from .raw import RawClient

__all__ = ["Transcript"]

WIDTH: Final = 16
"""Bytes in a line."""

OPCODES: Final = {1: "text", 8: "close", 9: "ping", 10: "pong"}


class Transcript:
    """Sends bytes to a server, reads its answers, and writes both down, in blocks.

    Args:
        client: The connection.

    Attributes:
        blocks: The blocks so far.
    """

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self.blocks: list[str] = []

    async def request(self, *lines: str) -> None:
        """Send a request, and write down the request and the head of the answer."""
        self._client.send("\r\n".join([*lines, "", ""]).encode())
        head = (await self._client.reader.readuntil(b"\r\n\r\n")).decode()
        answer = head.removesuffix("\r\n\r\n").split("\r\n")
        self.blocks.append("".join(f"{line}\n" for line in lines))
        self.blocks.append("".join(f"{line}\n" for line in answer))

    async def body(self, size: int) -> None:
        """Read the body of an answer, and add it to the last block."""
        self.blocks[-1] += f"\n{(await self._client.reader.readexactly(size)).decode()}\n"

    def send(self, opcode: int, data: bytes) -> None:
        """Send a masked frame of less than 126 bytes."""
        head = bytes((0x80 | opcode, 0x80 | len(data)))
        masked = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(data))
        self._client.send(head + MASK + masked)
        self.blocks.append(_frame("client", opcode, head + MASK + masked, data))

    async def read(self, count: int = 1) -> None:
        """Read frames of less than 65,536 bytes, and write them down in one block."""
        found: list[str] = []
        for _ in range(count):
            head = await self._client.reader.readexactly(2)
            size = head[1]
            if size == 126:
                head += await self._client.reader.readexactly(2)
                size = int.from_bytes(head[2:], "big")
            data = await self._client.reader.readexactly(size)
            found.append(_frame("server", head[0] & 0x0F, head + data, data))
        self.blocks.append("\n".join(found))


def _frame(who: str, opcode: int, whole: bytes, data: bytes) -> str:
    """Return the bytes of a frame, and what is in it."""
    rows = [whole[start : start + WIDTH] for start in range(0, len(whole), WIDTH)]
    shown = "".join(f"  {row.hex(' ')}\n" for row in rows)
    if opcode == 8:
        content = f"{int.from_bytes(data[:2], 'big')} {data[2:].decode()!r}" if data else ""
    else:
        content = data.decode()
    return f"{who}: {OPCODES[opcode]}, {len(data)} bytes\n{shown}  {content}\n"
