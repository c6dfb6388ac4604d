"""The chat demo in its own process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from bennu.client import Client
from bennu.testing import running
from bennu_demos.chat.app import make

from ..process import DemoProcess, run_demo
from .guests import LOBBY, QUICK, account, new_key, token_of

__all__ = ["crowd", "run_chat"]


def run_chat(
    database: Path | str,
    *,
    grace: float = 0.5,
    pubsub: str | None = None,
    workers: int = 1,
    kept: int | None = None,
    token_lasts: int | None = None,
    expected: str | None = None,
) -> AbstractAsyncContextManager[DemoProcess]:
    """Run the chat.

    Args:
        database: The path of the database, or its URL.
        grace: Seconds until a person whose connection is lost counts as gone.
        pubsub: The address of the bus; None for a process alone.
        workers: The number of workers.
        kept: The number of messages that the history of a room keeps; None for the default.
        token_lasts: The seconds for which the token of a socket is valid; None for the default.
        expected: The text of an error in the log that is no failure.
    """
    given = {
        "CHAT_GRACE": grace,
        "BENNU_PUBSUB": pubsub,
        "CHAT_HISTORY": kept,
        "CHAT_TOKEN_LASTS": token_lasts,
        "CHAT_PER_ADDRESS": 500,
    }
    return run_demo(
        "bennu_demos.chat.app:app",
        Path(database).parent,
        environment={
            "CHAT_DATABASE": str(database),
            **{name: str(value) for name, value in given.items() if value is not None},
        },
        options=("--workers", str(workers)) if workers > 1 else (),
        expected=expected,
    )


@asynccontextmanager
async def crowd(
    server: DemoProcess, database: Path, names: Sequence[str], *, text: str = ""
) -> AsyncGenerator[None]:
    """Let many people be in the lobby. They are programs, not windows.

    Args:
        server: The server.
        database: Its database.
        names: The names of the people.
        text: What each of them says; by default nothing.
    """
    async with running(make(database, hasher=QUICK)) as endpoint:
        tokens = [token_of(endpoint, await account(endpoint, name)) for name in names]
    async with AsyncExitStack() as stack:
        for token in tokens:
            client = Client(f"ws://127.0.0.1:{server.port}/socket", auth_token=token)
            await stack.enter_async_context(client)
            room = client.channel(LOBBY)
            await room.join()
            if text:
                await room.push("message", {"body": text, "key": new_key()})
        yield
