"""What endpoints and publishers send over the bus is packed by one function."""

from __future__ import annotations

from msgspec import Struct

from bennu import Broadcast
from bennu.pubsub.envelope import Envelope, EnvelopeKind, unpack
from bennu.pubsub.message_types import MessageTypes
from bennu.pubsub.packing import packed


class Price(Struct, frozen=True):
    """A message of the application."""

    cents: int


TYPES = MessageTypes([Price])


def test_a_broadcast_has_its_text_for_clients() -> None:
    envelope, text = packed(Broadcast("room:1", "news", {"a": 1}), TYPES)
    assert unpack(envelope) == Envelope(EnvelopeKind.JSON, "news", b'{"a":1}')
    assert text is not None
    assert bytes(text) == b'{"a":1}'


def test_bytes_stay_bytes() -> None:
    envelope, text = packed(Broadcast("room:1", "news", b"\x00"), TYPES)
    assert unpack(envelope) == Envelope(EnvelopeKind.BINARY, "news", b"\x00")
    assert text is None


def test_a_typed_message_travels_with_its_tag() -> None:
    envelope, text = packed(Price(7), TYPES)
    kind, tag, content = unpack(envelope)
    assert (kind, content, text) == (EnvelopeKind.TYPED, b'{"cents":7}', None)
    assert TYPES.unpack(tag, content) == Price(7)
