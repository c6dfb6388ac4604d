"""The adapter of every broker.

Theory of operation
-------------------
A broker passes messages on: a node publishes a message once, and the broker hands it to the nodes that have subscribed to its
channel. Each topic has a channel, each node has one for what is for it alone, and one is for all nodes
(:class:`~.settings.Channels`). So a node gets nothing of topics that it does not hear, and a message for one node costs the
others nothing.

======================  =============================================================================================
module                  what it does
======================  =============================================================================================
:mod:`.frames`          what travels over the broker
:mod:`.connection`      connects again and again; notices a broker that hangs
:mod:`.outbox`          the bounded queue of what waits for the broker
:mod:`.publishing`      numbers the messages; sends high-water marks
:mod:`.subscriptions`   which topics this node hears; the one task that subscribes and unsubscribes
:mod:`.members`         which other nodes are there
:mod:`.twins`           notices another process that has the name of this node
:mod:`.questions`       asks other nodes where they stand, and for marks after a break
:mod:`.node`            one life of a node: it joins these parts
======================  =============================================================================================

A broker loses messages: for a node that is not connected, and whenever it closes a connection. It says nothing of that. So
the nodes count among themselves (:mod:`bennu.bus.sequence`). Some decisions:

- **Marks travel on the channel of their topic**, so that no mark overtakes a message, whatever the broker does with two
  channels. A mark is sent when a topic falls quiet, and not each second: a topic in use needs none.
- **Answers about bases go to the asking node alone**, beside the messages. A mark to all who hear the topic would do, too, but
  each join would then cost each hearer of the topic a message from each node. Floors make the order of answer and messages
  irrelevant.
- **A base of 0 is implicit.** Most nodes never publish in most topics, so known zeros would be most of a receiver's memory.
- **Age instead of clocks.** A receiver that was away when a node began must know whether it had subscribed before. It compares
  the time of its question minus the age in the answer with the time of its subscription: all by its own clock. Where the
  order is uncertain, the base is the later one: a count can be too small by what was published in that moment, never too
  large.
- **What was in flight when a connection broke is sent again.** Receivers drop duplicates by their numbers, so a message is
  still delivered at most once.
- **A probe goes to the node's own channel**, so that confirming each second costs the other nodes nothing.

The clock of a node is one timer a second, for heartbeats, marks, silences and repeated questions. A topic has no timer.

The story in ``tests/bus/broker/test_adapter_counts.py`` breaks, hangs, slows and cuts a broker in memory at random. Whatever
happens: delivered plus missed is what was published, for each publisher, topic and receiver that had subscribed before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from ...errors import DefinitionError
from ...logs.log import Log
from ...loop.forks import give_up, watch
from ..bus import BusAdapter, Lost, Receive, not_started, unique_name
from .driver import Driver
from .frames import MAX_NODE
from .node import BrokerNode
from .settings import MAX_PREFIX, BrokerSettings, Channels

__all__ = ["BrokerAdapter"]

PREFIX = "bennu"


class BrokerAdapter(BusAdapter):
    """Connects this process to a broker.

    Args:
        driver: Speaks the broker's protocol. It belongs to this adapter.
        node: The name of this node: 1 to 128 bytes in UTF-8. Default: None, a name of the host, the process id and
            random text.
        prefix: What the names of all channels begin with; default ``"bennu"``. Applications that share a broker must have
            different prefixes.
        settings: The times and limits. Default: None, the defaults of :class:`BrokerSettings`.

    Raises:
        DefinitionError: By ``start``, if the name or the prefix can't be used, or if the driver finds that its address
            can't be used. A broker that is down is no error: the node starts, and connects when the broker is there.
    """

    __slots__ = (
        "__weakref__",
        "_channels",
        "_driver",
        "_epoch",
        "_is_forked",
        "_life",
        "_log",
        "_node",
        "_prefix",
        "_settings",
    )

    def __init__(
        self,
        driver: Driver,
        node: str | None = None,
        *,
        prefix: str = PREFIX,
        settings: BrokerSettings | None = None,
    ) -> None:
        self._driver = driver
        self._node = unique_name() if node is None else node
        self._prefix = prefix
        self._channels = Channels(prefix)
        self._settings = BrokerSettings() if settings is None else settings
        self._log = Log("bennu.bus")
        self._life: BrokerNode | None = None
        self._is_forked = False
        self._epoch = 0
        watch(self)

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._node

    @property
    def driver(self) -> Driver:
        """The driver."""
        return self._driver

    @property
    def silent_since(self) -> float | None:
        """The time since which this node does not hear the bus, by the clock of the event loop; None if it hears it."""
        return self._started().silent_since

    # Start and stop.

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Try to connect, and return after the first attempt. A broker that is down is tried again for ever."""
        _expect_text("the name of a node on a bus", self._node, MAX_NODE, 'node="web-1"')
        _expect_text("the prefix of a bus", self._prefix, MAX_PREFIX, 'prefix="chat"')
        self._is_forked = False
        self._epoch = max(self._epoch + 1, time.time_ns())
        self._log.start(asyncio.get_running_loop())
        self._life = BrokerNode(
            self._driver,
            self._node,
            self._epoch,
            self._settings,
            self._channels,
            receive,
            lost,
            self._log,
        )
        try:
            await self._life.open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Send what waits, say farewell, and disconnect."""
        life, self._life = self._life, None
        if life is None or self._is_forked:
            return
        try:
            if life.is_abandoned:  # nothing can be sent any more
                give_up([*self._driver.fds])
            else:
                await life.close()
        finally:
            self._log.stop()

    def leave_parent(self) -> None:
        """Give up the parent's connection: this process is a child of ``fork``."""
        if self._life is not None:
            give_up([*self._driver.fds])
            self._is_forked = True

    # Messages.

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Queue a message for the broker; wait while the queue is full.

        Returns:
            None: a broker does not say who gets a message. 0 if ``node`` is this node.
        """
        life = self._started()
        if node == self._node:
            return 0
        await life.publishing.publish(topic, data, node)
        return None

    async def subscribe(self, topics: Collection[str]) -> None:
        """Subscribe to topics, and return when the broker has confirmed that.

        While the broker is down, the call waits. A call that is cancelled still subscribes, once the broker is there.
        """
        await self._started().subscribe(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Unsubscribe from topics."""
        self._started().unsubscribe(topics)

    async def confirm(self) -> None:
        """Wait until a message of this node has come back from the broker. It waits as long as the broker is down."""
        await self._started().confirm()

    def nodes(self) -> frozenset[str]:
        """Return the other nodes."""
        return self._started().members.names

    # Checks.

    def _started(self) -> BrokerNode:
        life = self._life
        if life is None or not life.is_open or self._is_forked:
            raise not_started(is_forked=self._is_forked)
        return life


def _expect_text(subject: str, text: str, most: int, write: str) -> None:
    """Raise ``DefinitionError`` for a text that can't be used in frames and channels."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        length = 0
    if not 1 <= length <= most:
        raise DefinitionError(
            subject, expected=f"text of 1 to {most} bytes in UTF-8", got=repr(text), write=write
        )
