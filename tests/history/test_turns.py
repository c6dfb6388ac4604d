"""Turns of the event loop that members share."""

from __future__ import annotations

import asyncio

from bennu.history.turns import MOST, CatchUpTurns
from bennu.testing.clock import settle


async def test_only_some_batches_are_written_in_one_turn_and_the_first_come_first() -> None:
    turns = CatchUpTurns()
    written: list[int] = []

    class Member:
        def __init__(self, number: int, batches: int) -> None:
            self.number, self.batches = number, batches

        def catch_up(self) -> None:
            while self.batches and turns.take(self.catch_up):
                self.batches -= 1
                written.append(self.number)

    members = [Member(n, 3) for n in range(20)]
    for member in members:
        member.catch_up()
    assert len(written) == MOST
    while len(written) < 60:
        before = len(written)
        await asyncio.sleep(0)
        assert len(written) - before <= MOST
    assert written == [n for n in range(20) for _ in range(3)]
    await settle()
    assert turns.take(members[0].catch_up)
    await settle()
