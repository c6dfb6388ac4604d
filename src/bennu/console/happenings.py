"""What happens in a console, each as a typed object with its time. Pure.

The names of the classes and fields are those of the lines of ``--json``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

__all__ = [
    "CommandFailed",
    "ConnectionLost",
    "ConnectionOpened",
    "EventCame",
    "FrameShown",
    "Happening",
    "HelpShown",
    "PingAnswered",
    "PresenceShown",
    "PushMade",
    "PushReplied",
    "TopicClosed",
    "TopicJoined",
    "TopicLeft",
    "TopicState",
    "TopicTroubled",
    "TopicsShown",
    "Troubled",
    "WaitEnded",
    "WatchChosen",
]


class Happening(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False):
    """The base class.

    Attributes:
        at: When it happened.
    """

    at: datetime


class ConnectionOpened(Happening, frozen=True, kw_only=True, tag="connected"):
    """The connection is open. ``again``: an earlier one was lost."""

    url: str
    ms: float | None
    again: bool


class ConnectionLost(Happening, frozen=True, kw_only=True, tag="connection_lost"):
    """The connection has ended. ``again``: the client connects again by itself."""

    code: int
    reason: str
    again: bool


class Troubled(Happening, frozen=True, kw_only=True, tag="trouble"):
    """A connect by itself failed, or a frame could not be read."""

    reason: str


class TopicJoined(Happening, frozen=True, kw_only=True, tag="joined"):
    """A topic is joined. ``again``: by itself, after it was lost."""

    topic: str
    ms: float | None
    again: bool
    response: Any


class TopicLeft(Happening, frozen=True, kw_only=True, tag="left"):
    """A topic was left."""

    topic: str
    ms: float


class TopicClosed(Happening, frozen=True, kw_only=True, tag="closed"):
    """The server has ended a channel."""

    topic: str


class TopicTroubled(Happening, frozen=True, kw_only=True, tag="channel_error"):
    """A channel is not joined any more, and joins again by itself."""

    topic: str
    payload: Any


class PushReplied(Happening, frozen=True, kw_only=True, tag="reply"):
    """A push has its reply."""

    topic: str
    event: str
    status: str
    ms: float
    response: Any


class PushMade(Happening, frozen=True, kw_only=True, tag="sent"):
    """A push was sent whose reply nobody waits for."""

    topic: str
    event: str


class EventCame(Happening, frozen=True, kw_only=True, tag="event"):
    """An event of the server. ``position``: its position in the history of the topic."""

    topic: str
    event: str
    payload: Any
    position: str | None


class FrameShown(Happening, frozen=True, kw_only=True, tag="frame"):
    """A frame was sent or came. ``payload`` of a binary frame is bytes."""

    is_sent: bool
    size: int
    join_ref: str | int | None
    ref: str | int | None
    topic: str
    event: str
    payload: Any


class WaitEnded(Happening, frozen=True, kw_only=True, tag="waited"):
    """The event of ``wait`` has come, or the time is over. Without an event both names are empty."""

    topic: str
    event: str
    ms: float


class PingAnswered(Happening, frozen=True, kw_only=True, tag="pong"):
    """The server has answered a ping."""

    ms: float


class PresenceShown(Happening, frozen=True, kw_only=True, tag="presence"):
    """Who is in a topic: the metas by key."""

    topic: str
    presences: dict[str, list[Any]]


class TopicState(Struct, frozen=True):
    """A topic, and the state of its channel."""

    topic: str
    state: str


class TopicsShown(Happening, frozen=True, kw_only=True, tag="topics"):
    """The topics that were joined."""

    topics: list[TopicState]


class WatchChosen(Happening, frozen=True, kw_only=True, tag="watch"):
    """What is shown from now on."""

    choice: str


class HelpShown(Happening, frozen=True, kw_only=True, tag="help"):
    """The help: rows of a usage and what it does."""

    rows: list[tuple[str, str]]


class CommandFailed(Happening, frozen=True, kw_only=True, tag="failed"):
    """A command failed. ``response``: that of a refused join."""

    command: str
    reason: str
    response: Any = None
