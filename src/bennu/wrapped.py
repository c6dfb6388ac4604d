"""Another application behind an endpoint: ``endpoint.wrap(app)``."""

from __future__ import annotations

from .asgi import ASGIApp, Dispatch, Event, Receive, Scope, Send
from .lifecycle import Lifecycle
from .lifespan import full_traceback
from .logs.log import Log

__all__ = ["WrappedApplication"]


class WrappedApplication:
    """Answers the paths of an endpoint, and leaves all others to another application.

    Args:
        app: The other application.
        endpoint: The endpoint.
        dispatch: The endpoint's dispatch.
        lifecycle: The endpoint's lifecycle.

    Attributes:
        bennu_endpoint: The endpoint, for the banner of ``bennu run``.
    """

    def __init__(
        self, app: ASGIApp, endpoint: ASGIApp, dispatch: Dispatch, lifecycle: Lifecycle
    ) -> None:
        self._app = app
        self.bennu_endpoint = endpoint
        self._dispatch = dispatch
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(scope, receive, send)
        elif self._dispatch.answers(scope):
            await self.bennu_endpoint(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._pass_websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a WebSocket to the other application. If that is Django, which serves no WebSockets, answer 404."""
        try:
            await self._app(scope, receive, send)
        except ValueError as error:
            if not _is_of_django(error):
                raise
            await self.bennu_endpoint(
                scope, receive, send
            )  # the endpoint does not have the path either

    async def _serve_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start before the other application, and stop after it. The application need not support lifespans."""
        passed = _PassedLifespan(receive, send)
        try:
            await self._lifecycle.start()
        except Exception as error:
            await passed.failed_to_start(error)
            raise
        try:
            await passed.pass_to(self._app, scope)
        finally:
            await self._lifecycle.stop()
        await passed.finish()


class _PassedLifespan:
    """The lifespan of the other application: events pass through, and the last answer waits.

    Args:
        receive: The ASGI callable.
        send: The ASGI callable.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._held: Event | None = None
        self._has_received = False
        self._has_answered = False

    async def pass_to(self, app: ASGIApp, scope: Scope) -> None:
        """Run the application's lifespan, or answer in place of an application that does not support lifespans."""
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

    async def receive(self) -> Event:
        """Pass an event of the server on."""
        self._has_received = True
        return await self._receive()

    async def send(self, event: Event) -> None:
        """Pass an answer on. The answer to the shutdown waits until the endpoint has stopped too."""
        self._has_answered = True
        if event["type"] == "lifespan.shutdown.complete":
            self._held = event
        else:
            await self._send(event)

    async def failed_to_start(self, error: Exception) -> None:
        """Tell the server that the endpoint failed to start."""
        await self._receive()
        await self._send({"type": "lifespan.startup.failed", "message": full_traceback(error)})

    async def finish(self) -> None:
        """Send the answer to the shutdown."""
        if self._held is not None:
            await self._send(self._held)


def _is_of_django(error: BaseException) -> bool:
    """Return whether Django raised an error because it serves no WebSockets."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")
    return name == "django.core.handlers.asgi"
