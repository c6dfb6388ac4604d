"""Starts an endpoint for the time of a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from ..endpoint import Endpoint
from .clock import attach_clock

__all__ = ["running"]

_users: WeakKeyDictionary[Endpoint, int] = WeakKeyDictionary()
"""The number of blocks that need an endpoint which the kit has started."""


@asynccontextmanager
async def running(endpoint: Endpoint) -> AsyncGenerator[Endpoint]:
    """Start an endpoint, with its lifespan, and stop it at the end of the last block that needs it.

    An endpoint that is started already, for example by the lifespan of an application, stays as it is.

    Args:
        endpoint: The endpoint.

    Example:
        ``async with running(endpoint): await endpoint.state.rooms.add("lobby")``
    """
    attach_clock()
    if endpoint.is_started and endpoint not in _users:
        yield endpoint
        return
    _users[endpoint] = _users.get(endpoint, 0) + 1
    try:
        await endpoint.start()
        yield endpoint
    finally:
        _users[endpoint] -= 1
        if not _users[endpoint]:
            del _users[endpoint]
            await endpoint.stop()
