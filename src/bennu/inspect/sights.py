"""What the tap hands to a follow or a recorder: a record that is not made yet.

To decode a payload and to hide its secrets costs more than to look at its frame. So that is done when a record is read, and
never for a record that is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from ..message import BINARY, PHX_REPLY, Opcode
from .conversation import Answered
from .reading import Read, json_of_raw
from .records import Direction, FrameSeen, SeenRecord

__all__ = ["UNSEEN", "FrameSight", "Hide", "PlainSight", "Sight", "Sink"]

Hide = Callable[[Any], Any]
"""Returns a copy of a value without secrets."""


class Sight(Protocol):
    """Something that was seen."""

    @property
    def weight(self) -> int:
        """Bytes that it keeps."""
        ...

    def record(self, hide: Hide) -> SeenRecord:
        """Return the record; its ``at`` is the time of the event loop."""
        ...


class Sink(Protocol):
    """Takes what was seen."""

    def wants(self, topic: str | None) -> bool:
        """Return whether it wants what belongs to a topic."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether it would keep what comes next. If not, it gets ``UNSEEN``."""
        ...

    def put(self, sight: Sight) -> None:
        """Take what was seen. It never waits."""
        ...


class PlainSight(NamedTuple):
    """A record without a payload."""

    seen: Any

    @property
    def weight(self) -> int:
        """Bytes that it keeps, about."""
        return 200

    def record(self, hide: Hide) -> SeenRecord:
        """Return the record."""
        del hide
        found: SeenRecord = self.seen
        return found


UNSEEN: Final = PlainSight(None)
"""Stands for what a sink has no room for. It is only counted, so nobody reads it."""


class FrameSight(NamedTuple):
    """A frame.

    Attributes:
        at: When, in seconds of the event loop.
        connection: The id of the connection.
        direction: From the client, or to the client.
        opcode: TEXT or BINARY.
        data: The content of the frame.
        message: The message in it; None if it is none, and on a raw socket.
        answered: The message that it answers, if it is a reply.
    """

    at: float
    connection: str
    direction: Direction
    opcode: Opcode
    data: bytes
    message: Read | None = None
    answered: Answered | None = None

    @property
    def topic(self) -> str | None:
        """The topic of the message."""
        topic = None if self.message is None else self.message.topic
        return topic if isinstance(topic, str) else None

    @property
    def weight(self) -> int:
        """Bytes that it keeps, about."""
        return 200 + len(self.data)

    def payload(self) -> Any:
        """Return the payload as it is: JSON, bytes, or the text of a frame that is no message."""
        message = self.message
        if message is None:
            return self.data if self.opcode is BINARY else self.data.decode(errors="replace")
        payload = json_of_raw(message.payload)
        if message.status is not None and message.event == PHX_REPLY:
            return {"status": message.status, "response": payload}
        return payload

    def record(self, hide: Hide) -> FrameSeen:
        """Return the record, with a payload without secrets."""
        message = self.message or Read(None, None, None, None, None)
        event, answered = message.event, self.answered
        payload = self.payload()
        return FrameSeen(
            at=self.at,
            connection=self.connection,
            direction=self.direction,
            join_ref=message.join_ref,
            ref=message.ref,
            topic=self.topic,
            event=event if isinstance(event, str) else None,
            payload=payload if isinstance(payload, bytes) else hide(payload),
            size=len(self.data),
            answers=None if answered is None else answered.event,
            took=None if answered is None else answered.took,
        )
