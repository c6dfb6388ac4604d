"""The inbox of one task: what waits, in order, and how much of it may.

Two bounds, not one. The client's messages have a bound that makes us stop reading from the client, and
read on at half of it. The server's own (intercepted broadcasts, ``@on_info``) can't be stopped, so they
have a bound with a policy. A leave and the news of a lost connection need no place: they always fit.

Nothing is counted as long as no bound can have been reached: the whole list is shorter than it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from msgspec import Struct

from ..message import PHX_LEAVE, Message, Opcode

__all__ = ["Frame", "Inbox", "Item", "Kind"]


class Kind(Enum):
    """What an item is, unless it is a message of the client."""

    OUT = auto()
    INFO = auto()
    HEARD = auto()
    END = auto()


class Frame(Struct, frozen=True, gc=False):
    """A message of a client whose socket is raw, or a ping or pong of it."""

    opcode: Opcode
    data: str | bytes


Item = Message | Frame | tuple[Kind, Any]


class Inbox:
    """What waits for one task.

    Attributes:
        items: In order; whoever takes one pops it off the front.
        is_full: Whether reading has stopped, because of this task.
    """

    __slots__ = ("is_full", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.is_full = False

    def put_message(self, message: Message | Frame, bound: int) -> bool:
        """Add a message of the client; return whether the inbox has just become full."""
        items = self.items
        items.append(message)
        if len(items) < bound or self.is_full or self._messages() < bound:
            return False
        self.is_full = True
        return True

    def has_drained(self, bound: int) -> bool:
        """Return whether the inbox was full, and has just been emptied by half."""
        if not self.is_full or self._messages() > bound // 2:
            return False
        self.is_full = False
        return True

    def put_server(self, kind: Kind, item: Any, bound: int) -> bool:
        """Add something of the server's own, if there is room; return whether there was."""
        items = self.items
        if len(items) >= bound and sum(map(_is_servers, items)) >= bound:
            return False
        items.append((kind, item))
        return True

    def drop_oldest_server(self) -> None:
        """Make room by dropping what of the server's own has waited longest."""
        for position, item in enumerate(self.items):
            if _is_servers(item):
                del self.items[position]
                return

    def put_anyway(self, item: Item) -> None:
        """Add what needs no place."""
        self.items.append(item)

    def _messages(self) -> int:
        return sum(map(_is_clients, self.items))


def _is_clients(item: Item) -> bool:
    return type(item) is Frame or (type(item) is Message and item.event != PHX_LEAVE)


def _is_servers(item: Item) -> bool:
    return type(item) is tuple and item[0] is not Kind.END
