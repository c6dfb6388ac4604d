"""The envelopes of the bus: every message survives, and any bytes are an envelope or a DecodeError."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.pubsub.envelope import (
    IDS,
    POLLS,
    PRESENCES,
    TOPICS,
    Envelope,
    EnvelopeKind,
    pack,
    unpack,
)

LONGEST = 65_535
KINDS = st.sampled_from(EnvelopeKind)
NAMES = st.text(st.characters(exclude_categories=["Cs"]))


@given(KINDS, NAMES, st.binary())
@example(EnvelopeKind.JSON, "", b"")
@example(EnvelopeKind.BINARY, "\0\n\N{SNOWMAN}", b"\0" * 100)
def test_what_is_packed_is_unpacked(kind: EnvelopeKind, name: str, content: bytes) -> None:
    """Each kind, any name that is text, and any content survive."""
    assert unpack(pack(kind, name, content)) == Envelope(kind, name, content)


@given(st.binary())
@example(b"")
@example(b"\x01\x00")
@example(b"\x01\x00\x00")
@example(b"\x00\x00\x00")
@example(b"\x05\x00\x00")
@example(b"\x01\x00\x02a")
@example(b"\x01\x00\x01\xff{}")
@example(b"\x01\xff\xff")
def test_any_bytes_are_an_envelope_or_an_error(data: bytes) -> None:
    """There is one way to write an envelope, so what can be read is written in the same way."""
    try:
        envelope = unpack(data)
    except DecodeError as error:
        assert len(str(error)) < 400  # noqa: PT017 - either outcome is right
    else:
        assert pack(*envelope) == data


@given(KINDS, NAMES, st.binary(), st.data())
def test_an_envelope_that_is_cut_short_is_no_other_message(
    kind: EnvelopeKind, name: str, content: bytes, data: st.DataObject
) -> None:
    """A part of an envelope has the name of the whole, or is an error."""
    whole = pack(kind, name, content)
    size = data.draw(st.integers(0, len(whole)))
    try:
        envelope = unpack(whole[:size])
    except DecodeError:
        return
    assert envelope[:2] == (kind, name)
    assert content.startswith(envelope.content)


@pytest.mark.parametrize("letter", ["a", "ä", "\N{SNOWMAN}"])
def test_a_name_has_at_most_64_kib(letter: str) -> None:
    """The bytes of its UTF-8 form count. The error says how many are allowed."""
    size = len(letter.encode())
    longest = letter * (LONGEST // size)
    assert unpack(pack(EnvelopeKind.JSON, longest, b"{}")).name == longest
    with pytest.raises(EncodeError, match="at most 65535 bytes, got 655"):
        pack(EnvelopeKind.JSON, longest + letter * size, b"{}")


def test_a_name_with_half_a_character_is_refused() -> None:
    """UTF-8 has no form for an unpaired surrogate."""
    with pytest.raises(EncodeError, match="half a character"):
        pack(EnvelopeKind.JSON, "news\ud800")


def test_the_topics_of_applications_are_never_those_of_bennu() -> None:
    """The prefix of PubSub's topics is no other topic, and no other prefix."""
    others = (IDS, POLLS, PRESENCES)
    assert len({TOPICS, *others}) == 4
    assert not any(one.startswith(TOPICS) for one in others)
