"""Channels: classes of the user that handle the events of a topic. Protocol document, §3.

A user declares a channel class. :mod:`bennu.definition` reads it into tables when the endpoint is made. The server makes
one object of the class for each topic that a connection joins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from threading import get_ident
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import TypeVar

from .agent import Agent, Connection
from .backpressure import WhenSlow
from .blocking_channel import BlockingChannel
from .errors import DefinitionError, NoRef, source_line
from .history.history import NO_HISTORY, History
from .limits.rate import Rate
from .message import RESERVED, Broadcast, Ok, expect_event, is_reserved
from .pubsub.reporting import report_broadcast
from .telemetry import BroadcastSent
from .user_code.mistakes import HOOKS, OPTIONS, WRAPPERS, check_class, refuse_keywords

if TYPE_CHECKING:
    from typing import _SpecialForm  # of Annotated and Literal

    from .server.channel_server import ChannelServer

    Emitted = type[Any] | UnionType | _SpecialForm
    """A type, as an editor sees it: ``Message``, ``Message | None``, ``Literal["a"]``."""

__all__ = ["Channel", "Connection", "ReplyRef", "on", "on_info", "on_out"]

A = TypeVar("A", default=Any)
S = TypeVar("S", default=Any)
M = TypeVar("M")
C = TypeVar("C")
T = TypeVar("T")

OnMethod = TypeVar("OnMethod", bound=Callable[[Any], Any] | Callable[[Any, Any], Any])
"""A method of a client's event: it takes self, and perhaps the payload."""
OutMethod = TypeVar("OutMethod", bound=Callable[[Any, Any], Any])
"""A method of an intercepted broadcast: it takes self and the payload."""
F = TypeVar("F", bound=Callable[..., Any])

ON: Final = "__bennu_on__"
ON_OUT: Final = "__bennu_on_out__"
ON_INFO: Final = "__bennu_on_info__"


def on(
    event: str,
    *,
    payload: Any = None,
    rate: Rate | str | None = None,
    idempotent_by: str | None = None,
    ttl: timedelta | None = None,
) -> Callable[[OnMethod], OnMethod]:
    """Handle an event of the client.

    The method takes nothing, or the payload, decoded to the type of its annotation. A value that the method returns is
    sent as an ok reply. None sends no reply. ``Ok``, ``Error`` and ``Reply`` choose the status; ``bytes`` are sent as a
    binary reply. A plain ``def`` runs in a worker thread.

    Args:
        event: The name of the event on the wire.
        payload: The type of the payload, for a method that can't annotate it.
        rate: How often one connection can send the event, in all channels of the class together: ``"30/minute"``.
            A message beyond the rate never reaches the method. It is answered with the error ``rate_limited`` and a
            ``retry_after_ms``.
        idempotent_by: The field of the payload with the client's key: a push with a key runs the method once, and each
            repeat gets the first reply, on all nodes. See ``docs/idempotent.md``.
        ttl: How long the reply is kept for repeats. Default: 24 hours.

    Raises:
        DefinitionError: The event is no text, or the protocol's own.

    Example:
        >>> class Room(Channel):
        ...     @on("ping")
        ...     async def ping(self, payload: dict[str, int]) -> dict[str, int]:
        ...         return payload
    """
    _expect("on", event, str, '"event"')
    _expect_free("on", event)
    return lambda function: _mark(function, ON, (event, payload, rate, (idempotent_by, ttl)))


def on_out(event: str) -> Callable[[OutMethod], OutMethod]:
    """Intercept a broadcast of an event: the method gets the broadcast instead of the client.

    The method can push the event to the client, with another payload or without a change.

    Args:
        event: The name of the event.

    Raises:
        DefinitionError: The event is no text, or the protocol's own.

    Example:
        >>> class Room(Channel):
        ...     @on_out("news")
        ...     async def news(self, payload: dict[str, int]) -> None:
        ...         await self.push("news", payload)
    """
    _expect("on_out", event, str, '"event"')
    _expect_free("on_out", event)
    return lambda function: _mark(function, ON_OUT, event)


def on_info(kind: type[M]) -> Callable[[Callable[[C, M], T]], Callable[[C, M], T]]:
    """Handle messages of one type from ``send_self``, ``send_after``, ``send_every`` and ``subscribe``.

    Args:
        kind: The class of the messages. Its subclasses are handled too, if no other method names them.

    Raises:
        DefinitionError: ``kind`` is no class.
    """
    _expect("on_info", kind, type, "Tick")
    return lambda function: _mark(function, ON_INFO, kind)


def _expect(decorator: str, given: object, kind: type, example: str) -> None:
    if not isinstance(given, kind):
        raise DefinitionError(
            f"@{decorator}(...)",
            expected="a class" if kind is type else "the name of an event",
            got=repr(given),
            write=f"@{decorator}({example})",
            where=source_line(given) if callable(given) else None,
        )


