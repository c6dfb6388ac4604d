"""The endpoint: sockets under their paths, as an ASGI application.

An endpoint runs by itself (``bennu run module:endpoint``), is mounted in a FastAPI or Starlette application, or
wraps another application (``endpoint.wrap(django_application)``). Protocol document, §1.1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any

from .api import Api, APIServer
from .asgi import ASGIApp, Dispatch, Receive, Scope, Send
from .blocking_endpoint import BlockingEndpoint
from .bus import BusAdapter
from .bus.address import BUS, given_bus
from .dashboard import Dashboard, DashboardServer
from .endpoint_options import API, DASHBOARD, LIMITS, METRICS, PAGES, THREADS, WORDS
from .endpoint_sending import EndpointSending
from .exporter import Exporter
from .history.reader import LogReader
from .lifecycle import Lifecycle
from .lifespan import Lifespan, mounted_lifespan, read_lifespan, serve_lifespan
from .limits.limits import Limits, Threads
from .loop.home import Home
from .metrics import Metrics
from .metrics.options import given_metrics
from .origin_check import OriginCheck, OriginPolicy
from .presence import Presence
from .presence.given import presences_of
from .protocol.hosts import Hosts
from .protocol.proxies import TrustedProxies
from .pubsub import MessageTypes, PubSub
from .secret_key import Secret, given_secret
from .server.declared import DeclaredEvents
from .server.drain import Drainer
from .server.histories import logs_of
from .server.idempotent_pushes import pushes_of
from .server.moving import Mover
from .server.server import Server
from .socket import Socket, SocketBase
from .store import Store
from .store.address import STORE, given_store, given_store_source
from .telemetry import SECRET_TERMS, ParameterFilter, Telemetry
from .tracing import Tracing
from .tracing.given import TRACING, tracer_of
from .transports.health import Health
from .transports.host_guard import HostGuard
from .transports.longpoll import LongPolling
from .transports.pages import DevelopmentPages, PageServer
from .transports.routes import Routes, expect_sockets
from .transports.script import ClientScript
from .transports.upgrade import Upgrade
from .user_code.options import CLASSES, FLAG, SECONDS, TEXT, TEXTS, optional, options
from .wrapped import WrappedApplication

__all__ = ["Endpoint"]


@options(
    trusted_proxies=TEXTS,
    hosts=optional(TEXTS),
    native=FLAG,
    debug=optional(FLAG),
    health=optional(TEXT),
    filter_parameters=WORDS,
    pubsub=optional(BUS),
    messages=CLASSES,
    move_clients_after=optional(SECONDS),
    store=optional(STORE),
    api=optional(API),
    contracts=optional(PAGES),
    metrics=optional(METRICS),
    tracing=TRACING,
    dashboard=optional(DASHBOARD),
    limits=optional(LIMITS),
    threads=optional(THREADS),
)
class Endpoint(EndpointSending):
    """Where clients connect: an ASGI application.

    Args:
        sockets: The sockets by their mount paths. A path can contain variables: ``/ws/{tenant}``. Variables are
            parameters of ``connect``, and win over parameters of the query.
        lifespan: A function that returns an async context manager, entered at start-up. What it yields is
            ``state``. The function can take the endpoint.
        check_origin: Which pages can connect: ``"host"`` (their host is the Host header), ``"conn"``
            (scheme and port too), a list of origins, a function, or False for all.
        limits: The number of clients, and how fast clients can connect; None means no limit.
        threads: The worker threads for plain functions, and what runs around each call; None means
            :class:`~bennu.Threads` with its defaults.
        trusted_proxies: Addresses and networks of proxies (``"10.0.0.0/8"``, or ``"unix"`` for a Unix socket).
            Their X-Forwarded headers name the client, and the scheme and host of its request. By default no
            proxy is trusted.
        hosts: The hosts that are served, by the Host header: ``["example.com", "*.example.com"]``, without
            ports; ``"*"`` means all. Other requests to the sockets get 403, and malformed headers get 400.
            None serves all hosts. In development (``debug``) None serves only loopback names, if the listener
            is on loopback. The health pages are served for all hosts.
        native: Whether WebSockets leave the ASGI application at accept, under ``bennu run``. With False
            middleware sees the whole life of a WebSocket, at a higher cost.
        filter_parameters: Hides values in logs whose key contains one of these words, in any case and with any
            separators. The default has the usual words: ``password``, ``token``, ``secret`` and so on.
        debug: Whether outgoing events and payloads are checked against ``emits``, and ``contracts`` is served. None
            reads the variable BENNU_DEBUG, which ``bennu run --reload`` sets.
        secret_key: At least 20 bytes that sign the tokens of long polling; several during a rotation. All nodes
            need the same secret. None reads the variable BENNU_SECRET_KEY, which ``bennu run --workers`` sets;
            without it the secret is random, and no other process knows it.
        presence: A :class:`~bennu.Presence`, or several with different names.
        pubsub: The bus between the nodes: an address (``"ipc:///run/chat"``, ``"redis://cache:6379"``,
            ``"nats://broker:4222"``, ``"postgresql://db/chat"``, ``"local://"`` for a node alone), or a
            :class:`~bennu.bus.BusAdapter`. Broadcasts, disconnects, presences and long polling travel over it.
            None reads the variable BENNU_PUBSUB, which ``bennu run --workers`` sets; without it the node is alone.
        messages: Classes of messages that server code sends to the listeners of other nodes
            (``endpoint.pubsub.broadcast``). The classes of ``@on_info`` handlers are known without it.
        move_clients_after: Seconds without the bus after which the clients of this node are closed with 1012, in the
            batches of each socket's ``drain``, so that they connect to other nodes. Default: None, they stay.
        store: Keeps the histories of topics: an address (``"redis://cache:6379"``, ``"postgresql+asyncpg://db/chat"``,
            ``"sqlite+aiosqlite:///chat.db"``, ``"nats://broker:4222"``), or a :class:`~bennu.store.Store`. None reads the
            variable BENNU_STORE; without it the store is in the memory of this process, and nodes on a bus can't use it.
        api: An :class:`~bennu.Api`: other services publish, disconnect and ask over HTTP, with a key. None serves none.
        health: The path of the health pages ``<health>/ready`` and ``<health>/live``. None serves none.
        contracts: :class:`~bennu.contracts.ContractPages`: pages that show the topics, events and types, in
            development (``debug``) only. None serves none.
        metrics: The path of metrics for Prometheus (``"/metrics"``), or a :class:`~bennu.Metrics`. Without a token only
            programs on the same machine get them. None counts nothing.
        tracing: Whether spans are made, with the global tracer provider of OpenTelemetry; or a :class:`~bennu.tracing.Tracing`.
        dashboard: A :class:`~bennu.Dashboard`: a page that shows what the nodes do. None serves none.

    Raises:
        DefinitionError: A socket or channel can't work. The error says what to write.

    Example:
        >>> endpoint = Endpoint(sockets={})
    """

    def __init__(
        self,
        sockets: Mapping[str, SocketBase[Any]],
        *,
        lifespan: Lifespan | None = None,
        check_origin: OriginPolicy = "host",
        limits: Limits | None = None,
        threads: Threads | None = None,
        trusted_proxies: Sequence[str] = (),
        hosts: Sequence[str] | None = None,
        native: bool = True,
        filter_parameters: ParameterFilter | tuple[str, ...] = SECRET_TERMS,
        debug: bool | None = None,
        secret_key: Secret | None = None,
        health: str | None = None,
        presence: Presence | Sequence[Presence] = (),
        pubsub: str | BusAdapter | None = None,
        messages: Sequence[type] = (),
        move_clients_after: float | None = None,
        store: str | Store | None = None,
        api: Api | None = None,
        contracts: DevelopmentPages | None = None,
        metrics: Metrics | str | None = None,
        tracing: Tracing | bool = False,
        dashboard: Dashboard | None = None,
    ) -> None:
        if debug is None:
            debug = os.environ.get("BENNU_DEBUG", "") not in ("", "0")
        hide = filter_parameters
        if not isinstance(hide, ParameterFilter):
            hide = ParameterFilter(hide)
        expect_sockets(sockets)
        board = DashboardServer(dashboard, debug=debug)
        sockets = board.beside(sockets)
        presences, secret = presences_of(presence), given_secret(secret_key)
        self.native = native
        self._routes = Routes(sockets, OriginCheck(check_origin))
        for socket in sockets.values():
            socket.expect_guard(check_origin)
        self._home = Home()
        self.telemetry = Telemetry(self._home)
        types = MessageTypes(messages, (kind for one in sockets.values() for kind in one.infos()))
        tracer = tracer_of(tracing, sockets)
        make_pubsub = PubSub if tracer is None else tracer.pubsub
        self.pubsub = make_pubsub(self.telemetry, given_bus(pubsub), self._home, types)
        source = given_store_source(store)
        logs = logs_of(sockets, keeper := given_store(source), self.pubsub, source)
        self.pubsub.logs = logs
        self._server = server = Server(
            self,
            self.pubsub,
            self.telemetry,
            debug=debug,
            connection_limits=None if limits is None else limits.connection_limits(),
            threads=threads,
            hide=hide,
            reader=LogReader(logs),
        )
        server.tracer, server.pushes = tracer, pushes_of(sockets, keeper, server)
        server.declared = DeclaredEvents(sockets.values()) if debug else None
        self.sockets = MappingProxyType(dict(sockets))
        self.presences, self.limits = tuple(presences), limits
        longpolling = LongPolling(server, secret)
        board.bind(server, presences, logs, secret)
        drainer = Drainer(server, sockets)
        mover = Mover(server, drainer, move_clients_after)
        exporter = Exporter(
            given_metrics(metrics), server, self.sockets, self.mounts, self.presences, logs
        )
        self._dispatch = Dispatch(
            server,
            self._routes,
            host_guard=HostGuard(None if hosts is None else Hosts(hosts), server.log, debug=debug),
            longpolling=longpolling,
            health=Health(health),
            pages=PageServer(contracts if debug else None, self),
            script=ClientScript(path for path, one in sockets.items() if isinstance(one, Socket)),
            api=APIServer(api, server, presences),
            exporter=exporter,
            dashboard=board,
            proxies=TrustedProxies(trusted_proxies) if trusted_proxies else None,
            native=native,
        )
        self._lifecycle = Lifecycle(
            server, drainer, mover, longpolling, presences, read_lifespan(lifespan), exporter, board
        )

    # Start and stop.

    async def start(self) -> None:
        """Start the endpoint, and enter the lifespan. The server or the mounting application does it.

        Until :meth:`stop` the endpoint belongs to the running event loop. An endpoint whose event loop was closed
        without a stop starts anew.

        Raises:
            WrongThread: The endpoint is started on another event loop.
        """
        await self._lifecycle.start()

    async def drain(self, *, delay: float = 0.0, timeout: float | None = None) -> None:  # noqa: ASYNC109 - shared out among steps
        """Let all clients go, in batches, before the server stops. ``bennu run`` does it by itself.

        From now on ``is_ready`` is False. After ``delay`` new clients are refused with 503, channels that handle
        :class:`~bennu.Draining` are called, and connections are closed with 1012, as the ``drain`` of each socket
        says. The call ends when the channels of these connections have ended. A second call waits for the first.

        Args:
            delay: Seconds in which all goes on, so that load balancers notice.
            timeout: The most seconds for the rest; None means the times of the sockets.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        await self._lifecycle.drain(delay=delay, timeout=timeout)

    async def stop(self) -> None:
        """Close all connections, wait for the channels to end, and leave the lifespan.

        If the endpoint is not started, this does nothing.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint was started by a parent process.
        """
        await self._lifecycle.stop()

    def lifespan(
        self, inner: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None
    ) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
        """Return a lifespan for the application that this endpoint is mounted in.

        Args:
            inner: The application's own lifespan, if it has one.

        Example:
            ``app = FastAPI(lifespan=endpoint.lifespan(mine)); app.mount("/rt", endpoint)``
        """
        return mounted_lifespan(self._lifecycle, inner)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return an application that answers the endpoint's paths, and leaves all others to the given one.

        Example:
            ``application = endpoint.wrap(get_asgi_application())``
        """
        return WrappedApplication(app, self, self._dispatch, self._lifecycle)

    # ASGI.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await serve_lifespan(self._lifecycle, receive, send)
            return
        if not self._lifecycle.is_here:
            await self._lifecycle.start_late()
        await self._dispatch.serve(scope, receive, send, readiness=self._lifecycle.readiness)

    async def serve_native(self, scope: Scope, native: Upgrade) -> None:
        """Serve a request to upgrade on a TCP connection of ``bennu run``, without ASGI's receive and send."""
        if not self._lifecycle.is_here:
            await self._lifecycle.start_late()
        await self._dispatch.serve_native(scope, native)

    @property
    def sync(self) -> BlockingEndpoint:
        """The same methods for other threads: each call blocks until the event loop has done it."""
        return BlockingEndpoint(self, self._home)
