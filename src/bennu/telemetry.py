"""What happens in an endpoint, for logs, metrics and traces. Protocol document, §9.

An endpoint has one :class:`Telemetry`. A handler is a function that gets every event, an instance of
one of the classes below; it runs in the event loop and must be quick. One that raises is logged, and
the endpoint goes on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Literal, cast

from ._callback import Callback
from ._home import Home
from .reasons import DropReason, Limit

__all__ = [
    "ChannelHandledIn",
    "ChannelJoined",
    "Event",
    "LimitExceeded",
    "MessagesDropped",
    "ParameterFilter",
    "PresenceChanged",
    "ReplicaChanged",
    "SocketConnected",
    "SocketDrain",
    "Telemetry",
]

logger = logging.getLogger("bennu")

Result = Literal["ok", "error"]


@dataclass(frozen=True, slots=True)
class SocketConnected:
    """A connect was accepted or refused; not sent for a bad ``vsn``, nor when connect raised.

    Attributes:
        socket: The mount path of the socket.
        serializer: The format that was agreed on; a raw socket has none.
        duration: Seconds that connect took.
    """

    socket: str
    transport: str
    serializer: str | None
    params: Mapping[str, Any]
    result: Result
    duration: float


@dataclass(frozen=True, slots=True)
class ChannelJoined:
    """A join was accepted or refused; not sent when it crashed."""

    topic: str
    channel: str
    payload: Any
    result: Result
    duration: float


@dataclass(frozen=True, slots=True)
class ChannelHandledIn:
    """A handler of a client's event returned; not sent when it raised."""

    topic: str
    channel: str
    event: str
    ref: Any
    payload: Any
    duration: float


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
    """

    limit: Limit
    peer: str | None
    topic: str | None = None


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
    | MessagesDropped
    | LimitExceeded
    | SocketDrain
    | PresenceChanged
    | ReplicaChanged
)
Handler = Callable[[Event], object]


MAX_DROP_TOPICS: Final = 10_000
"""Topics whose drops are counted one by one, since clients may choose their names."""

MAX_TOPIC: Final = 200
"""Characters of such a name, for the same reason."""


class Telemetry:
    """The handlers of one endpoint, and its counters.

    Args:
        home: The endpoint's event loop.

    Attributes:
        drops: How many messages were dropped, by topic and reason. What comes after ten thousand
            different topics is counted under the topic ``"*"``, and so is that of very long ones.
        exceeded: How often each limit was.
    """

    __slots__ = ("_home", "_lock", "drops", "exceeded", "handlers")

    def __init__(self, home: Home | None = None) -> None:
        self._home = Home() if home is None else home
        self._lock = Lock()
        self.handlers: tuple[Callback, ...] = ()
        self.drops: Counter[tuple[str, DropReason]] = Counter()
        self.exceeded: Counter[Limit] = Counter()

    def attach(self, handler: Handler) -> Callable[[], None]:
        """Add a handler; the function that is returned takes it away again.

        Both may be called before the start, and in any thread.

        Raises:
            DefinitionError: The handler is async: nothing waits for it.
            NotStarted: This process is a fork of the one that serves, and hears nothing.
        """
        self._home.expect_process("endpoint.telemetry", "attach")
        callback = Callback.plain(
            "telemetry.attach(...)",
            handler,
            why="it is called in the midst of what it is told of, and nothing waits for it",
            write="def handler(event): queue.put_nowait(event)",
        )
        with self._lock:
            self.handlers = (*self.handlers, callback)
        is_attached = True

        def detach() -> None:
            nonlocal is_attached
            with self._lock:
                if is_attached:
                    is_attached = False
                    position = self.handlers.index(callback)
                    self.handlers = self.handlers[:position] + self.handlers[position + 1 :]

        return detach

    def dropped(self, topic: str, reason: DropReason, count: int = 1) -> None:
        """Count messages that were not handed over, and tell all handlers."""
        key = (topic, reason)
        if len(topic) > MAX_TOPIC or (key not in self.drops and len(self.drops) >= MAX_DROP_TOPICS):
            key = ("*", reason)
        self.drops[key] += count
        self.emit(MessagesDropped(topic, reason, count))

    def limit_exceeded(self, limit: Limit, peer: str | None, topic: str | None = None) -> None:
        """Count a client that was refused or made to wait, and tell all handlers."""
        self.exceeded[limit] += 1
        if self.handlers:
            self.emit(LimitExceeded(limit, peer, topic))

    def emit(self, event: Event) -> None:
        """Tell all handlers."""
        for handler in self.handlers:
            try:
                handler.now(event)
            except Exception:
                logger.exception("A telemetry handler failed on %s", type(event).__name__)


FILTERED = "[FILTERED]"


class ParameterFilter:
    """Hides secrets in what is logged of parameters and payloads.

    Args:
        terms: A value is hidden if its key contains one of these, or if it is text that holds
            ``term=``.
        keep: If given, everything is hidden except what stands under exactly these keys.

    Example:
        >>> ParameterFilter()({"user": {"password": "x", "name": "ann"}})
        {'user': {'password': '[FILTERED]', 'name': 'ann'}}
    """

    __slots__ = ("_keep", "_terms")

    def __init__(
        self, terms: Sequence[str] = ("password", "token"), *, keep: Sequence[str] | None = None
    ) -> None:
        self._terms = tuple(terms)
        self._keep = None if keep is None else frozenset(keep)

    def __call__(self, value: Any) -> Any:
        """Return the value with its secrets hidden."""
        return self._discard(value) if self._keep is None else self._only(value, self._keep)

    def _discard(self, value: Any) -> Any:
        return _map(
            value,
            lambda key, inner: FILTERED if self._is_secret(key, inner) else self._discard(inner),
            lambda leaf: leaf,
        )

    def _is_secret(self, key: Any, value: Any) -> bool:
        if isinstance(key, str) and any(term in key for term in self._terms):
            return True
        return isinstance(value, str) and any(f"{term}=" in value for term in self._terms)

    def _only(self, value: Any, keep: frozenset[str]) -> Any:
        return _map(
            value,
            lambda key, inner: inner if key in keep else self._only(inner, keep),
            lambda leaf: FILTERED,
        )


def _map(value: Any, entry: Callable[[Any, Any], Any], leaf: Callable[[Any], Any]) -> Any:
    """Rebuild maps by their entries, lists by their elements, and everything else as a leaf."""
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {key: entry(key, inner) for key, inner in entries.items()}
    if isinstance(value, list):
        return [_map(inner, entry, leaf) for inner in cast("list[Any]", value)]
    return leaf(value)


def readable(seconds: float) -> str:
    """Return a duration as Phoenix writes it: ``812µs``, ``3ms``.

    Example:
        >>> readable(0.0032)
        '3ms'
    """
    microseconds = round(seconds * 1_000_000)
    return f"{microseconds // 1000}ms" if microseconds > 1000 else f"{microseconds}µs"


class LogHandler:
    """Writes the events as Phoenix does, into the logger ``bennu``.

    Args:
        hide: What keeps secrets out of the parameters.
    """

    def __init__(self, hide: ParameterFilter) -> None:
        self._hide = hide

    def __call__(self, event: Event) -> None:
        match event:
            case SocketConnected():
                verb = "CONNECTED TO" if event.result == "ok" else "REFUSED CONNECTION TO"
                logger.info(
                    "%s %s in %s\n  Transport: %s\n  Serializer: %s\n  Parameters: %s",
                    verb,
                    event.socket,
                    readable(event.duration),
                    event.transport,
                    event.serializer or "none",
                    self._hide(event.params),
                )
            case ChannelJoined() | ChannelHandledIn() if event.topic.startswith("phoenix"):
                pass  # what the framework says to itself is no news
            case ChannelJoined():
                verb = "JOINED" if event.result == "ok" else "REFUSED JOIN"
                logger.info(
                    "%s %s in %s\n  Parameters: %s",
                    verb,
                    event.topic,
                    readable(event.duration),
                    self._hide(event.payload),
                )
            case SocketDrain():
                if event.log:
                    logger.info(
                        "DRAINING %d of %d total connection(s) for socket %s every %dms - round %d of %d",
                        event.count,
                        event.total,
                        event.socket,
                        round(event.interval * 1000),
                        event.index,
                        event.rounds,
                    )
            case MessagesDropped() | LimitExceeded():
                pass  # whoever drops or refuses says so, once and not for each
            case PresenceChanged():
                pass  # it happens all the time, and clients are told
            case ReplicaChanged():
                level = logging.WARNING if event.status == "down" else logging.INFO
                logger.log(level, "NODE %s is %s for %s", event.node, event.status, event.shard)
            case ChannelHandledIn():
                logger.debug(
                    "HANDLED %s INCOMING ON %s (%s) in %s\n  Parameters: %s",
                    event.event,
                    event.topic,
                    event.channel,
                    readable(event.duration),
                    self._hide(event.payload),
                )
