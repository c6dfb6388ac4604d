"""The outlets of a topic: a topic that nobody hears is forgotten."""

from __future__ import annotations

from typing import Any

from bennu.bus.ipc.hearers import Hearers


def test_outlets_are_entered_and_removed() -> None:
    hearers = Hearers()
    one: Any = "one"  # the hearers only keep them
    two: Any = "two"
    hearers.add(one, [b"t", b"u"])
    hearers.add(two, [b"t"])
    assert hearers.of(b"t") == [one, two]
    assert hearers.of(b"v") == []
    hearers.remove(one, [b"t", b"v"])
    hearers.remove(one, [b"t"])
    assert hearers.of(b"t") == [two]
    assert hearers.of(b"u") == [one]
    hearers.remove(two, [b"t"])
    assert hearers.of(b"t") == []
