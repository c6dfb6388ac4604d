"""One connection between two processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from ...errors import DecodeError
from ...logs.log import Log
from .directory import peer_of
from .frames import Control, FrameReader, control_frame

__all__ = ["Link"]

MAX_CONTROL: Final = 8 * 1024 * 1024
"""Bytes of control frames that the other process has not read, after which the link is dropped."""


class Link(asyncio.Protocol):
    """One connection, from its opening to its end.

    Args:
        log: Gets a line if the other process breaks the protocol.
        reader: Takes what is received.
        on_lost: Called at the end.
        on_made: Called at the beginning.
        on_room: Called when everything that was written has left, after a time in which it had not.

    Attributes:
        pid: The process at the other end.
        is_full: Whether written bytes wait for the other process to read.
        lost: Set at the end.
    """

    __slots__ = (
        "_log",
        "_on_lost",
        "_on_made",
        "_on_room",
        "_reader",
        "_transport",
        "is_full",
        "lost",
        "pid",
    )

    def __init__(
        self,
        log: Log,
        reader: FrameReader,
        on_lost: Callable[[Link], object],
        *,
        on_made: Callable[[], object] | None = None,
        on_room: Callable[[], object] | None = None,
    ) -> None:
        self.pid = 0
        self.is_full = False
        self.lost = asyncio.Event()
        self._log = log
        self._reader = reader
        self._on_lost = on_lost
        self._on_made = on_made
        self._on_room = on_room
        self._transport: asyncio.Transport | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(0)  # what is not sent yet is counted elsewhere
        try:
            self.pid = peer_of(self.fd)
        except PermissionError as error:
            self._log.error("A connection was refused: %s", error)
            # uvloop leaves the socket open if it is aborted before this returns.
            asyncio.get_running_loop().call_soon(self.abort)
            return
        if self._on_made is not None:
            self._on_made()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        try:
            self._reader.feed(data)
        except DecodeError as error:
            self._log.error(
                "The process %d broke the protocol of ipc://, so its connection was closed: %s",
                self.pid,
                error,
            )
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._transport = None
        self.is_full = False
        self.lost.set()
        self._on_lost(self)

    def pause_writing(self) -> None:
        """Note that bytes wait."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Note that all bytes have left."""
        self.is_full = False
        if self._on_room is not None:
            self._on_room()

    # What the owner calls.

    @property
    def fd(self) -> int:
        """The file descriptor; -1 after the end."""
        if self._transport is None:
            return -1
        return int(self._transport.get_extra_info("socket").fileno())

    @property
    def unsent(self) -> int:
        """Bytes that were written and have not left."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Send bytes. After the end they are dropped."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def send(self, control: Control) -> None:
        """Send a control frame; drop the link if the other process reads none of them."""
        if self.unsent > MAX_CONTROL:
            self._log.error("The process %d does not read, so its connection was closed", self.pid)
            self.abort()
        else:
            self.write(control_frame(control))

    def finish(self) -> None:
        """Write nothing more: the other process reads what was written, and then the end. It can still write."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """End the connection once everything written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()
