"""One follow for a page: twice a second it sends what the inspector has seen, and no more than a page can show."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from ..server.server import Server
from .shown import FollowRequest, ShownBatch, ShownRecord, shown

__all__ = ["FollowFeed"]

EVERY: Final = 0.5
"""Seconds between two batches."""

LIMIT: Final = 250
"""Records of a batch. Of more, the first are sent, and the others are not even made."""

MAX_BATCH: Final = 200_000
"""Bytes of the records of a batch, about. The rest waits for the next one."""

PART: Final = 25
"""Records that are decoded without a pause."""


class FollowFeed:
    """Follows something on this node until :meth:`close`.

    Args:
        server: The endpoint's server.
        wanted: What is followed.
        take: Called with each batch that has records.
        ended: Called if the feed ends by itself.

    Attributes:
        until: When the feed ends, in seconds of the event loop, unless it is wanted for longer.

    Raises:
        DefinitionError: Nothing is followed.
    """

    def __init__(
        self,
        server: Server,
        wanted: FollowRequest,
        take: Callable[[ShownBatch], object],
        ended: Callable[[], object],
    ) -> None:
        self._server = server
        self._take = take
        self._ended = ended
        self.until = math.inf
        self._follow = server.inspector.follow(
            topic=wanted.topic,
            connection=wanted.connection,
            user=wanted.user,
            limit=LIMIT,
            keep="oldest",
            whole=True,
        )
        self._sent = 0
        self._task = server.create_task(self._run())
        self._task.add_done_callback(self._failed)

    def close(self) -> None:
        """End the follow. A second call does nothing."""
        self._follow.close()
        self._task.cancel()

    def _failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._server.log.child("dashboard").error("A follow failed", exc_info=error)
            self._ended()

    async def _run(self) -> None:
        with self._follow:
            while self._server.loop.time() < self.until:
                await asyncio.sleep(EVERY)
                await self._send()
        self._ended()

    async def _send(self) -> None:
        records: list[ShownRecord] = []
        size = 0
        while size < MAX_BATCH and (seen := self._follow.ready(PART)):
            found = [shown(record) for record in seen]
            size += sum(len(bytes(one.record)) for one in found)
            records += found
            await asyncio.sleep(0)
        self._sent += len(records)
        if records:
            total = self._sent + self._follow.dropped
            self._take(ShownBatch(self._server.pubsub.node, records, total))
