"""What happens in an endpoint, for logs, metrics and traces. Protocol document, §9.

An endpoint has one :class:`Telemetry`. A handler is a function that gets events, instances of the classes below; it
runs in the event loop and must be quick. One that raises is logged, and the endpoint goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Literal, get_args

from .errors import DefinitionError
from .logs.hiding import FILTERED, SECRET_TERMS, ParameterFilter
from .logs.log import Log
from .loop.home import Home
from .reasons import DropReason, Limit
from .user_code.callback import Callback

__all__ = [
    "EVENTS",
    "FILTERED",
    "SECRET_TERMS",
    "ChannelHandledIn",
    "ChannelJoined",
    "Event",
    "LimitExceeded",
    "MessageRefused",
    "MessagesDropped",
    "ParameterFilter",
    "PresenceChanged",
    "ReplicaChanged",
    "SocketConnected",
    "SocketDrain",
    "Telemetry",
]

Result = Literal["ok", "error"]


@dataclass(frozen=True, slots=True)
class SocketConnected:
    """A connect was accepted or refused; not sent for a bad ``vsn``, nor when connect raised.

    Attributes:
        socket: The mount path of the socket.
        transport: ``"websocket"`` or ``"longpoll"``.
        serializer: The format that was agreed on; a raw socket has none.
        params: The parameters of the connect, with their secrets.
        result: ``"ok"`` or ``"error"``.
        duration: Seconds that connect took.
        reason: Why it was refused, without values of the client; empty if it was accepted.
    """

    socket: str
    transport: str
    serializer: str | None
    params: Mapping[str, Any]
    result: Result
    duration: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChannelJoined:
    """A join was accepted or refused; not sent when it crashed.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        payload: What the client sent, with its secrets.
        result: ``"ok"`` or ``"error"``.
        duration: Seconds that the join took.
        reason: Why it was refused, without values of the client; empty if it was accepted.
    """

    topic: str
    channel: str
    payload: Any
    result: Result
    duration: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChannelHandledIn:
    """A handler of a client's event returned; not sent when it raised.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        event: The event.
        ref: The message's ref, if the client waits for a reply.
        payload: What the client sent, with its secrets.
        duration: Seconds that the handler took.
    """

    topic: str
    channel: str
    event: str
    ref: Any
    payload: Any
    duration: float


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A client's message was answered with an error: by a handler's ``raise Refused``, or before it was called.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        event: The event. The channel may not know it: then it is any text.
        ref: The message's ref, if the client waits for a reply.
        reason: Why, without values of the client: ``invalid_payload (body: expected str, got int)``,
            ``unknown_event``, or the handler's own.
    """

    topic: str
    channel: str
    event: str
    ref: Any
    reason: str


