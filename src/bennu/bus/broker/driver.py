"""The interface of a driver, which speaks one broker's protocol.

Theory of operation
-------------------
:class:`~bennu.bus.broker.adapter.BrokerAdapter` is the adapter of every broker. It knows nodes, topics, sequences and
losses, and when to connect again. It uses one driver, which knows none of these: a driver carries bytes under channels,
for the time of one connection. So a new broker is one class.

A driver never connects again by itself, and keeps nothing for a later connection. When its connection ends, it says so
once, and waits for the next :meth:`Driver.connect`.

A driver that has lost a message on its way, because a buffer was full for example, ends its connection. The adapter then asks
the other nodes what it has missed. A driver whose broker has parts can keep the connection for the other parts: then it says
by :meth:`Driver.on_gap` for how long messages can have been lost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence

__all__ = ["Broken", "Driver", "Gap", "Hear"]

Hear = Callable[[str, bytes], object]
"""Called on the event loop with the channel and the bytes of a message. It never waits or raises."""

Broken = Callable[[Exception], object]
"""Called once on the event loop when the connection has ended, and nobody has closed it. It never waits or raises."""

Gap = Callable[[float], object]
"""Called on the event loop with seconds in which messages can have been lost, though the connection goes on. It never waits
or raises."""


class Driver(ABC):
    """One broker's protocol.

    All methods are called on one event loop. Every method except :meth:`close` raises ``OSError`` or an exception of the
    client library if the connection has ended.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """The broker and its address for the log, without a password: ``redis://cache:6379/0``."""

    @property
    @abstractmethod
    def max_bytes(self) -> int:
        """The bytes of the largest message that the broker carries. It is at least 1 MiB and 64 KiB."""

    @property
    def fds(self) -> list[int]:
        """The file descriptors of the connection, which a fork of this process must give up. Default: none."""
        return []

    def on_gap(self, gap: Gap) -> None:  # noqa: B027 - most drivers have nothing to say
        """Say when a part of the broker was lost and is back. Default: a broker is one whole, and nothing is said."""

    @abstractmethod
    async def connect(self, hear: Hear, broken: Broken) -> None:
        """Connect to the broker, without subscriptions.

        Args:
            hear: Called with each message of a channel to which this driver has subscribed, also with its own messages.
            broken: Called when the connection has ended by itself. No ``hear`` follows.

        Raises:
            DefinitionError: No later attempt can succeed: the address or the password is wrong.
        """

    @abstractmethod
    async def close(self) -> None:
        """End the connection, also after a failed ``connect``. What was published before is still sent if possible."""

    @abstractmethod
    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Hand messages to the broker, in this order, and wait until there is room for more.

        It does not wait for an answer of the broker, if the broker's protocol allows that.

        Args:
            messages: The channel and the bytes of each message. A channel is any text of at most 65,600 UTF-8 bytes.
        """

    @abstractmethod
    async def subscribe(self, channels: Collection[str]) -> None:
        """Subscribe to channels, and return when the broker has confirmed that."""

    @abstractmethod
    async def unsubscribe(self, channels: Collection[str]) -> None:
        """Unsubscribe from channels. ``hear`` can still be called for a while."""

    async def settle(self) -> None:  # noqa: B027 - most drivers need not wait
        """Return when the broker has taken what was published before. Default: at once.

        A broker that carries all channels on one connection has taken it when a later message comes back.
        """
