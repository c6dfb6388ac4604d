"""Raw sockets: the application's own protocol, over the same transports and checks. Protocol document, §1.14.

A user declares a handler class. :class:`RawSocket` reads it when the endpoint is made. The server makes one object of the
class for each connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from typing_extensions import TypeVar, Unpack

from .agent import Agent, BlockingAgent
from .connector import Connect
from .definition import Handler, check_options, hook_handler
from .errors import DefinitionError
from .message import Draining, Opcode
from .socket import SocketBase, SocketOptions
from .user_code.mistakes import check_class, refuse_keywords
from .user_code.options import options

if TYPE_CHECKING:
    from .server.raw_server import RawServer

__all__ = ["Ping", "Pong", "RawDefinition", "RawHandler", "RawSocket", "Sendable"]

A = TypeVar("A", default=Any)
S = TypeVar("S", default=Any)

HOOKS: Final = ("opened", "receive", "pinged", "ponged", "info", "draining", "closed")
OPTIONS: Final = ("max_inbox", "max_mailbox", "overflow", "terminate_timeout", "warn_waiting")


class Ping(Struct, frozen=True):
    """A ping, for a handler to return; its payload has at most 125 bytes."""

    payload: bytes = b""


class Pong(Struct, frozen=True):
    """A pong without a ping, for a handler to return; its payload has at most 125 bytes."""

    payload: bytes = b""


Sendable = str | bytes | Ping | Pong
"""The types of messages to send: text, bytes, and the two control frames that an application can use."""


class RawHandler(Agent[A, S]):
    """One client's connection to a raw socket.

    ``RawHandler[User, State]`` types ``self.assigns`` and ``self.state``. Methods run one after another, in the order
    of the client's messages. The methods ``opened``, ``receive``, ``pinged``, ``ponged``, ``info`` and ``draining`` can
    return a message, a list of messages, or None. The server sends the messages. A ``str`` is a text message, ``bytes``
    are a binary message, ``Ping`` and ``Pong`` are control frames. A plain ``def`` runs in a worker thread.

    ``raise Stop()`` closes the connection with 1000. ``Stop(reply=...)`` first sends a message. Any other exception is
    logged, and closes the connection with 1011.

    Class options:
        max_inbox: The number of the client's messages that can wait (64). If so many wait, the server stops reading
            from the client until half of them are handled.
        max_mailbox: The number of the server's messages (``info``) that can wait (1,000).
        overflow: The effect of a further message of the server: ``"end"`` ends the connection, ``"drop_oldest"`` drops
            the message of the server that has waited longest.
        terminate_timeout: Seconds that ``closed`` can take (5). Then ``closed`` is cancelled.
        warn_waiting: The number of messages or bytes that wait, above which the log warns. Default: None.

    Example:
        >>> class Echo(RawHandler):
        ...     async def receive(self, message: str | bytes) -> str | bytes:
        ...         return message
    """

    __slots__ = ()

    _server: RawServer  # pyright: ignore[reportIncompatibleVariableOverride] - it is set once

    def __init_subclass__(cls, **kwargs: Any) -> None:
        refuse_keywords(cls, OPTIONS, kwargs)
        super().__init_subclass__(**kwargs)
        check_class(cls, RawHandler, (*HOOKS, *OPTIONS))

    # Methods that a subclass can override.

    def opened(self) -> Any:
        """Run when the connection is open. No message is handled before this method has ended."""

    def receive(self, message: Any, /) -> Any:
        """Handle a message of the client: ``async def receive(self, message: str | bytes)``."""

    def pinged(self, payload: bytes, /) -> Any:
        """Handle the client's ping. The server has answered it already."""

    def ponged(self, payload: bytes, /) -> Any:
        """Handle the client's pong."""

    def info(self, message: Any, /) -> Any:
        """Handle a message from ``send_self``, ``send_after``, ``send_every`` or ``subscribe``."""

    def draining(self, news: Draining, /) -> Any:
        """Handle the notice that the server will stop, and will close this connection soon."""

    def closed(self, reason: Any, /) -> Any:
        """Run when the connection has ended: always, once, and after all other methods.

        Args:
            reason: ``"closed"`` (by the client, or because of its fault), ``"inactive"`` (the client stopped polling),
                ``"normal"`` (by ``self.close`` or ``Stop()``), ``"disconnected"``, ``"expired"``,
                ``"draining"``, ``"shutdown"``, ``"overflow"``, the reason of a ``Stop``, or the exception
                that a method raised.
        """

    # Methods to call.

    async def send(self, message: Sendable) -> None:
        """Send a message.

        Args:
            message: Text, ``bytes``, a ``Ping`` or a ``Pong``.

        Raises:
            NotJoined: The connection has ended.
            EncodeError: The message can't be sent.
        """
        self._server.send(message)

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping. The client's answer is passed to ``ponged``.

        Under an ASGI server this does nothing, because the ASGI server sends its own pings.

        Args:
            payload: At most 125 bytes.

        Raises:
            NotJoined: The connection has ended.
            EncodeError: The payload is too long.
        """
        self._server.send(Ping(payload))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, after all messages that were sent before.

        The method that runs now is finished. Then ``closed("normal")`` runs, and no other method.

        Args:
            code: 1000 to 1003, 1007 to 1014, or a code of your application from 3000 to 4999.
            reason: A text for the client, of at most 123 bytes.

        Raises:
            ValueError: A close frame can't have this code or reason.
        """
        self._server.close(code, reason)

    @property
    def sync(self) -> BlockingRawHandler:
        """The same methods for plain ``def`` methods, which run in a worker thread: every call blocks until it is done."""
        return BlockingRawHandler(self, self._server.connection.server.home)


