"""The ASGI requests of an endpoint: passes each request to the object that answers it.

    GET <health>/live, <health>/ready     transports/health.py
    GET <contracts>/...                   transports/pages.py, in development
    GET, POST <api>/...                   api/
    GET <metrics>                         exporter/
    GET, POST <dashboard>/...             dashboard/
    GET /socket/phoenix.mjs, bennu.mjs    transports/script.py
    GET, POST /socket/longpoll            transports/longpoll/
    WebSocket /socket/websocket           transports/native.py under `bennu run`, else transports/asgi.py

Protocol document, §1.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from .api import APIServer
from .dashboard import DashboardServer
from .exporter import Exporter
from .longpoll import LongPoll
from .protocol.proxies import TrustedProxies
from .server.handshake import Accepted, shake_hands
from .server.request import ConnectRequest, Denied, Target
from .server.server import Server
from .transports.asgi import ASGIWebSocket, deny
from .transports.health import Health, Readiness
from .transports.host_guard import HostGuard
from .transports.longpoll import Exchange, LongPolling
from .transports.pages import PageServer
from .transports.proxied import forwarded_scope
from .transports.routes import Routes
from .transports.script import ClientScript
from .transports.upgrade import EXTENSION, Upgrade

__all__ = ["ASGIApp", "Dispatch", "Event", "Receive", "Scope", "Send"]

Event = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

NOT_FOUND: Final = Denied(404, b"Not Found")


class Dispatch:
    """Passes each request of an endpoint to the object that answers it.

    Args:
        server: The endpoint's server.
        routes: The sockets, by their paths.
        host_guard: Refuses requests for other hosts.
        longpolling: Answers clients that poll.
        health: The pages about the endpoint's health.
        pages: The pages for development.
        script: The JavaScript client.
        api: The HTTP API.
        exporter: Answers with the metrics.
        dashboard: Answers with the dashboard.
        proxies: The proxies whose X-Forwarded headers are used; None ignores these headers.
        native: Whether Bennu takes over the TCP connection of a WebSocket at accept, under a server that allows it.

    Attributes:
        longpolling: As given.
    """

    def __init__(
        self,
        server: Server,
        routes: Routes,
        *,
        host_guard: HostGuard,
        longpolling: LongPolling,
        health: Health,
        pages: PageServer,
        script: ClientScript,
        api: APIServer,
        exporter: Exporter,
        dashboard: DashboardServer,
        proxies: TrustedProxies | None,
        native: bool,
    ) -> None:
        self._server = server
        self._routes = routes
        self._host_guard = host_guard
        self.longpolling = longpolling
        self._health = health
        self._pages = pages
        self._script = script
        self._api = api
        self._exporter = exporter
        self._dashboard = dashboard
        self._proxies = proxies
        self._native = native

    def answers(self, scope: Scope) -> bool:
        """Return whether a request is for a path of the endpoint."""
        return (
            self._routes.find(scope) is not None
            or self._health.answers(scope)
            or self._script.answers(scope)
            or self._pages.answers(scope)
            or self._api.answers(scope)
            or self._exporter.answers(scope)
            or self._dashboard.answers(scope)
        )

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, *, readiness: Readiness
    ) -> None:
        """Answer a request.

        Args:
            scope: The request: of the type ``http`` or ``websocket``.
            receive: The ASGI callable.
            send: The ASGI callable.
            readiness: Whether new clients can come, for the page about it.
        """
        if self._health.answers(scope):
            await self._health.answer(scope, send, readiness=readiness)
            return
        if self._script.answers(scope):
            await self._script.answer(scope, send)
            return
        target, scope = self._routes.find(scope), self._forwarded_scope(scope)
        if self._pages.answers(scope):
            await self._pages.answer(scope, send, self._host_guard.refuse(scope, scope["path"]))
            return
        if self._api.answers(scope):
            denied = self._host_guard.refuse(scope, scope["path"])
            await self._api.serve(scope, receive, send, denied=denied)
            return
        if self._exporter.answers(scope):
            await self._exporter.serve(scope, send)
            return
        if self._dashboard.answers(scope):
            denied = self._host_guard.refuse(scope, scope["path"])
            await self._dashboard.serve(scope, receive, send, denied=denied)
            return
        if target is not None and target.longpoll is not None and scope["type"] == "http":
            await self._poll(target, target.longpoll, Exchange(scope, receive, send))
            return
        native: Upgrade | None = None
        if scope["type"] == "websocket" and self._native:
            native = scope.get("extensions", {}).get(EXTENSION)
        if native is not None and not native.is_taken:  # else a middleware has begun to receive
            await self._upgrade(target, scope, native)
            return
        request = self._request(target, scope)
        if isinstance(request, Denied):
            await deny(scope, receive, send, request)
            return
        outcome = await shake_hands(self._server, request)
        if isinstance(outcome, Accepted):
            if scope["type"] == "websocket":
                await ASGIWebSocket(receive, send).run(self._server, outcome)
                return
            reason = request.explain_upgrade() or "the server did not upgrade the connection"
            outcome = Denied(400, reason.encode())
        await deny(scope, receive, send, outcome)

    async def serve_native(self, scope: Scope, native: Upgrade) -> None:
        """Answer a request to upgrade under ``bennu run``, on its TCP connection.

        Args:
            scope: The request, of the type ``websocket``.
            native: The upgrade, which has the TCP connection.
        """
        target = self._routes.find(scope)
        await self._upgrade(target, self._forwarded_scope(scope), native)

    async def _upgrade(self, target: Target | None, scope: Scope, native: Upgrade) -> None:
        request = self._request(target, scope)
        if isinstance(request, Denied):
            native.deny(request)
            return
        outcome = await shake_hands(self._server, request)
        if isinstance(outcome, Accepted):
            reason = request.explain_upgrade()
            if reason is None:
                native.accept(self._server, outcome, request.key)
                return
            self._server.log.info("REFUSED CONNECTION TO %s: %s", scope["path"], reason)
            outcome = Denied(400, reason.encode())
        native.deny(outcome)

    async def _poll(self, target: Target, options: LongPoll, exchange: Exchange) -> None:
        """Answer a request of a client that polls."""
        denied = self._host_guard.refuse(exchange.scope, target.mount)
        if denied is None:
            await self.longpolling.serve(target, options, exchange)
        else:
            await exchange.forbid(denied.status, denied.body)

    def _request(self, target: Target | None, scope: Scope) -> ConnectRequest | Denied:
        """Return a request for a WebSocket, if its path leads to one and its host is served."""
        if target is None or target.longpoll is not None:
            if scope["type"] == "websocket":
                self._server.log.info(
                    "REFUSED CONNECTION TO %s: no socket has this path; WebSockets are at: %s",
                    scope["path"],
                    self._routes.described,
                )
            return NOT_FOUND
        denied = self._host_guard.refuse(scope, target.mount)
        return denied or ConnectRequest(target, scope, "websocket")

    def _forwarded_scope(self, scope: Scope) -> Scope:
        if self._proxies is None:
            return scope
        return forwarded_scope(self._proxies, scope, self._server.log)
