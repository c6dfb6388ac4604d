"""Sets a request's client, scheme and host to the values of trusted proxies: see :mod:`bennu.protocol.proxies`.

An endpoint does this for its own requests (``Endpoint(trusted_proxies=...)``). ``bennu run --trusted-proxies`` does it
for all requests of an application (:class:`Proxied`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from ..connect_info import AUTHORITY
from ..logs.log import Log
from ..protocol.proxies import TrustedProxies

__all__ = ["PEER", "Proxied", "forwarded_scope"]


PEER: Final = "bennu.peer"
"""The key in the scope of the connection's own address, under ``bennu run``. A middleware can change ``client``."""


def forwarded_scope(
    proxies: TrustedProxies, scope: MutableMapping[str, Any], log: Log
) -> MutableMapping[str, Any]:
    """Return a scope with the client, the scheme and the host that trusted proxies give.

    Args:
        proxies: The trusted proxies.
        scope: The ASGI scope of the request. It is returned unchanged if the connection comes from no trusted proxy.
        log: Gets a warning about malformed headers.
    """
    peer = scope[PEER] if PEER in scope else scope.get("client")
    said = proxies.read(peer[0] if peer else None, scope["headers"])
    if said is None:
        return scope
    if said.malformed:
        names = ", ".join(said.malformed)
        log.warning(
            "Ignoring malformed headers of a proxy in a request to %s: %s", scope["path"], names
        )
    scheme = said.scheme
    if scheme is not None and scope["type"] == "websocket":
        scheme = scheme.replace("http", "ws")
    known = {"client": said.client, "scheme": scheme, AUTHORITY: said.authority}
    return {**scope, **{key: value for key, value in known.items() if value is not None}}


class Proxied:
    """An ASGI application whose requests have the client, the scheme and the host that trusted proxies give.

    Args:
        app: The application to call.
        proxies: The trusted proxies.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies
        self._log = Log()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Call the application with a changed scope. The scope is changed in place for the access log."""
        if scope["type"] in ("http", "websocket"):
            scope.update(forwarded_scope(self._proxies, scope, self._log))
            if scope.get("client"):
                host, port = scope["client"]
                scope["client"] = (host, port or 0)  # servers format the port as a number
        await self._app(scope, receive, send)
