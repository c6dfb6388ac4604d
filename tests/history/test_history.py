"""The option ``history``: its values, its errors, and the history of each topic."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bennu.errors import DefinitionError
from bennu.history import History
from bennu.history.history import NO_HISTORY
from bennu.history.run import Bounds
from bennu.store import Retention

DAY = 24 * 3600.0


def test_the_defaults() -> None:
    assert History().retention == Retention(1_000, 3600.0, 30 * DAY)
    assert History().bounds == Bounds(1_000, 4 * 1024 * 1024)


@pytest.mark.parametrize(
    ("history", "entries"),
    [
        (History(size=50), 50),
        (History(size=5_000), 1_000),
        (History(size=5_000, max_recovered=2_000), 2_000),
        (History(size=1, max_recovered=1), 1),
        (History(size=100_000, max_recovered=100_000), 100_000),
    ],
)
def test_a_client_gets_at_most_what_is_kept(history: History, entries: int) -> None:
    assert history.bounds.entries == entries


def test_a_client_gets_at_most_so_many_bytes() -> None:
    assert History(max_recovered_bytes=1).bounds.size == 1


@pytest.mark.parametrize(
    ("ttl", "seconds", "record"),
    [
        (None, None, 30 * DAY),
        (timedelta(minutes=1), 60.0, 30 * DAY),
        (timedelta(days=7), 7 * DAY, 70 * DAY),
        (timedelta(milliseconds=1), 0.001, 30 * DAY),
    ],
)
def test_the_record_is_kept_for_longer_than_a_client_is_away(
    ttl: timedelta | None, seconds: float | None, record: float
) -> None:
    assert History(ttl=ttl).retention == Retention(1_000, seconds, record)


@pytest.mark.parametrize("value", [0, -1, 100_001, 1.5, True, "10", None])
def test_a_size_that_can_not_be_used(value: Any) -> None:
    with pytest.raises(DefinitionError) as raised:
        History(size=value)
    text = str(raised.value)
    assert "History(size=...)" in text
    assert "a whole number from 1 to 100000" in text
    assert repr(value) in text
    assert "History(size=1000)" in text


def test_a_function_as_a_size_is_named_with_its_place() -> None:
    def size() -> int:
        return 10

    given: Any = size
    with pytest.raises(DefinitionError, match=r"test_history\.py"):
        History(size=given)


@pytest.mark.parametrize("value", [0, 51, 2.0])
def test_max_recovered_is_at_most_the_size(value: Any) -> None:
    with pytest.raises(DefinitionError) as raised:
        History(size=50, max_recovered=value)
    text = str(raised.value)
    assert "a whole number from 1 to 50" in text
    assert "History(max_recovered=50)" in text


@pytest.mark.parametrize("value", [0, None, 2**40 + 1])
def test_max_recovered_bytes_is_a_number(value: Any) -> None:
    with pytest.raises(DefinitionError, match="max_recovered_bytes"):
        History(max_recovered_bytes=value)


@pytest.mark.parametrize("value", [timedelta(), timedelta(seconds=-1), 60, "1h"])
def test_a_ttl_is_a_time(value: Any) -> None:
    with pytest.raises(DefinitionError) as raised:
        History(ttl=value)
    text = str(raised.value)
    assert "a time above 0, or None" in text
    assert "History(ttl=timedelta(hours=1))" in text


def test_an_unknown_option_is_refused() -> None:
    unknown: Any = {"sise": 10}
    with pytest.raises(DefinitionError, match="size"):
        History(**unknown)


def test_a_history_is_one_value() -> None:
    assert History(size=5) == History(size=5) != History(size=6)


class TestTopics:
    def test_all_topics_have_one_history(self) -> None:
        history = History(size=5)
        assert history.of("any") is history

    def test_no_history(self) -> None:
        assert NO_HISTORY.of("any") is None

    def test_a_function_chooses(self) -> None:
        small = History(size=5)
        chosen = {"small": small, "none": None, "off": NO_HISTORY}
        history = History.by_topic(lambda topic: chosen[topic])
        assert [history.of(topic) for topic in chosen] == [small, None, None]

    @pytest.mark.parametrize("value", [5, "History", History.by_topic(lambda topic: None)])
    def test_a_function_that_returns_something_else(self, value: Any) -> None:
        history = History.by_topic(lambda topic: value)
        with pytest.raises(TypeError, match="for 'room:1': expected a History or None"):
            history.of("room:1")

    def test_a_function_does_not_wait(self) -> None:
        async def choose(topic: str) -> None: ...

        given: Any = choose
        with pytest.raises(DefinitionError, match="it is called for a broadcast"):
            History.by_topic(given)
