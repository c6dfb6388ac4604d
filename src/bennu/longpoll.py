"""The options of long polling: ``Socket(longpoll=LongPoll(...))``. Protocol document, §1.1 and §4."""

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
    """The options of long polling below a socket's mount, for clients that can't open a WebSocket.

    Attributes:
        window: Seconds that a poll waits for a message, and that a message waits to be handled. Stock clients end
            a poll after 20 s, so the window must be well below that. A session whose client stops polling ends
            after 1.5 to 3 windows. Default: 10.
        pubsub_timeout: Seconds within which a session in another process must answer; else the session counts as
            ended. Default: 2.
        max_age: Seconds for which a session's token is accepted. Default: 1,209,600 (two weeks).
        path: The path below the mount; it can contain variables, ``{name}``. Default: ``"longpoll"``.
        max_body: Bytes of one POST; a larger POST gets HTTP status 400. Default: 8,000,000.
        body_timeout: Seconds within which the body of a POST must arrive; else the POST gets HTTP status 408.
            Default: 30.
        max_posts: POSTs of one session that are read or handled at the same time. Together they have at most
            ``max_body`` bytes. One more POST gets the status 408 in the body of its answer. Default: 8.
        max_bodies: Bytes of all POSTs of one socket in one process that are read or handled at the same time. One
            address can use a quarter of them, or one body of the largest size. Above that a POST gets HTTP status
            503. Default: 64,000,000.
        max_polls: Polls of one session that wait at the same time. One more poll ends the oldest poll without a
            message. Default: 4.
        max_buffer: Bytes that wait for one client; each message counts 64 bytes more. Above that the session ends.
            Default: 2,000,000.
        max_sessions: Sessions of one socket in one process; one more gets HTTP status 503. Default: 10,000.
        max_sessions_per_ip: Sessions of one socket from one address (IPv6: one /64); one more gets HTTP status
            429. None is no limit. Default: 1,000.

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
