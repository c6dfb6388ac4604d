"""The messages between the page and the server.

The messages of the event ``yjs`` are those of `y-protocols <https://github.com/yjs/y-protocols/blob/master/PROTOCOL.md>`_,
as the npm package y-phoenix-channel sends them. Each is bytes: numbers of 7 bits per byte, and texts with their length.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "MAX_NAME",
    "Cursor",
    "Cursors",
    "Device",
    "Full",
    "Join",
    "Malformed",
    "Message",
    "Rename",
    "StateVector",
    "Update",
    "cursors",
    "parse",
    "reread",
    "state_vector",
    "updates_after",
]

MAX_NAME: Final = 40

SYNC, AWARENESS = 0, 1
STEP_1, STEP_2, UPDATE = 0, 1, 2
MAX_DIGITS: Final = 8
"""A number has at most this number of bytes: all numbers of JavaScript fit."""


class Malformed(Exception):
    """A message is no message of Yjs."""


class StateVector(Struct, frozen=True):
    """What the sender has: it wants the rest."""

    data: bytes


class Update(Struct, frozen=True):
    """A change of the text, or all that the sender has and the receiver lacks."""

    data: bytes


class Cursor(Struct, frozen=True):
    """The state of one page: a number that grows with each change, and JSON; None if the page is gone."""

    client: int
    clock: int
    state: bytes | None


class Cursors(Struct, frozen=True):
    """States of some pages."""

    cursors: list[Cursor]


Message = StateVector | Update | Cursors


# The JSON of a cursor. The server checks it, because a wrong one would raise errors in all other pages.

Clock = Annotated[int, Meta(ge=0, lt=2**53)]


class Id(Struct):
    """A character of the text: the page that wrote it, and its number among the page's characters."""

    client: Clock
    clock: Clock


class Position(Struct):
    """A place in the text, which stays beside its character when others write."""

    type: None = None
    tname: Literal["text"] | None = None
    item: Id | None = None
    assoc: Annotated[int, Meta(ge=-1, le=1)] = 0


class Selection(Struct):
    """The two ends of what a person has selected."""

    anchor: Position
    head: Position


class State(Struct):
    """What a page tells of its person. The name is the server's: nobody can use the name of another."""

    cursor: Selection | None = None


class Join(Struct):
    """The payload of a join: the page's number in Yjs, the person's name, and the key of people that may write."""

    client: Clock
    name: Annotated[str, Meta(max_length=1_000)] = ""
    key: Annotated[str, Meta(max_length=100)] = ""


class Rename(Struct):
    """A person has a new name."""

    name: Annotated[str, Meta(max_length=1_000)]


class Device(Struct):
    """A page that has the document open, in the list of people."""

    name: str
    mode: Literal["write", "read"]
    client: int


class Full(Struct):
    """The document is too large for the update that the page has sent."""

    limit: int


def parse(message: bytes) -> Message | None:
    """Read a message. None stands for a kind that the server does not need.

    Raises:
        Malformed: It is no message of Yjs.
    """
    reader = _Reader(message)
    kind = reader.number()
    if kind == AWARENESS:
        states = _Reader(reader.data())
        return Cursors([states.cursor() for _ in range(states.number())])
    if kind == SYNC:
        step = reader.number()
        if step == STEP_1:
            return StateVector(reader.data())
        if step in (STEP_2, UPDATE):
            return Update(reader.data())
    return None


def reread(state: bytes, name: str) -> bytes:
    """Return the state of a page as other pages get it: checked, and with the name of the person.

    Raises:
        Malformed: It is not the JSON of a state.
    """
    try:
        checked = msgspec.json.decode(state, type=State)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Malformed(str(error)) from error
    return msgspec.json.encode({"user": {"name": name}, "cursor": checked.cursor})


def state_vector(state: bytes) -> bytes:
    """Return the message that asks a page for what the server lacks."""
    return bytes([SYNC, STEP_1]) + _with_length(state)


def updates_after(update: bytes, *, answers: bool = False) -> bytes:
    """Return the message that brings an update. One that ``answers`` a state vector also says: this is all."""
    return bytes([SYNC, STEP_2 if answers else UPDATE]) + _with_length(update)


def cursors(states: list[Cursor]) -> bytes:
    """Return the message that brings states of pages."""
    body = [_number(len(states))]
    for one in states:
        body += [_number(one.client), _number(one.clock), _with_length(one.state or b"null")]
    return bytes([AWARENESS]) + _with_length(b"".join(body))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        number = 0
        for digit in range(MAX_DIGITS):
            if self._at >= len(self._data):
                raise Malformed("the message is too short")
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 127) << (7 * digit)
            if byte < 128:
                return number
        raise Malformed("a number is too large")

    def data(self) -> bytes:
        length = self.number()
        data = self._data[self._at : self._at + length]
        self._at += length
        if len(data) < length:
            raise Malformed("the message is too short")
        return data

    def cursor(self) -> Cursor:
        client, clock, state = self.number(), self.number(), self.data()
        return Cursor(client, clock, None if state == b"null" else state)


def _number(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(128 | (number & 127))
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _with_length(data: bytes) -> bytes:
    return _number(len(data)) + data
