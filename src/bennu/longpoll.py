"""What may be set of long polling: ``Socket(longpoll=LongPoll(...))``. Protocol document, §1.1 and §4."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from .errors import DefinitionError

__all__ = ["LongPoll"]

TWO_WEEKS: Final = 1_209_600.0


@dataclass(frozen=True, slots=True)
class LongPoll:
    """Long polling below a socket's mount: for clients that no WebSocket reaches.

    Attributes:
        window: Seconds that a poll waits for a message, and a message for being handled. Stock
            clients give a poll up after 20 s, so it must stay well below that. A session whose client
            stops polling ends after 1.5 to 3 windows.
        pubsub_timeout: Without effect today, since no other process can be reached: seconds in which a
            session that lives in another process must answer; then it counts as gone.
        max_age: Seconds after which a session's token is no longer accepted.
        path: Below the mount; it may hold variables, ``{name}``.
        max_body: Bytes of one POST.
        max_buffer: Bytes that wait for one client, each message counted with 64 more; the session of
            a client that leaves more than that behind ends.
        max_sessions: Of one socket in one process; whoever wants one more gets HTTP status 503.

    Raises:
        DefinitionError: A number is not above 0.

    Example:
        >>> LongPoll(window=5).window
        5
    """

    window: float = 10.0
    pubsub_timeout: float = 2.0
    max_age: float = TWO_WEEKS
    path: str = "longpoll"
    max_body: int = 8_000_000
    max_buffer: int = 2_000_000
    max_sessions: int = 10_000

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "path" and not value > 0:
                raise DefinitionError(
                    f"LongPoll({one.name}=...)",
                    expected="a number above 0",
                    got=repr(value),
                    write=f"{one.name}={one.default}",
                )