class BlockingRawHandler(BlockingAgent):
    """The methods of a handler, for code in a worker thread.

    Each call waits until the event loop has done it. A call on an event loop raises ``WrongThread``.
    """

    __slots__ = ()

    _agent: RawHandler[Any, Any]

    def send(self, message: Sendable) -> None:
        """Do what ``await self.send(...)`` does."""
        self._await("send", self._agent.send, message)

    def ping(self, payload: bytes = b"") -> None:
        """Do what ``await self.ping(...)`` does."""
        self._await("ping", self._agent.ping, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Do what ``await self.close(...)`` does."""
        self._await("close", self._agent.close, code, reason)


@dataclass(slots=True)
class RawDefinition:
    """The tables of one handler class.

    Attributes:
        handler: The class.
        frames: The method for each kind of frame.
        opened: The method that runs first.
        info: The method for messages of the server.
        draining: The method for the notice that the server will stop.
        terminate: The method that runs last.
    """

    handler: type[RawHandler[Any, Any]]
    frames: dict[Opcode, Handler] = field(default_factory=dict[Opcode, Handler])
    opened: Handler | None = None
    info: Handler | None = None
    draining: Handler | None = None
    terminate: Handler | None = None

    @property
    def name(self) -> str:
        """The class's name."""
        return self.handler.__qualname__


@options()
class RawSocket(SocketBase[A]):
    """A socket for clients of another protocol than Phoenix's.

    Args:
        connect: Decides which clients can connect. See :class:`~bennu.socket.SocketBase`, also for the other options.
        handler: The handler class. The server makes one object of the class for each connection.

    Raises:
        DefinitionError: An option has a value that can't work.

    Example:
        >>> class Echo(RawHandler):
        ...     async def receive(self, message: str | bytes) -> str | bytes:
        ...         return message
        >>> socket = RawSocket(connect=lambda: None, handler=Echo)
    """

    def __init__(
        self,
        *,
        connect: Connect[A],
        handler: type[RawHandler[A, Any]],
        **more: Unpack[SocketOptions[A]],
    ) -> None:
        super().__init__(connect=connect, **more)
        self.handler = handler
        self.definition = RawDefinition(handler)

    def define(self) -> None:
        """Read the handler class too."""
        super().define()
        if self.rates is not None and self.rates.joins is not None:
            raise DefinitionError(
                "RawSocket(rates=Rates(joins=...))",
                expected="rates of messages and bytes: a raw socket has no joins",
                got=f"joins={str(self.rates.joins)!r}",
                write='rates=Rates(messages="100/10s", bytes="64k/second")',
            )
        self.definition = _define(self.handler)


def _define(handler: type[RawHandler[Any, Any]]) -> RawDefinition:
    if not (isinstance(handler, type) and issubclass(handler, RawHandler)):
        raise DefinitionError(
            "RawSocket(handler=...)",
            expected="a subclass of RawHandler",
            got=repr(handler),
            write="handler=Echo",
        )
    check_options(handler)
    receive = _hook(handler, "receive", ("message",))
    if receive is None:
        raise DefinitionError(
            f"{handler.__qualname__} has no method for messages",
            expected="a method that takes messages",
            got="none",
            write="async def receive(self, message: str | bytes) -> None",
        )
    definition = RawDefinition(
        handler,
        {Opcode.TEXT: receive, Opcode.BINARY: receive},
        opened=_hook(handler, "opened", ()),
        info=_hook(handler, "info", ("message",)),
        draining=_hook(handler, "draining", ("news",)),
        terminate=_hook(handler, "closed", ("reason",)),
    )
    for opcode, name in ((Opcode.PING, "pinged"), (Opcode.PONG, "ponged")):
        hook = _hook(handler, name, ("payload",))
        if hook is not None:
            definition.frames[opcode] = hook
    return definition


def _hook(handler: type[Any], name: str, parameters: Sequence[str]) -> Handler | None:
    function = getattr(handler, name)
    if function is getattr(RawHandler, name):
        return None
    return hook_handler(f"{handler.__qualname__}.{name}", function, parameters)
