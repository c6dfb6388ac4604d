"""What the subscribers of a topic get of a message of another node, and when its payload is decoded."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Broadcast
from bennu.errors import DecodeError
from bennu.protocol import JSONV1
from bennu.pubsub import PubSub
from bennu.pubsub.envelope import Envelope, EnvelopeKind
from bennu.pubsub.subscribers import Subscribers
from bennu.reasons import DropReason
from bennu.testing.clock import settle

from ..support.frames import broadcast, encode_v2
from .outboxes import Member, RecordingOutbox, key_for

BROKEN = b'{"n":tru}'
"""No JSON, as a decoder notices. Its first and last byte are those of an object."""

DEEP = b'{"n":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def sent(payload: bytes) -> bytes:
    """Return the frame that a client gets, with a payload as it came."""
    return str(encode_v2(broadcast("A", "n", "payload"))).encode().replace(b'"payload"', payload)


class Ends:
    """The subscribers of a topic: a client, and others that a test adds."""

    def __init__(self) -> None:
        self.pubsub = PubSub()
        self.subscribers = Subscribers()
        self.client = RecordingOutbox()
        self.subscribers.enter(key_for(), self.client, Member(self.client))

    async def receive(
        self, content: bytes, kind: EnvelopeKind = EnvelopeKind.JSON, event: str = "n"
    ) -> None:
        """Receive a message of another node."""
        self.subscribers.receive(self.pubsub, "A", Envelope(kind, event, content))
        await settle()

    def listen(self) -> list[Any]:
        """Add a listener; return what it hears."""
        heard: list[Any] = []
        self.subscribers.listeners.append(self.pubsub.subscribe("A", heard.append))
        return heard


async def test_nobody() -> None:
    """A topic without subscribers is empty. A message to it is no error."""
    subscribers = Subscribers()
    assert subscribers.is_empty
    assert len(subscribers) == 0
    subscribers.receive(PubSub(), "A", Envelope(EnvelopeKind.JSON, "news", b"{}"))


async def test_clients_get_the_bytes_that_came() -> None:
    """Nobody reads the payload, so it is not decoded: this payload could not be."""
    ends = Ends()
    other = RecordingOutbox()
    ends.subscribers.enter(key_for(intercepts="o"), other, Member(other))
    await ends.receive(BROKEN)
    assert ends.client.received == other.received == [sent(BROKEN)]


@pytest.mark.parametrize("content", [BROKEN, b'{"\xff":1}', DEEP, b"{]}", b"{}{}"])
@pytest.mark.parametrize("reader", ["listener", "interceptor"])
async def test_what_is_no_json_reaches_nobody_if_somebody_reads_it(
    reader: str, content: bytes
) -> None:
    """The node that published it is not to be trusted."""
    ends = Ends()
    if reader == "listener":
        heard = ends.listen()
    else:
        other = RecordingOutbox()
        member = Member(other)
        ends.subscribers.enter(key_for(intercepts="n"), other, member)
        heard = member.intercepted
    with pytest.raises(DecodeError, match="a payload that is JSON"):
        await ends.receive(content)
    assert ends.client.received == []
    assert heard == []
    await ends.receive(b'{"n":[1]}')
    assert ends.client.received == [sent(b'{"n":[1]}')]
    assert heard == [Broadcast("A", "n", {"n": [1]})]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"1", b' {"n":1}', b'{"n":1'])
async def test_a_payload_is_an_object(content: bytes) -> None:
    """Clients would fail on anything else. It is dropped, though nobody reads it."""
    ends = Ends()
    with pytest.raises(DecodeError, match="a JSON object"):
        await ends.receive(content)
    assert ends.client.received == []


async def test_bytes() -> None:
    """Clients get them in a binary frame, but not clients that speak V1. Listeners get them too."""
    ends = Ends()
    old = RecordingOutbox()
    ends.subscribers.enter(key_for(JSONV1), old, Member(old))
    heard = ends.listen()
    await ends.receive(b"\x00\xff", EnvelopeKind.BINARY)
    assert [one[-2:] for one in ends.client.received] == [b"\x00\xff"]
    assert old.received == []
    assert heard == [Broadcast("A", "n", b"\x00\xff")]
    assert ends.pubsub.telemetry.drops == {("A", DropReason.NO_BINARY): 1}
