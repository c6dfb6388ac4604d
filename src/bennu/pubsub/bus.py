"""The bus: how presences of one node reach other nodes. Protocol document, §6.8 and §7.

Broadcasts, disconnects and long polling don't use the bus yet. No bus comes with Bennu yet, except :class:`LocalBus`.

Theory of operation
-------------------
A bus carries bytes under a topic from one node to all others, or to one of them, *at most once*: what is
lost is lost, and nobody is told. Messages of one node reach another in their order; more is not asked
for. Whoever needs more (presence does) repairs it with a protocol of its own.

A node is a process with a name. Names must differ: two nodes of one name would take each other's
messages for their own.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from typing import Protocol

__all__ = ["Bus", "LocalBus", "Receive"]

Receive = Callable[[str, bytes], None]
"""Called in the event loop with the topic and the bytes of a message; it never waits, and never raises."""


class Bus(Protocol):
    """What an endpoint needs of a bus. Everything here is called in the event loop."""

    @property
    def node_name(self) -> str:
        """The name of this node: no other may have it at the same time."""
        ...

    async def start(self, receive: Receive) -> None:
        """Begin to hand over what other nodes publish.

        Args:
            receive: Called in this event loop, in a turn of its own, with topic and bytes.
        """
        ...

    async def stop(self) -> None:
        """End it, also after a start that failed. What was published before still leaves, if it can."""
        ...

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Send bytes to the other nodes; never wait, and never send them to oneself.

        Args:
            topic: Any text.
            data: What to send.
            node: To whom; None is all others. A node that nobody knows gets nothing, silently.
        """
        ...


class LocalBus:
    """The bus of a node that is alone.

    Args:
        node_name: Its name; None makes one of the host, the process and chance.

    Example:
        >>> LocalBus("web-1").node_name
        'web-1'
    """

    __slots__ = ("_node_name",)

    def __init__(self, node_name: str | None = None) -> None:
        self._node_name = node_name or unique_name()

    @property
    def node_name(self) -> str:
        """The name of this node."""
        return self._node_name

    async def start(self, receive: Receive) -> None:
        """Do nothing: nobody will be heard."""

    async def stop(self) -> None:
        """Do nothing."""

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Do nothing: there is nobody to send to."""


def unique_name() -> str:
    """Return a name that no other process has: host, process id, and chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
