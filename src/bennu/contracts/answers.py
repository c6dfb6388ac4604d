"""Which of Bennu's own reasons a connect, a join or a push can be refused with. Pure.

The tables say when the server gives a reason. A reason whose cause an application has switched off is left out, so that a client
handles what can come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from ..reasons import Reason

__all__ = ["ConnectFacts", "EventFacts", "connect_reasons", "join_reasons", "push_reasons"]


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What decides the reasons of a join or a push.

    Attributes:
        is_checked: Whether the payload has a type that a payload can fail to fit.
        has_rate: Whether a rate of the event or of the socket applies.
        is_idempotent: Whether the push has a key.
        needs_store: Whether the topic has a history.
        has_bytes: Whether the reply can be bytes.
        tracks: Whether the handler adds a presence.
    """

    is_checked: bool = False
    has_rate: bool = False
    is_idempotent: bool = False
    needs_store: bool = False
    has_bytes: bool = False
    tracks: bool = False


@dataclass(frozen=True, slots=True)
class ConnectFacts:
    """What decides the reasons of a connect.

    Attributes:
        is_checked: Whether the parameters have a type.
        has_id: Whether connections have an id.
        has_tokens: Whether ``connect`` verifies tokens with :mod:`bennu.auth` or :mod:`bennu.phoenix`.
        has_keys: Whether it fetches the keys for that.
        has_limits: Whether connections are limited.
    """

    is_checked: bool = False
    has_id: bool = False
    has_tokens: bool = False
    has_keys: bool = False
    has_limits: bool = False


ALWAYS_OF_JOINS: Final = (
    Reason.UNMATCHED_TOPIC,
    Reason.JOIN_CRASHED,
    Reason.TOO_MANY_CHANNELS,
    Reason.TOO_LONG,
)
OF_KEYS: Final = (
    Reason.INVALID_KEY,
    Reason.KEY_REUSED,
    Reason.STILL_RUNNING,
    Reason.REPLY_NOT_KEPT,
    Reason.NO_ID,
    Reason.STORE_UNAVAILABLE,
)
OF_PRESENCES: Final = (Reason.PRESENCE_KEY, Reason.PRESENCE_META, Reason.PRESENCE_KEYS)


def join_reasons(facts: EventFacts) -> tuple[Reason, ...]:
    """Return the reasons of a join."""
    return (
        *ALWAYS_OF_JOINS,
        *_of_both(facts),
        *((Reason.HISTORY_UNAVAILABLE,) if facts.needs_store else ()),
    )


def push_reasons(facts: EventFacts) -> tuple[Reason, ...]:
    """Return the reasons of a push."""
    return (
        Reason.UNMATCHED_TOPIC,
        *_of_both(facts),
        *(OF_KEYS if facts.is_idempotent else ()),
        *(OF_PRESENCES if facts.tracks else ()),
    )


def _of_both(facts: EventFacts) -> tuple[Reason, ...]:
    return (
        *((Reason.INVALID_PAYLOAD,) if facts.is_checked else ()),
        *((Reason.RATE_LIMITED,) if facts.has_rate else ()),
        *((Reason.BINARY_UNSUPPORTED,) if facts.has_bytes else ()),
    )


def connect_reasons(facts: ConnectFacts) -> tuple[Reason, ...]:
    """Return the reasons of a connect."""
    tokens = (Reason.TOKEN_EXPIRED, Reason.TOKEN_INVALID, Reason.TOKEN_MISSING)
    return (
        Reason.UNSUPPORTED_VSN,
        Reason.DRAINING,
        *((Reason.INVALID_PARAMS,) if facts.is_checked else ()),
        *((Reason.INVALID_ID,) if facts.has_id else ()),
        *((Reason.TOO_MANY_CONNECTIONS,) if facts.has_limits else ()),
        *(tokens if facts.has_tokens else ()),
        *((Reason.KEYS_UNAVAILABLE,) if facts.has_keys else ()),
    )


def has_bytes(annotation: Any) -> bool:
    """Return whether values of a type can be bytes."""
    return annotation is bytes or bytes in get_args(annotation)
