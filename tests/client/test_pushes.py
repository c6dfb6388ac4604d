"""The pushes of a channel that have no reply yet."""

from __future__ import annotations

import pytest

from bennu.client.errors import BufferFull
from bennu.client.pushes import MAX_HELD, Pushes


def test_what_waits_for_the_join_leaves_in_order() -> None:
    pushes: Pushes[list[int]] = Pushes()
    first, second = [1], [2]
    pushes.hold(first)
    pushes.hold(second)
    assert pushes.release() == [[1], [2]]
    assert pushes.release() == []


def test_a_push_that_timed_out_is_not_sent() -> None:
    pushes: Pushes[list[int]] = Pushes()
    first, second = [1], [2]
    pushes.hold(first)
    pushes.hold(second)
    pushes.expire(first, None)
    assert pushes.release() == [second]


def test_a_reply_is_taken_once() -> None:
    pushes: Pushes[str] = Pushes()
    pushes.sent("7", "push")
    assert pushes.answered("8") is None
    assert pushes.answered(None) is None
    assert pushes.answered("7") == "push"
    assert pushes.answered("7") is None


def test_what_has_no_reply_is_lost_with_the_connection() -> None:
    pushes: Pushes[str] = Pushes()
    pushes.sent("7", "one")
    pushes.sent("8", "two")
    pushes.hold("held")
    pushes.expire("one", "7")
    assert len(pushes) == 2
    assert pushes.lose() == ["two"]
    assert pushes.release() == ["held"]
    assert len(pushes) == 0


def test_the_number_that_waits_is_bounded() -> None:
    pushes: Pushes[list[int]] = Pushes()
    held = [[number] for number in range(MAX_HELD + 1)]
    for push in held[:-1]:
        pushes.hold(push)
    with pytest.raises(BufferFull, match="1000 pushes wait for the join"):
        pushes.hold(held[-1])
    assert pushes.release() == held[:-1]
