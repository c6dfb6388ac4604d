"""Topics with history: entries in one order, and what a client has missed."""

from .history import History

__all__ = ["History"]
