"""Shows what passes on connections and topics, and records connections: ``endpoint.inspector``.

While nothing is followed there are no taps (:mod:`bennu.server.tap`), and the server looks at :attr:`Inspector.is_open` once for
each connect. A follow of a connection or a user taps its connections. A follow of a topic taps every connection lightly,
since any of them can join, and has the broadcasts from :class:`~bennu.inspect.topic_watch.TopicWatch`.
"""

from __future__ import annotations

from itertools import count
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from ..inspect.follow import Follow, Keep
from ..inspect.recorder import Recorder
from ..inspect.records import ConnectSeen
from ..inspect.sights import PlainSight, Sink
from ..inspect.topic_watch import TopicWatch
from ..inspect.wanted import Wanted
from ..message import ABNORMAL, Opcode
from ..protocol.query import decode_query
from ..telemetry import ParameterFilter
from .tap import Tap

if TYPE_CHECKING:
    from .connection import ServerConnection
    from .server import Server

__all__ = ["Inspector"]

LIMIT: Final = 1_000
"""Records of a follow that wait to be read."""


class Inspector:
    """Follows and records the connections of one endpoint on this node.

    Args:
        server: The endpoint's server.
        hide: Hides secrets in params and payloads.

    Attributes:
        is_open: Whether something is followed or recorded.
    """

    def __init__(self, server: Server, hide: ParameterFilter) -> None:
        self._server = server
        self._hide = hide
        self._numbers = count(1)
        self._names: dict[ServerConnection[Any], str] = {}
        self._taps: dict[ServerConnection[Any], Tap] = {}
        self._sinks: dict[Follow | Recorder, Wanted] = {}
        self._ending: set[Tap] = set()
        self.is_open = False

    # For users.

    def connections(self) -> list[ConnectSeen]:
        """Return the open connections of this node: their ids, users, paths and topics.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._server.home.expect("endpoint.inspector", "connections")
        return [
            self.describe(one, is_new=False)
            for one in self._server.connections
            if not one.socket.is_internal
        ]

    def follow(
        self,
        *,
        topic: str | None = None,
        connection: str | None = None,
        user: str | None = None,
        limit: int = LIMIT,
        keep: Keep = "newest",
        whole: bool = False,
    ) -> Follow:
        """Follow a topic, a connection or a user on this node, from now until the follow is closed.

        A follow of a topic has each broadcast once, and the other messages of the topic on every connection. A follow of a
        connection or user has all messages of the connections, so each broadcast that reached them. If several arguments
        are given, all must fit.

        Args:
            topic: A topic, or the beginning of topics with ``*`` at its end (``"room:*"``).
            connection: The id of a connection (:meth:`connections`, and every record has it).
            user: An id that ``Socket(id=...)`` returned, or of ``info.add_id``. Later connections of the user are followed too.
            limit: The most records that wait to be read. What is dropped beyond it is counted in ``dropped``.
            keep: Which records stay beyond the limit: ``"newest"``, or ``"oldest"``, which costs less. Default: the newest.
            whole: Whether long payloads are left whole. Secrets are hidden in any case. Default: False, they are cut.

        Returns:
            An async iterator of records (:mod:`bennu.inspect.records`). Close it, or use it in a ``with`` block.

        Raises:
            DefinitionError: Nothing is given, or something else than text.
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._server.home.expect("endpoint.inspector", "follow")
        wanted = Wanted(topic, connection, user)
        now = self._server.loop.time()
        hide = self._hide.whole if whole else self._hide
        follow = Follow(wanted, limit=limit, keep=keep, hide=hide, now=now, stop=self._remove)
        self._add(follow, wanted)
        return follow

    def record(self, connection: str, file: str | PathLike[str]) -> Recorder:
        """Record a connection that is open, from now until it ends or the recorder is closed.

        The joins of the channels that are joined already are not seen. A replay joins them with an empty payload.
        :meth:`record_next` records a connection from its start.

        Args:
            connection: The id of the connection.
            file: The path of the file, which is made anew, readable only by its owner.

        Raises:
            LookupError: No connection with this id is open.
            OSError: The file can't be written.
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._server.home.expect("endpoint.inspector", "record")
        for one in self._server.connections:
            if self.name_of(one) == connection:
                recorder = Recorder(file, self._hide, stop=self._remove)
                recorder.begin(self.describe(one, is_new=False), self._server.loop.time())
                self._add(recorder, Wanted(connection=connection))
                return recorder
        raise LookupError(
            f"no connection {connection!r} is open on this node: endpoint.inspector.connections() has their ids"
        )

    def record_next(self, file: str | PathLike[str], user: str | None = None) -> Recorder:
        """Record the next connection that opens, from its start to its end.

        Args:
            file: The path of the file, as in :meth:`record`.
            user: An id of the connection, as in :meth:`follow`. Default: None, any connection.

        Raises:
            OSError: The file can't be written.
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._server.home.expect("endpoint.inspector", "record_next")
        recorder = Recorder(file, self._hide, stop=self._remove)
        self._add(recorder, Wanted(topic="*") if user is None else Wanted(user=user), is_next=True)
        return recorder

    # For the server.

    def opened(self, connection: ServerConnection[Any]) -> None:
        """Tap a connection that has opened, if it is wanted. The dashboard's own is not: it shows what is tapped."""
        if connection.socket.is_internal:
            return
        for sink, wanted in tuple(self._sinks.items()):
            if isinstance(sink, Recorder):
                if not sink.has_begun and wanted.has_connection("", _ids(connection)):
                    name = self.name_of(connection)
                    sink.begin(self.describe(connection, is_new=True), self._server.loop.time())
                    self._sinks[sink] = Wanted(connection=name)
                    self._tap(connection, sink, None)
            else:
                self._tap_if_wanted(connection, sink, wanted, is_new=True)

    def closed(self, connection: ServerConnection[Any]) -> None:
        """Tell of the end of a connection, when its close frame is written."""
        self._names.pop(connection, None)
        tap = self._taps.pop(connection, None)
        if tap is not None:
            self._ending.add(tap)
            self._server.loop.call_soon(self._end, tap)

    def received(self, connection: ServerConnection[Any], opcode: Opcode, data: bytes) -> None:
        """Take a message of a client."""
        tap = self._taps.get(connection)
        if tap is not None:
            tap.received(opcode, data, self._server.loop.time())

    def client_closed(self, connection: ServerConnection[Any], code: int, reason: str) -> None:
        """Note the client's close; 1006 is an end without a close frame."""
        tap = self._taps.get(connection)
        if tap is not None and code != ABNORMAL:
            tap.closing(code, reason, "client")

    def stop(self) -> None:
        """End all follows and recorders, because the endpoint stops."""
        for tap in tuple(self._ending):
            self._end(tap)
        for sink in tuple(self._sinks):
            sink.close()

    def forget(self) -> None:
        """Forget all follows and recorders, because their event loop is gone."""
        self._names.clear()
        self._taps.clear()
        self._sinks.clear()
        self._ending.clear()
        self._update()

    # Taps.

    def _end(self, tap: Tap) -> None:
        if tap in self._ending:
            self._ending.discard(tap)
            try:
                tap.end()
            except Exception:
                self._server.log.exception("The inspector failed at the end of a connection")

    def _add(self, sink: Follow | Recorder, wanted: Wanted, *, is_next: bool = False) -> None:
        self._sinks[sink] = wanted
        self._update()
        if not is_next:
            for connection in tuple(self._server.connections):
                if not connection.socket.is_internal:
                    self._tap_if_wanted(connection, sink, wanted, is_new=False)

    def _remove(self, sink: Follow | Recorder) -> None:
        wanted = self._sinks.pop(sink, None)
        self._update()
        if wanted is None:
            return
        needle = wanted.needle if wanted.is_topic else None
        for connection, tap in tuple(self._taps.items()):
            if tap.remove(sink, needle):
                tap.stop()
                del self._taps[connection]

    def _update(self) -> None:
        self.is_open = bool(self._sinks)
        topical: list[Sink] = [
            sink
            for sink, wanted in self._sinks.items()
            if isinstance(sink, Follow) and wanted.is_topic
        ]
        watch = TopicWatch(topical, self._server.loop.time) if topical else None
        self._server.pubsub.watch = watch

    def _tap_if_wanted(
        self, connection: ServerConnection[Any], sink: Sink, wanted: Wanted, *, is_new: bool
    ) -> None:
        if wanted.is_topic:
            self._tap(connection, sink, wanted.needle)
        elif wanted.has_connection(self.name_of(connection), _ids(connection)):
            if sink.wants(None) and isinstance(sink, Follow):
                sink.put(PlainSight(self.describe(connection, is_new=is_new)))
            self._tap(connection, sink, None)

    def _tap(self, connection: ServerConnection[Any], sink: Sink, needle: bytes | None) -> None:
        tap = self._taps.get(connection)
        if tap is None:
            tap = self._taps[connection] = Tap(connection, self.name_of(connection))
        tap.add(sink, needle)

    def name_of(self, connection: ServerConnection[Any]) -> str:
        """Return the id of a connection. It stays the same as long as the connection is open."""
        name = self._names.get(connection)
        if name is None:
            name = self._names[connection] = str(next(self._numbers))
        return name

    def describe(self, connection: ServerConnection[Any], *, is_new: bool) -> ConnectSeen:
        """Return the record of a connection."""
        info = connection.info
        serializer: Any = getattr(connection, "serializer", None)
        return ConnectSeen(
            at=self._server.loop.time(),
            connection=self.name_of(connection),
            user=connection.id,
            path=info.uri.path,
            params=self._hide(decode_query(info.uri.query.encode("latin-1"))),
            transport=connection.transport,
            serializer=None if serializer is None else serializer.name,
            peer=info.peer.host,
            topics=tuple(channel.topic for channel in connection.members()),
            is_new=is_new,
        )


def _ids(connection: ServerConnection[Any]) -> tuple[str | None, ...]:
    return (connection.id, *connection.info.ids)
