"""Rates as users write them, and the laws of a token bucket."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, strategies as st

from bennu.errors import DefinitionError
from bennu.limits.rate import TOLERANCE, Bucket, Rate, rate_of

from ..support.properties import property_test


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30/minute", Rate(30, per=60)),
        ("10/second", Rate(10, per=1)),
        ("1/hour", Rate(1, per=3600)),
        ("5/day", Rate(5, per=86400)),
        ("100/10s", Rate(100, per=10)),
        ("100/10 seconds", Rate(100, per=10)),
        ("3/1.5min", Rate(3, per=90)),
        ("2/m", Rate(2, per=60)),
        ("2/2h", Rate(2, per=7200)),
        ("2/d", Rate(2, per=86400)),
        ("64k/second", Rate(64_000, per=1)),
        ("1M/sec", Rate(1_000_000, per=1)),
        ("10_000/s", Rate(10_000, per=1)),
        (" 30 / minute , burst 60 ", Rate(30, per=60, burst=60)),
        ("64k/s, burst 1M", Rate(64_000, per=1, burst=1_000_000)),
    ],
)
def test_a_rate_is_read_as_it_is_said(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "30/",
        "/minute",
        "30/fortnight",
        "-1/s",
        "0/s",
        "1/0s",
        "1/s, burst",
        "1 per s",
        "1/é",
    ],
)
def test_what_is_no_rate_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(DefinitionError, match=r'write: +"30/minute"'):
        Rate.parse(text)


@pytest.mark.parametrize(
    "numbers", [(0, 1, 0), (1, 0, 0), (1, -1, 0), (1, math.inf, 0), (1, math.nan, 0), (1, 1, -1)]
)
def test_numbers_that_make_no_rate_are_refused(numbers: tuple[int, float, int]) -> None:
    with pytest.raises(DefinitionError):
        Rate(numbers[0], per=numbers[1], burst=numbers[2])


def test_without_a_burst_it_is_the_count() -> None:
    assert Rate(30, per=60).burst == 30
    assert Rate(30, per=60, burst=5).burst == 5


def test_who_gives_no_rate_is_told_where() -> None:
    """The error names the option and the place. A rate is text or a Rate."""
    rate = Rate(1, per=1)
    assert rate_of(rate, subject="a") is rate
    assert rate_of("1/s", subject="a") == rate
    for wrong in ("often", 30, None):
        with pytest.raises(DefinitionError) as caught:
            rate_of(wrong, subject="Rates(joins=...)", where="app.py:7")
        assert caught.value.subject == "Rates(joins=...)"
        assert caught.value.got == repr(wrong)
        assert caught.value.where == "app.py:7"


rates = st.builds(
    Rate,
    count=st.integers(1, 50),
    per=st.integers(1, 100_000).map(float) | st.sampled_from([0.5, 0.01, 60.0, 3600.0]),
    burst=st.integers(0, 50),
)

pauses = st.lists(st.floats(0, 100), max_size=25)


@property_test
@given(rates)
def test_a_rate_as_text_is_that_rate(rate: Rate) -> None:
    assert Rate.parse(str(rate)) == rate


@property_test
@given(rates, pauses, st.floats(0, 1e7))
def test_never_more_than_a_burst_and_what_has_come_since(
    rate: Rate, pauses: list[float], begin: float
) -> None:
    """In any period of time at most the burst, and the rate times its length, is taken."""
    bucket, now = Bucket(rate), begin
    taken: list[float] = []
    for pause in pauses:
        now += pause
        taken += [now for _ in range(3) if not bucket.take(now)]
    for first, start in enumerate(taken):
        for count, end in enumerate(taken[first:], 1):
            assert count <= rate.burst + (end - start + 2 * TOLERANCE) / rate.interval + 1e-6


@property_test
@given(rates, pauses)
def test_who_waits_as_told_is_let_through_and_who_does_not_is_not(
    rate: Rate, pauses: list[float]
) -> None:
    bucket, now = Bucket(rate), 0.0
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        if wait:
            assert bucket.take(now + wait / 2) or wait / 2 <= TOLERANCE
            now += wait
            assert bucket.take(now) == 0.0


@property_test
@given(rates, pauses)
def test_a_refusal_takes_nothing(rate: Rate, pauses: list[float]) -> None:
    """A refused attempt takes no token, so a thousand refused attempts do not lengthen the wait."""
    patient, now = Bucket(rate), 0.0
    pushy = Bucket(rate)
    for pause in pauses:
        now += pause
        wait = patient.take(now)
        for _ in range(5 if wait else 1):
            assert pushy.take(now) == wait


@property_test
@given(rates, pauses)
@example(Rate(9, per=2.0, burst=2), [1.0, 0.0])  # sums of floats are not exact
def test_after_a_pause_there_is_a_whole_burst_and_no_more(rate: Rate, pauses: list[float]) -> None:
    bucket, now = Bucket(rate), 0.0
    assert bucket.is_full(now)
    for pause in pauses:
        now += pause
        bucket.take(now)
    now += rate.span
    assert bucket.is_full(now)
    assert [bucket.take(now) for _ in range(rate.burst)] == [0.0] * rate.burst
    assert bucket.take(now) > 0
    assert not bucket.is_full(now)


@property_test
@given(rates, st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10_000)), max_size=30))
def test_what_is_drawn_is_owed_until_it_is_paid_for(
    rate: Rate, draws: list[tuple[float, int]]
) -> None:
    """A client that waits for what it owes has had at most the burst, and the rate times the time."""
    bucket, now, total, last = Bucket(rate), 0.0, 0, 0
    for pause, count in draws:
        now += pause
        total, last = total + count, count
        now += bucket.draw(now, count)
        assert bucket.draw(now, 0) == 0.0
    assert total <= rate.burst + (now + (len(draws) + 1) * TOLERANCE) / rate.interval + last * 1e-6


def test_what_is_drawn_at_once_is_paid_for_at_the_rate() -> None:
    bucket = Bucket(Rate(100, per=1, burst=50))
    assert bucket.draw(0.0, 50) == 0.0
    assert bucket.draw(0.0, 100) == pytest.approx(1.0)
    assert bucket.draw(0.5, 0) == pytest.approx(0.5)
    assert bucket.draw(1.0, 0) == 0.0
