"""What may wait for one channel without a warning."""

from __future__ import annotations

from ..errors import DefinitionError
from ..user_code.options import COUNT, optional, options

__all__ = ["WarnWaiting"]


@options(messages=optional(COUNT), bytes=optional(COUNT))
class WarnWaiting:
    """Warn when much waits for one channel or raw handler, because its handlers are slower than what comes.

    The log gets one line when a number is exceeded, and handlers of telemetry get a ``MessagesWaiting``. The next warning for
    the same channel can come after all numbers fell to a half. Nothing is refused.

    Args:
        messages: Items that wait: messages of the client and of the server. Default: None, any number.
        bytes: Bytes of the messages of the client that wait. Default: None, any number.

    Raises:
        DefinitionError: A number is below 1, or there is none.

    Example:
        >>> WarnWaiting(messages=50, bytes=1_000_000).messages
        50
    """

    def __init__(self, *, messages: int | None = None, bytes: int | None = None) -> None:  # noqa: A002
        if messages is None and bytes is None:
            raise DefinitionError(
                "WarnWaiting(...)",
                expected="messages=, bytes=, or both",
                got="neither",
                write="WarnWaiting(messages=50)",
            )
        self.messages = messages
        self.bytes = bytes

    def is_exceeded(self, messages: int, size: int) -> bool:
        """Return whether more waits than a number.

        Args:
            messages: Items that wait.
            size: Bytes that wait.
        """
        return (self.messages is not None and messages > self.messages) or (
            self.bytes is not None and size > self.bytes
        )

    def is_over(self, messages: int, size: int) -> bool:
        """Return whether no more than a half of each number waits.

        Args:
            messages: Items that wait.
            size: Bytes that wait.
        """
        return (self.messages is None or messages <= self.messages // 2) and (
            self.bytes is None or size <= self.bytes // 2
        )
