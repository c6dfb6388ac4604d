"""What pages follow: on this node, and on the others.

A page follows on all nodes, or on one. The node of the page tells the others once a second what it follows. A node that is not told
any more ends its part after some seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import count
from typing import Final, Protocol

from ..errors import DefinitionError
from ..server.server import Server
from .feed import FollowFeed
from .letters import FollowLetter, SeenLetter, UnfollowLetter
from .shown import FollowRequest, ShownBatch

__all__ = ["MAX_FOLLOWS", "FollowTable"]

AGAIN: Final = 1.0
"""Seconds after which the other nodes are told again."""

WANTED: Final = 3.0
"""Seconds for which a node follows after it was told."""

MAX_FOLLOWS: Final = 10
"""Follows of pages on one node, those of other nodes included."""

TakeBatch = Callable[[ShownBatch], object]


class SendLetter(Protocol):
    """Sends a letter to a node."""

    def __call__(
        self, letter: FollowLetter | UnfollowLetter | SeenLetter, node: str | None = None
    ) -> None: ...


class FollowTable:
    """The follows of one node.

    Args:
        server: The endpoint's server.
        send: Sends a letter to a node.
    """

    def __init__(self, server: Server, send: SendLetter) -> None:
        self._server = server
        self._send = send
        self._refs = count(1)
        self._takes: dict[int, TakeBatch] = {}
        self._feeds: dict[tuple[str, int], FollowFeed] = {}

    @property
    def is_full(self) -> bool:
        """Whether no more follow is taken."""
        return max(len(self._takes), len(self._feeds)) >= MAX_FOLLOWS

    def open(
        self, wanted: FollowRequest, nodes: Iterable[str], take: TakeBatch
    ) -> Callable[[], None]:
        """Follow on nodes, and return a function that ends it.

        Args:
            wanted: What is followed.
            nodes: The names of the nodes.
            take: Called with the batches of all nodes.

        Raises:
            DefinitionError: Nothing is followed.
        """
        ref, own = next(self._refs), self._server.pubsub.node
        names = set(nodes)
        if own in names:
            self._begin(own, ref, wanted, take)
        self._takes[ref] = take
        others = sorted(names - {own})
        telling = self._server.create_task(self._tell(ref, wanted, others)) if others else None

        def close() -> None:
            if self._takes.pop(ref, None) is None:
                return
            if telling is not None:
                telling.cancel()
            for name in others:
                self._send(UnfollowLetter(ref), name)
            self._end(own, ref)

        return close

    def receive(self, node: str, letter: FollowLetter | UnfollowLetter | SeenLetter) -> None:
        """Take a letter of another node."""
        match letter:
            case FollowLetter(ref, wanted):
                feed = self._feeds.get((node, ref))
                if feed is None and len(self._feeds) < MAX_FOLLOWS:
                    try:
                        feed = self._begin(
                            node,
                            ref,
                            wanted,
                            lambda batch: self._send(SeenLetter(ref, batch), node),
                        )
                    except DefinitionError:  # another version of Bennu follows something else
                        return
                if feed is not None:
                    feed.until = self._server.loop.time() + WANTED
            case UnfollowLetter(ref):
                self._end(node, ref)
            case SeenLetter(ref, batch):
                take = self._takes.get(ref)
                if take is not None:
                    take(batch)

    def stop(self) -> None:
        """End all follows for other nodes: those of pages end with their channels."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()

    def abandon(self) -> None:
        """Forget all follows, because their event loop is gone."""
        self._feeds.clear()
        self._takes.clear()

    def _begin(self, node: str, ref: int, wanted: FollowRequest, take: TakeBatch) -> FollowFeed:
        feed = FollowFeed(self._server, wanted, take, lambda: self._end(node, ref))
        self._feeds[node, ref] = feed
        return feed

    def _end(self, node: str, ref: int) -> None:
        feed = self._feeds.pop((node, ref), None)
        if feed is not None:
            feed.close()

    async def _tell(self, ref: int, wanted: FollowRequest, nodes: Iterable[str]) -> None:
        while True:
            for name in nodes:
                self._send(FollowLetter(ref, wanted), name)
            await asyncio.sleep(AGAIN)
