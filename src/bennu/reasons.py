"""The tables of all close codes and error reasons that a client can get.

``docs/reasons.md`` shows these tables to users. A test compares that page with this module, and this module with the
code: a reason in the code that is missing here fails the test. Sources: protocol document, §1.13 and §2; RFC 6455,
§7.4. Codes from 4000 are Bennu's own.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

__all__ = ["APIReason", "CloseCode", "DropReason", "Limit", "LossReason", "Reason"]


class CloseCode(Enum):
    """Why the server closes a WebSocket: the code, the close frame's reason, and what it means.

    Attributes:
        code: The code that is sent. Several members can have the same code.
        text: The reason that is sent; for a protocol violation another text is sent.
        meaning: The explanation in the docs.
    """

    STOPPED = (1000, "", "the handler of a raw socket said so: `raise Stop()`")
    DISCONNECTED = (1001, "", "server code called `endpoint.disconnect(id)` for this connection")
    SILENT = (1002, "timeout", "nothing came from the client for `Socket(timeout=...)` seconds")
    PROTOCOL_ERROR = (1002, "", "the client broke the WebSocket protocol; the reason says how")
    NOT_UTF8 = (1007, "", "a text message was not UTF-8, or a compressed one could not be inflated")
    RATE_LIMITED = (
        1008,
        "rate limited",
        "the client continued to send messages faster than `Socket(rates=...)` allows",
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
            "a message was not in the format of its `vsn`, or had more than `Socket(max_values=...)` values, or had a"
            " ref that is neither null, nor an integer of 64 bits, nor text of at most `Socket(max_ref_size=...)` bytes"
        ),
    )
    INTERNAL_ERROR = (1011, "internal error", "the server had an error, which is in its log")
    DRAINING = (
        1012,
        "draining",
        "the server is about to stop, and closes its connections in batches; clients connect again",
    )
    SHUTDOWN = (1012, "shutdown", "the server stops; clients connect again")
    TOO_SLOW = (1013, "too slow", "the client left more than `Socket(max_unsent=...)` bytes unread")
    TOKEN_EXPIRED = (
        4001,
        "token_expired",
        "the time of `info.expire_at(...)` is over; the client connects again with a new token",
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
"""The close codes of the frame reader's failures."""


class _Explained(Enum):
    """A table whose rows have a text and an explanation."""

    def __init__(self, text: str, meaning: str) -> None:
        self.text = text
        self.meaning = meaning


class DropReason(_Explained):
    """Why a message was not delivered to a client or a channel. Every such message is counted.

    Attributes:
        text: The reason in telemetry.
        meaning: The explanation in the docs.
    """

    NO_BINARY = ("no_binary", "the client's format or transport carries no binary payload")
    MAILBOX_FULL = (
        "mailbox_full",
        'a channel with `overflow = "drop_oldest"` had `max_mailbox` messages of the server waiting',
    )
    SLOW_OLDEST = (
        "slow_oldest",
        "the client reads slowly, and its channel's `when_slow` drops the oldest messages above a limit",
    )
    SLOW_REPLACED = (
        "slow_replaced",
        "the client reads slowly, and its channel's `Latest` had a newer message with the same key",
    )
    SLOW_ENDED = (
        "slow_ended",
        "the client read slowly, and its connection ended first; replies count under the topic `*`",
    )

    RATE_LIMITED = (
        "rate_limited",
        "a client's message came faster than a rate allows, and had no ref to reply to",
    )


class LossReason(_Explained):
    """Why messages between two nodes were lost on the bus.

    Attributes:
        text: The reason in telemetry.
        meaning: The explanation in the docs.
    """

    GAP = ("gap", "this node missed messages of the node: the sequence of the topic has a gap")
    TAIL = ("tail", "the node ended without a good-bye: what it published last is unknown")
    CUT = (
        "cut",
        (
            "the node did not read for too long, so this node's messages for it were dropped; the node counts them"
            " as a gap when it reads again"
        ),
    )
    DROPPED = (
        "dropped",
        (
            "the broker was down or did not take more for too long, so this node dropped messages before it sent them;"
            " the nodes that hear the topic count them as a gap"
        ),
    )


