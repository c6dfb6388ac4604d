"""All exceptions of the client.

ClientError (a BennuError)
├── ConnectFailed       the server can't be reached, or has not answered in time
│   └── ConnectRefused  the server answered the handshake with an HTTP status
├── JoinRefused         the reply to a join was an error
├── JoinTimeout         no reply to a join came in time
├── PushRefused         the reply to a push was not ok
├── PushTimeout         no reply to a push came in time
│   └── PushLost        the reply can't come any more: the channel or its connection has ended
├── ChannelClosed       the channel was left, or the server or the client has closed it
├── BufferFull          more pushes wait for the join than the channel keeps
└── EventsLost          an iterator was too slow, and its buffer was full
"""

from __future__ import annotations

from typing import Any, Final

from ..errors import BennuError
from ..logs.printable import printable

__all__ = [
    "BufferFull",
    "ChannelClosed",
    "ClientError",
    "ConnectFailed",
    "ConnectRefused",
    "EventsLost",
    "JoinRefused",
    "JoinTimeout",
    "PushLost",
    "PushRefused",
    "PushTimeout",
]

_PASSING: Final = frozenset({408, 425, 429})
"""HTTP statuses below 500 that say: try again later."""


class ClientError(BennuError):
    """The base class of all exceptions of the client."""


class ConnectFailed(ClientError):
    """The server can't be reached, or has not answered the handshake in time.

    ``async with Client(...)`` raises it if the first connection is not open in time. Afterwards the client tries again
    by itself, and tells the callbacks of ``client.on_error``.

    Attributes:
        is_final: Whether another try can't succeed without a change: the server refused, or its certificate is not
            trusted. ``async with Client(...)`` raises such an error at once.
    """

    def __init__(self, *args: object, is_final: bool = False) -> None:
        self.is_final = is_final
        super().__init__(*args)


class ConnectRefused(ConnectFailed):
    """The server answered the handshake with an HTTP status.

    Args:
        status: The HTTP status. 403 is the answer to a refused token, or to a foreign origin.
        reason: The reason in the body of the answer; None if it has none.

    Attributes:
        status: The HTTP status.
        reason: The reason; None if the server gave none.
    """

    def __init__(self, status: int, reason: str | None = None) -> None:
        self.status = status
        self.reason = reason
        super().__init__(status, reason, is_final=status < 500 and status not in _PASSING)

    def __str__(self) -> str:
        said = "" if self.reason is None else f": {printable(self.reason)}"
        return f"the server refused the connection with HTTP {self.status}{said}"


class JoinRefused(ClientError):
    """The reply to a join was an error.

    Args:
        topic: The topic.
        response: The response of the reply.

    Attributes:
        topic: The topic.
        response: The response of the reply: any JSON value, or bytes.
        reason: The ``reason`` in the response; None if there is none.

    Example:
        >>> JoinRefused("room:7", {"reason": "full"}).reason
        'full'
    """

    def __init__(self, topic: str, response: Any) -> None:
        self.topic = topic
        self.response = response
        self.reason = reason_of(response)
        super().__init__(topic, response)

    def __str__(self) -> str:
        return f"the join of {printable(self.topic)} was refused: {_said(self.response)}"


class JoinTimeout(ClientError):
    """No reply to a join came in time. The channel goes on trying, until you call ``leave``.

    Args:
        topic: The topic.
        seconds: The time that was waited.
        is_open: Whether there was a connection.
    """

    def __init__(self, topic: str, seconds: float, *, is_open: bool) -> None:
        self.topic = topic
        self.seconds = seconds
        self.is_open = is_open
        super().__init__(topic, seconds, is_open)

    def __str__(self) -> str:
        why = "the server has not replied" if self.is_open else "there is no connection"
        return (
            f"the join of {printable(self.topic)} was not answered within {self.seconds:g} s: {why}"
        )


class PushRefused(ClientError):
    """The reply to a push has another status than ok.

    Args:
        topic: The topic.
        event: The event of the push.
        status: The status of the reply: ``error``, or one of the application.
        response: The response of the reply.

    Attributes:
        topic: The topic.
        event: The event of the push.
        status: The status.
        response: The response: any JSON value, or bytes.
        reason: The ``reason`` in the response; None if there is none.
    """

    def __init__(self, topic: str, event: str, status: str, response: Any) -> None:
        self.topic = topic
        self.event = event
        self.status = status
        self.response = response
        self.reason = reason_of(response)
        super().__init__(topic, event, status, response)

    def __str__(self) -> str:
        return (
            f"the push of {printable(self.event)} to {printable(self.topic)} was answered with"
            f" {printable(self.status)}: {_said(self.response)}"
        )


class PushTimeout(ClientError):
    """No reply to a push came in time.

    Args:
        topic: The topic.
        event: The event of the push.
        seconds: The time that was waited.
        was_sent: Whether the push was sent.

    Attributes:
        was_sent: False if the channel was not joined in time: then the push is not sent any more. True if the push can
            have arrived.
    """

    def __init__(self, topic: str, event: str, seconds: float, *, was_sent: bool) -> None:
        self.topic = topic
        self.event = event
        self.seconds = seconds
        self.was_sent = was_sent
        super().__init__(topic, event, seconds, was_sent)

    def __str__(self) -> str:
        why = (
            "the server has not replied; a handler that returns None sends no reply"
            if self.was_sent
            else "the channel was not joined, so the push was not sent"
        )
        return f"{self._name()} was not answered within {self.seconds:g} s: {why}"

    def _name(self) -> str:
        return f"the push of {printable(self.event)} to {printable(self.topic)}"


class PushLost(PushTimeout):
    """The reply to a push can't come any more, because the channel or its connection has ended.

    If the push was sent, it can have arrived. An idempotent push can be sent again.
    """

    def __str__(self) -> str:
        why = (
            "the connection or the channel ended before the reply; the push can have arrived"
            if self.was_sent
            else "the channel was closed before the push was sent"
        )
        return f"{self._name()} has no reply: {why}"


class ChannelClosed(ClientError):
    """The channel was left, or the server or the client has closed it. Make a new one with ``client.channel(...)``."""


class BufferFull(ClientError):
    """More pushes wait for the join than the channel keeps. The push that raises this is not sent."""


class EventsLost(ClientError):
    """An iterator was too slow: its buffer was full, and the events that came then were dropped.

    The iterator raises this in the place of the events, and goes on after them if it is asked again.

    Args:
        count: The number of events that were dropped.
        size: The size of the buffer.

    Attributes:
        count: The number of events that were dropped.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size
        super().__init__(count, size)

    def __str__(self) -> str:
        return (
            f"{self.count} events were dropped, because {self.size} others waited for this iterator: do less for each"
            ' event, pass a larger buffer=, or overflow="drop_oldest" if only the newest count'
        )


def reason_of(response: Any) -> str | None:
    """Return the reason in the response of a reply; None if there is none."""
    reason = response.get("reason") if isinstance(response, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON
    return reason if isinstance(reason, str) else None


def _said(response: Any) -> str:
    return printable(response)
