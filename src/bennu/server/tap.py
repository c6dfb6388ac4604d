"""The tap of a followed connection: what passes, handed to follows and recorders.

Theory of operation
-------------------
A connection that nobody follows has no tap, and its code has no branch for one:

- **To the client, everything.** For a follow of the connection a :class:`TappedTransport` is put between the connection
  and its transport. It sees all bytes, those of the fast lane too, after drops.
- **To the client, without broadcasts.** For a follow of a topic only the connection's own function that frames replies and
  pushes is replaced. The fast lane does not call it, so a broadcast to a thousand followed members costs nothing here. Its
  record is made once (:mod:`bennu.inspect.topic_watch`).
- **From the client.** A connection checks the parts of long messages. While it has a tap, each message counts as long, and is
  shown to the tap at that place.

A tap has a :class:`TapStream` for each of the first two. Each reads on its own which reply answers which push.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from ..inspect.conversation import Conversation
from ..inspect.reading import read
from ..inspect.records import CloseSeen, Direction
from ..inspect.sights import UNSEEN, FrameSight, PlainSight, Sink
from ..inspect.unframing import unframed
from ..message import ABNORMAL, Encoded, Opcode
from ..protocol import Serializer
from ..pubsub import Framing

if TYPE_CHECKING:
    from .connection import ServerConnection
    from .transport import Transport

ENDS: Final = (b"phx_join", b"phx_leave", b"phx_close", b"phx_error")
"""What messages contain that begin or end a channel. The reply to a join is the exception."""

__all__ = ["Tap", "TapStream", "TappedTransport"]


class TapStream:
    """The frames of one connection that some sinks want.

    Args:
        name: The id of the connection.
        serializer: The serializer of the connection; None on a raw socket.
        topics: The topics that are joined already.

    Attributes:
        sinks: The follows and recorders.
        needles: Bytes of which a message must contain one, or a backslash. Empty if every message counts.
    """

    __slots__ = ("_conversation", "_name", "_serializer", "needles", "sinks")

    def __init__(self, name: str, serializer: Serializer | None, topics: list[str]) -> None:
        self._name = name
        self._serializer = serializer
        self._conversation = Conversation(name, topics)
        self.sinks: list[Sink] = []
        self.needles: tuple[bytes, ...] = ()

    def see(self, direction: Direction, opcode: Opcode, data: bytes, now: float) -> None:
        """Take a message, unless no sink wants its topic."""
        if self.needles and not _contains(data, self.needles):
            return
        if not (any(sink.has_room for sink in self.sinks) or self._is_of_a_channel(data)):
            for sink in self.sinks:
                sink.put(UNSEEN)
            return
        is_client = direction == "in"
        serializer = self._serializer
        message = None
        if serializer is not None:
            message = read(serializer, opcode, data, is_client=is_client)
        answered = told = None
        if message is not None and is_client:
            self._conversation.client_sent(message, now)
        elif message is not None:
            answered, told = self._conversation.server_sent(message, now)
        sight = FrameSight(now, self._name, direction, opcode, data, message, answered)
        for sink in self.sinks:
            if sink.wants(sight.topic):
                sink.put(sight)
                if told is not None:
                    sink.put(PlainSight(told))

    def _is_of_a_channel(self, data: bytes) -> bool:
        """Return whether a message can begin or end a channel: then it is read even if nobody has room for its record."""
        return self._conversation.is_joining or _contains(data, ENDS)

    def end(self, now: float) -> None:
        """Tell of the end of all channels."""
        for leave in self._conversation.ended(now):
            for sink in self.sinks:
                if sink.wants(leave.topic):
                    sink.put(PlainSight(leave))


def _contains(data: bytes, needles: tuple[bytes, ...]) -> bool:
    if b"\\" in data:
        return True
    for needle in needles:  # noqa: SIM110 - a generator for each message costs as much as the search
        if needle in data:
            return True
    return False


class Tap:
    """What shows one connection.

    Args:
        connection: The connection.
        name: Its id.

    Attributes:
        name: As given.
        whole: The stream for follows of the connection; None if there is none.
        topical: The stream for follows of topics; None if there is none.
    """

    __slots__ = ("_closed", "_connection", "name", "topical", "whole")

    def __init__(self, connection: ServerConnection[Any], name: str) -> None:
        self._connection = connection
        self.name = name
        self.whole: TapStream | None = None
        self.topical: TapStream | None = None
        self._closed: tuple[int, str, Literal["client", "server"]] | None = None
        connection.show_received(is_on=True)

    def add(self, sink: Sink, needle: bytes | None) -> None:
        """Show the connection to a sink.

        Args:
            sink: The sink.
            needle: For a follow of a topic, bytes that its messages contain; None for a follow of the connection.
        """
        if needle is None:
            if self.whole is None:
                self.whole = self._stream()
                self._connection.put_between(lambda inner: TappedTransport(inner, self))
            self.whole.sinks.append(sink)
            return
        if self.topical is None:
            self.topical = self._stream()
            self._connection.frame_by(self._frame)
        self.topical.sinks.append(sink)
        self.topical.needles += (needle,)

    def remove(self, sink: Sink, needle: bytes | None) -> bool:
        """Show the connection to a sink no more. Return whether nobody is left."""
        stream = self.whole if needle is None else self.topical
        if stream is not None and sink in stream.sinks:
            stream.sinks.remove(sink)
            if needle is not None:
                kept = list(stream.needles)
                kept.remove(needle)
                stream.needles = tuple(kept)
            if not stream.sinks:
                self._drop(stream)
        return self.whole is None and self.topical is None

    def _drop(self, stream: TapStream) -> None:
        if stream is self.whole:
            self.whole = None
            self._connection.put_between(_inner)
        else:
            self.topical = None
            self._connection.frame_by(None)

    def stop(self) -> None:
        """Leave the connection as it was before."""
        self._connection.show_received(is_on=False)

    def _stream(self) -> TapStream:
        connection: Any = self._connection
        topics = [channel.topic for channel in connection.members()]
        return TapStream(self.name, getattr(connection, "serializer", None), topics)

    # What passes.

    def received(self, opcode: Opcode, data: bytes, now: float) -> None:
        """Take a message of the client."""
        self._show(self.whole, "in", lambda: [(opcode, data)], now)
        self._show(self.topical, "in", lambda: [(opcode, data)], now)

    def sent(self, framed: Any) -> None:
        """Take what is written to the client: one frame or more."""
        self._show(self.whole, "out", lambda: unframed(framed), self._now())

    def _frame(self, opcode: Opcode, data: bytes) -> Any:
        """Frame a reply or a push, and show it to the follows of topics."""
        framed = self._connection.framing.frame(opcode, data)
        self._show(self.topical, "out", lambda: [(opcode, data)], self._now())
        return framed

    def _show(
        self,
        stream: TapStream | None,
        direction: Direction,
        messages: Callable[[], list[Encoded]],
        now: float,
    ) -> None:
        """Show messages to a stream. A failure is logged: to look at a connection must not end it."""
        if stream is None:
            return
        try:
            for opcode, data in messages():
                stream.see(direction, opcode, data, now)
        except Exception:
            self._connection.server.log.exception("The inspector failed on a message")

    def closing(self, code: int, reason: str, by: Literal["client", "server"]) -> None:
        """Note with what code one side closes. The first close counts."""
        if self._closed is None:
            self._closed = (code, reason, by)

    def end(self) -> None:
        """Tell of the end of the connection."""
        now = self._now()
        for stream in (self.whole, self.topical):
            if stream is not None:
                stream.end(now)
        if self.whole is not None:
            code, reason, by = self._closed or (ABNORMAL, "", "network")
            close = CloseSeen(at=now, connection=self.name, code=code, reason=reason, by=by)
            for sink in tuple(self.whole.sinks):
                if sink.wants(None):
                    sink.put(PlainSight(close))

    def _now(self) -> float:
        return self._connection.server.loop.time()


class TappedTransport:
    """Stands between a connection and its transport, and shows the tap what is written.

    Args:
        inner: The transport.
        tap: The tap of the connection.
    """

    __slots__ = ("_tap", "inner")

    def __init__(self, inner: Transport, tap: Tap) -> None:
        self.inner = inner
        self._tap = tap

    @property
    def name(self) -> str:
        """The transport's name."""
        return self.inner.name

    @property
    def framing(self) -> Framing:
        """The framing of messages."""
        return self.inner.framing

    @property
    def keeps_time(self) -> bool:
        """Whether the transport itself closes a silent client."""
        return self.inner.keeps_time

    @property
    def counts_bytes(self) -> bool:
        """Whether the transport counts the bytes of frames."""
        return self.inner.counts_bytes

    @property
    def is_client_gone(self) -> bool:
        """Whether the client is known to be gone."""
        return self.inner.is_client_gone

    @property
    def unsent(self) -> int:
        """Bytes that are still in the process."""
        return self.inner.unsent

    @property
    def write(self) -> Callable[[Any], object]:
        """Writes a framed message, and shows it before."""
        return self._write

    def _write(self, framed: Any) -> None:
        self._tap.sent(framed)
        self.inner.write(framed)

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong."""
        self.inner.control(opcode, data)

    def close(self, code: int, reason: str = "") -> None:
        """Close from the server's side."""
        self._tap.closing(code, reason, "server")
        self.inner.close(code, reason)

    def pause_reading(self) -> None:
        """Stop calling ``receive``."""
        self.inner.pause_reading()

    def resume_reading(self) -> None:
        """Call ``receive`` again."""
        self.inner.resume_reading()


def _inner(transport: Transport) -> Transport:
    return transport.inner if isinstance(transport, TappedTransport) else transport
