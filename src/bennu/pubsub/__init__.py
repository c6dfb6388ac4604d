"""PubSub: who hears a topic, and how a broadcast reaches them. Protocol document, §3.5 and §7."""

from .bus import Bus, LocalBus
from .fastlane import Framing, Outbox, Writer
from .pubsub import PubSub, Subscription

__all__ = ["Bus", "Framing", "LocalBus", "Outbox", "PubSub", "Subscription", "Writer"]
