"""Entries, and the bytes of a draft."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.store import Draft
from bennu.store.entry import pack_draft, unpack_draft

from ..support.properties import texts

ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
drafts = st.builds(
    Draft,
    ids,
    texts,
    st.binary(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**63 - 1),
)
A_DRAFT = Draft("id", "ä", b'{"a":1}', 7, 1_700_000_000_000)


@given(drafts)
def test_a_draft_survives_its_bytes(draft: Draft) -> None:
    assert unpack_draft(pack_draft(draft)) == draft


def test_the_bytes_of_a_draft() -> None:
    """Other versions of Bennu read the bytes, so they must not change."""
    head = b"\x01" + (7).to_bytes(8) + (1_700_000_000_000).to_bytes(8) + b"\x02\x00\x02"
    assert pack_draft(A_DRAFT) == head + b"id" + "ä".encode() + b'{"a":1}'


@given(drafts, st.binary(max_size=40), st.integers(0, 60))
def test_any_bytes_are_a_draft_or_an_error(draft: Draft, junk: bytes, cut: int) -> None:
    for data in (junk, b"\x01" + junk, pack_draft(draft)[:cut]):
        try:
            found = unpack_draft(data)
        except DecodeError:
            continue
        assert pack_draft(found) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pack_draft(A_DRAFT)[:19],
        b"\x02" + pack_draft(A_DRAFT)[1:],  # another version
        pack_draft(A_DRAFT)[:23],  # cut in its event
        pack_draft(A_DRAFT).replace(b"id", b"\xc3\xa4"),  # an id that is not ASCII
        pack_draft(A_DRAFT).replace("ä".encode(), b"\xff\xff"),
    ],
)
def test_what_is_no_draft_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="expected an"):
        unpack_draft(data)


def test_the_name_of_an_event_has_a_limit() -> None:
    longest = A_DRAFT._replace(event="e" * 65_535)
    assert unpack_draft(pack_draft(longest)) == longest
    with pytest.raises(EncodeError, match="at most 65535 bytes, got 65536"):
        pack_draft(A_DRAFT._replace(event="ä" * 32_768))


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(EncodeError, match="half a character"):
        pack_draft(A_DRAFT._replace(event="\ud83d"))
