"""The bytes of new entries on the bus."""

from __future__ import annotations

import pytest

from bennu.errors import DecodeError
from bennu.history.announcement import pack_announcement, unpack_announcement
from bennu.pubsub.envelope import EnvelopeKind, unpack
from bennu.store import Draft, LogEntry

DRAFT = Draft("id-1", "said", b'{"n":1}', 7, 1_000)


def test_an_entry_comes_back_as_it_was() -> None:
    envelope = unpack(pack_announcement("epoch", (5, 3), DRAFT))
    assert envelope.kind is EnvelopeKind.ENTRY
    assert unpack_announcement(envelope) == ("epoch", LogEntry(5, 3, *DRAFT))


def test_an_entry_that_is_too_large_for_the_bus_is_announced_without_itself() -> None:
    assert unpack_announcement(unpack(pack_announcement("epoch", (5, 3), None))) == ("epoch", None)


@pytest.mark.parametrize("length", [0, 15, 17, 30])
def test_other_bytes_are_refused(length: int) -> None:
    envelope = unpack(pack_announcement("epoch", (5, 3), DRAFT))
    with pytest.raises(DecodeError):
        unpack_announcement(envelope._replace(content=envelope.content[:length]))