class Limit(_Explained):
    """The limit that a client exceeded, so that the server refused the client or delayed its messages.

    Attributes:
        text: The name of the limit in telemetry and logs.
        meaning: The option of the limit, for logs and the docs.
    """

    CONNECTIONS = ("connections", "`Limits(connections=...)`")
    CONNECTIONS_PER_IP = ("connections_per_ip", "`Limits(connections_per_ip=...)`")
    CONNECTS_PER_IP = ("connects_per_ip", "`Limits(connects_per_ip=...)`")
    CHANNELS = ("channels", "`Socket(max_channels=...)`")
    JOINS = ("joins", "`Rates(joins=...)`")
    MESSAGES = ("messages", "`Rates(messages=...)`")
    BYTES = ("bytes", "`Rates(bytes=...)`; reading was paused, and nothing was refused")
    EVENT = ("event", '`@on("event", rate=...)`')
    HANDSHAKE_TIME = ("handshake_time", "`bennu run --handshake-timeout`")
    HANDSHAKE_BYTES = ("handshake_bytes", "`bennu run --handshake-bytes`")
    BODY_TIME = (
        "body_time",
        "`bennu run --body-timeout`, `LongPoll(body_timeout=...)`, or `Api(body_timeout=...)`",
    )
    BODIES = ("bodies", "`LongPoll(max_bodies=...)`")
    SESSIONS = ("sessions", "`LongPoll(max_sessions=...)`")
    SESSIONS_PER_IP = ("sessions_per_ip", "`LongPoll(max_sessions_per_ip=...)`")
    API_RATE = ("api_rate", "`Api(rate=...)`")
    API_REQUESTS = ("api_requests", "`Api(max_requests=...)`")
    API_WRONG_KEYS = ("api_wrong_keys", "`Api(wrong_keys=...)`")
    DASHBOARD_LOGINS = ("dashboard_logins", "`Dashboard(logins=...)`")


class Reason(_Explained):
    """Why a message is answered with an error. An application adds its own reasons with ``raise Refused(reason)``.

    Attributes:
        text: The ``reason`` in the reply.
        meaning: The explanation in the docs.
    """

    UNMATCHED_TOPIC = ("unmatched topic", "no channel has this topic, or the topic is not joined")
    JOIN_CRASHED = ("join crashed", "the join raised, or took over `Socket(join_timeout=...)`")
    TOO_MANY_CHANNELS = (
        "too many channels joined",
        "the connection has already joined `Socket(max_channels=...)` channels",
    )
    TOO_LONG = (
        "too_long",
        (
            "the topic of a join is longer than `Socket(max_topic_size=...)`, or the event of a push longer than"
            " `Socket(max_event_size=...)`; `max_bytes` is the limit"
        ),
    )
    CHANNEL_CRASH = ("channel_crash", "in `phx_error`: the channel ended by an error; rejoin")
    UNKNOWN_EVENT = ("unknown_event", "the channel has no handler for this event")
    INVALID_PAYLOAD = (
        "invalid_payload",
        "the payload does not fit the handler's type; `errors` lists each mistake with its `path`",
    )
    INVALID_KEY = (
        "invalid_key",
        "the push is idempotent, and its `field` must be text of 1 to 255 characters, or a whole number of 64 bits",
    )
    KEY_REUSED = (
        "key_reused",
        "the client has sent the key of this idempotent push before, with another payload",
    )
    STILL_RUNNING = (
        "still_running",
        "the first push with this key is still handled; send the push again after `retry_after_ms`",
    )
    REPLY_NOT_KEPT = (
        "reply_not_kept",
        "the first push with this key was handled, but its reply is too large for the store",
    )
    NO_ID = ("no_id", "an idempotent push needs a connection with an id (`Socket(id=...)`)")
    STORE_UNAVAILABLE = (
        "store_unavailable",
        "the store does not answer, so the push was not handled; send it again after `retry_after_ms`",
    )
    RATE_LIMITED = (
        "rate_limited",
        "the message came faster than a rate allows; `retry_after_ms` says when to send it again",
    )
    TOO_MANY_CONNECTIONS = (
        "too_many_connections",
        "of a refused connect: the number of open connections, in all or of the address, is at its limit (`Limits(...)`)",
    )
    BINARY_UNSUPPORTED = (
        "binary_unsupported",
        "the reply is bytes, which the client's format or transport can't carry",
    )
    DRAINING = ("draining", "of a refused connect: the server is about to stop; connect again")
    INVALID_PARAMS = ("invalid_params", "the parameters of the connect do not fit their type")
    UNSUPPORTED_VSN = (
        "unsupported_vsn",
        "the client asks for a version of the protocol that the server does not have",
    )
    INVALID_ID = ("invalid id", "the socket's `id` returned no text for the assigns")
    TOKEN_EXPIRED = ("token_expired", "the token has a valid signature, but is too old")
    TOKEN_INVALID = (
        "token_invalid",
        "the token was signed by someone else, was changed, or is no token",
    )
    TOKEN_MISSING = ("token_missing", "a token is needed, and there is none")
    KEYS_UNAVAILABLE = (
        "keys_unavailable",
        "the keys that verify tokens could not be fetched; try again",
    )
    TOKEN_OF_ANOTHER = (
        "token_of_another",
        "the new token belongs to another user than the connection; connect again with it",
    )
    HISTORY_UNAVAILABLE = (
        "history_unavailable",
        "of a refused join: the store of the topic's history does not answer; join again after `retry_after_ms`",
    )
    REFRESHING = ("refreshing", "another new token is still being verified; wait for that reply")
    REFRESH_CRASHED = (
        "refresh crashed",
        "the socket's `refresh` raised, or took over `Socket(join_timeout=...)`",
    )

    TOO_MANY_PAGES = (
        "too_many_pages",
        "of the dashboard: the node serves as many pages, or follows as much, as it can",
    )
    PRESENCE_KEY = (
        "presence_key",
        "a presence can't have this key, because it would harm clients; see `docs/presence.md`",
    )
    PRESENCE_META = (
        "presence_meta",
        "the meta of a presence is too large: it has more than 65,536 bytes",
    )
    PRESENCE_KEYS = (
        "too_many_presences",
        "the channel tracks too many keys; see `Presence(max_keys=...)`",
    )

    def payload(self, **extra: Any) -> dict[str, Any]:
        """Return the response with this reason.

        Args:
            extra: Other fields of the response.
        """
        return {"reason": self.text, **extra}


