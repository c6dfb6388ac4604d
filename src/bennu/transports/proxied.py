"""A request as the proxies between it and us say it was: see :mod:`bennu.protocol.proxies`.

An endpoint asks for its own requests (``Endpoint(trusted_proxies=...)``); ``bennu run --trusted-proxies`` asks for all
of an application, in front of it: :class:`Proxied`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from ..connect_info import AUTHORITY
from ..logs.log import Log
from ..protocol.proxies import TrustedProxies

__all__ = ["PEER", "Proxied", "as_proxies_say"]


PEER: Final = "bennu.peer"
"""Where in the scope of our own server the address stands that a connection comes from, whatever
middleware made of ``client``."""


def as_proxies_say(
    proxies: TrustedProxies, scope: MutableMapping[str, Any], log: Log
) -> MutableMapping[str, Any]:
    """Return a scope with the client, the scheme and the host that trusted proxies name."""
    peer = scope[PEER] if PEER in scope else scope.get("client")
    said = proxies.read(peer[0] if peer else None, scope["headers"])
    if said is None:
        return scope
    if said.malformed:
        names = ", ".join(said.malformed)
        log.warning(
            "Ignoring what a proxy says of a connection to %s: malformed %s", scope["path"], names
        )
    scheme = said.scheme
    if scheme is not None and scope["type"] == "websocket":
        scheme = scheme.replace("http", "ws")
    known = {"client": said.client, "scheme": scheme, AUTHORITY: said.authority}
    return {**scope, **{key: value for key, value in known.items() if value is not None}}


class Proxied:
    """An application that is told the client, the scheme and the host that trusted proxies name.

    Args:
        app: The application.
        proxies: Whose word counts.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies
        self._log = Log()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one scope; it is changed in place, so that the access log shows the client too."""
        if scope["type"] in ("http", "websocket"):
            scope.update(as_proxies_say(self._proxies, scope, self._log))
            if scope.get("client"):
                host, port = scope["client"]
                scope["client"] = (host, port or 0)  # servers format it as a number
        await self._app(scope, receive, send)
