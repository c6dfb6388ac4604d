"""Stores: what keeps the logs of topics with history, and the replies of idempotent pushes."""

from .entry import NOBODY, UNKNOWN, Draft, LogEntry
from .memory import MemoryStore
from .store import Announce, Appended, Claim, ClaimState, Head, Page, Retention, Store

__all__ = [
    "NOBODY",
    "UNKNOWN",
    "Announce",
    "Appended",
    "Claim",
    "ClaimState",
    "Draft",
    "Head",
    "LogEntry",
    "MemoryStore",
    "Page",
    "Retention",
    "Store",
]
