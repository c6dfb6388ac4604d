"""The addresses of a socket: URLs, parameters, and the subprotocols that carry a token. Pure.

Protocol document, §1.6 and §1.7. ``ws://host/socket`` is the path of a socket, as in ``new Socket("ws://host/socket")``
of phoenix.js. ``/websocket`` or ``/longpoll`` is added to it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit, urlunsplit

from ..errors import DefinitionError
from ..logs.printable import described

__all__ = ["SocketURL", "query_of", "subprotocols_of"]

TOKEN_PREFIX: Final = "base64url.bearer.phx."  # noqa: S105 - a prefix of tokens

_WEBSOCKET: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HTTP: Final = {"ws": "http", "wss": "https"}


class SocketURL:
    """The address of a socket.

    Args:
        url: ``ws://`` or ``wss://`` (or ``http://``, ``https://``), the host, and the path of the socket. A query is
            kept.

    Raises:
        DefinitionError: It is no such URL.

    Example:
        >>> SocketURL("wss://example.com/socket").websocket("vsn=2.0.0")
        'wss://example.com/socket/websocket?vsn=2.0.0'
        >>> SocketURL("wss://example.com/socket").longpoll("vsn=2.0.0")
        'https://example.com/socket/longpoll?vsn=2.0.0'
    """

    __slots__ = ("_host", "_path", "_query", "scheme")

    def __init__(self, url: str) -> None:
        try:
            found = urlsplit(url)
            scheme = _WEBSOCKET.get(found.scheme)
            is_url = scheme is not None and bool(found.hostname) and (found.port or 1) > 0
        except (ValueError, TypeError, AttributeError):
            is_url = False
            scheme = None
            found = urlsplit("")
        if not is_url or scheme is None:
            raise DefinitionError(
                "the URL of a client",
                expected="ws:// or wss://, a host, and the path of a socket",
                got=described(url),
                write='Client("wss://example.com/socket")',
            )
        if found.fragment:
            raise DefinitionError(
                "the URL of a client",
                expected="a URL without a fragment",
                got=described(url),
                write='params={"page": "..."} for what the server shall know',
            )
        path = found.path.rstrip("/")
        for ending in ("/websocket", "/longpoll"):
            path = path.removesuffix(ending)
        self.scheme: str = scheme
        self._host, self._path, self._query = found.netloc, path, found.query

    def websocket(self, query: str) -> str:
        """Return the URL of the WebSocket, with a query."""
        return self._with(self.scheme, "/websocket", query)

    def longpoll(self, query: str) -> str:
        """Return the URL of long polling, with a query."""
        return self._with(_HTTP[self.scheme], "/longpoll", query)

    @property
    def is_secure(self) -> bool:
        """Whether the connection uses TLS."""
        return self.scheme == "wss"

    def __str__(self) -> str:
        return urlunsplit((self.scheme, self._host.rpartition("@")[2], self._path, "", ""))

    def _with(self, scheme: str, ending: str, query: str) -> str:
        both = "&".join(filter(None, (self._query, query)))
        return urlunsplit((scheme, self._host, self._path + ending, both, ""))


def query_of(params: Mapping[str, Any]) -> str:
    """Return parameters as a query string, in the form that Phoenix reads.

    A mapping is ``a[key]=value``, a list ``a[]=value``. None is left out. True is ``true``.

    Raises:
        DefinitionError: A value has no text form.

    Example:
        >>> query_of({"token": "a b", "room": {"id": 7}, "tags": ["x", "y"], "no": None, "is_old": False})
        'token=a%20b&room[id]=7&tags[]=x&tags[]=y&is_old=false'
    """
    return "&".join(_pairs("", params))


def subprotocols_of(token: str) -> list[str]:
    """Return the subprotocols that carry a token, as phoenix.js 1.8 sends them.

    Example:
        >>> subprotocols_of("abcd")
        ['phoenix', 'base64url.bearer.phx.YWJjZA']
    """
    encoded = base64.b64encode(token.encode()).decode().rstrip("=")
    return ["phoenix", TOKEN_PREFIX + encoded]


def _pairs(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[Any, Any]", value).items():
            escaped = quote(str(key), safe="")
            yield from _pairs(f"{name}[{escaped}]" if name else escaped, inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[Any]", value):
            yield from _pairs(f"{name}[]", inner)
    elif value is None:
        return
    elif isinstance(value, bool):
        yield f"{name}={str(value).lower()}"
    elif isinstance(value, str | int | float):
        yield f"{name}={quote(str(value), safe='')}"
    else:
        raise DefinitionError(
            f"the parameter {name!r} of a client",
            expected="text, a number, a bool, None, or a dict or list of these",
            got=described(value),
            write=f'params={{"{name}": str(...)}}',
        )
