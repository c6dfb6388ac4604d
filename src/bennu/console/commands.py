"""The commands of the console: their names, their help, and the reading of a line. Pure.

A topic or an event is one word. One with spaces is written in double quotes, as in JSON. A payload is the rest of the line:
a JSON object, or ``0x`` and hexadecimal digits for the bytes of a binary frame. JSON stays as it was written, so that no
number changes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from ..errors import BennuError, DecodeError
from ..logs.printable import described
from ..protocol.encoding import check_nesting

__all__ = ["COMMANDS", "WATCHED", "Command", "CommandError", "CommandHelp", "WrongCommand", "parse"]

WATCHED: Final = ("events", "frames", "off")
"""What ``watch`` can show of incoming messages."""

_EMPTY: Final = Raw(b"{}")
_HEX: Final = "0x"
_decode_string: Final = json.JSONDecoder().raw_decode


class WrongCommand(BennuError):
    """A line is no command.

    Args:
        expected: A description of what was expected.
        got: What was written instead.
        write: A correct line.
    """

    def __init__(self, expected: str, got: str, write: str) -> None:
        self.expected = expected
        self.got = got
        self.write = write
        super().__init__(expected, got, write)

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}: write {self.write}"


class CommandError(BennuError):
    """A command can't be done."""


class Command(Struct, frozen=True):
    """A line that was read.

    Attributes:
        name: The name of the command.
        topic: The topic; empty without one.
        event: The event; empty without one.
        payload: Raw JSON, or bytes.
        params: The parameters of ``connect``; None if none are given.
        seconds: The time of ``wait``; None if none is given.
        choice: What ``watch`` shows, or the command that ``help`` explains; empty without one.
    """

    name: str
    topic: str = ""
    event: str = ""
    payload: Any = _EMPTY
    params: dict[str, str] | None = None
    seconds: float | None = None
    choice: str = ""


class CommandHelp(NamedTuple):
    """How a command is written, and what it does."""

    usage: str
    text: str
    example: str


COMMANDS: Final[dict[str, CommandHelp]] = {
    "join": CommandHelp(
        "join TOPIC [JSON]", "joins a topic, and shows the response", 'join room:1 {"since": 0}'
    ),
    "push": CommandHelp(
        "push TOPIC EVENT [JSON|0xHEX]",
        "pushes an event, and waits for its reply",
        'push room:1 new_msg {"body": "Hi"}',
    ),
    "send": CommandHelp(
        "send TOPIC EVENT [JSON|0xHEX]",
        "pushes an event, and waits for no reply",
        'send room:1 typing {"is_typing": true}',
    ),
    "leave": CommandHelp("leave TOPIC", "leaves a topic", "leave room:1"),
    "wait": CommandHelp(
        "wait [TOPIC EVENT] [SECONDS]",
        "waits for an event, at most 10 s; or for a time",
        "wait room:1 new_msg 5",
    ),
    "presence": CommandHelp("presence TOPIC", "lists who is in a topic", "presence room:1"),
    "topics": CommandHelp("topics", "lists the topics that were joined", "topics"),
    "watch": CommandHelp(
        "watch events|frames|off",
        "shows incoming events, every frame both ways, or neither",
        "watch frames",
    ),
    "ping": CommandHelp("ping", "asks the server for an answer, and shows its time", "ping"),
    "connect": CommandHelp(
        "connect [NAME=VALUE ...]",
        "connects again, with other parameters if there are any",
        "connect token=abc",
    ),
    "disconnect": CommandHelp("disconnect", "closes the connection", "disconnect"),
    "help": CommandHelp("help [COMMAND]", "lists the commands, or explains one", "help push"),
    "quit": CommandHelp("quit", "leaves the console, as Ctrl-D does", "quit"),
}
"""The commands by their names, in the order of ``help``."""


