"""Presence: who is here. Protocol document, §6."""

from .._protocol.tracker import Periods
from .modes import BySize, Count, Full, Sample
from .presence import Presence, PresenceCount

__all__ = ["BySize", "Count", "Full", "Periods", "Presence", "PresenceCount", "Sample"]
