"""What a node misses is reported by topic, at most once a second."""

from __future__ import annotations

from collections import Counter

from bennu.bus import Loss, LossReason
from bennu.bus.ipc.missed import REPORT, Missed
from bennu.testing.clock import advance, settle


async def test_counts_are_reported_once() -> None:
    losses: list[Loss] = []
    missed = Missed("two", losses.append)
    missed.report_soon()
    missed.report()
    assert losses == []
    missed.add(b"t")
    missed.add_all(Counter({b"t": 2, b"\xff": 1}))
    assert len(missed) == 4
    missed.report_soon()
    missed.report_soon()
    await advance(REPORT)
    await settle()
    expected = [
        Loss("two", "t", 3, LossReason.CUT),
        Loss("two", "\N{REPLACEMENT CHARACTER}", 1, LossReason.CUT),
    ]
    assert losses == expected
    missed.report()
    assert losses == expected


async def test_what_a_dead_process_misses_is_forgotten() -> None:
    losses: list[Loss] = []
    missed = Missed("two", losses.append)
    missed.add(b"t")
    missed.report_soon()
    missed.clear()
    await advance(2 * REPORT)
    assert losses == []
