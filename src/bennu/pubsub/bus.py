"""The bus, which carries presences from one node to other nodes. Protocol document, §6.8 and §7.

Broadcasts, disconnects and long polling don't use the bus. Bennu has no bus between nodes yet, only
:class:`LocalBus`.

Theory of operation
-------------------
A bus carries bytes under a topic from one node to all other nodes, or to one of them, *at most once*: a message can be
lost, and neither node is told. Messages from one node arrive at another node in the order in which they were sent.
Presence needs more than that, and repairs losses with its own protocol.

A node is a process with a name. Node names must differ: two nodes of one name would ignore each other's messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..bus.bus import unique_name

__all__ = ["Bus", "LocalBus", "Receive"]

Receive = Callable[[str, bytes], None]
"""A function that is called on the event loop with the topic and the bytes of a message. It never waits or raises."""


class Bus(Protocol):
    """The interface of a bus. An endpoint calls all methods on its event loop."""

    @property
    def node_name(self) -> str:
        """The name of this node. No other node has this name at the same time."""
        ...

    async def start(self, receive: Receive) -> None:
        """Start to receive messages of other nodes.

        Args:
            receive: Call it on this event loop, in its own turn, with the topic and the bytes of each message.
        """
        ...

    async def stop(self) -> None:
        """Stop the bus, also after a failed start. Earlier messages are still sent if that is possible."""
        ...

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Send bytes to other nodes, and never to this node. It does not wait.

        Args:
            topic: Any text.
            data: The bytes to send.
            node: The name of one node. Default: None, all other nodes. For an unknown node nothing is sent.
        """
        ...


class LocalBus:
    """The bus of a single node: it sends and receives nothing.

    Args:
        node_name: The name of the node. Default: None, a name of the host, the process id and random text.

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
        """Do nothing: there are no other nodes."""

    async def stop(self) -> None:
        """Do nothing."""

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Do nothing: there are no other nodes."""
