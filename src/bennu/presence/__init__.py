"""Presence: who is in each topic. Protocol document, §6."""

from .crdt import Periods
from .diffs import PresenceCount
from .modes import BySize, Count, Full, Sample
from .presence import Presence

__all__ = ["BySize", "Count", "Full", "Periods", "Presence", "PresenceCount", "Sample"]
