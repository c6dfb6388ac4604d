"""What one connection says, told from its frames alone: replies and their pushes, joins, ends of channels. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple, cast

from ..message import OK, PHX_CLOSE, PHX_ERROR, PHX_JOIN, PHX_LEAVE, PHX_REPLY
from .reading import Read, json_of_raw
from .records import JoinSeen, LeaveSeen

__all__ = ["Answered", "Conversation"]

MAX_OPEN: Final = 1_000
"""Messages of a client that wait for a reply, and are remembered."""


class Answered(NamedTuple):
    """The message that a reply answers.

    Attributes:
        event: The event of the message.
        took: Seconds from the message to its reply.
    """

    event: str
    took: float


Reason = Literal["left", "closed", "crashed"]


class _Open(NamedTuple):
    topic: Any
    event: Any
    at: float


class Conversation:
    """The open messages and the joined topics of one connection.

    Args:
        name: The id of the connection.
        topics: The topics that are joined already.
    """

    __slots__ = ("_joined", "_joining", "_leaving", "_name", "_open")

    def __init__(self, name: str, topics: Iterable[str] = ()) -> None:
        self._name = name
        self._open: dict[Any, _Open] = {}
        self._joined = dict.fromkeys(topics)
        self._joining: set[Any] = set()  # refs of open joins
        self._leaving = set[str]()

    @property
    def topics(self) -> tuple[str, ...]:
        """The joined topics."""
        return tuple(self._joined)

    @property
    def is_joining(self) -> bool:
        """Whether a join waits for its reply."""
        return bool(self._joining)

    def client_sent(self, message: Read, now: float) -> None:
        """Remember a message of the client that has a ref.

        Args:
            message: The message.
            now: Seconds of a clock that does not go back.
        """
        if message.ref is None:
            return
        if len(self._open) >= MAX_OPEN:
            oldest = next(iter(self._open))
            del self._open[oldest]
            self._joining.discard(oldest)
        self._open[message.ref] = _Open(message.topic, message.event, now)
        if message.event == PHX_JOIN:
            self._joining.add(message.ref)
        topic = message.topic
        if message.event == PHX_LEAVE and isinstance(topic, str) and topic in self._joined:
            self._leaving.add(topic)

    def server_sent(
        self, message: Read, now: float
    ) -> tuple[Answered | None, JoinSeen | LeaveSeen | None]:
        """Return what a message of the server answers, and the join or the end of a channel that it tells of."""
        event, topic = message.event, message.topic
        if not isinstance(topic, str):  # a client can send any value
            return None, None
        if event == PHX_REPLY:
            opened = self._open.pop(message.ref, None)
            self._joining.discard(message.ref)
            if opened is None:
                return None, None
            answered = Answered(str(opened.event), now - opened.at)
            if opened.event != PHX_JOIN:
                return answered, None
            status = _status_of(message)
            if status == OK:
                self._joined[topic] = None
            join = JoinSeen(
                at=now, connection=self._name, topic=topic, status=status, took=answered.took
            )
            return answered, join
        if event in (PHX_CLOSE, PHX_ERROR) and topic in self._joined:
            is_left = topic in self._leaving
            self._leaving.discard(topic)
            del self._joined[topic]
            reason: Reason = "crashed" if event == PHX_ERROR else "left" if is_left else "closed"
            return None, LeaveSeen(at=now, connection=self._name, topic=topic, reason=reason)
        return None, None

    def ended(self, now: float) -> list[LeaveSeen]:
        """Return the ends of all channels, because the connection has ended."""
        topics, self._joined = self.topics, {}
        return [
            LeaveSeen(at=now, connection=self._name, topic=one, reason="disconnected")
            for one in topics
        ]


def _status_of(message: Read) -> str:
    if message.status is not None:
        return message.status
    payload = json_of_raw(message.payload)
    return str(cast("dict[str, Any]", payload).get("status")) if isinstance(payload, dict) else ""