def parse(line: str) -> Command | None:
    """Return the command of a line; None for an empty line, or one that begins with ``#``.

    Raises:
        WrongCommand: The line is no command.

    Example:
        >>> parse("leave room:1")
        Command(name='leave', topic='room:1', event='', payload=b'{}', params=None, seconds=None, choice='')
    """
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    name, rest = _split(text)
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, 1)
        write = COMMANDS[close[0]].example if close else "help"
        raise WrongCommand(f"a command ({', '.join(COMMANDS)})", described(name), write)
    return _READERS.get(name, _read_nothing)(name, rest)


def _read_join(name: str, rest: str) -> Command:
    topic, rest = _word(name, "a topic", rest)
    return Command(name, topic, payload=_payload(name, rest, takes_bytes=False))


def _read_push(name: str, rest: str) -> Command:
    topic, rest = _word(name, "a topic", rest)
    event, rest = _word(name, "an event", rest)
    return Command(name, topic, event, _payload(name, rest, takes_bytes=True))


def _read_topic(name: str, rest: str) -> Command:
    topic, rest = _word(name, "a topic", rest)
    _expect_end(name, rest)
    return Command(name, topic)


def _read_wait(name: str, rest: str) -> Command:
    first, after = _word(name, "a topic or seconds", rest)
    if not after:
        return Command(name, seconds=_seconds(name, first))
    event, after = _word(name, "an event", after)
    seconds, after = _split(after)
    _expect_end(name, after)
    return Command(name, first, event, seconds=_seconds(name, seconds) if seconds else None)


def _read_watch(name: str, rest: str) -> Command:
    if rest not in WATCHED:
        raise _wrong(name, " or ".join(WATCHED), rest)
    return Command(name, choice=rest)


def _read_connect(name: str, rest: str) -> Command:
    params: dict[str, str] = {}
    for one in rest.split():
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise _wrong(name, "NAME=VALUE", one)
        params[key] = value
    return Command(name, params=params or None)


def _read_help(name: str, rest: str) -> Command:
    if rest and rest not in COMMANDS:
        raise _wrong(name, f"one of {', '.join(COMMANDS)}", rest)
    return Command(name, choice=rest)


def _read_nothing(name: str, rest: str) -> Command:
    _expect_end(name, rest)
    return Command(name)


_READERS: Final[dict[str, Callable[[str, str], Command]]] = {
    "join": _read_join,
    "push": _read_push,
    "send": _read_push,
    "leave": _read_topic,
    "presence": _read_topic,
    "wait": _read_wait,
    "watch": _read_watch,
    "connect": _read_connect,
    "help": _read_help,
}
"""What reads the rest of the line; for the other commands there is none."""


def _split(text: str) -> tuple[str, str]:
    """Return the first word, and the rest without the space between."""
    word, *rest = text.split(None, 1) or [""]
    return word, rest[0] if rest else ""


def _word(name: str, what: str, text: str) -> tuple[str, str]:
    """Return a topic or an event, and the rest of the line."""
    if not text:
        raise _wrong(name, what, "")
    if not text.startswith('"'):
        return _split(text)
    try:
        word, end = _decode_string(text)
    except ValueError:
        raise _wrong(name, f'{what} that ends in "', text) from None
    return word, text[end:].lstrip()


def _payload(name: str, text: str, *, takes_bytes: bool) -> Any:
    if not text:
        return _EMPTY
    if takes_bytes and text.startswith(_HEX):
        try:
            return bytes.fromhex(text.removeprefix(_HEX))
        except ValueError:
            raise _wrong(name, "pairs of hexadecimal digits after 0x", text) from None
    data = text.encode(errors="surrogatepass")
    try:
        check_nesting(data)
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, DecodeError, UnicodeDecodeError) as error:
        raise _wrong(name, f"a JSON object ({error})", text) from None
    if not isinstance(value, dict):
        raise _wrong(name, "a JSON object", text)
    return Raw(data)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise _wrong(name, "seconds", text)
    return seconds


def _expect_end(name: str, rest: str) -> None:
    if rest:
        raise _wrong(name, "the end of the line", rest)


def _wrong(name: str, expected: str, got: str) -> WrongCommand:
    return WrongCommand(
        f"{expected} for {name}", described(got, 60) if got else "nothing", COMMANDS[name].example
    )
