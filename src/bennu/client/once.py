"""A connect that is tried once, for programs in which somebody waits."""

from __future__ import annotations

import asyncio

from .client import Client

__all__ = ["open_once"]


async def open_once(client: Client) -> None:
    """Wait until a client is connected, or until its first connect has failed. Close it then.

    Raises:
        ConnectRefused: The server refused the connect.
        ConnectFailed: The server can't be reached, or has not answered in time.
    """
    failures: asyncio.Queue[Exception] = asyncio.Queue()
    binding = client.on_error(failures.put_nowait)
    opening = asyncio.ensure_future(client.opened())
    failing = asyncio.ensure_future(failures.get())
    try:
        await asyncio.wait((opening, failing), return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            raise failing.result()
        opening.result()
    finally:
        binding.cancel()
        opening.cancel()
        failing.cancel()
        await asyncio.wait((opening, failing))
