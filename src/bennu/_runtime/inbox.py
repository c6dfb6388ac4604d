"""The inbox of one channel: what waits, in order, and how much of it may.

Two bounds, not one. The client's messages have a bound that makes us stop reading from the client, and
read on at half of it. The server's own (intercepted broadcasts, ``@on_info``) can't be stopped, so they
have a bound with a policy. A leave and the news of a lost connection need no place: they always fit.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ..message import Message

__all__ = ["Inbox", "Item", "Kind"]


class Kind(Enum):
    """What an item is, unless it is a message of the client."""

    OUT = auto()
    INFO = auto()
    END = auto()


Item = Message | tuple[Kind, Any]


class Inbox:
    """What waits for one channel.

    Attributes:
        items: In order.
        is_full: Whether reading has stopped, because of this channel.
    """

    __slots__ = ("_clients", "_servers", "is_full", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.is_full = False
        self._clients = 0
        self._servers = 0

    def put_message(self, message: Message, bound: int) -> bool:
        """Add a message of the client; return whether the inbox has just become full."""
        self.items.append(message)
        self._clients += 1
        if self._clients < bound or self.is_full:
            return False
        self.is_full = True
        return True

    def take_message(self, bound: int) -> bool:
        """Count a message of the client as taken; return whether reading may go on now."""
        self._clients -= 1
        if not self.is_full or self._clients > bound // 2:
            return False
        self.is_full = False
        return True

    def put_server(self, kind: Kind, item: Any, bound: int) -> bool:
        """Add something of the server's own, if there is room; return whether there was."""
        if self._servers >= bound:
            return False
        self.items.append((kind, item))
        self._servers += 1
        return True

    def take_server(self) -> None:
        """Count something of the server's own as taken."""
        self._servers -= 1

    def drop_oldest_server(self) -> None:
        """Make room by dropping what of the server's own has waited longest."""
        for position, item in enumerate(self.items):
            if type(item) is tuple and item[0] is not Kind.END:
                del self.items[position]
                self._servers -= 1
                return

    def put_anyway(self, item: Item) -> None:
        """Add what needs no place."""
        self.items.append(item)
