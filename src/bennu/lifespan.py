"""Lifespans: of the user, of ASGI, and of an application that an endpoint is mounted in."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from .asgi import Receive, Send
from .errors import DefinitionError, source_line
from .lifecycle import Lifecycle
from .user_code.callback import Callback
from .user_code.functions import name_of

__all__ = ["Lifespan", "full_traceback", "mounted_lifespan", "read_lifespan", "serve_lifespan"]

Lifespan = Callable[..., AbstractAsyncContextManager[Any]]


def read_lifespan(given: Any) -> Callback | None:
    """Return the lifespan that a user gave, as the callback that makes its context manager.

    Args:
        given: A function that returns an async context manager, or None.

    Raises:
        DefinitionError: ``given`` is something else: an async generator without ``@asynccontextmanager``, for example.
    """
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


def mounted_lifespan(
    lifecycle: Lifecycle, inner: Lifespan | None
) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
    """Return a lifespan that starts an endpoint before another lifespan, and stops it after the other lifespan.

    Args:
        lifecycle: The endpoint's lifecycle.
        inner: The lifespan of the application that the endpoint is mounted in; None if it has none.

    Raises:
        DefinitionError: The inner lifespan is no function that returns an async context manager.
    """
    context = read_lifespan(inner)

    @asynccontextmanager
    async def both(app: Any) -> AsyncGenerator[Any]:
        await lifecycle.start()
        try:
            if context is None:
                yield
            else:
                async with await context.call_on_loop(app) as state:
                    yield state
        finally:
            await lifecycle.stop()

    return both


async def serve_lifespan(lifecycle: Lifecycle, receive: Receive, send: Send) -> None:
    """Serve ASGI's scope ``lifespan``: start the endpoint, and stop it when the server ends.

    Args:
        lifecycle: The endpoint's lifecycle.
        receive: The ASGI callable.
        send: The ASGI callable.
    """
    await receive()
    try:
        await lifecycle.start()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": full_traceback(error)})
        raise
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await lifecycle.stop()
    await send({"type": "lifespan.shutdown.complete"})


def full_traceback(error: Exception) -> str:
    """Return a traceback as text for the event of a failed start, since a server logs only the event's message."""
    return "".join(traceback.format_exception(error)).rstrip()
