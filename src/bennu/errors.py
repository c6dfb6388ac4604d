"""Every error that Bennu raises, and the two that a channel raises on purpose.

BennuError
├── DefinitionError     a mistake in the user's code, found at start-up
├── NotJoined           a channel used before its join succeeded, or after its end
├── NoRef               a reply asked for where there is no message to reply to
├── EncodeError         a payload that the wire can't carry
├── ReservedEvent       an event sent by an application that is the protocol's own
├── DecodeError         a frame that is no message: the connection closes with 1011
├── CallbackError       a function of the user's that gave no result: it is logged as its crash
├── WrongThread         a call in another thread or event loop than the one that it belongs to
├── AlreadyTracked      an actor tracked twice under one key in one topic
├── NotTracked          an update of what is not tracked
├── NotStarted          a call that needs a started endpoint, in a process where there is none
├── Refused             raised by the user: refuses a connect, a join or a push
│   ├── PresenceRefused a presence that can't be tracked like this
│   │   ├── KeyRefused      a key that it can't have, since it would harm clients
│   │   ├── MetaRefused     a meta that is too large
│   │   └── TooManyKeys     a channel tracks as many as it may
│   └── TokenError      a token that is not accepted, which refuses as well
│       ├── TokenExpired    it is too old
│       ├── TokenInvalid    it was made with another secret or salt, was changed, or is no token
│       └── TokenMissing    there is none
└── Stop                raised by the user: ends the channel
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .reasons import Reason

__all__ = [
    "AlreadyTracked",
    "BennuError",
    "CallbackError",
    "DecodeError",
    "DefinitionError",
    "EncodeError",
    "KeyRefused",
    "MetaRefused",
    "NoRef",
    "NotJoined",
    "NotStarted",
    "NotTracked",
    "PresenceRefused",
    "Refused",
    "ReservedEvent",
    "Stop",
    "TokenError",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "TooManyKeys",
    "WrongThread",
]


class BennuError(Exception):
    """The root of all errors of this package."""


class DefinitionError(BennuError):
    """A mistake in the user's code that was found before any client could meet it.

    Args:
        subject: What is wrong, as the user named it: a class, a handler, a pattern.
        expected: What would be right.
        got: What was found instead.
        write: What to write, in one line of code.
        where: The place as ``file:line``, if known.
    """

    def __init__(
        self, subject: str, *, expected: str, got: str, write: str, where: str | None = None
    ) -> None:
        self.subject = subject
        self.expected = expected
        self.got = got
        self.write = write
        self.where = where
        super().__init__(subject, expected, got, write, where)

    def __str__(self) -> str:
        place = f"\n  at:       {self.where}" if self.where else ""
        return (
            f"{self.subject}\n  expected: {self.expected}\n  got:      {self.got}"
            f"\n  write:    {self.write}{place}"
        )


def source_line(function: Callable[..., object]) -> str | None:
    """Return ``file:line`` of a function, or None for one that has no Python source."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None


class NotJoined(BennuError):
    """The channel has not joined yet, or has ended."""


class NoRef(BennuError):
    """There is no message with a ref to reply to: only a handler of a client's event has one."""


class EncodeError(BennuError):
    """The payload can't be written on the wire."""


class ReservedEvent(BennuError):
    """An application sent an event that is the protocol's own: all that begin with ``phx_``.

    Args:
        event: The event.
    """

    def __init__(self, event: str) -> None:
        self.event = event
        super().__init__(event)

    def __str__(self) -> str:
        return (
            f"{self.event!r} can't be pushed or broadcast: events that begin with 'phx_' are the protocol's,"
            " and clients would take it for an answer, a crash or a close. To answer, return a value;"
            " to close the channel, raise Stop(); else use another name, and don't take names of events"
            " from clients unchecked"
        )


class DecodeError(BennuError):
    """The bytes that came are no message of this protocol."""


class CallbackError(BennuError):
    """A function of the user's raised what is no ``Exception``, or returned what can't be a result."""


class WrongThread(BennuError):
    """A call was made in another thread, or on another event loop, than the one that it belongs to.

    An awaitable method belongs to the event loop on which the endpoint was started. Its blocking twin
    (``endpoint.sync``, ``self.sync``, ``presence.sync``) belongs to any other thread: on an event loop it
    would wait for itself. The message says what to write instead.
    """


class AlreadyTracked(BennuError):
    """The actor is tracked under this key in this topic; ``update`` changes its meta.

    Args:
        topic: The topic.
        key: The key.
    """

    def __init__(self, topic: str, key: str) -> None:
        self.topic = topic
        self.key = key
        super().__init__(topic, key)

    def __str__(self) -> str:
        return (
            f"key {self.key!r} is already tracked in topic {self.topic!r} by this actor;"
            " use update to change its meta"
        )


