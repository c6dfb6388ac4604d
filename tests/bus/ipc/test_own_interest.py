"""The topics of a node, and the number of each change."""

from __future__ import annotations

import pytest

from bennu.bus.ipc.own_interest import OwnInterest
from bennu.errors import EncodeError


def test_new_topics_have_a_new_number() -> None:
    interest = OwnInterest()
    assert interest.add(["a", "b", "a"]) == [b"a", b"b"]
    assert interest.add(["a", "c"]) == [b"c"]
    assert interest.topics == {b"a": ("a", 2), b"b": ("b", 2), b"c": ("c", 3)}
    assert interest.add(["a"]) == []
    assert interest.number == 3
    assert interest.remove(["a", "x"]) == {b"a"}
    assert interest.remove(["a"]) == set()
    interest.clear()
    assert interest.topics == {}


def test_a_topic_that_is_too_long_adds_none() -> None:
    interest = OwnInterest()
    with pytest.raises(EncodeError):
        interest.add(["a", "x" * 100_000])
    assert interest.topics == {}
