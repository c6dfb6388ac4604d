"""What server code asks an endpoint: its state, its nodes, its accounts, and the histories of topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .channel import Channel
from .history.page import HistoryPage
from .history.position import Position
from .history.reader import DEFAULT_LIMIT, AnyPosition
from .lifecycle import Lifecycle
from .limits.limits import Limits
from .loop.home import Home
from .presence import Presence
from .pubsub import PubSub
from .server.assigns_size import AssignsReport, measure_channels
from .server.channel_server import ChannelServer
from .server.inspector import Inspector
from .server.server import Server
from .socket import SocketBase
from .transports.routes import Routes

__all__ = ["EndpointQueries"]


class EndpointQueries:
    """The questions of an endpoint.

    Attributes:
        pubsub: The endpoint's PubSub.
        sockets: The sockets by their mount paths.
        presences: The presences of the endpoint.
        limits: The limits of connections; None if there are none.
    """

    pubsub: PubSub
    sockets: Mapping[str, SocketBase[Any]]
    presences: Sequence[Presence]
    limits: Limits | None
    _home: Home
    _server: Server
    _routes: Routes
    _lifecycle: Lifecycle

    # Its state.

    @property
    def state(self) -> Any:
        """The value that the lifespan yielded."""
        return self._server.state

    @property
    def is_started(self) -> bool:
        """Whether the endpoint is started in this process."""
        return self._lifecycle.is_started

    @property
    def is_ready(self) -> bool:
        """Whether a load balancer can send clients here: the endpoint is started, does not drain, and hears the bus."""
        return self._lifecycle.is_ready

    @property
    def connections(self) -> int:
        """The number of clients that are connected to this process."""
        return len(self._server.connections)

    @property
    def mounts(self) -> dict[str, list[str]]:
        """The mount paths of the sockets, and the transports of each (``"websocket"``, ``"longpoll"``)."""
        return self._routes.mounts()

    @property
    def inspector(self) -> Inspector:
        """Shows what passes on connections and topics, and records connections: docs/inspector.md."""
        return self._server.inspector

    # Nodes.

    @property
    def node(self) -> str:
        """The name of this node. With the address of a bus, each start gives it a new name."""
        return self.pubsub.node

    def nodes(self) -> frozenset[str]:
        """Return the names of the nodes that are on the bus now, including this one.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._home.expect("endpoint", "nodes")
        return self.pubsub.nodes()

    def accounts(self, topic: str | None = None) -> dict[str, dict[str, Any]]:
        """Return what became of the messages of each topic on this node since its start.

        ``due`` is the number of deliveries: one for each message and member of its topic. It is the sum of ``delivered``,
        ``own``, ``handled``, ``waiting``, ``behind``, ``cut``, and the numbers in ``dropped``. docs/telemetry.md explains all
        numbers.

        Args:
            topic: The only topic to return, if it has an account. Default: None, all topics: ten thousand have accounts of
                their own, and ``"*"`` has the rest.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.

        Example:
            ``endpoint.accounts("room:1")["room:1"]["dropped"]``
        """
        self._home.expect("endpoint", "accounts")
        return self.pubsub.telemetry.accounts.all(topic)

    # Channels.

    def channels(self, topic: str | None = None) -> list[Channel[Any, Any]]:
        """Return the live channel objects of the clients that are connected to this process.

        Args:
            topic: The only topic. Default: None, all topics.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.

        Example:
            ``names = {channel.assigns.name for channel in endpoint.channels("room:1")}``
        """
        self._home.expect("endpoint", "channels")
        return [cast("Channel[Any, Any]", member.agent) for member in self._members(topic)]

    def _members(self, topic: str | None) -> list[ChannelServer]:
        return [
            member
            for connection in self._server.connections
            for member in connection.members()
            if topic is None or member.topic == topic
        ]

    async def measure_assigns(
        self, topic: str | None = None, *, largest: int = 10, seconds: float = 1.0, depth: int = 6
    ) -> AssignsReport:
        """Measure what the channels of this process hold: their assigns and attributes. For an operator, while memory grows.

        The sizes are those of ``sys.getsizeof``, which leaves out what libraries in C keep for an object. CPython can't limit
        the memory of a channel. The event loop runs between two channels. At most 10,000 objects of a channel are looked at.

        Args:
            topic: The only topic. Default: None, all topics.
            largest: How many of the largest channels the report has. Default: 10.
            seconds: The most time. Channels that were not reached are counted as ``unmeasured``. Default: 1.
            depth: The most steps from a channel to an object. Default: 6.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's; there write
                ``endpoint.sync.measure_assigns(...)``.
            NotStarted: The endpoint is not started in this process.

        Example:
            ``report = await endpoint.measure_assigns()``
            ``print(report.classes["Room"].bytes, report.largest[0].topic)``
        """
        self._home.expect("endpoint", "measure_assigns")
        channels = self._members(topic)
        return await measure_channels(channels, largest=largest, seconds=seconds, depth=depth)

    # Histories.

    async def history(
        self,
        topic: str,
        *,
        since: AnyPosition = None,
        before: AnyPosition = None,
        limit: int = DEFAULT_LIMIT,
    ) -> HistoryPage:
        """Return broadcasts of the past of a topic with history, the oldest first. No ``history_floor`` counts here.

        Args:
            topic: The topic.
            since: A :class:`~bennu.Position`, its text (``"17:k3"``), or the object that a client has. The page has the
                oldest entries after it. Default: None, the newest entries.
            before: Such a position. The page has only entries before it.
            limit: The most entries, from 1 to 1,000. Default: 100. A page can have fewer entries; an empty page is the
                end.

        Raises:
            DefinitionError: The topic has no history.
            DecodeError: ``since`` or ``before`` is no position.
            ValueError: ``limit`` is out of its bounds.
            StoreUnavailable: The store does not answer.
            WrongThread: The call comes from another thread or event loop than the endpoint's; there write
                ``endpoint.sync.history(...)``.
            NotStarted: The endpoint is not started in this process.

        Example:
            ``for entry in await endpoint.history("room:1", limit=50):``
            ``    print(entry.time, entry.event, entry.payload)``
        """
        self._home.expect("endpoint", "history")
        reader = self._server.reader
        past = await reader.entries("endpoint.history", topic, since, before, limit)
        return past.decoded()

    async def position(self, topic: str) -> Position:
        """Return the position of the newest entry of a topic with history.

        Read it BEFORE the state that you give to a page with it. Then the page joins with the position, and gets all that
        was broadcast since: what is in the state already can come again, and nothing is missing.

        Args:
            topic: The topic.

        Raises as :meth:`history`.

        Example:
            ``position = await endpoint.position("room:1")``
            ``messages = await load_messages(1)  # after the position, not before``
        """
        self._home.expect("endpoint", "position")
        return await self._server.reader.position("endpoint.position", topic)
