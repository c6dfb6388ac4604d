"""PubSub: the subscribers of topics, and the messages that they get. Protocol document, §3.5 and §7."""

from .bus import Bus, LocalBus
from .fastlane import Framing, Outbox, Writer
from .pubsub import PubSub
from .subscription import Subscription

__all__ = ["Bus", "Framing", "LocalBus", "Outbox", "PubSub", "Subscription", "Writer"]
