"""Shows what happens as lines: for people, plain or in colours, and for tools, as JSON. Pure.

Text of the server reaches the terminal only escaped: a payload can't forge a line, or send a command to the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ..logs.printable import printable
from .happenings import (
    CommandFailed,
    ConnectionLost,
    ConnectionOpened,
    EventCame,
    FrameShown,
    Happening,
    HelpShown,
    PingAnswered,
    PresenceShown,
    PushMade,
    PushReplied,
    TopicClosed,
    TopicJoined,
    TopicLeft,
    TopicsShown,
    TopicTroubled,
    Troubled,
    WaitEnded,
    WatchChosen,
)

__all__ = ["PAYLOAD_LIMIT", "as_json", "as_text", "milliseconds", "payload_text"]

PAYLOAD_LIMIT: Final = 4000
"""Characters of a payload that are shown. ``--json`` shows all."""

_encode: Final = msgspec.json.Encoder().encode

_STYLES: Final = {
    "": "",
    "dim": "2",
    "bold": "1",
    "topic": "36",
    "event": "1",
    "good": "32",
    "bad": "31",
    "in": "34",
    "out": "33",
}
"""The SGR codes of ECMA-48 for each style."""

IN: Final = ("in", "<- ")
OUT: Final = ("out", "-> ")
NOTE: Final = ("dim", "-- ")
BAD: Final = ("bad", "!! ")

Piece = tuple[str, str]
"""A style, and a text in it."""


def as_json(happening: Happening) -> str:
    """Return one line of JSON. Bytes are base64, times have a time zone."""
    return _encode(happening).decode()


def as_text(happening: Happening, *, colours: bool) -> str:
    """Return the lines for a person.

    Args:
        happening: What happened. Its time is shown as it is, in its time zone.
        colours: Whether the text has the escape sequences of a terminal.
    """
    is_timed = not isinstance(happening, HelpShown)
    at = happening.at.strftime("%H:%M:%S.") + f"{happening.at.microsecond // 1000:03}  "
    lines: list[str] = []
    for number, pieces in enumerate(_lines(happening)):
        clock = ("dim", at if number == 0 else " " * len(at)) if is_timed else ("", "")
        lines.append("".join(_styled(piece, colours=colours) for piece in (clock, *pieces)))
    return "\n".join(line.rstrip() for line in lines)


def milliseconds(ms: float) -> str:
    """Return a time for a person.

    Example:
        >>> [milliseconds(one) for one in (0.123, 1.26, 45.6, 12345.0)]
        ['0.12 ms', '1.3 ms', '46 ms', '12.3 s']
    """
    if ms >= 10_000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.{2 if ms < 1 else 1 if ms < 10 else 0}f} ms"


def payload_text(payload: Any, limit: int = PAYLOAD_LIMIT) -> str:
    """Return a payload as one line: JSON, or the digits of bytes as ``push`` takes them."""
    if isinstance(payload, bytes):
        text = f"0x{payload[: limit // 2].hex()}"
        more = len(payload) - limit // 2
        return (
            f"{text}… ({len(payload):,} bytes)" if more > 0 else f"{text} ({len(payload):,} bytes)"
        )
    text = json.dumps(payload, ensure_ascii=False)
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text):,} characters)"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _styled(piece: Piece, *, colours: bool) -> str:
    style, text = piece
    code = _STYLES[style]
    return f"\x1b[{code}m{text}\x1b[0m" if colours and code and text else text


def _lines(happening: Happening) -> Iterator[list[Piece]]:
    """Yield the lines of what happened, each as pieces."""
    match happening:
        case ConnectionOpened():
            again = "connected again to " if happening.again else "connected to "
            yield [NOTE, ("good", again), ("", printable(happening.url)), *_time(happening.ms)]
        case ConnectionLost():
            reason = f": {printable(happening.reason)}" if happening.reason else ""
            then = ", connecting again" if happening.again else ""
            yield [
                BAD,
                ("bad", f"the connection has ended with code {happening.code}{reason}{then}"),
            ]
        case Troubled():
            yield [BAD, ("bad", printable(happening.reason, 1000))]
        case CommandFailed():
            response = () if happening.response is None else _payload(happening.response)
            yield [BAD, ("bad", printable(happening.reason, 1000)), *response]
        case TopicJoined():
            word = "joined again" if happening.again else "joined"
            yield [
                IN,
                *_topic(happening.topic),
                ("good", word),
                *_time(happening.ms),
                *_payload(happening.response),
            ]
        case TopicLeft():
            yield [IN, *_topic(happening.topic), ("good", "left"), *_time(happening.ms)]
        case TopicClosed():
            yield [BAD, *_topic(happening.topic), ("bad", "closed by the server")]
        case TopicTroubled():
            yield [
                BAD,
                *_topic(happening.topic),
                ("bad", "not joined any more, joining again"),
                *_payload(happening.payload),
            ]
        case _:
            yield from _lines_of_messages(happening)


def _lines_of_messages(happening: Happening) -> Iterator[list[Piece]]:
    match happening:
        case PushReplied():
            style = "good" if happening.status == "ok" else "bad"
            yield [
                IN,
                *_topic(happening.topic),
                ("", "reply to "),
                ("event", printable(happening.event)),
                ("", ": "),
                (style, printable(happening.status)),
                *_time(happening.ms),
                *_payload(happening.response),
            ]
        case PushMade():
            yield [
                OUT,
                *_topic(happening.topic),
                ("event", printable(happening.event)),
                ("", " sent"),
            ]
        case EventCame():
            position = f"  at {printable(happening.position)}" if happening.position else ""
            yield [
                IN,
                *_topic(happening.topic),
                ("event", printable(happening.event)),
                ("dim", position),
                *_payload(happening.payload),
            ]
        case FrameShown():
            refs = f"[{_ref(happening.join_ref)} {_ref(happening.ref)}] "
            yield [
                OUT if happening.is_sent else IN,
                ("dim", refs),
                *_topic(happening.topic),
                ("event", printable(happening.event)),
                ("dim", f"  {happening.size:,} bytes"),
                *_payload(happening.payload),
            ]
        case WaitEnded(event=""):
            yield [NOTE, ("", f"waited {milliseconds(happening.ms)}")]
        case WaitEnded():
            yield [
                NOTE,
                *_topic(happening.topic),
                ("event", printable(happening.event)),
                ("", " has come"),
                *_time(happening.ms, "after"),
            ]
        case PingAnswered():
            yield [NOTE, ("good", "the server has answered"), *_time(happening.ms)]
        case _:
            yield from _lines_of_lists(happening)


def _lines_of_lists(happening: Happening) -> Iterator[list[Piece]]:
    match happening:
        case PresenceShown():
            count = len(happening.presences)
            what = (
                "nobody is here"
                if not count
                else "1 is here"
                if count == 1
                else f"{count:,} are here"
            )
            yield [NOTE, *_topic(happening.topic), ("", what)]
            for key, metas in happening.presences.items():
                yield [("", "     "), ("event", printable(key)), ("", f"  {payload_text(metas)}")]
        case TopicsShown(topics=[]):
            yield [NOTE, ("", "no topic is joined: write join TOPIC")]
        case TopicsShown():
            for one in happening.topics:
                style = "good" if one.state == "joined" else "bad"
                yield [NOTE, *_topic(one.topic), (style, one.state)]
        case WatchChosen():
            shown = {"events": "incoming events are", "frames": "every frame, both ways, is"}
            yield [
                NOTE,
                ("", f"{shown.get(happening.choice, 'neither events nor frames are')} shown"),
            ]
        case HelpShown():
            width = max(len(usage) for usage, _ in happening.rows)
            for usage, text in happening.rows:
                yield [("", "  "), ("bold", usage.ljust(width)), ("", f"  {text}")]
        case _:
            raise AssertionError(f"{happening!r} has no lines")


def _topic(topic: str) -> tuple[Piece, ...]:
    return ("topic", printable(topic)), ("", "  ")


def _time(ms: float | None, word: str = "in") -> tuple[Piece, ...]:
    return () if ms is None else (("dim", f" {word} {milliseconds(ms)}"),)


def _payload(payload: Any) -> tuple[Piece, ...]:
    return (("", f"  {payload_text(payload)}"),)


def _ref(ref: str | int | None) -> str:
    return "-" if ref is None else printable(ref, 40)
