"""The states of a connection and of a channel, and their transitions, as tables. Pure.

Theory of operation
-------------------
The tables are those of phoenix.js (protocol document, §5.2 and §5.5). A channel is told a :class:`Cause`. The table says
its next :class:`ChannelState` and the :class:`Effect`\\ s: what the shell around it has to do, in order. Without a row
the cause changes nothing.

Three things differ from phoenix.js, and no server can tell:

- A join without a connection is not kept as a frame. The channel waits in JOINING, and sends its join when the connection
  opens. So no join is sent twice.
- A leave without a connection sends nothing later: the server has forgotten the channel with its connection.
- A push whose connection or channel ends fails at once, and not when its time is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

__all__ = [
    "TRANSITIONS",
    "Cause",
    "ChannelState",
    "ConnectionState",
    "Effect",
    "reconnects",
    "transition",
]

NORMAL: Final = 1000
"""The close code after which no client connects again."""


class ConnectionState(Enum):
    """The state of a client's connection."""

    CLOSED = "closed"
    """There is none, and the client is not started, or was closed."""
    CONNECTING = "connecting"
    """The client connects, or waits to connect again."""
    OPEN = "open"


class ChannelState(Enum):
    """The state of a channel."""

    CLOSED = "closed"
    """Not joined yet, or left, or closed by the server. It does not join by itself."""
    JOINING = "joining"
    JOINED = "joined"
    LEAVING = "leaving"
    ERRORED = "errored"
    """The join failed, the channel crashed, or the connection was lost. It joins again by itself."""


class Cause(Enum):
    """What happens to a channel."""

    JOIN = auto()
    """The application calls ``join``."""
    OPENED = auto()
    """The connection has opened."""
    LOST = auto()
    """The connection has ended."""
    ACCEPTED = auto()
    """The reply to the join is ok."""
    REFUSED = auto()
    """The reply to the join is an error."""
    JOIN_TIMEOUT = auto()
    """The join was not answered in time."""
    REJOIN = auto()
    """The wait before the next join is over."""
    CRASHED = auto()
    """The server sent ``phx_error``."""
    ENDED = auto()
    """The server sent ``phx_close``."""
    LEAVE = auto()
    """The application calls ``leave``."""
    LEFT = auto()
    """The leave was answered, or was not answered in time."""
    SHUT = auto()
    """The client is closed."""


class Effect(Enum):
    """What the shell of a channel does, in the order of the row."""

    SEND_JOIN = auto()
    """Send ``phx_join`` with a new ref, if the connection is open."""
    SEND_LEAVE = auto()
    """Send ``phx_leave`` with the ref of the join, if the join was sent on the open connection."""
    TIME_JOIN = auto()
    """Start the timer of the join anew."""
    TIME_REJOIN = auto()
    """Start the timer before the next join, if the connection is open."""
    TIME_LEAVE = auto()
    """Start the timer of the leave."""
    STOP_TIMER = auto()
    """Stop the timer that runs: a channel has at most one."""
    SEND_PUSHES = auto()
    """Send the pushes that waited for the join."""
    LOSE_PUSHES = auto()
    """Fail the pushes that were sent and not answered."""
    DROP_PUSHES = auto()
    """Fail all pushes, also those that wait for the join."""
    TELL_JOINED = auto()
    TELL_REFUSED = auto()
    TELL_TIMEOUT = auto()
    TELL_ERROR = auto()
    TELL_CLOSED = auto()


_CLOSED: Final = (Effect.STOP_TIMER, Effect.DROP_PUSHES, Effect.TELL_CLOSED)
_ENDED: Final = (ChannelState.CLOSED, _CLOSED)
_ANEW: Final = (ChannelState.JOINING, (Effect.TIME_JOIN, Effect.SEND_JOIN))

