"""All exceptions that Bennu raises, and the two that a user raises on purpose (Refused and Stop).

BennuError
├── DefinitionError     a mistake in the user's code, found at start-up
├── NotJoined           a use of a channel before its join succeeded, or after its end
├── NoRef               a reply without a message to reply to
├── EncodeError         a payload that can't be encoded
├── ReservedEvent       an application sent one of the protocol's own events
├── DecodeError         a frame that is no message: the connection closes with 1011
├── CallbackError       a user's function returned no result: it is logged as the function's crash
├── WrongThread         a call in a wrong thread or on a wrong event loop
├── AlreadyTracked      an actor was tracked twice under one key in one topic
├── NotTracked          an update of a presence that is not tracked
├── NotStarted          a call that needs a started endpoint, in a process without one
├── NotConfirmed        the bus has not confirmed in time that it took a publisher's message
├── StoreUnavailable    the store of histories can't be reached, or has not answered in time
├── Refused             raised by the user: refuses a connect, a join or a push
│   ├── PresenceRefused a presence that can't be tracked
│   │   ├── KeyRefused      the key would harm clients
│   │   ├── MetaRefused     the meta is too large
│   │   └── TooManyKeys     the channel tracks its maximum number of keys
│   └── TokenError      a token that is not accepted
│       ├── TokenExpired    the token is too old
│       ├── TokenInvalid    the token has another secret or salt, was changed, or is no token
│       └── TokenMissing    there is no token
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
    "NotConfirmed",
    "NotJoined",
    "NotStarted",
    "NotTracked",
    "PresenceRefused",
    "Refused",
    "ReservedEvent",
    "Stop",
    "StoreUnavailable",
    "TokenError",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "TooManyKeys",
    "WrongThread",
]


class BennuError(Exception):
    """The base class of all exceptions of this package."""


class DefinitionError(BennuError):
    """A mistake in the user's code, found at start-up.

    Args:
        subject: The object with the mistake, by the user's name: a class, a handler, a pattern.
        expected: A description of a correct value.
        got: The value that was found instead.
        write: A correction, in one line of code.
        where: The place as ``file:line``; None if it is unknown.
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
    """Return ``file:line`` of a function; None for a function without Python source."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None


class NotJoined(BennuError):
    """The channel has not joined yet, or has ended."""


class NoRef(BennuError):
    """There is no message with a ref to reply to: only a handler of a client's event has such a message."""


class EncodeError(BennuError):
    """The payload can't be encoded for clients."""


class ReservedEvent(BennuError):
    """An application sent one of the protocol's own events, whose names begin with ``phx_``.

    Args:
        event: The name of the event.
    """

    def __init__(self, event: str) -> None:
        self.event = event
        super().__init__(event)

    def __str__(self) -> str:
        return (
            f"{self.event!r} can't be pushed or broadcast: events that begin with 'phx_' belong to the protocol,"
            " and clients would take it for a reply, a crash or a close. To reply, return a value;"
            " to close the channel, raise Stop(). Else use another name, and check names of events that"
            " come from clients"
        )


class DecodeError(BennuError):
    """The received bytes are no message of this protocol."""


class CallbackError(BennuError):
    """A user's function raised something that is no ``Exception``, or returned a value that can't be a result."""


class WrongThread(BennuError):
    """A method was called in a wrong thread, or on a wrong event loop. The message says what to write instead.

    Call an awaitable method on the event loop on which the endpoint was started. Call its blocking twin
    (``endpoint.sync``, ``self.sync``, ``presence.sync``) in a worker thread: on an event loop it would wait for
    itself.
    """


class AlreadyTracked(BennuError):
    """The actor is already tracked under this key in this topic. Use ``update`` to change its meta.

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
    """The actor is not tracked under this key in this topic. Call ``track`` first.

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
    """The endpoint is not started in this process, so a call would reach no client.

    The call came before the start or after the stop. Or it came from a process that serves no clients: a script, a
    task queue, a child process. Or the presence belongs to no endpoint.
    """


class StoreUnavailable(BennuError):
    """The store of histories can't be reached, refuses, or has not answered in time."""


class NotConfirmed(BennuError):
    """The bus has not confirmed in time that it took a publisher's messages, or messages were dropped.

    A message that is not confirmed can still arrive. If you publish it again, clients can get it twice.
    """


class Refused(BennuError):
    """Raise it to refuse a connect, a join or a push. The client gets ``{"reason": reason, **extra}``.

    A refused connect is answered with HTTP 403. A browser does not show this answer to the page, so use
    ``Socket(refusals="readable")`` if the page needs the reason.

    Args:
        reason: The reason, as text.
        extra: Other fields of the response; any JSON values.

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
    """A presence can't be tracked with these values. Its text is for the log; the client gets its reason."""

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
    """A channel tracks its maximum number of keys: ``Presence(max_keys=...)``."""

    _row = Reason.PRESENCE_KEYS


class TokenError(Refused):
    """A token is not accepted. Its text is for the log; the client gets ``{"reason": "token_..."}``.

    If it is raised in ``connect``, ``join`` or a handler, it refuses the request, as every Refused does.

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
    """The token has a valid signature, but is too old.

    Args:
        signed_at: The time at which the token was made, in seconds since 1970.
        max_age: The seconds for which the token was valid.
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
    """Raise it in a handler to end the channel.

    Args:
        reason: ``"normal"``, ``"shutdown"`` and any text that begins with ``"shutdown:"`` close the channel: the
            client gets ``phx_close`` and does not rejoin. Any other reason is a failure: the client gets
            ``phx_error`` and rejoins (protocol, §2.13). Default: ``"normal"``.
        reply: The reply to the message that is being handled: a value, or an ``Ok``, ``Error`` or ``Reply``.
            Default: None, no reply.
    """

    def __init__(self, reason: str = "normal", *, reply: Any = None) -> None:
        self.reason = reason
        self.reply = reply
        super().__init__(reason)

    @property
    def closes(self) -> bool:
        """Whether the client gets ``phx_close``, and not ``phx_error``."""
        return self.reason in ("normal", "shutdown") or self.reason.startswith("shutdown:")
