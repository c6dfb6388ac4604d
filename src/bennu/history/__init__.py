"""Topics with history: entries in one order, and what a client has missed."""

from .history import History
from .page import HistoryEntry, HistoryPage
from .position import Position

__all__ = ["History", "HistoryEntry", "HistoryPage", "Position"]
