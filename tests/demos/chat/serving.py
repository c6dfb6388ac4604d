"""The chat demo in its own process."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from ..process import DemoProcess, run_demo

__all__ = ["run_chat"]


def run_chat(
    database: Path | str,
    *,
    grace: float = 0.5,
    pubsub: str | None = None,
    workers: int = 1,
    kept: int | None = None,
    expected: str | None = None,
) -> AbstractAsyncContextManager[DemoProcess]:
    """Run the chat.

    Args:
        database: The path of the database, or its URL.
        grace: Seconds until a person whose connection is lost counts as gone.
        pubsub: The address of the bus; None for a process alone.
        workers: The number of workers.
        kept: The number of messages that the history of a room keeps; None for the default.
        expected: The text of an error in the log that is no failure.
    """
    given = {"CHAT_GRACE": grace, "BENNU_PUBSUB": pubsub, "CHAT_HISTORY": kept}
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
