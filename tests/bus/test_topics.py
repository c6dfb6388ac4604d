"""The form in which topics travel."""

from __future__ import annotations

import pytest

from bennu.bus.topics import MAX_TOPIC, key_of
from bennu.errors import EncodeError


def test_a_topic_has_a_form_of_bounded_length() -> None:
    assert key_of("ä") == b"\xc3\xa4"
    assert len(key_of("x" * MAX_TOPIC)) == MAX_TOPIC
    with pytest.raises(EncodeError, match="65,536 bytes"):
        key_of("x" * (MAX_TOPIC + 1))
    with pytest.raises(EncodeError, match="no UTF-8 form"):
        key_of("\ud800")
