"""A connection of a client that is made again as often as it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ..support.frames import encode_v2, heartbeat

__all__ = ["Link"]

BEAT_EVERY: Final = 20.0
"""Seconds between two heartbeats. A node closes a connection of a client that is silent for a minute."""


class Link:
    """A connection that is made again as often as it is lost.

    Args:
        url: Returns the address of a socket.
        talk: Talks over a new connection until it ends.
        lost: Called when a connection was lost, or was not made.
        random: Chooses the pauses.
        max_queue: Frames that wait until they are taken; None for any number.

    Attributes:
        websocket: The connection, while there is one.
    """

    def __init__(
        self,
        url: Callable[[], str],
        talk: Callable[[ClientConnection], Awaitable[None]],
        lost: Callable[[], object],
        random: Random,
        max_queue: int | None,
    ) -> None:
        self.websocket: ClientConnection | None = None
        self._url = url
        self._talk = talk
        self._lost = lost
        self._random = random
        self._max_queue = max_queue
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, again and again."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def cut(self) -> None:
        """Cut the connection without a word."""
        if self.websocket is not None:
            self.websocket.transport.abort()

    async def _run(self) -> None:
        while True:
            try:
                async with connect(
                    f"{self._url()}/websocket?vsn=2.0.0",
                    ping_interval=None,
                    max_queue=self._max_queue,
                ) as websocket:
                    self.websocket = websocket
                    beats = asyncio.create_task(_beat(websocket))
                    try:
                        await self._talk(websocket)
                    finally:
                        beats.cancel()
            except (OSError, WebSocketException, TimeoutError):
                pass
            finally:
                self.websocket = None
                self._lost()
            await asyncio.sleep(self._random.uniform(0.05, 0.5))


async def _beat(websocket: ClientConnection) -> None:
    """Send heartbeats, also while the client does not read."""
    with suppress(WebSocketException):
        while True:
            await asyncio.sleep(BEAT_EVERY)
            await websocket.send(encode_v2(heartbeat("beat")))
