"""The request that opened a connection: the ``info`` that ``connect`` can take. Protocol, §1.10."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import datetime
from threading import Lock
from typing import Any, Final, NamedTuple
from urllib.parse import unquote
from uuid import UUID

from .protocol.trace_context import parse_traceparent

__all__ = ["AUTHORITY", "URI", "ConnectInfo", "Headers", "Peer"]

AUTHORITY: Final = "bennu.authority"
"""The key in the scope of the host and port that a trusted proxy has given."""

_SCHEMES: Final = {"websocket": ("ws", "wss"), "longpoll": ("http", "https")}
_PORT = re.compile(r":([0-9]{0,5})\Z")
_lock = Lock()


class Peer(NamedTuple):
    """The client's address and port; both are None on a Unix socket."""

    host: str | None
    port: int | None


class URI(NamedTuple):
    """The URI of the request."""

    scheme: str
    host: str | None
    port: int | None
    path: str
    query: str


class Headers(Mapping[str, str]):
    """The headers of the request. Names are case-insensitive. A repeated header has its first value here.

    Args:
        raw: Names and values of all headers, names in lower case.
    """

    __slots__ = ("_packed",)

    def __init__(self, raw: list[tuple[bytes, bytes]] | tuple[tuple[bytes, bytes], ...]) -> None:
        # One bytes object instead of a list of tuples: every connection keeps its headers, and a list of
        # tuples would be most of the memory of an idle connection.
        self._packed = b"\n".join([name + b":" + value for name, value in raw])

    @property
    def raw(self) -> list[tuple[str, str]]:
        """All headers in their order, with names in lower case."""
        pairs = [line.partition(b":") for line in self._packed.split(b"\n") if line]
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, _, value in pairs]

    def getlist(self, name: str) -> list[str]:
        """Return all values of a header.

        Args:
            name: The name of the header, in upper or lower case.
        """
        wanted = name.lower()
        return [value for found, value in self.raw if found == wanted]

    def __getitem__(self, name: str) -> str:
        for value in self.getlist(name):
            return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.raw))

    def __len__(self) -> int:
        return len({name for name, _ in self.raw})

    def __repr__(self) -> str:
        return f"Headers({self.raw!r})"


class _Extras:
    """The attributes that few requests have. This object is made when the first of them is set."""

    __slots__ = (
        "authority",
        "connection_id",
        "expires_at",
        "ids",
        "scope_session",
        "session",
        "trace_id",
        "user_id",
    )

    def __init__(self) -> None:
        self.scope_session: Mapping[str, Any] | None = None
        self.authority: str | None = None
        self.session: Mapping[str, Any] | None = None
        self.expires_at: float | None = None
        self.ids: tuple[str, ...] = ()
        self.connection_id: str | None = None
        self.trace_id: str | None = None
        self.user_id: str | None = None


