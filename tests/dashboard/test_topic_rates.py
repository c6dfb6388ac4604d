"""The rates of topics, and which topics are shown."""

from __future__ import annotations

from bennu.dashboard.topic_rates import TopicFigures, TopicRates


def test_the_first_count_has_no_rates() -> None:
    """What a node has counted before a page is opened is no rate."""
    rates = TopicRates(10)
    rates.count("room:1", 500, 1000, 2)
    assert (rates.messages, rates.deliveries) == (0, 0)
    assert rates.finish(1) == [TopicFigures("room:1", 2, 0, 0)]


def test_rates_are_by_the_second() -> None:
    rates = TopicRates(10)
    rates.count("room:1", 0, 0, 2)
    rates.finish(1)
    rates.count("room:1", 10, 20, 2)
    assert (rates.messages, rates.deliveries, rates.topics) == (10, 20, 1)
    assert rates.finish(2) == [TopicFigures("room:1", 2, 5, 10)]


def test_a_silent_topic_without_subscribers_is_not_shown() -> None:
    rates = TopicRates(10)
    rates.count("room:1", 500, 1000, 0)
    assert rates.topics == 0
    assert rates.finish(1) == []


def test_one_half_is_busy_and_the_other_is_large() -> None:
    """Ten thousand topics need the memory of their counts, and the figures of four."""
    rates = TopicRates(4)
    for number in range(10_000):
        rates.count(f"room:{number}", 0, 0, number)
    rates.finish(1)
    for number in range(10_000):
        rates.count(f"room:{number}", 10_000 - number, 10_000 - number, number)
    assert rates.topics == 10_000
    names = [one.topic for one in rates.finish(1)]
    assert names == ["room:0", "room:1", "room:9999", "room:9998"]


def test_a_topic_that_is_busy_and_large_is_shown_once() -> None:
    rates = TopicRates(4)
    shown: list[TopicFigures] = []
    for messages in (0, 5):
        for number in range(6):
            rates.count(f"room:{number}", messages * number, messages * number, number)
        shown = rates.finish(1)
    assert [one.topic for one in shown] == ["room:5", "room:4", "room:3", "room:2"]


def test_a_long_topic_is_cut() -> None:
    rates = TopicRates(4)
    rates.count("x" * 1000, 0, 0, 1)
    assert rates.finish(1)[0].topic == "x" * 200
