"""The other nodes of a mesh: finds them, is found by them, and keeps the connections."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, Final

from ...errors import DecodeError, DefinitionError
from ...logs.log import Log
from ...loop.forks import give_up
from ..bus import Lost, Receive
from .directory import BACKLOG, Directory, is_name
from .frames import VERSION, Control, FrameReader, Hello, Welcome
from .hearers import Hearers
from .inlet import Inlet
from .link import Link
from .outlet import Outlet
from .own_interest import OwnInterest
from .settings import Settings

__all__ = ["Mesh"]

MAX_STRANGERS: Final = 256
"""Connections that have not said who they are."""

ACCEPT_TURNS: Final = 3
"""Turns of the event loop from an accepted connection to its link."""

LOOK: Final = 5.0
"""Seconds between two looks into the directory."""


class _Neighbour:
    """Another node, in both directions."""

    __slots__ = ("inlet", "outlet")

    def __init__(self, outlet: Outlet, inlet: Inlet) -> None:
        self.outlet = outlet
        self.inlet = inlet


class Mesh:
    """The other nodes, from the start of this node to its stop.

    Args:
        settings: What all outlets share.
        directory: The directory, which is open.
        interest: What this node hears.
        receive: Called with each message.
        lost: Called with each loss.
        log: Writes the log.

    Attributes:
        hearers: Which other nodes hear which topic.
        is_open: Whether this node is part of the mesh.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        interest: OwnInterest,
        receive: Receive,
        lost: Lost,
        log: Log,
    ) -> None:
        self.hearers = Hearers()
        self.is_open = False
        self._settings = settings
        self._directory = directory
        self._interest = interest
        self._receive = receive
        self._lost = lost
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._neighbours: dict[str, _Neighbour] = {}
        self._strangers: set[Link] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._late: set[str] = set()
        self._refused: set[str] = set()
        self._server: asyncio.Server | None = None
        self._listener = -1
        self._timer: asyncio.TimerHandle | None = None

    @property
    def inlets(self) -> list[Inlet]:
        """What this node hears from each other node."""
        return [neighbour.inlet for neighbour in self._neighbours.values()]

    @property
    def outlets(self) -> list[Outlet]:
        """What this node sends to each other node."""
        return [neighbour.outlet for neighbour in self._neighbours.values()]

    @property
    def names(self) -> frozenset[str]:
        """The other nodes, without those that were only found in the directory and have not answered."""
        return frozenset(
            name
            for name, one in self._neighbours.items()
            if one.outlet.has_answered.is_set() or one.inlet.link is not None
        )

    # Start and stop.

    async def open(self) -> None:
        """Listen, and connect to the nodes that are there."""
        await self._listen()
        self._look()
        self.is_open = True
        waiting = {outlet.name: outlet.has_answered.wait() for outlet in self.outlets}
        late = await self.wait(waiting)
        if late:
            self._log.warning("Started, though nodes don't answer yet: %s", ", ".join(late))

    async def close(self) -> None:
        """Send what waits, say farewell, and close all connections. A call that is cancelled closes them, too."""
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
        self._directory.unbind(self._settings.node)
        try:
            # A server that is closed leaks what it has just accepted, so that becomes a link first. Nobody finds the socket now.
            for _ in range(ACCEPT_TURNS):
                await asyncio.sleep(0)
            if self._server is not None:
                self._server.close()
            await asyncio.gather(*[outlet.stop() for outlet in self.outlets])
        finally:
            if self._server is not None:
                self._server.close()
            links = self._incoming()
            for link in links:
                link.abort()
            for outlet in self.outlets:
                outlet.abort()
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            for link in links:
                await link.lost.wait()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_abandoned(self) -> bool:
        """Whether the event loop of this node was closed before it stopped."""
        return self._loop.is_closed()

    def give_up(self) -> None:
        """Give up the connections: they are the parent's in a child of ``fork``, or their event loop is closed."""
        self.is_open = False
        incoming = [link.fd for link in self._incoming()]
        outgoing = [fd for outlet in self.outlets for fd in outlet.fds]
        give_up([*incoming, *outgoing, self._listener])

    def is_late(self, node: str) -> bool:
        """Return whether a node has not answered in time, and has not answered since."""
        return node in self._late

    async def wait(
        self, waiting: Mapping[str, Coroutine[Any, Any, object]], limit: float = math.inf
    ) -> list[str]:
        """Wait for other nodes, but not for ever.

        Args:
            waiting: What is waited for, by the name of the node.
            limit: The most seconds; the patience of the adapter is another limit.

        Returns:
            The nodes that have not answered in time. They are late until they answer, so that a node that hangs is
            waited for once.
        """
        if not waiting:
            return []
        tasks = {name: self._loop.create_task(one) for name, one in waiting.items()}
        try:
            await asyncio.wait(tasks.values(), timeout=min(limit, self._settings.patience))
        except asyncio.CancelledError:
            for task in tasks.values():
                task.cancel()
            raise
        late = {name: task for name, task in tasks.items() if not task.done()}
        for name, task in late.items():
            self._late.add(name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(partial(self._answered, name))
        return [*late]

    def _answered(self, node: str, _: object) -> None:
        self._late.discard(node)

    def _incoming(self) -> list[Link]:
        """Return the connections that others have opened."""
        return [*self._strangers, *(link for inlet in self.inlets for link in inlet.links)]

    async def _listen(self) -> None:
        listener = self._directory.listen(self._settings.node)
        self._listener = listener.fileno()
        self._server = await self._loop.create_unix_server(
            self._accept, sock=listener, backlog=BACKLOG
        )

    # Who is there.

    def _look(self) -> None:
        """Look for nodes that this node does not know."""
        names, refused = self._directory.names()
        for name in names - {self._settings.node}:
            self._meet(name)
        for name in refused - self._refused:
            self._log.error(
                "%s in %s was refused: it is no socket of this user", name, self._directory.path
            )
        self._refused = refused
        self._timer = self._loop.call_later(LOOK, self._look_again)

    def _look_again(self) -> None:
        try:
            if not self._directory.is_bound(self._settings.node):
                self._spawn(self._listen_again())
        finally:
            self._look()

    async def _listen_again(self) -> None:
        """Make the socket again, because it was removed."""
        self._log.warning(
            "The socket of this node was removed from %s, and is made again", self._directory.path
        )
        server = self._server
        try:
            await self._listen()
        except (OSError, DefinitionError) as error:
            self._log.error("The socket could not be made: %s", error)
        else:
            if server is not None:
                server.close()

    def _meet(self, name: str) -> _Neighbour:
        """Return a node, and begin to connect to it if it is unknown."""
        neighbour = self._neighbours.get(name)
        if neighbour is None:
            outlet = Outlet(
                name, self._settings, self._directory, self.hearers, self._lost, self._log
            )
            inlet = Inlet(name, self._interest, self._receive, self._lost, self._log)
            neighbour = self._neighbours[name] = _Neighbour(outlet, inlet)
            self._spawn(self._keep(neighbour))
        return neighbour

    async def _keep(self, neighbour: _Neighbour) -> None:
        """Keep the connection to a node until its process has ended, and read its last messages."""
        await neighbour.outlet.run()
        link = neighbour.inlet.link
        if link is not None:
            try:
                async with asyncio.timeout(self._settings.patience):
                    await link.lost.wait()
            except TimeoutError:
                link.abort()
        name = neighbour.outlet.name
        if self._neighbours.get(name) is neighbour:
            del self._neighbours[name]
        if self.is_open:
            neighbour.inlet.end()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accept(self) -> Link:
        """Return the link of a connection that another process has opened."""
        link: Link
        inlet: Inlet | None = None

        def on_message(key: bytes, data: bytes) -> None:
            if inlet is None:
                raise DecodeError("a message before the hello")
            if inlet.link is link:
                inlet.message(key, data)

        def on_control(control: Control) -> None:
            nonlocal inlet
            if inlet is None:
                inlet = self._greet(link, control)
            elif inlet.link is link:
                inlet.control(control)

        def on_lost(link: Link) -> None:
            self._strangers.discard(link)
            if inlet is not None:
                inlet.close(link)

        def on_made() -> None:
            self._strangers.add(link)
            if len(self._strangers) > MAX_STRANGERS:
                self._log.error(
                    "More than %d connections without a hello: one was closed", MAX_STRANGERS
                )
                self._loop.call_soon(link.abort)

        reader = FrameReader(on_message, on_control)
        link = Link(self._log, reader, on_lost, on_made=on_made)
        return link

    def _greet(self, link: Link, control: Control) -> Inlet:
        """Take the first frame of another process."""
        if not isinstance(control, Hello):
            raise DecodeError("another frame before the hello")
        own = self._settings
        if control.version != VERSION or control.node == own.node:
            raise DecodeError(
                f"the hello of the node {control.node!r}, version {control.version}; this node is"
                f" {own.node!r}, version {VERSION}. Run one version of Bennu, and one name a process"
            )
        if not is_name(control.node):
            raise DecodeError("a hello with a name that no node can have")
        self._strangers.discard(link)
        neighbour = self._meet(control.node)
        neighbour.inlet.open(link, control.epoch, Welcome(own.node, own.epoch))
        return neighbour.inlet