TRANSITIONS: Final[Mapping[tuple[ChannelState, Cause], tuple[ChannelState, tuple[Effect, ...]]]] = {
    (ChannelState.CLOSED, Cause.JOIN): _ANEW,
    (ChannelState.CLOSED, Cause.LEAVE): (ChannelState.CLOSED, (Effect.TELL_CLOSED,)),
    (ChannelState.CLOSED, Cause.SHUT): (ChannelState.CLOSED, (Effect.TELL_CLOSED,)),
    (ChannelState.JOINING, Cause.OPENED): (ChannelState.JOINING, (Effect.SEND_JOIN,)),
    (ChannelState.JOINING, Cause.ACCEPTED): (
        ChannelState.JOINED,
        (Effect.STOP_TIMER, Effect.SEND_PUSHES, Effect.TELL_JOINED),
    ),
    (ChannelState.JOINING, Cause.REFUSED): (
        ChannelState.ERRORED,
        (Effect.STOP_TIMER, Effect.TELL_REFUSED, Effect.TIME_REJOIN),
    ),
    (ChannelState.JOINING, Cause.JOIN_TIMEOUT): (
        ChannelState.ERRORED,
        (Effect.SEND_LEAVE, Effect.TELL_TIMEOUT, Effect.TIME_REJOIN),
    ),
    (ChannelState.JOINING, Cause.CRASHED): (
        ChannelState.ERRORED,
        (Effect.STOP_TIMER, Effect.TELL_ERROR, Effect.TIME_REJOIN),
    ),
    (ChannelState.JOINING, Cause.LOST): (
        ChannelState.ERRORED,
        (Effect.STOP_TIMER, Effect.TELL_ERROR),
    ),
    (ChannelState.JOINING, Cause.LEAVE): (ChannelState.CLOSED, (Effect.SEND_LEAVE, *_CLOSED)),
    (ChannelState.JOINING, Cause.ENDED): _ENDED,
    (ChannelState.JOINING, Cause.SHUT): _ENDED,
    (ChannelState.JOINED, Cause.CRASHED): (
        ChannelState.ERRORED,
        (Effect.LOSE_PUSHES, Effect.TELL_ERROR, Effect.TIME_REJOIN),
    ),
    (ChannelState.JOINED, Cause.LOST): (
        ChannelState.ERRORED,
        (Effect.LOSE_PUSHES, Effect.TELL_ERROR),
    ),
    (ChannelState.JOINED, Cause.LEAVE): (
        ChannelState.LEAVING,
        (Effect.SEND_LEAVE, Effect.TIME_LEAVE),
    ),
    (ChannelState.JOINED, Cause.ENDED): _ENDED,
    (ChannelState.JOINED, Cause.SHUT): _ENDED,
    (ChannelState.LEAVING, Cause.LEFT): _ENDED,
    (ChannelState.LEAVING, Cause.ENDED): _ENDED,
    (ChannelState.LEAVING, Cause.CRASHED): _ENDED,
    (ChannelState.LEAVING, Cause.LOST): _ENDED,
    (ChannelState.LEAVING, Cause.SHUT): _ENDED,
    (ChannelState.ERRORED, Cause.OPENED): (
        ChannelState.JOINING,
        (Effect.STOP_TIMER, Effect.TIME_JOIN, Effect.SEND_JOIN),
    ),
    (ChannelState.ERRORED, Cause.REJOIN): _ANEW,
    (ChannelState.ERRORED, Cause.LOST): (ChannelState.ERRORED, (Effect.STOP_TIMER,)),
    (ChannelState.ERRORED, Cause.LEAVE): _ENDED,
    (ChannelState.ERRORED, Cause.ENDED): _ENDED,
    (ChannelState.ERRORED, Cause.SHUT): _ENDED,
}
"""What a channel becomes by a cause, and what its shell does."""


def transition(state: ChannelState, cause: Cause) -> tuple[ChannelState, tuple[Effect, ...]]:
    """Return the next state of a channel, and the effects in their order.

    Example:
        >>> transition(ChannelState.JOINED, Cause.LOST)[0]
        <ChannelState.ERRORED: 'errored'>
    """
    return TRANSITIONS.get((state, cause), (state, ()))


def reconnects(code: int) -> bool:
    """Return whether a client connects again after the server has closed with this code.

    It does after each code but 1000, by which a server says that it is done with the client.
    """
    return code != NORMAL