def _expect_free(decorator: str, event: str) -> None:
    if is_reserved(event):
        raise DefinitionError(
            f'@{decorator}("{event}")',
            expected="an event of your own",
            got="an event that begins with phx_, which only the protocol can use",
            write=f'@{decorator}("{event.removeprefix("phx_")}")',
        )


def _mark(function: F, name: str, value: object) -> F:
    if isinstance(function, WRAPPERS):
        raise DefinitionError(
            f"@on above a {type(function).__name__}",
            expected="a method: it takes self, which is the client's channel",
            got=f"@{type(function).__name__}",
            write=f"@on(...) above async def, without @{type(function).__name__}",
        )
    if any(hasattr(function, mark) for mark in (ON, ON_OUT, ON_INFO)):
        raise DefinitionError(
            f"{function.__qualname__} is marked as a handler twice",
            expected="one @on, @on_out or @on_info for each method",
            got="two",
            write="a separate method for each, which can call a common method",
            where=source_line(function),
        )
    setattr(function, name, value)
    return function


class ReplyRef:
    """A message that is answered later, from any task, as often as you like.

    Args:
        server: The server of the channel.
        ref: The ref of the message.
    """

    __slots__ = ("_server", "ref")

    def __init__(self, server: ChannelServer, ref: Any) -> None:
        self._server = server
        self.ref = ref

    async def reply(self, value: Any = None) -> None:
        """Answer the message.

        Args:
            value: The response of an ok reply; or an ``Ok``, ``Error`` or ``Reply``.

        Raises:
            EncodeError: The value can't be written.
            WrongThread: The call comes from another thread than the event loop's.
        """
        server = self._server
        server.connection.server.home.expect("ref", "reply", "self.sync.reply(ref, ...)")
        server.answer(self.ref, Ok() if value is None else value)


