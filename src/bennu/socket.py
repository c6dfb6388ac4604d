"""Sockets: who may connect, and which channel a topic leads to. Protocol document, §1.1 and §1.11."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from ._definition import ChannelDefinition, define
from ._payload import InvalidPayload, check_type, convert
from ._protocol.origin import Check, OriginPolicy, compile_policy
from .channel import Channel
from .connect_info import ConnectInfo
from .errors import DefinitionError, Refused, source_line
from .serializers import JSONV1, JSONV2, Serializer
from .topic import Pattern, Table

__all__ = ["Socket"]

logger = logging.getLogger("bennu")

A = TypeVar("A")

Connect = (
    Callable[[Any, ConnectInfo], Awaitable[A]]
    | Callable[[Any], Awaitable[A]]
    | Callable[[], Awaitable[A]]
    | Callable[[Any, ConnectInfo], A]
    | Callable[[Any], A]
    | Callable[[], A]
)

ErrorHandler = Callable[[Refused], tuple[int, bytes]]

MAX_FRAME: Final = 10_000_000


class Socket(Generic[A]):
    """What clients connect to: a value, given to the endpoint under a path.

    Args:
        connect: ``async def connect(params, info)``: returns the assigns of the connection, or
            refuses it with ``raise Refused(reason)``. ``params`` are the query's, converted to the
            annotated type, leniently, since query values are text. Both parameters may be left out.
            A plain ``def`` runs in a worker thread.
        channels: Topic patterns and the channels that they lead to; the first that matches counts.
        id: Makes of the assigns the name by which ``endpoint.disconnect`` finds the connection.
        check_origin: Which pages may connect; None takes the endpoint's.
        subprotocols: What the handshake may agree on, in order of preference; None ignores what the
            client offers.
        auth_token: Whether clients may send a token beside the URL; it comes in ``info.auth_token``.
        timeout: Seconds of silence after which a client counts as gone (clients send a heartbeat
            every 30 s).
        join_timeout: Seconds that a join may take before it is answered as crashed.
        max_channels: Channels that one connection may join.
        max_frame_size: Bytes of one message.
        path: Of the WebSocket, below the mount; it may hold variables, ``{name}``.
        error_handler: Makes of a refused connect the HTTP status and body; 403 and none by default.
        log: Whether connects, joins and events are logged.

    Raises:
        DefinitionError: Something about it can't work.

    Example:
        >>> class Room(Channel): ...
        >>> socket = Socket(connect=lambda: None, channels={"room:*": Room})
    """

    serializers: Sequence[Serializer] = (JSONV1, JSONV2)

    def __init__(
        self,
        *,
        connect: Connect[A],
        channels: Mapping[str, type[Channel[A, Any]]],
        id: Callable[[A], str | None] | None = None,  # noqa: A002 - Phoenix's name
        check_origin: OriginPolicy | None = None,
        subprotocols: Sequence[str] | None = None,
        auth_token: bool = False,
        timeout: float = 60.0,
        join_timeout: float = 10.0,
        max_channels: int = 100,
        max_frame_size: int = MAX_FRAME,
        path: str = "websocket",
        error_handler: ErrorHandler | None = None,
        log: bool = True,
    ) -> None:
        self.id = id
        self.auth_token = auth_token
        self.timeout = timeout
        self.join_timeout = join_timeout
        self.max_channels = max_channels
        self.max_frame_size = max_frame_size
        self.path = path
        self.error_handler = error_handler
        self.log = log
        self.subprotocols = _subprotocols(subprotocols, auth_token=auth_token)
        self.origin_check: Check | None = (
            None if check_origin is None else compile_policy(check_origin)
        )
        self.connector = _Connector(connect)
        _expect_positive("timeout", timeout)
        _expect_positive("join_timeout", join_timeout)
        _expect_positive("max_channels", max_channels)
        _expect_positive("max_frame_size", max_frame_size)
        self._channels = dict(channels)
        self.table: Table[ChannelDefinition] = Table([])

    def define(self) -> None:
        """Read the channel classes: done when the endpoint is made, when all modules are loaded.

        Raises:
            DefinitionError: A channel or pattern can't work.
        """
        self.connector.define()
        patterns = [(Pattern(text), channel) for text, channel in self._channels.items()]
        self.table = Table([(pattern, define(channel, pattern)) for pattern, channel in patterns])

    def id_of(self, assigns: A) -> str | None:
        """Return the name of a connection.

        Raises:
            Refused: The user's ``id`` returned neither text nor None; that refuses the connection.
        """
        name: Any = self.id(assigns) if self.id is not None else None
        if name is None or isinstance(name, str):
            return name
        logger.warning(
            "Socket.id returned %r: expected a str or None; the connect is refused", name
        )
        raise Refused("invalid id")


class _Connector(Generic[A]):
    """The user's ``connect``, and what it wants to be called with."""

    __slots__ = ("_annotation", "_parameters", "function", "is_async")

    def __init__(self, function: Connect[A]) -> None:
        if not callable(function):
            raise DefinitionError(
                "Socket(connect=...)",
                expected="a function that returns the assigns",
                got=repr(function),
                write="async def connect(params: ConnectParams) -> User",
            )
        self.function: Callable[..., Any] = function
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            type(function).__call__
        )
        self._parameters = 0
        self._annotation: Any = Any

    def define(self) -> None:
        """Read its signature."""
        parameters = self._read_signature()
        self._parameters = len(parameters)
        if self._parameters > 2:
            raise DefinitionError(
                "Socket(connect=...)",
                expected="at most (params, info)",
                got=f"({', '.join(parameter.name for parameter in parameters)})",
                write="async def connect(params: ConnectParams, info: ConnectInfo) -> User",
                where=source_line(self.function),
            )
        if parameters:
            annotation = parameters[0].annotation
            self._annotation = Any if annotation is inspect.Parameter.empty else annotation
            check_type(
                self._annotation,
                subject="Socket(connect=...) takes params of a type",
                where=source_line(self.function),
            )

    def _read_signature(self) -> list[inspect.Parameter]:
        try:
            signature = inspect.signature(self.function, eval_str=True)
        except (NameError, AttributeError, TypeError, SyntaxError) as error:
            raise DefinitionError(
                "an annotation of Socket(connect=...) can't be resolved",
                expected="a type that the module knows at run time",
                got=str(error),
                write="import it outside of `if TYPE_CHECKING`, or define it at the top level",
                where=source_line(self.function),
            ) from error
        return list(signature.parameters.values())

    def arguments(self, params: dict[str, Any], info: ConnectInfo) -> tuple[Any, ...]:
        """Return what to call it with.

        Raises:
            Refused: The parameters don't fit their type.
        """
        if self._parameters == 0:
            return ()
        typed: Any = params
        if self._annotation is not Any:
            try:
                typed = convert(params, self._annotation)
            except InvalidPayload as error:
                raise Refused("invalid_params", errors=error.errors) from error
        return (typed, info)[: self._parameters]


def _subprotocols(given: Sequence[str] | None, *, auth_token: bool) -> tuple[str, ...] | None:
    if isinstance(given, str):
        raise DefinitionError(
            "Socket(subprotocols=...)",
            expected="a list",
            got=repr(given),
            write=f"subprotocols=[{given!r}]",
        )
    if auth_token:
        return ("phoenix", *(given or ()))
    return None if given is None else tuple(given)


def _expect_positive(name: str, value: float) -> None:
    if value <= 0:
        raise DefinitionError(
            f"Socket({name}=...)",
            expected="a number above 0",
            got=repr(value),
            write=f"{name}=60",
        )
