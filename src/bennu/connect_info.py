"""What is known of a client's request: the ``info`` that ``connect`` may ask for. Protocol, §1.10."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

__all__ = ["URI", "ConnectInfo", "Headers", "Peer"]


_PORT = re.compile(r":([0-9]{0,5})\Z")


class Peer(NamedTuple):
    """The other end of the connection; both None on a Unix socket."""

    host: str | None
    port: int | None


class URI(NamedTuple):
    """What was asked for."""

    scheme: str
    host: str | None
    port: int | None
    path: str
    query: str


class Headers(Mapping[str, str]):
    """The request's headers, by name in any case. Of a repeated header this is the first value."""

    __slots__ = ("_packed",)

    def __init__(self, raw: list[tuple[bytes, bytes]] | tuple[tuple[bytes, bytes], ...]) -> None:
        # One bytes object instead of a list of tuples: every connection keeps its headers, and ten
        # thousand lists of tuples would be most of what an idle connection weighs.
        self._packed = b"\n".join([name + b":" + value for name, value in raw])

    @property
    def raw(self) -> list[tuple[str, str]]:
        """All headers as they came, names in lower case."""
        pairs = [line.partition(b":") for line in self._packed.split(b"\n") if line]
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, _, value in pairs]

    def getlist(self, name: str) -> list[str]:
        """Return every value of a header."""
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


class ConnectInfo:
    """The request that opened a connection. Everything is worked out when it is asked for.

    Attributes:
        transport: ``"websocket"`` or ``"longpoll"``.
        headers: Its headers.
        auth_token: The token that the client sent beside the URL, if the socket has
            ``auth_token=True``; not verified.
        state: What the endpoint's lifespan yielded.
    """

    __slots__ = (
        "_client",
        "_path",
        "_query",
        "_scheme",
        "auth_token",
        "headers",
        "state",
        "transport",
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
        self.transport = transport
        self.state = state
        self.auth_token = auth_token
        self.headers = Headers(scope["headers"] if headers is None else headers)
        self._client: tuple[str, int | str | None] | None = scope.get("client")
        self._scheme: str = scope.get("scheme", "ws")
        self._path: str = scope["path"]
        self._query: bytes = scope.get("query_string", b"")

    @property
    def peer(self) -> Peer:
        """The address that the connection came from."""
        if not self._client:
            return Peer(None, None)
        host, port = self._client[:2]
        return Peer(host, None if port is None else int(port))  # granian's is text

    @property
    def user_agent(self) -> str | None:
        """The User-Agent header."""
        return self.headers.get("user-agent")

    @property
    def uri(self) -> URI:
        """Scheme (``http`` or ``https``), host, port, path and query of the request."""
        scheme = {"ws": "http", "wss": "https"}.get(self._scheme, self._scheme)
        host, port = self.headers.get("host") or "", ""
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
        """The cookies, decoded; what is malformed is left out, and harms no other cookie."""
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
        """All headers whose name begins with ``sec-websocket-``; an auth token is taken out."""
        return self._beginning("sec-websocket-")

    @property
    def trace_context_headers(self) -> list[tuple[str, str]]:
        """The headers ``traceparent`` and ``tracestate`` (W3C Trace Context)."""
        return [pair for pair in self.headers.raw if pair[0] in ("traceparent", "tracestate")]

    def _beginning(self, prefix: str) -> list[tuple[str, str]]:
        return [pair for pair in self.headers.raw if pair[0].startswith(prefix)]
