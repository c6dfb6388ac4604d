"""The bytes of a reply that is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.history.kept_reply import KeptReply, ReplyKind

from ..support.properties import texts

replies = st.builds(
    KeptReply, st.binary(min_size=16, max_size=16), st.sampled_from(ReplyKind), texts, st.binary()
)
A_REPLY = KeptReply(b"d" * 16, ReplyKind.JSON, "ök", b"{}")


@given(replies)
def test_a_reply_survives_its_bytes(reply: KeptReply) -> None:
    assert KeptReply.unpack(reply.pack()) == reply


def test_the_bytes_of_a_reply() -> None:
    """Other versions of Bennu read the bytes, so they must not change."""
    assert A_REPLY.pack() == b"\x01\x01" + b"d" * 16 + b"\x00\x03" + "ök".encode() + b"{}"


@given(replies, st.binary(max_size=40), st.integers(0, 40))
def test_any_bytes_are_a_reply_or_an_error(reply: KeptReply, junk: bytes, cut: int) -> None:
    for data in (junk, b"\x01" + junk, reply.pack()[:cut]):
        try:
            found = KeptReply.unpack(data)
        except DecodeError:
            continue
        assert found.pack() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        A_REPLY.pack()[:19],
        A_REPLY.pack()[:22],
        b"\x02" + A_REPLY.pack()[1:],
        b"\x01\x03" + A_REPLY.pack()[2:],
        A_REPLY.pack().replace("ö".encode(), b"\xff\xff"),
    ],
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="expected a"):
        KeptReply.unpack(data)


def test_a_status_is_text_with_a_limit() -> None:
    longest = A_REPLY._replace(status="s" * 65_535)
    assert KeptReply.unpack(longest.pack()) == longest
    with pytest.raises(EncodeError, match="at most 65535 bytes, got 65536"):
        A_REPLY._replace(status="s" * 65_536).pack()
    with pytest.raises(EncodeError, match="a status is text"):
        A_REPLY._replace(status="\ud83d").pack()
