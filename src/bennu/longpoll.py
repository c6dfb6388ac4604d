"""What may be set of long polling: ``Socket(longpoll=LongPoll(...))``. Protocol document, §1.1 and §4."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from .errors import DefinitionError
from .user_code.options import TEXT, options

__all__ = ["LongPoll"]

TWO_WEEKS: Final = 1_209_600.0


@options(path=TEXT)
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
        max_body: Bytes of one POST; a larger one gets HTTP status 400.
        body_timeout: Seconds in which the body of a POST must have come; else it gets HTTP status 408.
        max_posts: POSTs of one session that are read or handled at the same time; another one is answered 408
            in its body. Together they have ``max_body`` bytes at most.
        max_bodies: Bytes of all POSTs of one socket in one process that are read or handled at the same
            time; one address has a quarter of them, or one body of the largest size. Beyond it the
            answer is HTTP status 503.
        max_polls: Polls of one session that wait at the same time; one more has the oldest answered
            that nothing came.
        max_buffer: Bytes that wait for one client, each message counted with 64 more; the session of
            a client that leaves more than that behind ends.
        max_sessions: Sessions of one socket in one process; one more gets HTTP status 503.
        max_sessions_per_ip: Sessions of one socket that one address has (of IPv6: one /64); one more
            gets HTTP status 429. None is no limit.

    Raises:
        DefinitionError: A number is not above 0, or ``max_bodies`` is below ``max_body``.

    Example:
        >>> LongPoll(window=5).window
        5
    """

    window: float = 10.0
    pubsub_timeout: float = 2.0
    max_age: float = TWO_WEEKS
    path: str = "longpoll"
    max_body: int = 8_000_000
    body_timeout: float = 30.0
    max_posts: int = 8
    max_bodies: int = 64_000_000
    max_polls: int = 4
    max_buffer: int = 2_000_000
    max_sessions: int = 10_000
    max_sessions_per_ip: int | None = 1_000

    def __post_init__(self) -> None:
        for one in fields(self):
            value: Any = getattr(self, one.name)
            if one.name == "path" or (value is None and one.name == "max_sessions_per_ip"):
                continue
            if not _is_positive(value):
                raise DefinitionError(
                    f"LongPoll({one.name}=...)",
                    expected="a number above 0",
                    got=repr(value),
                    write=f"{one.name}={one.default}",
                )
        if self.max_bodies < self.max_body:
            raise DefinitionError(
                "LongPoll(max_bodies=...)",
                expected="room for one body at least",
                got=f"max_bodies={self.max_bodies}, max_body={self.max_body}",
                write=f"max_bodies={8 * self.max_body}",
            )


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
