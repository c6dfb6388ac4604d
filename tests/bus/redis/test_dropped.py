"""When a driver says that messages were dropped."""

from __future__ import annotations

from bennu.bus.redis.dropped import DroppedMessages
from bennu.testing.clock import advance
from tests.support.clock import timers


async def test_a_gap_is_told_once_nothing_is_dropped_any_more() -> None:
    gaps: list[float] = []
    dropped = DroppedMessages(gaps.append, lambda: True)
    for _ in range(5):
        dropped.note()
        await advance(1.0)
    assert gaps == []
    await advance(10.0)
    assert gaps == [7.0]
    assert timers() == 0


async def test_nothing_is_told_while_a_primary_is_lost() -> None:
    gaps: list[float] = []
    is_well = False
    dropped = DroppedMessages(gaps.append, lambda: is_well)
    dropped.note()
    await advance(60.0)
    assert gaps == []
    is_well = True
    await advance(10.0)
    assert len(gaps) == 1
    assert gaps[0] > 60.0


async def test_marks_that_are_dropped_are_asked_for_again() -> None:
    """The second gap has the whole time, so that it covers the messages of the first one."""
    gaps: list[float] = []
    dropped: DroppedMessages

    def gap(seconds: float) -> None:
        gaps.append(seconds)
        if len(gaps) == 1:
            dropped.note()

    dropped = DroppedMessages(gap, lambda: True)
    dropped.note()
    await advance(10.0)
    assert len(gaps) == 2
    assert gaps[1] > gaps[0]
    assert timers() == 0


async def test_the_end_of_the_connection_tells_it() -> None:
    gaps: list[float] = []
    dropped = DroppedMessages(gaps.append, lambda: False)
    dropped.stop()
    assert gaps == []
    dropped.note()
    await advance(3.0)
    dropped.stop()
    assert gaps == [4.0]
    assert timers() == 0
