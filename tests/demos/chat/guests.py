"""People at the chat, who talk through the test kit."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

from argon2 import PasswordHasher

from bennu import Endpoint, Refused
from bennu.phoenix import token
from bennu.testing import TestChannel, TestClient, connect, running
from bennu_demos.chat.accounts import Accounts, Person
from bennu_demos.chat.login import SALT
from bennu_demos.chat.rooms import Seat

__all__ = [
    "LOBBY",
    "PASSWORD",
    "PYTHON",
    "QUICK",
    "account",
    "follow",
    "latest",
    "new_key",
    "say",
    "seat",
    "token_of",
    "visit",
    "write",
]

LOBBY: Final = "room:lobby"
PYTHON: Final = "room:python"
PASSWORD: Final = "correct horse"
QUICK: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

KEYS: Final = count(1)


async def account(endpoint: Endpoint, name: str) -> Person:
    """Log a person in; at the first time the person gets an account."""
    accounts: Accounts = endpoint.state.accounts
    try:
        person, _ = await accounts.sign_up(name, PASSWORD)
    except Refused:
        person, _ = await accounts.log_in(name, PASSWORD)
    return person


def token_of(endpoint: Endpoint, person: Person, *, seconds: int = 300) -> str:
    """Return a token for the person's socket."""
    data = [person.id, person.login_id, int(time.time()) + seconds]
    return token.sign(endpoint.state.secret, SALT, data, max_age=seconds)


@asynccontextmanager
async def visit(endpoint: Endpoint, name: str, **options: Any) -> AsyncGenerator[TestClient]:
    """Log in, and connect."""
    async with running(endpoint):
        signed = token_of(endpoint, await account(endpoint, name))
        async with connect(endpoint, "/socket", auth_token=signed, **options) as client:
            yield client


async def seat(endpoint: Endpoint, person: Person, room: str = "lobby") -> Seat:
    """Return what a person is to a room."""
    found: Seat | None = await endpoint.state.rooms.seat(room, person.id)
    assert found is not None
    return found


def new_key() -> str:
    """Return a key that no other message has."""
    return f"key-of-message-{next(KEYS):08}"


async def write(
    endpoint: Endpoint, person: Person, body: str, room: str = "lobby", *, key: str = ""
) -> Any:
    """Store a message without a client."""
    messages = endpoint.state.messages
    _, message, _ = await messages.add(endpoint, room, person, key or new_key(), lambda _: body)
    return message


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
