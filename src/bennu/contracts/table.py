"""The topic table: a contract as text for a terminal, and as builtins for tools. Pure, but for the libraries of schemas."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from .model import (
    EMPTY,
    NOTHING,
    ChannelContract,
    ClientEvent,
    Contract,
    EventOrigin,
    ReplyContract,
    SocketContract,
)
from .schemas import Schemas, schemas_of
from .type_text import type_text

__all__ = ["channel_facts", "duration", "event_facts", "listing", "socket_facts", "topic_table"]

INDENT: Final = "  "
NARROWEST: Final = 40
"""Columns of the narrowest table."""
NO_BREAK: Final = "\u00a0"
LONG: Final = 40
"""Characters of a fact that can be broken."""
GAP: Final = 2
"""Spaces between two columns."""
DEFAULTS: Final = {
    "max_inbox": 64,
    "max_mailbox": 1000,
    "overflow": "end",
    "terminate_timeout": 5.0,
    "when_slow": "close",
}
"""Class options that are not shown if a class has not changed them."""


class Line(NamedTuple):
    """A line of the table: an event.

    Attributes:
        way: ``join``, ``in`` or ``out``.
        event: The event.
        types: The types of the payload and of the reply.
        notes: The rest.
    """

    way: str
    event: str
    types: str
    notes: str


def topic_table(contract: Contract, width: int = 100) -> str:
    """Return the table of all topics and their events.

    Args:
        contract: The contract.
        width: Columns of the terminal, at least 40. Default: 100.
    """
    width = max(width, NARROWEST)
    parts: list[str] = []
    for socket in contract.sockets:
        parts.append("\n".join(_socket_lines(socket, width)))
        parts += ["\n".join(_channel_lines(one, width)) for one in socket.channels]
    return "\n\n".join(parts) if parts else "The endpoint has no socket."


def _socket_lines(socket: SocketContract, width: int) -> Iterator[str]:
    yield from _wrapped(f"{socket.path}  ", ", ".join(socket.transports), width)
    if socket.is_raw:
        yield f"{INDENT}a raw socket: it has no topics"
    yield from _wrapped(INDENT, _joined(socket_facts(socket)), width)


def socket_facts(socket: SocketContract) -> list[str]:
    """Return what a client must know to connect, in short."""
    facts = [f"connect({type_text(socket.params)})"]
    if socket.auth_token:
        facts.append("auth token")
    if socket.has_session:
        facts.append("session" + (" with _csrf_token" if socket.needs_csrf else ""))
    if socket.can_refresh:
        facts.append("tokens can be renewed")
    if socket.subprotocols:
        facts.append(f"subprotocols {', '.join(socket.subprotocols)}")
    if not socket.has_id:
        facts.append("no id")
    facts += [f"{name} {rate}" for name, rate in socket.limits.items() if name.startswith("rates.")]
    return [*facts, *_refusals(socket.refusals)]


def _refusals(reasons: Sequence[str]) -> list[str]:
    """Return the application's own reasons, each as one fact."""
    return [f'refuses "{one}"' for one in reasons]


