"""Entries: the broadcasts in the log of a topic, and their bytes in a store or on the bus. Pure.

Theory of operation
-------------------
A topic with history has a *log*. Each broadcast to the topic is an *entry* of the log. The store gives each entry an
*offset*, which rises within an *epoch*. An entry also names the offset of the entry before it: ``prev``. In most stores
``prev`` is ``offset - 1``. In a store whose offsets have gaps (NATS JetStream) it is not. So no code except a store
compares ``offset - 1``: two entries follow each other exactly if the ``prev`` of the second is the offset of the first.

A :class:`Draft` is a broadcast that has no offset yet. Its ``id`` is unique: a store that gets a draft twice appends it
once, and answers with the first result. So an append whose outcome is unknown can be repeated.

The bytes of a draft: a version byte; the sender and the time, in eight bytes each; the length of the id in one byte and
the length of the event in two bytes; then the id, the event and the payload. All numbers are big-endian.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from ..errors import DecodeError, EncodeError

__all__ = ["NOBODY", "UNKNOWN", "Draft", "LogEntry", "pack_draft", "unpack_draft"]

NOBODY: Final = 0
"""The sender of an entry that all members get."""

UNKNOWN: Final = -1
"""The ``prev`` of an entry if the entry before it may have been trimmed, so that nothing proves what was before."""

_HEAD: Final = Struct(">BQQBH")
_VERSION: Final = 1


class Draft(NamedTuple):
    """A broadcast that is about to be appended.

    Attributes:
        id: Text that no other draft has: 1 to 64 ASCII characters.
        event: The name of the event.
        payload: The payload, as a JSON object in UTF-8.
        sender: A hash of the member that does not get the entry, from 1 to 2**64 - 1; ``NOBODY`` for none.
        time: Milliseconds since 1970, by the clock of the publisher.
    """

    id: str
    event: str
    payload: bytes
    sender: int
    time: int


class LogEntry(NamedTuple):
    """A broadcast in the log of a topic.

    Attributes:
        offset: Its place in the log: from 1 to 2**53 - 1.
        prev: The offset of the entry before it; 0 for the first entry of an epoch; ``UNKNOWN`` if nothing proves it.
        id: The id of the draft.
        event: The name of the event.
        payload: The payload, as a JSON object in UTF-8.
        sender: A hash of the member that does not get the entry; ``NOBODY`` for none.
        time: Milliseconds since 1970, by the clock of the publisher.
    """

    offset: int
    prev: int
    id: str
    event: str
    payload: bytes
    sender: int
    time: int


def pack_draft(draft: Draft) -> bytes:
    """Return the bytes of a draft.

    Raises:
        EncodeError: The name of the event is no text, or has more than 65,535 bytes.
    """
    try:
        event = draft.event.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"an event is text, and {draft.event!r} has half a character") from error
    if len(event) > 65_535:
        raise EncodeError(f"the event of a broadcast has at most 65535 bytes, got {len(event)}")
    name = draft.id.encode()
    head = _HEAD.pack(_VERSION, draft.sender, draft.time, len(name), len(event))
    return b"".join((head, name, event, draft.payload))


def unpack_draft(data: bytes) -> Draft:
    """Return the draft of some bytes.

    Raises:
        DecodeError: The bytes are no draft of this version of Bennu.
    """
    start = _HEAD.size
    if len(data) < start:
        raise DecodeError(f"expected an entry of at least {start} bytes, got {data!r}")
    version, sender, time, name_length, event_length = _HEAD.unpack_from(data)
    middle, end = start + name_length, start + name_length + event_length
    if version != _VERSION or end > len(data):
        raise DecodeError(f"expected an entry of version {_VERSION}, got {data[:start]!r}")
    try:
        name, event = data[start:middle].decode("ascii"), data[middle:end].decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"expected an id and an event, got {data[start:end]!r}") from error
    return Draft(name, event, data[end:], sender, time)
