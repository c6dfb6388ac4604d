"""The limits of requests: what all connections of a server share, and how a client is refused."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import uvicorn

from ..endpoint import Endpoint
from ..reasons import Limit
from ..telemetry import Telemetry
from .config import Config
from .head_limits import DEFAULT_BODY_TIMEOUT, DEFAULT_LIMITS, Deadlines

__all__ = ["MALFORMED", "MIN_RATE", "RequestLimits", "RequestRefusal"]

MIN_RATE: Final = 500
"""Bytes a second that a body must bring, on an average of one body timeout."""


@dataclass(frozen=True, slots=True)
class RequestRefusal:
    """The answer to a client that exceeds a limit.

    Attributes:
        status: The HTTP status.
        text: The body, in ASCII.
        limit: The limit, for telemetry; None if the request is malformed.
    """

    status: HTTPStatus
    text: str
    limit: Limit | None = None

    @property
    def response(self) -> bytes:
        """The whole response, which closes the connection."""
        return (
            f"HTTP/1.1 {self.status} {self.status.phrase}\r\nConnection: close\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(self.text)}\r\n\r\n"
            f"{self.text}"
        ).encode()


MALFORMED: Final = RequestRefusal(HTTPStatus.BAD_REQUEST, "Invalid HTTP request received.")


class RequestLimits:
    """The limits of one server, and its connections that must send something within a time.

    A deadline belongs to the socket, not to its protocol: one protocol can give the socket to another. When the
    deadline is over, the protocol of that moment is told, by its ``head_is_late`` or ``body_is_late``.

    Args:
        config: The configuration of the server.
        loop: The server's event loop.

    Attributes:
        max_bytes: Bytes that a head can have.
        head_deadlines: The deadlines of heads that are not complete.
        body_deadlines: The deadlines of bodies that must make progress.
        telemetry: The telemetry of the endpoint, if the application is an endpoint.
    """

    def __init__(self, config: uvicorn.Config, loop: asyncio.AbstractEventLoop) -> None:
        head, body_timeout = DEFAULT_LIMITS, DEFAULT_BODY_TIMEOUT
        if isinstance(config, Config):
            head, body_timeout = config.head_limits, config.body_timeout
        app = config.app
        self.telemetry = app.telemetry if isinstance(app, Endpoint) else Telemetry()
        self.telemetry.log.start(loop)
        self.max_bytes = head.max_bytes
        self.head_deadlines = Deadlines[asyncio.Transport](loop, head.timeout, _head_is_late)
        self.body_deadlines = Deadlines[asyncio.Transport](loop, body_timeout, _body_is_late)

    def late_head(self) -> RequestRefusal:
        """Return the refusal of a client whose head did not arrive in time."""
        return RequestRefusal(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The head of a request must come within {self.head_deadlines.timeout:g} seconds.",
            Limit.HANDSHAKE_TIME,
        )

    def late_body(self) -> RequestRefusal:
        """Return the refusal of a client whose body makes no progress."""
        return RequestRefusal(
            HTTPStatus.REQUEST_TIMEOUT,
            f"A body must bring {MIN_RATE} bytes a second,"
            f" on an average of {self.body_deadlines.timeout:g} seconds.",
            Limit.BODY_TIME,
        )

    def large_head(self, url: bytes) -> RequestRefusal:
        """Return the refusal of a client whose head is too large.

        Args:
            url: The target of the request: 414 is the status if it takes more than half of the size.
        """
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if len(url) > self.max_bytes // 2:
            status = HTTPStatus.REQUEST_URI_TOO_LONG
        text = f"The head of a request has at most {self.max_bytes} bytes."
        return RequestRefusal(status, text, Limit.HANDSHAKE_BYTES)


def _head_is_late(transport: asyncio.Transport) -> None:
    protocol: Any = transport.get_protocol()
    protocol.head_is_late()


def _body_is_late(transport: asyncio.Transport) -> None:
    protocol: Any = transport.get_protocol()
    protocol.body_is_late()
