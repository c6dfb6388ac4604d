"""Passes a request to upgrade through the application, its middleware and mounts, up to an endpoint.

The application can have other WebSocket routes. When such a route calls ``receive`` or ``send``, the TCP connection is given to
uvicorn's WebSocket protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

import uvicorn

from ..endpoint import Endpoint
from ..logs.log import Log
from ..message import NO_CODE
from ..server.request import Denied
from ..transports.upgrade import Upgrade
from .config import Config
from .limited_protocol import LimitedProtocol

__all__ = ["ApplicationCall", "endpoint_of", "serve_endpoint"]

Event = MutableMapping[str, Any]

FAILED = Denied(500, b"Internal Server Error")


class ApplicationCall:
    """The call of the application for one request.

    Args:
        protocol: The HTTP protocol that got the request.
        native: The upgrade, which an endpoint can take over.
        scope: The request.

    Attributes:
        task: The task that runs :meth:`run`. The creator of the call sets it.
    """

    def __init__(self, protocol: LimitedProtocol, native: Upgrade, scope: dict[str, Any]) -> None:
        self._protocol = protocol
        self._native = native
        self._scope = scope
        self._foreign: asyncio.Future[tuple[Any, Any]] | None = None
        self.task: asyncio.Task[None] | None = None

    def lost(self) -> None:
        """Stop the call, because the client has gone."""
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        """Let the application decide on the request."""
        protocol, native, scope = self._protocol, self._native, self._scope
        endpoint = endpoint_of(protocol.config)
        if endpoint is not None:
            await serve_endpoint(endpoint, scope, native, protocol.log)
            return
        try:
            application = cast("Any", protocol.app)  # pyright: ignore[reportUnknownMemberType]
            await application(scope, self._receive, self._send)
        except Exception:
            if self._foreign is not None:
                raise  # uvicorn's WebSocket protocol answers and logs it
            protocol.log.exception("Exception in the application at a request for a WebSocket")
            if not native.is_taken:
                native.deny(FAILED)
        else:
            if not native.is_taken:
                protocol.log.error(
                    "The application returned without an answer to a WebSocket request"
                )
                native.deny(FAILED)

    async def _receive(self) -> Event:
        if self._is_over:
            return {"type": "websocket.disconnect", "code": NO_CODE, "reason": ""}
        receive, _ = await self._to_uvicorn()
        event: Event = await receive()
        return event

    async def _send(self, event: Event) -> None:
        if self._is_over:
            return
        _, send = await self._to_uvicorn()
        await send(event)

    @property
    def _is_over(self) -> bool:
        """Whether the connection has ended for the application: an endpoint took it, or the client has gone."""
        return self._foreign is None and self._native.is_taken

    async def _to_uvicorn(self) -> tuple[Any, Any]:
        """Give the socket to uvicorn's WebSocket protocol; return its receive and send."""
        if self._foreign is None:
            self._foreign = asyncio.get_running_loop().create_future()
            self._start_uvicorn()
        return await self._foreign

    def _start_uvicorn(self) -> None:
        http = self._protocol
        early = self._native.hand_over()
        make_protocol: Any = http.ws_protocol_class
        protocol = make_protocol(
            config=http.config,
            server_state=http.server_state,
            app_state=http.app_state,
        )
        protocol.app = self._instead_of_application
        protocol.connection_made(http.transport)
        http.transport.set_protocol(protocol)
        lines = [http.scope["method"].encode(), b" ", http.url, b" HTTP/1.1\r\n"]
        for name, value in http.scope["headers"]:
            lines += [name, b": ", value, b"\r\n"]
        tasks = len(http.tasks)
        protocol.data_received(b"".join([*lines, b"\r\n", early]))
        if len(http.tasks) == tasks and self.task is not None:
            self.task.cancel()  # uvicorn has refused the upgrade, and will not call the application

    async def _instead_of_application(self, scope: Any, receive: Any, send: Any) -> None:
        """Replace the application for uvicorn's WebSocket protocol, which has been called already."""
        del scope
        if self._foreign is not None and not self._foreign.done():
            self._foreign.set_result((receive, send))
        if self.task is not None:
            await asyncio.shield(self.task)


def endpoint_of(config: uvicorn.Config) -> Endpoint | None:
    """Return the application if it is an endpoint without middleware. Then the endpoint is called directly."""
    app = config.app
    if not isinstance(app, Endpoint) or not app.native:
        return None
    return None if isinstance(config, Config) and config.trusted_proxies is not None else app


async def serve_endpoint(
    endpoint: Endpoint, scope: dict[str, Any], native: Upgrade, log: Log
) -> None:
    """Pass a request to upgrade directly to an endpoint."""
    try:
        await endpoint.serve_native(scope, native)
    except Exception:
        log.exception("Exception in the application at a request for a WebSocket")
        if not native.is_taken:
            native.deny(FAILED)
