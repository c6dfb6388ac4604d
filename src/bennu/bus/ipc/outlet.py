"""What this node sends to one other node.

Theory of operation
-------------------
An outlet opens the connection to its node, and opens it again whenever it is lost. It is *live* once the node has said
its whole interest.

Messages wait in a queue until the end of the turn, and leave together. The queue is bounded: while it is full,
publishers wait (:meth:`Outlet.room`). At most one chunk is in the transport.

A node that hangs does not read. When publishers have waited ``patience`` seconds and no chunk has left, the outlet cuts
the node off, and publishers go on. The outlet remembers what the node wanted to hear, and counts each message that it
would have sent. When the node runs again, it reads the old connection to its end, and answers the new one. The outlet
tells it how many messages it has meant for it, so the node knows exactly what it missed.

A node whose process has ended refuses the new connection. That is the end of the outlet.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from ...errors import DecodeError
from ...logs.log import Log
from ..bus import Lost
from .directory import Directory
from .frames import (
    VERSION,
    Control,
    Farewell,
    Flush,
    Flushed,
    FrameReader,
    Hello,
    Interest,
    InterestReady,
    InterestTaken,
    NoInterest,
    Welcome,
    control_frame,
)
from .hearers import Hearers
from .link import Link
from .link_queue import LinkQueue
from .missed import Missed
from .settings import Settings

__all__ = ["Outlet"]

CONTROL_ROOM: Final = 8 * 1024 * 1024
"""Bytes of control frames in the queue beyond its limit, after which the node counts as broken."""

MAX_TOPICS: Final = 5_000_000
"""Topics that one node can want to hear."""

COUNTS: Final = 5000
"""Topics in one frame of counts."""

FIRST_DELAY: Final = 0.05
LAST_DELAY: Final = 1.0
"""Seconds before a connection is tried again, if the last one was short."""


class Outlet:
    """What this node sends to one other node.

    Args:
        name: The other node.
        settings: What all outlets share.
        directory: Where the other node listens.
        hearers: The outlets of each topic whose nodes hear it. This outlet adds itself.
        lost: Called with what the other node misses.
        log: Writes the log.

    Attributes:
        name: The other node.
        is_live: Whether the other node hears what is sent now.
        is_full: Whether publishers must wait.
        has_answered: Set when the node was live once, or has ended.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        directory: Directory,
        hearers: Hearers,
        lost: Lost,
        log: Log,
    ) -> None:
        self.name = name
        self.is_live = False
        self.is_full = False
        self.has_answered = asyncio.Event()
        self._settings = settings
        self._directory = directory
        self._hearers = hearers
        self._missed = Missed(name, lost)
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._cut_links: set[Link] = set()
        self._released = asyncio.Event()
        self._epoch: int | None = None
        self._interest: dict[bytes, int] = {}
        self._wanted: set[bytes] = set()
        self._queue = LinkQueue()
        self._is_flushing = False
        self._room = asyncio.Event()
        self._cut_timer: asyncio.TimerHandle | None = None
        self._flushes: dict[int, asyncio.Event] = {}
        self._is_stopping = False
        self._greeted: int | None = None

    # The connection.

    async def run(self) -> None:
        """Keep the connection until the other process has ended, or this node stops."""
        delay = FIRST_DELAY
        try:
            while not self._is_stopping:
                try:
                    connected = self._directory.connect(self.name)
                except BlockingIOError:
                    connected = None
                begun = self._loop.time()
                if connected is not None:
                    self._released = asyncio.Event()
                    await self._loop.create_unix_connection(self._new_link, sock=connected)
                    self._missed.report_soon()
                    await self._released.wait()
                if self._loop.time() - begun < delay:
                    await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - no secret
                    delay = min(2 * delay, LAST_DELAY)
                else:
                    delay = FIRST_DELAY
        except (ConnectionRefusedError, FileNotFoundError):
            self._directory.remove_stale(self.name)
        except OSError as error:
            self._log.error("The node %s can't be reached: %s", self.name, error)
        finally:
            self._end()

    def _new_link(self) -> Link:
        """Make the link of a new connection, which says hello."""
        link: Link

        def on_control(control: Control) -> None:
            if link is self._link:
                self._on_control(control)

        def on_made() -> None:
            self._link = link
            link.send(Hello(VERSION, self._settings.node, self._settings.epoch))

        reader = FrameReader(self._on_message, on_control)
        link = Link(self._log, reader, self._on_lost, on_made=on_made, on_room=self._on_room)
        return link

    def _end(self) -> None:
        """Forget the node."""
        self._hearers.remove(self, self._interest)
        self._interest.clear()
        self._missed.clear()
        self._cancel_cut()
        self.is_live = self.is_full = False
        self._room.set()
        self.has_answered.set()
        self._release_flushes()

    def _on_lost(self, link: Link) -> None:
        self._cut_links.discard(link)
        if link is self._link:
            self._let_go()

    def _let_go(self) -> None:
        """Forget the connection, and count the messages that wait."""
        self._link = None
        self._greeted = None
        self._released.set()
        self.is_live = False
        self._missed.add_all(self._queue.drop())
        self._become_free()
        self._release_flushes()

    # Frames of the other node.

    def _on_message(self, key: bytes, data: bytes) -> None:
        raise DecodeError("a message against the direction of its connection")

    def _on_control(self, control: Control) -> None:
        match control:
            case Welcome(node=name, epoch=epoch) if name == self.name and self._greeted is None:
                if epoch != self._epoch:
                    # Another process: it misses nothing of what was for the old one.
                    self._hearers.remove(self, self._interest)
                    self._interest.clear()
                    self._missed.clear()
                    self._epoch = None
                self._greeted = epoch
                self._wanted = set()
            case Interest(number=number, topics=topics) if self.is_live:
                self._hear(topics)
                self._push(None, control_frame(InterestTaken(number, True, {})))
            case Interest(topics=topics) if (
                self._greeted is not None and len(self._wanted) < MAX_TOPICS
            ):
                self._wanted.update(topics)
            case NoInterest(topics=topics):
                self._hearers.remove(self, topics)
                for key in topics:
                    self._interest.pop(key, None)
                    self._wanted.discard(key)
            case InterestReady(number=number) if self._greeted is not None and not self.is_live:
                self._become_live(number)
            case Flushed(number=number):
                flushed = self._flushes.pop(number, None)
                if flushed is not None:
                    flushed.set()
            case _:
                raise DecodeError(f"the frame {type(control).__name__} at a wrong time")

    def _hear(self, keys: list[bytes]) -> None:
        new = [key for key in keys if key not in self._interest]
        if len(self._interest) + len(new) > MAX_TOPICS:
            raise DecodeError(f"an interest in more than {MAX_TOPICS:,} topics")
        self._interest.update(dict.fromkeys(new, 0))
        self._hearers.add(self, new)

    def _become_live(self, number: int) -> None:
        is_resumed = self._epoch is not None
        self._epoch = self._greeted
        unwanted = self._interest.keys() - self._wanted
        self._hearers.remove(self, unwanted)
        for key in unwanted:
            del self._interest[key]
        self._hear(list(self._wanted))
        self._wanted = set()
        self._missed.report()
        self.is_live = True
        counts = [(key, count) for key, count in self._interest.items() if count]
        for start in range(0, len(counts), COUNTS):
            part = dict(counts[start : start + COUNTS])
            self._push(None, control_frame(InterestTaken(0, is_resumed, part)))
        self._push(None, control_frame(InterestTaken(number, is_resumed, {})))
        self.has_answered.set()

    # Messages for the other node.

    def put(self, key: bytes, frame: bytes) -> None:
        """Send a message under a topic that the node hears; count it if the node does not read."""
        self._interest[key] += 1
        if self.is_live:
            self._push(key, frame)
        else:
            self._missed.add(key)
            if self._link is not None:
                self._missed.report_soon()

    def hears(self, key: bytes) -> bool:
        """Return whether the node wants to hear a topic."""
        return key in self._interest

    async def room(self) -> None:
        """Wait until the queue has room, or the node is cut off."""
        await self._room.wait()

    async def flush(self, number: int) -> None:
        """Wait until the node has taken all that was sent, or can't take it any more."""
        if self.is_live:
            flushed = self._flushes[number] = asyncio.Event()
            self._push(None, control_frame(Flush(number)))
            try:
                await flushed.wait()
            finally:
                self._flushes.pop(number, None)

    async def stop(self) -> None:
        """Send what waits and a farewell. The node closes the connection when it has read that.

        If this node closed it, a write of the other node would fail, and end its reading too early.
        """
        self._is_stopping = True
        self._missed.report()
        for cut in self._cut_links:
            cut.abort()
        link = self._link
        if link is None:
            return
        try:
            async with asyncio.timeout(self._settings.patience):
                if self.is_live:
                    self._push(None, control_frame(Farewell()))
                else:
                    link.abort()
                await link.lost.wait()
        except TimeoutError:
            self._let_go()
            self._missed.report()
            link.abort()

    def abort(self) -> None:
        """End the connections now."""
        for link in self._links:
            link.abort()

    @property
    def fds(self) -> list[int]:
        """The file descriptors of the connections."""
        return [link.fd for link in self._links]

    @property
    def _links(self) -> list[Link]:
        return [*self._cut_links] if self._link is None else [self._link, *self._cut_links]

    def _push(self, key: bytes | None, frame: bytes) -> None:
        self._queue.add(key, frame)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)
        elif self._queue.has_chunk:
            self._write_queue()
        if self._queue.size >= self._settings.max_queue:
            if not self.is_full:
                self._become_full()
            elif self._queue.size >= self._settings.max_queue + CONTROL_ROOM:
                self._cut("asks for more than it reads")

    def _flush(self) -> None:
        self._is_flushing = False
        self._write_queue()

    def _write_queue(self) -> None:
        """Write chunks while the connection takes them."""
        link = self._link
        queue = self._queue
        while queue and link is not None and not link.is_full:
            link.write(queue.next_chunk())
        if self.is_full and self._queue.size <= self._settings.max_queue // 2:
            self._become_free()

    def _on_room(self) -> None:
        self._write_queue()
        if self.is_full:
            self._cancel_cut()
            self._cut_later()
        if not self._queue:
            self._room.set()

    # A node that does not read.

    def _become_full(self) -> None:
        self.is_full = True
        self._room.clear()
        self._cut_later()

    def _become_free(self) -> None:
        self.is_full = False
        self._cancel_cut()
        self._room.set()

    def _cut_later(self) -> None:
        self._cut_timer = self._loop.call_later(
            self._settings.patience, self._cut, "has not read for too long"
        )

    def _cancel_cut(self) -> None:
        if self._cut_timer is not None:
            self._cut_timer.cancel()
            self._cut_timer = None

    def _cut(self, why: str) -> None:
        """Send nothing more on the connection, and go on without this node until it answers a new one.

        The other direction stays open: if a write of the other node failed, it would not read what is left.
        """
        link = self._link
        if link is None:
            return
        self._let_go()
        self._cut_links.add(link)
        link.finish()
        self._log.warning(
            "The node %s %s, so its connection was cut: %d of its messages are lost. It hears this node again, and"
            " counts what it missed, when it reads again",
            self.name,
            why,
            len(self._missed),
        )
        self._missed.report()

    def _release_flushes(self) -> None:
        for flushed in self._flushes.values():
            flushed.set()
        self._flushes.clear()