class NotTracked(BennuError):
    """The actor is not tracked under this key in this topic; ``track`` does that first.

    Args:
        topic: The topic.
        key: The key.
    """

    def __init__(self, topic: str, key: str) -> None:
        self.topic = topic
        self.key = key
        super().__init__(topic, key)

    def __str__(self) -> str:
        return (
            f"key {self.key!r} is not tracked in topic {self.topic!r} by this actor;"
            " use track before update"
        )


class NotStarted(BennuError, RuntimeError):
    """The endpoint is not started in this process, so that a call reaches nobody.

    It was called before the start or after the stop, in a process that serves no clients (a script, a task
    queue, a child process), or of a presence that no endpoint has.
    """


class Refused(BennuError):
    """Refuse a connect, a join or a push. The client gets ``{"reason": reason, **extra}``.

    A refused connect is answered by HTTP 403, of which a browser shows a page nothing, unless the socket
    has readable refusals (``Socket(refusals="readable")``).

    Example:
        >>> Refused("full", retry_after_ms=5000).payload
        {'reason': 'full', 'retry_after_ms': 5000}
    """

    def __init__(self, reason: str, **extra: Any) -> None:
        self.reason = reason
        self.extra = extra
        super().__init__(reason)

    @property
    def payload(self) -> dict[str, Any]:
        """The response of the error reply."""
        return {"reason": self.reason, **self.extra}


class PresenceRefused(Refused):
    """A presence can't be tracked like this. Its text is for the log; a client gets its reason."""

    _row: ClassVar[Reason]

    def __init__(self, text: str) -> None:
        self.extra = {}
        self.reason = self._row.text
        BennuError.__init__(self, text)

    @property
    def payload(self) -> dict[str, Any]:
        """The response of the error reply."""
        return self._row.payload()


class KeyRefused(PresenceRefused):
    """A presence can't have this key."""

    _row = Reason.PRESENCE_KEY


class MetaRefused(PresenceRefused):
    """The meta of a presence is too large."""

    _row = Reason.PRESENCE_META


class TooManyKeys(PresenceRefused):
    """A channel tracks as many keys as it may."""

    _row = Reason.PRESENCE_KEYS


class TokenError(Refused):
    """A token that is not accepted. Its text is for the log; a client gets ``{"reason": "token_..."}``.

    Raised in ``connect``, ``join`` or a handler it refuses what was asked for, as every Refused does.

    Attributes:
        reason: ``"expired"``, ``"invalid"`` or ``"missing"``, as in Phoenix.
    """

    reason: str = "invalid"
    _row: ClassVar[Reason] = Reason.TOKEN_INVALID

    def __init__(self, *args: object) -> None:
        self.extra = {}
        BennuError.__init__(self, *args)

    @property
    def payload(self) -> dict[str, Any]:
        """The response of the error reply."""
        return self._row.payload()


class TokenExpired(TokenError):
    """The token is genuine, and too old.

    Args:
        signed_at: When it was made, in seconds since 1970.
        max_age: How many seconds it was good.
    """

    reason = "expired"
    _row = Reason.TOKEN_EXPIRED

    def __init__(self, signed_at: float, max_age: float) -> None:
        self.signed_at = signed_at
        self.max_age = max_age
        super().__init__(signed_at, max_age)

    def __str__(self) -> str:
        return "the token has expired"


class TokenInvalid(TokenError):
    """The token was made with another secret or salt, was changed, or is no token."""


class TokenMissing(TokenError):
    """There is no token."""

    reason = "missing"
    _row = Reason.TOKEN_MISSING


class Stop(BennuError):
    """End this channel.

    Args:
        reason: ``"normal"``, ``"shutdown"`` and anything that begins with ``"shutdown:"`` close the
            channel: the client gets ``phx_close`` and stays away. Every other reason is a failure:
            the client gets ``phx_error`` and rejoins (protocol, §2.13).
        reply: What to answer to the message that is being handled, if anything: a value or one of
            ``Ok``, ``Error`` and ``Reply``.
    """

    def __init__(self, reason: str = "normal", *, reply: Any = None) -> None:
        self.reason = reason
        self.reply = reply
        super().__init__(reason)

    @property
    def closes(self) -> bool:
        """Whether the client is told that the channel closed, not that it failed."""
        return self.reason in ("normal", "shutdown") or self.reason.startswith("shutdown:")
