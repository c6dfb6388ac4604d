"""Writes a recording in a thread of its own, so that no disk holds the event loop."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, BinaryIO, Final

import msgspec

from ..logs.hiding import ParameterFilter
from .recording import VERSION, RecordedFrame, RecordingHeader, line_of
from .records import CloseSeen, ConnectSeen
from .sights import FrameSight, PlainSight, Sight

__all__ = ["MAX_WAITING", "Recorder"]

MAX_WAITING: Final = 16_000_000
"""Bytes of frames that wait for the thread, at most. More frames are lost, and counted."""

_VSN: Final = {"V1 JSON": "1.0.0", "V2 JSON": "2.0.0"}


class Recorder:
    """Records one connection. ``endpoint.inspector.record`` and ``record_next`` make it.

    It ends with the connection, or by :meth:`close`.

    Args:
        file: The path of the file, which is made anew, readable only by its owner.
        hide: Hides secrets.
        stop: Ends the recording. It is called once, on the event loop.

    Attributes:
        error: Why the file could not be written; None if it could.
        file: The path.
        has_begun: Whether the connection is known.
        lost: The frames that were lost, because the disk was too slow.

    Raises:
        OSError: The file can't be made.
    """

    def __init__(
        self,
        file: str | PathLike[str],
        hide: ParameterFilter,
        *,
        stop: Callable[[Recorder], object],
    ) -> None:
        self.file = Path(file)
        self.has_begun = False
        self.lost = 0
        self.error: OSError | None = None
        self._out = _new_file(self.file)
        self._hide = hide.whole
        self._stop = stop
        self._began = 0.0
        self._is_closed = False
        self._ended = asyncio.Event()
        self._waiting = 0
        self._lock = Lock()
        self._queue: SimpleQueue[Sight | RecordingHeader | RecordedFrame | None] = SimpleQueue()
        self._thread = Thread(target=self._write_all, name=f"record {self.file.name}", daemon=True)
        self._thread.start()

    # For the tap.

    def begin(self, connection: ConnectSeen, now: float) -> None:
        """Write the header.

        Args:
            connection: The connection.
            now: The time of the event loop.
        """
        self.has_begun = True
        self._began = now
        vsn = None if connection.serializer is None else _VSN[connection.serializer]
        header = RecordingHeader(
            version=VERSION,
            path=connection.path,
            params=dict(connection.params),
            transport=connection.transport,
            vsn=vsn,
            serializer=connection.serializer,
            user=connection.user,
            recorded_at=time.time(),
            joined=connection.topics,
        )
        self._queue.put(header)

    def wants(self, topic: str | None) -> bool:
        """Return True: a recording has all frames."""
        del topic
        return True

    @property
    def has_room(self) -> bool:
        """Return True. If the disk is slow, :meth:`put` counts what is lost."""
        return True

    def put(self, sight: Sight) -> None:
        """Take a frame, or the end of the connection."""
        if self._is_closed:
            return
        if isinstance(sight, PlainSight):
            seen = sight.seen
            if isinstance(seen, CloseSeen):
                at = round(seen.at - self._began, 6)
                self._queue.put(RecordedFrame(at, seen.by, close=(seen.code, seen.reason)))
                self._finish()
            return
        with self._lock:
            is_full = self.error is not None or self._waiting > MAX_WAITING
            self._waiting += 0 if is_full else sight.weight
        if is_full:
            self.lost += 1
        else:
            self._queue.put(sight)

    # For users.

    def close(self) -> None:
        """End the recording. The file is complete when :meth:`wait_closed` returns. A second call does nothing."""
        self._finish()

    async def wait_closed(self) -> None:
        """Wait until the recording has ended, by :meth:`close` or with its connection, and the file is complete.

        Raises:
            OSError: The file could not be written.
        """
        await self._ended.wait()
        await asyncio.to_thread(self._thread.join)
        if self.error is not None:
            raise self.error

    def _finish(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self.lost:
                self._queue.put(RecordedFrame(0.0, "server", lost=self.lost))
            self._queue.put(None)
            self._ended.set()
            self._stop(self)

    # In the thread.

    def _write_all(self) -> None:
        try:
            with self._out as out:
                while (item := self._queue.get()) is not None:
                    self._write(out, item)
        except OSError as error:
            self.error = error  # from now on frames are lost

    def _write(self, out: BinaryIO, item: Any) -> None:
        if isinstance(item, FrameSight):
            with self._lock:
                self._waiting -= item.weight
            item = line_of(item, self._began, self._hide)
        out.write(msgspec.json.encode(item) + b"\n")
        if self._queue.empty():
            out.flush()


def _new_file(path: Path) -> BinaryIO:
    """Make a file that only its owner can read: payloads are private, even without secrets.

    Raises:
        OSError: It can't be made.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptor = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)  # the file may have been there before
    return os.fdopen(descriptor, "wb")