def _channel_lines(channel: ChannelContract, width: int) -> Iterator[str]:
    parameters = ", ".join(f"{one.name}: {type_text(one.type)}" for one in channel.parameters)
    head = f"{channel.name}({parameters})" if parameters else channel.name
    yield from _wrapped(f"{channel.pattern}  ", head, width)
    lines = [*_event_lines(channel)]
    way = max(len(one.way) for one in lines)
    event = min(max(len(one.event) for one in lines), width // 3)
    types = max(len(one.types) for one in lines)
    # The notes get a column of their own if there is room for them, else lines of their own.
    start = len(INDENT) + way + event + types + 3 * GAP
    has_room = width - start >= 24
    for line in lines:
        head = f"{INDENT}{line.way:<{way}}{' ' * GAP}{line.event:<{event}}{' ' * GAP}{line.types}"
        if has_room:
            yield from _wrapped(f"{head:<{start}}", line.notes, width)
            continue
        yield from _wrapped(
            f"{INDENT}{line.way:<{way}}{' ' * GAP}{line.event:<{event}}{' ' * GAP}",
            line.types,
            width,
        )
        if line.notes:
            yield from _wrapped(" " * (len(INDENT) + way + GAP + GAP), line.notes, width)
    facts = channel_facts(channel)
    if facts:
        yield from _wrapped(INDENT, _joined(facts), width)


def _event_lines(channel: ChannelContract) -> Iterator[Line]:
    yield Line("join", "", _types(channel.join), _notes(channel.join))
    for event in channel.events:
        yield Line("in", event.name, _types(event), _notes(event))
    if channel.takes_any is not None:
        yield Line("in", "any other", f"any{_arrow(channel.takes_any)}", "")
    for one in channel.sends:
        notes = {
            EventOrigin.DECLARED: "",
            EventOrigin.INFERRED: "from the source",
            EventOrigin.PRESENCE: "presence",
        }
        yield Line("out", one.name, type_text(one.payload), notes[one.origin])
    for name in channel.undeclared:
        yield Line("out", name, "", "not in `emits`: an error in development")


def _types(event: ClientEvent) -> str:
    return f"{type_text(event.payload)}{_arrow(event.reply)}".strip() or "-"


def _arrow(reply: ReplyContract) -> str:
    kinds = [type_text(reply.ok)] if reply.ok is not NOTHING and reply.ok != EMPTY else []
    if reply.ok == EMPTY:
        kinds.append("{}")
    if reply.other is not NOTHING:
        kinds.append(f"Reply[{type_text(reply.other)}]")
    if reply.error is not NOTHING:
        kinds.append(f"Error[{type_text(reply.error)}]")
    if kinds and not reply.is_certain:
        kinds.append("no reply")
    return f" -> {' | '.join(kinds)}" if kinds else ""


def _notes(event: ClientEvent) -> str:
    return _joined((*event_facts(event), *_refusals(event.refusals)))


def _joined(facts: Iterable[str]) -> str:
    """Return facts as one text, which is wrapped between two facts."""
    return " · ".join(one.replace(" ", NO_BREAK) if len(one) < LONG else one for one in facts)


def event_facts(event: ClientEvent) -> list[str]:
    """Return the policies of an event, in short."""
    facts: list[str] = []
    if event.rate is not None:
        facts.append(event.rate)
    if event.idempotent_by is not None:
        facts.append(f"once per {event.idempotent_by} in {duration(event.ttl or 0)}")
    return facts


def channel_facts(channel: ChannelContract) -> list[str]:
    """Return the history and the changed limits of a channel, in short."""
    facts: list[str] = []
    history = channel.history
    if history is not None:
        kept = f"history of {history.size:,}"
        kept += "" if history.ttl is None else f" for {duration(history.ttl)}"
        kept += f", not {', '.join(history.ephemeral)}" if history.ephemeral else ""
        facts.append(kept + (", by topic" if history.by_topic else ""))
    facts += [
        f"{name} {value}" for name, value in channel.limits.items() if value != DEFAULTS.get(name)
    ]
    if channel.sends_more:
        facts.append("sends events whose names the source does not say")
    return facts


def duration(seconds: float) -> str:
    """Return a time as short text.

    Example:
        >>> duration(86400), duration(90), duration(3600)
        ('1 day', '90 seconds', '1 hour')
    """
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            return _count(seconds / length, unit)
    return _count(seconds, "second")


def _count(number: float, unit: str) -> str:
    return f"{number:g} {unit}" if number == 1 else f"{number:g} {unit}s"


def _wrapped(head: str, text: str, width: int) -> Iterable[str]:
    """Return lines that begin with a head; further lines stand below the text."""
    if not text:
        return [head.rstrip()]
    room = max(width - len(head), 12)
    first, *rest = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    lines = [head + first, *(" " * len(head) + line for line in rest)]
    return [line.replace(NO_BREAK, " ") for line in lines]


# For tools.


def listing(contract: Contract) -> dict[str, Any]:
    """Return the contract as dicts, lists, texts and numbers, with the JSON Schema of each type.

    Args:
        contract: The contract.
    """
    schemas = schemas_of(contract)
    return {
        "title": contract.title,
        "version": contract.version,
        "sockets": [_socket(one, schemas) for one in contract.sockets],
        "components": {"schemas": schemas.components},
    }


def _socket(socket: SocketContract, schemas: Schemas) -> dict[str, Any]:
    return {
        "path": socket.path,
        "transports": dict(socket.transports),
        "raw": socket.is_raw,
        "params": _type(socket.params, schemas),
        "auth_token": socket.auth_token,
        "session": socket.has_session,
        "csrf_token": socket.needs_csrf,
        "subprotocols": [*socket.subprotocols],
        "token_can_be_renewed": socket.can_refresh,
        "has_id": socket.has_id,
        "limits": dict(socket.limits),
        "reasons": _reasons(socket),
        "channels": [_channel(one, schemas) for one in socket.channels],
    }


def _channel(channel: ChannelContract, schemas: Schemas) -> dict[str, Any]:
    history = channel.history
    return {
        "topic": channel.pattern,
        "class": f"{channel.module}.{channel.name}",
        "description": channel.text,
        "parameters": [
            {"name": one.name, "rest": one.rest, **_named(one.type, schemas)}
            for one in channel.parameters
        ],
        "join": _event(channel.join, schemas),
        "in": [_event(one, schemas) for one in channel.events],
        "out": [
            {
                "event": one.name,
                "payload": _type(one.payload, schemas, "out"),
                "origin": one.origin.name.lower(),
            }
            for one in channel.sends
        ],
        "takes_any_event": channel.takes_any is not None,
        "sends_more": channel.sends_more,
        "undeclared": [*channel.undeclared],
        "history": None
        if history is None
        else {
            "size": history.size,
            "ttl": history.ttl,
            "ephemeral": [*history.ephemeral],
            "by_topic": history.by_topic,
        },
        "limits": dict(channel.limits),
    }


def _event(event: ClientEvent, schemas: Schemas) -> dict[str, Any]:
    return {
        "event": event.name,
        "description": event.text,
        "payload": _type(event.payload, schemas),
        "reply": {
            "ok": _type(event.reply.ok, schemas, "out"),
            "error": _type(event.reply.error, schemas, "out"),
            "other": _type(event.reply.other, schemas, "out"),
            "always": event.reply.is_certain,
        },
        "rate": event.rate,
        "idempotent_by": event.idempotent_by,
        "ttl": event.ttl,
        "reasons": _reasons(event),
    }


def _reasons(refused: ClientEvent | SocketContract) -> dict[str, Sequence[str]]:
    return {"bennu": [one.text for one in refused.reasons], "own": [*refused.refusals]}


def _type(annotation: Any, schemas: Schemas, direction: Any = "in") -> dict[str, Any] | None:
    return None if annotation is NOTHING else _named(annotation, schemas, direction)


def _named(annotation: Any, schemas: Schemas, direction: Any = "in") -> dict[str, Any]:
    return {"type": type_text(annotation), "schema": schemas.schema(annotation, direction)}
