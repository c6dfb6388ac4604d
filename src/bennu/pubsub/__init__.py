"""PubSub: who hears a topic, and how a broadcast reaches them. Protocol document, §3.5 and §7."""

from .fastlane import Framing, Outbox, Writer
from .pubsub import PubSub, Subscription

__all__ = ["Framing", "Outbox", "PubSub", "Subscription", "Writer"]
