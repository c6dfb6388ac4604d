"""Long polling: the transport of clients that no WebSocket reaches. Protocol document, §4."""

from .exchange import Exchange
from .http import LongPolling

__all__ = ["Exchange", "LongPolling"]
