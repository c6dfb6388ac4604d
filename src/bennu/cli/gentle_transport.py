"""The transport of a request, which closes only after the client could read the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["GentleTransport"]


class GentleTransport:
    """A transport with another way to close, as far as uvicorn's requests use a transport.

    A socket that is closed while its client still sends is reset. Then the client can't read the answer.

    Args:
        transport: The connection's transport.
        close: Closes it in the other way.
    """

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close
