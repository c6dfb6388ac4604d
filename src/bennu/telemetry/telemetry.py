"""The handlers of an endpoint's events, and its counters. Protocol document, §9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final, TypeVar, overload

from ..errors import DefinitionError
from ..logs.log import Log
from ..loop.home import Home
from ..reasons import DropReason, Limit, LossReason
from ..user_code.callback import Callback
from .accounts import Accounts
from .events import EVENTS, Event, LimitExceeded, MessagesDropped

__all__ = ["Telemetry"]

Detach = Callable[[], None]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

MAX_DROP_TOPICS: Final = 10_000
"""The most topics whose drops are counted separately. The limit exists because clients can choose names of topics."""

MAX_TOPIC: Final = 200
"""Characters of the longest topic that is counted by its name."""


FROM_THREAD: Final = "loop.call_soon_threadsafe(endpoint.telemetry.{}, event), where loop is the server's event loop,"
"""The code with which a worker thread emits an event, for errors."""

_EXCEEDED: Final = {
    limit: f"Over a limit, {limit.meaning.replace('`', '')}: the client %s%s%s; %d time(s) in all"
    for limit in Limit
}


class Telemetry:
    """The handlers of one endpoint, and its counters.

    Args:
        home: The endpoint's event loop.

    Attributes:
        accounts: What became of the messages of each topic.
        drops: The number of dropped messages, by topic and reason. Beyond ten thousand topics, further topics are
            counted under ``"*"``. Very long topics are too.
        exceeded: The number of times that each limit was exceeded.
        missed: The number of messages that were lost on the bus, by reason. A loss of unknown size is not in it.
        handlers: The handlers of each class of events. An event without a handler is not made.
        log: The endpoint's log.
    """

    __slots__ = ("_home", "_lock", "accounts", "drops", "exceeded", "handlers", "log", "missed")

    def __init__(self, home: Home | None = None) -> None:
        self._home = Home() if home is None else home
        self._lock = Lock()
        self.accounts = Accounts()
        self.log = Log()
        self.handlers: dict[type[Any], tuple[Callback, ...]] = dict.fromkeys(EVENTS, ())
        self.drops: Counter[tuple[str, DropReason]] = Counter()
        self.exceeded: Counter[Limit] = Counter()
        self.missed: Counter[LossReason] = Counter()

    @overload
    def attach(self, handler: Callable[[Event], object], /) -> Detach: ...
    @overload
    def attach(self, handler: Callable[[A], object], a: type[A], /) -> Detach: ...
    @overload
    def attach(self, handler: Callable[[A | B], object], a: type[A], b: type[B], /) -> Detach: ...
    @overload
    def attach(
        self, handler: Callable[[A | B | C], object], a: type[A], b: type[B], c: type[C], /
    ) -> Detach: ...
    @overload
    def attach(
        self,
        handler: Callable[[Any], object],
        a: type[Any],
        b: type[Any],
        c: type[Any],
        d: type[Any],
        /,
        *more: type[Any],
    ) -> Detach: ...

    def attach(self, handler: Callable[[Any], object], /, *event_types: type[Any]) -> Detach:
        """Add a handler. You can call this and the returned function before the start, and in any thread.

        Args:
            handler: A plain function of one argument, the event. It is called on the event loop, and the server waits
                for it, so it must return at once. If it raises, the exception is logged, and the endpoint goes on.
            event_types: The classes of the events that the handler gets: Bennu's or your own. By default it gets all
                events of Bennu. Name the classes that you need: an event without a handler is not made, which saves
                time for each message.

        Returns:
            A function that removes the handler. You can call it more than once.

        Raises:
            DefinitionError: The handler is async (nothing would await it), or an argument is not a class.
            NotStarted: This process is a fork of the process that serves, and gets no events.

        Example:
            >>> Telemetry().attach(print, ChannelJoined)()
        """
        self._home.expect_process("endpoint.telemetry", "attach")
        callback = Callback.plain(
            "telemetry.attach(...)",
            handler,
            why="the server calls it between two steps, and nothing awaits it",
            write="def handler(event): queue.put_nowait(event)",
        )
        kinds = _event_types(event_types)
        with self._lock:
            for kind in kinds:
                self.handlers[kind] = (*self.handlers.get(kind, ()), callback)
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
        """Count messages that were not delivered, and call the handlers."""
        key = (topic, reason)
        if len(topic) > MAX_TOPIC or (key not in self.drops and len(self.drops) >= MAX_DROP_TOPICS):
            key = ("*", reason)
        self.drops[key] += count
        if self.handlers[MessagesDropped]:
            self.tell(MessagesDropped(topic, reason, count))

    def limit_exceeded(
        self, limit: Limit, peer: str | None, topic: str | None = None, event: str | None = None
    ) -> None:
        """Count an excess of a limit by a client, call the handlers, and log the excess.

        A client can exceed a limit a hundred thousand times a second. So the log gets a line for the first excess of
        each limit, and then one line in ten seconds with the number of excesses.

        Args:
            limit: The limit.
            peer: The client's address, if that is known.
            topic: The topic of the client's message, if the client has joined it.
            event: The event of the client's message, if it has one.
        """
        self.exceeded[limit] += 1
        if self.handlers[LimitExceeded]:
            self.tell(LimitExceeded(limit, peer, topic, event))
        self.log.warning(
            _EXCEEDED[limit],
            peer or "whose address is unknown",
            "" if topic is None else f" in {topic!r}",
            "" if event is None else f" with {event!r}",
            self.exceeded[limit],
            burst=1,
        )

    def wants(self, event_type: type[Any]) -> bool:
        """Return whether an event has a handler, so that it need not be made in vain.

        Args:
            event_type: The class of the event.
        """
        return bool(self.handlers.get(event_type))

    def emit(self, event: object) -> None:
        """Call the handlers of an event of your own. Any object is an event, and its class is its kind.

        Args:
            event: The event. Handlers of a base class do not get it.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.

        Example:
            >>> @dataclass(frozen=True)
            ... class OrderPlaced:
            ...     total: int
            >>> detach = endpoint.telemetry.attach(print, OrderPlaced)
            >>> endpoint.telemetry.emit(OrderPlaced(total=100))
        """
        self._home.expect("endpoint.telemetry", "emit", FROM_THREAD)
        self.tell(event)

    def tell(self, event: object) -> None:
        """Call the handlers of an event of Bennu's own; see :meth:`emit`."""
        kind = type(event)
        for handler in self.handlers.get(kind, ()):
            try:
                handler.call_now(event)
            except Exception:
                self.log.exception("A telemetry handler failed on %s", kind.__name__)


def _event_types(given: Sequence[Any]) -> tuple[type[Any], ...]:
    for kind in given:
        if not isinstance(kind, type):
            raise DefinitionError(
                "telemetry.attach(handler, ...)",
                expected="classes of events, of Bennu or your own",
                got=repr(kind),
                write="telemetry.attach(handler, ChannelJoined)",
            )
    return tuple(given) or EVENTS
