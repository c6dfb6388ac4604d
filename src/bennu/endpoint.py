"""The endpoint: sockets under their paths, as an ASGI application.

It runs by itself (``bennu run module:endpoint``), is mounted in a FastAPI or Starlette application, or
wraps any other (``endpoint.wrap(django_application)``). Protocol document, §1.1.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import traceback
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from typing import Any, Final, cast

from .channel import Channel
from .errors import DefinitionError, source_line
from .limits.limits import Limits, Threads
from .logs.log import Log
from .longpoll import LongPoll
from .loop.blocking import blocking
from .loop.home import Home
from .loop.siblings import other_workers
from .message import Broadcast, Disconnect, SocketId, expect_event
from .origin_check import OriginCheck, OriginPolicy
from .presence import Presence
from .protocol.hosts import Hosts
from .protocol.proxies import TrustedProxies
from .pubsub import Bus, PubSub
from .secret_key import Secret, secrets_of
from .server.drain import Drainer
from .server.handshake import Accepted, shake_hands
from .server.request import Denied, Target, explain_request
from .server.server import Server
from .socket import Socket, SocketBase
from .telemetry import SECRET_TERMS, ParameterFilter, Telemetry
from .transports.asgi import ASGIWebSocket, deny
from .transports.health import Health
from .transports.host_guard import HostGuard
from .transports.longpoll import Exchange, LongPolling
from .transports.proxied import as_proxies_say
from .transports.routes import Routes
from .transports.script import ClientScript
from .transports.upgrade import EXTENSION, Upgrade, key_of
from .user_code.callback import Callback
from .user_code.functions import name_of
from .user_code.options import FLAG, TEXT, TEXTS, Option, optional, options

__all__ = ["Endpoint"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Lifespan = Callable[..., AbstractAsyncContextManager[Any]]

WORDS: Final = Option(
    "a list of words, or a ParameterFilter",
    lambda value: isinstance(value, ParameterFilter) or TEXTS.fits(value),
    '["password", "iban"]',
)
BUS: Final = Option(
    "a Bus: an object with node_name, start, stop and publish",
    lambda value: all(hasattr(value, name) for name in ("node_name", "start", "stop", "publish")),
    'LocalBus("web-1")',
)

STOP = "`await endpoint.stop()` on the event loop on which it was started,"
"""What another event loop is told to write."""

NOT_FOUND = Denied(404, b"Not Found")


@options(
    trusted_proxies=TEXTS,
    hosts=optional(TEXTS),
    native=FLAG,
    debug=optional(FLAG),
    health=optional(TEXT),
    filter_parameters=WORDS,
    bus=optional(BUS),
)
class Endpoint:
    """Where clients connect: an ASGI application.

    Args:
        sockets: Each under the path that it is mounted on. A path may hold variables,
            ``/ws/{tenant}``; they are added to the parameters of ``connect``, and win over the
            query's.
        lifespan: An async context manager, entered at start-up; what it yields is ``state``. It may
            take the endpoint.
        check_origin: Which pages may connect: ``"host"`` (their host is the Host header), ``"conn"``
            (scheme and port too), a list of origins, a function, or False for all.
        limits: How many clients may connect, and how fast; None is no limit.
        threads: How many worker threads run plain functions, and what runs around each call;
            None is :class:`~bennu.Threads` with its defaults.
        trusted_proxies: Addresses and networks of proxies (``"10.0.0.0/8"``, and ``"unix"`` for a Unix
            socket), whose X-Forwarded headers say who the client is and what it asked for. Nobody
            is trusted by default.
        hosts: The hosts that are served, by the Host header: ``["example.com", "*.example.com"]``, without
            ports; ``"*"`` is all. Other requests to its sockets get 403, and malformed headers 400.
            None serves all hosts, but in development (``debug``) only loopback names where the listener
            is on loopback. The health pages are for all.
        native: Whether WebSockets leave the ASGI application at accept, under ``bennu run``.
            With False middleware sees their whole life, at a price.
        filter_parameters: Values in logs are hidden if their key contains one of these words, whatever its case
            and separators. The default has the usual ones: ``password``, ``token``, ``secret`` and so on.
        debug: Whether outgoing payloads are checked against ``emits``. None looks at the variable
            BENNU_DEBUG, which ``bennu run --reload`` sets.
        secret_key: At least 20 bytes that sign what clients are given to bring back: the sessions of
            long polling. None makes one at random, which no other process knows: fine for one.
        presence: A :class:`~bennu.Presence`, or several, each with a name of its own.
        bus: What replicates presences between nodes; None is a node alone. Broadcasts, disconnects and long
            polling stay inside one process. No bus comes with Bennu yet.
        health: A path; ``<health>/ready`` and ``<health>/live`` say below it how the server is. None
            has no such pages.

    Raises:
        DefinitionError: A socket or channel can't work; it says what to write.

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
        bus: Bus | None = None,
    ) -> None:
        _expect_sockets(sockets)
        self.native = native
        self._home = Home()
        self.telemetry = Telemetry(self._home)
        self.pubsub = PubSub(self.telemetry, bus, self._home)
        self._presences = _presences(presence)
        if debug is None:
            debug = os.environ.get("BENNU_DEBUG", "") not in ("", "0")
        connection_limits = None if limits is None else _limits(limits).connection_limits()
        hide = filter_parameters
        if not isinstance(hide, ParameterFilter):
            hide = ParameterFilter(hide)
        self._server = Server(
            self,
            self.pubsub,
            self.telemetry,
            debug=debug,
            connection_limits=connection_limits,
            threads=_threads(threads),
            hide=hide,
        )
        self._proxies = TrustedProxies(trusted_proxies) if trusted_proxies else None
        self._mounts = tuple(sockets)
        self._host_guard = HostGuard(
            None if hosts is None else Hosts(hosts), self._server.log, debug=debug
        )
        self._routes = Routes(sockets, OriginCheck(check_origin))
        self._longpolling = LongPolling(self._server, _secret(secret_key))
        for socket in sockets.values():
            socket.expect_guard(check_origin)
        self._drainer = Drainer(self._server, sockets)
        self._health = Health(health)
        mounts = [mount for mount, socket in sockets.items() if isinstance(socket, Socket)]
        self._script = ClientScript(mounts)
        self._lifespan = _lifespan(lifespan)
        self._stack: AsyncExitStack | None = None
        self._starting: asyncio.Lock | None = None

    # Start and stop.

    @property
    def state(self) -> Any:
        """What the lifespan yielded."""
        return self._server.state

    @property
    def is_started(self) -> bool:
        """Whether it has been started in this process, and not stopped since."""
        return self._stack is not None and self._home.is_in_process

    @property
    def mounts(self) -> dict[str, list[str]]:
        """The sockets: the mount path of each, and its transports (``"websocket"``, ``"longpoll"``)."""
        return self._routes.mounts()

    @property
    def is_ready(self) -> bool:
        """Whether clients shall be sent here: it has been started, and does not drain."""
        return self.is_started and not self._drainer.has_begun

    @property
    def connections(self) -> int:
        """How many clients are connected to this process."""
        return len(self._server.connections)

    async def start(self) -> None:
        """Enter the lifespan. A server does it, or the application that it is mounted in.

        From here to :meth:`stop` the endpoint belongs to the running event loop. An endpoint whose event loop
        was closed without a stop starts anew.

        Raises:
            WrongThread: It is started on another event loop.
        """
        if self._home.is_abandoned:
            self._abandon()
        self._home.start()
        if self._stack is not None:
            return
        self._server.start()
        self._server.lines.follow()  # not before: servers set up logging at start-up
        await self._drainer.start()
        stack = AsyncExitStack()
        try:
            await self._begin(stack)
        except BaseException:
            try:
                await self._end_presences()
                await self.pubsub.stop()
            finally:
                self._drainer.stop()
                self._server.let_go()
            raise
        self._stack = stack
        if (workers := other_workers()) is not None:
            self._server.log.warning(
                "%s, and this endpoint reaches the clients of its own process only: a broadcast, a disconnect"
                " and a request of long polling may miss the client that they are for. Run one worker",
                workers,
            )

    async def _begin(self, stack: AsyncExitStack) -> None:
        """Join the cluster, and enter the lifespan."""
        await self.pubsub.start()
        for presence in self._presences:
            presence.start(self._server)
        if self._lifespan is not None:
            takes_endpoint = bool(inspect.signature(self._lifespan.function).parameters)
            context = await self._lifespan.here(*((self,) if takes_endpoint else ()))
            if not hasattr(context, "__aenter__"):
                raise DefinitionError(
                    "Endpoint(lifespan=...)",
                    expected="an async context manager",
                    got=repr(context),
                    write="@asynccontextmanager above `async def lifespan()`",
                )
            self._server.state = await stack.enter_async_context(context)
            self._server.context = copy_context()
        for presence in self._presences:
            presence.opened()

    async def _end_presences(self) -> None:
        for presence in self._presences:
            await presence.stop(self._server)

    async def drain(self, *, delay: float = 0.0, timeout: float | None = None) -> None:  # noqa: ASYNC109 - shared out among steps
        """Let all clients go, a few at a time, before the server stops; ``bennu run`` does it by itself.

        From now on ``is_ready`` is False. After ``delay`` newcomers are refused with 503, channels
        that handle :class:`~bennu.Draining` are told, and connections are closed with 1012, each socket's as
        its ``drain`` says. It ends when their channels have ended. A second call waits for the first.

        Args:
            delay: Seconds in which all goes on, so that load balancers notice.
            timeout: Seconds that the rest may take, if the sockets would take longer.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._home.expect("endpoint", "drain")
        if self._stack is not None:
            await self._drainer.drain(delay=delay, timeout=timeout)

    async def stop(self) -> None:
        """Close every connection, wait for the channels to end, and leave the lifespan.

        It does nothing if the endpoint is not started.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint was started by a parent process.
        """
        if self._stack is None:
            return
        self._home.expect("endpoint", "stop", STOP)
        stack, self._stack = self._stack, None
        self._drainer.stop()
        try:
            await self._server.end_connections()
            await self._end_presences()  # its hooks may need threads, and the lifespan
            await self._server.end_connections()
            try:
                await stack.aclose()
            finally:
                await self.pubsub.stop()
        finally:
            self._server.let_go()
            self._forget_start()

    def _forget_start(self) -> None:
        self._server.lines.stop()
        self._server.state = None
        self._starting = None

    def _abandon(self) -> None:
        """Forget a start that nobody can stop any more."""
        if self._stack is not None:
            self._server.log.warning(
                "The endpoint was not stopped before its event loop was closed, or its process was forked:"
                " it starts anew, and the end of its lifespan was left out"
            )
        self._stack = None
        self._drainer.abandon()
        self._longpolling.abandon()
        for presence in self._presences:
            presence.abandon(self._server)
        self._server.abandon()
        self._home.stop()
        self._forget_start()

    def lifespan(
        self, inner: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None
    ) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
        """Return a lifespan for the application that this endpoint is mounted in.

        Args:
            inner: The application's own, if it has one.

        Example:
            ``app = FastAPI(lifespan=endpoint.lifespan(mine)); app.mount("/rt", endpoint)``
        """

        context = None if inner is None else _lifespan(inner)

        @asynccontextmanager
        async def both(app: Any) -> AsyncGenerator[Any]:
            await self.start()
            try:
                if context is None:
                    yield
                else:
                    async with await context.here(app) as state:
                        yield state
            finally:
                await self.stop()

        return both

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return an application that answers our paths, and leaves all others to the given one.

        Example:
            ``application = endpoint.wrap(get_asgi_application())``
        """

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await self._wrap_lifespan(app, scope, receive, send)
            elif self._routes.find(scope) is not None or self._answers_itself(scope):
                await self(scope, receive, send)
            elif scope["type"] == "websocket":
                await self._pass_websocket(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        wrapper: Any = wrapped
        wrapper.bennu_endpoint = self  # for the banner of the command
        return wrapped

    def _answers_itself(self, scope: Scope) -> bool:
        return self._health.answers(scope) or self._script.answers(scope)

    async def _pass_websocket(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Leave a WebSocket to the other application; Django, which knows none, is spared its traceback."""
        try:
            await app(scope, receive, send)
        except ValueError as error:
            if not _is_of_django(error):
                raise
            await self(scope, receive, send)  # 404, as it is no path of ours either

    async def _wrap_lifespan(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Start before the other application, and stop after it, whether it knows lifespans or not."""
        delegated = _Lifespan(receive, send)
        try:
            await self.start()
        except Exception as error:
            await delegated.failed_to_start(error)
            raise
        try:
            await delegated.pass_to(app, scope)
        finally:
            await self.stop()
        await delegated.finish()

    # ASGI.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        if self._stack is None or not self._home.is_current:
            await self._start_late()
        if self._health.answers(scope):
            await self._health.answer(scope, send, is_ready=self.is_ready)
            return
        if self._script.answers(scope):
            await self._script.answer(scope, send)
            return
        target = self._routes.find(scope)
        if self._proxies is not None:
            scope = as_proxies_say(self._proxies, scope, self._server.log)
        if target is not None and target.longpoll is not None:
            if scope["type"] == "http":
                await self._poll(target, target.longpoll, Exchange(scope, receive, send))
                return
            target = None  # no WebSocket is to be had there
        native: Upgrade | None = None
        if scope["type"] == "websocket" and self.native:
            native = scope.get("extensions", {}).get(EXTENSION)
        if native is not None and not native.is_taken:  # else some middleware has begun to receive
            await self.serve_native(target, scope, native)
            return
        outcome = await self._shake_hands(target, scope)
        if isinstance(outcome, Accepted):
            if scope["type"] == "websocket":
                await ASGIWebSocket(receive, send).run(self._server, outcome)
                return
            reason = explain_request(scope) or "the server did not upgrade the connection"
            outcome = Denied(400, reason.encode())
        await deny(scope, receive, send, outcome)

    async def _poll(self, target: Target, options: LongPoll, exchange: Exchange) -> None:
        """Serve a request of a client that polls."""
        denied = self._host_guard.refuse(exchange.scope, target.mount)
        if denied is None:
            await self._longpolling.serve(target, options, exchange)
        else:
            await exchange.forbid(denied.status, denied.body)

    async def _shake_hands(self, target: Target | None, scope: Scope) -> Accepted | Denied:
        """Decide on a request for a WebSocket."""
        if target is None:
            if scope["type"] == "websocket":
                self._server.log.info(
                    "REFUSED CONNECTION TO %s: no socket has this path; WebSockets are at: %s",
                    scope["path"],
                    self._routes.described,
                )
            return NOT_FOUND
        denied = self._host_guard.refuse(scope, target.mount)
        return denied or await shake_hands(self._server, target, scope, "websocket")

    async def serve_native(self, target: Target | None, scope: Scope, native: Upgrade) -> None:
        """Serve a request to upgrade, on a socket of our own server."""
        if target is not None and target.longpoll is not None:
            target = None  # no WebSocket is to be had there
        outcome = await self._shake_hands(target, scope)
        if isinstance(outcome, Accepted):
            reason = explain_request(scope)
            if reason is None:
                native.accept(self._server, outcome, key_of(scope))
                return
            self._server.log.info("REFUSED CONNECTION TO %s: %s", scope["path"], reason)
            outcome = Denied(400, reason.encode())
        native.deny(outcome)

    async def serve_native_alone(self, scope: Scope, native: Upgrade) -> None:
        """Serve it without a walk through an application: the endpoint is the application."""
        if self._stack is None or not self._home.is_current:
            await self._start_late()
        target = self._routes.find(scope)
        if self._proxies is not None:
            scope = as_proxies_say(self._proxies, scope, self._server.log)
        await self.serve_native(target, scope, native)

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": _traceback(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start_late(self) -> None:
        """Start at the first scope, and say so once.

        Raises:
            WrongThread: The scope comes from another event loop than the endpoint's.
        """
        if self._home.is_abandoned:
            self._abandon()
        elif self._stack is not None:
            raise self._home.wrong_loop_error("a client connected")
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._stack is None:
                self._server.log.warning(
                    "The endpoint was not started, and starts at its first request. A mount forwards"
                    " no lifespan: write FastAPI(lifespan=endpoint.lifespan(...)), or serve"
                    " endpoint.wrap(app)"
                )
                await self.start()

    # What server code says.

    async def broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Send an event to the clients of a topic that are connected to this process.

        Args:
            topic: The topic.
            event: Its name.
            payload: A JSON object (a dict, Struct, dataclass or model), or ``bytes``.

        Raises:
            EncodeError: The payload can't be written.
            ReservedEvent: The event is the protocol's own.
            WrongThread: The call comes from another thread or event loop than the endpoint's; there write
                ``endpoint.sync.broadcast(...)``.
            NotStarted: The endpoint is not started in this process, so that nobody can be reached from it.
        """
        self._home.expect("endpoint", "broadcast")
        await self._send(topic, event, payload)

    async def broadcast_from(
        self, sender: object, topic: str, event: str, payload: Any = None
    ) -> None:
        """Send an event to all clients of a topic but the sender's: a channel, or a listener's owner.

        Raises as :meth:`broadcast`.
        """
        self._home.expect("endpoint", "broadcast_from")
        await self._send(topic, event, payload, _sender(sender))

    async def local_broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Send an event to the clients of a topic in this process, as :meth:`broadcast` does today."""
        self._home.expect("endpoint", "local_broadcast")
        await self._send(topic, event, payload)

    async def local_broadcast_from(
        self, sender: object, topic: str, event: str, payload: Any = None
    ) -> None:
        """Send an event to the clients of a topic in this process but the sender's."""
        self._home.expect("endpoint", "local_broadcast_from")
        await self._send(topic, event, payload, _sender(sender))

    async def disconnect(self, id: str) -> None:  # noqa: A002 - Phoenix's name
        """Close every connection to this process that has this id, with the code 1001.

        Ids are no topics: a broadcast of ``"disconnect"`` is an ordinary broadcast, unlike in Phoenix, and
        closes nothing.

        Stock clients reconnect after it: refuse them in ``connect`` if they shall stay out.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._home.expect("endpoint", "disconnect")
        if not isinstance(id, str):
            raise TypeError(f'an id is text, got {id!r}: write endpoint.disconnect("users:7")')
        await self.pubsub.broadcast(SocketId(id), Disconnect())

    async def _send(
        self, topic: str, event: str, payload: Any = None, sender: object = None
    ) -> None:
        expect_event(event)
        message = Broadcast(topic, event, {} if payload is None else payload)
        if self.pubsub.send(topic, message, sender):
            await asyncio.sleep(0)  # a loop of broadcasts lets others have their turn

    @property
    def sync(self) -> BlockingEndpoint:
        """The same for threads: every call waits."""
        return BlockingEndpoint(self, self._home)


class BlockingEndpoint:
    """The awaitable methods of an endpoint, for code in other threads.

    Each waits for the event loop to do it. On an event loop it raises ``WrongThread``; in a process that serves
    nobody, ``NotStarted``.
    """

    def __init__(self, endpoint: Endpoint, home: Home) -> None:
        self._endpoint = endpoint
        self._home = home

    def _await(self, name: str, function: Callable[..., Awaitable[None]], *args: object) -> None:
        blocking(self._home.loop_for_thread("endpoint", name), name, function, *args)

    def broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Do what ``await endpoint.broadcast(...)`` does."""
        self._await("broadcast", self._endpoint.broadcast, topic, event, payload)

    def broadcast_from(self, sender: object, topic: str, event: str, payload: Any = None) -> None:
        """Do what ``await endpoint.broadcast_from(...)`` does."""
        function = self._endpoint.broadcast_from
        self._await("broadcast_from", function, sender, topic, event, payload)

    def local_broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Do what ``await endpoint.local_broadcast(...)`` does."""
        self._await("local_broadcast", self._endpoint.local_broadcast, topic, event, payload)

    def local_broadcast_from(
        self, sender: object, topic: str, event: str, payload: Any = None
    ) -> None:
        """Do what ``await endpoint.local_broadcast_from(...)`` does."""
        function = self._endpoint.local_broadcast_from
        self._await("local_broadcast_from", function, sender, topic, event, payload)

    def disconnect(self, id: str) -> None:  # noqa: A002 - Phoenix's name
        """Do what ``await endpoint.disconnect(...)`` does."""
        self._await("disconnect", self._endpoint.disconnect, id)

    def drain(self, *, delay: float = 0.0, timeout: float | None = None) -> None:
        """Do what ``await endpoint.drain(...)`` does."""

        async def drain() -> None:
            await self._endpoint.drain(delay=delay, timeout=timeout)

        self._await("drain", drain)


def _is_of_django(error: BaseException) -> bool:
    """Return whether an error is Django's word for not serving WebSockets."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")
    return name == "django.core.handlers.asgi"


def _expect_sockets(given: Any) -> None:
    """Refuse sockets without their paths.

    Raises:
        DefinitionError: They are no mapping, or a path or a socket is none.
    """
    if not isinstance(given, Mapping):
        raise DefinitionError(
            "Endpoint(...)",
            expected="sockets, each under the path that it is mounted on",
            got=repr(given),
            write='Endpoint(sockets={"/socket": socket})',
        )
    for path, socket in cast("Mapping[Any, Any]", given).items():
        if not isinstance(path, str) or not path.startswith("/"):
            raise DefinitionError(
                f"Endpoint(sockets={{{path!r}: ...}})",
                expected="a path that begins with a slash",
                got=repr(path),
                write=f'sockets={{"/{path}": ...}}' if path else 'sockets={"/socket": ...}',
            )
        if isinstance(socket, type) and issubclass(socket, SocketBase | Channel):
            kind = socket.__name__ if issubclass(socket, SocketBase) else "Socket"
            raise DefinitionError(
                f'Endpoint(sockets={{"{path}": ...}})',
                expected="a Socket or RawSocket: an object, not a class",
                got=repr(cast("type[Any]", socket)),
                write=f'"{path}": {kind}(connect=..., channels={{"room:{{room_id}}": RoomChannel}})',
            )


def _limits(given: Any) -> Limits:
    if isinstance(given, Limits):
        return given
    raise DefinitionError(
        "Endpoint(limits=...)",
        expected="how many clients may connect",
        got=repr(given),
        write='limits=Limits(connections=20_000, connects_per_ip="60/minute")',
    )


def _threads(given: Any) -> Threads | None:
    if given is None or isinstance(given, Threads):
        return given
    raise DefinitionError(
        "Endpoint(threads=...)",
        expected="how many worker threads there are",
        got=repr(given),
        write="threads=Threads(handlers=32, per_connection=4)",
    )


def _lifespan(given: Any) -> Callback | None:
    if given is None:
        return None
    if not callable(given) or inspect.isasyncgenfunction(given):
        raise DefinitionError(
            "Endpoint(lifespan=...)",
            expected="an async context manager",
            got=repr(given) if not callable(given) else f"{name_of(given)}, an async generator",
            write="@asynccontextmanager above `async def lifespan()`",
            where=source_line(given) if callable(given) else None,
        )
    return Callback("Endpoint(lifespan=...)", given)


def _presences(given: Any) -> tuple[Presence, ...]:
    several = isinstance(given, Iterable)
    presences = tuple(cast("Iterable[Any]", given)) if several else (given,)
    for presence in presences:
        if not isinstance(presence, Presence):
            raise DefinitionError(
                "Endpoint(presence=...)",
                expected="a Presence, or several",
                got=repr(presence),
                write="presence=Presence()",
            )
    names = [presence.name for presence in presences]
    if len(set(names)) < len(names):
        raise DefinitionError(
            "Endpoint(presence=...)",
            expected="presences with names of their own",
            got=f"the names {names}",
            write='presence=[Presence("rooms"), Presence("jobs")]',
        )
    return presences


def _secret(given: Secret | None) -> Secret | None:
    if given is not None:
        try:
            secrets_of(given)
        except (TypeError, ValueError) as error:
            raise DefinitionError(
                "Endpoint(secret_key=...)",
                expected="a secret of at least 20 bytes, or several, the current one first",
                got=str(error),
                write='secret_key=os.environ["SECRET_KEY"]',
            ) from error
    return given


def _sender(sender: object) -> object:
    """Return a sender as PubSub knows it: of a channel, what is in the lane."""
    return sender._server if isinstance(sender, Channel) else sender


def _traceback(error: Exception) -> str:
    """Return what a server shall log, for it logs no more than the message that it gets."""
    return "".join(traceback.format_exception(error)).rstrip()


class _Lifespan:
    """The lifespan of a wrapped application, listened to in passing."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._held: MutableMapping[str, Any] | None = None
        self._has_received = False
        self._has_answered = False

    async def pass_to(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application have its lifespan, or answer for one that knows none."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if self._has_answered:
                raise
            Log().debug("The wrapped application has no lifespan", exc_info=error)
        if self._has_answered:
            return
        if not self._has_received:
            await self._receive()
        await self._send({"type": "lifespan.startup.complete"})
        await self._receive()
        self._held = {"type": "lifespan.shutdown.complete"}

    async def receive(self) -> MutableMapping[str, Any]:
        """Pass an event of the server on."""
        self._has_received = True
        return await self._receive()

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """Pass an answer on, but keep the one to the shutdown until we have stopped too."""
        self._has_answered = True
        if event["type"] == "lifespan.shutdown.complete":
            self._held = event
        else:
            await self._send(event)

    async def failed_to_start(self, error: Exception) -> None:
        """Say that our own part failed."""
        await self._receive()
        await self._send({"type": "lifespan.startup.failed", "message": _traceback(error)})

    async def finish(self) -> None:
        """Say at last that all has stopped."""
        if self._held is not None:
            await self._send(self._held)