class Channel(Agent[A, S]):
    """One client's membership in one topic.

    ``Channel[User, State]`` types ``self.assigns`` and ``self.state``. The handlers of one channel run one after
    another, in the order of the client's messages. Different channels run concurrently. A handler that raises ends only
    its channel: the client gets ``phx_error``, and joins again.

    Class options:
        emits: The events that the channel sends, and the types of their payloads. They are checked in development.
        max_inbox: The number of the client's messages that can wait (64). If so many wait, the server stops reading
            from the client until half of them are handled.
        max_mailbox: The number of the server's messages (intercepted broadcasts, ``on_info``) that can wait (1,000).
        overflow: The effect of a further message of the server: ``"end"`` ends the channel, ``"drop_oldest"`` drops the
            message of the server that has waited longest.
        terminate_timeout: Seconds that ``terminate`` can take (5). Then ``terminate`` is cancelled.
        warn_waiting: What can wait for the channel before the log warns: ``WarnWaiting(messages=50)``. Default: None.
        when_slow: The rule for messages while the client reads too slowly. ``"close"`` drops none, and closes the
            connection beyond ``Socket(max_unsent=...)``. ``DropOldest(...)`` and ``Latest(...)`` drop broadcasts
            and pushes, never replies.
        history: How many broadcasts are kept for clients that were away: ``History(size=1000)``. Default: none.
    """

    __slots__ = ()

    emits: ClassVar[Mapping[str, Emitted]] = {}
    when_slow: ClassVar[WhenSlow] = "close"
    history: ClassVar[History] = NO_HISTORY

    _server: ChannelServer  # pyright: ignore[reportIncompatibleVariableOverride] - it is set once

    def __init_subclass__(cls, **kwargs: Any) -> None:
        refuse_keywords(cls, OPTIONS, kwargs)
        super().__init_subclass__(**kwargs)
        check_class(cls, Channel, (*HOOKS, *OPTIONS))

    # Methods that a subclass can override.

    def join(self, *args: Any, **kwargs: Any) -> Any:
        """Accept the client, or refuse it with ``raise Refused(reason)``.

        Write ``async def join(self)`` or ``async def join(self, payload: T)``. The return value is the response of the
        reply.
        """

    def after_join(self) -> Any:
        """Run after the reply to the join was written. Push and broadcast here."""

    def handle_in(self, event: str, payload: Any) -> Any:
        """Handle an event that no ``@on`` names. Without this method, the client gets an error reply.

        An event of the protocol (``phx_...``), or an event that is no text, is never passed to this method: the client
        gets the error reply.
        """

    def history_floor(self) -> Any:
        """Return the time before which this client may not read the history: a ``datetime`` with a time zone, or None.

        Called after ``join``, if the topic has history. Older broadcasts count as no longer kept.
        """

    def terminate(self, reason: str | Exception) -> Any:
        """Run when the channel has ended, if its join succeeded.

        Args:
            reason: ``"left"``, ``"closed"`` (the connection is gone), ``"disconnected"``,
                ``"inactive"``, ``"draining"``, ``"shutdown"``, the reason of a ``Stop``, or the
                exception that a handler raised.
        """

    # The topic.

    @property
    def topic(self) -> str:
        """The topic that the client has joined."""
        return self._server.topic

    @property
    def join_ref(self) -> Any:
        """The ref of this join, which the client chose. Each message of the channel contains it."""
        return self._server.join_ref

    # Methods to call.

    async def push(self, event: str, payload: Any = None) -> None:
        """Send an event to this client.

        Args:
            event: The name of the event.
            payload: A JSON object (a dict, Struct, dataclass or model), or ``bytes``; None is an empty object.

        Raises:
            NotJoined: The join has not succeeded yet: write it in ``after_join``. Or the channel has ended.
            EncodeError: The payload can't be written.
            ReservedEvent: The event is the protocol's own (``phx_...``).
            WrongThread: The call comes from another thread or event loop than the endpoint's. There write
                ``self.sync.push(...)``.

        Example:
            ``await self.push("news", {"text": "Hello"})``
        """
        server = self._server
        server.expect_usable("push")
        expect_event(event)
        payload = {} if payload is None else payload
        if server.connection.server.debug:
            server.definition.check_emitted(event, payload)
        server.push(event, payload)

    def broadcast(self, event: str, payload: Any = None) -> Awaitable[None]:
        """Send an event to all clients in this topic, on all nodes, this client included.

        It never waits for a slow connection. It waits while the bus can't take more. The messages of one turn of the event loop are written at its end.

        Args:
            event: The name of the event.
            payload: A JSON object (a dict, Struct, dataclass or model), or ``bytes``; None is an empty object.

        Raises:
            NotJoined: The join has not succeeded yet: write it in ``after_join``. Or the channel has ended.
            EncodeError: The payload can't be written.
            ReservedEvent: The event is the protocol's own (``phx_...``).
            WrongThread: The call comes from another thread or event loop than the endpoint's. There write
                ``self.sync.broadcast(...)``.
        """
        return self._broadcast(event, payload)

    def broadcast_from(self, event: str, payload: Any = None) -> Awaitable[None]:
        """Do what ``broadcast`` does, for all clients except this client."""
        return self._broadcast(event, payload, sender=self._server)

    def local_broadcast(self, event: str, payload: Any = None) -> Awaitable[None]:
        """Do what ``broadcast`` does, for the clients that are connected to this process."""
        return self._broadcast(event, payload, is_local=True)

    def local_broadcast_from(self, event: str, payload: Any = None) -> Awaitable[None]:
        """Do what ``broadcast_from`` does, for the clients that are connected to this process."""
        return self._broadcast(event, payload, sender=self._server, is_local=True)

    async def _broadcast(
        self,
        event: str,
        payload: Any,
        sender: ChannelServer | None = None,
        *,
        is_local: bool = False,
    ) -> None:
        server = self._server
        shared = server.connection.server
        home = shared.home
        # What both checks look at first, in one function for speed: a channel that is in a lane has joined.
        if server.lane is None or home.thread != get_ident() or not home.is_running():
            server.expect_usable("broadcast")
        if event.__class__ is not str or event.startswith(RESERVED):
            expect_event(event)
        payload = {} if payload is None else payload
        if shared.debug:
            server.definition.check_emitted(event, payload)
        pubsub, message = shared.pubsub, Broadcast(server.topic, event, payload)
        if not is_local and (pubsub.cluster is not None or pubsub.logs is not None):
            await pubsub.send_everywhere(server.topic, message, sender)
            return
        if shared.telemetry.handlers[BroadcastSent]:
            scope = "local" if is_local else "all"
            report_broadcast(shared.telemetry, server.topic, message, scope)
        if pubsub.send_of_channel(server.topic, message, sender):
            await asyncio.sleep(0)  # a loop of broadcasts does not block other tasks

    def ref(self) -> ReplyRef:
        """Return a handle to the message that is being handled, to answer it later from any task.

        Raises:
            NotJoined: The join has not succeeded yet, or the channel has ended.
            NoRef: No message of the client is being handled, or the message has no ref.
        """
        server = self._server
        server.expect_joined("ref")
        message = server.message
        if message is None or message.ref is None:
            raise NoRef(
                "there is no ref to reply to: call self.ref() in a handler of a client's event,"
                " and keep the value that it returns; a handler with idempotent_by returns its reply"
            )
        return ReplyRef(server, message.ref)

    @property
    def sync(self) -> BlockingChannel:
        """The same methods for plain ``def`` handlers, which run in a worker thread: every call blocks until it is done."""
        return BlockingChannel(self, self._server.connection.server.home)
