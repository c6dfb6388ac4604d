"""Sockets: who may connect, and which channel a topic leads to. Protocol document, §1.1 and §1.11."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypedDict, TypeVar, cast

from typing_extensions import Unpack

from .channel import Channel
from .connector import Connect, Connector, Refresh, Refresher
from .csrf import KEY
from .definition import ChannelDefinition, define
from .drain import Drain, DrainPolicy
from .errors import DefinitionError, Refused
from .limits.limits import Rates
from .logs.log import Log
from .longpoll import LongPoll
from .origin_check import OriginCheck, OriginPolicy
from .protocol import JSONV1, JSONV2, Serializer
from .protocol.deflate import Deflate
from .reasons import Reason
from .refusals import Readable, Refusals, read_refusals
from .session import SessionLoader, SessionReader
from .topic import Pattern, Table
from .user_code.callback import Callback
from .user_code.options import COUNT, FLAG, SECONDS, TEXT, Option, instance_of, optional, options

__all__ = ["Socket", "SocketBase", "SocketOptions"]

log = Log()

A = TypeVar("A")

ErrorHandler = Callable[[Refused], tuple[int, bytes] | Awaitable[tuple[int, bytes]]]
IdOf = Callable[[A], str | Awaitable[str | None] | None]

MAX_FRAME: Final = 10_000_000
DRAIN: Final = Drain()
MAX_UNSENT: Final = 1024 * 1024
MAX_UNHANDLED: Final = 16 * 1024 * 1024
MAX_REF: Final = 128
MAX_TOPIC: Final = 1024
MAX_EVENT: Final = 256
MAX_VALUES: Final = 50_000


RATES: Final = instance_of(
    Rates, "the rates of one connection", 'Rates(joins="20/10s", messages="100/10s, burst 200")'
)
COMPRESS: Final = Option(
    "True, False or a Deflate",
    lambda value: isinstance(value, bool | Deflate),
    "Deflate(...)",
)
WEBSOCKET: Final = Option(FLAG.expected, FLAG.fits, "False, longpoll=True")
LONGPOLL: Final = Option(
    "True, False or a LongPoll",
    lambda value: isinstance(value, bool | LongPoll),
    "LongPoll(window=10)",
)


class SocketOptions(TypedDict, Generic[A], total=False):
    """The options that all kinds of sockets have: see :class:`SocketBase`."""

    id: IdOf[A] | None
    check_origin: OriginPolicy | None
    subprotocols: Sequence[str] | None
    auth_token: bool
    timeout: float
    max_frame_size: int
    rates: Rates | None
    compress: bool | Deflate
    max_unhandled: int
    max_unsent: int
    path: str
    error_handler: ErrorHandler | None
    session: SessionReader | None
    check_csrf: bool
    csrf_token_key: str
    log: bool
    websocket: bool
    longpoll: bool | LongPoll
    drain: DrainPolicy


@options(
    auth_token=FLAG,
    timeout=SECONDS,
    max_frame_size=COUNT,
    max_unhandled=COUNT,
    max_unsent=COUNT,
    path=TEXT,
    check_csrf=FLAG,
    csrf_token_key=TEXT,
    log=FLAG,
    rates=optional(RATES),
    compress=COMPRESS,
    longpoll=LONGPOLL,
    websocket=WEBSOCKET,
)
class SocketBase(Generic[A]):
    """A socket of any protocol: the base class of :class:`Socket` and :class:`~bennu.RawSocket`.

    Args:
        connect: ``async def connect(params, info)``: returns the assigns of the connection, or refuses it with
            ``raise Refused(reason)``. ``params`` are the parameters of the query, converted to the annotated
            type. The conversion is lenient, because values of a query are text. Both parameters can be left
            out. A plain ``def`` runs in a worker thread.
        id: A function that makes the connection's id of the assigns, for ``endpoint.disconnect``. It can be
            async.
        check_origin: Which pages can connect; None takes the endpoint's policy.
        subprotocols: The subprotocols of the handshake, in order of preference; None ignores the offer of a
            client.
        auth_token: Whether clients can send a token beside the URL. It is in ``info.auth_token``.
        timeout: Seconds of silence after which a client counts as gone. Clients send a heartbeat every 30 s.
        max_frame_size: The largest message in bytes. A compressed message is measured inflated too.
        rates: How fast one connection can send; None means no limit.
        compress: Whether messages are compressed for clients that offer it (permessage-deflate), and how:
            :class:`~bennu.Deflate`. This holds under ``bennu run``; another server decides by itself.
        max_unhandled: Bytes of a client's messages that can wait or be handled, in all channels of one
            connection. Beyond it the server stops reading from the client until half of them are handled. One
            message of any size always fits. Choose more than ``max_frame_size``, so that heartbeats are
            answered while a large message is handled.
        max_unsent: Bytes that can wait for a client that does not read. Beyond it the connection is closed with
            1013, or ``when_slow`` of its channels drops messages. Choose more than the server sends to one
            client at once, for example the replies to its first joins.
        path: The path of the WebSocket below the mount path. It can contain variables: ``{name}``.
        error_handler: A function that makes an HTTP status (200 to 599) and a body of a refusal:
            ``(429, b"later")``. It can be async. The default is 403 without a body.
        session: Reads ``info.session``: a reader of :mod:`bennu.auth.session` or :mod:`bennu.phoenix`, or a
            function of the info, which can be async.
        check_csrf: Whether a client gets its session only with a token of your own page: the parameter
            ``_csrf_token``, made by :mod:`bennu.csrf`.
        csrf_token_key: The key of the token's state in the session.
        log: Whether connects, joins and events are logged.
        websocket: Whether clients can connect by WebSocket. With False the path is unknown, and clients can only poll.
        longpoll: Whether clients without WebSockets can poll, and how: :class:`~bennu.LongPoll`.
        drain: How clients are let go before the server stops. A function is called when the endpoint starts.
            With False the clients stay until the server stops.

    Attributes:
        is_rated: Whether messages of clients have a rate.
        is_internal: Whether the socket is Bennu's own, so that no contract and no inspector shows it.

    Raises:
        DefinitionError: An option has a wrong value.
    """

    serializers: Sequence[Serializer] = ()
    """The formats, of which the client's ``vsn`` chooses one. Without formats there is no ``vsn``."""
    refusals: Readable | None = None
    """How a refused client can read the reason; None if it can't."""
    is_internal: bool = False

    def __init__(
        self,
        *,
        connect: Connect[A],
        id: IdOf[A] | None = None,  # noqa: A002 - Phoenix's name
        check_origin: OriginPolicy | None = None,
        subprotocols: Sequence[str] | None = None,
        auth_token: bool = False,
        timeout: float = 60.0,
        max_frame_size: int = MAX_FRAME,
        rates: Rates | None = None,
        compress: bool | Deflate = False,
        max_unhandled: int = MAX_UNHANDLED,
        max_unsent: int = MAX_UNSENT,
        path: str = "websocket",
        error_handler: ErrorHandler | None = None,
        session: SessionReader | None = None,
        check_csrf: bool = True,
        csrf_token_key: str = KEY,
        log: bool = True,
        websocket: bool = True,
        longpoll: bool | LongPoll = False,
        drain: DrainPolicy = DRAIN,
    ) -> None:
        self._policy = check_origin
        self.check_csrf = check_csrf
        self.sessions: SessionLoader | None = None
        if session is not None:
            self.sessions = SessionLoader(
                session, check_csrf=check_csrf, csrf_token_key=csrf_token_key
            )
        self.id = Callback.optional("Socket(id=...)", id, write="id=lambda ...: ...")
        self.auth_token = auth_token
        self.timeout = timeout
        self.max_frame_size = max_frame_size
        self.rates = rates
        self.is_rated = rates is not None
        self.deflate = Deflate() if compress is True else compress or None
        self.max_unhandled = max_unhandled
        self.max_unsent = max_unsent
        self.path = path
        self.error_handler = Callback.optional(
            "Socket(error_handler=...)", error_handler, write="error_handler=lambda ...: ..."
        )
        self.log = log
        self.longpoll = LongPoll() if longpoll is True else longpoll or None
        self.websocket = websocket
        _expect_a_transport(websocket=websocket, longpoll=self.longpoll)
        self._drain: Any = Callback("Socket(drain=...)", drain) if callable(drain) else drain
        self.subprotocols = _subprotocols(subprotocols, auth_token=auth_token)
        self.origin_check: OriginCheck | None = (
            None if check_origin is None else OriginCheck(check_origin)
        )
        self.connector = Connector(connect)

    def expect_guard(self, check_origin: OriginPolicy) -> None:
        """Refuse a socket whose session any other site could use.

        Args:
            check_origin: The endpoint's policy.

        Raises:
            DefinitionError: Neither the origin nor a token is checked.
        """
        policy = check_origin if self._policy is None else self._policy
        if self.sessions is not None and policy is False and not self.check_csrf:
            raise DefinitionError(
                "Socket(session=..., check_csrf=False) with check_origin=False",
                expected="one of the two checks: else any site can use a visitor's session",
                got="neither",
                write='check_origin=["https://example.com"]',
            )

    def define(self) -> None:
        """Read the signature of ``connect``. The endpoint calls this, when all modules are loaded.

        Raises:
            DefinitionError: ``connect`` has a wrong signature.
        """
        reserved = (["vsn"] if self.serializers else []) + (
            ["_csrf_token"] if self.sessions else []
        )
        self.connector.define(reserved)

    def infos(self) -> Iterable[type]:
        """Return the classes of messages that handlers of this socket are for (``@on_info``)."""
        return ()

    async def drainer(self) -> Drain | None:
        """Return how clients are let go before the server stops; None if they stay.

        Raises:
            DefinitionError: The option, or the result of the function, is no Drain.
        """
        drain: Any = self._drain
        asked = isinstance(drain, Callback)
        if asked:
            drain = await drain.call_on_loop()
        if drain is False:
            return None
        if isinstance(drain, Drain):
            return drain
        raise DefinitionError(
            "Socket(drain=...)",
            expected="a Drain, a function that returns one, or False",
            got=f"{drain!r}, returned by {self._drain.name}" if asked else repr(drain),
            write="drain=Drain(batch_size=1000)",
        )

    async def id_of(self, assigns: A) -> str | None:
        """Return the id of a connection.

        Raises:
            Refused: The user's ``id`` returned neither text nor None.
        """
        name: Any = None if self.id is None else await self.id.call_on_loop(assigns)
        if name is None or isinstance(name, str):
            return name
        log.warning("Socket.id returned %r: expected a str or None; the connect is refused", name)
        raise Refused(Reason.INVALID_ID.text)


