"""PubSub: the subscribers of topics, and the messages that they get. Protocol document, §3.5 and §7."""

from .fastlane import Framing, Outbox, Writer
from .message_types import MessageTypes
from .pubsub import PubSub
from .subscription import Subscription

__all__ = ["Framing", "MessageTypes", "Outbox", "PubSub", "Subscription", "Writer"]
