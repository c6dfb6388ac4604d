"""A client of Phoenix Channels: of Bennu, or of Phoenix itself."""

from __future__ import annotations

import secrets
import ssl as tls
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, get_args

from ..errors import DefinitionError
from ..logs.printable import described
from .channel import RemoteChannel
from .frames import VERSIONS
from .listeners import Binding
from .loader import MissedCallback, RecoveredCallback, Recovery
from .longpoll import open_longpoll
from .options import (
    HEARTBEAT,
    MAX_SIZE,
    TIMEOUT,
    ClientOptions,
    JoinParams,
    Params,
    Text,
    TransportName,
    Vsn,
    seconds,
)
from .persistent import CLOSE, ERROR, MESSAGE, OPEN, PersistentConnection
from .promise import Promise
from .schedule import RECONNECT, REJOIN, Backoff
from .states import ConnectionState
from .stream import BUFFER, Overflow
from .topic_link import LOG, TopicLink
from .transport import Closed, OpenTransport
from .urls import SocketURL
from .websocket import open_websocket

__all__ = ["Client"]

_OPENERS: Final[dict[str, OpenTransport]] = {
    "websocket": open_websocket,
    "longpoll": open_longpoll,
}


class Client:
    """A connection to a socket, which is made again whenever it is lost, and its channels.

    A client belongs to one event loop. Make it anywhere, and use it on one loop.

    Args:
        url: The URL of the socket: ``ws://`` or ``wss://``, the host, and the path, as in ``wss://example.com/socket``.
        params: The parameters of the connect; or a plain or async function that returns them, which is called at each
            connect. Values are text, numbers, bools, and dicts and lists of these. Default: none.
        auth_token: A token that is sent beside the URL, as ``authToken`` of phoenix.js 1.8 is; or a plain or async
            function that returns one, which is called at each connect. Default: None.
        vsn: The version of the wire, ``"2.0.0"`` or ``"1.0.0"``. Default: 2.0.0.
        transport: ``"websocket"``, ``"longpoll"`` (needs ``pip install bennu[client]``), or a function that opens a
            transport of your own. Default: WebSocket.
        longpoll_fallback: Seconds after which a client polls, if no WebSocket has worked until then. Default: None, it
            never polls.
        timeout: Seconds for the answer to a connect, a join or a push. Default: 10.
        heartbeat: Seconds between two heartbeats. A connection that leaves one unanswered for this time is dead.
            Default: 30. Servers close a connection that is silent for 60 s.
        reconnect: The waits before each connect. Default: as phoenix.js, 0.01 to 5 s, half more or less.
        rejoin: The waits before each join. Default: as phoenix.js, 1 to 10 s, half more or less.
        headers: More headers of the handshake. Default: none.
        ssl: The TLS context for ``wss://``. Default: None, the default context.
        max_size: The most bytes of one message of the server. Default: 16,000,000.
        buffer: The most events that wait for an iterator, or for the ``async`` callbacks of a channel. Default: 1,000.
        overflow: What an iterator does if more wait: see :meth:`RemoteChannel.events
            <bennu.client.RemoteChannel.events>`. Default: ``"raise"``.
        http: An ``httpx.AsyncClient`` for long polling, with your own proxy, limits or TLS. You close it. Default: None,
            each connection makes one.

    Raises:
        DefinitionError: An option has a wrong value.

    Example:
        ``async with Client("wss://example.com/socket", params={"token": token}) as client:``
        ``    room = client.channel("room:7")``
        ``    await room.join()``
    """

    def __init__(
        self,
        url: str,
        *,
        params: Params | None = None,
        auth_token: Text | None = None,
        vsn: Vsn = "2.0.0",
        transport: TransportName | OpenTransport = "websocket",
        longpoll_fallback: float | None = None,
        timeout: float = TIMEOUT,
        heartbeat: float = HEARTBEAT,
        reconnect: Backoff = RECONNECT,
        rejoin: Backoff = REJOIN,
        headers: Mapping[str, str] | None = None,
        ssl: tls.SSLContext | None = None,
        max_size: int = MAX_SIZE,
        buffer: int = BUFFER,
        overflow: Overflow = "raise",
        http: Any = None,
    ) -> None:
        serializer = _one_of("vsn", vsn, VERSIONS)
        _one_of("overflow", overflow, dict.fromkeys(get_args(Overflow)))
        opener = transport if callable(transport) else _one_of("transport", transport, _OPENERS)
        falls_back = longpoll_fallback is not None and opener is not open_longpoll
        self._options = ClientOptions(
            url=SocketURL(url),
            params={} if params is None else params,
            auth_token=auth_token,
            serializer=serializer,
            open_first=opener,
            open_fallback=open_longpoll if falls_back else None,
            fallback_after=0.0
            if longpoll_fallback is None
            else seconds("longpoll_fallback", longpoll_fallback),
            timeout=seconds("timeout", timeout),
            heartbeat=seconds("heartbeat", heartbeat),
            reconnect=reconnect,
            rejoin=rejoin,
            headers={} if headers is None else headers,
            ssl=ssl,
            max_size=max_size,
            buffer=buffer,
            overflow=overflow,
            http=http,
        )
        self._connection = PersistentConnection(self._options)

    def __repr__(self) -> str:
        return f"<Client {self._options.url} {self.state.value}>"

    @property
    def state(self) -> ConnectionState:
        """The state: closed, connecting or open."""
        return self._connection.state

    @property
    def is_open(self) -> bool:
        """Whether there is an open connection now."""
        return self._connection.is_open

    # Start and end.

    def start(self) -> None:
        """Begin to connect, and return at once. The client tries for ever.

        Use it if the server need not be there yet. Channels can be joined at once: they join when the connection opens.
        """
        self._connection.start()

    async def opened(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - its default is the client's
        """Begin to connect, and wait until the connection is open.

        Args:
            timeout: The most seconds to wait. Default: those of the client.

        Raises:
            ConnectRefused: The server refused the connect.
            ConnectFailed: The connection was not open in time. The client goes on trying.
        """
        await self._connection.opened(
            self._options.timeout if timeout is None else seconds("timeout", timeout)
        )

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection and all channels. What was pushed is sent before.

        Args:
            code: The close code. Default: 1000.
            reason: A text for the server, of at most 123 bytes.
        """
        await self._connection.close(code, reason)

    async def __aenter__(self) -> Self:
        try:
            await self.opened()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # Channels.

    def channel(
        self,
        topic: str,
        params: JoinParams = None,
        *,
        missed: MissedCallback | None = None,
        recovered: RecoveredCallback | None = None,
        position: str | None = None,
    ) -> RemoteChannel:
        """Return a channel for a topic. It is joined by its ``join``.

        A connection has one channel for each topic: a second one leaves the first one when it joins.

        Args:
            topic: The topic.
            params: The payload of the join: a dict, Struct or dataclass; or a plain function that returns one, which is
                called at each join. Default: ``{}``.
            missed: Asks for recovery. Is called with the reason when messages are lost for good. It is plain or async,
                loads your state again, and returns its position or None. Default: None, no recovery.
            recovered: Is called when a join has lost nothing, with the number of messages that follow. Default: None.
            position: The position of the state that you have, such as ``"17:k3x"``. Default: None.

        Raises:
            DefinitionError: An argument has a wrong value.
        """
        if missed is None and (recovered is not None or position is not None):
            raise DefinitionError(
                f"client.channel({topic!r}) with recovered= or position=",
                expected="missed=, because without it a loss would be silent",
                got="no missed=",
                write="client.channel(topic, missed=load)",
            )
        options = self._options
        get_params = partial(_join_params, params)
        link = TopicLink(
            self._connection, topic, get_params, options.timeout, max(options.buffer, 1)
        )
        if missed is not None:
            token = secrets.token_urlsafe(16)
            link.recovery = Recovery(token, missed, recovered, position, LOG, link.listeners.emit)
        return RemoteChannel(link, options.buffer, options.overflow)

    # The connection.

    def ping(self, timeout: float | None = None) -> Promise[float]:
        """Ask the server for an answer. ``await`` it for the seconds until the answer.

        Raises:
            ConnectFailed: There is no connection, or no answer in time. (Raised by ``await``.)
        """
        return self._connection.ping(self._options.timeout if timeout is None else timeout)

    def on_open(self, callback: Callable[[], object]) -> Binding:
        """Call a function, plain or async, after each connect that succeeds."""

        def opened(_: Any) -> object:
            return callback()

        return self._connection.told.on(OPEN, opened, _as_is)

    def on_close(self, callback: Callable[[Closed], object]) -> Binding:
        """Call a function, plain or async, when a connection ends. It gets the code and the reason."""
        return self._connection.told.on(CLOSE, callback, _as_is)

    def on_error(self, callback: Callable[[Exception], object]) -> Binding:
        """Call a function, plain or async, when a connect fails, or a message can't be read. It gets the exception."""
        return self._connection.told.on(ERROR, callback, _as_is)

    def on_message(self, callback: Callable[[Any], object]) -> Binding:
        """Call a function, plain or async, for each message of the server, after the channels. For logs and tests."""
        return self._connection.told.on(MESSAGE, callback, _as_is)


def _one_of(name: str, value: object, known: Mapping[str, Any]) -> Any:
    found = known.get(value, known) if isinstance(value, str) else known
    if found is known:
        names = ", ".join(f'"{one}"' for one in known)
        raise DefinitionError(
            f"Client({name}=...)",
            expected=f"one of {names}",
            got=described(value),
            write=f'{name}="{next(iter(known))}"',
        )
    return found


def _join_params(params: Any) -> Any:
    return params() if callable(params) else params


def _as_is(value: Any) -> Any:
    return value
