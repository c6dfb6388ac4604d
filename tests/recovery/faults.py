"""Faults of the server of a store."""

from __future__ import annotations

import asyncio
from typing import Any, Final

__all__ = ["CUTS", "FAULT_EVERY", "pause_store"]

CUTS: Final = 0.05
"""The part of the clients that is cut each second."""

FAULT_EVERY: Final = 8.0
"""Seconds between two faults of nodes or stores, about."""

PAUSE: Final = 4.0
"""Seconds for which a store is paused."""


async def pause_store(server: Any) -> None:
    """Stop the processes of a server for some seconds."""
    if hasattr(server, "paused"):
        with server.paused():
            await asyncio.sleep(PAUSE)
        return
    server.pause()
    try:
        await asyncio.sleep(PAUSE)
    finally:
        server.resume()
