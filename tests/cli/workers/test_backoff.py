"""The delay before a worker starts again."""

from __future__ import annotations

from bennu.cli.workers.backoff import FIRST, LONGEST, STEADY, delay_after


def delays(count: int, served: float) -> list[float]:
    """Return the delays of a worker that ends again and again."""
    found: list[float] = []
    for _ in range(count):
        found.append(delay_after(found[-1] if found else 0.0, served))
    return found


def test_it_doubles_up_to_the_longest() -> None:
    assert delays(11, served=1.0) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_a_worker_that_has_served_for_a_while_starts_at_once() -> None:
    assert delays(3, served=STEADY) == [FIRST] * 3
    assert delay_after(LONGEST, STEADY - 1) == LONGEST