class ConnectInfo:
    """The request that opened a connection. Its properties are computed on access.

    In ``connect`` you can also set when the connection ends (:meth:`expire_at`), add ids to the connection
    (:meth:`add_id`), and say whose connection it is (:attr:`user_id`).

    Attributes:
        headers: The headers of the request.
        auth_token: The client's unverified ``authToken``, if the socket has ``auth_token=True``; else None.
        state: The value that the endpoint's lifespan yielded.
    """

    __slots__ = (
        "_client",
        "_extras",
        "_path",
        "_query",
        "_scheme",
        "auth_token",
        "headers",
        "state",
    )

    def __init__(
        self,
        scope: Mapping[str, Any],
        *,
        transport: str,
        state: Any = None,
        auth_token: str | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        self.state = state
        self.auth_token = auth_token
        self.headers = Headers(scope["headers"] if headers is None else headers)
        self._client: tuple[str, int | str | None] | None = scope.get("client")
        # The scheme also tells the transport, which saves memory for each connection.
        is_secure = scope.get("scheme", "ws") in ("wss", "https")
        self._scheme: str = _SCHEMES[transport][is_secure]
        self._path: str = scope["path"]
        self._query: bytes = scope.get("query_string", b"")
        self._extras: _Extras | None = None
        if (authority := scope.get(AUTHORITY)) is not None:
            self._made_extras().authority = authority

    # Expiry and ids of the connection.

    def expire_at(self, when: float | datetime | None) -> None:
        """Close the connection at this time, with the code 4001 (``token_expired``).

        Call this in ``connect``, or in the socket's ``refresh``. The client connects again. A stock client then
        calls its ``authToken`` function for a new token.

        Args:
            when: Seconds since 1970, or a datetime with a time zone; None is never.

        Raises:
            ValueError: The datetime has no time zone, or the number is NaN.

        Example:
            >>> info = ConnectInfo({"path": "/", "headers": []}, transport="websocket")
            >>> info.expire_at(1_700_000_000)
            >>> info.expires_at
            1700000000.0
        """
        if isinstance(when, datetime):
            if when.tzinfo is None:
                raise ValueError(f"expire_at takes a datetime with a time zone, got {when!r}")
            when = when.timestamp()
        if when is not None and math.isnan(when):
            raise ValueError("expire_at takes seconds since 1970, got nan")
        self._made_extras().expires_at = None if when is None or when == math.inf else float(when)

    @property
    def expires_at(self) -> float | None:
        """The time at which the connection ends, in seconds since 1970; None if it has no such time."""
        return None if self._extras is None else self._extras.expires_at

    def add_id(self, name: str) -> None:
        """Add an id to the connection, besides the id that the socket's ``id`` returns.

        ``endpoint.disconnect(name)`` closes every connection with this id. So you can revoke a token, if you add the
        token's id here.

        Args:
            name: The id.

        Raises:
            ValueError: The id is no text.

        Example:
            >>> info = ConnectInfo({"path": "/", "headers": []}, transport="websocket")
            >>> info.add_id("tokens:7f3a")
            >>> info.ids
            ('tokens:7f3a',)
        """
        if not isinstance(name, str):
            raise ValueError(f"add_id takes text, got {name!r}")  # noqa: TRY004 - as the docs say
        extras = self._made_extras()
        if name not in extras.ids:
            extras.ids = (*extras.ids, name)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that were added with :meth:`add_id`."""
        return () if self._extras is None else self._extras.ids

    @property
    def is_bound(self) -> bool:
        """Whether the connection has a time at which it ends, or added ids."""
        extras = self._extras
        return extras is not None and (extras.expires_at is not None or extras.ids != ())

    def renewed(self) -> ConnectInfo:
        """Return a copy for a later token, with the same expiry and without added ids."""
        twin = copy(self)
        twin._extras = copy(self._made_extras())
        twin._extras.ids = ()
        return twin

    def _made_extras(self) -> _Extras:
        if self._extras is None:
            with _lock:  # lines of worker threads ask for ids
                self._extras = self._extras or _Extras()
        return self._extras

    # For the log.

    @property
    def connection_id(self) -> str:
        """The id of this connection: 12 random hexadecimal digits, for logs. It is made when it is first asked for."""
        extras = self._made_extras()
        if extras.connection_id is None:
            with _lock:
                extras.connection_id = extras.connection_id or secrets.token_hex(6)
        return extras.connection_id

    @property
    def user_id(self) -> str | None:
        """The id of the user, for logs. Set it in ``connect``; else lines have the id that the socket's ``id`` returns.

        It can be text, an integer or a UUID.

        Raises:
            ValueError: It is set to another value.

        Example:
            >>> info = ConnectInfo({"path": "/", "headers": []}, transport="websocket")
            >>> info.user_id = 7
            >>> info.user_id
            '7'
        """
        return None if self._extras is None else self._extras.user_id

    @user_id.setter
    def user_id(self, user_id: str | int | UUID | None) -> None:
        if isinstance(user_id, bool) or not isinstance(user_id, str | int | UUID | None):
            raise ValueError(  # noqa: TRY004 - as add_id does
                f"user_id is text, an integer or a UUID, got {user_id!r}"
            )
        self._made_extras().user_id = None if user_id is None else str(user_id)

    @property
    def trace_id(self) -> str:
        """The id of the trace that the request belongs to, by its header ``traceparent`` or its span; empty if there is none."""
        extras = self._made_extras()
        if extras.trace_id is None:
            parent = parse_traceparent(self.headers.getlist("traceparent"))
            extras.trace_id = "" if parent is None else parent.trace_id
        return extras.trace_id

    @trace_id.setter
    def trace_id(self, trace_id: str) -> None:
        self._made_extras().trace_id = trace_id

    # The request.

    @property
    def transport(self) -> str:
        """``"websocket"`` or ``"longpoll"``."""
        return "websocket" if self._scheme in ("ws", "wss") else "longpoll"

    @property
    def session(self) -> Mapping[str, Any] | None:
        """The visitor's session, if the socket has ``session=...``; else None.

        It is None if the request has no session cookie. It is also None if the parameters have no valid
        ``_csrf_token``, unless the socket has ``check_csrf=False``.
        """
        return None if self._extras is None else self._extras.session

    @session.setter
    def session(self, session: Mapping[str, Any] | None) -> None:
        if session is not None:
            self._made_extras().session = session

    @property
    def scope_session(self) -> Mapping[str, Any] | None:
        """The session that a middleware has set as ``scope["session"]``, on a socket with ``session=...``."""
        return None if self._extras is None else self._extras.scope_session

    @scope_session.setter
    def scope_session(self, session: Mapping[str, Any] | None) -> None:
        if session is not None:
            self._made_extras().scope_session = session

    @property
    def peer(self) -> Peer:
        """The client's address and port, behind trusted proxies too (``Endpoint(trusted_proxies=...)``)."""
        if not self._client:
            return Peer(None, None)
        host, port = self._client[:2]
        return Peer(host, None if port is None else int(port))  # granian gives the port as text

    @property
    def user_agent(self) -> str | None:
        """The User-Agent header."""
        return self.headers.get("user-agent")

    @property
    def uri(self) -> URI:
        """Scheme (``http`` or ``https``), host, port, path and query of the request."""
        scheme = {"ws": "http", "wss": "https"}.get(self._scheme, self._scheme)
        forwarded = None if self._extras is None else self._extras.authority
        host, port = forwarded or self.headers.get("host") or "", ""
        if found := _PORT.search(host):
            host, port = host[: found.start()], found[1]
        default = 443 if scheme == "https" else 80
        return URI(
            scheme,
            host.strip("[]") or None,
            int(port) if port else default,
            self._path,
            self._query.decode("latin-1"),
        )

    @property
    def cookies(self) -> dict[str, str]:
        """The decoded cookies; a malformed cookie is left out."""
        found: dict[str, str] = {}
        for header in self.headers.getlist("cookie"):
            for pair in header.split(";"):
                name, separator, value = pair.strip().partition("=")
                if name and separator:
                    found[name] = unquote(value.removeprefix('"').removesuffix('"'))
        return found

    @property
    def x_headers(self) -> list[tuple[str, str]]:
        """All headers whose name begins with ``x-``."""
        return self._beginning("x-")

    @property
    def sec_websocket_headers(self) -> list[tuple[str, str]]:
        """All headers whose name begins with ``sec-websocket-``, without an auth token."""
        return self._beginning("sec-websocket-")

    @property
    def trace_context_headers(self) -> list[tuple[str, str]]:
        """The headers ``traceparent`` and ``tracestate`` (W3C Trace Context)."""
        return [pair for pair in self.headers.raw if pair[0] in ("traceparent", "tracestate")]

    def _beginning(self, prefix: str) -> list[tuple[str, str]]:
        return [pair for pair in self.headers.raw if pair[0].startswith(prefix)]
