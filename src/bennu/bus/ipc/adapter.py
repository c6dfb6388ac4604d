"""``ipc://DIRECTORY``: a mesh of Unix sockets between the processes of one user on one host. Nothing to install.

Theory of operation
-------------------
Each process listens on a socket in a private directory (:mod:`.directory`), and connects to all others that it finds
there. A process that is connected to connects back. So between two nodes there are two connections: each node sends on
the one that it has opened (:mod:`.outlet`), and hears on the other (:mod:`.inlet`).

A node tells the others what it wants to hear. A message goes only to the nodes that hear its topic, and is encoded once
for all. Between live processes nothing is lost, and nothing grows: while the queue of a node is full, publishers of its
topics wait.

==========================  ==================================================================================
a node                      the others
==========================  ==================================================================================
stops                       get all that it has published, and forget it
is killed                   notice it at once; they don't know what it published last (``TAIL``)
hangs                       wait for it for ``patience`` seconds, if its queue is full; then cut it off, and count what
                            it misses (``CUT``)
reads again                 tell it how many messages it has missed, by topic (``GAP``)
forks                       notice nothing: the child has no connection, and must start an adapter of its own
==========================  ==================================================================================

A message of 200 bytes costs the publisher 1.0 µs of CPU in a burst, and 3.8 µs if it leaves alone (uvloop); the hearer
0.4 and 2.2 µs. It arrives after 10 µs. The same bytes over a raw socketpair, with blocking calls: 0.02 and 1.2 µs, 0.02
and 0.9 µs, 4.4 µs. ``python -m benchmarks.bus`` measures it; docs/bus.md has the table.

Every few seconds a node looks whether its socket is still in the directory, and whether there are nodes that it does not
know. So it survives a clean-up of ``/tmp``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection
from typing import Final
from weakref import WeakValueDictionary

from ...logs.log import Log
from ...loop.forks import watch
from ..bus import BusAdapter, Lost, Receive, not_started, unique_name
from ..topics import key_of
from .directory import Directory, safe_name
from .frames import message_frame
from .mesh import Mesh
from .outlet import Outlet
from .own_interest import OwnInterest
from .settings import Settings

__all__ = ["CONFIRM", "IPCAdapter"]

MAX_QUEUE: Final = 1024 * 1024
PATIENCE: Final = 5.0
CONFIRM: Final = 2.0
"""Seconds for which ``confirm`` waits. It is less than the three seconds after which a node counts as cut off: else one
process that hangs would take all processes of its host out of service."""


class IPCAdapter(BusAdapter):
    """Connects this process to the other processes of its user on this host.

    Args:
        directory: A directory that only this user can enter. It is made if it is missing; its parent must exist. The
            path must be short: with the socket's name it has at most 107 bytes.
        node: The name of this node: at most 64 ASCII letters, digits, ``_``, ``-``, ``.`` and ``@``. Default: None, a
            name of the host, the process id and random text.
        max_queue: Bytes that wait for one other node, at most; then ``publish`` waits. One more message can follow.
            Default: 1 MiB.
        patience: Seconds for which ``publish`` waits for a node that does not read. Then the node is cut off. ``start``,
            ``stop`` and ``subscribe`` wait no longer for such a node either, ``confirm`` 2 seconds at most, and only once
            until it answers. Default: 5.

    Raises:
        DefinitionError: By ``start``, if the directory or the name can't be used.

    Example:
        >>> adapter = IPCAdapter("/tmp/bennu-1000", "web-1")
        >>> adapter.node
        'web-1'
    """

    __slots__ = (
        "__weakref__",
        "_directory",
        "_epoch",
        "_interest",
        "_is_forked",
        "_log",
        "_max_queue",
        "_mesh",
        "_node",
        "_number",
        "_patience",
        "_waiters",
        "_waiting",
    )

    def __init__(
        self,
        directory: str | os.PathLike[str],
        node: str | None = None,
        *,
        max_queue: int = MAX_QUEUE,
        patience: float = PATIENCE,
    ) -> None:
        self._node = safe_name(unique_name()) if node is None else node
        self._directory = Directory(directory)
        self._max_queue = max_queue
        self._patience = patience
        self._log = Log("bennu.bus")
        self._interest = OwnInterest()
        self._mesh: Mesh | None = None
        self._is_forked = False
        self._epoch = 0
        self._number = 0
        self._waiters = 0
        self._waiting: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        watch(self)

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._node

    # Start and stop.

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Listen in the directory, and connect to all nodes that are there."""
        self._directory.open(self._node)
        self._is_forked = False
        self._interest.clear()
        self._epoch = max(self._epoch + 1, time.time_ns())
        settings = Settings(self._node, self._epoch, self._max_queue, self._patience)
        self._log.start(asyncio.get_running_loop())
        self._mesh = Mesh(settings, self._directory, self._interest, receive, lost, self._log)
        try:
            await self._mesh.open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Send what waits, say farewell, and remove the socket."""
        mesh, self._mesh = self._mesh, None
        if mesh is None or self._is_forked:
            return
        try:
            if mesh.is_abandoned:  # nothing can be sent any more
                self._directory.unbind(self._node)
                mesh.give_up()
            else:
                await mesh.close()
        finally:
            self._log.stop()
            self._directory.close()

    def leave_parent(self) -> None:
        """Give up the parent's connections: this process is a child of ``fork``."""
        if self._mesh is not None:
            self._mesh.give_up()
            self._directory.close()
            self._is_forked = True

    # Messages.

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int:
        """Send bytes to the other nodes that hear a topic; wait while the queue of one of them is full.

        Returns:
            The number of nodes that get it.
        """
        mesh = self._mesh
        if mesh is None or not mesh.is_open:
            raise not_started(is_forked=self._is_forked)
        key = key_of(topic)
        outlets = _chosen(mesh.hearers.of(key), node)
        if not outlets:
            return 0
        frame = message_frame(key, data)
        if (self._waiters and key in self._waiting) or [one for one in outlets if one.is_full]:
            # Publishers of a topic wait in their order: else a later message could overtake an earlier one.
            lock = self._waiting.setdefault(key, asyncio.Lock())
            self._waiters += 1
            try:
                async with lock:
                    return await self._publish_later(mesh, key, frame, node)
            finally:
                self._waiters -= 1
        return _put(outlets, key, frame)

    async def _publish_later(self, mesh: Mesh, key: bytes, frame: bytes, node: str | None) -> int:
        """Send a message once there is room in all queues."""
        while True:
            if not mesh.is_open:
                raise not_started(is_forked=self._is_forked)
            outlets = _chosen(mesh.hearers.of(key), node)
            full = [outlet for outlet in outlets if outlet.is_full]
            if not full:
                return _put(outlets, key, frame)
            await full[0].room()

    async def subscribe(self, topics: Collection[str]) -> None:
        """Tell all nodes what this node hears, and wait until each has confirmed it."""
        mesh = self._started()
        new = self._interest.add(topics)
        if new:
            for inlet in mesh.inlets:
                inlet.hear(new)
        number = self._interest.number
        late = await mesh.wait(
            {
                inlet.name: inlet.wait_confirmed(number)
                for inlet in mesh.inlets
                if inlet.confirmed < number and not mesh.is_late(inlet.name)
            }
        )
        if late:
            self._log.warning(
                "Nodes have not confirmed a subscription in time; they confirm it when they read: %s",
                ", ".join(late),
            )

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Tell all nodes what this node does not hear any more."""
        mesh = self._started()
        old = self._interest.remove(topics)
        if old:
            for inlet in mesh.inlets:
                inlet.unhear(old)

    async def confirm(self) -> None:
        """Wait until each live node has taken what this node has published before.

        A node that hangs is waited for once, and for two seconds at most.
        """
        mesh = self._started()
        self._number += 1
        number = self._number
        late = await mesh.wait(
            {
                outlet.name: outlet.flush(number)
                for outlet in mesh.outlets
                if outlet.is_live and not mesh.is_late(outlet.name)
            },
            CONFIRM,
        )
        if late:
            self._log.warning("Nodes have not taken the messages in time: %s", ", ".join(late))

    def nodes(self) -> frozenset[str]:
        """Return the other nodes."""
        return self._started().names

    # Checks.

    def _started(self) -> Mesh:
        if self._mesh is None or not self._mesh.is_open:
            raise not_started(is_forked=self._is_forked)
        return self._mesh


def _chosen(outlets: list[Outlet], node: str | None) -> list[Outlet]:
    """Return the outlets to one node, or to all."""
    return outlets if node is None else [outlet for outlet in outlets if outlet.name == node]


def _put(outlets: list[Outlet], key: bytes, frame: bytes) -> int:
    """Send a message to nodes. Return how many of them read."""
    count = 0
    for outlet in outlets:
        outlet.put(key, frame)
        count += outlet.is_live
    return count
