"""The mailbox of a channel or of a raw handler: the items that wait for its task, in order, with bounds.

Theory of operation
-------------------
The client's messages and the server's items wait in two queues, because they have different bounds. If ``max_inbox``
messages of the client wait, the connection is not read from until half of them are handled. Items of the server
(intercepted broadcasts, messages for ``@on_info``) can't be held back that way. So ``overflow`` decides what happens if
``max_mailbox`` of them wait.

The two queues have one order. An item of the server has the number of the client's messages that were put before it,
and is taken after them. So each operation takes the same time, however many items wait. A bound compares the length
of a queue, and the oldest item of the server is at the front of its queue.

A leave and the end by a lost connection are always queued, and count for no bound.

The bytes of a large message are counted for the connection until it is handled. If many bytes were handled before
it, its task first waits for another turn of the event loop.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from ..logs.context import running
from ..message import PHX_LEAVE, Message, Opcode, bytes_of
from ..reasons import DropReason
from .end import End
from .running import About
from .waiting import WaitingWatch

if TYPE_CHECKING:
    from .channel_server import ChannelServer
    from .raw_server import RawServer

__all__ = ["PART", "Frame", "Kind", "Mailbox"]

PART: Final = 16_384
"""Bytes of counted messages that a task handles before it waits for another turn of the event loop."""

LOG_EVERY: Final = 1000
"""Dropped items between two lines of the log, so that a flood of items does not flood the log."""


class Kind(Enum):
    """The kinds of items of the server."""

    JOINED = auto()
    """The first item: the join has succeeded, or the raw socket is open."""
    OUT = auto()
    """A broadcast that ``@on_out`` intercepts."""
    ENTRY = auto()
    """An entry of a log that ``@on_out`` intercepts. It counts for no bound: a channel has at most one."""
    INFO = auto()
    """A message for this object only."""
    HEARD = auto()
    """A message of a topic. Other subscribers get the same object, so the handler gets a copy."""


class Frame(Struct, frozen=True, gc=False):
    """A message, ping or pong of a client of a raw socket."""

    opcode: Opcode
    data: str | bytes


class Mailbox:
    """The items that wait for one task. The mailbox is made when the first item must wait.

    Args:
        server: The channel or raw handler whose task takes the items.

    Attributes:
        sizes: The bytes of each large message that is not handled yet, by the identity of the message.
        is_full: Whether the connection is not read from because of this mailbox.
    """

    __slots__ = (
        "_clients",
        "_dropped",
        "_free",
        "_from_log",
        "_half",
        "_handled",
        "_put",
        "_server",
        "_servers",
        "_taken",
        "_watch",
        "is_full",
        "sizes",
    )

    def __init__(self, server: ChannelServer | RawServer) -> None:
        self._server = server
        # An empty deque takes 624 bytes, so a queue exists only while it has items.
        self._clients: deque[Message | Frame | End] | None = None
        self._servers: deque[tuple[int, tuple[Kind, Any]]] | None = None
        self._put = 0  # items that were put into _clients so far
        self._taken = 0  # items that were taken out of _clients so far
        self._free = 0  # items in _clients that count for no bound
        self._half = 0
        self._handled = 0  # bytes of counted messages since the task last waited for a turn
        self._dropped = 0
        self._from_log = 0  # entries of a log in _servers
        limit = server.agent.warn_waiting
        self._watch = None if limit is None else WaitingWatch(server, limit)
        self.sizes: dict[int, int] = {}
        self.is_full = False

    def __len__(self) -> int:
        return self._put - self._taken + len(self._servers or ())

    @property
    def bytes(self) -> int:
        """The bytes of the client's messages that wait."""
        return sum(map(_size_of, self._clients or ()))

    # The client's messages.

    def put_message(self, message: Message | Frame) -> None:
        """Add a message of the client. If the mailbox is full then, pause reading from the client."""
        self._append(message)
        if not self.is_full:
            bound = self._server.agent.max_inbox
            if self._put - self._taken - self._free >= bound:
                self.is_full = True
                self._half = bound // 2
                self._server.connection.pause_reading()

    def put_anyway(self, item: Message | End) -> None:
        """Add an item that counts for no bound: the client's leave, or an end."""
        self._free += 1
        self._append(item)

    def _append(self, item: Message | Frame | End) -> None:
        self._put += 1
        if self._clients is None:
            self._clients = deque((item,))
        else:
            self._clients.append(item)
        if self._watch is not None:
            self._watch.put(_size_of(item), len(self))

    # The server's items.

    def put_item(self, kind: Kind, content: Any) -> bool:
        """Add an item of the server.

        Returns:
            False if the mailbox is full, and the object must end.
        """
        servers = self._servers
        if servers is None:
            servers = self._servers = deque()
        if kind is Kind.ENTRY:
            self._from_log += 1
        elif len(servers) - self._from_log >= self._server.agent.max_mailbox:
            if self._server.agent.overflow == "end":
                return False
            del servers[int(servers[0][1][0] is Kind.ENTRY)]
            self._tell_dropped()
        servers.append((self._put, (kind, content)))
        if self._watch is not None:
            self._watch.put(0, len(self))
        return True

    def _tell_dropped(self) -> None:
        server = self._server
        server.connection.server.telemetry.dropped(server.topic, DropReason.MAILBOX_FULL)
        self._dropped += 1
        if self._dropped == 1 or self._dropped % LOG_EVERY == 0:
            with running(About(server, event="")):
                server.connection.server.log.warning(
                    "%s has dropped its oldest message, %d so far (max_mailbox)",
                    server.label,
                    self._dropped,
                )

    # Methods for the task.

    def pop(self) -> Message | Frame | End | tuple[Kind, Any] | None:
        """Remove the item that has waited longest, and return it; return None if no item waits.

        When half of the messages that filled the mailbox are taken, reading from the client continues.
        """
        servers, clients = self._servers, self._clients
        if servers is not None and servers[0][0] <= self._taken:
            item = servers.popleft()[1]
            if item[0] is Kind.ENTRY:
                self._from_log -= 1
            if not servers:
                self._servers = None
            if self._watch is not None:
                self._watch.taken(0, len(self))
            return item
        if clients is None:
            return None
        message = clients.popleft()
        if not clients:
            self._clients = None
        self._taken += 1
        if self._free and not _counts(message):
            self._free -= 1
        elif self.is_full and self._put - self._taken - self._free <= self._half:
            self.is_full = False
            self._server.connection.resume_reading()
        if self._watch is not None:
            self._watch.taken(_size_of(message), len(self))
        return message

    def clear(self) -> None:
        """Drop all items, and resume reading if it is paused because of this mailbox."""
        self._clients = self._servers = None  # they can hold megabytes
        self._taken, self._free, self._from_log = self._put, 0, 0
        if self._watch is not None:
            self._watch.cleared()
        connection = self._server.connection
        if self.is_full:
            self.is_full = False
            connection.resume_reading()
        if self.sizes:
            connection.unload(sum(self.sizes.values()))
            self.sizes.clear()

    # Large messages.

    def count_bytes(self, message: Message | Frame, size: int) -> None:
        """Count the bytes of a large message until it is handled."""
        self.sizes[id(message)] = size
        self._server.connection.load(size)

    def unload(self, item: object) -> None:
        """Subtract the bytes of a handled item, if it was counted."""
        size = self.sizes.pop(id(item), 0)
        if size:
            self._server.connection.unload(size)

    def needs_turn(self, item: object) -> bool:
        """Return whether an item is a large message that must wait, because many bytes were handled before it."""
        size = self.sizes.get(id(item), 0)
        is_next = size > 0 and self._handled >= PART
        self._handled = size if is_next else self._handled + size
        return is_next


def _counts(item: Message | Frame | End) -> bool:
    """Return whether an item counts for the bound of the client's messages."""
    return type(item) is Frame or (type(item) is Message and item.event != PHX_LEAVE)


def _size_of(item: Message | Frame | End) -> int:
    """Return the bytes of what a client has sent; 0 for an end."""
    if isinstance(item, End):
        return 0
    content: object = item.data if isinstance(item, Frame) else item.payload
    return len(content) if isinstance(content, bytes) else bytes_of(content)