class APIReason(Enum):
    """Why a request to the HTTP API is refused (``Endpoint(api=...)``).

    Attributes:
        status: The HTTP status of the answer.
        text: The ``reason`` in the answer.
        meaning: The explanation in the docs.
    """

    INVALID_JSON = (400, "invalid_json", "the body is not JSON in UTF-8, or has too many values")
    MALFORMED_HOST = (400, "malformed_host", "the request needs one Host header that names a host")
    KEY_MISSING = (401, "key_missing", "there is no key in `Authorization: Bearer` or `X-Api-Key`")
    KEY_WRONG = (401, "key_wrong", "the key is none of `Api(keys=...)`")
    FORBIDDEN_HOST = (403, "forbidden_host", "the Host header is none of `Endpoint(hosts=...)`")
    NO_HISTORY = (404, "no_history", "the topic has no history: its channel keeps none")
    UNKNOWN_PRESENCE = (404, "unknown_presence", "the endpoint has no presence of this name")
    METHOD_NOT_ALLOWED = (405, "method_not_allowed", "the path has other methods: see `Allow`")
    BODY_TOO_SLOW = (408, "body_too_slow", "the body took longer than `Api(body_timeout=...)`")
    BODY_TOO_LONG = (413, "body_too_long", "the body is longer than `Api(max_body=...)`")
    WRONG_CONTENT_TYPE = (
        415,
        "wrong_content_type",
        "a body needs `Content-Type: application/json`",
    )
    INVALID_REQUEST = (
        422,
        "invalid_request",
        "the body or the query does not fit; `errors` lists each mistake with its `path`",
    )
    RESERVED_EVENT = (422, "reserved_event", "events that begin with `phx_` belong to the protocol")
    UNENCODABLE = (
        422,
        "unencodable",
        "the message can't be sent: it is too large for the bus, for example",
    )
    RATE_LIMITED = (
        429,
        "rate_limited",
        "the key publishes faster than `Api(rate=...)`; `Retry-After` has the seconds to wait",
    )
    WRONG_KEYS = (
        429,
        "too_many_wrong_keys",
        "the key is wrong, and so were too many before, from this address (`Api(wrong_keys=...)`)",
    )
    INTERNAL_ERROR = (500, "internal_error", "the server had an error, which is in its log")
    CUT_OFF = (
        503,
        "cut_off",
        "this node does not hear the bus, and has published nothing; try another node",
    )
    STORE_UNAVAILABLE = (
        503,
        "store_unavailable",
        "the store of the topic's history does not answer; what was published may be lost, or may arrive later",
    )
    TOO_BUSY = (503, "too_busy", "`Api(max_requests=...)` requests are under way")
    NOT_CONFIRMED = (
        504,
        "not_confirmed",
        "the bus has not confirmed in time: the messages may have arrived, or may arrive later",
    )

    def __init__(self, status: int, text: str, meaning: str) -> None:
        self.status = status
        self.text = text
        self.meaning = meaning
