"""The interface of the bus, which carries bytes between the nodes of an application.

Theory of operation
-------------------
A *node* is a process with a name. An *adapter* connects a node to the bus: one class for each kind of bus. Users write
adapters of their own, so this interface is public, and :mod:`bennu.testing.bus_contract` tests any adapter.

An adapter carries bytes and does not read them. The promises of every adapter:

- **Interest.** A node gets only the topics that it has subscribed to. When ``subscribe`` has returned, the node gets
  everything that any started node publishes from then on.
- **Order.** The messages of one publishing node under one topic arrive in the order of their ``publish`` calls.
  Messages under two topics, or of two nodes, have no order. Neither have messages to all and messages to one node.
- **At most once.** A message is never delivered twice. A message can be lost if a connection breaks, or if a node
  ends or hangs.
- **No loss in silence.** A node that misses messages is told how many, by publishing node and topic (:class:`Loss`).
  Nobody can know what a killed node published last, so that count is None.
- **Backpressure.** ``publish`` waits while the bus can't take more. Nothing grows without a bound.
- **Never to itself.** A node does not get its own messages.
"""

from __future__ import annotations

import os
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from ..errors import NotStarted
from ..reasons import LossReason

__all__ = [
    "PUBLISHER",
    "BusAdapter",
    "Loss",
    "LossReason",
    "Lost",
    "Receive",
    "not_started",
    "unique_name",
]

PUBLISHER: Final = "publisher@"
"""What the name of a node begins with that only publishes: it serves no clients, and ``endpoint.nodes()`` leaves it out."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Messages that did not arrive.

    ``GAP`` and ``TAIL`` are messages *for* this node. ``CUT`` and ``DROPPED`` are messages *of* this node. So the sum of
    all ``GAP`` counts over all nodes is the number of messages that were lost between live nodes.

    Attributes:
        node: The other node: the publisher, or for ``CUT`` the node that does not read. For ``DROPPED`` this node.
        topic: The topic; None if it is unknown.
        count: The number of messages; None if it is unknown: for ``TAIL``, and for a ``GAP`` whose numbers were forgotten.
        reason: The reason.
    """

    node: str
    topic: str | None
    count: int | None
    reason: LossReason


Receive = Callable[[str, str, bytes], object]
"""Called on the event loop with the publishing node, the topic and the bytes of a message. It never waits or raises."""

Lost = Callable[[Loss], object]
"""Called on the event loop when messages were lost. It never waits or raises."""


class BusAdapter(ABC):
    """Connects this node to a bus. Write a subclass for a bus of your own, and run the contract on it.

    Bennu calls all methods on one event loop. An adapter that was stopped can be started again, also on another loop.

    Raises:
        NotStarted: Every method except ``start`` and ``stop`` raises this if the adapter is not started in this
            process. A fork of a started process is another process.

    Example:
        >>> from bennu.bus import LocalAdapter
        >>> LocalAdapter("web-1").node
        'web-1'
    """

    __slots__ = ()

    @property
    @abstractmethod
    def node(self) -> str:
        """The name of this node. No other node has this name at the same time."""

    @abstractmethod
    async def start(self, receive: Receive, lost: Lost) -> None:
        """Connect to the bus. Afterwards this node hears what it subscribes to, and others hear this node.

        Args:
            receive: Called with each message under a topic to which this node has subscribed.
            lost: Called when messages were lost.

        Raises:
            DefinitionError: The address of the bus, or the name of the node, can't be used.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Disconnect from the bus, also after a failed start. Earlier messages are still sent if that is possible.

        A second call has no effect.
        """

    @abstractmethod
    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Send bytes to the other nodes that have subscribed to a topic. Wait while the bus can't take more.

        Args:
            topic: Any text that has a UTF-8 form of at most 65,535 bytes. The empty text is allowed.
            data: The bytes to send. An adapter has a limit of at least 1 MiB.
            node: The name of the only node that gets the message. Default: None, all other nodes. Nothing is sent for
                an unknown node, for this node, or for a node that has not subscribed.

        Returns:
            The number of nodes for which the bus took the message; None if the bus does not know.

        Raises:
            EncodeError: The message is too large for this bus.
        """

    @abstractmethod
    async def subscribe(self, topics: Collection[str]) -> None:
        """Receive the messages under these topics, and return when the bus has confirmed that.

        A node that hangs can't confirm. The call does not wait for such a node for ever.

        Args:
            topics: The topics. A topic that is subscribed to already has no effect.
        """

    @abstractmethod
    def unsubscribe(self, topics: Collection[str]) -> None:
        """Receive nothing more under these topics. It does not wait: ``receive`` is not called from now on.

        Args:
            topics: The topics. An unknown topic has no effect.
        """

    @abstractmethod
    async def confirm(self) -> None:
        """Return when the bus has taken all that this node has published, and this node would hear the bus.

        A mesh waits until each live node has received the messages. A broker waits for a message of this node that
        came back. So a call that does not return within some seconds means that the node is cut off.
        """

    @abstractmethod
    def nodes(self) -> frozenset[str]:
        """Return the names of the other nodes that this node knows to be on the bus."""


def not_started(*, is_forked: bool = False) -> NotStarted:
    """Return the error of a call to an adapter that is not started in this process.

    Args:
        is_forked: Whether this process is a fork of the one that started the adapter.
    """
    if is_forked:
        return NotStarted(
            f"this process ({os.getpid()}) is a fork of the one that started the bus, and has no connection:"
            " start the adapter after the fork"
        )
    return NotStarted("the bus is not started: await adapter.start(receive, lost) first")


def unique_name() -> str:
    """Return a name that no other process has, of the host name, the process id and random text."""
    host = socket.gethostname()[:32]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
