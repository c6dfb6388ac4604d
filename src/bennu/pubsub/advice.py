"""What errors tell callers in another thread: the code with which they call the methods of PubSub."""

from typing import Final

__all__ = ["CANCEL", "LATER", "ON_LOOP"]

LATER: Final = (
    "loop.call_soon_threadsafe(endpoint.pubsub.{}, ...), where loop is the server's event loop,"
)
"""The code with which a worker thread calls a plain method, for errors."""

CANCEL: Final = (
    "loop.call_soon_threadsafe(subscription.cancel), where loop is the server's event loop,"
)
"""The code with which a worker thread cancels a subscription, for errors."""

ON_LOOP: Final = (
    "asyncio.run_coroutine_threadsafe(endpoint.pubsub.{}(...), loop).result(), where loop is the server's"
    " event loop,"
)
"""The code with which a worker thread calls an async method, for errors."""
