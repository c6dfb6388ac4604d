"""The mailbox of a channel or of a raw handler: what waits for its task, in order, and how much of it may wait.

Theory of operation
-------------------
The client's messages and the server's items wait in two queues, because each kind has a bound of its own. If
``max_inbox`` messages of the client wait, the connection is not read from until half of them are handled. An item
of the server (an intercepted broadcast, a message for ``@on_info``) cannot be held back that way. So ``overflow``
says what happens if ``max_mailbox`` of them wait.

The two queues have one order. An item of the server remembers how many messages of the client were put before it,
and is taken after those. So each operation takes the same time, however much waits: a bound compares the length
of a queue, and the oldest item of the server stands at the front of its queue.

A leave and the news of a lost connection always find a place, and count for no bound.

A large message is *weighed*: its bytes count for the connection until it is handled, and it waits for a turn of the
event loop of its own if much was handled before it.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from ..message import PHX_LEAVE, Message, Opcode
from ..reasons import DropReason
from .end import End

if TYPE_CHECKING:
    from .channel_server import ChannelServer
    from .raw_server import RawServer

__all__ = ["PART", "Frame", "Kind", "Mailbox"]

PART: Final = 16_384
"""Bytes of weighed messages that a task handles before it waits for a turn of its own."""

LOG_EVERY: Final = 1000
"""Dropped items between two lines of the log: a flood of items must not become a flood of lines."""


class Kind(Enum):
    """The kinds of items of the server."""

    JOINED = auto()
    """The news that the join has succeeded, or that the raw socket is open: the first item."""
    OUT = auto()
    """A broadcast that ``@on_out`` intercepts."""
    INFO = auto()
    """A message for this object alone."""
    HEARD = auto()
    """A message of a topic. Others get the same object, so the handler gets a copy."""


class Frame(Struct, frozen=True, gc=False):
    """A message, ping or pong of a client of a raw socket."""

    opcode: Opcode
    data: str | bytes


class Mailbox:
    """What waits for one task. It is made when the first item has to wait.

    Args:
        server: The channel or raw handler whose task takes the items.

    Attributes:
        weights: The bytes of each large message that is not handled yet, by the identity of the message.
        is_full: Whether the connection is not read from because of this mailbox.
    """

    __slots__ = (
        "_clients",
        "_dropped",
        "_free",
        "_half",
        "_handled",
        "_put",
        "_server",
        "_servers",
        "_taken",
        "is_full",
        "weights",
    )

    def __init__(self, server: ChannelServer | RawServer) -> None:
        self._server = server
        # An empty deque takes 624 bytes, so a queue is there only while something waits in it.
        self._clients: deque[Message | Frame | End] | None = None
        self._servers: deque[tuple[int, tuple[Kind, Any]]] | None = None
        self._put = 0  # items that were put into _clients so far
        self._taken = 0  # items that were taken out of _clients so far
        self._free = 0  # items in _clients that count for no bound
        self._half = 0
        self._handled = 0  # bytes of weighed messages since the task last waited for a turn
        self._dropped = 0
        self.weights: dict[int, int] = {}
        self.is_full = False

    def __len__(self) -> int:
        return self._put - self._taken + len(self._servers or ())

    # The client's messages.

    def put_message(self, message: Message | Frame) -> None:
        """Add a message of the client. If the mailbox becomes full by it, pause reading from the client."""
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

    # The server's items.

    def put_item(self, kind: Kind, content: Any) -> bool:
        """Add an item of the server.

        Returns:
            False if no item has a place any more, and the object must end.
        """
        servers = self._servers
        if servers is None:
            servers = self._servers = deque()
        elif len(servers) >= self._server.agent.max_mailbox:
            if self._server.agent.overflow == "end":
                return False
            servers.popleft()
            self._tell_dropped()
        servers.append((self._put, (kind, content)))
        return True

    def _tell_dropped(self) -> None:
        server = self._server
        server.connection.server.telemetry.dropped(server.topic, DropReason.MAILBOX_FULL)
        self._dropped += 1
        if self._dropped == 1 or self._dropped % LOG_EVERY == 0:
            server.connection.server.log.warning(
                "%s has dropped its oldest message, %d so far (max_mailbox)",
                server.label,
                self._dropped,
            )

    # What the task does.

    def pop(self) -> Message | Frame | End | tuple[Kind, Any] | None:
        """Take the item that has waited longest; return None if none waits.

        If half of the messages that filled the mailbox are taken, reading from the client goes on.
        """
        servers, clients = self._servers, self._clients
        if servers is not None and servers[0][0] <= self._taken:
            item = servers.popleft()[1]
            if not servers:
                self._servers = None
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
        return message

    def clear(self) -> None:
        """Drop all that waits, and let reading go on if it is paused because of this mailbox."""
        self._clients = self._servers = None  # they may hold megabytes
        self._taken, self._free = self._put, 0
        connection = self._server.connection
        if self.is_full:
            self.is_full = False
            connection.resume_reading()
        if self.weights:
            connection.unload(sum(self.weights.values()))
            self.weights.clear()

    # Large messages.

    def weigh(self, message: Message | Frame, size: int) -> None:
        """Count the bytes of a large message until it is handled."""
        self.weights[id(message)] = size
        self._server.connection.load(size)

    def unload(self, item: object) -> None:
        """Count the bytes of a handled item no more, if they count."""
        size = self.weights.pop(id(item), 0)
        if size:
            self._server.connection.unload(size)

    def needs_turn(self, item: object) -> bool:
        """Return whether an item is a large message that must wait, because much was handled before it."""
        size = self.weights.get(id(item), 0)
        is_next = size > 0 and self._handled >= PART
        self._handled = size if is_next else self._handled + size
        return is_next


def _counts(item: Message | Frame | End) -> bool:
    """Return whether an item counts for the bound of the client's messages."""
    return type(item) is Frame or (type(item) is Message and item.event != PHX_LEAVE)
