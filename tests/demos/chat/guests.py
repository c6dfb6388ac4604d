"""People at the chat, who talk through the test kit."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any, Final

from bennu import Endpoint
from bennu.testing import TestChannel, TestClient, connect

__all__ = ["COFFEE", "LOBBY", "PYTHON", "follow", "latest", "new_key", "say", "visit"]

LOBBY: Final = "room:lobby"
PYTHON: Final = "room:python"
COFFEE: Final = "room:coffee"

KEYS: Final = count(1)


def visit(endpoint: Endpoint, name: str, **options: Any) -> AbstractAsyncContextManager[TestClient]:
    """Connect as a person."""
    return connect(endpoint, "/socket", {"name": name}, **options)


def new_key() -> str:
    """Return a key that no other message has."""
    return f"key-of-message-{next(KEYS):08}"


async def say(room: TestChannel, body: str, *, key: str | None = None) -> dict[str, Any]:
    """Send a message, and return it as the people in the room get it."""
    answer = await room.push("message", {"body": body, "key": key or new_key()})
    message: dict[str, Any] = await room.assert_push("message", {"id": answer["id"]})
    return message


async def latest(room: TestChannel, *, before: int | None = None) -> list[dict[str, Any]]:
    """Load the newest messages of a room, or the newest before an id."""
    answer = await (
        room.push("latest") if before is None else room.push("older", {"before": before})
    )
    messages: list[dict[str, Any]] = answer["messages"]
    return messages


async def follow(client: TestClient, count: int) -> list[Any]:
    """Join the lobby and load its messages, as the page does, until there are so many; return them."""
    lobby = await client.join(LOBBY, {"recovery": {}})
    known = await latest(lobby)
    while len(known) < count:
        message = await lobby.assert_push("message")
        if not known or message["id"] > known[-1]["id"]:
            known.append(message)
    return known
