"""What a follow wants."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import DefinitionError
from bennu.inspect.wanted import Wanted


def test_topics() -> None:
    one, many = Wanted(topic="room:1"), Wanted(topic="room:*")
    assert [one.has_topic(topic) for topic in ("room:1", "room:12", None)] == [True, False, False]
    assert [many.has_topic(topic) for topic in ("room:1", "lobby", None)] == [True, False, False]
    assert Wanted(user="users:1").has_topic(None)
    assert (one.needle, many.needle, one.is_topic) == (b"room:1", b"room:", True)


def test_connections() -> None:
    assert Wanted(connection="3").has_connection("3", [])
    assert not Wanted(connection="3").has_connection("4", [])
    assert Wanted(user="users:1").has_connection("4", ["users:1", None])
    assert not Wanted(user="users:1").has_connection("4", [None])
    assert not Wanted(connection="3", user="users:1").has_connection("3", ["users:2"])
    assert not Wanted(connection="3", topic="room:1").is_topic


@pytest.mark.parametrize("given", [{}, {"topic": 7}])
def test_nothing_and_no_text(given: Any) -> None:
    with pytest.raises(DefinitionError, match="a topic, a connection or a user"):
        Wanted(**given)
