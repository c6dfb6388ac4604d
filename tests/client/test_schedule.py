"""The waits before a client connects or joins again."""

from __future__ import annotations

from hypothesis import given, strategies as st

from bennu.client.schedule import RECONNECT, REJOIN, Backoff


def test_the_waits_are_those_of_phoenix_js() -> None:
    waits = [round(RECONNECT.delay(tries, 0.5) * 1000) for tries in range(12)]
    assert waits == [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000, 5000]
    assert [REJOIN.delay(tries, 0.5) for tries in range(5)] == [1, 2, 5, 10, 10]


@given(st.integers(0, 100), st.floats(0, 1))
def test_the_jitter_stays_within_its_part(tries: int, random: float) -> None:
    backoff = Backoff((1, 10), jitter=0.2)
    middle = 1 if tries == 0 else 10
    assert 0.8 * middle <= backoff.delay(tries, random) <= 1.2 * middle


def test_without_jitter_a_wait_is_exact() -> None:
    assert Backoff((3,), jitter=0).delay(5, 0.9) == 3