@dataclass(frozen=True, slots=True)
class MessagesDropped:
    """Messages were not handed to a client, or to a channel.

    Attributes:
        topic: What they were sent to.
        reason: Why.
        count: How many.
    """

    topic: str
    reason: DropReason
    count: int


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A client was refused, or made to wait, because of a limit that the server's owner has set.

    Attributes:
        limit: Which.
        peer: The client's address, if it is known.
        topic: The topic of the message, if it is one that the client has joined.
        event: The event of the message, if there is a message. A client chooses it.
    """

    limit: Limit
    peer: str | None
    topic: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class SocketDrain:
    """A batch of connections begins to leave, since the server is about to stop.

    Attributes:
        socket: The mount path of the socket; several, if it has several.
        count: How many connections the batch has.
        total: How many leave in all.
        index: Which batch, from 1.
        rounds: How many batches.
        interval: Seconds that a full batch takes.
        log: Whether the socket wants it logged.
    """

    socket: str
    count: int
    total: int
    index: int
    rounds: int
    interval: float
    log: bool


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """Presences of a topic came or went, and the clients of this process have been told.

    Attributes:
        presence: The name of the presence.
        topic: The topic.
        joins: Metas that came.
        leaves: Metas that went.
        keys: Keys that are here now.
        metas: Metas that are here now.
    """

    presence: str
    topic: str
    joins: int
    leaves: int
    keys: int
    metas: int


@dataclass(frozen=True, slots=True)
class ReplicaChanged:
    """What is known of a part of presence on another node has changed.

    Attributes:
        shard: The name of the part, ``<presence>_shard<number>``.
        node: The name of the node.
        status: ``"up"``: it is heard; ``"down"``: it is silent, and its presences are hidden; ``"gone"``: it
            said good-bye, or is silent for good, and its presences are deleted.
    """

    shard: str
    node: str
    status: Literal["up", "down", "gone"]


Event = (
    SocketConnected
    | ChannelJoined
    | ChannelHandledIn
    | MessageRefused
    | MessagesDropped
    | LimitExceeded
    | SocketDrain
    | PresenceChanged
    | ReplicaChanged
)
EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)
"""The classes of all events."""

Handler = Callable[[Event], object]


MAX_DROP_TOPICS: Final = 10_000
"""Topics whose drops are counted one by one, since clients may choose their names."""

MAX_TOPIC: Final = 200
"""Characters of such a name, for the same reason."""


_EXCEEDED: Final = {
    limit: f"Over a limit, {limit.meaning.replace('`', '')}: the client %s%s%s; %d time(s) in all"
    for limit in Limit
}


class Telemetry:
    """The handlers of one endpoint, and its counters.

    Args:
        home: The endpoint's event loop.

    Attributes:
        drops: How many messages were dropped, by topic and reason. What comes after ten thousand
            different topics is counted under the topic ``"*"``, and so is that of very long ones.
        exceeded: How often each limit was.
        handlers: Those of each class of events. An event whose class has none is not made.
        log: The lines of the endpoint in the log.
    """

    __slots__ = ("_home", "_lock", "drops", "exceeded", "handlers", "log")

    def __init__(self, home: Home | None = None) -> None:
        self._home = Home() if home is None else home
        self._lock = Lock()
        self.log = Log()
        self.handlers: dict[type[Event], tuple[Callback, ...]] = dict.fromkeys(EVENTS, ())
        self.drops: Counter[tuple[str, DropReason]] = Counter()
        self.exceeded: Counter[Limit] = Counter()

    def attach(self, handler: Handler, *event_types: type[Event]) -> Callable[[], None]:
        """Add a handler. This may be called before the start, and in any thread; so may what it returns.

        Args:
            handler: A plain function of one argument, the event. It is called in the event loop, in the middle of
                what the event tells of, so it must return at once and must not wait. If it raises, that is
                logged, and everything goes on.
            event_types: The classes of the events that it gets; none given is all of them. Name those that you need:
                an event that no handler wants is not made, which saves time with each message.

        Returns:
            A function that takes the handler away again. It may be called more than once.

        Raises:
            DefinitionError: The handler is async, which nothing would wait for, or a class is none of an event.
            NotStarted: This process is a fork of the one that serves, and hears nothing.

        Example:
            >>> Telemetry().attach(print, ChannelJoined)()
        """
        self._home.expect_process("endpoint.telemetry", "attach")
        callback = Callback.plain(
            "telemetry.attach(...)",
            handler,
            why="it is called in the midst of what it is told of, and nothing waits for it",
            write="def handler(event): queue.put_nowait(event)",
        )
        kinds = _event_types(event_types)
        with self._lock:
            for kind in kinds:
                self.handlers[kind] = (*self.handlers[kind], callback)
        is_attached = True

        def detach() -> None:
            nonlocal is_attached
            with self._lock:
                if is_attached:
                    is_attached = False
                    for kind in kinds:
                        left = list(self.handlers[kind])
                        left.remove(callback)
                        self.handlers[kind] = tuple(left)

        return detach

    def dropped(self, topic: str, reason: DropReason, count: int = 1) -> None:
        """Count messages that were not handed over, and tell all handlers."""
        key = (topic, reason)
        if len(topic) > MAX_TOPIC or (key not in self.drops and len(self.drops) >= MAX_DROP_TOPICS):
            key = ("*", reason)
        self.drops[key] += count
        if self.handlers[MessagesDropped]:
            self.emit(MessagesDropped(topic, reason, count))

    def limit_exceeded(
        self, limit: Limit, peer: str | None, topic: str | None = None, event: str | None = None
    ) -> None:
        """Count a client that was refused or made to wait, tell all handlers, and log it.

        A client may exceed a limit a hundred thousand times a second. So the log gets the first time of each limit,
        and then one line in ten seconds that says how often it was.

        Args:
            limit: The limit.
            peer: The client's address, if that is known.
            topic: The topic of the client's message, if the client has joined it.
            event: The event of the client's message, if it has one.
        """
        self.exceeded[limit] += 1
        if self.handlers[LimitExceeded]:
            self.emit(LimitExceeded(limit, peer, topic, event))
        self.log.warning(
            _EXCEEDED[limit],
            peer or "whose address is unknown",
            "" if topic is None else f" in {topic!r}",
            "" if event is None else f" with {event!r}",
            self.exceeded[limit],
            burst=1,
        )

    def emit(self, event: Event) -> None:
        """Tell the handlers of such events."""
        kind = type(event)
        for handler in self.handlers[kind]:
            try:
                handler.now(event)
            except Exception:
                self.log.exception("A telemetry handler failed on %s", kind.__name__)


def _event_types(given: Sequence[Any]) -> tuple[type[Event], ...]:
    for kind in given:
        if kind not in EVENTS:
            raise DefinitionError(
                "telemetry.attach(handler, ...)",
                expected=f"classes of events: {', '.join(one.__name__ for one in EVENTS)}",
                got=repr(kind),
                write="telemetry.attach(handler, ChannelJoined)",
            )
    return tuple(given) or EVENTS