@options(
    join_timeout=SECONDS,
    max_channels=COUNT,
    max_ref_size=COUNT,
    max_topic_size=COUNT,
    max_event_size=COUNT,
    max_values=COUNT,
    refresh_before=SECONDS,
)
class Socket(SocketBase[A]):
    """A socket for Phoenix clients: a value that the endpoint mounts under a path.

    Args:
        connect: Decides which clients may connect. :class:`SocketBase` describes it, and the other options.
        channels: The channel class of each topic pattern. The first pattern that matches counts.
        join_timeout: Seconds of the longest join; after that the join is answered as crashed.
        max_channels: Channels of one connection: joined channels, and channels that have not ended yet after a
            leave.
        max_ref_size: Bytes of a ref or join_ref. A longer one closes the connection with 1011.
        max_topic_size: Bytes of the topic of a join. A longer topic is refused as ``too_long``.
        max_event_size: Bytes of the event of a push. A longer event is refused as ``too_long``.
        max_values: Values in the JSON of one message, at all depths. A message with more closes the connection
            with 1011: 10 MB of empty lists would take 450 MB in a handler.
        refresh: ``async def refresh(token, info)``: takes a new token on an open connection, before its time is
            over (``info.expire_at``). The client pushes the event ``token`` with ``{"token": "..."}`` on the
            topic ``phoenix``. The function sets the new time with ``info.expire_at``. Its result, unless it is
            None, is the assigns of channels that are joined from then on. It refuses like ``connect``.
            Without this function a client can't renew its token.
        refresh_before: Seconds before the expiry at which the client gets the event ``token_expiring`` with
            ``{"expires_in_ms": ...}`` on the topic ``phoenix``.
        refusals: How a client learns that its connect was refused. With ``"http"`` it gets an HTTP status, which
            a browser hides from the page. With ``"readable"`` it gets an error reply to each message, and a
            close some seconds later: see :class:`~bennu.refusals.Readable`.

    Raises:
        DefinitionError: An option has a wrong value.

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
        join_timeout: float = 10.0,
        max_channels: int = 100,
        max_ref_size: int = MAX_REF,
        max_topic_size: int = MAX_TOPIC,
        max_event_size: int = MAX_EVENT,
        max_values: int = MAX_VALUES,
        refresh: Refresh[A] | None = None,
        refresh_before: float = 30.0,
        refusals: Refusals = "http",
        **more: Unpack[SocketOptions[A]],
    ) -> None:
        super().__init__(connect=connect, **more)
        self.join_timeout = join_timeout
        self.max_channels = max_channels
        self.max_ref_size = max_ref_size
        self.max_topic_size = max_topic_size
        self.max_event_size = max_event_size
        self.max_values = max_values
        self.refresher = None if refresh is None else Refresher(refresh)
        self.refresh_before = refresh_before
        has_handler = self.error_handler is not None
        self.refusals = read_refusals(refusals, has_handler=has_handler)
        self._channels = _channels(channels)
        self.table: Table[ChannelDefinition] = Table([])

    def define(self) -> None:
        """Read the signature of ``connect``, and the channel classes."""
        super().define()
        patterns = [(Pattern(text), channel) for text, channel in self._channels.items()]
        self.table = Table([(pattern, define(channel, pattern)) for pattern, channel in patterns])
        self.is_rated = self.rates is not None or any(
            row.target.has_rates for row in self.table.rows
        )

    def infos(self) -> Iterable[type]:
        """Return the classes that ``@on_info`` names in the channel classes."""
        return (kind for row in self.table.rows for kind in row.target.infos)


def _channels(given: Any) -> dict[str, Any]:
    """Return the table of channels. Its values are checked when the endpoint is made."""
    texts = cast("Mapping[Any, Any]", given)
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in texts):
        raise DefinitionError(
            "Socket(channels=...)",
            expected="topic patterns, and the channel class that each leads to",
            got=repr(texts),
            write='channels={"room:{room_id}": RoomChannel}',
        )
    return dict(texts)


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


def _expect_a_transport(*, websocket: bool, longpoll: LongPoll | None) -> None:
    if not websocket and longpoll is None:
        raise DefinitionError(
            "Socket(websocket=False)",
            expected="at least one transport for clients",
            got="no WebSocket, and no long polling",
            write="websocket=False, longpoll=True",
        )
