"""docs/limits.md lists all limits, with the defaults of the code."""

from __future__ import annotations

import inspect
from pathlib import Path

from bennu import Api, Channel, Deflate, Limits, LongPoll, Presence, Rates, Socket, Threads, on
from bennu.cli.head_limits import DEFAULT_BODY_TIMEOUT, DEFAULT_LIMITS
from bennu.cli.limited_protocol import MAX_HELD
from bennu.cli.listeners import KEEPALIVE_TIMEOUT
from bennu.cli.request_limits import MIN_RATE
from bennu.loop.watch import LIMIT
from bennu.presence.names import MAX_KEY, MAX_META
from bennu.protocol.encoding import MAX_NESTING
from bennu.protocol.inflate import MAX_STREAMS
from bennu.protocol.longpoll import MAX_MESSAGES
from bennu.protocol.query import MAX_QUERY
from bennu.protocol.websocket import MAX_FRAGMENTS
from bennu.reasons import Limit
from bennu.refusals import Readable
from bennu.server.refused_connection import MAX_REFUSED, RATE
from bennu.transports.native import BUDGET

PAGE = (Path(__file__).parents[1] / "docs/limits.md").read_text()

LIMITS: dict[str, object] = {
    "`bennu run --handshake-bytes`": DEFAULT_LIMITS.max_bytes,
    "`bennu run --handshake-timeout`": DEFAULT_LIMITS.timeout,
    "seconds until a connection of a client that vanished is found out (TCP keep-alive, on Linux)": KEEPALIVE_TIMEOUT,
    "`bennu run --body-timeout`": DEFAULT_BODY_TIMEOUT,
    "bytes of a body in each of these seconds": MIN_RATE,
    "bytes behind a request that waits for its turn": MAX_HELD,
    "`Limits(connections=...)`": Limits().connections,
    "`Limits(connections_per_ip=...)`": Limits().connections_per_ip,
    "`Limits(connects_per_ip=...)`": Limits().connects_per_ip,
    **{
        f"`Threads({name}=...)`": getattr(Threads(), name)
        for name in ("handlers", "per_connection", "connects", "hooks")
    },
    "seconds that a callback may hold the event loop": LIMIT,
    "`Rates(joins=...)`": Rates().joins,
    "`Rates(messages=...)`": Rates().messages,
    "`Rates(bytes=...)`": Rates().bytes,
    "`Rates(close_after=...)`": Rates().close_after,
    '`@on("event", rate=...)`': inspect.signature(on).parameters["rate"].default,
    "`Readable(max_held=...)`": Readable().max_held,
    "`Deflate(max_ratio=...)`": Deflate().max_ratio,
    "`Deflate(max_size=...)`": Deflate().max_size,
    "last blocks of one compressed message": MAX_STREAMS,
    "bytes of a query": MAX_QUERY,
    "levels of JSON within each other": MAX_NESTING,
    "messages of a POST": MAX_MESSAGES,
    "bytes of a message of a refused client that can read the reason": MAX_REFUSED,
    "messages of such a client at once, and 10 more a second": RATE.burst,
    "frames, or kilobytes of messages, that are handled at once ([below](#turns))": BUDGET,
    "`Presence(max_keys=...)`": inspect.signature(Presence).parameters["max_keys"].default,
    "bytes of such a key": MAX_KEY,
    "bytes of its meta": MAX_META,
    "fragments of a message, and one more for each 16 bytes of it": MAX_FRAGMENTS,
    **{
        f"`Socket({name}=...)`": getattr(Socket(connect=lambda: None, channels={}), name)
        for name in (
            "timeout",
            "max_frame_size",
            "max_ref_size",
            "max_topic_size",
            "max_event_size",
            "max_values",
            "max_channels",
            "join_timeout",
            "max_unhandled",
            "max_unsent",
        )
    },
    **{
        f"`Channel.{name}`": getattr(Channel, name)
        for name in ("max_inbox", "max_mailbox", "terminate_timeout")
    },
    **{
        f"`LongPoll({name}=...)`": getattr(LongPoll(), name)
        for name in (
            "body_timeout",
            "max_bodies",
            "max_body",
            "max_buffer",
            "max_polls",
            "max_posts",
            "max_sessions",
            "max_sessions_per_ip",
        )
    },
    **{
        f"`Api({name}=...)`": inspect.signature(Api).parameters[name].default
        for name in ("body_timeout", "max_body", "max_messages", "max_requests", "max_values")
    },
}
"""The defaults by their option; a limit without an option by its name on the page."""


def test_the_page_on_limits_has_the_defaults() -> None:
    """The page lists every limit of the code, with its default."""
    table = PAGE.partition("## All of them")[2].partition("##")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    shown: dict[str, float | None] = {}
    for line in lines[2:]:
        name, default, by, _ = (cell.strip() for cell in line.split("|")[1:-1])
        shown[by or name] = None if default == "none" else float(default.replace(",", ""))
    assert shown == LIMITS


def test_the_page_on_limits_names_them_as_telemetry_does() -> None:
    rows = [f"| `{one.text}` | {one.meaning} |" for one in Limit]
    table = "\n".join(["| limit | is |", "|---|---|", *rows])
    assert table in PAGE, f"docs/limits.md needs\n{table}"
