"""Every close code and error reason that a client may see: the one table of them.

``docs/reasons.md`` is this table for readers, and a test compares the two, and both with the code: what
is closed or answered for a reason that does not stand here fails it. Sources: protocol document, §1.13
and §2; RFC 6455, §7.4; codes from 4000 are ours.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

__all__ = ["CloseCode", "DropReason", "Limit", "Reason"]


class CloseCode(Enum):
    """Why the server closes a WebSocket: the code, the close frame's reason, and what it means.

    Attributes:
        code: The code on the wire. Several members may share one.
        text: The reason on the wire; a protocol violation brings a sentence of its own.
        meaning: For the docs.
    """

    STOPPED = (1000, "", "the handler of a raw socket said so: `raise Stop()`")
    DISCONNECTED = (1001, "", "server code called `endpoint.disconnect(id)` for this connection")
    SILENT = (1002, "timeout", "nothing came from the client for `Socket(timeout=...)` seconds")
    PROTOCOL_ERROR = (1002, "", "the client broke the WebSocket protocol; the reason says how")
    NOT_UTF8 = (1007, "", "a text message was not UTF-8, or a compressed one could not be inflated")
    RATE_LIMITED = (
        1008,
        "rate limited",
        "messages came faster than `Socket(rates=...)` allows, and went on to",
    )
    TOO_BIG = (
        1009,
        "message too big",
        "a message was longer than `Socket(max_frame_size=...)`",
    )
    UNDECODABLE = (
        1011,
        "undecodable frame",
        (
            "a message was not of the format that `vsn` agreed on, or had a ref that is neither null, nor an integer of"
            " 64 bits, nor text of `Socket(max_ref_size=...)` bytes, or more than `Socket(max_values=...)` values"
        ),
    )
    INTERNAL_ERROR = (1011, "internal error", "an error of the server's own, which is in its log")
    DRAINING = (
        1012,
        "draining",
        "the server is about to stop, and lets its clients go a few at a time; they connect again",
    )
    SHUTDOWN = (1012, "shutdown", "the server stops; clients connect again")
    TOO_SLOW = (1013, "too slow", "the client left more than `Socket(max_unsent=...)` bytes unread")
    TOKEN_EXPIRED = (
        4001,
        "token_expired",
        "the time of `info.expire_at(...)` has come; a client connects again with a new token",
    )
    REFUSED = (
        4003,
        "refused",
        "the connect was refused on a socket with readable refusals; each reply said why",
    )

    def __init__(self, code: int, text: str, meaning: str) -> None:
        self.code = code
        self.text = text
        self.meaning = meaning


PROTOCOL_FAILURES: Final = {
    1002: CloseCode.PROTOCOL_ERROR,
    1007: CloseCode.NOT_UTF8,
    1009: CloseCode.TOO_BIG,
}
"""Of the codes with which the frame reader fails a connection."""


class DropReason(Enum):
    """Why a message was not handed to a client, or to a channel: no such loss goes uncounted."""

    NO_BINARY = ("no_binary", "the client's format or transport carries no binary payload")
    MAILBOX_FULL = (
        "mailbox_full",
        'a channel with `overflow = "drop_oldest"` had `max_mailbox` messages of the server waiting',
    )
    SLOW_OLDEST = (
        "slow_oldest",
        "the client reads slowly, and its channel's `when_slow` lets the oldest go beyond a bound",
    )
    SLOW_REPLACED = (
        "slow_replaced",
        "the client reads slowly, and its channel's `Latest` had a newer one of the same key",
    )
    SLOW_ENDED = (
        "slow_ended",
        "the client read slowly, and its connection ended first; replies count under the topic `*`",
    )

    RATE_LIMITED = (
        "rate_limited",
        "a client's message without a ref, which can't be answered, came faster than a rate allows",
    )

    def __init__(self, text: str, meaning: str) -> None:
        self.text = text
        self.meaning = meaning


class Limit(Enum):
    """What was exceeded by a client that was refused, or made to wait."""

    CONNECTIONS = ("connections", "`Limits(connections=...)`")
    CONNECTIONS_PER_IP = ("connections_per_ip", "`Limits(connections_per_ip=...)`")
    CONNECTS_PER_IP = ("connects_per_ip", "`Limits(connects_per_ip=...)`")
    CHANNELS = ("channels", "`Socket(max_channels=...)`")
    JOINS = ("joins", "`Rates(joins=...)`")
    MESSAGES = ("messages", "`Rates(messages=...)`")
    BYTES = ("bytes", "`Rates(bytes=...)`; reading paused, and nothing was refused")
    EVENT = ("event", '`@on("event", rate=...)`')
    HANDSHAKE_TIME = ("handshake_time", "`bennu run --handshake-timeout`")
    HANDSHAKE_BYTES = ("handshake_bytes", "`bennu run --handshake-bytes`")
    BODY_TIME = ("body_time", "`bennu run --body-timeout`, or `LongPoll(body_timeout=...)`")
    BODIES = ("bodies", "`LongPoll(max_bodies=...)`")
    SESSIONS = ("sessions", "`LongPoll(max_sessions=...)`")
    SESSIONS_PER_IP = ("sessions_per_ip", "`LongPoll(max_sessions_per_ip=...)`")

    def __init__(self, text: str, meaning: str) -> None:
        self.text = text
        self.meaning = meaning


class Reason(Enum):
    """Why a message is answered with an error: the ``reason`` in the reply, and what it means.

    An application adds reasons of its own with ``raise Refused(reason)``.
    """

    UNMATCHED_TOPIC = ("unmatched topic", "no channel stands for the topic, or it is not joined")
    JOIN_CRASHED = ("join crashed", "the join raised, or took over `Socket(join_timeout=...)`")
    TOO_MANY_CHANNELS = (
        "too many channels joined",
        "the connection has joined `Socket(max_channels=...)` channels already",
    )
    TOO_LONG = (
        "too_long",
        (
            "the topic of a join is longer than `Socket(max_topic_size=...)`, or the event of a push longer than"
            " `Socket(max_event_size=...)`; `max_bytes` is the limit"
        ),
    )
    CHANNEL_CRASH = ("channel_crash", "in `phx_error`: the channel ended by an error; rejoin")
    UNKNOWN_EVENT = ("unknown_event", "the channel handles no such event")
    INVALID_PAYLOAD = (
        "invalid_payload",
        "the payload is not of the handler's type; `errors` lists what is wrong, each with a `path`",
    )
    RATE_LIMITED = (
        "rate_limited",
        "it came faster than a rate allows; `retry_after_ms` says when to send it again",
    )
    TOO_MANY_CONNECTIONS = (
        "too_many_connections",
        "of a refused connect: as many are open as `Limits(...)` allows, in all or from the address",
    )
    BINARY_UNSUPPORTED = (
        "binary_unsupported",
        "the reply is bytes, which the client's format or transport does not carry",
    )
    DRAINING = ("draining", "of a refused connect: the server is about to stop; connect again")
    INVALID_PARAMS = ("invalid_params", "the parameters of the connect are not of their type")
    UNSUPPORTED_VSN = (
        "unsupported_vsn",
        "the client asks for a version of the wire that the server does not speak",
    )
    INVALID_ID = ("invalid id", "the socket's `id` made no text of the assigns")
    TOKEN_EXPIRED = ("token_expired", "the token is genuine, and too old")
    TOKEN_INVALID = ("token_invalid", "the token was not made by whom it should be, or is none")
    TOKEN_MISSING = ("token_missing", "there is no token where one is needed")
    KEYS_UNAVAILABLE = (
        "keys_unavailable",
        "the keys by which tokens are verified could not be fetched; try again",
    )
    TOKEN_OF_ANOTHER = (
        "token_of_another",
        "the new token is another user's than the connection's; connect again with it",
    )
    REFRESHING = ("refreshing", "a new token is being looked at already; wait for that reply")
    REFRESH_CRASHED = (
        "refresh crashed",
        "the socket's `refresh` raised, or took over `Socket(join_timeout=...)`",
    )

    PRESENCE_KEY = (
        "presence_key",
        "a presence can't have this key, since it would harm clients; see `docs/presence.md`",
    )
    PRESENCE_META = (
        "presence_meta",
        "the meta of a presence is too large: it has more than 65,536 bytes",
    )
    PRESENCE_KEYS = (
        "too_many_presences",
        "the channel tracks too many keys; see `Presence(max_keys=...)`",
    )

    def __init__(self, text: str, meaning: str) -> None:
        self.text = text
        self.meaning = meaning

    def payload(self, **extra: Any) -> dict[str, Any]:
        """Return the response that names it."""
        return {"reason": self.text, **extra}
