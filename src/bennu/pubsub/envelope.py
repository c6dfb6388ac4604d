"""What travels over the bus: a message under a topic, as bytes. Pure.

Theory of operation
-------------------
An envelope is a byte for the kind, the length of a name in two bytes (big-endian), the name as UTF-8, and the content:

==============  ===================  ==================================================
kind            name                 content
==============  ===================  ==================================================
``JSON``        the event            the payload as JSON: clients get these bytes
``BINARY``      the event            the payload
``TYPED``       the tag of the type  the message as JSON (:mod:`bennu.pubsub.message_types`)
``DISCONNECT``  the id               nothing
``ENTRY``       the epoch            a new entry of a topic with history (:mod:`bennu.history.announcement`)
==============  ===================  ==================================================

A receiving node writes the content of a broadcast into its lanes. It decodes the content only for a handler.

The topics of the bus are those of PubSub behind a prefix, so that a topic of a client is never one of Bennu's own:

==========  ==============================================================
on the bus  for
==========  ==============================================================
``t...``    broadcasts and typed messages to a topic
``i``       disconnects by id; every node hears it
``p...``    the shards of presences
``l``       requests of long polling to the node that has the session
``d``       figures of nodes, and questions, for dashboards
==========  ==============================================================
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from ..errors import DecodeError, EncodeError

__all__ = [
    "DASHBOARDS",
    "IDS",
    "POLLS",
    "PRESENCES",
    "TOPICS",
    "Envelope",
    "EnvelopeKind",
    "pack",
    "unpack",
]

TOPICS: Final = "t"
"""The prefix of topics of PubSub."""

PRESENCES: Final = "p"
"""The prefix of topics of presences."""

IDS: Final = "i"
"""The topic of disconnects by id."""

POLLS: Final = "l"
"""The topic of requests of long polling."""

DASHBOARDS: Final = "d"
"""The topic of figures and questions of dashboards."""

MAX_NAME: Final = 65_535

_HEAD = Struct(">BH")


class EnvelopeKind(IntEnum):
    """The kinds of envelopes."""

    JSON = 1
    BINARY = 2
    TYPED = 3
    DISCONNECT = 4
    ENTRY = 5


_KINDS: Final = {int(kind): kind for kind in EnvelopeKind}


class Envelope(NamedTuple):
    """A message from another node.

    Attributes:
        kind: The kind.
        name: The event, the tag, or the id.
        content: The content.
    """

    kind: EnvelopeKind
    name: str
    content: bytes


def pack(kind: EnvelopeKind, name: str, content: bytes = b"") -> bytes:
    """Return the envelope of a message.

    Args:
        kind: The kind.
        name: The event, the tag, or the id.
        content: The content.

    Raises:
        EncodeError: The name is too long, or is no text.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"an event is text, and {name!r} has half a character") from error
    if len(encoded) > MAX_NAME:
        raise EncodeError(
            f"the event of a broadcast over a bus has at most {MAX_NAME} bytes, got {len(encoded)}"
        )
    return b"".join((_HEAD.pack(kind, len(encoded)), encoded, content))


def unpack(data: bytes) -> Envelope:
    """Return the message of an envelope.

    Raises:
        DecodeError: The bytes are no envelope of this version of Bennu.
    """
    start = _HEAD.size
    if len(data) < start:
        raise DecodeError(f"expected an envelope of at least {start} bytes, got {data!r}")
    number, length = _HEAD.unpack_from(data)
    kind = _KINDS.get(number)
    end = start + length
    if kind is None or end > len(data):
        raise DecodeError(f"expected an envelope of a known kind and length, got {data[:16]!r}")
    try:
        name = data[start:end].decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"expected a name in UTF-8, got {data[start:end][:16]!r}") from error
    return Envelope(kind, name, data[end:])
