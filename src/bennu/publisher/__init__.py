"""Publishers: send messages to the clients of an application from a process that serves none."""

from .blocking import BlockingPublisher
from .publisher import Publisher

__all__ = ["BlockingPublisher", "Publisher"]
