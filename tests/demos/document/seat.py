"""A writer in a channel of the test kit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from bennu.testing import TestChannel, TestClient
from bennu_demos.document.keys import id_of

from .writer import Writer

__all__ = ["KEY", "TOPIC", "Seat", "sit"]

KEY = "a key"
TOPIC = f"doc:{id_of(KEY)}"


class Seat:
    """A writer who is connected.

    Args:
        writer: The writer.
        client: The connection.
        room: The channel.
    """

    def __init__(self, writer: Writer, client: TestClient, room: TestChannel) -> None:
        self.writer = writer
        self.client = client
        self.room = room

    async def until(self, condition: Callable[[], object]) -> None:
        """Handle messages of the server until a condition is true."""
        while not condition():
            self.writer.receive(await self.room.assert_push("yjs"))

    async def sees(self, text: str) -> None:
        """Wait until the page has this text."""
        await self.until(lambda: self.writer.text == text)

    async def sees_cursors_of(self, *names: str) -> None:
        """Wait until the page has the cursors of these people, and no others."""
        await self.until(lambda: self.writer.names == sorted(names))


@asynccontextmanager
async def sit(
    connecting: AbstractAsyncContextManager[TestClient],
    writer: Writer,
    key: str = KEY,
    **payload: Any,
) -> AsyncGenerator[Seat, None]:
    """Connect a writer, and wait until the page and the server have the same text.

    Args:
        connecting: Makes the connection.
        writer: The writer.
        key: The key of the document; an empty one reads only.
        **payload: More of the payload of the join.
    """
    async with connecting as client:
        joining = {"client": writer.client, "name": writer.name, "key": key, **payload}
        room = await client.join(TOPIC, joining)
        seat = Seat(writer, client, room)
        writer.joined(room.push)
        await seat.until(lambda: writer.is_synced and (writer.has_answered or not key))
        try:
            yield seat
        finally:
            writer.lost()
