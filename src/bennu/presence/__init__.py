"""Presence: who is here. Protocol document, §6."""

from .crdt import Periods
from .modes import BySize, Count, Full, Sample
from .presence import Presence, PresenceCount

__all__ = ["BySize", "Count", "Full", "Periods", "Presence", "PresenceCount", "Sample"]
